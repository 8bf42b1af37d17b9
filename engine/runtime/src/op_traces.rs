//! The traces of ops on their way through the render thread, and what is told of a trace that is whole.

use crate::stats::Stats;
use nc_core::ledger::{Op, OpTrace, Outcome, Step};
use nc_core::scene::OpSeq;
use std::collections::VecDeque;
use std::time::Instant;

/// Most traces that one picture carries: while nobody takes pictures, each new one inherits those of the one it replaces.
const CARRIED: usize = 4096;

/// Ops that are planned, and ops that are closed and whose picture is not captured yet.
#[derive(Debug, Default)]
pub(crate) struct OpTraces {
    /// Ops up to the first had their first plan at the second, unless an entry before covers them.
    planned: VecDeque<(OpSeq, Instant)>,
    closed: Vec<OpTrace>,
}

impl OpTraces {
    /// A turn whose snapshot's newest op is `op` had its plan at `at`.
    pub(crate) fn planned(&mut self, op: OpSeq, at: Instant) {
        if self.planned.back().is_none_or(|(newest, _)| *newest < op) {
            self.planned.push_back((op, at));
        }
    }

    /// The turn that was planned last closed `ops`, in order.
    pub(crate) fn closed(&mut self, ops: &[Op], turn: TurnTimes, applied: Instant) {
        for op in ops {
            while self.planned.front().is_some_and(|(newest, _)| *newest < op.seq) {
                self.planned.pop_front();
            }
            let mut trace = OpTrace::of(op);
            let planned = self.planned.front().map(|(_, at)| *at);
            let steps = [(Step::Planned, planned), (Step::Loaded, turn.loaded), (Step::Rendered, turn.rendered)];
            for (step, at) in steps {
                at.into_iter().for_each(|at| trace.stamp(step, at));
            }
            trace.stamp(Step::Applied, applied);
            // While no picture can be captured.
            if self.closed.len() < CARRIED {
                self.closed.push(trace);
            }
        }
    }

    /// The closed ops: their picture was captured, or they need none.
    pub(crate) fn take(&mut self) -> Vec<OpTrace> {
        std::mem::take(&mut self.closed)
    }
}

/// When the stages of one turn ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TurnTimes {
    /// What there was to load was handed to the device.
    pub(crate) loaded: Option<Instant>,
    /// The picture was drawn; `None` if nothing had to be.
    pub(crate) rendered: Option<Instant>,
}

/// Puts the traces of a picture that was dropped before those of its successor. Returns those that are too many to carry on,
/// the oldest.
pub(crate) fn inherit(heir: &mut Vec<OpTrace>, mut dropped: Vec<OpTrace>) -> Vec<OpTrace> {
    if dropped.is_empty() {
        return dropped;
    }
    dropped.append(heir);
    let excess = dropped.len().saturating_sub(CARRIED);
    *heir = dropped.split_off(excess);
    dropped
}

/// Ends ops that were closed at `applied` and have no picture of their own: they failed, or another dataset took the place of theirs.
pub fn end_closed(ops: &[Op], applied: Instant, stats: &Stats) {
    let stamped = ops.iter().map(OpTrace::of).map(|mut trace| {
        trace.stamp(Step::Applied, applied);
        trace
    });
    end_here(stamped.collect(), stats);
}

/// Ends ops that no packet will carry: they change no picture, failed, or nobody watches. Whoever reports on ops finds them in `stats`.
pub(crate) fn end_here(ops: Vec<OpTrace>, stats: &Stats) {
    conclude(&ops, stats);
    stats.keep_ended(ops);
}

/// Tells of ops that have come as far as they will: one event each, and the distributions of `stats`.
pub fn conclude(ops: &[OpTrace], stats: &Stats) {
    if ops.is_empty() {
        return;
    }
    stats.traced(ops);
    for trace in ops {
        let ms = |step| trace.since_received(step).map(|took| took.as_secs_f64() * 1e3);
        let (outcome, successor) = match trace.outcome {
            None => ("open", None),
            Some(Outcome::Applied) => ("applied", None),
            Some(Outcome::Superseded(by)) => ("superseded", Some(by.0)),
            Some(Outcome::Failed) => ("failed", None),
        };
        tracing::debug!(
            target: "op",
            op = trace.op.0,
            kind = ?trace.kind,
            client = trace.origin.as_ref().map(|origin| origin.client),
            intent = trace.origin.as_ref().map(|origin| origin.intent_id.as_str()),
            outcome,
            successor,
            reduced_ms = ms(Step::Reduced),
            planned_ms = ms(Step::Planned),
            loaded_ms = ms(Step::Loaded),
            rendered_ms = ms(Step::Rendered),
            applied_ms = ms(Step::Applied),
            captured_ms = ms(Step::Captured),
            encoded_ms = ms(Step::Encoded),
            sent_ms = ms(Step::Sent),
            painted_ms = ms(Step::Painted),
            "{}",
            trace.last().name()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::ledger::OpKind;
    use std::time::Duration;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn op(seq: u64, received: Instant) -> Op {
        Op { seq: OpSeq(seq), kind: OpKind::Camera, origin: None, received, reduced: received, outcome: Some(Outcome::Applied) }
    }

    #[test]
    fn an_op_is_planned_by_the_first_turn_that_knew_of_it() {
        let start = Instant::now();
        let mut traces = OpTraces::default();
        // Op 1 is held; ops 2 and 3 come before the third turn, which closes all of them.
        traces.planned(OpSeq(1), start + ms(1));
        traces.planned(OpSeq(1), start + ms(2));
        traces.planned(OpSeq(3), start + ms(3));
        let turn = TurnTimes { loaded: Some(start + ms(4)), rendered: Some(start + ms(5)) };
        traces.closed(&[op(1, start), op(2, start), op(3, start)], turn, start + ms(6));
        traces.planned(OpSeq(4), start + ms(7));
        traces.closed(&[op(4, start)], TurnTimes::default(), start + ms(8));
        let taken = traces.take();
        let at = |step| taken.iter().map(|trace| trace.since_received(step)).collect::<Vec<_>>();
        assert_eq!(at(Step::Planned), [1, 3, 3, 7].map(|n| Some(ms(n))));
        assert_eq!(at(Step::Loaded), [Some(ms(4)), Some(ms(4)), Some(ms(4)), None]);
        assert_eq!(at(Step::Rendered), [Some(ms(5)), Some(ms(5)), Some(ms(5)), None]);
        assert_eq!(at(Step::Applied), [6, 6, 6, 8].map(|n| Some(ms(n))));
        assert!(traces.take().is_empty() && traces.planned.len() <= 1);
    }

    #[test]
    fn a_successor_carries_what_was_dropped_up_to_a_bound() {
        let start = Instant::now();
        let trace = |seq| OpTrace::of(&op(seq, start));
        let mut heir = vec![trace(9)];
        assert!(inherit(&mut heir, Vec::new()).is_empty());
        assert!(inherit(&mut heir, vec![trace(7), trace(8)]).is_empty());
        assert_eq!(heir.iter().map(|t| t.op.0).collect::<Vec<_>>(), [7, 8, 9]);
        let mut heir: Vec<_> = (10..20).map(trace).collect();
        let excess = inherit(&mut heir, (0..CARRIED as u64).map(trace).collect());
        assert_eq!(excess.iter().map(|t| t.op.0).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert_eq!((heir.len(), heir[0].op.0), (CARRIED, 10));
    }

    /// Counts events of the target "op", and keeps what the last one says of a successor.
    #[derive(Default)]
    struct Listener(std::sync::Mutex<Vec<(Option<u64>, bool)>>);

    struct Fields(Option<u64>, bool);

    impl tracing::field::Visit for Fields {
        fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
            if field.name() == "successor" {
                self.0 = Some(value);
            }
        }
        fn record_f64(&mut self, field: &tracing::field::Field, _value: f64) {
            self.1 |= field.name() == "sent_ms";
        }
        fn record_debug(&mut self, _field: &tracing::field::Field, _value: &dyn std::fmt::Debug) {}
    }

    impl tracing::Subscriber for &'static Listener {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.target() == "op"
        }
        fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut fields = Fields(None, false);
            event.record(&mut fields);
            self.0.lock().unwrap().push((fields.0, fields.1));
        }
        fn enter(&self, _span: &tracing::span::Id) {}
        fn exit(&self, _span: &tracing::span::Id) {}
    }

    #[test]
    fn each_op_is_one_event_that_names_its_successor() {
        let listener: &'static Listener = Box::leak(Box::default());
        let (start, stats) = (Instant::now(), Stats::default());
        let mut superseded = OpTrace::of(&Op { outcome: Some(Outcome::Superseded(OpSeq(8))), ..op(7, start) });
        superseded.stamp(Step::Sent, start + ms(9));
        let plain = OpTrace::of(&op(8, start));
        tracing::subscriber::with_default(listener, || conclude(&[superseded, plain], &stats));
        assert_eq!(*listener.0.lock().unwrap(), [(Some(8), true), (None, false)]);
        assert_eq!(stats.step(Step::Sent).unwrap().last_ms, 9.0);
        assert_eq!(stats.summary(crate::Stage::Total).unwrap().count, 1, "only one was sent");
    }
}
