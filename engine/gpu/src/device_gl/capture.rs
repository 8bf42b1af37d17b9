//! Capture: the picture packed to 4:2:0 by a kernel, then copied into one of a few buffers that stay mapped.
//!
//! A frame reads its buffer's mapping, on any thread. It holds a share in the context: a mapping ends with its buffer, and a
//! buffer that no one deletes ends with the context, so frames may outlive the device.

use super::context::{Gl, check, compute_program};
use super::egl::EglContext;
use super::picture::Picture;
use crate::api::{CAPTURE_RING, DeviceError, FrameData, I420};
use crate::convert::{Matrix, i420_len, i420_planes};
use glow::HasContext;
use nc_core::data::{CanvasSize, ColorRange};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Invocations of a work group, and words that a row of groups fills: a dispatch has at most 65535 groups along an axis.
const GROUP: u32 = 128;
const ROW_WORDS: u32 = GROUP * 1024;

/// How long the device may take for one frame before it is given up.
const PATIENCE_NS: i32 = 2_000_000_000;

/// The kernel, its buffer, and the mapped ring.
#[derive(Debug)]
pub(super) struct Capture {
    program: glow::Program,
    /// Where the kernel writes; the driver keeps it in the device's memory.
    packed: glow::Buffer,
    packed_len: usize,
    slots: [Option<Mapped>; CAPTURE_RING],
    in_use: Arc<SlotsInUse>,
}

/// Which slots are with a frame.
#[derive(Debug, Default)]
struct SlotsInUse(Mutex<[bool; CAPTURE_RING]>);

impl SlotsInUse {
    fn lock(&self) -> MutexGuard<'_, [bool; CAPTURE_RING]> {
        // Nothing under the lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that is mapped for reading as long as it lives.
#[derive(Debug, Clone, Copy)]
struct Mapped {
    buffer: glow::Buffer,
    address: *const u8,
    len: usize,
}

impl Capture {
    pub(super) fn new(gl: &glow::Context) -> Result<Self, DeviceError> {
        let program = compute_program(gl, &[include_str!("../kernels/i420.comp")])?;
        // SAFETY: the caller has the context bound; the buffer is deleted in `delete`.
        let packed = unsafe { gl.create_buffer() }.map_err(DeviceError::OutOfMemory)?;
        Ok(Self { program, packed, packed_len: 0, slots: [None; CAPTURE_RING], in_use: Arc::default() })
    }

    /// Converts `picture`, whose sides are even, and waits until the host can read it.
    pub(super) fn frame(&mut self, gl: &Gl, picture: &Picture, range: ColorRange) -> Result<MappedFrame, DeviceError> {
        let functions = gl.bound()?;
        let size = picture.size;
        let len = i420_len(size).next_multiple_of(4);
        let Some(index) = self.in_use.lock().iter().position(|used| !used) else {
            return Err(DeviceError::RingFull(CAPTURE_RING));
        };
        let slot = self.slot(functions, index, len)?;
        self.pack(functions, picture, range, len)?;
        // SAFETY: the context is bound; both buffers hold `len` bytes, and no frame reads the slot.
        unsafe {
            functions.memory_barrier(glow::BUFFER_UPDATE_BARRIER_BIT);
            functions.bind_buffer(glow::COPY_READ_BUFFER, Some(self.packed));
            functions.bind_buffer(glow::COPY_WRITE_BUFFER, Some(slot.buffer));
            functions.copy_buffer_sub_data(glow::COPY_READ_BUFFER, glow::COPY_WRITE_BUFFER, 0, 0, len as i32);
        }
        wait(functions)?;
        check(functions, "capturing a frame")?;
        self.in_use.lock()[index] = true;
        Ok(MappedFrame { size, index, address: slot.address, in_use: Arc::clone(&self.in_use), _context: gl.keep_alive() })
    }

    fn pack(&mut self, gl: &glow::Context, picture: &Picture, range: ColorRange, len: usize) -> Result<(), DeviceError> {
        let matrix = Matrix::new(range);
        let words = (len / 4) as u32;
        // SAFETY: the context is bound; the kernel asks the buffer for its length and writes no further.
        unsafe {
            gl.bind_buffer_base(glow::SHADER_STORAGE_BUFFER, 0, Some(self.packed));
            if self.packed_len != len {
                gl.buffer_data_size(glow::SHADER_STORAGE_BUFFER, len as i32, glow::STREAM_COPY);
                check(gl, "making room for a frame")?;
                self.packed_len = len;
            }
            picture.bind(gl, 0, glow::READ_ONLY);
            gl.use_program(Some(self.program));
            let at = |name| gl.get_uniform_location(self.program, name);
            gl.uniform_2_u32(at("size").as_ref(), picture.size.width, picture.size.height);
            for (name, [r, g, b]) in [("luma", matrix.y), ("chroma_u", matrix.u), ("chroma_v", matrix.v)] {
                gl.uniform_3_i32(at(name).as_ref(), r, g, b);
            }
            gl.uniform_1_i32(at("black").as_ref(), matrix.black);
            gl.uniform_1_u32(at("row_words").as_ref(), ROW_WORDS);
            gl.memory_barrier(glow::SHADER_IMAGE_ACCESS_BARRIER_BIT);
            gl.dispatch_compute(words.min(ROW_WORDS).div_ceil(GROUP), words.div_ceil(ROW_WORDS), 1);
        }
        Ok(())
    }

    /// Slot `index`, which no frame holds, with room for `len` bytes.
    fn slot(&mut self, gl: &glow::Context, index: usize, len: usize) -> Result<Mapped, DeviceError> {
        if let Some(slot) = self.slots[index] {
            if slot.len >= len {
                return Ok(slot);
            }
            self.slots[index] = None;
            // SAFETY: the context is bound; the buffer is forgotten, and with it its mapping.
            unsafe { gl.delete_buffer(slot.buffer) };
        }
        let mapping = glow::MAP_READ_BIT | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        // SAFETY: the context is bound; the buffer is deleted here, in `slot`, in `delete` or with the context.
        let slot = unsafe {
            let buffer = gl.create_buffer().map_err(DeviceError::OutOfMemory)?;
            gl.bind_buffer(glow::COPY_WRITE_BUFFER, Some(buffer));
            gl.buffer_storage(glow::COPY_WRITE_BUFFER, len as i32, None, mapping | glow::CLIENT_STORAGE_BIT);
            let address = gl.map_buffer_range(glow::COPY_WRITE_BUFFER, 0, len as i32, mapping);
            let made = check(gl, "making a capture slot");
            if made.is_err() || address.is_null() {
                gl.delete_buffer(buffer);
                return Err(made.err().unwrap_or_else(|| DeviceError::OutOfMemory("mapping a capture slot".to_owned())));
            }
            Mapped { buffer, address: address.cast_const(), len }
        };
        self.slots[index] = Some(slot);
        Ok(slot)
    }

    /// Deletes all but the slots that frames still read; those end with the context.
    pub(super) fn delete(&mut self, gl: &glow::Context) {
        let in_use = self.in_use.lock();
        // SAFETY: the caller has the context bound and forgets the capture; no frame reads what is deleted.
        unsafe {
            gl.delete_program(self.program);
            gl.delete_buffer(self.packed);
            for (slot, _) in self.slots.iter().zip(in_use.iter()).filter(|(_, used)| !**used) {
                if let Some(slot) = slot {
                    gl.delete_buffer(slot.buffer);
                }
            }
        }
    }
}

/// Waits for everything that was submitted.
fn wait(gl: &glow::Context) -> Result<(), DeviceError> {
    // SAFETY: the caller has the context bound; the fence is deleted here.
    let status = unsafe {
        let fence = gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0).map_err(DeviceError::Lost)?;
        let status = gl.client_wait_sync(fence, glow::SYNC_FLUSH_COMMANDS_BIT, PATIENCE_NS);
        gl.delete_sync(fence);
        status
    };
    match status {
        glow::ALREADY_SIGNALED | glow::CONDITION_SATISFIED => Ok(()),
        glow::TIMEOUT_EXPIRED => Err(DeviceError::Lost("a frame took longer than two seconds".to_owned())),
        _ => Err(check(gl, "waiting for a frame")
            .err()
            .unwrap_or_else(|| DeviceError::Lost("waiting for a frame failed".to_owned()))),
    }
}

/// A frame in a mapped slot.
#[derive(Debug)]
pub(super) struct MappedFrame {
    size: CanvasSize,
    index: usize,
    address: *const u8,
    in_use: Arc<SlotsInUse>,
    /// Keeps the mapping.
    _context: Arc<EglContext>,
}

// SAFETY: the mapping is plain memory of the process that only this frame reads while its slot is in use; nothing else of it is
// bound to a thread.
unsafe impl Send for MappedFrame {}

impl FrameData for MappedFrame {
    fn i420(&self) -> I420<'_> {
        // SAFETY: the slot holds at least this many bytes, the copy into it was waited for, and until the frame is dropped the
        // slot is in use: neither written nor deleted, and its context is kept alive.
        let bytes = unsafe { std::slice::from_raw_parts(self.address, i420_len(self.size)) };
        i420_planes(self.size, bytes)
    }
}

impl Drop for MappedFrame {
    fn drop(&mut self) {
        self.in_use.lock()[self.index] = false;
    }
}
