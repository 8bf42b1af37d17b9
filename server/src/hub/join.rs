//! How clients come and go.

use super::baseline::{Baseline, Opening};
use super::client::Client;
use super::outbox::{Frame, Outbox};
use super::{Hub, State};
use crate::metrics::add;
use crate::session::welcome;
use crate::{commands, locked};
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use nc_protocol::handshake::Hello;
use std::sync::Arc;

/// A client that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) client: ClientId,
    pub(crate) session: Arc<str>,
}

impl Hub {
    /// Lets a client in: it gets its welcome and its baseline, or what it missed of it, and from then on everything that changes.
    pub(crate) fn join(&self, hello: &Hello, outbox: Arc<Outbox>) -> Admitted {
        let session: Arc<str> = uuid::Uuid::from_u128(self.ambient.random()).hyphenated().to_string().into();
        let key = format!("{:032x}", self.ambient.random());
        let timestamp = self.ambient.unix_seconds();
        let mut guard = locked(&self.state);
        let state = &mut *guard;
        let client = ClientId(state.next_client);
        state.next_client += 1;
        let baseline = self.baseline(state);
        let opening = Opening::new(hello, baseline.as_deref(), state.stream.as_ref().map(|(_, notice)| notice), &state.history);
        let welcome = welcome(hello, &session, &key, opening.resume, commands::names());
        let mut newcomer = Client::new(client, hello, Arc::clone(&session), key, outbox);
        newcomer.outbox.push(Frame::Text(self.frame(Kind::Welcome, "welcome", Some(&session), &welcome)));
        state.roles.join(client.0, hello);
        self.tell_role(&mut newcomer, state.roles.may_drive(client.0));
        let configs = opening.notices.iter().filter(|(notice, _)| notice.kind() == Kind::Stream).count();
        for (notice, token) in &opening.notices {
            newcomer.tell(notice, *token, timestamp);
        }
        if baseline.is_some() {
            state.faults.iter().for_each(|fault| newcomer.tell(fault, None, timestamp));
        }
        if let Some(close) = state.closed {
            newcomer.outbox.finish(close);
        }
        state.clients.insert(client, newcomer);
        drop(guard);
        add(&self.counters.stream_configs, configs as u64);
        add(&self.counters.state_connects, 1);
        Admitted { client, session }
    }

    /// What a newcomer is told of the view. The scene in it is made JSON by the first task that writes it.
    fn baseline(&self, state: &mut State) -> Option<Arc<Baseline>> {
        if state.baseline.is_none() {
            state.baseline = state.view.as_ref().map(|view| Arc::new(Baseline::of(view, self.fps, &*self.ambient)));
        }
        state.baseline.clone()
    }

    /// A client is gone; its bound pixel sockets end with it, and someone else may drive now.
    pub(crate) fn leave(&self, admitted: &Admitted) {
        let mut guard = locked(&self.state);
        let state = &mut *guard;
        state.clients.remove(&admitted.client);
        let heir = state.roles.leave(admitted.client.0).and_then(|heir| state.clients.get_mut(&ClientId(heir)));
        if let Some(heir) = heir {
            self.tell_role(heir, true);
        }
        drop(guard);
        self.fanout.end_session(&admitted.session);
    }
}
