//! When the canvas takes the size that was asked for last: not at each pixel of a window that is dragged. Pure.

use nc_core::data::CanvasSize;
use std::time::{Duration, Instant};

/// A size counts when no other was asked for this long.
const SETTLES: Duration = Duration::from_millis(150);
/// Least time between two changes: each is another encoder and a keyframe for everyone.
const APART: Duration = Duration::from_millis(500);

/// What was asked for, and when the canvas changed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resizing {
    asked: Option<(CanvasSize, Instant)>,
    changed_at: Option<Instant>,
}

impl Resizing {
    /// The size to draw now, where the canvas has the size `present` and `wanted` was asked for last; and when to ask again although
    /// nothing happens.
    pub(crate) fn settle(&mut self, wanted: CanvasSize, present: CanvasSize, now: Instant) -> (CanvasSize, Option<Instant>) {
        if wanted == present {
            self.asked = None;
            return (present, None);
        }
        let asked_at = match self.asked {
            Some((size, at)) if size == wanted => at,
            _ => now,
        };
        self.asked = Some((wanted, asked_at));
        let due = (asked_at + SETTLES).max(self.changed_at.map_or(now, |at| at + APART));
        if due <= now { (wanted, None) } else { (present, Some(due)) }
    }

    /// The canvas was given another size.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.asked = None;
        self.changed_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width: u32) -> CanvasSize {
        CanvasSize { width, height: 100 }
    }

    #[test]
    fn a_size_is_taken_when_it_has_settled() {
        let (mut resizing, start) = (Resizing::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(resizing.settle(size(10), size(10), at(0)), (size(10), None));
        assert_eq!(resizing.settle(size(20), size(10), at(10)), (size(10), Some(at(160))));
        assert_eq!(resizing.settle(size(30), size(10), at(100)), (size(10), Some(at(250))), "another one begins anew");
        assert_eq!(resizing.settle(size(30), size(10), at(250)), (size(30), None));
        resizing.changed(at(250));
        assert_eq!(resizing.settle(size(40), size(30), at(260)), (size(30), Some(at(750))), "two a second");
        assert_eq!(resizing.settle(size(30), size(30), at(300)), (size(30), None), "the window came back");
    }

    proptest! {
        #[test]
        fn changes_are_rare_and_the_last_one_asked_for_wins(asks in prop::collection::vec((0u64..400, 1u32..4), 1..60)) {
            let (mut resizing, start) = (Resizing::default(), Instant::now());
            let (mut present, mut wanted, mut now) = (size(1), size(1), start);
            let mut changes = Vec::new();
            let mut run = |until: Instant, present: &mut CanvasSize, wanted: CanvasSize, now: &mut Instant| loop {
                let (taken, wake) = resizing.settle(wanted, *present, *now);
                if taken != *present {
                    resizing.changed(*now);
                    changes.push(*now);
                    *present = taken;
                }
                match wake.filter(|at| *at <= until) {
                    Some(at) => *now = at,
                    None => break,
                }
            };
            for (after, width) in asks {
                let until = now + Duration::from_millis(after);
                run(until, &mut present, wanted, &mut now);
                (wanted, now) = (size(width), until);
            }
            run(now + Duration::from_secs(2), &mut present, wanted, &mut now);
            prop_assert_eq!(present, wanted);
            prop_assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= APART));
        }
    }
}
