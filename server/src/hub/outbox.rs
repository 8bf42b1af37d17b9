//! What waits to be sent to one client: text in order, bounded in bytes.

use crate::locked;
use crate::session::Close;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

/// Most bytes that wait for one client. A client that lets this much pile up is closed; nobody else notices.
pub(crate) const OUTBOX_BYTES: usize = 16 << 20;

/// What waits to be sent to one client.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// Something to send, for the task that writes.
    changed: Notify,
    /// Nothing more will come, for the task that reads.
    finished: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<String>,
    bytes: usize,
    close: Option<Close>,
}

/// What to write next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A frame.
    Frame(String),
    /// The end.
    Close(Close),
}

impl Outbox {
    /// An empty outbox that holds at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), finished: Notify::new(), limit }
    }

    /// Adds a frame. On overflow everything is thrown away and the client is to be closed.
    pub(crate) fn push(&self, frame: String) {
        let mut inner = locked(&self.inner);
        if inner.close.is_some() {
            return;
        }
        inner.bytes += frame.len();
        inner.frames.push_back(frame);
        if inner.bytes > self.limit {
            inner.frames.clear();
            inner.bytes = 0;
            inner.close = Some(Close { code: Close::FAILED, reason: "client too slow" });
            self.finished.notify_one();
        }
        self.changed.notify_one();
    }

    /// Nothing more is taken; the socket closes when all before is sent.
    pub(crate) fn finish(&self, close: Close) {
        locked(&self.inner).close.get_or_insert(close);
        self.changed.notify_one();
        self.finished.notify_one();
    }

    /// What to write next; waits until there is something. For one task.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            if let Some(next) = self.ready() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// Returns when nothing more is taken. For one task.
    pub(crate) async fn finished(&self) {
        self.finished.notified().await;
    }

    fn ready(&self) -> Option<Outgoing> {
        let mut inner = locked(&self.inner);
        match inner.frames.pop_front() {
            Some(frame) => {
                inner.bytes -= frame.len();
                Some(Outgoing::Frame(frame))
            }
            None => inner.close.map(Outgoing::Close),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_closes_and_takes_no_more() {
        let outbox = Outbox::new(10);
        outbox.push("12345".to_owned());
        outbox.push("67890".to_owned());
        assert_eq!(outbox.ready(), Some(Outgoing::Frame("12345".to_owned())));
        outbox.push("abcdef".to_owned());
        outbox.push("late".to_owned());
        assert_eq!(outbox.ready(), Some(Outgoing::Close(Close { code: Close::FAILED, reason: "client too slow" })));
    }

    #[test]
    fn what_was_pushed_before_the_end_is_still_sent() {
        let outbox = Outbox::new(10);
        let close = Close { code: Close::NORMAL, reason: "bye" };
        outbox.push("a".to_owned());
        outbox.finish(close);
        outbox.push("b".to_owned());
        assert_eq!(outbox.ready(), Some(Outgoing::Frame("a".to_owned())));
        assert_eq!(outbox.ready(), Some(Outgoing::Close(close)));
    }
}
