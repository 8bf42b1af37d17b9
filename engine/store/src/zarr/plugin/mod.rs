//! Codecs that the codec library lacks, made known to it: bare lz4 and delta, as numcodecs writes them in zarr v2, and as
//! "numcodecs.lz4" and "numcodecs.delta" in v3.
//!
//! The library finds them by itself, through `inventory`; nothing here is called by name. Must never know: arrays, places.

mod delta;
mod lz4;
