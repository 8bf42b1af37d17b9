//! Which tiles the device holds: least recently used go first when the byte budget is met.

use nc_core::data::{ImageId, PlaneKey, SpareSamples, TILE, Tile, TileKey};
use nc_core::scene::ImageInfo;
use nc_gpu::api::{DeviceError, RenderDevice};
use std::collections::HashMap;

/// An eviction makes room for this part of the budget, to keep evictions rare.
pub const ROOM: u64 = 10;

/// Tiles on the device, with a byte budget. Time is counted in frames.
#[derive(Debug)]
pub struct Residency {
    budget: u64,
    bytes: u64,
    frame: u64,
    planes: HashMap<PlaneKey, HashMap<(u32, u32), Resident>>,
    /// Of tiles that were evicted for others of their image; no more than one eviction frees, and within the budget together with the
    /// resident ones.
    spare: SpareSamples,
}

#[derive(Debug, Clone, Copy)]
struct Resident {
    bytes: u64,
    used: u64,
}

impl Residency {
    /// Nothing resident yet; at most `budget` bytes later, except for what a single frame needs.
    pub fn new(budget: u64) -> Self {
        Self { budget, bytes: 0, frame: 0, planes: HashMap::new(), spare: SpareSamples::default() }
    }

    /// Starts a frame: what it uses from now on is not evicted before the next.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
    }

    /// Whether any tile of the plane is resident.
    pub fn has_plane(&self, plane: &PlaneKey) -> bool {
        self.planes.contains_key(plane)
    }

    /// Whether the tile is resident; if so it counts as used in this frame.
    pub fn touch(&mut self, key: &TileKey) -> bool {
        let tile = self.planes.get_mut(&key.plane).and_then(|tiles| tiles.get_mut(&(key.ty, key.tx)));
        tile.is_some_and(|tile| {
            tile.used = self.frame;
            true
        })
    }

    /// Uploads a tile as used in this frame, making room first.
    pub fn insert(&mut self, device: &mut dyn RenderDevice, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        let bytes = tile.samples.bytes() as u64;
        self.make_room(device, bytes);
        device.upload(key, tile)?;
        let resident = Resident { bytes, used: self.frame };
        if let Some(old) = self.planes.entry(key.plane).or_default().insert((key.ty, key.tx), resident) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.spare.shrink(self.budget.saturating_sub(self.bytes));
        Ok(())
    }

    /// Evicts the least recently used tiles until `bytes` more fit, and [`ROOM`] beyond that.
    fn make_room(&mut self, device: &mut dyn RenderDevice, bytes: u64) {
        if self.bytes + bytes <= self.budget {
            return;
        }
        let target = (self.budget - self.budget / ROOM).saturating_sub(bytes);
        let idle = |(plane, tiles): (&PlaneKey, &HashMap<(u32, u32), Resident>)| -> Vec<(u64, TileKey)> {
            let key = |&(ty, tx): &(u32, u32)| TileKey { plane: *plane, ty, tx };
            tiles.iter().filter(|(_, t)| t.used < self.frame).map(|(at, t)| (t.used, key(at))).collect()
        };
        let mut idle: Vec<(u64, TileKey)> = self.planes.iter().flat_map(idle).collect();
        // The key settles ties, so that equal inputs evict equal tiles.
        idle.sort_unstable();
        for (_, key) in idle {
            if self.bytes <= target {
                break;
            }
            self.evict(device, &key);
        }
    }

    fn evict(&mut self, device: &mut dyn RenderDevice, key: &TileKey) {
        let Some(tiles) = self.planes.get_mut(&key.plane) else { return };
        if let Some(tile) = tiles.remove(&(key.ty, key.tx)) {
            self.bytes -= tile.bytes;
            device.evict(key).into_iter().for_each(|samples| self.spare.give(samples));
            self.spare.shrink(self.budget / ROOM);
        }
        if tiles.is_empty() {
            self.planes.remove(&key.plane);
        }
    }

    /// Evicts every tile of other images.
    pub fn retain_images(&mut self, device: &mut dyn RenderDevice, images: &[ImageId]) {
        let other = |plane: &&PlaneKey| !images.contains(&plane.image);
        let planes: Vec<PlaneKey> = self.planes.keys().filter(other).copied().collect();
        for plane in planes {
            let tiles: Vec<(u32, u32)> = self.planes[&plane].keys().copied().collect();
            for (ty, tx) in tiles {
                self.evict(device, &TileKey { plane, ty, tx });
            }
        }
        // What was held of another image is let go of.
        self.spare = SpareSamples::default();
    }

    /// Evicts the tiles that the end of an axis cut in `before` and does not in `now`, which is the same image with more samples: they are
    /// larger than they were.
    pub fn retain_whole(&mut self, device: &mut dyn RenderDevice, before: &ImageInfo, now: &ImageInfo) {
        let size = |image: &ImageInfo, level: u8, axis: u8| {
            image.levels.get(usize::from(level)).and_then(|l| l.shape.get(usize::from(axis))).copied().unwrap_or(0)
        };
        // The number of the tile that was cut along an axis, if one was.
        let cut = |plane: &PlaneKey, axis: u8| {
            let (old, new) = (size(before, plane.level, axis), size(now, plane.level, axis));
            (new > old && old % u64::from(TILE) != 0).then_some(old / u64::from(TILE))
        };
        let mut evicted = Vec::new();
        for (plane, tiles) in self.planes.iter().filter(|(plane, _)| plane.image == now.id) {
            let (row, col) = (cut(plane, plane.row_axis), cut(plane, plane.col_axis));
            let cut = |&&(ty, tx): &&(u32, u32)| row == Some(u64::from(ty)) || col == Some(u64::from(tx));
            evicted.extend(tiles.keys().filter(cut).map(|&(ty, tx)| TileKey { plane: *plane, ty, tx }));
        }
        evicted.iter().for_each(|key| self.evict(device, key));
    }

    /// Memory for tiles to come.
    pub fn spare(&mut self) -> &mut SpareSamples {
        &mut self.spare
    }

    /// Forgets everything, for a device that lost its tiles.
    pub fn forget(&mut self) {
        self.spare = SpareSamples::default();
        self.planes.clear();
        self.bytes = 0;
    }

    /// Bytes resident.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps at most `budget` bytes from the next tile on.
    pub fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
    }

    /// The budget in bytes.
    pub fn budget(&self) -> u64 {
        self.budget
    }
}
