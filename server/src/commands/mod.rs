//! The commands that clients may call (PROTOCOL §7). Only what is listed here is offered in the welcome.
//!
//! What a command does at once is done by the task that read it; what may take time, such as looking at files, on a thread of its own,
//! while the client goes on. Each client may wait for one such command, and [`AT_WORK`] may be at work for all together. May touch
//! files within `paths`' root; must never know sockets.

mod keyframe;
mod listdir;
mod load;
pub(crate) mod paths;

use crate::hub::Hub;
use crate::locked;
use nc_engine::api::ClientId;
use nc_protocol::Kind;
use nc_protocol::command::{Call, CommandError, ErrorStatus, Reply, ReplyStatus};
use paths::{Refused, Root};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

/// Commands that may be at work aside, of all clients together.
const AT_WORK: usize = 4;

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
    Aside {
        run: fn(&Hub, &Call) -> Outcome,
        /// Whether one waits for another's end before it begins.
        one_by_one: bool,
    },
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

    /// Of what lies at `path`, as the client may know it.
    fn at(code: &'static str, message: impl Into<String>, path: &str) -> Self {
        Self { details: Some(json!({ "path": path })), ..Self::new(code, message) }
    }

    fn refused(refused: Refused, path: &str) -> Self {
        match refused {
            Refused::Missing => Self::at("fs.not_found", format!("{path}: no such file or directory"), path),
            Refused::Forbidden => Self::at("fs.forbidden", format!("{path}: outside of what this server may show"), path),
        }
    }
}

const COMMANDS: &[Command] = &[
    Command { name: "napari.pixel.request_keyframe", work: Work::Now(keyframe::run) },
    Command { name: "fs.listdir", work: Work::Aside { run: listdir::run, one_by_one: false } },
    Command { name: "napari.load_zarr", work: Work::Aside { run: load::run, one_by_one: true } },
];

/// The names of all commands.
pub(crate) fn names() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_owned()).collect()
}

/// What commands share.
pub(crate) struct Commands {
    /// Where clients may look around.
    pub(crate) root: Root,
    /// Clients that wait for the answer of a command aside.
    waiting: Mutex<BTreeSet<ClientId>>,
    places: Arc<Semaphore>,
    /// Held by the command that works one by one.
    turn: tokio::sync::Mutex<()>,
}

impl Commands {
    pub(crate) fn new(root: Root) -> Self {
        Self { root, waiting: Mutex::default(), places: Arc::new(Semaphore::new(AT_WORK)), turn: tokio::sync::Mutex::default() }
    }
}

/// A client that waits for the answer of a command aside. Dropped, it may call another.
struct Caller {
    hub: Arc<Hub>,
    client: ClientId,
}

impl Caller {
    /// The client with one of the places to work, if it waits for nothing yet and there is a place.
    fn admitted(hub: &Arc<Hub>, client: ClientId) -> Option<(Self, OwnedSemaphorePermit)> {
        let commands = hub.commands();
        let place = Arc::clone(&commands.places).try_acquire_owned().ok()?;
        locked(&commands.waiting).insert(client).then(|| (Self { hub: Arc::clone(hub), client }, place))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        locked(&self.hub.commands().waiting).remove(&self.client);
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
        Work::Aside { .. } if !hub.may_drive(client) => {
            fail(hub, client, frame_id, Failure::new("command.forbidden", "this session only watches"));
        }
        Work::Aside { run, one_by_one } => match (Caller::admitted(hub, client), Handle::try_current()) {
            (Some((caller, place)), Ok(runtime)) => {
                runtime.spawn(aside(caller, place, frame_id, call, run, one_by_one));
            }
            _ => fail(hub, client, frame_id, Failure::new("command.retryable", "too many commands at work")),
        },
    }
}

async fn aside(
    caller: Caller,
    place: OwnedSemaphorePermit,
    frame_id: String,
    call: Call,
    run: fn(&Hub, &Call) -> Outcome,
    one_by_one: bool,
) {
    let (hub, client, name) = (Arc::clone(&caller.hub), caller.client, call.command.clone());
    let turn = if one_by_one { Some(hub.commands().turn.lock().await) } else { None };
    let worker = Arc::clone(&hub);
    // A panic shows as an error of the join; the panic hook has reported it.
    let (answer, after) = match tokio::task::spawn_blocking(move || run(&worker, &call)).await {
        Ok(Ok(Done { result, after })) => (Ok(result), after),
        Ok(Err(failure)) => (Err(failure), None),
        Err(_) => (Err(Failure::new("command.retryable", "command handler raised an exception")), None),
    };
    // Given up before the answer is said: whoever has it may call again at once.
    drop(caller);
    let held = after.is_some().then_some((place, turn));
    match answer {
        Ok(result) => reply(&hub, client, frame_id, result),
        Err(failure) => fail(&hub, client, frame_id, failure),
    }
    if let Some(after) = after
        && let Err(panic) = tokio::task::spawn_blocking(after).await
    {
        tracing::error!(%panic, command = name, "a command that was answered did not end well");
    }
    drop(held);
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
