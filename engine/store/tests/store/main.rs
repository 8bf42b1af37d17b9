//! The store from outside: metadata and errors, real images, formats, tiles, directories, and the loader with awkward sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::type_complexity, reason = "tables of cases")]

mod archive;
mod bricks;
mod browse;
mod conformance;
mod far;
mod faults;
mod formats;
mod golden;
mod loader;
mod matrix;
mod memory;
mod ngff_cases;
mod opening;
mod region;
mod release;
mod servers;
mod stored;
mod synthetic;
mod tiles;
