//! The state machine of one state socket, for `:8081` and `/ws/state` alike.
//!
//! Feed it with `handle_*`, then take every [`Action`] from [`SessionMachine::poll_action`], then wait until
//! [`SessionMachine::poll_timeout`] or the next message.
//!
//! ```text
//! AwaitHello --hello--> Admitted --opened()--> Open --goodbye, two missed heartbeats--> Closed
//!      \--anything else, 5 s--> Closed
//! ```

use super::handshake;
use super::limits::{MAX_MESSAGE, MessageLimit, Verdict};
use nc_protocol::command::Call;
use nc_protocol::extension::Feedback;
use nc_protocol::handshake::{Hello, Reject, RejectCode};
use nc_protocol::liveness::Goodbye;
use nc_protocol::update::StateUpdate;
use nc_protocol::{Inbound, Malformed, classify};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a client may take to say hello.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Period of heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Heartbeats that may go unanswered before the session ends.
const MISSED_HEARTBEATS: u32 = 2;

/// What the owner of the socket is to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The handshake is fine: let the client in, then call [`SessionMachine::opened`].
    Admit(Hello),
    /// Send a `session.reject`.
    Reject(Reject),
    /// Send a `session.heartbeat`.
    Heartbeat,
    /// Send a `session.goodbye`.
    Goodbye(Goodbye),
    /// Hand the intent on.
    Update {
        /// The session that the client named.
        session: String,
        /// The frame to answer.
        frame_id: String,
        /// The client's name for the intent.
        intent_id: String,
        /// What is wanted.
        update: StateUpdate,
    },
    /// Run the command.
    Command {
        /// The frame to answer.
        frame_id: String,
        /// What is called.
        call: Call,
    },
    /// Answer a broken intent or command.
    Refuse(Malformed),
    /// Answer an intent or command that came on top of too many messages.
    Excess(Excess),
    /// The client has come so far with the pictures.
    Feedback(Feedback),
    /// Close the socket once everything before is sent.
    Close(Close),
}

/// A message that came on top of too many and is answered all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excess {
    /// An intent.
    Update {
        /// The session that the client named.
        session: String,
        /// The frame to answer.
        frame_id: String,
        /// The client's name for the intent.
        intent_id: String,
    },
    /// A command.
    Command {
        /// The frame to answer.
        frame_id: String,
    },
}

/// How a socket closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// Websocket close code.
    pub code: u16,
    /// For people.
    pub reason: &'static str,
}

impl Close {
    /// The peer asked for it, or was refused.
    pub const NORMAL: u16 = 1000;
    /// The peer broke a rule, such as how much it may send.
    pub const POLICY: u16 = 1008;
    /// The peer sent a message that is too large.
    pub const TOO_LARGE: u16 = 1009;
    /// The peer did not keep up or went silent.
    pub const FAILED: u16 = 1011;
    /// The server is going down; the peer should come back later.
    pub const RESTART: u16 = 1012;
}

#[derive(Debug, Clone, Copy)]
enum State {
    AwaitHello { until: Instant },
    Admitted,
    Open { next_beat: Instant, unanswered: bool, missed: u32 },
    Closed,
}

/// One state socket.
#[derive(Debug)]
pub struct SessionMachine {
    state: State,
    limit: MessageLimit,
    actions: VecDeque<Action>,
}

impl SessionMachine {
    /// A socket that has just opened.
    pub fn new(now: Instant) -> Self {
        let state = State::AwaitHello { until: now + HANDSHAKE_TIMEOUT };
        Self { state, limit: MessageLimit::new(now), actions: VecDeque::new() }
    }

    /// The client was let in; heartbeats begin.
    pub fn opened(&mut self, now: Instant) {
        if matches!(self.state, State::Admitted) {
            self.state = State::Open { next_beat: now + HEARTBEAT, unanswered: false, missed: 0 };
        }
    }

    /// A text message came.
    pub fn handle_text(&mut self, now: Instant, text: &str) {
        if text.len() > MAX_MESSAGE {
            return self.handle_oversize();
        }
        match self.state {
            State::AwaitHello { .. } => match handshake::judge(classify(text)) {
                Ok(hello) => {
                    self.state = State::Admitted;
                    self.actions.push_back(Action::Admit(hello));
                }
                Err(reject) => self.refuse(reject, Close { code: Close::NORMAL, reason: "rejected" }),
            },
            State::Open { .. } => {
                self.handle_life();
                match self.limit.judge(now) {
                    Verdict::Taken => self.act_on(classify(text)),
                    Verdict::Refused => self.refuse_excess(classify(text)),
                    Verdict::Hopeless => {
                        let close = Close { code: Close::POLICY, reason: "too many messages" };
                        self.part(goodbye("rate_limit", "more than 500 messages a second", "rate_limit"), close);
                    }
                }
            }
            State::Admitted | State::Closed => {}
        }
    }

    /// A binary message came; one that is text after all is taken as such.
    pub fn handle_binary(&mut self, now: Instant, bytes: &[u8]) {
        match (std::str::from_utf8(bytes), self.state) {
            (Ok(text), _) => self.handle_text(now, text),
            (Err(_), _) if bytes.len() > MAX_MESSAGE => self.handle_oversize(),
            (Err(error), State::AwaitHello { .. }) => {
                let close = Close { code: Close::NORMAL, reason: "rejected" };
                self.refuse(handshake::invalid_payload(&error.to_string()), close);
            }
            // Rubbish counts like any other message.
            (Err(_), _) => self.handle_text(now, ""),
        }
    }

    /// A message came, or begins to come, that is larger than [`MAX_MESSAGE`].
    pub fn handle_oversize(&mut self) {
        let close = Close { code: Close::TOO_LARGE, reason: "message too large" };
        match self.state {
            State::AwaitHello { .. } => self.refuse(handshake::invalid_payload("a message may hold 1 MiB"), close),
            State::Open { .. } => self.part(goodbye("message_too_large", "a message may hold 1 MiB", "message_too_large"), close),
            State::Admitted | State::Closed => {}
        }
    }

    /// Something came that shows that the client lives, such as a websocket ping.
    pub fn handle_life(&mut self) {
        if let State::Open { unanswered, .. } = &mut self.state {
            *unanswered = false;
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::AwaitHello { until } if now >= *until => {
                let close = Close { code: Close::NORMAL, reason: "rejected" };
                self.refuse(handshake::reject(RejectCode::Timeout, "no session.hello within 5 s", None), close);
            }
            State::Open { next_beat, unanswered, missed } if now >= *next_beat => {
                *missed = if *unanswered { *missed + 1 } else { 0 };
                if *missed >= MISSED_HEARTBEATS {
                    let close = Close { code: Close::FAILED, reason: "heartbeat timeout" };
                    self.part(goodbye("timeout", "heartbeat timeout", "heartbeat_timeout"), close);
                    return;
                }
                *unanswered = true;
                // A process that slept does not send the beats that it missed.
                *next_beat = now + HEARTBEAT;
                self.actions.push_back(Action::Heartbeat);
            }
            _ => {}
        }
    }

    /// When [`Self::handle_timeout`] is due; `None` when never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::AwaitHello { until } => Some(until),
            State::Open { next_beat, .. } => Some(next_beat),
            State::Admitted | State::Closed => None,
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn act_on(&mut self, message: Inbound) {
        match message {
            Inbound::Update { session, frame_id, intent_id, update } => {
                self.actions.push_back(Action::Update { session, frame_id, intent_id, update });
            }
            Inbound::Command { frame_id, call } => self.actions.push_back(Action::Command { frame_id, call }),
            Inbound::Malformed(broken @ (Malformed::Update { .. } | Malformed::Command { .. })) => {
                self.actions.push_back(Action::Refuse(broken));
            }
            Inbound::Goodbye(given) => {
                let default = goodbye("goodbye", "client requested shutdown", "client_goodbye");
                let answer = Goodbye {
                    code: given.code.or(default.code),
                    message: given.message.or(default.message),
                    reason: given.reason.or(default.reason),
                };
                self.part(answer, Close { code: Close::NORMAL, reason: "goodbye" });
            }
            // A second hello changes nothing; acks, pings and rubbish have done their work by arriving.
            Inbound::Hello(_) | Inbound::Malformed(Malformed::Hello { .. }) | Inbound::Ack | Inbound::Ignored(_) => {}
            Inbound::Feedback(feedback) => self.actions.push_back(Action::Feedback(feedback)),
        }
    }

    /// Who asked for something is told that it gets nothing; who leaves may leave.
    fn refuse_excess(&mut self, message: Inbound) {
        let excess = match message {
            Inbound::Update { session, frame_id, intent_id, .. }
            | Inbound::Malformed(Malformed::Update { session, frame_id, intent_id, .. }) => {
                Excess::Update { session, frame_id, intent_id }
            }
            Inbound::Command { frame_id, .. } | Inbound::Malformed(Malformed::Command { frame_id: Some(frame_id), .. }) => {
                Excess::Command { frame_id }
            }
            goodbye @ Inbound::Goodbye(_) => return self.act_on(goodbye),
            _ => return,
        };
        self.actions.push_back(Action::Excess(excess));
    }

    fn refuse(&mut self, reject: Reject, close: Close) {
        self.state = State::Closed;
        self.actions.push_back(Action::Reject(reject));
        self.actions.push_back(Action::Close(close));
    }

    fn part(&mut self, goodbye: Goodbye, close: Close) {
        self.state = State::Closed;
        self.actions.push_back(Action::Goodbye(goodbye));
        self.actions.push_back(Action::Close(close));
    }
}

/// A goodbye with all its fields.
pub(crate) fn goodbye(code: &str, message: &str, reason: &str) -> Goodbye {
    Goodbye { code: Some(code.to_owned()), message: Some(message.to_owned()), reason: Some(reason.to_owned()) }
}
