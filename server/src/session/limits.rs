//! How many messages a client may send.

use std::time::{Duration, Instant};

/// Messages that a client may send per second.
pub const MESSAGES_PER_SECOND: u32 = 500;

/// Messages that may come at once after a silence.
pub const BURST: u32 = 500;

/// How long a client may go on being refused before its session ends.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A client that was refused nothing for so long has slowed down.
const CALM: Duration = Duration::from_secs(1);

/// Largest message, bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// A token bucket, and how long it has been empty when messages came.
#[derive(Debug)]
pub(super) struct MessageLimit {
    /// Messages that may come now.
    tokens: f64,
    filled: Instant,
    /// First and last message that were refused without a calm between them.
    refused: Option<(Instant, Instant)>,
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Taken,
    /// It came too soon.
    Refused,
    /// It came too soon, like many before: the session ends.
    Hopeless,
}

impl MessageLimit {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self { tokens: f64::from(BURST), filled: now, refused: None }
    }

    /// A message came.
    pub(super) fn judge(&mut self, now: Instant) -> Verdict {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * f64::from(MESSAGES_PER_SECOND);
        self.tokens = (self.tokens + gained).min(f64::from(BURST));
        self.filled = self.filled.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Verdict::Taken;
        }
        let first = match self.refused {
            Some((first, last)) if now.saturating_duration_since(last) <= CALM => first,
            _ => now,
        };
        self.refused = Some((first, now));
        if now.saturating_duration_since(first) >= PATIENCE { Verdict::Hopeless } else { Verdict::Refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many messages per second for so long: how many were taken, and whether it ended.
    fn run(rate: u32, seconds: u32) -> (u32, bool) {
        let start = Instant::now();
        let mut limit = MessageLimit::new(start);
        let mut taken = 0;
        for n in 0..rate * seconds {
            match limit.judge(start + Duration::from_secs(1) * n / rate) {
                Verdict::Taken => taken += 1,
                Verdict::Refused => {}
                Verdict::Hopeless => return (taken, true),
            }
        }
        (taken, false)
    }

    #[test]
    fn what_is_allowed_is_taken() {
        assert_eq!(run(500, 20), (10_000, false));
        assert_eq!(run(20_000, 1).0, 500 + 499, "a burst, and what the second brings");
    }

    #[test]
    fn too_much_for_too_long_ends() {
        assert!(run(600, 20).1, "a sixth is refused all the time");
        assert_eq!(run(600, 4), (2400, false), "the burst and four seconds");
    }

    #[test]
    fn a_calm_second_is_a_new_beginning() {
        let start = Instant::now();
        let mut limit = MessageLimit::new(start);
        for round in 0..20 {
            let from = start + round * Duration::from_secs(3);
            for n in 0..1400 {
                assert_ne!(limit.judge(from + n * Duration::from_millis(1)), Verdict::Hopeless, "round {round}");
            }
        }
    }
}
