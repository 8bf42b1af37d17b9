//! What one viewer has really received, measured by websocket pings on its pixel socket. A socket takes megabytes that an SSH tunnel
//! then hands out for seconds; so what is on its way is capped, and pictures wait (unencoded) on this side.
//!
//! Sans-IO: times are arguments. Pongs are cumulative: whoever answers a ping has everything that was sent before it.
//!
//! The window is 256 KiB, or twice what the measured rate carries in a round trip if that is more, and never more than 1 MiB. On a
//! link that proved too slow for what it was given it is what the link carries in a quarter of a second: the rest would only wait in
//! somebody's buffer, and be old when it comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Window of a link of which nothing bad is known, bytes.
const WINDOW: u64 = 256 << 10;
/// Most that is ever on its way, bytes, unless it is a single access unit.
pub(crate) const MAX_WINDOW: u64 = 1 << 20;
/// Window of the slowest link, bytes.
const MIN_WINDOW: u64 = 32 << 10;
/// What a slow link may hold, in time.
const SLOW_WINDOW: Duration = Duration::from_millis(250);
/// How long a link counts as slow after its window was last full.
const SLOW_FOR: Duration = Duration::from_secs(30);
/// Ping period while bytes are not acknowledged.
const BUSY_PING: Duration = Duration::from_millis(250);
/// Ping period while nothing is on its way.
const IDLE_PING: Duration = Duration::from_secs(5);
/// Bytes after which a ping goes out whatever the time, so that a fast link never waits for one.
const PING_BYTES: u64 = 32 << 10;
/// Pings whose answers are awaited, at most.
const MAX_PINGS: usize = 128;
/// How long bytes may stay unacknowledged without any answer.
const SILENCE: Duration = Duration::from_secs(30);
/// Pictures that may wait for a client's decoder before it gets no more.
const DECODER_QUEUE: u32 = 8;
/// How long what a client said of its decoder holds.
const DECODER_NEWS: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
struct Ping {
    id: u64,
    at: Instant,
    /// Bytes sent before it.
    covers: u64,
    /// Bytes that had arrived when it was sent, and when that had been learnt: the rate is measured from there.
    arrived: (u64, Instant),
    /// Nothing was on its way: its round trip is the link's own.
    idle: bool,
}

/// What is on its way to one viewer.
#[derive(Debug)]
pub(crate) struct Delivery {
    sent: u64,
    arrived: u64,
    /// When `arrived` was learnt, or when the first byte left after a pause.
    arrived_at: Instant,
    /// Since when bytes are on their way without any answer.
    silent_since: Instant,
    /// Messages that may be on their way: sequence number, and bytes sent up to and with it.
    messages: VecDeque<(u32, u64)>,
    pings: VecDeque<Ping>,
    last_ping: Instant,
    next_id: u64,
    /// Bytes sent when the last ping was.
    pinged: u64,
    /// Newest round trip.
    rtt: Option<Duration>,
    /// Shortest round trip, or the newest of an idle link.
    base_rtt: Option<Duration>,
    /// Bytes per second.
    rate: Option<f64>,
    /// When the window was last full.
    full_at: Option<Instant>,
    /// What the client said of its decoder, and when.
    decoder: Option<(u32, Instant)>,
}

impl Delivery {
    /// A socket that has just opened.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            sent: 0,
            arrived: 0,
            arrived_at: now,
            silent_since: now,
            messages: VecDeque::new(),
            pings: VecDeque::new(),
            last_ping: now,
            next_id: 0,
            pinged: 0,
            rtt: None,
            base_rtt: None,
            rate: None,
            full_at: None,
            decoder: None,
        }
    }

    /// Bytes sent and not known to have arrived.
    pub(crate) fn in_flight(&self) -> u64 {
        self.sent - self.arrived
    }

    /// The newest round trip.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Bytes per second that arrive. Of a link that was never full, what it was given.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Whether the viewer may be handed another message now.
    pub(crate) fn open(&self, now: Instant) -> bool {
        self.in_flight() < self.window(now) && !self.decoder_lags(now)
    }

    /// Whether a message of `bytes` may go now: the window is open, and it fits under the cap or goes alone.
    pub(crate) fn admits(&self, bytes: u64, now: Instant) -> bool {
        self.open(now) && (self.in_flight() == 0 || self.in_flight() + bytes <= MAX_WINDOW)
    }

    fn window(&self, now: Instant) -> u64 {
        let Some(rate) = self.rate else { return WINDOW };
        let carried = |time: Duration| (rate * time.as_secs_f64()) as u64;
        let slow = self.full_at.is_some_and(|at| now.saturating_duration_since(at) < SLOW_FOR);
        let floor = if slow { carried(SLOW_WINDOW).clamp(MIN_WINDOW, WINDOW) } else { WINDOW };
        floor.max(carried(2 * self.base_rtt.unwrap_or_default())).min(MAX_WINDOW)
    }

    fn decoder_lags(&self, now: Instant) -> bool {
        self.decoder.is_some_and(|(queue, at)| queue > DECODER_QUEUE && now.saturating_duration_since(at) < DECODER_NEWS)
    }

    /// A message of `bytes` was handed to the socket.
    pub(crate) fn sent(&mut self, seq: u32, bytes: u64, now: Instant) {
        if self.in_flight() == 0 {
            (self.arrived_at, self.silent_since) = (now, now);
        }
        self.sent += bytes;
        self.messages.push_back((seq, self.sent));
        if self.in_flight() >= self.window(now) {
            self.full_at = Some(now);
        }
    }

    /// The ping that is due, if one is: its id. The caller must send it.
    pub(crate) fn take_ping(&mut self, now: Instant) -> Option<u64> {
        if self.ping_at(now)? > now {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        let idle = self.in_flight() == 0;
        let arrived = (self.arrived, if idle { now } else { self.arrived_at });
        self.pings.push_back(Ping { id, at: now, covers: self.sent, arrived, idle });
        (self.last_ping, self.pinged) = (now, self.sent);
        Some(id)
    }

    fn ping_at(&self, now: Instant) -> Option<Instant> {
        if self.pings.len() >= MAX_PINGS {
            return None;
        }
        let unasked = self.sent - self.pinged;
        // The first goes before anything else: what it measures is the link itself.
        if self.next_id == 0 || unasked >= PING_BYTES || (unasked > 0 && !self.open(now)) {
            return Some(now);
        }
        Some(self.last_ping + if self.in_flight() > 0 { BUSY_PING } else { IDLE_PING })
    }

    /// The answer to a ping came; answers to none are ignored.
    pub(crate) fn pong(&mut self, id: u64, now: Instant) {
        let Some(at) = self.pings.iter().position(|ping| ping.id == id) else { return };
        let Some(ping) = self.pings.drain(..=at).next_back() else { return };
        let rtt = now.saturating_duration_since(ping.at);
        self.rtt = Some(rtt);
        // A link that is never idle cannot drift: what waits in its buffers is not taken for its length.
        let nothing_since = ping.idle && self.sent == ping.covers;
        self.base_rtt = Some(if nothing_since { rtt } else { self.base_rtt.map_or(rtt, |base| base.min(rtt)) });
        let bytes = ping.covers.saturating_sub(ping.arrived.0);
        let took = now.saturating_duration_since(ping.arrived.1).as_secs_f64();
        if bytes > 0 && took > 0.0 {
            let sample = bytes as f64 / took;
            // A link that was not full might have carried more.
            let full = self.full_at.is_some_and(|full| full >= ping.arrived.1);
            self.rate = Some(match self.rate {
                Some(rate) if full => 0.7 * rate + 0.3 * sample,
                Some(rate) => rate.max(sample),
                None => sample,
            });
        }
        self.acknowledge(ping.covers, now);
    }

    /// The client says that it shows the picture of `seq`, or none yet, and that so many wait for its decoder.
    pub(crate) fn feedback(&mut self, painted: Option<u32>, queue: u32, now: Instant) {
        self.decoder = Some((queue, now));
        // Only what may be on its way is believed.
        let covers = painted.and_then(|seq| self.messages.iter().find(|(sent, _)| *sent == seq)).map(|(_, covers)| *covers);
        if let Some(covers) = covers {
            self.acknowledge(covers, now);
        }
    }

    fn acknowledge(&mut self, covers: u64, now: Instant) {
        self.silent_since = now;
        if covers > self.arrived {
            (self.arrived, self.arrived_at) = (covers, now);
            while self.messages.front().is_some_and(|(_, upto)| *upto <= covers) {
                self.messages.pop_front();
            }
        }
    }

    /// Whether the peer is gone: bytes on their way and no answer for half a minute, or two pings of an idle socket unanswered.
    pub(crate) fn dead(&self, now: Instant) -> bool {
        self.dies_at().is_some_and(|at| at <= now)
    }

    fn dies_at(&self) -> Option<Instant> {
        if self.in_flight() > 0 {
            return Some(self.silent_since + SILENCE);
        }
        self.pings.front().map(|ping| ping.at.max(self.silent_since) + 2 * IDLE_PING)
    }

    /// When to look again although nothing happens: for a ping, for the end, for news of the decoder that are no longer news.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let decoder = self.decoder.filter(|_| self.decoder_lags(now)).map(|(_, at)| at + DECODER_NEWS);
        [self.ping_at(now), self.dies_at(), decoder].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fed(bytes: &[u64], at: Instant) -> Delivery {
        let mut delivery = Delivery::new(at);
        bytes.iter().zip(0..).for_each(|(&bytes, seq)| delivery.sent(seq, bytes, at));
        delivery
    }

    #[test]
    fn pings_are_spaced_by_time_and_bytes() {
        let start = Instant::now();
        let mut delivery = Delivery::new(start);
        assert_eq!(delivery.take_ping(start), Some(0), "before anything else");
        assert_eq!(delivery.take_ping(start + IDLE_PING - MS), None);
        assert_eq!(delivery.take_ping(start + IDLE_PING), Some(1));
        let now = start + IDLE_PING + 10 * MS;
        delivery.pong(1, now);
        assert_eq!(delivery.rtt(), Some(10 * MS));
        delivery.sent(0, 1000, now);
        assert_eq!(delivery.take_ping(now), None);
        assert_eq!(delivery.take_ping(start + IDLE_PING + BUSY_PING), Some(2));
        delivery.sent(1, PING_BYTES, now + BUSY_PING);
        assert_eq!(delivery.take_ping(now + BUSY_PING), Some(3), "at once, for a lot of bytes");
        assert_eq!(delivery.take_ping(now + BUSY_PING), None);
        assert_eq!(delivery.poll_timeout(now + BUSY_PING), Some(now + 2 * BUSY_PING));
    }

    #[test]
    fn a_pong_acknowledges_what_was_sent_before_its_ping_and_a_strange_one_nothing() {
        let start = Instant::now();
        let mut delivery = fed(&[40_000], start);
        assert_eq!(delivery.take_ping(start), Some(0));
        delivery.sent(1, 50_000, start);
        assert_eq!(delivery.take_ping(start), Some(1));
        delivery.sent(2, 5_000, start);
        delivery.pong(77, start + MS);
        assert_eq!(delivery.in_flight(), 95_000);
        delivery.pong(0, start + 100 * MS);
        assert_eq!((delivery.in_flight(), delivery.rate()), (55_000, Some(400_000.0)));
        delivery.pong(0, start + 200 * MS);
        assert_eq!(delivery.in_flight(), 55_000, "once");
        delivery.pong(1, start + 200 * MS);
        assert_eq!(delivery.in_flight(), 5_000);
    }

    #[test]
    fn the_window_closes_at_its_bytes_and_takes_any_single_unit() {
        let start = Instant::now();
        let delivery = fed(&[], start);
        assert!(delivery.admits(5 * MAX_WINDOW, start), "alone");
        let delivery = fed(&[1], start);
        assert!(!delivery.admits(MAX_WINDOW, start) && delivery.admits(MAX_WINDOW - 1, start));
        let delivery = fed(&[WINDOW - 1], start);
        assert!(delivery.open(start) && delivery.admits(100, start));
        assert!(!fed(&[WINDOW], start).open(start));
    }

    #[test]
    fn feedback_acknowledges_what_was_sent_and_nothing_else() {
        let start = Instant::now();
        let mut delivery = fed(&[100, 200, 300], start);
        delivery.feedback(Some(9), 0, start);
        assert_eq!(delivery.in_flight(), 600, "no such message");
        delivery.feedback(Some(1), 0, start);
        assert_eq!(delivery.in_flight(), 300);
        delivery.feedback(Some(0), 0, start);
        assert_eq!(delivery.in_flight(), 300, "old news");
        delivery.take_ping(start);
        delivery.feedback(None, DECODER_QUEUE + 1, start);
        assert!(!delivery.open(start) && delivery.open(start + DECODER_NEWS), "its decoder lags, for as long as that is news");
        assert_eq!(delivery.poll_timeout(start), Some(start + BUSY_PING));
    }

    #[test]
    fn a_peer_that_answers_nothing_is_dead() {
        let start = Instant::now();
        let mut busy = fed(&[100], start);
        let mut idle = Delivery::new(start);
        let (mut busy_died, mut idle_died) = (None, None);
        for ms in 0..40_000 {
            let now = start + ms * MS;
            busy.take_ping(now);
            idle.take_ping(now);
            busy_died = busy_died.or(busy.dead(now).then_some(ms));
            idle_died = idle_died.or(idle.dead(now).then_some(ms));
        }
        assert_eq!((busy_died, idle_died), (Some(30_000), Some(10_000)), "idle: two pings, five seconds each");
    }
}
