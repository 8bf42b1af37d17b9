//! What the render and encode threads tell, brought to the control thread's inbox and the driver's sink.

use crate::api::{Event, Packet, Sink, StreamConfig};
use crate::inbox::{Inbox, Warning};
use nc_core::data::CanvasSize;
use nc_core::ledger::AppliedCommit;
use nc_gpu::api::{DeviceInfo, EncodeError, ParameterSets};
use nc_runtime::{EncodeOutput, EncodedFrame, RenderOutput};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub(crate) struct RenderTeller {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) device: Arc<Mutex<Option<DeviceInfo>>>,
}

impl RenderOutput for RenderTeller {
    fn applied(&mut self, commit: AppliedCommit) {
        for op in &commit.closed {
            let intent = op.origin.as_ref().map_or("", |o| o.intent_id.as_str());
            let (reduced, applied) = (op.reduced - op.received, op.received.elapsed());
            tracing::debug!(op = op.seq.0, kind = ?op.kind, intent, outcome = ?op.outcome, ?reduced, ?applied, "op");
        }
        self.inbox.applied(commit);
    }

    fn device(&mut self, info: DeviceInfo) {
        tracing::info!(device = info.description, "drawing");
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    fn data_fault(&mut self, message: String) {
        self.inbox.warning(Warning { domain: "data", code: "data.chunk", message });
    }

    fn device_fault(&mut self, message: String) {
        self.inbox.warning(Warning { domain: "render", code: "render.device", message });
    }
}

pub(crate) struct EncodeTeller {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) stream: Arc<Mutex<Option<StreamConfig>>>,
    pub(crate) size: CanvasSize,
    pub(crate) fps: f32,
}

impl EncodeOutput for EncodeTeller {
    fn stream(&mut self, sets: &ParameterSets) {
        let config = StreamConfig { size: self.size, fps: self.fps, parameter_sets: sets.clone() };
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
        self.sink.event(Event::Stream(config));
    }

    fn frame(&mut self, frame: EncodedFrame) {
        let EncodedFrame { unit, op, latency, flip } = frame;
        let wall = SystemTime::now();
        self.sink.packet(Packet { avcc: unit.avcc.into(), idr: unit.idr, size: self.size, wall, flip, op, latency });
    }

    fn fault(&mut self, error: &EncodeError) {
        let message = format!("{error}; making another encoder");
        self.inbox.warning(Warning { domain: "encode", code: "encode.failed", message });
    }
}
