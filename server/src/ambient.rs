//! Time and chance, as an argument: the only place of this crate that reads clocks or draws random numbers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What the logic of this crate needs from the world besides sockets.
pub trait Ambient: Send + Sync + 'static {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// Wall clock, seconds since the Unix epoch.
    fn unix_seconds(&self) -> f64;
    /// At least 122 unpredictable bits: session ids, keys and frame ids are made of them.
    fn random(&self) -> u128;
}

/// The machine's clocks and random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemAmbient;

impl Ambient for SystemAmbient {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_seconds(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    fn random(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}
