//! Judging a hello and answering it (PROTOCOL §3).

use super::machine::HEARTBEAT;
use nc_protocol::extension::{self, FEEDBACK};
use nc_protocol::handshake::{Hello, Reject, RejectCode, ResumeState, SessionInfo, Toggle, Welcome};
use nc_protocol::{BOUND_PIXEL, Ignored, Inbound, Malformed, VERSION};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Topics that a client must ask for.
const REQUIRED_TOPICS: [&str; 3] = ["notify.scene", "notify.layers", "notify.stream"];

/// Longest text that may be a resume token, bytes.
const MAX_TOKEN: usize = 64;

/// Where a client will stand in each topic when its baseline has been sent.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) scene: ResumeState,
    pub(crate) layers: ResumeState,
    pub(crate) stream: ResumeState,
}

/// The hello, if the first message is an acceptable one.
pub(super) fn judge(message: Inbound) -> Result<Hello, Reject> {
    let hello = match message {
        Inbound::Hello(hello) => hello,
        Inbound::Malformed(Malformed::Hello { error }) => return Err(invalid_payload(&error)),
        Inbound::Ignored(Ignored::NotJson) => {
            return Err(reject(RejectCode::InvalidJson, "hello is not JSON", None));
        }
        Inbound::Ignored(Ignored::NotObject) => return Err(invalid_payload("not a JSON object")),
        Inbound::Ignored(Ignored::Type(received)) => return Err(unexpected(received.as_deref())),
        Inbound::Update { .. } | Inbound::Malformed(Malformed::Update { .. }) => return Err(unexpected(Some("state.update"))),
        Inbound::Command { .. } | Inbound::Malformed(Malformed::Command { .. }) => {
            return Err(unexpected(Some("call.command")));
        }
        Inbound::Ack => return Err(unexpected(Some("session.ack"))),
        Inbound::Goodbye(_) => return Err(unexpected(Some("session.goodbye"))),
        Inbound::Feedback(_) => return Err(unexpected(Some(FEEDBACK))),
        Inbound::Ignored(Ignored::Broken(_)) => return Err(unexpected(None)),
    };
    if !hello.protocols.contains(&VERSION) {
        let details = json!({ "client_protocols": hello.protocols });
        return Err(reject(RejectCode::ProtocolMismatch, "this server speaks protocol 2", Some(details)));
    }
    let missing: Vec<_> = REQUIRED_TOPICS.into_iter().filter(|topic| !hello.wants(topic)).collect();
    if !missing.is_empty() {
        let details = json!({ "missing": missing });
        return Err(reject(RejectCode::UnsupportedClient, "client missing notify features", Some(details)));
    }
    // A token that we do not know is answered with a full baseline; what cannot be a token at all is refused.
    if let Some((topic, _)) = hello.resume_tokens.iter().find(|(_, token)| token.as_deref().is_some_and(|t| !may_be_token(t))) {
        let details = json!({ "topic": topic });
        return Err(reject(RejectCode::InvalidResumeToken, "not a resume token", Some(details)));
    }
    Ok(hello)
}

/// Whether any server could have given this token. The empty one means none.
fn may_be_token(token: &str) -> bool {
    token.len() <= MAX_TOKEN && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The answer to bytes that are not UTF-8, or to a hello that breaks its schema.
pub(super) fn invalid_payload(error: &str) -> Reject {
    reject(RejectCode::InvalidPayload, "hello is not valid", Some(json!({ "error": error })))
}

fn unexpected(received: Option<&str>) -> Reject {
    reject(RejectCode::UnexpectedMessage, "expected session.hello", Some(json!({ "received": received })))
}

pub(super) fn reject(code: RejectCode, message: &str, details: Option<Value>) -> Reject {
    Reject { code, message: message.to_owned(), details }
}

/// The welcome of a new session. Extensions are listed only to those who asked, because the Python client's schema is closed.
pub(crate) fn welcome(hello: &Hello, session: &str, key: &str, resume: Resume, commands: Vec<String>) -> Welcome {
    let on = |resume| Toggle { enabled: true, version: Some(1), resume: Some(resume), ..Toggle::default() };
    let resumable = |state| Toggle { resume_state: Some(state), ..on(true) };
    let mut features = BTreeMap::from([
        ("notify.scene".to_owned(), resumable(resume.scene)),
        ("notify.layers".to_owned(), resumable(resume.layers)),
        ("notify.stream".to_owned(), resumable(resume.stream)),
        ("notify.dims".to_owned(), on(false)),
        ("notify.camera".to_owned(), on(false)),
        ("notify.telemetry".to_owned(), Toggle::default()),
        ("call.command".to_owned(), Toggle { commands: Some(commands), ..on(false) }),
    ]);
    features.extend(extension::ALL.into_iter().filter(|name| hello.wants(name)).map(|name| {
        let key = (name == BOUND_PIXEL).then(|| key.to_owned());
        (name.to_owned(), Toggle { enabled: true, version: Some(1), key, ..Toggle::default() })
    }));
    let session = SessionInfo { id: session.to_owned(), heartbeat_s: HEARTBEAT.as_secs_f64(), ack_timeout_ms: Some(250) };
    Welcome { protocol_version: VERSION, session, features }
}
