//! The task of one pixel socket, which writes what the fan-out queues, and the one task that asks for IDRs when they are due.

use super::websocket::{FAREWELL, closing, sleep_until, until_closed};
use crate::hub::Hub;
use crate::pixel::{Next, Viewer};
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// How long one message may take to leave. A peer that reads nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one pixel socket until it closes; `session` is what it is bound to.
pub(super) async fn serve(socket: WebSocket, hub: &Arc<Hub>, session: Option<String>) {
    let viewer = hub.watch(session);
    let (sink, messages) = socket.split();
    // What a viewer sends means nothing, but reading answers pings and notices the end.
    let mut closed = std::pin::pin!(until_closed(messages));
    let ended_here = tokio::select! {
        () = write(sink, &viewer) => true,
        () = &mut closed => false,
    };
    hub.unwatch(&viewer);
    if ended_here {
        // A peer that takes its time is cut off.
        drop(tokio::time::timeout(FAREWELL, closed).await);
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, viewer: &Viewer) {
    loop {
        let sent = match viewer.next().await {
            Next::Send(message) => tokio::time::timeout(SEND_TIMEOUT, sink.send(Message::Binary(message.into()))).await,
            Next::Close(close) => {
                // A peer that is gone needs no close.
                drop(tokio::time::timeout(FAREWELL, sink.send(closing(close))).await);
                return;
            }
        };
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return debug!(%error, "pixel socket cannot be written"),
            Err(_) => return debug!("pixel socket takes nothing any more"),
        }
    }
}

/// Asks for every IDR that could not be asked for at once, for ever.
pub(super) async fn request_idrs(hub: &Hub) {
    loop {
        tokio::select! {
            () = sleep_until(hub.fanout().idr_due(hub.ambient().now())) => hub.request_due_idr(),
            () = hub.fanout().idr_changed() => {}
        }
    }
}
