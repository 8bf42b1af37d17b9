//! Programs of the fuzz target `intent`, and of the test in `engine/core` that replays its corpus: intents in any words against a
//! real ledger, with ticks that apply what was asked or fail, and another dataset now and then.
//!
//! A program is text, a step per line: `tick`, `apply` (a tick that clients are not told of yet), `fail`, `load`, or `scope/target/key value` with the value in JSON. A value that is no
//! JSON is a string. `crowd` asks for the same as the line before until camera commands must be merged; a program has one.

use nc_core::control::{Context, Intent, Reduced, Rejection, bootstrap, reduce};
use nc_core::data::{CanvasSize, DType, ImageId};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, Ledger, Origin, Seed, State};
use nc_core::scene::{AppliedView, Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind, VolumePose};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// Steps that are run; a longer program is cut.
const STEPS: usize = 256;

/// More camera commands than wait without being merged.
const CROWD: usize = 300;

/// What became of an intent.
pub(crate) type Answer = Result<Reduced, Rejection>;

/// Runs a program and tells `answered` what became of each intent. Panics when something is not as it must be.
pub(crate) fn run(program: &str, mut answered: impl FnMut(&Answer)) {
    let (mut stage, mut last, mut crowd) = (Stage::new(), None, CROWD);
    for line in program.lines().take(STEPS) {
        match line {
            "tick" => {
                stage.apply();
                stage.announced = stage.ledger.view();
            }
            "apply" => stage.apply(),
            "fail" => stage.fail(),
            "load" => stage.load(),
            "crowd" => {
                let again = last.into_iter().flat_map(|line| std::iter::repeat_n(line, std::mem::take(&mut crowd)));
                again.for_each(|line| answered(&stage.intend(line)));
            }
            _ => {
                answered(&stage.intend(line));
                last = Some(line);
            }
        }
    }
    stage.apply();
    assert_eq!(stage.ledger.pending_ops(), 0, "a tick closes every op");
}

struct Stage {
    ledger: SharedLedger,
    last_good: Arc<State>,
    /// What clients were told of last.
    announced: Arc<AppliedView>,
    loads: usize,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let ledger = Ledger::new(seed(0)).expect("the first state is sound");
        let ledger = SharedLedger::new(ledger);
        Self { last_good: ledger.state(), announced: ledger.view(), ledger, loads: 0, now: Instant::now() }
    }

    fn intend(&mut self, line: &str) -> Answer {
        let (address, value) = line.split_once(' ').unwrap_or((line, "null"));
        let mut words = address.splitn(3, '/');
        let mut word = || words.next().unwrap_or_default();
        let (scope, target, key) = (word(), word(), word());
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let before = self.ledger.state();
        let origin = Arc::new(Origin { client: 1, intent_id: "intent-00000001".into() });
        let answer = Intent::parse(scope, target, key, &value)
            .and_then(|intent| reduce(Context { state: &before, announced: &self.ledger.view() }, intent, Some(origin)));
        match &answer {
            Err(Rejection { code, message, details }) => {
                assert!(["state.invalid", "state.error", "state.unsupported"].contains(code), "{line}: {code}");
                assert!(!message.is_empty() && details.is_object(), "{line}: {message} {details}");
                assert!(Arc::ptr_eq(&before, &self.ledger.state()), "{line}: a refusal changed something");
            }
            Ok(reduced) => {
                assert!(reduced.echo.is_none() || reduced.applied_value.is_object(), "{line}: {}", reduced.applied_value);
                finite(&reduced.motion, line);
                let commit = self.ledger.commit_intent(reduced.batch.clone(), reduced.motion.clone(), self.now, self.now);
                let commit = commit.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(commit.version >= 1 && commit.op.0 == before.scene.op_seq.0 + 1, "{line}: {commit:?}");
            }
        }
        self.sound();
        answer
    }

    /// The render thread applies what was asked.
    fn apply(&mut self) {
        let planned = self.ledger.state();
        for command in self.ledger.take_commands(planned.scene.op_seq) {
            finite(&command.motion, "merged");
        }
        let level = *planned.multiscale.level.get();
        let mut batch = AppliedBatch::new(planned.clone()).level(level, false).applied();
        if *planned.view.ndisplay.get() == 3 {
            batch = batch.volume(VolumePose { center: [1.0, 2.0, 3.0], angles: [30.0, 30.0, 0.0], distance: 9.0, fov: 60.0 });
        }
        self.commit(batch);
        self.last_good = self.ledger.state();
    }

    fn fail(&mut self) {
        let planned = self.ledger.state();
        drop(self.ledger.take_commands(planned.scene.op_seq));
        self.commit(AppliedBatch::new(planned).failed(self.last_good.clone()));
    }

    fn commit(&mut self, batch: AppliedBatch) {
        let commit = self.ledger.commit_applied(batch).unwrap_or_else(|error| panic!("{error}"));
        assert!(commit.closed.iter().all(|op| op.outcome.is_some()));
        self.sound();
    }

    fn load(&mut self) {
        self.loads += 1;
        self.ledger.replace(seed(self.loads), None, self.now, self.now).unwrap_or_else(|error| panic!("{error}"));
        (self.last_good, self.announced) = (self.ledger.state(), self.ledger.view());
        self.sound();
    }

    fn sound(&self) {
        self.ledger.state().verify().unwrap_or_else(|error| panic!("{error}"));
    }
}

/// No command carries a number that is none. The text stands for whatever numbers the command has.
fn finite(motion: &impl std::fmt::Debug, line: &str) {
    let text = format!("{motion:?}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{line}: {text}");
}

/// Three datasets in turn: all five axes with a pyramid, a plane, and none.
fn seed(load: usize) -> Seed {
    let axes =
        [("t", AxisKind::Time), ("c", AxisKind::Channel), ("z", AxisKind::Space), ("y", AxisKind::Space), ("x", AxisKind::Space)];
    let dataset = match load % 3 {
        0 => dataset(&axes, &[&[3, 2, 9, 40, 33], &[3, 2, 9, 20, 16], &[3, 2, 4, 10, 8]]),
        1 => dataset(&axes[3..], &[&[7, 5]]),
        _ => return Seed::idle(CANVAS),
    };
    bootstrap::seed(Arc::new(dataset), CANVAS, &[])
}

fn dataset(axes: &[(&str, AxisKind)], shapes: &[&[u64]]) -> Dataset {
    let finest = shapes[0];
    let level = |(n, shape): (usize, &&[u64])| LevelInfo {
        path: n.to_string(),
        shape: shape.to_vec(),
        chunk: vec![16; shape.len()],
        scale: finest.iter().zip(*shape).map(|(&fine, &coarse)| 0.5 * fine as f64 / coarse as f64).collect(),
        translate: vec![0.0; shape.len()],
        ..LevelInfo::default()
    };
    Dataset::new(Arc::new(ImageInfo {
        id: ImageId(1),
        name: "fuzzed".into(),
        location: "fuzzed".into(),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: axes.iter().map(|&(name, kind)| Axis { name: name.into(), kind, unit: None }).collect(),
        dtype: DType::U16,
        levels: shapes.iter().enumerate().map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    }))
}
