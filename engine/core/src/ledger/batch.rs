//! The two authorities. An intent batch cannot name what only the render thread may write, and the other way round.
//!
//! ```compile_fail
//! use nc_core::ledger::{IntentBatch, OpKind};
//! fn pose() -> nc_core::scene::PlanePose { panic!() }
//! IntentBatch::new(OpKind::Camera, None).camera(pose()); // an intent never writes the pose
//! ```
//!
//! ```compile_fail
//! use nc_core::ledger::{AppliedBatch, State};
//! fn state() -> std::sync::Arc<State> { panic!() }
//! AppliedBatch::new(state()).keep_mode(); // the render thread never chooses the mode
//! ```
//!
//! ```compile_fail
//! use nc_core::ledger::{IntentBatch, OpKind};
//! fn pose() -> nc_core::scene::VolumePose { panic!() }
//! IntentBatch::new(OpKind::View, None).volume(pose()); // an intent never writes the 3D pose
//! ```
//!
//! ```compile_fail
//! use nc_core::ledger::{IntentBatch, OpKind};
//! fn view() -> nc_core::scene::PlaneView { panic!() }
//! IntentBatch::new(OpKind::View, None).plane_cache(view()); // nor what a return from 3D goes back to
//! ```
//!
//! ```compile_fail
//! use nc_core::ledger::{AppliedBatch, State};
//! fn state() -> std::sync::Arc<State> { panic!() }
//! fn view() -> nc_core::scene::PlaneView { panic!() }
//! AppliedBatch::new(state()).enter_volume(view()); // what 3D was entered from is the intent's to say
//! ```
//!
//! ```
//! use nc_core::ledger::{AppliedBatch, IntentBatch, OpKind, State};
//! use nc_core::scene::{PlanePose, PlaneView, VolumePose};
//! // Each of them by the authority that may: the failures above are not for a name that is gone.
//! fn intent(view: PlaneView) -> IntentBatch {
//!     IntentBatch::new(OpKind::View, None).enter_volume(view.clone()).leave_volume(view)
//! }
//! fn applied(state: std::sync::Arc<State>, plane: PlanePose, volume: VolumePose, view: PlaneView) -> AppliedBatch {
//!     AppliedBatch::new(state).camera(plane).volume(volume).plane_cache(view)
//! }
//! ```

use super::leaf::Origin;
use super::ops::OpKind;
use super::state::State;
use crate::data::CanvasSize;
use crate::scene::control::Control;
use crate::scene::{OpSeq, PlanePose, PlaneView, Thumbnail, VolumePose};
use std::sync::Arc;

/// A write that an intent may make.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum IntentWrite {
    KeepMode,
    EnterVolume(PlaneView),
    LeaveVolume,
    Step(Vec<u64>),
    Level(usize),
    Lock(bool),
    Release,
    CanvasSize(CanvasSize),
    Turning(f64),
    Layer(usize, Control),
}

/// Writes of one accepted intent. Committing it opens an op.
#[derive(Debug, Clone)]
pub struct IntentBatch {
    pub(super) kind: OpKind,
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) writes: Vec<IntentWrite>,
}

impl IntentBatch {
    /// No writes yet; a camera intent stays that way.
    pub fn new(kind: OpKind, origin: Option<Arc<Origin>>) -> Self {
        Self { kind, origin, writes: Vec::new() }
    }

    /// Writes the mode that holds already.
    #[must_use]
    pub fn keep_mode(mut self) -> Self {
        self.writes.push(IntentWrite::KeepMode);
        self
    }

    /// 2D to 3D, remembering what the plane shows. The level is the policy's again, which in 3D means the coarsest.
    #[must_use]
    pub fn enter_volume(mut self, from: PlaneView) -> Self {
        self.writes.push(IntentWrite::EnterVolume(from));
        self.unlock_level()
    }

    /// 3D to 2D, back to a level and a step. The level is not locked.
    #[must_use]
    pub fn leave_volume(mut self, to: PlaneView) -> Self {
        self.writes.push(IntentWrite::LeaveVolume);
        self.writes.push(IntentWrite::Level(to.level));
        self.step(to.step).unlock_level()
    }

    /// Writes `dims.step` (level-0 indices). An equal step keeps the leaf's version.
    #[must_use]
    pub fn step(mut self, step: Vec<u64>) -> Self {
        self.writes.push(IntentWrite::Step(step));
        self
    }

    /// Writes `multiscale.level` and locks it.
    #[must_use]
    pub fn lock_level(mut self, level: usize) -> Self {
        self.writes.push(IntentWrite::Level(level));
        self.writes.push(IntentWrite::Lock(true));
        self
    }

    /// Gives the level back to the policy, which is what was asked: counts as a new version even if the policy has it.
    #[must_use]
    pub fn release_level(mut self) -> Self {
        self.writes.push(IntentWrite::Release);
        self
    }

    /// Gives the level back to the policy along with something else.
    #[must_use]
    pub fn unlock_level(mut self) -> Self {
        self.writes.push(IntentWrite::Lock(false));
        self
    }

    /// Writes the size that the canvas is to have.
    #[must_use]
    pub fn canvas_size(mut self, size: CanvasSize) -> Self {
        self.writes.push(IntentWrite::CanvasSize(size));
        self
    }

    /// Writes how fast the 3D camera turns by itself, degrees a second.
    #[must_use]
    pub fn turning(mut self, degrees_per_second: f64) -> Self {
        self.writes.push(IntentWrite::Turning(degrees_per_second));
        self
    }

    /// Writes one control of the layer at `index`.
    #[must_use]
    pub fn layer(mut self, index: usize, control: Control) -> Self {
        self.writes.push(IntentWrite::Layer(index, control));
        self
    }
}

/// How the ops of a snapshot end.
#[derive(Debug, Clone)]
pub(super) enum Closing {
    Applied(OpSeq),
    Failed { seq: OpSeq, last_good: Arc<State> },
}

/// What the render thread applied, planned from one snapshot. Leaves that an intent wrote after that snapshot are left alone.
#[derive(Debug, Clone)]
pub struct AppliedBatch {
    pub(super) planned: Arc<State>,
    pub(super) camera: Option<PlanePose>,
    pub(super) volume: Option<VolumePose>,
    pub(super) cached: Option<PlaneView>,
    pub(super) level: Option<(usize, bool)>,
    pub(super) canvas: Option<CanvasSize>,
    pub(super) thumbnails: Vec<(usize, Arc<Thumbnail>)>,
    pub(super) closing: Option<Closing>,
}

impl AppliedBatch {
    /// Planned from `planned`; writes nothing yet.
    pub fn new(planned: Arc<State>) -> Self {
        Self {
            planned,
            camera: None,
            volume: None,
            cached: None,
            level: None,
            canvas: None,
            thumbnails: Vec::new(),
            closing: None,
        }
    }

    /// The 2D pose.
    #[must_use]
    pub fn camera(mut self, pose: PlanePose) -> Self {
        self.camera = Some(pose);
        self
    }

    /// The 3D pose.
    #[must_use]
    pub fn volume(mut self, pose: VolumePose) -> Self {
        self.volume = Some(pose);
        self
    }

    /// What a return from 3D goes back to.
    #[must_use]
    pub fn plane_cache(mut self, view: PlaneView) -> Self {
        self.cached = Some(view);
        self
    }

    /// The level in force and whether a budget made it coarser than wanted.
    #[must_use]
    pub fn level(mut self, level: usize, downgraded: bool) -> Self {
        self.level = Some((level, downgraded));
        self
    }

    /// The size of canvas and video.
    #[must_use]
    pub fn canvas(mut self, size: CanvasSize) -> Self {
        self.canvas = Some(size);
        self
    }

    /// A new picture for the layer at `index`.
    #[must_use]
    pub fn thumbnail(mut self, index: usize, thumbnail: Arc<Thumbnail>) -> Self {
        self.thumbnails.push((index, thumbnail));
        self
    }

    /// Closes every op that the planned snapshot contains.
    #[must_use]
    pub fn applied(mut self) -> Self {
        self.closing = Some(Closing::Applied(self.planned.scene.op_seq));
        self
    }

    /// Applying failed: closes the ops as failed and takes the intent leaves that they wrote back to `last_good`.
    #[must_use]
    pub fn failed(mut self, last_good: Arc<State>) -> Self {
        self.closing = Some(Closing::Failed { seq: self.planned.scene.op_seq, last_good });
        self
    }

    /// Whether committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.camera.is_none()
            && self.volume.is_none()
            && self.cached.is_none()
            && self.level.is_none()
            && self.canvas.is_none()
            && self.thumbnails.is_empty()
            && self.closing.is_none()
    }
}
