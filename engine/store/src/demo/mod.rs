//! The demo: a procedural image that needs no files. A slice through a young embryo with stained nuclei, membranes and vesicles.
//!
//! Lives here: its chunk source (this file), what an image of it may be (`recipe`), where its cells are (`tissue`), what a microscope
//! would see of them (`stain`), and the stateless randomness below both (`random`). A chunk depends on nothing but its level and place,
//! so chunks can be made in any order and on any thread; levels agree because all of them sample the same cells in world coordinates.
//! Must never know: files, caches, threads.

mod random;
mod recipe;
mod stain;
mod tissue;

use crate::image::{Chunk, ChunkSource, Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::ImageId;
pub use recipe::{LARGEST_CHUNK, LONGEST_AXIS, MOST_EXPOSURES, Recipe, RecipeError};
use stain::Scene;

/// Micrometres per sample along z, y and x at level 0.
const SCALE: [f64; 3] = [1.0, 0.25, 0.25];

/// The demo image. Opening it costs a few milliseconds, its chunks are made when they are read (1 to 8 ms each,
/// `demo::tests::chunk_time`).
pub fn demo(id: ImageId) -> Image {
    Recipe::embryo().image(id)
}

/// Makes the samples of a recipe.
pub(crate) struct Demo {
    recipe: Recipe,
    scene: Scene,
}

impl Demo {
    pub(crate) fn new(recipe: Recipe) -> Self {
        Self { recipe, scene: Scene::new() }
    }

    /// The samples of a box of one channel and time point, row-major: where it begins along t, c, z, y and x, and how long it is along
    /// z, y and x. It must lie within the level.
    pub(crate) fn counts(&self, level: u32, start: [u64; 5], len: [usize; 3]) -> Vec<u16> {
        let (stain, block) = self.recipe.block(level, start, len);
        self.scene.expose(stain, &block)
    }
}

impl ChunkSource for Demo {
    /// Chunks at the end of a level are cut there.
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        let missing = || ReadError::new(ReadErrorKind::NoSuchPlane, "the demo has no such chunk");
        let level = u32::try_from(level).ok().filter(|&l| l < self.recipe.levels()).ok_or_else(missing)?;
        let (shape, size) = (self.recipe.shape(level), self.recipe.chunk());
        if chunk.len() != shape.len() {
            return Err(missing());
        }
        let (mut start, mut len) = ([0; 5], [1; 5]);
        let first = 5 - shape.len();
        for (axis, &at) in chunk.iter().enumerate() {
            let begin = at.checked_mul(size[axis]).filter(|&begin| begin < shape[axis]).ok_or_else(missing)?;
            start[first + axis] = begin;
            len[first + axis] = size[axis].min(shape[axis] - begin);
        }
        let counts = self.counts(level, start, [len[2], len[3], len[4]].map(|n| n as usize));
        let bytes = counts.iter().flat_map(|v| v.to_ne_bytes()).collect();
        Chunk::new(&self.recipe.own(len), bytes)
    }
}

#[cfg(test)]
mod tests;
