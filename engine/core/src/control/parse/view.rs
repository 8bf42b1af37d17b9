//! `view`: the mode, the size of the canvas, the turntable.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{Intent, Rejection};
use serde_json::Value;

/// Most degrees a second either way.
const FASTEST_TURN: f64 = 360.0;

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    match at.key {
        "ndisplay" => ndisplay(at, value),
        "canvas_size" => canvas_size(at, value),
        "turning" => turning(at, value),
        _ => Err(at.unsupported()),
    }
}

fn ndisplay(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let asked = if value.is_null() { Some(2) } else { coerce::lenient_integer(value) };
    let asked = asked.ok_or_else(|| at.invalid("ndisplay must be integer"))?;
    Ok(Intent::Ndisplay(if asked >= 3 { 3 } else { 2 }))
}

fn canvas_size(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let pixels = |side: &Value| coerce::number(side).map(|pixels| pixels as i64);
    let sides = value.as_array().filter(|sides| sides.len() == 2).map(|sides| (pixels(&sides[0]), pixels(&sides[1])));
    let Some((Some(width), Some(height))) = sides else {
        return Err(at.invalid("canvas_size must be [width, height]"));
    };
    Ok(Intent::CanvasSize { width, height })
}

fn turning(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let speed = coerce::number(value).ok_or_else(|| at.invalid("turning must be degrees a second"))?;
    Ok(Intent::Turning(speed.clamp(-FASTEST_TURN, FASTEST_TURN)))
}
