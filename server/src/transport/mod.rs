//! Sockets: listeners, HTTP, websockets. Everything that waits for the network waits here.
//!
//! May import `hub`, `session` and `pixel`. Must never know what a payload means.

mod assets;
mod connection;
mod http;
mod listener;
mod pixel_socket;
mod state_socket;
mod websocket;

pub use listener::{Bound, ServeError};

pub(crate) use listener::Listeners;
