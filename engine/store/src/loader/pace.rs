//! How fast things go: measured, smoothed, read without waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Part of a new measurement in the smoothed value.
const NEWS: f64 = 0.2;
/// Answers of up to that many bytes take as long as the way there and back.
const SMALL: u64 = 16 << 10;
/// Bytes that land are counted over at least that time.
const WINDOW: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Measured {
    decode: Option<f64>,
    fetch: Option<f64>,
    rtt: Option<f64>,
    /// Since when bytes land, and how many did.
    landing: Option<(Instant, u64)>,
    in_air: usize,
}

#[derive(Default)]
pub(super) struct Pace(Mutex<Measured>);

impl Pace {
    /// One thread made that many decoded bytes.
    pub(super) fn decoded(&self, bytes: u64, took: Duration) {
        if bytes > 0 && !took.is_zero() {
            smooth(&mut self.lock().decode, bytes as f64 / took.as_secs_f64());
        }
    }

    pub(super) fn asked(&self, now: Instant) {
        let mut measured = self.lock();
        measured.in_air += 1;
        measured.landing.get_or_insert((now, 0));
    }

    /// An answer came.
    pub(super) fn landed(&self, bytes: u64, took: Duration, now: Instant) {
        let mut measured = self.lock();
        measured.in_air = measured.in_air.saturating_sub(1);
        if bytes <= SMALL || measured.rtt.is_none() {
            smooth(&mut measured.rtt, took.as_secs_f64());
        }
        let Some((since, before)) = measured.landing else { return };
        let (total, elapsed) = (before + bytes, now.saturating_duration_since(since));
        if elapsed >= WINDOW || measured.in_air == 0 {
            if total > 0 && !elapsed.is_zero() {
                smooth(&mut measured.fetch, total as f64 / elapsed.as_secs_f64());
            }
            // While nothing is asked nothing can land.
            measured.landing = (measured.in_air > 0).then_some((now, 0));
        } else {
            measured.landing = Some((since, total));
        }
    }

    /// Decoded bytes per second of one thread, encoded bytes per second, seconds there and back.
    pub(super) fn read(&self) -> (Option<f64>, Option<f64>, Option<f64>) {
        let measured = self.lock();
        (measured.decode, measured.fetch, measured.rtt)
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn smooth(value: &mut Option<f64>, news: f64) {
    *value = Some(value.map_or(news, |old| old + NEWS * (news - old)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_measured_while_it_is_busy() {
        let pace = Pace::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pace.read(), (None, None, None));
        for round in 0..50 {
            pace.asked(at(round * 10_000));
            pace.asked(at(round * 10_000));
            pace.landed(1000, Duration::from_millis(40), at(round * 10_000 + 40));
            pace.landed(999_000, Duration::from_millis(500), at(round * 10_000 + 500));
        }
        let (_, fetch, rtt) = pace.read();
        assert!((fetch.unwrap() - 2e6).abs() < 1.0, "pauses between requests do not count: {fetch:?}");
        assert!((rtt.unwrap() - 0.04).abs() < 1e-9, "large answers take longer for another reason: {rtt:?}");
    }
}
