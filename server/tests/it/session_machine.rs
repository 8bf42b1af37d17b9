//! The session machine in virtual time.

use nc_protocol::handshake::RejectCode;
use nc_server::session::{
    Action, BURST, Close, Excess, HANDSHAKE_TIMEOUT, HEARTBEAT, MAX_MESSAGE, MESSAGES_PER_SECOND, PATIENCE, SessionMachine,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::hello;

fn actions(machine: &mut SessionMachine) -> Vec<Action> {
    std::iter::from_fn(|| machine.poll_action()).collect()
}

fn opened(start: Instant) -> SessionMachine {
    let mut machine = SessionMachine::new(start);
    machine.handle_text(start, &hello().to_string());
    assert!(matches!(&*actions(&mut machine), [Action::Admit(hello)] if hello.wants("notify.camera")));
    machine.opened(start);
    machine
}

/// The code and details of the reject that `first` leads to; the socket closes normally after it.
fn rejected(first: &str) -> (RejectCode, Value) {
    let now = Instant::now();
    let mut machine = SessionMachine::new(now);
    machine.handle_text(now, first);
    match &*actions(&mut machine) {
        [Action::Reject(reject), Action::Close(close)] => {
            assert_eq!(close.code, Close::NORMAL);
            assert_eq!(machine.poll_timeout(), None);
            (reject.code, reject.details.clone().unwrap_or(Value::Null))
        }
        other => panic!("{first}: {other:?}"),
    }
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut hello = hello();
    change(&mut hello);
    hello.to_string()
}

#[test]
fn every_bad_first_message_has_its_reject_code() {
    assert_eq!(rejected("hello?").0, RejectCode::InvalidJson);
    assert_eq!(rejected("[]").0, RejectCode::InvalidPayload);
    assert_eq!(rejected(r#"{"type":"ping"}"#), (RejectCode::UnexpectedMessage, json!({"received": "ping"})));
    assert_eq!(rejected("{}"), (RejectCode::UnexpectedMessage, json!({"received": null})));
    for broken in [
        with(|hello| hello["version"] = 1.into()),
        with(|hello| hello["payload"]["surplus"] = true.into()),
        with(|hello| hello["payload"]["client"]["surplus"] = true.into()),
        with(|hello| hello["payload"]["protocols"] = json!([])),
        with(|hello| hello["session"] = "s".into()),
        with(|hello| hello["frame_id"] = Value::Null),
    ] {
        let (code, details) = rejected(&broken);
        assert_eq!(code, RejectCode::InvalidPayload, "{broken}");
        assert!(details["error"].is_string(), "{broken}");
    }
    let old = with(|hello| hello["payload"]["protocols"] = json!([1]));
    assert_eq!(rejected(&old), (RejectCode::ProtocolMismatch, json!({"client_protocols": [1]})));
    let deaf = with(|hello| hello["payload"]["features"] = json!({"notify.scene": true, "notify.layers": false}));
    assert_eq!(rejected(&deaf), (RejectCode::UnsupportedClient, json!({"missing": ["notify.layers", "notify.stream"]})));
    for token in ["not a token".to_owned(), "x".repeat(65), "ä".to_owned()] {
        let odd = with(|hello| hello["payload"]["resume_tokens"]["notify.layers"] = token.into());
        assert_eq!(rejected(&odd), (RejectCode::InvalidResumeToken, json!({"topic": "notify.layers"})));
    }
}

#[test]
fn a_token_of_another_server_is_no_reason_to_refuse() {
    for token in ["", "9b0f-_X", &"f".repeat(32)] {
        let mut machine = SessionMachine::new(Instant::now());
        machine.handle_text(Instant::now(), &with(|hello| hello["payload"]["resume_tokens"]["notify.scene"] = token.into()));
        assert!(matches!(&*actions(&mut machine), [Action::Admit(_)]), "{token}");
    }
}

fn intent(n: u32) -> String {
    json!({"type": "state.update", "version": 2, "session": "s", "frame_id": format!("f{n}"), "intent_id": format!("i{n}"),
        "timestamp": 1, "payload": {"scope": "dims", "target": "z", "key": "step", "value": 1}})
    .to_string()
}

#[test]
fn what_comes_on_top_of_too_many_messages_is_answered_and_not_done() {
    let now = Instant::now();
    let mut machine = opened(now);
    for n in 0..BURST {
        machine.handle_text(now, &intent(n));
        assert!(matches!(&*actions(&mut machine), [Action::Update { .. }]));
    }
    machine.handle_text(now, &intent(BURST));
    let (session, frame_id, intent_id) = ("s".to_owned(), format!("f{BURST}"), format!("i{BURST}"));
    assert_eq!(actions(&mut machine), [Action::Excess(Excess::Update { session, frame_id, intent_id })]);
    let call = json!({"type": "call.command", "version": 2, "session": "s", "frame_id": "c", "timestamp": 1,
        "payload": {"command": "napari.pixel.request_keyframe"}});
    machine.handle_text(now, &call.to_string());
    assert_eq!(actions(&mut machine), [Action::Excess(Excess::Command { frame_id: "c".to_owned() })]);
    machine.handle_text(now, r#"{"type":"ping"}"#);
    machine.handle_binary(now, &[0xff]);
    assert_eq!(actions(&mut machine), [], "nobody waits for an answer to these");
    machine.handle_text(now + Duration::from_secs(1) / MESSAGES_PER_SECOND, &intent(0));
    assert!(matches!(&*actions(&mut machine), [Action::Update { .. }]), "there is room for one more");
    let goodbye =
        json!({"type": "session.goodbye", "version": 2, "session": "s", "frame_id": "g", "timestamp": 1, "payload": {}});
    machine.handle_text(now, &goodbye.to_string());
    assert!(matches!(&*actions(&mut machine), [Action::Goodbye(_), Action::Close(Close { code: Close::NORMAL, .. })]));
}

#[test]
fn too_many_messages_for_too_long_end_the_session() {
    let start = Instant::now();
    let mut machine = opened(start);
    let end = (0..20_000).find_map(|n| {
        let now = start + Duration::from_millis(1) * n;
        machine.handle_text(now, &intent(n));
        match &*actions(&mut machine) {
            [Action::Goodbye(goodbye), Action::Close(close)] => Some((now, goodbye.clone(), *close)),
            _ => None,
        }
    });
    let (when, goodbye, close) = end.unwrap();
    assert_eq!((goodbye.code.as_deref(), close.code), (Some("rate_limit"), Close::POLICY));
    let burst = Duration::from_secs(1) * BURST / (1000 - MESSAGES_PER_SECOND);
    let expected = start + burst + PATIENCE;
    assert!(when.max(expected) - when.min(expected) < Duration::from_millis(10), "{:?}", when - start);
    machine.handle_text(when, &intent(0));
    assert_eq!(actions(&mut machine), []);
}

#[test]
fn a_message_that_is_too_large_ends_the_session() {
    let now = Instant::now();
    let fits = "x".repeat(MAX_MESSAGE);
    let mut machine = opened(now);
    machine.handle_text(now, &fits);
    assert_eq!(actions(&mut machine), [], "it is rubbish, but may be");
    machine.handle_binary(now, format!("{fits}x").as_bytes());
    match &*actions(&mut machine) {
        [Action::Goodbye(goodbye), Action::Close(close)] => {
            assert_eq!((goodbye.code.as_deref(), close.code), (Some("message_too_large"), Close::TOO_LARGE));
        }
        other => panic!("{other:?}"),
    }
    let mut machine = SessionMachine::new(now);
    machine.handle_oversize();
    match &*actions(&mut machine) {
        [Action::Reject(reject), Action::Close(close)] => {
            assert_eq!((reject.code, close.code), (RejectCode::InvalidPayload, Close::TOO_LARGE));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn how_far_the_pictures_have_come_is_handed_on() {
    let mut machine = opened(Instant::now());
    let feedback = json!({"type": "x.feedback", "version": 2, "session": "s", "frame_id": "f", "timestamp": 1,
        "payload": {"painted_seq": 7, "decode_queue": 2}});
    machine.handle_text(Instant::now(), &feedback.to_string());
    assert!(matches!(&*actions(&mut machine), [Action::Feedback(feedback)] if feedback.painted_seq == Some(7)));
}

#[test]
fn binary_is_text_if_it_can_be() {
    let mut machine = SessionMachine::new(Instant::now());
    machine.handle_binary(Instant::now(), hello().to_string().as_bytes());
    assert!(matches!(&*actions(&mut machine), [Action::Admit(_)]));
    let mut machine = SessionMachine::new(Instant::now());
    machine.handle_binary(Instant::now(), &[0xff, 0xfe]);
    assert!(matches!(&*actions(&mut machine), [Action::Reject(reject), _] if reject.code == RejectCode::InvalidPayload));
}

#[test]
fn a_hello_must_come_within_five_seconds() {
    let start = Instant::now();
    let mut machine = SessionMachine::new(start);
    assert_eq!(machine.poll_timeout(), Some(start + HANDSHAKE_TIMEOUT));
    machine.handle_timeout(start + HANDSHAKE_TIMEOUT - Duration::from_millis(1));
    assert_eq!(actions(&mut machine), []);
    machine.handle_timeout(start + HANDSHAKE_TIMEOUT);
    assert!(matches!(&*actions(&mut machine), [Action::Reject(reject), Action::Close(_)] if reject.code == RejectCode::Timeout));
}

#[test]
fn two_missed_heartbeats_end_the_session() {
    let start = Instant::now();
    let mut machine = opened(start);
    for beat in 1..=2 {
        assert_eq!(machine.poll_timeout(), Some(start + beat * HEARTBEAT));
        machine.handle_timeout(start + beat * HEARTBEAT);
        assert_eq!(actions(&mut machine), [Action::Heartbeat]);
    }
    machine.handle_timeout(start + 3 * HEARTBEAT);
    match &*actions(&mut machine) {
        [Action::Goodbye(goodbye), Action::Close(close)] => {
            assert_eq!(goodbye.code.as_deref(), Some("timeout"));
            assert_eq!(goodbye.reason.as_deref(), Some("heartbeat_timeout"));
            assert_eq!(close.code, Close::FAILED);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_sign_of_life_keeps_the_session() {
    let start = Instant::now();
    let signs: [fn(&mut SessionMachine, Instant); 4] = [
        |machine, now| machine.handle_text(now, r#"{"type":"ping"}"#),
        |machine, now| machine.handle_text(now, "rubbish"),
        |machine, now| machine.handle_binary(now, &[0xff]),
        |machine, _| machine.handle_life(),
    ];
    let mut machine = opened(start);
    for beat in 1..=8 {
        machine.handle_timeout(start + beat * HEARTBEAT);
        assert_eq!(actions(&mut machine), [Action::Heartbeat], "beat {beat}");
        // Every second beat is answered late, by something else each time: one miss alone is forgiven.
        if beat % 2 == 0 {
            signs[(beat as usize / 2) % signs.len()](&mut machine, start + beat * HEARTBEAT);
        }
        assert_eq!(actions(&mut machine), []);
    }
}

#[test]
fn rubbish_is_ignored_and_broken_intents_are_refused() {
    let now = Instant::now();
    let mut machine = opened(now);
    for rubbish in [
        "",
        "{",
        "[1]",
        r#"{"type":"ping"}"#,
        r#"{"type":"shutdown"}"#,
        r#"{"type":"notify.scene","version":2}"#,
        r#"{"type":"session.ack","version":2,"session":"s","frame_id":"f","timestamp":1,"payload":{"surplus":1}}"#,
        r#"{"type":"state.update","version":2,"timestamp":1,"payload":{}}"#,
        &hello().to_string(),
    ] {
        machine.handle_text(now, rubbish);
        assert_eq!(actions(&mut machine), [], "{rubbish}");
    }
    let update = json!({"type": "state.update", "version": 2, "session": "s", "frame_id": "f", "intent_id": "i", "timestamp": 1,
        "payload": {"scope": "dims", "target": "z", "key": "index", "value": null}});
    machine.handle_text(now, &update.to_string());
    assert!(matches!(&*actions(&mut machine), [Action::Update { update, .. }] if update.value.is_null()));
    for (field, value) in [("version", json!(1)), ("seq", json!(3)), ("payload", json!({"scope": "dims"}))] {
        let mut broken = update.clone();
        broken[field] = value;
        machine.handle_text(now, &broken.to_string());
        assert!(matches!(&*actions(&mut machine), [Action::Refuse(_)]), "{broken}");
    }
}

#[test]
fn a_goodbye_is_answered_with_what_it_said() {
    let now = Instant::now();
    let mut machine = opened(now);
    let goodbye = json!({"type": "session.goodbye", "version": 2, "session": "s", "frame_id": "g", "timestamp": 1,
        "payload": {"reason": "lunch"}});
    machine.handle_text(now, &goodbye.to_string());
    match &*actions(&mut machine) {
        [Action::Goodbye(answer), Action::Close(close)] => {
            assert_eq!(answer.code.as_deref(), Some("goodbye"));
            assert_eq!(answer.message.as_deref(), Some("client requested shutdown"));
            assert_eq!(answer.reason.as_deref(), Some("lunch"));
            assert_eq!(close.code, Close::NORMAL);
        }
        other => panic!("{other:?}"),
    }
    machine.handle_text(now, &hello().to_string());
    assert_eq!(actions(&mut machine), []);
}
