//! The op log: what was asked, when, and what became of it.

use super::leaf::Origin;
use crate::scene::OpSeq;
use crate::scene::control::ControlKey;
use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// Closed ops that are remembered.
const CLOSED_KEPT: usize = 256;

/// What an op is about. Of two ops of equal kind the later one makes the earlier one void, except camera ops, which add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// 2D or 3D.
    View,
    /// The size of the canvas.
    Canvas,
    /// The camera turns by itself, or stops.
    Turning,
    /// The step of one dim.
    Dims(usize),
    /// A level request, or its release.
    Level,
    /// A camera command.
    Camera,
    /// One control of the layer at an index.
    Layer(usize, ControlKey),
    /// Another dataset.
    Load,
}

/// What became of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The picture shows it.
    Applied,
    /// A later op of the same kind, or another dataset, was applied in its place.
    Superseded(OpSeq),
    /// It could not be applied; its leaves were restored.
    Failed,
}

/// An accepted intent on its way to the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// Its number.
    pub seq: OpSeq,
    /// What it is about.
    pub kind: OpKind,
    /// Whose it is.
    pub origin: Option<Arc<Origin>>,
    /// When the intent arrived.
    pub received: Instant,
    /// When its writes were committed.
    pub reduced: Instant,
    /// `None` while open.
    pub outcome: Option<Outcome>,
}

/// Ops in order; each is closed exactly once.
#[derive(Debug, Default)]
pub struct OpLog {
    open: VecDeque<Op>,
    closed: VecDeque<Op>,
}

impl OpLog {
    pub(super) fn open(&mut self, op: Op) {
        debug_assert!(self.open.back().is_none_or(|last| last.seq < op.seq));
        self.open.push_back(op);
    }

    /// Closes every open op up to `seq` and returns them, oldest first.
    pub(super) fn close(&mut self, seq: OpSeq, failed: bool) -> Vec<Op> {
        let count = self.open.partition_point(|op| op.seq <= seq);
        let mut closing: Vec<Op> = self.open.drain(..count).collect();
        let mut newest: HashMap<OpKind, OpSeq> = HashMap::new();
        let mut load = None;
        for op in closing.iter_mut().rev() {
            op.outcome = Some(match (op.kind, load) {
                _ if failed => Outcome::Failed,
                (_, Some(load)) => Outcome::Superseded(load),
                (OpKind::Load, None) => {
                    load = Some(op.seq);
                    Outcome::Applied
                }
                (OpKind::Camera, None) => Outcome::Applied,
                (kind, None) => match newest.entry(kind) {
                    Entry::Occupied(later) => Outcome::Superseded(*later.get()),
                    Entry::Vacant(free) => {
                        free.insert(op.seq);
                        Outcome::Applied
                    }
                },
            });
        }
        self.closed.extend(closing.iter().cloned());
        while self.closed.len() > CLOSED_KEPT {
            self.closed.pop_front();
        }
        closing
    }

    /// How many ops are not yet closed.
    pub fn pending_count(&self) -> usize {
        self.open.len()
    }

    /// Ops not yet closed, oldest first.
    pub fn pending(&self) -> impl Iterator<Item = &Op> {
        self.open.iter()
    }

    /// The most recently closed ops, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Op> {
        self.closed.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(kinds: &[OpKind]) -> OpLog {
        let (mut log, now) = (OpLog::default(), Instant::now());
        for (seq, &kind) in (1..).zip(kinds) {
            log.open(Op { seq: OpSeq(seq), kind, origin: None, received: now, reduced: now, outcome: None });
        }
        log
    }

    fn outcomes(closed: &[Op]) -> Vec<Outcome> {
        closed.iter().filter_map(|op| op.outcome).collect()
    }

    #[test]
    fn only_the_last_of_a_kind_is_applied_and_the_others_name_it() {
        use OpKind::{Camera, Dims, Level};
        let mut log = log(&[Dims(0), Camera, Dims(1), Dims(0), Camera, Dims(0), Level]);
        let closed = log.close(OpSeq(6), false);
        let by = |seq| Outcome::Superseded(OpSeq(seq));
        let applied = Outcome::Applied;
        // A step along one dim does not undo a step along another, and camera commands add up.
        assert_eq!(outcomes(&closed), [by(6), applied, applied, by(6), applied, applied]);
        assert_eq!((log.pending_count(), log.recent().count()), (1, 6));
        assert_eq!(outcomes(&log.close(OpSeq(7), true)), [Outcome::Failed]);
        assert!(log.close(OpSeq(7), false).is_empty(), "each once");
    }

    #[test]
    fn as_many_as_may_be_open_close_in_one_pass() {
        let mut log = log(&[OpKind::Camera; 8192]);
        let closed = log.close(OpSeq(8192), false);
        assert!(closed.iter().all(|op| op.outcome == Some(Outcome::Applied)) && closed.len() == 8192);
        assert_eq!(log.recent().count(), CLOSED_KEPT);
    }
}
