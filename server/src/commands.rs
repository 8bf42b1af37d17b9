//! The commands that clients may call (PROTOCOL §7). Only what is listed here is offered in the welcome.

use crate::hub::Hub;
use crate::pixel::Urgency;
use nc_protocol::command::{Call, CommandError, ErrorStatus, Reply, ReplyStatus};
use serde_json::Value;

/// A command's name and what it does.
struct Command {
    name: &'static str,
    run: fn(&Hub, &Call) -> Result<Option<Value>, Failure>,
}

/// Why a command failed.
struct Failure {
    code: &'static str,
    message: String,
}

const COMMANDS: &[Command] = &[Command { name: "napari.pixel.request_keyframe", run: request_keyframe }];

/// The names of all commands.
pub(crate) fn names() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_owned()).collect()
}

/// The answer to a call.
pub(crate) enum Answer {
    Reply(Reply),
    Error(CommandError),
}

/// Runs a command. `frame_id` is that of the call.
pub(crate) fn run(hub: &Hub, frame_id: String, call: &Call) -> Answer {
    let outcome = match COMMANDS.iter().find(|command| command.name == call.command) {
        Some(command) => (command.run)(hub, call),
        None => Err(Failure { code: "command.not_found", message: format!("unknown command '{}'", call.command) }),
    };
    match outcome {
        Ok(result) => Answer::Reply(Reply { in_reply_to: frame_id, status: ReplyStatus::Ok, result, idempotency_key: None }),
        Err(Failure { code, message }) => Answer::Error(error(frame_id, code, message)),
    }
}

/// The answer to a call that breaks its schema.
pub(crate) fn malformed(frame_id: Option<String>, problem: &str) -> CommandError {
    error(frame_id.unwrap_or_else(|| "unknown".to_owned()), "command.forbidden", format!("call.command invalid: {problem}"))
}

fn error(in_reply_to: String, code: &str, message: String) -> CommandError {
    let (status, code) = (ErrorStatus::Error, code.to_owned());
    CommandError { in_reply_to, status, code, message, details: None, idempotency_key: None }
}

/// Always acknowledged; how soon the IDR comes is not for one client to say, because all pay for it. Never answered with a
/// `notify.stream`: that would make the Python client ask again (PROTOCOL §11.3).
fn request_keyframe(hub: &Hub, _: &Call) -> Result<Option<Value>, Failure> {
    hub.want_idr(Urgency::Command);
    Ok(None)
}
