//! `camera`: motions, whose meaning depends on the mode only where they are applied, and `set`, which the reducer decides by mode.

use super::Address;
use crate::control::coerce;
use crate::control::intent::{CameraSet, Intent, Rejection};
use crate::data::turntable::FARTHEST;
use crate::exchange::CameraMotion;
use serde_json::{Value, json};

/// Shortest and longest side of a rectangle that can be asked for.
const SIDES: (f64, f64) = (1.0 / FARTHEST, FARTHEST);

/// Longest reason of a reset, characters.
const MAX_REASON: usize = 64;
/// Largest motion that can be asked for at once: pixels, degrees, and factors either way. What is larger no camera follows.
const MAX_MOTION: f64 = 1e6;

pub(in crate::control) fn parse(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    if !matches!(at.key, "zoom" | "pan" | "orbit" | "reset" | "set") {
        return Err(at.unsupported());
    }
    if !matches!(at.target, "" | "main") {
        return Err(at.invalid("unsupported camera target"));
    }
    let small = |v: &f64| v.abs() <= MAX_MOTION;
    let field = |name: &str| value.get(name).and_then(coerce::strict_number).filter(small);
    let pair =
        |a: &str, b: &str| field(a).zip(field(b)).ok_or_else(|| at.invalid(format!("{} payload requires {a} and {b}", at.key)));
    let (mode, motion, applied) = match at.key {
        "zoom" => {
            let factor = field("factor").filter(|f| *f >= 1.0 / MAX_MOTION);
            let anchor = value.get("anchor_px").and_then(coerce::numbers::<2>).filter(|at| at.iter().all(small));
            let (factor, [x, y]) = factor.zip(anchor).ok_or_else(|| at.invalid("zoom payload requires factor and anchor_px"))?;
            ("zoom", CameraMotion::Zoom { factor, anchor: (x, y) }, json!({"factor": factor, "anchor_px": [x, y]}))
        }
        "pan" => {
            let (dx, dy) = pair("dx_px", "dy_px")?;
            ("pan", CameraMotion::Pan { dx, dy }, json!({"dx_px": dx, "dy_px": dy}))
        }
        "orbit" => {
            let (azimuth, elevation) = pair("d_az_deg", "d_el_deg")?;
            ("orbit", CameraMotion::Orbit { azimuth, elevation }, json!({"d_az_deg": azimuth, "d_el_deg": elevation}))
        }
        "reset" => {
            let reason = value.get("reason").and_then(Value::as_str).or(value.as_str()).unwrap_or("state.update");
            // Everybody is told it.
            let reason: String = reason.chars().take(MAX_REASON).collect();
            ("reset", CameraMotion::Reset, json!({"reason": reason}))
        }
        _ => return Ok(Intent::CameraSet(set(value))),
    };
    Ok(Intent::Camera { mode, motion, applied })
}

/// What of the value is well-formed: finite, and somewhere.
fn set(value: &Value) -> CameraSet {
    let center = value.get("center").and_then(|c| {
        let flat = coerce::numbers::<2>(c).map(|[x, y]| ([x, y], None));
        flat.or_else(|| coerce::numbers::<3>(c).map(|[x, y, z]| ([x, y], Some(z))))
    });
    let near = |v: f64| v.abs() <= FARTHEST;
    let side = |v: f64| (SIDES.0..=SIDES.1).contains(&v);
    CameraSet {
        center: center.filter(|([x, y], z)| near(*x) && near(*y) && z.is_none_or(near)),
        zoom: value.get("zoom").and_then(coerce::strict_number).filter(|z| *z > 0.0),
        angles: value.get("angles").and_then(coerce::numbers::<3>).filter(|a| a.iter().all(|&v| near(v))),
        rect: value
            .get("rect")
            .and_then(coerce::numbers::<4>)
            .filter(|[x, y, w, h]| near(*x) && near(*y) && side(*w) && side(*h)),
    }
}
