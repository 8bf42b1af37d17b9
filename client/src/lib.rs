//! Our side of the wire as a client, sans-IO: for tests, benches, the terminal and load generators.
//!
//! What lives here: the handshake, answers to heartbeats, intents and their acks, and the fold of notifications into a [`View`].
//!
//! May import `protocol` alone. Must never know of sockets, clocks, threads or randomness: feed [`Client`] with
//! [`Client::handle_text`] and [`Client::handle_packet`], and send what [`Client::poll_output`] gives.

mod client;
mod view;

pub use client::{Answer, Client, Event, Identity, Packet, PacketError};
pub use view::{LayerState, View};
