//! The keyframe watchdog: somebody waits for an IDR, and none comes.
//!
//! The first request for an IDR is not its business, only what was asked for and not answered. It asks again when a viewer has waited
//! longer than its grace, backs off, and has the encoder made anew as the last step. Sans-IO: the encode thread feeds it and does
//! what it says.
//!
//! ```text
//!            somebody waits           grace is over       1 s, 2 s                  4 s
//!   QUIET ────────────────▶ WAITING ──────────────▶ ASKED(1) ──▶ ASKED(2) ──▶ ASKED(3) ──▶ RESET
//!     ▲                        ▲                                                ▲ every 4 s  │ grace
//!     │ nobody waits any more  │ an IDR was made                                └────────────┘ while the last reset
//!     └── from any state       └── from any state                                  (ASKED again)    is < 30 s ago
//! ```

use std::time::{Duration, Instant};

/// How long a viewer may wait for an IDR before the encoder is asked again.
pub const GRACE: Duration = Duration::from_secs(2);
/// Pauses after the requests of the watchdog.
const BACK_OFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Least time between two resets of the encoder.
const RESET_SPACING: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Make the next access unit an IDR.
    RequestIdr,
    /// Make the encoder anew; its first access unit is an IDR.
    ResetEncoder,
}

/// How it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WatchdogState {
    /// Nobody waits.
    #[default]
    Quiet,
    /// Somebody waits, within the grace.
    Waiting {
        /// Since then.
        since: Instant,
    },
    /// The encoder was asked again.
    Asked {
        /// So many times since somebody waits, or since the last IDR or reset.
        times: u32,
        /// When the next step is due.
        next: Instant,
    },
    /// The encoder was made anew, and no IDR came yet.
    Reset {
        /// Then.
        at: Instant,
    },
}

impl WatchdogState {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Waiting { .. } => "waiting",
            Self::Asked { .. } => "asked",
            Self::Reset { .. } => "reset",
        }
    }

    /// A number for it, growing with the trouble: 0 to 3.
    pub fn severity(self) -> u32 {
        match self {
            Self::Quiet => 0,
            Self::Waiting { .. } => 1,
            Self::Asked { .. } => 2,
            Self::Reset { .. } => 3,
        }
    }
}

/// The watchdog.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    state: WatchdogState,
    /// What it was told last.
    since: Option<Instant>,
    last_reset: Option<Instant>,
}

impl Watchdog {
    /// Since when the viewer waits who waits longest; `None` when nobody does.
    pub fn waiting(&mut self, since: Option<Instant>) {
        self.state = match (since, self.since) {
            (None, _) => WatchdogState::Quiet,
            // Whoever waited longer was served, by what was done till now.
            (Some(since), before) if before.is_none_or(|before| since > before) => WatchdogState::Waiting { since },
            (Some(_), _) => self.state,
        };
        self.since = since;
    }

    /// An IDR was made: whoever still waits does so from now on.
    pub fn idr_made(&mut self, now: Instant) {
        if self.state != WatchdogState::Quiet {
            self.state = WatchdogState::Waiting { since: now };
        }
    }

    /// When the next step is due.
    pub fn next(&self) -> Option<Instant> {
        match self.state {
            WatchdogState::Quiet => None,
            WatchdogState::Waiting { since } => Some(since + GRACE),
            WatchdogState::Asked { next, .. } => Some(next),
            WatchdogState::Reset { at } => Some(at + GRACE),
        }
    }

    /// The step that is due at `now`, if one is. The caller must take it.
    pub fn poll(&mut self, now: Instant) -> Option<Remedy> {
        if self.next()? > now {
            return None;
        }
        let asked = match self.state {
            WatchdogState::Asked { times, .. } => times,
            _ => 0,
        };
        let may_reset_at = self.last_reset.map_or(now, |at| at + RESET_SPACING);
        let (state, remedy) = match BACK_OFF.get(asked as usize) {
            Some(&pause) => (WatchdogState::Asked { times: asked + 1, next: now + pause }, Remedy::RequestIdr),
            None if may_reset_at <= now => {
                self.last_reset = Some(now);
                (WatchdogState::Reset { at: now }, Remedy::ResetEncoder)
            }
            None => {
                let next = may_reset_at.min(now + BACK_OFF[BACK_OFF.len() - 1]);
                (WatchdogState::Asked { times: asked + 1, next }, Remedy::RequestIdr)
            }
        };
        self.state = state;
        Some(remedy)
    }

    /// How it stands.
    pub fn state(&self) -> WatchdogState {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Everything that the watchdog does until `until`, if somebody waits all the time and nothing helps.
    fn ladder(until: Duration) -> Vec<(u64, Remedy)> {
        let (mut dog, start) = (Watchdog::default(), Instant::now());
        dog.waiting(Some(start));
        let mut steps = Vec::new();
        while let Some(at) = dog.next().filter(|at| *at - start <= until) {
            assert_eq!(dog.poll(at - Duration::from_nanos(1)), None);
            steps.push(((at - start).as_secs(), dog.poll(at).unwrap()));
        }
        steps
    }

    #[test]
    fn it_asks_three_times_and_then_has_the_encoder_made_anew() {
        use Remedy::{RequestIdr as Ask, ResetEncoder as Reset};
        let steps = ladder(40 * SECOND);
        assert_eq!(steps[..4], [(2, Ask), (3, Ask), (5, Ask), (9, Reset)]);
        // After the reset the same again; until the next reset is allowed it keeps asking.
        assert_eq!(
            steps[4..],
            [(11, Ask), (12, Ask), (14, Ask), (18, Ask), (22, Ask), (26, Ask), (30, Ask), (34, Ask), (38, Ask), (39, Reset)]
        );
    }

    #[test]
    fn an_idr_or_the_end_of_the_waiting_calls_it_off() {
        let (mut dog, start) = (Watchdog::default(), Instant::now());
        dog.waiting(Some(start));
        assert_eq!(dog.poll(start + 2 * SECOND), Some(Remedy::RequestIdr));
        dog.idr_made(start + 2 * SECOND);
        assert_eq!(dog.next(), Some(start + 4 * SECOND), "somebody still waits");
        dog.waiting(None);
        assert_eq!((dog.next(), dog.state()), (None, WatchdogState::Quiet));
        dog.idr_made(start + 3 * SECOND);
        assert_eq!(dog.next(), None);
    }

    #[test]
    fn who_comes_later_has_a_grace_of_their_own() {
        let (mut dog, start) = (Watchdog::default(), Instant::now());
        dog.waiting(Some(start));
        assert_eq!(dog.poll(start + 2 * SECOND), Some(Remedy::RequestIdr));
        dog.waiting(Some(start));
        assert_eq!(dog.state(), WatchdogState::Asked { times: 1, next: start + 3 * SECOND }, "the same viewer as before");
        dog.waiting(Some(start + SECOND));
        assert_eq!(dog.next(), Some(start + 3 * SECOND), "the first one was served");
        assert_eq!(dog.state(), WatchdogState::Waiting { since: start + SECOND });
    }

    #[derive(Debug, Clone)]
    enum Event {
        /// Somebody waits since so many milliseconds.
        Waits(u64),
        Served,
        Idr,
        Pass(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            2 => (0..3000_u64).prop_map(Event::Waits),
            1 => Just(Event::Served),
            1 => Just(Event::Idr),
            8 => (1..5000_u64).prop_map(Event::Pass),
        ];
        prop::collection::vec(event, 1..120)
    }

    proptest! {
        /// Whatever happens: silence while nobody waits or waits within the grace; a reset only after three requests that nothing
        /// answered, and never within 30 s of another; and who waits is never forgotten.
        #[test]
        fn it_is_patient_and_does_not_give_up(events in events()) {
            let mut dog = Watchdog::default();
            let mut now = Instant::now() + Duration::from_secs(60);
            let (mut since, mut calm, mut unanswered, mut reset): (Option<Instant>, Instant, u32, Option<Instant>) =
                (None, now, 0, None);
            for event in events {
                match event {
                    Event::Waits(ms) => {
                        // The server names the viewer who waits longest.
                        let claimed = now - Duration::from_millis(ms);
                        if since.is_none() {
                            (since, calm, unanswered) = (Some(claimed), claimed, 0);
                        }
                    }
                    Event::Served => (since, unanswered) = (None, 0),
                    Event::Idr => {
                        dog.idr_made(now);
                        (calm, unanswered) = (now, 0);
                    }
                    Event::Pass(ms) => now += Duration::from_millis(ms),
                }
                dog.waiting(since);
                prop_assert_eq!(since.is_some(), dog.next().is_some());
                match dog.poll(now) {
                    None => prop_assert!(dog.next().is_none_or(|next| next > now && next <= now + 2 * GRACE)),
                    Some(remedy) => {
                        prop_assert!(since.is_some() && now - calm >= GRACE);
                        if remedy == Remedy::ResetEncoder {
                            prop_assert!(unanswered >= 3);
                            prop_assert!(reset.is_none_or(|at| now - at >= RESET_SPACING));
                            (reset, unanswered, calm) = (Some(now), 0, now);
                        } else {
                            unanswered += 1;
                        }
                    }
                }
            }
        }
    }
}
