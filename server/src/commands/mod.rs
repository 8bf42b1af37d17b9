//! The commands that clients may call (PROTOCOL §7). Only what is listed here is offered in the welcome.
//!
//! What a command does at once is done by the task that read it; what may take time, such as looking at files, on a thread of its own
//! (`lanes`), while the client goes on. May touch files within `paths`' root; must never know sockets.

mod keyframe;
mod lanes;
mod listdir;
mod load;
pub(crate) mod paths;

use crate::hub::Hub;
use lanes::{Job, Lane, Lanes};
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use nc_protocol::command::{Call, CommandError, ErrorStatus, Reply, ReplyStatus};
use paths::{Refused, Root};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::runtime::Handle;
use tracing::debug;

/// A command's name and what it does.
struct Command {
    name: &'static str,
    work: Work,
}

/// How a command is done.
enum Work {
    /// At once; it never waits.
    Now(fn(&Hub) -> Outcome),
    /// Aside, because it may wait for files. Not for those who only watch.
    Aside { run: fn(&Hub, &Call) -> Outcome, lane: Lane },
}

/// What came of a command.
type Outcome = Result<Done, Failure>;

/// A command that worked.
#[derive(Default)]
struct Done {
    /// What is replied.
    result: Option<Value>,
    /// What is to be done when that is said.
    after: Option<Box<dyn FnOnce() + Send>>,
}

/// Why a command failed.
#[derive(Debug, PartialEq)]
struct Failure {
    code: &'static str,
    message: String,
    details: Option<Value>,
}

impl Failure {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None }
    }

    /// Of what lies at `path`, as the client may know it: details go to whoever asked. The message is logged, so it holds no URL.
    fn at(code: &'static str, message: impl Into<String>, path: &str) -> Self {
        Self { details: Some(json!({ "path": path })), ..Self::new(code, message) }
    }

    fn refused(refused: Refused, path: &str) -> Self {
        let shown = paths::shown(path);
        match refused {
            Refused::Missing => Self::at("fs.not_found", format!("{shown}: no such file or directory"), path),
            Refused::Forbidden => Self::at("fs.forbidden", format!("{shown}: outside of what this server may show"), path),
        }
    }
}

const COMMANDS: &[Command] = &[
    Command { name: "napari.pixel.request_keyframe", work: Work::Now(keyframe::run) },
    Command { name: "fs.listdir", work: Work::Aside { run: listdir::run, lane: Lane::Look } },
    Command { name: "napari.load_zarr", work: Work::Aside { run: load::run, lane: Lane::Open } },
];

/// The names of all commands.
pub(crate) fn names() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_owned()).collect()
}

/// What commands share.
pub(crate) struct Commands {
    /// Where clients may look around.
    pub(crate) root: Root,
    lanes: Arc<Lanes>,
}

impl Commands {
    pub(crate) fn new(root: Root) -> Self {
        Self { root, lanes: Arc::default() }
    }
}

/// Runs a command and answers it, now or later. `frame_id` is that of the call.
pub(crate) fn run(hub: &Arc<Hub>, client: ClientId, frame_id: String, call: Call) {
    let Some(command) = COMMANDS.iter().find(|command| command.name == call.command) else {
        let unknown = Failure::new("command.not_found", format!("unknown command '{}'", call.command));
        return fail(hub, client, frame_id, unknown);
    };
    match command.work {
        Work::Now(run) => match run(hub) {
            Ok(done) => reply(hub, client, frame_id, done.result),
            Err(failure) => fail(hub, client, frame_id, failure),
        },
        Work::Aside { run, lane } => match (allowed(hub, client), Handle::try_current()) {
            (Err(forbidden), _) => fail(hub, client, frame_id, forbidden),
            (Ok(()), Ok(runtime)) => {
                let (worker, teller) = (Arc::clone(hub), Arc::clone(hub));
                // Who drives may have changed while it waited; and while it worked, which counts before anything is shown.
                let work = move || {
                    allowed(&worker, client)?;
                    let done = run(&worker, &call)?;
                    allowed(&worker, client)?;
                    Ok(done)
                };
                let tell = move |answer| match answer {
                    Ok(result) => reply(&teller, client, frame_id, result),
                    Err(failure) => fail(&teller, client, frame_id, failure),
                };
                hub.commands().lanes.enter(&runtime, client, lane, Job::new(work, tell));
            }
            (Ok(()), Err(_)) => fail(hub, client, frame_id, Failure::new("command.retryable", "the server is going down")),
        },
    }
}

/// Whether the client may have commands done for it.
fn allowed(hub: &Hub, client: ClientId) -> Result<(), Failure> {
    if hub.may_drive(client) { Ok(()) } else { Err(Failure::new("command.forbidden", "this session only watches")) }
}

fn reply(hub: &Hub, client: ClientId, in_reply_to: String, result: Option<Value>) {
    let reply = Reply { in_reply_to, status: ReplyStatus::Ok, result, idempotency_key: None };
    hub.send(client, Kind::Reply, "reply", &reply);
}

fn fail(hub: &Hub, client: ClientId, in_reply_to: String, failure: Failure) {
    debug!(client = client.0, code = failure.code, message = failure.message, "command failed");
    hub.send(client, Kind::CommandError, "error", &error(in_reply_to, failure));
}

/// The answer to a call that breaks its schema.
pub(crate) fn malformed(frame_id: Option<String>, problem: &str) -> CommandError {
    let failure = Failure::new("command.forbidden", format!("call.command invalid: {problem}"));
    error(frame_id.unwrap_or_else(|| "unknown".to_owned()), failure)
}

fn error(in_reply_to: String, Failure { code, message, details }: Failure) -> CommandError {
    let (status, code) = (ErrorStatus::Error, code.to_owned());
    CommandError { in_reply_to, status, code, message, details, idempotency_key: None }
}

/// A named argument; null counts as absent.
fn argument<'a>(call: &'a Call, name: &str) -> Option<&'a Value> {
    call.kwargs.as_ref().and_then(|kwargs: &Map<String, Value>| kwargs.get(name)).filter(|value| !value.is_null())
}
