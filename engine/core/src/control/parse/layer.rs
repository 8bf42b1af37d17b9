//! `layer`: the controls of one layer.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use crate::data::{Blending, Interpolation, Rendering, colormap, labels};
use crate::scene::Depiction;
use crate::scene::control::{Control, ControlKey};
use serde_json::Value;

/// Smallest and largest gamma that is drawn.
const GAMMA: (f64, f64) = (1e-3, 1e3);
/// Devices draw with `f32`, with room to calculate: numbers beyond this come down to it.
const MOST: f64 = f32::MAX as f64 / 4.0;

/// The filters that napari knows (PROTOCOL §5.1). The first three are drawn as they are, the others as cubic.
const INTERPOLATIONS: [&str; 16] = [
    "nearest", "linear", "cubic", "bessel", "blackman", "catrom", "custom", "gaussian", "hamming", "hanning", "hermite",
    "kaiser", "lanczos", "mitchell", "spline16", "spline36",
];

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let key = ControlKey::ALL.into_iter().find(|key| key.name() == at.key && *key != ControlKey::SampleStep);
    let key = key.ok_or_else(|| at.unsupported())?;
    let control = control(key, value).ok_or_else(|| at.error("layer update failed"))?;
    let target = if at.target.is_empty() { "layer-0" } else { at.target };
    Ok(Intent::Layer { target: target.to_owned(), control })
}

fn control(key: ControlKey, value: &Value) -> Option<Control> {
    Some(match key {
        ControlKey::Visible => Control::Visible(coerce::boolean(value)?),
        ControlKey::Opacity => opacity(value)?,
        ControlKey::Gamma => Control::Gamma(coerce::number(value).filter(|g| *g > 0.0)?.clamp(GAMMA.0, GAMMA.1)),
        ControlKey::Blending => Control::Blending(blending(&coerce::word(value)?)?),
        ControlKey::Interpolation => Control::Interpolation(interpolation(&coerce::word(value)?)?),
        ControlKey::Colormap => Control::Colormap(colormap::named(colormap_name(value)?)?),
        ControlKey::ContrastLimits => contrast_limits(value)?,
        ControlKey::Rendering => {
            let word = coerce::word(value)?;
            Control::Rendering(Rendering::ALL.into_iter().find(|mode| mode.name() == word)?)
        }
        ControlKey::Depiction => {
            let word = coerce::word(value)?;
            Control::Depiction([Depiction::Volume, Depiction::Plane].into_iter().find(|what| what.name() == word)?)
        }
        ControlKey::Attenuation => Control::Attenuation(coerce::number(value)?.clamp(0.0, MOST)),
        ControlKey::IsoThreshold => Control::IsoThreshold(coerce::number(value)?.clamp(-MOST, MOST)),
        ControlKey::SampleStep => return None,
        ControlKey::Contour => Control::Contour(coerce::integer(value)?.clamp(0, i64::from(labels::MOST_CONTOUR)) as u32),
    })
}

pub(super) fn opacity(value: &Value) -> Option<Control> {
    coerce::number(value).map(|o| Control::Opacity(o.clamp(0.0, 1.0)))
}

fn blending(word: &str) -> Option<Blending> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

fn interpolation(word: &str) -> Option<Interpolation> {
    match INTERPOLATIONS.iter().position(|known| *known == word)? {
        0 => Some(Interpolation::Nearest),
        1 => Some(Interpolation::Linear),
        _ => Some(Interpolation::Cubic),
    }
}

pub(super) fn colormap_name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("name")?.as_str()).map(str::trim)
}

/// `[lo, hi]` or `{lo, hi}`.
fn contrast_limits(value: &Value) -> Option<Control> {
    match value {
        Value::Array(items) if items.len() == 2 => limits(&items[0], &items[1]),
        Value::Object(map) => limits(map.get("lo")?, map.get("hi")?),
        _ => None,
    }
}

/// Two limits, swapped into order; equal limits are no limits.
pub(super) fn limits(a: &Value, b: &Value) -> Option<Control> {
    let (a, b) = (coerce::number(a)?, coerce::number(b)?);
    let (lo, hi) = drawable_limits(a.min(b), a.max(b));
    (a != b).then_some(Control::ContrastLimits(lo, hi))
}

/// The nearest limits that are finite as `f32` and still apart there.
fn drawable_limits(lo: f64, hi: f64) -> (f64, f64) {
    let (lo, hi) = (lo.clamp(-MOST, MOST), hi.clamp(-MOST, MOST));
    let apart = (hi as f32) > (lo as f32) && ((hi as f32) - (lo as f32)).is_normal();
    if apart { (lo, hi) } else { (lo, lo + (lo.abs() * f64::from(f32::EPSILON)).max(f64::from(f32::MIN_POSITIVE)) * 2.0) }
}
