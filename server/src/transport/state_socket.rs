//! The task of one state socket: feeds the session machine, does what it says, and writes what the hub puts out.

use super::websocket::{FAREWELL, closing, sleep_until, until_closed};
use crate::hub::{Admitted, Hub, OUTBOX_BYTES, Outbox, Outgoing};
use crate::session::{Action, Close, SessionMachine};
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use tracing::debug;

/// Serves one state socket until it closes.
pub(super) async fn serve(socket: WebSocket, hub: &Arc<Hub>) {
    let (sink, mut messages) = socket.split();
    let outbox = Arc::new(Outbox::new(OUTBOX_BYTES));
    let mut writer = tokio::spawn(write(sink, Arc::clone(&outbox)));
    let mut machine = SessionMachine::new(hub.ambient().now());
    let mut admitted = None;
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(Message::Text(text))) => machine.handle_text(&text),
                Some(Ok(Message::Binary(bytes))) => machine.handle_binary(&bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => machine.handle_life(),
                Some(Ok(Message::Close(_))) | None => break,
                Some(Err(error)) => {
                    debug!(%error, "state socket failed");
                    outbox.finish(Close { code: Close::FAILED, reason: "unreadable message" });
                    break;
                }
            },
            () = sleep_until(machine.poll_timeout()) => machine.handle_timeout(hub.ambient().now()),
            () = outbox.finished() => break,
            _ = &mut writer => break,
        }
        while let Some(action) = machine.poll_action() {
            act(action, hub, &outbox, &mut machine, &mut admitted);
        }
    }
    if let Some(admitted) = &admitted {
        hub.leave(admitted);
    }
    outbox.finish(Close { code: Close::NORMAL, reason: "" });
    if !writer.is_finished() {
        let farewell = async {
            // A writer that panicked has nothing more to say.
            drop((&mut writer).await);
            until_closed(messages).await;
        };
        // A peer that takes its time is cut off.
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            writer.abort();
        }
    }
}

fn act(action: Action, hub: &Hub, outbox: &Arc<Outbox>, machine: &mut SessionMachine, admitted: &mut Option<Admitted>) {
    let client = admitted.as_ref().map(|admitted| admitted.client);
    match (action, client) {
        (Action::Admit(hello), None) => {
            debug!(name = hello.client.name, version = hello.client.version, "client connects");
            *admitted = Some(hub.join(&hello, Arc::clone(outbox)));
            machine.opened(hub.ambient().now());
        }
        (Action::Reject(reject), _) => outbox.push(hub.reject_frame(&reject)),
        (Action::Close(close), _) => outbox.finish(close),
        (Action::Heartbeat, Some(client)) => hub.heartbeat(client),
        (Action::Goodbye(goodbye), Some(client)) => hub.goodbye(client, &goodbye),
        (Action::Update { session, frame_id, intent_id, update }, Some(client)) => {
            hub.update(client, session, frame_id, intent_id, update);
        }
        (Action::Command { frame_id, call }, Some(client)) => hub.command(client, frame_id, &call),
        (Action::Refuse(malformed), Some(client)) => hub.refuse_malformed(client, malformed),
        // The machine admits once and speaks of nothing else before.
        (action, _) => debug!(?action, "an action out of turn"),
    }
}

/// Writes until the outbox closes or the socket fails.
async fn write(mut sink: SplitSink<WebSocket, Message>, outbox: Arc<Outbox>) {
    loop {
        let message = match outbox.next().await {
            Outgoing::Frame(text) => Message::Text(text.into()),
            Outgoing::Close(close) => {
                // A peer that is gone needs no close.
                drop(sink.send(closing(close)).await);
                return;
            }
        };
        if let Err(error) = sink.send(message).await {
            return debug!(%error, "state socket cannot be written");
        }
    }
}
