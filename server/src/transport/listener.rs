//! The three listeners: state, pixel, HTTP.

use super::connection::{self, Slots};
use super::{http, pixel_socket};
use crate::config::{Config, HTTP_PORT_FLAG, Origin, PIXEL_PORT_FLAG, STATE_PORT_FLAG};
use crate::hub::Hub;
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tracing::warn;

/// How long connections may take to end when the server goes down.
const DRAIN: Duration = Duration::from_secs(3);

/// Pause after a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A failed accept this long after the one before is news again.
const ACCEPT_BURST: Duration = Duration::from_secs(10);

/// The addresses that were bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// State channel.
    pub state: SocketAddr,
    /// Pixel channel.
    pub pixel: SocketAddr,
    /// Viewer, metrics, health, and both channels for browsers.
    pub http: SocketAddr,
}

/// Why the server cannot listen. One line for people.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Someone else listens there.
    #[error("{address} is already in use, perhaps by another napari-cuda; stop it or choose another port with {flag}")]
    PortTaken {
        /// Host and port.
        address: String,
        /// The flag that chooses the port.
        flag: &'static str,
    },
    /// The port is reserved for the system.
    #[error("{address} may not be used by this user; choose a port above 1023 with {flag}")]
    Forbidden {
        /// Host and port.
        address: String,
        /// The flag that chooses the port.
        flag: &'static str,
    },
    /// The host is not an address of this machine.
    #[error("{address} cannot be listened on; give an address of this machine with --host")]
    Address {
        /// Host and port.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The directory that clients may browse is none.
    #[error("{origin}: {path} cannot be browsed ({source}); give a directory")]
    DataRoot {
        /// What named it.
        origin: Origin,
        /// The directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Three bound listeners.
#[derive(Debug)]
pub(crate) struct Listeners {
    state: TcpListener,
    pixel: TcpListener,
    http: TcpListener,
    bound: Bound,
}

impl Listeners {
    /// Binds them all, or none.
    pub(crate) async fn bind(config: &Config) -> Result<Self, ServeError> {
        let host = &*config.host.value;
        let (state, state_at) = bind(host, config.state_port.value, STATE_PORT_FLAG).await?;
        let (pixel, pixel_at) = bind(host, config.pixel_port.value, PIXEL_PORT_FLAG).await?;
        let (http, http_at) = bind(host, config.http_port.value, HTTP_PORT_FLAG).await?;
        Ok(Self { state, pixel, http, bound: Bound { state: state_at, pixel: pixel_at, http: http_at } })
    }

    pub(crate) fn bound(&self) -> Bound {
        self.bound
    }

    /// Serves until `shutdown` resolves, then ends every connection.
    pub(crate) async fn serve(self, hub: Arc<Hub>, shutdown: impl Future<Output = ()>) {
        let slots = Slots::default();
        let accept = async {
            tokio::join!(
                accept(self.state, http::state_router(Arc::clone(&hub)), &slots, &hub),
                accept(self.pixel, http::pixel_router(Arc::clone(&hub)), &slots, &hub),
                accept(self.http, http::viewer_router(Arc::clone(&hub)), &slots, &hub),
            )
        };
        tokio::select! {
            _ = accept => {}
            () = pixel_socket::attend(&hub) => {}
            () = shutdown => {}
        }
        hub.shut_down();
        if tokio::time::timeout(DRAIN, slots.all_free()).await.is_err() {
            warn!("some connections did not end in time");
        }
    }
}

async fn bind(host: &str, port: u16, flag: &'static str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = format!("{host}:{port}");
    // "[::1]" is how an IPv6 address is written before a port.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bound = async {
        let listener = TcpListener::bind((host, port)).await?;
        let at = listener.local_addr()?;
        Ok((listener, at))
    };
    bound.await.map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortTaken { address, flag },
        io::ErrorKind::PermissionDenied => ServeError::Forbidden { address, flag },
        _ => ServeError::Address { address, source },
    })
}

/// Accepts for ever. Connections end when their tasks are dropped with this future, upgraded ones when the hub ends them.
async fn accept(listener: TcpListener, router: Router, slots: &Slots, hub: &Hub) {
    let mut connections = tokio::task::JoinSet::new();
    let mut failures = Failures::default();
    loop {
        let slot = slots.take().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(connection::serve(stream, peer, router.clone(), slot));
            }
            Err(error) => {
                if failures.begin_burst(hub.ambient().now()) {
                    warn!(%error, "cannot accept connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Failed accepts, which come in bursts: as long as file descriptors are scarce, every one fails.
#[derive(Debug, Default)]
struct Failures {
    last: Option<Instant>,
}

impl Failures {
    /// Counts a failure. True when it is the first of its burst.
    fn begin_burst(&mut self, now: Instant) -> bool {
        self.last.replace(now).is_none_or(|last| now.saturating_duration_since(last) >= ACCEPT_BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_failures_is_told_once() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let told = (0..1000).filter(|&n| failures.begin_burst(start + n * ACCEPT_PAUSE)).count();
        assert_eq!(told, 1);
        let last = start + 999 * ACCEPT_PAUSE;
        assert!(failures.begin_burst(last + ACCEPT_BURST));
    }
}
