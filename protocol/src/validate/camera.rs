//! What camera echoes and poses must keep.

use super::payload::named_alone;
use super::{Violation, ensure};
use crate::frame::ServerFrame;
use crate::notify::{Camera, CameraMode, Pose};
use serde_json::{Map, Value};

/// A camera frame.
pub(super) fn check(camera: &Camera, frame: &ServerFrame) -> Result<(), Violation> {
    match (camera.mode, &camera.delta, &camera.state) {
        (CameraMode::Pose, None, Some(state)) => {
            ensure(camera.origin == Camera::POSE, "origin", "must follow mode")?;
            named_alone(frame)?;
            let Pose { center, zoom, rect, angles, distance, fov } = state;
            let parts = PoseParts {
                center: center.as_deref(),
                zoom: *zoom,
                rect: *rect,
                angles: *angles,
                distance: *distance,
                fov: *fov,
            };
            pose(angles.is_some(), &parts, "state")
        }
        (CameraMode::Pose, ..) => Err(Violation::new("payload", "a pose has state and no delta")),
        (mode, Some(delta), None) => {
            ensure(camera.origin == Camera::ECHO, "origin", "must follow mode")?;
            if frame.intent_id.is_none() {
                named_alone(frame)?;
            }
            ensure(echo(mode, delta), "delta", "must be what the command says, no more")
        }
        _ => Err(Violation::new("payload", "an echo has delta and no state")),
    }
}

/// A pose's numbers, from wherever they stand.
pub(super) struct PoseParts<'a> {
    pub(super) center: Option<&'a [f64]>,
    pub(super) zoom: Option<f64>,
    pub(super) rect: Option<[f64; 4]>,
    pub(super) angles: Option<[f64; 3]>,
    pub(super) distance: Option<f64>,
    pub(super) fov: Option<f64>,
}

/// The keys of the mode, all of them and no others.
pub(super) fn pose(volume: bool, pose: &PoseParts<'_>, at: &str) -> Result<(), Violation> {
    let at = |key: &str| format!("{at}.{key}");
    let plane = pose.rect.is_some() && pose.zoom.is_some();
    let solid = pose.angles.is_some() && pose.distance.is_some() && pose.fov.is_some();
    let either = pose.rect.is_some() || pose.zoom.is_some();
    let other = pose.angles.is_some() || pose.distance.is_some() || pose.fov.is_some();
    let fits = if volume { solid && !either } else { plane && !other };
    ensure(fits, &at("rect"), "zoom and rect belong to a plane, angles, distance and fov to a volume")?;
    let components = if volume { 3 } else { 2 };
    let center = pose.center.unwrap_or_default();
    ensure(center.len() == components, &at("center"), "has 2 components in 2D, 3 in 3D")?;
    ensure(center.iter().all(|value| value.is_finite()), &at("center"), "must be finite")?;
    ensure(pose.zoom.is_none_or(|zoom| zoom > 0.0), &at("zoom"), "must be positive")?;
    let sides = pose
        .rect
        .is_none_or(|[left, bottom, width, height]| left.is_finite() && bottom.is_finite() && width > 0.0 && height > 0.0);
    ensure(sides, &at("rect"), "width and height must be positive")?;
    let turned = pose
        .angles
        .is_none_or(|[azimuth, elevation, roll]| azimuth.is_finite() && roll.is_finite() && (-90.0..=90.0).contains(&elevation));
    ensure(turned, &at("angles"), "elevation must be in -90..90")?;
    ensure(pose.distance.is_none_or(|distance| distance > 0.0), &at("distance"), "must be positive")?;
    ensure(pose.fov.is_none_or(|fov| (0.0..180.0).contains(&fov)), &at("fov"), "must be in 0..180")
}

/// Whether the delta is that of the command.
fn echo(mode: CameraMode, delta: &Map<String, Value>) -> bool {
    let number = |key: &str| delta.get(key).is_some_and(Value::is_number);
    let numbers = |value: &Value, sizes: &[usize]| {
        value.as_array().is_some_and(|items| sizes.contains(&items.len()) && items.iter().all(Value::is_number))
    };
    match mode {
        CameraMode::Zoom => {
            delta.len() == 2
                && delta.get("factor").and_then(Value::as_f64).is_some_and(|factor| factor > 0.0)
                && delta.get("anchor_px").is_some_and(|anchor| numbers(anchor, &[2]))
        }
        CameraMode::Pan => delta.len() == 2 && number("dx_px") && number("dy_px"),
        CameraMode::Orbit => delta.len() == 2 && number("d_az_deg") && number("d_el_deg"),
        CameraMode::Reset => delta.len() == 1 && delta.get("reason").is_some_and(Value::is_string),
        CameraMode::Set => {
            !delta.is_empty()
                && delta.iter().all(|(key, value)| match key.as_str() {
                    "center" => numbers(value, &[2, 3]),
                    "angles" => numbers(value, &[3]),
                    "rect" => numbers(value, &[4]),
                    "zoom" => value.is_number(),
                    _ => false,
                })
        }
        CameraMode::Pose => false,
    }
}
