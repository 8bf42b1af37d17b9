//! The picture that is drawn into: an 8-bit RGBA texture, bottom row first, and a framebuffer to read it through.

use super::context::check;
use crate::api::DeviceError;
use glow::HasContext;
use nc_core::data::CanvasSize;

#[derive(Debug)]
pub(super) struct Picture {
    pub(super) size: CanvasSize,
    texture: glow::Texture,
    framebuffer: glow::Framebuffer,
}

impl Picture {
    /// A black one. Both sides of `size` are at least 1.
    pub(super) fn new(gl: &glow::Context, size: CanvasSize) -> Result<Self, DeviceError> {
        let CanvasSize { width, height } = size;
        // SAFETY: the caller has the context bound; what is made here is deleted in `delete`, also on failure.
        unsafe {
            let most = gl.get_parameter_i32(glow::MAX_TEXTURE_SIZE).max(0) as u32;
            if width > most || height > most {
                return Err(DeviceError::Refused(format!("a picture of {width}x{height} where {most} is the longest side")));
            }
            let texture = gl.create_texture().map_err(DeviceError::OutOfMemory)?;
            let framebuffer = match gl.create_framebuffer() {
                Ok(framebuffer) => framebuffer,
                Err(reason) => {
                    gl.delete_texture(texture);
                    return Err(DeviceError::OutOfMemory(reason));
                }
            };
            let picture = Self { size, texture, framebuffer };
            gl.bind_texture(glow::TEXTURE_2D, Some(texture));
            gl.tex_storage_2d(glow::TEXTURE_2D, 1, glow::RGBA8UI, width as i32, height as i32);
            gl.bind_framebuffer(glow::FRAMEBUFFER, Some(framebuffer));
            gl.framebuffer_texture_2d(glow::FRAMEBUFFER, glow::COLOR_ATTACHMENT0, glow::TEXTURE_2D, Some(texture), 0);
            let status = gl.check_framebuffer_status(glow::FRAMEBUFFER);
            let made = check(gl, "making the picture").and(match status {
                glow::FRAMEBUFFER_COMPLETE => Ok(()),
                status => Err(DeviceError::Lost(format!("the picture's framebuffer is {status:#06x}"))),
            });
            if let Err(error) = made {
                picture.delete(gl);
                return Err(error);
            }
            gl.clear_buffer_u32_slice(glow::COLOR, 0, &[0, 0, 0, 255]);
            Ok(picture)
        }
    }

    /// Replaces all of it: bottom row first, red in the lowest byte. As many pixels as the picture has.
    pub(super) fn write(&self, gl: &glow::Context, pixels: &[u32]) -> Result<(), DeviceError> {
        let CanvasSize { width, height } = self.size;
        if pixels.len() != width as usize * height as usize {
            return Err(DeviceError::Refused(format!("{} pixels for a picture of {width}x{height}", pixels.len())));
        }
        let bytes: &[u8] = bytemuck::cast_slice(pixels);
        // SAFETY: the caller has the context bound; the texture is ours, and `bytes` holds its pixels, in rows that need no padding
        // at any alignment that GL knows up to 4.
        unsafe {
            gl.memory_barrier(glow::TEXTURE_UPDATE_BARRIER_BIT);
            gl.bind_texture(glow::TEXTURE_2D, Some(self.texture));
            gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 4);
            let data = glow::PixelUnpackData::Slice(Some(bytes));
            let (format, kind) = (glow::RGBA_INTEGER, glow::UNSIGNED_BYTE);
            gl.tex_sub_image_2d(glow::TEXTURE_2D, 0, 0, 0, width as i32, height as i32, format, kind, data);
        }
        check(gl, "writing the picture")
    }

    /// Binds it to an image unit for a kernel.
    pub(super) fn bind(&self, gl: &glow::Context, unit: u32, access: u32) {
        // SAFETY: the caller has the context bound; the texture is ours.
        unsafe { gl.bind_image_texture(unit, Some(self.texture), 0, false, 0, access, glow::RGBA8UI) };
    }

    /// Four bytes a pixel, top row first, alpha 255.
    pub(super) fn read_rgba(&self, gl: &glow::Context) -> Result<Vec<u8>, DeviceError> {
        let row = self.size.width as usize * 4;
        let mut bytes = vec![0; row * self.size.height as usize];
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        // SAFETY: the caller has the context bound; `bytes` has room for all pixels, whose rows need no padding.
        unsafe {
            gl.memory_barrier(glow::FRAMEBUFFER_BARRIER_BIT);
            gl.bind_framebuffer(glow::FRAMEBUFFER, Some(self.framebuffer));
            let pixels = glow::PixelPackData::Slice(Some(&mut bytes));
            gl.read_pixels(0, 0, width, height, glow::RGBA_INTEGER, glow::UNSIGNED_BYTE, pixels);
        }
        check(gl, "reading the picture")?;
        let flipped: Vec<u8> = bytes.chunks_exact(row).rev().flatten().copied().collect();
        Ok(flipped.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2], 255]).collect())
    }

    pub(super) fn delete(&self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the picture.
        unsafe {
            gl.delete_framebuffer(self.framebuffer);
            gl.delete_texture(self.texture);
        }
    }
}
