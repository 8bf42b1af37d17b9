//! One viewer, sans-IO: its queue, what is on its way to it, and what it wants.

use super::delivery::Delivery;
use super::queue::{Message, Offered, ViewerQueue};
use crate::session::Close;
use nc_engine::api::Packet;
use nc_protocol::extension;
use std::collections::VecDeque;
use std::time::Instant;

/// Packets that may wait before a viewer that could be handed one counts as fed.
const FED: usize = 2;
/// Messages of which it is remembered which packet they were.
const REMEMBERED: usize = 512;

/// What the viewer's task does next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Send a message, and then say so.
    Send(Message),
    /// Send a ping with this id.
    Ping(u64),
    /// Close the socket.
    Close(Close),
    /// Nothing before that time, unless something happens.
    Wait(Option<Instant>),
}

/// What a viewer wants of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appetite {
    /// It could be handed another packet.
    pub(crate) hungry: bool,
    /// It could, but shows nothing until the next IDR: since then.
    pub(crate) starves_since: Option<Instant>,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    queue: ViewerQueue,
    delivery: Delivery,
    close: Option<Close>,
    appetite: Appetite,
    /// Which packet each of the newest messages was.
    messages: VecDeque<(u32, u64)>,
    gives_feedback: bool,
}

impl Outgoing {
    /// A viewer that has just come; `bound` to a session or not.
    pub(crate) fn new(bound: bool, close: Option<Close>, now: Instant) -> Self {
        Self {
            queue: ViewerQueue::new(bound),
            delivery: Delivery::new(now),
            close,
            appetite: Appetite { hungry: true, starves_since: Some(now) },
            messages: VecDeque::new(),
            gives_feedback: false,
        }
    }

    /// Takes the stream's packet `number` if the viewer can use it.
    pub(crate) fn offer(&mut self, packet: &Packet, number: u64, now: Instant) -> Offered {
        let open = self.delivery.open(now);
        self.queue.offer(packet, number, open, now)
    }

    /// What to do next.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if let Some(close) = self.close {
            return Step::Close(close);
        }
        if self.delivery.dead(now) {
            return Step::Close(Close { code: Close::FAILED, reason: "no sign of life" });
        }
        // Before the next message, so that its answer tells of what went before.
        if let Some(id) = self.delivery.take_ping(now) {
            return Step::Ping(id);
        }
        if self.queue.next_len().is_some_and(|bytes| self.delivery.admits(bytes as u64, now))
            && let Some(message) = self.queue.pop()
        {
            self.delivery.sent(message.seq, message.bytes.len() as u64, now);
            self.messages.push_back((message.seq, message.number));
            if self.messages.len() > REMEMBERED {
                self.messages.pop_front();
            }
            return Step::Send(message);
        }
        Step::Wait(self.delivery.poll_timeout(now))
    }

    /// The answer to a ping came.
    pub(crate) fn pong(&mut self, id: u64, now: Instant) {
        self.delivery.pong(id, now);
    }

    /// The client says how far it is; the number of the packet whose picture it shows.
    pub(crate) fn feedback(&mut self, painted: Option<u32>, queue: u32, now: Instant) -> Option<u64> {
        self.gives_feedback = true;
        self.delivery.feedback(painted, queue, now);
        let painted = painted?;
        self.messages.iter().find(|(seq, _)| *seq == painted).map(|(_, number)| *number)
    }

    /// Whether the client ever gave feedback.
    pub(crate) fn gives_feedback(&self) -> bool {
        self.gives_feedback
    }

    /// The first message that was the packet `number` or a later one.
    pub(crate) fn seq_showing(&self, number: u64) -> Option<u32> {
        self.messages.iter().find(|(_, sent)| *sent >= number).map(|(seq, _)| *seq)
    }

    /// Ends it, unless it ends already.
    pub(crate) fn end(&mut self, close: Close) {
        self.close.get_or_insert(close);
    }

    /// What it wants now; and whether that is news since this was last asked.
    pub(crate) fn appetite(&mut self, now: Instant) -> (Appetite, bool) {
        let open = self.close.is_none() && self.delivery.open(now);
        let starves = open && self.queue.waiting();
        let starves_since = starves.then(|| self.appetite.starves_since.unwrap_or(now));
        let appetite = Appetite { hungry: open && self.queue.len() < FED, starves_since };
        let news = appetite != self.appetite;
        self.appetite = appetite;
        (appetite, news)
    }

    /// Access units that wait.
    pub(crate) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// How its delivery stands.
    pub(crate) fn delivery(&self) -> extension::Delivery {
        extension::Delivery {
            queued_bytes: self.queue.bytes() as u64,
            in_flight_bytes: self.delivery.in_flight(),
            rtt_ms: self.delivery.rtt().map(|rtt| rtt.as_secs_f64() * 1e3),
            rate_bps: self.delivery.rate().map(|rate| rate * 8.0),
        }
    }
}
