//! A wake-up that is never lost: notifying before waiting ends the next wait at once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Wakes one waiting thread.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Ends the current or next wait.
    pub fn notify(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until notified, or until `deadline`; without one, until notified. `now` reads the clock.
    pub fn wait(&self, deadline: Option<Instant>, now: impl Fn() -> Instant) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            match deadline.map(|d| d.saturating_duration_since(now())) {
                Some(left) if left.is_zero() => break,
                Some(left) => raised = self.changed.wait_timeout(raised, left).unwrap_or_else(PoisonError::into_inner).0,
                None => raised = self.changed.wait(raised).unwrap_or_else(PoisonError::into_inner),
            }
        }
        *raised = false;
    }
}
