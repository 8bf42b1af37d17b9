//! What the render and encode threads tell, brought to the control thread's inbox and the driver's sink.

use crate::api::{Event, Packet, Sink, StreamConfig};
use crate::inbox::{Inbox, Warning};
use nc_core::data::{CanvasSize, LevelDecided};
use nc_core::ledger::AppliedCommit;
use nc_gpu::api::{DeviceInfo, EncodeError, ParameterSets};
use nc_runtime::{EncodeOutput, EncodedFrame, RenderOutput};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

pub(crate) struct RenderTeller {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) device: Arc<Mutex<Option<DeviceInfo>>>,
}

impl RenderOutput for RenderTeller {
    fn applied(&mut self, commit: AppliedCommit) {
        self.inbox.applied(commit);
    }

    fn device(&mut self, info: DeviceInfo) {
        tracing::info!(device = info.description, "drawing");
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    fn level(&mut self, decided: LevelDecided) {
        self.inbox.level(decided);
    }

    fn over_budget(&mut self, epoch: u64) {
        let message = "no level of this image fits the memory budgets; the coarsest is shown all the same. More is given by \
                       --cache-mb, --max-slice-mb, --max-volume-mb and --vram-mb"
            .to_owned();
        self.inbox.warning(Warning { domain: "data", code: "data.over_budget", epoch: Some(epoch), message });
    }

    fn data_fault(&mut self, epoch: u64, message: String) {
        self.inbox.warning(Warning { domain: "data", code: "data.chunk", epoch: Some(epoch), message });
    }

    fn device_fault(&mut self, message: String) {
        self.inbox.warning(Warning { domain: "render", code: "render.device", epoch: None, message });
    }

    fn volume_pending(&mut self, epoch: u64) {
        let message = "the volume is loading: until its coarsest level is there, 3D shows the outline of the data".to_owned();
        self.inbox.warning(Warning { domain: "render", code: "render.volume_pending", epoch: Some(epoch), message });
    }
}

/// The wall clock as it was when the session began, and steady from there: packet timestamps never jump (PROTOCOL §11.6), whatever
/// is done to the machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyWall {
    wall: SystemTime,
    at: Instant,
}

impl SteadyWall {
    /// The wall clock shows `wall` at `at`.
    pub(crate) fn anchored(wall: SystemTime, at: Instant) -> Self {
        Self { wall, at }
    }

    fn time(&self, at: Instant) -> SystemTime {
        self.wall + at.saturating_duration_since(self.at)
    }
}

pub(crate) struct EncodeTeller {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) stream: Arc<Mutex<Option<StreamConfig>>>,
    pub(crate) fps: f32,
    pub(crate) wall: SteadyWall,
}

impl EncodeOutput for EncodeTeller {
    fn stream(&mut self, sets: &ParameterSets, size: CanvasSize) {
        let config = StreamConfig { size, fps: self.fps, parameter_sets: sets.clone() };
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
        self.sink.event(Event::Stream(config));
    }

    fn frame(&mut self, frame: EncodedFrame) {
        let EncodedFrame { unit, op, ops, flip, size } = frame;
        let wall = self.wall.time(Instant::now());
        self.sink.packet(Packet { avcc: unit.avcc.into(), idr: unit.idr, size, wall, flip, op, ops });
    }

    fn fault(&mut self, error: &EncodeError) {
        let message = format!("{error}; making another encoder");
        self.inbox.warning(Warning { domain: "encode", code: "encode.failed", epoch: None, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn packets_are_stamped_with_the_time_that_passed_whatever_the_wall_clock_does() {
        let (wall, start) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_167_757), Instant::now());
        let clock = SteadyWall::anchored(wall, start);
        for ms in [0, 1, 16, 3_600_000] {
            assert_eq!(clock.time(start + Duration::from_millis(ms)), wall + Duration::from_millis(ms));
        }
    }
}
