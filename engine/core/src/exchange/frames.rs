//! Captured frames on their way to the encode thread: bounded, newest wins.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A bounded queue between one producer and one consumer. When full, the oldest item is dropped to make room, so the producer
/// never waits.
#[derive(Debug)]
pub struct FrameQueue<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    nudged: bool,
    closed: bool,
}

/// What a take gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The next item.
    Item(T),
    /// Nothing queued, but somebody nudged or the deadline passed.
    Nudged,
    /// The queue was closed and is empty.
    Closed,
}

impl<T> FrameQueue<T> {
    /// Holds at most `capacity` items, at least 1.
    pub fn new(capacity: usize) -> Self {
        let inner = Inner { items: VecDeque::with_capacity(capacity), nudged: false, closed: false };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Appends an item; tells whether another had to make room. `inherit` then hands over to the successor what must not be lost
    /// with the dropped item; it must be quick. A closed queue takes nothing.
    pub fn push(&self, item: T, inherit: impl FnOnce(&mut T, T)) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return false;
        }
        let dropped = if inner.items.len() == self.capacity { inner.items.pop_front() } else { None };
        inner.items.push_back(item);
        let full = dropped.is_some();
        if let (Some(dropped), Some(successor)) = (dropped, inner.items.front_mut()) {
            inherit(successor, dropped);
        }
        drop(inner);
        self.changed.notify_one();
        full
    }

    /// Ends the current or next wait of the consumer without an item.
    pub fn nudge(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).nudged = true;
        self.changed.notify_one();
    }

    /// No more items; what is queued can still be taken.
    pub fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }

    /// Waits for the next item, a nudge, the deadline or the close. `now` reads the clock.
    pub fn take(&self, deadline: Option<Instant>, now: impl Fn() -> Instant) -> Taken<T> {
        self.wait(true, deadline, now)
    }

    /// Like [`Self::take`], but leaves the items where they are, to be replaced by newer ones.
    pub fn leave(&self, deadline: Option<Instant>, now: impl Fn() -> Instant) -> Taken<T> {
        self.wait(false, deadline, now)
    }

    fn wait(&self, take: bool, deadline: Option<Instant>, now: impl Fn() -> Instant) -> Taken<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(item) = if take { inner.items.pop_front() } else { None } {
                return Taken::Item(item);
            }
            if inner.closed {
                return Taken::Closed;
            }
            if std::mem::take(&mut inner.nudged) {
                return Taken::Nudged;
            }
            inner = match deadline.map(|d| d.saturating_duration_since(now())) {
                Some(left) if left.is_zero() => return Taken::Nudged,
                Some(left) => self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_items_win_and_inherit() {
        let queue = FrameQueue::new(2);
        let mut inherited = Vec::new();
        let mut push = |item| queue.push(item, |heir, dropped| inherited.push((*heir, dropped)));
        assert_eq!([push(1), push(2), push(3)], [false, false, true]);
        queue.close();
        assert!(!push(4));
        assert_eq!(inherited, [(2, 1)]);
        assert_eq!(queue.take(None, Instant::now), Taken::Item(2));
        assert_eq!(queue.take(None, Instant::now), Taken::Item(3));
        assert_eq!(queue.take(None, Instant::now), Taken::Closed);
    }

    #[test]
    fn what_is_left_in_the_queue_gives_way_to_what_is_newer() {
        let queue = FrameQueue::new(1);
        queue.push(1, |_, _| {});
        assert_eq!(queue.leave(Some(Instant::now()), Instant::now), Taken::Nudged);
        queue.push(2, |_, _| {});
        queue.nudge();
        assert_eq!(queue.leave(None, Instant::now), Taken::Nudged);
        assert_eq!(queue.take(None, Instant::now), Taken::Item(2));
    }

    #[test]
    fn a_nudge_before_the_wait_is_not_lost() {
        let queue = FrameQueue::<()>::new(1);
        queue.nudge();
        assert_eq!(queue.take(None, Instant::now), Taken::Nudged);
        assert_eq!(queue.take(Some(Instant::now()), Instant::now), Taken::Nudged);
    }
}
