//! The validator refuses what the Python client would trip over.

use crate::examples::{SCENE, from_server, scene_of_volume};
use nc_protocol::extension::{COMPACT_SCENE, LEVEL};
use nc_protocol::validate::{Conversation, Dialect, outgoing, outgoing_in};
use nc_protocol::{BOUND_PIXEL, Kind, VERSION};
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
        (Kind::Welcome, "/payload/features/notify.scene/resume", json!(false)),
        (Kind::Welcome, "/payload/features/notify.stream/resume_state/delta_token", json!("")),
        (Kind::Welcome, "/payload/features/notify.camera/resume", json!(true)),
        (Kind::Welcome, "/payload/features/notify.telemetry/enabled", json!(true)),
        (Kind::Welcome, "/payload/features/notify.dims/commands", json!([])),
        (Kind::Welcome, "/payload/features/notify.weather", json!({"enabled": true})),
        (Kind::Welcome, "/payload/features/x.level", json!({"enabled": false})),
        (Kind::Welcome, "/payload/features/x.bound_pixel", json!({"enabled": true, "version": 1})),
        (Kind::Welcome, "/payload/features/notify.dims/extension", json!(1)),
        (Kind::UpdateAck, "/intent_id", json!("i")),
        (Kind::UpdateAck, "/payload/version", json!(1.0)),
        (Kind::UpdateAck, "/payload/version", json!(null)),
        (Kind::UpdateAck, "/payload/error", json!({"code": "c", "message": "m"})),
        (Kind::CommandError, "/payload/code", json!("command.sulked")),
        (Kind::CommandError, "/payload/details", json!("text")),
        (Kind::Scene, "/seq", json!(1)),
        (Kind::Scene, "/payload/viewer/camera/center", json!([1.0, 2.0, 3.0])),
        (Kind::Scene, "/payload/viewer/camera/zoom", json!(0.0)),
        (Kind::Scene, "/payload/viewer/camera/angles", json!([0.0, 0.0, 0.0])),
        (Kind::Scene, "/payload/viewer/camera/rect", json!([0.0, 0.0, 0.0, 1.0])),
        (Kind::Scene, "/payload/metadata/status", json!("idle")),
        (Kind::Scene, "/payload/metadata/volume_state/mode", json!("plane")),
        (Kind::Scene, "/payload/metadata/volume_state/clim", json!([1.0, 0.0])),
        (Kind::Scene, "/payload/metadata/volume_state/sample_step", json!(5.0)),
        (Kind::Scene, &format!("{layer}/volume"), json!(true)),
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
        (Kind::Camera, "/payload/mode", json!("pan")),
        (Kind::Camera, "/payload/delta/factor", json!(0.0)),
        (Kind::Camera, "/payload/delta/anchor_px", json!([1.0])),
        (Kind::Camera, "/payload/delta/reason", json!("x")),
        (Kind::Dims, "/frame_id", json!("6a437ae")),
        (Kind::Dims, "/intent_id", json!("intent-00000001")),
        (Kind::Layers, "/payload/removed", json!(true)),
        (Kind::Layers, "/payload/data", json!({})),
        (Kind::Layers, "/payload/data", json!({"volume.depiction": "plane"})),
        (Kind::Layers, "/payload/data", json!({"volume.render_mode": "plane"})),
        (Kind::Layers, "/payload/data", json!({"volume.opacity": 2.0})),
        (Kind::Layers, "/payload/data", json!({"volume.sample_step": 0.0})),
        (Kind::Layers, "/payload/data", json!({"volume.contrast_limits": [1.0, 1.0]})),
        (Kind::Layers, "/payload/data", json!({"volume.colormap": ""})),
        (Kind::Layers, "/payload/data", json!({"multiscale.level": 2, "multiscale.level_shapes": [[4], [2]]})),
        (Kind::Layers, "/payload/metadata", json!({"thumbnail": [[[0.5]]]})),
        (Kind::Layers, "/payload/metadata", json!({"other": 1})),
        (Kind::Layers, "/payload/changes", json!({})),
        (Kind::Layers, "/payload/controls", json!({})),
        (Kind::Layers, "/delta_token", json!(null)),
        (Kind::Stream, "/payload/avcc", json!("not base64!")),
        (Kind::Stream, "/payload/nal_length_size", json!(3)),
        (Kind::Stream, "/payload/surplus", json!(1)),
        (Kind::Error, "/payload/severity", json!("fatal")),
        (Kind::Error, "/payload/code", json!("")),
        (Kind::XTelemetry, "/payload/stages/render/p99_ms", json!(0.1)),
        (Kind::XTelemetry, "/payload/fps", json!(-1.0)),
        (Kind::XTelemetry, "/payload/surplus", json!(1)),
        (Kind::XTelemetry, "/payload/ops/0/superseded_by", json!(9)),
        (Kind::XTelemetry, "/payload/ops/0/outcome", json!("superseded")),
        (Kind::XTelemetry, "/payload/ops/0/total_ms", json!(99.0)),
        (Kind::XLevel, "/payload/to", json!(2)),
        (Kind::XLevel, "/payload/fits", json!([true])),
        (Kind::XLevel, "/payload/reason", json!("whim")),
        (Kind::XLevel, "/payload/ndisplay", json!(4)),
        (Kind::XLevel, "/payload/target", json!(1)),
        (Kind::XLevel, "/payload/sampling", json!([1.0, 0.5])),
        (Kind::XLevel, "/payload/budgets/tile_bytes", json!(-1)),
        (Kind::XLevel, "/payload/thresholds/out", json!(0.0)),
        (Kind::XLevel, "/payload/canvas", json!([0, 480])),
        (Kind::XLevel, "/payload/roi", json!([5, 5, 0, 244])),
        (Kind::XLevel, "/payload/signature", json!([3, 0, 0, 5])),
        (Kind::XRole, "/payload/role", json!("king")),
        (Kind::XLabels, "/payload/layer_id", json!("")),
        (Kind::XLabels, "/payload/contour", json!(-1)),
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

#[test]
fn a_pose_has_the_keys_of_its_mode() {
    let pose = |state: Value| {
        json!({"type": "notify.camera", "version": 2, "session": "s", "frame_id": "0000000a", "timestamp": 1.0,
            "payload": {"mode": "pose", "origin": "worker.state.camera", "state": state}})
        .to_string()
    };
    let volume = json!({"center": [1.0, 2.0, 3.0], "angles": [30.0, 30.0, 0.0], "distance": 10.0, "fov": 60.0});
    assert_eq!(outgoing(&pose(volume.clone())), Ok(()));
    assert_eq!(outgoing(&pose(json!({"center": [1.0, 2.0], "zoom": 1.0, "rect": [0.0, 0.0, 1.0, 1.0]}))), Ok(()));
    for (key, value) in [
        ("center", json!([1.0, 2.0])),
        ("angles", json!([0.0, 91.0, 0.0])),
        ("distance", json!(0.0)),
        ("fov", json!(180.0)),
        ("zoom", json!(1.0)),
        ("rect", json!([0.0, 0.0, 1.0, 1.0])),
    ] {
        let mut state = volume.clone();
        state[key] = value.clone();
        assert!(outgoing(&pose(state)).is_err(), "{key} = {value}");
    }
    for missing in ["center", "angles", "distance", "fov"] {
        let mut state = volume.clone();
        state.as_object_mut().unwrap().remove(missing);
        assert!(outgoing(&pose(state)).is_err(), "without {missing}");
    }
}

#[test]
fn a_scene_of_a_volume_is_valid_and_its_camera_is_checked() {
    let scene = scene_of_volume();
    assert_eq!(outgoing(&scene.to_string()), Ok(()));
    for (key, value) in [("center", json!([1.0, 2.0])), ("zoom", json!(1.0)), ("fov", json!(-1.0)), ("ndisplay", json!(2))] {
        let mut broken = scene.clone();
        broken["payload"]["viewer"]["camera"][key] = value;
        assert!(outgoing(&broken.to_string()).is_err(), "{key}");
    }
}

/// A dialect is kept both ways: nobody misses a thumbnail, and nobody gets one that they asked to leave out.
#[test]
fn the_compact_dialect_has_no_thumbnails() {
    let compact = Dialect { compact: true };
    let scene = with(Kind::Scene, "/payload/layers/0/metadata", json!({}));
    assert_eq!(outgoing_in(compact, &scene), Ok(()));
    assert!(outgoing(&scene).is_err() && outgoing_in(compact, SCENE).is_err());
    let (_, thumbnail) = from_server().filter(|(kind, _)| *kind == Kind::Layers).nth(1).unwrap();
    assert!(outgoing(thumbnail).is_ok() && outgoing_in(compact, thumbnail).is_err());
}

/// A line of a conversation.
enum Line {
    /// Of the client.
    Heard(String),
    /// Of the server.
    Said(String),
}
use Line::{Heard, Said};

/// A frame of the session of [`SCENE`].
fn of_session(kind: Kind, change: impl FnOnce(&mut Value)) -> Line {
    let (_, text) = from_server().find(|(of, _)| *of == kind).unwrap();
    let mut frame: Value = serde_json::from_str(text).unwrap();
    frame["session"] = "5c26".into();
    change(&mut frame);
    Said(frame.to_string())
}

fn scene() -> Line {
    Said(SCENE.to_owned())
}

fn welcome(extension: Option<(&str, Value)>) -> Line {
    of_session(Kind::Welcome, |frame| {
        frame["payload"]["session"]["id"] = "5c26".into();
        if let Some((name, toggle)) = extension {
            frame["payload"]["features"][name] = toggle;
        }
    })
}

fn dims() -> Line {
    of_session(Kind::Dims, |_| {})
}

/// Dims of three axes shown.
fn solid() -> Line {
    of_session(Kind::Dims, |frame| {
        frame["payload"]["mode"] = "volume".into();
        frame["payload"]["ndisplay"] = 3.into();
        frame["payload"]["displayed"] = json!([0, 1, 2]);
    })
}

fn layers(seq: u64) -> Line {
    change(seq, json!({"layer_id": "layer-0", "controls": {"opacity": 0.5}}))
}

fn change(seq: u64, payload: Value) -> Line {
    of_session(Kind::Layers, |frame| {
        frame.as_object_mut().unwrap().remove("intent_id");
        (frame["seq"], frame["payload"]) = (seq.into(), payload);
    })
}

fn stream(seq: u64, fps: f64) -> Line {
    of_session(Kind::Stream, |frame| {
        (frame["seq"], frame["payload"]["fps"]) = (seq.into(), fps.into());
        frame["payload"]["frame_size"] = json!([1920, 1080]);
    })
}

fn update(n: u32) -> Line {
    let update = json!({"type": "state.update", "version": 2, "session": "5c26", "frame_id": format!("state-{n:08x}"),
        "timestamp": 1.0, "intent_id": format!("intent-{n:08x}"),
        "payload": {"scope": "camera", "target": "main", "key": "zoom", "value": null}});
    Heard(update.to_string())
}

fn ack(n: u32) -> Line {
    of_session(Kind::UpdateAck, |frame| {
        frame["payload"]["intent_id"] = format!("intent-{n:08x}").into();
        frame["payload"]["in_reply_to"] = format!("state-{n:08x}").into();
    })
}

fn refusal(n: u32) -> Line {
    of_session(Kind::UpdateAck, |frame| {
        frame["payload"] = json!({"intent_id": format!("intent-{n:08x}"), "in_reply_to": format!("state-{n:08x}"),
            "status": "rejected", "error": {"code": "state.forbidden", "message": "this session only watches"}});
    })
}

fn echo(n: u32) -> Line {
    of_session(Kind::Camera, |frame| frame["intent_id"] = format!("intent-{n:08x}").into())
}

fn pose(volume: bool) -> Line {
    of_session(Kind::Camera, |frame| {
        frame.as_object_mut().unwrap().remove("intent_id");
        frame["frame_id"] = "0000000a".into();
        let state = if volume {
            json!({"center": [1.0, 2.0, 3.0], "angles": [30.0, 30.0, 0.0], "distance": 10.0, "fov": 60.0})
        } else {
            json!({"center": [1.0, 2.0], "zoom": 1.0, "rect": [0.0, 0.0, 1.0, 1.0]})
        };
        frame["payload"] = json!({"mode": "pose", "origin": "worker.state.camera", "state": state});
    })
}

fn hello(extensions: &[&str]) -> Line {
    let features: serde_json::Map<_, _> = extensions.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
    let hello = json!({"type": "session.hello", "version": 2, "frame_id": "hello-1", "timestamp": 1.0,
        "payload": {"protocols": [2], "client": {"name": "n", "version": "1", "platform": "p"}, "features": features,
            "resume_tokens": {}}});
    Heard(hello.to_string())
}

/// Whether the last of the lines breaks the order that the others keep.
fn breaks(lines: &[Line]) -> bool {
    let mut conversation = Conversation::default();
    for (n, line) in lines.iter().enumerate() {
        match line {
            Heard(text) => conversation.heard(text),
            Said(text) => match conversation.next(text) {
                Ok(_) => {}
                Err(_) if n + 1 == lines.len() => return true,
                Err(violation) => panic!("{violation}: {text}"),
            },
        }
    }
    false
}

/// The lines that every session starts with, and these.
fn after_baseline(lines: impl IntoIterator<Item = Line>) -> Vec<Line> {
    [welcome(None), scene(), dims(), layers(0)].into_iter().chain(lines).collect()
}

#[test]
fn the_order_of_a_conversation() {
    assert!(!breaks(&[welcome(None), scene(), dims(), layers(0), layers(1), stream(0, 60.0)]));
    assert!(breaks(&[scene()]), "a welcome comes first");
    assert!(breaks(&[welcome(None), welcome(None)]), "once");
    assert!(breaks(&[welcome(None), dims()]), "a scene comes before dims");
    assert!(breaks(&[welcome(None), scene(), layers(0)]), "dims come before layers");
    assert!(breaks(&[welcome(None), scene(), stream(0, 60.0)]), "and before the stream");
    assert!(breaks(&[welcome(None), scene(), dims(), layers(7)]), "a sequence starts at its start");
    assert!(breaks(&after_baseline([layers(2)])), "and has no gaps");
    assert!(!breaks(&after_baseline([scene(), dims(), layers(0)])), "a scene starts it anew");
    assert!(breaks(&after_baseline([scene(), layers(0)])), "and dims follow it again");
    let stranger = of_session(Kind::Heartbeat, |frame| frame["session"] = "other".into());
    assert!(breaks(&[welcome(None), stranger]), "the session is the welcome's");
    let goodbye = of_session(Kind::Goodbye, |_| {});
    assert!(breaks(&[welcome(None), update(1), goodbye, ack(1)]), "nothing follows a goodbye");
}

#[test]
fn answers_answer_what_was_asked() {
    assert!(!breaks(&after_baseline([update(1), update(2), ack(2), ack(1), echo(1)])));
    assert!(breaks(&after_baseline([ack(1)])), "nothing was asked");
    assert!(breaks(&after_baseline([update(1), ack(1), ack(1)])), "one ack per intent");
    assert!(breaks(&after_baseline([update(1), echo(1)])), "the ack comes before what the intent causes");
    assert!(breaks(&after_baseline([update(1), refusal(1), echo(1)])), "a rejected intent causes nothing");
    let call = || Heard(r#"{"type":"call.command","frame_id":"cmd-022d"}"#.to_owned());
    let reply = || of_session(Kind::Reply, |_| {});
    assert!(!breaks(&after_baseline([call(), reply()])), "a broken call is answered, too");
    assert!(breaks(&after_baseline([call(), reply(), reply()])), "once");
    let nameless = Heard(r#"{"type":"call.command"}"#.to_owned());
    let unknown = of_session(Kind::CommandError, |frame| frame["payload"]["in_reply_to"] = "unknown".into());
    assert!(!breaks(&after_baseline([nameless, unknown])));
}

#[test]
fn the_modes_do_not_mix() {
    let data = |seq| change(seq, json!({"layer_id": "layer-0", "data": {"volume.opacity": 0.5}}));
    assert!(!breaks(&after_baseline([pose(false), solid(), pose(true), data(1)])));
    assert!(breaks(&after_baseline([pose(true)])), "a plane is shown");
    assert!(breaks(&after_baseline([solid(), pose(false)])), "a volume is shown");
    assert!(breaks(&after_baseline([data(1)])), "no volume is shown");
    let stranger = change(1, json!({"layer_id": "layer-9", "controls": {"opacity": 0.5}}));
    assert!(breaks(&after_baseline([stranger])), "no such layer");
    let removed = || change(1, json!({"layer_id": "layer-0", "removed": true}));
    assert!(breaks(&after_baseline([removed(), layers(2)])), "it is gone");
}

#[test]
fn a_stream_is_told_once() {
    assert!(!breaks(&after_baseline([stream(0, 60.0), stream(1, 30.0), scene(), dims(), stream(0, 30.0)])));
    assert!(breaks(&after_baseline([stream(0, 60.0), stream(1, 60.0)])));
}

#[test]
fn an_extension_is_for_who_asked() {
    let report = || of_session(Kind::XLevel, |_| {});
    let toggle = || (LEVEL, json!({"enabled": true, "version": 1}));
    assert!(!breaks(&[hello(&[LEVEL]), welcome(Some(toggle())), report()]));
    assert!(breaks(&[hello(&[]), welcome(Some(toggle()))]), "the Python client knows no such topic");
    assert!(breaks(&[hello(&[]), welcome(None), report()]));
    let key = (BOUND_PIXEL, json!({"enabled": true, "version": 1, "key": "k"}));
    assert!(breaks(&[hello(&[LEVEL]), welcome(Some(key))]));
    assert!(breaks(&[hello(&[COMPACT_SCENE]), welcome(None), scene()]), "thumbnails were asked to be left out");
}
