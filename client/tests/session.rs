//! A session seen from the client, without a socket: frames in, frames out.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in test functions; these are what they call, too

use nc_client::{Client, Event, Identity, Resume};
use nc_protocol::extension::{ALL, FEEDBACK, Feedback, RoleName};
use nc_protocol::handshake::{Auth, Hello};
use nc_protocol::pixel::{Codec, Header};
use nc_protocol::scene::SceneStatus;
use nc_protocol::update::StateUpdate;
use nc_protocol::{BOUND_PIXEL, Inbound, Kind, classify};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn new_client() -> Client {
    Client::new(Identity { name: "test".into(), version: "1".into(), extensions: vec![BOUND_PIXEL.into()] }, 1.0)
}

/// Hands the client a frame of session "s".
fn tell(client: &mut Client, now: Instant, kind: Kind, extra: Value, payload: Value) {
    let mut frame = json!({"type": kind.name(), "version": 2, "session": "s", "frame_id": "f", "timestamp": 1.0});
    for (key, value) in extra.as_object().unwrap() {
        frame[key] = value.clone();
    }
    frame["payload"] = payload;
    client.handle_text(now, 1.0, &frame.to_string()).unwrap();
}

/// What the client says first.
fn hello(client: &mut Client) -> Hello {
    match classify(&client.poll_output().unwrap()) {
        Inbound::Hello(hello) => hello,
        other => panic!("{other:?}"),
    }
}

fn welcome(client: &mut Client, now: Instant, heartbeat_s: f64) {
    let features = json!({BOUND_PIXEL: {"enabled": true, "version": 1, "key": "k"}, FEEDBACK: {"enabled": true, "version": 1},
        "x.level": {"enabled": false}});
    let payload = json!({"protocol_version": 2, "session": {"id": "s", "heartbeat_s": heartbeat_s}, "features": features});
    tell(client, now, Kind::Welcome, json!({}), payload);
    assert!(matches!(client.poll_event(), Some(Event::Welcomed(_))));
}

fn welcomed() -> Client {
    let mut client = new_client();
    let hello = hello(&mut client);
    assert!(hello.wants(BOUND_PIXEL) && hello.wants("notify.stream"));
    assert!(hello.resume_tokens.len() == 3 && hello.resume_tokens.values().all(Option::is_none));
    welcome(&mut client, Instant::now(), 15.0);
    client
}

/// A scene of two layers; `volume` shows three axes.
fn scene(volume: bool) -> Value {
    let (ndisplay, displayed) = if volume { (3, json!([0, 1, 2])) } else { (2, json!([1, 2])) };
    let dims = json!({"ndim": 3, "axis_labels": ["z", "y", "x"], "order": [0, 1, 2], "level_shapes": [[5, 4, 6]],
        "current_level": 0, "current_step": [0, 0, 0], "displayed": displayed, "ndisplay": ndisplay});
    let layer = |id: &str| {
        json!({"layer_id": id, "layer_type": "image", "name": id, "ndim": 3, "shape": [5, 4, 6], "axis_labels": ["z", "y", "x"],
            "volume": volume, "controls": {"opacity": 1.0, "gamma": 1.0}, "metadata": {"thumbnail": [[[0, 0, 0, 1]]]},
            "contrast_limits": [0, 1]})
    };
    let camera = if volume {
        json!({"ndisplay": 3, "center": [1.0, 2.0, 3.0], "angles": [30.0, 30.0, 0.0], "distance": 9.0, "fov": 60.0})
    } else {
        json!({"ndisplay": 2, "center": [1.0, 2.0], "zoom": 1.0, "rect": [0.0, 0.0, 2.0, 4.0]})
    };
    json!({"viewer": {"settings": {"fps_target": 60.0, "canvas_size": [64, 32], "volume_enabled": volume},
            "dims": dims, "camera": camera},
        "layers": [layer("a"), layer("b")], "metadata": {"status": "ready",
            "volume_state": {"mode": "mip", "colormap": "gray", "clim": [0.0, 1.0], "opacity": 1.0, "sample_step": 1.0}}})
}

#[test]
fn nothing_is_asked_before_the_welcome() {
    let mut client = new_client();
    let update = StateUpdate { scope: "dims".into(), target: "z".into(), key: "step".into(), value: json!(1) };
    assert_eq!(client.update(Instant::now(), 1.0, &update), None);
    assert_eq!(client.pixel_query(), None);
    assert!(client.poll_output().is_some() && client.poll_output().is_none(), "the hello alone");
}

#[test]
fn heartbeats_are_answered() {
    let mut client = welcomed();
    tell(&mut client, Instant::now(), Kind::Heartbeat, json!({}), json!({}));
    assert_eq!(classify(&client.poll_output().unwrap()), Inbound::Ack);
    assert_eq!(client.pixel_query().as_deref(), Some("session=s&key=k"));
}

#[test]
fn answers_find_their_intents() {
    let (mut client, start) = (welcomed(), Instant::now());
    let update = StateUpdate { scope: "dims".into(), target: "z".into(), key: "step".into(), value: json!(1) };
    let first = client.update(start, 1.0, &update).unwrap();
    let second = client.update(start, 1.0, &update).unwrap();
    assert_ne!(first, second);
    for _ in 0..2 {
        assert!(matches!(classify(&client.poll_output().unwrap()), Inbound::Update { session, .. } if session == "s"));
    }
    let ack = |id: &str| json!({"intent_id": id, "in_reply_to": "u", "status": "accepted", "applied_value": 4, "version": 2});
    let later = start + Duration::from_millis(3);
    tell(&mut client, later, Kind::UpdateAck, json!({}), ack(&second));
    tell(&mut client, later, Kind::UpdateAck, json!({}), ack("intent-of-nobody"));
    match client.poll_event() {
        Some(Event::Answered(answer)) => {
            assert_eq!((&answer.intent_id, answer.received - answer.sent), (&second, Duration::from_millis(3)));
            assert_eq!(answer.outcome, Ok((Some(json!(4)), 2)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.poll_event(), None);
    assert_eq!(client.unanswered(), 1);
    let error = json!({"code": "state.invalid", "message": "no"});
    let rejected = json!({"intent_id": first, "in_reply_to": "u", "status": "rejected", "error": error});
    tell(&mut client, later, Kind::UpdateAck, json!({}), rejected);
    assert!(matches!(client.poll_event(), Some(Event::Answered(answer)) if answer.outcome.is_err()));
    assert_eq!(client.unanswered(), 0);
}

#[test]
fn notifications_fold_into_a_view() {
    let (mut client, now) = (welcomed(), Instant::now());
    let numbered = json!({"seq": 0, "delta_token": "t"});
    tell(&mut client, now, Kind::Scene, numbered.clone(), scene(false));
    assert_eq!((client.view().status, client.view().canvas), (Some(SceneStatus::Ready), Some([64, 32])));
    assert_eq!(client.view().pose.rect, Some([0.0, 0.0, 2.0, 4.0]));

    tell(&mut client, now, Kind::Layers, numbered.clone(), json!({"layer_id": "b", "controls": {"opacity": 0.5}}));
    tell(&mut client, now, Kind::Layers, numbered.clone(), json!({"layer_id": "nobody", "controls": {"opacity": 0.1}}));
    let changed = client.view().layer("b").unwrap();
    assert_eq!((changed.controls.opacity, changed.controls.gamma), (Some(0.5), Some(1.0)));
    assert_eq!(client.view().layer("a").unwrap().controls.opacity, Some(1.0));
    tell(&mut client, now, Kind::Layers, numbered, json!({"layer_id": "a", "removed": true}));
    assert!(client.view().layer("a").is_none());

    let echo = json!({"mode": "pan", "origin": "state.update", "delta": {"dx_px": 3.0, "dy_px": 0.0}});
    tell(&mut client, now, Kind::Camera, json!({"intent_id": "i"}), echo);
    assert_eq!(client.view().pose.rect, Some([0.0, 0.0, 2.0, 4.0]), "an echo moves nothing");
    let state = json!({"center": [5.0, 6.0], "zoom": 1.0, "rect": [4.0, 4.0, 2.0, 4.0]});
    tell(&mut client, now, Kind::Camera, json!({}), json!({"mode": "pose", "origin": "worker.state.camera", "state": state}));
    assert_eq!(client.view().pose.center, Some(vec![5.0, 6.0]));
}

#[test]
fn lost_packets_are_counted() {
    let mut client = new_client();
    let message = |seq| {
        let header = Header { seq, timestamp: 1.0, width: 2, height: 2, codec: Codec::H264, keyframe: true, flip: false };
        header.encode()
    };
    let lost: Vec<u32> = [u32::MAX, 0, 1, 4].iter().map(|&seq| client.handle_packet(&message(seq)).unwrap().lost).collect();
    assert_eq!(lost, [0, 0, 0, 2]);
    assert!(client.handle_packet(b"short").is_err());
}

#[test]
fn a_volume_folds_into_a_view() {
    let (mut client, now) = (welcomed(), Instant::now());
    let numbered = |seq: u64| json!({"seq": seq, "delta_token": "t"});
    tell(&mut client, now, Kind::Scene, numbered(0), scene(true));
    assert_eq!(client.view().pose.angles, Some([30.0, 30.0, 0.0]));
    assert_eq!((client.view().pose.rect, client.view().pose.center.as_ref().map(Vec::len)), (None, Some(3)));

    let data = json!({"volume.render_mode": "iso", "volume.sample_step": 0.5, "multiscale.level": 0});
    tell(&mut client, now, Kind::Layers, numbered(0), json!({"layer_id": "a", "data": data}));
    tell(&mut client, now, Kind::Layers, numbered(1), json!({"layer_id": "b", "data": {"volume.opacity": 0.1}}));
    let volume = client.view().volume.clone().unwrap();
    assert_eq!((&*volume.mode, volume.sample_step, volume.opacity), ("iso", 0.5, 1.0), "the volume is layer 0");

    let state = json!({"center": [1.0, 2.0, 3.0], "angles": [40.0, -10.0, 0.0], "distance": 8.0, "fov": 60.0});
    tell(&mut client, now, Kind::Camera, json!({}), json!({"mode": "pose", "origin": "worker.state.camera", "state": state}));
    assert_eq!((client.view().pose.angles, client.view().pose.distance), (Some([40.0, -10.0, 0.0]), Some(8.0)));
}

/// Runs the timer to its end; how long it took.
fn given_up_after(client: &mut Client, start: Instant) -> Duration {
    let deadline = client.poll_timeout().unwrap();
    client.handle_timeout(deadline - Duration::from_millis(1));
    assert_eq!(client.poll_event(), None);
    client.handle_timeout(deadline);
    assert_eq!((client.poll_event(), client.poll_event()), (Some(Event::Lost), None));
    assert!(client.ended());
    client.handle_timeout(deadline);
    assert_eq!((client.poll_event(), client.poll_timeout()), (None, None), "once");
    deadline - start
}

#[test]
fn a_server_that_does_not_welcome_is_given_up() {
    let (mut client, start) = (new_client(), Instant::now());
    assert_eq!(client.poll_timeout(), None, "the socket is not open yet");
    client.handle_connected(start);
    assert_eq!(given_up_after(&mut client, start), Duration::from_secs(5));
}

#[test]
fn a_server_without_heartbeats_is_given_up() {
    for (period, patience) in [(15.0, 22.5), (1.0, 2.0), (2.0, 3.0), (0.25, 1.25), (f64::MAX, 36.0 * 3600.0)] {
        let (mut client, start) = (new_client(), Instant::now());
        client.handle_connected(start);
        welcome(&mut client, start + Duration::from_secs(1), period);
        let beat = start + Duration::from_secs(2);
        tell(&mut client, beat, Kind::Heartbeat, json!({}), json!({}));
        assert_eq!(given_up_after(&mut client, beat), Duration::from_secs_f64(patience), "{period}");
    }
    for none in [0.0, -1.0] {
        let (mut client, start) = (new_client(), Instant::now());
        client.handle_connected(start);
        welcome(&mut client, start, none);
        assert_eq!(client.poll_timeout(), None, "{none} s: there will be no heartbeats");
    }
}

#[test]
fn other_frames_do_not_stand_in_for_heartbeats() {
    let (mut client, start) = (new_client(), Instant::now());
    welcome(&mut client, start, 15.0);
    let before = client.poll_timeout();
    tell(&mut client, start + Duration::from_secs(9), Kind::Scene, json!({"seq": 0, "delta_token": "t"}), scene(false));
    assert_eq!(client.poll_timeout(), before);
}

#[test]
fn a_session_goes_on_in_the_next_client() {
    let (mut client, now) = (welcomed(), Instant::now());
    let numbered = |seq: u64, token: &str| json!({"seq": seq, "delta_token": token});
    tell(&mut client, now, Kind::Scene, numbered(0, "s0"), scene(false));
    tell(&mut client, now, Kind::Layers, numbered(0, "l0"), json!({"layer_id": "a", "controls": {"opacity": 0.5}}));
    tell(&mut client, now, Kind::Layers, numbered(1, "l1"), json!({"layer_id": "a", "controls": {"opacity": 0.25}}));
    let before = client.view().clone();

    let auth = Auth { scheme: "token".into(), token: Some("secret".into()) };
    let identity = || Identity { name: "test".into(), version: "1".into(), extensions: vec![] };
    let resume = client.into_resume();
    let mut client = Client::open(identity(), Some(auth.clone()), resume.clone(), 2.0);
    let hello = hello(&mut client);
    let token = |topic: &str| hello.resume_tokens[topic].as_deref();
    assert_eq!((token("notify.scene"), token("notify.layers"), token("notify.stream")), (Some("s0"), Some("l1"), None));
    assert_eq!((client.view(), client.session(), hello.auth), (&before, None, Some(auth)));

    // A token that the server refuses is forgotten, the others are kept.
    let reject = json!({"type": "session.reject", "version": 2, "frame_id": "f", "timestamp": 1.0,
        "payload": {"code": "invalid_resume_token", "message": "m", "details": {"topic": "notify.layers"}}});
    client.handle_text(now, 2.0, &reject.to_string()).unwrap();
    assert!(client.ended());
    let left = client.into_resume();
    assert_eq!(left.tokens.keys().collect::<Vec<_>>(), ["notify.scene"]);
    assert_eq!(left.view, resume.view);
    assert_eq!(Client::resume(identity(), Resume::default(), 3.0).view().status, None);
}

#[test]
fn extensions_are_events_and_feedback_is_for_who_wants_it() {
    let mut client = new_client();
    let feedback = Feedback { painted_seq: Some(7), decode_queue: 1 };
    hello(&mut client);
    client.feedback(1.0, &feedback);
    assert_eq!(client.poll_output(), None, "nobody granted it");
    welcome(&mut client, Instant::now(), 15.0);
    assert_eq!(ALL.into_iter().filter(|name| client.granted(name)).collect::<Vec<_>>(), [BOUND_PIXEL, FEEDBACK]);
    client.feedback(1.0, &feedback);
    assert_eq!(classify(&client.poll_output().unwrap()), Inbound::Feedback(feedback));

    let now = Instant::now();
    tell(&mut client, now, Kind::XRole, json!({}), json!({"role": "observer"}));
    assert!(matches!(client.poll_event(), Some(Event::Assigned(role)) if role.role == RoleName::Observer));
    let report = json!({"at": 1.0, "from": 1, "to": 0, "desired": 0, "reason": "finer", "downgraded": false, "restored": false,
        "oversampling": [1.0, 0.5], "fits": [true, true]});
    tell(&mut client, now, Kind::XLevel, json!({}), report);
    assert!(matches!(client.poll_event(), Some(Event::Leveled(report)) if report.to == 0));
    let telemetry = json!({"stages": {}, "fps": 0.0, "bitrate_bps": 0.0, "tiles_missing": 0,
        "watchdog": {"state": "quiet", "asked": 0, "resets": 0}, "ops": []});
    tell(&mut client, now, Kind::XTelemetry, json!({}), telemetry);
    assert!(matches!(client.poll_event(), Some(Event::Measured(telemetry)) if telemetry.delivery.is_none()));
}
