//! Which level to draw: the policy of PROTOCOL §16.1 as one pure function.

use std::time::Duration;

/// Thresholds of the policy. Oversampling is level samples per canvas pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelPolicy {
    /// A finer level is wanted when its oversampling is at most this.
    pub fine_threshold: f64,
    /// A finer level is taken when its oversampling is at most this.
    pub threshold_in: f64,
    /// A coarser level is taken when the current one's oversampling exceeds this.
    pub threshold_out: f64,
    /// Margin by which a step of one level must clear its threshold; 0 is off.
    pub hysteresis: f64,
    /// Shortest time between two switches.
    pub cooldown: Duration,
}

impl Default for LevelPolicy {
    fn default() -> Self {
        Self {
            fine_threshold: 1.05,
            threshold_in: 1.05,
            threshold_out: 1.35,
            hysteresis: 0.0,
            cooldown: Duration::from_millis(150),
        }
    }
}

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct LevelInputs<'a> {
    /// Oversampling per level, finest first; not empty.
    pub oversampling: &'a [f64],
    /// Whether each level fits its budget.
    pub fits: &'a [bool],
    /// The level in force.
    pub current: usize,
    /// The factor of a recent zoom (above 1 zooms out), if there was one.
    pub zoom_hint: Option<f64>,
    /// A level that a person asked for and that stays until unlocked.
    pub lock: Option<usize>,
    /// Time since the last switch; `None` if there was none.
    pub since_switch: Option<Duration>,
}

/// Why a decision came out as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelReason {
    /// A zoom in, or a finer level that fits the canvas.
    Finer,
    /// A zoom out, or the current level is denser than the canvas.
    Coarser,
    /// Nothing to change.
    Keep,
    /// A person asked for this level.
    Locked,
    /// A change is due but the last one is too recent.
    Cooldown,
    /// No level fits its budget; the coarsest is used all the same.
    OverBudget,
    /// A volume is shown, at the coarsest level (PROTOCOL §16.4). The policy never says so.
    Volume,
    /// The plane's level came back after a volume. The policy never says so.
    Restored,
}

/// A level and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelDecision {
    /// What the canvas calls for.
    pub desired: usize,
    /// What is drawn.
    pub level: usize,
    /// Whether a budget made it coarser than desired.
    pub downgraded: bool,
    /// Why.
    pub reason: LevelReason,
}

/// Zooms closer to 1 than this give no direction.
const HINT_DEAD_BAND: f64 = 1e-3;
/// Upper bound of both thresholds right after a zoom in that direction.
const HINTED_THRESHOLD: f64 = 1.20;

impl LevelPolicy {
    /// Decides; moves at most one level unless a lock or a budget says otherwise.
    pub fn decide(&self, inputs: LevelInputs<'_>) -> LevelDecision {
        let max = inputs.oversampling.len() - 1;
        let current = inputs.current.min(max);
        if let Some(lock) = inputs.lock {
            return within_budget(lock.min(max), LevelReason::Locked, inputs.fits);
        }
        let (wanted, reason) = self.step(inputs.oversampling, current, inputs.zoom_hint);
        if wanted != current && inputs.since_switch.is_some_and(|t| t < self.cooldown) {
            let kept = within_budget(current, LevelReason::Cooldown, inputs.fits);
            return LevelDecision { desired: wanted, ..kept };
        }
        within_budget(wanted, reason, inputs.fits)
    }

    /// The level that repeated decisions settle on from `start`, without cooldown: for the first picture.
    pub fn settle(&self, oversampling: &[f64], fits: &[bool], start: usize) -> LevelDecision {
        let mut current = start;
        for _ in 0..oversampling.len() {
            let (next, _) = self.step(oversampling, current, None);
            if next == current {
                break;
            }
            current = next;
        }
        within_budget(current, LevelReason::Keep, fits)
    }

    fn step(&self, oversampling: &[f64], current: usize, zoom_hint: Option<f64>) -> (usize, LevelReason) {
        let max = oversampling.len() - 1;
        // A zoom beyond the last level in its direction gives no hint.
        let zoomed_in = current > 0 && zoom_hint.is_some_and(|r| r < 1.0 - HINT_DEAD_BAND);
        let zoomed_out = current < max && zoom_hint.is_some_and(|r| r > 1.0 + HINT_DEAD_BAND);
        let wants_finer = current > 0 && (zoomed_in || (!zoomed_out && oversampling[current - 1] <= self.fine_threshold));
        let wants_coarser = current < max && !wants_finer && (zoomed_out || oversampling[current] > self.threshold_out);
        if wants_finer {
            let limit = if zoomed_in { self.threshold_in.min(HINTED_THRESHOLD) } else { self.threshold_in };
            if oversampling[current - 1] <= limit - self.hysteresis {
                return (current - 1, LevelReason::Finer);
            }
        } else if wants_coarser {
            let limit = if zoomed_out { self.threshold_out.min(HINTED_THRESHOLD) } else { self.threshold_out };
            if oversampling[current] > limit + self.hysteresis {
                return (current + 1, LevelReason::Coarser);
            }
        }
        (current, LevelReason::Keep)
    }
}

fn within_budget(desired: usize, reason: LevelReason, fits: &[bool]) -> LevelDecision {
    match (desired..fits.len()).find(|&l| fits[l]) {
        Some(level) => LevelDecision { desired, level, downgraded: level != desired, reason },
        None => {
            let level = fits.len() - 1;
            LevelDecision { desired, level, downgraded: level != desired, reason: LevelReason::OverBudget }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [bool; 6] = [true; 6];

    fn pyramid(finest: f64) -> [f64; 6] {
        std::array::from_fn(|l| finest / f64::from(1u32 << l))
    }

    fn inputs(oversampling: &[f64], current: usize) -> LevelInputs<'_> {
        LevelInputs { oversampling, fits: &ALL, current, zoom_hint: None, lock: None, since_switch: None }
    }

    proptest! {
        #[test]
        fn settled_levels_do_not_flip_flop(finest in 0.01..100.0, start in 0usize..6) {
            let policy = LevelPolicy::default();
            let o = pyramid(finest);
            let settled = policy.settle(&o, &ALL, start).level;
            prop_assert_eq!(policy.decide(inputs(&o, settled)).level, settled);
        }

        #[test]
        fn budgets_are_never_exceeded(finest in 0.01..100.0, current in 0usize..6, fits in proptest::collection::vec(any::<bool>(), 6), hint in proptest::option::of(0.5..2.0)) {
            let o = pyramid(finest);
            let d = LevelPolicy::default().decide(LevelInputs { fits: &fits, zoom_hint: hint, ..inputs(&o, current) });
            prop_assert!(fits[d.level] || d.reason == LevelReason::OverBudget);
            prop_assert_eq!(d.downgraded, d.level != d.desired);
        }

        #[test]
        fn a_hint_never_moves_against_itself(finest in 0.01..100.0, current in 0usize..6, hint in 0.5..2.0) {
            let o = pyramid(finest);
            let d = LevelPolicy::default().decide(LevelInputs { zoom_hint: Some(hint), ..inputs(&o, current) });
            if hint < 0.99 && current > 0 { prop_assert!(d.level <= current); }
            if hint > 1.01 && current < 5 { prop_assert!(d.level >= current); }
        }
    }

    #[test]
    fn cooldown_holds_and_lock_overrides() {
        let policy = LevelPolicy::default();
        let o = pyramid(4.0);
        let recent = Some(Duration::from_millis(149));
        let held = policy.decide(LevelInputs { since_switch: recent, ..inputs(&o, 0) });
        assert_eq!((held.level, held.reason), (0, LevelReason::Cooldown));
        let due = policy.decide(LevelInputs { since_switch: Some(Duration::from_millis(150)), ..inputs(&o, 0) });
        assert_eq!((due.level, due.reason), (1, LevelReason::Coarser));
        let locked = policy.decide(LevelInputs { lock: Some(5), since_switch: recent, ..inputs(&o, 0) });
        assert_eq!((locked.level, locked.reason), (5, LevelReason::Locked));
    }
}
