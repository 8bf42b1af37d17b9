//! Figures of the server and how `/metrics.json` shows them together with the engine's (PROTOCOL §13).

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Figures by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Values of now.
    pub gauges: BTreeMap<&'static str, f64>,
    /// Sums since the start.
    pub counters: BTreeMap<&'static str, u64>,
    /// Distributions of times.
    pub histograms: BTreeMap<&'static str, Histogram>,
}

/// A distribution of times over a rolling window, milliseconds; least and most since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// The newest.
    pub last_ms: f64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90 % are below.
    pub p90_ms: f64,
    /// 99 % are below.
    pub p99_ms: f64,
    /// Least.
    pub min_ms: f64,
    /// Most.
    pub max_ms: f64,
}

/// What the server itself counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Access units that reached the fan-out.
    pub(crate) frames: AtomicU64,
    /// Their bytes, headers excluded.
    pub(crate) bytes: AtomicU64,
    /// Those a decoder can start with.
    pub(crate) keyframes: AtomicU64,
    /// Access units that a viewer did not get because it was too slow.
    pub(crate) dropped: AtomicU64,
    /// `notify.stream` frames.
    pub(crate) stream_configs: AtomicU64,
    /// Sessions opened.
    pub(crate) state_connects: AtomicU64,
    /// Camera intents.
    pub(crate) camera_updates: AtomicU64,
}

/// Adds to a counter. Order between counters does not matter to anyone.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Tasks of the async runtime that calls this: sockets, timers, connections. It comes back to where it was when clients leave.
fn alive_tasks() -> Option<usize> {
    tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.metrics().num_alive_tasks())
}

/// How the pixel channel stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PixelGauges {
    /// Sockets.
    pub(crate) clients: usize,
    /// Most access units that any of them has waiting.
    pub(crate) queue_depth: usize,
    /// Number of the newest IDR among all access units, and its wall clock.
    pub(crate) last_key: Option<(u64, f64)>,
    /// Whether any of them could take a packet, or there are none.
    pub(crate) hungry: bool,
    /// Most bytes that any of them has waiting.
    pub(crate) queued_bytes: u64,
    /// Most bytes on their way to any of them.
    pub(crate) in_flight_bytes: u64,
    /// Longest round trip to any of them.
    pub(crate) rtt_ms: f64,
    /// Measured delivery to the slowest of them, bits per second.
    pub(crate) slowest_bps: Option<f64>,
}

/// The document at `/metrics.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: &'static str,
    ts: f64,
    #[serde(flatten)]
    metrics: Metrics,
    derived: Derived,
}

#[derive(Debug, Serialize)]
struct Derived {
    fps: f64,
}

/// Makes reports, and remembers the previous one for what is derived from two.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    previous: Mutex<Option<(Instant, u64)>>,
}

impl Reporter {
    /// The report of now.
    pub(crate) fn report(&self, now: Instant, ts: f64, engine: Metrics, counters: &Counters, pixel: PixelGauges) -> Report {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let frames = count(&counters.frames);
        let mut metrics = engine;
        metrics.counters.extend([
            ("napari_cuda_frames_total", frames),
            ("napari_cuda_bytes_total", count(&counters.bytes)),
            ("napari_cuda_keyframes_total", count(&counters.keyframes)),
            ("napari_cuda_frames_dropped", count(&counters.dropped)),
            ("napari_cuda_stream_config_sends", count(&counters.stream_configs)),
            ("napari_cuda_state_connects", count(&counters.state_connects)),
            ("napari_cuda_state_camera_updates", count(&counters.camera_updates)),
        ]);
        metrics.gauges.extend([
            ("napari_cuda_frame_queue_depth", pixel.queue_depth as f64),
            ("napari_cuda_pixel_clients", pixel.clients as f64),
            ("napari_cuda_pixel_hungry", f64::from(u8::from(pixel.hungry))),
            ("napari_cuda_pixel_queued_bytes", pixel.queued_bytes as f64),
            ("napari_cuda_pixel_in_flight_bytes", pixel.in_flight_bytes as f64),
            ("napari_cuda_pixel_rtt_ms", pixel.rtt_ms),
        ]);
        metrics.gauges.extend(pixel.slowest_bps.map(|bps| ("napari_cuda_pixel_slowest_bps", bps)));
        metrics.gauges.extend(alive_tasks().map(|tasks| ("napari_cuda_tasks", tasks as f64)));
        if let Some((seq, ts)) = pixel.last_key {
            metrics.gauges.extend([("napari_cuda_last_key_seq", seq as f64), ("napari_cuda_last_key_ts", ts)]);
        }
        Report { version: "v1", ts, metrics, derived: Derived { fps: self.fps(now, frames) } }
    }

    /// Frames per second since the report before.
    fn fps(&self, now: Instant, frames: u64) -> f64 {
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = previous.map_or(0.0, |(then, before)| {
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            if seconds > 0.0 { frames.saturating_sub(before) as f64 / seconds } else { 0.0 }
        });
        *previous = Some((now, frames));
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn fps_is_the_change_since_the_report_before() {
        let (reporter, start) = (Reporter::default(), Instant::now());
        assert_eq!(reporter.fps(start, 100), 0.0);
        assert_eq!(reporter.fps(start + Duration::from_secs(2), 160), 30.0);
        assert_eq!(reporter.fps(start + Duration::from_secs(2), 170), 0.0);
    }
}
