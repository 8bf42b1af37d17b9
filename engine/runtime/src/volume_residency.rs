//! Which volumes the device holds: the least recently used go first, whole, when the byte budget is met.

use nc_core::data::{BRICK, Brick, BrickKey, SampleFormat, VolumeKey};
use nc_gpu::api::{DeviceError, RenderDevice};
use std::collections::{HashMap, HashSet};

/// Volumes on the device, with a byte budget. Time is counted in frames.
#[derive(Debug)]
pub struct VolumeResidency {
    budget: u64,
    bytes: u64,
    frame: u64,
    volumes: HashMap<VolumeKey, Held>,
    /// What the picture shows; it stays whatever comes.
    shown: Vec<VolumeKey>,
}

#[derive(Debug)]
struct Held {
    shape: [u32; 3],
    bricks: HashSet<[u32; 3]>,
    /// Bricks of the whole volume.
    whole: usize,
    bytes: u64,
    used: u64,
}

impl VolumeResidency {
    /// Nothing resident yet; at most `budget` bytes later, except for what a single frame needs and what is shown.
    pub fn new(budget: u64) -> Self {
        Self { budget, bytes: 0, frame: 0, volumes: HashMap::new(), shown: Vec::new() }
    }

    /// Starts a frame: what it uses from now on is not evicted before the next.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
    }

    /// Counts the volume as used in this frame.
    pub fn touch(&mut self, key: &VolumeKey) {
        if let Some(held) = self.volumes.get_mut(key) {
            held.used = self.frame;
        }
    }

    /// Whether every brick of the volume is resident.
    pub fn is_whole(&self, key: &VolumeKey) -> bool {
        self.volumes.get(key).is_some_and(|held| held.bricks.len() == held.whole)
    }

    /// Whether the brick is resident.
    pub fn has(&self, key: &BrickKey) -> bool {
        self.volumes.get(&key.volume).is_some_and(|held| held.bricks.contains(&key.at))
    }

    /// Uploads a brick of a volume of `shape` samples, as used in this frame, making room first.
    pub fn insert(
        &mut self,
        device: &mut dyn RenderDevice,
        key: BrickKey,
        shape: [u32; 3],
        brick: &Brick,
    ) -> Result<(), DeviceError> {
        let bytes = bytes_on_device(brick.samples().format(), brick.samples().len() as u64);
        let new = !self.has(&key);
        if new {
            self.make_room(device, bytes, &key.volume);
        }
        device.upload_brick(key, shape, brick)?;
        let whole = shape.iter().map(|n| n.div_ceil(BRICK) as usize).product();
        let fresh = || Held { shape, bricks: HashSet::new(), whole, bytes: 0, used: 0 };
        let held = self.volumes.entry(key.volume).or_insert_with(fresh);
        held.used = self.frame;
        if new {
            held.bricks.insert(key.at);
            held.bytes += bytes;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Evicts the least recently used volumes until `bytes` more fit.
    fn make_room(&mut self, device: &mut dyn RenderDevice, bytes: u64, volume: &VolumeKey) {
        if self.bytes + bytes <= self.budget {
            return;
        }
        let idle = |(key, held): (&VolumeKey, &Held)| {
            (held.used < self.frame && key != volume && !self.shown.contains(key)).then_some((held.used, *key))
        };
        let mut idle: Vec<(u64, VolumeKey)> = self.volumes.iter().filter_map(idle).collect();
        // The key settles ties, so that equal inputs evict equal volumes.
        idle.sort_unstable();
        for (_, key) in idle {
            if self.bytes + bytes <= self.budget {
                break;
            }
            self.evict(device, &key);
        }
    }

    fn evict(&mut self, device: &mut dyn RenderDevice, key: &VolumeKey) {
        if let Some(held) = self.volumes.remove(key) {
            self.bytes -= held.bytes;
            device.evict_volume(key);
        }
    }

    /// The picture shows these from now on.
    pub fn show(&mut self, volumes: Vec<VolumeKey>) {
        self.shown = volumes;
    }

    /// Whether the picture shows the volume.
    pub fn shows(&self, key: &VolumeKey) -> bool {
        self.shown.contains(key)
    }

    /// Evicts the volumes that are not of the shape that `shape` says.
    pub fn retain(&mut self, device: &mut dyn RenderDevice, shape: impl Fn(&VolumeKey) -> Option<[u32; 3]>) {
        let other = |(key, held): &(&VolumeKey, &Held)| shape(key) != Some(held.shape);
        let gone: Vec<VolumeKey> = self.volumes.iter().filter(other).map(|(key, _)| *key).collect();
        gone.iter().for_each(|key| self.evict(device, key));
        self.shown.retain(|key| !gone.contains(key));
    }

    /// Forgets everything, for a device that lost its volumes, which takes at most `budget` bytes of them.
    pub fn forget(&mut self, budget: u64) {
        self.budget = budget;
        self.bytes = 0;
        self.volumes.clear();
        self.shown.clear();
    }

    /// Bytes resident.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a device takes for so many samples: two bytes of integers, four of others, and a tenth for the spans of their values and for what
/// is looked at first.
pub fn bytes_on_device(format: SampleFormat, samples: u64) -> u64 {
    let sample = match format {
        SampleFormat::U8 | SampleFormat::U16 => 2,
        SampleFormat::F32 => 4,
    };
    samples * sample * 11 / 10
}
