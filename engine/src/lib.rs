//! The engine, from an intent to an encoded frame. No sockets, no environment.

pub mod api;
