//! What the server answers, row by row: the examples of the protocol, every key of PROTOCOL §6.3, reject codes (§3), errors of commands
//! (§7). Over a real websocket, with the real engine drawing golden images.
//!
//! Each table runs on one server, in order, and is one snapshot. After each row a fence is put up: what a row causes stands under it.

use crate::real::{Desk, RealServer, is_thumbnail};
use crate::support::{WALL, hello};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// One level, axes z, y, x: nothing but the row itself moves the level.
const STACK: &str = "cells3d_labels_v05.ome.zarr";
/// Five levels, four layers.
const PYRAMID: &str = "fish4c_u16_v05_sharded_blosc.ome.zarr";

/// Scope, target, key, value, and the notifications that are waited for, in order.
type Row<'a> = (&'a str, &'a str, &'a str, Value, &'a [&'a str]);

/// How long a row may take.
const ROW: Duration = Duration::from_secs(10);

const NOTHING: &[&str] = &[];
const DIMS: &[&str] = &["notify.dims"];
const LAYERS: &[&str] = &["notify.layers"];
/// The echo, and the pose.
const CAMERA: &[&str] = &["notify.camera", "notify.camera"];
/// The mode, and its pose.
const TOGGLE: &[&str] = &["notify.dims", "notify.camera"];
const ECHO: &[&str] = &["notify.camera"];

/// One line for a frame, without what differs from run to run.
fn line(frame: &Value) -> String {
    let payload = &frame["payload"];
    match frame["type"].as_str().unwrap() {
        "ack.state" if payload["status"] == "accepted" => {
            format!("  ack      {}  version {}", payload["applied_value"], payload["version"])
        }
        "ack.state" => {
            let error = &payload["error"];
            let details = error.get("details").map_or(String::new(), |details| format!(" {details}"));
            format!("  refused  {} {}{details}", error["code"].as_str().unwrap(), error["message"])
        }
        kind => {
            let author = if frame.get("intent_id").is_some() { " (own)" } else { "" };
            format!("  {kind}{author} {}", redacted(payload))
        }
    }
}

/// A payload without levels, which are the same in all of a table, without pixels, names of frames, places and times.
fn redacted(payload: &Value) -> Value {
    let mut payload = payload.clone();
    if let Some(object) = payload.as_object_mut() {
        for (key, value) in object.iter_mut() {
            let short = match key.as_str() {
                "levels" | "level_shapes" => json!("…"),
                "in_reply_to" | "avcc" | "array" | "generated_at" | "delta_token" | "source_path" | "id" => json!("…"),
                "thumbnail" if value.is_array() => json!("…"),
                _ => redacted(value),
            };
            *value = short;
        }
    }
    if let Some(array) = payload.as_array_mut() {
        array.iter_mut().for_each(|value| *value = redacted(value));
    }
    payload
}

/// Sends every row, and writes what came of it.
async fn table(desk: &mut Desk, rows: &[Row<'_>]) -> String {
    let mut told = String::new();
    desk.fence().await;
    for (scope, target, key, value, causes) in rows {
        told += &format!("{scope} {target} {key} {value}\n");
        let intent = desk.intend(scope, target, key, value).await;
        let mut frames = Vec::new();
        let mut awaited = std::iter::once(&"ack.state").chain(*causes).peekable();
        while let Some(kind) = awaited.peek() {
            // Nothing takes as long as a heartbeat, which would hide that nothing comes.
            let next = tokio::time::timeout(ROW, desk.next()).await;
            let frame = next.unwrap_or_else(|_| panic!("{scope} {target} {key} {value}: no {kind} after {frames:?}"));
            // Both come when they like.
            if is_thumbnail(&frame) || frame["type"] == "notify.error" {
                continue;
            }
            if frame["type"] == json!(kind) {
                awaited.next();
            }
            frames.push(frame);
        }
        frames.extend(desk.fence().await.into_iter().filter(|frame| frame["type"] != "notify.error"));
        assert_eq!(frames[0]["payload"]["intent_id"], json!(intent), "the ack comes before all that its intent causes");
        for frame in &frames {
            told += &line(frame);
            told.push('\n');
        }
    }
    told
}

async fn snapshot(image: &str, rows: &[Row<'_>]) -> String {
    let server = RealServer::of(Some(image)).await;
    let (mut desk, _) = Desk::open(server.bound.state).await;
    let told = table(&mut desk, rows).await;
    server.stop().await;
    told
}

#[tokio::test]
async fn dims() {
    let rows: &[Row<'_>] = &[
        ("dims", "z", "index", json!(5), DIMS),
        ("dims", "Z", "index", json!(6), DIMS),
        ("dims", "0", "index", json!(7), DIMS),
        ("dims", "z", "index", json!(7), NOTHING),
        ("dims", "z", "index", json!(1000), DIMS),
        ("dims", "z", "index", json!(-1000), DIMS),
        ("dims", "z", "step", json!(1), DIMS),
        ("dims", "z", "step", json!(10), DIMS),
        ("dims", "z", "step", json!(-1), DIMS),
        ("dims", "z", "step", json!(9_223_372_036_854_775_807_i64), DIMS),
        ("dims", "z", "step", json!(-9_223_372_036_854_775_808_i64), DIMS),
        ("dims", "z", "index", json!(true), DIMS),
        ("DIMS", " z ", " Index ", json!(2), DIMS),
        ("dims", "z", "index", json!(0.5), NOTHING),
        ("dims", "z", "index", json!("1"), NOTHING),
        ("dims", "z", "index", json!(null), NOTHING),
        ("dims", "z", "step", json!(1.0), NOTHING),
        ("dims", "z", "step", json!([1]), NOTHING),
        ("dims", "", "index", json!(1), NOTHING),
        ("dims", "t", "index", json!(1), NOTHING),
        ("dims", "3", "index", json!(1), NOTHING),
        ("dims", "z", "range", json!(1), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

#[tokio::test]
async fn view() {
    let rows: &[Row<'_>] = &[
        ("view", "main", "ndisplay", json!(2), NOTHING),
        ("view", "main", "ndisplay", json!(null), NOTHING),
        ("view", "main", "ndisplay", json!("2"), NOTHING),
        ("view", "main", "ndisplay", json!(1), NOTHING),
        ("view", "main", "ndisplay", json!("many"), NOTHING),
        ("view", "main", "ndisplay", json!([3]), NOTHING),
        ("view", "main", "displayed", json!([0, 1]), NOTHING),
    ];
    // Two axes are no volume: what is applied is what the button goes back to.
    let flat: &[Row<'_>] = &[("view", "main", "ndisplay", json!(3), NOTHING)];
    insta::assert_snapshot!("view_of_two_axes", snapshot(PYRAMID, flat).await);
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

/// The mode, and what each camera command makes of a volume.
#[tokio::test]
async fn camera_in_3d() {
    let rows: &[Row<'_>] = &[
        ("camera", "main", "set", json!({"rect": [0.0, 0.0, 64.0, 32.0]}), CAMERA),
        ("view", "main", "ndisplay", json!(3), TOGGLE),
        ("view", "main", "ndisplay", json!(9), NOTHING),
        ("camera", "main", "orbit", json!({"d_az_deg": 10.0, "d_el_deg": -5}), CAMERA),
        ("camera", "main", "orbit", json!({"d_az_deg": 200.0, "d_el_deg": 0.0}), CAMERA),
        ("camera", "main", "orbit", json!({"d_az_deg": 0.0, "d_el_deg": 500.0}), CAMERA),
        ("camera", "main", "set", json!({"angles": [0.0, 0.0, 0.0]}), CAMERA),
        ("camera", "main", "zoom", json!({"factor": 2.0, "anchor_px": [0.0, 0.0]}), CAMERA),
        ("camera", "main", "pan", json!({"dx_px": 16.0, "dy_px": 0.0}), CAMERA),
        ("camera", "main", "pan", json!({"dx_px": 0.0, "dy_px": 8.0}), CAMERA),
        ("camera", "main", "set", json!({"center": [1.0, 2.0, 3.0]}), CAMERA),
        // Two components leave the third alone; the reference closes the socket.
        ("camera", "main", "set", json!({"center": [10.0, 20.0]}), CAMERA),
        (
            "camera",
            "main",
            "set",
            json!({"center": [5.0, 5.0, 5.0], "angles": [45.0, 30.0, 10.0], "rect": [0.0, 0.0, 1.0, 1.0]}),
            CAMERA,
        ),
        ("camera", "main", "set", json!({"zoom": 2.0}), NOTHING),
        ("camera", "main", "set", json!({"rect": [0.0, 0.0, 1.0, 1.0]}), NOTHING),
        ("camera", "main", "reset", json!({"reason": "home"}), CAMERA),
        ("dims", "z", "index", json!(3), DIMS),
        ("view", "main", "ndisplay", json!(2), TOGGLE),
        // Angles mean a volume, whatever is shown.
        ("camera", "main", "set", json!({"angles": [1.0, 2.0, 3.0]}), ECHO),
        ("view", "main", "ndisplay", json!("3"), TOGGLE),
        ("view", "main", "ndisplay", json!(null), TOGGLE),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

/// What is drawn as a volume: told as controls always, as `volume.*` while it is shown.
#[tokio::test]
async fn volume() {
    let rows: &[Row<'_>] = &[
        ("volume", "main", "render_mode", json!("ISO"), LAYERS),
        ("volume", "main", "render_mode", json!("average"), NOTHING),
        ("volume", "main", "contrast_limits", json!([300, 100, 7]), LAYERS),
        ("volume", "main", "contrast_limits", json!([1]), NOTHING),
        ("volume", "anything", "colormap", json!("magma"), LAYERS),
        ("volume", "main", "colormap", json!("no such map"), NOTHING),
        ("volume", "main", "opacity", json!(-1), LAYERS),
        ("volume", "main", "opacity", json!("half"), NOTHING),
        ("volume", "main", "sample_step", json!(9), NOTHING),
        ("volume", "main", "sample_step", json!("tiny"), NOTHING),
        ("volume", "main", "shading", json!(1), NOTHING),
        ("layer", "layer-0", "rendering", json!("attenuated_mip"), LAYERS),
        ("layer", "layer-0", "rendering", json!("minip"), LAYERS),
        ("layer", "layer-0", "rendering", json!("x-ray"), NOTHING),
        ("layer", "layer-0", "attenuation", json!(-1), LAYERS),
        ("layer", "layer-0", "attenuation", json!("2.5"), LAYERS),
        ("layer", "layer-0", "attenuation", json!(null), NOTHING),
        ("layer", "layer-0", "iso_threshold", json!(200), LAYERS),
        ("layer", "layer-0", "iso_threshold", json!([]), NOTHING),
        // Not among the ten controls that the client knows: never told.
        ("layer", "layer-0", "depiction", json!("plane"), NOTHING),
        ("layer", "layer-0", "depiction", json!("slab"), NOTHING),
        ("layer", "layer-0", "interpolation", json!("cubic"), LAYERS),
        ("view", "main", "ndisplay", json!(3), TOGGLE),
        ("volume", "main", "render_mode", json!("mip"), LAYERS),
        ("volume", "main", "sample_step", json!(0.5), LAYERS),
        ("volume", "main", "opacity", json!(0.5), LAYERS),
        ("layer", "layer-0", "colormap", json!("red"), LAYERS),
        ("layer", "layer-0", "contrast_limits", json!([1, 2]), LAYERS),
        ("layer", "layer-0", "rendering", json!("iso"), LAYERS),
        ("layer", "layer-0", "iso_threshold", json!(7), LAYERS),
        ("multiscale", "main", "level", json!(0), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

#[tokio::test]
async fn camera_in_2d() {
    let rows: &[Row<'_>] = &[
        ("camera", "main", "set", json!({"rect": [0.0, 0.0, 64.0, 32.0]}), CAMERA),
        ("camera", "main", "zoom", json!({"factor": 1.25, "anchor_px": [64.0, 32.0]}), CAMERA),
        ("camera", "", "zoom", json!({"factor": 0.8, "anchor_px": [64, 32]}), CAMERA),
        ("camera", "main", "zoom", json!({"factor": 0.5, "anchor_px": [0.0, 0.0]}), CAMERA),
        ("camera", "main", "pan", json!({"dx_px": 12.0, "dy_px": 0.0}), CAMERA),
        ("camera", "main", "pan", json!({"dx_px": 0.0, "dy_px": 8}), CAMERA),
        ("camera", "main", "pan", json!({"dx_px": 0.0, "dy_px": 0.0}), NOTHING),
        // Acknowledged and told, and nothing moves: the reference dies of it.
        ("camera", "main", "orbit", json!({"d_az_deg": 10.0, "d_el_deg": -5.0}), ECHO),
        ("camera", "main", "set", json!({"center": [10.0, 20.0]}), CAMERA),
        ("camera", "main", "set", json!({"zoom": 4.0}), ECHO),
        ("camera", "main", "set", json!({"center": [30.0, 30.0, 30.0], "rect": [1.0, 2.0, 30.0, 40.0]}), CAMERA),
        ("camera", "main", "reset", json!({"reason": "home"}), CAMERA),
        ("camera", "main", "reset", json!("button"), ECHO),
        ("camera", "main", "reset", json!(null), ECHO),
        ("camera", "main", "reset", json!(7), ECHO),
        ("camera", "main", "zoom", json!({"factor": 0.0, "anchor_px": [1.0, 1.0]}), NOTHING),
        ("camera", "main", "zoom", json!({"factor": -1.0, "anchor_px": [1.0, 1.0]}), NOTHING),
        ("camera", "main", "zoom", json!({"factor": 1.25}), NOTHING),
        ("camera", "main", "zoom", json!({"anchor_px": [1.0, 1.0]}), NOTHING),
        ("camera", "main", "zoom", json!({"factor": 1.25, "anchor_px": [1.0]}), NOTHING),
        ("camera", "main", "zoom", json!({"factor": "big", "anchor_px": [1.0, 1.0]}), NOTHING),
        ("camera", "main", "zoom", json!(1.25), NOTHING),
        ("camera", "main", "pan", json!({"dx_px": 1.0}), NOTHING),
        ("camera", "main", "orbit", json!({"d_az_deg": 1.0}), NOTHING),
        ("camera", "main", "set", json!({}), NOTHING),
        ("camera", "main", "set", json!({"distance": 5.0, "fov": 30.0}), NOTHING),
        ("camera", "main", "set", json!({"rect": [0.0, 0.0, 1.0]}), NOTHING),
        ("camera", "other", "pan", json!({"dx_px": 1.0, "dy_px": 1.0}), NOTHING),
        ("camera", "main", "roll", json!({}), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

#[tokio::test]
async fn layer() {
    let rows: &[Row<'_>] = &[
        ("layer", "layer-0", "visible", json!(false), LAYERS),
        ("layer", "layer-0", "visible", json!("on"), LAYERS),
        ("layer", "layer-0", "visible", json!(0), LAYERS),
        ("layer", "layer-0", "visible", json!("TRUE"), LAYERS),
        ("layer", "layer-0", "visible", json!("perhaps"), NOTHING),
        ("layer", "layer-0", "opacity", json!(0.5), LAYERS),
        ("layer", "layer-0", "opacity", json!(0.5), NOTHING),
        ("layer", "layer-0", "opacity", json!("0.25"), LAYERS),
        ("layer", "layer-0", "opacity", json!(7), LAYERS),
        ("layer", "layer-0", "opacity", json!(-7), LAYERS),
        ("layer", "layer-0", "opacity", json!("dim"), NOTHING),
        ("layer", "layer-0", "blending", json!("additive"), LAYERS),
        ("layer", "layer-0", "blending", json!({"name": "Translucent"}), LAYERS),
        ("layer", "layer-0", "blending", json!("minimum"), LAYERS),
        ("layer", "layer-0", "blending", json!("opaque"), LAYERS),
        ("layer", "layer-0", "blending", json!("maximum"), NOTHING),
        ("layer", "layer-0", "blending", json!("average"), NOTHING),
        ("layer", "layer-0", "blending", json!("screen"), NOTHING),
        ("layer", "layer-0", "interpolation", json!("nearest"), LAYERS),
        ("layer", "layer-0", "interpolation", json!("Linear"), LAYERS),
        ("layer", "layer-0", "interpolation", json!("Lanczos"), LAYERS),
        ("layer", "layer-0", "interpolation", json!("sinc"), NOTHING),
        ("layer", "layer-0", "gamma", json!(2), LAYERS),
        ("layer", "layer-0", "gamma", json!("0.5"), LAYERS),
        ("layer", "layer-0", "gamma", json!(0), NOTHING),
        ("layer", "layer-0", "gamma", json!(-1.0), NOTHING),
        ("layer", "layer-0", "contrast_limits", json!([100, 200]), LAYERS),
        ("layer", "layer-0", "contrast_limits", json!([300.0, 50.0]), LAYERS),
        ("layer", "layer-0", "contrast_limits", json!({"lo": 1.0, "hi": 2.0}), LAYERS),
        ("layer", "layer-0", "contrast_limits", json!([5.0, 5.0]), NOTHING),
        ("layer", "layer-0", "contrast_limits", json!([5.0]), NOTHING),
        ("layer", "layer-0", "colormap", json!("viridis"), LAYERS),
        ("layer", "layer-0", "colormap", json!("I BLUE"), LAYERS),
        ("layer", "layer-0", "colormap", json!("hilo"), LAYERS),
        ("layer", "layer-0", "colormap", json!("no such map"), NOTHING),
        ("layer", "", "opacity", json!(0.75), LAYERS),
        ("layer", "layer-7", "opacity", json!(0.5), NOTHING),
        ("layer", "layer-0", "shading", json!("none"), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

#[tokio::test]
async fn multiscale() {
    let rows: &[Row<'_>] = &[
        ("multiscale", "main", "level", json!(1), DIMS),
        ("multiscale", "main", "level", json!("2"), DIMS),
        ("multiscale", "main", "level", json!(2), NOTHING),
        ("multiscale", "main", "level", json!(99), DIMS),
        ("multiscale", "main", "level", json!(-99), DIMS),
        ("multiscale", "main", "level", json!("coarse"), NOTHING),
        ("multiscale", "main", "level", json!(1.5), NOTHING),
        ("multiscale", "main", "level", json!(null), NOTHING),
        ("multiscale", "main", "policy", json!("oversampling"), NOTHING),
        ("multiscale", "main", "policy", json!("thresholds"), NOTHING),
        ("multiscale", "main", "policy", json!(1), NOTHING),
        ("multiscale", "main", "levels", json!([]), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(PYRAMID, rows).await);
}

#[tokio::test]
async fn what_no_scope_has() {
    let rows: &[Row<'_>] = &[
        ("", "main", "ndisplay", json!(2), NOTHING),
        ("view", "main", "", json!(2), NOTHING),
        ("  ", "main", "  ", json!(2), NOTHING),
        ("window", "main", "size", json!([1, 1]), NOTHING),
        ("view", "main", "theme", json!("dark"), NOTHING),
    ];
    insta::assert_snapshot!(snapshot(STACK, rows).await);
}

#[tokio::test]
async fn updates_that_break_their_schema_are_refused_if_they_can_be_named() {
    let server = RealServer::of(Some(STACK)).await;
    let (mut desk, _) = Desk::open(server.bound.state).await;
    let whole = json!({"type": "state.update", "version": 2, "session": "", "frame_id": "state-1", "timestamp": WALL,
        "intent_id": "intent-1", "payload": {"scope": "view", "target": "main", "key": "ndisplay", "value": 2}});
    let broken = |change: fn(&mut Value)| {
        let mut frame = whole.clone();
        change(&mut frame);
        frame
    };
    let mut told = String::new();
    let named: [(&str, Value); 4] = [
        ("version 1", broken(|frame| frame["version"] = json!(1))),
        ("no value", broken(|frame| drop(frame["payload"].as_object_mut().unwrap().remove("value")))),
        ("no key", broken(|frame| drop(frame["payload"].as_object_mut().unwrap().remove("key")))),
        ("seq", broken(|frame| frame["seq"] = json!(1))),
    ];
    for (what, frame) in named {
        desk.send(&frame).await;
        let ack = desk.until(|frame| frame["type"] == "ack.state").await;
        assert_eq!((&ack["payload"]["intent_id"], &ack["payload"]["in_reply_to"]), (&json!("intent-1"), &json!("state-1")));
        told += &format!("{what}\n  {} {}\n", ack["payload"]["error"]["code"], ack["payload"]["error"]["message"]);
    }
    // Nothing can be told of these, and nothing is.
    for field in ["frame_id", "intent_id", "session"] {
        let mut frame = whole.clone();
        frame.as_object_mut().unwrap().remove(field);
        desk.send(&frame).await;
        let frames = desk.fence().await;
        assert!(frames.iter().all(|frame| frame["type"] != "ack.state"), "{field}: {frames:?}");
    }
    insta::assert_snapshot!(told);
    server.stop().await;
}

/// The examples of PROTOCOL §§3, 6, 7 and 8 that a client sends, and what comes back, with the session of the day.
#[tokio::test]
async fn examples() {
    let server = RealServer::of(Some(STACK)).await;
    let (mut desk, baseline) = Desk::open(server.bound.state).await;
    let mut told = String::new();
    // Thumbnails and notices come when they are ready.
    let in_turn = |frame: &Value| !is_thumbnail(frame) && frame["type"] != "notify.error";
    for frame in baseline.iter().filter(|frame| in_turn(frame)) {
        told += &format!("{}\n  {}\n", frame["type"].as_str().unwrap(), redacted(&frame["payload"]));
    }
    desk.fence().await;
    let zoom = json!({"type": "state.update", "version": 2, "session": "5c26", "frame_id": "state-00000001",
        "timestamp": 1_795_167_760.21, "intent_id": "intent-00000101",
        "payload": {"scope": "camera", "target": "main", "key": "zoom", "value": {"factor": 1.25, "anchor_px": [320.0, 180.0]}}});
    let call = |command: &str| {
        json!({"type": "call.command", "version": 2, "session": "5c26", "frame_id": "cmd-022d", "timestamp": 1_795_167_761.0,
            "payload": {"command": command, "origin": "auto.notify.stream"}})
    };
    desk.send(&zoom).await;
    let frames = [desk.until(in_turn).await, desk.until(in_turn).await];
    desk.send(&call("napari.pixel.request_keyframe")).await;
    let reply = desk.until(|frame| frame["type"] == "reply.command").await;
    desk.send(&call("no.such.command")).await;
    let error = desk.until(|frame| frame["type"] == "error.command").await;
    let ack = json!({"type": "session.ack", "version": 2, "session": "f1b4", "frame_id": "ack-77aa",
        "timestamp": 1_795_167_993.3, "payload": {}});
    desk.send(&ack).await;
    for text in [r#"{"type":"ping"}"#, r#"{"type":"shutdown"}"#] {
        desk.send_text(text).await;
    }
    desk.fence().await;
    let goodbye = json!({"type": "session.goodbye", "version": 2, "session": "f1b4", "frame_id": "goodbye-09ab",
        "timestamp": 1_795_167_999.0, "payload": {}});
    desk.send(&goodbye).await;
    let farewell = desk.until(|frame| frame["type"] == "session.goodbye").await;
    for frame in frames.iter().chain([&reply, &error, &farewell]) {
        told += &format!("{}\n  {}\n", frame["type"].as_str().unwrap(), redacted(&frame["payload"]));
    }
    assert_eq!(desk.close_code().await, 1000);
    insta::assert_snapshot!(told);
    server.stop().await;
}

/// The hello with something changed.
fn hello_but(change: fn(&mut Value)) -> Value {
    let mut hello = hello();
    change(&mut hello);
    hello
}

#[tokio::test]
async fn rejects() {
    let server = RealServer::of(Some(STACK)).await;
    let text = |text: &str| Message::text(text.to_owned());
    let json = |value: Value| Message::text(value.to_string());
    let hellos: [(&str, Message); 9] = [
        ("not UTF-8", Message::binary(vec![0xff, 0xfe])),
        ("an unknown key", json(hello_but(|hello| hello["payload"]["extra"] = json!(1)))),
        ("version 1", json(hello_but(|hello| hello["version"] = json!(1)))),
        ("no protocols", json(hello_but(|hello| hello["payload"]["protocols"] = json!([])))),
        ("not JSON", text("{")),
        ("no hello", text(r#"{"type":"ping"}"#)),
        ("another protocol", json(hello_but(|hello| hello["payload"]["protocols"] = json!([1, 3])))),
        ("topics missing", json(hello_but(|hello| hello["payload"]["features"] = json!({"notify.scene": true})))),
        ("an impossible token", json(hello_but(|hello| hello["payload"]["resume_tokens"]["notify.layers"] = json!("a b")))),
    ];
    let mut told = String::new();
    for (what, message) in hellos {
        let mut desk = Desk::silent(server.bound.state).await;
        desk.send_message(message).await;
        let reject = desk.next().await;
        assert_eq!(reject["type"], "session.reject", "{what}");
        told += &format!("{what}\n  {}\n", reject["payload"]);
        assert_eq!(desk.close_code().await, 1000);
    }
    // The seventh code, after the five seconds that a client has.
    let mut desk = Desk::silent(server.bound.state).await;
    told += &format!("nothing\n  {}\n", desk.next().await["payload"]);
    assert_eq!(desk.close_code().await, 1000);
    insta::assert_snapshot!(told);
    server.stop().await;
}

#[tokio::test]
async fn commands() {
    let server = RealServer::of(Some(STACK)).await;
    let (mut desk, _) = Desk::open(server.bound.state).await;
    let calls = [
        json!({"command": "napari.pixel.request_keyframe"}),
        json!({"command": "napari.pixel.request_keyframe", "args": [], "kwargs": {}, "origin": "ui"}),
        json!({"command": "no.such.command"}),
        json!({"command": ""}),
        json!({"args": []}),
        json!({"command": 5}),
        json!({"command": "napari.pixel.request_keyframe", "kwargs": []}),
    ];
    let mut told = String::new();
    for call in &calls {
        let answer = desk.call(call).await;
        told += &format!("{call}\n  {} {}\n", answer["type"].as_str().unwrap(), redacted(&answer["payload"]));
    }
    // One that cannot be named is answered to "unknown".
    desk.send(&json!({"type": "call.command", "version": 2, "session": "", "timestamp": WALL, "payload": {"command": "x"}}))
        .await;
    let answer = desk.until(|frame| frame["type"] == "error.command").await;
    told += &format!("without a frame_id\n  error.command {}\n", answer["payload"]);
    insta::assert_snapshot!(told);
    server.stop().await;
}

#[tokio::test]
async fn nothing_to_show() {
    let server = RealServer::of(None).await;
    let mut desk = Desk::silent(server.bound.state).await;
    desk.send(&hello()).await;
    let mut told = String::new();
    for _ in 0..3 {
        let frame = desk.next().await;
        told += &format!("{}\n  {}\n", frame["type"].as_str().unwrap(), redacted(&frame["payload"]));
    }
    let rows = [
        ("dims", "x", "index", json!(3)),
        ("dims", "z", "index", json!(3)),
        ("view", "main", "ndisplay", json!(2)),
        ("layer", "layer-0", "opacity", json!(0.5)),
        ("multiscale", "main", "level", json!(1)),
        ("camera", "main", "pan", json!({"dx_px": 1.0, "dy_px": 1.0})),
    ];
    for (scope, target, key, value) in rows {
        desk.intend(scope, target, key, &value).await;
        let ack = desk.until(|frame| frame["type"] == "ack.state").await;
        told += &format!("{scope} {target} {key} {value}\n{}\n", line(&ack));
    }
    insta::assert_snapshot!(told);
    server.stop().await;
}
