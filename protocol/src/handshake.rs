//! Opening a session: hello, welcome, reject (PROTOCOL §3).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The client opens. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Versions of this protocol that the client speaks.
    pub protocols: Vec<u64>,
    /// Who it is.
    pub client: ClientInfo,
    /// Topics and extensions, and whether the client wants them.
    pub features: BTreeMap<String, bool>,
    /// The last token seen per resumable topic.
    pub resume_tokens: BTreeMap<String, Option<String>>,
    /// Credentials; read by nobody yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

impl Hello {
    /// Whether the client asked for a topic or an extension.
    pub fn wants(&self, feature: &str) -> bool {
        self.features.get(feature).copied().unwrap_or(false)
    }
}

/// Name, version and platform of a client. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientInfo {
    /// Program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub platform: String,
}

/// Credentials. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Scheme.
    #[serde(rename = "type")]
    pub scheme: String,
    /// Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The server accepts. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// Always [`crate::VERSION`].
    pub protocol_version: u64,
    /// The new session.
    pub session: SessionInfo,
    /// What is on, per topic.
    pub features: BTreeMap<String, Toggle>,
}

/// Identity and timing of a session. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionInfo {
    /// Fresh per connection; equals `session` of the envelope.
    pub id: String,
    /// Period of heartbeats in seconds.
    pub heartbeat_s: f64,
    /// Informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_timeout_ms: Option<u64>,
}

/// The state of one topic or extension. Closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toggle {
    /// Whether it is on.
    pub enabled: bool,
    /// Version of the topic's payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Whether it can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<bool>,
    /// Names of the commands that work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// Where the topic stood before this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_state: Option<ResumeState>,
    /// Extension, only under [`crate::BOUND_PIXEL`]: the key that binds a pixel socket to this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A place in a topic's history. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeState {
    /// Sequence number.
    pub seq: u64,
    /// Token.
    pub delta_token: String,
}

/// The server refuses; the socket closes after it. Open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    /// Why, for programs.
    pub code: RejectCode,
    /// Why, for people.
    pub message: String,
    /// More, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// No hello in time.
    Timeout,
    /// The hello breaks its schema, or is not UTF-8.
    InvalidPayload,
    /// Not JSON.
    InvalidJson,
    /// Something else than a hello.
    UnexpectedMessage,
    /// The client does not speak our version.
    ProtocolMismatch,
    /// The client lacks a required topic.
    UnsupportedClient,
    /// A resume token was refused.
    InvalidResumeToken,
}
