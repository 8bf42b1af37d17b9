//! The render loop: the tick in virtual time, and the two threads around it.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod modes;
mod stand;
mod threads;
mod tick;
mod turns;
