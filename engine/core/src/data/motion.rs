//! How a view moves: steps, pan and zoom per second, from where it was seen lately. What is loaded ahead follows from it. Pure: the
//! time is an argument, and equal observations give equal speeds.
//!
//! ```text
//!   a position changes ──▶ far more than it did lately? ──▶ a jump: forget the past, no speed
//!          │ no
//!   other direction than last? ──▶ a turn: forget all but the turning point
//!          │
//!   speed = way since the oldest remembered change / time since then, so it decays when changes stay away
//!          │ no change for REST
//!          └──▶ none: the view rests
//! ```

use super::Rect;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Without a change for so long a view rests.
pub const REST: Duration = Duration::from_millis(250);
/// Changes older than this say nothing of the present speed.
const WINDOW: Duration = Duration::from_millis(400);
/// For so long after a turn both directions are as likely.
const TURN: Duration = Duration::from_millis(500);
/// Changes remembered.
const REMEMBERED: usize = 8;
/// A change this many times as large as those before is a jump.
const JUMP: f64 = 8.0;
/// Speed of a single step, which has none of its own: that of an arrow key pressed now and then.
const LONE_STEP_PER_S: f64 = 2.0;
/// Changes closer together than this, of one burst of input, are not taken for a speed.
const SHORTEST: Duration = Duration::from_millis(16);

/// How fast a view moves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Velocity {
    /// Per dim.
    pub steps: Vec<AxisSpeed>,
    /// World units of the view's middle per second, along x and y.
    pub pan: (f64, f64),
    /// Change of the logarithm of the magnification per second, positive inwards: 0.7 doubles it in a second.
    pub zoom: f64,
}

/// How fast a slider moves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AxisSpeed {
    /// Steps (of level 0) per second, negative backwards.
    pub per_s: f64,
    /// Whether the direction changed within the last half second.
    pub turned: bool,
}

impl Velocity {
    /// Whether nothing moves.
    pub fn is_zero(&self) -> bool {
        self.zoom == 0.0 && self.pan == (0.0, 0.0) && self.steps.iter().all(|axis| axis.per_s == 0.0)
    }
}

/// Watches a view move. Observe it in every turn; what did not change costs nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Motion {
    steps: Vec<Track>,
    middle: [Track; 2],
    zoom: Track,
    changed_at: Option<Instant>,
    last_dim: Option<usize>,
}

impl Motion {
    /// The view shows `shown` at `step` (one index of level 0 per dim). With another number of dims it is another view, and what was
    /// seen before is forgotten. The first observation counts as a change.
    pub fn observe(&mut self, now: Instant, shown: Rect, step: &[u64]) {
        if self.steps.len() != step.len() {
            *self = Self { steps: vec![Track::default(); step.len()], ..Self::default() };
        }
        let mut changed = self.changed_at.is_none();
        for (dim, (track, &at)) in self.steps.iter_mut().zip(step).enumerate() {
            if track.see(now, at as f64, JUMP) {
                changed = true;
                self.last_dim = Some(dim);
            }
        }
        let middle = [shown.left + shown.width / 2.0, shown.bottom + shown.height / 2.0];
        // A pan or zoom has no unit to compare the first change with: half a view, or a factor of e, at once is a jump.
        for ((track, at), size) in self.middle.iter_mut().zip(middle).zip([shown.width, shown.height]) {
            changed |= track.see(now, at, size / 2.0);
        }
        changed |= self.zoom.see(now, -shown.width.ln(), 1.0);
        if changed {
            self.changed_at = Some(now);
        }
    }

    /// How fast it moves.
    pub fn velocity(&self, now: Instant) -> Velocity {
        let axis = |track: &Track| AxisSpeed { per_s: track.speed(now, LONE_STEP_PER_S), turned: track.turned(now) };
        Velocity {
            steps: self.steps.iter().map(axis).collect(),
            pan: (self.middle[0].speed(now, 0.0), self.middle[1].speed(now, 0.0)),
            zoom: self.zoom.speed(now, 0.0),
        }
    }

    /// When it comes to rest, or did, unless something changes before; `None` before the first observation.
    pub fn rests_at(&self) -> Option<Instant> {
        self.changed_at.map(|at| at + REST)
    }

    /// The dim that moved last.
    pub fn last_dim(&self) -> Option<usize> {
        self.last_dim
    }
}

/// One coordinate over time.
#[derive(Debug, Clone, Default, PartialEq)]
struct Track {
    at: Option<f64>,
    /// Changes, oldest first.
    changes: VecDeque<Change>,
    turned_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    when: Instant,
    to: f64,
    by: f64,
    jump: bool,
}

impl Track {
    /// Whether this is another place than before. A change of up to `free` is never a jump.
    fn see(&mut self, now: Instant, to: f64, free: f64) -> bool {
        let Some(before) = self.at.replace(to) else { return false };
        let by = to - before;
        // Also false for what is no number.
        if by.abs() <= 0.0 || !by.is_finite() {
            return false;
        }
        while self.changes.front().is_some_and(|c| now.saturating_duration_since(c.when) > WINDOW) {
            self.changes.pop_front();
        }
        let jump = by.abs() > (JUMP * self.typical()).max(free);
        if jump {
            self.changes.clear();
            self.turned_at = None;
        } else if let Some(last) = self.changes.back().copied()
            && last.by * by < 0.0
        {
            self.changes.clear();
            // Seen from the turning point; a jump before it has no direction that could be turned from.
            self.changes.push_back(Change { jump: true, ..last });
            if !last.jump {
                self.turned_at = Some(now);
            }
        }
        if self.changes.len() == REMEMBERED {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { when: now, to, by, jump });
        true
    }

    /// Median size of the changes.
    fn typical(&self) -> f64 {
        let mut sizes: Vec<f64> = self.changes.iter().map(|c| c.by.abs()).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        sizes.get(sizes.len() / 2).copied().unwrap_or(0.0)
    }

    /// Way per second; that of a single change is `lone`.
    fn speed(&self, now: Instant, lone: f64) -> f64 {
        let age = |c: &Change| now.saturating_duration_since(c.when);
        let Some(last) = self.changes.back().filter(|last| age(last) < REST) else { return 0.0 };
        match self.changes.iter().find(|c| age(c) <= WINDOW) {
            Some(first) if first.when < last.when => (last.to - first.to) / age(first).max(SHORTEST).as_secs_f64(),
            _ if last.jump => 0.0,
            _ => lone.copysign(last.by),
        }
    }

    fn turned(&self, now: Instant) -> bool {
        self.turned_at.is_some_and(|at| now.saturating_duration_since(at) <= TURN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIEW: Rect = Rect { left: 0.0, bottom: 0.0, width: 100.0, height: 100.0 };

    /// The clock of a test that watches one slider.
    struct Watch {
        motion: Motion,
        now: Instant,
    }

    impl Watch {
        fn at(step: u64) -> Self {
            let mut watch = Self { motion: Motion::default(), now: Instant::now() };
            watch.motion.observe(watch.now, VIEW, &[step]);
            watch
        }

        fn see(&mut self, after_ms: u64, step: u64) -> &mut Self {
            self.now += Duration::from_millis(after_ms);
            self.motion.observe(self.now, VIEW, &[step]);
            self
        }

        fn speed(&self, after_ms: u64) -> AxisSpeed {
            self.motion.velocity(self.now + Duration::from_millis(after_ms)).steps[0]
        }
    }

    #[test]
    fn speed_follows_and_decays() {
        let mut watch = Watch::at(10);
        for n in 0..12 {
            watch.see(20, 11 + n);
        }
        assert!((watch.speed(0).per_s - 50.0).abs() < 0.1, "{:?}", watch.speed(0));
        assert_eq!(watch.motion.last_dim(), Some(0));
        let later: Vec<f64> = [0, 20, 60, 120, 240].map(|ms| watch.speed(ms).per_s).to_vec();
        assert!(later.windows(2).all(|pair| pair[1] < pair[0]) && later[4] > 0.0, "{later:?}");
        assert_eq!(watch.speed(250).per_s, 0.0);
        assert_eq!(watch.motion.rests_at(), Some(watch.now + REST));
        assert!(watch.motion.velocity(watch.now + REST).is_zero());
    }

    #[test]
    fn a_lone_step_has_the_speed_of_an_arrow_key() {
        let mut watch = Watch::at(5);
        assert_eq!(watch.speed(0).per_s, 0.0);
        assert_eq!(watch.see(1000, 4).speed(100).per_s, -2.0);
        assert_eq!(watch.see(1000, 5).speed(0), AxisSpeed { per_s: 2.0, turned: false }, "long after is no turn");
    }

    #[test]
    fn a_jump_is_no_motion() {
        let mut watch = Watch::at(0);
        assert_eq!(watch.see(1000, 100).speed(0).per_s, 0.0, "a click on the slider");
        assert_eq!(watch.motion.rests_at(), Some(watch.now + REST), "but the view did not rest");
        for n in 1..6 {
            watch.see(20, 100 + n);
        }
        assert!((watch.speed(0).per_s - 50.0).abs() < 1.0);
        assert_eq!(watch.see(20, 20).speed(0), AxisSpeed::default(), "a click amid a scrub, not a turn");
        // A fast drag moves by much from its start on.
        let mut fast = Watch::at(0);
        assert_eq!(fast.see(500, 20).speed(0).per_s, 0.0);
        assert!((fast.see(20, 40).speed(0).per_s - 1000.0).abs() < 1.0);
    }

    #[test]
    fn a_turn_forgets_the_way_before_it() {
        let mut watch = Watch::at(0);
        for n in 1..9 {
            watch.see(20, n);
        }
        assert!(!watch.speed(0).turned);
        watch.see(20, 7);
        assert_eq!((watch.speed(0).per_s.round(), watch.speed(0).turned), (-50.0, true));
        for n in 0..6 {
            watch.see(100, 6 - n);
        }
        assert!(!watch.speed(0).turned && watch.speed(0).per_s < 0.0, "half a second later it is a direction");
    }

    #[test]
    fn pans_and_zooms_have_speeds_and_leaps_have_none() {
        let (mut motion, start) = (Motion::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for n in 0..8u32 {
            let shrink = (-0.02 * f64::from(n)).exp();
            let (width, middle) = (100.0 * shrink, 50.0 + 2.0 * f64::from(n));
            let shown = Rect { left: middle - width / 2.0, bottom: 50.0 - width / 2.0, width, height: width };
            motion.observe(at(u64::from(n) * 20), shown, &[]);
        }
        let velocity = motion.velocity(at(140));
        assert!((velocity.pan.0 - 100.0).abs() < 1e-6 && velocity.pan.1.abs() < 1e-6, "{velocity:?}");
        assert!((velocity.zoom - 1.0).abs() < 1e-6, "{velocity:?}");
        motion.observe(at(160), Rect { left: 5000.0, bottom: 0.0, width: 2000.0, height: 2000.0 }, &[]);
        assert!(motion.velocity(at(160)).is_zero());
    }

    #[test]
    fn another_number_of_dims_starts_anew() {
        let mut watch = Watch::at(0);
        watch.see(20, 1).see(20, 2);
        watch.motion.observe(watch.now, VIEW, &[2, 9]);
        assert_eq!(watch.motion.velocity(watch.now).steps, [AxisSpeed::default(); 2]);
        assert_eq!((watch.motion.last_dim(), watch.motion.rests_at()), (None, Some(watch.now + REST)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever is seen: a speed is a number, points where the last change pointed, is no faster than all that was seen, and ends.
        #[test]
        fn a_speed_is_bounded_and_ends(seen in prop::collection::vec((0u64..120, 0u64..40), 1..60)) {
            let mut watch = Watch::at(20);
            let (mut at, mut last) = (20u64, 0i64);
            for (after_ms, step) in seen {
                watch.see(after_ms, step);
                if step != at {
                    last = step as i64 - at as i64;
                }
                at = step;
                let speed = watch.speed(0);
                prop_assert!(speed.per_s.is_finite() && speed.per_s.abs() <= 40.0 / SHORTEST.as_secs_f64());
                prop_assert!(speed.per_s * last as f64 >= 0.0, "{speed:?} after {last}");
                prop_assert_eq!(watch.speed(250), AxisSpeed { per_s: 0.0, turned: watch.speed(250).turned });
                prop_assert!(!watch.speed(501).turned);
            }
        }

        /// An even scrub is measured within a fifth after four steps, whatever its speed.
        #[test]
        fn an_even_scrub_is_measured(every_ms in 16u64..90, by in 1u64..9, forward: bool) {
            let mut watch = Watch::at(1000);
            for n in 1..=12 {
                watch.see(every_ms, if forward { 1000 + n * by } else { 1000 - n * by });
                let truth = by as f64 * 1e3 / every_ms as f64 * if forward { 1.0 } else { -1.0 };
                if n >= 4 {
                    prop_assert!((watch.speed(0).per_s / truth - 1.0).abs() < 0.2, "{:?} for {truth}", watch.speed(0));
                }
            }
        }
    }
}
