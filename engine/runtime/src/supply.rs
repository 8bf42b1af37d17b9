//! The way of tiles to the device within a tick: those that arrived, those whose chunks are decoded already, and those to be asked for.
//!
//! Both kinds share a budget of bytes per tick, so that no tick takes long; what exceeds it waits for the next one, which is due at
//! once. What waits and is not needed any more is dropped.

use crate::ahead::Ahead;
use crate::demand::Demand;
use crate::residency::Residency;
use crate::tile_source::TileSource;
use crate::viewport::Missing;
use nc_core::data::motion::Velocity;
use nc_core::data::{ImageId, Rect, Tile, TileKey};
use nc_gpu::api::{DeviceError, RenderDevice};
use nc_store::{Goal, Piece, Want};
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// Most bytes of tiles, or of bricks, that one tick hands to the device.
pub(crate) const UPLOAD_BYTES: usize = 16 << 20;
/// Most of them that arrived from the loader, so that a burst of those leaves room for what this step needs and is decoded already.
pub(crate) const ARRIVAL_BYTES: usize = UPLOAD_BYTES / 2;

/// A tile that came from the loader and is not on the device yet.
#[derive(Debug)]
struct Arrived {
    key: TileKey,
    tile: Tile,
    /// It came before, with damaged chunks.
    mended: bool,
    /// It was asked for.
    asked: bool,
}

/// Tiles on the device and on their way there.
#[derive(Debug)]
pub(crate) struct Supply {
    residency: Residency,
    demand: Demand,
    /// First come, first served.
    arrived: VecDeque<Arrived>,
    /// Tiles that the present view lacks at its level.
    lacking: usize,
    /// Bytes handed over in this tick.
    uploaded: usize,
    /// Tiles that were looked for among decoded chunks in this tick.
    tried: HashSet<TileKey>,
    /// Something that could be handed over waits for the next tick.
    left_over: bool,
}

impl Supply {
    /// Nothing on the device; at most `tile_budget` bytes later.
    pub(crate) fn new(tile_budget: u64) -> Self {
        Self {
            residency: Residency::new(tile_budget),
            demand: Demand::default(),
            arrived: VecDeque::new(),
            lacking: 0,
            uploaded: 0,
            tried: HashSet::new(),
            left_over: false,
        }
    }

    /// Starts a tick.
    pub(crate) fn begin(&mut self) {
        self.residency.begin_frame();
        self.uploaded = 0;
        self.tried.clear();
        self.left_over = false;
    }

    /// Other images are shown from now on, or none.
    pub(crate) fn adopt(&mut self, device: &mut dyn RenderDevice, images: &[ImageId]) {
        self.demand = Demand::default();
        self.arrived.clear();
        self.lacking = 0;
        self.residency.retain_images(device, images);
    }

    /// A tick failed: what arrived may be lost, and what was asked for with it.
    pub(crate) fn fail(&mut self) {
        self.arrived.clear();
        self.demand.forget();
    }

    /// The device is another one, without tiles, and takes at most `tile_budget` bytes of them.
    pub(crate) fn device_replaced(&mut self, tile_budget: u64) {
        self.residency.set_budget(tile_budget);
        self.residency.forget();
    }

    /// What was asked for, also for volumes: there is one list.
    pub(crate) fn demand(&mut self) -> &mut Demand {
        &mut self.demand
    }

    /// Tiles on the device.
    pub(crate) fn residency(&mut self) -> &mut Residency {
        &mut self.residency
    }

    /// Bytes of tiles on the device, and bytes that they may take.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.residency.bytes(), self.residency.budget())
    }

    /// How many tiles the present view lacks at its level.
    pub(crate) fn lacking(&self) -> usize {
        self.lacking
    }

    /// Whether another tick is due at once.
    pub(crate) fn left_over(&self) -> bool {
        self.left_over || !self.arrived.is_empty()
    }

    /// Takes a tile from the loader.
    pub(crate) fn arrive(&mut self, key: TileKey, tile: Tile, mended: bool) {
        let asked = self.demand.made(&Piece::Tile(key));
        self.arrived.push_back(Arrived { key, tile, mended, asked });
    }

    /// Hands over what arrived, up to [`ARRIVAL_BYTES`]; whether one was among it that was asked for, or that the picture `shows`.
    pub(crate) fn upload_arrived(
        &mut self,
        device: &mut dyn RenderDevice,
        shows: impl Fn(&TileKey) -> bool,
    ) -> Result<bool, DeviceError> {
        let mut fresh = false;
        while self.uploaded < ARRIVAL_BYTES
            && let Some(Arrived { key, tile, mended, asked }) = self.arrived.pop_front()
        {
            if !mended && self.residency.touch(&key) {
                continue;
            }
            self.upload(device, key, &tile)?;
            // A tile that was damaged may come again although it is not wanted any more.
            fresh |= asked || shows(&key);
        }
        Ok(fresh)
    }

    /// Forgets tiles that wait for the device and that the view does not need any more.
    pub(crate) fn drop_stale(&mut self, missing: &[Missing]) {
        if !self.arrived.is_empty() {
            let needed: HashSet<TileKey> = missing.iter().map(|missing| missing.key).collect();
            self.arrived.retain(|arrived| arrived.mended || needed.contains(&arrived.key));
        }
    }

    /// Hands over missing tiles whose chunks are decoded already, up to [`UPLOAD_BYTES`]; whether there were any. Those that the loader
    /// makes or has made are left to it.
    pub(crate) fn upload_decoded<'a>(
        &mut self,
        missing: impl Iterator<Item = &'a Missing>,
        source: &dyn TileSource,
        device: &mut dyn RenderDevice,
    ) -> Result<bool, DeviceError> {
        let before = self.uploaded;
        for Missing { key, .. } in missing {
            if self.uploaded >= UPLOAD_BYTES {
                break;
            }
            let elsewhere = self.demand.makes(&Piece::Tile(*key)) || self.arrived.iter().any(|arrived| arrived.key == *key);
            if !elsewhere
                && self.tried.insert(*key)
                && let Some(tile) = source.resident(key, self.residency.spare())
            {
                self.upload(device, *key, &tile)?;
            }
        }
        Ok(self.uploaded > before)
    }

    fn upload(&mut self, device: &mut dyn RenderDevice, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        self.uploaded += tile.samples.bytes();
        self.residency.insert(device, key, tile)
    }

    /// How the view moves, seen now at `shown` and `step`.
    pub(crate) fn observe(&mut self, now: Instant, shown: Rect, step: &[u64]) -> Velocity {
        self.demand.observe(now, shown, step)
    }

    /// The present view lacks nothing.
    pub(crate) fn complete(&mut self) {
        self.lacking = 0;
    }

    /// Asks for what is `missing`, and for what lies ahead. When to look again although nothing happens.
    pub(crate) fn ask(&mut self, missing: &[Missing], ahead: &Ahead<'_>, source: &dyn TileSource) -> Option<Instant> {
        self.lacking = missing.iter().filter(|missing| !missing.stands_in).count();
        let arrived: HashSet<TileKey> = self.arrived.iter().map(|arrived| arrived.key).collect();
        let mut wants = Vec::with_capacity(missing.len());
        for Missing { key, class, .. } in missing.iter().filter(|missing| !arrived.contains(&missing.key)) {
            let Some(class) = *class else { continue };
            if self.demand.makes(&Piece::Tile(*key)) || self.tried.contains(key) {
                wants.push(Want { goal: Goal::Tile(*key), class, deadline: None, pin: false });
            } else {
                // It may be decoded: this tick came to its end before.
                self.left_over = true;
            }
        }
        wants.extend(self.demand.beyond(ahead, missing.is_empty()));
        self.demand.send(wants, source);
        // Without a cache there is nothing to do at rest.
        self.demand.rests_at(ahead.now).filter(|_| ahead.cache_bytes > 0)
    }
}
