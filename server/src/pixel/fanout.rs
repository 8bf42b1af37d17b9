//! All viewers of the stream. Packets come from the encode thread, each viewer is drained by its own task.

use super::idr::IdrRequests;
use super::queue::{Offered, ViewerQueue};
use crate::locked;
use crate::metrics::{Counters, PixelGauges, add};
use crate::session::Close;
use nc_engine::api::Packet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Instant, UNIX_EPOCH};
use tokio::sync::Notify;

/// All viewers of the stream. Lock order: fan-out, then a viewer.
#[derive(Debug, Default)]
pub(crate) struct Fanout {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    viewers: BTreeMap<u64, Arc<Viewer>>,
    next_id: u64,
    idr: IdrRequests,
    packets: u64,
    last_key: Option<(u64, f64)>,
    closed: Option<Close>,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    id: u64,
    /// The session that the socket is bound to, if any.
    session: Option<String>,
    inner: Mutex<Outgoing>,
    changed: Notify,
}

#[derive(Debug)]
struct Outgoing {
    queue: ViewerQueue,
    close: Option<Close>,
}

/// What a viewer's task does next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Send a message.
    Send(Vec<u8>),
    /// Close the socket.
    Close(Close),
}

impl Fanout {
    /// A new viewer, and whether the encoder is to be asked for an IDR.
    pub(crate) fn join(&self, session: Option<String>, now: Instant) -> (Arc<Viewer>, bool) {
        let mut inner = locked(&self.inner);
        inner.next_id += 1;
        let outgoing = Outgoing { queue: ViewerQueue::new(session.is_some()), close: inner.closed };
        let viewer = Arc::new(Viewer { id: inner.next_id, session, inner: Mutex::new(outgoing), changed: Notify::new() });
        inner.viewers.insert(viewer.id, Arc::clone(&viewer));
        (viewer, inner.idr.want(now))
    }

    /// A viewer is gone.
    pub(crate) fn leave(&self, viewer: &Viewer) {
        locked(&self.inner).viewers.remove(&viewer.id);
    }

    /// How many viewers there are.
    pub(crate) fn viewers(&self) -> usize {
        locked(&self.inner).viewers.len()
    }

    /// Ends the viewers that are bound to a session.
    pub(crate) fn end_session(&self, session: &str) {
        let close = Close { code: Close::NORMAL, reason: "session ended" };
        for viewer in locked(&self.inner).viewers.values().filter(|viewer| viewer.session.as_deref() == Some(session)) {
            viewer.end(close);
        }
    }

    /// Ends all viewers, and those to come.
    pub(crate) fn end_all(&self, close: Close) {
        let mut inner = locked(&self.inner);
        inner.closed = Some(close);
        inner.viewers.values().for_each(|viewer| viewer.end(close));
    }

    /// Hands a packet to everyone who can use it.
    pub(crate) fn packet(&self, packet: &Packet, counters: &Counters) {
        let mut inner = locked(&self.inner);
        if packet.idr {
            inner.idr.answered();
            let wall = packet.wall.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            inner.last_key = Some((inner.packets, wall));
            add(&counters.keyframes, 1);
        }
        inner.packets += 1;
        add(&counters.frames, 1);
        add(&counters.bytes, packet.avcc.len() as u64);
        for viewer in inner.viewers.values() {
            match locked(&viewer.inner).queue.offer(packet) {
                Offered::Queued => {}
                Offered::Skipped => continue,
                Offered::Overflowed(lost) => add(&counters.dropped, lost),
            }
            viewer.changed.notify_one();
        }
    }

    /// An IDR is wanted now. Whether the encoder is to be asked.
    pub(crate) fn want_idr(&self, now: Instant) -> bool {
        locked(&self.inner).idr.want(now)
    }

    /// A viewer waits for an IDR. Whether the encoder is to be asked.
    pub(crate) fn recover(&self, now: Instant) -> bool {
        locked(&self.inner).idr.recover(now)
    }

    /// When `viewer` should call [`Self::recover`]; `None` if it does not wait.
    pub(crate) fn recovery_due(&self, viewer: &Viewer, now: Instant) -> Option<Instant> {
        let inner = locked(&self.inner);
        locked(&viewer.inner).queue.waiting().then(|| inner.idr.due(now))
    }

    /// How the channel stands.
    pub(crate) fn gauges(&self) -> PixelGauges {
        let inner = locked(&self.inner);
        let queue_depth = inner.viewers.values().map(|viewer| locked(&viewer.inner).queue.len()).max().unwrap_or(0);
        PixelGauges { clients: inner.viewers.len(), queue_depth, last_key: inner.last_key }
    }
}

impl Viewer {
    /// What to do next; waits until there is something. `None` when only the need for an IDR may have changed.
    pub(crate) async fn next(&self) -> Option<Next> {
        if let Some(next) = self.ready() {
            return Some(next);
        }
        self.changed.notified().await;
        self.ready()
    }

    fn ready(&self) -> Option<Next> {
        let mut outgoing = locked(&self.inner);
        match outgoing.close {
            Some(close) => Some(Next::Close(close)),
            None => outgoing.queue.pop().map(Next::Send),
        }
    }

    fn end(&self, close: Close) {
        locked(&self.inner).close.get_or_insert(close);
        self.changed.notify_one();
    }
}
