//! Resident volumes: a 3D texture each, filled brick by brick.

use super::fold::Fold;
use super::occupancy::Occupancy;
use crate::api::DeviceError;
use crate::device_gl::context::check;
use crate::samples::within_filter_range;
use glow::HasContext;
use nc_core::data::{Brick, BrickKey, SampleFormat, Samples, VolumeKey};
use std::collections::{HashMap, HashSet};

/// All resident volumes.
#[derive(Debug)]
pub(super) struct Store {
    volumes: HashMap<VolumeKey, Volume>,
    /// Longest side of a texture, texels.
    limit: u32,
    /// Longest side of a texture that the device takes, which is more where a test sets the limit.
    device_limit: u32,
}

/// A volume.
#[derive(Debug)]
pub(super) struct Volume {
    /// Samples along z, y, x.
    pub(super) shape: [u32; 3],
    pub(super) format: SampleFormat,
    pub(super) fold: Fold,
    pub(super) texture: glow::Texture,
    pub(super) occupancy: Occupancy,
    /// Whether it holds anything that is not a number.
    pub(super) has_nan: bool,
    bricks: HashSet<[u32; 3]>,
}

/// How samples of a format lie in a texture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    samples: u32,
    /// Of two components, for spans.
    pub(super) pairs: u32,
    pub(super) component: u32,
    /// What a value in the texture is to be multiplied with.
    pub(super) scale: f32,
}

impl Layout {
    pub(super) fn of(format: SampleFormat) -> Self {
        let (samples, pairs, component, scale) = match format {
            SampleFormat::U8 => (glow::R8, glow::RG8, glow::UNSIGNED_BYTE, 255.0),
            SampleFormat::U16 => (glow::R16, glow::RG16, glow::UNSIGNED_SHORT, 65_535.0),
            SampleFormat::F32 => (glow::R32F, glow::RG32F, glow::FLOAT, 1.0),
        };
        Self { samples, pairs, component, scale }
    }
}

impl Store {
    /// That uses textures with sides of up to `limit` texels, or less if the device has less.
    pub(super) fn new(device_limit: u32, limit: u32) -> Self {
        Self { volumes: HashMap::new(), limit: limit.min(device_limit), device_limit }
    }

    /// The volume, if it has `shape` and every brick is there.
    pub(super) fn whole(&mut self, key: &VolumeKey, shape: [u32; 3]) -> Option<&mut Volume> {
        self.volumes.get_mut(key).filter(|volume| volume.shape == shape && volume.is_whole())
    }

    pub(super) fn insert(
        &mut self,
        gl: &glow::Context,
        key: BrickKey,
        shape: [u32; 3],
        brick: &Brick,
    ) -> Result<(), DeviceError> {
        let format = brick.samples().format();
        if key.size(shape) != Some(brick.size()) {
            return Err(DeviceError::Refused(format!("a brick of {:?} at {:?} of {shape:?}", brick.size(), key.at)));
        }
        match self.volumes.get_mut(&key.volume) {
            Some(volume) if volume.shape == shape && volume.format == format => volume.write(gl, key, brick),
            Some(volume) => {
                let (there, held) = (volume.format, volume.shape);
                Err(DeviceError::Refused(format!("a brick of {format:?} {shape:?} for a volume of {there:?} {held:?}")))
            }
            None => {
                let mut volume = self.make(gl, shape, format)?;
                if let Err(error) = volume.write(gl, key, brick) {
                    volume.delete(gl);
                    return Err(error);
                }
                self.volumes.insert(key.volume, volume);
                Ok(())
            }
        }
    }

    fn make(&self, gl: &glow::Context, shape: [u32; 3], format: SampleFormat) -> Result<Volume, DeviceError> {
        let too_large = || DeviceError::OutOfMemory(format!("a volume of {shape:?} in textures of {}", self.limit));
        let len = [shape[2], shape[1], shape[0]];
        let fold = Fold::new(len, self.limit).ok_or_else(too_large)?;
        let occupancy = Occupancy::new(len);
        if occupancy.longest() > self.device_limit {
            return Err(too_large());
        }
        let [width, height, depth] = fold.size().map(|n| n as i32);
        // SAFETY: the caller has the context bound; the texture is deleted in `Volume::delete`, also on failure.
        let texture = unsafe {
            let texture = gl.create_texture().map_err(DeviceError::OutOfMemory)?;
            gl.bind_texture(glow::TEXTURE_3D, Some(texture));
            for side in [glow::TEXTURE_WRAP_S, glow::TEXTURE_WRAP_T, glow::TEXTURE_WRAP_R] {
                gl.tex_parameter_i32(glow::TEXTURE_3D, side, glow::CLAMP_TO_EDGE as i32);
            }
            for filter in [glow::TEXTURE_MIN_FILTER, glow::TEXTURE_MAG_FILTER] {
                gl.tex_parameter_i32(glow::TEXTURE_3D, filter, glow::LINEAR as i32);
            }
            gl.tex_storage_3d(glow::TEXTURE_3D, 1, Layout::of(format).samples, width, height, depth);
            texture
        };
        let mut volume = Volume { shape, format, fold, texture, occupancy, has_nan: false, bricks: HashSet::new() };
        if let Err(error) = check(gl, "making room for a volume") {
            volume.delete(gl);
            return Err(error);
        }
        Ok(volume)
    }

    pub(super) fn remove(&mut self, gl: &glow::Context, key: &VolumeKey) {
        if let Some(mut volume) = self.volumes.remove(key) {
            volume.delete(gl);
        }
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        self.volumes.drain().for_each(|(_, mut volume)| volume.delete(gl));
    }
}

impl Volume {
    fn is_whole(&self) -> bool {
        let bricks = self.shape.map(|n| n.div_ceil(nc_core::data::BRICK) as usize);
        self.bricks.len() == bricks.iter().product::<usize>()
    }

    /// A brick that fits.
    fn write(&mut self, gl: &glow::Context, key: BrickKey, brick: &Brick) -> Result<(), DeviceError> {
        let samples = within_filter_range(brick.samples());
        let bytes: &[u8] = match &samples {
            Samples::U8(s) => s,
            Samples::U16(s) => bytemuck::cast_slice(s),
            Samples::F32(s) => {
                self.has_nan |= s.iter().any(|v| v.is_nan());
                bytemuck::cast_slice(s)
            }
        };
        let reversed = |[z, y, x]: [u32; 3]| [x, y, z];
        let (origin, size) = (reversed(key.origin()), reversed(brick.size()));
        let component = Layout::of(self.format).component;
        // SAFETY: the caller has the context bound; `bytes` holds the brick's samples, of which each piece is a part, laid out as the
        // parameters say, and every piece lies within the texture.
        unsafe {
            gl.bind_texture(glow::TEXTURE_3D, Some(self.texture));
            gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
            gl.pixel_store_i32(glow::UNPACK_ROW_LENGTH, size[0] as i32);
            gl.pixel_store_i32(glow::UNPACK_IMAGE_HEIGHT, size[1] as i32);
            for piece in self.fold.pieces(origin, size) {
                let skipped: [u32; 3] = std::array::from_fn(|i| piece.from[i] - origin[i]);
                let first = skipped[0] + size[0] * (skipped[1] + size[1] * skipped[2]);
                let data = glow::PixelUnpackData::Slice(Some(&bytes[first as usize * self.format.size()..]));
                let ([x, y, z], [w, h, d]) = (piece.to.map(|n| n as i32), piece.size.map(|n| n as i32));
                gl.tex_sub_image_3d(glow::TEXTURE_3D, 0, x, y, z, w, h, d, glow::RED, component, data);
            }
            gl.pixel_store_i32(glow::UNPACK_ROW_LENGTH, 0);
            gl.pixel_store_i32(glow::UNPACK_IMAGE_HEIGHT, 0);
        }
        check(gl, "uploading a brick")?;
        self.occupancy.join(gl, origin, brick);
        self.bricks.insert(key.at);
        Ok(())
    }

    fn delete(&mut self, gl: &glow::Context) {
        self.occupancy.forget_texture(gl);
        // SAFETY: the caller has the context bound and forgets the volume.
        unsafe { gl.delete_texture(self.texture) };
    }
}
