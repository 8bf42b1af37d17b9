//! A session seen from the client, without a socket: frames in, frames out.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in test functions; these are what they call, too

use nc_client::{Client, Event, Identity};
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

fn welcomed() -> Client {
    let mut client = new_client();
    match classify(&client.poll_output().unwrap()) {
        Inbound::Hello(hello) => assert!(hello.wants(BOUND_PIXEL) && hello.wants("notify.stream")),
        other => panic!("{other:?}"),
    }
    let features = json!({BOUND_PIXEL: {"enabled": true, "version": 1, "key": "k"}});
    let payload = json!({"protocol_version": 2, "session": {"id": "s", "heartbeat_s": 15.0}, "features": features});
    tell(&mut client, Instant::now(), Kind::Welcome, json!({}), payload);
    assert!(matches!(client.poll_event(), Some(Event::Welcomed(_))));
    client
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
    let dims = json!({"ndim": 2, "axis_labels": ["y", "x"], "order": [0, 1], "level_shapes": [[4, 6]], "current_level": 0,
        "current_step": [0, 0], "displayed": [0, 1], "ndisplay": 2});
    let layer = |id: &str| {
        json!({"layer_id": id, "layer_type": "image", "name": id, "ndim": 2, "shape": [4, 6], "axis_labels": ["y", "x"],
            "volume": false, "controls": {"opacity": 1.0, "gamma": 1.0}, "metadata": {"thumbnail": [[[0, 0, 0, 1]]]},
            "contrast_limits": [0, 1]})
    };
    let scene = json!({"viewer": {"settings": {"fps_target": 60.0, "canvas_size": [64, 32], "volume_enabled": false},
            "dims": dims, "camera": {"ndisplay": 2, "center": [1.0, 2.0], "zoom": 1.0, "rect": [0.0, 0.0, 2.0, 4.0]}},
        "layers": [layer("a"), layer("b")], "metadata": {"status": "ready"}});
    let numbered = json!({"seq": 0, "delta_token": "t"});
    tell(&mut client, now, Kind::Scene, numbered.clone(), scene);
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
