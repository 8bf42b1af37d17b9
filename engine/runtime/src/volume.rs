//! The 3D planner: what a volume pass is made of, and which levels a budget allows. Pure.

use crate::viewport::coloring;
use nc_core::data::Budgets;
use nc_core::data::turntable::{self, VolumePose};
use nc_core::ledger::{LayerState, State};
use nc_core::scene::Dataset;
use nc_gpu::api::{VolumeLayer, VolumePass, VolumeView};

/// The dims that 3D shows, in the order z, y, x, whatever the mode is: the last three, or all where there are fewer.
pub fn dims(state: &State) -> &[usize] {
    let order = state.dims.order.get();
    &order[order.len().saturating_sub(3)..]
}

/// The picture of `dataset` from `pose` with its samples of `level`. `None` for data of fewer than three dims, which have none.
pub fn pass(state: &State, dataset: &Dataset, pose: &VolumePose, level: usize) -> Option<VolumePass> {
    let &[z, y, x] = dims(state) else { return None };
    let shown = [z, y, x];
    let visible = state.layers.iter().filter(|layer| layer.controls.visible);
    let layers = visible.filter_map(|layer| volume_layer(state, dataset, layer, shown, level)).collect();
    let turntable::Frame { eye, right, up, forward } = turntable::frame(pose);
    let extent = pose.extent(state.canvas);
    let view = VolumeView { eye, right, up, forward, distance: pose.distance, fov: pose.fov, extent };
    Some(VolumePass { canvas: state.canvas, divisor: 1, outline: true, view, bounds: dataset.world_box(&shown), layers })
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

/// The layer at its level for the image's `level`; `None` if it shows a label image that has no volume here.
fn volume_layer(state: &State, dataset: &Dataset, layer: &LayerState, shown: [usize; 3], level: usize) -> Option<VolumeLayer> {
    let image = dataset.layer_image(&layer.spec);
    let level = image.level_for(level, &shown);
    let key = image.volume(level, shown, state.dims.step.get())?;
    let [z, y, x] = shown.map(|dim| image.sample_axis(level, dim));
    let c = &layer.controls;
    Some(VolumeLayer {
        axes: [z?, y?, x?],
        key,
        interpolation: c.interpolation,
        coloring: coloring(layer),
        slab: None,
        opacity: c.opacity as f32,
        blending: c.blending,
        rendering: c.rendering,
        attenuation: c.attenuation as f32,
        iso_threshold: c.iso_threshold as f32,
        sample_step: c.sample_step as f32,
    })
}
