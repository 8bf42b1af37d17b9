//! Colours of layers on the device: one table per layer of the last pass, made anew only when gamma or table changed.

use crate::api::DeviceError;
use crate::compositing::Rule;
use crate::transfer::{self, Binning};
use glow::HasContext;
use nc_core::data::Coloring;

/// Binding of the table, `layer.glsl`.
const COLORS: u32 = 4;

/// Tables by layer.
#[derive(Debug, Default)]
pub(super) struct ColorTables {
    layers: Vec<LayerColors>,
}

/// A layer's colours on the device. Limits and opacity are no part of them.
#[derive(Debug)]
struct LayerColors {
    coloring: Coloring,
    buffer: glow::Buffer,
}

impl ColorTables {
    /// Binds the colours of the layer at position `i`. Layers come in order.
    pub(super) fn bind(&mut self, gl: &glow::Context, i: usize, coloring: &Coloring) -> Result<(), DeviceError> {
        let buffer = self.buffer(gl, i, coloring)?;
        // SAFETY: the caller has the context bound.
        unsafe { gl.bind_buffer_base(glow::SHADER_STORAGE_BUFFER, COLORS, Some(buffer)) };
        Ok(())
    }

    fn buffer(&mut self, gl: &glow::Context, i: usize, coloring: &Coloring) -> Result<glow::Buffer, DeviceError> {
        if let Some(layer) = self.layers.get(i).filter(|layer| transfer::same_colors(&layer.coloring, coloring)) {
            return Ok(layer.buffer);
        }
        let entries = transfer::colors(coloring);
        // SAFETY: the caller has the context bound; the buffer is deleted in `delete`.
        let buffer = unsafe {
            let buffer = match self.layers.get(i) {
                Some(layer) => layer.buffer,
                None => gl.create_buffer().map_err(DeviceError::OutOfMemory)?,
            };
            gl.bind_buffer(glow::SHADER_STORAGE_BUFFER, Some(buffer));
            gl.buffer_data_u8_slice(glow::SHADER_STORAGE_BUFFER, bytemuck::cast_slice(&entries), glow::STATIC_DRAW);
            buffer
        };
        let made = LayerColors { coloring: coloring.clone(), buffer };
        match self.layers.get_mut(i) {
            Some(layer) => *layer = made,
            None => self.layers.push(made),
        }
        Ok(buffer)
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        // SAFETY: the caller has the context bound and forgets the tables.
        self.layers.drain(..).for_each(|layer| unsafe { gl.delete_buffer(layer.buffer) });
    }
}

/// Sets what `layer.glsl` wants to know of a layer.
///
/// # Safety
/// The context is bound and the program in use.
pub(super) unsafe fn set_layer_uniforms(
    gl: &glow::Context,
    program: glow::Program,
    coloring: &Coloring,
    opacity: f32,
    rule: Rule,
) {
    let binning = Binning::new(coloring);
    // SAFETY: the caller's; a name that the program lacks has no location and is ignored.
    unsafe {
        let at = |name| gl.get_uniform_location(program, name);
        gl.uniform_1_u32(at("rule").as_ref(), rule as u32);
        gl.uniform_1_f32(at("opacity").as_ref(), opacity.clamp(0.0, 1.0));
        gl.uniform_3_f32(at("limits").as_ref(), binning.lo, binning.hi, binning.inverse);
        gl.uniform_1_u32(at("roots").as_ref(), binning.roots);
        gl.uniform_1_u32(at("bins").as_ref(), binning.bins);
    }
}
