//! All frames between a server and one client, in order (PROTOCOL §12).

use super::{Dialect, Violation, ensure, parse};
use crate::frame::{Body, ServerFrame};
use crate::inbound::{Inbound, Malformed, classify};
use crate::notify::{Camera, CameraMode, Layers, Stream};
use crate::scene::Scene;
use crate::update::{AckStatus, StateAck};
use crate::{Kind, extension};
use std::collections::{BTreeSet, VecDeque};

/// Intents and calls that are remembered, each: more than a server lets one client have open.
const WINDOW: usize = 8192;

/// Watches one client's session from the first frame on. Tell it what the client says, too: a server may send an extension only to who
/// asked, and an answer only to what was asked.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Extensions of the hello.
    asked: BTreeSet<&'static str>,
    dialect: Dialect,
    session: Option<String>,
    ended: bool,
    scene: Option<Epoch>,
    /// Names of updates that await their ack, frame and intent.
    unanswered: Window<(String, String)>,
    /// Names of calls that await their reply.
    calls: Window<String>,
    /// Intents that were accepted: only they may be named by a notification.
    accepted: Window<String>,
}

/// What a scene opens.
#[derive(Debug)]
struct Epoch {
    canvas: [u32; 2],
    layers: BTreeSet<String>,
    /// Whether dims followed the scene.
    dims: bool,
    /// Whether three axes are shown, as last told.
    volume: bool,
    next_layers: Option<u64>,
    next_stream: Option<u64>,
    stream: Option<Stream>,
}

impl Epoch {
    fn of(scene: &Scene) -> Self {
        Self {
            canvas: scene.viewer.settings.canvas_size,
            layers: scene.layers.iter().map(|layer| layer.layer_id.clone()).collect(),
            dims: false,
            volume: scene.viewer.dims.ndisplay == 3,
            next_layers: None,
            next_stream: None,
            stream: None,
        }
    }
}

impl Conversation {
    /// The client said this; anything may be said.
    pub fn heard(&mut self, text: &str) {
        match classify(text) {
            Inbound::Hello(hello) if self.session.is_none() => {
                self.asked = extension::ALL.into_iter().filter(|name| hello.wants(name)).collect();
                self.dialect = Dialect::of(&hello);
            }
            Inbound::Update { frame_id, intent_id, .. } | Inbound::Malformed(Malformed::Update { frame_id, intent_id, .. }) => {
                self.unanswered.push((frame_id, intent_id));
            }
            Inbound::Command { frame_id, .. } => self.calls.push(frame_id),
            Inbound::Malformed(Malformed::Command { frame_id, .. }) => {
                self.calls.push(frame_id.unwrap_or_else(|| "unknown".to_owned()));
            }
            _ => {}
        }
    }

    /// Checks the next frame of the server, by itself and against what came before. Returns it read.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn next(&mut self, text: &str) -> Result<ServerFrame, Violation> {
        let frame = parse(self.dialect, text)?;
        ensure(!self.ended, "frame", "nothing may follow a reject or a goodbye")?;
        self.opening(&frame)?;
        self.order(&frame)?;
        Ok(frame)
    }

    /// Welcome or reject comes first, once, and names the session of all that follows.
    fn opening(&mut self, frame: &ServerFrame) -> Result<(), Violation> {
        match (&frame.body, &self.session) {
            (Body::Welcome(welcome), None) => {
                for name in extension::ALL {
                    let named = welcome.features.contains_key(name);
                    ensure(!named || self.asked.contains(name), name, "was not asked for")?;
                }
                self.session = Some(welcome.session.id.clone());
            }
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
        if let Some(intent) = &frame.intent_id {
            ensure(self.accepted.holds(intent), "intent_id", "must be accepted before anything is told of it")?;
        }
        let seq = frame.sequence.as_ref().map_or(0, |(seq, _)| *seq);
        match &frame.body {
            Body::Scene(scene) => self.scene = Some(Epoch::of(scene)),
            Body::Dims(dims) => {
                let epoch = self.epoch()?;
                (epoch.dims, epoch.volume) = (true, dims.ndisplay == 3);
            }
            Body::Camera(camera) => self.epoch()?.camera(camera)?,
            Body::Layers(change) => self.epoch()?.layers(change, seq)?,
            Body::Stream(stream) => self.epoch()?.stream(stream, seq)?,
            Body::UpdateAck(ack) => self.ack(ack)?,
            Body::Reply(reply) => self.reply(&reply.in_reply_to)?,
            Body::CommandError(error) => self.reply(&error.in_reply_to)?,
            Body::XTelemetry(_) => self.extension(Kind::XTelemetry)?,
            Body::XLevel(_) => self.extension(Kind::XLevel)?,
            Body::XRole(_) => self.extension(Kind::XRole)?,
            Body::XLabels(_) => {
                self.epoch()?;
                self.extension(Kind::XLabels)?;
            }
            Body::Goodbye(_) => self.ended = true,
            _ => {}
        }
        Ok(())
    }

    fn epoch(&mut self) -> Result<&mut Epoch, Violation> {
        self.scene.as_mut().ok_or_else(|| Violation::new("type", "a scene must come first"))
    }

    fn extension(&self, kind: Kind) -> Result<(), Violation> {
        ensure(kind.extension().is_none_or(|name| self.asked.contains(name)), "type", "was not asked for")
    }

    fn ack(&mut self, ack: &StateAck) -> Result<(), Violation> {
        let names = (ack.in_reply_to.clone(), ack.intent_id.clone());
        ensure(self.unanswered.take(&names), "in_reply_to", "must name an update that is not answered yet")?;
        if ack.status == AckStatus::Accepted {
            self.accepted.push(names.1);
        }
        Ok(())
    }

    fn reply(&mut self, call: &String) -> Result<(), Violation> {
        ensure(self.calls.take(call), "in_reply_to", "must name a call that is not answered yet")
    }
}

impl Epoch {
    fn camera(&self, camera: &Camera) -> Result<(), Violation> {
        let Some(pose) = camera.state.as_ref().filter(|_| camera.mode == CameraMode::Pose) else { return Ok(()) };
        ensure(pose.angles.is_some() == self.volume, "state", "must be of the mode that dims told last")
    }

    fn layers(&mut self, change: &Layers, seq: u64) -> Result<(), Violation> {
        ensure(self.dims, "type", "dims must come before layers")?;
        ensure(self.layers.contains(&change.layer_id), "layer_id", "must be a layer of the scene")?;
        ensure(change.data.is_none() || self.volume, "data", "is told only while three axes are shown")?;
        advance(&mut self.next_layers, seq)?;
        if change.removed == Some(true) {
            self.layers.remove(&change.layer_id);
        }
        Ok(())
    }

    fn stream(&mut self, stream: &Stream, seq: u64) -> Result<(), Violation> {
        ensure(self.dims, "type", "dims must come before the stream")?;
        ensure(self.canvas == stream.frame_size, "frame_size", "must equal the scene's canvas_size")?;
        // The Python client answers every stream frame with a keyframe command.
        ensure(self.stream.as_ref() != Some(stream), "payload", "must differ from the stream told before")?;
        advance(&mut self.next_stream, seq)?;
        self.stream = Some(stream.clone());
        Ok(())
    }
}

/// One more than the frame before, or the start of an epoch.
fn advance(next: &mut Option<u64>, seq: u64) -> Result<(), Violation> {
    ensure(next.map_or(seq <= 1, |next| seq == next), "seq", "must follow the frame before without a gap")?;
    *next = Some(seq + 1);
    Ok(())
}

/// The last [`WINDOW`] names.
#[derive(Debug)]
struct Window<T>(VecDeque<T>);

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Window<T> {
    fn push(&mut self, name: T) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(name);
    }

    /// Takes the name out; `false` if it is not there.
    fn take(&mut self, name: &T) -> bool {
        self.0.iter().position(|one| one == name).and_then(|n| self.0.remove(n)).is_some()
    }

    fn holds(&self, name: &T) -> bool {
        self.0.iter().rev().any(|one| one == name)
    }
}
