//! Another size of the canvas: the scene tells it before the stream does, to everyone, once.

use crate::state_channel::applied;
use crate::support::{TestServer, Wire, dataset, view};

use nc_engine::api::data::CanvasSize;
use nc_engine::api::{Applied, Event, StreamConfig};
use nc_protocol::frame::Body;
use nc_server::Engine;
use std::sync::Arc;

const LARGER: CanvasSize = CanvasSize { width: 800, height: 600 };

fn stream(server: &TestServer) -> StreamConfig {
    StreamConfig { size: LARGER, ..server.engine.stream().unwrap() }
}

fn resized() -> Applied {
    let view = nc_engine::api::scene::AppliedView { canvas: LARGER, ..view(Some(dataset(1))) };
    Applied { canvas: true, ..applied(&Arc::new(view)) }
}

/// Takes the next frames, which are the scene, the dims and the stream, all of the new size. What is said of the order of frames is checked
/// with each.
async fn hear(wire: &mut Wire) {
    match wire.next().await.body {
        Body::Scene(scene) => assert_eq!(scene.viewer.settings.canvas_size, [LARGER.width, LARGER.height]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(wire.next().await.body, Body::Dims(_)));
    match wire.next().await.body {
        Body::Stream(stream) => assert_eq!(stream.frame_size, [LARGER.width, LARGER.height]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_scene_comes_before_the_stream_whichever_the_server_hears_of_first() {
    for picture_first in [false, true] {
        let server = TestServer::ready().await;
        let (mut first, _) = Wire::open(server.bound.state, "/").await;
        let (mut second, _) = Wire::open(server.bound.state, "/").await;
        let mut told = [Event::Applied(resized()), Event::Stream(stream(&server))];
        if picture_first {
            told.reverse();
        }
        told.into_iter().for_each(|event| server.sink.event(event));
        // Whatever was said twice would come before this.
        let mut moved = resized();
        moved.pose = true;
        server.sink.event(Event::Applied(moved));
        for wire in [&mut first, &mut second] {
            hear(wire).await;
            assert!(matches!(wire.next().await.body, Body::Camera(_)));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn who_comes_before_the_first_picture_of_that_size_is_told_of_no_stream() {
    let server = TestServer::ready().await;
    server.sink.event(Event::Applied(resized()));
    let mut wire = Wire::silent(server.bound.state, "/").await;
    wire.flush().await;
    // Whatever else it is told of the view, the layers come last.
    let mut told = Vec::new();
    while !told.last().is_some_and(|body| matches!(body, Body::Layers(_))) {
        told.push(wire.next().await.body);
    }
    server.sink.event(Event::Stream(stream(&server)));
    told.push(wire.next().await.body);
    let streams = told.iter().filter_map(|body| if let Body::Stream(stream) = body { Some(stream.frame_size) } else { None });
    assert_eq!(streams.collect::<Vec<_>>(), [[LARGER.width, LARGER.height]]);
    server.stop().await;
}
