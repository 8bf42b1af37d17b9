//! The applied view: what the picture on screen shows, and so what clients are told.

use super::{Dataset, LayerControls, LayerSpec, Thumbnail};
pub use crate::data::turntable::VolumePose;
use crate::data::{CanvasSize, Rect};
use std::sync::Arc;

/// Sequence number of an op; 0 is the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OpSeq(pub u64);

/// The 2D pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanePose {
    /// The rectangle to show, world units, before it is widened to the canvas's aspect.
    pub rect: Rect,
    /// Canvas pixels per world unit; decoration on the wire, `rect` is authoritative.
    pub zoom: f64,
}

/// What the 2D view shows of the data: where a return from 3D goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneView {
    /// Target level.
    pub level: usize,
    /// Level-0 index per dim.
    pub step: Vec<u64>,
}

/// A layer as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerView {
    /// What it is.
    pub spec: Arc<LayerSpec>,
    /// How it is shown.
    pub controls: LayerControls,
    /// Its picture in the layer list.
    pub thumbnail: Arc<Thumbnail>,
}

/// Everything a client may know about the scene, as last applied. Immutable; a new one is published per commit of the render thread.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedView {
    /// Counts datasets: changes when another image is loaded.
    pub epoch: u64,
    /// The newest op this view contains.
    pub op: OpSeq,
    /// The data; `None` is the idle scene.
    pub dataset: Option<Arc<Dataset>>,
    /// 2 or 3.
    pub ndisplay: u8,
    /// Permutation of the dims; the last `ndisplay` are shown.
    pub order: Vec<usize>,
    /// Level-0 index per dim.
    pub step: Vec<u64>,
    /// Level that is targeted, 0 the finest.
    pub level: usize,
    /// Whether a budget made the level coarser than wanted.
    pub downgraded: bool,
    /// Where the 2D camera looks, or looked before 3D was entered.
    pub plane: PlanePose,
    /// Where the 3D camera looks, or looked before it was left; `None` until 3D was first entered.
    pub volume: Option<VolumePose>,
    /// Layers, bottom first.
    pub layers: Vec<Arc<LayerView>>,
    /// Size of canvas and video.
    pub canvas: CanvasSize,
}

impl AppliedView {
    /// The dims shown, rows before columns: the tail of `order`.
    pub fn displayed(&self) -> &[usize] {
        &self.order[self.order.len().saturating_sub(usize::from(self.ndisplay))..]
    }

    /// The row and the column dim of the 2D view: the last two of `order`, whatever the mode.
    pub fn plane_dims(&self) -> (usize, usize) {
        plane_dims(&self.order)
    }

    /// Whether `other` is seen from the same place: the pose of the mode that is shown.
    pub fn same_pose(&self, other: &Self) -> bool {
        self.ndisplay == other.ndisplay
            && if self.ndisplay == 3 { self.volume == other.volume } else { self.plane == other.plane }
    }

    /// The layer of that id.
    pub fn layer(&self, id: &str) -> Option<&Arc<LayerView>> {
        self.layers.iter().find(|l| &*l.spec.id.0 == id)
    }
}

/// The row and the column dim of the 2D view: the last two of a permutation of at least two dims.
pub fn plane_dims(order: &[usize]) -> (usize, usize) {
    let (_, shown) = order.split_at(order.len().saturating_sub(2));
    (shown.first().copied().unwrap_or(0), shown.last().copied().unwrap_or(0))
}
