//! A decision about the level with everything it was made from: what logs, metrics and `x.level` tell.

use super::budget::Budgets;
use super::lod::{LevelDecision, LevelPolicy};
use super::{CanvasSize, Footprint, Rect};
use std::time::Duration;

/// A decision, and its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelDecided {
    /// The level drawn before.
    pub from: usize,
    /// The level drawn from now on, what the canvas calls for, and why.
    pub decision: LevelDecision,
    /// Whether it differs from the one told before. What is decided anew with every movement is news only then.
    pub news: bool,
    /// 2 or 3 displayed dims.
    pub ndisplay: u8,
    /// The level that is to be drawn once it is there: in 2D the one decided on, in 3D it may be finer than what is drawn so far.
    pub target: usize,
    /// Samples per canvas pixel, per level, finest first; empty in 3D.
    pub oversampling: Vec<f64>,
    /// Voxels per canvas pixel where the volume is nearest, per level; empty in 2D.
    pub sampling: Vec<f64>,
    /// Whether each level fits its budget.
    pub fits: Vec<bool>,
    /// The budgets.
    pub budgets: Budgets,
    /// The thresholds.
    pub policy: LevelPolicy,
    /// The canvas.
    pub canvas: CanvasSize,
    /// What 2D shows, in world units, already of the canvas's aspect.
    pub shown: Rect,
    /// The region of the level that is loaded for it; `None` in 3D and where the view is beside the data.
    pub roi: Option<Footprint>,
    /// First and last chunk of that region: rows, then columns (PROTOCOL §16.2).
    pub signature: Option<[u32; 4]>,
    /// The factor of a recent 2D zoom, above 1 outwards.
    pub zoom_hint: Option<f64>,
    /// The level that a person asked for.
    pub lock: Option<usize>,
    /// Time since the last switch; `None` if there was none.
    pub since_switch: Option<Duration>,
    /// Whether the 3D camera moves, so that nothing finer is begun.
    pub moving: bool,
}

impl LevelDecided {
    /// Whether another level is drawn from now on.
    pub fn switches(&self) -> bool {
        self.from != self.decision.level
    }
}
