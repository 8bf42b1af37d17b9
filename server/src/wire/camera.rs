//! Camera echoes and poses (PROTOCOL §5.3).

use nc_engine::api::scene::AppliedView;
use nc_protocol::notify::{Camera, CameraMode, Pose};
use serde_json::{Map, Value};

/// The pose that is drawn.
pub(crate) fn pose(view: &AppliedView) -> Camera {
    let (x, y) = view.plane.rect.center();
    let state =
        Pose { center: Some(vec![x, y]), zoom: Some(view.plane.zoom), rect: Some(view.plane.rect.to_array()), ..Pose::default() };
    Camera { mode: CameraMode::Pose, origin: Camera::POSE.to_owned(), delta: None, state: Some(state) }
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
