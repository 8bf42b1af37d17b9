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
    /// A level of 2D that the operator fixed, beyond the last meaning the last; a person who asks for another gets that.
    pub lock: Option<usize>,
}

/// Thresholds that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Not a threshold.
    #[error("{0} must be a number above 0")]
    NotPositive(&'static str),
    /// Not a margin.
    #[error("hysteresis must be a number of at least 0")]
    Hysteresis,
    /// A level would be left for being too dense and come back for fitting.
    #[error("{0} must not exceed threshold_out, or the level would switch to and fro")]
    Crossed(&'static str),
}

impl Default for LevelPolicy {
    fn default() -> Self {
        Self {
            fine_threshold: 1.05,
            threshold_in: 1.05,
            threshold_out: 1.35,
            hysteresis: 0.0,
            cooldown: Duration::from_millis(150),
            lock: None,
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
    /// A volume is shown, at the coarsest level (PROTOCOL §16.4) until a finer one is there.
    Volume,
    /// The plane's level came back after a volume. The policy never says so.
    Restored,
    /// A volume is shown at the level that its voxels on the screen call for.
    VolumeSampling,
    /// A finer level of a volume is due, once the camera rests.
    Rest,
}

impl LevelReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Finer,
        Self::Coarser,
        Self::Keep,
        Self::Locked,
        Self::Cooldown,
        Self::OverBudget,
        Self::Volume,
        Self::Restored,
        Self::VolumeSampling,
        Self::Rest,
    ];
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
    /// The policy, if its numbers can be kept to: with finer thresholds above the coarser one it would flip-flop by construction.
    ///
    /// # Errors
    /// The first number that cannot be, by its name in the configuration.
    pub fn validated(self) -> Result<Self, PolicyFault> {
        let Self { fine_threshold, threshold_in, threshold_out, hysteresis, .. } = self;
        let named = [("threshold_in", threshold_in), ("threshold_out", threshold_out), ("fine_threshold", fine_threshold)];
        if let Some((name, _)) = named.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Err(PolicyFault::NotPositive(name));
        }
        if !(hysteresis.is_finite() && hysteresis >= 0.0) {
            return Err(PolicyFault::Hysteresis);
        }
        // What decides on a finer level is the smaller of its two thresholds.
        if threshold_in.min(fine_threshold) > threshold_out {
            return Err(PolicyFault::Crossed(if threshold_in <= fine_threshold { "threshold_in" } else { "fine_threshold" }));
        }
        Ok(self)
    }

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
        within_budget(self.settled(oversampling, start), LevelReason::Keep, fits)
    }

    /// Where steps without a hint end.
    pub(super) fn settled(&self, oversampling: &[f64], start: usize) -> usize {
        let mut current = start.min(oversampling.len() - 1);
        for _ in 0..oversampling.len() {
            let (next, _) = self.step(oversampling, current, None);
            if next == current {
                break;
            }
            current = next;
        }
        current
    }

    /// One level towards what the canvas calls for, if any.
    pub(super) fn step(&self, oversampling: &[f64], current: usize, zoom_hint: Option<f64>) -> (usize, LevelReason) {
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

    /// Any ladder: what images hold need not halve, nor even fall.
    fn ladder() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
        let falling = (0.01f64..100.0, prop::collection::vec(1.0f64..5.0, 0..6)).prop_map(|(finest, steps)| {
            let coarser = steps.iter().scan(finest, |o, step| {
                *o /= step;
                Some(*o)
            });
            std::iter::once(finest).chain(coarser).collect::<Vec<f64>>()
        });
        let any_order = prop::collection::vec(0.01f64..10.0, 1..7);
        prop_oneof![3 => falling, 1 => any_order].prop_flat_map(|o| {
            let levels = o.len();
            (Just(o), prop::collection::vec(prop::bool::weighted(0.8), levels))
        })
    }

    fn policies() -> impl Strategy<Value = LevelPolicy> {
        let any = (0.3f64..3.0, 0.3f64..3.0, 0.3f64..3.0, 0.0f64..0.5).prop_map(
            |(fine_threshold, threshold_in, threshold_out, hysteresis)| LevelPolicy {
                fine_threshold,
                threshold_in,
                threshold_out,
                hysteresis,
                ..LevelPolicy::default()
            },
        );
        prop_oneof![Just(LevelPolicy::default()), any.prop_filter("thresholds in order", |p| p.validated().is_ok())]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The same view, decided on again and again from any level, comes to rest; a hint, which is heard once, does not change that.
        #[test]
        fn no_flip_flop_at_any_zoom((o, fits) in ladder(), policy in policies(), start in 0usize..7, hint in prop::option::of(0.3f64..3.0)) {
            let mut current = start.min(o.len() - 1);
            let mut decide = |zoom_hint| {
                current = policy.decide(LevelInputs { fits: &fits, zoom_hint, ..inputs(&o, current) }).level;
                current
            };
            decide(hint);
            (0..o.len()).for_each(|_| { decide(None); });
            let settled = decide(None);
            for _ in 0..3 {
                prop_assert_eq!(decide(None), settled);
            }
        }

        #[test]
        fn settled_levels_do_not_flip_flop((o, _) in ladder(), policy in policies(), start in 0usize..7) {
            let all = vec![true; o.len()];
            let settled = policy.settle(&o, &all, start).level;
            prop_assert_eq!(policy.decide(LevelInputs { fits: &all, ..inputs(&o, settled) }).level, settled);
        }

        #[test]
        fn budgets_are_never_exceeded((o, fits) in ladder(), current in 0usize..7, hint in prop::option::of(0.5f64..2.0),
                                      lock in prop::option::of(0usize..9), since in prop::option::of(0u64..300)) {
            let since_switch = since.map(Duration::from_millis);
            let d = LevelPolicy::default().decide(LevelInputs { fits: &fits, zoom_hint: hint, lock, since_switch, ..inputs(&o, current) });
            prop_assert!(fits[d.level] != (d.reason == LevelReason::OverBudget) && (fits[d.level] || d.level == o.len() - 1));
            if lock.is_some() || since.is_none_or(|ms| ms >= 150) {
                prop_assert_eq!(d.downgraded, d.level != d.desired, "with nothing else to hold it back");
            }
            if let Some(lock) = lock {
                // A lock wins over everything but the budget.
                let lock = lock.min(o.len() - 1);
                prop_assert_eq!((d.desired, d.level), (lock, (lock..o.len()).find(|&l| fits[l]).unwrap_or(o.len() - 1)));
            }
        }

        /// A switch comes no sooner after another than the cooldown, however the view changes; a lock and a budget may.
        #[test]
        fn the_cooldown_spaces_switches((o, fits) in ladder(), views in prop::collection::vec((0.1f64..10.0, 0u64..120, prop::option::of(0.5f64..2.0)), 1..40), start in 0usize..7) {
            let policy = LevelPolicy::default();
            let mut current = policy.settle(&o, &fits, start.min(o.len() - 1)).level;
            let (mut now, mut switched) = (Duration::ZERO, None::<Duration>);
            for (zoom, ms, zoom_hint) in views {
                now += Duration::from_millis(ms);
                let seen: Vec<f64> = o.iter().map(|o| o * zoom).collect();
                let since_switch = switched.map(|at| now - at);
                let next = policy.decide(LevelInputs { oversampling: &seen, fits: &fits, current, zoom_hint, lock: None, since_switch }).level;
                if next != current {
                    prop_assert!(since_switch.is_none_or(|t| t >= policy.cooldown));
                    (current, switched) = (next, Some(now));
                }
            }
        }

        #[test]
        fn a_hint_never_moves_against_itself(finest in 0.01..100.0, current in 0usize..6, hint in 0.5..2.0) {
            let o = pyramid(finest);
            let d = LevelPolicy::default().decide(LevelInputs { zoom_hint: Some(hint), ..inputs(&o, current) });
            if hint < 0.99 && current > 0 { prop_assert!(d.level <= current); }
            if hint > 1.01 && current < 5 { prop_assert!(d.level >= current); }
        }
    }

    /// Every line of PROTOCOL §16.1 as a case: oversampling of three levels, the current one, the zoom hint; then level and reason.
    #[test]
    fn section_16_1() {
        use LevelReason::{Coarser, Finer, Keep};
        /// Name, oversampling, level, hint, level then, reason.
        type Case = (&'static str, [f64; 3], usize, Option<f64>, usize, LevelReason);
        let cases: [Case; 16] = [
            ("1: zoomed in: the next finer", [1.1, 0.5, 0.2], 2, Some(0.9), 1, Finer),
            ("1: zoomed in at the finest: by size", [1.4, 0.7, 0.3], 0, Some(0.9), 1, Coarser),
            ("1: zoomed out: the next coarser", [1.25, 0.6, 0.3], 0, Some(1.1), 1, Coarser),
            ("1: zoomed out at the coarsest: by size", [4.0, 1.0, 0.5], 2, Some(1.1), 1, Finer),
            ("1: a hint within 1e-3 is none", [1.25, 0.6, 0.3], 0, Some(1.0009), 0, Keep),
            ("1: nor inwards", [1.0, 0.5, 0.2], 1, Some(0.9995), 0, Finer),
            ("1: the finer fits the canvas", [1.05, 0.5, 0.2], 1, None, 0, Finer),
            ("1: it does not", [1.0501, 0.5, 0.2], 1, None, 1, Keep),
            ("1: the current one is too dense", [1.3501, 0.6, 0.3], 0, None, 1, Coarser),
            ("1: it is not", [1.35, 0.6, 0.3], 0, None, 0, Keep),
            ("1: one level per evaluation", [9.0, 4.5, 2.2], 0, None, 1, Coarser),
            ("1: one level inwards too", [0.4, 0.2, 0.1], 2, None, 1, Finer),
            ("3: zoomed in, the finer must fit", [1.06, 0.6, 0.3], 1, Some(0.5), 1, Keep),
            ("3: zoomed in, it does", [1.05, 0.6, 0.3], 1, Some(0.5), 0, Finer),
            ("3: zoomed out, 1.20 is enough", [1.2001, 0.6, 0.3], 0, Some(2.0), 1, Coarser),
            ("3: zoomed out, but no more", [1.2, 0.6, 0.3], 0, Some(2.0), 0, Keep),
        ];
        let policy = LevelPolicy::default();
        for (line, o, current, zoom_hint, level, reason) in cases {
            let d = policy.decide(LevelInputs { zoom_hint, fits: &[true; 3], ..inputs(&o, current) });
            assert_eq!((d.level, d.reason), (level, reason), "{line}");
        }
        let o = [1.0, 0.5, 0.2];
        let of = |fits: &[bool], lock, since_switch| policy.decide(LevelInputs { lock, since_switch, fits, ..inputs(&o, 1) });
        let soon = Some(Duration::from_millis(149));
        let seen = |d: LevelDecision| (d.desired, d.level, d.downgraded, d.reason);
        assert_eq!(seen(of(&[true; 3], Some(2), soon)), (2, 2, false, LevelReason::Locked), "4");
        assert_eq!(seen(of(&[true; 3], None, soon)), (0, 1, false, LevelReason::Cooldown), "5");
        assert_eq!(seen(of(&[false, true, true], None, None)), (0, 1, true, Finer), "6: the next coarser that fits");
        assert_eq!(seen(of(&[false, false, true], None, None)), (0, 2, true, Finer), "6: and on");
        assert_eq!(seen(of(&[false; 3], None, None)), (0, 2, true, LevelReason::OverBudget), "6: none");
        let wide = LevelPolicy { hysteresis: 0.1, ..policy };
        assert_eq!(
            wide.decide(inputs(&[0.96, 0.5, 0.2, 0.1, 0.1, 0.1], 1)).level,
            1,
            "2: a step has to clear its threshold by the margin"
        );
        assert_eq!(wide.decide(inputs(&[0.95, 0.5, 0.2, 0.1, 0.1, 0.1], 1)).level, 0, "2");
    }

    #[test]
    fn thresholds_that_would_flip_flop_are_refused() {
        let of = |change: fn(&mut LevelPolicy)| {
            let mut policy = LevelPolicy::default();
            change(&mut policy);
            policy.validated()
        };
        assert!(of(|_| ()).is_ok());
        assert_eq!(of(|p| (p.threshold_in, p.fine_threshold) = (1.4, 1.4)), Err(PolicyFault::Crossed("threshold_in")));
        assert!(of(|p| p.fine_threshold = 9.0).is_ok(), "threshold_in decides");
        assert_eq!(of(|p| p.threshold_out = 0.0), Err(PolicyFault::NotPositive("threshold_out")));
        assert_eq!(of(|p| p.threshold_in = f64::NAN), Err(PolicyFault::NotPositive("threshold_in")));
        assert_eq!(of(|p| p.hysteresis = -0.1), Err(PolicyFault::Hysteresis));
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
