//! What only those are told who asked for it by name: their role, decisions about the level, telemetry. And what they tell in return.

use super::Hub;
use super::client::Client;
use super::notice::Notice;
use crate::locked;
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use nc_protocol::extension::{Feedback, LevelReport, Role, RoleName};
use std::sync::Arc;

impl Hub {
    /// Tells a client what it may do, if it asked.
    pub(super) fn tell_role(&self, client: &mut Client, drives: bool) {
        if client.asks.role {
            let role = Role { role: if drives { RoleName::Driver } else { RoleName::Observer } };
            let notice = Arc::new(Notice::ready(Kind::XRole, &role, self.ambient.random()));
            client.tell(&notice, None, self.ambient.unix_seconds());
        }
    }

    /// Tells of a decision about the level.
    pub(super) fn tell_level(&self, report: &LevelReport) {
        locked(&self.reports).level_reason = Some(report.reason);
        let notice = Arc::new(Notice::ready(Kind::XLevel, report, self.ambient.random()));
        let timestamp = self.ambient.unix_seconds();
        for client in locked(&self.state).clients.values_mut().filter(|client| client.asks.level) {
            client.tell(&notice, None, timestamp);
        }
    }

    /// Tells how the server does, each client with what concerns it alone. To be called [`Telemetry::RATE_HZ`] times a second.
    ///
    /// [`Telemetry::RATE_HZ`]: nc_protocol::extension::Telemetry::RATE_HZ
    pub(crate) fn tell_telemetry(&self) {
        let askers: Vec<(ClientId, Arc<str>)> = {
            let state = locked(&self.state);
            let asking = state.clients.iter().filter(|(_, client)| client.asks.telemetry);
            asking.map(|(&id, client)| (id, Arc::clone(&client.session))).collect()
        };
        if askers.is_empty() {
            return;
        }
        let reports = self.telemetry(&askers).into_iter();
        let notices: Vec<(ClientId, Arc<Notice>)> = reports
            .map(|(client, report)| (client, Arc::new(Notice::ready(Kind::XTelemetry, &report, self.ambient.random()))))
            .collect();
        let timestamp = self.ambient.unix_seconds();
        let mut state = locked(&self.state);
        for (client, notice) in notices {
            if let Some(client) = state.clients.get_mut(&client) {
                client.tell(&notice, None, timestamp);
            }
        }
    }

    /// A client tells how far it has come with the pictures of its bound pixel socket.
    pub(crate) fn feedback(&self, client: ClientId, feedback: &Feedback) {
        let session = {
            let state = locked(&self.state);
            state.clients.get(&client).filter(|client| client.asks.feedback).map(|client| Arc::clone(&client.session))
        };
        if let Some(session) = session {
            self.fanout.feedback(&session, feedback, self.ambient.now());
        }
    }
}
