//! The only truth on the server: a typed tree of versioned leaves, written in batches by two authorities.
//!
//! An intent batch (a reducer's result) opens an op; an applied batch (the render thread's) closes ops and publishes the applied
//! view. Every commit checks the invariants and either takes effect whole or not at all. Times and identities are arguments.
//!
//! May import `scene`, `data`. Must never know: how intents are parsed, who is told, what a device is.

pub mod batch;
mod grow;
pub mod leaf;
pub mod ops;
mod replace;
pub mod seed;
pub mod state;
pub mod trace;

pub use batch::{AppliedBatch, IntentBatch};
pub use leaf::{Leaf, Mark, Origin};
pub use ops::{Op, OpKind, OpLog, Outcome};
pub use seed::Seed;
pub use state::{InvariantError, LayerState, State};
pub use trace::{OpTrace, Step};

use crate::scene::control::ControlKey;
use crate::scene::{AppliedView, LayerView, OpSeq, PlaneView};
use batch::{Closing, IntentWrite};
use std::sync::Arc;
use std::time::Instant;

/// What committing an intent gave.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The op that was opened.
    pub op: OpSeq,
    /// The written property's version, for the ack.
    pub version: u64,
    /// The new snapshot.
    pub state: Arc<State>,
}

/// What committing the render thread's work gave.
#[derive(Debug, Clone)]
pub struct AppliedCommit {
    /// The ledger's version with it: of two commits the one with the larger version has the newer view.
    pub version: u64,
    /// The new applied view.
    pub view: Arc<AppliedView>,
    /// The snapshot it was planned from.
    pub planned: Arc<State>,
    /// Ops that were closed, oldest first.
    pub closed: Vec<Op>,
}

impl AppliedCommit {
    /// The newer of this commit and `other`, neither of which was announced, in the place of both. Views are compared as a whole, so
    /// of the older one only the failed ops matter: what they asked for was acked and is to be taken back.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let (mut newer, older) = if self.version >= other.version { (self, other) } else { (other, self) };
        let failed = older.closed.into_iter().filter(|op| op.outcome == Some(Outcome::Failed));
        newer.closed.splice(0..0, failed);
        newer
    }
}

/// The ledger. One owner; sharing it between threads is `exchange`'s business.
#[derive(Debug)]
pub struct Ledger {
    state: Arc<State>,
    view: Arc<AppliedView>,
    /// What the epoch started from.
    seeded: Arc<State>,
    /// The snapshot that the view was made from: it knows whose changes the view shows.
    shown: Arc<State>,
    ops: OpLog,
}

impl Ledger {
    /// Seeds everything in one commit.
    pub fn new(seed: Seed) -> Result<Self, InvariantError> {
        let state = Arc::new(seed.into_state(1, 1, OpSeq(0)));
        state.verify()?;
        let view = Arc::new(view_of(&state));
        Ok(Self { view, seeded: state.clone(), shown: state.clone(), state, ops: OpLog::default() })
    }

    /// The newest snapshot.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The newest applied view.
    pub fn view(&self) -> &Arc<AppliedView> {
        &self.view
    }

    /// The op log.
    pub fn ops(&self) -> &OpLog {
        &self.ops
    }

    /// Commits one accepted intent, which arrived at `received` and was reduced at `reduced`, and opens its op.
    pub fn commit_intent(&mut self, batch: IntentBatch, received: Instant, reduced: Instant) -> Result<Commit, InvariantError> {
        let mut next = State::clone(&self.state);
        next.version += 1;
        next.scene.op_seq.0 += 1;
        if batch.kind == OpKind::Camera {
            next.camera.commands += 1;
        }
        // A hand on anything stops the turntable. That 3D was asked for, and how large a window is, is no such thing.
        if batch.origin.is_some() && !matches!(batch.kind, OpKind::Turning | OpKind::View | OpKind::Canvas) {
            next.view.turning.set(0.0, next.version, None);
        }
        for write in batch.writes {
            write_intent(&mut next, write, batch.origin.clone());
        }
        next.verify()?;
        let op = next.scene.op_seq;
        self.ops.open(Op { seq: op, kind: batch.kind, origin: batch.origin, received, reduced, outcome: None });
        self.state = Arc::new(next);
        Ok(Commit { op, version: property_version(&self.state, batch.kind), state: self.state.clone() })
    }

    /// Commits what the render thread applied. Work planned for a dataset that is gone closes its ops and changes nothing else.
    pub fn commit_applied(&mut self, batch: AppliedBatch) -> Result<AppliedCommit, InvariantError> {
        let mut next = State::clone(&self.state);
        next.version += 1;
        let current = batch.planned.epoch == next.epoch;
        let mut view = AppliedView::clone(&self.view);
        if current {
            write_applied(&mut next, &batch);
            for (index, thumbnail) in &batch.thumbnails {
                if let Some(layer) = view.layers.get_mut(*index).filter(|layer| layer.thumbnail != *thumbnail) {
                    Arc::make_mut(layer).thumbnail = thumbnail.clone();
                }
            }
        }
        let closed = match &batch.closing {
            Some(Closing::Applied(seq)) => {
                next.scene.applied_seq = next.scene.applied_seq.max(*seq);
                if current {
                    view = applied_view(&batch, &next, &view);
                }
                let closed = self.close_verified(&next, *seq, false)?;
                if current {
                    self.shown = batch.planned.clone();
                }
                closed
            }
            Some(Closing::Failed { seq, last_good }) => {
                next.scene.applied_seq = next.scene.applied_seq.max(*seq);
                if current {
                    // The first turn of an epoch has nothing that was good before it but the seed.
                    let last_good = if last_good.epoch == next.epoch { last_good } else { &self.seeded };
                    restore(&mut next, &batch.planned, last_good, &view);
                    view.op = *seq;
                }
                self.close_verified(&next, *seq, true)?
            }
            None => {
                next.verify()?;
                Vec::new()
            }
        };
        self.state = Arc::new(next);
        self.view = Arc::new(view);
        Ok(AppliedCommit { version: self.state.version, view: self.view.clone(), planned: batch.planned, closed })
    }

    fn close_verified(&mut self, next: &State, seq: OpSeq, failed: bool) -> Result<Vec<Op>, InvariantError> {
        next.verify()?;
        Ok(self.ops.close(seq, failed))
    }
}

fn write_intent(next: &mut State, write: IntentWrite, origin: Option<Arc<Origin>>) {
    let stamp = next.version;
    match write {
        IntentWrite::KeepMode => {
            next.view.ndisplay.write(*next.view.ndisplay.get(), stamp, origin);
            next.view.entered_from.confirm(stamp);
        }
        IntentWrite::EnterVolume(from) => write_mode(next, 3, Some(from), origin),
        IntentWrite::LeaveVolume => write_mode(next, 2, None, origin),
        IntentWrite::Step(step) => {
            next.dims.step.set(step, stamp, origin);
        }
        IntentWrite::Level(level) => next.multiscale.level.write(level, stamp, origin),
        IntentWrite::Lock(lock) => {
            next.multiscale.lock.set(lock, stamp, origin);
        }
        IntentWrite::Release => next.multiscale.lock.write(false, stamp, origin),
        IntentWrite::CanvasSize(size) => next.view.canvas_size.write(size, stamp, origin),
        IntentWrite::Turning(speed) => next.view.turning.write(speed, stamp, origin),
        IntentWrite::Layer(index, control) => {
            if let Some(layer) = next.layers.get_mut(index) {
                let layer = Arc::make_mut(layer);
                layer.marks[control.key() as usize].touch(stamp, origin);
                layer.controls.set(control);
            }
        }
    }
}

/// Both leaves of the mode, always together: what takes one back, or lets it stand, does so with the other.
fn write_mode(next: &mut State, ndisplay: u8, from: Option<PlaneView>, origin: Option<Arc<Origin>>) {
    let stamp = next.version;
    next.view.ndisplay.write(ndisplay, stamp, origin.clone());
    next.view.entered_from.write(from, stamp, origin);
}

/// Writes what was applied, leaving alone every intent leaf that is newer than the plan.
fn write_applied(next: &mut State, batch: &AppliedBatch) {
    let stamp = next.version;
    next.canvas = batch.canvas.unwrap_or(next.canvas);
    if let Some(pose) = batch.camera {
        next.camera.plane.set(pose, stamp, None);
    }
    if let Some(pose) = batch.volume {
        next.camera.volume.set(Some(pose), stamp, None);
    }
    if let Some(cached) = &batch.cached {
        next.view_cache.plane.set(cached.clone(), stamp, None);
    }
    if let Some((level, downgraded)) = batch.level {
        if next.multiscale.level.mark().stamp <= batch.planned.version {
            next.multiscale.level.set(level, stamp, None);
            remember_level(next, &batch.planned, level);
        }
        next.multiscale.downgraded.set(downgraded, stamp, None);
    }
    for (index, thumbnail) in &batch.thumbnails {
        if let Some(layer) = next.layers.get_mut(*index) {
            Arc::make_mut(layer).thumbnail.set(thumbnail.clone(), stamp, None);
        }
    }
}

/// 3D was entered while the render thread was still at 2D: what it comes back to is the level that 2D showed last.
fn remember_level(next: &mut State, planned: &State, level: usize) {
    let entered_since = planned.view.entered_from.get().is_none();
    if let Some(from) = next.view.entered_from.get().as_ref().filter(|from| entered_since && from.level != level) {
        let from = PlaneView { level, step: from.step.clone() };
        next.view.entered_from.amend(Some(from));
    }
}

/// Takes the intent leaves written between `last_good` and `planned` back, except where a newer intent stands. The level goes back
/// to that of the picture, `shown`: the policy may have moved it after `last_good` was taken. Where a newer intent insists on the
/// other mode, step and level are left to that mode.
fn restore(next: &mut State, planned: &State, last_good: &State, shown: &AppliedView) {
    let stamp = next.version;
    let due = |mark: &Mark| mark.stamp > last_good.version && mark.stamp <= planned.version;
    if due(next.view.ndisplay.mark()) {
        let from = last_good.view.entered_from.get().clone();
        write_mode(next, *last_good.view.ndisplay.get(), from, None);
    }
    if due(next.view.canvas_size.mark()) {
        next.view.canvas_size.write(*last_good.view.canvas_size.get(), stamp, None);
    }
    if due(next.view.turning.mark()) {
        next.view.turning.write(*last_good.view.turning.get(), stamp, None);
    }
    let same_mode = *next.view.ndisplay.get() == shown.ndisplay;
    if same_mode && due(next.dims.step.mark()) {
        next.dims.step.write(last_good.dims.step.get().clone(), stamp, None);
    }
    if same_mode && due(next.multiscale.level.mark()) {
        next.multiscale.level.set(shown.level, stamp, None);
    }
    if due(next.multiscale.lock.mark()) {
        next.multiscale.lock.write(*last_good.multiscale.lock.get(), stamp, None);
    }
    for (layer, good) in next.layers.iter_mut().zip(&last_good.layers) {
        for key in ControlKey::ALL {
            if due(layer.mark(key)) {
                let layer = Arc::make_mut(layer);
                layer.controls.set(good.controls.get(key));
                layer.marks[key as usize].touch(stamp, None);
            }
        }
    }
}

fn property_version(state: &State, kind: OpKind) -> u64 {
    match kind {
        OpKind::View => state.view.ndisplay.mark().version,
        OpKind::Canvas => state.view.canvas_size.mark().version,
        OpKind::Turning => state.view.turning.mark().version,
        OpKind::Dims(_) => state.dims.step.mark().version,
        // A release writes the lock alone.
        OpKind::Level => state.multiscale.level.mark().version + state.multiscale.lock.mark().version - 1,
        OpKind::Camera => state.camera.commands,
        OpKind::Layer(index, key) => state.layers.get(index).map_or(1, |l| l.mark(key).version),
        OpKind::Load => state.epoch,
    }
}

/// The view of a state whose every leaf is applied: the bootstrap.
fn view_of(state: &State) -> AppliedView {
    let mut view = bare_view(state);
    view.layers = state.layers.iter().map(|l| layer_view(l, l, None)).collect();
    view
}

/// The view of what the plan's snapshot asked for and the batch made of it. `shown` is the view before it.
fn applied_view(batch: &AppliedBatch, next: &State, shown: &AppliedView) -> AppliedView {
    let mut view = bare_view(&batch.planned);
    // It may have grown since.
    view.dataset = next.dataset.clone();
    view.op = batch.planned.scene.op_seq;
    if let Some(pose) = batch.camera {
        view.plane = pose;
    }
    if let Some(pose) = batch.volume {
        view.volume = Some(pose);
    }
    if let Some((level, downgraded)) = batch.level {
        (view.level, view.downgraded) = (level, downgraded);
    }
    let layers = batch.planned.layers.iter().zip(&next.layers).enumerate();
    view.layers = layers.map(|(i, (planned, newest))| layer_view(planned, newest, shown.layers.get(i))).collect();
    view
}

/// The view of a state, without its layers.
fn bare_view(state: &State) -> AppliedView {
    AppliedView {
        epoch: state.epoch,
        op: state.scene.applied_seq,
        dataset: state.dataset.clone(),
        ndisplay: *state.view.ndisplay.get(),
        order: state.dims.order.get().clone(),
        step: state.dims.step.get().clone(),
        level: *state.multiscale.level.get(),
        downgraded: *state.multiscale.downgraded.get(),
        plane: *state.camera.plane.get(),
        volume: *state.camera.volume.get(),
        layers: Vec::new(),
        canvas: state.canvas,
    }
}

/// A layer with the controls of the plan and the newest picture: the `shown` one itself if it is equal.
fn layer_view(planned: &LayerState, newest: &LayerState, shown: Option<&Arc<LayerView>>) -> Arc<LayerView> {
    let thumbnail = newest.thumbnail.get();
    let equal = |shown: &&Arc<LayerView>| {
        Arc::ptr_eq(&shown.spec, &planned.spec) && shown.thumbnail == *thumbnail && shown.controls == planned.controls
    };
    shown.filter(equal).cloned().unwrap_or_else(|| {
        Arc::new(LayerView { spec: planned.spec.clone(), controls: planned.controls.clone(), thumbnail: thumbnail.clone() })
    })
}
