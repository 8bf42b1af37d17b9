//! The ledger under random programs: intents of every kind and of none, ticks that are late, ticks that fail, mirrors that are slow.
//! After every step [`Program::verify_invariants`] looks at everything that must always hold.
//!
//! `PROPTEST_CASES` runs more than the usual number of programs.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod pyramids;

use nc_core::control::reduce::control_value;
use nc_core::control::{Changes, Context, Intent, bootstrap, reduce};
use nc_core::data::{CanvasSize, Rect};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, AppliedCommit, Ledger, Mark, OpKind, Origin, Outcome, Seed, State};
use nc_core::scene::control::ControlKey;
use nc_core::scene::{AppliedView, Dataset, OpSeq, PlanePose, Thumbnail};
use proptest::prelude::*;
use pyramids::{cases, dataset};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// A step of a program.
#[derive(Debug, Clone)]
enum Op {
    /// A client asks for something, sensible or not.
    Intend { scope: String, target: String, key: String, value: Value },
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
        let keys = proptest::sample::select(&["factor", "anchor_px", "dx_px", "dy_px", "lo", "hi", "name", "rect", "zoom"][..]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(keys.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Values that make sense for `key`, mixed with some that hardly do.
fn value_for(key: &'static str) -> BoxedStrategy<Value> {
    let number = || prop_oneof![4 => -1.0..3.0, 1 => any::<f64>().prop_filter("JSON has no such number", |v| v.is_finite())];
    match key {
        "ndisplay" => proptest::sample::select(vec![json!(2), json!(3), json!(null), json!("2"), json!(-7)]).boxed(),
        "index" | "step" => prop_oneof![6 => (-4i64..80).prop_map(Value::from), 1 => any::<i64>().prop_map(Value::from)].boxed(),
        "level" => (-2i64..7).prop_map(Value::from).boxed(),
        "policy" => Just(json!("auto")).boxed(),
        "pan" => (number(), number()).prop_map(|(x, y)| json!({"dx_px": x, "dy_px": y})).boxed(),
        "zoom" => (number(), number()).prop_map(|(f, x)| json!({"factor": f, "anchor_px": [x, 10.0]})).boxed(),
        "reset" => Just(json!({"reason": "ui"})).boxed(),
        "set" => (number(), number()).prop_map(|(x, w)| json!({"rect": [x, 0.0, w, 5.0], "zoom": w})).boxed(),
        "visible" => any::<bool>().prop_map(Value::from).boxed(),
        "colormap" => proptest::sample::select(vec![json!("viridis"), json!("gray"), json!("no such")]).boxed(),
        "blending" => proptest::sample::select(vec![json!("additive"), json!("opaque"), json!("no such")]).boxed(),
        "interpolation" => proptest::sample::select(vec![json!("nearest"), json!("linear"), json!(1)]).boxed(),
        "contrast_limits" => (number(), number()).prop_map(|(a, b)| json!([a, b])).boxed(),
        _ => number().prop_map(Value::from).boxed(),
    }
}

fn intent() -> impl Strategy<Value = Op> {
    let property = proptest::sample::select(vec![
        ("view", "ndisplay"),
        ("dims", "index"),
        ("dims", "step"),
        ("camera", "zoom"),
        ("camera", "pan"),
        ("camera", "orbit"),
        ("camera", "reset"),
        ("camera", "set"),
        ("multiscale", "level"),
        ("multiscale", "policy"),
        ("layer", "visible"),
        ("layer", "opacity"),
        ("layer", "gamma"),
        ("layer", "colormap"),
        ("layer", "blending"),
        ("layer", "interpolation"),
        ("layer", "contrast_limits"),
    ]);
    let target = |scope| {
        proptest::sample::select(match scope {
            "dims" => vec!["t", "z", "y", "X", "0", "1", "4", "q"],
            "layer" => vec!["", "layer-0", "layer-1", "layer-2", "layer-9"],
            _ => vec!["", "main"],
        })
    };
    let sensible = property.prop_flat_map(move |(scope, key)| (Just(scope), target(scope), Just(key), value_for(key)));
    let sensible = sensible.prop_map(|(scope, target, key, value)| Op::Intend {
        scope: scope.into(),
        target: target.into(),
        key: key.into(),
        value,
    });
    let words = || {
        prop_oneof![
            proptest::sample::select(vec!["view", "dims", "layer", "camera", "level", "set", "pan", "gamma"])
                .prop_map(str::to_owned),
            "\\PC{0,5}"
        ]
    };
    let wild = (words(), "\\PC{0,8}", words(), rubbish());
    let wild = wild.prop_map(|(scope, target, key, value)| Op::Intend { scope, target, key, value });
    prop_oneof![5 => sensible, 1 => wild]
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
        10 => intent(),
        4 => Just(Op::Plan),
        3 => apply,
        2 => Just(Op::Fail),
        1 => (0usize..5, any::<u8>()).prop_map(|(layer, shade)| Op::Thumbnail { layer, shade }),
        3 => Just(Op::Announce),
    ]
}

/// One leaf, for comparing.
#[derive(Debug, Clone, PartialEq)]
struct LeafSeen {
    name: String,
    mark: Mark,
    value: String,
}

/// Every leaf that intents may write.
fn intent_leaves(state: &State) -> Vec<LeafSeen> {
    let leaf = |name: &str, mark: &Mark, value: String| LeafSeen { name: name.into(), mark: mark.clone(), value };
    let mut leaves = vec![
        leaf("ndisplay", state.view.ndisplay.mark(), format!("{:?}", state.view.ndisplay.get())),
        leaf("step", state.dims.step.mark(), format!("{:?}", state.dims.step.get())),
        leaf("level", state.multiscale.level.mark(), format!("{:?}", state.multiscale.level.get())),
        leaf("lock", state.multiscale.lock.mark(), format!("{:?}", state.multiscale.lock.get())),
    ];
    for layer in &state.layers {
        let control = |key: ControlKey| {
            leaf(
                &format!("{}.{}", layer.spec.id, key.name()),
                layer.mark(key),
                control_value(&layer.controls.get(key)).to_string(),
            )
        };
        leaves.extend(ControlKey::ALL.map(control));
    }
    leaves
}

/// Every leaf that only the render thread may write.
fn applied_leaves(state: &State) -> Vec<LeafSeen> {
    let leaf = |name: &str, mark: &Mark, value: String| LeafSeen { name: name.into(), mark: mark.clone(), value };
    let mut leaves = vec![
        leaf("order", state.dims.order.mark(), format!("{:?}", state.dims.order.get())),
        leaf("downgraded", state.multiscale.downgraded.mark(), format!("{:?}", state.multiscale.downgraded.get())),
        leaf("camera", state.camera.plane.mark(), format!("{:?}", state.camera.plane.get())),
    ];
    let thumbnail = |l: &Arc<nc_core::ledger::LayerState>| {
        leaf(&format!("{}.thumbnail", l.spec.id), l.thumbnail.mark(), format!("{:?}", &l.thumbnail.get().rgba[..4]))
    };
    leaves.extend(state.layers.iter().map(thumbnail));
    leaves
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
            Op::Intend { scope, target, key, value } => self.intend(&scope, &target, &key, &value),
            Op::Plan => self.plan(),
            Op::Apply { rect: [left, bottom, width, height], level, downgraded, thumbnail } => {
                let rect = Rect { left, bottom, width, height };
                self.apply(PlanePose { rect, zoom: width }, level, downgraded, thumbnail);
            }
            Op::Fail => self.fail(),
            Op::Thumbnail { layer, shade } => self.thumbnail(layer, shade),
            Op::Announce => self.announce(),
        }
        self.verify_invariants();
    }

    fn intend(&mut self, scope: &str, target: &str, key: &str, value: &Value) {
        let before = self.ledger.state();
        let origin = Some(Arc::new(Origin { client: 1, intent_id: format!("{}", before.scene.op_seq.0 + 1) }));
        let parsed = Intent::parse(scope, target, key, value);
        let control = parsed.as_ref().ok().and_then(|intent| match intent {
            Intent::Layer { control, .. } => Some(control.clone()),
            _ => None,
        });
        let Ok(reduced) =
            parsed.and_then(|intent| reduce(Context { state: &before, announced: &self.announced }, intent, origin.clone()))
        else {
            assert!(Arc::ptr_eq(&before, &self.ledger.state()), "a refused intent changes nothing");
            return;
        };
        let moves = reduced.motion.is_some();
        let commit = self.ledger.commit_intent(reduced.batch, reduced.motion, self.now, self.now);
        let commit = commit.expect("a reducer's batch is sound");
        assert_eq!(commit.op.0, before.scene.op_seq.0 + 1);
        assert_eq!(commit.state.version, before.version + 1);
        assert!(commit.version >= 1);
        assert_eq!(applied_leaves(&before), applied_leaves(&commit.state), "an intent writes no applied leaf");
        if moves {
            self.commands.push((commit.op, *commit.state.view.ndisplay.get()));
        }
        // A client takes an acked control as done.
        let written = commit.state.layers.iter().position(|l| ControlKey::ALL.iter().any(|&k| l.mark(k).origin == origin));
        if let (Some(index), Some(control)) = (written, control) {
            Arc::make_mut(&mut self.client.layers[index]).controls.set(control);
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
        let before = self.ledger.state();
        let level = level.min(planned.dataset.as_ref().map_or(0, |d| d.level_count() - 1));
        let mut batch = AppliedBatch::new(planned.clone()).camera(pose).level(level, downgraded).applied();
        if let Some((layer, shade)) = thumbnail {
            batch = batch.thumbnail(layer, shaded(shade));
        }
        let commit = self.ledger.commit_applied(batch).expect("what was planned from a sound state is sound");
        let after = self.ledger.state();

        assert_eq!(*after.camera.plane.get(), pose);
        for (old, new) in intent_leaves(&before).iter().zip(intent_leaves(&after)) {
            let newer_intent = old.mark.stamp > planned.version;
            if old.name != "level" || newer_intent {
                assert_eq!(*old, new, "only the level is written, and not over a newer intent");
            } else {
                assert_eq!(*after.multiscale.level.get(), level);
            }
        }
        let view = &commit.view;
        assert_eq!(
            (view.op, &view.step, view.ndisplay),
            (planned.scene.op_seq, planned.dims.step.get(), *planned.view.ndisplay.get())
        );
        assert_eq!((view.level, view.downgraded, view.plane), (level, downgraded, pose));
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
        assert_eq!(*commit.view, AppliedView { op: planned.scene.op_seq, ..AppliedView::clone(&view) }, "the picture stays");
        assert_eq!(applied_leaves(&before), applied_leaves(&after));
        let good = intent_leaves(&self.last_good);
        for ((old, new), good) in intent_leaves(&before).iter().zip(intent_leaves(&after)).zip(good) {
            let other_mode = *after.view.ndisplay.get() != view.ndisplay;
            if old.mark.stamp > planned.version || (other_mode && (new.name == "level" || new.name == "step")) {
                assert_eq!(*old, new, "a newer intent stands");
            } else if new.name == "level" {
                assert_eq!(new.value, format!("{:?}", view.level), "the level is that of the picture");
            } else {
                assert_eq!(new.value, good.value, "{} is what it was before the failed ops", new.name);
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

    /// Ops end in order, each once.
    fn close(&mut self, commit: AppliedCommit, through: OpSeq) {
        let seqs = commit.closed.iter().map(|op| op.seq.0);
        assert!(seqs.eq(self.closed + 1..=through.0), "{:?} after {} through {through:?}", commit.closed, self.closed);
        self.closed = through.0;
        self.keep_for_mirrors(commit);
    }

    fn keep_for_mirrors(&mut self, commit: AppliedCommit) {
        self.unannounced = Some(match self.unannounced.take() {
            Some(missed) => commit.after(missed),
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
        if changes.dims {
            (self.client.ndisplay, self.client.level, self.client.downgraded) =
                (newest.ndisplay, newest.level, newest.downgraded);
            (self.client.order, self.client.step) = (newest.order.clone(), newest.step.clone());
        }
        if changes.pose {
            self.client.plane = newest.plane;
        }
        for change in &changes.layers {
            assert!(!change.keys.is_empty());
            let layer = Arc::make_mut(&mut self.client.layers[change.layer]);
            change.keys.iter().for_each(|&key| layer.controls.set(newest.layers[change.layer].controls.get(key)));
        }
        for &index in &changes.thumbnails {
            Arc::make_mut(&mut self.client.layers[index]).thumbnail = newest.layers[index].thumbnail.clone();
        }
        if changes.is_empty() {
            let op = newest.op;
            assert_eq!(AppliedView { op, ..AppliedView::clone(&self.announced) }, **newest, "silent although something changed");
        }
        self.announced = newest.clone();
    }

    fn verify_invariants(&mut self) {
        let (state, view) = (self.ledger.state(), self.ledger.view());
        state.verify().unwrap();
        let ndisplay = usize::from(*state.view.ndisplay.get());
        let order = state.dims.order.get();
        assert_eq!(state.displayed(), &order[order.len() - ndisplay.min(order.len())..]);
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
                assert!(new.mark.version > old.mark.version, "{} changed without a new version", new.name);
            }
        }
        if state.scene.op_seq == state.scene.applied_seq {
            assert_eq!(
                (&view.step, view.level, view.ndisplay),
                (state.dims.step.get(), *state.multiscale.level.get(), *state.view.ndisplay.get())
            );
            assert_eq!(view.plane, *state.camera.plane.get());
            assert!(view.layers.iter().zip(&state.layers).all(|(v, s)| v.controls == s.controls), "ledger and picture agree");
            if self.unannounced.is_none() {
                let op = view.op;
                assert_eq!(AppliedView { op, ..self.client.clone() }, *view, "what the client made of it is what is shown");
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

fn shaded(shade: u8) -> Arc<Thumbnail> {
    Arc::new(Thumbnail { rgba: vec![shade; Thumbnail::EDGE * Thumbnail::EDGE * 4] })
}

proptest! {
    #![proptest_config(cases(2048))]

    #[test]
    fn the_ledger_keeps_its_promises(dataset in proptest::option::weighted(0.95, dataset()),
                                     ops in proptest::collection::vec(op(), 1..60)) {
        let mut program = Program::new(dataset);
        for op in ops {
            program.run(op);
        }
        program.settle();
    }

    #[test]
    fn equal_programs_give_equal_ledgers(dataset in dataset(), ops in proptest::collection::vec(op(), 1..20)) {
        let run = || {
            let mut program = Program::new(Some(dataset.clone()));
            ops.iter().cloned().for_each(|op| program.run(op));
            let state = program.ledger.state();
            (intent_leaves(&state), applied_leaves(&state), state.version, state.scene, program.ledger.view(), program.client)
        };
        prop_assert_eq!(run(), run());
    }
}
