//! All viewers of the stream. Packets come from the encode thread, each viewer is drained by its own task.

use super::idr::{IdrRequests, Urgency};
use super::ops::{Ended, Ops};
use super::queue::Offered;
use super::viewer::{Outgoing, Step};
use crate::engine::Engine;
use crate::locked;
use crate::metrics::{Counters, PixelGauges, add};
use crate::session::Close;
use nc_engine::api::{OpTrace, Packet};
use nc_protocol::extension::{self, Feedback};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::Notify;

/// What the stream's rate is measured over.
const RATE_WINDOW: Duration = Duration::from_secs(1);
/// Most packets that are remembered for it.
const RATE_PACKETS: usize = 256;

/// All viewers of the stream. Lock order: what the engine was told, the list, a viewer. Ops are a leaf.
#[derive(Default)]
pub(crate) struct Fanout {
    inner: Mutex<Inner>,
    /// Weak, because the engine's threads hold the hub as their sink: whoever runs the server owns the engine.
    engine: OnceLock<Weak<dyn Engine>>,
    told: Mutex<Standing>,
    /// What the engine was told may no longer hold.
    stale: Arc<AtomicBool>,
    /// [`Self::settle`] has something to do, or [`Self::idr_due`] says something else.
    unsettled: Notify,
    ops: Mutex<Ops>,
}

#[derive(Debug, Default)]
struct Inner {
    viewers: BTreeMap<u64, Arc<Viewer>>,
    next_id: u64,
    idr: IdrRequests,
    packets: u64,
    /// When the newest packets came, and their bytes.
    recent: VecDeque<(Instant, usize)>,
    last_key: Option<(u64, f64)>,
    closed: Option<Close>,
}

/// What the engine is told of the viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    viewers: usize,
    hungry: bool,
    waits_since: Option<Instant>,
}

impl Default for Standing {
    /// What an engine takes for granted.
    fn default() -> Self {
        Self { viewers: 0, hungry: true, waits_since: None }
    }
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    id: u64,
    /// The session that the socket is bound to, if any.
    session: Option<String>,
    inner: Mutex<Outgoing>,
    changed: Notify,
    stale: Arc<AtomicBool>,
}

/// The stream over the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    /// Access units.
    pub(crate) fps: f64,
    /// Bits of them.
    pub(crate) bitrate_bps: f64,
}

impl Fanout {
    /// Connects the engine, which is told what holds now.
    pub(crate) fn attach(&self, engine: &Arc<dyn Engine>, now: Instant) {
        if self.engine.set(Arc::downgrade(engine)).is_ok() {
            self.stale.store(true, Ordering::Release);
            self.settle(now);
        }
    }

    fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.engine.get().and_then(Weak::upgrade)
    }

    /// A new viewer, bound to a session or not; it gets an IDR as soon as its turn comes.
    pub(crate) fn join(&self, session: Option<String>, now: Instant) -> Arc<Viewer> {
        let mut inner = locked(&self.inner);
        inner.next_id += 1;
        let outgoing = Outgoing::new(session.is_some(), inner.closed, now);
        let stale = Arc::clone(&self.stale);
        let viewer = Arc::new(Viewer { id: inner.next_id, session, inner: Mutex::new(outgoing), changed: Notify::new(), stale });
        inner.viewers.insert(viewer.id, Arc::clone(&viewer));
        inner.idr.want(Urgency::Newcomer);
        drop(inner);
        self.stale.store(true, Ordering::Release);
        self.unsettled.notify_one();
        self.settle(now);
        viewer
    }

    /// A viewer is gone.
    pub(crate) fn leave(&self, viewer: &Viewer, now: Instant) {
        let nobody = {
            let mut inner = locked(&self.inner);
            inner.viewers.remove(&viewer.id);
            inner.viewers.is_empty()
        };
        if nobody {
            locked(&self.ops).abandoned();
        }
        self.stale.store(true, Ordering::Release);
        self.settle(now);
    }

    /// Ends the viewers that are bound to a session.
    pub(crate) fn end_session(&self, session: &str) {
        let close = Close { code: Close::NORMAL, reason: "session ended" };
        locked(&self.inner).bound_to(session).for_each(|viewer| viewer.end(close));
    }

    /// Ends all viewers, and those to come.
    pub(crate) fn end_all(&self, close: Close) {
        let mut inner = locked(&self.inner);
        inner.closed = Some(close);
        inner.viewers.values().for_each(|viewer| viewer.end(close));
    }

    /// Hands a packet to everyone who can use it. Called by the engine, which is told nothing from here: its threads must never hold
    /// the last share in it.
    pub(crate) fn packet(&self, mut packet: Packet, now: Instant, counters: &Counters) {
        let traces = std::mem::take(&mut packet.ops);
        let mut guard = locked(&self.inner);
        let inner = &mut *guard;
        let number = inner.packets;
        // Before a viewer can have sent it.
        locked(&self.ops).encoded(number, traces, !inner.viewers.is_empty());
        if packet.idr {
            inner.idr.answered(now);
            self.unsettled.notify_one();
            let wall = packet.wall.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            inner.last_key = Some((number, wall));
            add(&counters.keyframes, 1);
        }
        inner.packets += 1;
        inner.remember(now, packet.avcc.len());
        add(&counters.frames, 1);
        add(&counters.bytes, packet.avcc.len() as u64);
        for viewer in inner.viewers.values() {
            let offered = viewer.with(now, |outgoing| outgoing.offer(&packet, number, now));
            match offered {
                Offered::Queued => viewer.changed.notify_one(),
                Offered::Skipped => {}
                Offered::Overflowed(lost) => add(&counters.dropped, lost),
            }
        }
        self.unsettled.notify_one();
    }

    /// A viewer's socket had taken packet `number`.
    pub(crate) fn sent(&self, number: u64, now: Instant) {
        if locked(&self.ops).awaits(number) {
            let painted = locked(&self.inner).viewers.values().any(|viewer| locked(&viewer.inner).gives_feedback());
            locked(&self.ops).sent(number, painted, now);
        }
        self.settle(now);
    }

    /// What the client of a session says of its pictures; for its bound pixel sockets.
    pub(crate) fn feedback(&self, session: &str, feedback: &Feedback, now: Instant) {
        let viewers: Vec<Arc<Viewer>> = locked(&self.inner).bound_to(session).cloned().collect();
        for viewer in viewers {
            let say = |outgoing: &mut Outgoing| outgoing.feedback(feedback.painted_seq, feedback.decode_queue, now);
            if let Some(number) = viewer.with(now, say) {
                locked(&self.ops).painted(number, now);
            }
            viewer.changed.notify_one();
        }
        self.settle(now);
    }

    /// An IDR is wanted, now or as soon as its urgency allows.
    pub(crate) fn want_idr(&self, urgency: Urgency, now: Instant) {
        locked(&self.inner).idr.want(urgency);
        self.unsettled.notify_one();
        self.request_due_idr(now);
    }

    /// Asks for the IDR whose time has come, if there is one.
    pub(crate) fn request_due_idr(&self, now: Instant) {
        // Without an engine the wish stands.
        let Some(engine) = self.engine() else { return };
        let due = locked(&self.inner).idr.take_due(now);
        if due {
            engine.request_idr();
        }
    }

    /// When [`Self::request_due_idr`] is to be called, if nothing happens before.
    pub(crate) fn idr_due(&self, now: Instant) -> Option<Instant> {
        locked(&self.inner).idr.due(now)
    }

    /// Returns when [`Self::settle`] is to be called, or [`Self::idr_due`] may say something else. For one task.
    pub(crate) async fn unsettled(&self) {
        self.unsettled.notified().await;
    }

    /// Tells the engine what of the viewers is news to it, and of the ops that ended; asks for the IDR that is due. To be called,
    /// without any lock held and not by the engine, after whatever may have changed a viewer.
    pub(crate) fn settle(&self, now: Instant) {
        let ended = locked(&self.ops).take_ended(now);
        let Some(engine) = self.engine() else { return };
        if !ended.is_empty() {
            engine.traced(&ended);
        }
        if self.stale.swap(false, Ordering::AcqRel) {
            self.tell(&*engine, now);
        }
        self.request_due_idr(now);
    }

    fn tell(&self, engine: &dyn Engine, now: Instant) {
        // Looking and telling are one step, or an older count could be told last.
        let mut told = locked(&self.told);
        let standing = {
            let mut inner = locked(&self.inner);
            let standing = inner.standing(now);
            if standing.waits_since.is_some() && standing.waits_since != told.waits_since {
                // A newcomer has asked already, more urgently; whoever fell behind asks now.
                inner.idr.want(Urgency::Recovery);
                self.unsettled.notify_one();
            }
            standing
        };
        if standing.hungry != told.hungry {
            engine.set_hungry(standing.hungry);
        }
        if standing.waits_since != told.waits_since {
            engine.viewer_waits_since(standing.waits_since);
        }
        if standing.viewers != told.viewers {
            engine.set_viewers(standing.viewers);
        }
        *told = standing;
    }

    /// The stream over the last second.
    pub(crate) fn rate(&self, now: Instant) -> Rate {
        let inner = locked(&self.inner);
        let recent = inner.recent.iter().filter(|(at, _)| now.saturating_duration_since(*at) < RATE_WINDOW);
        let (packets, bytes) = recent.fold((0.0, 0.0), |(n, sum), (_, bytes)| (n + 1.0, sum + *bytes as f64));
        Rate { fps: packets / RATE_WINDOW.as_secs_f64(), bitrate_bps: 8.0 * bytes / RATE_WINDOW.as_secs_f64() }
    }

    /// How the delivery to a session's pixel socket stands, if it has one; of several, the newest.
    pub(crate) fn delivery(&self, session: &str) -> Option<extension::Delivery> {
        let viewer = locked(&self.inner).bound_to(session).last().cloned()?;
        Some(locked(&viewer.inner).delivery())
    }

    /// Ops that ended without a packet, which the engine has told of already.
    pub(crate) fn remember_ended(&self, traces: Vec<OpTrace>) {
        locked(&self.ops).remember(traces);
    }

    /// The ops of a client that ended after the serial number given, with the first message of the session's pixel socket that shows
    /// each; and the newest serial number.
    pub(crate) fn ended_ops(&self, client: u64, session: &str, after: u64) -> (Vec<(Ended, Option<u32>)>, u64) {
        let viewer = locked(&self.inner).bound_to(session).last().cloned();
        let (ended, serial) = {
            let ops = locked(&self.ops);
            (ops.of(client, after).cloned().collect::<Vec<_>>(), ops.serial())
        };
        let seq = |number| viewer.as_ref().and_then(|viewer| locked(&viewer.inner).seq_showing(number));
        let shown = ended.into_iter().map(|ended| {
            let seq = ended.number.and_then(seq);
            (ended, seq)
        });
        (shown.collect(), serial)
    }

    /// Since when the viewer waits for an IDR who waits longest, as the engine was told.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        locked(&self.told).waits_since
    }

    /// How the channel stands.
    pub(crate) fn gauges(&self) -> PixelGauges {
        let told = *locked(&self.told);
        let inner = locked(&self.inner);
        let mut gauges =
            PixelGauges { clients: inner.viewers.len(), last_key: inner.last_key, hungry: told.hungry, ..PixelGauges::default() };
        for viewer in inner.viewers.values() {
            let outgoing = locked(&viewer.inner);
            let delivery = outgoing.delivery();
            gauges.queue_depth = gauges.queue_depth.max(outgoing.queue_len());
            gauges.queued_bytes = gauges.queued_bytes.max(delivery.queued_bytes);
            gauges.in_flight_bytes = gauges.in_flight_bytes.max(delivery.in_flight_bytes);
            gauges.rtt_ms = gauges.rtt_ms.max(delivery.rtt_ms.unwrap_or(0.0));
            gauges.slowest_bps = match (gauges.slowest_bps, delivery.rate_bps) {
                (Some(slowest), Some(rate)) => Some(slowest.min(rate)),
                (slowest, rate) => slowest.or(rate),
            };
        }
        gauges
    }
}

impl Inner {
    fn bound_to<'a>(&'a self, session: &'a str) -> impl Iterator<Item = &'a Arc<Viewer>> {
        self.viewers.values().filter(move |viewer| viewer.session.as_deref() == Some(session))
    }

    fn standing(&self, now: Instant) -> Standing {
        let appetites = self.viewers.values().map(|viewer| locked(&viewer.inner).appetite(now).0);
        let nobody = Standing { viewers: self.viewers.len(), hungry: self.viewers.is_empty(), waits_since: None };
        appetites.fold(nobody, |all, one| Standing {
            viewers: all.viewers,
            hungry: all.hungry || one.hungry,
            waits_since: all.waits_since.into_iter().chain(one.starves_since).min(),
        })
    }

    fn remember(&mut self, now: Instant, bytes: usize) {
        let old = |(at, _): &mut (Instant, usize)| now.saturating_duration_since(*at) >= RATE_WINDOW;
        while self.recent.pop_front_if(old).is_some() {}
        if self.recent.len() == RATE_PACKETS {
            self.recent.pop_front();
        }
        self.recent.push_back((now, bytes));
    }
}

impl Viewer {
    /// What to do next; after [`Step::Wait`] call again at its time or when [`Self::changed`] returns, whichever is first. For one
    /// task, which calls [`Fanout::settle`] afterwards.
    pub(crate) fn step(&self, now: Instant) -> Step {
        self.with(now, |outgoing| outgoing.step(now))
    }

    /// Returns when [`Self::step`] may say something else. For one task.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The answer to a ping came. [`Fanout::settle`] is to be called afterwards.
    pub(crate) fn pong(&self, id: u64, now: Instant) {
        self.with(now, |outgoing| outgoing.pong(id, now));
        self.changed.notify_one();
    }

    /// Does something to the viewer, and notes whether it wants something else now.
    fn with<T>(&self, now: Instant, act: impl FnOnce(&mut Outgoing) -> T) -> T {
        let mut outgoing = locked(&self.inner);
        let done = act(&mut outgoing);
        if outgoing.appetite(now).1 {
            self.stale.store(true, Ordering::Release);
        }
        done
    }

    fn end(&self, close: Close) {
        locked(&self.inner).end(close);
        self.stale.store(true, Ordering::Release);
        self.changed.notify_one();
    }
}

impl std::fmt::Debug for Fanout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fanout").field("inner", &self.inner).finish_non_exhaustive()
    }
}
