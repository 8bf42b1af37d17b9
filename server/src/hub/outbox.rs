//! What waits to be sent to one client: frames in order, bounded in bytes. What everybody is told is shared, and becomes text when it is
//! taken out.

use super::notice::Addressed;
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
    frames: VecDeque<(Frame, usize)>,
    /// Sum of the frames' weights.
    bytes: usize,
    /// The last frame is in.
    complete: bool,
    close: Option<Close>,
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) enum Frame {
    /// For this client alone.
    Text(String),
    /// What others are told too.
    Notice(Addressed),
}

impl Frame {
    fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Notice(notice) => notice.weight(),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Notice(notice) => notice.into_text(),
        }
    }
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
    pub(crate) fn push(&self, frame: Frame) {
        self.add(frame, false);
    }

    /// Adds the last frame: whatever others push after it is not taken.
    pub(crate) fn push_last(&self, frame: Frame) {
        self.add(frame, true);
    }

    fn add(&self, frame: Frame, complete: bool) {
        let weight = frame.weight();
        let mut inner = locked(&self.inner);
        if inner.complete || inner.close.is_some() {
            return;
        }
        inner.complete = complete;
        inner.bytes += weight;
        inner.frames.push_back((frame, weight));
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

    /// What to write next, if there is something.
    pub(crate) fn ready(&self) -> Option<Outgoing> {
        let frame = {
            let mut inner = locked(&self.inner);
            match inner.frames.pop_front() {
                Some((frame, weight)) => {
                    inner.bytes -= weight;
                    frame
                }
                None => return inner.close.map(Outgoing::Close),
            }
        };
        Some(Outgoing::Frame(frame.into_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &Outbox, text: &str) {
        outbox.push(Frame::Text(text.to_owned()));
    }

    #[test]
    fn overflow_closes_and_takes_no_more() {
        let outbox = Outbox::new(10);
        push(&outbox, "12345");
        push(&outbox, "67890");
        assert_eq!(outbox.ready(), Some(Outgoing::Frame("12345".to_owned())));
        push(&outbox, "abcdef");
        push(&outbox, "late");
        assert_eq!(outbox.ready(), Some(Outgoing::Close(Close { code: Close::FAILED, reason: "client too slow" })));
    }

    #[test]
    fn nothing_follows_the_last_frame() {
        let outbox = Outbox::new(10);
        outbox.push_last(Frame::Text("bye".to_owned()));
        push(&outbox, "late");
        assert_eq!(outbox.ready(), Some(Outgoing::Frame("bye".to_owned())));
        assert_eq!(outbox.ready(), None);
    }

    #[test]
    fn what_was_pushed_before_the_end_is_still_sent() {
        let outbox = Outbox::new(10);
        let close = Close { code: Close::NORMAL, reason: "bye" };
        push(&outbox, "a");
        outbox.finish(close);
        push(&outbox, "b");
        assert_eq!(outbox.ready(), Some(Outgoing::Frame("a".to_owned())));
        assert_eq!(outbox.ready(), Some(Outgoing::Close(close)));
    }
}
