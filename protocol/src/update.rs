//! Intents and their answers (PROTOCOL §6).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A wish to change one property. Open: unknown keys are ignored; these four must be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateUpdate {
    /// "view", "dims", "camera", "layer", "volume", "multiscale".
    pub scope: String,
    /// Axis, layer id, "main".
    pub target: String,
    /// The property.
    pub key: String,
    /// Any JSON, also null.
    pub value: Value,
}

/// What became of an intent. Open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateAck {
    /// The intent.
    pub intent_id: String,
    /// `frame_id` of the update.
    pub in_reply_to: String,
    /// The answer.
    pub status: AckStatus,
    /// The value after coercion and clamping; null is a value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_value")]
    pub applied_value: Option<Value>,
    /// The property's version; always there when accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why not; always there when rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AckError>,
}

/// `Option<Value>` would read null as absent.
fn some_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl StateAck {
    /// An accepted intent.
    pub fn accepted(intent_id: String, in_reply_to: String, applied_value: Value, version: u64) -> Self {
        let (applied_value, version) = (Some(applied_value), Some(version));
        Self { intent_id, in_reply_to, status: AckStatus::Accepted, applied_value, version, error: None }
    }

    /// A rejected intent.
    pub fn rejected(intent_id: String, in_reply_to: String, error: AckError) -> Self {
        let status = AckStatus::Rejected;
        Self { intent_id, in_reply_to, status, applied_value: None, version: None, error: Some(error) }
    }
}

/// Whether an intent was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckStatus {
    /// It was.
    Accepted,
    /// It was not.
    Rejected,
}

/// Why an intent was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckError {
    /// "state.invalid", "state.error", "state.unsupported".
    pub code: String,
    /// For people.
    pub message: String,
    /// More, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}
