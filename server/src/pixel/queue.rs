//! One viewer's queue: bounded in bytes and, while the viewer can take nothing, in time; starts with an IDR, drops only what the next
//! IDR makes superfluous.

use nc_engine::api::Packet;
use nc_protocol::pixel::{Codec, HEADER_LEN, Header};
use std::collections::VecDeque;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Most bytes that wait for one viewer: two thirds of a second at the default bitrate. One access unit may always wait.
pub(crate) const QUEUE_BYTES: usize = 1 << 20;

/// How long the oldest packet may wait for a viewer that can take nothing, while newer ones come for the sake of others.
pub(crate) const QUEUE_AGE: Duration = Duration::from_millis(500);

/// What became of an offered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits to be sent.
    Queued,
    /// The viewer waits for an IDR and this is none.
    Skipped,
    /// The queue was full or too old: it was emptied, and the viewer now waits for an IDR. Holds how many packets were lost.
    Overflowed(u64),
}

/// A message for the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Header and access unit.
    pub(crate) bytes: Vec<u8>,
    /// The viewer's own number for it, as in the header.
    pub(crate) seq: u32,
    /// The packet's number among all packets of the stream.
    pub(crate) number: u64,
}

#[derive(Debug)]
struct Queued {
    packet: Packet,
    number: u64,
    at: Instant,
}

/// One viewer's queue.
#[derive(Debug)]
pub(crate) struct ViewerQueue {
    packets: VecDeque<Queued>,
    bytes: usize,
    waiting: bool,
    next_seq: u32,
    /// Whether headers carry the flip flag.
    bound: bool,
}

impl ViewerQueue {
    /// An empty queue that waits for an IDR.
    pub(crate) fn new(bound: bool) -> Self {
        Self { packets: VecDeque::new(), bytes: 0, waiting: true, next_seq: 0, bound }
    }

    /// Whether nothing can be queued until the next IDR.
    pub(crate) fn waiting(&self) -> bool {
        self.waiting
    }

    /// Packets that wait to be sent.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Bytes that wait to be sent.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the stream's packet `number` if the viewer can use it; `open` says whether the viewer can be handed anything now.
    pub(crate) fn offer(&mut self, packet: &Packet, number: u64, open: bool, now: Instant) -> Offered {
        if packet.idr {
            // Nobody needs what comes before an IDR; a viewer that lags catches up here.
            self.clear();
            self.waiting = false;
        } else if self.waiting {
            return Offered::Skipped;
        }
        let old = self.packets.front().is_some_and(|front| !open && now.saturating_duration_since(front.at) > QUEUE_AGE);
        if old || (!self.packets.is_empty() && self.bytes + packet.avcc.len() > QUEUE_BYTES) {
            let lost = self.packets.len() as u64 + 1;
            self.clear();
            self.waiting = true;
            return Offered::Overflowed(lost);
        }
        self.bytes += packet.avcc.len();
        self.packets.push_back(Queued { packet: packet.clone(), number, at: now });
        Offered::Queued
    }

    /// Bytes of the next message.
    pub(crate) fn next_len(&self) -> Option<usize> {
        self.packets.front().map(|queued| HEADER_LEN + queued.packet.avcc.len())
    }

    /// The next message. Sequence numbers have no gaps, because they are given here.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let Queued { packet, number, .. } = self.packets.pop_front()?;
        self.bytes -= packet.avcc.len();
        let header = Header {
            seq: self.next_seq,
            timestamp: packet.wall.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            width: packet.size.width,
            height: packet.size.height,
            codec: Codec::H264,
            keyframe: packet.idr,
            flip: self.bound && packet.flip,
        };
        self.next_seq = self.next_seq.wrapping_add(1);
        let mut bytes = Vec::with_capacity(HEADER_LEN + packet.avcc.len());
        bytes.extend(header.encode());
        bytes.extend(&*packet.avcc);
        Some(Message { bytes, seq: header.seq, number })
    }

    fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::testing::packet;

    fn header(queue: &mut ViewerQueue) -> Option<Header> {
        queue.pop().map(|message| Header::decode(&message.bytes).unwrap().0)
    }

    #[test]
    fn nothing_before_the_first_idr() {
        let (mut queue, now) = (ViewerQueue::new(false), Instant::now());
        assert_eq!(queue.offer(&packet(false, 10), 0, true, now), Offered::Skipped);
        assert_eq!(queue.offer(&packet(true, 10), 1, true, now), Offered::Queued);
        assert_eq!(queue.offer(&packet(false, 10), 2, true, now), Offered::Queued);
        assert_eq!((queue.next_len(), queue.bytes()), (Some(HEADER_LEN + 10), 20));
        let first = queue.pop().unwrap();
        assert_eq!((first.seq, first.number), (0, 1), "numbered per viewer, and by the stream");
        let first = Header::decode(&first.bytes).unwrap().0;
        assert_eq!((first.seq, first.keyframe, first.timestamp, first.width), (0, true, 1.5, 64));
        assert!(!header(&mut queue).unwrap().keyframe);
        assert!(queue.pop().is_none());
    }

    #[test]
    fn only_bound_viewers_see_the_flip_flag() {
        for bound in [false, true] {
            let mut queue = ViewerQueue::new(bound);
            queue.offer(&packet(true, 1), 0, true, Instant::now());
            assert_eq!(header(&mut queue).unwrap().flip, bound);
        }
    }

    #[test]
    fn overflow_waits_for_an_idr_and_leaves_no_gap_in_seq() {
        let (mut queue, now) = (ViewerQueue::new(false), Instant::now());
        queue.offer(&packet(true, 100), 0, true, now);
        assert_eq!(header(&mut queue).unwrap().seq, 0);
        queue.offer(&packet(false, QUEUE_BYTES / 2), 1, true, now);
        queue.offer(&packet(false, QUEUE_BYTES / 2), 2, true, now);
        assert_eq!(queue.offer(&packet(false, 1), 3, true, now), Offered::Overflowed(3));
        assert!(queue.waiting());
        assert_eq!(queue.offer(&packet(false, 1), 4, true, now), Offered::Skipped);
        queue.offer(&packet(true, 1), 5, true, now);
        assert_eq!(header(&mut queue).unwrap().seq, 1);
    }

    #[test]
    fn what_grew_old_while_nothing_could_go_is_given_up() {
        let (mut queue, now) = (ViewerQueue::new(false), Instant::now());
        let late = now + QUEUE_AGE + Duration::from_millis(1);
        queue.offer(&packet(true, 100), 0, false, now);
        assert_eq!(queue.offer(&packet(false, 1), 1, false, now + QUEUE_AGE), Offered::Queued);
        assert_eq!(queue.offer(&packet(false, 1), 2, true, late), Offered::Queued, "it leaves in a moment");
        assert_eq!(queue.offer(&packet(false, 1), 3, false, late), Offered::Overflowed(4));
    }

    #[test]
    fn an_idr_overtakes_what_waits_and_fits_whatever_its_size() {
        let (mut queue, now) = (ViewerQueue::new(false), Instant::now());
        queue.offer(&packet(true, 1), 0, true, now);
        queue.offer(&packet(false, 1), 1, true, now);
        assert_eq!(queue.offer(&packet(true, 2 * QUEUE_BYTES), 2, true, now), Offered::Queued);
        assert_eq!(queue.len(), 1);
        assert!(header(&mut queue).unwrap().keyframe);
    }
}
