//! Images, from metadata to decoded tiles.
//!
//! Lives here: where bytes lie (`place`), reading NGFF and OMERO metadata (`ngff`), opening zarr arrays (`zarr`), looking around in
//! directories (`browse`), the procedural demo image (`demo`), writing it (`write`), cutting tiles and bricks out of chunks (`gather`), and the loader
//! threads with their queue and decoded-chunk cache (`loader`, `cache`).
//! May import: `nc_core::{data, scene}`. Must never know: layers' controls, cameras, ledgers, devices, clients.
//!
//! Architecture invariant: a render thread may call everything of [`LoaderHandle`] except [`LoaderHandle::overview`] and never waits for I/O,
//! for a decode or for a lock that is held across either.

pub mod browse;
mod cache;
mod codec;
mod demo;
mod elements;
mod gather;
mod image;
mod loader;
mod ngff;
mod opening;
mod pattern;
pub mod place;
mod region;
mod scratch;
mod select;
pub mod survey;
pub mod write;
mod zarr;

pub use demo::{LARGEST_CHUNK, LONGEST_AXIS, MOST_EXPOSURES, Recipe, RecipeError, demo};
pub use elements::{label_keys, samples};
pub use image::{Chunk, ChunkData, ChunkSource, Image, IndexKey, Locate, Part, ReadError, ReadErrorKind, Shape};
pub use loader::{
    Arrival, Class, ClassLoad, Clock, Edge, Fault, Goal, Loader, LoaderConfig, LoaderHandle, LoaderStats, Outlook, Overview,
    Piece, ViewId, Want, WarmReport,
};
pub use opening::{open, open_at, open_with_labels};
pub use pattern::Pattern;
pub use region::{RegionReader, RegionReport};
pub use scratch::Scratch;
pub use select::{Chosen, ChosenField, Selection, well_called};
pub use zarr::OpenError;
