//! The envelope around every JSON frame: its kinds, which fields each kind carries, parsing and writing.

use crate::{VERSION, extension};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a frame is; `type` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Client opens.
    Hello,
    /// Server accepts.
    Welcome,
    /// Server refuses.
    Reject,
    /// Server asks for a sign of life.
    Heartbeat,
    /// Client answers a heartbeat.
    SessionAck,
    /// Either side ends the session.
    Goodbye,
    /// The whole scene.
    Scene,
    /// The level alone; defined, never sent.
    SceneLevel,
    /// Change of one layer.
    Layers,
    /// How to decode the pixel channel.
    Stream,
    /// Dims state.
    Dims,
    /// Camera echo or pose.
    Camera,
    /// Figures for display; defined, never sent.
    Telemetry,
    /// A fault that people should know.
    Error,
    /// Client asks for a change of state.
    Update,
    /// The answer to an update.
    UpdateAck,
    /// Client calls a command.
    Call,
    /// The result of a command.
    Reply,
    /// The failure of a command.
    CommandError,
    /// Extension: how the server does.
    XTelemetry,
    /// Extension: a decision about the level.
    XLevel,
    /// Extension: what the session may do.
    XRole,
    /// Extension: a layer is of labels.
    XLabels,
    /// Extension: how far the client has come with the pictures.
    XFeedback,
}

/// Whether a field belongs to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
    Forbidden,
}

/// Which envelope fields a kind carries.
#[derive(Debug, Clone, Copy)]
struct Fields {
    session: Need,
    frame_id: Need,
    /// `seq` and `delta_token` come together.
    sequence: Need,
    intent_id: Need,
    /// At least one of `frame_id` and `intent_id` must be there.
    named: bool,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 24] = [
        Self::Hello,
        Self::Welcome,
        Self::Reject,
        Self::Heartbeat,
        Self::SessionAck,
        Self::Goodbye,
        Self::Scene,
        Self::SceneLevel,
        Self::Layers,
        Self::Stream,
        Self::Dims,
        Self::Camera,
        Self::Telemetry,
        Self::Error,
        Self::Update,
        Self::UpdateAck,
        Self::Call,
        Self::Reply,
        Self::CommandError,
        Self::XTelemetry,
        Self::XLevel,
        Self::XRole,
        Self::XLabels,
        Self::XFeedback,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "session.hello",
            Self::Welcome => "session.welcome",
            Self::Reject => "session.reject",
            Self::Heartbeat => "session.heartbeat",
            Self::SessionAck => "session.ack",
            Self::Goodbye => "session.goodbye",
            Self::Scene => "notify.scene",
            Self::SceneLevel => "notify.scene.level",
            Self::Layers => "notify.layers",
            Self::Stream => "notify.stream",
            Self::Dims => "notify.dims",
            Self::Camera => "notify.camera",
            Self::Telemetry => "notify.telemetry",
            Self::Error => "notify.error",
            Self::Update => "state.update",
            Self::UpdateAck => "ack.state",
            Self::Call => "call.command",
            Self::Reply => "reply.command",
            Self::CommandError => "error.command",
            Self::XTelemetry => extension::TELEMETRY,
            Self::XLevel => extension::LEVEL,
            Self::XRole => extension::ROLE,
            Self::XLabels => extension::LABELS,
            Self::XFeedback => extension::FEEDBACK,
        }
    }

    /// The kind of that name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Whether a server may send it.
    pub fn from_server(self) -> bool {
        !matches!(self, Self::Hello | Self::SessionAck | Self::Update | Self::Call | Self::XFeedback)
    }

    /// The extension that a client must have asked for to be sent, or to send, this kind.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::XTelemetry => Some(extension::TELEMETRY),
            Self::XLevel => Some(extension::LEVEL),
            Self::XRole => Some(extension::ROLE),
            Self::XLabels => Some(extension::LABELS),
            Self::XFeedback => Some(extension::FEEDBACK),
            _ => None,
        }
    }

    fn fields(self) -> Fields {
        use Need::{Forbidden, Optional, Required};
        let plain = Fields { session: Required, frame_id: Required, sequence: Forbidden, intent_id: Forbidden, named: false };
        match self {
            Self::Hello | Self::Reject => Fields { session: Forbidden, ..plain },
            Self::Welcome
            | Self::Heartbeat
            | Self::SessionAck
            | Self::Goodbye
            | Self::UpdateAck
            | Self::Call
            | Self::Reply
            | Self::CommandError => plain,
            Self::Scene | Self::SceneLevel | Self::Layers => {
                Fields { frame_id: Optional, sequence: Required, intent_id: Optional, ..plain }
            }
            Self::Stream => Fields { frame_id: Optional, sequence: Required, ..plain },
            Self::Dims | Self::Camera => Fields { frame_id: Optional, intent_id: Optional, named: true, ..plain },
            Self::Telemetry | Self::Error | Self::XTelemetry | Self::XLevel | Self::XRole | Self::XLabels | Self::XFeedback => {
                Fields { frame_id: Optional, ..plain }
            }
            Self::Update => Fields { intent_id: Required, ..plain },
        }
    }
}

/// A parsed envelope whose fields are those that its kind allows. The payload is not yet looked into.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What it is.
    pub kind: Kind,
    /// Session id.
    pub session: Option<String>,
    /// The sender's name for the frame.
    pub frame_id: Option<String>,
    /// Seconds since the Unix epoch.
    pub timestamp: f64,
    /// Position within the topic's epoch.
    pub seq: Option<u64>,
    /// Where to resume from after this frame.
    pub delta_token: Option<String>,
    /// The intent that caused it, or that it carries.
    pub intent_id: Option<String>,
    /// The content, an object.
    pub payload: Value,
}

/// Why an envelope is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not a known `type`.
    #[error("type is missing or unknown")]
    Type,
    /// Not [`VERSION`].
    #[error("version must be the integer {VERSION}")]
    Version,
    /// A field that the kind needs is missing.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A field that the kind must not have.
    #[error("{0} is not allowed here")]
    Forbidden(&'static str),
    /// A field of the wrong type.
    #[error("{field} must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Envelope {
    /// Reads the envelope. A null field counts as absent; unknown fields are ignored.
    pub fn parse(mut object: Map<String, Value>) -> Result<Self, EnvelopeError> {
        let kind = object.get("type").and_then(Value::as_str).and_then(Kind::from_name).ok_or(EnvelopeError::Type)?;
        if object.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(EnvelopeError::Version);
        }
        let timestamp = match present(&object, "timestamp") {
            None => return Err(EnvelopeError::Missing("timestamp")),
            Some(value) => {
                value.as_f64().ok_or(EnvelopeError::WrongType { field: "timestamp", expected: "a number of seconds" })?
            }
        };
        let fields = kind.fields();
        let session = text(&object, "session", fields.session)?;
        let frame_id = text(&object, "frame_id", fields.frame_id)?;
        let delta_token = text(&object, "delta_token", fields.sequence)?;
        let intent_id = text(&object, "intent_id", fields.intent_id)?;
        let seq = demand(present(&object, "seq"), "seq", fields.sequence)?
            .map(|value| value.as_u64().ok_or(EnvelopeError::WrongType { field: "seq", expected: "an integer >= 0" }))
            .transpose()?;
        if fields.named && frame_id.is_none() && intent_id.is_none() {
            return Err(EnvelopeError::Missing("frame_id or intent_id"));
        }
        let payload = match object.remove("payload") {
            None | Some(Value::Null) => return Err(EnvelopeError::Missing("payload")),
            Some(payload @ Value::Object(_)) => payload,
            Some(_) => return Err(EnvelopeError::WrongType { field: "payload", expected: "an object" }),
        };
        Ok(Self { kind, session, frame_id, timestamp, seq, delta_token, intent_id, payload })
    }
}

/// The field's value, unless it is absent or null.
fn present<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

fn demand<T>(value: Option<T>, field: &'static str, need: Need) -> Result<Option<T>, EnvelopeError> {
    match (need, &value) {
        (Need::Required, None) => Err(EnvelopeError::Missing(field)),
        (Need::Forbidden, Some(_)) => Err(EnvelopeError::Forbidden(field)),
        _ => Ok(value),
    }
}

fn text(object: &Map<String, Value>, field: &'static str, need: Need) -> Result<Option<String>, EnvelopeError> {
    demand(present(object, field), field, need)?
        .map(|value| match value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(EnvelopeError::WrongType { field, expected: "a string" }),
        })
        .transpose()
}

/// What is written around a payload. Writing apart from the payload lets one payload serve many clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Head<'a> {
    /// What the frame is.
    #[serde(rename = "type", serialize_with = "kind_name")]
    pub kind: Kind,
    version: u64,
    /// Session id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The sender's name for the frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_id: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub timestamp: f64,
    /// Position within the topic's epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Where to resume from after this frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_token: Option<&'a str>,
    /// The intent that caused the frame, or that it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<&'a str>,
}

fn kind_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

impl<'a> Head<'a> {
    /// A head with nothing but kind and time (seconds since the Unix epoch).
    pub fn new(kind: Kind, timestamp: f64) -> Self {
        Self { kind, version: VERSION, session: None, frame_id: None, timestamp, seq: None, delta_token: None, intent_id: None }
    }

    /// With the session id.
    pub fn session(self, session: &'a str) -> Self {
        Self { session: Some(session), ..self }
    }

    /// With the frame's name.
    pub fn frame_id(self, frame_id: &'a str) -> Self {
        Self { frame_id: Some(frame_id), ..self }
    }

    /// With the intent's name.
    pub fn intent_id(self, intent_id: &'a str) -> Self {
        Self { intent_id: Some(intent_id), ..self }
    }

    /// With a place in the topic's history.
    pub fn sequence(self, seq: u64, delta_token: &'a str) -> Self {
        Self { seq: Some(seq), delta_token: Some(delta_token), ..self }
    }

    /// The whole frame around a payload that is already JSON.
    pub fn around(&self, payload_json: &str) -> String {
        // Strings and finite numbers always serialise; serde_json writes other floats as null.
        let mut frame = serde_json::to_string(self).unwrap_or_default();
        frame.pop();
        frame.reserve(payload_json.len() + 12);
        frame.push_str(",\"payload\":");
        frame.push_str(payload_json);
        frame.push('}');
        frame
    }

    /// The whole frame around a payload.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON, which our own payload types always can.
    pub fn frame(&self, payload: &impl Serialize) -> Result<String, serde_json::Error> {
        Ok(self.around(&serde_json::to_string(payload)?))
    }
}
