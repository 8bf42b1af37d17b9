//! Tiles: square pieces of a plane through one level of an image, the unit of 2D residency.

use super::Samples;

/// Edge of a tile in samples. Tile `(ty, tx)` holds rows `ty*TILE..` and columns `tx*TILE..` of its plane, cut at the plane's end.
pub const TILE: u32 = 256;

/// Most axes an image may have.
pub const MAX_AXES: usize = 5;

/// An opened image, unique within a process run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub u32);

impl ImageId {
    /// Label images that are opened with an image, at most.
    pub const MOST_LABELS: u32 = 16;
    /// How many ids an image takes that is opened with its label images: its own, and those that follow it.
    pub const SPAN: u32 = 1 + Self::MOST_LABELS;

    /// The id of the `n`-th label image (below [`Self::MOST_LABELS`]) of this image.
    pub fn of_label(self, n: u32) -> Self {
        Self(self.0 + 1 + n)
    }
}

/// A plane through one level of an image: two array axes shown, the others fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaneKey {
    /// Which image.
    pub image: ImageId,
    /// Level, 0 the finest.
    pub level: u8,
    /// Array axis that runs along rows (screen y).
    pub row_axis: u8,
    /// Array axis that runs along columns (screen x).
    pub col_axis: u8,
    /// Index per array axis at this level; 0 for the two shown axes and beyond the image's last axis.
    pub index: [u32; MAX_AXES],
}

/// One tile of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileKey {
    /// The plane.
    pub plane: PlaneKey,
    /// Tile row.
    pub ty: u32,
    /// Tile column.
    pub tx: u32,
}

/// The samples of one tile, row-major, `width` samples a row, no padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Columns, 1 to [`TILE`].
    pub width: u32,
    /// Rows, 1 to [`TILE`].
    pub height: u32,
    /// `width * height` samples.
    pub samples: Samples,
}
