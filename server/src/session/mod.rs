//! One client's session: handshake, liveness, goodbye, and where each topic's history stands.
//!
//! Sans-IO: no sockets, no clock, no randomness; `now` is an argument. Must never know what a payload of the scene means.

mod handshake;
pub(crate) mod history;
mod machine;
mod roles;

pub(crate) use handshake::welcome;
pub(crate) use machine::goodbye;
pub use machine::{Action, Close, HANDSHAKE_TIMEOUT, HEARTBEAT, SessionMachine};
pub use roles::Drive;
