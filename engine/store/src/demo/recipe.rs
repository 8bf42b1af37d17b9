//! What a demo image is made of: how long its axes are, how it is cut, how its pyramid narrows, and where in the tissue it lies.

use super::stain::{Block, Stain};
use super::{Demo, SCALE, random, tissue};
use crate::image::Image;
use nc_core::data::{DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Channel, ImageInfo, LevelInfo, SourceKind};
use std::sync::Arc;

/// Samples along z, y and x at most: beyond, 32-bit positions no longer tell neighbours apart.
pub const LONGEST_AXIS: u64 = 1 << 20;
/// Time points and channels at most.
pub const MOST_EXPOSURES: u64 = 1 << 12;
/// Samples of a chunk at most.
pub const LARGEST_CHUNK: u64 = 1 << 28;

/// Names of all axes that there can be; an image has the last two to five of them.
const AXES: &str = "tczyx";
/// Seconds between time points.
const INTERVAL_S: f64 = 60.0;
/// How far the tissue moves from one time point to the next along z, y and x, micrometres.
const DRIFT: [f32; 3] = [0.0, 0.5, 0.75];
/// From the specimen of one round of stains to that of the next, along x: more than one embryo, so that no two are alike.
const NEXT_SPECIMEN: f32 = 620.0;
/// The coarsest level is no longer than this along y and x, unless the number of levels is given.
const COARSEST: u64 = 256;

/// What a demo image is made of. The tissue is the same for all of them; they differ in the part that they show and in how it is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    name: String,
    /// Samples along t, c, z, y and x at level 0; 1 for an axis that the image lacks.
    shape: [u64; 5],
    /// How many axes the image has.
    ndim: usize,
    /// Samples of a chunk along z, y and x.
    chunk: [u64; 3],
    levels: u32,
    /// Whether levels halve z, too, and not just y and x.
    halves_z: bool,
    /// Where in the tissue the image begins, micrometres.
    corner: [f32; 3],
    /// Tells its noise from that of other images.
    exposure: u32,
}

/// A demo image that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// Too few or too many axes.
    #[error("a shape has 2 to 5 sizes: [[[t,]c,]z,]y,x; {0} were given")]
    Axes(usize),
    /// An axis without samples, or with too many.
    #[error("axis {axis} may have 1 to {most} samples, not {given}")]
    Size {
        /// Its name.
        axis: char,
        /// What is possible.
        most: u64,
        /// What was asked for.
        given: u64,
    },
    /// A chunk that is empty or too large.
    #[error("a chunk must have 1 to {LARGEST_CHUNK} samples, not {0:?}")]
    Chunk([u64; 3]),
    /// More levels than the image can be halved.
    #[error("this shape has room for 1 to {most} levels, not {given}")]
    Levels {
        /// What is possible.
        most: u32,
        /// What was asked for.
        given: u32,
    },
}

impl Recipe {
    /// The built-in demo: one embryo, thin chunks as wide as a tile, because people step through z. Levels halve y and x.
    pub fn embryo() -> Self {
        Self {
            name: "demo embryo".to_owned(),
            shape: [1, Stain::ALL.len() as u64, 64, 2048, 2048],
            ndim: 4,
            chunk: [4, 256, 256],
            levels: 5,
            halves_z: false,
            corner: [0.0; 3],
            exposure: 0,
        }
    }

    /// An image of any size: `shape` is [[[t,] c,] z,] y, x at level 0, `chunk` is z, y, x and is cut to the shape. Each level halves z, y
    /// and x; there are `levels` of them, or as many as make the coarsest at most 256 × 256.
    ///
    /// # Errors
    /// When such an image cannot be made.
    pub fn new(name: &str, shape: &[u64], chunk: [u64; 3], levels: Option<u32>) -> Result<Self, RecipeError> {
        if !(2..=AXES.len()).contains(&shape.len()) {
            return Err(RecipeError::Axes(shape.len()));
        }
        let ndim = shape.len();
        let mut whole = [1; 5];
        whole[5 - ndim..].copy_from_slice(shape);
        for (i, axis) in AXES.chars().enumerate() {
            let most = if i < 2 { MOST_EXPOSURES } else { LONGEST_AXIS };
            if !(1..=most).contains(&whole[i]) {
                return Err(RecipeError::Size { axis, most, given: whole[i] });
            }
        }
        let [_, _, z, y, x] = whole;
        let chunk = [chunk[0].min(z), chunk[1].min(y), chunk[2].min(x)];
        if !(1..=LARGEST_CHUNK).contains(&chunk.iter().product()) {
            return Err(RecipeError::Chunk(chunk));
        }
        let longest = y.max(x);
        let most = longest.ilog2() + 1;
        let enough = (0..most).find(|&n| longest >> n <= COARSEST).unwrap_or(most - 1) + 1;
        let levels = levels.unwrap_or(enough);
        if !(1..=most).contains(&levels) {
            return Err(RecipeError::Levels { most, given: levels });
        }
        // A small image shows cells, not the cavity in the middle of the embryo.
        let corner = [0, 1, 2].map(|axis| {
            let extent = (whole[2 + axis] as f64 * SCALE[axis]) as f32;
            (tissue::DENSE[axis] - extent / 2.0).max(0.0)
        });
        Ok(Self { name: name.to_owned(), shape: whole, ndim, chunk, levels, halves_z: true, corner, exposure: 0 })
    }

    /// Another image of another part of the tissue, `by` micrometres along z, y and x from where this one is.
    pub fn moved(mut self, by: [f32; 3]) -> Self {
        let [z, y, x] = by.map(|by| by.to_bits() as i32);
        self.exposure = random::at(x, y, z, self.exposure);
        for (corner, by) in self.corner.iter_mut().zip(by) {
            *corner += by;
        }
        self
    }

    /// The image, made when it is read. Opening it costs a few milliseconds.
    pub fn image(&self, id: ImageId) -> Image {
        Image::from_source(Arc::new(self.describe(id)), Arc::new(Demo::new(self.clone())))
    }

    /// Number of levels.
    pub fn levels(&self) -> u32 {
        self.levels
    }

    /// Samples along the image's axes at `level`.
    pub fn shape(&self, level: u32) -> Vec<u64> {
        self.own(self.whole(level))
    }

    /// Samples of a chunk along the image's axes.
    pub fn chunk(&self) -> Vec<u64> {
        let [z, y, x] = self.chunk;
        self.own([1, 1, z, y, x])
    }

    /// `values`, one per possible axis, as far as the image has the axis.
    pub(crate) fn own<T: Copy>(&self, values: [T; 5]) -> Vec<T> {
        values[5 - self.ndim..].to_vec()
    }

    /// Samples along t, c, z, y and x at `level`.
    pub(crate) fn whole(&self, level: u32) -> [u64; 5] {
        let ([t, c, z, y, x], [fz, fy, fx]) = (self.shape, self.factor(level).map(u64::from));
        [t, c, (z / fz).max(1), (y / fy).max(1), (x / fx).max(1)]
    }

    /// Samples of level 0 along z, y and x that one of `level` spans.
    fn factor(&self, level: u32) -> [u32; 3] {
        let halved = |axis: usize| 1 << level.min(self.shape[axis].ilog2());
        [if self.halves_z { halved(2) } else { 1 }, halved(3), halved(4)]
    }

    /// A box of samples of one channel and time point: where it begins along t, c, z, y and x, and how long it is along the last three.
    pub(super) fn block(&self, level: u32, start: [u64; 5], len: [usize; 3]) -> (Stain, Block) {
        let [t, c, z, y, x] = start;
        let round = c / Stain::ALL.len() as u64;
        let mut corner = self.corner;
        for (axis, corner) in corner.iter_mut().enumerate() {
            *corner += DRIFT[axis] * t as f32;
        }
        corner[2] += NEXT_SPECIMEN * round as f32;
        let block = Block {
            level,
            factor: self.factor(level),
            start: [z, y, x].map(|n| n as usize),
            len,
            corner,
            depth: self.shape[2] as f32 * SCALE[0] as f32,
            exposure: self.exposure ^ ((t as u32) << 12 | round as u32),
        };
        (Stain::ALL[(c % Stain::ALL.len() as u64) as usize], block)
    }

    pub(crate) fn describe(&self, id: ImageId) -> ImageInfo {
        let axes = AXES[5 - self.ndim..].chars().map(|name| {
            let (kind, unit) = match name {
                't' => (AxisKind::Time, Some("second")),
                'c' => (AxisKind::Channel, None),
                _ => (AxisKind::Space, Some("micrometer")),
            };
            Axis { name: name.to_string(), kind, unit: unit.map(str::to_owned) }
        });
        let level = |n: u32| {
            let factor = self.factor(n).map(f64::from);
            let middle = |axis: usize| SCALE[axis] * (factor[axis] - 1.0) / 2.0;
            LevelInfo {
                path: n.to_string(),
                shape: self.shape(n),
                chunk: self.chunk(),
                scale: self.own([INTERVAL_S, 1.0, SCALE[0] * factor[0], SCALE[1] * factor[1], SCALE[2] * factor[2]]),
                translate: self.own([0.0, 0.0, middle(0), middle(1), middle(2)]),
                ..LevelInfo::default()
            }
        };
        let channel = |c: u64| {
            let (stain, round) = (Stain::ALL[c as usize % Stain::ALL.len()], c as usize / Stain::ALL.len());
            let label = if round == 0 { stain.label().to_owned() } else { format!("{} {}", stain.label(), round + 1) };
            Channel { label: Some(label), color: Some(stain.color()), window: Some(stain.window()), active: true }
        };
        ImageInfo {
            id,
            name: self.name.clone(),
            location: "demo".to_owned(),
            source: SourceKind::Demo,
            axes: axes.collect(),
            dtype: DType::U16,
            levels: (0..self.levels).map(level).collect(),
            channels: (0..self.shape[1]).map(channel).collect(),
            ..ImageInfo::default()
        }
    }
}
