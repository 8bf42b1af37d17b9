//! Stage times and counters of one session, for metrics, telemetry and benches.

use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A stage on the way from an intent to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Level, region of interest, tile list.
    Plan,
    /// Tiles made from cached chunks and handed to the device.
    Upload,
    /// The picture.
    Render,
    /// Conversion and read-back.
    Capture,
    /// H.264.
    Encode,
    /// From the arrival of the oldest intent that a picture answers to its packet.
    Total,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 6] = [Self::Plan, Self::Upload, Self::Render, Self::Capture, Self::Encode, Self::Total];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Upload => "upload",
            Self::Render => "render",
            Self::Capture => "capture",
            Self::Encode => "encode",
            Self::Total => "total",
        }
    }
}

/// Longest time a histogram tells apart, in microseconds.
const CEILING_US: u64 = 60_000_000;

/// What a histogram holds, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Samples.
    pub count: u64,
    /// The newest sample.
    pub last_ms: f64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Smallest.
    pub min_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

#[derive(Debug)]
struct Track {
    histogram: Histogram<u64>,
    last_us: u64,
}

/// Histograms per stage, and counters.
#[derive(Debug)]
pub struct Stats {
    tracks: Mutex<Vec<Track>>,
    /// Pictures drawn.
    pub frames: AtomicU64,
    /// Captured pictures that a newer one replaced before the encoder took them.
    pub frames_dropped: AtomicU64,
    /// Times the encoder was made anew.
    pub encoder_resets: AtomicU64,
    /// Times the device was made anew.
    pub device_resets: AtomicU64,
    /// Level switches.
    pub level_switches: AtomicU64,
    /// Bytes of tiles on the device.
    pub tile_bytes: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        let track = || Track {
            histogram: Histogram::new_with_bounds(1, CEILING_US, 3).unwrap_or_else(|_| unreachable!("constant bounds")),
            last_us: 0,
        };
        Self {
            tracks: Mutex::new(Stage::ALL.iter().map(|_| track()).collect()),
            frames: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            encoder_resets: AtomicU64::new(0),
            device_resets: AtomicU64::new(0),
            level_switches: AtomicU64::new(0),
            tile_bytes: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// Records one duration.
    pub fn record(&self, stage: Stage, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(CEILING_US).clamp(1, CEILING_US);
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let track = &mut tracks[stage as usize];
        track.histogram.saturating_record(us);
        track.last_us = us;
    }

    /// Adds one to a counter.
    pub fn count(&self, counter: impl Fn(&Self) -> &AtomicU64) {
        counter(self).fetch_add(1, Ordering::Relaxed);
    }

    /// What a stage's histogram holds; `None` before its first sample.
    pub fn summary(&self, stage: Stage) -> Option<Summary> {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let Track { histogram, last_us } = &tracks[stage as usize];
        let ms = |us: u64| us as f64 / 1e3;
        (!histogram.is_empty()).then(|| Summary {
            count: histogram.len(),
            last_ms: ms(*last_us),
            mean_ms: histogram.mean() / 1e3,
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p90_ms: ms(histogram.value_at_quantile(0.9)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            min_ms: ms(histogram.min()),
            max_ms: ms(histogram.max()),
        })
    }
}
