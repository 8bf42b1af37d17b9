//! `napari.pixel.request_keyframe`.

use super::{Done, Outcome};
use crate::hub::Hub;
use crate::pixel::Urgency;

/// Always acknowledged; how soon the IDR comes is not for one client to say, because all pay for it. Never answered with a
/// `notify.stream`: that would make the Python client ask again (PROTOCOL §11.3).
pub(super) fn run(hub: &Hub) -> Outcome {
    hub.want_idr(Urgency::Command);
    Ok(Done::default())
}
