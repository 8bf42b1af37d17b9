//! The state channel over real sockets.

use crate::support::{FakeEngine, TestServer, Wire, dataset, hello, view};
use nc_engine::api::{Accepted, Applied, Echo, Event, LayerChange, RawIntent, Rejection};
use nc_protocol::handshake::RejectCode;
use nc_protocol::scene::SceneStatus;
use nc_protocol::update::AckStatus;
use nc_protocol::{BOUND_PIXEL, Body, ServerFrame};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;

fn name(frame: &ServerFrame) -> &'static str {
    match frame.body {
        Body::Welcome(_) => "welcome",
        Body::Reject(_) => "reject",
        Body::Goodbye(_) => "goodbye",
        Body::Scene(_) => "scene",
        Body::Layers(_) => "layers",
        Body::Stream(_) => "stream",
        Body::Dims(_) => "dims",
        Body::Camera(_) => "camera",
        Body::Error(_) => "error",
        Body::UpdateAck(_) => "ack",
        Body::Reply(_) => "reply",
        Body::CommandError(_) => "command error",
        _ => "other",
    }
}

fn accept(intent: &RawIntent, value: Value, version: u64) -> Event {
    let outcome = Ok(Accepted { applied_value: value, version });
    Event::Ack { client: intent.client, intent_id: intent.intent_id.clone(), outcome }
}

/// A frame for a snapshot: one line per member of an object, arrays on one line; the thumbnail, which is large and black, left out.
pub(crate) fn shown(frame: &str) -> String {
    let frame = match (frame.find("[[["), frame.find("]]]")) {
        (Some(from), Some(to)) => format!("{}...{}", &frame[..from], &frame[to + 3..]),
        _ => frame.to_owned(),
    };
    let (mut lines, mut open, mut quoted) = (String::new(), vec![], false);
    for c in frame.chars() {
        // No string of these frames holds an escaped quote.
        quoted ^= c == '"';
        let indented = |depth: usize| format!("\n{}", "  ".repeat(depth));
        match c {
            '{' | '[' if !quoted => open.push(c),
            '}' | ']' if !quoted => drop(open.pop()),
            _ => {}
        }
        if c == '}' && !quoted {
            lines += &indented(open.len());
        }
        lines.push(c);
        if !quoted && (c == '{' || c == ',' && open.last() == Some(&'{')) {
            lines += &indented(open.len());
        }
    }
    lines
}

#[tokio::test]
async fn baseline_of_the_python_client() {
    let server = TestServer::ready().await;
    let mut wire = Wire::silent(server.bound.state, "/").await;
    wire.send(hello().to_string()).await;
    for kind in ["welcome", "scene", "dims", "layers", "stream"] {
        insta::assert_snapshot!(kind, shown(&wire.text().await));
    }
    server.stop().await;
}

#[tokio::test]
async fn baseline_of_a_client_with_extensions_and_two_layers() {
    let server = TestServer::start(FakeEngine::showing(view(Some(dataset(2))))).await;
    let (wire, frames) = Wire::open(server.bound.http, "/ws/state").await;
    let kinds: Vec<_> = frames.iter().map(name).collect();
    assert_eq!(kinds, ["welcome", "scene", "dims", "layers", "layers", "stream"]);
    let Body::Welcome(welcome) = &frames[0].body else { panic!() };
    assert!(welcome.features[BOUND_PIXEL].key.as_ref().is_some_and(|key| key.len() == 32));
    assert_eq!(wire.client.view().layers.len(), 2);
    let dims = wire.client.view().dims.as_ref().unwrap();
    assert_eq!(dims.axis_labels.as_deref().unwrap(), ["z", "y", "x"], "the split axis is no dim");
    let keyframes = *server.engine.idr_requests.borrow();
    assert_eq!(keyframes, 0, "the pixel socket asks");
    server.stop().await;
}

#[tokio::test]
async fn baseline_without_data_is_idle() {
    let server = TestServer::start(FakeEngine::idle()).await;
    let mut wire = Wire::silent(server.bound.state, "/any/path").await;
    wire.flush().await;
    let mut kinds = vec![];
    for _ in 0..3 {
        kinds.push(name(&wire.next().await));
    }
    assert_eq!(kinds, ["welcome", "scene", "dims"]);
    let view = wire.client.view();
    assert_eq!(view.status, Some(SceneStatus::Idle));
    assert_eq!(view.dims.as_ref().unwrap().level_shapes, [[1, 1]]);
    assert!(view.layers.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_refused_handshake_closes_the_socket() {
    let server = TestServer::ready().await;
    let mut wrong = hello();
    wrong["payload"]["protocols"] = json!([1]);
    let mut wire = Wire::silent(server.bound.state, "/").await;
    wire.send(wrong.to_string()).await;
    match wire.next().await.body {
        Body::Reject(reject) => assert_eq!(reject.code, RejectCode::ProtocolMismatch),
        other => panic!("{other:?}"),
    }
    assert_eq!(wire.close_code().await, 1000);
    server.stop().await;
}

#[tokio::test]
async fn intents_reach_the_engine_and_answers_their_sender() {
    let server = TestServer::ready().await;
    let (mut driver, _) = Wire::open(server.bound.state, "/").await;
    let (mut other, _) = Wire::open(server.bound.state, "/").await;

    let id = driver.update("camera", "main", "zoom", json!({"factor": 1.25, "anchor_px": [320.0, 180.0]})).await;
    let intent = server.engine.intent().await;
    assert_eq!((&*intent.scope, &*intent.target, &*intent.key), ("camera", "main", "zoom"));
    assert_eq!(intent.intent_id, id);
    server.sink.event(accept(&intent, intent.value.clone(), 1));
    let (client, intent_id) = (intent.client, intent.intent_id.clone());
    server.sink.event(Event::CameraEcho { client, intent_id, mode: "zoom", delta: intent.value.clone() });
    let Value::Object(delta) = intent.value.clone() else { panic!() };
    let echoes = vec![Echo { client: client.0, ndisplay: 2, mode: "zoom", delta }];
    server.sink.event(Event::Applied(Applied { pose: true, echoes, ..applied(&Arc::new(view(Some(dataset(1))))) }));

    match driver.next().await.body {
        Body::UpdateAck(ack) => {
            assert_eq!((ack.status, ack.version), (AckStatus::Accepted, Some(1)));
            assert_eq!(ack.applied_value, Some(intent.value.clone()));
            assert_eq!(ack.in_reply_to, "state-update-00000002");
        }
        other => panic!("{other:?}"),
    }
    let echo = driver.next().await;
    assert_eq!((name(&echo), echo.intent_id.as_deref()), ("camera", Some(&*id)));
    let echo = other.next().await;
    assert_eq!((name(&echo), echo.intent_id), ("camera", None), "others see the echo, not the intent's name");
    assert_eq!(echo.frame_id.map(|id| id.len()), Some(8));
    for wire in [&mut driver, &mut other] {
        match wire.next().await.body {
            Body::Camera(camera) => assert!(camera.state.is_some(), "the pose follows the echoes, and nobody is echoed twice"),
            other => panic!("{other:?}"),
        }
    }

    driver.update("view", "main", "ndisplay", json!("two")).await;
    let intent = server.engine.intent().await;
    let rejection =
        Rejection { code: "state.invalid", message: "ndisplay must be integer".to_owned(), details: json!({"scope": "view"}) };
    server.sink.event(Event::Ack { client: intent.client, intent_id: intent.intent_id, outcome: Err(rejection) });
    match driver.next().await.body {
        Body::UpdateAck(ack) => assert_eq!(ack.error.unwrap().code, "state.invalid"),
        other => panic!("{other:?}"),
    }
    assert_eq!(driver.client.unanswered(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_busy_engine_and_a_broken_intent_are_answered() {
    let server = TestServer::start(FakeEngine::with(view(None), None, 1)).await;
    let mut wire = Wire::silent(server.bound.state, "/").await;
    wire.flush().await;
    for _ in 0..3 {
        wire.next().await;
    }
    wire.update("dims", "z", "step", json!(1)).await;
    let second = wire.update("dims", "z", "step", json!(1)).await;
    match wire.next().await.body {
        Body::UpdateAck(ack) => {
            assert_eq!(ack.intent_id, second);
            let error = ack.error.unwrap();
            assert_eq!((&*error.code, &*error.message), ("state.error", "server busy"));
        }
        other => panic!("{other:?}"),
    }
    wire.send(r#"{"type":"state.update","version":1,"session":"x","frame_id":"f","intent_id":"i","timestamp":1,"payload":{}}"#)
        .await;
    match wire.next().await {
        ServerFrame { session, body: Body::UpdateAck(ack), .. } => {
            assert_eq!((session.as_deref(), &*ack.in_reply_to), (Some("x"), "f"));
            assert_eq!(ack.error.unwrap().message, "state.update payload invalid");
        }
        other => panic!("{other:?}"),
    }
    // The first intent still stands.
    let intent = server.engine.intent().await;
    server.sink.event(accept(&intent, json!(13), 2));
    assert_eq!(name(&wire.next().await), "ack");
    assert_eq!(wire.client.unanswered(), 0);
    server.stop().await;
}

#[tokio::test]
async fn rubbish_changes_nothing_and_pings_are_answered() {
    let server = TestServer::ready().await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    for rubbish in ["", "{", "[]", "null", r#"{"type":"ping"}"#, r#"{"type":"shutdown"}"#, r#"{"type":"nonsense","version":2}"#] {
        wire.send(rubbish).await;
    }
    wire.send_message(Message::binary(vec![0xff, 0x00])).await;
    wire.send_message(Message::Ping(b"now".as_slice().into())).await;
    assert_eq!(wire.message().await, Some(Message::Pong(b"now".as_slice().into())));
    wire.client
        .call(crate::support::WALL, &nc_protocol::command::Call { command: "no.such.command".into(), ..Default::default() });
    wire.flush().await;
    match wire.next().await.body {
        Body::CommandError(error) => assert_eq!(error.code, "command.not_found"),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn keyframe_commands_are_all_answered_share_one_request_and_send_no_stream() {
    let server = TestServer::ready().await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    server.sink.packet(crate::support::packet(true, 10)); // the last IDR was just now
    for _ in 0..50 {
        let command = "napari.pixel.request_keyframe".to_owned();
        wire.client.call(crate::support::WALL, &nc_protocol::command::Call { command, ..Default::default() });
    }
    wire.flush().await;
    for _ in 0..50 {
        assert_eq!(name(&wire.next().await), "reply");
    }
    // It is not due while the answers come, but its time comes by itself.
    server.engine.await_idr_requests(1).await;
    server.sink.packet(crate::support::packet(true, 10));
    wire.update("dims", "z", "step", json!(1)).await;
    server.engine.intent().await;
    let keyframes = *server.engine.idr_requests.borrow();
    assert_eq!(keyframes, 1, "one for them all");
    server.stop().await;
}

/// A change of view that everybody is told.
pub(crate) fn applied(view: &Arc<nc_engine::api::scene::AppliedView>) -> Applied {
    Applied::unchanged(Arc::clone(view))
}

#[tokio::test]
async fn changes_are_told_once_and_a_newcomer_disturbs_nobody() {
    let server = TestServer::ready().await;
    let (mut first, frames) = Wire::open(server.bound.state, "/").await;
    assert_eq!(frames[3].sequence.as_ref().map(|(seq, _)| *seq), Some(0));

    let mut changed = view(Some(dataset(1)));
    changed.step[0] = 5;
    Arc::make_mut(&mut changed.layers[0]).controls.opacity = 0.25;
    let changed = Arc::new(changed);
    first.update("layer", "layer-0", "opacity", json!(0.25)).await;
    let intent = server.engine.intent().await;
    server.sink.event(accept(&intent, json!(0.25), 1));
    assert_eq!(name(&first.next().await), "ack");
    let layers = vec![LayerChange { layer: 0, keys: vec!["opacity"], intent: Some((intent.client, intent.intent_id)) }];
    let change = Applied { dims: true, pose: true, layers, ..applied(&changed) };
    server.sink.event(Event::Applied(change.clone()));

    let dims = first.next().await;
    match &dims.body {
        Body::Dims(dims) => assert_eq!(dims.step, [5, 0, 0]),
        other => panic!("{other:?}"),
    }
    assert_eq!((dims.frame_id.map(|id| id.len()), dims.intent_id), (Some(8), None));
    assert_eq!(name(&first.next().await), "camera");
    let layers = first.next().await;
    assert_eq!(layers.sequence.as_ref().map(|(seq, _)| *seq), Some(1));
    match layers.body {
        Body::Layers(layers) => {
            let controls = layers.controls.unwrap();
            assert_eq!((controls.opacity, controls.gamma), (Some(0.25), None), "only what changed");
        }
        other => panic!("{other:?}"),
    }

    // The newcomer's baseline shows the change, and its sequence is its own.
    let (mut second, frames) = Wire::open(server.bound.state, "/").await;
    assert_eq!(second.client.view().layer("layer-0").unwrap().controls.opacity, Some(0.25));
    assert_eq!(frames[3].sequence.as_ref().map(|(seq, _)| *seq), Some(0));

    let mut gray = (*changed).clone();
    Arc::make_mut(&mut gray.layers[0]).controls.gamma = 2.0;
    let layers = vec![LayerChange { layer: 0, keys: vec!["gamma"], intent: None }];
    server.sink.event(Event::Applied(Applied { layers, ..applied(&Arc::new(gray)) }));
    for (wire, seq) in [(&mut first, 2), (&mut second, 1)] {
        let frame = wire.next().await;
        assert_eq!((name(&frame), frame.sequence.map(|(seq, _)| seq)), ("layers", Some(seq)));
    }
    assert_eq!(first.client.view().layers, second.client.view().layers);
    server.stop().await;
}

#[tokio::test]
async fn what_a_failed_op_must_take_back_is_told_although_the_view_is_the_old_one() {
    let server = TestServer::ready().await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    wire.update("layer", "layer-0", "opacity", json!(0.25)).await;
    let intent = server.engine.intent().await;
    server.sink.event(accept(&intent, json!(0.25), 2));
    assert_eq!(name(&wire.next().await), "ack");

    // The op fails: the engine names what it asked for, and the view is the one that everybody knows.
    let same = Arc::new(view(Some(dataset(1))));
    let layers = vec![LayerChange { layer: 0, keys: vec!["opacity"], intent: Some((intent.client, intent.intent_id.clone())) }];
    server.sink.event(Event::Applied(Applied { dims: true, layers, ..applied(&same) }));
    match wire.next().await.body {
        Body::Dims(dims) => assert_eq!(dims.step, same.dataset.as_ref().unwrap().step_at_level(&same.step, same.level)),
        other => panic!("{other:?}"),
    }
    let frame = wire.next().await;
    assert_eq!(frame.intent_id, Some(intent.intent_id));
    match frame.body {
        Body::Layers(layers) => {
            let controls = layers.controls.unwrap();
            assert_eq!((controls.opacity, controls.gamma), (Some(0.8), None), "the old value, and only what is named");
        }
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn another_dataset_is_a_new_baseline_for_everyone() {
    let server = TestServer::ready().await;
    let (mut wire, frames) = Wire::open(server.bound.state, "/").await;
    let token = |frame: &ServerFrame| frame.sequence.clone().unwrap().1;
    let new = Arc::new(view(Some(dataset(2))));
    server.sink.event(Event::Applied(Applied { dataset: true, dims: true, pose: true, ..applied(&new) }));
    let mut kinds = vec![];
    let mut last = None;
    for _ in 0..5 {
        let frame = wire.next().await;
        kinds.push(name(&frame));
        last = Some(frame);
    }
    assert_eq!(kinds, ["scene", "dims", "layers", "layers", "stream"]);
    let last = last.unwrap();
    assert_eq!(last.sequence.as_ref().map(|(seq, _)| *seq), Some(0));
    assert_ne!(token(&last)[..16], token(frames.last().unwrap())[..16], "a new epoch");
    assert_eq!(wire.client.view().layers.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn thumbnails_and_warnings_are_told() {
    let server = TestServer::ready().await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    let mut changed = view(Some(dataset(1)));
    let mut thumbnail = nc_engine::api::scene::Thumbnail::black();
    thumbnail.rgba[0] = 255;
    Arc::make_mut(&mut changed.layers[0]).thumbnail = Arc::new(thumbnail);
    server.sink.event(Event::Applied(Applied { thumbnails: vec![0], ..applied(&Arc::new(changed)) }));
    assert_eq!(name(&wire.next().await), "layers");
    assert_eq!(wire.client.view().layers[0].thumbnail[0][0], [1.0, 0.0, 0.0, 1.0]);
    server.sink.event(Event::Warning { domain: "data", code: "chunk.corrupt", message: "0/1.2.3".to_owned() });
    match wire.next().await.body {
        Body::Error(error) => assert_eq!((&*error.domain, &*error.code), ("data", "chunk.corrupt")),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn a_newcomer_is_told_the_faults_of_the_dataset_after_the_stream() {
    let server = TestServer::ready().await;
    let fault = |message: &str| Event::Warning { domain: "data", code: "data.chunk", message: message.to_owned() };
    for message in ["0/1.2.3", "0/1.2.4", "0/1.2.3"] {
        server.sink.event(fault(message));
    }
    // The baseline ends with the stream; faults come after it, each once, the newest last.
    let (mut wire, frames) = Wire::open(server.bound.state, "/").await;
    let kinds: Vec<_> = frames.iter().map(name).collect();
    assert_eq!(kinds, ["welcome", "scene", "dims", "layers", "stream"]);
    for message in ["0/1.2.4", "0/1.2.3"] {
        match wire.next().await.body {
            Body::Error(error) => assert_eq!(error.message, message),
            other => panic!("{other:?}"),
        }
    }

    let new = Arc::new(view(Some(dataset(1))));
    server.sink.event(Event::Applied(Applied { dataset: true, dims: true, pose: true, ..applied(&new) }));
    server.sink.event(fault("of the new dataset"));
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    match wire.next().await.body {
        Body::Error(error) => assert_eq!(error.message, "of the new dataset"),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_only_itself() {
    let server = TestServer::ready().await;
    let (mut slow, _) = Wire::open(server.bound.state, "/").await;
    let (mut fast, _) = Wire::open(server.bound.state, "/").await;
    for n in 0..48 {
        let message = format!("{n} {}", "x".repeat(1 << 20));
        server.sink.event(Event::Warning { domain: "data", code: "big", message });
        assert_eq!(name(&fast.next().await), "error");
    }
    assert_eq!(slow.close_code().await, 1011);
    server.sink.event(Event::Warning { domain: "data", code: "small", message: String::new() });
    assert_eq!(name(&fast.next().await), "error");
    server.stop().await;
}

#[tokio::test]
async fn goodbyes_both_ways() {
    let server = TestServer::ready().await;
    let (mut leaving, _) = Wire::open(server.bound.state, "/").await;
    let (mut staying, _) = Wire::open(server.bound.state, "/").await;
    leaving.client.leave(crate::support::WALL);
    leaving.flush().await;
    assert_eq!(name(&leaving.next().await), "goodbye");
    assert_eq!(leaving.close_code().await, 1000);
    let (farewell, ()) = tokio::join!(async { (name(&staying.next().await), staying.close_code().await) }, server.stop());
    assert_eq!(farewell, ("goodbye", 1012));
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_its_sender_and_says_why() {
    let server = TestServer::ready().await;
    // Just above the limit, and beyond what the socket reads at all.
    for bytes in [(1 << 20) + 1, 2 << 20] {
        let (mut wire, _) = Wire::open(server.bound.state, "/").await;
        wire.send_message(Message::text("x".repeat(bytes))).await;
        match wire.next().await.body {
            Body::Goodbye(goodbye) => assert_eq!(goodbye.code.as_deref(), Some("message_too_large")),
            other => panic!("{other:?}"),
        }
        assert_eq!(wire.close_code().await, 1009);
    }
    let (mut next, _) = Wire::open(server.bound.state, "/").await;
    next.update("dims", "z", "step", json!(1)).await;
    assert_eq!(server.engine.intent().await.key, "step", "nobody else notices");
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_intents_is_answered_to_the_last() {
    const FLOOD: usize = 1500;
    /// As many as the engine of these tests takes.
    const WAITING: usize = 16;
    let server = TestServer::ready().await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    for _ in 0..FLOOD {
        wire.update("dims", "z", "step", json!(1)).await;
    }
    let mut refused = std::collections::BTreeMap::new();
    while wire.client.unanswered() > WAITING {
        match wire.next().await.body {
            Body::UpdateAck(ack) => *refused.entry(ack.error.unwrap().message).or_insert(0) += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused.values().sum::<usize>(), FLOOD - WAITING);
    // How many came too soon depends on how fast they were sent; some always do.
    assert!(refused["too many messages"] > 0, "{refused:?}");
    server.stop().await;
}
