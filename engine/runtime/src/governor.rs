//! How much work a 3D picture may take while the view moves: fewer rays and longer steps along them, so that pictures come in time. Pure:
//! time and measured times are arguments.
//!
//! ```text
//!                 moved                          a picture took too long: down one rung, or as many as it takes
//!   AT REST ───────────────▶ MOVING at a rung ◀─┐
//!   whole picture                │              │ four in a row would be well in time further up: up
//!      ▲                         └──────────────┘
//!      └─────── not moved for 120 ms
//! ```
//!
//! A rung up counts as in time if the picture of the present rung, scaled by all of the additional work, takes 70 % of the budget. A part
//! of the time that does not depend on the work makes that estimate too high and that of a rung down too low, so neither is followed by
//! its opposite.

use nc_core::data::{CanvasSize, Rendering};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A view that was not moved for so long is at rest: with the time of a picture within 150 ms.
pub const REST: Duration = Duration::from_millis(120);
/// Part of the budget that a picture of a higher rung may take.
const ROOM: f64 = 0.7;
/// Pictures that must agree before a higher rung is tried.
const CALM: usize = 4;
/// A picture that takes so many budgets is answered at once; one that takes less only if the next does, too.
const FAR_OVER: f64 = 2.0;
/// Scenes whose costs are remembered.
const MOST_SCENES: usize = 64;

/// How much is drawn of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Pixels of the picture along each side of one that is drawn.
    pub divisor: u32,
    /// Steps along a ray are so many times as long as they are asked for.
    pub ray_step: u32,
}

impl Quality {
    /// Everything.
    pub const FULL: Self = Self { divisor: 1, ray_step: 1 };

    /// The work relative to the full picture.
    fn work(self) -> f64 {
        1.0 / f64::from(self.divisor * self.divisor * self.ray_step)
    }
}

/// From the best. The first rungs are the ones that are hardest to see.
pub const LADDER: [Quality; 6] = [
    Quality::FULL,
    Quality { divisor: 1, ray_step: 2 },
    Quality { divisor: 2, ray_step: 1 },
    Quality { divisor: 2, ray_step: 2 },
    Quality { divisor: 3, ray_step: 2 },
    Quality { divisor: 4, ray_step: 2 },
];

/// What the cost of a picture depends on most, besides the view.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scene {
    /// Picture size.
    pub canvas: CanvasSize,
    /// Mode and level of each layer that is drawn.
    pub layers: Vec<(Rendering, u8)>,
}

/// What is known of a scene.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Seconds that the full picture took last.
    full: Option<f64>,
    /// Where a motion ended.
    rung: Option<usize>,
}

/// Decides on the quality of 3D pictures. Ask [`Self::quality`] before a picture and tell [`Self::drawn`] after it.
#[derive(Debug)]
pub struct Governor {
    budget: Duration,
    known: HashMap<Scene, Known>,
    scene: Option<Scene>,
    moved_at: Option<Instant>,
    moving: bool,
    rung: usize,
    /// Rung of the last picture.
    drawn: usize,
    /// Seconds that the full picture would take, by the last pictures of this scene.
    recent: VecDeque<f64>,
}

impl Governor {
    /// Knows nothing; a picture of a view that moves is to take at most `budget`.
    pub fn new(budget: Duration) -> Self {
        Self {
            budget,
            known: HashMap::new(),
            scene: None,
            moved_at: None,
            moving: false,
            rung: 0,
            drawn: 0,
            recent: VecDeque::new(),
        }
    }

    /// The quality of a picture of `scene` drawn `now`; `moved` since the last one.
    pub fn quality(&mut self, now: Instant, moved: bool, scene: Scene) -> Quality {
        if moved {
            self.moved_at = Some(now);
        }
        // Where nothing is drawn, there is nothing to leave out.
        let moving = self.moved_at.is_some_and(|at| now < at + REST) && !scene.layers.is_empty();
        if self.scene.as_ref() != Some(&scene) {
            let known = self.known.get(&scene).copied();
            self.recent.clear();
            if let Some(known) = known.filter(|_| moving) {
                self.rung = self.first(known);
            }
            self.scene = Some(scene);
        } else if moving && !self.moving {
            let known = self.scene.as_ref().and_then(|scene| self.known.get(scene)).copied();
            self.recent.clear();
            self.rung = self.first(known.unwrap_or_default());
        }
        self.moving = moving;
        self.drawn = if moving { self.rung } else { 0 };
        LADDER[self.drawn]
    }

    /// When the full picture is due, if the last one was less.
    pub fn rests_at(&self) -> Option<Instant> {
        self.moved_at.filter(|_| self.drawn > 0).map(|at| at + REST)
    }

    /// The picture that was decided on last took so long.
    pub fn drawn(&mut self, took: Duration) {
        let Some(scene) = self.scene.clone() else { return };
        let full = took.as_secs_f64() / LADDER[self.drawn].work();
        if self.known.len() >= MOST_SCENES && !self.known.contains_key(&scene) {
            self.known.clear();
        }
        let known = self.known.entry(scene).or_default();
        if self.drawn == 0 {
            known.full = Some(full);
        }
        if !self.moving {
            return;
        }
        if self.recent.len() == CALM {
            self.recent.pop_front();
        }
        self.recent.push_back(full);
        let budget = self.budget.as_secs_f64();
        // At the present rung: the shorter of the last two, or the last one if that was far too long.
        let before = self.recent.iter().rev().nth(1).copied().unwrap_or(0.0);
        let far = full * LADDER[self.rung].work() > FAR_OVER * budget;
        let sure = if far { full } else { full.min(before) };
        let longest = self.recent.iter().copied().fold(0.0, f64::max);
        if sure * LADDER[self.rung].work() > budget && self.rung + 1 < LADDER.len() {
            self.rung =
                (self.rung + 1..LADDER.len()).find(|&rung| sure * LADDER[rung].work() <= budget).unwrap_or(LADDER.len() - 1);
            self.recent.clear();
        } else if self.recent.len() == CALM
            && let Some(rung) = (0..self.rung).find(|&rung| longest * LADDER[rung].work() <= ROOM * budget)
        {
            self.rung = rung;
            self.recent.clear();
        }
        known.rung = Some(self.rung);
    }

    /// Where a motion begins.
    fn first(&self, known: Known) -> usize {
        let budget = self.budget.as_secs_f64();
        match (known.full, known.rung) {
            (Some(full), _) if full <= ROOM * budget => 0,
            (_, Some(rung)) => rung,
            (Some(full), None) => LADDER.iter().position(|q| full * q.work() <= budget).unwrap_or(LADDER.len() - 1),
            (None, None) => self.rung,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Duration = Duration::from_millis(16);

    fn scene(level: u8) -> Scene {
        Scene { canvas: CanvasSize { width: 640, height: 360 }, layers: vec![(Rendering::Mip, level)] }
    }

    /// A view that moves with every picture, each taking what `cost` says in milliseconds; the rungs it went through.
    fn drag(governor: &mut Governor, start: Instant, frames: u64, mut cost: impl FnMut(u64, f64) -> f64) -> Vec<usize> {
        (0..frames)
            .map(|n| {
                let quality = governor.quality(start + Duration::from_millis(20 * n), true, scene(0));
                governor.drawn(Duration::from_secs_f64(cost(n, quality.work()) / 1e3));
                LADDER.iter().position(|q| *q == quality).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_ladder_goes_down() {
        assert!(LADDER.windows(2).all(|pair| pair[0].work() > pair[1].work()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        /// Whatever a picture costs, with a fixed part and a tenth of noise either way, the quality comes to rest: in time, if any rung is.
        #[test]
        fn no_flip_flop_at_any_cost(fixed in 0f64..12.0, work in 0.1f64..2000.0, noise in prop::collection::vec(0.9f64..1.1, 80)) {
            let mut governor = Governor::new(BUDGET);
            let cost = |n: u64, w: f64| (fixed + work * w) * noise[n as usize];
            let rungs = drag(&mut governor, Instant::now(), 80, cost);
            let settled = &rungs[40..];
            // Whether a rung is in time is clear, but for the noise.
            let clear = LADDER.iter().all(|q| !(14.0..18.0).contains(&(fixed + work * q.work())));
            prop_assert!(!clear || settled.windows(2).all(|pair| pair[0] == pair[1]), "{rungs:?}");
            let mut path = rungs.clone();
            path.dedup();
            let turns = path.windows(3).filter(|r| (r[0] > r[1] && r[1] < r[2]) || (r[0] < r[1] && r[1] > r[2])).count();
            prop_assert!(turns == 0, "{rungs:?}");
            let took = |rung: usize| fixed + work * LADDER[rung].work();
            prop_assert!(took(settled[0]) <= 16.0 * 1.2 || settled[0] == LADDER.len() - 1, "{rungs:?}");
            // No more is given up than the estimate calls for.
            prop_assert!(settled[0] == 0 || took(settled[0] - 1) > 16.0 * ROOM / 1.12, "{rungs:?}");
        }
    }

    #[test]
    fn a_dear_picture_is_lowered_in_two_pictures_and_remembered() {
        let (mut governor, start) = (Governor::new(BUDGET), Instant::now());
        let rungs = drag(&mut governor, start, 6, |_, w| 100.0 * w);
        assert_eq!(rungs, [0, 3, 3, 3, 3, 3]);
        // At rest the picture is whole.
        let rests = governor.rests_at().unwrap();
        assert_eq!(rests, start + Duration::from_millis(100) + REST);
        assert_eq!(governor.quality(rests, false, scene(0)), Quality::FULL);
        assert_eq!(governor.rests_at(), None);
        governor.drawn(Duration::from_millis(100));
        // The first picture of the next drag is in time.
        assert_eq!(drag(&mut governor, start + Duration::from_secs(9), 3, |_, w| 100.0 * w), [3, 3, 3]);
    }

    #[test]
    fn what_was_seen_at_rest_is_enough_to_begin_with() {
        let (mut governor, start) = (Governor::new(BUDGET), Instant::now());
        assert_eq!(governor.quality(start, false, scene(0)), Quality::FULL);
        governor.drawn(Duration::from_millis(60));
        assert_eq!(governor.quality(start, true, scene(0)), LADDER[2]);
    }

    #[test]
    fn a_single_hiccup_changes_nothing_and_room_is_taken() {
        let (mut governor, start) = (Governor::new(BUDGET), Instant::now());
        let rungs = drag(&mut governor, start, 12, |n, w| if n == 5 { 30.0 } else { 10.0 * w });
        assert_eq!(rungs, [0; 12]);
        let rungs = drag(&mut governor, start, 24, |n, w| if n < 6 { 300.0 * w } else { 10.0 * w });
        assert_eq!((rungs[5], rungs[12]), (5, 0), "{rungs:?}");
    }

    #[test]
    fn another_scene_begins_where_it_was_left() {
        let (mut governor, start) = (Governor::new(BUDGET), Instant::now());
        drag(&mut governor, start, 6, |_, w| 100.0 * w);
        let coarse = governor.quality(start + Duration::from_millis(110), true, scene(1));
        assert_eq!(coarse, LADDER[3], "unknown: as it was");
        governor.drawn(Duration::from_millis(1));
        assert_eq!(governor.quality(start + Duration::from_millis(115), true, scene(0)), LADDER[3]);
    }
}
