//! When an op passed which step on its way from the socket to the screen. A value, carried along with the op's picture; nothing is
//! looked up.

use super::leaf::Origin;
use super::ops::{Op, OpKind, Outcome};
use crate::scene::OpSeq;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What happened to an op, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Its intent arrived.
    Received,
    /// Its writes were committed.
    Reduced,
    /// The first turn of the render loop that knew of it had its plan.
    Planned,
    /// What its first picture is made of is on the device; nothing more is waited for.
    Loaded,
    /// Its first picture was drawn.
    Rendered,
    /// The applied view shows it; the ledger closed it.
    Applied,
    /// Its picture was handed to the encode thread.
    Captured,
    /// Its picture was an access unit.
    Encoded,
    /// The first socket had taken that.
    Sent,
    /// The first viewer said that it shows it.
    Painted,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::Reduced,
        Self::Planned,
        Self::Loaded,
        Self::Rendered,
        Self::Applied,
        Self::Captured,
        Self::Encoded,
        Self::Sent,
        Self::Painted,
    ];

    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Reduced => "reduced",
            Self::Planned => "planned",
            Self::Loaded => "loaded",
            Self::Rendered => "rendered",
            Self::Applied => "applied",
            Self::Captured => "captured",
            Self::Encoded => "encoded",
            Self::Sent => "sent",
            Self::Painted => "painted",
        }
    }
}

/// One op and when it passed which step.
#[derive(Debug, Clone, PartialEq)]
pub struct OpTrace {
    /// Its number.
    pub op: OpSeq,
    /// What it is about.
    pub kind: OpKind,
    /// Whose it is.
    pub origin: Option<Arc<Origin>>,
    /// What became of it; a superseded op names its successor.
    pub outcome: Option<Outcome>,
    at: [Option<Instant>; Step::ALL.len()],
}

impl OpTrace {
    /// The trace of an op that has just been closed; it knows when the op was received and reduced.
    pub fn of(op: &Op) -> Self {
        let mut trace =
            Self { op: op.seq, kind: op.kind, origin: op.origin.clone(), outcome: op.outcome, at: [None; Step::ALL.len()] };
        trace.stamp(Step::Received, op.received);
        trace.stamp(Step::Reduced, op.reduced);
        trace
    }

    /// Notes that the op passed `step`. The first note holds: a repeat of the same picture is no news.
    pub fn stamp(&mut self, step: Step, at: Instant) {
        self.at[step as usize].get_or_insert(at);
    }

    /// When the op passed `step`, if it did.
    pub fn at(&self, step: Step) -> Option<Instant> {
        self.at[step as usize]
    }

    /// The step that the op passed last.
    pub fn last(&self) -> Step {
        Step::ALL.into_iter().rev().find(|&step| self.at(step).is_some()).unwrap_or(Step::Received)
    }

    /// From the intent's arrival to `step`.
    pub fn since_received(&self, step: Step) -> Option<Duration> {
        Some(self.at(step)?.saturating_duration_since(self.at(Step::Received)?))
    }

    /// How long each step took, counted from the one that was passed before it; the first step has none.
    pub fn stages(&self) -> impl Iterator<Item = (Step, Duration)> + '_ {
        let passed = Step::ALL.into_iter().filter_map(|step| Some((step, self.at(step)?)));
        let mut before = None;
        passed.filter_map(move |(step, at)| {
            let took = before.map(|before| (step, at.saturating_duration_since(before)));
            before = Some(at);
            took
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn op(received: Instant) -> Op {
        let (seq, kind, reduced) = (OpSeq(7), OpKind::Dims(1), received + Duration::from_micros(40));
        Op { seq, kind, origin: None, received, reduced, outcome: Some(Outcome::Superseded(OpSeq(9))) }
    }

    #[test]
    fn steps_are_told_apart_and_named_once() {
        let indices: Vec<usize> = Step::ALL.into_iter().map(|step| step as usize).collect();
        assert_eq!(indices, (0..10).collect::<Vec<_>>());
        let mut names: Vec<_> = Step::ALL.into_iter().map(Step::name).collect();
        names.dedup();
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn an_op_brings_what_it_knows_and_names_its_successor() {
        let start = Instant::now();
        let trace = OpTrace::of(&op(start));
        assert_eq!((trace.op, trace.last(), trace.outcome), (OpSeq(7), Step::Reduced, Some(Outcome::Superseded(OpSeq(9)))));
        assert_eq!(trace.since_received(Step::Reduced), Some(Duration::from_micros(40)));
        assert_eq!(trace.since_received(Step::Sent), None);
    }

    proptest! {
        /// Whatever steps are missing, the stages add up to the whole, and later stamps of a step change nothing.
        #[test]
        fn stages_add_up(gaps in prop::collection::vec(prop::option::of(0..50_000_u64), 8)) {
            let start = Instant::now();
            let mut trace = OpTrace::of(&op(start));
            let mut now = start + Duration::from_micros(40);
            for (step, gap) in Step::ALL.into_iter().skip(2).zip(gaps) {
                if let Some(gap) = gap {
                    now += Duration::from_micros(gap);
                    trace.stamp(step, now);
                    trace.stamp(step, now + Duration::from_secs(1));
                }
            }
            let sum: Duration = trace.stages().map(|(_, took)| took).sum();
            prop_assert_eq!(Some(sum), trace.since_received(trace.last()));
            prop_assert_eq!(sum, now - start);
        }
    }
}
