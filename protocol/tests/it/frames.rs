//! Snapshots of frames as we write them, with fixed names and times: a change of the wire shows here.

use nc_protocol::command::{CommandError, ErrorStatus, Reply, ReplyStatus};
use nc_protocol::extension::{Feedback, Labels, LevelReason, LevelReport, Role, RoleName, TELEMETRY};
use nc_protocol::handshake::{Reject, RejectCode, ResumeState, SessionInfo, Toggle, Welcome};
use nc_protocol::liveness::{Empty, Goodbye};
use nc_protocol::notify::{
    Camera, CameraMode, Dims, DimsMode, Error, LatencyPolicy, LayerData, Layers, Pose, Severity, Stream, Thumbnail,
};
use nc_protocol::scene::{Controls, Level};
use nc_protocol::update::{AckError, StateAck};
use nc_protocol::{BOUND_PIXEL, Head, Kind, validate};
use serde_json::json;

/// The frame, after the validator let it pass.
fn frame(head: Head<'_>, payload: &impl serde::Serialize) -> String {
    let text = head.frame(payload).unwrap();
    assert_eq!(validate::outgoing(&text), Ok(()), "{text}");
    text
}

fn head(kind: Kind) -> Head<'static> {
    Head::new(kind, 1_795_167_757.25)
}

#[test]
fn handshake() {
    let on = || Toggle { enabled: true, version: Some(1), resume: Some(false), ..Toggle::default() };
    let state = || Some(ResumeState { seq: 0, delta_token: "t".into() });
    let resumable = || Toggle { resume: Some(true), resume_state: state(), ..on() };
    let features = [
        ("notify.scene".to_owned(), resumable()),
        ("notify.layers".to_owned(), resumable()),
        ("notify.stream".to_owned(), resumable()),
        ("notify.dims".to_owned(), on()),
        ("notify.camera".to_owned(), on()),
        ("notify.telemetry".to_owned(), Toggle::default()),
        ("call.command".to_owned(), Toggle { commands: Some(vec!["a.b".into()]), ..on() }),
        (BOUND_PIXEL.to_owned(), Toggle { enabled: true, version: Some(1), key: Some("k".into()), ..Toggle::default() }),
        (TELEMETRY.to_owned(), Toggle { enabled: true, version: Some(1), ..Toggle::default() }),
    ];
    let session = SessionInfo { id: "s".into(), heartbeat_s: 15.0, ack_timeout_ms: Some(250) };
    let welcome = Welcome { protocol_version: 2, session, features: features.into() };
    insta::assert_snapshot!(frame(head(Kind::Welcome).session("s").frame_id("welcome-1"), &welcome));
    let details = Some(json!({"received": null}));
    let reject = Reject { code: RejectCode::UnexpectedMessage, message: "m".into(), details };
    insta::assert_snapshot!(frame(head(Kind::Reject).frame_id("reject-1"), &reject));
}

#[test]
fn liveness() {
    insta::assert_snapshot!(frame(head(Kind::Heartbeat).session("s").frame_id("heartbeat-1"), &Empty {}));
    let goodbye = Goodbye { code: Some("timeout".into()), message: None, reason: Some("heartbeat_timeout".into()) };
    insta::assert_snapshot!(frame(head(Kind::Goodbye).session("s").frame_id("goodbye-1"), &goodbye));
}

#[test]
fn dims() {
    let level =
        |n, edge| Level { index: Some(n), shape: vec![3, edge], downsample: vec![1.0, (1 << n) as f64], path: n.to_string() };
    let dims = Dims {
        step: vec![1, 0],
        current_step: Some(vec![1, 0]),
        levels: vec![level(0, 8), level(1, 4)],
        current_level: 1,
        level_shapes: vec![vec![3, 8], vec![3, 4]],
        mode: DimsMode::Plane,
        ndisplay: 2,
        downgraded: Some(false),
        axis_labels: Some(vec!["y".into(), "x".into()]),
        order: Some(vec![0, 1]),
        displayed: Some(vec![0, 1]),
        labels: None,
    };
    insta::assert_snapshot!(frame(head(Kind::Dims).session("s").frame_id("0000000a"), &dims));
}

#[test]
fn camera() {
    let delta = json!({"factor": 1.25, "anchor_px": [320.0, 180.0]}).as_object().cloned();
    let echo = Camera { mode: CameraMode::Zoom, origin: Camera::ECHO.into(), delta, state: None };
    // Members of a free-form object have no order of their own; the frame is compared as a value.
    let text = frame(head(Kind::Camera).session("s").intent_id("intent-00000001"), &echo);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        json!({"type": "notify.camera", "version": 2, "session": "s", "timestamp": 1_795_167_757.25,
            "intent_id": "intent-00000001",
            "payload": {"mode": "zoom", "origin": "state.update", "delta": {"factor": 1.25, "anchor_px": [320.0, 180.0]}}})
    );
    let state = Pose { center: Some(vec![1.0, 2.0]), zoom: Some(0.5), rect: Some([0.0, 0.0, 2.0, 4.0]), ..Pose::default() };
    let pose = Camera { mode: CameraMode::Pose, origin: Camera::POSE.into(), delta: None, state: Some(state) };
    insta::assert_snapshot!(frame(head(Kind::Camera).session("s").frame_id("0000000b"), &pose));
}

#[test]
fn layers() {
    let controls = Controls {
        visible: Some(false),
        opacity: Some(0.3),
        blending: Some("additive".into()),
        interpolation: Some("nearest".into()),
        colormap: Some("I Blue".into()),
        rendering: Some("mip".into()),
        gamma: Some(0.7),
        contrast_limits: Some([10.0, 200.5]),
        iso_threshold: Some(0.5),
        attenuation: Some(0.0),
    };
    let thumbnail =
        Thumbnail { array: vec![vec![vec![0.1, 0.2, 0.3, 1.0]]], shape: [1, 1, 4], dtype: "float32".into(), generated_at: 1.5 };
    let change = Layers { layer_id: "layer-0".into(), controls: Some(controls), thumbnail: Some(thumbnail), ..Layers::default() };
    let head = head(Kind::Layers).session("s").frame_id("notify-layers-1").sequence(7, "t").intent_id("intent-00000002");
    insta::assert_snapshot!(frame(head, &change));
    let data = LayerData {
        render_mode: Some("mip".into()),
        colormap: Some("gray".into()),
        contrast_limits: Some([0.0, 1.5]),
        opacity: Some(1.0),
        sample_step: Some(0.5),
        level: Some(1),
        levels: None,
        level_shapes: Some(vec![vec![4, 4, 4], vec![2, 2, 2]]),
        downgraded: Some(true),
    };
    let change = Layers { layer_id: "layer-0".into(), data: Some(data), ..Layers::default() };
    let head = self::head(Kind::Layers).session("s").frame_id("notify-layers-2").sequence(8, "t");
    insta::assert_snapshot!(frame(head, &change));
}

#[test]
fn extensions() {
    let report = LevelReport {
        at: 1.5,
        from: 0,
        to: 1,
        desired: 0,
        reason: LevelReason::OverBudget,
        downgraded: true,
        restored: false,
        oversampling: vec![1.0, 0.5],
        fits: vec![false, true],
        zoom_hint: None,
        lock: Some(0),
        since_switch_ms: None,
        ndisplay: None,
        target: None,
        sampling: vec![],
        moving: false,
        budgets: None,
        thresholds: None,
        canvas: None,
        rect: None,
        roi: None,
        signature: None,
    };
    insta::assert_snapshot!(frame(head(Kind::XLevel).session("s"), &report));
    insta::assert_snapshot!(frame(head(Kind::XRole).session("s"), &Role { role: RoleName::Observer }));
    let feedback = Feedback { painted_seq: Some(7), decode_queue: 0 };
    insta::assert_snapshot!(head(Kind::XFeedback).session("s").frame(&feedback).unwrap());
    insta::assert_snapshot!(frame(head(Kind::XLabels).session("s"), &Labels { layer_id: "layer-2".into(), contour: 1 }));
}

#[test]
fn stream_and_error() {
    let stream = Stream {
        codec: "h264".into(),
        format: "avcc".into(),
        fps: 60.0,
        frame_size: [640, 360],
        nal_length_size: 4,
        avcc: "AULAHv/hABhnQsAe2gKAv+WEAAADAAQAAAMA8jxYuoABAARozg/I".into(),
        latency_policy: LatencyPolicy { max_buffer_ms: 120.0, grace_keyframe_ms: 2000.0 },
        vt_hint: None,
    };
    let numbered = head(Kind::Stream).session("s").frame_id("notify-stream-1").sequence(0, "t");
    insta::assert_snapshot!(frame(numbered, &stream));
    let (domain, code, message) = ("data".into(), "chunk.missing".into(), "0/1.2".into());
    let error = Error { domain, code, message, severity: Severity::Warning, context: None };
    insta::assert_snapshot!(frame(head(Kind::Error).session("s"), &error));
}

#[test]
fn answers() {
    let ids = || ("intent-00000001".to_owned(), "state-00000001".to_owned());
    let (intent, update) = ids();
    let accepted = StateAck::accepted(intent, update, json!(null), 3);
    insta::assert_snapshot!(frame(head(Kind::UpdateAck).session("s").frame_id("ack-1"), &accepted));
    let (intent, update) = ids();
    let error = AckError { code: "state.invalid".into(), message: "m".into(), details: Some(json!({"scope": "view"})) };
    let rejected = StateAck::rejected(intent, update, error);
    insta::assert_snapshot!(frame(head(Kind::UpdateAck).session("s").frame_id("ack-2"), &rejected));
    let reply = Reply { in_reply_to: "cmd-1".into(), status: ReplyStatus::Ok, result: None, idempotency_key: None };
    insta::assert_snapshot!(frame(head(Kind::Reply).session("s").frame_id("reply-1"), &reply));
    let (code, message) = ("command.not_found".into(), "unknown command 'x'".into());
    let status = ErrorStatus::Error;
    let error = CommandError { in_reply_to: "cmd-2".into(), status, code, message, details: None, idempotency_key: None };
    insta::assert_snapshot!(frame(head(Kind::CommandError).session("s").frame_id("error-1"), &error));
}
