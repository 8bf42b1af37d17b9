//! What the programs of the volume pass are told of a layer.

use super::occupancy::Stretches;
use super::store::{Layout, Volume};
use crate::api::VolumeLayer;
use crate::rays::{DEPTH_STEPS, DepthRule, PerPixel, Rays};
use glow::HasContext;
use nc_core::data::{Blending, CanvasSize, Coloring, Rendering, SampleFormat};

/// Part of the texture's range by which what it filters may be off.
const FILTER_ERROR: f32 = 1.0 / 128.0;

/// Part of an integer by which the texture unit may miss it where all taps have it.
const INTEGER_ERROR: f32 = 3e-7;

/// Most samples across a slab: beyond, it reaches far past any volume.
const MOST_SLAB_STEPS: i32 = 1 << 16;

/// A ray is not searched for a value that is better by no more than this part of the limits' range: a quarter of a level of 8 bits.
const BETTER: f32 = 1.0 / 1024.0;

/// Below the threshold by this, a sample of an iso surface ends no step that is searched; as the texture holds values.
const ISO_REACH: f32 = 0.2;

/// Numbers in the depth buffer, counted from one near those of what is drawn: so `f32` tells its steps apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DepthBuffer {
    offset: f32,
    factor: f32,
    near: f32,
    pub(super) far: f32,
}

impl DepthBuffer {
    pub(super) fn new(rule: &DepthRule) -> Self {
        let (a, b) = rule.buffer;
        let sign = if rule.perspective { -1.0 } else { 1.0 };
        let base = (a * DEPTH_STEPS).floor();
        Self {
            offset: (a * DEPTH_STEPS - base) as f32,
            factor: (sign * b * DEPTH_STEPS) as f32,
            near: -base as f32,
            far: (DEPTH_STEPS - base) as f32,
        }
    }
}

/// Where the rays of a layer go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marching<'a> {
    pub(super) rays: &'a Rays,
    pub(super) buffer: &'a DepthBuffer,
    /// Between samples, voxels; more than 0.
    pub(super) step: f32,
    /// `None` if every sample is taken.
    pub(super) stretches: Option<Stretches>,
    pub(super) drawn: CanvasSize,
}

/// Sets all but what `layer.glsl` asks for. A name that the program lacks has no location and is ignored.
///
/// # Safety
/// The context is bound and the program in use.
pub(super) unsafe fn set(
    gl: &glow::Context,
    program: glow::Program,
    layer: &VolumeLayer,
    volume: &Volume,
    marching: &Marching<'_>,
) {
    let Marching { rays, buffer, step, stretches, drawn } = *marching;
    let scale = Layout::of(volume.format).scale;
    let inverse_size = volume.fold.size().map(|n| 1.0 / n as f32);
    let (first, [x, y, z]) = (rays.depth.first as f32, rays.depth.change.map(|c| c as f32));
    // SAFETY: the caller's.
    unsafe {
        let at = |name: &str| gl.get_uniform_location(program, name);
        gl.uniform_2_i32(at("drawn").as_ref(), drawn.width as i32, drawn.height as i32);
        gl.uniform_3_f32_slice(at("origin").as_ref(), &per_pixel(&rays.origin));
        gl.uniform_3_f32_slice(at("direction").as_ref(), &per_pixel(&rays.direction));
        gl.uniform_1_f32(at("near").as_ref(), (rays.near as f32).max(f32::MIN));
        gl.uniform_3_f32_slice(at("len").as_ref(), &rays.len.map(|n| n as f32));
        gl.uniform_1_f32(at("sample_step").as_ref(), step);
        gl.uniform_3_f32_slice(at("inverse_size").as_ref(), &inverse_size);
        gl.uniform_1_f32(at("scale").as_ref(), scale);
        gl.uniform_4_f32(at("view_depth").as_ref(), first, x, y, z);
        gl.uniform_4_f32(at("depth_buffer").as_ref(), buffer.offset, buffer.factor, buffer.near, buffer.far);
        gl.uniform_1_u32(at("perspective").as_ref(), rays.depth.perspective.into());
        set_mode(gl, program, layer, volume, scale);
        if let Some(Stretches { samples: [short, long], middles: [near, far] }) = stretches {
            gl.uniform_2_i32(at("stretches").as_ref(), short as i32, long as i32);
            gl.uniform_2_f32(at("middles").as_ref(), near, far);
        }
        if let Some(slab) = &layer.slab {
            let length = slab.normal.iter().map(|n| n * n).sum::<f64>().sqrt();
            let [z, y, x] = slab.position.map(|p| p as f32);
            gl.uniform_3_f32(at("slab_position").as_ref(), x, y, z);
            let [z, y, x] = slab.normal.map(|n| (n / length) as f32);
            gl.uniform_3_f32(at("slab_normal").as_ref(), x, y, z);
            let steps = (slab.thickness as f32 / step + 0.5) as i32;
            gl.uniform_1_i32(at("slab_steps").as_ref(), steps.min(MOST_SLAB_STEPS));
        }
        if volume.fold.is_folded() {
            let fold = &volume.fold;
            gl.uniform_3_i32_slice(at("segment").as_ref(), &fold.segment.map(|n| n as i32));
            gl.uniform_3_i32_slice(at("segments").as_ref(), &fold.segments.map(|n| n as i32));
            gl.uniform_2_i32(at("fold").as_ref(), fold.places[0] as i32, fold.places[1] as i32);
            gl.uniform_3_i32_slice(at("pitch").as_ref(), &fold.pitch.map(|n| n as i32));
        }
    }
}

/// # Safety
/// As [`set`].
unsafe fn set_mode(gl: &glow::Context, program: glow::Program, layer: &VolumeLayer, volume: &Volume, scale: f32) {
    let Coloring::Scalar(transfer) = &layer.coloring else { return };
    let (lo, hi) = (transfer.limits.0 / scale, transfer.limits.1 / scale);
    let span = volume.occupancy.whole();
    let discards = matches!(layer.blending, Blending::Translucent | Blending::TranslucentNoDepth);
    // For minip, as for mip with all signs changed.
    let (cut, ceiling) = if layer.rendering == Rendering::Minip { (-hi, -lo) } else { (lo, hi) };
    let slack = if volume.format == SampleFormat::F32 { 0.0 } else { cut.abs() * INTEGER_ERROR };
    let start = if discards { cut + slack } else { f32::MIN };
    let threshold = layer.iso_threshold / scale;
    let filter_error = ((span.hi - span.lo) / scale * FILTER_ERROR).max(0.0);
    // SAFETY: the caller's.
    unsafe {
        let at = |name: &str| gl.get_uniform_location(program, name);
        gl.uniform_1_f32(at("start").as_ref(), start);
        gl.uniform_1_f32(at("ceiling").as_ref(), ceiling);
        gl.uniform_1_f32(at("tolerance").as_ref(), (hi - lo) * BETTER);
        gl.uniform_3_f32(at("window").as_ref(), lo, hi, 1.0 / (hi - lo));
        gl.uniform_1_f32(at("attenuation").as_ref(), layer.attenuation);
        gl.uniform_3_f32(at("threshold").as_ref(), threshold, threshold - ISO_REACH, filter_error);
    }
}

fn per_pixel(vector: &PerPixel) -> [f32; 9] {
    let [a, b, c] = [vector.first, vector.right, vector.up].map(|v| v.map(|c| c as f32));
    [a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel computes in `f32` is the buffer's number, less the base.
    #[test]
    fn depths_keep_their_steps() {
        let near = 300.0 / 1e7f64.sqrt();
        let far = 300.0 * 1e7f64.sqrt();
        for (buffer, perspective) in
            [((far / (far - near), far * near / (far - near)), true), ((0.5 - 300.0 / 2e6, 0.5 / 1e6), false)]
        {
            let rule = DepthRule { first: 0.0, change: [1.0, 0.0, 0.0], buffer, perspective };
            let kept = DepthBuffer::new(&rule);
            for i in 0..1000 {
                let depth = 100.0 + 0.37 * f64::from(i);
                let held = kept.offset + if perspective { kept.factor / depth as f32 } else { kept.factor * depth as f32 };
                let held = (held + 0.5).floor().clamp(kept.near, kept.far);
                let far = kept.far + (rule.at([depth, 0.0, 0.0]) - DEPTH_STEPS) as f32;
                assert!((held - far).abs() <= 1.0, "{held} {far}");
            }
        }
    }
}
