//! The wire between server and clients: envelopes, payloads, the pixel header, and the rules that every frame keeps.
//!
//! What lives here: serde types and pure functions over text and bytes. [`inbound::classify`] reads what a client sends and never
//! fails; [`frame::ServerFrame::parse`] reads what a server sends; [`validate`] is the strict judge of outgoing frames.
//!
//! May import nothing of ours. Must never know of sockets, clocks, sessions in progress, or where a value comes from.
//!
//! Architecture invariant: every function here is total. Any text and any bytes give a value or a typed error, never a panic.

pub mod command;
pub mod envelope;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod inbound;
pub mod liveness;
pub mod notify;
pub mod pixel;
pub mod resume;
pub mod scene;
pub mod update;
pub mod validate;

pub use envelope::{Envelope, EnvelopeError, Head, Kind};
pub use extension::BOUND_PIXEL;
pub use frame::{Body, FrameError, ServerFrame};
pub use inbound::{Ignored, Inbound, Malformed, classify};

/// The number in `version` of every frame, in both directions.
pub const VERSION: u64 = 2;
