//! The validator refuses what the Python client would trip over.

use crate::examples::{SCENE, from_server};
use nc_protocol::validate::{Conversation, outgoing};
use nc_protocol::{Kind, VERSION};
use serde_json::{Value, json};

/// The example of `kind` with one value set by JSON pointer; the parent must exist.
fn with(kind: Kind, at: &str, value: Value) -> String {
    let (_, text) = from_server().find(|(of, _)| *of == kind).unwrap();
    let mut frame: Value = serde_json::from_str(text).unwrap();
    let (parent, key) = at.rsplit_once('/').unwrap();
    match frame.pointer_mut(parent).unwrap() {
        Value::Object(object) => drop(object.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    frame.to_string()
}

#[test]
fn every_rule_is_enforced() {
    let layer = "/payload/layers/0";
    let broken = [
        (Kind::Heartbeat, "/version", json!(1)),
        (Kind::Heartbeat, "/version", json!(2.0)),
        (Kind::Heartbeat, "/payload/surplus", json!(1)),
        (Kind::Heartbeat, "/seq", json!(1)),
        (Kind::Heartbeat, "/session", json!(null)),
        (Kind::Reject, "/session", json!("s")),
        (Kind::Welcome, "/session", json!("other")),
        (Kind::Welcome, "/payload/protocol_version", json!(1)),
        (Kind::Welcome, "/payload/features/call.command/enabled", json!(false)),
        (Kind::Welcome, "/payload/features/notify.dims/key", json!("k")),
        (Kind::Welcome, "/payload/features/notify.dims/extension", json!(1)),
        (Kind::UpdateAck, "/intent_id", json!("i")),
        (Kind::UpdateAck, "/payload/version", json!(1.0)),
        (Kind::UpdateAck, "/payload/version", json!(null)),
        (Kind::UpdateAck, "/payload/error", json!({"code": "c", "message": "m"})),
        (Kind::Scene, "/seq", json!(1)),
        (Kind::Scene, "/payload/viewer/dims/current_level", json!(3)),
        (Kind::Scene, "/payload/viewer/dims/current_step", json!([24, 0, 0])),
        (Kind::Scene, "/payload/viewer/dims/order", json!([0, 1, 1])),
        (Kind::Scene, "/payload/viewer/dims/displayed", json!([0, 1])),
        (Kind::Scene, "/payload/viewer/surplus", json!(1)),
        (Kind::Scene, &format!("{layer}/axis_labels"), json!(["y", "x"])),
        (Kind::Scene, &format!("{layer}/layer_type"), json!("labels")),
        (Kind::Scene, &format!("{layer}/contrast_limits"), json!([1.0, 1.0])),
        (Kind::Scene, &format!("{layer}/metadata"), json!({})),
        (Kind::Scene, &format!("{layer}/metadata/thumbnail"), json!([[0.1, 0.2]])),
        (Kind::Scene, &format!("{layer}/metadata/thumbnail"), json!([[[0.1]]])),
        (Kind::Scene, &format!("{layer}/metadata/thumbnail"), json!([[[0, 0, 255]]])),
        (Kind::Scene, &format!("{layer}/controls/depiction"), json!("plane")),
        (Kind::Scene, &format!("{layer}/controls/gamma"), json!(null)),
        (Kind::Scene, &format!("{layer}/controls/gamma"), json!(0.0)),
        (Kind::Scene, &format!("{layer}/controls/opacity"), json!(1.5)),
        (Kind::Scene, &format!("{layer}/controls/blending"), json!("maximum")),
        (Kind::Scene, &format!("{layer}/controls/interpolation"), json!("bilinear")),
        (Kind::Scene, &format!("{layer}/controls/rendering"), json!("plane")),
        (Kind::Scene, &format!("{layer}/multiscale/current_level"), json!(0)),
        (Kind::Dims, "/payload/current_level", json!(2)),
        (Kind::Dims, "/payload/step", json!([12, 0, 256])),
        (Kind::Dims, "/payload/step", json!([12.0, 0, 0])),
        (Kind::Dims, "/payload/mode", json!("volume")),
        (Kind::Dims, "/payload/axis_labels", json!(["y", "x"])),
        (Kind::Dims, "/payload/level_shapes", json!([[24, 512, 512]])),
        (Kind::Dims, "/frame_id", json!(null)),
        (Kind::Camera, "/payload/origin", json!("worker.state.camera")),
        (Kind::Camera, "/payload/delta", json!(null)),
        (Kind::Layers, "/payload/changes", json!({})),
        (Kind::Layers, "/payload/controls", json!({})),
        (Kind::Layers, "/delta_token", json!(null)),
        (Kind::Stream, "/payload/avcc", json!("not base64!")),
        (Kind::Stream, "/payload/nal_length_size", json!(3)),
        (Kind::Stream, "/payload/surplus", json!(1)),
        (Kind::Error, "/payload/severity", json!("fatal")),
    ];
    for (kind, at, value) in broken {
        let frame = with(kind, at, value.clone());
        assert!(outgoing(&frame).is_err(), "{} accepts {at} = {value}", kind.name());
    }
    assert!(outgoing(&with(Kind::Reject, "/payload/details", json!({"received": null}))).is_ok(), "free-form places hold nulls");
}

#[test]
fn a_server_does_not_send_what_clients_send() {
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.from_server()) {
        let frame = json!({"type": kind.name(), "version": VERSION, "timestamp": 1.0, "session": "s", "frame_id": "f",
            "intent_id": "i", "payload": {}});
        assert!(outgoing(&frame.to_string()).is_err(), "{}", kind.name());
    }
}

/// A frame of the session of [`SCENE`].
fn of_session(kind: Kind, change: impl FnOnce(&mut Value)) -> String {
    let (_, text) = from_server().find(|(of, _)| *of == kind).unwrap();
    let mut frame: Value = serde_json::from_str(text).unwrap();
    frame["session"] = "5c26".into();
    change(&mut frame);
    frame.to_string()
}

fn welcome() -> String {
    of_session(Kind::Welcome, |frame| frame["payload"]["session"]["id"] = "5c26".into())
}

fn layers(seq: u64) -> String {
    of_session(Kind::Layers, |frame| frame["seq"] = seq.into())
}

/// Whether the last of the frames breaks the order that the others keep.
fn breaks(frames: &[String]) -> bool {
    let mut conversation = Conversation::default();
    let (last, before) = frames.split_last().unwrap();
    for frame in before {
        conversation.next(frame).unwrap_or_else(|violation| panic!("{violation}: {frame}"));
    }
    conversation.next(last).is_err()
}

#[test]
fn the_order_of_a_conversation() {
    let scene = || SCENE.to_owned();
    let dims = || of_session(Kind::Dims, |_| {});
    assert!(!breaks(&[welcome(), scene(), dims(), layers(0), layers(1)]));
    assert!(breaks(&[scene()]), "a welcome comes first");
    assert!(breaks(&[welcome(), welcome()]), "once");
    assert!(breaks(&[welcome(), dims()]), "a scene comes before dims");
    assert!(breaks(&[welcome(), scene(), layers(0)]), "dims come before layers");
    assert!(breaks(&[welcome(), scene(), dims(), layers(7)]), "a sequence starts at its start");
    assert!(breaks(&[welcome(), scene(), dims(), layers(0), layers(2)]), "and has no gaps");
    assert!(!breaks(&[welcome(), scene(), dims(), layers(0), scene(), layers(0)]), "a scene starts it anew");
    let ack = || of_session(Kind::UpdateAck, |_| {});
    assert!(breaks(&[welcome(), ack(), ack()]), "one ack per intent");
    let stranger = of_session(Kind::Heartbeat, |frame| frame["session"] = "other".into());
    assert!(breaks(&[welcome(), stranger]), "the session is the welcome's");
    let goodbye = of_session(Kind::Goodbye, |_| {});
    assert!(breaks(&[welcome(), goodbye, ack()]), "nothing follows a goodbye");
}
