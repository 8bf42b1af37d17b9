//! Decisions about the level (`x.level`).

use nc_engine::api::LevelSwitch;
use nc_engine::api::data::lod::LevelReason;
use nc_protocol::extension;

/// A change of level; `at` in seconds since the Unix epoch.
pub(crate) fn level(switch: &LevelSwitch, at: f64) -> extension::LevelReport {
    let LevelSwitch { from, decision, oversampling, fits, zoom_hint, lock, since_switch } = switch;
    extension::LevelReport {
        at,
        from: *from,
        to: decision.level,
        desired: decision.desired,
        reason: reason(decision.reason),
        downgraded: decision.downgraded,
        restored: decision.reason == LevelReason::Restored,
        oversampling: oversampling.clone(),
        fits: fits.clone(),
        zoom_hint: *zoom_hint,
        lock: *lock,
        since_switch_ms: since_switch.map(|since| since.as_secs_f64() * 1e3),
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
    }
}
