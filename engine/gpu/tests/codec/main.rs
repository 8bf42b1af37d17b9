//! The encoder, seen from its output: what the stream says and what a decoder makes of it.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod patches;
mod pictures;
mod planes;
mod quality;
mod stream;

use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::EncoderConfig;

/// A usual configuration for a size.
fn config(width: u32, height: u32) -> EncoderConfig {
    let size = CanvasSize { width, height };
    EncoderConfig { size, fps: 60.0, bitrate: 8_000_000, range: ColorRange::Full, slices: 2, threads: 2 }
}
