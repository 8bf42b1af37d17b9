//! What layers, their controls and their thumbnails must keep.

use super::{BLENDINGS, Dialect, INTERPOLATIONS, RENDERINGS, Violation, ensure, scene};
use crate::notify::{LayerData, Layers, Thumbnail};
use crate::scene::{Controls, LayerMetadata, Pixels};

/// A change of one layer.
pub(super) fn check(change: &Layers, dialect: Dialect) -> Result<(), Violation> {
    let Layers { layer_id, controls, metadata, data, thumbnail, removed } = change;
    ensure(!layer_id.is_empty(), "layer_id", "must not be empty")?;
    let any = controls.is_some() || metadata.is_some() || data.is_some() || thumbnail.is_some() || removed.is_some();
    ensure(any, "payload", "at least one section is required")?;
    ensure(*removed != Some(false), "removed", "must be true")?;
    ensure(
        removed.is_none() || *change == Layers { layer_id: layer_id.clone(), removed: *removed, ..Layers::default() },
        "removed",
        "stands alone",
    )?;
    if let Some(metadata) = metadata {
        self::metadata(metadata, dialect, "metadata")?;
    }
    if let Some(data) = data {
        ensure(*data != LayerData::default(), "data", "must not be empty")?;
        self::data(data, "data")?;
    }
    if let Some(controls) = controls {
        self::controls(controls, "controls")?;
        ensure(*controls != Controls::default(), "controls", "must not be empty")?;
    }
    ensure(thumbnail.is_none() || !dialect.compact, "thumbnail", "was asked to be left out")?;
    if let Some(Thumbnail { array, shape, dtype, generated_at }) = thumbnail {
        ensure(generated_at.is_finite() && *generated_at >= 0.0, "thumbnail.generated_at", "must be seconds since the epoch")?;
        self::thumbnail(array, "thumbnail.array")?;
        let (rows, columns) = (array.len(), array.first().map_or(0, Vec::len));
        let components = array.first().and_then(|row| row.first()).map_or(0, Vec::len);
        ensure(*shape == [rows, columns, components], "thumbnail.shape", "must be the array's")?;
        ensure(dtype == "float32", "thumbnail.dtype", "must be float32")?;
    }
    Ok(())
}

/// Metadata of a layer: a colour picture in the full dialect, none in the compact one.
pub(super) fn metadata(metadata: &LayerMetadata, dialect: Dialect, at: &str) -> Result<(), Violation> {
    let at = format!("{at}.thumbnail");
    match &metadata.thumbnail {
        Some(_) if dialect.compact => Err(Violation::new(at, "was asked to be left out")),
        None if !dialect.compact => Err(Violation::new(at, "is required")),
        None => Ok(()),
        Some(pixels) => thumbnail(pixels, &at),
    }
}

/// How a volume is drawn.
pub(super) fn data(data: &LayerData, at: &str) -> Result<(), Violation> {
    let LayerData { render_mode, colormap, contrast_limits, opacity, sample_step, level, levels, level_shapes, downgraded: _ } =
        data;
    let at = |key: &str| format!("{at}.{key}");
    ensure(one_of(render_mode.as_deref(), &RENDERINGS), &at("volume.render_mode"), "no such rendering")?;
    ensure(colormap.as_ref().is_none_or(|name| !name.is_empty()), &at("volume.colormap"), "must not be empty")?;
    ensure(opacity.is_none_or(|o| (0.0..=1.0).contains(&o)), &at("volume.opacity"), "must be in 0..1")?;
    ensure(sample_step.is_none_or(|s| (0.1..=4.0).contains(&s)), &at("volume.sample_step"), "must be in 0.1..4")?;
    contrast_limits.map_or(Ok(()), |pair| limits(pair, &at("volume.contrast_limits")))?;
    if let Some(levels) = levels {
        let ndim = levels.first().map_or(0, |level| level.shape.len());
        scene::levels(levels, ndim, true, &at("multiscale.levels"))?;
    }
    let count = levels.as_ref().map(Vec::len).or(level_shapes.as_ref().map(Vec::len));
    let exists = level.zip(count).is_none_or(|(level, count)| level < count);
    ensure(exists, &at("multiscale.level"), "no such level")
}

fn one_of(value: Option<&str>, legal: &[&str]) -> bool {
    value.is_none_or(|value| legal.contains(&value))
}

/// Layer controls.
pub(super) fn controls(controls: &Controls, at: &str) -> Result<(), Violation> {
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
    ensure(opacity.is_none_or(|o| (0.0..=1.0).contains(&o)), &at("opacity"), "must be in 0..1")?;
    ensure(gamma.is_none_or(|g| g > 0.0 && g.is_finite()), &at("gamma"), "must be positive")?;
    ensure(one_of(blending.as_deref(), &BLENDINGS), &at("blending"), "no such blending")?;
    ensure(one_of(interpolation.as_deref(), &INTERPOLATIONS), &at("interpolation"), "no such interpolation")?;
    ensure(one_of(rendering.as_deref(), &RENDERINGS), &at("rendering"), "no such rendering")?;
    ensure(colormap.as_ref().is_none_or(|name| !name.is_empty()), &at("colormap"), "must not be empty")?;
    ensure(iso_threshold.is_none_or(f64::is_finite), &at("iso_threshold"), "must be finite")?;
    ensure(attenuation.is_none_or(|a| a >= 0.0 && a.is_finite()), &at("attenuation"), "must not be negative")?;
    contrast_limits.map_or(Ok(()), |pair| limits(pair, &at("contrast_limits")))
}

/// Contrast limits.
pub(super) fn limits([low, high]: [f64; 2], at: &str) -> Result<(), Violation> {
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
