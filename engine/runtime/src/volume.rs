//! The 3D planner: which volumes the layers are made of, what a volume pass is made of, and which levels a budget allows. Pure.

use crate::governor::{Quality, Scene};
use crate::viewport::coloring;
use nc_core::data::turntable::{self, VolumePose};
use nc_core::data::{Budgets, VolumeKey};
use nc_core::ledger::{LayerState, State};
use nc_core::scene::{AxisKind, Dataset, Depiction};
use nc_gpu::api::{Slab, VolumeLayer, VolumePass, VolumeView};

/// The longest step along a ray, voxels.
const LONGEST_STEP: f32 = 4.0;

/// The dims that 3D shows, in the order z, y, x, whatever the mode is: the last three, or all where there are fewer.
pub fn dims(state: &State) -> &[usize] {
    let order = state.dims.order.get();
    &order[order.len().saturating_sub(3)..]
}

/// A layer's volume at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelVolume {
    /// Which.
    pub key: VolumeKey,
    /// Its samples along z, y, x.
    pub shape: [u32; 3],
}

/// The volumes of one visible layer at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVolumes {
    /// Index of the layer.
    pub layer: usize,
    /// Per level, finest first; not empty.
    pub levels: Vec<LevelVolume>,
}

impl LayerVolumes {
    /// The coarsest level.
    pub fn coarsest(&self) -> usize {
        self.levels.len() - 1
    }

    /// Samples at a level.
    pub fn samples(&self, level: usize) -> u64 {
        self.levels[level].shape.iter().map(|&n| u64::from(n)).product()
    }
}

/// The volumes of every visible layer at `step` (level-0 indices), bottom first. None for data of fewer than three dims, which have none.
pub fn volumes(state: &State, dataset: &Dataset, step: &[u64]) -> Vec<LayerVolumes> {
    let &[z, y, x] = dims(state) else { return Vec::new() };
    let shown = [z, y, x];
    // Labels have a level for each of the image's; where they have no volume there is nothing to draw of them.
    let of_level = |layer: &LayerState, level: usize| {
        let image = dataset.layer_image(&layer.spec);
        let own = image.level_for(level, &shown);
        let [z, y, x] = shown.map(|dim| Some(image.sample_axis(own, dim)?.len));
        Some(LevelVolume { key: image.volume(own, shown, step)?, shape: [z?, y?, x?] })
    };
    let levels = |layer: &LayerState| (0..dataset.level_count()).map(|level| of_level(layer, level)).collect::<Option<Vec<_>>>();
    let visible = state.layers.iter().enumerate().filter(|(_, layer)| layer.controls.visible);
    visible.filter_map(|(index, layer)| Some(LayerVolumes { layer: index, levels: levels(layer)? })).collect()
}

/// The picture of `dataset` from `pose`: of each of `layers` the level that `drawn` says, if one; the outline if there is none of any.
/// `None` for data of fewer than three dims.
pub fn pass(
    state: &State,
    dataset: &Dataset,
    pose: &VolumePose,
    layers: &[LayerVolumes],
    drawn: &[Option<usize>],
    quality: Quality,
) -> Option<VolumePass> {
    let &[z, y, x] = dims(state) else { return None };
    let shown = [z, y, x];
    let outline = !drawn.is_empty() && drawn.iter().all(Option::is_none);
    let there = layers.iter().zip(drawn).filter_map(|(volumes, level)| Some((volumes.layer, volumes.levels[(*level)?])));
    let layers = there
        .filter_map(|(layer, volume)| volume_layer(&state.layers[layer], volume, dataset, shown, quality.ray_step))
        .collect();
    let turntable::Frame { eye, right, up, forward } = turntable::frame(pose);
    let extent = pose.extent(state.canvas);
    let view = VolumeView { eye, right, up, forward, distance: pose.distance, fov: pose.fov, extent };
    let bounds = dataset.world_box(&shown);
    Some(VolumePass { canvas: state.canvas, divisor: quality.divisor, outline, view, bounds, layers })
}

/// What the cost of a picture of these levels depends on.
pub fn scene(state: &State, layers: &[LayerVolumes], drawn: &[Option<usize>]) -> Scene {
    let there = layers.iter().zip(drawn).filter_map(|(volumes, level)| Some((volumes.layer, (*level)?)));
    let layers = there.map(|(layer, level)| (state.layers[layer].controls.rendering, level as u8)).collect();
    Scene { canvas: state.canvas, layers }
}

/// The dim whose next index is likely to be shown next: time, else the last slider. None if there is no slider.
pub fn next_dim(state: &State, dataset: &Dataset) -> Option<usize> {
    let shown = dims(state);
    let slider = |dim: &usize| !shown.contains(dim) && dataset.size(*dim) > 1;
    let time = |dim: &usize| dataset.image.axes[dataset.dims[*dim]].kind == AxisKind::Time;
    let sliders = || (0..dataset.ndim()).filter(slider);
    sliders().find(time).or_else(|| sliders().next_back())
}

/// Whether the samples of each level, of all visible layers together, fit (PROTOCOL §16.3).
pub fn levels_that_fit(state: &State, dataset: &Dataset, budgets: &Budgets) -> Vec<bool> {
    let visible = state.layers.iter().filter(|l| l.controls.visible).count().max(1) as u64;
    let sample = dataset.sample_bytes();
    let shown = |level: usize| {
        let shape = dataset.level_shape(level);
        dims(state).iter().map(|&dim| shape[dim]).collect::<Vec<u64>>()
    };
    (0..dataset.level_count()).map(|level| budgets.volume_fits(&shown(level), visible, sample)).collect()
}

/// World length of a voxel's edges along x, y and z, per level; 0 along an axis that data of fewer dims do not have.
pub fn voxels(state: &State, dataset: &Dataset) -> Vec<[f64; 3]> {
    let edges = |level: usize| {
        let scale = dataset.level_scale(level);
        let mut edges = [0.0; 3];
        for (edge, &dim) in edges.iter_mut().zip(dims(state).iter().rev()) {
            *edge = scale[dim].abs();
        }
        edges
    };
    (0..dataset.level_count()).map(edges).collect()
}

fn volume_layer(
    layer: &LayerState,
    volume: LevelVolume,
    dataset: &Dataset,
    shown: [usize; 3],
    ray_step: u32,
) -> Option<VolumeLayer> {
    let c = &layer.controls;
    let LevelVolume { key, shape } = volume;
    let image = dataset.layer_image(&layer.spec);
    let [z, y, x] = shown.map(|dim| image.sample_axis(usize::from(key.level), dim));
    let asked = c.sample_step as f32;
    Some(VolumeLayer {
        axes: [z?, y?, x?],
        key,
        interpolation: c.interpolation,
        coloring: coloring(layer),
        // The middle slice along z: no control says where a plane lies.
        slab: (c.depiction == Depiction::Plane).then(|| Slab {
            position: shape.map(|n| (f64::from(n) - 1.0) / 2.0),
            normal: [1.0, 0.0, 0.0],
            thickness: 1.0,
        }),
        opacity: c.opacity as f32,
        blending: c.blending,
        rendering: c.rendering,
        attenuation: c.attenuation as f32,
        iso_threshold: c.iso_threshold as f32,
        sample_step: (asked * ray_step as f32).min(asked.max(LONGEST_STEP)),
    })
}
