//! What values a volume holds where, so that rays pass over what cannot matter: spans of blocks of 8 samples along each side, and of
//! 32. All triples are x, y, z.
//!
//! A span is that of the block and of what lies about it, so that a stretch of a ray whose middle lies in the block has all its taps
//! in the span: rays look up one span for several samples, all of them at the same ones.

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

/// Longest stretch whose taps the span of a block holds, whatever its direction, and of a large block: what is known beyond the
/// block on both sides, less the second tap and what `f32` may be off.
const REACH: [f32; 2] = [2.0 * (CELL - 1) as f32 - 0.05, 2.0 * (BLOCK + CELL - 1) as f32 - 0.05];

/// Level of the texture that holds the spans of large blocks; level 1 holds nothing.
const LARGE_LEVEL: i32 = 2;

/// How many samples of a ray are looked up at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretches {
    /// By the span of a block, and of a large one: a multiple of the former.
    pub(super) samples: [u32; 2],
    /// From the first sample to the middle of what is looked at, in steps.
    pub(super) middles: [f32; 2],
}

impl Stretches {
    /// For samples `step` apart, each of which looks at `back` steps before it as well; `None` if a span is good for none.
    pub(super) fn new(step: f32, back: u32) -> Option<Self> {
        let [short, long] = REACH.map(|reach| ((reach / step) as u32 + 1).saturating_sub(back));
        if short == 0 {
            return None;
        }
        let samples = [short, (long / short).max(1) * short];
        Some(Self { samples, middles: samples.map(|n| (n as f32 - 1.0 - back as f32) / 2.0) })
    }
}

/// Spans of a volume's blocks, on the host and on the device.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// Blocks, a multiple of [`LARGE`].
    blocks: [u32; 3],
    /// Of samples `8 b - 4` up to `8 b + 11`.
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

    /// Four cells along each side make up the span of a block: its own and one about it.
    fn join_cell(&mut self, cell: [u32; 3], span: Span) {
        self.whole = self.whole.joined(span);
        let blocks: [_; 3] = std::array::from_fn(|i| {
            let last = cell[i].div_ceil(2);
            last.saturating_sub(1)..(last + 1).min(self.blocks[i])
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

    /// Of every large block's blocks and one about them: samples `32 b - 12` up to `32 b + 43`.
    fn large(&self) -> Vec<Span> {
        let large = self.blocks.map(|n| n / LARGE);
        let mut spans = Vec::with_capacity(large.iter().map(|n| *n as usize).product());
        let about = |b: u32, axis: usize| (b * LARGE).saturating_sub(1)..((b + 1) * LARGE + 1).min(self.blocks[axis]);
        for z in 0..large[2] {
            for y in 0..large[1] {
                for x in 0..large[0] {
                    let rows = about(z, 2).flat_map(|z| about(y, 1).map(move |y| (z, y)));
                    let joined = rows.flat_map(|(z, y)| {
                        let row = self.blocks[0] as usize * (y as usize + self.blocks[1] as usize * z as usize);
                        let columns = about(x, 0);
                        &self.spans[row + columns.start as usize..row + columns.end as usize]
                    });
                    spans.push(joined.fold(Span::NONE, |all, span| all.joined(*span)));
                }
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

    /// Every tap of a stretch is in the span of the block in which its middle lies, whatever its direction.
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
        assert_eq!(Some(occupancy.whole().hi), values.iter().max().map(|v| f32::from(*v)));
        let large = occupancy.large();
        let holds = |span: Span, v: u16| span.lo <= f32::from(v) && f32::from(v) <= span.hi;
        for (level, spans, edge) in [(0, &occupancy.spans, BLOCK), (1, &large, BLOCK * LARGE)] {
            let blocks = occupancy.blocks.map(|n| n * BLOCK / edge);
            for (i, span) in spans.iter().enumerate() {
                let i = i as u32;
                let block = [i % blocks[0], i / blocks[0] % blocks[1], i / (blocks[0] * blocks[1])];
                // From the first tap of what ends at the block's start to the second of what begins at its end.
                let taps = |k: usize| {
                    let first = ((block[k] * edge) as f32 - REACH[level] / 2.0).floor().max(0.0) as u32;
                    let last = (((block[k] + 1) * edge) as f32 + REACH[level] / 2.0).floor() as u32 + 1;
                    first..(last + 1).min(len[k])
                };
                for z in taps(2) {
                    for y in taps(1) {
                        assert!(taps(0).all(|x| holds(*span, values[(x + len[0] * (y + len[1] * z)) as usize])), "{block:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn stretches_stay_within_reach() {
        for step in [0.1f32, 0.4, 0.8, 1.3, 2.0, 3.1, 5.0, 5.9] {
            for back in [0, 1] {
                let stretches = Stretches::new(step, back).expect("stretches");
                let [short, long] = stretches.samples;
                assert!(long.is_multiple_of(short) && long >= short);
                for (reach, (samples, middle)) in REACH.into_iter().zip(stretches.samples.into_iter().zip(stretches.middles)) {
                    let length = (samples - 1 + back) as f32 * step;
                    assert!(length <= reach && (middle + back as f32) * step == length / 2.0, "{step} {back}");
                }
            }
        }
        assert_eq!(Stretches::new(0.8, 0).map(|s| s.samples), Some([8, 24]));
        assert_eq!(Stretches::new(7.0, 1), None);
    }

    #[test]
    fn of_no_value_stays_of_no_value() {
        let bytes = pairs(SampleFormat::F32, &[Span::NONE, Span { lo: f32::NEG_INFINITY, hi: 2.0 }]);
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert!(values[0] > values[1] && values.iter().all(|v| v.is_finite()));
        assert_eq!((values[2], values[3]), (-1e38, 2.0));
    }
}
