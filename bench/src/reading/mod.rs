//! How fast the store reads, side by side with other libraries.
//!
//! Lives here: what is read (this file), the other libraries in processes of their own (`worker`), the runs and their table (`speed`),
//! the first slice of a sharded image (`stall`), an image of two terabytes (`huge`).

pub mod huge;
pub mod speed;
pub mod stall;
pub mod worker;

use anyhow::{Context, Result};
use nc_core::data::ImageId;
use nc_store::Image;
use std::path::{Path, PathBuf};

/// A way in which the image is stored, as `bench/peers/store_data.py` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its folder.
    pub name: &'static str,
    /// Of zarr.
    pub version: u32,
}

/// All of them. `lz4` is blosc with lz4 and byte shuffle; chunks are 64 along each axis, shards 256.
pub const FORMATS: [Format; 4] = [
    Format { name: "v2-lz4", version: 2 },
    Format { name: "v3-zstd", version: 3 },
    Format { name: "v3-lz4-sharded", version: 3 },
    Format { name: "v3-zstd-sharded", version: 3 },
];

/// A kind of box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole plane across z.
    ZSlice,
    /// A rectangle of such a plane, about a quarter of it, whose corners lie anywhere.
    Roi,
    /// 256 samples each way, or what there is, along chunks.
    Cube,
    /// A whole plane across x.
    XSlice,
    /// A whole plane across y.
    YSlice,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ZSlice, Self::Roi, Self::Cube, Self::XSlice, Self::YSlice];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZSlice => "z-slice",
            Self::Roi => "ROI",
            Self::Cube => "cube",
            Self::XSlice => "x-slice",
            Self::YSlice => "y-slice",
        }
    }

    /// A box of this kind in an image of `shape` (z, y, x), anywhere.
    pub fn place(self, shape: [u64; 3], dice: &mut Dice) -> Region {
        let [z, y, x] = shape;
        match self {
            Self::ZSlice => Region { start: [dice.below(z), 0, 0], shape: [1, y, x] },
            Self::XSlice => Region { start: [0, 0, dice.below(x)], shape: [z, y, 1] },
            Self::YSlice => Region { start: [0, dice.below(y), 0], shape: [z, 1, x] },
            Self::Roi => {
                let (height, width) = (y / 2 - 24, x / 2 + 37);
                let mut odd = |room: u64| dice.below(room / 2) * 2 + 1;
                let (top, left) = (odd(y - height), odd(x - width));
                Region { start: [dice.below(z), top, left], shape: [1, height, width] }
            }
            Self::Cube => {
                let edge = z.min(256);
                let mut along = |n: u64| dice.below((n - edge) / 64 + 1) * 64;
                Region { start: [along(z), along(y), along(x)], shape: [edge; 3] }
            }
        }
    }
}

/// A box of samples, along z, y and x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Its first sample.
    pub start: [u64; 3],
    /// Samples each way.
    pub shape: [u64; 3],
}

impl Region {
    /// How many there are in all.
    pub fn samples(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// Numbers that look random and are the same in every run of the program (SplitMix64).
#[derive(Debug, Clone, Copy)]
pub struct Dice(pub u64);

impl Dice {
    /// One below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Opens the image in one of its formats.
pub fn open(data: &Path, format: Format) -> Result<Image> {
    let path = data.join(format.name);
    nc_store::open(&path.to_string_lossy(), ImageId(0)).with_context(|| format!("opening {}", path.display()))
}

/// Samples along z, y and x.
pub fn shape(image: &Image) -> Result<[u64; 3]> {
    let shape = &image.info.finest().shape;
    <[u64; 3]>::try_from(&shape[..])
        .ok()
        .with_context(|| format!("{} has {} axes instead of 3", image.info.location, shape.len()))
}

/// Reads every file once, so that all of them are in the page cache. Returns their bytes.
pub fn warm(folder: &Path) -> Result<u64> {
    let mut folders = vec![PathBuf::from(folder)];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                bytes += std::io::copy(&mut std::fs::File::open(&path)?, &mut std::io::sink())?;
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_lie_within_the_image() {
        let mut dice = Dice(1);
        for shape in [[256, 2048, 2048], [128, 1024, 1024]] {
            for _ in 0..1000 {
                for kind in Kind::ALL {
                    let region = kind.place(shape, &mut dice);
                    assert!(
                        (0..3).all(|a| region.start[a] + region.shape[a] <= shape[a] && region.shape[a] > 0),
                        "{kind:?} {region:?}"
                    );
                }
            }
        }
    }
}
