//! What the control thread has to do: intents in order, the newest applied commit, warnings. Bounded; nobody waits to put
//! something in.

use crate::api::RawIntent;
use crate::session::Busy;
use nc_core::ledger::AppliedCommit;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Intents held at most; more are refused.
const INTENTS: usize = 4096;
/// Warnings held at most; more are dropped.
const WARNINGS: usize = 64;

/// A warning on its way to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) domain: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// The next thing to do. Intents go first, so that acks never wait for mirrors.
pub(crate) enum Work {
    Intent(RawIntent),
    Applied(AppliedCommit),
    Warning(Warning),
    Stop,
}

#[derive(Default)]
struct Shelves {
    intents: VecDeque<RawIntent>,
    applied: Option<AppliedCommit>,
    warnings: VecDeque<Warning>,
    stopped: bool,
    /// Intents taken since mirrors last had a turn.
    run: usize,
}

/// Most intents between two turns of the mirrors: under an endless stream of intents notifications still leave.
const RUN: usize = 32;

#[derive(Default)]
pub(crate) struct Inbox {
    shelves: Mutex<Shelves>,
    changed: Condvar,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses the intent if there is no room.
    pub(crate) fn intent(&self, intent: RawIntent) -> Result<(), Busy> {
        let mut shelves = self.lock();
        if shelves.intents.len() >= INTENTS || shelves.stopped {
            return Err(Busy);
        }
        shelves.intents.push_back(intent);
        drop(shelves);
        self.changed.notify_one();
        Ok(())
    }

    /// Replaces the commit that the mirrors look at next: they compare whole views, so only the newest matters.
    pub(crate) fn applied(&self, commit: AppliedCommit) {
        let mut shelves = self.lock();
        shelves.applied = Some(match shelves.applied.take() {
            Some(missed) => commit.after(missed),
            None => commit,
        });
        drop(shelves);
        self.changed.notify_one();
    }

    pub(crate) fn warning(&self, warning: Warning) {
        let mut shelves = self.lock();
        if shelves.warnings.len() < WARNINGS {
            shelves.warnings.push_back(warning);
        }
        drop(shelves);
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits for the next thing to do.
    pub(crate) fn next(&self) -> Work {
        let mut shelves = self.lock();
        loop {
            if shelves.stopped {
                return Work::Stop;
            }
            let mirrors_starve = shelves.run >= RUN && shelves.applied.is_some();
            if !mirrors_starve && let Some(intent) = shelves.intents.pop_front() {
                shelves.run += 1;
                return Work::Intent(intent);
            }
            shelves.run = 0;
            if let Some(commit) = shelves.applied.take() {
                return Work::Applied(commit);
            }
            if let Some(warning) = shelves.warnings.pop_front() {
                return Work::Warning(warning);
            }
            shelves = self.changed.wait(shelves).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
