//! Images, from metadata to decoded tiles.
//!
//! Lives here: reading NGFF and OMERO metadata (`ngff`), opening zarr arrays (`zarr`), looking around in directories (`browse`), the
//! procedural demo image (`demo`), cutting tiles out of chunks (`gather`), and the loader threads with their queue and decoded-chunk
//! cache (`loader`, `cache`).
//! May import: `nc_core::{data, scene}`. Must never know: layers' controls, cameras, ledgers, devices, clients.
//!
//! Architecture invariant: a render thread may call everything of [`Loader`] except [`Loader::overview`] and never waits for I/O,
//! for a decode or for a lock that is held across either.

pub mod browse;
mod cache;
mod demo;
mod gather;
mod image;
mod loader;
mod ngff;
mod zarr;

pub use demo::demo;
pub use image::{Chunk, ChunkSource, Image, ReadError, ReadErrorKind};
pub use loader::{Arrival, Clock, Fault, Loader, LoaderConfig, LoaderStats, Overview, ViewId};
pub use zarr::{OpenError, open};
