//! The ledger under random programs: intents of every kind and of none from several clients, in both modes, ticks that are late, ticks
//! that fail, mirrors that are slow. After every step [`Program::verify_invariants`] looks at everything that must always hold.
//!
//! `PROPTEST_CASES` runs more than the usual number of programs.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod asked;
mod leaves;
mod pyramids;
mod views;

use asked::{Asked, asked};
use leaves::{Seen, applied_leaves, intent_leaves};
use nc_core::control::reduce::control_value;
use nc_core::control::{Changes, Context, Intent, bootstrap, reduce};
use nc_core::data::{CanvasSize, Rect, turntable};
use nc_core::exchange::{CameraMotion, SharedLedger};
use nc_core::ledger::{AppliedBatch, AppliedCommit, Ledger, OpKind, Origin, Outcome, Seed, State};
use nc_core::scene::control::{Control, ControlKey};
use nc_core::scene::{AppliedView, Dataset, ImageInfo, OpSeq, PlanePose, Thumbnail, VolumePose};
use proptest::prelude::*;
use pyramids::{cases, dataset};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use views::{assert_same, told};

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// A step of a program.
#[derive(Debug, Clone)]
enum Op {
    /// A client asks for something, sensible or not.
    Intend(u64, Asked),
    /// The render thread takes a snapshot and its commands, unless it is at work already. What follows happens meanwhile.
    Plan,
    /// It commits what it planned.
    Apply { rect: [f64; 4], level: usize, downgraded: bool, thumbnail: Option<(usize, u8)> },
    /// It could not apply what it planned.
    Fail,
    /// It commits a thumbnail and nothing else.
    Thumbnail { layer: usize, shade: u8 },
    /// The mirrors have a turn.
    Announce,
    /// The image has more samples along one axis; of all levels, or of the finest only.
    Grow { axis: usize, by: u64, all: bool },
}

fn rubbish() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let keys = ["factor", "anchor_px", "dx_px", "dy_px", "lo", "hi", "name", "rect", "zoom", "center", "angles"];
        let keys = proptest::sample::select(keys.to_vec());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(keys.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Words that mean something, with values that mean nothing, and the other way round.
fn wild() -> impl Strategy<Value = Asked> {
    let words = || {
        let known = ["view", "dims", "layer", "camera", "volume", "set", "pan", "gamma", "rendering", "sample_step", "index"];
        prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{0,5}"]
    };
    let anything = (words(), "\\PC{0,8}", words(), rubbish());
    let anything = anything.prop_map(|(scope, target, key, value)| Asked { scope, target, key, value });
    prop_oneof![anything, (asked(), rubbish()).prop_map(|(asked, value)| Asked { value, ..asked })]
}

fn op() -> impl Strategy<Value = Op> {
    let rect = (-1e3..1e3, -1e3..1e3, 1e-3..1e3, 1e-3..1e3).prop_map(|(x, y, w, h)| [x, y, w, h]);
    let thumbnail = proptest::option::weighted(0.2, (0usize..5, any::<u8>()));
    let apply = (rect, 0usize..6, any::<bool>(), thumbnail).prop_map(|(rect, level, downgraded, thumbnail)| Op::Apply {
        rect,
        level,
        downgraded,
        thumbnail,
    });
    prop_oneof![
        10 => (1u64..4, prop_oneof![5 => asked(), 1 => wild()]).prop_map(|(client, asked)| Op::Intend(client, asked)),
        4 => Just(Op::Plan),
        3 => apply,
        2 => Just(Op::Fail),
        1 => (0usize..5, any::<u8>()).prop_map(|(layer, shade)| Op::Thumbnail { layer, shade }),
        3 => Just(Op::Announce),
        1 => (0usize..5, 0u64..9, any::<bool>()).prop_map(|(axis, by, all)| Op::Grow { axis, by, all }),
    ]
}

/// PROTOCOL §5.1: what clients can make layers of.
const RENDERINGS: [&str; 7] = ["mip", "minip", "attenuated_mip", "translucent", "iso", "additive", "average"];
const BLENDINGS: [&str; 6] = ["opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative"];

/// The wire's names of what an absolute pose applies.
fn fields(motion: &CameraMotion) -> Vec<&'static str> {
    let some = |name, is: bool| is.then_some(name);
    let named = match motion {
        CameraMotion::Place { center, angles } => [some("angles", angles.is_some()), some("center", center.is_some()), None],
        CameraMotion::Set { center, zoom, rect } => {
            [some("center", center.is_some()), some("rect", rect.is_some()), some("zoom", zoom.is_some())]
        }
        _ => [None; 3],
    };
    named.into_iter().flatten().collect()
}

/// A ledger between a client, a render thread and mirrors.
struct Program {
    ledger: SharedLedger,
    now: Instant,
    /// The state after the last step.
    seen: Arc<State>,
    /// Camera ops whose commands were not taken yet.
    commands: Vec<(OpSeq, u8)>,
    /// What the render thread is working on.
    planned: Option<Arc<State>>,
    last_good: Arc<State>,
    /// The newest op that was closed.
    closed: u64,
    /// The commit that the mirrors look at next, with the failed ops of those it replaced.
    unannounced: Option<AppliedCommit>,
    announced: Arc<AppliedView>,
    /// What a client believes: acks at once, then whatever is announced.
    client: AppliedView,
}

impl Program {
    fn new(dataset: Option<Dataset>) -> Self {
        let seed = match dataset {
            Some(dataset) => bootstrap::seed(Arc::new(dataset), CANVAS, &[]),
            None => Seed::idle(CANVAS),
        };
        let ledger = SharedLedger::new(Ledger::new(seed).unwrap());
        let (seen, announced) = (ledger.state(), ledger.view());
        Self {
            last_good: seen.clone(),
            client: AppliedView::clone(&announced),
            now: Instant::now(),
            commands: Vec::new(),
            planned: None,
            closed: 0,
            unannounced: None,
            ledger,
            seen,
            announced,
        }
    }

    fn run(&mut self, op: Op) {
        self.now += Duration::from_millis(1);
        match op {
            Op::Intend(client, asked) => self.intend(client, &asked),
            Op::Plan => self.plan(),
            Op::Apply { rect: [left, bottom, width, height], level, downgraded, thumbnail } => {
                let rect = Rect { left, bottom, width, height };
                self.apply(PlanePose { rect, zoom: width }, level, downgraded, thumbnail);
            }
            Op::Fail => self.fail(),
            Op::Thumbnail { layer, shade } => self.thumbnail(layer, shade),
            Op::Announce => self.announce(),
            Op::Grow { axis, by, all } => self.grow(axis, by, all),
        }
        self.verify_invariants();
    }

    fn intend(&mut self, client: u64, Asked { scope, target, key, value }: &Asked) {
        let before = self.ledger.state();
        let origin = Some(Arc::new(Origin { client, intent_id: format!("{}", before.scene.op_seq.0 + 1) }));
        let parsed = Intent::parse(scope, target, key, value);
        let control = parsed.as_ref().ok().and_then(|intent| match intent {
            Intent::Layer { control, .. } | Intent::Volume(control) => Some(control.clone()),
            _ => None,
        });
        let cx = Context { state: &before, announced: &self.announced };
        let Ok(reduced) = parsed.and_then(|intent| reduce(cx, intent, origin.clone())) else {
            assert!(Arc::ptr_eq(&before, &self.ledger.state()), "a refused intent changes nothing");
            return;
        };
        let (acked, echo) = (reduced.applied_value, reduced.echo);
        let mode = reduced.motion.as_ref().map(|motion| motion.mode(*before.view.ndisplay.get()));
        let applies = reduced.motion.as_ref().map(fields);
        let commit = self.ledger.commit_intent(reduced.batch, reduced.motion, self.now, self.now);
        let commit = commit.expect("a reducer's batch is sound");
        assert_eq!(commit.op.0, before.scene.op_seq.0 + 1);
        assert_eq!(commit.state.version, before.version + 1);
        assert_eq!(applied_leaves(&before), applied_leaves(&commit.state), "an intent writes no applied leaf");
        if let (Some(mode), Some(applies)) = (mode, applies) {
            self.commands.push((commit.op, mode));
            assert_eq!(echo.map(|(_, mode)| mode), Some(mode), "whoever is told of a motion is told whose it is");
            if echo.is_some_and(|(word, _)| word == "set") {
                // In any order: how a JSON object keeps its keys is a feature of serde_json that other crates may turn on.
                let told: BTreeSet<&str> = acked.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(
                    told,
                    applies.into_iter().collect(),
                    "what is acked of a pose is what is applied of it, and something is"
                );
            }
        }
        // A client takes an acked control as done, and it is what was written.
        let written = commit.state.layers.iter().position(|l| ControlKey::ALL.iter().any(|&k| l.mark(k).origin == origin));
        assert_eq!(written.is_some(), control.is_some());
        if let (Some(index), Some(control)) = (written, control) {
            assert_eq!(acked, control_value(&commit.state.layers[index].controls.get(control.key())));
            let known = |names: &[&str]| names.iter().any(|name| acked == *name);
            match &control {
                Control::Interpolation(_) => assert!(known(&["nearest", "linear", "cubic"]), "{acked} cannot be drawn"),
                Control::Rendering(_) => assert!(known(&RENDERINGS), "{acked} crashes clients"),
                Control::Blending(_) => assert!(known(&BLENDINGS), "{acked} crashes clients"),
                _ => {}
            }
            assert_eq!(commit.version, before.layers[index].mark(control.key()).version + 1);
            Arc::make_mut(&mut self.client.layers[index]).controls.set(control);
        }
        if scope.trim() == "multiscale" {
            let version = |state: &State| state.multiscale.level.mark().version + state.multiscale.lock.mark().version;
            assert!(commit.version + 1 == version(&commit.state) && version(&commit.state) > version(&before));
        }
    }

    fn plan(&mut self) {
        if self.planned.is_some() {
            return;
        }
        let snapshot = self.ledger.state();
        let taken = self.ledger.take_commands(snapshot.scene.op_seq);
        let ops: Vec<(OpSeq, u8)> = taken.iter().map(|command| (command.op, command.ndisplay)).collect();
        assert_eq!(ops, std::mem::take(&mut self.commands), "every command comes once, in order, with its op's snapshot");
        assert!(taken.iter().all(|c| c.canvas == CANVAS));
        self.planned = Some(snapshot);
    }

    fn apply(&mut self, pose: PlanePose, level: usize, downgraded: bool, thumbnail: Option<(usize, u8)>) {
        let Some(planned) = self.planned.take() else { return };
        let (before, shown) = (self.ledger.state(), self.ledger.view());
        let level = level.min(planned.dataset.as_ref().map_or(0, |d| d.level_count() - 1));
        let mut batch = AppliedBatch::new(planned.clone()).camera(pose).level(level, downgraded).applied();
        // In 3D there is a pose, and what 2D showed is kept; in 2D the 3D pose may move all the same.
        let volume = match (&planned.dataset, planned.view.entered_from.get()) {
            (Some(dataset), Some(from)) => {
                batch = batch.plane_cache(from.clone());
                Some(volume_pose(dataset, &planned, pose.rect.left))
            }
            _ => *planned.camera.volume.get(),
        };
        if let Some(volume) = volume {
            batch = batch.volume(volume);
        }
        if let Some((layer, shade)) = thumbnail {
            batch = batch.thumbnail(layer, shaded(shade));
        }
        let commit = self.ledger.commit_applied(batch).expect("what was planned from a sound state is sound");
        let after = self.ledger.state();

        assert_eq!((*after.camera.plane.get(), *after.camera.volume.get()), (pose, volume));
        let cached = planned.view.entered_from.get().as_ref().unwrap_or(before.view_cache.plane.get());
        assert_eq!(after.view_cache.plane.get(), cached);
        let entered_since = |now: &State| planned.view.entered_from.get().is_none() && now.view.entered_from.get().is_some();
        for (old, new) in intent_leaves(&before).iter().zip(intent_leaves(&after)) {
            let newer_intent = old.mark.stamp > planned.version;
            match old.name.0 {
                "level" if !newer_intent => assert_eq!(*after.multiscale.level.get(), level),
                // 3D was entered meanwhile: it goes back to the level that 2D showed last.
                "entered_from" if entered_since(&before) && before.multiscale.level.mark().stamp <= planned.version => {
                    let (from, now) = (before.view.entered_from.get(), after.view.entered_from.get());
                    assert_eq!(now.as_ref().unwrap().level, level);
                    assert_eq!(now.as_ref().unwrap().step, from.as_ref().unwrap().step);
                }
                _ => assert_eq!(*old, new, "only the level is written, and not over a newer intent"),
            }
        }
        let view = &commit.view;
        assert_eq!(
            (view.op, &view.step, view.ndisplay),
            (planned.scene.op_seq, planned.dims.step.get(), *planned.view.ndisplay.get())
        );
        assert_eq!((view.level, view.downgraded, view.plane, view.volume), (level, downgraded, pose, volume));
        assert_eq!(view.displayed(), planned.displayed());
        for (index, layer) in view.layers.iter().enumerate() {
            let same = layer.controls == shown.layers[index].controls && layer.thumbnail == shown.layers[index].thumbnail;
            assert_eq!(Arc::ptr_eq(layer, &shown.layers[index]), same, "a layer that did not change is not made anew");
        }
        assert!(view.layers.iter().zip(&planned.layers).all(|(v, p)| v.controls == p.controls));
        for op in &commit.closed {
            let later = |n: &OpSeq| commit.closed.iter().find(|later| later.seq == *n && later.seq > op.seq);
            match op.outcome {
                Some(Outcome::Applied) => {
                    let last = commit.closed.iter().rev().find(|o| o.kind == op.kind);
                    assert!(op.kind == OpKind::Camera || last.unwrap().seq == op.seq, "{op:?} is not the last of its kind");
                }
                Some(Outcome::Superseded(n)) => {
                    let successor = later(&n).expect("superseded by a later op that was closed with it");
                    assert_eq!((successor.kind, successor.outcome), (op.kind, Some(Outcome::Applied)));
                    assert_ne!(op.kind, OpKind::Camera, "camera ops add up");
                }
                other => panic!("{op:?} ended as {other:?}"),
            }
        }
        self.last_good = planned.clone();
        self.close(commit, planned.scene.op_seq);
    }

    fn fail(&mut self) {
        let Some(planned) = self.planned.take() else { return };
        let (before, view) = (self.ledger.state(), self.ledger.view());
        let batch = AppliedBatch::new(planned.clone()).failed(self.last_good.clone());
        let commit = self.ledger.commit_applied(batch).expect("restoring is sound");
        let after = self.ledger.state();

        assert!(commit.closed.iter().all(|op| op.outcome == Some(Outcome::Failed)));
        assert_same(&commit.view, &AppliedView { op: planned.scene.op_seq, ..AppliedView::clone(&view) }, "the picture stays");
        assert_eq!(applied_leaves(&before), applied_leaves(&after));
        let good = intent_leaves(&self.last_good);
        for ((old, new), good) in intent_leaves(&before).iter().zip(intent_leaves(&after)).zip(good) {
            let other_mode = *after.view.ndisplay.get() != view.ndisplay;
            if old.mark.stamp > planned.version || (other_mode && matches!(new.name.0, "level" | "step")) {
                assert_eq!(*old, new, "a newer intent stands");
            } else if new.name.0 == "level" {
                assert_eq!(new.value, Seen::Text(view.level.to_string()), "the level is that of the picture");
            } else {
                assert_eq!(new.value, good.value, "{:?} is what it was before the failed ops", new.name);
            }
        }
        self.close(commit, planned.scene.op_seq);
    }

    fn thumbnail(&mut self, layer: usize, shade: u8) {
        let (before, view) = (self.ledger.state(), self.ledger.view());
        let batch = AppliedBatch::new(before.clone()).thumbnail(layer, shaded(shade));
        let commit = self.ledger.commit_applied(batch).unwrap();
        assert!(commit.closed.is_empty());
        assert_eq!(intent_leaves(&before), intent_leaves(&self.ledger.state()));
        if let Some(seen) = commit.view.layers.get(layer) {
            assert_eq!(seen.thumbnail, shaded(shade));
        }
        assert_eq!((commit.view.op, &commit.view.step), (view.op, &view.step), "open ops stay open");
        self.keep_for_mirrors(commit);
    }

    fn grow(&mut self, axis: usize, by: u64, all: bool) {
        let before = self.ledger.state();
        let Some(dataset) = &before.dataset else { return };
        let mut read = ImageInfo::clone(&dataset.image);
        let axis = axis % read.axes.len();
        read.levels.iter_mut().take(if all { usize::MAX } else { 1 }).for_each(|level| level.shape[axis] += by);
        let Ok(Some(grown)) = dataset.grown(&read, &[]) else { return };
        let commit = self.ledger.grow(Arc::new(grown)).unwrap();
        let after = self.ledger.state();
        assert_eq!((after.epoch, after.scene), (before.epoch, before.scene), "no epoch and no op");
        assert_eq!(intent_leaves(&before), intent_leaves(&after));
        assert_eq!(applied_leaves(&before), applied_leaves(&after));
        assert!(commit.closed.is_empty());
        self.keep_for_mirrors(commit);
    }

    /// Ops end in order, each once.
    fn close(&mut self, commit: AppliedCommit, through: OpSeq) {
        let seqs = commit.closed.iter().map(|op| op.seq.0);
        assert!(seqs.eq(self.closed + 1..=through.0), "{:?} after {} through {through:?}", commit.closed, self.closed);
        self.closed = through.0;
        self.keep_for_mirrors(commit);
    }

    fn keep_for_mirrors(&mut self, commit: AppliedCommit) {
        self.unannounced = Some(match self.unannounced.take() {
            Some(missed) => commit.joined(missed),
            None => commit,
        });
    }

    /// Tells the client what the mirrors say, and nothing else.
    fn announce(&mut self) {
        let Some(commit) = self.unannounced.take() else { return };
        let changes = Changes::between(&self.announced, &commit);
        let newest = &commit.view;
        if changes.dataset {
            self.client = AppliedView::clone(newest);
        }
        if changes.shapes {
            assert!(changes.dims, "sizes are told with the dims");
            self.client.dataset = newest.dataset.clone();
        }
        if changes.dims {
            (self.client.ndisplay, self.client.level, self.client.downgraded) =
                (newest.ndisplay, newest.level, newest.downgraded);
            (self.client.order, self.client.step) = (newest.order.clone(), newest.step.clone());
        }
        if changes.pose {
            (self.client.plane, self.client.volume) = (newest.plane, newest.volume);
        }
        let mut authors = BTreeSet::new();
        for change in &changes.layers {
            assert!(!change.keys.is_empty());
            let author = change.origin.as_ref().map(|origin| origin.client);
            assert!(authors.insert((change.layer, author)), "one change per layer and author");
            let planned = &commit.planned.layers[change.layer];
            let by = |key: &ControlKey| planned.mark(*key).origin.as_ref().map(|origin| origin.client) == author;
            assert!(change.keys.iter().all(by), "nobody's change travels under another's name");
            let layer = Arc::make_mut(&mut self.client.layers[change.layer]);
            change.keys.iter().for_each(|&key| layer.controls.set(newest.layers[change.layer].controls.get(key)));
        }
        for &index in &changes.thumbnails {
            Arc::make_mut(&mut self.client.layers[index]).thumbnail = newest.layers[index].thumbnail.clone();
        }
        if changes.is_empty() {
            assert_same(&told(&self.announced), &told(newest), "silent although something changed");
        }
        self.announced = newest.clone();
    }

    fn verify_invariants(&mut self) {
        let (state, view) = (self.ledger.state(), self.ledger.view());
        state.verify().unwrap();
        let ndisplay = usize::from(*state.view.ndisplay.get());
        let order = state.dims.order.get();
        assert!(ndisplay <= order.len().max(2), "data of fewer dims stay 2D");
        assert!(view.ndisplay == 2 || view.volume.is_some(), "a volume is seen from somewhere");
        assert_eq!(state.displayed(), &order[order.len() - ndisplay.min(order.len())..]);
        assert_eq!(view.dataset, state.dataset, "whatever was planned before, the view has the dataset that is shown");
        if let Some(dataset) = &state.dataset {
            let shape = dataset.level_shape(0);
            assert!(state.dims.step.get().iter().zip(&shape).all(|(at, n)| at < n));
            assert!(*state.multiscale.level.get() < dataset.level_count());
        }
        assert_eq!((state.scene.applied_seq.0, view.op.0), (self.closed, self.closed), "nothing is shown of an open op");

        let (old, new) =
            ([intent_leaves(&self.seen), applied_leaves(&self.seen)], [intent_leaves(&state), applied_leaves(&state)]);
        for (old, new) in old.iter().flatten().zip(new.iter().flatten()) {
            assert!(new.mark.version >= old.mark.version && new.mark.stamp >= old.mark.stamp);
            assert!(new.mark.stamp <= state.version);
            if new.value != old.value {
                assert!(new.mark.version > old.mark.version, "{:?} changed without a new version", new.name);
            }
        }
        if state.scene.op_seq == state.scene.applied_seq {
            assert_eq!(
                (&view.step, view.level, view.ndisplay),
                (state.dims.step.get(), *state.multiscale.level.get(), *state.view.ndisplay.get())
            );
            assert_eq!((view.plane, view.volume), (*state.camera.plane.get(), *state.camera.volume.get()));
            assert!(view.layers.iter().zip(&state.layers).all(|(v, s)| v.controls == s.controls), "ledger and picture agree");
            if self.unannounced.is_none() {
                assert_same(&told(&self.client), &told(&view), "what the client made of it is what is shown");
            }
        }
        self.seen = state;
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        self.run(Op::Fail);
        self.run(Op::Plan);
        self.run(Op::Apply { rect: [0.0, 0.0, 1.0, 1.0], level: 0, downgraded: false, thumbnail: None });
        self.run(Op::Announce);
        let state = self.ledger.state();
        assert_eq!(state.scene.op_seq, state.scene.applied_seq);
    }
}

/// Some pose of the data's box.
fn volume_pose(dataset: &Dataset, planned: &State, turn: f64) -> VolumePose {
    turntable::orbit(turntable::canonical(dataset.world_box(planned.displayed())), turn, 0.0)
}

fn shaded(shade: u8) -> Arc<Thumbnail> {
    Arc::new(Thumbnail { rgba: vec![shade; Thumbnail::EDGE * Thumbnail::EDGE * 4] })
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn the_ledger_keeps_its_promises(dataset in proptest::option::weighted(0.95, dataset()),
                                     ops in proptest::collection::vec(op(), 1..60)) {
        let mut program = Program::new(dataset);
        for op in ops {
            program.run(op);
        }
        program.settle();
    }

}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn equal_programs_give_equal_ledgers(dataset in dataset(), ops in proptest::collection::vec(op(), 1..20)) {
        let run = || {
            let mut program = Program::new(Some(dataset.clone()));
            ops.iter().cloned().for_each(|op| program.run(op));
            let state = program.ledger.state();
            (intent_leaves(&state), applied_leaves(&state), state.version, state.scene, program.ledger.view(), program.client)
        };
        prop_assert!(run() == run());
    }
}
