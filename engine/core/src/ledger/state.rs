//! The tree of leaves and what must hold of it.

use super::leaf::{Leaf, Mark};
use crate::data::CanvasSize;
use crate::scene::control::ControlKey;
use crate::scene::{Dataset, LayerControls, LayerSpec, OpSeq, PlanePose, PlaneView, Thumbnail, VolumePose, plane_dims};
use std::sync::Arc;

/// Everything the server knows of the scene. An immutable snapshot; the [`super::Ledger`] publishes a new one per commit.
#[derive(Debug, Clone)]
pub struct State {
    /// Counts commits.
    pub version: u64,
    /// Counts datasets.
    pub epoch: u64,
    /// The data; `None` is the idle scene.
    pub dataset: Option<Arc<Dataset>>,
    /// Size of canvas and video; applied-only.
    pub canvas: CanvasSize,
    /// The largest that the video may have.
    pub most_canvas: CanvasSize,
    /// `view.*`
    pub view: ViewState,
    /// `dims.*`
    pub dims: DimsState,
    /// `multiscale.*`
    pub multiscale: MultiscaleState,
    /// `camera.*`, applied-only.
    pub camera: CameraState,
    /// `view_cache.*`, applied-only.
    pub view_cache: ViewCache,
    /// `layer/<id>`, bottom first.
    pub layers: Vec<Arc<LayerState>>,
    /// `scene.*`
    pub scene: SceneState,
}

/// `view.*`
#[derive(Debug, Clone)]
pub struct ViewState {
    /// 2 or 3: the only driver of the mode.
    pub ndisplay: Leaf<u8>,
    /// What was shown when 3D was asked for, as the intent found it; `Some` while `ndisplay` is 3. Its level follows a frame of 2D
    /// that was still on its way.
    pub entered_from: Leaf<Option<PlaneView>>,
    /// Degrees a second that the 3D camera turns by itself about the vertical; 0 if it does not. Whatever a client asks for next,
    /// but for the mode and the size of the canvas, ends it.
    pub turning: Leaf<f64>,
    /// The size of canvas and video that was asked for last; they follow.
    pub canvas_size: Leaf<CanvasSize>,
}

/// `view_cache.*`
#[derive(Debug, Clone)]
pub struct ViewCache {
    /// What a return from 3D goes back to; applied-only.
    pub plane: Leaf<PlaneView>,
}

/// `dims.*`. Number, names and sizes of the dims are the dataset's and change with the epoch only.
#[derive(Debug, Clone)]
pub struct DimsState {
    /// A permutation of the dims; the last `ndisplay` are shown.
    pub order: Leaf<Vec<usize>>,
    /// Level-0 index per dim.
    pub step: Leaf<Vec<u64>>,
}

/// `multiscale.*`
#[derive(Debug, Clone)]
pub struct MultiscaleState {
    /// The target level. Written by intents and, where no newer intent stands, by the policy.
    pub level: Leaf<usize>,
    /// Whether a person fixed the level.
    pub lock: Leaf<bool>,
    /// Whether a budget made the level coarser than wanted; applied-only.
    pub downgraded: Leaf<bool>,
}

/// `camera.*`
#[derive(Debug, Clone)]
pub struct CameraState {
    /// The 2D pose; applied-only. In 3D: where the 2D view was left.
    pub plane: Leaf<PlanePose>,
    /// The 3D pose; applied-only. In 2D: where the 3D view was left, if it ever was.
    pub volume: Leaf<Option<VolumePose>>,
    /// Camera commands accepted so far; what their acks report as version.
    pub commands: u64,
}

/// `layer/<id>`
#[derive(Debug, Clone)]
pub struct LayerState {
    /// What the layer is.
    pub spec: Arc<LayerSpec>,
    /// How it is shown. Each control is a leaf of its own; see [`Self::mark`].
    pub controls: LayerControls,
    pub(super) marks: [Mark; ControlKey::ALL.len()],
    /// Its picture; applied-only.
    pub thumbnail: Leaf<Arc<Thumbnail>>,
}

impl LayerState {
    /// The last write of one control.
    pub fn mark(&self, key: ControlKey) -> &Mark {
        &self.marks[key as usize]
    }
}

/// `scene.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneState {
    /// Newest op opened.
    pub op_seq: OpSeq,
    /// Newest op closed.
    pub applied_seq: OpSeq,
}

/// What a batch tried to break. The ledger is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ledger invariant: {0}")]
pub struct InvariantError(pub String);

impl State {
    /// The dims shown: the tail of `order`.
    pub fn displayed(&self) -> &[usize] {
        let order = self.dims.order.get();
        &order[order.len().saturating_sub(usize::from(*self.view.ndisplay.get()))..]
    }

    /// The row and the column dim of the 2D view, whatever the mode.
    pub fn plane_dims(&self) -> (usize, usize) {
        plane_dims(self.dims.order.get())
    }

    /// Fails on the first invariant that does not hold.
    pub fn verify(&self) -> Result<(), InvariantError> {
        let fail = |what: String| Err(InvariantError(what));
        let ndisplay = *self.view.ndisplay.get();
        if !(2..=3).contains(&ndisplay) {
            return fail(format!("view.ndisplay is {ndisplay}"));
        }
        if self.view.entered_from.get().is_some() != (ndisplay == 3) {
            return fail(format!("view.entered_from is {:?} with view.ndisplay {ndisplay}", self.view.entered_from.get()));
        }
        let order = self.dims.order.get();
        if usize::from(ndisplay) > order.len().max(2) {
            return fail(format!("view.ndisplay is {ndisplay} of {} dims", order.len()));
        }
        if !(0..order.len()).all(|dim| order.contains(&dim)) {
            return fail(format!("dims.order {order:?} is not a permutation"));
        }
        let step = self.dims.step.get();
        if step.len() != order.len() {
            return fail(format!("dims.step has {} entries for {} dims", step.len(), order.len()));
        }
        if self.scene.applied_seq > self.scene.op_seq {
            return fail(format!("op {} applied before it was opened", self.scene.applied_seq.0));
        }
        let PlanePose { rect, zoom } = *self.camera.plane.get();
        let finite = zoom.is_finite() && rect.to_array().iter().all(|v| v.is_finite());
        if !(finite && zoom > 0.0 && rect.width > 0.0 && rect.height > 0.0) {
            return fail(format!("camera.rect is {rect:?}, camera.zoom {zoom}"));
        }
        if let Some(fault) = self.camera.volume.get().and_then(|pose| pose.fault()) {
            return fail(format!("camera is {fault}"));
        }
        let Some(dataset) = &self.dataset else {
            return if self.layers.is_empty() { Ok(()) } else { fail("the idle scene has layers".into()) };
        };
        if dataset.ndim() != order.len() {
            return fail(format!("{} dims for a dataset of {}", order.len(), dataset.ndim()));
        }
        let level = *self.multiscale.level.get();
        if level >= dataset.level_count() {
            return fail(format!("multiscale.level is {level} of {}", dataset.level_count()));
        }
        let in_range = |step: &[u64]| step.len() == order.len() && step.iter().enumerate().all(|(d, &at)| at < dataset.size(d));
        if !in_range(step) {
            return fail(format!("dims.step {step:?} is beyond {:?}", dataset.level_shape(0)));
        }
        for cached in [Some(self.view_cache.plane.get()), self.view.entered_from.get().as_ref()].into_iter().flatten() {
            if cached.level >= dataset.level_count() || !in_range(&cached.step) {
                return fail(format!("2D is remembered as {cached:?}"));
            }
        }
        // Each layer's very own description is the dataset's: nothing else makes layers.
        let same = |(layer, spec): (&Arc<LayerState>, &Arc<LayerSpec>)| Arc::ptr_eq(&layer.spec, spec);
        if self.layers.len() != dataset.layers.len() || !self.layers.iter().zip(&dataset.layers).all(same) {
            return fail("layers differ from the dataset's".into());
        }
        match self.layers.iter().find_map(|l| l.controls.fault().map(|f| (l, f))) {
            Some((layer, fault)) => fail(format!("layer/{}: {fault}", layer.spec.id)),
            None => Ok(()),
        }
    }
}
