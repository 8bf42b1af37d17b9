//! The last steps of ops: from an access unit to the first socket that had taken it, and to the first screen.
//!
//! A packet stands for all packets before it: who is sent number n sees what they showed.

use nc_engine::api::{OpTrace, Step};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most ops on their way. Of more, the oldest are told of as they are.
const PENDING: usize = 8192;
/// Ops that ended, kept for telemetry.
const ENDED: usize = 1024;
/// How long a client may take to say that it painted what it was sent.
const PAINTING: Duration = Duration::from_secs(1);

/// An op that has come as far as it will.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Counts ended ops from 1.
    pub(crate) serial: u64,
    /// The first packet that shows it, if one does.
    pub(crate) number: Option<u64>,
    /// Its way.
    pub(crate) trace: OpTrace,
}

/// Ops whose picture is encoded.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    /// By packet, oldest first.
    unsent: VecDeque<(u64, OpTrace)>,
    unpainted: VecDeque<(u64, OpTrace)>,
    ended: VecDeque<Ended>,
    serial: u64,
    /// Ended, and not yet handed out.
    news: Vec<OpTrace>,
}

impl Ops {
    /// Packet `number` is the first to show `ops`. `watched`: whether anyone may ever be sent it.
    pub(crate) fn encoded(&mut self, number: u64, ops: Vec<OpTrace>, watched: bool) {
        for trace in ops {
            if !watched {
                self.end(number, trace);
                continue;
            }
            if self.unsent.len() >= PENDING
                && let Some((number, trace)) = self.unsent.pop_front()
            {
                self.end(number, trace);
            }
            self.unsent.push_back((number, trace));
        }
    }

    /// Whether a socket that had taken packet `number` would be the first for some op.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.unsent.front().is_some_and(|(first, _)| *first <= number)
    }

    /// A socket had taken packet `number`. `painted`: whether someone will say when it is painted.
    pub(crate) fn sent(&mut self, number: u64, painted: bool, now: Instant) {
        while let Some((number, mut trace)) = self.unsent.pop_front_if(|(first, _)| *first <= number) {
            trace.stamp(Step::Sent, now);
            if !painted {
                self.end(number, trace);
                continue;
            }
            if self.unpainted.len() >= PENDING
                && let Some((number, trace)) = self.unpainted.pop_front()
            {
                self.end(number, trace);
            }
            self.unpainted.push_back((number, trace));
        }
    }

    /// A screen shows packet `number`.
    pub(crate) fn painted(&mut self, number: u64, now: Instant) {
        while let Some((number, mut trace)) = self.unpainted.pop_front_if(|(first, _)| *first <= number) {
            trace.stamp(Step::Painted, now);
            self.end(number, trace);
        }
    }

    /// Nobody is left who could be sent anything.
    pub(crate) fn abandoned(&mut self) {
        let (unpainted, unsent) = (std::mem::take(&mut self.unpainted), std::mem::take(&mut self.unsent));
        unpainted.into_iter().chain(unsent).for_each(|(number, trace)| self.end(number, trace));
    }

    /// The ops that ended since this was last asked, in the order of their ends. Of those that were sent long ago nobody will say
    /// that they are painted.
    pub(crate) fn take_ended(&mut self, now: Instant) -> Vec<OpTrace> {
        let long_ago = |(_, trace): &mut (u64, OpTrace)| {
            trace.at(Step::Sent).is_none_or(|sent| now.saturating_duration_since(sent) > PAINTING)
        };
        while let Some((number, trace)) = self.unpainted.pop_front_if(long_ago) {
            self.end(number, trace);
        }
        std::mem::take(&mut self.news)
    }

    /// Ended ops of a client after the serial number given, oldest first, as far as they are still known.
    pub(crate) fn of(&self, client: u64, after: u64) -> impl Iterator<Item = &Ended> {
        let theirs = move |ended: &&Ended| ended.trace.origin.as_ref().is_some_and(|origin| origin.client == client);
        self.ended.iter().skip_while(move |ended| ended.serial <= after).filter(theirs)
    }

    /// The serial number of the newest ended op.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Ops that ended without a packet, and of which was told.
    pub(crate) fn remember(&mut self, traces: Vec<OpTrace>) {
        traces.into_iter().for_each(|trace| self.keep(None, trace));
    }

    fn end(&mut self, number: u64, trace: OpTrace) {
        self.keep(Some(number), trace.clone());
        self.news.push(trace);
    }

    fn keep(&mut self, number: Option<u64>, trace: OpTrace) {
        self.serial += 1;
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { serial: self.serial, number, trace });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_engine::api::scene::OpSeq;
    use nc_engine::api::{Op, OpKind, Origin, Outcome};
    use std::sync::Arc;

    const MS: Duration = Duration::from_millis(1);

    fn trace(seq: u64, client: u64, start: Instant) -> OpTrace {
        let origin = Some(Arc::new(Origin { client, intent_id: format!("i{seq}") }));
        let (seq, kind, outcome) = (OpSeq(seq), OpKind::Camera, Some(Outcome::Applied));
        OpTrace::of(&Op { seq, kind, origin, received: start, reduced: start, outcome })
    }

    fn seqs(traces: &[OpTrace]) -> Vec<u64> {
        traces.iter().map(|trace| trace.op.0).collect()
    }

    #[test]
    fn the_first_socket_stamps_an_op_and_a_later_packet_stands_for_it() {
        let (mut ops, start) = (Ops::default(), Instant::now());
        ops.encoded(3, vec![trace(1, 7, start), trace(2, 8, start)], true);
        ops.encoded(5, vec![trace(3, 7, start)], true);
        ops.sent(2, false, start + MS);
        assert!(ops.take_ended(start + MS).is_empty(), "an older packet shows none of them");
        ops.sent(4, false, start + 2 * MS);
        ops.sent(4, false, start + 9 * MS);
        let ended = ops.take_ended(start + 9 * MS);
        assert_eq!(seqs(&ended), [1, 2]);
        assert!(ended.iter().all(|trace| trace.since_received(Step::Sent) == Some(2 * MS)));
        ops.sent(5, false, start + 10 * MS);
        assert_eq!(seqs(&ops.take_ended(start + 10 * MS)), [3]);
        assert!(ops.take_ended(start + 10 * MS).is_empty(), "each once");
        let of = |client, after| ops.of(client, after).map(|ended| (ended.trace.op.0, ended.number)).collect::<Vec<_>>();
        let (first, third) = ((1, Some(3)), (3, Some(5)));
        assert_eq!((of(7, 0), of(8, 0), of(7, 1)), (vec![first, third], vec![(2, Some(3))], vec![third]));
        ops.remember(vec![trace(4, 7, start)]);
        assert_eq!(ops.of(7, 3).map(|ended| (ended.trace.op.0, ended.number)).collect::<Vec<_>>(), [(4, None)]);
        assert!(ops.take_ended(start + 10 * MS).is_empty(), "it was told of");
        assert_eq!(ops.serial(), 4);
    }

    #[test]
    fn who_says_what_is_painted_is_waited_for_but_not_for_ever() {
        let (mut ops, start) = (Ops::default(), Instant::now());
        ops.encoded(1, vec![trace(1, 7, start)], true);
        ops.encoded(2, vec![trace(2, 7, start)], true);
        ops.sent(2, true, start + MS);
        ops.painted(1, start + 5 * MS);
        let ended = ops.take_ended(start + 5 * MS);
        assert_eq!(seqs(&ended), [1]);
        assert_eq!(ended[0].since_received(Step::Painted), Some(5 * MS));
        assert!(ops.take_ended(start + MS + PAINTING).is_empty());
        let ended = ops.take_ended(start + 2 * MS + PAINTING);
        assert_eq!((seqs(&ended), ended[0].last()), (vec![2], Step::Sent));
    }

    #[test]
    fn what_nobody_watches_ends_where_it_is_and_memory_is_bounded() {
        let (mut ops, start) = (Ops::default(), Instant::now());
        ops.encoded(1, vec![trace(1, 7, start)], false);
        assert_eq!(seqs(&ops.take_ended(start)), [1]);
        ops.encoded(2, (2..=PENDING as u64 + 12).map(|seq| trace(seq, 7, start)).collect(), true);
        assert_eq!(seqs(&ops.take_ended(start)), (2..13).collect::<Vec<_>>(), "the oldest are told of");
        ops.abandoned();
        assert_eq!(ops.take_ended(start).len(), PENDING);
        assert_eq!(ops.of(7, 0).count(), ENDED);
    }
}
