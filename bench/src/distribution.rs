//! Samples of a duration, and what is said of them.

use serde_json::{Value, json};
use std::time::Duration;

/// Durations that were measured one by one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution(Vec<Duration>);

impl Distribution {
    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// All samples, in the order in which they were taken.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest sample, in milliseconds, that `percent` of all do not exceed; `None` without samples.
    pub fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map(|sample| milliseconds(*sample))
    }

    /// Count and percentiles.
    pub fn to_json(&self) -> Value {
        let at = |percent| self.percentile_ms(percent).map(rounded);
        json!({"count": self.len(), "p50_ms": at(50), "p90_ms": at(90), "p99_ms": at(99), "max_ms": at(100)})
    }
}

impl FromIterator<Duration> for Distribution {
    fn from_iter<I: IntoIterator<Item = Duration>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// To the hundredth: what is finer is noise.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Distribution = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!([1, 50, 99, 100].map(|p| samples.percentile_ms(p)), [Some(2.0), Some(100.0), Some(198.0), Some(200.0)]);
        assert_eq!(Distribution::default().percentile_ms(50), None);
    }
}
