//! The ledger between threads: one short mutex around commits, snapshots shared by `Arc`.

use super::commands::{CameraCommand, CameraMotion, CommandQueue};
use crate::ledger::{AppliedBatch, AppliedCommit, Commit, IntentBatch, InvariantError, Ledger, Origin, Seed, State};
use crate::scene::{AppliedView, Dataset, OpSeq};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The ledger and the camera commands that belong to its ops.
#[derive(Debug)]
pub struct SharedLedger {
    ledger: Mutex<Ledger>,
    commands: CommandQueue,
}

impl SharedLedger {
    /// Shares a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger: Mutex::new(ledger), commands: CommandQueue::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // A panic while the lock is held leaves the last complete commit: commits replace the state as their last step.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest snapshot.
    pub fn state(&self) -> Arc<State> {
        self.lock().state().clone()
    }

    /// The newest applied view.
    pub fn view(&self) -> Arc<AppliedView> {
        self.lock().view().clone()
    }

    /// How many ops are open: accepted, and neither applied nor failed.
    pub fn pending_ops(&self) -> usize {
        self.lock().ops().pending_count()
    }

    /// Commits an intent. Its camera motion, if it has one, is queued before anyone can see a snapshot with its op.
    pub fn commit_intent(
        &self,
        batch: IntentBatch,
        motion: Option<CameraMotion>,
        received: Instant,
        reduced: Instant,
    ) -> Result<Commit, InvariantError> {
        let mut ledger = self.lock();
        let commit = ledger.commit_intent(batch, received, reduced)?;
        if let Some(motion) = motion {
            let state = &commit.state;
            let ndisplay = motion.mode(*state.view.ndisplay.get());
            self.commands.push(CameraCommand { op: commit.op, ndisplay, canvas: state.canvas, motion });
        }
        Ok(commit)
    }

    /// Shows another dataset; see [`Ledger::replace`]. Camera commands that wait were measured on the old one and go with it.
    pub fn replace(
        &self,
        seed: Seed,
        origin: Option<Arc<Origin>>,
        received: Instant,
        prepared: Instant,
    ) -> Result<AppliedCommit, InvariantError> {
        let mut ledger = self.lock();
        let commit = ledger.replace(seed, origin, received, prepared)?;
        self.commands.take_through(commit.view.op);
        Ok(commit)
    }

    /// Shows the dataset larger than before; see [`Ledger::grow`].
    pub fn grow(&self, dataset: Arc<Dataset>) -> Result<AppliedCommit, InvariantError> {
        self.lock().grow(dataset)
    }

    /// Commits what the render thread applied.
    pub fn commit_applied(&self, batch: AppliedBatch) -> Result<AppliedCommit, InvariantError> {
        self.lock().commit_applied(batch)
    }

    /// Takes the camera commands of ops up to `op`.
    pub fn take_commands(&self, op: OpSeq) -> Vec<CameraCommand> {
        self.commands.take_through(op)
    }
}
