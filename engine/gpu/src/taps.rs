//! Which samples a pixel needs, and with what weight: computed once per axis on the host, used by both devices.
//!
//! The conventions are those of `golden/reference/README.md` "World and pixels" and "Scalar -> colour". Doing this part in one
//! place, in `f64`, is what makes the devices' pictures equal.

use crate::api::{MOST_CONTOUR, SampleAxis, SliceLayer, SlicePass};
use nc_core::data::{Coloring, Interpolation, TILE};
use std::ops::Range;

/// Samples that a filter weighs along an axis, at most.
pub(crate) const WEIGHTS: usize = 4;

/// How the samples about a pixel become its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// The nearest one.
    Nearest,
    /// Two along each axis: `a + (b - a) * weight`, down the columns first.
    Linear,
    /// Up to four along each axis: the sum of weight times sample in their order, down the columns first.
    Cubic,
    /// The nearest key; 0 unless a smaller one lies within so many samples, counted along rows and columns, or a greater one next to
    /// it. At least 1 and at most [`MOST_CONTOUR`].
    Contour(u32),
}

impl Filter {
    pub(crate) fn of(layer: &SliceLayer) -> Self {
        match (&layer.coloring, layer.interpolation, layer.contour) {
            (Coloring::Labels(_), _, 1..) => Self::Contour(layer.contour.min(MOST_CONTOUR)),
            (Coloring::Labels(_), _, 0) | (_, Interpolation::Nearest, _) => Self::Nearest,
            (_, Interpolation::Linear, _) => Self::Linear,
            (_, Interpolation::Cubic, _) => Self::Cubic,
        }
    }
}

/// What one pixel reads along one axis: neighbouring samples, of no more than two tiles.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Tap {
    /// First sample.
    pub(crate) first: u32,
    /// Last sample.
    pub(crate) last: u32,
    /// The one that a [`Filter::Contour`] is about; else `first`.
    pub(crate) at: u32,
    /// Of the samples from `first` on; 0 behind `last`.
    pub(crate) weights: [f32; WEIGHTS],
}

impl Tap {
    /// The first and the last sample's tile along the axis.
    pub(crate) fn tiles(self) -> (u32, u32) {
        (self.first / TILE, self.last / TILE)
    }

    /// Of the same samples, about another of them.
    pub(crate) fn about(self, at: u32) -> Self {
        Self { at, ..self }
    }

    fn at(u: f64, len: u32, filter: Filter) -> Self {
        let inside = |i: i64| i.clamp(0, i64::from(len) - 1) as u32;
        let one = |at: u32| Self { first: at, last: at, at, weights: [1.0, 0.0, 0.0, 0.0] };
        match filter {
            Filter::Nearest => one(inside(floor(u + 0.5))),
            Filter::Linear => {
                let floor = floor(u);
                let weight = (u - floor as f64) as f32;
                let (first, last) = (inside(floor), inside(floor.saturating_add(1)));
                // A tap of no weight is not needed, so it must neither be waited for nor let a NaN in; at the edges there is none.
                if weight == 0.0 || first == last {
                    one(first)
                } else {
                    Self { first, last, at: first, weights: [1.0 - weight, weight, 0.0, 0.0] }
                }
            }
            Filter::Cubic => {
                let floor = floor(u);
                let sample = |k: usize| inside(floor.saturating_add(k as i64 - 1));
                let (first, last) = (sample(0), sample(WEIGHTS - 1));
                // Samples beyond an edge are the edge's, so it has their weight too.
                let mut weights = [0.0; WEIGHTS];
                for (k, weight) in cubic(u - floor as f64).into_iter().enumerate() {
                    weights[(sample(k) - first) as usize] += weight;
                }
                Self { first, last, at: first, weights: weights.map(|w| w as f32) }
            }
            Filter::Contour(reach) => {
                let at = inside(floor(u + 0.5));
                Self { first: at.saturating_sub(reach), last: at.saturating_add(reach).min(len - 1), ..one(at) }
            }
        }
    }
}

/// Entries of the table that vispy keeps its weights in, for distances from 0 to 2.
const ENTRIES: usize = 1024;

/// Those weights (`golden/reference/README.md` "Scalar -> colour").
static CUBIC: [f64; ENTRIES] = {
    // How the table is packed and unpacked there.
    const OFFSET: f64 = 0.234_377_333_881_008_93;
    const fn cube(x: f64) -> f64 {
        x * x * x
    }
    const fn raw(entry: usize) -> f64 {
        let x = entry as f64 * 2.0 / (ENTRIES - 1) as f64;
        (cube(x + 2.0) - 4.0 * cube(x + 1.0) + 6.0 * cube(x) - 4.0 * cube(x - 1.0)) / 6.0
    }
    const HALF: usize = ENTRIES / 2;
    let (mut table, mut i) = ([0.0; ENTRIES], 0);
    while i < ENTRIES {
        let k = i % HALF;
        let sum = raw(k) + raw(HALF + k) + raw(ENTRIES - 1 - k) + raw(HALF - 1 - k);
        table[i] = (raw(i) / sum + OFFSET) * 256.0 / 255.0 - OFFSET;
        i += 1;
    }
    table
};

/// Weights of the samples at -1, 0, 1 and 2 for a position between 0 and 1. Their sum is a little more than 1, as vispy's is.
fn cubic(position: f64) -> [f64; WEIGHTS] {
    [1.0 + position, position, 1.0 - position, 2.0 - position].map(|distance| {
        let at = distance * (ENTRIES / 2) as f64;
        let entry = (at as usize).min(ENTRIES - 1);
        let (a, b) = (CUBIC[entry], CUBIC[(entry + 1).min(ENTRIES - 1)]);
        a + (b - a) * (at - entry as f64)
    })
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
    pub(crate) fn taps(&self, pixels: Range<usize>, axis: SampleAxis, filter: Filter) -> Vec<Tap> {
        // An axis without samples covers nothing, but may be named as a stand-in.
        let len = axis.len.max(1);
        pixels.map(|i| Tap::at(self.position(i, axis), len, filter)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(len: u32, scale: f64, translate: f64) -> SampleAxis {
        SampleAxis { len, scale, translate }
    }

    fn taps(pixels: PixelAxis, axis: SampleAxis, filter: Filter) -> (Range<usize>, Vec<Tap>) {
        let covered = pixels.covered(axis);
        (covered.clone(), pixels.taps(covered, axis, filter))
    }

    #[test]
    fn pixel_centres_cover_half_a_sample_beyond_the_ends() {
        let pixels = PixelAxis { start: -2.0, extent: 8.0, pixels: 8 };
        let (covered, taps) = taps(pixels, axis(4, 1.0, 0.5), Filter::Nearest);
        assert_eq!(covered, 2..6);
        assert_eq!(taps.iter().map(|t| t.first).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn linear_taps_stop_at_the_edges() {
        let pixels = PixelAxis { start: -0.5, extent: 2.0, pixels: 8 };
        let (_, taps) = taps(pixels, axis(2, 1.0, 0.0), Filter::Linear);
        let pairs: Vec<_> = taps.iter().map(|t| (t.first, t.last)).collect();
        assert_eq!(pairs, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1), (1, 1)]);
        assert_eq!((taps[1].weights[1], taps[3].weights[1], taps[7].weights[1]), (0.0, 0.375, 0.0));
    }

    #[test]
    fn a_flipped_axis_reads_backwards() {
        let pixels = PixelAxis { start: -2.5, extent: 3.0, pixels: 3 };
        let (_, taps) = taps(pixels, axis(3, -1.0, 0.0), Filter::Nearest);
        assert_eq!(taps.iter().map(|t| t.first).collect::<Vec<_>>(), [2, 1, 0]);
    }

    /// Values from the formula, calculated elsewhere.
    #[test]
    fn cubic_taps_weigh_four_samples_and_the_edge_for_those_beyond() {
        let pixels = PixelAxis { start: -0.25, extent: 2.0, pixels: 4 };
        let (_, taps) = taps(pixels, axis(9, 1.0, 0.0), Filter::Cubic);
        let near = |tap: &Tap, expected: [f32; 4]| {
            assert!(tap.weights.iter().zip(expected).all(|(w, e)| (w - e).abs() < 1e-6), "{tap:?}");
        };
        assert_eq!(taps.iter().map(|t| (t.first, t.last)).collect::<Vec<_>>(), [(0, 2), (0, 2), (0, 3), (0, 3)]);
        near(&taps[0], [0.905_073_05, 0.101_017_11, 0.000_919_13, 0.0]);
        near(&taps[1], [0.502_748_1, 0.484_073_93, 0.018_674_13, 0.0]);
        near(&taps[2], [0.101_017_11, 0.804_055_9, 0.101_017_11, 0.000_919_13]);
        near(&taps[3], [0.018_674_13, 0.484_073_93, 0.484_073_93, 0.018_674_13]);
    }

    proptest! {
        #[test]
        fn any_axis_gives_taps_inside(start: f64, extent: f64, pixels in 0u32..40, len in 0u32..9, scale: f64, translate: f64) {
            for filter in [Filter::Nearest, Filter::Linear, Filter::Cubic, Filter::Contour(1), Filter::Contour(MOST_CONTOUR)] {
                let (covered, taps) = taps(PixelAxis { start, extent, pixels }, axis(len, scale, translate), filter);
                prop_assert!(covered.end <= pixels as usize && covered.len() == taps.len());
                for tap in taps {
                    prop_assert!(tap.first <= tap.at && tap.at <= tap.last && tap.last < len);
                    prop_assert!(tap.tiles().1 - tap.tiles().0 <= 1);
                    prop_assert!(tap.weights.iter().all(|w| (0.0..=1.02).contains(w)));
                    let behind = (tap.last - tap.first + 1) as usize;
                    prop_assert!(tap.weights.iter().skip(behind).all(|w| *w == 0.0));
                }
            }
        }
    }
}
