//! What single intents reduce to, where PROTOCOL §6.3 leaves it to the mode or to the scene.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use nc_core::control::{Context, Intent, Reduced, Rejection, bootstrap, reduce};
use nc_core::data::{Blending, CanvasSize, DType, ImageId, Interpolation, turntable};
use nc_core::exchange::{CameraMotion, SharedLedger};
use nc_core::ledger::{AppliedBatch, Ledger, OpKind, Outcome};
use nc_core::scene::control::ControlKey;
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// A pyramid of three levels, each half of the one before along every axis.
fn image(axes: &[&str]) -> ImageInfo {
    let level = |n: u32| LevelInfo {
        path: n.to_string(),
        shape: vec![64 >> n; axes.len()],
        chunk: vec![16; axes.len()],
        scale: vec![f64::from(1 << n); axes.len()],
        translate: vec![0.0; axes.len()],
        ..LevelInfo::default()
    };
    let axis = |name: &&str| Axis {
        name: (*name).into(),
        kind: if *name == "t" { AxisKind::Time } else { AxisKind::Space },
        unit: None,
    };
    ImageInfo {
        id: ImageId(1),
        name: "image".into(),
        location: "nowhere".into(),
        source: SourceKind::Demo,
        ngff_version: None,
        axes: axes.iter().map(axis).collect(),
        dtype: DType::U8,
        levels: (0..3).map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    }
}

fn ledger(axes: &[&str]) -> SharedLedger {
    of(Dataset::new(Arc::new(image(axes))))
}

fn of(dataset: Dataset) -> SharedLedger {
    SharedLedger::new(Ledger::new(bootstrap::seed(Arc::new(dataset), CANVAS, &[])).unwrap())
}

fn ask(ledger: &SharedLedger, scope: &str, target: &str, key: &str, value: Value) -> Result<Reduced, Rejection> {
    let cx = Context { state: &ledger.state(), announced: &ledger.view() };
    reduce(cx, Intent::parse(scope, target, key, &value)?, None)
}

/// Asks and commits; what the ack says.
fn accept(ledger: &SharedLedger, scope: &str, target: &str, key: &str, value: Value) -> (Value, u64) {
    let Reduced { batch, motion, applied_value, .. } = ask(ledger, scope, target, key, value).unwrap();
    let commit = ledger.commit_intent(batch, motion, Instant::now(), Instant::now()).unwrap();
    (applied_value, commit.version)
}

fn apply(ledger: &SharedLedger, level: usize) {
    let state = ledger.state();
    let mut batch = AppliedBatch::new(state.clone()).level(level, false).applied();
    if let Some(from) = state.view.entered_from.get() {
        let world = state.dataset.as_ref().unwrap().world_box(state.displayed());
        batch = batch.volume(turntable::canonical(world)).plane_cache(from.clone());
    }
    ledger.commit_applied(batch).unwrap();
}

#[test]
fn the_mode_is_taken_only_where_there_are_three_dims() {
    for (axes, expected) in [(&["y", "x"][..], 2), (&["z", "y", "x"], 3), (&["t", "z", "y", "x"], 3)] {
        let ledger = ledger(axes);
        assert_eq!(accept(&ledger, "view", "main", "ndisplay", json!(3)).0, json!(expected), "{axes:?}");
        assert_eq!(usize::from(*ledger.state().view.ndisplay.get()), ledger.state().displayed().len());
    }
}

#[test]
fn an_absolute_pose_is_the_mode_s() {
    let ledger = ledger(&["z", "y", "x"]);
    let set = |value: Value| {
        ask(&ledger, "camera", "main", "set", value)
            .map(|reduced| (reduced.applied_value, reduced.motion.unwrap(), reduced.echo.unwrap()))
    };
    // In 2D: no third component, unless angles are given, which only a volume has.
    let (acked, motion, echo) = set(json!({"center": [1, 2, 3], "zoom": 4, "rect": [0, 0, 5, 6]})).unwrap();
    assert_eq!(acked, json!({"center": [1.0, 2.0], "zoom": 4.0, "rect": [0.0, 0.0, 5.0, 6.0]}));
    assert_eq!(motion, CameraMotion::Set { center: Some((1.0, 2.0)), zoom: Some(4.0), rect: Some([0.0, 0.0, 5.0, 6.0]) });
    assert_eq!(echo, ("set", 2));
    // Beyond what the image allows: what is acked is what is shown.
    for (asked, within) in [(1e300, 1.0..1e9), (1e-300, 1e-9..1.0)] {
        let (acked, motion, _) = set(json!({"zoom": asked})).unwrap();
        let zoom = acked["zoom"].as_f64().unwrap();
        assert!(within.contains(&zoom), "{asked}: {acked}");
        assert_eq!(motion, CameraMotion::Set { center: None, zoom: Some(zoom), rect: None });
    }
    let (acked, motion, echo) = set(json!({"center": [1, 2], "angles": [190, 99, -190], "zoom": 4})).unwrap();
    assert_eq!(
        acked,
        json!({"center": [1.0, 2.0, 31.5], "angles": [-170.0, 90.0, 170.0]}),
        "z of the whole box, angles in range"
    );
    assert_eq!(motion, CameraMotion::Place { center: Some([1.0, 2.0, 31.5]), angles: Some([-170.0, 90.0, 170.0]) });
    assert_eq!(echo, ("set", 3));

    accept(&ledger, "view", "main", "ndisplay", json!(3));
    apply(&ledger, 2);
    assert_eq!(set(json!({"center": [7, 8]})).unwrap().0, json!({"center": [7.0, 8.0, 31.5]}), "the applied z stays");
    let refused = set(json!({"zoom": 2, "rect": [0, 0, 1, 1]})).unwrap_err();
    assert_eq!((refused.code, &*refused.message), ("state.invalid", "camera.set payload must include center/zoom/angles/rect"));
    assert_eq!(refused.details, json!({"scope": "camera", "key": "set"}));
}

#[test]
fn angles_of_a_plane_are_not_acked() {
    let flat = ledger(&["y", "x"]);
    let set = |value: Value| ask(&flat, "camera", "", "set", value);
    assert_eq!(set(json!({"angles": [1, 2, 3], "center": [4, 5]})).unwrap().applied_value, json!({"center": [4.0, 5.0]}));
    assert_eq!(set(json!({"angles": [1, 2, 3]})).unwrap_err().code, "state.invalid");
}

#[test]
fn a_plane_cannot_be_turned() {
    let ledger = ledger(&["z", "y", "x"]);
    let orbit = || ask(&ledger, "camera", "main", "orbit", json!({"d_az_deg": 5, "d_el_deg": 1})).unwrap();
    assert_eq!((orbit().motion, orbit().echo), (None, Some(("orbit", 2))), "accepted, told, and nothing moves");
    accept(&ledger, "view", "main", "ndisplay", json!(3));
    assert_eq!(orbit().motion, Some(CameraMotion::Orbit { azimuth: 5.0, elevation: 1.0 }));
    let still = ask(&ledger, "camera", "main", "pan", json!({"dx_px": 0, "dy_px": 0})).unwrap();
    assert_eq!((still.motion, still.echo), (None, None));
}

/// The index space is that of the level that clients were told of, also while another is asked for.
#[test]
fn indices_are_those_that_the_slider_shows() {
    let ledger = ledger(&["z", "y", "x"]);
    apply(&ledger, 1);
    accept(&ledger, "multiscale", "main", "level", json!(2)); // not announced yet
    assert_eq!(accept(&ledger, "dims", "z", "index", json!(31)).0, json!(31), "the last of level 1, not of level 2");
    assert_eq!(accept(&ledger, "dims", "z", "step", json!(-1)).0, json!(30));
    assert_eq!(ledger.state().dims.step.get()[0], 60);
    apply(&ledger, 2);
    assert_eq!(accept(&ledger, "dims", "z", "index", json!(99)).0, json!(15));
}

#[test]
fn each_dim_supersedes_itself_only() {
    let ledger = ledger(&["t", "z", "y", "x"]);
    accept(&ledger, "dims", "z", "step", json!(1));
    accept(&ledger, "dims", "t", "step", json!(1));
    accept(&ledger, "dims", "z", "step", json!(1));
    let commit = ledger.commit_applied(AppliedBatch::new(ledger.state()).applied()).unwrap();
    let ends: Vec<_> = commit.closed.iter().map(|op| (op.kind, op.outcome.unwrap())).collect();
    let last = commit.closed[2].seq;
    let (z, t) = (OpKind::Dims(1), OpKind::Dims(0));
    assert_eq!(ends, [(z, Outcome::Superseded(last)), (t, Outcome::Applied), (z, Outcome::Applied)]);
}

#[test]
fn every_accepted_multiscale_intent_counts() {
    let ledger = ledger(&["z", "y", "x"]);
    let level = |value| accept(&ledger, "multiscale", "main", "level", value).1;
    let auto = || accept(&ledger, "multiscale", "main", "policy", json!("auto")).1;
    let versions = [level(json!(1)), auto(), auto(), level(json!("2")), level(json!(2)), auto()];
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
}

#[test]
fn the_volume_is_the_first_layer() {
    let ledger = ledger(&["z", "y", "x"]);
    for (key, value, control) in [
        ("render_mode", json!("iso"), ControlKey::Rendering),
        ("contrast_limits", json!([9.0, 3.0]), ControlKey::ContrastLimits),
        ("colormap", json!("Magma"), ControlKey::Colormap),
        ("opacity", json!(0.25), ControlKey::Opacity),
        ("sample_step", json!(9), ControlKey::SampleStep),
    ] {
        let (acked, version) = accept(&ledger, "volume", "anything", key, value);
        let state = ledger.state();
        let stored = nc_core::control::reduce::control_value(&state.layers[0].controls.get(control));
        assert_eq!((acked, version), (stored, 2), "{key}");
    }
    assert_eq!(accept(&ledger, "layer", "layer-0", "rendering", json!("mip")).1, 3, "one leaf under two names");
    let idle = SharedLedger::new(Ledger::new(nc_core::ledger::Seed::idle(CANVAS)).unwrap());
    assert_eq!(ask(&idle, "volume", "", "opacity", json!(1)).unwrap_err().code, "state.invalid");
}

#[test]
fn a_layer_that_is_not_there_is_a_bad_target() {
    let refused = ask(&ledger(&["y", "x"]), "layer", "layer-7", "opacity", json!(1)).unwrap_err();
    assert_eq!(
        (refused.code, refused.details),
        ("state.invalid", json!({"scope": "layer", "key": "opacity", "target": "layer-7"}))
    );
}

#[test]
fn labels_take_what_images_take_are_never_filtered_and_alone_have_outlines() {
    let labels = ImageInfo { id: ImageId(2), name: "cells".into(), is_labels: true, ..image(&["y", "x"]) };
    let ledger = of(Dataset::new(Arc::new(image(&["y", "x"]))).with_labels([Arc::new(labels)]).0);
    let first = ledger.state().layers[1].controls.clone();
    assert_eq!((first.opacity, first.blending, first.contour), (0.7, Blending::Translucent, 0));
    assert!(first.visible && first.interpolation == Interpolation::Nearest);
    for (key, value, applied) in [
        ("colormap", json!("viridis"), json!("viridis")),
        ("gamma", json!(2.0), json!(2.0)),
        ("contrast_limits", json!([1.0, 9.0]), json!([1.0, 9.0])),
        ("rendering", json!("iso"), json!("iso")),
        ("interpolation", json!("linear"), json!("nearest")),
        ("interpolation", json!("bessel"), json!("nearest")),
        ("contour", json!(2), json!(2)),
        ("contour", json!(-5), json!(0)),
        ("contour", json!(1000), json!(32)),
    ] {
        assert_eq!(accept(&ledger, "layer", "layer-1", key, value).0, applied, "{key}");
    }
    let refused = ask(&ledger, "layer", "layer-0", "contour", json!(1)).unwrap_err();
    assert_eq!(
        (refused.code, refused.details),
        ("state.invalid", json!({"scope": "layer", "key": "contour", "target": "layer-0"}))
    );
    assert_eq!(ask(&ledger, "layer", "layer-1", "contour", json!("wide")).unwrap_err().code, "state.error");
}

#[test]
fn a_motion_that_no_camera_follows_is_refused_and_a_reason_is_short() {
    let ledger = ledger(&["z", "y", "x"]);
    for (key, value) in [
        ("pan", json!({"dx_px": 1e300, "dy_px": 0.0})),
        ("pan", json!({"dx_px": 0.0, "dy_px": -1.1e6})),
        ("orbit", json!({"d_az_deg": 2e6, "d_el_deg": 0.0})),
        ("zoom", json!({"factor": 1e7, "anchor_px": [0.0, 0.0]})),
        ("zoom", json!({"factor": 1e-7, "anchor_px": [0.0, 0.0]})),
        ("zoom", json!({"factor": 1.1, "anchor_px": [1e9, 0.0]})),
    ] {
        assert_eq!(ask(&ledger, "camera", "main", key, value.clone()).unwrap_err().code, "state.invalid", "{key} {value}");
    }
    let (applied, _) = accept(&ledger, "camera", "main", "reset", json!({"reason": "é".repeat(1000)}));
    assert_eq!(applied, json!({"reason": "é".repeat(64)}));
}
