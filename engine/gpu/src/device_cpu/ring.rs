//! The host buffers that carry captured frames, given back when a frame is dropped, on whatever thread.

use crate::api::{CAPTURE_RING, DeviceError, FrameData, I420};
use crate::convert::{i420_len, i420_planes};
use nc_core::data::CanvasSize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// [`CAPTURE_RING`] buffers, made as they are needed. Frames keep it alive, so they may outlive the device.
#[derive(Debug, Default)]
pub(super) struct FrameRing(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    free: Vec<Vec<u8>>,
    out: usize,
}

impl FrameRing {
    /// A buffer for a picture of `size`, filled by `fill`.
    pub(super) fn take(self: &Arc<Self>, size: CanvasSize, fill: impl FnOnce(&mut [u8])) -> Result<HostFrame, DeviceError> {
        let mut bytes = {
            let mut slots = self.slots();
            if slots.out == CAPTURE_RING {
                return Err(DeviceError::RingFull(CAPTURE_RING));
            }
            slots.out += 1;
            slots.free.pop().unwrap_or_default()
        };
        bytes.resize(i420_len(size), 0);
        let mut frame = HostFrame { ring: Arc::clone(self), size, bytes };
        fill(&mut frame.bytes);
        Ok(frame)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing under the lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame in one of the ring's buffers.
#[derive(Debug)]
pub(super) struct HostFrame {
    ring: Arc<FrameRing>,
    size: CanvasSize,
    bytes: Vec<u8>,
}

impl FrameData for HostFrame {
    fn i420(&self) -> I420<'_> {
        i420_planes(self.size, &self.bytes)
    }
}

impl Drop for HostFrame {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut slots = self.ring.slots();
        slots.out -= 1;
        slots.free.push(bytes);
    }
}
