//! All viewers of the stream. Packets come from the encode thread, each viewer is drained by its own task.

use super::idr::{IdrRequests, Urgency};
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
    /// The next request for an IDR may be due at another time.
    idr_changed: Notify,
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
    /// A new viewer. It wants an IDR: see [`Self::take_due_idr`].
    pub(crate) fn join(&self, session: Option<String>) -> Arc<Viewer> {
        let mut inner = locked(&self.inner);
        inner.next_id += 1;
        let outgoing = Outgoing { queue: ViewerQueue::new(session.is_some()), close: inner.closed };
        let viewer = Arc::new(Viewer { id: inner.next_id, session, inner: Mutex::new(outgoing), changed: Notify::new() });
        inner.viewers.insert(viewer.id, Arc::clone(&viewer));
        inner.idr.want(Urgency::Newcomer);
        self.idr_changed.notify_one();
        viewer
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
    pub(crate) fn packet(&self, packet: &Packet, now: Instant, counters: &Counters) {
        let mut guard = locked(&self.inner);
        let inner = &mut *guard;
        if packet.idr {
            inner.idr.answered(now);
            self.idr_changed.notify_one();
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
                Offered::Overflowed(lost) => {
                    add(&counters.dropped, lost);
                    inner.idr.want(Urgency::Recovery);
                    self.idr_changed.notify_one();
                }
            }
            viewer.changed.notify_one();
        }
    }

    /// An IDR is wanted: see [`Self::take_due_idr`].
    pub(crate) fn want_idr(&self, urgency: Urgency) {
        locked(&self.inner).idr.want(urgency);
        self.idr_changed.notify_one();
    }

    /// Whether the encoder is to be asked for an IDR now. If so, the caller must ask.
    pub(crate) fn take_due_idr(&self, now: Instant) -> bool {
        let mut inner = locked(&self.inner);
        let waiting = inner.anyone_waits();
        inner.idr.take_due(now, waiting)
    }

    /// When [`Self::take_due_idr`] will next say yes, if nothing happens before.
    pub(crate) fn idr_due(&self, now: Instant) -> Option<Instant> {
        let inner = locked(&self.inner);
        inner.idr.due(now, inner.anyone_waits())
    }

    /// Returns when [`Self::idr_due`] may say something else. For one task.
    pub(crate) async fn idr_changed(&self) {
        self.idr_changed.notified().await;
    }

    /// How the channel stands.
    pub(crate) fn gauges(&self) -> PixelGauges {
        let inner = locked(&self.inner);
        let queue_depth = inner.viewers.values().map(|viewer| locked(&viewer.inner).queue.len()).max().unwrap_or(0);
        PixelGauges { clients: inner.viewers.len(), queue_depth, last_key: inner.last_key }
    }
}

impl Inner {
    fn anyone_waits(&self) -> bool {
        self.viewers.values().any(|viewer| locked(&viewer.inner).queue.waiting())
    }
}

impl Viewer {
    /// What to do next; waits until there is something. For one task.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.ready() {
                return next;
            }
            self.changed.notified().await;
        }
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
