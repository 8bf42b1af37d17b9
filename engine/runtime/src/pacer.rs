//! When the encode thread encodes: a new picture at once, then three repeats at the stream's rate so that decoders that hold a
//! picture back show the last one, then one frame a second at most. Nothing while nobody watches, except the very first picture,
//! which makes the stream's configuration known.
//!
//! ```text
//!            frame                repeat ×3                 each second
//! (start) ─────────▶ Repeating(3) ───────▶ ... Repeating(0) = Resting ──┐
//!    ▲                    ▲                                  ▲───────────┘
//!    └── no viewers: no deadline ──┴── frame or IDR request restarts the repeats
//! ```

use std::time::{Duration, Instant};

/// Repeats after the last change (DESIGN "Capture, encode, deliver").
const REPEATS: u32 = 3;
/// Longest silence while somebody watches.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Encode the last picture again.
    Repeat {
        /// As an IDR.
        idr: bool,
    },
    /// Nothing before that time; `None` is never.
    Wait(Option<Instant>),
}

/// The pacing state machine. Feed it with `encoded` and the number of viewers, ask it with `due`.
#[derive(Debug, Clone)]
pub struct Pacer {
    interval: Duration,
    repeats_left: u32,
    last: Option<Instant>,
}

impl Pacer {
    /// Paces a stream whose frames are at least `interval` apart.
    pub fn new(interval: Duration) -> Self {
        Self { interval, repeats_left: 0, last: None }
    }

    /// A picture was encoded at `now`; `new` if it differs from the one before or starts a client off.
    pub fn encoded(&mut self, now: Instant, new: bool) {
        self.last = Some(now);
        self.repeats_left = if new { REPEATS } else { self.repeats_left.saturating_sub(1) };
    }

    /// What is due at `now` with `viewers` watching and perhaps an IDR asked for.
    pub fn due(&self, now: Instant, viewers: usize, idr: bool) -> Due {
        let Some(last) = self.last else { return Due::Wait(None) };
        if viewers == 0 {
            return Due::Wait(None);
        }
        if idr {
            return Due::Repeat { idr: true };
        }
        let at = last + if self.repeats_left > 0 { self.interval } else { KEEP_ALIVE };
        if now >= at { Due::Repeat { idr: false } } else { Due::Wait(Some(at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(16);

    /// Runs the machine for `span` from a new picture at the start and returns when it encoded.
    fn repeats(span: Duration, viewers: usize) -> Vec<Duration> {
        let start = Instant::now();
        let (mut pacer, mut now, mut times) = (Pacer::new(INTERVAL), start, Vec::new());
        pacer.encoded(now, true);
        while now - start < span {
            match pacer.due(now, viewers, false) {
                Due::Repeat { idr } => {
                    assert!(!idr);
                    times.push(now - start);
                    pacer.encoded(now, false);
                }
                Due::Wait(Some(at)) => now = at,
                Due::Wait(None) => break,
            }
        }
        times
    }

    #[test]
    fn three_repeats_then_one_a_second() {
        let ms = |n| Duration::from_millis(n);
        assert_eq!(repeats(ms(2500), 1), [ms(16), ms(32), ms(48), ms(1048), ms(2048)]);
    }

    #[test]
    fn nobody_watching_costs_nothing() {
        assert!(repeats(Duration::from_secs(60), 0).is_empty());
    }

    #[test]
    fn an_idr_request_is_served_at_once_but_not_before_there_is_a_picture() {
        let now = Instant::now();
        let mut pacer = Pacer::new(INTERVAL);
        assert_eq!(pacer.due(now, 1, true), Due::Wait(None));
        pacer.encoded(now, true);
        assert_eq!(pacer.due(now, 1, true), Due::Repeat { idr: true });
    }
}
