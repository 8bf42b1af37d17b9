//! The real engine behind [`Engine`], and its figures by the names of PROTOCOL §13.

use crate::engine::{Busy, Engine};
use crate::metrics::{Histogram, Metrics};
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{RawIntent, StreamConfig};
use nc_engine::{Session, Stage, Summary};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine for Session {
    fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        Session::submit(self, intent).map_err(|_| Busy)
    }

    fn request_idr(&self) {
        Session::request_idr(self);
    }

    fn set_viewers(&self, viewers: usize) {
        Session::set_viewers(self, viewers);
    }

    fn view(&self) -> Arc<AppliedView> {
        Session::view(self)
    }

    fn stream(&self) -> Option<StreamConfig> {
        Session::stream(self)
    }

    fn metrics(&self) -> Metrics {
        let stats = self.stats();
        let mut metrics = Metrics::default();
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        metrics.counters.insert("napari_cuda_encoder_resets", read(&stats.encoder_resets));
        metrics.counters.insert("napari_cuda_device_resets", read(&stats.device_resets));
        metrics.counters.insert("napari_cuda_rendered_total", read(&stats.frames));
        metrics.counters.insert("napari_cuda_captures_dropped", read(&stats.frames_dropped));
        metrics.counters.insert("napari_cuda_level_switches", read(&stats.level_switches));
        metrics.gauges.insert("napari_cuda_tile_bytes", read(&stats.tile_bytes) as f64);
        metrics.gauges.insert("napari_cuda_tiles_missing", read(&stats.tiles_missing) as f64);
        for (stage, name) in [
            (Stage::Plan, "napari_cuda_plan_ms"),
            (Stage::Upload, "napari_cuda_upload_ms"),
            (Stage::Render, "napari_cuda_render_ms"),
            (Stage::Capture, "napari_cuda_capture_blit_cpu_ms"),
            (Stage::Encode, "napari_cuda_encode_ms"),
            (Stage::Total, "napari_cuda_total_ms"),
            (Stage::Complete, "napari_cuda_complete_ms"),
        ] {
            if let Some(summary) = stats.summary(stage) {
                metrics.histograms.insert(name, summary.into());
            }
        }
        metrics
    }
}

impl From<Summary> for Histogram {
    fn from(s: Summary) -> Self {
        Self {
            last_ms: s.last_ms,
            mean_ms: s.mean_ms,
            p50_ms: s.p50_ms,
            p90_ms: s.p90_ms,
            p99_ms: s.p99_ms,
            min_ms: s.min_ms,
            max_ms: s.max_ms,
        }
    }
}
