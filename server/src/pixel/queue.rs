//! One viewer's queue: bounded in bytes, starts with an IDR, drops only what the next IDR makes superfluous.

use nc_engine::api::Packet;
use nc_protocol::pixel::{Codec, HEADER_LEN, Header};
use std::collections::VecDeque;
use std::time::UNIX_EPOCH;

/// Most bytes that wait for one viewer: two thirds of a second at the default bitrate. One access unit may always wait.
pub(crate) const QUEUE_BYTES: usize = 1 << 20;

/// What became of an offered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits to be sent.
    Queued,
    /// The viewer waits for an IDR and this is none.
    Skipped,
    /// The queue was full: it was emptied, and the viewer now waits for an IDR. Holds how many packets were lost.
    Overflowed(u64),
}

/// One viewer's queue.
#[derive(Debug)]
pub(crate) struct ViewerQueue {
    packets: VecDeque<Packet>,
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

    /// Takes a packet if the viewer can use it.
    pub(crate) fn offer(&mut self, packet: &Packet) -> Offered {
        if packet.idr {
            // Nobody needs what comes before an IDR; a viewer that lags catches up here.
            self.clear();
            self.waiting = false;
        } else if self.waiting {
            return Offered::Skipped;
        }
        if !self.packets.is_empty() && self.bytes + packet.avcc.len() > QUEUE_BYTES {
            let lost = self.packets.len() as u64 + 1;
            self.clear();
            self.waiting = true;
            return Offered::Overflowed(lost);
        }
        self.bytes += packet.avcc.len();
        self.packets.push_back(packet.clone());
        Offered::Queued
    }

    /// The next message: header and access unit. Sequence numbers have no gaps, because they are given here.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let packet = self.packets.pop_front()?;
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
        let mut message = Vec::with_capacity(HEADER_LEN + packet.avcc.len());
        message.extend(header.encode());
        message.extend(&*packet.avcc);
        Some(message)
    }

    fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_engine::api::data::CanvasSize;
    use nc_engine::api::scene::OpSeq;
    use std::time::Duration;

    fn packet(idr: bool, bytes: usize) -> Packet {
        Packet {
            avcc: vec![7; bytes].into(),
            idr,
            size: CanvasSize { width: 64, height: 32 },
            wall: UNIX_EPOCH + Duration::from_millis(1500),
            flip: true,
            op: OpSeq(0),
            ops: Vec::new(),
        }
    }

    fn header(queue: &mut ViewerQueue) -> Option<Header> {
        queue.pop().map(|message| Header::decode(&message).unwrap().0)
    }

    #[test]
    fn nothing_before_the_first_idr() {
        let mut queue = ViewerQueue::new(false);
        assert_eq!(queue.offer(&packet(false, 10)), Offered::Skipped);
        assert_eq!(queue.offer(&packet(true, 10)), Offered::Queued);
        assert_eq!(queue.offer(&packet(false, 10)), Offered::Queued);
        let first = header(&mut queue).unwrap();
        assert_eq!((first.seq, first.keyframe, first.timestamp, first.width), (0, true, 1.5, 64));
        assert!(!header(&mut queue).unwrap().keyframe);
        assert!(queue.pop().is_none());
    }

    #[test]
    fn only_bound_viewers_see_the_flip_flag() {
        for bound in [false, true] {
            let mut queue = ViewerQueue::new(bound);
            queue.offer(&packet(true, 1));
            assert_eq!(header(&mut queue).unwrap().flip, bound);
        }
    }

    #[test]
    fn overflow_waits_for_an_idr_and_leaves_no_gap_in_seq() {
        let mut queue = ViewerQueue::new(false);
        queue.offer(&packet(true, 100));
        assert_eq!(header(&mut queue).unwrap().seq, 0);
        queue.offer(&packet(false, QUEUE_BYTES / 2));
        queue.offer(&packet(false, QUEUE_BYTES / 2));
        assert_eq!(queue.offer(&packet(false, 1)), Offered::Overflowed(3));
        assert!(queue.waiting());
        assert_eq!(queue.offer(&packet(false, 1)), Offered::Skipped);
        queue.offer(&packet(true, 1));
        assert_eq!(header(&mut queue).unwrap().seq, 1);
    }

    #[test]
    fn an_idr_overtakes_what_waits_and_fits_whatever_its_size() {
        let mut queue = ViewerQueue::new(false);
        queue.offer(&packet(true, 1));
        queue.offer(&packet(false, 1));
        assert_eq!(queue.offer(&packet(true, 2 * QUEUE_BYTES)), Offered::Queued);
        assert_eq!(queue.len(), 1);
        assert!(header(&mut queue).unwrap().keyframe);
    }
}
