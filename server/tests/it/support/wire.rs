//! Clients over real sockets. Every frame passes the strict validator before a test sees it.

use super::{PATIENCE, WALL};
use futures_util::{SinkExt, StreamExt};
use nc_client::{Client, Identity};
use nc_protocol::pixel::Header;
use nc_protocol::update::StateUpdate;
use nc_protocol::validate::Conversation;
use nc_protocol::{BOUND_PIXEL, ServerFrame};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The hello of the Python client (PROTOCOL §3).
pub(crate) fn hello() -> Value {
    json!({"type": "session.hello", "version": 2, "frame_id": "hello-3f0c9f6f1c8a4c2bb8f0a7a0c9a1d2e3", "timestamp": WALL,
      "payload": {"protocols": [2],
        "client": {"name": "napari-cuda-client", "version": "0.1.0", "platform": "Linux-6.1-x86_64-with-glibc2.36"},
        "features": {"notify.scene": true, "notify.layers": true, "notify.stream": true, "notify.dims": true,
                     "notify.camera": true},
        "resume_tokens": {"notify.scene": null, "notify.layers": null, "notify.stream": null}}})
}

/// A state socket.
pub(crate) struct Wire {
    socket: Socket,
    conversation: Conversation,
    pub(crate) client: Client,
}

impl Wire {
    /// Connects and says nothing.
    pub(crate) async fn silent(at: SocketAddr, path: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{at}{path}")).await.unwrap();
        let identity = Identity { name: "test".to_owned(), version: "1".to_owned(), extensions: vec![BOUND_PIXEL.to_owned()] };
        Self { socket, conversation: Conversation::default(), client: Client::new(identity, WALL) }
    }

    /// Connects and reads the baseline up to and including the stream; all its frames.
    pub(crate) async fn open(at: SocketAddr, path: &str) -> (Self, Vec<ServerFrame>) {
        let mut wire = Self::silent(at, path).await;
        wire.flush().await;
        let mut frames = Vec::new();
        while wire.client.view().stream.is_none() {
            frames.push(wire.next().await);
        }
        (wire, frames)
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.send_message(Message::text(text.into())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        if let Ok(text) = message.to_text() {
            self.conversation.heard(text);
        }
        self.socket.send(message).await.unwrap();
    }

    /// Sends an intent; returns its id.
    pub(crate) async fn update(&mut self, scope: &str, target: &str, key: &str, value: Value) -> String {
        let update = StateUpdate { scope: scope.to_owned(), target: target.to_owned(), key: key.to_owned(), value };
        let id = self.client.update(Instant::now(), WALL, &update).unwrap();
        self.flush().await;
        id
    }

    /// Sends what the client has to say.
    pub(crate) async fn flush(&mut self) {
        while let Some(text) = self.client.poll_output() {
            self.send(text).await;
        }
    }

    /// The next message of any kind; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message") {
            Some(Err(Error::ConnectionClosed)) | None => None,
            Some(message) => Some(message.unwrap()),
        }
    }

    /// The next frame, as text.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.message().await.expect("the socket is open") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next frame, judged and folded into the client's view.
    pub(crate) async fn next(&mut self) -> ServerFrame {
        let text = self.text().await;
        let frame = self.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}"));
        self.client.handle_text(Instant::now(), WALL, &text).unwrap();
        self.flush().await;
        frame
    }

    /// The close code that ends the socket; frames before it are judged.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match self.message().await.expect("a close frame") {
                Message::Close(Some(close)) => {
                    // Reading on sends the answer, for which the server waits.
                    assert_eq!(self.message().await, None);
                    return close.code.into();
                }
                Message::Text(text) => drop(self.conversation.next(&text).unwrap()),
                _ => {}
            }
        }
    }
}

/// A pixel socket.
pub(crate) struct Viewer {
    socket: Socket,
}

impl Viewer {
    pub(crate) async fn open(at: SocketAddr, path: &str) -> Result<Self, Error> {
        connect_async(format!("ws://{at}{path}")).await.map(|(socket, _)| Self { socket })
    }

    /// The next packet's header and access unit; `None` at the end.
    pub(crate) async fn packet(&mut self) -> Option<(Header, Vec<u8>)> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a packet")? {
                Ok(Message::Binary(bytes)) => {
                    let (header, unit) = Header::decode(&bytes).unwrap();
                    return Some((header, unit.to_vec()));
                }
                // Reading on answers it.
                Ok(Message::Ping(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("unexpected {other:?}"),
            }
        }
    }
}
