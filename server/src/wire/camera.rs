//! Camera echoes and poses (PROTOCOL §5.3).

use nc_engine::api::scene::{AppliedView, PlanePose, VolumePose};
use nc_protocol::notify::{Camera, CameraMode, Pose};
use serde_json::{Map, Value};

/// The pose that is drawn.
pub(crate) fn pose(view: &AppliedView) -> Camera {
    Camera { mode: CameraMode::Pose, origin: Camera::POSE.to_owned(), delta: None, state: Some(state(view)) }
}

/// The numbers of the pose that is drawn: those of the mode that is shown, and no others.
pub(super) fn state(view: &AppliedView) -> Pose {
    match view.volume.filter(|_| view.ndisplay == 3) {
        Some(VolumePose { center, angles, distance, fov }) => Pose {
            center: Some(center.to_vec()),
            angles: Some(angles),
            distance: Some(distance),
            fov: Some(fov),
            ..Pose::default()
        },
        None => {
            let PlanePose { rect, zoom } = view.plane;
            let (x, y) = rect.center();
            Pose { center: Some(vec![x, y]), zoom: Some(zoom), rect: Some(rect.to_array()), ..Pose::default() }
        }
    }
}

/// An accepted camera command. `None` for a mode that the wire does not know.
pub(crate) fn echo(mode: &str, delta: Map<String, Value>) -> Option<Camera> {
    let mode = match mode {
        "zoom" => CameraMode::Zoom,
        "pan" => CameraMode::Pan,
        "orbit" => CameraMode::Orbit,
        "reset" => CameraMode::Reset,
        "set" => CameraMode::Set,
        _ => return None,
    };
    Some(Camera { mode, origin: Camera::ECHO.to_owned(), delta: Some(delta), state: None })
}
