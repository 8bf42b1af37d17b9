//! The task of one state socket: feeds the session machine and writes what the hub puts out.

use super::websocket::{FAREWELL, closing, sleep_until, until_closed};
use crate::hub::{Hub, Outbox, Outgoing, Seat};
use crate::session::Close;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// How long one frame may take to leave. A peer that reads nothing for so long is gone, whatever its end of the connection says.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one state socket until it closes.
pub(super) async fn serve(socket: WebSocket, hub: &Arc<Hub>) {
    let (sink, mut messages) = socket.split();
    let mut seat = Seat::new(Arc::clone(hub));
    let outbox = Arc::clone(seat.outbox());
    let mut writer = tokio::spawn(write(sink, Arc::clone(&outbox)));
    let mut legible = true;
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(Message::Text(text))) => seat.handle_text(&text),
                Some(Ok(Message::Binary(bytes))) => seat.handle_binary(&bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => seat.handle_life(),
                Some(Ok(Message::Close(_))) | None => break,
                Some(Err(error)) if is_oversize(&error) => {
                    seat.handle_oversize();
                    legible = false;
                    break;
                }
                Some(Err(error)) => {
                    debug!(%error, "state socket failed");
                    outbox.finish(Close { code: Close::FAILED, reason: "unreadable message" });
                    break;
                }
            },
            () = sleep_until(seat.poll_timeout()) => seat.handle_timeout(),
            () = outbox.finished() => break,
            _ = &mut writer => break,
        }
    }
    // The session ends here, the socket when all is said.
    drop(seat);
    if !writer.is_finished() {
        let farewell = async {
            // A writer that panicked has nothing more to say.
            drop((&mut writer).await);
            if legible {
                until_closed(messages).await;
            } else {
                // Its end cannot be read either, and a socket dropped at once would take our last frames with it.
                std::future::pending::<()>().await;
            }
        };
        // A peer that takes its time is cut off.
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            writer.abort();
        }
    }
}

/// Whether a message was not read because it is larger than the socket takes.
fn is_oversize(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(tungstenite::Error::Capacity(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Writes until the outbox closes or the socket fails.
async fn write(mut sink: SplitSink<WebSocket, Message>, outbox: Arc<Outbox>) {
    loop {
        let message = match outbox.next().await {
            Outgoing::Frame(text) => Message::Text(text.into()),
            Outgoing::Close(close) => {
                // A peer that is gone needs no close.
                drop(tokio::time::timeout(FAREWELL, sink.send(closing(close))).await);
                return;
            }
        };
        match tokio::time::timeout(SEND_TIMEOUT, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return debug!(%error, "state socket cannot be written"),
            Err(_) => return debug!("state socket takes nothing any more"),
        }
    }
}
