//! Layer controls and thumbnails (PROTOCOL §§5.1, 5.4).

use nc_engine::api::data::{Blending, Interpolation};
use nc_engine::api::scene::{LayerControls, Thumbnail};
use nc_protocol::notify;
use nc_protocol::scene::{Controls, Pixels};

/// All controls of a layer.
pub(crate) fn controls(controls: &LayerControls) -> Controls {
    // Depiction and sample step have no place on the wire's closed list.
    let LayerControls { visible, opacity, blending, interpolation, gamma, colormap, contrast_limits, .. } = controls;
    Controls {
        visible: Some(*visible),
        opacity: Some(*opacity),
        blending: Some(self::blending(*blending).to_owned()),
        interpolation: Some(self::interpolation(*interpolation).to_owned()),
        colormap: Some(colormap.name.clone()),
        gamma: Some(*gamma),
        contrast_limits: Some(contrast_limits.to_owned().into()),
        rendering: Some(controls.rendering.name().to_owned()),
        iso_threshold: Some(controls.iso_threshold),
        attenuation: Some(controls.attenuation),
    }
}

fn blending(blending: Blending) -> &'static str {
    match blending {
        Blending::Opaque => "opaque",
        Blending::Translucent => "translucent",
        Blending::TranslucentNoDepth => "translucent_no_depth",
        Blending::Additive => "additive",
        Blending::Minimum => "minimum",
        Blending::Multiplicative => "multiplicative",
    }
}

fn interpolation(interpolation: Interpolation) -> &'static str {
    match interpolation {
        Interpolation::Nearest => "nearest",
        Interpolation::Linear => "linear",
        Interpolation::Cubic => "cubic",
    }
}

/// A thumbnail as rows of pixels of 4 components in 0..1, rounded to four digits, which tell all 256 values apart.
pub(super) fn pixels(thumbnail: &Thumbnail) -> Pixels {
    let unit = |&byte: &u8| (f32::from(byte) / 255.0 * 1e4).round() / 1e4;
    let row = |row: &[u8]| row.chunks_exact(4).map(|pixel| pixel.iter().map(unit).collect()).collect();
    thumbnail.rgba.chunks_exact(4 * Thumbnail::EDGE).map(row).collect()
}

/// A thumbnail as `notify.layers` carries it; `generated_at` in seconds since the Unix epoch.
pub(crate) fn thumbnail(thumbnail: &Thumbnail, generated_at: f64) -> notify::Thumbnail {
    notify::Thumbnail {
        array: pixels(thumbnail),
        shape: [Thumbnail::EDGE, Thumbnail::EDGE, 4],
        dtype: "float32".to_owned(),
        generated_at,
    }
}
