//! The task of one pixel socket, which writes what the fan-out queues and listens for the answers to its pings, and the one task that
//! keeps the engine up to date.

use super::websocket::{FAREWELL, closing, sleep_until, until_closed};
use crate::hub::Hub;
use crate::pixel::{Step, Viewer};
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// How long one message may take to leave. A peer that reads nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one pixel socket until it closes; `session` is what it is bound to.
pub(super) async fn serve(socket: WebSocket, hub: &Arc<Hub>, session: Option<String>) {
    let viewer = hub.watch(session);
    let (sink, mut messages) = socket.split();
    let ended_here = tokio::select! {
        () = write(sink, hub, &viewer) => true,
        () = listen(&mut messages, hub, &viewer) => false,
    };
    hub.unwatch(&viewer);
    if ended_here {
        // A peer that takes its time is cut off.
        drop(tokio::time::timeout(FAREWELL, until_closed(messages)).await);
    }
}

/// Reads until the peer closes. Reading also answers the peer's own pings.
async fn listen(messages: &mut SplitStream<WebSocket>, hub: &Hub, viewer: &Viewer) {
    while let Some(Ok(message)) = messages.next().await {
        // What else a viewer sends means nothing.
        if let Message::Pong(payload) = message
            && let Ok(id) = <[u8; 8]>::try_from(&payload[..])
        {
            let now = hub.ambient().now();
            viewer.pong(u64::from_be_bytes(id), now);
            hub.fanout().settle(now);
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, hub: &Hub, viewer: &Viewer) {
    loop {
        let now = hub.ambient().now();
        let step = viewer.step(now);
        hub.fanout().settle(now);
        let (message, number) = match step {
            Step::Send(message) => (Message::Binary(message.bytes.into()), Some(message.number)),
            Step::Ping(id) => (Message::Ping(id.to_be_bytes().to_vec().into()), None),
            Step::Wait(until) => {
                tokio::select! {
                    () = viewer.changed() => {}
                    () = sleep_until(until) => {}
                }
                continue;
            }
            Step::Close(close) => {
                // A peer that is gone needs no close.
                drop(tokio::time::timeout(FAREWELL, sink.send(closing(close))).await);
                return;
            }
        };
        match tokio::time::timeout(SEND_TIMEOUT, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return debug!(%error, "pixel socket cannot be written"),
            Err(_) => return debug!("pixel socket takes nothing any more"),
        }
        if let Some(number) = number {
            hub.fanout().sent(number, hub.ambient().now());
        }
    }
}

/// Tells the engine what the pixel channel wants of it, whenever that changes, and asks for every IDR that could not be asked for at
/// once; for ever.
pub(super) async fn attend(hub: &Hub) {
    let fanout = hub.fanout();
    loop {
        tokio::select! {
            () = sleep_until(fanout.idr_due(hub.ambient().now())) => {}
            () = fanout.unsettled() => {}
        }
        fanout.settle(hub.ambient().now());
    }
}
