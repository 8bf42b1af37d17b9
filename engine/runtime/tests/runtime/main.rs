//! The render loop: the tick in virtual time, and the two threads around it.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod ahead;
mod canvas;
mod growing;
mod levels;
mod mixed;
mod modes;
mod residency;
mod scrub;
mod stand;
mod supply;
mod threads;
mod tick;
mod turning;
mod turns;
mod volumes;
