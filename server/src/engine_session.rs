//! The real engine behind [`Engine`], and its figures by the names of PROTOCOL §13.

use crate::engine::{Busy, Engine, LoadError, Prepared, Vitals};
use crate::metrics::{Histogram, Metrics};
use nc_engine::api::data::lod::LevelReason;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{OpTrace, RawIntent, Step, StreamConfig};
use nc_engine::places::Location;
use nc_engine::survey::Survey;
use nc_engine::{LoaderStats, OpenError, OpenPlate, Picture, PictureError, PlaceInPlate, Selection, Session, Stage, Summary};
use nc_protocol::extension::Latency;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

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

    fn set_hungry(&self, hungry: bool) {
        Session::set_hungry(self, hungry);
    }

    fn viewer_waits_since(&self, since: Option<Instant>) {
        Session::viewer_waits_since(self, since);
    }

    fn traced(&self, ops: &[OpTrace]) {
        Session::traced(self, ops);
    }

    fn prepare(&self, location: &Location, selection: &Selection) -> Result<Box<dyn Prepared>, LoadError> {
        let received = Instant::now();
        let image = self.engine().open_selected(location, selection)?;
        Session::prepare_image(self, image, received).map(|prepared| Box::new(prepared) as Box<dyn Prepared>)
    }

    fn survey(&self, location: &Location) -> Result<Survey, OpenError> {
        self.engine().survey(location)
    }

    fn plate(&self) -> Option<PlaceInPlate> {
        self.engine().place_in_plate(Session::view(self).dataset.as_ref()?.image.id)
    }

    fn prepare_field(&self, plate: &OpenPlate, well: &str, field: u32) -> Result<Box<dyn Prepared>, LoadError> {
        let received = Instant::now();
        let image = self.engine().open_field(plate, well, field)?;
        Session::prepare_image(self, image, received).map(|prepared| Box::new(prepared) as Box<dyn Prepared>)
    }

    fn picture(&self, plate: &OpenPlate, well: usize, field: usize) -> Result<Picture, PictureError> {
        self.engine().picture(plate, well, field)
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
        metrics.counters.insert("napari_cuda_watchdog_requests", read(&stats.idr_reminders));
        metrics.counters.insert("napari_cuda_watchdog_resets", read(&stats.watchdog_resets));
        metrics.gauges.insert("napari_cuda_watchdog_state", f64::from(self.watchdog().severity()));
        metrics.counters.insert("napari_cuda_device_resets", read(&stats.device_resets));
        metrics.counters.insert("napari_cuda_rendered_total", read(&stats.frames));
        metrics.counters.insert("napari_cuda_captures_dropped", read(&stats.frames_dropped));
        metrics.counters.insert("napari_cuda_level_switches", read(&stats.level_switches));
        for (reason, decisions) in LevelReason::ALL.into_iter().zip(&stats.level_decisions) {
            metrics.counters.insert(decisions_of(reason), read(decisions));
        }
        metrics.gauges.insert("napari_cuda_tile_bytes", read(&stats.tile_bytes) as f64);
        metrics.gauges.insert("napari_cuda_volume_bytes", read(&stats.volume_bytes) as f64);
        metrics.gauges.insert("napari_cuda_render_divisor", read(&stats.render_divisor) as f64);
        metrics.gauges.insert("napari_cuda_ray_step", read(&stats.ray_step) as f64);
        metrics.gauges.insert("napari_cuda_tiles_missing", read(&stats.tiles_missing) as f64);
        let prefetch = &stats.prefetch;
        metrics.counters.extend([
            ("napari_cuda_prefetch_asked_chunks", read(&prefetch.asked)),
            ("napari_cuda_prefetch_used_chunks", read(&prefetch.used)),
            ("napari_cuda_prefetch_late_chunks", read(&prefetch.late)),
            ("napari_cuda_prefetch_wasted_chunks", read(&prefetch.wasted)),
            ("napari_cuda_prefetch_wasted_bytes", read(&prefetch.wasted_bytes)),
        ]);
        metrics.gauges.extend(prefetch.hit_rate().map(|rate| ("napari_cuda_prefetch_hit_rate", rate)));
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
        for (step, name) in [
            (Step::Reduced, "napari_cuda_op_reduced_ms"),
            (Step::Planned, "napari_cuda_op_planned_ms"),
            (Step::Loaded, "napari_cuda_op_loaded_ms"),
            (Step::Rendered, "napari_cuda_op_rendered_ms"),
            (Step::Applied, "napari_cuda_op_applied_ms"),
            (Step::Captured, "napari_cuda_op_captured_ms"),
            (Step::Encoded, "napari_cuda_op_encoded_ms"),
            (Step::Sent, "napari_cuda_op_sent_ms"),
            (Step::Painted, "napari_cuda_op_painted_ms"),
        ] {
            if let Some(summary) = stats.step(step) {
                metrics.histograms.insert(name, summary.into());
            }
        }
        loader_metrics(&self.loader_stats(), &mut metrics);
        metrics
    }

    fn vitals(&self, since: &[u64]) -> Vitals {
        let stats = self.stats();
        // Counted first: what comes meanwhile is looked at again the next time.
        let samples = stats.samples().to_vec();
        let recent = |stage: Stage| {
            let summary = stats.summary_after(stage, since.get(stage as usize).copied().unwrap_or(0))?;
            Some((stage.name(), Latency { p50_ms: summary.p50_ms, p99_ms: summary.p99_ms }))
        };
        Vitals {
            stages: Stage::ALL.into_iter().filter_map(recent).collect(),
            samples,
            tiles_missing: stats.tiles_missing.load(Ordering::Relaxed),
            lowered: Some([&stats.render_divisor, &stats.ray_step].map(|value| value.load(Ordering::Relaxed)))
                .filter(|lowered| *lowered != [1, 1])
                .map(|[divisor, ray_step]| (divisor, ray_step)),
            watchdog: self.watchdog(),
            watchdog_resets: stats.watchdog_resets.load(Ordering::Relaxed),
            ended: stats.take_ended(),
        }
    }
}

/// The counter of the decisions about the level that came out for a reason.
fn decisions_of(reason: LevelReason) -> &'static str {
    match reason {
        LevelReason::Finer => "napari_cuda_level_decisions_finer",
        LevelReason::Coarser => "napari_cuda_level_decisions_coarser",
        LevelReason::Keep => "napari_cuda_level_decisions_keep",
        LevelReason::Locked => "napari_cuda_level_decisions_locked",
        LevelReason::Cooldown => "napari_cuda_level_decisions_cooldown",
        LevelReason::OverBudget => "napari_cuda_level_decisions_over_budget",
        LevelReason::Volume => "napari_cuda_level_decisions_volume",
        LevelReason::Restored => "napari_cuda_level_decisions_restored",
        LevelReason::VolumeSampling => "napari_cuda_level_decisions_volume_sampling",
        LevelReason::Rest => "napari_cuda_level_decisions_rest",
    }
}

impl Prepared for nc_engine::Prepared {
    fn show(self: Box<Self>) {
        Self::show(*self);
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

/// What the loader did and holds. All sessions of the engine share it.
fn loader_metrics(stats: &LoaderStats, metrics: &mut Metrics) {
    let warm = &stats.warm;
    metrics.counters.extend([
        ("napari_cuda_chunk_hits", stats.hits),
        ("napari_cuda_chunk_misses", stats.misses),
        ("napari_cuda_chunk_joined", stats.joined),
        ("napari_cuda_chunk_evicted", stats.evicted),
        ("napari_cuda_chunk_cancelled", stats.cancelled),
        ("napari_cuda_chunk_expired", stats.expired),
        ("napari_cuda_chunk_errors", stats.read_errors),
        ("napari_cuda_chunk_hung", stats.hung),
        ("napari_cuda_chunk_uniform", stats.uniform),
        ("napari_cuda_chunk_read_bytes", stats.read_bytes),
        ("napari_cuda_store_fetches", stats.fetches),
        ("napari_cuda_store_fetched_bytes", stats.fetched_bytes),
        ("napari_cuda_pins_refused", stats.pins_refused),
        ("napari_cuda_prefetch_asked_chunks", warm.asked),
        ("napari_cuda_prefetch_warmed_chunks", warm.warmed),
        ("napari_cuda_prefetch_used_chunks", warm.used),
        ("napari_cuda_prefetch_late_chunks", warm.late),
        ("napari_cuda_prefetch_wasted_chunks", warm.wasted),
        ("napari_cuda_prefetch_wasted_bytes", warm.wasted_bytes),
        ("napari_cuda_prefetch_expired_chunks", warm.expired),
    ]);
    metrics.gauges.extend([
        ("napari_cuda_cache_bytes", stats.cached_bytes as f64),
        ("napari_cuda_cache_budget_bytes", stats.budget_bytes as f64),
        ("napari_cuda_cache_pinned_bytes", stats.pinned_bytes as f64),
        ("napari_cuda_chunks_queued", stats.queued as f64),
        ("napari_cuda_chunks_in_flight", stats.in_flight as f64),
        ("napari_cuda_chunk_in_flight_bytes", stats.in_flight_bytes as f64),
    ]);
    let judged = warm.used + warm.wasted + warm.late;
    if judged > 0 {
        metrics.gauges.insert("napari_cuda_prefetch_hit_rate", warm.used as f64 / judged as f64);
    }
}
