//! What the hub knows of one client.

use super::notice::{Addressed, Notice};
use super::outbox::{Frame, Outbox};
use crate::session::history::Sequence;
use crate::session::roles::equal;
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use nc_protocol::extension;
use nc_protocol::handshake::Hello;
use nc_protocol::resume::DeltaToken;
use nc_protocol::validate::Dialect;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most intents of one client that may await their answer.
const MAX_PENDING: usize = 1024;

/// One client.
pub(super) struct Client {
    id: ClientId,
    pub(super) session: Arc<str>,
    key: String,
    pub(super) outbox: Arc<Outbox>,
    sequence: Sequence,
    dialect: Dialect,
    pub(super) asks: Asks,
    pending: VecDeque<Pending>,
}

/// The frames that a client asked for by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks {
    pub(super) telemetry: bool,
    pub(super) level: bool,
    pub(super) role: bool,
    pub(super) labels: bool,
    pub(super) feedback: bool,
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
    pub(super) fn new(id: ClientId, hello: &Hello, session: Arc<str>, key: String, outbox: Arc<Outbox>) -> Self {
        let asks = Asks {
            telemetry: hello.wants(extension::TELEMETRY),
            level: hello.wants(extension::LEVEL),
            role: hello.wants(extension::ROLE),
            labels: hello.wants(extension::LABELS),
            feedback: hello.wants(extension::FEEDBACK),
        };
        let (sequence, pending) = (Sequence::default(), VecDeque::new());
        Self { id, session, key, outbox, sequence, dialect: Dialect::of(hello), asks, pending }
    }

    /// Puts a notice into the outbox, unless the client's dialect leaves it out, or it is an extension's that it did not ask for. `token` follows it, where its topic has a history;
    /// `timestamp` in seconds since the Unix epoch.
    pub(super) fn tell(&mut self, notice: &Arc<Notice>, token: Option<DeltaToken>, timestamp: f64) {
        if !notice.concerns(self.dialect) || (notice.kind() == Kind::XLabels && !self.asks.labels) {
            return;
        }
        let sequence = notice.topic().map(|topic| self.sequence.next(topic)).zip(token);
        let intent = notice.intent_of(self.id).map(str::to_owned);
        let (notice, dialect, session) = (Arc::clone(notice), self.dialect, Arc::clone(&self.session));
        self.outbox.push(Frame::Notice(Addressed { notice, dialect, session, timestamp, sequence, intent }));
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
        equal(&self.key, key)
    }
}
