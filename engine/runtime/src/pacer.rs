//! When to draw and when to encode.
//!
//! [`FrameCap`] holds the render loop to the stream's rate. [`Pacer`] says when the encode thread encodes: a new picture at once, then
//! three repeats at the stream's rate so that decoders that hold a picture back show the last one, then one frame a second at most. Nothing while nobody watches, except the very first picture,
//! which makes the stream's configuration known.
//!
//! ```text
//!            frame                repeat ×3                 each second
//! (start) ─────────▶ Repeating(3) ───────▶ ... Repeating(0) = Resting ──┐
//!    ▲                    ▲                                  ▲───────────┘
//!    └── no viewers: no deadline ──┴── frame or IDR request restarts the repeats
//! ```

use std::time::{Duration, Instant};

/// Part of an interval that a picture is charged. A debt of a whole interval is gone after 50 pictures; an endless flood is drawn 2 %
/// above the rate.
const CHARGE: f64 = 0.98;
/// Part of an interval that a picture waits beyond its turn if it answers nobody. Intents that come at the frame rate are drawn first, and
/// what was to be refined is refined with them.
const COURTESY: f64 = 0.25;

/// Holds the render loop to one picture an interval on average, yet draws at once after a pause: a picture may come up to one
/// interval before its turn, so that intents which arrive at about the frame rate are not made to wait for a beat that is not
/// theirs. (The generic cell rate algorithm, with a tolerance of one cell.) What a burst took in advance it pays back: pictures are
/// charged a little less than an interval, or intents at exactly the frame rate would wait behind that burst for as long as they come.
#[derive(Debug, Clone)]
pub struct FrameCap {
    /// What a picture is charged.
    charge: Duration,
    /// How early one may come that answers an intent.
    tolerance: Duration,
    /// How late others come.
    courtesy: Duration,
    /// When the next picture would be due if all came on the beat.
    turn: Option<Instant>,
}

impl FrameCap {
    /// Nothing drawn yet.
    pub fn new(interval: Duration) -> Self {
        Self { charge: interval.mul_f64(CHARGE), tolerance: interval, courtesy: interval.mul_f64(COURTESY), turn: None }
    }

    /// How long the next picture has to wait, which answers an intent or merely refines the last one; `None` if not at all.
    pub fn hold(&self, now: Instant, answers: bool) -> Option<Duration> {
        let turn = self.turn?;
        let earliest = if answers { turn.checked_sub(self.tolerance)? } else { turn + self.courtesy };
        earliest.checked_duration_since(now).filter(|hold| !hold.is_zero())
    }

    /// A picture was begun at `now`.
    pub fn drawn(&mut self, now: Instant) {
        self.turn = Some(self.turn.map_or(now, |turn| turn.max(now)) + self.charge);
    }
}

/// Repeats after the last change: decoders that hold one or two pictures back still show the last one.
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
        let at = last + if idr || self.repeats_left > 0 { self.interval } else { KEEP_ALIVE };
        if now >= at { Due::Repeat { idr } } else { Due::Wait(Some(at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(16);

    /// When pictures begin if they are asked for at the given times, in milliseconds.
    fn begun(asked_ms: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut cap = FrameCap::new(INTERVAL);
        let mut begun: Vec<u64> = Vec::new();
        for ms in asked_ms {
            let asked = start + Duration::from_millis(ms.max(begun.last().copied().unwrap_or(0)));
            let at = asked + cap.hold(asked, true).unwrap_or_default();
            cap.drawn(at);
            begun.push((at - start).as_millis() as u64);
        }
        begun
    }

    #[test]
    fn jitter_around_the_frame_rate_waits_for_nothing() {
        let asked = [0, 14, 33, 47, 64, 82, 95, 112];
        assert_eq!(begun(asked), asked);
    }

    #[test]
    fn what_refines_waits_for_intents_at_the_frame_rate() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut cap = FrameCap::new(INTERVAL);
        assert_eq!(cap.hold(start, false), None, "after a pause nothing waits");
        cap.drawn(start);
        let refines = start + ms(5);
        let waits_until = refines + cap.hold(refines, false).unwrap();
        assert!(waits_until > start + INTERVAL && waits_until <= start + ms(20), "{:?}", waits_until - start);
        assert_eq!(cap.hold(start + INTERVAL, true), None);
        cap.drawn(start + INTERVAL);
        assert!(cap.hold(waits_until, false).is_some(), "it came with the intent's");
    }

    #[test]
    fn a_flood_is_held_to_the_frame_rate() {
        let times = begun(std::iter::repeat_n(0, 100));
        // The first two at once, the others 0.98 x 16 ms apart.
        assert!((98 * 156..=98 * 160).contains(&(times[99] * 10)), "{}", times[99]);
    }

    #[test]
    fn intents_at_the_frame_rate_do_not_wait_behind_an_old_burst() {
        let asked = [0, 1, 2].into_iter().chain((1..100).map(|i| i * 16));
        let times = begun(asked.clone());
        let waits: Vec<u64> = asked.zip(&times).map(|(asked, begun)| begun - asked).collect();
        assert!(waits[3] > 0, "the burst is held");
        assert_eq!(waits[waits.len() - 40..], [0; 40]);
    }

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
    fn an_idr_request_is_served_within_a_frame_but_not_before_there_is_a_picture() {
        let now = Instant::now();
        let mut pacer = Pacer::new(INTERVAL);
        assert_eq!(pacer.due(now, 1, true), Due::Wait(None));
        pacer.encoded(now, true);
        assert_eq!(pacer.due(now, 1, true), Due::Wait(Some(now + INTERVAL)));
        assert_eq!(pacer.due(now + INTERVAL, 1, true), Due::Repeat { idr: true });
    }
}
