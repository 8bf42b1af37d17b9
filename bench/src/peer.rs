//! One of many clients: a session with or without pictures, that judges the order of everything it is sent.

use crate::client::{PATIENCE, Socket, open, unix_seconds};
use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use nc_client::{Answer, Client, Event, Identity};
use nc_protocol::pixel::Header;
use nc_protocol::resume::DeltaToken;
use nc_protocol::update::StateUpdate;
use nc_protocol::validate::Conversation;
use nc_protocol::{BOUND_PIXEL, Body, ServerFrame};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::mem::Discriminant;
use std::net::SocketAddr;
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Something that came.
#[derive(Debug)]
pub enum Came {
    /// An intent was answered.
    Answer(Answer),
    /// Any other frame.
    Told(ServerFrame),
    /// An access unit.
    Packet(Header),
}

/// One session.
pub struct Peer {
    state: Socket,
    pixel: Option<Socket>,
    client: Client,
    order: Order,
}

/// What must hold of the order of all frames of one client, beyond what each frame says by itself.
#[derive(Default)]
struct Order {
    conversation: Conversation,
    /// Our intents without an answer, oldest first.
    unanswered: VecDeque<String>,
    /// The newest place of each topic.
    places: BTreeMap<String, DeltaToken>,
    frames: u64,
}

impl Order {
    fn take(&mut self, text: &str) -> Result<ServerFrame> {
        let frame = self.conversation.next(text).with_context(|| text.chars().take(400).collect::<String>())?;
        self.frames += 1;
        if let Body::UpdateAck(ack) = &frame.body {
            let expected = self.unanswered.pop_front();
            ensure!(expected.as_ref() == Some(&ack.intent_id), "an ack of {} where {expected:?} was due", ack.intent_id);
        }
        if let Some((_, token)) = &frame.sequence {
            let place: DeltaToken = token.parse()?;
            if let Some(before) = self.places.insert(topic(&frame.body), place) {
                let forward = before.epoch != place.epoch || before.position <= place.position;
                ensure!(forward, "a change of position {} after one of {}", place.position, before.position);
            }
        }
        Ok(frame)
    }
}

/// Topics are told apart by the kind of their frames.
fn topic(body: &Body) -> String {
    let kind: Discriminant<Body> = std::mem::discriminant(body);
    format!("{kind:?}")
}

impl Peer {
    /// Opens a session that asks for `extensions`, with a pixel socket bound to it if `pictures`.
    pub async fn connect(at: SocketAddr, extensions: &[&str], pictures: bool) -> Result<Self> {
        let extensions = extensions.iter().copied().chain(pictures.then_some(BOUND_PIXEL)).map(str::to_owned).collect();
        let identity = Identity { name: "nc-bench".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), extensions };
        let state = open(at, "/ws/state").await?;
        let mut peer = Self { state, pixel: None, client: Client::new(identity, unix_seconds()), order: Order::default() };
        let deadline = Instant::now() + PATIENCE;
        while peer.client.view().dims.is_none() {
            peer.next(deadline).await?.context("no baseline came")?;
        }
        if pictures {
            let query = peer.client.pixel_query().context("the server binds no pixel sockets")?;
            peer.pixel = Some(open(at, &format!("/ws/pixel?{query}")).await?);
        }
        Ok(peer)
    }

    /// What the server has told.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How many frames came.
    pub fn frames(&self) -> u64 {
        self.order.frames
    }

    /// Sends an intent; returns its id.
    pub async fn send(&mut self, scope: &str, target: &str, key: &str, value: Value) -> Result<String> {
        let update = StateUpdate { scope: scope.to_owned(), target: target.to_owned(), key: key.to_owned(), value };
        let id = self.client.update(Instant::now(), unix_seconds(), &update).context("no session is open")?;
        self.order.unanswered.push_back(id.clone());
        self.flush().await?;
        Ok(id)
    }

    async fn flush(&mut self) -> Result<()> {
        while let Some(text) = self.client.poll_output() {
            self.order.conversation.heard(&text);
            self.state.send(Message::text(text)).await?;
        }
        Ok(())
    }

    /// What comes next before `deadline`, and when it came; `None` at the deadline.
    ///
    /// # Errors
    /// When a frame breaks a rule, a packet is missing, or a channel ends.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<(Instant, Came)>> {
        loop {
            // The hello, and answers to heartbeats.
            self.flush().await?;
            let pixel = async {
                match &mut self.pixel {
                    Some(socket) => socket.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.state.next() => {
                    let now = Instant::now();
                    match message.context("the state channel ended")?? {
                        Message::Text(text) => return Ok(Some((now, self.told(now, &text)?))),
                        Message::Close(close) => bail!("the server closed the state channel: {close:?}"),
                        _ => {}
                    }
                }
                message = pixel => {
                    let now = Instant::now();
                    match message.context("the pixel channel ended")?? {
                        Message::Binary(bytes) => {
                            let packet = self.client.handle_packet(&bytes)?;
                            ensure!(packet.lost == 0, "{} packets are missing before {}", packet.lost, packet.header.seq);
                            return Ok(Some((now, Came::Packet(packet.header))));
                        }
                        Message::Close(close) => bail!("the server closed the pixel channel: {close:?}"),
                        _ => {}
                    }
                }
                () = tokio::time::sleep_until(deadline.into()) => return Ok(None),
            }
        }
    }

    fn told(&mut self, now: Instant, text: &str) -> Result<Came> {
        let frame = self.order.take(text)?;
        self.client.handle_text(now, unix_seconds(), text)?;
        let mut came = Came::Told(frame);
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Answered(answer) => came = Came::Answer(answer),
                Event::Parted(goodbye) => bail!("the server ends the session: {goodbye:?}"),
                Event::Rejected(reject) => bail!("the server refuses the session: {reject:?}"),
                _ => {}
            }
        }
        Ok(came)
    }
}
