//! The server: everything between the engine and the sockets.
//!
//! What lives here: configuration, listeners and websockets (`transport`), one client's session as a state machine (`session`), from
//! engine values to payloads (`wire`), ordering and fan-out of notifications (`hub`) and of packets (`pixel`), commands, metrics.
//!
//! May import the engine's façade and `protocol`. Must never know how a picture is made.
//!
//! Architecture invariant: the engine never waits for a client. Every queue towards a client is bounded in bytes, and a client that lets
//! its queue fill loses its own connection or frames, nobody else's.

pub mod ambient;
mod commands;
pub mod config;
pub mod engine;
mod engine_session;
mod hub;
mod metrics;
mod pixel;
mod plate;
pub mod session;
pub mod testing;
mod transport;
mod wire;

pub use config::{Config, ConfigError, Flags};
pub use engine::Engine;
pub use metrics::{Histogram, Metrics};
pub use transport::{Bound, ServeError};

use ambient::Ambient;
use commands::paths::Root;
use hub::Hub;
use nc_engine::api::Sink;
use nc_protocol::extension::Telemetry;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use transport::Listeners;

/// A server whose listeners are bound and wait for [`Self::run`].
///
/// Binding comes first, so that a taken port is known before an image is opened; then the engine starts with [`Self::sink`].
pub struct Server {
    listeners: Listeners,
    hub: Arc<Hub>,
}

impl Server {
    /// Binds all listeners.
    ///
    /// # Errors
    /// When an address cannot be bound, or the directory that clients may browse is none; the error names it and what to do.
    pub async fn bind(config: &Config, ambient: Arc<dyn Ambient>) -> Result<Self, ServeError> {
        let listeners = Listeners::bind(config).await?;
        let root = Root::of(config).map_err(|source| ServeError::DataRoot {
            origin: config.data_root.origin,
            path: config.data_root.value.as_deref().unwrap_or(Path::new(".")).display().to_string(),
            source,
        })?;
        Ok(Self { listeners, hub: Arc::new(Hub::new(ambient, config.fps.value, config.drive.value.clone(), root)) })
    }

    /// The addresses that were bound.
    pub fn bound(&self) -> Bound {
        self.listeners.bound()
    }

    /// Where the engine is to send its events and packets.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.hub) as Arc<dyn Sink>
    }

    /// Serves until `shutdown` resolves, then says goodbye to everyone.
    pub async fn run(self, engine: Arc<dyn Engine>, shutdown: impl Future<Output = ()>) {
        self.hub.attach(&engine);
        let hub = Arc::clone(&self.hub);
        tokio::select! {
            () = self.listeners.serve(self.hub, shutdown) => {}
            () = tell_telemetry(&hub) => {}
        }
    }
}

/// Tells telemetry to those who asked, for ever.
async fn tell_telemetry(hub: &Hub) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / Telemetry::RATE_HZ);
    // After a stall one report is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        hub.tell_telemetry();
    }
}

/// Locks; a thread that panicked with the lock held left data that is still consistent, because no update spans a call that can panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
