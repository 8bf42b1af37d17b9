//! Data that grow while they are shown: everyone is told the scene and the dims, in that order, and who comes back is told the same.

use crate::state_channel::applied;
use crate::support::{FakeEngine, TestServer, Wire, dataset, hello, view};
use nc_engine::api::scene::{AppliedView, Dataset, ImageInfo};
use nc_engine::api::{Applied, Echo, Event, LayerChange};
use nc_protocol::validate::Conversation;
use nc_protocol::{Body, ServerFrame};
use serde_json::json;
use std::sync::Arc;

/// The z-stack of the tests with so many planes.
fn grown(dataset: &Dataset, z: u64) -> Arc<Dataset> {
    let mut read = ImageInfo::clone(&dataset.image);
    read.levels.iter_mut().for_each(|level| level.shape[0] = z);
    Arc::new(dataset.grown(&read, &[]).unwrap().unwrap())
}

fn told(frame: &ServerFrame) -> (&'static str, Option<u64>) {
    let seq = frame.sequence.as_ref().map(|(seq, _)| *seq);
    match &frame.body {
        Body::Scene(_) => ("scene", seq),
        Body::Dims(_) => ("dims", seq),
        Body::Layers(_) => ("layers", seq),
        Body::Camera(_) => ("camera", seq),
        Body::Stream(_) => ("stream", seq),
        other => panic!("{other:?}"),
    }
}

fn planes(wire: &Wire) -> u64 {
    wire.client.view().dims.as_ref().unwrap().level_shapes[0][0]
}

#[tokio::test]
async fn the_scene_comes_first_and_the_dims_are_next() {
    let first = dataset(1);
    let server = TestServer::start(FakeEngine::showing(view(Some(first.clone())))).await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    // With all that may be news at the same time.
    let more = Arc::new(AppliedView { step: vec![3, 0, 0], ..view(Some(grown(&first, 30))) });
    let layers = vec![LayerChange { layer: 0, keys: vec!["opacity"], intent: None }];
    let echoes = vec![Echo {
        client: 77,
        ndisplay: 2,
        mode: "zoom",
        delta: json!({"factor": 2.0, "anchor_px": [1.0, 2.0]}).as_object().unwrap().clone(),
    }];
    let change = Applied { shapes: true, dims: true, pose: true, echoes, layers, thumbnails: vec![0], ..applied(&more) };
    server.sink.event(Event::Applied(change));
    let mut frames = vec![];
    for _ in 0..6 {
        frames.push(wire.next().await);
    }
    let told: Vec<_> = frames.iter().map(told).collect();
    // A scene begins the sequence of layers anew.
    assert_eq!(
        told,
        [("scene", Some(0)), ("dims", None), ("camera", None), ("camera", None), ("layers", Some(0)), ("layers", Some(1))]
    );
    assert_eq!(planes(&wire), 30);
    assert!(wire.client.view().stream.is_some(), "it is the same stream, and nobody has to ask for a keyframe");
    // What follows goes on from there.
    let again = Arc::new(view(Some(grown(&first, 31))));
    server.sink.event(Event::Applied(Applied { shapes: true, dims: true, ..applied(&again) }));
    let next = [wire.next().await, wire.next().await];
    assert_eq!(next.iter().map(self::told).collect::<Vec<_>>(), [("scene", Some(0)), ("dims", None)]);
    assert_eq!(planes(&wire), 31);
    server.stop().await;
}

#[tokio::test]
async fn who_comes_back_after_a_growth_knows_the_new_size_and_nothing_twice() {
    let first = dataset(1);
    let server = TestServer::start(FakeEngine::showing(view(Some(first.clone())))).await;
    let (mut wire, frames) = Wire::open(server.bound.state, "/").await;
    let mut resume = hello();
    for frame in &frames {
        let topic = match frame.body {
            Body::Scene(_) => "notify.scene",
            Body::Layers(_) => "notify.layers",
            Body::Stream(_) => "notify.stream",
            _ => continue,
        };
        resume["payload"]["resume_tokens"][topic] = frame.sequence.clone().unwrap().1.into();
    }
    let opacity = |view: &Arc<AppliedView>| Applied {
        layers: vec![LayerChange { layer: 0, keys: vec!["opacity"], intent: None }],
        ..applied(view)
    };
    // It misses a change, a growth and another change.
    server.sink.event(Event::Applied(opacity(&Arc::new(view(Some(first.clone()))))));
    let more = Arc::new(view(Some(grown(&first, 30))));
    server.sink.event(Event::Applied(Applied { shapes: true, dims: true, ..applied(&more) }));
    server.sink.event(Event::Applied(opacity(&more)));
    for _ in 0..4 {
        wire.next().await;
    }

    let (mut back, mut conversation) = (Wire::silent(server.bound.state, "/").await, Conversation::default());
    conversation.heard(&resume.to_string());
    back.send(resume.to_string()).await;
    let mut kinds = vec![];
    for _ in 0..5 {
        let frame = conversation.next(&back.text().await).unwrap();
        match &frame.body {
            Body::Welcome(_) => continue,
            Body::Dims(dims) => assert_eq!(dims.level_shapes[0][0], 30),
            _ => {}
        }
        kinds.push(told(&frame));
    }
    assert_eq!(kinds, [("scene", Some(0)), ("dims", None), ("layers", Some(0)), ("layers", Some(1))]);
    server.stop().await;
}
