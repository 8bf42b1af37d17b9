//! The row kernels of the cpu device: combine two source rows, filter along the row, shade a row.
//!
//! Every kernel exists twice, portable and AVX2, and both give the same bits: same operations, same order, no fused
//! multiply-add. An [`Isa`] picks one at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use super::palette::Shading;
use crate::isa::Isa;
use crate::taps::Tap;

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

/// What each pixel of a row reads from the row's gathered sources: one of them, and a share of the difference to the next.
#[derive(Debug, Default)]
pub(super) struct RowTaps {
    first: Vec<u32>,
    /// 0 where the next source does not count.
    weight: Vec<f32>,
    /// All of `first` are below this.
    sources: usize,
    /// Whether `first` rises or falls, and that of any [`WINDOW`] neighbouring pixels lie as near to each other.
    windowed: bool,
}

/// Sources that one shuffle picks from.
const WINDOW: usize = 8;

impl RowTaps {
    /// `taps` index `sources` gathered values, `second` being `first` or the one after; an index beyond them is moved to the last.
    pub(super) fn new(taps: impl ExactSizeIterator<Item = Tap>, sources: usize) -> Self {
        let last = sources.saturating_sub(1) as u32;
        let (first, weight): (Vec<_>, Vec<_>) = taps.map(|tap| (tap.first.min(last), tap.weight)).unzip();
        let monotone = first.is_sorted() || first.is_sorted_by(|a, b| a >= b);
        let windowed = monotone && first.windows(WINDOW).all(|w| w[0].abs_diff(w[WINDOW - 1]) < WINDOW as u32);
        Self { first, weight, sources, windowed }
    }

    /// Length that the gathered row must have: a kernel may look at, but not use, values after the last.
    pub(super) fn padded_sources(&self) -> usize {
        self.sources + WINDOW
    }

    /// The sources that a pixel uses, or one more.
    pub(super) fn sources_of(&self, pixel: usize) -> std::ops::Range<usize> {
        let first = self.first[pixel] as usize;
        first..(first + 2).min(self.sources)
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

/// Filters `pixels` of a row: `out[i] = a + (b - a) * weight` of the pixel's source and the next, or `a` if the weight is 0 or the
/// filter is not `linear`. `sources` has [`RowTaps::padded_sources`] values, `out` as many as there are `pixels`.
pub(super) fn filter_row(
    isa: Isa,
    sources: &[f32],
    taps: &RowTaps,
    pixels: std::ops::Range<usize>,
    linear: bool,
    out: &mut [f32],
) {
    assert!(sources.len() >= taps.padded_sources() && out.len() == pixels.len());
    let (first, weight) = (&taps.first[pixels.clone()], &taps.weight[pixels]);
    match (isa, linear) {
        (Isa::Portable, true) => portable::lerp_along(sources, first, weight, out),
        (Isa::Portable, false) => portable::pick(sources, first, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variant proves AVX2; `RowTaps` holds indices below `taps.sources`, which `sources` is longer than by `WINDOW`.
        (Isa::Avx2(_), true) if taps.windowed => unsafe { avx2::lerp_along_windows(sources, first, weight, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Isa::Avx2(_), false) if taps.windowed => unsafe { avx2::pick_windows(sources, first, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Isa::Avx2(_), true) => unsafe { avx2::lerp_along(sources, first, weight, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Isa::Avx2(_), false) => unsafe { avx2::pick(sources, first, out) },
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
