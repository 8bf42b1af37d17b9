//! Ranges and agreements inside a payload that types alone do not express.

use super::{Dialect, Violation, camera, ensure, extension, layers, scene};
use crate::VERSION;
use crate::command::CommandError;
use crate::extension::{ALL, BOUND_PIXEL};
use crate::frame::{Body, ServerFrame};
use crate::handshake::{Toggle, Welcome};
use crate::notify::{Error, SceneLevel, Stream, Telemetry};
use crate::update::{AckStatus, StateAck};
use base64::Engine as _;

/// Topics that every welcome names.
const TOPICS: [&str; 7] =
    ["notify.scene", "notify.layers", "notify.stream", "notify.dims", "notify.camera", "notify.telemetry", "call.command"];

/// Codes of a rejected intent.
const STATE_ERRORS: [&str; 4] = ["state.invalid", "state.error", "state.unsupported", "state.forbidden"];

/// Codes of a failed command.
const COMMAND_ERRORS: [&str; 8] = [
    "command.not_found",
    "command.forbidden",
    "command.invalid",
    "command.retryable",
    "fs.not_found",
    "fs.forbidden",
    "zarr.disambiguate",
    "zarr.invalid",
];

pub(super) fn check(frame: &ServerFrame, dialect: Dialect) -> Result<(), Violation> {
    match &frame.body {
        Body::Welcome(welcome) => self::welcome(welcome, frame.session.as_deref()),
        Body::Scene(scene) => scene::check(scene, dialect),
        Body::Dims(dims) => named_alone(frame).and_then(|()| scene::dims(dims)),
        Body::Camera(camera) => camera::check(camera, frame),
        Body::Layers(change) => layers::check(change, dialect),
        Body::Stream(stream) => self::stream(stream),
        Body::UpdateAck(ack) => self::ack(ack),
        Body::CommandError(error) => command_error(error),
        Body::Error(error) => fault(error),
        Body::SceneLevel(SceneLevel { levels: Some(levels), .. }) => ensure(!levels.is_empty(), "levels", "must not be empty"),
        Body::Telemetry(Telemetry { presenter, decode, queue_depth }) => {
            ensure([presenter, decode, queue_depth].into_iter().all(|&x| x >= 0.0), "payload", "must not be negative")
        }
        Body::XTelemetry(telemetry) => extension::telemetry(telemetry),
        Body::XLevel(report) => extension::level(report),
        Body::XLabels(labels) => ensure(!labels.layer_id.is_empty(), "layer_id", "must not be empty"),
        Body::Reject(_) | Body::Heartbeat(_) | Body::Goodbye(_) | Body::SceneLevel(_) | Body::Reply(_) | Body::XRole(_) => Ok(()),
    }
}

/// Frames that no intent of a client names carry 8 hexadecimal digits.
pub(super) fn named_alone(frame: &ServerFrame) -> Result<(), Violation> {
    ensure(frame.intent_id.is_none(), "intent_id", "does not belong here")?;
    let name = frame.frame_id.as_deref().unwrap_or_default();
    ensure(name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit()), "frame_id", "must be 8 hexadecimal digits")
}

fn welcome(welcome: &Welcome, session: Option<&str>) -> Result<(), Violation> {
    ensure(welcome.protocol_version == VERSION, "protocol_version", "must be 2")?;
    ensure(session == Some(&welcome.session.id), "session.id", "must equal the envelope's session")?;
    ensure(welcome.session.heartbeat_s > 0.0, "session.heartbeat_s", "must be positive")?;
    for topic in TOPICS {
        ensure(welcome.features.contains_key(topic), topic, "every topic must be named")?;
    }
    welcome.features.iter().try_for_each(|(name, toggle)| self::toggle(name, toggle))
}

fn toggle(name: &str, toggle: &Toggle) -> Result<(), Violation> {
    let Toggle { enabled, version, resume, commands, resume_state, key } = toggle;
    ensure(key.is_some() == (name == BOUND_PIXEL), name, "a bound pixel socket has a key, nothing else has")?;
    ensure(commands.is_some() == (name == "call.command"), name, "commands belong to call.command")?;
    match name {
        "notify.scene" | "notify.layers" | "notify.stream" => {
            ensure(*enabled && *resume == Some(true), name, "must be enabled and resumable")?;
            let token = resume_state.as_ref().map(|state| state.delta_token.as_str());
            ensure(token.is_some_and(|token| !token.is_empty()), name, "must tell where the topic stands")
        }
        "notify.dims" | "notify.camera" | "call.command" => {
            ensure(*enabled && *resume != Some(true) && resume_state.is_none(), name, "must be enabled and not resumable")
        }
        "notify.telemetry" => ensure(!enabled, name, "is never sent"),
        extension if ALL.contains(&extension) => {
            let bare = resume.is_none() && resume_state.is_none();
            ensure(*enabled && version.is_some() && bare, name, "an extension is enabled and has a version, no more")
        }
        _ => Err(Violation::new(name, "no such topic or extension")),
    }
}

fn stream(stream: &Stream) -> Result<(), Violation> {
    ensure(matches!(&*stream.codec, "h264" | "hevc" | "av1"), "codec", "no such codec")?;
    ensure(stream.format == "avcc", "format", "must be avcc")?;
    ensure(stream.fps > 0.0, "fps", "must be positive")?;
    ensure(stream.frame_size.iter().all(|&edge| edge > 0), "frame_size", "must be positive")?;
    ensure(stream.nal_length_size == 4, "nal_length_size", "must be 4")?;
    let record = base64::engine::general_purpose::STANDARD
        .decode(&stream.avcc)
        .map_err(|error| Violation::new("avcc", error.to_string()))?;
    ensure(stream.latency_policy.max_buffer_ms >= 0.0, "latency_policy.max_buffer_ms", "must not be negative")?;
    ensure(stream.latency_policy.grace_keyframe_ms >= 0.0, "latency_policy.grace_keyframe_ms", "must not be negative")?;
    ensure(record.len() > 8 && record[0] == 1, "avcc", "must be an AVCDecoderConfigurationRecord")
}

fn ack(ack: &StateAck) -> Result<(), Violation> {
    match (ack.status, &ack.error) {
        (AckStatus::Accepted, error) => {
            ensure(ack.version.is_some(), "version", "is required when accepted")?;
            ensure(error.is_none(), "error", "is forbidden when accepted")
        }
        (AckStatus::Rejected, None) => Err(Violation::new("error", "is required when rejected")),
        (AckStatus::Rejected, Some(error)) => {
            ensure(ack.applied_value.is_none(), "applied_value", "is forbidden when rejected")?;
            ensure(STATE_ERRORS.contains(&&*error.code), "error.code", "no such code")?;
            ensure(error.details.as_ref().is_none_or(serde_json::Value::is_object), "error.details", "must be an object")
        }
    }
}

fn command_error(error: &CommandError) -> Result<(), Violation> {
    ensure(COMMAND_ERRORS.contains(&&*error.code), "code", "no such code")?;
    ensure(error.details.as_ref().is_none_or(serde_json::Value::is_object), "details", "must be an object")
}

fn fault(error: &Error) -> Result<(), Violation> {
    ensure(!error.domain.is_empty() && !error.code.is_empty(), "payload", "domain and code must not be empty")
}
