//! A change that everybody is told: built once, wrapped for each client.

use crate::session::history::Topic;
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use serde::Serialize;
use std::sync::Arc;

/// One notification, without what differs between clients.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) kind: Kind,
    /// JSON.
    pub(super) payload: Arc<str>,
    /// The client and intent behind it.
    pub(super) author: Option<(ClientId, String)>,
}

impl Notice {
    pub(super) fn new(kind: Kind, payload: &impl Serialize) -> Self {
        Self { kind, payload: json(payload).into(), author: None }
    }

    pub(super) fn stream(payload: Arc<str>) -> Self {
        Self { kind: Kind::Stream, payload, author: None }
    }

    pub(super) fn by(self, author: (ClientId, String)) -> Self {
        Self { author: Some(author), ..self }
    }

    /// The topic whose sequence the frame belongs to.
    pub(super) fn topic(&self) -> Option<Topic> {
        match self.kind {
            Kind::Scene => Some(Topic::Scene),
            Kind::Layers => Some(Topic::Layers),
            Kind::Stream => Some(Topic::Stream),
            _ => None,
        }
    }

    /// The frame's name: `<kind>-<32 hex>` for topics with a history, 8 hex for the others, none where an intent names the frame.
    pub(super) fn frame_id(&self, intent: Option<&str>, random: u128) -> Option<String> {
        match (self.topic(), intent) {
            (Some(_), _) => Some(format!("{}-{random:032x}", self.kind.name().replace('.', "-"))),
            (None, None) => Some(format!("{:08x}", random as u32)),
            (None, Some(_)) => None,
        }
    }
}

/// A payload as JSON.
pub(super) fn json(payload: &impl Serialize) -> String {
    match serde_json::to_string(payload) {
        Ok(json) => json,
        // Only maps with keys that are not strings fail, and no payload has one.
        Err(error) => unreachable!("a payload that is no JSON: {error}"),
    }
}
