//! Chunks that could not be read: remembered, retried with growing pauses, reported once per view.

use super::{Fault, ViewId};
use crate::gather::ChunkKey;
use nc_core::data::ImageId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Pause after the first failure; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Most chunks remembered. Beyond it the one that is due first is forgotten, so a wholly damaged image costs bounded memory.
const MOST_REMEMBERED: usize = 4096;

struct Failure {
    fault: Fault,
    attempts: u32,
    retry_at: Instant,
    told: Vec<ViewId>,
}

#[derive(Default)]
pub(super) struct Failures(HashMap<ChunkKey, Failure>);

impl Failures {
    /// A read of `key` failed at `now`.
    pub(super) fn record(&mut self, key: ChunkKey, fault: Fault, now: Instant) {
        if self.0.len() >= MOST_REMEMBERED && !self.0.contains_key(&key) {
            let first_due = self.0.iter().min_by_key(|(_, f)| f.retry_at).map(|(&key, _)| key);
            first_due.map(|key| self.0.remove(&key));
        }
        let failure =
            self.0.entry(key).or_insert_with(|| Failure { fault: fault.clone(), attempts: 0, retry_at: now, told: Vec::new() });
        failure.fault = fault;
        failure.retry_at = now + LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(failure.attempts.min(16)));
        failure.attempts += 1;
    }

    /// A read of `key` succeeded.
    pub(super) fn clear(&mut self, key: &ChunkKey) {
        self.0.remove(key);
    }

    /// The fault of a chunk that is not to be tried again yet.
    pub(super) fn resting(&self, key: &ChunkKey, now: Instant) -> Option<Fault> {
        self.0.get(key).filter(|f| now < f.retry_at).map(|f| f.fault.clone())
    }

    /// When `key` may be tried again, if it has failed.
    pub(super) fn retry_at(&self, key: &ChunkKey) -> Option<Instant> {
        self.0.get(key).map(|f| f.retry_at)
    }

    /// Whether `view` must still be told that `key` is damaged; marks it as told.
    pub(super) fn tell(&mut self, key: &ChunkKey, view: ViewId) -> bool {
        match self.0.get_mut(key) {
            Some(failure) if !failure.told.contains(&view) => {
                failure.told.push(view);
                true
            }
            _ => false,
        }
    }

    /// Chunks of `image` may be tried again at once.
    pub(super) fn hurry(&mut self, image: ImageId, now: Instant) {
        self.0.iter_mut().filter(|(key, _)| key.image == image).for_each(|(_, f)| f.retry_at = f.retry_at.min(now));
    }

    /// `image` is not used any more.
    pub(super) fn forget_image(&mut self, image: ImageId) {
        self.0.retain(|key, _| key.image != image);
    }

    /// `view` is gone; another may come under its id.
    pub(super) fn forget_view(&mut self, view: ViewId) {
        self.0.values_mut().for_each(|f| f.told.retain(|&v| v != view));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ReadErrorKind;
    use nc_core::data::MAX_AXES;

    fn key(n: u32) -> ChunkKey {
        let mut coords = [0; MAX_AXES];
        coords[0] = n;
        ChunkKey { image: ImageId(0), level: 0, coords }
    }

    fn fault() -> Fault {
        Fault { level: 0, chunk: vec![0], kind: ReadErrorKind::Decode, message: String::new(), retry_at: None }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_anew_after_success() {
        let mut failures = Failures::default();
        let now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            failures.record(key(0), fault(), now);
            assert_eq!(failures.retry_at(&key(0)), Some(now + Duration::from_secs(seconds)));
        }
        failures.clear(&key(0));
        failures.record(key(0), fault(), now);
        assert_eq!(failures.retry_at(&key(0)), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn a_wholly_damaged_image_is_remembered_in_part() {
        let mut failures = Failures::default();
        let now = Instant::now();
        for n in 0..MOST_REMEMBERED as u32 + 10 {
            failures.record(key(n), fault(), now + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(failures.0.len(), MOST_REMEMBERED);
        assert_eq!(failures.retry_at(&key(9)), None, "the first due are forgotten");
        assert!(failures.resting(&key(10), now).is_some());
    }

    #[test]
    fn each_view_is_told_once() {
        let mut failures = Failures::default();
        assert!(!failures.tell(&key(0), ViewId(1)), "there is nothing to tell");
        failures.record(key(0), fault(), Instant::now());
        assert!(failures.tell(&key(0), ViewId(1)) && failures.tell(&key(0), ViewId(2)));
        assert!(!failures.tell(&key(0), ViewId(1)));
        failures.forget_view(ViewId(1));
        assert!(failures.tell(&key(0), ViewId(1)) && !failures.tell(&key(0), ViewId(2)));
    }
}
