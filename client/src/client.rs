//! The state machine of one session, seen from the client.

use crate::liveness::Liveness;
use crate::resume::Resume;
use crate::view::View;
use nc_protocol::command::Call;
use nc_protocol::extension::{self, Feedback, LevelReport, Role};
use nc_protocol::handshake::{Auth, ClientInfo, Hello, Reject, RejectCode, Welcome};
use nc_protocol::liveness::{Empty, Goodbye};
use nc_protocol::notify;
use nc_protocol::pixel::{Header, HeaderError};
use nc_protocol::update::{AckError, AckStatus, StateAck, StateUpdate};
use nc_protocol::{BOUND_PIXEL, Body, FrameError, Head, Kind, ServerFrame, VERSION};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// Who the client says it is, and which extensions it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Extensions, such as [`nc_protocol::BOUND_PIXEL`].
    pub extensions: Vec<String>,
}

/// What the owner of the client may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The session is open.
    Welcomed(Welcome),
    /// The server refused.
    Rejected(Reject),
    /// An intent was answered.
    Answered(Answer),
    /// A command was answered: the id of the call, and its result or error code and message.
    Replied {
        /// `frame_id` of the call.
        call: String,
        /// What came of it.
        outcome: Result<Option<Value>, (String, String)>,
    },
    /// The view changed.
    Viewed(Kind),
    /// Someone moved the camera. Holds the intent if it was ours.
    Moved {
        /// Ours.
        intent_id: Option<String>,
        /// What was asked.
        camera: notify::Camera,
    },
    /// A fault that people should know.
    Warned(notify::Error),
    /// How the server does ([`extension::TELEMETRY`]).
    Measured(extension::Telemetry),
    /// A decision about the level ([`extension::LEVEL`]).
    Leveled(LevelReport),
    /// What the session may do ([`extension::ROLE`]).
    Assigned(Role),
    /// The server ends the session.
    Parted(Goodbye),
    /// The server went silent: close the socket with [`Client::SILENT`] and connect again, see [`Client::into_resume`].
    Lost,
}

/// The answer to an intent of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Which intent.
    pub intent_id: String,
    /// The applied value and its version, or why not.
    pub outcome: Result<(Option<Value>, u64), AckError>,
    /// When the intent was made.
    pub sent: Instant,
    /// When the answer came.
    pub received: Instant,
}

/// A packet of the pixel channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Packet<'a> {
    /// What is known without decoding.
    pub header: Header,
    /// The access unit.
    pub access_unit: &'a [u8],
    /// Packets that are missing before this one.
    pub lost: u32,
}

/// Why a message of the pixel channel is not a packet.
pub type PacketError = HeaderError;

/// One session. A reconnect is a new `Client`, made with what the old one leaves behind.
#[derive(Debug)]
pub struct Client {
    view: View,
    tokens: BTreeMap<String, String>,
    liveness: Liveness,
    session: Option<String>,
    /// Extensions that the server granted.
    granted: BTreeSet<String>,
    pixel_key: Option<String>,
    intents: u64,
    frames: u64,
    pending: BTreeMap<String, Instant>,
    output: VecDeque<String>,
    events: VecDeque<Event>,
    next_seq: Option<u32>,
    ended: bool,
}

impl Client {
    /// Close code of a websocket whose server went silent.
    pub const SILENT: u16 = 1011;

    /// A client whose first output is its hello. `unix_seconds` is the wall clock.
    pub fn new(identity: Identity, unix_seconds: f64) -> Self {
        Self::open(identity, None, Resume::default(), unix_seconds)
    }

    /// A client that goes on where another one stopped.
    pub fn resume(identity: Identity, resume: Resume, unix_seconds: f64) -> Self {
        Self::open(identity, None, resume, unix_seconds)
    }

    /// A client that may show credentials and may go on where another one stopped.
    pub fn open(identity: Identity, auth: Option<Auth>, resume: Resume, unix_seconds: f64) -> Self {
        let Resume { tokens, view } = resume;
        let topics = [Kind::Scene, Kind::Layers, Kind::Stream, Kind::Dims, Kind::Camera].map(|kind| kind.name().to_owned());
        let hello = Hello {
            protocols: vec![VERSION],
            client: ClientInfo { name: identity.name, version: identity.version, platform: std::env::consts::OS.to_owned() },
            resume_tokens: topics.iter().take(3).map(|topic| (topic.clone(), tokens.get(topic).cloned())).collect(),
            features: topics.into_iter().chain(identity.extensions).map(|name| (name, true)).collect(),
            auth,
        };
        let mut client = Self {
            view,
            tokens,
            liveness: Liveness::default(),
            session: None,
            granted: BTreeSet::new(),
            pixel_key: None,
            intents: 0,
            frames: 0,
            pending: BTreeMap::new(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            next_seq: None,
            ended: false,
        };
        client.send(Kind::Hello, None, &hello, unix_seconds);
        client
    }

    /// What the next client needs to go on where this one stops.
    pub fn into_resume(self) -> Resume {
        Resume { tokens: self.tokens, view: self.view }
    }

    /// What is known of the server.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The session, once it is open.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The query that binds a pixel socket to this session, if the server gave a key.
    pub fn pixel_query(&self) -> Option<String> {
        Some(format!("session={}&key={}", self.session.as_ref()?, self.pixel_key.as_ref()?))
    }

    /// Whether the server granted an extension.
    pub fn granted(&self, extension: &str) -> bool {
        self.granted.contains(extension)
    }

    /// Whether server or client ended the session.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Intents that were not answered yet.
    pub fn unanswered(&self) -> usize {
        self.pending.len()
    }

    /// The socket opened at `now`: the server has 5 s for its welcome.
    pub fn handle_connected(&mut self, now: Instant) {
        if !self.ended && self.session.is_none() {
            self.liveness.connected(now);
        }
    }

    /// When [`Self::handle_timeout`] is due; `None` when never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.liveness.deadline().filter(|_| !self.ended)
    }

    /// Time has passed. A server that kept silent for too long is [`Event::Lost`], once.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.ended = true;
            self.events.push_back(Event::Lost);
        }
    }

    /// A text message came at `now`; `unix_seconds` is the wall clock.
    ///
    /// # Errors
    /// When the message is no frame of a server. A tolerant owner logs it and goes on.
    pub fn handle_text(&mut self, now: Instant, unix_seconds: f64, text: &str) -> Result<(), FrameError> {
        let frame = ServerFrame::parse(text)?;
        let token = frame.sequence.map(|(_, token)| token);
        let kind = match frame.body {
            Body::Welcome(welcome) => {
                self.welcomed(now, welcome);
                return Ok(());
            }
            Body::Reject(reject) => {
                self.rejected(reject);
                return Ok(());
            }
            Body::Heartbeat(Empty {}) => {
                self.liveness.beat(now);
                self.send(Kind::SessionAck, None, &Empty {}, unix_seconds);
                return Ok(());
            }
            Body::Goodbye(goodbye) => {
                self.ended = true;
                self.events.push_back(Event::Parted(goodbye));
                return Ok(());
            }
            Body::UpdateAck(ack) => {
                self.answered(ack, now);
                return Ok(());
            }
            Body::Reply(reply) => {
                self.events.push_back(Event::Replied { call: reply.in_reply_to, outcome: Ok(reply.result) });
                return Ok(());
            }
            Body::CommandError(error) => {
                let outcome = Err((error.code, error.message));
                self.events.push_back(Event::Replied { call: error.in_reply_to, outcome });
                return Ok(());
            }
            Body::Error(error) => {
                self.events.push_back(Event::Warned(error));
                return Ok(());
            }
            Body::Camera(camera) if camera.state.is_none() => {
                self.events.push_back(Event::Moved { intent_id: frame.intent_id, camera });
                return Ok(());
            }
            Body::Scene(scene) => {
                self.view.scene(scene);
                Kind::Scene
            }
            Body::Dims(dims) => {
                self.view.dims(dims);
                Kind::Dims
            }
            Body::Camera(camera) => {
                self.view.camera(camera);
                Kind::Camera
            }
            Body::Layers(change) => {
                self.view.layers(change);
                Kind::Layers
            }
            Body::Stream(stream) => {
                self.view.stream(stream);
                Kind::Stream
            }
            Body::XTelemetry(telemetry) => {
                self.events.push_back(Event::Measured(telemetry));
                return Ok(());
            }
            Body::XLevel(report) => {
                self.events.push_back(Event::Leveled(report));
                return Ok(());
            }
            Body::XLabels(labels) => {
                self.view.labels(&labels);
                return Ok(());
            }
            Body::XRole(role) => {
                self.events.push_back(Event::Assigned(role));
                return Ok(());
            }
            Body::SceneLevel(_) | Body::Telemetry(_) => return Ok(()),
        };
        if let Some(token) = token {
            self.tokens.insert(kind.name().to_owned(), token);
        }
        self.events.push_back(Event::Viewed(kind));
        Ok(())
    }

    /// A message of the pixel channel came.
    ///
    /// # Errors
    /// When it is not a packet.
    pub fn handle_packet<'a>(&mut self, message: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let (header, access_unit) = Header::decode(message)?;
        let lost = self.next_seq.map_or(0, |next| header.seq.wrapping_sub(next));
        self.next_seq = Some(header.seq.wrapping_add(1));
        Ok(Packet { header, access_unit, lost })
    }

    /// Asks for a change. Returns the intent's id; `None` while no session is open.
    pub fn update(&mut self, now: Instant, unix_seconds: f64, update: &StateUpdate) -> Option<String> {
        self.session.as_ref()?;
        self.intents += 1;
        let intent_id = format!("intent-{:08x}", self.intents);
        self.pending.insert(intent_id.clone(), now);
        self.send(Kind::Update, Some(&intent_id), update, unix_seconds);
        Some(intent_id)
    }

    /// Calls a command. Returns the call's id; `None` while no session is open.
    pub fn call(&mut self, unix_seconds: f64, call: &Call) -> Option<String> {
        self.session.as_ref()?;
        Some(self.send(Kind::Call, None, call, unix_seconds))
    }

    /// Tells how far the pictures have come, if the server wants to know ([`extension::FEEDBACK`]).
    pub fn feedback(&mut self, unix_seconds: f64, feedback: &Feedback) {
        if self.granted(extension::FEEDBACK) {
            self.send(Kind::XFeedback, None, feedback, unix_seconds);
        }
    }

    /// Says goodbye; the server answers and closes.
    pub fn leave(&mut self, unix_seconds: f64) {
        if self.session.is_some() {
            self.send(Kind::Goodbye, None, &Goodbye::default(), unix_seconds);
        }
    }

    /// The next text to send on the state channel.
    pub fn poll_output(&mut self) -> Option<String> {
        self.output.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn welcomed(&mut self, now: Instant, welcome: Welcome) {
        self.session = Some(welcome.session.id.clone());
        let on = |name: &&str| welcome.features.get(*name).is_some_and(|toggle| toggle.enabled);
        self.granted = extension::ALL.into_iter().filter(on).map(str::to_owned).collect();
        self.pixel_key = welcome.features.get(BOUND_PIXEL).and_then(|toggle| toggle.key.clone());
        self.liveness.welcomed(now, welcome.session.heartbeat_s);
        self.events.push_back(Event::Welcomed(welcome));
    }

    /// A token that the server refuses is good for nothing.
    fn rejected(&mut self, reject: Reject) {
        self.ended = true;
        let topic = reject.details.as_ref().and_then(|details| details.get("topic")).and_then(Value::as_str);
        match topic.filter(|_| reject.code == RejectCode::InvalidResumeToken) {
            Some(topic) => drop(self.tokens.remove(topic)),
            None if reject.code == RejectCode::InvalidResumeToken => self.tokens.clear(),
            None => {}
        }
        self.events.push_back(Event::Rejected(reject));
    }

    /// An answer to an intent that is not open is ignored.
    fn answered(&mut self, ack: StateAck, received: Instant) {
        let Some(sent) = self.pending.remove(&ack.intent_id) else { return };
        let outcome = match (ack.status, ack.version, ack.error) {
            (AckStatus::Accepted, Some(version), None) => Ok((ack.applied_value, version)),
            (AckStatus::Rejected, _, Some(error)) => Err(error),
            // The server broke the schema; the intent stays open, as PROTOCOL §6.1 says of the Python client.
            _ => {
                self.pending.insert(ack.intent_id, sent);
                return;
            }
        };
        self.events.push_back(Event::Answered(Answer { intent_id: ack.intent_id, outcome, sent, received }));
    }

    /// Queues a frame and returns its id.
    fn send(&mut self, kind: Kind, intent_id: Option<&str>, payload: &impl serde::Serialize, unix_seconds: f64) -> String {
        self.frames += 1;
        let frame_id = format!("{}-{:08x}", kind.name().replace('.', "-"), self.frames);
        let mut head = Head::new(kind, unix_seconds).frame_id(&frame_id);
        if let Some(session) = &self.session {
            head = head.session(session);
        }
        if let Some(intent_id) = intent_id {
            head = head.intent_id(intent_id);
        }
        // Our payloads have only string keys, so they are always JSON.
        if let Ok(text) = head.frame(payload) {
            self.output.push_back(text);
        }
        frame_id
    }
}
