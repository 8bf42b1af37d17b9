//! The pixel channel: one stream of access units, fanned out to viewers that each keep up as they can.
//!
//! May import the engine's packet and the wire's pixel header. Must never know of scenes, intents or sockets.

mod fanout;
mod idr;
mod queue;

pub(crate) use fanout::{Fanout, Next, Viewer};
pub(crate) use idr::{RECOVERY_SPACING, Urgency};
