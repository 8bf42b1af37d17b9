//! What values a volume holds where, so that rays pass over what cannot matter: spans of blocks of 8 samples along each side, and of
//! 32. All triples are x, y, z.

use super::store::Layout;
use crate::api::DeviceError;
use crate::device_gl::context::check;
use crate::samples::FILTER_RANGE;
use glow::HasContext;
use nc_core::data::{Brick, CELL, SampleFormat, Span};

/// Edge of a block, samples.
const BLOCK: u32 = 2 * CELL;

/// Blocks along a side of a large one.
const LARGE: u32 = 4;

/// Level of the texture that holds the spans of large blocks; level 1 holds nothing.
const LARGE_LEVEL: i32 = 2;

/// Spans of a volume's blocks, on the host and on the device.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// Blocks, a multiple of [`LARGE`].
    blocks: [u32; 3],
    /// Of every tap of any position `p` in the block, `8 b <= p < 8 b + 8`.
    spans: Vec<Span>,
    whole: Span,
    texture: Option<glow::Texture>,
}

impl Occupancy {
    /// Of a volume of `len` samples, nothing of which is known yet.
    pub(super) fn new(len: [u32; 3]) -> Self {
        let blocks = len.map(|n| n.div_ceil(BLOCK).next_multiple_of(LARGE));
        let count = blocks.iter().map(|n| *n as usize).product();
        Self { blocks, spans: vec![Span::NONE; count], whole: Span::NONE, texture: None }
    }

    /// Of all samples.
    pub(super) fn whole(&self) -> Span {
        self.whole
    }

    /// Blocks along the longest side.
    pub(super) fn longest(&self) -> u32 {
        self.blocks[0].max(self.blocks[1]).max(self.blocks[2])
    }

    /// Takes in a brick that begins at `origin`. What one that it replaces held stays in the spans, which are then wider than they
    /// have to be.
    pub(super) fn join(&mut self, gl: &glow::Context, origin: [u32; 3], brick: &Brick) {
        self.forget_texture(gl);
        let [nz, ny, nx] = brick.cell_grid();
        let first = origin.map(|o| o / CELL);
        let mut cells = brick.cells().iter();
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let Some(cell) = cells.next() else { return };
                    self.join_cell([first[0] + x, first[1] + y, first[2] + z], in_filter_range(*cell));
                }
            }
        }
    }

    /// A block's taps lie in its own cells and, as a tap may be one sample further, in the next.
    fn join_cell(&mut self, cell: [u32; 3], span: Span) {
        self.whole = self.whole.joined(span);
        let blocks = cell.map(|c| {
            let own = c / 2;
            own.saturating_sub(u32::from(c.is_multiple_of(2)))..own + 1
        });
        for z in blocks[2].clone() {
            for y in blocks[1].clone() {
                for x in blocks[0].clone() {
                    let i = x as usize + self.blocks[0] as usize * (y as usize + self.blocks[1] as usize * z as usize);
                    self.spans[i] = self.spans[i].joined(span);
                }
            }
        }
    }

    fn large(&self) -> Vec<Span> {
        let [nx, ny, _] = self.blocks.map(|n| n as usize);
        let large = self.blocks.map(|n| (n / LARGE) as usize);
        let edge = LARGE as usize;
        let mut spans = vec![Span::NONE; large.iter().product()];
        for (row, row_spans) in self.spans.chunks_exact(nx).enumerate() {
            let (y, z) = (row % ny, row / ny);
            let into = &mut spans[large[0] * (y / edge + large[1] * (z / edge))..][..large[0]];
            for (into, spans) in into.iter_mut().zip(row_spans.chunks_exact(edge)) {
                *into = spans.iter().fold(*into, |all, span| all.joined(*span));
            }
        }
        spans
    }

    /// The texture, brought up to date. Values are as those of `format` are in textures.
    pub(super) fn texture(&mut self, gl: &glow::Context, format: SampleFormat) -> Result<glow::Texture, DeviceError> {
        if let Some(texture) = self.texture {
            return Ok(texture);
        }
        let layout = Layout::of(format);
        // SAFETY: the caller has the context bound; the texture is deleted in `forget_texture`, also on failure.
        unsafe {
            let texture = gl.create_texture().map_err(DeviceError::OutOfMemory)?;
            self.texture = Some(texture);
            gl.bind_texture(glow::TEXTURE_3D, Some(texture));
            gl.tex_parameter_i32(glow::TEXTURE_3D, glow::TEXTURE_MIN_FILTER, glow::NEAREST_MIPMAP_NEAREST as i32);
            gl.tex_parameter_i32(glow::TEXTURE_3D, glow::TEXTURE_MAG_FILTER, glow::NEAREST as i32);
            gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
            let [nx, ny, nz] = self.blocks.map(|n| n as i32);
            gl.tex_storage_3d(glow::TEXTURE_3D, LARGE_LEVEL + 1, layout.pairs, nx, ny, nz);
            for (level, spans) in [(0, &self.spans), (LARGE_LEVEL, &self.large())] {
                let [nx, ny, nz] = self.blocks.map(|n| n as i32 >> level);
                let bytes = pairs(format, spans);
                let data = glow::PixelUnpackData::Slice(Some(&bytes));
                gl.tex_sub_image_3d(glow::TEXTURE_3D, level, 0, 0, 0, nx, ny, nz, glow::RG, layout.component, data);
            }
            if let Err(error) = check(gl, "keeping the spans of a volume") {
                self.forget_texture(gl);
                return Err(error);
            }
            Ok(texture)
        }
    }

    pub(super) fn forget_texture(&mut self, gl: &glow::Context) {
        if let Some(texture) = self.texture.take() {
            // SAFETY: the caller has the context bound; the texture is ours.
            unsafe { gl.delete_texture(texture) };
        }
    }
}

/// As `samples::within_filter_range` makes the samples.
fn in_filter_range(span: Span) -> Span {
    let pulled_in = |v: f32| v.clamp(-FILTER_RANGE, FILTER_RANGE);
    Span { lo: pulled_in(span.lo), hi: pulled_in(span.hi) }
}

/// Bytes of texels of least and greatest value. Of no value, both are numbers with `lo > hi`.
fn pairs(format: SampleFormat, spans: &[Span]) -> Vec<u8> {
    let values = spans.iter().map(|span| in_filter_range(*span)).flat_map(|span| [span.lo, span.hi]);
    match format {
        SampleFormat::U8 => values.map(|v| v as u8).collect(),
        SampleFormat::U16 => values.flat_map(|v| (v as u16).to_ne_bytes()).collect(),
        SampleFormat::F32 => values.flat_map(f32::to_ne_bytes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tap of every position of a block is in its span, and of a large block in its.
    #[test]
    fn spans_hold_every_tap() {
        let len = [45u32, 21, 9];
        let values: Vec<u16> = (0..len.iter().product::<u32>()).map(|i| (i * 7919 % 60_013) as u16).collect();
        let brick = Brick::new([len[2], len[1], len[0]], nc_core::data::Samples::U16(values.clone().into())).expect("a brick");
        let mut occupancy = Occupancy::new(len);
        let [nz, ny, nx] = brick.cell_grid();
        for (i, cell) in brick.cells().iter().enumerate() {
            let i = i as u32;
            occupancy.join_cell([i % nx, i / nx % ny, i / (nx * ny) % nz], *cell);
        }
        assert_eq!(occupancy.blocks, [8, 4, 4]);
        let (large, most) = (occupancy.large(), values.iter().max().map(|v| f32::from(*v)));
        assert_eq!(Some(occupancy.whole().hi), most);
        let holds = |span: Span, v: u16| span.lo <= f32::from(v) && f32::from(v) <= span.hi;
        for (i, v) in values.iter().enumerate() {
            let i = i as u32;
            let at = [i % len[0], i / len[0] % len[1], i / (len[0] * len[1])];
            // The block of the sample's own position and of those just below it, whose second tap it is.
            for back in 0..8u32 {
                let p: [u32; 3] = std::array::from_fn(|k| at[k].saturating_sub(back >> k & 1));
                let of = |edge: u32, blocks: [u32; 3]| p[0] / edge + blocks[0] * (p[1] / edge + blocks[1] * (p[2] / edge));
                assert!(holds(occupancy.spans[of(8, occupancy.blocks) as usize], *v), "{at:?}");
                assert!(holds(large[of(32, occupancy.blocks.map(|n| n / 4)) as usize], *v), "{at:?}");
            }
        }
    }

    #[test]
    fn of_no_value_stays_of_no_value() {
        let bytes = pairs(SampleFormat::F32, &[Span::NONE, Span { lo: f32::NEG_INFINITY, hi: 2.0 }]);
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert!(values[0] > values[1] && values.iter().all(|v| v.is_finite()));
        assert_eq!((values[2], values[3]), (-1e38, 2.0));
    }
}
