//! The way of bricks to the device within a tick, and which volume of each layer can be drawn: as `supply` for volumes.
//!
//! A volume is drawn whole or not at all. Of a layer that has nothing of the present step the coarsest level comes first, unless the level
//! that is wanted costs no more than twice of it or is decoded; then that level. Bricks come from the middle outwards.

use crate::demand::Demand;
use crate::supply::{ARRIVAL_BYTES, UPLOAD_BYTES};
use crate::tile_source::TileSource;
use crate::volume::LayerVolumes;
use crate::volume_residency::VolumeResidency;
use nc_core::data::{BRICK, Brick, BrickKey, VolumeKey};
use nc_core::scene::Dataset;
use nc_gpu::api::{DeviceError, RenderDevice};
use nc_store::{Class, Goal, Piece, Want};
use std::collections::{HashSet, VecDeque};

/// Most bricks that are asked for at once; the others follow as these come.
const MOST_WANTS: usize = 2048;

/// A brick that came from the loader and is not on the device yet.
#[derive(Debug)]
struct Arrived {
    key: BrickKey,
    brick: Brick,
    /// It came before, with damaged chunks.
    mended: bool,
}

/// Volumes on the device and bricks on their way there.
#[derive(Debug)]
pub(crate) struct VolumeSupply {
    residency: VolumeResidency,
    /// First come, first served.
    arrived: VecDeque<Arrived>,
    /// Bricks that the present view lacks at its level.
    lacking: usize,
    /// Bytes handed over in this tick.
    uploaded: usize,
    /// Bricks that were looked for among decoded chunks in this tick.
    tried: HashSet<BrickKey>,
    /// Something that could be handed over waits for the next tick.
    left_over: bool,
}

impl VolumeSupply {
    /// Nothing on the device; at most `budget` bytes later.
    pub(crate) fn new(budget: u64) -> Self {
        Self {
            residency: VolumeResidency::new(budget),
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

    /// Another dataset is shown from now on, or none.
    pub(crate) fn adopt(&mut self, device: &mut dyn RenderDevice, dataset: Option<&Dataset>) {
        self.arrived.clear();
        self.lacking = 0;
        self.retain(device, dataset);
    }

    /// Evicts what is not of `dataset` as it is now.
    pub(crate) fn retain(&mut self, device: &mut dyn RenderDevice, dataset: Option<&Dataset>) {
        self.residency.retain(device, |key| shape(dataset?, key));
    }

    /// A tick failed: what arrived may be lost.
    pub(crate) fn fail(&mut self) {
        self.arrived.clear();
    }

    /// The device is another one, without volumes, and takes at most `budget` bytes of them.
    pub(crate) fn device_replaced(&mut self, budget: u64) {
        self.residency.forget(budget);
    }

    /// Volumes on the device.
    pub(crate) fn residency(&mut self) -> &mut VolumeResidency {
        &mut self.residency
    }

    /// Bytes of volumes on the device.
    pub(crate) fn bytes(&self) -> u64 {
        self.residency.bytes()
    }

    /// How many bricks the present view lacks at its level.
    pub(crate) fn lacking(&self) -> usize {
        self.lacking
    }

    /// Whether another tick is due at once.
    pub(crate) fn left_over(&self) -> bool {
        self.left_over || !self.arrived.is_empty()
    }

    /// Takes a brick from the loader.
    pub(crate) fn arrive(&mut self, key: BrickKey, brick: Brick, mended: bool) {
        self.arrived.push_back(Arrived { key, brick, mended });
    }

    /// Hands over what arrived and fits `dataset`, up to [`ARRIVAL_BYTES`]; whether something of it is in the picture.
    pub(crate) fn upload_arrived(&mut self, device: &mut dyn RenderDevice, dataset: &Dataset) -> Result<bool, DeviceError> {
        let mut seen = false;
        while self.uploaded < ARRIVAL_BYTES
            && let Some(Arrived { key, brick, mended }) = self.arrived.pop_front()
        {
            // One that is mended and was evicted meanwhile would be alone.
            if mended != self.residency.has(&key) {
                continue;
            }
            seen |= self.residency.shows(&key.volume);
            self.upload(device, dataset, key, &brick)?;
        }
        Ok(seen)
    }

    fn upload(
        &mut self,
        device: &mut dyn RenderDevice,
        dataset: &Dataset,
        key: BrickKey,
        brick: &Brick,
    ) -> Result<(), DeviceError> {
        let Some(shape) = shape(dataset, &key.volume).filter(|shape| key.size(*shape) == Some(brick.size())) else {
            // Of the dataset before it grew.
            return Ok(());
        };
        self.uploaded += brick.samples().bytes();
        self.residency.insert(device, key, shape, brick)
    }

    /// Hands over what is decoded of the volumes that `layers` want at level `target`, and of the coarsest where nothing else can be drawn;
    /// gives the level of each that can be drawn now.
    pub(crate) fn prepare(
        &mut self,
        layers: &[LayerVolumes],
        target: usize,
        dataset: &Dataset,
        demand: &Demand,
        source: &dyn TileSource,
        device: &mut dyn RenderDevice,
    ) -> Result<Vec<Option<usize>>, DeviceError> {
        for layer in layers {
            // What may stand in stays for as long as it does.
            layer.levels.iter().skip(target).for_each(|level| self.residency.touch(&level.key));
        }
        for layer in layers {
            self.upload_decoded(layer, target, dataset, demand, source, device)?;
        }
        for layer in layers {
            if self.drawable(layer, target).is_none() {
                self.upload_decoded(layer, layer.coarsest(), dataset, demand, source, device)?;
            }
        }
        let needed = |key: &BrickKey| layers.iter().any(|layer| layer.levels.iter().skip(target).any(|l| l.key == key.volume));
        self.arrived.retain(|arrived| arrived.mended || needed(&arrived.key));
        Ok(layers.iter().map(|layer| self.drawable(layer, target)).collect())
    }

    /// The level of a layer that can be drawn for `target`: that one or the next coarser; where the picture shows a finer one that, until
    /// the target is there.
    fn drawable(&self, layer: &LayerVolumes, target: usize) -> Option<usize> {
        let whole = |&level: &usize| self.residency.is_whole(&layer.levels[level].key);
        let shown = (0..target).rev().find(|&level| self.residency.shows(&layer.levels[level].key) && whole(&level));
        Some(target).filter(whole).or(shown).or_else(|| (target..layer.levels.len()).find(whole))
    }

    fn upload_decoded(
        &mut self,
        layer: &LayerVolumes,
        level: usize,
        dataset: &Dataset,
        demand: &Demand,
        source: &dyn TileSource,
        device: &mut dyn RenderDevice,
    ) -> Result<(), DeviceError> {
        for key in self.missing(layer, level) {
            if self.uploaded >= UPLOAD_BYTES {
                break;
            }
            let elsewhere = demand.makes(&Piece::Brick(key)) || self.arrived.iter().any(|arrived| arrived.key == key);
            if !elsewhere && self.tried.insert(key) {
                match source.resident_brick(&key) {
                    Some(brick) => self.upload(device, dataset, key, &brick)?,
                    // Those beyond are hardly more likely to be, and looking costs.
                    None if self.tried.len() > MOST_WANTS => break,
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// The bricks of a layer's volume that are not on the device, the middle one first; at most [`MOST_WANTS`].
    fn missing(&self, layer: &LayerVolumes, level: usize) -> Vec<BrickKey> {
        let volume = &layer.levels[level];
        if self.residency.is_whole(&volume.key) {
            return Vec::new();
        }
        let away = |key: &BrickKey| -> u64 {
            let off = |i: usize| u64::from((2 * key.at[i] + 1).abs_diff(volume.shape[i].div_ceil(BRICK)));
            (0..3).map(|i| off(i) * off(i)).sum()
        };
        let mut missing: Vec<BrickKey> = BrickKey::all(volume.key, volume.shape).filter(|key| !self.residency.has(key)).collect();
        missing.sort_by_cached_key(|key| (away(key), *key));
        missing.truncate(MOST_WANTS);
        missing
    }

    /// The present view lacks nothing.
    pub(crate) fn complete(&mut self) {
        self.lacking = 0;
    }

    /// Asks for what the layers lack at `target`, after what stands in where nothing can be drawn.
    pub(crate) fn ask(&mut self, layers: &[LayerVolumes], target: usize, demand: &mut Demand, source: &dyn TileSource) {
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for layer in layers {
            let stands_in = self.drawable(layer, target).is_some();
            let coarsest = layer.coarsest();
            let coarse = if !stands_in && layer.samples(target) > 2 * layer.samples(coarsest) {
                self.missing(layer, coarsest)
            } else {
                Vec::new()
            };
            let class = if stands_in || !coarse.is_empty() { Class::Finer } else { Class::Visible };
            first.push(coarse.into_iter().map(|key| (key, Class::Visible)).collect());
            then.push(self.missing(layer, target).into_iter().map(|key| (key, class)).collect());
        }
        self.lacking = then.iter().map(Vec::len).sum();
        let arrived: HashSet<BrickKey> = self.arrived.iter().map(|arrived| arrived.key).collect();
        let mut wants = Vec::new();
        for (key, class) in in_turn(first).into_iter().chain(in_turn(then)).take(MOST_WANTS) {
            if arrived.contains(&key) {
                continue;
            }
            if demand.makes(&Piece::Brick(key)) || self.tried.contains(&key) {
                wants.push(Want { goal: Goal::Brick(key), class, deadline: None, pin: false });
            } else {
                // It may be decoded: this tick came to its end before.
                self.left_over = true;
            }
        }
        demand.send(wants, source);
    }
}

/// One of each in turn.
fn in_turn(lists: Vec<Vec<(BrickKey, Class)>>) -> Vec<(BrickKey, Class)> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|n| lists.iter().filter_map(move |list| list.get(n).copied())).collect()
}

/// Samples of a volume of one of the images of `dataset` along its axes.
pub(crate) fn shape(dataset: &Dataset, key: &VolumeKey) -> Option<[u32; 3]> {
    let image = dataset.images().find(|image| image.id == key.image)?;
    let level = image.levels.get(usize::from(key.level))?;
    let side = |axis: u8| Some(u32::try_from(*level.shape.get(usize::from(axis))?).unwrap_or(u32::MAX));
    Some([side(key.axes[0])?, side(key.axes[1])?, side(key.axes[2])?])
}
