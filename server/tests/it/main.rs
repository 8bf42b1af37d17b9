//! The server from outside: its session machine in virtual time, its channels and pages over real sockets with a scripted engine.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in test functions; these are what they call, too

mod canvas;
mod catalogue;
mod commands;
mod delivery;
mod growing;
mod http;
mod labels;
mod notices;
mod peer_bugs;
mod pixel_channel;
mod plates;
mod real;
mod resume;
mod roles;
mod secrets;
mod session_machine;
mod state_channel;
mod support;
mod volume;
