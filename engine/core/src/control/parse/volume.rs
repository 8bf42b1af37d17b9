//! `volume`: the wire's other name for how the first image layer is drawn in 3D. The target says nothing.

use super::{Address, layer};
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use crate::data::{Rendering, colormap};
use crate::scene::control::Control;
use serde_json::Value;

/// The modes that this scope knows; a layer's `rendering` has more.
const RENDER_MODES: [Rendering; 3] = [Rendering::Mip, Rendering::Translucent, Rendering::Iso];
/// Finest and coarsest step along a ray, relative to a voxel.
const SAMPLE_STEPS: (f64, f64) = (0.1, 4.0);

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let (control, complaint) = match at.key {
        "render_mode" => (render_mode(value), "unknown render_mode"),
        "contrast_limits" => (contrast_limits(value), "contrast_limits must be two different numbers"),
        "colormap" => (named(value), "unknown colormap"),
        "opacity" => (layer::opacity(value), "opacity must be a number"),
        "sample_step" => (sample_step(value), "sample_step must be a number"),
        _ => return Err(at.unsupported()),
    };
    control.map(Intent::Volume).ok_or_else(|| at.invalid(complaint))
}

fn render_mode(value: &Value) -> Option<Control> {
    let word = coerce::word(value)?;
    RENDER_MODES.into_iter().find(|mode| mode.name() == word).map(Control::Rendering)
}

/// A list of two numbers or more; the first two count.
fn contrast_limits(value: &Value) -> Option<Control> {
    match value.as_array()?.as_slice() {
        [a, b, ..] => layer::limits(a, b),
        _ => None,
    }
}

fn named(value: &Value) -> Option<Control> {
    colormap::named(value.as_str()?.trim()).map(Control::Colormap)
}

fn sample_step(value: &Value) -> Option<Control> {
    coerce::number(value).map(|step| Control::SampleStep(step.clamp(SAMPLE_STEPS.0, SAMPLE_STEPS.1)))
}
