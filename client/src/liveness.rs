//! Whether the server still lives (PROTOCOL §§3, 8).

use std::time::{Duration, Instant};

/// How long a server may take to welcome a client.
const WELCOME: Duration = Duration::from_secs(5);

/// Longest period of heartbeats that is taken at its word; a server that names a longer one is given this.
const LONGEST_BEAT: Duration = Duration::from_secs(24 * 60 * 60);

/// When to give the server up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Liveness {
    /// How long heartbeats may stay away; `None` if the server sends none.
    patience: Option<Duration>,
    deadline: Option<Instant>,
}

impl Liveness {
    /// The socket is open; the welcome is due.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.deadline = now.checked_add(WELCOME);
    }

    /// The welcome came, and with it the period of heartbeats in seconds; 0 or less is none.
    pub(crate) fn welcomed(&mut self, now: Instant, heartbeat_s: f64) {
        self.patience = (heartbeat_s > 0.0).then(|| {
            let period = Duration::try_from_secs_f64(heartbeat_s).unwrap_or(LONGEST_BEAT).min(LONGEST_BEAT);
            (period + Duration::from_secs(1)).max(period * 3 / 2)
        });
        self.beat(now);
    }

    /// A heartbeat came.
    pub(crate) fn beat(&mut self, now: Instant) {
        self.deadline = self.patience.and_then(|patience| now.checked_add(patience));
    }

    /// When the server is given up unless something comes before.
    pub(crate) fn deadline(self) -> Option<Instant> {
        self.deadline
    }
}
