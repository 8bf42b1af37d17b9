//! What a driver of the engine (server, terminal, bench) sends in and gets out.

pub use nc_core::control::echoes::{Echo, merged_for};
use nc_core::data::CanvasSize;
pub use nc_core::data::LevelDecided;
pub use nc_core::ledger::{Op, OpKind, OpTrace, Origin, Outcome, Step};
use nc_core::scene::AppliedView;
pub use nc_core::{data, scene};
pub use nc_gpu::api::ParameterSets;
pub use nc_gpu::codec::bitstream::{BitstreamError, avcc_record};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Names the sender of an intent; the driver chooses, the engine only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// An intent as it came in, not yet understood.
#[derive(Debug, Clone, PartialEq)]
pub struct RawIntent {
    /// Who sent it.
    pub client: ClientId,
    /// The sender's name for it; unique only per client.
    pub intent_id: String,
    /// "view", "dims", "camera", "layer", "multiscale".
    pub scope: String,
    /// Axis, layer id, "main".
    pub target: String,
    /// The property.
    pub key: String,
    /// The value, any JSON.
    pub value: Value,
    /// When it arrived.
    pub received: Instant,
}

/// An accepted intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The value after coercion and clamping.
    pub applied_value: Value,
    /// The property's version (PROTOCOL §6.1).
    pub version: u64,
}

/// A refused intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// "state.invalid", "state.error", "state.unsupported".
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// An object, or null.
    pub details: Value,
}

/// What control and mirrors tell the outside, in an order that every client may see.
#[derive(Debug, Clone)]
pub enum Event {
    /// The answer to an intent; comes before anything the intent causes.
    Ack {
        /// To whom.
        client: ClientId,
        /// Which intent.
        intent_id: String,
        /// What became of it.
        outcome: Result<Accepted, Rejection>,
    },
    /// An accepted camera command, for its sender alone; others are told with [`Applied::echoes`] (PROTOCOL §5.3).
    CameraEcho {
        /// Who sent it.
        client: ClientId,
        /// Which intent.
        intent_id: String,
        /// "zoom", "pan", "orbit", "reset", "set".
        mode: &'static str,
        /// The applied value.
        delta: Value,
    },
    /// The applied view changed.
    Applied(Applied),
    /// The stream's configuration is known or changed; comes before the first packet that needs it.
    Stream(StreamConfig),
    /// A decision about the level that differs from the one told before.
    Level(Box<LevelDecided>),
    /// Something people should know: a damaged chunk, a device that failed. Logging it is the receiver's business.
    Warning {
        /// "data", "render", "encode".
        domain: &'static str,
        /// Machine-readable.
        code: &'static str,
        /// For people.
        message: String,
    },
}

/// A change of the applied view, with what changed, as the mirrors found it.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The whole new view.
    pub view: Arc<AppliedView>,
    /// Another dataset: everything is to be sent anew.
    pub dataset: bool,
    /// The dataset has more samples than before; with it comes `dims`.
    pub shapes: bool,
    /// The size of canvas and video changed.
    pub canvas: bool,
    /// Something that `notify.dims` shows changed.
    pub dims: bool,
    /// The camera pose changed.
    pub pose: bool,
    /// The camera commands since the last change, in order, for everyone but their senders: see [`merged_for`].
    pub echoes: Vec<Echo>,
    /// Layers whose controls changed; once per layer and author.
    pub layers: Vec<LayerChange>,
    /// Indices of layers whose thumbnail changed.
    pub thumbnails: Vec<usize>,
}

impl Applied {
    /// A view of which nothing is news.
    pub fn unchanged(view: Arc<AppliedView>) -> Self {
        Self {
            view,
            dataset: false,
            shapes: false,
            canvas: false,
            dims: false,
            pose: false,
            echoes: Vec::new(),
            layers: Vec::new(),
            thumbnails: Vec::new(),
        }
    }
}

/// What changed of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// Index into `view.layers`.
    pub layer: usize,
    /// Wire keys that changed ("opacity", ...).
    pub keys: Vec<&'static str>,
    /// The intent that changed them last, if one did.
    pub intent: Option<(ClientId, String)>,
}

/// How to decode what the pixel channel carries.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamConfig {
    /// Picture size.
    pub size: CanvasSize,
    /// Frames per second at most.
    pub fps: f32,
    /// SPS and PPS.
    pub parameter_sets: ParameterSets,
}

/// An access unit, shared by all viewers.
#[derive(Debug, Clone)]
pub struct Packet {
    /// AVCC (PROTOCOL §10.2).
    pub avcc: Arc<[u8]>,
    /// Whether a decoder can start here.
    pub idr: bool,
    /// Picture size.
    pub size: CanvasSize,
    /// Wall clock when it was ready.
    pub wall: std::time::SystemTime,
    /// Whether a client that wants row 0 at the top of its screen must turn the picture over (3D) or not (2D): the flip flag.
    pub flip: bool,
    /// The newest op that the picture shows.
    pub op: nc_core::scene::OpSeq,
    /// The ops that it is the first to show, oldest first; none for repeats.
    pub ops: Vec<OpTrace>,
}

/// Takes what the engine tells; must not block. Events come from the control thread, but for configurations of the stream, which come from
/// the encode thread as packets do.
pub trait Sink: Send + Sync {
    /// The next event, in order.
    fn event(&self, event: Event);
    /// The next access unit. Comes after the [`Event::Stream`] that describes it.
    fn packet(&self, packet: Packet);
}
