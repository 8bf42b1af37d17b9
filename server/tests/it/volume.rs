//! What is told while a volume is shown (PROTOCOL §§5.1 to 5.4).

use crate::state_channel::{applied, shown};
use crate::support::{FakeEngine, TestServer, Wire, dataset, hello, view};
use nc_engine::api::data::turntable;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{Applied, Event, LayerChange};
use nc_protocol::Body;
use nc_protocol::scene::LayerType;
use std::sync::Arc;

/// The usual image as a volume at its coarsest level, from the canonical pose.
fn volume() -> AppliedView {
    let mut view = view(Some(dataset(1)));
    let world = view.dataset.as_ref().unwrap().world_box(&view.order);
    (view.ndisplay, view.level, view.volume) = (3, 2, Some(turntable::canonical(world)));
    view
}

#[tokio::test]
async fn who_joins_in_3d_gets_a_baseline_of_3d() {
    let server = TestServer::start(FakeEngine::showing(volume())).await;
    let mut wire = Wire::silent(server.bound.state, "/").await;
    wire.send(hello().to_string()).await;
    wire.text().await;
    for kind in ["scene", "dims"] {
        insta::assert_snapshot!(kind, shown(&wire.text().await));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_toggle_tells_dims_then_pose_and_no_layer_changes_its_type() {
    let server = TestServer::ready().await;
    let (mut wire, frames) = Wire::open(server.bound.state, "/").await;
    let types = |body: &Body| match body {
        Body::Scene(scene) => scene.layers.iter().map(|layer| layer.layer_type).collect(),
        _ => vec![],
    };
    let in_2d: Vec<LayerType> = frames.iter().flat_map(|frame| types(&frame.body)).collect();
    let both = |view| Applied { dims: true, pose: true, ..applied(&Arc::new(view)) };
    server.sink.event(Event::Applied(both(volume())));
    for kind in ["toggled_dims", "toggled_pose"] {
        insta::assert_snapshot!(kind, shown(&wire.text().await));
    }
    // Who joins now sees the same layers as who was there before.
    let (other, frames) = Wire::open(server.bound.state, "/").await;
    assert_eq!(frames.iter().flat_map(|frame| types(&frame.body)).collect::<Vec<_>>(), in_2d);
    assert_eq!(other.client.view().pose.angles, Some([30.0, 30.0, 0.0]));

    let mut back = volume();
    (back.ndisplay, back.level) = (2, 1);
    server.sink.event(Event::Applied(both(back)));
    for kind in ["dims_back", "pose_back"] {
        insta::assert_snapshot!(kind, shown(&wire.text().await));
    }
    server.stop().await;
}

#[tokio::test]
async fn in_3d_a_control_of_the_first_layer_is_told_as_the_volume_s_too() {
    let server = TestServer::start(FakeEngine::showing(volume())).await;
    let (mut wire, _) = Wire::open(server.bound.state, "/").await;
    let mut changed = volume();
    changed.level = 1;
    changed.downgraded = true;
    let controls = &mut Arc::make_mut(&mut changed.layers[0]).controls;
    (controls.contrast_limits, controls.sample_step) = ((0.0, 500.0), 0.5);
    let layers = vec![LayerChange { layer: 0, keys: vec!["contrast_limits", "sample_step"], intent: None }];
    server.sink.event(Event::Applied(Applied { layers, dims: true, ..applied(&Arc::new(changed)) }));
    for kind in ["changed_dims", "controls", "volume_data", "multiscale_data"] {
        insta::assert_snapshot!(kind, shown(&wire.text().await));
    }
    server.stop().await;
}
