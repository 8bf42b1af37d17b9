//! The server with its real engine: golden images drawn by the software device, and the desktop client's state socket to it.

use crate::support::{PATIENCE, TestAmbient, WALL, hello};
use futures_util::{SinkExt, StreamExt};
use nc_engine::api::data::{CanvasSize, ColorRange};
use nc_engine::places::Location;
use nc_engine::{DeviceChoice, Engine, EngineConfig, Selection, Session, SessionConfig, ViewPolicy};
use nc_protocol::validate::Conversation;
use nc_server::{Bound, Config, Flags, Server};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Small, so that a picture costs next to nothing.
const CANVAS: CanvasSize = CanvasSize { width: 128, height: 64 };

/// The folder of the golden images.
pub(crate) fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../golden/data")
}

/// A running server of a golden image.
pub(crate) struct RealServer {
    pub(crate) bound: Bound,
    pub(crate) session: Session,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RealServer {
    /// Serves `golden/data/NAME`, or nothing.
    pub(crate) async fn of(name: Option<&str>) -> Self {
        Self::with(Flags::default(), name).await
    }

    /// Likewise, with flags other than those of the ports.
    pub(crate) async fn with(flags: Flags, name: Option<&str>) -> Self {
        let any = || Some("0".to_owned());
        let flags = Flags { state_port: any(), pixel_port: any(), http_port: any(), ..flags };
        let config = Config::resolve(flags, |_| None).unwrap();
        let server = Server::bind(&config, Arc::new(TestAmbient::default())).await.unwrap();
        let engine = Engine::new(EngineConfig {
            device: DeviceChoice::Cpu,
            cache_bytes: 64 << 20,
            loader_threads: 1,
            ..EngineConfig::default()
        });
        let at = |name: &str| Location::local(&golden().join(name).to_string_lossy());
        let image = name.map(|name| engine.open_selected(&at(name), &Selection::default()).unwrap());
        let session = SessionConfig {
            canvas: CANVAS,
            fps: 60.0,
            bitrate: 1_000_000,
            range: ColorRange::Full,
            encode_threads: 1,
            view: ViewPolicy::default(),
            watch: true,
            turning: 0.0,
        };
        let session = engine.start(image, session, server.sink()).unwrap();
        let (bound, (stop, stopped)) = (server.bound(), oneshot::channel());
        let task = tokio::spawn(server.run(Arc::new(session.clone()), async {
            let _ = stopped.await;
        }));
        Self { bound, session, stop, task }
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
    }
}

/// A state socket that says what the desktop client says and keeps frames as they came; each is judged first.
pub(crate) struct Desk {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    conversation: Conversation,
    session: String,
    intents: usize,
}

/// Fences put up so far, by all clients: no two of one server may ask for the same.
static FENCES: AtomicU32 = AtomicU32::new(0);

impl Desk {
    /// Connects and says nothing.
    pub(crate) async fn silent(at: SocketAddr) -> Self {
        let (socket, _) = connect_async(format!("ws://{at}")).await.unwrap();
        Self { socket, conversation: Conversation::default(), session: String::new(), intents: 0 }
    }

    /// Opens a session; its first frames, up to and including the stream.
    pub(crate) async fn open(at: SocketAddr) -> (Self, Vec<Value>) {
        let mut desk = Self::silent(at).await;
        desk.send(&hello()).await;
        let mut frames = Vec::new();
        while frames.last().is_none_or(|frame: &Value| frame["type"] != "notify.stream") {
            frames.push(desk.next().await);
        }
        desk.session = frames[0]["session"].as_str().unwrap().to_owned();
        (desk, frames)
    }

    /// Says hello; the welcome.
    pub(crate) async fn begin(&mut self, hello: &Value) -> Value {
        self.send(hello).await;
        let welcome = self.next().await;
        self.session = welcome["session"].as_str().unwrap().to_owned();
        welcome
    }

    /// Sends a frame; its session is filled in where it names one.
    pub(crate) async fn send(&mut self, frame: &Value) {
        let mut frame = frame.clone();
        if frame.get("session").is_some() {
            frame["session"] = json!(self.session);
        }
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.conversation.heard(text);
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a message as it is.
    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Sends an intent; returns its id.
    pub(crate) async fn intend(&mut self, scope: &str, target: &str, key: &str, value: &Value) -> String {
        self.intents += 1;
        let (intent, frame) = (format!("intent-{:08x}", self.intents), format!("state-{:08x}", self.intents));
        let payload = json!({"scope": scope, "target": target, "key": key, "value": value});
        self.send(&json!({"type": "state.update", "version": 2, "session": "", "frame_id": frame, "timestamp": WALL,
            "intent_id": intent, "payload": payload}))
            .await;
        intent
    }

    /// Calls a command.
    pub(crate) async fn call(&mut self, payload: &Value) -> Value {
        self.intents += 1;
        let frame = format!("cmd-{:08x}", self.intents);
        self.send(&json!({"type": "call.command", "version": 2, "session": "", "frame_id": frame, "timestamp": WALL,
            "payload": payload}))
            .await;
        self.until(|answer| answer["payload"]["in_reply_to"] == json!(frame)).await
    }

    /// The next frame, judged.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message").expect("an open socket").unwrap() {
                Message::Text(text) => {
                    self.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}"));
                    return serde_json::from_str(&text).unwrap();
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next frame that `holds`; others are dropped.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if holds(&frame) {
                return frame;
            }
        }
    }

    /// Frames up to one that can only come when all before is done: the echo of a control that is changed for this. Without those of
    /// the fence and without thumbnails, which come when they like.
    pub(crate) async fn fence(&mut self) -> Vec<Value> {
        let gamma = 1.25 + 1e-6 * f64::from(FENCES.fetch_add(1, Ordering::Relaxed));
        let fence = self.intend("layer", "layer-0", "gamma", &json!(gamma)).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["intent_id"] == json!(fence) {
                return frames;
            }
            let ack = frame["payload"]["intent_id"] == json!(fence);
            if !ack && !is_thumbnail(&frame) {
                frames.push(frame);
            }
        }
    }

    /// The close code that ends the socket; frames before it are judged.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message").expect("a close frame").unwrap() {
                Message::Close(close) => return close.expect("a code").code.into(),
                Message::Text(text) => drop(self.conversation.next(&text).unwrap()),
                _ => {}
            }
        }
    }
}

/// Whether a frame brings nothing but a thumbnail.
pub(crate) fn is_thumbnail(frame: &Value) -> bool {
    frame["payload"].get("thumbnail").is_some()
}
