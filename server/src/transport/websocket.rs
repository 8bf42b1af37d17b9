//! What both kinds of websocket need: timers that may never fire, and an orderly end.

use crate::session::Close;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use std::time::{Duration, Instant};

/// How long the last frames and the peer's close may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// The closing message.
pub(super) fn closing(close: Close) -> Message {
    Message::Close(Some(CloseFrame { code: close.code, reason: Utf8Bytes::from_static(close.reason) }))
}

/// Reads until the peer closes. A socket that is dropped with unread bytes is reset, and the peer may lose our last frames.
pub(super) async fn until_closed(mut messages: SplitStream<WebSocket>) {
    while let Some(Ok(_)) = messages.next().await {}
}

/// Sleeps until `due`, for ever if there is no such time.
pub(super) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
