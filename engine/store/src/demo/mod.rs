//! The demo: a procedural image that needs no files. A slice through a young embryo with stained nuclei, membranes and vesicles.
//!
//! Lives here: its description and chunk source (this file), where its cells are (`tissue`), what a microscope would see of them
//! (`stain`), and the stateless randomness below both (`random`). A chunk depends on nothing but its level and place, so chunks can be
//! made in any order and on any thread; levels agree because all of them sample the same cells in world coordinates.
//! Must never know: files, caches, threads.

mod random;
mod stain;
mod tissue;

use crate::image::{Chunk, ChunkSource, Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::{DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Channel, ImageInfo, LevelInfo, SourceKind};
use stain::{Block, Scene, Stain};
use std::sync::Arc;

/// Samples along z, y and x at level 0.
const SHAPE: [u64; 3] = [64, 2048, 2048];
/// Micrometres per sample along z, y and x at level 0.
const SCALE: [f64; 3] = [1.0, 0.25, 0.25];
/// Levels; each halves y and x.
const LEVELS: u64 = 5;
/// Chunk along c, z, y and x: as wide as a tile, and thin, because people step through z. 1 to 8 ms each (`demo::tests::chunk_time`).
const CHUNK: [u64; 4] = [1, 4, 256, 256];

/// The demo image. Opening it costs a few milliseconds, its chunks are made when they are read.
pub fn demo(id: ImageId) -> Image {
    Image::from_source(Arc::new(describe(id)), Arc::new(Demo { scene: Scene::new() }))
}

fn describe(id: ImageId) -> ImageInfo {
    let axis = |name: &str, kind, unit: Option<&str>| Axis { name: name.into(), kind, unit: unit.map(str::to_owned) };
    let space = |name| axis(name, AxisKind::Space, Some("micrometer"));
    let level = |n: u64| {
        let factor = (1 << n) as f64;
        let middle = |scale: f64| scale * (factor - 1.0) / 2.0;
        LevelInfo {
            path: n.to_string(),
            shape: vec![Stain::ALL.len() as u64, SHAPE[0], SHAPE[1] >> n, SHAPE[2] >> n],
            chunk: CHUNK.to_vec(),
            scale: vec![1.0, SCALE[0], SCALE[1] * factor, SCALE[2] * factor],
            translate: vec![0.0, 0.0, middle(SCALE[1]), middle(SCALE[2])],
            ..LevelInfo::default()
        }
    };
    let channel = |stain: &Stain| Channel {
        label: Some(stain.label().to_owned()),
        color: Some(stain.color()),
        window: Some(stain.window()),
        active: true,
    };
    ImageInfo {
        id,
        name: "demo embryo".to_owned(),
        location: "demo".to_owned(),
        source: SourceKind::Demo,
        ngff_version: None,
        axes: vec![axis("c", AxisKind::Channel, None), space("z"), space("y"), space("x")],
        dtype: DType::U16,
        levels: (0..LEVELS).map(level).collect(),
        channels: Stain::ALL.iter().map(channel).collect(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    }
}

struct Demo {
    scene: Scene,
}

impl ChunkSource for Demo {
    /// Chunks at the end of a level are cut there.
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        let missing = || ReadError::new(ReadErrorKind::NoSuchPlane, "the demo has no such chunk");
        let &[c, z, y, x] = chunk else { return Err(missing()) };
        let stain = usize::try_from(c).ok().and_then(|c| Stain::ALL.get(c)).ok_or_else(missing)?;
        let level = u32::try_from(level).ok().filter(|&l| u64::from(l) < LEVELS).ok_or_else(missing)?;
        let span = |at: u64, chunk: u64, extent: u64| -> Option<(usize, usize)> {
            let start = at.checked_mul(chunk).filter(|&s| s < extent)?;
            Some((start as usize, chunk.min(extent - start) as usize))
        };
        let (z0, nz) = span(z, CHUNK[1], SHAPE[0]).ok_or_else(missing)?;
        let (y0, ny) = span(y, CHUNK[2], SHAPE[1] >> level).ok_or_else(missing)?;
        let (x0, nx) = span(x, CHUNK[3], SHAPE[2] >> level).ok_or_else(missing)?;
        let block = Block { level, start: [z0, y0, x0], len: [nz, ny, nx] };
        let counts = self.scene.expose(*stain, &block);
        let bytes = counts.iter().flat_map(|v| v.to_ne_bytes()).collect();
        Chunk::new(&[1, nz as u64, ny as u64, nx as u64], bytes)
    }
}

#[cfg(test)]
mod tests;
