//! One client's session: handshake, liveness, limits, goodbye, who may drive, and what of each topic a newcomer must be told.
//!
//! Sans-IO: no sockets, no clock, no randomness; `now` is an argument. Must never know what a payload of the scene means.

mod handshake;
pub(crate) mod history;
mod limits;
mod machine;
pub(crate) mod roles;

pub(crate) use handshake::{Resume, welcome};
pub use limits::{BURST, MAX_MESSAGE, MESSAGES_PER_SECOND, PATIENCE};
pub(crate) use machine::goodbye;
pub use machine::{Action, Close, Excess, HANDSHAKE_TIMEOUT, HEARTBEAT, SessionMachine};
pub use roles::Drive;
