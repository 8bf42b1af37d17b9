//! What a client sends, understood. Never fails: rubbish has its own variants, and what to do with each is PROTOCOL's to say.

use crate::command::Call;
use crate::envelope::{Envelope, EnvelopeError, Kind};
use crate::extension::Feedback;
use crate::handshake::Hello;
use crate::liveness::{Empty, Goodbye};
use crate::update::StateUpdate;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// One text message of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    /// The session is to open.
    Hello(Hello),
    /// An intent.
    Update {
        /// The session that the client believes in; echoed in the ack.
        session: String,
        /// To be named by the ack.
        frame_id: String,
        /// The sender's name for the intent.
        intent_id: String,
        /// What is wanted.
        update: StateUpdate,
    },
    /// A command.
    Command {
        /// To be named by the reply.
        frame_id: String,
        /// What is called.
        call: Call,
    },
    /// The answer to a heartbeat.
    Ack,
    /// The client leaves.
    Goodbye(Goodbye),
    /// How far the client has come with the pictures.
    Feedback(Feedback),
    /// Nothing to be done, and nothing to be said.
    Ignored(Ignored),
    /// Broken, but to be answered.
    Malformed(Malformed),
}

/// Why a message is ignored once a session is open. During the handshake each has its reject code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// Not JSON.
    NotJson,
    /// JSON, but not an object.
    NotObject,
    /// Of a type that a client does not send; `None` if it has none.
    Type(Option<String>),
    /// Broken, and without the names that an answer would need.
    Broken(String),
}

/// A broken message that gets an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A hello: rejected as `invalid_payload`.
    Hello {
        /// What is wrong.
        error: String,
    },
    /// An intent: rejected as `state.invalid`.
    Update {
        /// Session to echo.
        session: String,
        /// Frame to name.
        frame_id: String,
        /// Intent to name.
        intent_id: String,
        /// What is wrong.
        error: String,
    },
    /// A command: refused as `command.forbidden`.
    Command {
        /// Frame to name, if it has a name.
        frame_id: Option<String>,
        /// What is wrong.
        error: String,
    },
}

/// Longest `session`, `frame_id` and `intent_id` of a client, bytes: they are kept, echoed and logged. Ours and the Python client's have
/// 40 at most.
pub const MAX_NAME: usize = 128;

/// Largest `state.update`, bytes. The largest legal one has a few hundred; what is larger is refused and waits in no queue.
pub const MAX_UPDATE: usize = 64 << 10;

/// Reads one text message.
pub fn classify(text: &str) -> Inbound {
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Inbound::Ignored(Ignored::NotObject),
        Err(_) => return Inbound::Ignored(Ignored::NotJson),
    };
    let name = object.get("type").and_then(Value::as_str);
    let Some(kind) = name.and_then(Kind::from_name).filter(|&kind| !kind.from_server() || kind == Kind::Goodbye) else {
        return Inbound::Ignored(Ignored::Type(name.map(str::to_owned)));
    };
    let names = Names::of(&object);
    if let Some(field) = names.too_long() {
        return Inbound::Ignored(Ignored::Broken(format!("{field} is longer than {MAX_NAME} bytes")));
    }
    if kind == Kind::Update && text.len() > MAX_UPDATE {
        return names.refuse(kind, format!("a state.update may have {MAX_UPDATE} bytes"));
    }
    understand(object).unwrap_or_else(|error| names.refuse(kind, error))
}

/// The names an answer needs, as far as a broken message has them.
struct Names {
    session: Option<String>,
    frame_id: Option<String>,
    intent_id: Option<String>,
}

impl Names {
    fn of(object: &Map<String, Value>) -> Self {
        let text = |field| object.get(field).and_then(Value::as_str).map(str::to_owned);
        Self { session: text("session"), frame_id: text("frame_id"), intent_id: text("intent_id") }
    }

    fn too_long(&self) -> Option<&'static str> {
        let names = [("session", &self.session), ("frame_id", &self.frame_id), ("intent_id", &self.intent_id)];
        names.into_iter().find(|(_, name)| name.as_ref().is_some_and(|name| name.len() > MAX_NAME)).map(|(field, _)| field)
    }

    fn refuse(self, kind: Kind, error: String) -> Inbound {
        match (kind, self) {
            (Kind::Hello, _) => Inbound::Malformed(Malformed::Hello { error }),
            (Kind::Call, Self { frame_id, .. }) => Inbound::Malformed(Malformed::Command { frame_id, error }),
            (Kind::Update, Self { session: Some(session), frame_id: Some(frame_id), intent_id: Some(intent_id) }) => {
                Inbound::Malformed(Malformed::Update { session, frame_id, intent_id, error })
            }
            _ => Inbound::Ignored(Ignored::Broken(error)),
        }
    }
}

fn understand(object: Map<String, Value>) -> Result<Inbound, String> {
    let Envelope { kind, session, frame_id, intent_id, payload, .. } =
        Envelope::parse(object).map_err(|error| error.to_string())?;
    let missing = |field| EnvelopeError::Missing(field).to_string();
    Ok(match kind {
        Kind::Hello => {
            let hello: Hello = read(payload)?;
            if hello.protocols.is_empty() {
                return Err("protocols must not be empty".to_owned());
            }
            Inbound::Hello(hello)
        }
        Kind::Update => Inbound::Update {
            session: session.ok_or_else(|| missing("session"))?,
            frame_id: frame_id.ok_or_else(|| missing("frame_id"))?,
            intent_id: intent_id.ok_or_else(|| missing("intent_id"))?,
            update: read(payload)?,
        },
        Kind::Call => Inbound::Command { frame_id: frame_id.ok_or_else(|| missing("frame_id"))?, call: read(payload)? },
        Kind::SessionAck => read(payload).map(|Empty {}| Inbound::Ack)?,
        Kind::Goodbye => Inbound::Goodbye(read(payload)?),
        Kind::XFeedback => Inbound::Feedback(read(payload)?),
        other => Inbound::Ignored(Ignored::Type(Some(other.name().to_owned()))),
    })
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T, String> {
    serde_json::from_value(payload).map_err(|error| error.to_string())
}
