//! The volume pass: one dispatch a layer, a ray a pixel. Which rays is worked out on the host (`rays`), as for the cpu device.
//!
//! Lives here: resident volumes (`store`, `fold`, `occupancy`), programs (`programs`), what is drawn into (`targets`) and the pass
//! (`uniforms` says what a program is told).

mod fold;
mod occupancy;
mod programs;
mod store;
mod targets;
mod uniforms;

use super::clearing::Clearing;
use super::colors::{ColorTables, set_layer_uniforms};
use super::context::check;
use super::picture::Picture;
use crate::api::{DeviceError, VolumeLayer, VolumePass};
use crate::compositing::Rule;
use crate::rays::{Rays, drawn_size};
use glow::HasContext;
use nc_core::data::{Blending, Brick, BrickKey, CanvasSize, Coloring, Interpolation, Rendering, SampleFormat, VolumeKey};
use occupancy::Stretches;
use programs::{Filter, Mode, Programs, Variant};
use store::{Store, Volume};
use targets::{Depths, Smaller};
use uniforms::Marching;

/// Work group of the kernels.
const GROUP: u32 = 8;

/// Least step along a ray, voxels: with less, the device would be busy for seconds.
const LEAST_STEP: f32 = 1.0 / 64.0;

/// Texture units of the samples and of their spans.
const SAMPLES: u32 = 0;
const SPANS: u32 = 1;

/// Resident volumes and what draws them.
#[derive(Debug)]
pub(super) struct Volumes {
    store: Store,
    programs: Programs,
    colors: ColorTables,
    depths: Option<Depths>,
    smaller: Option<Smaller>,
    /// Whether the driver's filter gives values of 8 bits of what has 8 bits, as those do that draw on the processor.
    coarse_filter: bool,
    /// Whether rays pass over what does not matter.
    skip: bool,
}

impl Volumes {
    /// With textures whose sides have up to `device_edge` texels, but of which `edge` are used at most.
    pub(super) fn new(device_edge: u32, edge: u32, coarse_filter: bool, skip: bool) -> Self {
        Self {
            store: Store::new(device_edge, edge),
            programs: Programs::default(),
            colors: ColorTables::default(),
            depths: None,
            smaller: None,
            coarse_filter,
            skip,
        }
    }

    pub(super) fn upload(
        &mut self,
        gl: &glow::Context,
        key: BrickKey,
        shape: [u32; 3],
        brick: &Brick,
    ) -> Result<(), DeviceError> {
        self.store.insert(gl, key, shape, brick)
    }

    pub(super) fn evict(&mut self, gl: &glow::Context, key: &VolumeKey) {
        self.store.remove(gl, key);
    }

    /// Draws the layers of `pass` over the black of `picture`, which is as large as its canvas.
    pub(super) fn draw(
        &mut self,
        gl: &glow::Context,
        pass: &VolumePass,
        picture: &Picture,
        clearing: &Clearing,
    ) -> Result<(), DeviceError> {
        let divisor = pass.divisor.clamp(1, 4);
        if divisor == 1 {
            return self.draw_layers(gl, pass, divisor, picture, clearing);
        }
        let mut smaller = self.smaller.take();
        let drawn = Smaller::cleared(gl, &mut smaller, drawn_size(pass.canvas, divisor), clearing).and_then(|smaller| {
            self.draw_layers(gl, pass, divisor, &smaller.picture, clearing)?;
            smaller.scale_up(gl, picture, divisor);
            check(gl, "scaling up a picture")
        });
        self.smaller = smaller;
        drawn
    }

    fn draw_layers(
        &mut self,
        gl: &glow::Context,
        pass: &VolumePass,
        divisor: u32,
        picture: &Picture,
        clearing: &Clearing,
    ) -> Result<(), DeviceError> {
        picture.bind(gl, 0, glow::READ_WRITE);
        let depth = pass.layers.iter().filter(|layer| tests_depth(layer.blending)).count() > 1;
        let mut far = None;
        for (i, layer) in pass.layers.iter().enumerate() {
            self.colors.bind(gl, i, &layer.coloring)?;
            let Some(rays) = Rays::new(&pass.view, pass.canvas, divisor, &layer.axes) else { continue };
            let Some(volume) = self.store.whole(&layer.key, layer.axes.map(|axis| axis.len)) else { continue };
            let buffer = uniforms::DepthBuffer::new(&rays.depth);
            if depth && far.is_none() {
                Depths::bind(gl, &mut self.depths, picture.size, buffer.far, clearing)?;
                far = Some(buffer.far);
            }
            let mode = Mode::of(layer);
            let step = if layer.sample_step > 0.0 { layer.sample_step.max(LEAST_STEP) } else { 1.0 };
            let stretches =
                Stretches::new(step, mode.looks_back()).filter(|_| self.skip && layer.slab.is_none() && may_skip(mode, volume));
            let variant = Variant {
                mode,
                filter: filter(layer, volume, self.coarse_filter),
                slab: layer.slab.is_some(),
                folded: volume.fold.is_folded(),
                skip: stretches.is_some(),
                depth: depth && tests_depth(layer.blending),
            };
            let program = self.programs.get(gl, variant)?;
            let spans = if variant.skip { Some(volume.occupancy.texture(gl, volume.format)?) } else { None };
            let CanvasSize { width, height } = picture.size;
            // SAFETY: the caller has the context bound. Kernels look up only what lies within their textures and the table, whose
            // entries they count as the host does.
            unsafe {
                gl.active_texture(glow::TEXTURE0 + SPANS);
                gl.bind_texture(glow::TEXTURE_3D, spans);
                gl.active_texture(glow::TEXTURE0 + SAMPLES);
                gl.bind_texture(glow::TEXTURE_3D, Some(volume.texture));
                gl.use_program(Some(program));
                set_layer_uniforms(gl, program, &layer.coloring, layer.opacity, Rule::of(layer.blending, i == 0));
                uniforms::set(
                    gl,
                    program,
                    layer,
                    volume,
                    &Marching { rays: &rays, buffer: &buffer, step, stretches, drawn: picture.size },
                );
                gl.dispatch_compute(width.div_ceil(GROUP), height.div_ceil(GROUP), 1);
                gl.memory_barrier(glow::SHADER_IMAGE_ACCESS_BARRIER_BIT);
            }
        }
        check(gl, "drawing volumes")
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        self.store.delete(gl);
        self.programs.delete(gl);
        self.colors.delete(gl);
        if let Some(depths) = self.depths.take() {
            depths.delete(gl);
        }
        if let Some(smaller) = self.smaller.take() {
            smaller.delete(gl);
        }
    }
}

/// Whether what lies behind what was drawn is hidden.
fn tests_depth(blending: Blending) -> bool {
    matches!(blending, Blending::Opaque | Blending::Translucent)
}

fn filter(layer: &VolumeLayer, volume: &Volume, coarse_filter: bool) -> Filter {
    let labels = matches!(layer.coloring, Coloring::Labels(_));
    let of_8_bits = coarse_filter && volume.format == SampleFormat::U8;
    // The texture unit multiplies what has no weight as well: not a number stays so, and beyond a segment's end may be anything.
    let touchy = volume.has_nan || volume.fold.is_folded() && volume.format == SampleFormat::F32;
    match layer.interpolation {
        _ if labels => Filter::Nearest,
        Interpolation::Nearest => Filter::Nearest,
        Interpolation::Linear | Interpolation::Cubic if of_8_bits || touchy => Filter::Exact,
        Interpolation::Linear | Interpolation::Cubic => Filter::Hardware,
    }
}

/// Whether spans say enough: they do not say how much is not a number.
fn may_skip(mode: Mode, volume: &Volume) -> bool {
    match mode {
        Mode::Scalar(Rendering::Average | Rendering::Additive) => !volume.has_nan,
        Mode::Scalar(Rendering::Translucent) => false,
        Mode::Scalar(_) | Mode::Labels { .. } => true,
    }
}
