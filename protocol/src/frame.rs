//! What a server sends, understood: the mirror image of [`crate::inbound`].

use crate::command::{CommandError, Reply};
use crate::envelope::{Envelope, EnvelopeError, Kind};
use crate::extension::{self, Labels, LevelReport, Role};
use crate::handshake::{Reject, Welcome};
use crate::liveness::{Empty, Goodbye};
use crate::notify::{Camera, Dims, Error, Layers, SceneLevel, Stream, Telemetry};
use crate::scene::Scene;
use crate::update::StateAck;
use serde_json::Value;

/// One text message of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFrame {
    /// Session id.
    pub session: Option<String>,
    /// The server's name for the frame.
    pub frame_id: Option<String>,
    /// Seconds since the Unix epoch.
    pub timestamp: f64,
    /// Place in the topic's history: seq and token.
    pub sequence: Option<(u64, String)>,
    /// The intent that caused it.
    pub intent_id: Option<String>,
    /// The content.
    pub body: Body,
}

/// The content of a server's frame.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // one variant per payload type, each documented there
pub enum Body {
    Welcome(Welcome),
    Reject(Reject),
    Heartbeat(Empty),
    Goodbye(Goodbye),
    Scene(Scene),
    SceneLevel(SceneLevel),
    Layers(Layers),
    Stream(Stream),
    Dims(Dims),
    Camera(Camera),
    Telemetry(Telemetry),
    Error(Error),
    UpdateAck(StateAck),
    Reply(Reply),
    CommandError(CommandError),
    XTelemetry(extension::Telemetry),
    XLevel(LevelReport),
    XRole(Role),
    XLabels(Labels),
}

/// Why a text is no frame of a server.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotObject,
    /// A broken envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A kind that only clients send.
    #[error("{0} is not sent by a server")]
    Direction(&'static str),
    /// A broken payload.
    #[error("{kind} payload: {error}")]
    Payload {
        /// Of which kind.
        kind: &'static str,
        /// What is wrong.
        error: serde_json::Error,
    },
}

impl ServerFrame {
    /// Reads a frame, with closed payloads.
    ///
    /// # Errors
    /// When the text is not a frame that a server may send.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        match serde_json::from_str(text).map_err(FrameError::Json)? {
            Value::Object(object) => Self::from_envelope(Envelope::parse(object)?),
            _ => Err(FrameError::NotObject),
        }
    }

    /// Reads the payload of an envelope.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_envelope(envelope: Envelope) -> Result<Self, FrameError> {
        let Envelope { kind, session, frame_id, timestamp, seq, delta_token, intent_id, payload } = envelope;
        let body = Body::read(kind, payload)?;
        Ok(Self { session, frame_id, timestamp, sequence: seq.zip(delta_token), intent_id, body })
    }
}

impl Body {
    fn read(kind: Kind, payload: Value) -> Result<Self, FrameError> {
        use serde_json::from_value as read;
        match kind {
            Kind::Welcome => read(payload).map(Self::Welcome),
            Kind::Reject => read(payload).map(Self::Reject),
            Kind::Heartbeat => read(payload).map(Self::Heartbeat),
            Kind::Goodbye => read(payload).map(Self::Goodbye),
            Kind::Scene => read(payload).map(Self::Scene),
            Kind::SceneLevel => read(payload).map(Self::SceneLevel),
            Kind::Layers => read(payload).map(Self::Layers),
            Kind::Stream => read(payload).map(Self::Stream),
            Kind::Dims => read(payload).map(Self::Dims),
            Kind::Camera => read(payload).map(Self::Camera),
            Kind::Telemetry => read(payload).map(Self::Telemetry),
            Kind::Error => read(payload).map(Self::Error),
            Kind::UpdateAck => read(payload).map(Self::UpdateAck),
            Kind::Reply => read(payload).map(Self::Reply),
            Kind::CommandError => read(payload).map(Self::CommandError),
            Kind::XTelemetry => read(payload).map(Self::XTelemetry),
            Kind::XLevel => read(payload).map(Self::XLevel),
            Kind::XRole => read(payload).map(Self::XRole),
            Kind::XLabels => read(payload).map(Self::XLabels),
            Kind::Hello | Kind::SessionAck | Kind::Update | Kind::Call | Kind::XFeedback => {
                return Err(FrameError::Direction(kind.name()));
            }
        }
        .map_err(|error| FrameError::Payload { kind: kind.name(), error })
    }
}
