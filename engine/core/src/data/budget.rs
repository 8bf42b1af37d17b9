//! How much of an image may be held at once: budgets from what the machine and the device have (PROTOCOL §16.3), and what fits them.
//! Pure: who asks the machine is `engine::machine` and `gpu::probe`.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// Memory of a device of which nobody says how much it has (PROTOCOL §14).
const UNKNOWN: u64 = 8192 * MIB;
/// Least that is left to everything else on the device.
const LEAST_RESERVE: u64 = 1024 * MIB;
/// The part of the cache budget that goes to tiles on the device is one in so many; decoded chunks get the rest.
pub const TILE_SHARE: u64 = 4;
/// Share of the memory at hand that is the cache's if nobody says otherwise, and its bounds.
const CACHE_SHARE: u64 = 4;
const CACHE_RANGE: (u64, u64) = (256 * MIB, 32 << 30);

/// Where a device keeps what it draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceMemory {
    /// In the machine's memory: it draws on the processor.
    Host,
    /// In its own, of so many bytes.
    Video(u64),
    /// In its own, whose size it does not say.
    Unknown,
}

/// What the machine and the device in use have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// Bytes that this process may use at most: the machine's, or those of its control group; `None` if that cannot be found out.
    pub memory: Option<u64>,
    /// The device's memory.
    pub device: DeviceMemory,
    /// Longest side of a volume that the device can hold, samples; `None` if any.
    pub texture_edge_3d: Option<u32>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self { memory: None, device: DeviceMemory::Host, texture_edge_3d: None }
    }
}

/// What a person says instead. Nothing is 0: that is "as the hardware is".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overrides {
    /// Bytes of one plane.
    pub slice_bytes: Option<u64>,
    /// Bytes of one volume.
    pub volume_bytes: Option<u64>,
    /// Samples of one volume.
    pub volume_voxels: Option<u64>,
    /// Bytes of the device's memory.
    pub video_bytes: Option<u64>,
}

/// How much of an image may be held at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Bytes of one whole plane of a level; `None` is any.
    pub slice_bytes: Option<u64>,
    /// Bytes of the volumes of all layers together.
    pub volume_bytes: u64,
    /// Samples of the volumes of all layers together.
    pub volume_voxels: u64,
    /// Longest side of a volume, samples; `None` is any.
    pub texture_edge_3d: Option<u32>,
    /// Bytes of tiles on the device.
    pub tile_bytes: u64,
}

impl Budgets {
    /// For `hardware`, as far as nobody says otherwise; of a cache of `cache_bytes`.
    ///
    /// A quarter of the device's memory, but 1 GiB at least, is left to others; half of the rest may be a volume, of samples of four
    /// bytes (PROTOCOL §16.3). A device that has no more than that reserve gives an eighth of what it has.
    pub fn derive(hardware: &Hardware, overrides: &Overrides, cache_bytes: u64) -> Self {
        let found = match hardware.device {
            DeviceMemory::Host => hardware.memory.unwrap_or(UNKNOWN),
            DeviceMemory::Video(bytes) => bytes,
            DeviceMemory::Unknown => UNKNOWN,
        };
        let memory = overrides.video_bytes.unwrap_or(found);
        let free = memory.saturating_sub(LEAST_RESERVE.max(memory / 4));
        let volume_bytes = overrides.volume_bytes.unwrap_or(if free > 0 { free / 2 } else { (memory / 8).max(1) });
        let tiles = cache_bytes / TILE_SHARE;
        Self {
            slice_bytes: overrides.slice_bytes,
            volume_bytes,
            volume_voxels: overrides.volume_voxels.unwrap_or((volume_bytes / 4).max(1)),
            texture_edge_3d: hardware.texture_edge_3d,
            tile_bytes: match hardware.device {
                // These tiles are counted in the cache's budget already.
                DeviceMemory::Host => tiles,
                DeviceMemory::Video(_) | DeviceMemory::Unknown => tiles.min(if free > 0 { free / 4 } else { memory / 8 }).max(1),
            },
        }
    }

    /// As if the device had `bytes` for tiles and as many for volumes, and nothing else mattered.
    pub fn within(bytes: u64) -> Self {
        Self { slice_bytes: None, volume_bytes: bytes, volume_voxels: bytes, texture_edge_3d: None, tile_bytes: bytes }
    }

    /// Whether a plane of so many samples of `sample_bytes` fits.
    pub fn slice_fits(&self, columns: u64, rows: u64, sample_bytes: usize) -> bool {
        let bytes = product([columns, rows, sample_bytes as u64]);
        self.slice_bytes.is_none_or(|most| bytes <= u128::from(most))
    }

    /// Whether the volumes of `layers` layers, each of `shape` samples of `sample_bytes`, fit together.
    pub fn volume_fits(&self, shape: &[u64], layers: u64, sample_bytes: usize) -> bool {
        let voxels = product(shape.iter().copied().chain([layers]));
        voxels <= u128::from(self.volume_voxels)
            && voxels.saturating_mul(sample_bytes as u128) <= u128::from(self.volume_bytes)
            && self.texture_edge_3d.is_none_or(|most| shape.iter().all(|&edge| edge <= u64::from(most)))
    }
}

/// Bytes for decoded chunks and tiles together if nobody says otherwise: a quarter of the memory that is `available`, 256 MiB to
/// 32 GiB, and 1 GiB where that is unknown.
pub fn default_cache_bytes(available: Option<u64>) -> u64 {
    available.map_or(1 << 30, |bytes| (bytes / CACHE_SHARE).clamp(CACHE_RANGE.0, CACHE_RANGE.1))
}

fn product(factors: impl IntoIterator<Item = u64>) -> u128 {
    factors.into_iter().fold(1, |product: u128, factor| product.saturating_mul(u128::from(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_video(bytes: u64) -> Hardware {
        Hardware { memory: Some(64 << 30), device: DeviceMemory::Video(bytes), texture_edge_3d: Some(2048) }
    }

    #[test]
    fn derives_as_16_3() {
        let none = Overrides::default();
        let budgets = Budgets::derive(&with_video(8 << 30), &none, 1 << 30);
        assert_eq!((budgets.volume_bytes, budgets.volume_voxels), (3072 * MIB, 805_306_368));
        assert_eq!((budgets.slice_bytes, budgets.tile_bytes, budgets.texture_edge_3d), (None, 256 * MIB, Some(2048)));
        let large = Budgets::derive(&with_video(80 << 30), &none, 1 << 30);
        assert_eq!(large.volume_bytes, 30 << 30, "a quarter stays free");
        let small = Budgets::derive(&with_video(3 << 30), &none, 8 << 30);
        assert_eq!((small.volume_bytes, small.tile_bytes), (1 << 30, 512 * MIB), "1 GiB stays free");
        let unknown = Hardware { device: DeviceMemory::Unknown, ..with_video(0) };
        assert_eq!(Budgets::derive(&unknown, &none, 1 << 30).volume_bytes, 3072 * MIB);
        let host = Hardware { memory: Some(16 << 30), device: DeviceMemory::Host, texture_edge_3d: None };
        assert_eq!(Budgets::derive(&host, &none, 4 << 30).volume_bytes, 6 << 30);
        assert_eq!(Budgets::derive(&host, &none, 4 << 30).tile_bytes, 1 << 30);
    }

    #[test]
    fn tiny_machines_keep_something() {
        for bytes in [1, 7, MIB, 512 * MIB, 1024 * MIB] {
            for device in [DeviceMemory::Host, DeviceMemory::Video(bytes)] {
                let budgets = Budgets::derive(
                    &Hardware { memory: Some(bytes), device, texture_edge_3d: None },
                    &Overrides::default(),
                    bytes.max(4),
                );
                assert!(budgets.volume_bytes > 0 && budgets.volume_voxels > 0 && budgets.tile_bytes > 0, "{bytes}: {budgets:?}");
                assert!(budgets.volume_bytes <= bytes, "{bytes}: {budgets:?}");
            }
        }
        assert_eq!(default_cache_bytes(Some(100 * MIB)), 256 * MIB);
        assert_eq!(default_cache_bytes(Some(8 << 30)), 2 << 30);
        assert_eq!(default_cache_bytes(Some(1 << 50)), 32 << 30);
        assert_eq!(default_cache_bytes(None), 1 << 30);
    }

    #[test]
    fn overrides_win() {
        let said =
            Overrides { slice_bytes: Some(10), volume_bytes: Some(20), volume_voxels: Some(30), video_bytes: Some(8 << 30) };
        let budgets = Budgets::derive(&with_video(4 << 30), &said, 1 << 30);
        assert_eq!((budgets.slice_bytes, budgets.volume_bytes, budgets.volume_voxels), (Some(10), 20, 30));
        let said = Overrides { video_bytes: Some(8 << 30), ..Overrides::default() };
        assert_eq!(
            Budgets::derive(&Hardware::default(), &said, 1 << 30).volume_bytes,
            3072 * MIB,
            "also where it draws on the processor"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_fits_is_within_every_cap(shape in prop::array::uniform3(1u64..5000), layers in 1u64..4, sample in prop::sample::select(&[1usize, 2, 4][..]),
                                         bytes in 1u64..1 << 40, voxels in 1u64..1 << 40, edge in prop::option::of(1u32..5000), slice in prop::option::of(1u64..1 << 30)) {
            let budgets = Budgets { slice_bytes: slice, volume_bytes: bytes, volume_voxels: voxels, texture_edge_3d: edge, tile_bytes: 1 };
            let count = shape.iter().product::<u64>() * layers;
            let fits = count <= voxels && count * sample as u64 <= bytes && edge.is_none_or(|e| shape.iter().all(|&n| n <= u64::from(e)));
            prop_assert_eq!(budgets.volume_fits(&shape, layers, sample), fits);
            prop_assert_eq!(budgets.slice_fits(shape[0], shape[1], sample), slice.is_none_or(|most| shape[0] * shape[1] * sample as u64 <= most));
        }

        /// More memory never allows less, whatever the size.
        #[test]
        fn budgets_grow_with_memory(a in 1u64..1 << 44, b in 1u64..1 << 44) {
            // Around the reserve the rule changes; there it may step down, but it never vanishes.
            let (a, b) = (a.min(b).max(2 << 30), a.max(b).max(2 << 30));
            let of = |bytes| Budgets::derive(&with_video(bytes), &Overrides::default(), 1 << 30);
            prop_assert!(of(a).volume_bytes <= of(b).volume_bytes && of(a).tile_bytes <= of(b).tile_bytes);
        }
    }

    #[test]
    fn nothing_overflows() {
        let budgets = Budgets {
            slice_bytes: Some(u64::MAX),
            volume_bytes: u64::MAX,
            volume_voxels: u64::MAX,
            texture_edge_3d: None,
            tile_bytes: 1,
        };
        assert!(!budgets.volume_fits(&[u64::MAX; 5], u64::MAX, 4) && !budgets.slice_fits(u64::MAX, u64::MAX, 4));
    }
}
