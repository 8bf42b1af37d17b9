//! The task of one pixel socket: writes what the fan-out queues, and asks for an IDR while the viewer waits for one.

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
        () = write(sink, hub, &viewer) => true,
        () = &mut closed => false,
    };
    hub.unwatch(&viewer);
    if ended_here {
        // A peer that takes its time is cut off.
        drop(tokio::time::timeout(FAREWELL, closed).await);
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, hub: &Hub, viewer: &Viewer) {
    loop {
        let due = hub.fanout().recovery_due(viewer, hub.ambient().now());
        let next = tokio::select! {
            next = viewer.next() => next,
            () = sleep_until(due) => {
                hub.recover();
                continue;
            }
        };
        let sent = match next {
            Some(Next::Send(message)) => tokio::time::timeout(SEND_TIMEOUT, sink.send(Message::Binary(message.into()))).await,
            Some(Next::Close(close)) => {
                // A peer that is gone needs no close.
                drop(tokio::time::timeout(FAREWELL, sink.send(closing(close))).await);
                return;
            }
            None => continue,
        };
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return debug!(%error, "pixel socket cannot be written"),
            Err(_) => return debug!("pixel socket takes nothing any more"),
        }
    }
}
