//! Resident tiles: slots in texture arrays, one array per sample format.
//!
//! A layer of an array, a sheet, holds four by four slots, so that the number of layers never limits how many tiles fit. Arrays
//! double when they are full and never shrink; slots of evicted tiles are used again.

use super::context::check;
use crate::api::DeviceError;
use crate::samples::within_filter_range;
use glow::HasContext;
use nc_core::data::{PlaneKey, SampleFormat, Samples, TILE, Tile, TileKey};
use std::collections::HashMap;

const SLOTS_PER_SHEET: u32 = 16;
const SHEET_EDGE: i32 = 4 * TILE as i32;

/// So many that slots keep below 2^28.
const MOST_SHEETS: i32 = 1 << 20;

/// A resident tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    format: SampleFormat,
    /// `sheet * 16 + row * 4 + column`, less than 2^28.
    index: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Slot {
    /// As the kernel reads it.
    pub(super) fn page(&self) -> u32 {
        unit(self.format) << 28 | self.index
    }
}

/// Tiles of one plane by `(ty, tx)`.
pub(super) type PlaneSlots = HashMap<(u32, u32), Slot>;

/// All resident tiles.
#[derive(Debug)]
pub(super) struct Sheets {
    planes: HashMap<PlaneKey, PlaneSlots>,
    arrays: [SheetArray; 3],
    most_sheets: u32,
}

/// How samples lie in a texture.
#[derive(Debug, Clone, Copy)]
struct Layout {
    internal: u32,
    format: u32,
    component: u32,
}

impl Layout {
    fn of(format: SampleFormat) -> Self {
        let (internal, format, component) = match format {
            SampleFormat::U8 => (glow::R8UI, glow::RED_INTEGER, glow::UNSIGNED_BYTE),
            SampleFormat::U16 => (glow::R16UI, glow::RED_INTEGER, glow::UNSIGNED_SHORT),
            SampleFormat::F32 => (glow::R32F, glow::RED, glow::FLOAT),
        };
        Self { internal, format, component }
    }
}

/// Position of a format's array, which is also its number in the shader and its texture unit.
fn unit(format: SampleFormat) -> u32 {
    match format {
        SampleFormat::U8 => 0,
        SampleFormat::U16 => 1,
        SampleFormat::F32 => 2,
    }
}

#[derive(Debug, Default)]
struct SheetArray {
    texture: Option<glow::Texture>,
    sheets: u32,
    free: Vec<u32>,
}

impl Sheets {
    pub(super) fn new(gl: &glow::Context) -> Self {
        // SAFETY: the caller has the context bound.
        let most_sheets = unsafe { gl.get_parameter_i32(glow::MAX_ARRAY_TEXTURE_LAYERS) }.clamp(1, MOST_SHEETS) as u32;
        Self { planes: HashMap::new(), arrays: Default::default(), most_sheets }
    }

    pub(super) fn plane(&self, key: &PlaneKey) -> Option<&PlaneSlots> {
        self.planes.get(key)
    }

    /// Binds every format's array to its texture unit.
    pub(super) fn bind(&self, gl: &glow::Context) {
        for (unit, array) in self.arrays.iter().enumerate() {
            // SAFETY: the caller has the context bound; the texture is ours.
            unsafe {
                gl.active_texture(glow::TEXTURE0 + unit as u32);
                gl.bind_texture(glow::TEXTURE_2D_ARRAY, array.texture);
            }
        }
    }

    /// Makes `tile`, which was checked, resident in place of any of the same key.
    pub(super) fn insert(&mut self, gl: &glow::Context, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        self.remove(&key);
        let samples = within_filter_range(&tile.samples);
        let format = samples.format();
        let array = &mut self.arrays[unit(format) as usize];
        if array.free.is_empty() {
            array.grow(gl, format, self.most_sheets)?;
        }
        let Some(index) = array.free.pop() else {
            return Err(DeviceError::OutOfMemory("a slot for a tile".to_owned()));
        };
        let written = array.write(gl, index, tile, &samples);
        if written.is_err() {
            array.free.push(index);
            return written;
        }
        let slot = Slot { format, index, width: tile.width, height: tile.height };
        self.planes.entry(key.plane).or_default().insert((key.ty, key.tx), slot);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &TileKey) {
        let Some(slots) = self.planes.get_mut(&key.plane) else { return };
        if let Some(slot) = slots.remove(&(key.ty, key.tx)) {
            self.arrays[unit(slot.format) as usize].free.push(slot.index);
        }
        if slots.is_empty() {
            self.planes.remove(&key.plane);
        }
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        for array in &mut self.arrays {
            if let Some(texture) = array.texture.take() {
                // SAFETY: the caller has the context bound; the texture is ours and forgotten.
                unsafe { gl.delete_texture(texture) };
            }
        }
    }
}

impl SheetArray {
    fn grow(&mut self, gl: &glow::Context, format: SampleFormat, most_sheets: u32) -> Result<(), DeviceError> {
        let sheets = (2 * self.sheets).clamp(1, most_sheets);
        let what = format!("growing the {format:?} tiles to {sheets} sheets");
        if sheets <= self.sheets {
            return Err(DeviceError::OutOfMemory(what));
        }
        // SAFETY: the caller has the context bound; the copy covers sheets that both textures have; the old one is not used again.
        let texture = unsafe {
            let texture = gl.create_texture().map_err(DeviceError::OutOfMemory)?;
            gl.bind_texture(glow::TEXTURE_2D_ARRAY, Some(texture));
            let internal = Layout::of(format).internal;
            gl.tex_storage_3d(glow::TEXTURE_2D_ARRAY, 1, internal, SHEET_EDGE, SHEET_EDGE, sheets as i32);
            gl.tex_parameter_i32(glow::TEXTURE_2D_ARRAY, glow::TEXTURE_MIN_FILTER, glow::NEAREST as i32);
            gl.tex_parameter_i32(glow::TEXTURE_2D_ARRAY, glow::TEXTURE_MAG_FILTER, glow::NEAREST as i32);
            if let Some(old) = self.texture {
                let (target, depth) = (glow::TEXTURE_2D_ARRAY, self.sheets as i32);
                gl.copy_image_sub_data(old, target, 0, 0, 0, 0, texture, target, 0, 0, 0, 0, SHEET_EDGE, SHEET_EDGE, depth);
            }
            if let Err(error) = check(gl, &what) {
                gl.delete_texture(texture);
                return Err(error);
            }
            if let Some(old) = self.texture {
                gl.delete_texture(old);
            }
            texture
        };
        self.texture = Some(texture);
        // Popped from the end: lower slots first.
        self.free.extend((self.sheets * SLOTS_PER_SHEET..sheets * SLOTS_PER_SHEET).rev());
        self.sheets = sheets;
        Ok(())
    }

    fn write(&self, gl: &glow::Context, index: u32, tile: &Tile, samples: &Samples) -> Result<(), DeviceError> {
        let bytes: &[u8] = match samples {
            Samples::U8(s) => s,
            Samples::U16(s) => bytemuck::cast_slice(s),
            Samples::F32(s) => bytemuck::cast_slice(s),
        };
        let Layout { format, component, .. } = Layout::of(samples.format());
        let (x, y, sheet) = (index & 3, index >> 2 & 3, index >> 4);
        // SAFETY: the caller has the context bound; the slot lies inside the texture, and `bytes` holds width * height samples,
        // rows without padding as UNPACK_ALIGNMENT 1 says.
        unsafe {
            gl.bind_texture(glow::TEXTURE_2D_ARRAY, self.texture);
            gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
            gl.tex_sub_image_3d(
                glow::TEXTURE_2D_ARRAY,
                0,
                (x * TILE) as i32,
                (y * TILE) as i32,
                sheet as i32,
                tile.width as i32,
                tile.height as i32,
                1,
                format,
                component,
                glow::PixelUnpackData::Slice(Some(bytes)),
            );
        }
        check(gl, "uploading a tile")
    }
}
