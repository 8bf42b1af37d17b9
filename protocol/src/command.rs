//! Commands and their answers (PROTOCOL §7).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A call. Open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Which command.
    pub command: String,
    /// Positional arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<Value>>,
    /// Named arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kwargs: Option<Map<String, Value>>,
    /// What in the client led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A result. Open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// `frame_id` of the call.
    pub in_reply_to: String,
    /// Always [`ReplyStatus::Ok`].
    pub status: ReplyStatus,
    /// What the command returned; absent when nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// "ok".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyStatus {
    /// The command worked.
    Ok,
}

/// A failure. Open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandError {
    /// `frame_id` of the call, or "unknown".
    pub in_reply_to: String,
    /// Always [`ErrorStatus::Error`].
    pub status: ErrorStatus,
    /// "command.not_found", "command.forbidden", "command.invalid", "command.retryable", ...
    pub code: String,
    /// For people.
    pub message: String,
    /// More, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// "error".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorStatus {
    /// The command failed.
    Error,
}
