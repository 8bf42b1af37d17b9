//! Where the engine and the clients meet: takes what the engine tells, keeps what a newcomer must be told, and sends to everyone in
//! one order.
//!
//! Lock order: `state`, then a client's outbox. Large payloads are built outside `state`.

mod baseline;
mod client;
mod faults;
mod mirror;
mod notice;
mod outbox;
mod telemetry;

pub(crate) use outbox::{OUTBOX_BYTES, Outbox, Outgoing};

use crate::ambient::Ambient;
use crate::engine::Engine;
use crate::locked;
use crate::metrics::{Counters, Metrics, Report, Reporter, add};
use crate::pixel::{Fanout, Urgency, Viewer};
use crate::session::history::{History, Topic};
use crate::session::{Close, goodbye, welcome};
use crate::{commands, wire};
use baseline::Baseline;
use client::{Client, Pending};
use faults::Faults;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{Accepted, Applied, ClientId, Event, Packet, RawIntent, Rejection, Sink, StreamConfig};
use nc_protocol::command::Call;
use nc_protocol::handshake::{Hello, Reject};
use nc_protocol::liveness::{Empty, Goodbye};
use nc_protocol::update::{AckError, StateAck, StateUpdate};
use nc_protocol::{Head, Kind, Malformed};
use notice::Notice;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use tracing::{debug, warn};

/// Where the engine and the clients meet.
pub(crate) struct Hub {
    ambient: Arc<dyn Ambient>,
    /// Most frames per second of the stream, for `viewer.settings`.
    fps: f32,
    /// Weak, because the engine's threads hold the hub as their sink: whoever runs the server owns the engine.
    engine: OnceLock<Weak<dyn Engine>>,
    state: Mutex<State>,
    fanout: Fanout,
    reports: Mutex<telemetry::Reports>,
    counters: Counters,
    reporter: Reporter,
}

struct State {
    clients: BTreeMap<ClientId, Client>,
    next_client: u64,
    view: Option<Arc<AppliedView>>,
    /// Payload of `notify.stream`.
    stream: Option<Arc<str>>,
    /// Counts changes of `view`.
    revision: u64,
    /// What a newcomer is told of `view`; made when the first one asks.
    baseline: Option<Arc<Baseline>>,
    faults: Faults,
    history: History,
    closed: Option<Close>,
}

/// A client that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) client: ClientId,
    pub(crate) session: String,
}

impl Hub {
    /// A hub without engine and clients.
    pub(crate) fn new(ambient: Arc<dyn Ambient>, fps: f32) -> Self {
        let history = History::new(epoch(&*ambient));
        let state = State {
            clients: BTreeMap::new(),
            next_client: 1,
            view: None,
            stream: None,
            revision: 0,
            baseline: None,
            faults: Faults::default(),
            history,
            closed: None,
        };
        Self {
            ambient,
            fps,
            engine: OnceLock::new(),
            state: Mutex::new(state),
            fanout: Fanout::default(),
            reports: Mutex::default(),
            counters: Counters::default(),
            reporter: Reporter::default(),
        }
    }

    /// Connects the engine. What it told before stands; what it did not tell is asked.
    pub(crate) fn attach(&self, engine: &Arc<dyn Engine>) {
        let (view, stream) = (engine.view(), engine.stream());
        locked(&self.state).view.get_or_insert(view);
        if let Some(config) = stream.filter(|_| locked(&self.state).stream.is_none()) {
            self.stream(&config);
        }
        if self.engine.set(Arc::downgrade(engine)).is_err() {
            warn!("an engine is already attached");
        }
        self.fanout.attach(engine, self.ambient.now());
    }

    fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.engine.get().and_then(Weak::upgrade)
    }

    /// Lets a client in: it gets its welcome and its baseline, and from then on everything that changes.
    pub(crate) fn join(&self, hello: &Hello, outbox: Arc<Outbox>) -> Admitted {
        let session = uuid::Uuid::from_u128(self.ambient.random()).hyphenated().to_string();
        let key = format!("{:032x}", self.ambient.random());
        let (mut state, prepared) = self.state_with_baseline();
        let client = ClientId(state.next_client);
        state.next_client += 1;
        let welcome = welcome(hello, &session, &key, &state.history, commands::names());
        let mut newcomer = Client::new(session.clone(), key, outbox);
        self.send_to(&newcomer, Kind::Welcome, "welcome", &welcome);
        if let Some(baseline) = &prepared {
            let stream = state.stream.clone().map(Notice::stream);
            for notice in baseline.notices.iter().chain(&stream).chain(state.faults.iter()) {
                self.deliver(&mut newcomer, client, notice, &state.history);
            }
        }
        if let Some(close) = state.closed {
            newcomer.outbox.finish(close);
        }
        state.clients.insert(client, newcomer);
        drop(state);
        add(&self.counters.state_connects, 1);
        self.want_idr(Urgency::Newcomer);
        Admitted { client, session }
    }

    /// The state, and the baseline of exactly the view that it holds. The baseline is built outside the lock, unless the view
    /// changes faster than that.
    fn state_with_baseline(&self) -> (MutexGuard<'_, State>, Option<Arc<Baseline>>) {
        for _ in 0..4 {
            let (revision, view) = {
                let state = locked(&self.state);
                match (&state.baseline, &state.view) {
                    (None, Some(view)) => (state.revision, Arc::clone(view)),
                    (baseline, _) => {
                        let baseline = baseline.clone();
                        return (state, baseline);
                    }
                }
            };
            let baseline = Arc::new(Baseline::of(&view, self.fps));
            let mut state = locked(&self.state);
            if state.revision == revision {
                state.baseline = Some(baseline);
            }
        }
        let mut state = locked(&self.state);
        if state.baseline.is_none() {
            state.baseline = state.view.as_ref().map(|view| Arc::new(Baseline::of(view, self.fps)));
        }
        let baseline = state.baseline.clone();
        (state, baseline)
    }

    /// A client is gone; its bound pixel sockets end with it.
    pub(crate) fn leave(&self, admitted: &Admitted) {
        locked(&self.state).clients.remove(&admitted.client);
        self.fanout.end_session(&admitted.session);
    }

    /// Hands an intent to the engine.
    pub(crate) fn update(&self, client: ClientId, session: String, frame_id: String, intent_id: String, update: StateUpdate) {
        let received = self.ambient.now();
        if update.scope.trim().eq_ignore_ascii_case("camera") {
            add(&self.counters.camera_updates, 1);
        }
        let taken = {
            let mut state = locked(&self.state);
            let Some(sender) = state.clients.get_mut(&client) else { return };
            // Before the engine knows of it, because the answer may come on another thread at once.
            sender.expect_ack(Pending { intent_id: intent_id.clone(), frame_id: frame_id.clone(), session: session.clone() })
        };
        let StateUpdate { scope, target, key, value } = update;
        let intent = RawIntent { client, intent_id: intent_id.clone(), scope, target, key, value, received };
        let submitted = taken && self.engine().is_some_and(|engine| engine.submit(intent).is_ok());
        if !submitted {
            let error = AckError { code: "state.error".to_owned(), message: "server busy".to_owned(), details: None };
            self.refuse(client, Pending { intent_id, frame_id, session }, taken, error);
        }
    }

    /// Answers a message that breaks its schema.
    pub(crate) fn refuse_malformed(&self, client: ClientId, malformed: Malformed) {
        match malformed {
            Malformed::Update { session, frame_id, intent_id, error } => {
                let (code, message) = ("state.invalid".to_owned(), "state.update payload invalid".to_owned());
                let details = Some(serde_json::json!({ "error": error }));
                self.refuse(client, Pending { intent_id, frame_id, session }, false, AckError { code, message, details });
            }
            Malformed::Command { frame_id, error } => {
                self.send(client, Kind::CommandError, "error", &commands::malformed(frame_id, &error));
            }
            Malformed::Hello { .. } => {}
        }
    }

    fn refuse(&self, client: ClientId, pending: Pending, expected: bool, error: AckError) {
        let mut state = locked(&self.state);
        let Some(sender) = state.clients.get_mut(&client) else { return };
        if expected {
            sender.forget(&pending);
        }
        let ack = StateAck::rejected(pending.intent_id, pending.frame_id, error);
        self.send_ack(sender, &pending.session, &ack);
    }

    /// Runs a command and answers it.
    pub(crate) fn command(&self, client: ClientId, frame_id: String, call: &Call) {
        match commands::run(self, frame_id, call) {
            commands::Answer::Reply(reply) => self.send(client, Kind::Reply, "reply", &reply),
            commands::Answer::Error(error) => self.send(client, Kind::CommandError, "error", &error),
        }
    }

    /// Sends a heartbeat.
    pub(crate) fn heartbeat(&self, client: ClientId) {
        self.send(client, Kind::Heartbeat, "heartbeat", &Empty {});
    }

    /// Sends a goodbye.
    pub(crate) fn goodbye(&self, client: ClientId, goodbye: &Goodbye) {
        self.send(client, Kind::Goodbye, "goodbye", goodbye);
    }

    /// The frame that refuses a handshake.
    pub(crate) fn reject_frame(&self, reject: &Reject) -> String {
        self.frame(Kind::Reject, "reject", None, reject)
    }

    /// Tells everyone that the server goes down, and closes the door.
    pub(crate) fn shut_down(&self) {
        let close = Close { code: Close::RESTART, reason: "server shut down" };
        let mut state = locked(&self.state);
        state.closed = Some(close);
        let farewell = goodbye("shutdown", "the server shuts down", "server_shutdown");
        for client in state.clients.values() {
            self.send_to(client, Kind::Goodbye, "goodbye", &farewell);
            client.outbox.finish(close);
        }
        drop(state);
        self.fanout.end_all(close);
    }

    /// The session that a pixel socket may bind to: it exists and the key is its own.
    pub(crate) fn bind_pixel(&self, session: &str, key: &str) -> bool {
        locked(&self.state).clients.values().any(|client| client.session == session && client.holds(key))
    }

    /// A new viewer of the stream, bound to a session or not.
    pub(crate) fn watch(&self, session: Option<String>) -> Arc<Viewer> {
        let viewer = self.fanout.join(session.clone(), self.ambient.now());
        // The session may have ended while the socket was being upgraded.
        if let Some(session) = session.filter(|session| !self.has_session(session)) {
            self.fanout.end_session(&session);
        }
        viewer
    }

    /// A viewer is gone.
    pub(crate) fn unwatch(&self, viewer: &Viewer) {
        self.fanout.leave(viewer, self.ambient.now());
    }

    /// All viewers.
    pub(crate) fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// Asks for an IDR, at once or as soon as its urgency allows.
    pub(crate) fn want_idr(&self, urgency: Urgency) {
        self.fanout.want_idr(urgency, self.ambient.now());
    }

    fn has_session(&self, session: &str) -> bool {
        locked(&self.state).clients.values().any(|client| client.session == session)
    }

    /// Time and chance.
    pub(crate) fn ambient(&self) -> &dyn Ambient {
        &*self.ambient
    }

    /// The document at `/metrics.json`.
    pub(crate) fn metrics(&self) -> Report {
        let engine = self.engine().map_or_else(Metrics::default, |engine| engine.metrics());
        let (now, ts) = (self.ambient.now(), self.ambient.unix_seconds());
        self.reporter.report(now, ts, engine, &self.counters, self.fanout.gauges())
    }

    fn applied(&self, applied: &Applied) {
        let notices = mirror::notices(applied, self.fps, self.ambient.unix_seconds());
        let mut state = locked(&self.state);
        state.view = Some(Arc::clone(&applied.view));
        state.revision += 1;
        state.baseline = None;
        if applied.dataset {
            state.history.reset(epoch(&*self.ambient));
            state.faults.clear();
        }
        self.broadcast(&mut state, &notices);
        if let Some(stream) = state.stream.clone().filter(|_| applied.dataset) {
            self.broadcast(&mut state, &[Notice::stream(stream)]);
        }
    }

    fn stream(&self, config: &StreamConfig) {
        let payload: Arc<str> = match wire::stream(config) {
            Ok(stream) => notice::json(&stream).into(),
            Err(error) => return warn!(%error, "the encoder's parameter sets are unusable"),
        };
        let mut state = locked(&self.state);
        // A mere repetition would make the Python client ask for a keyframe (PROTOCOL §11.3).
        if state.stream.as_ref() != Some(&payload) {
            state.stream = Some(Arc::clone(&payload));
            self.broadcast(&mut state, &[Notice::stream(payload)]);
        }
    }

    fn ack(&self, client: ClientId, intent_id: String, outcome: Result<Accepted, Rejection>) {
        let mut state = locked(&self.state);
        let Some(sender) = state.clients.get_mut(&client) else { return };
        let Some(Pending { intent_id, frame_id, session }) = sender.take_pending(&intent_id) else {
            return debug!(%intent_id, "an answer to an intent that nobody awaits");
        };
        let ack = match outcome {
            Ok(Accepted { applied_value, version }) => StateAck::accepted(intent_id, frame_id, applied_value, version),
            Err(Rejection { code, message, details }) => {
                let details = Some(details).filter(|details| !details.is_null());
                StateAck::rejected(intent_id, frame_id, AckError { code: code.to_owned(), message, details })
            }
        };
        self.send_ack(sender, &session, &ack);
    }

    fn broadcast(&self, state: &mut State, notices: &[Notice]) {
        let State { clients, history, .. } = state;
        for notice in notices {
            match notice.topic() {
                Some(topic @ (Topic::Layers | Topic::Stream)) => history.advance(topic),
                Some(Topic::Scene) | None => {}
            }
            for (&id, client) in clients.iter_mut() {
                self.deliver(client, id, notice, history);
            }
        }
    }

    /// Puts the client's own envelope around a notice.
    fn deliver(&self, client: &mut Client, id: ClientId, notice: &Notice, history: &History) {
        if notice.kind == Kind::Stream {
            add(&self.counters.stream_configs, 1);
        }
        let sequence = notice.topic().map(|topic| (client.sequence.next(topic), history.token(topic).to_string()));
        // Intent ids are unique only within a session, so nobody but the author is told them.
        let intent = notice.author.as_ref().filter(|(author, _)| *author == id).map(|(_, intent)| intent.as_str());
        let frame_id = notice.frame_id(intent, self.ambient.random());
        let mut head = Head::new(notice.kind, self.ambient.unix_seconds()).session(&client.session);
        if let Some(frame_id) = &frame_id {
            head = head.frame_id(frame_id);
        }
        if let Some(intent) = intent {
            head = head.intent_id(intent);
        }
        if let Some((seq, token)) = &sequence {
            head = head.sequence(*seq, token);
        }
        client.outbox.push(checked(head.around(&notice.payload)));
    }

    fn send(&self, client: ClientId, kind: Kind, prefix: &str, payload: &impl Serialize) {
        if let Some(client) = locked(&self.state).clients.get(&client) {
            self.send_to(client, kind, prefix, payload);
        }
    }

    fn send_to(&self, client: &Client, kind: Kind, prefix: &str, payload: &impl Serialize) {
        client.outbox.push(self.frame(kind, prefix, Some(&client.session), payload));
    }

    /// An ack names the session that the update named, not the one that it came through.
    fn send_ack(&self, client: &Client, session: &str, ack: &StateAck) {
        client.outbox.push(self.frame(Kind::UpdateAck, "ack", Some(session), ack));
    }

    fn frame(&self, kind: Kind, prefix: &str, session: Option<&str>, payload: &impl Serialize) -> String {
        let frame_id = format!("{prefix}-{:032x}", self.ambient.random());
        let mut head = Head::new(kind, self.ambient.unix_seconds()).frame_id(&frame_id);
        if let Some(session) = session {
            head = head.session(session);
        }
        checked(head.around(&notice::json(payload)))
    }
}

impl Sink for Hub {
    fn event(&self, event: Event) {
        match event {
            Event::Ack { client, intent_id, outcome } => self.ack(client, intent_id, outcome),
            Event::CameraEcho { client, intent_id, mode, delta } => {
                let Value::Object(delta) = delta else {
                    return debug!(mode, "a camera echo without an object");
                };
                match wire::echo(mode, delta) {
                    Some(camera) => {
                        let notice = Notice::new(Kind::Camera, &camera).by((client, intent_id));
                        self.broadcast(&mut locked(&self.state), &[notice]);
                    }
                    None => warn!(mode, "a camera echo of a mode that the wire does not know"),
                }
            }
            Event::Applied(applied) => self.applied(&applied),
            Event::Stream(config) => self.stream(&config),
            Event::Warning { domain, code, message } => {
                warn!(domain, code, "{message}");
                let notice = Notice::new(Kind::Error, &wire::warning(domain, code, message));
                let mut state = locked(&self.state);
                state.faults.remember(&notice);
                self.broadcast(&mut state, &[notice]);
            }
        }
    }

    fn packet(&self, packet: Packet) {
        self.fanout.packet(packet, self.ambient.now(), &self.counters);
    }
}

/// In debug builds every frame is judged before it leaves.
fn checked(frame: String) -> String {
    debug_assert_eq!(nc_protocol::validate::outgoing(&frame), Ok(()), "{frame}");
    frame
}

fn epoch(ambient: &dyn Ambient) -> u64 {
    (ambient.random() >> 64) as u64
}
