//! The strict judge of what a server sends: closed schemas, no stray nulls, legal ranges, and the order of a conversation.
//!
//! Servers run [`outgoing_in`] on every frame in debug builds, tests always, and [`Conversation`] over all frames of one client.

mod camera;
mod conversation;
mod extension;
mod layers;
mod payload;
mod scene;

pub use conversation::Conversation;

use crate::envelope::{Envelope, Kind};
use crate::extension::COMPACT_SCENE;
use crate::frame::ServerFrame;
use crate::handshake::Hello;
use serde_json::Value;

/// Legal values of `blending`.
pub const BLENDINGS: [&str; 6] = ["opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative"];

/// Legal values of `rendering`.
pub const RENDERINGS: [&str; 7] = ["mip", "attenuated_mip", "translucent", "iso", "additive", "average", "minip"];

/// Legal values of `interpolation`.
pub const INTERPOLATIONS: [&str; 16] = [
    "nearest", "linear", "cubic", "bessel", "blackman", "catrom", "custom", "gaussian", "hamming", "hanning", "hermite",
    "kaiser", "lanczos", "mitchell", "spline16", "spline36",
];

/// The rule that a frame breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct Violation {
    /// Where in the frame, as a dotted path.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

impl Violation {
    fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into() }
    }
}

fn ensure(holds: bool, at: &str, problem: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(at, problem)) }
}

/// What a client asked its frames to be like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// Without thumbnails ([`crate::extension::COMPACT_SCENE`]).
    pub compact: bool,
}

impl Dialect {
    /// What the client of a hello asked for.
    pub fn of(hello: &Hello) -> Self {
        Self { compact: hello.wants(COMPACT_SCENE) }
    }
}

/// Checks one frame that a server is about to send to a client that asked for nothing special, such as the Python client.
///
/// # Errors
/// The first rule that it breaks.
pub fn outgoing(text: &str) -> Result<(), Violation> {
    outgoing_in(Dialect::default(), text)
}

/// Checks one frame that a server is about to send to a client of that dialect.
///
/// # Errors
/// The first rule that it breaks.
pub fn outgoing_in(dialect: Dialect, text: &str) -> Result<(), Violation> {
    parse(dialect, text).map(|_| ())
}

/// Checks a frame and returns it read.
fn parse(dialect: Dialect, text: &str) -> Result<ServerFrame, Violation> {
    let value: Value = serde_json::from_str(text).map_err(|error| Violation::new("frame", error.to_string()))?;
    let Value::Object(object) = value else {
        return Err(Violation::new("frame", "not a JSON object"));
    };
    if let Some((field, _)) = object.iter().find(|(_, value)| value.is_null()) {
        return Err(Violation::new(field, "absent fields are omitted, not null"));
    }
    let envelope = Envelope::parse(object).map_err(|error| Violation::new("envelope", error.to_string()))?;
    ensure(envelope.timestamp.is_finite() && envelope.timestamp >= 0.0, "timestamp", "must be seconds since the epoch")?;
    ensure(envelope.kind != Kind::Scene || envelope.seq == Some(0), "seq", "must be 0 for notify.scene")?;
    nulls(&envelope.payload, "payload", envelope.kind)?;
    let frame = ServerFrame::from_envelope(envelope).map_err(|error| Violation::new("payload", error.to_string()))?;
    payload::check(&frame, dialect)?;
    Ok(frame)
}

/// Nulls are values only where any JSON may stand.
fn nulls(value: &Value, at: &str, kind: Kind) -> Result<(), Violation> {
    match value {
        Value::Null => Err(Violation::new(at, "null")),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            let free = matches!(
                (kind, key.as_str()),
                (Kind::UpdateAck, "applied_value" | "details")
                    | (Kind::Reply, "result")
                    | (Kind::CommandError | Kind::Reject, "details")
            );
            if free { Ok(()) } else { nulls(value, &format!("{at}.{key}"), kind) }
        }),
        Value::Array(items) => items.iter().try_for_each(|item| nulls(item, at, kind)),
        _ => Ok(()),
    }
}
