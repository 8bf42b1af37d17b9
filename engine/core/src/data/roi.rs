//! What part of a level a view shows (PROTOCOL §16.2, steps 1 and 5) and which tiles hold it.

use super::{Rect, TILE};

/// Half-open ranges of samples along x and y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// First column.
    pub x0: u32,
    /// One past the last column.
    pub x1: u32,
    /// First row.
    pub y0: u32,
    /// One past the last row.
    pub y1: u32,
}

/// Sample centres along one axis: sample `i` lies at world `i * scale + translate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleAxis {
    /// Samples along the axis, at least 1.
    pub len: u32,
    /// World units per sample, not zero (may be negative).
    pub scale: f64,
    /// World position of sample 0's centre.
    pub translate: f64,
}

impl SampleAxis {
    /// Samples whose area meets the world interval `from..to`, and the `margin` samples beside them; empty if none is met.
    fn cover(&self, from: f64, to: f64, margin: u32) -> (u32, u32) {
        let a = (from - self.translate) / self.scale;
        let b = (to - self.translate) / self.scale;
        let (lo, hi) = (a.min(b) + 0.5, a.max(b) + 0.5);
        let len = f64::from(self.len);
        if hi <= 0.0 || lo >= len || lo.is_nan() || hi.is_nan() {
            return (0, 0);
        }
        let start = (lo.floor().max(0.0) as u32).saturating_sub(margin);
        let stop = (hi.ceil().min(len) as u32).saturating_add(margin).min(self.len);
        (start, stop)
    }
}

impl Footprint {
    /// The samples of a plane that `view` shows, with `margin` samples around them for filter taps, clamped to the plane.
    /// Empty if the view is beside the data.
    pub fn of(view: Rect, x: SampleAxis, y: SampleAxis, margin: u32) -> Self {
        let (x0, x1) = x.cover(view.left, view.left + view.width, margin);
        let (y0, y1) = y.cover(view.bottom, view.bottom + view.height, margin);
        Self { x0, x1, y0, y1 }
    }

    /// Columns and rows.
    pub fn size(&self) -> (u32, u32) {
        (self.x1 - self.x0, self.y1 - self.y0)
    }

    /// Whether no sample is in it.
    pub fn is_empty(&self) -> bool {
        self.x0 >= self.x1 || self.y0 >= self.y1
    }

    /// How many tiles hold it.
    pub fn tile_count(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let spanned = |from: u32, to: u32| u64::from((to - 1) / TILE - from / TILE + 1);
        spanned(self.x0, self.x1) * spanned(self.y0, self.y1)
    }

    /// Tiles `(ty, tx)` that hold it, nearest to its middle first. Of more than `most` only a window around the middle, of the
    /// same aspect, so that the work is bounded however large the footprint is.
    pub fn tiles(&self, most: usize) -> Vec<(u32, u32)> {
        let count = self.tile_count();
        if count == 0 || most == 0 {
            return Vec::new();
        }
        let share = (most as f64 / count as f64).sqrt().min(1.0);
        let window = |from: u32, to: u32| {
            let (first, last) = (from / TILE, (to - 1) / TILE);
            let spanned = last - first + 1;
            let kept = ((f64::from(spanned) * share) as u32).clamp(1, spanned);
            let start = first + (spanned - kept) / 2;
            start..start + kept
        };
        let (rows, cols) = (window(self.y0, self.y1), window(self.x0, self.x1));
        let mut tiles: Vec<_> = rows.flat_map(|ty| cols.clone().map(move |tx| (ty, tx))).collect();
        let middle = |a: u32, b: u32| (f64::from(a) + f64::from(b)) / (2.0 * f64::from(TILE)) - 0.5;
        let (my, mx) = (middle(self.y0, self.y1), middle(self.x0, self.x1));
        let distance = |&(ty, tx): &(u32, u32)| (f64::from(ty) - my).powi(2) + (f64::from(tx) - mx).powi(2);
        tiles.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        tiles.truncate(most);
        tiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_in_view_is_in_a_tile(left in -2000f64..2000.0, bottom in -2000f64..2000.0, width in 0.1f64..4000.0, height in 0.1f64..4000.0,
                                             nx in 1u32..3000, ny in 1u32..3000, sx in 0.1f64..4.0, t in -100f64..100.0, u in 0f64..1.0, v in 0f64..1.0) {
            let view = Rect { left, bottom, width, height };
            let (x, y) = (SampleAxis { len: nx, scale: sx, translate: t }, SampleAxis { len: ny, scale: -sx, translate: t });
            let f = Footprint::of(view, x, y, 1);
            let tiles = f.tiles(usize::MAX);
            prop_assert_eq!(tiles.len() as u64, f.tile_count());
            for most in [0, 1, 7, 40] {
                let some = f.tiles(most);
                prop_assert!(some.len() <= most && some.iter().all(|t| tiles.contains(t)));
                prop_assert_eq!(some.is_empty(), most == 0 || tiles.is_empty());
            }
            let (wx, wy) = (left + u * width, bottom + v * height);
            let (i, j) = (((wx - t) / sx + 0.5).floor(), ((wy - t) / -sx + 0.5).floor());
            if i >= 0.0 && i < f64::from(nx) && j >= 0.0 && j < f64::from(ny) {
                let (i, j) = (i as u32, j as u32);
                prop_assert!(f.x0 <= i && i < f.x1 && f.y0 <= j && j < f.y1);
                prop_assert!(tiles.contains(&(j / TILE, i / TILE)));
            }
        }
    }

    #[test]
    fn a_footprint_without_end_gives_few_tiles_at_once() {
        let whole = Footprint { x0: 0, x1: u32::MAX, y0: 0, y1: u32::MAX };
        let tiles = whole.tiles(100);
        let middle = u32::MAX / TILE / 2;
        assert!(
            (64..=100).contains(&tiles.len()) && tiles.iter().all(|&(y, x)| y.abs_diff(middle) < 9 && x.abs_diff(middle) < 9)
        );
    }

    #[test]
    fn a_view_beside_the_data_is_empty() {
        let axis = SampleAxis { len: 10, scale: 1.0, translate: 0.0 };
        let view = Rect { left: 50.0, bottom: 0.0, width: 5.0, height: 5.0 };
        assert!(Footprint::of(view, axis, axis, 1).tiles(9).is_empty());
    }
}
