//! One TCP connection: HTTP/1 with websocket upgrades, and the limit on how many there are.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;
use tracing::debug;

/// How long a peer may take to send the head of a request, also between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections at a time over all listeners: half of the 1024 file descriptors that most systems give a process, so that data
/// can still be read.
const MAX_CONNECTIONS: u32 = 512;

/// Room for connections.
pub(super) struct Slots(Arc<Semaphore>);

/// One connection's place. Upgraded sockets keep it until they close.
#[derive(Debug, Clone)]
pub(super) struct Slot(#[expect(dead_code, reason = "held for its drop")] Option<Arc<OwnedSemaphorePermit>>);

impl Default for Slots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CONNECTIONS as usize)))
    }
}

impl Slots {
    /// Waits for a free place.
    pub(super) async fn take(&self) -> Slot {
        // The semaphore is never closed, so a permit always comes.
        Slot(Arc::clone(&self.0).acquire_owned().await.ok().map(Arc::new))
    }

    /// Waits until no connection is left.
    pub(super) async fn all_free(&self) {
        drop(self.0.acquire_many(MAX_CONNECTIONS).await);
    }
}

/// Serves one connection until it ends or is upgraded.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, slot: Slot) {
    // Frames are small and due at once.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(slot.clone());
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    // Outside of a runtime, whose budget would end the polling early.
    #[test]
    fn a_connection_too_many_waits_for_the_end_of_another() {
        let slots = Slots::default();
        let mut taken: Vec<Slot> = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            taken.extend(slots.take().now_or_never());
        }
        assert_eq!(taken.len(), 512);
        assert!(slots.take().now_or_never().is_none());
        taken.pop();
        assert!(slots.take().now_or_never().is_some());
    }
}
