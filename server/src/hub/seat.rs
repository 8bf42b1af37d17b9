//! One client's place at the hub, without its socket: the session machine, the outbox, and what is done about each action. The task of a
//! state socket owns one; so do tests and benches, which have no sockets.

use super::{Admitted, Hub, OUTBOX_BYTES, Outbox};
use crate::commands;
use crate::session::{Action, Close, SessionMachine};
use std::sync::Arc;
use std::time::Instant;
use tracing::{debug, info};

/// One client's place. Dropped, it is free again.
pub(crate) struct Seat {
    hub: Arc<Hub>,
    machine: SessionMachine,
    outbox: Arc<Outbox>,
    admitted: Option<Admitted>,
}

impl Seat {
    /// For a socket that has just opened.
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        let machine = SessionMachine::new(hub.ambient().now());
        Self { hub, machine, outbox: Arc::new(Outbox::new(OUTBOX_BYTES)), admitted: None }
    }

    /// What waits to be sent.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// A text message came.
    pub(crate) fn handle_text(&mut self, text: &str) {
        self.machine.handle_text(self.hub.ambient().now(), text);
        self.act();
    }

    /// A binary message came.
    pub(crate) fn handle_binary(&mut self, bytes: &[u8]) {
        self.machine.handle_binary(self.hub.ambient().now(), bytes);
        self.act();
    }

    /// Something came that shows that the client lives.
    pub(crate) fn handle_life(&mut self) {
        self.machine.handle_life();
    }

    /// A message begins that is too large to be read.
    pub(crate) fn handle_oversize(&mut self) {
        self.machine.handle_oversize();
        self.act();
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self) {
        self.machine.handle_timeout(self.hub.ambient().now());
        self.act();
    }

    /// When [`Self::handle_timeout`] is due; `None` when never.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            let client = self.admitted.as_ref().map(|admitted| admitted.client);
            match (action, client) {
                (Action::Admit(hello), None) => {
                    let admitted = self.hub.join(&hello, Arc::clone(&self.outbox));
                    // Traces of ops name the client by this number.
                    let (client, session) = (admitted.client.0, &*admitted.session);
                    info!(client, session, name = hello.client.name, version = hello.client.version, "client connects");
                    self.admitted = Some(admitted);
                    self.machine.opened(self.hub.ambient().now());
                }
                (Action::Reject(reject), _) => self.hub.reject(&self.outbox, &reject),
                (Action::Close(close), _) => self.outbox.finish(close),
                (Action::Heartbeat, Some(client)) => self.hub.heartbeat(client),
                (Action::Goodbye(goodbye), Some(client)) => self.hub.goodbye(client, &goodbye),
                (Action::Update { session, frame_id, intent_id, update }, Some(client)) => {
                    self.hub.update(client, session, frame_id, intent_id, update);
                }
                (Action::Command { frame_id, call }, Some(client)) => commands::run(&self.hub, client, frame_id, call),
                (Action::Refuse(malformed), Some(client)) => self.hub.refuse_malformed(client, malformed),
                (Action::Excess(excess), Some(client)) => self.hub.excess(client, excess),
                (Action::Feedback(feedback), Some(client)) => self.hub.feedback(client, &feedback),
                // The machine admits once and speaks of nothing else before.
                (action, _) => debug!(?action, "an action out of turn"),
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(admitted) = &self.admitted {
            self.hub.leave(admitted);
        }
        self.outbox.finish(Close { code: Close::NORMAL, reason: "" });
    }
}
