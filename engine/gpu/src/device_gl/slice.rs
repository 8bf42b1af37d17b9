//! The slice pass: one dispatch a layer, with what `taps` and `transfer` worked out in buffers.

use super::colors::{ColorTables, set_layer_uniforms};
use super::context::{check, compute_program};
use super::picture::Picture;
use super::sheets::{PlaneSlots, Sheets};
use crate::api::{DeviceError, SliceLayer, SlicePass, SlicePlane};
use crate::compositing::Rule;
use crate::taps::{Filter, PixelAxis, Tap};
use glow::HasContext;
use nc_core::data::TILE;
use std::ops::RangeInclusive;

/// Page of a tile that is not resident: no slot has it.
const MISSING: u32 = u32::MAX;

/// Work group of the kernel.
const GROUP: (u32, u32) = (16, 8);

/// Buffers of a dispatch, by binding.
const COLUMNS: usize = 0;
const ROWS: usize = 1;
const PLANES: usize = 2;
const PAGES: usize = 3;

/// Program and buffers of the pass.
#[derive(Debug)]
pub(super) struct SliceKernel {
    /// One per filter, made when it is first asked for.
    programs: [Option<glow::Program>; 4],
    buffers: [glow::Buffer; 4],
    colors: ColorTables,
}

/// `struct Plane` of the kernel.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct PlaneRecord {
    pages: u32,
    stride: u32,
    tile_x: u32,
    tile_y: u32,
}

/// What a layer's dispatch reads.
#[derive(Debug, Default)]
struct LayerInput {
    covered: [u32; 4],
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    planes: Vec<PlaneRecord>,
    pages: Vec<u32>,
}

impl LayerInput {
    fn new(pass: &SlicePass, layer: &SliceLayer, sheets: &Sheets) -> Self {
        let Some(wanted) = layer.planes.first() else { return Self::default() };
        let (x, y) = (PixelAxis::columns(pass), PixelAxis::rows(pass));
        let (columns, rows) = (x.covered(wanted.x), y.covered(wanted.y));
        let mut input =
            Self { covered: [columns.start, rows.start, columns.len(), rows.len()].map(|n| n as u32), ..Self::default() };
        if columns.is_empty() || rows.is_empty() {
            return input;
        }
        let filter = Filter::of(layer);
        for plane in &layer.planes {
            let Some(slots) = sheets.plane(&plane.key) else { continue };
            let column_taps = x.taps(columns.clone(), plane.x, filter);
            let row_taps = y.taps(rows.clone(), plane.y, filter);
            input.add_plane(plane, slots, tiles(&column_taps), tiles(&row_taps));
            input.columns.extend(column_taps);
            input.rows.extend(row_taps);
        }
        input
    }

    fn add_plane(&mut self, plane: &SlicePlane, slots: &PlaneSlots, tx: RangeInclusive<u32>, ty: RangeInclusive<u32>) {
        self.planes.push(PlaneRecord {
            pages: self.pages.len() as u32,
            stride: tx.end() - tx.start() + 1,
            tile_x: *tx.start(),
            tile_y: *ty.start(),
        });
        for ty in ty {
            self.pages.extend(tx.clone().map(|tx| match slots.get(&(ty, tx)) {
                Some(slot) if fits(slot.width, plane.x.len, tx) && fits(slot.height, plane.y.len, ty) => slot.page(),
                _ => MISSING,
            }));
        }
    }
}

/// Tiles that the taps touch, and those between.
fn tiles(taps: &[Tap]) -> RangeInclusive<u32> {
    let first = taps.iter().map(|t| t.tiles().0).min().unwrap_or(0);
    let last = taps.iter().map(|t| t.tiles().1).max().unwrap_or(0);
    first..=last
}

/// Whether a side of a tile has the length that its place in an axis of `len` has.
fn fits(side: u32, len: u32, t: u32) -> bool {
    side == len.saturating_sub(t.saturating_mul(TILE)).min(TILE)
}

impl SliceKernel {
    pub(super) fn new(gl: &glow::Context) -> Result<Self, DeviceError> {
        // SAFETY: the caller has the context bound; the buffers are deleted in `delete`.
        let buffers = unsafe {
            let make = || gl.create_buffer().map_err(DeviceError::OutOfMemory);
            [make()?, make()?, make()?, make()?]
        };
        Ok(Self { programs: [None; 4], buffers, colors: ColorTables::default() })
    }

    fn program(&mut self, gl: &glow::Context, filter: Filter) -> Result<glow::Program, DeviceError> {
        let (n, definition) = match filter {
            Filter::Nearest => (0, "#define NEAREST\n"),
            Filter::Linear => (1, "#define LINEAR\n"),
            Filter::Cubic => (2, "#define CUBIC\n"),
            Filter::Contour(_) => (3, "#define CONTOUR\n"),
        };
        if let Some(program) = self.programs[n] {
            return Ok(program);
        }
        let parts = [definition, include_str!("../kernels/layer.glsl"), include_str!("../kernels/slice.comp")];
        let program = compute_program(gl, &parts)?;
        self.programs[n] = Some(program);
        Ok(program)
    }

    pub(super) fn draw(
        &mut self,
        gl: &glow::Context,
        pass: &SlicePass,
        sheets: &Sheets,
        picture: &Picture,
    ) -> Result<(), DeviceError> {
        sheets.bind(gl);
        picture.bind(gl, 0, glow::READ_WRITE);
        for (i, layer) in pass.layers.iter().enumerate() {
            self.colors.bind(gl, i, &layer.coloring)?;
            let input = LayerInput::new(pass, layer, sheets);
            if input.planes.is_empty() {
                continue;
            }
            let filter = Filter::of(layer);
            let program = self.program(gl, filter)?;
            // SAFETY: the caller has the context bound; every buffer holds what the kernel's loops reach: a tap per covered pixel
            // and plane, a page per tile between the taps' outermost.
            unsafe {
                gl.use_program(Some(program));
                self.fill(gl, COLUMNS, bytemuck::cast_slice(&input.columns));
                self.fill(gl, ROWS, bytemuck::cast_slice(&input.rows));
                self.fill(gl, PLANES, bytemuck::cast_slice(&input.planes));
                self.fill(gl, PAGES, bytemuck::cast_slice(&input.pages));
                set_layer_uniforms(gl, program, &layer.coloring, layer.opacity, Rule::of(layer.blending, i == 0));
                set_uniforms(gl, program, &input, filter);
                let [_, _, width, height] = input.covered;
                gl.dispatch_compute(width.div_ceil(GROUP.0), height.div_ceil(GROUP.1), 1);
                gl.memory_barrier(glow::SHADER_IMAGE_ACCESS_BARRIER_BIT);
            }
        }
        check(gl, "drawing a slice")
    }

    /// # Safety
    /// The context is bound.
    unsafe fn fill(&self, gl: &glow::Context, binding: usize, bytes: &[u8]) {
        // SAFETY: the caller's.
        unsafe {
            gl.bind_buffer_base(glow::SHADER_STORAGE_BUFFER, binding as u32, Some(self.buffers[binding]));
            gl.buffer_data_u8_slice(glow::SHADER_STORAGE_BUFFER, bytes, glow::STREAM_DRAW);
        }
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the kernel.
        unsafe {
            self.programs.iter().flatten().for_each(|program| gl.delete_program(*program));
            self.buffers.iter().for_each(|b| gl.delete_buffer(*b));
        }
        self.colors.delete(gl);
    }
}

/// # Safety
/// The context is bound and the program in use.
unsafe fn set_uniforms(gl: &glow::Context, program: glow::Program, input: &LayerInput, filter: Filter) {
    let [left, bottom, width, height] = input.covered;
    // SAFETY: the caller's; a name that the program lacks has no location and is ignored.
    unsafe {
        let at = |name| gl.get_uniform_location(program, name);
        gl.uniform_4_u32(at("covered").as_ref(), left, bottom, width, height);
        gl.uniform_1_u32(at("plane_count").as_ref(), input.planes.len() as u32);
        if let Filter::Contour(reach) = filter {
            gl.uniform_1_u32(at("reach").as_ref(), reach);
        }
    }
}
