//! Stage times and counters of one session, for metrics, telemetry and benches.

use nc_core::data::LevelDecided;
use nc_core::data::lod::LevelReason;
use nc_core::ledger::{OpTrace, Step};
use nc_store::WarmReport;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A stage on the way from an intent to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Level, region of interest, tile list.
    Plan,
    /// Tiles or bricks made from cached chunks and handed to the device.
    Upload,
    /// The picture.
    Render,
    /// Conversion and read-back.
    Capture,
    /// H.264.
    Encode,
    /// From the arrival of an intent to the moment when the first socket had taken the packet of the picture that answers it.
    Total,
    /// From the arrival of the newest intent to the packet of the first picture that lacks no tile of its level.
    Complete,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [Self::Plan, Self::Upload, Self::Render, Self::Capture, Self::Encode, Self::Total, Self::Complete];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Upload => "upload",
            Self::Render => "render",
            Self::Capture => "capture",
            Self::Encode => "encode",
            Self::Total => "total",
            Self::Complete => "complete",
        }
    }
}

/// Samples that a distribution remembers (PROTOCOL §13): what happened long ago says nothing of now.
const WINDOW: usize = 512;

/// Ended ops that are kept until somebody takes them; of more, the newest.
const ENDED: usize = 256;

/// What happened lately, in milliseconds; `min_ms` and `max_ms` since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Samples since the start.
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

/// The newest samples of one stage.
#[derive(Debug)]
struct Track {
    recent: VecDeque<Duration>,
    count: u64,
    min: Duration,
    max: Duration,
}

impl Track {
    fn new() -> Self {
        Self { recent: VecDeque::with_capacity(WINDOW), count: 0, min: Duration::MAX, max: Duration::ZERO }
    }

    fn record(&mut self, took: Duration) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
        self.count += 1;
        (self.min, self.max) = (self.min.min(took), self.max.max(took));
    }

    /// Of all that is remembered and is not among the first `before` samples.
    fn summary(&self, before: u64) -> Option<Summary> {
        let newest = usize::try_from(self.count.saturating_sub(before)).unwrap_or(usize::MAX);
        let mut sorted: Vec<Duration> = self.recent.iter().rev().take(newest).copied().collect();
        let last = *sorted.first()?;
        sorted.sort_unstable();
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        // The smallest sample that so many percent do not exceed.
        let percentile = |percent: usize| ms(sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]);
        Some(Summary {
            count: self.count,
            last_ms: ms(last),
            mean_ms: ms(sorted.iter().sum::<Duration>()) / sorted.len() as f64,
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            min_ms: ms(self.min),
            max_ms: ms(self.max),
        })
    }
}

/// What became of chunks that were asked for ahead of a view. Sums over all datasets of a session.
#[derive(Debug, Default)]
pub struct Prefetch {
    /// Asked for, and not in the cache.
    pub asked: AtomicU64,
    /// Of those that came, the ones that a picture needed then.
    pub used: AtomicU64,
    /// Needed before they came.
    pub late: AtomicU64,
    /// Dropped from the cache, never needed.
    pub wasted: AtomicU64,
    /// Decoded bytes of those.
    pub wasted_bytes: AtomicU64,
}

impl Prefetch {
    /// Adds what happened between two reports of a source.
    pub fn add(&self, before: &WarmReport, now: &WarmReport) {
        let add = |counter: &AtomicU64, before: u64, now: u64| {
            counter.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
        };
        add(&self.asked, before.asked, now.asked);
        add(&self.used, before.used, now.used);
        add(&self.late, before.late, now.late);
        add(&self.wasted, before.wasted, now.wasted);
        add(&self.wasted_bytes, before.wasted_bytes, now.wasted_bytes);
    }

    /// Part of the chunks whose end is known that came in time and were needed, 0..1; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let [used, late, wasted] = [&self.used, &self.late, &self.wasted].map(|counter| counter.load(Ordering::Relaxed));
        let known = used + late + wasted;
        (known > 0).then(|| used as f64 / known as f64)
    }
}

/// Distributions of times per stage, and counters.
#[derive(Debug)]
pub struct Stats {
    tracks: Mutex<Vec<Track>>,
    /// How long ops took to each step, counted from the one before.
    steps: Mutex<Vec<Track>>,
    /// Ops that ended without a packet, for whoever reports on ops.
    ended: Mutex<VecDeque<OpTrace>>,
    /// Pictures drawn.
    pub frames: AtomicU64,
    /// Captured pictures that a newer one replaced before the encoder took them.
    pub frames_dropped: AtomicU64,
    /// Times the encoder was made anew.
    pub encoder_resets: AtomicU64,
    /// Times the watchdog asked for an IDR that was asked for before.
    pub idr_reminders: AtomicU64,
    /// Times the watchdog had the encoder made anew.
    pub watchdog_resets: AtomicU64,
    /// Times the device was made anew.
    pub device_resets: AtomicU64,
    /// Level switches.
    pub level_switches: AtomicU64,
    /// Decisions about the level, in the order of [`LevelReason::ALL`].
    pub level_decisions: [AtomicU64; LevelReason::ALL.len()],
    /// Bytes of tiles on the device.
    pub tile_bytes: AtomicU64,
    /// Bytes of volumes on the device.
    pub volume_bytes: AtomicU64,
    /// Tiles or bricks that the present view lacks at its level.
    pub tiles_missing: AtomicU64,
    /// Of the last picture: pixels along each side of one that was drawn, above 1 while a 3D view moves and its pictures take too long.
    pub render_divisor: AtomicU64,
    /// Of the last picture: how many times longer than asked for the steps along a ray were, likewise.
    pub ray_step: AtomicU64,
    /// What was asked for ahead.
    pub prefetch: Prefetch,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            tracks: Mutex::new(Stage::ALL.iter().map(|_| Track::new()).collect()),
            steps: Mutex::new(Step::ALL.iter().map(|_| Track::new()).collect()),
            ended: Mutex::default(),
            frames: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            encoder_resets: AtomicU64::new(0),
            idr_reminders: AtomicU64::new(0),
            watchdog_resets: AtomicU64::new(0),
            device_resets: AtomicU64::new(0),
            level_switches: AtomicU64::new(0),
            level_decisions: Default::default(),
            tile_bytes: AtomicU64::new(0),
            volume_bytes: AtomicU64::new(0),
            tiles_missing: AtomicU64::new(0),
            render_divisor: AtomicU64::new(1),
            ray_step: AtomicU64::new(1),
            prefetch: Prefetch::default(),
        }
    }
}

impl Stats {
    /// Records one duration.
    pub fn record(&self, stage: Stage, took: Duration) {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)[stage as usize].record(took);
    }

    /// Records how long ops took to each step, and to their packet's first socket.
    pub fn traced(&self, ops: &[OpTrace]) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        for (step, took) in ops.iter().flat_map(OpTrace::stages) {
            steps[step as usize].record(took);
        }
        drop(steps);
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        for total in ops.iter().filter_map(|op| op.since_received(Step::Sent)) {
            tracks[Stage::Total as usize].record(total);
        }
    }

    /// Keeps ops that ended without a packet.
    pub(crate) fn keep_ended(&self, ops: Vec<OpTrace>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.extend(ops);
        let excess = ended.len().saturating_sub(ENDED);
        ended.drain(..excess);
    }

    /// The ops that ended without a packet since this was last called, as far as they were kept.
    pub fn take_ended(&self) -> Vec<OpTrace> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// How long ops took lately to get to `step` from the one before; `None` before the first.
    pub fn step(&self, step: Step) -> Option<Summary> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)[step as usize].summary(0)
    }

    /// Adds one to a counter.
    pub fn count(&self, counter: impl Fn(&Self) -> &AtomicU64) {
        counter(self).fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a decision about the level.
    pub fn level_decided(&self, decided: &LevelDecided) {
        self.level_decisions[decided.decision.reason as usize].fetch_add(1, Ordering::Relaxed);
        if decided.switches() {
            self.level_switches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How long a stage took lately; `None` before its first sample.
    pub fn summary(&self, stage: Stage) -> Option<Summary> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)[stage as usize].summary(0)
    }

    /// How many samples of each stage there were, in the order of [`Stage::ALL`].
    pub fn samples(&self) -> [u64; Stage::ALL.len()] {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        std::array::from_fn(|stage| tracks[stage].count)
    }

    /// Like [`Self::summary`], without the first `before` samples: what came since there were that many.
    pub fn summary_after(&self, stage: Stage, before: u64) -> Option<Summary> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)[stage as usize].summary(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_newest_samples_and_extremes_of_all() {
        let stats = Stats::default();
        assert_eq!(stats.summary(Stage::Total), None);
        stats.record(Stage::Total, Duration::from_secs(9));
        (0..WINDOW).for_each(|n| stats.record(Stage::Total, Duration::from_millis(n as u64 % 100 + 1)));
        let summary = stats.summary(Stage::Total).unwrap();
        assert_eq!((summary.count, summary.min_ms, summary.max_ms), (WINDOW as u64 + 1, 1.0, 9000.0));
        assert_eq!((summary.last_ms, summary.p50_ms), (12.0, 49.0));
        assert!(summary.p99_ms <= 100.0 && summary.p90_ms < summary.p99_ms);
        assert_eq!(stats.summary(Stage::Plan), None);
    }

    #[test]
    fn what_was_asked_for_ahead_is_summed_over_sources() {
        let prefetch = Prefetch::default();
        assert_eq!(prefetch.hit_rate(), None);
        let first = WarmReport { asked: 10, used: 4, late: 1, ..WarmReport::default() };
        prefetch.add(&WarmReport::default(), &first);
        prefetch.add(&first, &WarmReport { asked: 12, used: 6, late: 1, wasted: 1, wasted_bytes: 64, ..first });
        // Another dataset counts from the start.
        prefetch.add(&WarmReport::default(), &WarmReport { asked: 3, ..WarmReport::default() });
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((count(&prefetch.asked), count(&prefetch.used), count(&prefetch.wasted_bytes)), (15, 6, 64));
        assert_eq!(prefetch.hit_rate(), Some(0.75));
    }

    #[test]
    fn what_came_since_a_count_is_told_apart() {
        let stats = Stats::default();
        (1..=5).for_each(|ms| stats.record(Stage::Render, Duration::from_millis(ms)));
        let before = stats.samples();
        assert_eq!(before[Stage::Render as usize], 5);
        assert_eq!(stats.summary_after(Stage::Render, 5), None);
        (7..=9).for_each(|ms| stats.record(Stage::Render, Duration::from_millis(ms)));
        let since = stats.summary_after(Stage::Render, 5).unwrap();
        assert_eq!((since.p50_ms, since.p99_ms, since.last_ms), (8.0, 9.0, 9.0));
    }
}
