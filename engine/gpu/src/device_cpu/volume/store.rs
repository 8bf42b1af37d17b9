//! The volumes that are resident.

use super::grid::Grid;
use super::regions::{Cells, Regions};
use crate::api::DeviceError;
use nc_core::data::{BRICK, Brick, BrickKey, VolumeKey};
use std::collections::HashMap;

/// All volumes, also those that still lack bricks.
#[derive(Debug, Default)]
pub(in crate::device_cpu) struct VolumeStore {
    volumes: HashMap<VolumeKey, Volume>,
}

/// One volume.
#[derive(Debug)]
struct Volume {
    grid: Grid,
    cells: Cells,
    /// Which bricks are there, in the order of [`BrickKey::all`].
    there: Vec<bool>,
    missing: usize,
    /// Of a volume that lacks nothing.
    regions: Option<Regions>,
}

/// A volume that lacks nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complete<'a> {
    pub(super) grid: &'a Grid,
    pub(super) regions: &'a Regions,
}

impl VolumeStore {
    /// As [`crate::api::RenderDevice::upload_brick`].
    pub(in crate::device_cpu) fn insert(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        let refused = |what: String| Err(DeviceError::Refused(what));
        if key.size(shape) != Some(brick.size()) {
            return refused(format!("a brick of {:?} samples at {:?} of a volume of {shape:?}", brick.size(), key.at));
        }
        let format = brick.samples().format();
        let volume = match self.volumes.entry(key.volume) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Volume::new(shape, brick)?),
        };
        if (volume.grid.shape(), volume.grid.format()) != (shape, format) {
            let (was, held) = (volume.grid.shape(), volume.grid.format());
            return refused(format!("a brick of a volume of {shape:?} {format:?}, which is there with {was:?} {held:?}"));
        }
        volume.insert(key, brick);
        Ok(())
    }

    pub(in crate::device_cpu) fn remove(&mut self, key: &VolumeKey) {
        self.volumes.remove(key);
    }

    /// The volume, if all its bricks are there.
    pub(super) fn complete(&self, key: &VolumeKey) -> Option<Complete<'_>> {
        let volume = self.volumes.get(key)?;
        Some(Complete { grid: &volume.grid, regions: volume.regions.as_ref()? })
    }
}

impl Volume {
    fn new(shape: [u32; 3], brick: &Brick) -> Result<Self, DeviceError> {
        let bricks = shape.map(|n| n.div_ceil(BRICK) as usize).iter().product();
        let grid = Grid::new(shape, brick.samples().format())?;
        Ok(Self { grid, cells: Cells::new(shape), there: vec![false; bricks], missing: bricks, regions: None })
    }

    /// The brick is one of this volume.
    fn insert(&mut self, key: BrickKey, brick: &Brick) {
        self.grid.insert(key.origin(), brick);
        self.cells.insert(key.origin(), brick.cell_grid(), brick.cells());
        let [_, rows, columns] = self.grid.shape().map(|n| n.div_ceil(BRICK));
        let there = &mut self.there[((key.at[0] * rows + key.at[1]) * columns + key.at[2]) as usize];
        self.missing -= usize::from(!*there);
        *there = true;
        if self.missing == 0 {
            self.regions = Some(Regions::new(&self.cells));
        }
    }
}
