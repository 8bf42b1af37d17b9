//! What the reference server does wrong (PROTOCOL §18), once more, as tests: each bug of its list has one that would fail with it. And
//! the client's own bugs, which a server has to live with.

use crate::real::{Desk, RealServer, is_thumbnail};
use crate::support::{PATIENCE, Viewer};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const STACK: &str = "cells3d_labels_v05.ome.zarr";
const PYRAMID: &str = "fish4c_u16_v05_sharded_blosc.ome.zarr";

/// A server of `image` and a client of it.
async fn desk(image: &str) -> (RealServer, Desk, Vec<Value>) {
    let server = RealServer::of(Some(image)).await;
    let (mut desk, frames) = Desk::open(server.bound.state).await;
    desk.fence().await;
    (server, desk, frames)
}

/// The pose after a camera intent.
async fn pose_after(desk: &mut Desk, key: &str, value: Value) -> Value {
    desk.intend("camera", "main", key, &value).await;
    desk.until(|frame| frame["payload"]["mode"] == "pose").await["payload"]["state"].clone()
}

#[tokio::test]
async fn a_level_that_is_asked_for_is_shown() {
    let (server, mut desk, _) = desk(PYRAMID).await;
    let mut viewer = Viewer::open(server.bound.pixel, "/").await.unwrap();
    assert!(viewer.packet().await.unwrap().0.keyframe);
    desk.intend("multiscale", "main", "level", &json!(3)).await;
    let dims = desk.until(|frame| frame["type"] == "notify.dims").await;
    assert_eq!(dims["payload"]["current_level"], 3);
    tokio::time::timeout(PATIENCE, async { while !viewer.packet().await.unwrap().0.keyframe {} }).await.expect("a keyframe");
    server.stop().await;
}

#[tokio::test]
async fn an_orbit_in_2d_is_acknowledged_and_drawing_goes_on() {
    let (server, mut desk, _) = desk(STACK).await;
    desk.intend("camera", "main", "orbit", &json!({"d_az_deg": 10.0, "d_el_deg": 5.0})).await;
    let ack = desk.until(|frame| frame["type"] == "ack.state").await;
    assert_eq!(ack["payload"]["status"], "accepted");
    let pose = pose_after(&mut desk, "set", json!({"rect": [0.0, 0.0, 64.0, 32.0]})).await;
    assert_eq!(pose["rect"], json!([0.0, 0.0, 64.0, 32.0]));
    server.stop().await;
}

#[tokio::test]
async fn blendings_that_the_client_cannot_apply_are_never_told() {
    let (server, mut desk, _) = desk(STACK).await;
    for blending in ["maximum", "average"] {
        desk.intend("layer", "layer-0", "blending", &json!(blending)).await;
        let ack = desk.until(|frame| frame["type"] == "ack.state").await;
        assert_eq!(ack["payload"]["error"]["code"], "state.error");
        let told = desk.fence().await;
        assert!(told.is_empty(), "{told:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn thumbnails_are_in_colour_from_the_first_scene_on_and_within_0_to_1() {
    // The client comes as early as it can: nothing was drawn yet.
    let server = RealServer::of(Some(STACK)).await;
    let (mut desk, frames) = Desk::open(server.bound.state).await;
    let scene = frames.iter().find(|frame| frame["type"] == "notify.scene").unwrap();
    let check = |pixels: &Value| {
        let pixels: Vec<&Value> = pixels.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).collect();
        assert_eq!(pixels.len(), 32 * 32);
        let components = |pixel: &Value| pixel.as_array().unwrap().iter().map(|c| c.as_f64().unwrap()).collect::<Vec<_>>();
        assert!(
            pixels.iter().all(|pixel| components(pixel).len() == 4 && components(pixel).iter().all(|c| (0.0..=1.0).contains(c)))
        );
        pixels.iter().flat_map(|pixel| components(pixel).into_iter().take(3)).fold(0.0, f64::max)
    };
    let mut brightest = check(&scene["payload"]["layers"][0]["metadata"]["thumbnail"]);
    for frame in frames.iter().filter(|frame| is_thumbnail(frame)) {
        brightest = check(&frame["payload"]["thumbnail"]["array"]);
    }
    while brightest == 0.0 {
        let frame = desk.until(is_thumbnail).await;
        brightest = check(&frame["payload"]["thumbnail"]["array"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_second_client_does_not_restart_the_numbers_of_the_first() {
    let (server, mut first, _) = desk(STACK).await;
    let seq = |frame: &Value| frame["seq"].as_u64().unwrap();
    let mut before = None;
    for opacity in [0.1, 0.2, 0.3] {
        let intent = first.intend("layer", "layer-0", "opacity", &json!(opacity)).await;
        let told = first.until(|frame| frame["intent_id"] == json!(intent)).await;
        // Gaps would be found by the conversation's judge; a restart, too, if the scene did not come again.
        assert!(before.is_none_or(|before| before < seq(&told)));
        before = Some(seq(&told));
        let (mut second, frames) = Desk::open(server.bound.state).await;
        let layers = frames.iter().find(|frame| frame["type"] == "notify.layers").unwrap();
        assert_eq!(seq(layers), 0);
        second.fence().await;
    }
    let told = first.fence().await;
    assert!(told.iter().all(|frame| frame["type"] != "notify.scene" && frame["type"] != "notify.stream"), "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn json_that_is_no_object_and_acks_with_a_payload_leave_the_socket_open() {
    let (server, mut desk, _) = desk(STACK).await;
    for text in ["[]", "null", "5", r#""text""#, r#"{"type":"session.ack","version":2,"payload":{"extra":1}}"#] {
        desk.send_text(text).await;
    }
    desk.send_message(Message::binary(vec![0xff])).await;
    desk.fence().await;
    server.stop().await;
}

#[tokio::test]
async fn a_newcomer_sees_no_packet_before_its_keyframe() {
    let (server, mut desk, _) = desk(STACK).await;
    let mut first = Viewer::open(server.bound.pixel, "/").await.unwrap();
    assert!(first.packet().await.unwrap().0.keyframe);
    for n in 0..5 {
        // The picture moves while newcomers come.
        desk.intend("camera", "main", "pan", &json!({"dx_px": 3.0, "dy_px": f64::from(n)})).await;
        let mut newcomer = Viewer::open(server.bound.pixel, "/").await.unwrap();
        let header = newcomer.packet().await.unwrap().0;
        assert!(header.keyframe && header.seq == 0);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_keyframe_command_is_not_answered_with_the_stream() {
    // The client asks for a keyframe whenever it is told a stream, even an identical one: they would never end (§11.3).
    let (server, mut desk, _) = desk(STACK).await;
    let mut viewer = Viewer::open(server.bound.pixel, "/").await.unwrap();
    viewer.packet().await.unwrap();
    let answer = desk.call(&json!({"command": "napari.pixel.request_keyframe"})).await;
    assert_eq!(answer["type"], "reply.command");
    tokio::time::timeout(PATIENCE, async { while !viewer.packet().await.unwrap().0.keyframe {} }).await.expect("a keyframe");
    let told = desk.fence().await;
    assert!(told.iter().all(|frame| frame["type"] != "notify.stream"), "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_factor_above_1_shows_more_of_the_world() {
    // The client sends 1.1 for a wheel that turns up; what it then expects is the reference's meaning.
    let (server, mut desk, _) = desk(STACK).await;
    let before = pose_after(&mut desk, "set", json!({"rect": [0.0, 0.0, 64.0, 32.0]})).await;
    let after = pose_after(&mut desk, "zoom", json!({"factor": 1.1, "anchor_px": [0.0, 0.0]})).await;
    let edge = |pose: &Value, n: usize| pose["rect"][n].as_f64().unwrap();
    assert!((edge(&after, 2) / edge(&before, 2) - 1.1).abs() < 1e-12);
    // Anchors count from the bottom left: that corner stays.
    assert_eq!((edge(&after, 0), edge(&after, 1)), (0.0, 0.0));
    server.stop().await;
}
