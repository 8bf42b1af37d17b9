//! Another dataset while intents come and the render thread works: nothing of the old one reaches the new one, and no op is forgotten.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod pyramids;

use nc_core::control::bootstrap;
use nc_core::data::{CanvasSize, Rect};
use nc_core::exchange::{CameraMotion, SharedLedger};
use nc_core::ledger::{AppliedBatch, AppliedCommit, IntentBatch, Ledger, OpKind, Outcome, Seed, State};
use nc_core::scene::control::Control;
use nc_core::scene::{Dataset, OpSeq, PlanePose};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use pyramids::{cases, dataset};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

#[derive(Debug, Clone)]
enum Op {
    /// A client asks for something that exists.
    Intend(Intent),
    /// The render thread takes a snapshot and its commands.
    Plan,
    /// It commits what it planned, or that it failed.
    Apply { fails: bool },
    /// Another dataset, or none.
    Load(Option<Dataset>),
}

#[derive(Debug, Clone)]
enum Intent {
    Step(u64),
    Level(usize),
    Unlock,
    Pan,
    Opacity(f64),
}

fn op() -> impl Strategy<Value = Op> {
    let intents = prop_oneof![
        (0u64..80).prop_map(Intent::Step),
        (0usize..6).prop_map(Intent::Level),
        Just(Intent::Unlock),
        Just(Intent::Pan),
        (0.0f64..1.0).prop_map(Intent::Opacity),
    ];
    prop_oneof![
        8 => intents.prop_map(Op::Intend),
        4 => Just(Op::Plan),
        4 => any::<bool>().prop_map(|fails| Op::Apply { fails }),
        2 => proptest::option::weighted(0.8, dataset()).prop_map(Op::Load),
    ]
}

fn seed(dataset: Option<Dataset>) -> Seed {
    match dataset {
        Some(dataset) => bootstrap::seed(Arc::new(dataset), CANVAS, &[]),
        None => Seed::idle(CANVAS),
    }
}

struct Program {
    ledger: SharedLedger,
    planned: Option<Arc<State>>,
    last_good: Arc<State>,
    /// The op of the dataset.
    loaded: OpSeq,
    opened: u64,
    closed: BTreeSet<u64>,
}

impl Program {
    fn new(dataset: Option<Dataset>) -> Self {
        let ledger = SharedLedger::new(Ledger::new(seed(dataset)).unwrap());
        let last_good = ledger.state();
        Self { ledger, planned: None, last_good, loaded: OpSeq(0), opened: 0, closed: BTreeSet::new() }
    }

    fn close(&mut self, commit: &AppliedCommit) {
        for op in &commit.closed {
            assert!(op.outcome.is_some() && self.closed.insert(op.seq.0), "{op:?} is closed once");
        }
    }

    fn intend(&mut self, intent: Intent) {
        let state = self.ledger.state();
        let mut motion = None;
        let batch = match intent {
            Intent::Step(to) => {
                let mut step = state.dims.step.get().clone();
                step[0] = to.min(state.dataset.as_ref().map_or(1, |d| d.level_shape(0)[0]) - 1);
                IntentBatch::new(OpKind::Dims(0), None).step(step)
            }
            Intent::Level(level) => {
                let last = state.dataset.as_ref().map_or(0, |d| d.level_count() - 1);
                IntentBatch::new(OpKind::Level, None).lock_level(level.min(last))
            }
            Intent::Unlock => IntentBatch::new(OpKind::Level, None).unlock_level(),
            Intent::Pan => {
                motion = Some(CameraMotion::Pan { dx: 1.0, dy: 2.0 });
                IntentBatch::new(OpKind::Camera, None)
            }
            Intent::Opacity(opacity) => {
                let control = Control::Opacity(opacity);
                IntentBatch::new(OpKind::Layer(0, control.key()), None).layer(0, control)
            }
        };
        let now = Instant::now();
        self.ledger.commit_intent(batch, motion, now, now).unwrap();
        self.opened += 1;
    }

    fn apply(&mut self, fails: bool) {
        let Some(planned) = self.planned.take() else { return };
        let (state, view) = (self.ledger.state(), self.ledger.view());
        let stale = planned.epoch != state.epoch;
        let batch = AppliedBatch::new(planned.clone());
        let batch = if fails {
            batch.failed(self.last_good.clone())
        } else {
            let rect = Rect { left: 1.0, bottom: 2.0, width: 3.0, height: 4.0 };
            batch.camera(PlanePose { rect, zoom: 1.0 }).level(0, false).applied()
        };
        let commit = self.ledger.commit_applied(batch).unwrap();
        self.close(&commit);
        if stale {
            assert_eq!(*commit.view, *view, "work on the old dataset does not show");
            let after = self.ledger.state();
            assert_eq!((after.epoch, after.scene), (state.epoch, state.scene));
            assert!(commit.closed.is_empty(), "its ops went with it");
        }
        if !fails {
            self.last_good = planned;
        }
    }

    fn load(&mut self, dataset: Option<Dataset>) {
        let before = self.ledger.state();
        let open = self.ledger.pending_ops();
        let now = Instant::now();
        let commit = self.ledger.replace(seed(dataset.clone()), None, now, now).unwrap();
        self.opened += 1;
        self.close(&commit);
        let state = self.ledger.state();
        let load = state.scene.op_seq;
        self.loaded = load;
        assert_eq!(commit.closed.len(), open + 1);
        for op in &commit.closed {
            let expected = if op.seq == load { Outcome::Applied } else { Outcome::Superseded(load) };
            assert_eq!((op.outcome, op.seq == load), (Some(expected), op.kind == OpKind::Load));
        }
        assert_eq!((state.epoch, load), (before.epoch + 1, OpSeq(before.scene.op_seq.0 + 1)));
        assert!(state.version > before.version && state.scene.applied_seq == load);
        let view = self.ledger.view();
        assert_eq!((view.epoch, view.op, view.ndisplay), (state.epoch, load, 2));
        assert_eq!(view.dataset.as_deref(), dataset.as_ref());
        assert_eq!(
            (&view.step, view.level, view.plane),
            (state.dims.step.get(), *state.multiscale.level.get(), *state.camera.plane.get())
        );
    }

    fn verify(&self) {
        let state = self.ledger.state();
        state.verify().unwrap();
        let view = self.ledger.view();
        assert_eq!(view.epoch, state.epoch);
        assert_eq!(view.layers.len(), state.layers.len());
        assert_eq!(self.opened, self.closed.len() as u64 + self.ledger.pending_ops() as u64);
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn nothing_of_the_old_dataset_reaches_the_new_one(first in proptest::option::of(dataset()), ops in proptest::collection::vec(op(), 1..60)) {
        let mut program = Program::new(first);
        for op in ops {
            match op {
                Op::Intend(intent) => program.intend(intent),
                Op::Plan => {
                    let state = program.ledger.state();
                    let commands = program.ledger.take_commands(state.scene.op_seq);
                    prop_assert!(commands.iter().all(|c| program.loaded < c.op && c.op <= state.scene.op_seq));
                    program.planned = Some(state);
                }
                Op::Apply { fails } => program.apply(fails),
                Op::Load(dataset) => program.load(dataset),
            }
            program.verify();
        }
    }
}

fn stack() -> Dataset {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let fits = |d: &Dataset| d.ndim() >= 3 && d.level_shape(0).iter().all(|&n| n > 8) && d.level_count() > 1;
    loop {
        let dataset = dataset().new_tree(&mut runner).unwrap().current();
        if fits(&dataset) {
            return dataset;
        }
    }
}

#[test]
fn camera_commands_that_waited_do_not_move_the_new_pose() {
    let mut program = Program::new(Some(stack()));
    for _ in 0..3 {
        program.intend(Intent::Pan);
    }
    program.load(Some(stack()));
    assert_eq!(program.ledger.take_commands(OpSeq(u64::MAX)), []);
    program.intend(Intent::Pan);
    assert_eq!(program.ledger.take_commands(OpSeq(u64::MAX)).len(), 1, "those that come later do");
}

#[test]
fn a_first_turn_that_fails_goes_back_to_what_the_dataset_began_with() {
    let mut program = Program::new(Some(stack()));
    program.intend(Intent::Step(3));
    program.planned = Some(program.ledger.state());
    program.apply(false);
    assert_eq!(program.ledger.view().step[0], 3);

    program.load(Some(stack()));
    let start = program.ledger.state().dims.step.get().clone();
    let other = u64::from(start[0] != 5) * 5;
    program.intend(Intent::Step(other));
    program.planned = Some(program.ledger.state());
    program.apply(true);
    program.verify();
    assert_eq!(program.ledger.state().dims.step.get(), &start, "{other}");
    assert_eq!(program.ledger.pending_ops(), 0);
}

#[test]
fn a_seed_that_is_not_sound_changes_nothing() {
    let mut program = Program::new(Some(stack()));
    program.intend(Intent::Step(3));
    let (state, view) = (program.ledger.state(), program.ledger.view());
    let now = Instant::now();
    let broken = Seed { level: 99, ..seed(Some(stack())) };
    program.ledger.replace(broken, None, now, now).unwrap_err();
    assert!(Arc::ptr_eq(&program.ledger.state(), &state) && Arc::ptr_eq(&program.ledger.view(), &view));
    assert_eq!(program.ledger.pending_ops(), 1);
}
