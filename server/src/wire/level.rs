//! Decisions about the level (`x.level`).

use nc_engine::api::LevelDecided;
use nc_engine::api::data::lod::LevelReason;
use nc_protocol::extension::{self, LevelBudgets, LevelReport, LevelThresholds};

/// A decision; `at` in seconds since the Unix epoch.
pub(crate) fn level(decided: &LevelDecided, at: f64) -> LevelReport {
    let LevelDecided { decision, budgets, policy, canvas, .. } = decided;
    LevelReport {
        at,
        from: decided.from,
        to: decision.level,
        desired: decision.desired,
        reason: reason(decision.reason),
        downgraded: decision.downgraded,
        restored: decision.reason == LevelReason::Restored,
        oversampling: decided.oversampling.clone(),
        fits: decided.fits.clone(),
        zoom_hint: decided.zoom_hint,
        lock: decided.lock.map(|lock| lock.min(decided.fits.len().saturating_sub(1))),
        since_switch_ms: decided.since_switch.map(|since| since.as_secs_f64() * 1e3),
        ndisplay: Some(decided.ndisplay),
        target: Some(decided.target),
        sampling: decided.sampling.clone(),
        moving: decided.moving,
        budgets: Some(LevelBudgets {
            slice_bytes: budgets.slice_bytes,
            tile_bytes: budgets.tile_bytes,
            volume_bytes: budgets.volume_bytes,
            volume_voxels: budgets.volume_voxels,
            texture_edge: budgets.texture_edge_3d,
        }),
        thresholds: Some(LevelThresholds {
            fine: policy.fine_threshold,
            inwards: policy.threshold_in,
            outwards: policy.threshold_out,
            hysteresis: policy.hysteresis,
            cooldown_ms: policy.cooldown.as_secs_f64() * 1e3,
        }),
        canvas: Some([canvas.width, canvas.height]),
        rect: Some(decided.shown.to_array()).filter(|_| decided.ndisplay == 2),
        roi: decided.roi.map(|roi| [roi.x0, roi.x1, roi.y0, roi.y1]),
        signature: decided.signature,
    }
}

fn reason(reason: LevelReason) -> extension::LevelReason {
    match reason {
        LevelReason::Finer => extension::LevelReason::Finer,
        LevelReason::Coarser => extension::LevelReason::Coarser,
        LevelReason::Keep => extension::LevelReason::Keep,
        LevelReason::Locked => extension::LevelReason::Locked,
        LevelReason::Cooldown => extension::LevelReason::Cooldown,
        LevelReason::OverBudget => extension::LevelReason::OverBudget,
        LevelReason::Volume => extension::LevelReason::Volume,
        LevelReason::Restored => extension::LevelReason::Restored,
        LevelReason::VolumeSampling => extension::LevelReason::VolumeSampling,
        LevelReason::Rest => extension::LevelReason::Rest,
    }
}
