//! The order of all frames of one client (PROTOCOL §12).

use super::{Violation, ensure, parse};
use crate::frame::{Body, ServerFrame};
use std::collections::BTreeSet;

/// Watches what one client is sent, from the first frame on.
#[derive(Debug, Default)]
pub struct Conversation {
    session: Option<String>,
    scene: bool,
    dims: bool,
    ended: bool,
    next_layers: Option<u64>,
    next_stream: Option<u64>,
    acked: BTreeSet<String>,
    video: Option<[u32; 2]>,
}

impl Conversation {
    /// Checks the next frame, by itself and against what came before. Returns it read.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn next(&mut self, text: &str) -> Result<ServerFrame, Violation> {
        let frame = parse(text)?;
        ensure(!self.ended, "frame", "nothing may follow a reject or a goodbye")?;
        self.opening(&frame)?;
        self.order(&frame)?;
        Ok(frame)
    }

    /// Welcome or reject comes first, once, and names the session of all that follows.
    fn opening(&mut self, frame: &ServerFrame) -> Result<(), Violation> {
        match (&frame.body, &self.session) {
            (Body::Welcome(welcome), None) => self.session = Some(welcome.session.id.clone()),
            (Body::Reject(_), None) => self.ended = true,
            (Body::Welcome(_) | Body::Reject(_), Some(_)) => {
                return Err(Violation::new("type", "the handshake is over"));
            }
            (_, None) => return Err(Violation::new("type", "the first frame must be a welcome or a reject")),
            // An ack echoes the session that the update named, right or wrong.
            (Body::UpdateAck(_), Some(_)) => {}
            (_, Some(session)) => ensure(frame.session.as_ref() == Some(session), "session", "must be the welcome's")?,
        }
        Ok(())
    }

    fn order(&mut self, frame: &ServerFrame) -> Result<(), Violation> {
        let needs_scene = matches!(frame.body, Body::Dims(_) | Body::Layers(_) | Body::Stream(_) | Body::Camera(_));
        ensure(self.scene || !needs_scene, "type", "a scene must come first")?;
        let seq = frame.sequence.as_ref().map_or(0, |(seq, _)| *seq);
        match &frame.body {
            Body::Scene(scene) => {
                // A scene opens an epoch: the topics that hang on it may start anew.
                self.scene = true;
                self.video = Some(scene.viewer.settings.canvas_size);
                (self.next_layers, self.next_stream) = (None, None);
            }
            Body::Dims(_) => self.dims = true,
            Body::Layers(_) => {
                ensure(self.dims, "type", "dims must come before layers")?;
                advance(&mut self.next_layers, seq)?;
            }
            Body::Stream(stream) => {
                advance(&mut self.next_stream, seq)?;
                ensure(self.video == Some(stream.frame_size), "frame_size", "must equal the scene's canvas_size")?;
            }
            Body::UpdateAck(ack) => {
                ensure(self.acked.insert(ack.in_reply_to.clone()), "in_reply_to", "an intent is acknowledged once")?;
            }
            Body::Goodbye(_) => self.ended = true,
            _ => {}
        }
        Ok(())
    }
}

/// One more than the frame before, or the start of an epoch.
fn advance(next: &mut Option<u64>, seq: u64) -> Result<(), Violation> {
    ensure(next.map_or(seq <= 1, |next| seq == next), "seq", "must follow the frame before without a gap")?;
    *next = Some(seq + 1);
    Ok(())
}
