//! What the payloads of extensions must keep.

use super::{Violation, ensure};
use crate::extension::{Delivery, Latency, LevelReport, LevelThresholds, OpOutcome, OpReport, Telemetry};

/// How the server does.
pub(super) fn telemetry(telemetry: &Telemetry) -> Result<(), Violation> {
    let Telemetry { stages, fps, bitrate_bps, render_divisor, ray_step, watchdog, delivery, ops, .. } = telemetry;
    for (name, Latency { p50_ms, p99_ms }) in stages {
        ensure(
            !name.is_empty() && *p50_ms >= 0.0 && p99_ms >= p50_ms,
            &format!("stages.{name}"),
            "must be ordered and not negative",
        )?;
    }
    ensure(*fps >= 0.0, "fps", "must not be negative")?;
    ensure(*bitrate_bps >= 0.0, "bitrate_bps", "must not be negative")?;
    ensure(*render_divisor != Some(0) && *ray_step != Some(0), "render_divisor", "must be positive")?;
    ensure(watchdog.waiting_ms.is_none_or(|ms| ms >= 0.0), "watchdog.waiting_ms", "must not be negative")?;
    if let Some(Delivery { rtt_ms, rate_bps, .. }) = delivery {
        ensure(rtt_ms.is_none_or(|ms| ms >= 0.0), "delivery.rtt_ms", "must not be negative")?;
        ensure(rate_bps.is_none_or(|rate| rate >= 0.0), "delivery.rate_bps", "must not be negative")?;
    }
    ensure(ops.len() <= Telemetry::OPS, "ops", "are too many")?;
    ops.iter().try_for_each(op)
}

fn op(report: &OpReport) -> Result<(), Violation> {
    let at = |key: &str| format!("ops.{}.{key}", report.op);
    ensure(!report.intent_id.is_empty(), &at("intent_id"), "must not be empty")?;
    let superseded = report.outcome == OpOutcome::Superseded;
    ensure(report.superseded_by.is_some() == superseded, &at("superseded_by"), "belongs to superseded ops")?;
    ensure(report.superseded_by.is_none_or(|by| by > report.op), &at("superseded_by"), "must be a later op")?;
    ensure(report.total_ms >= 0.0, &at("total_ms"), "must not be negative")?;
    ensure(report.stages_ms.values().all(|&ms| ms >= 0.0), &at("stages_ms"), "must not be negative")?;
    // Milliseconds with microseconds behind the point are rounded by themselves.
    let sum: f64 = report.stages_ms.values().sum();
    ensure((sum - report.total_ms).abs() < 0.1, &at("stages_ms"), "must add up to the total")
}

/// A decision about the level.
pub(super) fn level(report: &LevelReport) -> Result<(), Violation> {
    let LevelReport { at, from, to, desired, oversampling, fits, zoom_hint, lock, since_switch_ms, .. } = report;
    let LevelReport { ndisplay, target, sampling, budgets: _, thresholds, canvas, rect, roi, signature, .. } = report;
    let levels = fits.len();
    ensure(*at >= 0.0, "at", "must be seconds since the epoch")?;
    ensure(levels > 0, "fits", "must say every level")?;
    // A volume's level is not decided by oversampling.
    ensure([0, levels].contains(&oversampling.len()), "oversampling", "must say as many levels as fits, or none")?;
    ensure([from, to, desired].into_iter().all(|&level| level < levels), "to", "no such level")?;
    ensure(lock.is_none_or(|lock| lock < levels), "lock", "no such level")?;
    ensure(oversampling.iter().all(|&samples| samples >= 0.0), "oversampling", "must not be negative")?;
    ensure(zoom_hint.is_none_or(|hint| hint > 0.0), "zoom_hint", "must be positive")?;
    ensure(since_switch_ms.is_none_or(|ms| ms >= 0.0), "since_switch_ms", "must not be negative")?;
    ensure(ndisplay.is_none_or(|n| matches!(n, 2 | 3)), "ndisplay", "must be 2 or 3")?;
    ensure(target.is_none_or(|target| target <= *to), "target", "is never coarser than what is drawn")?;
    ensure([0, levels].contains(&sampling.len()), "sampling", "must say as many levels as fits, or none")?;
    ensure(sampling.is_empty() || oversampling.is_empty(), "sampling", "is of a volume, oversampling of a plane")?;
    ensure(sampling.iter().all(|&voxels| voxels >= 0.0), "sampling", "must not be negative")?;
    if let Some(LevelThresholds { fine, inwards, outwards, hysteresis, cooldown_ms }) = thresholds {
        let sound = [fine, inwards, outwards].into_iter().all(|&t| t > 0.0) && *hysteresis >= 0.0 && *cooldown_ms >= 0.0;
        ensure(sound, "thresholds", "must be above 0, hysteresis and cooldown not below")?;
    }
    ensure(canvas.is_none_or(|[w, h]| w > 0 && h > 0), "canvas", "must have pixels")?;
    ensure(rect.is_none_or(|[_, _, w, h]| w > 0.0 && h > 0.0), "rect", "must have an extent")?;
    ensure(roi.is_none_or(|[x0, x1, y0, y1]| x0 < x1 && y0 < y1), "roi", "must not be empty")?;
    ensure(roi.is_some() == signature.is_some(), "signature", "belongs to a roi")?;
    ensure(signature.is_none_or(|[y0, y1, x0, x1]| y0 <= y1 && x0 <= x1), "signature", "must be in order")
}
