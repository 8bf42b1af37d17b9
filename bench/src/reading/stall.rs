//! Whether the first slice of a sharded image waits for more than later ones do, as it would if shards were read whole.

use super::{Dice, FORMATS, shape};
use crate::distribution::{Distribution, rounded};
use anyhow::{Context, Result, bail};
use nc_core::data::{MAX_AXES, PlaneKey, TILE, TileKey};
use nc_store::{Arrival, Image, Loader, LoaderConfig, ViewId, Want};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The first slice by a later one, at most.
pub const MOST: f64 = 1.5;
/// Pairs of slices.
const PAIRS: usize = 10;
/// Enough for all that is read.
const CACHE_BYTES: u64 = 2 << 30;
/// Longest time in which a slice comes.
const PATIENCE: Duration = Duration::from_secs(60);
const VIEW: ViewId = ViewId(0);

/// Times of slices of tiles, none of which shares a shard with another of its loader.
#[derive(Debug, Clone, Default)]
pub struct Stall {
    /// Samples of a slice each way.
    edge: u64,
    /// The first that a loader reads.
    first: Distribution,
    /// One that the same loader reads later.
    later: Distribution,
}

/// Times pairs of cold slices of the sharded zstd image, a quarter of a plane each (1024² of the large image), with the cache on.
pub fn run(data: &Path, threads: usize) -> Result<Stall> {
    let format = FORMATS[3];
    let mut stall = Stall::default();
    let mut dice = Dice(PAIRS as u64);
    for pair in 0..PAIRS {
        let image = super::open(data, format)?;
        let [z, y, _] = shape(&image)?;
        stall.edge = y / 2;
        let loader = Loader::new(LoaderConfig { threads, cache_bytes: CACHE_BYTES });
        let (wake, woken) = mpsc::sync_channel(1);
        loader.attach(
            VIEW,
            Arc::new(move || {
                // One that waits already says it all, and nobody listens any more when the run is over.
                let _ = wake.try_send(());
            }),
        );
        let plane = dice.below(z) as u32;
        for (times, quarter) in [(&mut stall.first, pair), (&mut stall.later, pair + 1)] {
            let quarter = [(quarter / 2 % 2) as u64, (quarter % 2) as u64];
            times.push(slice(&loader, &image, &woken, plane, quarter.map(|q| q * stall.edge), stall.edge)?);
        }
    }
    Ok(stall)
}

/// From wanting the tiles of a slice to having all of them.
fn slice(loader: &Loader, image: &Image, woken: &mpsc::Receiver<()>, z: u32, start: [u64; 2], edge: u64) -> Result<Duration> {
    let mut index = [0; MAX_AXES];
    index[0] = z;
    let plane = PlaneKey { image: image.info.id, level: 0, row_axis: 1, col_axis: 2, index };
    let [rows, cols] = start.map(|start| (start / u64::from(TILE)) as u32..((start + edge) / u64::from(TILE)) as u32);
    let keys: Vec<TileKey> = rows.flat_map(|ty| cols.clone().map(move |tx| TileKey { plane, ty, tx })).collect();
    let wants: Vec<Want> = keys.iter().copied().map(Want::visible).collect();
    let mut missing: HashSet<TileKey> = keys.into_iter().collect();
    let before = Instant::now();
    loader.want(VIEW, std::slice::from_ref(image), &wants);
    while !missing.is_empty() {
        woken.recv_timeout(PATIENCE).context("a slice does not come")?;
        for arrival in loader.take_arrivals(VIEW) {
            match arrival {
                Arrival::Tile { key, .. } => drop(missing.remove(&key)),
                Arrival::Fault { fault, .. } => bail!("{}", fault.message),
                Arrival::Brick { .. } | Arrival::Overview { .. } => {}
            }
        }
    }
    Ok(before.elapsed())
}

impl Stall {
    /// Median of the pairs' ratios.
    pub fn ratio(&self) -> f64 {
        let pairs = self.first.iter().zip(self.later.iter());
        let mut ratios: Vec<f64> = pairs.map(|(first, later)| first.as_secs_f64() / later.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// What is not reached.
    pub fn miss(&self) -> Option<String> {
        (self.ratio() > MOST).then(|| format!("the first slice takes {:.2} times a later one, more than {MOST}", self.ratio()))
    }

    /// All of it as a document.
    pub fn to_json(&self) -> Value {
        json!({"edge": self.edge, "first": self.first.to_json(), "later": self.later.to_json(), "ratio": rounded(self.ratio())})
    }
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let median = |d: &Distribution| d.percentile_ms(50).unwrap_or(f64::NAN);
        let (first, later) = (median(&self.first), median(&self.later));
        write!(
            f,
            "sharded zstd, {0}x{0}: first slice {first:.1} ms, later cold slice {later:.1} ms, ratio {1:.2}",
            self.edge,
            self.ratio()
        )
    }
}
