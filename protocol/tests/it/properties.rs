//! Whatever comes in, parsers answer with a value or an error.

use crate::examples::from_server;
use nc_protocol::inbound::{MAX_NAME, MAX_UPDATE};
use nc_protocol::pixel::{Codec, HEADER_LEN, Header};
use nc_protocol::resume::DeltaToken;
use nc_protocol::validate::Conversation;
use nc_protocol::{Ignored, Inbound, Kind, Malformed, ServerFrame, classify, validate};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, with the names of the wire among its keys and values.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "type",
            "version",
            "session",
            "frame_id",
            "timestamp",
            "seq",
            "delta_token",
            "intent_id",
            "payload",
            "scope",
            "target",
            "key",
            "value",
            "command",
            "protocols",
            "client",
            "features",
            "resume_tokens",
            "controls",
            "layer_id",
            "step",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

/// Hands a text to everything that reads text.
fn read_everywhere(text: &str) {
    let _ = classify(text);
    let parsed = ServerFrame::parse(text);
    let judged = validate::outgoing(text);
    assert!(parsed.is_ok() || judged.is_err(), "valid but unreadable: {text}");
    let _ = validate::outgoing_in(validate::Dialect { compact: true }, text);
    let mut conversation = Conversation::default();
    conversation.heard(text);
    let _ = conversation.next(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text(text in ".{0,200}") {
        read_everywhere(&text);
    }

    #[test]
    fn any_value(value in any_json()) {
        read_everywhere(&value.to_string());
    }

    /// Right envelopes around any payload.
    #[test]
    fn any_payload(kind in any_kind(), payload in any_json(), optional in any::<[bool; 4]>()) {
        let mut frame = json!({"type": kind.name(), "version": 2, "timestamp": 1.0, "payload": payload});
        for (there, field, value) in [
            (optional[0], "session", json!("s")),
            (optional[1], "frame_id", json!("f")),
            (optional[2], "intent_id", json!("i")),
        ] {
            if there {
                frame[field] = value;
            }
        }
        if optional[3] {
            frame["seq"] = json!(0);
            frame["delta_token"] = json!("t");
        }
        read_everywhere(&frame.to_string());
    }

    /// A valid frame in which one value became another is read or refused, and never misread as valid with an unknown key.
    #[test]
    fn any_change_of_a_valid_frame(n in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in any_json()) {
        let frames: Vec<_> = from_server().collect();
        let mut frame: Value = serde_json::from_str(n.get(&frames).1).unwrap();
        let mut paths = vec![];
        collect_paths(&frame, String::new(), &mut paths);
        *frame.pointer_mut(at.get::<String>(&paths)).unwrap() = value;
        read_everywhere(&frame.to_string());
    }

    #[test]
    fn text_that_is_not_json_is_ignored(text in "[^\\[{\"0-9tfn\\s-][^\u{0}]{0,40}") {
        prop_assert_eq!(classify(&text), Inbound::Ignored(Ignored::NotJson));
    }

    #[test]
    fn headers_survive(seq: u32, timestamp: f64, width: u32, height: u32, keyframe: bool, flip: bool,
                       payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let header = Header { seq, timestamp, width, height, codec: Codec::H264, keyframe, flip };
        let mut message = header.encode().to_vec();
        message.extend(&payload);
        let (read, rest) = Header::decode(&message).unwrap();
        prop_assert_eq!(read.encode(), header.encode());
        prop_assert_eq!((read.seq, read.width, read.height, read.keyframe, read.flip), (seq, width, height, keyframe, flip));
        prop_assert_eq!(rest, &*payload);
    }

    #[test]
    fn any_bytes_as_header(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        match Header::decode(&bytes) {
            Ok((header, _)) => prop_assert_eq!(&header.encode()[..], &bytes[..HEADER_LEN]),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn tokens_survive(epoch: u64, position: u64) {
        let token = DeltaToken { epoch, position };
        prop_assert_eq!(token.to_string().len(), 32);
        prop_assert_eq!(token.to_string().parse::<DeltaToken>(), Ok(token));
    }

    #[test]
    fn any_text_as_token(text in "[0-9a-fA-F+-]{30,34}|.{0,40}") {
        if let Ok(token) = text.parse::<DeltaToken>() {
            prop_assert_eq!(token.to_string(), text);
        }
    }
}

/// JSON pointers to every value inside.
fn collect_paths(value: &Value, at: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| collect_paths(value, format!("{at}/{key}"), paths)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| collect_paths(value, format!("{at}/{n}"), paths)),
        _ => {}
    }
    paths.push(at);
}

#[test]
fn the_header_is_laid_out_as_specified() {
    let header =
        Header { seq: 0x0102_0304, timestamp: 1.5, width: 1280, height: 720, codec: Codec::H264, keyframe: true, flip: true };
    let expected = [1, 2, 3, 4, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0xd0, 1, 3, 0, 0];
    assert_eq!(header.encode(), expected);
}

fn update(intent_id: &str, value: &str) -> String {
    json!({"type": "state.update", "version": 2, "session": "s", "frame_id": "f", "timestamp": 1.0, "intent_id": intent_id,
        "payload": {"scope": "camera", "target": "main", "key": "reset", "value": value}})
    .to_string()
}

#[test]
fn names_that_are_too_long_are_never_kept() {
    assert!(matches!(classify(&update(&"i".repeat(MAX_NAME), "")), Inbound::Update { .. }));
    assert!(matches!(classify(&update(&"i".repeat(MAX_NAME + 1), "")), Inbound::Ignored(Ignored::Broken(_))));
}

#[test]
fn an_intent_that_is_too_large_is_refused_by_its_name() {
    let excess = "x".repeat(MAX_UPDATE);
    let refused = Inbound::Malformed(Malformed::Update {
        session: "s".to_owned(),
        frame_id: "f".to_owned(),
        intent_id: "i".to_owned(),
        error: format!("a state.update may have {MAX_UPDATE} bytes"),
    });
    assert_eq!(classify(&update("i", &excess)), refused);
}
