//! What the volume pass draws into beside the picture: the depths of what is nearest, and, where the view moves, a smaller picture.

use crate::api::DeviceError;
use crate::device_gl::clearing::Clearing;
use crate::device_gl::context::{check, compute_program};
use crate::device_gl::picture::Picture;
use glow::HasContext;
use nc_core::data::CanvasSize;

/// Image unit of the depths in the volume kernels, and of the smaller picture in the one that scales it up.
const UNIT: u32 = 1;

/// Work group of that kernel.
const GROUP: (u32, u32) = (16, 8);

/// Of every pixel, how far away what was drawn is.
#[derive(Debug)]
pub(super) struct Depths {
    size: CanvasSize,
    texture: glow::Texture,
}

impl Depths {
    fn new(gl: &glow::Context, size: CanvasSize) -> Result<Self, DeviceError> {
        // SAFETY: the caller has the context bound; what is made here is deleted in `delete`, also on failure.
        unsafe {
            let texture = gl.create_texture().map_err(DeviceError::OutOfMemory)?;
            let depths = Self { size, texture };
            gl.bind_texture(glow::TEXTURE_2D, Some(texture));
            gl.tex_storage_2d(glow::TEXTURE_2D, 1, glow::R32F, size.width as i32, size.height as i32);
            if let Err(error) = check(gl, "making a depth buffer") {
                depths.delete(gl);
                return Err(error);
            }
            Ok(depths)
        }
    }

    /// Binds `kept`, made anew if it is not of `size`, with `far` in every pixel.
    pub(super) fn bind(
        gl: &glow::Context,
        kept: &mut Option<Self>,
        size: CanvasSize,
        far: f32,
        clearing: &Clearing,
    ) -> Result<(), DeviceError> {
        if let Some(old) = kept.take_if(|depths| depths.size != size) {
            old.delete(gl);
        }
        let depths = match kept {
            Some(depths) => depths,
            None => kept.insert(Self::new(gl, size)?),
        };
        // SAFETY: the caller has the context bound; the texture is ours.
        unsafe { gl.bind_image_texture(UNIT, Some(depths.texture), 0, false, 0, glow::READ_WRITE, glow::R32F) };
        clearing.depths(gl, size, far);
        Ok(())
    }

    pub(super) fn delete(&self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the depths.
        unsafe {
            gl.delete_texture(self.texture);
        }
    }
}

/// A smaller picture, and the program that scales it up.
#[derive(Debug)]
pub(super) struct Smaller {
    pub(super) picture: Picture,
    upscale: glow::Program,
}

impl Smaller {
    /// `kept`, black, made anew if it is not of `size`.
    pub(super) fn cleared<'a>(
        gl: &glow::Context,
        kept: &'a mut Option<Self>,
        size: CanvasSize,
        clearing: &Clearing,
    ) -> Result<&'a Self, DeviceError> {
        if let Some(old) = kept.take_if(|smaller| smaller.picture.size != size) {
            old.delete(gl);
        }
        match kept {
            Some(smaller) => {
                clearing.picture(gl, &smaller.picture);
                Ok(smaller)
            }
            None => {
                let picture = Picture::new(gl, size)?;
                match compute_program(gl, &[include_str!("../../kernels/volume_upscale.comp")]) {
                    Ok(upscale) => Ok(kept.insert(Self { picture, upscale })),
                    Err(error) => {
                        picture.delete(gl);
                        Err(error)
                    }
                }
            }
        }
    }

    /// Fills `picture`, of which `divisor` pixels along each side are one of this.
    pub(super) fn scale_up(&self, gl: &glow::Context, picture: &Picture, divisor: u32) {
        let CanvasSize { width, height } = picture.size;
        picture.bind(gl, 0, glow::WRITE_ONLY);
        self.picture.bind(gl, UNIT, glow::READ_ONLY);
        // SAFETY: the caller has the context bound; both pictures are, and the kernel stays within them.
        unsafe {
            gl.use_program(Some(self.upscale));
            gl.uniform_1_f32(gl.get_uniform_location(self.upscale, "divisor").as_ref(), divisor as f32);
            gl.dispatch_compute(width.div_ceil(GROUP.0), height.div_ceil(GROUP.1), 1);
            gl.memory_barrier(glow::SHADER_IMAGE_ACCESS_BARRIER_BIT);
        }
    }

    pub(super) fn delete(&self, gl: &glow::Context) {
        self.picture.delete(gl);
        // SAFETY: the caller has the context bound and forgets the program.
        unsafe { gl.delete_program(self.upscale) };
    }
}
