//! Which samples a pixel needs, and with what weight: computed once per axis on the host, used by both devices.
//!
//! The conventions are those of `golden/reference/README.md` "World and pixels" and "Scalar -> colour". Doing this part in one
//! place, in `f64`, is what makes the devices' pictures equal.

use crate::api::{SampleAxis, SlicePass};
use nc_core::data::{Interpolation, TILE};
use std::ops::Range;

/// What one pixel reads along one axis: `first + (second - first) * weight`.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Tap {
    /// Sample index.
    pub(crate) first: u32,
    /// `first`, or the sample after it.
    pub(crate) second: u32,
    /// 0 up to 1.
    pub(crate) weight: f32,
}

impl Tap {
    /// Both samples' tiles along the axis.
    pub(crate) fn tiles(self) -> (u32, u32) {
        (self.first / TILE, self.second / TILE)
    }

    fn at(u: f64, len: u32, interpolation: Interpolation) -> Self {
        let inside = |i: i64| i.clamp(0, i64::from(len) - 1) as u32;
        match interpolation {
            Interpolation::Nearest => {
                let first = inside(floor(u + 0.5));
                Self { first, second: first, weight: 0.0 }
            }
            Interpolation::Linear | Interpolation::Cubic => {
                let floor = floor(u);
                let weight = (u - floor as f64) as f32;
                let (first, second) = (inside(floor), inside(floor.saturating_add(1)));
                // A tap of no weight is not needed, so it must neither be waited for nor let a NaN in; at the edges there is none.
                if weight == 0.0 || first == second {
                    Self { first, second: first, weight: 0.0 }
                } else {
                    Self { first, second, weight }
                }
            }
        }
    }
}

/// The largest integer that is not above `u`, as near as there is one; 0 for NaN. `f64::floor` is a library call on x86-64's
/// first instruction set, which the crate is compiled for.
fn floor(u: f64) -> i64 {
    let towards_zero = u as i64;
    if towards_zero as f64 > u { towards_zero.saturating_sub(1) } else { towards_zero }
}

/// One axis of the canvas in the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PixelAxis {
    start: f64,
    extent: f64,
    pixels: u32,
}

impl PixelAxis {
    /// The columns of a pass, from the left.
    pub(crate) fn columns(pass: &SlicePass) -> Self {
        Self { start: pass.view.left, extent: pass.view.width, pixels: pass.canvas.width }
    }

    /// The rows of a pass, from the bottom.
    pub(crate) fn rows(pass: &SlicePass) -> Self {
        Self { start: pass.view.bottom, extent: pass.view.height, pixels: pass.canvas.height }
    }

    /// Where the centre of pixel `i` lies along `axis`, in samples.
    fn position(&self, i: usize, axis: SampleAxis) -> f64 {
        let world = self.start + (i as f64 + 0.5) * self.extent / f64::from(self.pixels);
        (world - axis.translate) / axis.scale
    }

    /// Pixels with `-0.5 <= u <= len - 0.5`. `u` is monotone in the pixel, so they are contiguous.
    pub(crate) fn covered(&self, axis: SampleAxis) -> Range<usize> {
        let inside = |i: &usize| axis.len > 0 && (-0.5..=f64::from(axis.len) - 0.5).contains(&self.position(*i, axis));
        let pixels = self.pixels as usize;
        match (0..pixels).find(inside) {
            Some(first) => first..(first..pixels).rev().find(inside).map_or(first, |last| last + 1),
            None => 0..0,
        }
    }

    /// What `pixels` read along `axis`, which they need not lie inside of.
    pub(crate) fn taps(&self, pixels: Range<usize>, axis: SampleAxis, interpolation: Interpolation) -> Vec<Tap> {
        // An axis without samples covers nothing, but may be named as a stand-in.
        let len = axis.len.max(1);
        pixels.map(|i| Tap::at(self.position(i, axis), len, interpolation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(len: u32, scale: f64, translate: f64) -> SampleAxis {
        SampleAxis { len, scale, translate }
    }

    fn taps(pixels: PixelAxis, axis: SampleAxis, interpolation: Interpolation) -> (Range<usize>, Vec<Tap>) {
        let covered = pixels.covered(axis);
        (covered.clone(), pixels.taps(covered, axis, interpolation))
    }

    #[test]
    fn pixel_centres_cover_half_a_sample_beyond_the_ends() {
        let pixels = PixelAxis { start: -2.0, extent: 8.0, pixels: 8 };
        let (covered, taps) = taps(pixels, axis(4, 1.0, 0.5), Interpolation::Nearest);
        assert_eq!(covered, 2..6);
        assert_eq!(taps.iter().map(|t| t.first).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn linear_taps_stop_at_the_edges() {
        let pixels = PixelAxis { start: -0.5, extent: 2.0, pixels: 8 };
        let (_, taps) = taps(pixels, axis(2, 1.0, 0.0), Interpolation::Linear);
        let pairs: Vec<_> = taps.iter().map(|t| (t.first, t.second)).collect();
        assert_eq!(pairs, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1), (1, 1)]);
        assert_eq!((taps[1].weight, taps[3].weight, taps[7].weight), (0.0, 0.375, 0.0));
    }

    #[test]
    fn a_flipped_axis_reads_backwards() {
        let pixels = PixelAxis { start: -2.5, extent: 3.0, pixels: 3 };
        let (_, taps) = taps(pixels, axis(3, -1.0, 0.0), Interpolation::Nearest);
        assert_eq!(taps.iter().map(|t| t.first).collect::<Vec<_>>(), [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn any_axis_gives_taps_inside(start: f64, extent: f64, pixels in 0u32..40, len in 0u32..9, scale: f64, translate: f64) {
            for interpolation in [Interpolation::Nearest, Interpolation::Linear] {
                let (covered, taps) = taps(PixelAxis { start, extent, pixels }, axis(len, scale, translate), interpolation);
                prop_assert!(covered.end <= pixels as usize && covered.len() == taps.len());
                for tap in taps {
                    prop_assert!(tap.first <= tap.second && tap.second < len && tap.second - tap.first <= 1);
                    prop_assert!((0.0..=1.0).contains(&tap.weight));
                }
            }
        }
    }
}
