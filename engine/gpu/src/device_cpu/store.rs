//! The tiles that are resident: shared with whoever made them, never copied unless they hold values that would overflow a filter.

use nc_core::data::{PlaneKey, Samples, Tile, TileKey};
use std::collections::HashMap;

/// Tiles of one plane by `(ty, tx)`.
pub(super) type PlaneTiles = HashMap<(u32, u32), Tile>;

/// All resident tiles.
#[derive(Debug, Default)]
pub(super) struct TileStore {
    planes: HashMap<PlaneKey, PlaneTiles>,
}

impl TileStore {
    pub(super) fn insert(&mut self, key: TileKey, tile: &Tile) {
        let samples = crate::samples::within_filter_range(&tile.samples);
        self.planes.entry(key.plane).or_default().insert((key.ty, key.tx), Tile { samples, ..*tile });
    }

    pub(super) fn remove(&mut self, key: &TileKey) -> Option<Samples> {
        let tiles = self.planes.get_mut(&key.plane)?;
        let removed = tiles.remove(&(key.ty, key.tx));
        if tiles.is_empty() {
            self.planes.remove(&key.plane);
        }
        removed.map(|tile| tile.samples)
    }

    pub(super) fn plane(&self, key: &PlaneKey) -> Option<&PlaneTiles> {
        self.planes.get(key)
    }
}
