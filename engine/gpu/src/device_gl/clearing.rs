//! Black pictures and empty depths, by compute.

use super::context::compute_program;
use super::picture::Picture;
use crate::api::DeviceError;
use glow::HasContext;
use nc_core::data::CanvasSize;

const KERNEL: &str = include_str!("../kernels/clear.comp");

/// Work group of the kernel.
const GROUP: (u32, u32) = (16, 8);

/// The programs.
#[derive(Debug)]
pub(super) struct Clearing {
    picture: glow::Program,
    depths: glow::Program,
}

impl Clearing {
    pub(super) fn new(gl: &glow::Context) -> Result<Self, DeviceError> {
        let picture = compute_program(gl, &[KERNEL])?;
        match compute_program(gl, &["#define DEPTHS\n", KERNEL]) {
            Ok(depths) => Ok(Self { picture, depths }),
            Err(error) => {
                // SAFETY: the caller has the context bound; nothing else has the program.
                unsafe { gl.delete_program(picture) };
                Err(error)
            }
        }
    }

    /// Makes it opaque black.
    pub(super) fn picture(&self, gl: &glow::Context, picture: &Picture) {
        picture.bind(gl, 0, glow::WRITE_ONLY);
        // SAFETY: the caller has the context bound.
        unsafe {
            gl.use_program(Some(self.picture));
            Self::dispatch(gl, picture.size);
        }
    }

    /// Puts `far` everywhere in the depths that are bound for writing, which are of `size`.
    pub(super) fn depths(&self, gl: &glow::Context, size: CanvasSize, far: f32) {
        // SAFETY: the caller has the context bound.
        unsafe {
            gl.use_program(Some(self.depths));
            gl.uniform_1_f32(gl.get_uniform_location(self.depths, "far").as_ref(), far);
            Self::dispatch(gl, size);
        }
    }

    /// # Safety
    /// The context is bound and one of the programs in use; the kernel stays within what is bound.
    unsafe fn dispatch(gl: &glow::Context, size: CanvasSize) {
        // SAFETY: the caller's.
        unsafe {
            gl.dispatch_compute(size.width.div_ceil(GROUP.0), size.height.div_ceil(GROUP.1), 1);
            gl.memory_barrier(glow::SHADER_IMAGE_ACCESS_BARRIER_BIT);
        }
    }

    pub(super) fn delete(&self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the programs.
        unsafe { [self.picture, self.depths].into_iter().for_each(|program| gl.delete_program(program)) };
    }
}
