//! The pixel channel: one stream of access units, fanned out to viewers that each keep up as they can.
//!
//! `viewer` (one viewer, sans-IO) with its `queue` and its `delivery`; `fanout` (all of them); `idr` (when to ask for an IDR); `ops`
//! (the last steps of ops).
//!
//! May import the engine's packet and what the server asks of an engine, the wire's pixel header and its extensions. Must never know
//! of scenes, intents or sockets.

mod delivery;
mod fanout;
mod idr;
mod ops;
mod queue;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
mod viewer;

pub(crate) use fanout::{Fanout, Rate, Viewer};
pub(crate) use idr::Urgency;
pub(crate) use viewer::Step;
