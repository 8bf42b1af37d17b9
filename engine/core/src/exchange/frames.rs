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

    /// Appends an item; returns the one that had to make room, or the item itself if the queue is closed.
    pub fn push(&self, item: T) -> Option<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return Some(item);
        }
        let dropped = if inner.items.len() == self.capacity { inner.items.pop_front() } else { None };
        inner.items.push_back(item);
        drop(inner);
        self.changed.notify_one();
        dropped
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
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(item) = inner.items.pop_front() {
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
    fn the_newest_items_win() {
        let queue = FrameQueue::new(2);
        assert_eq!(queue.push(1), None);
        assert_eq!(queue.push(2), None);
        assert_eq!(queue.push(3), Some(1));
        queue.close();
        assert_eq!(queue.push(4), Some(4));
        assert_eq!(queue.take(None, Instant::now), Taken::Item(2));
        assert_eq!(queue.take(None, Instant::now), Taken::Item(3));
        assert_eq!(queue.take(None, Instant::now), Taken::Closed);
    }

    #[test]
    fn a_nudge_before_the_wait_is_not_lost() {
        let queue = FrameQueue::<()>::new(1);
        queue.nudge();
        assert_eq!(queue.take(None, Instant::now), Taken::Nudged);
        assert_eq!(queue.take(Some(Instant::now()), Instant::now), Taken::Nudged);
    }
}
