//! Where the engine and the clients meet: takes what the engine tells, keeps what a newcomer must be told, and sends to everyone in
//! one order.
//!
//! Lock order: `state`, then a client's outbox. Under `state` notices are addressed and pushed; what everybody is told is made JSON by
//! the first task that writes it.

mod baseline;
mod client;
mod extras;
mod faults;
mod join;
mod mirror;
mod notice;
mod outbox;
mod seat;
mod telemetry;

pub(crate) use join::Admitted;
pub(crate) use outbox::{OUTBOX_BYTES, Outbox, Outgoing};
pub(crate) use seat::Seat;

use crate::ambient::Ambient;
use crate::commands::Commands;
use crate::commands::paths::Root;
use crate::engine::Engine;
use crate::locked;
use crate::metrics::{Counters, Metrics, Report, Reporter, add};
use crate::pixel::{Fanout, Urgency, Viewer};
use crate::plate::Pictures;
use crate::session::history::{History, Topic};
use crate::session::roles::Roles;
use crate::session::{Close, Drive, Excess, goodbye};
use crate::{commands, wire};
use baseline::Baseline;
use client::{Client, Pending};
use faults::{Faults, severity};
use mirror::{Audience, Told};
use nc_engine::api::data::CanvasSize;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{Accepted, Applied, ClientId, Event, Packet, RawIntent, Rejection, Sink, StreamConfig};
use nc_protocol::command::{CommandError, ErrorStatus};
use nc_protocol::handshake::Reject;
use nc_protocol::liveness::{Empty, Goodbye};
use nc_protocol::notify::Severity;
use nc_protocol::update::{AckError, StateAck, StateUpdate};
use nc_protocol::validate::Dialect;
use nc_protocol::{Head, Kind, Malformed};
use notice::{Notice, checked};
use outbox::Frame;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
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
    commands: Commands,
    plate_pictures: Pictures,
    reports: Mutex<telemetry::Reports>,
    counters: Counters,
    reporter: Reporter,
}

struct State {
    clients: BTreeMap<ClientId, Client>,
    next_client: u64,
    roles: Roles,
    view: Option<Arc<AppliedView>>,
    /// What a newcomer is told of `view`; made when the first one asks.
    baseline: Option<Arc<Baseline>>,
    /// Of the canvas of `view`, once a picture of that size was encoded.
    stream: Option<(CanvasSize, Arc<Notice>)>,
    faults: Faults,
    history: History<Arc<Notice>>,
    closed: Option<Close>,
}

impl State {
    /// Takes over a view. A stream of another size is not its stream.
    fn show(&mut self, view: Arc<AppliedView>) {
        self.stream.take_if(|(size, _)| *size != view.canvas);
        self.view = Some(view);
        self.baseline = None;
    }
}

impl Hub {
    /// A hub without engine and clients. `fps` are the most frames per second of the stream; `root` is what clients may open.
    pub(crate) fn new(ambient: Arc<dyn Ambient>, fps: f32, drive: Drive, root: Root) -> Self {
        let history = History::new(epochs(&*ambient));
        let state = State {
            clients: BTreeMap::new(),
            next_client: 1,
            roles: Roles::new(drive),
            view: None,
            baseline: None,
            stream: None,
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
            commands: Commands::new(root),
            plate_pictures: Pictures::new(),
            reports: Mutex::default(),
            counters: Counters::default(),
            reporter: Reporter::default(),
        }
    }

    /// Connects the engine. What it told before stands; what it did not tell is asked.
    pub(crate) fn attach(&self, engine: &Arc<dyn Engine>) {
        let (view, stream) = (engine.view(), engine.stream());
        let canvas = locked(&self.state).view.get_or_insert(view).canvas;
        if let Some(config) = stream.filter(|config| config.size == canvas && locked(&self.state).stream.is_none()) {
            self.stream(&config);
        }
        if self.engine.set(Arc::downgrade(engine)).is_err() {
            warn!("an engine is already attached");
        }
        self.fanout.attach(engine, self.ambient.now());
    }

    /// The engine, while whoever runs the server owns one.
    pub(crate) fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.engine.get().and_then(Weak::upgrade)
    }

    /// Whether a client may change the scene, or only watches.
    pub(crate) fn may_drive(&self, client: ClientId) -> bool {
        locked(&self.state).roles.may_drive(client.0)
    }

    /// Hands an intent to the engine.
    pub(crate) fn update(&self, client: ClientId, session: String, frame_id: String, intent_id: String, update: StateUpdate) {
        let received = self.ambient.now();
        if update.scope.trim().eq_ignore_ascii_case("camera") {
            add(&self.counters.camera_updates, 1);
        }
        let pending = Pending { intent_id: intent_id.clone(), frame_id: frame_id.clone(), session: session.clone() };
        let StateUpdate { scope, target, key, value } = update;
        let taken = {
            let mut state = locked(&self.state);
            let drives = state.roles.may_drive(client.0);
            let Some(sender) = state.clients.get_mut(&client) else { return };
            if !drives {
                let details = Some(json!({ "scope": scope, "key": key }));
                let (code, message) = ("state.forbidden".to_owned(), "this session only watches".to_owned());
                drop(state);
                return self.refuse(client, pending, false, AckError { code, message, details });
            }
            // Before the engine knows of it, because the answer may come on another thread at once.
            sender.expect_ack(pending)
        };
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

    /// Answers what came on top of too many messages.
    pub(crate) fn excess(&self, client: ClientId, excess: Excess) {
        let message = "too many messages".to_owned();
        match excess {
            Excess::Update { session, frame_id, intent_id } => {
                let error = AckError { code: "state.error".to_owned(), message, details: None };
                self.refuse(client, Pending { intent_id, frame_id, session }, false, error);
            }
            Excess::Command { frame_id: in_reply_to } => {
                let (status, code) = (ErrorStatus::Error, "command.retryable".to_owned());
                let error = CommandError { in_reply_to, status, code, message, details: None, idempotency_key: None };
                self.send(client, Kind::CommandError, "error", &error);
            }
        }
    }

    fn refuse(&self, client: ClientId, pending: Pending, expected: bool, error: AckError) {
        let mut state = locked(&self.state);
        let Some(sender) = state.clients.get_mut(&client) else { return };
        if expected {
            sender.forget(&pending);
        }
        let outbox = Arc::clone(&sender.outbox);
        drop(state);
        let ack = StateAck::rejected(pending.intent_id, pending.frame_id, error);
        self.send_ack(&outbox, &pending.session, &ack);
    }

    /// What commands share.
    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Pictures of the plate's fields.
    pub(crate) fn plate_pictures(&self) -> &Pictures {
        &self.plate_pictures
    }

    /// Sends a heartbeat.
    pub(crate) fn heartbeat(&self, client: ClientId) {
        self.send(client, Kind::Heartbeat, "heartbeat", &Empty {});
    }

    /// Sends a goodbye.
    pub(crate) fn goodbye(&self, client: ClientId, goodbye: &Goodbye) {
        if let Some((outbox, session)) = self.addressee(client) {
            outbox.push_last(Frame::Text(self.frame(Kind::Goodbye, "goodbye", Some(&session), goodbye)));
        }
    }

    /// Refuses a handshake.
    pub(crate) fn reject(&self, outbox: &Outbox, reject: &Reject) {
        outbox.push_last(Frame::Text(self.frame(Kind::Reject, "reject", None, reject)));
    }

    /// Tells everyone that the server goes down, and closes the door.
    pub(crate) fn shut_down(&self) {
        let close = Close { code: Close::RESTART, reason: "server shut down" };
        let mut state = locked(&self.state);
        state.closed = Some(close);
        let farewell = goodbye("shutdown", "the server shuts down", "server_shutdown");
        for client in state.clients.values() {
            client.outbox.push_last(Frame::Text(self.frame(Kind::Goodbye, "goodbye", Some(&client.session), &farewell)));
            client.outbox.finish(close);
        }
        drop(state);
        self.fanout.end_all(close);
    }

    /// The session that a pixel socket may bind to: it exists and the key is its own.
    pub(crate) fn bind_pixel(&self, session: &str, key: &str) -> bool {
        locked(&self.state).clients.values().any(|client| *client.session == *session && client.holds(key))
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
        locked(&self.state).clients.values().any(|client| *client.session == *session)
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
        if applied.dataset {
            return self.begin(&applied.view);
        }
        let before = locked(&self.state).view.clone();
        let told = mirror::tell(applied, before.as_deref(), self.fps, &*self.ambient);
        let mut state = locked(&self.state);
        state.show(Arc::clone(&applied.view));
        self.broadcast(&mut state, &told);
    }

    /// Another dataset: a new epoch, and its baseline for everyone.
    fn begin(&self, view: &Arc<AppliedView>) {
        let baseline = Arc::new(Baseline::of(view, self.fps, &*self.ambient));
        let history = History::new(epochs(&*self.ambient));
        let timestamp = self.ambient.unix_seconds();
        let mut guard = locked(&self.state);
        let state = &mut *guard;
        state.show(Arc::clone(view));
        state.baseline = Some(Arc::clone(&baseline));
        state.history = history;
        state.faults.clear();
        add(&self.counters.stream_configs, state.stream.iter().len() as u64 * state.clients.len() as u64);
        for notice in baseline.notices().chain(state.stream.as_ref().map(|(_, notice)| notice)) {
            let token = notice.topic().map(|topic| state.history.token(topic));
            state.clients.values_mut().for_each(|client| client.tell(notice, token, timestamp));
        }
    }

    /// The scene tells the size of the canvas before the stream does. The first picture of another size can be encoded before the view
    /// that it shows has been told of.
    fn stream(&self, config: &StreamConfig) {
        let shown = locked(&self.state).view.clone();
        if let Some(view) = shown.filter(|view| view.canvas != config.size) {
            let view = Arc::new(AppliedView { canvas: config.size, ..AppliedView::clone(&view) });
            self.applied(&Applied { canvas: true, ..Applied::unchanged(view) });
        }
        let notice = match wire::stream(config) {
            Ok(stream) => Arc::new(Notice::ready(Kind::Stream, &stream, self.ambient.random())),
            Err(error) => return warn!(%error, "the encoder's parameter sets are unusable"),
        };
        let mut state = locked(&self.state);
        // A mere repetition would make the Python client ask for a keyframe (PROTOCOL §11.3).
        if state.stream.as_ref().is_none_or(|(_, known)| known.payload(Dialect::default()) != notice.payload(Dialect::default()))
        {
            state.stream = Some((config.size, Arc::clone(&notice)));
            add(&self.counters.stream_configs, state.clients.len() as u64);
            self.broadcast(&mut state, &[Told { notice, audience: Audience::Everyone }]);
        }
    }

    fn ack(&self, client: ClientId, intent_id: String, outcome: Result<Accepted, Rejection>) {
        let (outbox, pending) = {
            let mut state = locked(&self.state);
            let Some(sender) = state.clients.get_mut(&client) else { return };
            let Some(pending) = sender.take_pending(&intent_id) else {
                return debug!(%intent_id, "an answer to an intent that nobody awaits");
            };
            (Arc::clone(&sender.outbox), pending)
        };
        let Pending { intent_id, frame_id, session } = pending;
        let ack = match outcome {
            Ok(Accepted { applied_value, version }) => StateAck::accepted(intent_id, frame_id, applied_value, version),
            Err(Rejection { code, message, details }) => {
                let details = Some(details).filter(|details| !details.is_null());
                StateAck::rejected(intent_id, frame_id, AckError { code: code.to_owned(), message, details })
            }
        };
        self.send_ack(&outbox, &session, &ack);
    }

    /// Tells a client that its camera command was accepted; others are told with the next frame.
    fn echo(&self, client: ClientId, intent_id: String, mode: &'static str, delta: Value) {
        let Value::Object(delta) = delta else { return debug!(mode, "a camera echo without an object") };
        let Some(camera) = wire::echo(mode, delta) else {
            return warn!(mode, "a camera echo of a mode that the wire does not know");
        };
        let notice = Notice::ready(Kind::Camera, &camera, self.ambient.random()).by(Some((client, intent_id)));
        let told = Told { notice: Arc::new(notice), audience: Audience::Only(client) };
        self.broadcast(&mut locked(&self.state), &[told]);
    }

    /// Keeps what has a history and puts it all into the outboxes of those who are to be told, in order.
    fn broadcast(&self, state: &mut State, told: &[Told]) {
        let (now, timestamp) = (self.ambient.now(), self.ambient.unix_seconds());
        let State { clients, history, .. } = state;
        for Told { notice, audience } in told {
            if let Some(layer) = notice.thumbnail_of() {
                // One picture per layer is enough for who comes back.
                history.layers.forget(|earlier| earlier.thumbnail_of() == Some(layer));
            }
            let token = notice.topic().map(|topic| match topic {
                Topic::Layers => history.layers.append(Arc::clone(notice), now),
                Topic::Stream => history.stream.append(Arc::clone(notice), now),
                Topic::Scene => history.token(topic),
            });
            match audience {
                Audience::Everyone => clients.values_mut().for_each(|client| client.tell(notice, token, timestamp)),
                Audience::Only(one) => {
                    if let Some(client) = clients.get_mut(one) {
                        client.tell(notice, token, timestamp);
                    }
                }
                Audience::AllBut(few) => {
                    let others = clients.iter_mut().filter(|(id, _)| !few.contains(id));
                    others.for_each(|(_, client)| client.tell(notice, token, timestamp));
                }
            }
        }
    }

    pub(crate) fn send(&self, client: ClientId, kind: Kind, prefix: &str, payload: &impl Serialize) {
        if let Some((outbox, session)) = self.addressee(client) {
            outbox.push(Frame::Text(self.frame(kind, prefix, Some(&session), payload)));
        }
    }

    fn addressee(&self, client: ClientId) -> Option<(Arc<Outbox>, Arc<str>)> {
        let state = locked(&self.state);
        state.clients.get(&client).map(|client| (Arc::clone(&client.outbox), Arc::clone(&client.session)))
    }

    /// An ack names the session that the update named, not the one that it came through.
    fn send_ack(&self, outbox: &Outbox, session: &str, ack: &StateAck) {
        outbox.push(Frame::Text(self.frame(Kind::UpdateAck, "ack", Some(session), ack)));
    }

    fn frame(&self, kind: Kind, prefix: &str, session: Option<&str>, payload: &impl Serialize) -> String {
        let frame_id = format!("{prefix}-{:032x}", self.ambient.random());
        let mut head = Head::new(kind, self.ambient.unix_seconds()).frame_id(&frame_id);
        if let Some(session) = session {
            head = head.session(session);
        }
        checked(head.around(&notice::json(payload)), Dialect::default())
    }
}

impl Sink for Hub {
    fn event(&self, event: Event) {
        match event {
            Event::Ack { client, intent_id, outcome } => self.ack(client, intent_id, outcome),
            Event::CameraEcho { client, intent_id, mode, delta } => self.echo(client, intent_id, mode, delta),
            Event::Applied(applied) => self.applied(&applied),
            Event::Stream(config) => self.stream(&config),
            Event::Level(switch) => self.tell_level(&wire::level(&switch, self.ambient.unix_seconds())),
            Event::Warning { domain, code, message } => {
                warn!(domain, code, "{message}");
                let fault = wire::fault(domain, code, message, severity(domain, code));
                // What is critical is over when a newcomer sees a picture; the data's faults are not.
                let lasts = fault.severity != Severity::Critical;
                let notice = Arc::new(Notice::ready(Kind::Error, &fault, self.ambient.random()));
                let mut state = locked(&self.state);
                if lasts {
                    state.faults.remember(&notice);
                }
                self.broadcast(&mut state, &[Told { notice, audience: Audience::Everyone }]);
            }
        }
    }

    fn packet(&self, packet: Packet) {
        self.fanout.packet(packet, self.ambient.now(), &self.counters);
    }
}

/// Names of new epochs. Each topic has its own, so that a token of one is none of another.
fn epochs(ambient: &dyn Ambient) -> [u64; 3] {
    std::array::from_fn(|_| (ambient.random() >> 64) as u64)
}
