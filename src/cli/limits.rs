//! Flags of memory budgets, which `serve` and `doctor` share.

use nc_server::config::LimitFlags;

/// What can be typed. Values are checked, with those of the environment, by `nc_server::config`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LimitArgs {
    /// Memory for decoded chunks and tiles, MiB [default: a quarter of what is free, 256 to 32768]
    #[arg(long, value_name = "MIB")]
    cache_mb: Option<String>,
    /// Largest plane of a level that is shown, MiB; larger ones are shown coarser [default: any]
    #[arg(long, value_name = "MIB")]
    max_slice_mb: Option<String>,
    /// Largest volume that is shown, MiB [default: from the device's memory]
    #[arg(long, value_name = "MIB")]
    max_volume_mb: Option<String>,
    /// Largest volume that is shown, samples [default: from the device's memory]
    #[arg(long, value_name = "SAMPLES")]
    max_volume_voxels: Option<String>,
    /// The device's memory that budgets are made from, MiB [default: as the driver tells]
    #[arg(long, value_name = "MIB")]
    vram_mb: Option<String>,
}

impl From<LimitArgs> for LimitFlags {
    fn from(args: LimitArgs) -> Self {
        Self {
            cache_mb: args.cache_mb,
            max_slice_mb: args.max_slice_mb,
            max_volume_mb: args.max_volume_mb,
            max_volume_voxels: args.max_volume_voxels,
            vram_mb: args.vram_mb,
        }
    }
}
