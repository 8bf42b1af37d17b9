//! The row kernels of the cpu device: combine two source rows, filter along the row, shade a row.
//!
//! Every kernel exists twice, portable and AVX2, and both give the same bits: same operations, same order, no fused
//! multiply-add. An [`Isa`] picks one at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use super::palette::Shading;
use crate::isa::Isa;
use crate::taps::{Filter, Tap, WEIGHTS};

/// A sample as it lies in a tile.
pub(super) trait Sample: Copy {
    /// As the number it stands for.
    fn value(self) -> f32;
}

impl Sample for u8 {
    fn value(self) -> f32 {
        f32::from(self)
    }
}

impl Sample for u16 {
    fn value(self) -> f32 {
        f32::from(self)
    }
}

impl Sample for f32 {
    fn value(self) -> f32 {
        self
    }
}

/// What each pixel of a row reads from the row's gathered sources: from one of them on as many as there are weights.
#[derive(Debug)]
pub(super) struct RowTaps {
    first: Vec<u32>,
    weights: Weights,
    /// Sources that may be read before and after `first`.
    reach: (usize, usize),
    /// All of `first` are below this.
    sources: usize,
    /// Whether `first` rises or falls, and that of any [`WINDOW`] neighbouring pixels lie as near to each other.
    windowed: bool,
}

/// Weights by pixel; 0 where a source does not count.
#[derive(Debug)]
enum Weights {
    /// The first source is the value.
    One,
    /// Of the next source: a share of the difference to it.
    Next(Vec<f32>),
    /// Of the first source and each after it.
    Each(Box<[Vec<f32>; WEIGHTS]>),
}

/// Sources that one shuffle picks from.
const WINDOW: usize = 8;

impl RowTaps {
    /// `taps` index `sources` gathered values; an index beyond them is moved to the last.
    pub(super) fn new(filter: Filter, taps: &[Tap], sources: usize) -> Self {
        let last = sources.saturating_sub(1) as u32;
        let first: Vec<_> = taps.iter().map(|tap| tap.at.min(last)).collect();
        let weight = |k: usize| taps.iter().map(|tap| tap.weights[k]).collect();
        let (weights, reach) = match filter {
            Filter::Nearest => (Weights::One, (0, 0)),
            Filter::Linear => (Weights::Next(weight(1)), (0, 1)),
            Filter::Cubic => (Weights::Each(Box::new(std::array::from_fn(weight))), (0, WEIGHTS - 1)),
            Filter::Contour(reach) => (Weights::One, (reach as usize, reach as usize)),
        };
        let monotone = first.is_sorted() || first.is_sorted_by(|a, b| a >= b);
        let windowed = monotone && first.windows(WINDOW).all(|w| w[0].abs_diff(w[WINDOW - 1]) < WINDOW as u32);
        Self { first, weights, reach, sources, windowed }
    }

    /// Length that the gathered row must have: a kernel may look at, but not use, values after the last.
    pub(super) fn padded_sources(&self) -> usize {
        self.sources + WINDOW + WEIGHTS
    }

    /// The sources that a pixel uses, or a few more.
    pub(super) fn sources_of(&self, pixel: usize) -> std::ops::Range<usize> {
        let (first, (before, after)) = (self.first[pixel] as usize, self.reach);
        first.saturating_sub(before)..(first + after + 1).min(self.sources)
    }
}

/// `out[i] = lower[i] + (upper[i] - lower[i]) * weight`; all three of one length.
pub(super) fn lerp_rows<T: Sample>(isa: Isa, lower: &[T], upper: &[T], weight: f32, out: &mut [f32]) {
    match isa {
        Isa::Portable => portable::lerp_rows(lower, upper, weight, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2.
        Isa::Avx2(_) => unsafe { avx2::lerp_rows(lower, upper, weight, out) },
    }
}

/// `out[i] = row[i]` as a number; both of one length.
pub(super) fn widen_row<T: Sample>(isa: Isa, row: &[T], out: &mut [f32]) {
    match isa {
        Isa::Portable => portable::widen_row(row, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2.
        Isa::Avx2(_) => unsafe { avx2::widen_row(row, out) },
    }
}

/// `out[i] = row[i] * weight`; both of one length.
pub(super) fn weigh_row<T: Sample>(isa: Isa, row: &[T], weight: f32, out: &mut [f32]) {
    match isa {
        Isa::Portable => portable::weigh_row(row, weight, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2.
        Isa::Avx2(_) => unsafe { avx2::weigh_row(row, weight, out) },
    }
}

/// `out[i] += row[i] * weight`; both of one length.
pub(super) fn add_row<T: Sample>(isa: Isa, row: &[T], weight: f32, out: &mut [f32]) {
    match isa {
        Isa::Portable => portable::add_row(row, weight, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2.
        Isa::Avx2(_) => unsafe { avx2::add_row(row, weight, out) },
    }
}

/// Filters `pixels` of a row as their [`crate::taps::Filter`] says; a source of weight 0 is not used. `sources` has
/// [`RowTaps::padded_sources`] values, `out` as many as there are `pixels`.
pub(super) fn filter_row(isa: Isa, sources: &[f32], taps: &RowTaps, pixels: std::ops::Range<usize>, out: &mut [f32]) {
    assert!(sources.len() >= taps.padded_sources() && out.len() == pixels.len());
    let first = &taps.first[pixels.clone()];
    // Of all calls below: the variant proves AVX2; `RowTaps` holds indices below `taps.sources`, which `sources` is longer than
    // by `WINDOW + WEIGHTS`, and as many weights as indices.
    match (&taps.weights, isa) {
        (Weights::One, Isa::Portable) => portable::pick(sources, first, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: see above.
        (Weights::One, Isa::Avx2(_)) if taps.windowed => unsafe { avx2::pick_windows(sources, first, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: see above.
        (Weights::One, Isa::Avx2(_)) => unsafe { avx2::pick(sources, first, out) },
        (Weights::Next(weight), Isa::Portable) => portable::lerp_along(sources, first, &weight[pixels], out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: see above.
        (Weights::Next(weight), Isa::Avx2(_)) if taps.windowed => unsafe {
            avx2::lerp_along_windows(sources, first, &weight[pixels], out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: see above.
        (Weights::Next(weight), Isa::Avx2(_)) => unsafe { avx2::lerp_along(sources, first, &weight[pixels], out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: see above.
        (Weights::Each(weights), Isa::Avx2(_)) if taps.windowed => unsafe {
            avx2::weigh_along_windows(sources, first, weights.each_ref().map(|w| &w[pixels.clone()]), out);
        },
        (Weights::Each(weights), _) => {
            portable::weigh_along(sources, first, weights.each_ref().map(|w| &w[pixels.clone()]), out);
        }
    }
}

/// Shades `values` and joins them with the pixels of `picture`, both of one length.
pub(super) fn shade_row(isa: Isa, values: &[f32], shading: &Shading<'_>, picture: &mut [u32]) {
    assert_eq!(values.len(), picture.len());
    match isa {
        Isa::Portable => portable::shade_row(values, shading, picture),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2.
        Isa::Avx2(_) => unsafe { avx2::shade_row(values, shading, picture) },
    }
}

#[cfg(test)]
mod tests;
