//! Our side of the wire as a client, sans-IO: for tests, benches, the terminal and load generators.
//!
//! What lives here: the handshake and its time limit, answers to heartbeats and what to do without them, intents and their acks, the
//! fold of notifications into a [`View`], and what a client leaves to the one that reconnects ([`Resume`]).
//!
//! May import `protocol` alone. Must never know of sockets, clocks, threads or randomness: feed [`Client`] with
//! [`Client::handle_text`] and [`Client::handle_packet`], send what [`Client::poll_output`] gives, and call
//! [`Client::handle_timeout`] when [`Client::poll_timeout`] says.

mod client;
mod liveness;
mod resume;
mod view;

pub use client::{Answer, Client, Event, Identity, Packet, PacketError};
pub use resume::Resume;
pub use view::{LayerState, View};
