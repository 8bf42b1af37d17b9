//! A viewer without a screen: both channels of one session over real sockets, and when each thing came.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use nc_client::{Client, Event, Identity};
use nc_protocol::update::StateUpdate;
use nc_protocol::{BOUND_PIXEL, Kind};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest time in which a server that works says something when it has to.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Something that came.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// An intent was accepted.
    Accepted(String),
    /// The applied view changed: its pose or its dims.
    Applied,
    /// An access unit came.
    Packet {
        /// Whether it is an IDR.
        idr: bool,
        /// Its bytes.
        unit: Vec<u8>,
    },
}

/// Both channels of one session.
pub struct Viewer {
    state: Socket,
    pixel: Socket,
    client: Client,
}

impl Viewer {
    /// Opens a session and binds a pixel socket to it.
    pub async fn connect(at: SocketAddr) -> Result<Self> {
        let identity = Identity {
            name: "nc-bench".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: vec![BOUND_PIXEL.to_owned()],
        };
        let mut client = Client::new(identity, unix_seconds());
        let mut state = open(at, "/ws/state").await?;
        while client.pixel_query().is_none() {
            flush(&mut state, &mut client).await?;
            let message = tokio::time::timeout(PATIENCE, state.next()).await?.context("the server hung up")??;
            take(&mut client, &message)?;
        }
        let query = client.pixel_query().unwrap_or_default();
        let pixel = open(at, &format!("/ws/pixel?{query}")).await?;
        Ok(Self { state, pixel, client })
    }

    /// What the server has told of itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends an intent; returns its id.
    pub async fn send(&mut self, scope: &str, target: &str, key: &str, value: Value) -> Result<String> {
        let update = StateUpdate { scope: scope.to_owned(), target: target.to_owned(), key: key.to_owned(), value };
        let id = self.client.update(Instant::now(), unix_seconds(), &update).context("no session is open")?;
        flush(&mut self.state, &mut self.client).await?;
        Ok(id)
    }

    /// What comes next before `deadline`, and when it came; `None` at the deadline. Nothing is lost when the future is dropped.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<(Instant, Seen)>> {
        loop {
            if let Some(seen) = self.event()? {
                return Ok(Some((Instant::now(), seen)));
            }
            flush(&mut self.state, &mut self.client).await?;
            tokio::select! {
                message = self.state.next() => take(&mut self.client, &message.context("the state channel ended")??)?,
                message = self.pixel.next() => {
                    let now = Instant::now();
                    if let Message::Binary(bytes) = message.context("the pixel channel ended")?? {
                        let packet = self.client.handle_packet(&bytes)?;
                        let seen = Seen::Packet { idr: packet.header.keyframe, unit: packet.access_unit.to_vec() };
                        return Ok(Some((now, seen)));
                    }
                }
                () = tokio::time::sleep_until(deadline.into()) => return Ok(None),
            }
        }
    }

    /// The next event that matters here.
    fn event(&mut self) -> Result<Option<Seen>> {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Answered(answer) => match answer.outcome {
                    Ok(_) => return Ok(Some(Seen::Accepted(answer.intent_id))),
                    Err(error) => bail!("{} was refused: {error:?}", answer.intent_id),
                },
                Event::Viewed(Kind::Camera | Kind::Dims) => return Ok(Some(Seen::Applied)),
                Event::Parted(goodbye) => bail!("the server ends the session: {goodbye:?}"),
                Event::Rejected(reject) => bail!("the server refuses the session: {reject:?}"),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes what comes until `deadline`.
    pub async fn drain(&mut self, deadline: Instant) -> Result<()> {
        while self.next(deadline).await?.is_some() {}
        Ok(())
    }

    /// Waits for the first packet, which is an IDR, and returns when it came.
    pub async fn first_packet(&mut self) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        while let Some((at, seen)) = self.next(deadline).await? {
            match seen {
                Seen::Packet { idr: true, .. } => return Ok(at),
                Seen::Packet { idr: false, .. } => bail!("the first packet is no IDR"),
                Seen::Accepted(_) | Seen::Applied => {}
            }
        }
        bail!("no packet came within {} s", PATIENCE.as_secs())
    }
}

pub(crate) async fn open(at: SocketAddr, path: &str) -> Result<Socket> {
    let (socket, _) = connect_async(format!("ws://{at}{path}")).await.with_context(|| format!("connecting to {path}"))?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nodelay(true)?;
    }
    Ok(socket)
}

async fn flush(socket: &mut Socket, client: &mut Client) -> Result<()> {
    while let Some(text) = client.poll_output() {
        socket.send(Message::text(text)).await?;
    }
    Ok(())
}

fn take(client: &mut Client, message: &Message) -> Result<()> {
    match message {
        Message::Text(text) => client.handle_text(Instant::now(), unix_seconds(), text).context("a frame of the server"),
        Message::Close(close) => bail!("the server closed the state channel: {close:?}"),
        _ => Ok(()),
    }
}

pub(crate) fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
