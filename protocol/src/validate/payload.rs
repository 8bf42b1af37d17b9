//! Ranges and agreements inside a payload that types alone do not express.

use super::{BLENDINGS, INTERPOLATIONS, RENDERINGS, Violation, ensure};
use crate::frame::{Body, ServerFrame};
use crate::handshake::Welcome;
use crate::notify::{Camera, CameraMode, Dims, DimsMode, Layers, Stream, Thumbnail};
use crate::scene::{Controls, LayerBlock, Level, Pixels, Scene};
use crate::update::{AckStatus, StateAck};
use crate::{BOUND_PIXEL, VERSION};
use base64::Engine as _;

pub(super) fn check(frame: &ServerFrame) -> Result<(), Violation> {
    match &frame.body {
        Body::Welcome(welcome) => self::welcome(welcome, frame.session.as_deref()),
        Body::Scene(scene) => self::scene(scene),
        Body::Dims(dims) => self::dims(dims),
        Body::Camera(camera) => self::camera(camera),
        Body::Layers(change) => layers(change),
        Body::Stream(stream) => self::stream(stream),
        Body::UpdateAck(ack) => self::ack(ack),
        Body::Reject(_)
        | Body::Heartbeat(_)
        | Body::Goodbye(_)
        | Body::SceneLevel(_)
        | Body::Telemetry(_)
        | Body::Error(_)
        | Body::Reply(_)
        | Body::CommandError(_)
        | Body::XTelemetry(_)
        | Body::XLevel(_)
        | Body::XRole(_) => Ok(()),
    }
}

fn welcome(welcome: &Welcome, session: Option<&str>) -> Result<(), Violation> {
    ensure(welcome.protocol_version == VERSION, "protocol_version", "must be 2")?;
    ensure(session == Some(&welcome.session.id), "session.id", "must equal the envelope's session")?;
    ensure(welcome.session.heartbeat_s > 0.0, "session.heartbeat_s", "must be positive")?;
    let commands = welcome.features.get("call.command");
    ensure(commands.is_some_and(|toggle| toggle.enabled), "features.call.command", "must be enabled")?;
    for (name, toggle) in &welcome.features {
        ensure(toggle.key.is_none() || name == BOUND_PIXEL, name, "only a bound pixel socket has a key")?;
    }
    Ok(())
}

fn scene(scene: &Scene) -> Result<(), Violation> {
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
    rect(camera.rect, "viewer.camera.rect")?;
    for (n, layer) in scene.layers.iter().enumerate() {
        self::layer(layer)?;
        let same_id = |other: &LayerBlock| other.layer_id == layer.layer_id;
        ensure(!scene.layers.iter().take(n).any(same_id), "layers", "layer ids must be unique")?;
    }
    if let Some(policies) = &scene.policies {
        levels(&policies.multiscale.levels, dims.ndim, true, "policies.multiscale.levels")?;
        ensure(policies.multiscale.active_level < dims.level_shapes.len(), "policies.multiscale.active_level", "no such level")?;
    }
    Ok(())
}

fn layer(layer: &LayerBlock) -> Result<(), Violation> {
    let at = |key: &str| format!("layers.{}.{key}", layer.layer_id);
    ensure(layer.shape.len() == layer.ndim, &at("shape"), "must have ndim entries")?;
    ensure(layer.axis_labels.len() == layer.ndim, &at("axis_labels"), "must have ndim entries")?;
    ensure(layer.scale.as_ref().is_none_or(|s| s.len() == layer.ndim), &at("scale"), "must have ndim entries")?;
    ensure(layer.translate.as_ref().is_none_or(|t| t.len() == layer.ndim), &at("translate"), "must have ndim entries")?;
    limits(layer.contrast_limits, &at("contrast_limits"))?;
    controls(&layer.controls, &at("controls"))?;
    let Some(pixels) = &layer.metadata.thumbnail else {
        return Err(Violation::new(at("metadata.thumbnail"), "is required"));
    };
    thumbnail(pixels, &at("metadata.thumbnail"))?;
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

fn dims(dims: &Dims) -> Result<(), Violation> {
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

fn levels(levels: &[Level], ndim: usize, indexed: bool, at: &str) -> Result<(), Violation> {
    for (n, level) in levels.iter().enumerate() {
        ensure(level.index == indexed.then_some(n), at, "index must be the position where it is given, and only there")?;
        ensure(level.shape.len() == ndim && level.downsample.len() == ndim, at, "shape and downsample must have ndim entries")?;
        ensure(level.shape.iter().all(|&size| size > 0), at, "sizes must be positive")?;
    }
    ensure(!levels.is_empty(), at, "must not be empty")
}

fn camera(camera: &Camera) -> Result<(), Violation> {
    ensure(camera.delta.is_some() || camera.state.is_some(), "payload", "delta or state is required")?;
    let pose = camera.mode == CameraMode::Pose;
    ensure(camera.origin == if pose { Camera::POSE } else { Camera::ECHO }, "origin", "must follow mode")?;
    ensure(camera.state.is_some() == pose, "state", "belongs to mode pose")?;
    let Some(state) = &camera.state else { return Ok(()) };
    rect(state.rect, "state.rect")?;
    ensure(state.zoom.is_none_or(|zoom| zoom > 0.0), "state.zoom", "must be positive")?;
    let (plane, volume) = (state.rect.is_some(), state.angles.is_some());
    ensure(plane != volume, "state", "is either a plane's or a volume's")?;
    let components = if plane { 2 } else { 3 };
    ensure(
        state.center.as_ref().is_some_and(|center| center.len() == components),
        "state.center",
        "has 2 components in 2D, 3 in 3D",
    )
}

fn rect(rect: Option<[f64; 4]>, at: &str) -> Result<(), Violation> {
    ensure(rect.is_none_or(|[_, _, width, height]| width > 0.0 && height > 0.0), at, "width and height must be positive")
}

fn layers(change: &Layers) -> Result<(), Violation> {
    let Layers { layer_id, controls, metadata, data, thumbnail, removed } = change;
    ensure(!layer_id.is_empty(), "layer_id", "must not be empty")?;
    let any = controls.is_some() || metadata.is_some() || data.is_some() || thumbnail.is_some() || removed.is_some();
    ensure(any, "payload", "at least one section is required")?;
    ensure(*removed != Some(false), "removed", "must be true")?;
    if let Some(controls) = controls {
        self::controls(controls, "controls")?;
        ensure(*controls != Controls::default(), "controls", "must not be empty")?;
    }
    if let Some(Thumbnail { array, shape, dtype, .. }) = thumbnail {
        self::thumbnail(array, "thumbnail.array")?;
        let (rows, columns) = (array.len(), array.first().map_or(0, Vec::len));
        let components = array.first().and_then(|row| row.first()).map_or(0, Vec::len);
        ensure(*shape == [rows, columns, components], "thumbnail.shape", "must be the array's")?;
        ensure(dtype == "float32", "thumbnail.dtype", "must be float32")?;
    }
    Ok(())
}

fn controls(controls: &Controls, at: &str) -> Result<(), Violation> {
    let Controls {
        visible: _,
        opacity,
        blending,
        interpolation,
        colormap,
        rendering,
        gamma,
        contrast_limits,
        iso_threshold,
        attenuation,
    } = controls;
    let at = |key: &str| format!("{at}.{key}");
    let one_of = |value: &Option<String>, legal: &[&str]| value.as_deref().is_none_or(|value| legal.contains(&value));
    ensure(opacity.is_none_or(|o| (0.0..=1.0).contains(&o)), &at("opacity"), "must be in 0..1")?;
    ensure(gamma.is_none_or(|g| g > 0.0 && g.is_finite()), &at("gamma"), "must be positive")?;
    ensure(one_of(blending, &BLENDINGS), &at("blending"), "no such blending")?;
    ensure(one_of(interpolation, &INTERPOLATIONS), &at("interpolation"), "no such interpolation")?;
    ensure(one_of(rendering, &RENDERINGS), &at("rendering"), "no such rendering")?;
    ensure(colormap.as_ref().is_none_or(|name| !name.is_empty()), &at("colormap"), "must not be empty")?;
    ensure(iso_threshold.is_none_or(f64::is_finite), &at("iso_threshold"), "must be finite")?;
    ensure(attenuation.is_none_or(|a| a >= 0.0 && a.is_finite()), &at("attenuation"), "must not be negative")?;
    contrast_limits.map_or(Ok(()), |pair| limits(pair, &at("contrast_limits")))
}

fn limits([low, high]: [f64; 2], at: &str) -> Result<(), Violation> {
    ensure(low.is_finite() && high.is_finite() && high > low, at, "high must be greater than low")
}

fn thumbnail(pixels: &Pixels, at: &str) -> Result<(), Violation> {
    let columns = pixels.first().map_or(0, Vec::len);
    let components = pixels.first().and_then(|row| row.first()).map_or(0, Vec::len);
    ensure(columns > 0, at, "must not be empty")?;
    ensure(matches!(components, 3 | 4), at, "must be colour")?;
    let regular = pixels.iter().all(|row| row.len() == columns && row.iter().all(|pixel| pixel.len() == components));
    ensure(regular, at, "must be rectangular")?;
    let unit = pixels.iter().flatten().flatten().all(|value| (0.0..=1.0).contains(value));
    ensure(unit, at, "components must be in 0..1")
}

fn stream(stream: &Stream) -> Result<(), Violation> {
    ensure(matches!(&*stream.codec, "h264" | "hevc" | "av1"), "codec", "no such codec")?;
    ensure(stream.format == "avcc", "format", "must be avcc")?;
    ensure(stream.fps > 0.0, "fps", "must be positive")?;
    ensure(stream.frame_size.iter().all(|&edge| edge > 0), "frame_size", "must be positive")?;
    ensure(stream.nal_length_size == 4, "nal_length_size", "must be 4")?;
    let record = base64::engine::general_purpose::STANDARD
        .decode(&stream.avcc)
        .map_err(|error| Violation::new("avcc", error.to_string()))?;
    ensure(record.len() > 8 && record[0] == 1, "avcc", "must be an AVCDecoderConfigurationRecord")
}

fn ack(ack: &StateAck) -> Result<(), Violation> {
    match ack.status {
        AckStatus::Accepted => {
            ensure(ack.version.is_some(), "version", "is required when accepted")?;
            ensure(ack.error.is_none(), "error", "is forbidden when accepted")
        }
        AckStatus::Rejected => {
            ensure(ack.error.is_some(), "error", "is required when rejected")?;
            ensure(ack.applied_value.is_none(), "applied_value", "is forbidden when rejected")
        }
    }
}
