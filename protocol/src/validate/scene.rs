//! What scene and dims must keep.

use super::camera::PoseParts;
use super::layers::{controls, limits, metadata};
use super::{Dialect, Violation, camera, ensure, layers};
use crate::notify::{Dims, DimsMode, LayerData};
use crate::scene::{LayerBlock, Level, Scene, SceneMetadata, SceneStatus, ViewerCamera, VolumeState};

/// A whole scene.
pub(super) fn check(scene: &Scene, dialect: Dialect) -> Result<(), Violation> {
    let settings = &scene.viewer.settings;
    ensure(settings.fps_target > 0.0, "viewer.settings.fps_target", "must be positive")?;
    ensure(settings.canvas_size.iter().all(|&edge| edge > 0), "viewer.settings.canvas_size", "must be positive")?;
    let dims = &scene.viewer.dims;
    axes(
        dims.ndim,
        dims.ndisplay,
        &Axes {
            labels: Some(&dims.axis_labels),
            order: Some(&dims.order),
            displayed: Some(&dims.displayed),
            step: &dims.current_step,
            level: dims.current_level,
            level_shapes: &dims.level_shapes,
        },
    )?;
    ensure(settings.volume_enabled == (dims.ndisplay == 3), "viewer.settings.volume_enabled", "must follow ndisplay")?;
    let camera = &scene.viewer.camera;
    ensure(camera.ndisplay == dims.ndisplay, "viewer.camera.ndisplay", "must equal the dims' ndisplay")?;
    let ViewerCamera { ndisplay, center, zoom, rect, angles, distance, fov } = camera;
    let pose = PoseParts { center: center.as_deref(), zoom: *zoom, rect: *rect, angles: *angles, distance: *distance, fov: *fov };
    camera::pose(*ndisplay == 3, &pose, "viewer.camera")?;
    for (n, layer) in scene.layers.iter().enumerate() {
        self::layer(layer, dims.ndisplay, dialect)?;
        let same_id = |other: &LayerBlock| other.layer_id == layer.layer_id;
        ensure(!scene.layers.iter().take(n).any(same_id), "layers", "layer ids must be unique")?;
    }
    if let Some(SceneMetadata { status, volume_state, .. }) = &scene.metadata {
        ensure((*status == SceneStatus::Idle) == scene.layers.is_empty(), "metadata.status", "is idle without layers")?;
        volume_state.as_ref().map_or(Ok(()), volume)?;
    }
    if let Some(policies) = &scene.policies {
        levels(&policies.multiscale.levels, dims.ndim, true, "policies.multiscale.levels")?;
        ensure(policies.multiscale.active_level < dims.level_shapes.len(), "policies.multiscale.active_level", "no such level")?;
    }
    Ok(())
}

fn volume(state: &VolumeState) -> Result<(), Violation> {
    let VolumeState { mode, colormap, clim, opacity, sample_step } = state;
    let data = LayerData {
        render_mode: Some(mode.clone()),
        colormap: Some(colormap.clone()),
        contrast_limits: Some(*clim),
        opacity: Some(*opacity),
        sample_step: Some(*sample_step),
        ..LayerData::default()
    };
    layers::data(&data, "metadata.volume_state")
}

fn layer(layer: &LayerBlock, ndisplay: u8, dialect: Dialect) -> Result<(), Violation> {
    let at = |key: &str| format!("layers.{}.{key}", layer.layer_id);
    ensure(layer.shape.len() == layer.ndim, &at("shape"), "must have ndim entries")?;
    ensure(layer.axis_labels.len() == layer.ndim, &at("axis_labels"), "must have ndim entries")?;
    ensure(layer.scale.as_ref().is_none_or(|s| s.len() == layer.ndim), &at("scale"), "must have ndim entries")?;
    ensure(layer.translate.as_ref().is_none_or(|t| t.len() == layer.ndim), &at("translate"), "must have ndim entries")?;
    ensure(!layer.layer_id.is_empty(), "layer_id", "must not be empty")?;
    ensure(layer.volume == (ndisplay == 3), &at("volume"), "must follow ndisplay")?;
    limits(layer.contrast_limits, &at("contrast_limits"))?;
    controls(&layer.controls, &at("controls"))?;
    metadata(&layer.metadata, dialect, &at("metadata"))?;
    if let Some(shapes) = &layer.level_shapes {
        ensure(shapes.iter().all(|shape| shape.len() == layer.ndim), &at("level_shapes"), "must have ndim entries each")?;
    }
    if let Some(multiscale) = &layer.multiscale {
        levels(&multiscale.levels, layer.ndim, false, &at("multiscale.levels"))?;
        let current = multiscale.levels.get(multiscale.current_level);
        ensure(
            current.is_some_and(|level| level.shape == layer.shape),
            &at("multiscale.current_level"),
            "must have the layer's shape",
        )?;
    }
    Ok(())
}

/// Dims state.
pub(super) fn dims(dims: &Dims) -> Result<(), Violation> {
    ensure(dims.current_step.as_ref().is_none_or(|step| *step == dims.step), "current_step", "must equal step")?;
    ensure((dims.mode == DimsMode::Volume) == (dims.ndisplay == 3), "mode", "must follow ndisplay")?;
    levels(&dims.levels, dims.step.len(), true, "levels")?;
    let shapes = dims.levels.iter().map(|level| &level.shape);
    ensure(shapes.eq(dims.level_shapes.iter()), "level_shapes", "must agree with levels")?;
    axes(
        dims.step.len(),
        dims.ndisplay,
        &Axes {
            labels: dims.axis_labels.as_deref(),
            order: dims.order.as_deref(),
            displayed: dims.displayed.as_deref(),
            step: &dims.step,
            level: dims.current_level,
            level_shapes: &dims.level_shapes,
        },
    )
}

/// What scene and dims say alike.
struct Axes<'a> {
    labels: Option<&'a [String]>,
    order: Option<&'a [usize]>,
    displayed: Option<&'a [usize]>,
    step: &'a [u64],
    level: usize,
    level_shapes: &'a [Vec<u64>],
}

fn axes(ndim: usize, ndisplay: u8, axes: &Axes<'_>) -> Result<(), Violation> {
    ensure(matches!(ndisplay, 2 | 3), "ndisplay", "must be 2 or 3")?;
    ensure(axes.labels.is_none_or(|labels| labels.len() == ndim), "axis_labels", "must have ndim entries")?;
    ensure(axes.level_shapes.iter().all(|shape| shape.len() == ndim), "level_shapes", "must have ndim entries each")?;
    let Some(shape) = axes.level_shapes.get(axes.level) else {
        return Err(Violation::new("current_level", "must be an index of level_shapes"));
    };
    let inside = axes.step.len() == ndim && axes.step.iter().zip(shape).all(|(step, size)| step < size);
    ensure(inside, "current_step", "must lie inside the current level")?;
    let Some(order) = axes.order else { return Ok(()) };
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    ensure(sorted.into_iter().eq(0..ndim), "order", "must be a permutation of the axes")?;
    let tail = order.get(ndim.saturating_sub(usize::from(ndisplay))..).unwrap_or_default();
    ensure(axes.displayed.is_none_or(|displayed| displayed == tail), "displayed", "must be the tail of order")
}

/// A pyramid, with or without index.
pub(super) fn levels(levels: &[Level], ndim: usize, indexed: bool, at: &str) -> Result<(), Violation> {
    for (n, level) in levels.iter().enumerate() {
        ensure(level.index == indexed.then_some(n), at, "index must be the position where it is given, and only there")?;
        ensure(level.shape.len() == ndim && level.downsample.len() == ndim, at, "shape and downsample must have ndim entries")?;
        ensure(level.shape.iter().all(|&size| size > 0), at, "sizes must be positive")?;
    }
    ensure(!levels.is_empty(), at, "must not be empty")
}
