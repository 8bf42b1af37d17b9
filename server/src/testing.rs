//! The server without its sockets, for tests and benches: the hub, and clients that say and hear text. Nothing here waits; time and chance
//! are whatever the ambient says.

use crate::ambient::Ambient;
use crate::commands::paths::Root;
use crate::engine::Engine;
use crate::hub::{Hub, Outgoing, Seat};
use crate::session::{Close, Drive};
use nc_engine::api::Sink;
use std::sync::Arc;
use std::time::Instant;

/// A server without sockets.
pub struct Stand {
    hub: Arc<Hub>,
}

impl Stand {
    /// One without engine and clients. `fps` are the most frames per second of the stream.
    pub fn new(ambient: Arc<dyn Ambient>, fps: f32, drive: Drive) -> Self {
        Self { hub: Arc::new(Hub::new(ambient, fps, drive, Root::closed())) }
    }

    /// Where the engine sends its events and packets.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.hub) as Arc<dyn Sink>
    }

    /// Connects the engine, of which the caller stays the owner.
    pub fn attach(&self, engine: &Arc<dyn Engine>) {
        self.hub.attach(engine);
    }

    /// A client connects and has not said anything yet.
    pub fn connect(&self) -> Peer {
        Peer { seat: Seat::new(Arc::clone(&self.hub)) }
    }

    /// Says goodbye to everyone.
    pub fn shut_down(&self) {
        self.hub.shut_down();
    }
}

/// A client's end of the connection. Dropped, the client is gone.
pub struct Peer {
    seat: Seat,
}

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A frame.
    Frame(String),
    /// The end.
    Close(Close),
}

impl Peer {
    /// The client says something.
    pub fn say(&mut self, text: &str) {
        self.seat.handle_text(text);
    }

    /// Time has passed.
    pub fn wait(&mut self) {
        self.seat.handle_timeout();
    }

    /// When [`Self::wait`] has something to do; `None` when never.
    pub fn due(&self) -> Option<Instant> {
        self.seat.poll_timeout()
    }

    /// What the client gets next, if anything waits for it.
    pub fn hear(&mut self) -> Option<Received> {
        self.seat.outbox().ready().map(|next| match next {
            Outgoing::Frame(text) => Received::Frame(text),
            Outgoing::Close(close) => Received::Close(close),
        })
    }
}
