//! What the hub knows of one client.

use super::outbox::Outbox;
use crate::session::history::Sequence;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most intents of one client that may await their answer.
const MAX_PENDING: usize = 1024;

/// One client.
pub(super) struct Client {
    pub(super) session: String,
    key: String,
    pub(super) outbox: Arc<Outbox>,
    pub(super) sequence: Sequence,
    pending: VecDeque<Pending>,
}

/// An intent that awaits its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) intent_id: String,
    /// The frame that carried it.
    pub(super) frame_id: String,
    /// The session that the frame named.
    pub(super) session: String,
}

impl Client {
    pub(super) fn new(session: String, key: String, outbox: Arc<Outbox>) -> Self {
        Self { session, key, outbox, sequence: Sequence::default(), pending: VecDeque::new() }
    }

    /// Remembers an intent. False when too many are open.
    pub(super) fn expect_ack(&mut self, pending: Pending) -> bool {
        let room = self.pending.len() < MAX_PENDING;
        if room {
            self.pending.push_back(pending);
        }
        room
    }

    /// The oldest open intent of that name: answers come in the order of the intents.
    pub(super) fn take_pending(&mut self, intent_id: &str) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.intent_id == intent_id)?;
        self.pending.remove(at)
    }

    /// Forgets the newest intent that is exactly this one.
    pub(super) fn forget(&mut self, pending: &Pending) {
        if let Some(at) = self.pending.iter().rposition(|open| open == pending) {
            self.pending.remove(at);
        }
    }

    /// Whether `key` is the client's, in a time that does not depend on where they differ.
    pub(super) fn holds(&self, key: &str) -> bool {
        let (mine, given) = (self.key.as_bytes(), key.as_bytes());
        mine.len() == given.len() && mine.iter().zip(given).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}
