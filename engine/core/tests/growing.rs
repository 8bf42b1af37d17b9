//! A dataset that grows while intents come and the render thread works: nothing but sizes changes, and nothing takes them back.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod leaves;

use leaves::{applied_leaves, intent_leaves};
use nc_core::control::{Changes, bootstrap};
use nc_core::data::{CanvasSize, DType, ImageId};
use nc_core::ledger::{AppliedBatch, IntentBatch, Ledger, OpKind, Origin, Outcome};
use nc_core::scene::control::{Control, ControlKey};
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo};
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// t × y × x in two levels.
fn image(id: u32, t: u64) -> ImageInfo {
    let level = |f: u64| LevelInfo {
        path: f.to_string(),
        shape: vec![t, 64 / f, 64 / f],
        chunk: vec![1, 32, 32],
        scale: vec![1.0, f as f64, f as f64],
        translate: vec![0.0, (f as f64 - 1.0) / 2.0, (f as f64 - 1.0) / 2.0],
        ..LevelInfo::default()
    };
    let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
    ImageInfo {
        id: ImageId(id),
        name: "growing".into(),
        location: "growing".into(),
        axes: vec![axis("t", AxisKind::Time), axis("y", AxisKind::Space), axis("x", AxisKind::Space)],
        dtype: DType::U16,
        levels: vec![level(1), level(2)],
        ..ImageInfo::default()
    }
}

/// A ledger of three times, and what it shows with five.
fn ledger() -> (Ledger, Arc<Dataset>) {
    let dataset = Arc::new(Dataset::new(Arc::new(image(1, 3))));
    let grown = Arc::new(dataset.grown(&image(1, 5), &[]).unwrap().unwrap());
    (Ledger::new(bootstrap::seed(dataset, CANVAS, &[])).unwrap(), grown)
}

fn size(dataset: Option<&Arc<Dataset>>) -> u64 {
    dataset.unwrap().size(0)
}

/// Asks for time `t`.
fn step(ledger: &mut Ledger, t: u64) {
    let batch = IntentBatch::new(OpKind::Dims(0), None).step(vec![t, 0, 0]);
    ledger.commit_intent(batch, Instant::now(), Instant::now()).unwrap();
}

#[test]
fn a_growth_keeps_epoch_op_and_every_leaf() {
    let (mut ledger, grown) = ledger();
    step(&mut ledger, 2);
    let (before, shown) = (ledger.state().clone(), ledger.view().clone());
    let commit = ledger.grow(grown.clone()).unwrap();
    let after = ledger.state();
    assert_eq!((after.epoch, after.scene, after.version), (before.epoch, before.scene, before.version + 1));
    assert_eq!(intent_leaves(&before), intent_leaves(after));
    assert_eq!(applied_leaves(&before), applied_leaves(after));
    assert_eq!(ledger.ops().pending_count(), 1, "what was asked for is still under way");
    assert_eq!((size(after.dataset.as_ref()), size(commit.view.dataset.as_ref())), (5, 5));
    let changes = Changes::between(&shown, &commit);
    assert_eq!(changes, Changes { shapes: true, dims: true, ..Changes::default() }, "nothing but sizes is news");
    // And it can be gone to.
    step(&mut ledger, 4);
}

#[test]
fn an_applied_batch_of_before_does_not_shrink_it() {
    let (mut ledger, grown) = ledger();
    step(&mut ledger, 2);
    let planned = ledger.state().clone();
    ledger.grow(grown).unwrap();
    let announced = ledger.view().clone();
    let commit = ledger.commit_applied(AppliedBatch::new(planned).level(1, false).applied()).unwrap();
    assert_eq!((size(commit.view.dataset.as_ref()), size(ledger.state().dataset.as_ref())), (5, 5));
    assert_eq!((commit.view.step[0], commit.view.level), (2, 1));
    assert!(!Changes::between(&announced, &commit).shapes, "it is told once");
}

#[test]
fn a_failed_op_does_not_either() {
    let (mut ledger, grown) = ledger();
    let last_good = ledger.state().clone();
    step(&mut ledger, 2);
    let planned = ledger.state().clone();
    ledger.grow(grown).unwrap();
    let commit = ledger.commit_applied(AppliedBatch::new(planned).failed(last_good)).unwrap();
    assert_eq!(commit.closed[0].outcome, Some(Outcome::Failed));
    assert_eq!((size(commit.view.dataset.as_ref()), size(ledger.state().dataset.as_ref())), (5, 5));
    assert_eq!(ledger.state().dims.step.get()[0], 0);
}

#[test]
fn smaller_or_other_is_refused() {
    let (mut ledger, grown) = ledger();
    let first = ledger.state().dataset.clone().unwrap();
    ledger.grow(grown).unwrap();
    let before = ledger.state().clone();
    let other = Arc::new(Dataset::new(Arc::new(image(2, 9))));
    let same_but_new_layers = Arc::new(Dataset::new(Arc::new(image(1, 9))));
    for (dataset, why) in [(first, "is smaller"), (other, "is another one"), (same_but_new_layers, "layers differ")] {
        let error = ledger.grow(dataset).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(Arc::ptr_eq(&before, ledger.state()));
    }
    let mut idle = Ledger::new(nc_core::ledger::Seed::idle(CANVAS)).unwrap();
    assert!(idle.grow(Arc::new(Dataset::new(Arc::new(image(1, 3))))).is_err());
}

#[test]
fn of_two_commits_that_change_places_the_newer_view_is_told_and_no_failure_is_lost() {
    let (mut ledger, grown) = ledger();
    let last_good = ledger.state().clone();
    step(&mut ledger, 2);
    let failed = ledger.commit_applied(AppliedBatch::new(ledger.state().clone()).failed(last_good)).unwrap();
    let growth = ledger.grow(grown).unwrap();
    for joined in [failed.clone().joined(growth.clone()), growth.joined(failed)] {
        assert_eq!(size(joined.view.dataset.as_ref()), 5);
        assert_eq!(joined.closed.len(), 1);
    }
}

#[test]
fn a_growth_names_nobody_as_the_author_of_what_others_changed() {
    let (mut ledger, grown) = ledger();
    let announced = ledger.view().clone();
    let opacity = |client: u64, opacity: f64| {
        let origin = Arc::new(Origin { client, intent_id: client.to_string() });
        IntentBatch::new(OpKind::Layer(0, ControlKey::Opacity), Some(origin)).layer(0, Control::Opacity(opacity))
    };
    let now = Instant::now();
    ledger.commit_intent(opacity(1, 0.5), now, now).unwrap();
    let applied = ledger.commit_applied(AppliedBatch::new(ledger.state().clone()).applied()).unwrap();
    ledger.commit_intent(opacity(2, 0.25), now, now).unwrap();
    let joined = ledger.grow(grown).unwrap().joined(applied);
    let changes = Changes::between(&announced, &joined);
    let author = changes.layers[0].origin.as_ref().unwrap().client;
    assert_eq!(author, 1, "the view shows what the first asked for, not yet what the second did");
}
