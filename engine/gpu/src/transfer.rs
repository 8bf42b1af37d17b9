//! From filtered value to colour: one table per layer that holds scaling, gamma and colour map, used by both devices.
//!
//! A value `v` is clamped to the limits and scaled to `s` in 0..1; `roots` square roots turn it into `s^(1/2^roots)`, whose bin
//! names the colour. Bins are even in that root, so that a gamma below 1, steep at the lower limit, is resolved as finely as any
//! other: a bin's centre lies at most 1/8192 from any `s^gamma` that falls into it, an eighth of a colour map entry, so at most
//! a quarter of 1/255 for maps whose neighbouring entries differ by 2/255 (hsv, the steepest). Limits are no part of the table:
//! dragging them costs nothing.

use nc_core::data::{Coloring, LabelColors, Transfer};
use std::sync::Arc;

/// Entry of values at or below the lower limit.
pub(crate) const LOW: u32 = 0;

/// Bins that resolve 1/8192 of a straight line.
const BINS: u32 = 4096;

/// Most bins: 16 times finer at the top, which a gamma above 16 would need.
const MOST_BINS: u32 = 16 * BINS;

/// A value's way to its entry: arithmetic in `f32`, in this order, on every device.
///
/// ```text
/// c = min(max(v, lo), hi)     s = (c - lo) * inverse     s = sqrt(s), `roots` times     entry = trunc(s * bins + 1)
/// entry = 0 if c == lo, bins + 1 if c >= hi, bins + 2 if v is not a number
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Binning {
    pub(crate) lo: f32,
    pub(crate) hi: f32,
    /// `1 / (hi - lo)`, rounded so that the upper limit is scaled to 1 or a little more.
    pub(crate) inverse: f32,
    pub(crate) roots: u32,
    /// A power of two.
    pub(crate) bins: u32,
}

impl Binning {
    /// For a layer's values. Keys of labels have a bin each: the same arithmetic leads key `k` to entry `k + 1`, and 0 to [`LOW`].
    pub(crate) fn new(coloring: &Coloring) -> Self {
        match coloring {
            Coloring::Scalar(transfer) => Self::of_scale(transfer),
            Coloring::Labels(_) => {
                let keys = LabelColors::KEYS as f32;
                Self { lo: 0.0, hi: keys, inverse: 1.0 / keys, roots: 0, bins: LabelColors::KEYS as u32 }
            }
        }
    }

    fn of_scale(transfer: &Transfer) -> Self {
        let (lo, hi) = transfer.limits;
        let (roots, bins) = shape(transfer.gamma);
        let inverse = 1.0 / (hi - lo);
        let inverse = if (hi - lo) * inverse < 1.0 { inverse.next_up() } else { inverse };
        Self { lo, hi, inverse, roots, bins }
    }

    /// Whether the limits are so far from what `f32` can hold that `s * bins + 1` is a number for every value, and at least
    /// `bins + 1` for the upper limit: then neither that limit nor what is not a number needs a look of its own.
    pub(crate) fn is_ordinary(&self) -> bool {
        (1e-30..1e30).contains(&(self.hi - self.lo))
    }

    /// Entries of the table: low, the bins, high, not a number.
    pub(crate) fn entries(&self) -> usize {
        self.bins as usize + 3
    }

    /// Entry of values that are not numbers.
    pub(crate) fn nan(&self) -> u32 {
        self.bins + 2
    }

    /// Entry of values at or above the upper limit.
    pub(crate) fn high(&self) -> u32 {
        self.bins + 1
    }
}

/// Square roots and bins for a gamma: `gamma * 2^roots` is at least 1, and there are bins for its slope at the top.
fn shape(gamma: f32) -> (u32, u32) {
    let roots = (0..6).find(|r| gamma * f32::from(1u16 << r) >= 1.0).unwrap_or(6);
    let slope = (gamma * f32::from(1u16 << roots)).ceil().clamp(1.0, 16.0) as u32;
    (roots, (BINS * slope.next_power_of_two()).min(MOST_BINS))
}

/// Whether two layers have the same [`colors`]: limits are no part of them.
pub(crate) fn same_colors(a: &Coloring, b: &Coloring) -> bool {
    match (a, b) {
        (Coloring::Scalar(a), Coloring::Scalar(b)) => {
            a.gamma == b.gamma && (Arc::ptr_eq(&a.table, &b.table) || a.table == b.table)
        }
        (Coloring::Labels(a), Coloring::Labels(b)) => Arc::ptr_eq(a, b) || a == b,
        _ => false,
    }
}

/// Straight RGBA, 0..1, of every entry of the layer's [`Binning`]; opacity is not in it.
pub(crate) fn colors(coloring: &Coloring) -> Vec<[f32; 4]> {
    match coloring {
        Coloring::Scalar(transfer) => colors_of_scale(transfer),
        Coloring::Labels(labels) => {
            let color = |key: u16| labels.color(key).map(|k| f32::from(k) / 255.0);
            let mut out = vec![color(0)];
            out.extend((0..=u16::MAX).map(color));
            // Beyond every key: high, not a number.
            out.extend([[0.0; 4]; 2]);
            out
        }
    }
}

fn colors_of_scale(transfer: &Transfer) -> Vec<[f32; 4]> {
    let (roots, bins) = shape(transfer.gamma);
    let exponent = f64::from(transfer.gamma) * f64::from(1u32 << roots);
    let table = &transfer.table;
    let flat = |entry: Option<[u8; 4]>, otherwise: [f32; 4]| entry.map_or(otherwise, |c| c.map(|k| f32::from(k) / 255.0));
    let mut out = Vec::with_capacity(bins as usize + 3);
    out.push(flat(table.low, table.fetch(0.0)));
    out.extend((0..bins).map(|i| table.fetch(((f64::from(i) + 0.5) / f64::from(bins)).powf(exponent))));
    out.push(flat(table.high, table.fetch(1.0)));
    out.push(flat(table.nan, [0.0; 4]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::colormap;

    /// The bound that the module promises, against the exact chain, from gentle to steep gammas.
    #[test]
    fn a_bin_is_a_quarter_level_from_the_exact_colour() {
        for (map, gamma) in [("hsv", 1.0), ("turbo", 0.6), ("gray", 0.1), ("viridis", 2.2), ("magma", 0.25), ("gray", 8.0)] {
            let table = colormap::named(map).expect("a map");
            let transfer = Transfer { limits: (0.0, 1.0), gamma, table };
            let (colors, (roots, bins)) = (colors_of_scale(&transfer), shape(gamma));
            for i in 0..=100_000u32 {
                let s = (f64::from(i) / 1e5).powi(3);
                let exact = transfer.table.fetch(s.powf(f64::from(gamma)));
                let bin = (s.powf(1.0 / f64::from(1u32 << roots)) * f64::from(bins)) as usize + 1;
                for k in 0..4 {
                    let off = (exact[k] - colors[bin][k]).abs() * 255.0;
                    assert!(off < 0.26, "{map} gamma {gamma} at {s}: off by {off}");
                }
            }
        }
    }

    /// What the kernels rely on where the limits are ordinary.
    #[test]
    fn the_upper_limit_falls_behind_the_last_bin() {
        for i in 0..20_000u32 {
            let (lo, extent) = ((i % 7) as f32 * -0.37, (i as f32 * 0.731 + 0.001).powi(1 + i as i32 % 5));
            let gamma = 0.05 + (i % 11) as f32;
            let transfer = Transfer { limits: (lo, lo + extent), gamma, table: colormap::named("gray").expect("a map") };
            let binning = Binning::of_scale(&transfer);
            assert!(binning.is_ordinary() && binning.bins.is_power_of_two());
            let mut s = (binning.hi - binning.lo) * binning.inverse;
            for _ in 0..binning.roots {
                s = s.sqrt();
            }
            assert_eq!((s * binning.bins as f32 + 1.0) as u32, binning.high(), "{lo} {extent} {gamma}");
        }
    }

    #[test]
    fn colours_beside_the_table_have_entries_of_their_own() {
        let of = |name| {
            let transfer = Transfer { limits: (0.0, 1.0), gamma: 1.0, table: colormap::named(name).expect("a map") };
            let (binning, colors) = (Binning::of_scale(&transfer), colors_of_scale(&transfer));
            assert_eq!(colors.len(), binning.entries());
            [LOW, binning.high(), binning.nan()].map(|i| colors[i as usize])
        };
        assert_eq!(of("HiLo"), [[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.0; 4]]);
        assert_eq!(of("nan"), [[0.0, 0.0, 0.0, 1.0], [1.0; 4], [1.0, 0.0, 0.0, 1.0]]);
    }
}
