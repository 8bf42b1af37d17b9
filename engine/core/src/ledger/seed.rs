//! What a ledger starts from: one batch that seeds every leaf.

use super::leaf::{Leaf, Mark};
use super::state::{CameraState, DimsState, LayerState, MultiscaleState, SceneState, State, ViewCache, ViewState};
use crate::data::{CanvasSize, Rect, plane_camera};
use crate::scene::control::ControlKey;
use crate::scene::{Dataset, LayerControls, OpSeq, PlanePose, PlaneView, Thumbnail};
use std::sync::Arc;

/// Initial values of every leaf.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The data, or nothing.
    pub dataset: Option<Arc<Dataset>>,
    /// Size of canvas and video.
    pub canvas: CanvasSize,
    /// The largest that the video may have.
    pub most_canvas: CanvasSize,
    /// Degrees a second that the 3D camera turns by itself.
    pub turning: f64,
    /// Level-0 index per dim.
    pub step: Vec<u64>,
    /// Target level.
    pub level: usize,
    /// World rectangle shown.
    pub rect: Rect,
    /// Controls per layer, bottom first.
    pub controls: Vec<LayerControls>,
}

impl Seed {
    /// Nothing to show: the idle scene of PROTOCOL §4.
    pub fn idle(canvas: CanvasSize) -> Self {
        let rect = Rect { left: -0.5, bottom: -0.5, width: 1.0, height: 1.0 };
        Self { dataset: None, canvas, most_canvas: canvas, turning: 0.0, step: vec![0, 0], level: 0, rect, controls: Vec::new() }
    }

    pub(super) fn into_state(self, version: u64, epoch: u64, op: OpSeq) -> State {
        let order = (0..self.step.len()).collect();
        let specs = self.dataset.iter().flat_map(|d| d.layers.iter().cloned());
        let layers = specs
            .zip(self.controls)
            .map(|(spec, controls)| {
                Arc::new(LayerState {
                    spec,
                    controls,
                    marks: ControlKey::ALL.map(|_| Mark::seeded(version)),
                    thumbnail: Leaf::seeded(Arc::new(Thumbnail::black()), version),
                })
            })
            .collect();
        let cached = PlaneView { level: self.level, step: self.step.clone() };
        let pose = PlanePose { rect: self.rect, zoom: plane_camera::pixels_per_unit(self.rect, self.canvas) };
        State {
            version,
            epoch,
            dataset: self.dataset,
            canvas: self.canvas,
            most_canvas: self.most_canvas,
            view: ViewState {
                ndisplay: Leaf::seeded(2, version),
                entered_from: Leaf::seeded(None, version),
                turning: Leaf::seeded(self.turning, version),
                canvas_size: Leaf::seeded(self.canvas, version),
            },
            dims: DimsState { order: Leaf::seeded(order, version), step: Leaf::seeded(self.step, version) },
            multiscale: MultiscaleState {
                level: Leaf::seeded(self.level, version),
                lock: Leaf::seeded(false, version),
                downgraded: Leaf::seeded(false, version),
            },
            camera: CameraState { plane: Leaf::seeded(pose, version), volume: Leaf::seeded(None, version), commands: 0 },
            view_cache: ViewCache { plane: Leaf::seeded(cached, version) },
            layers,
            scene: SceneState { op_seq: op, applied_seq: op },
        }
    }
}
