//! What part of a level a view shows, what part is loaded for it (PROTOCOL §16.2), and which tiles hold that.

use super::{Rect, TILE};

/// Samples beyond those that a view shows that a filter of 2D may read: cubic takes two on either side.
pub const FILTER_MARGIN: u32 = 2;

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

    /// First and last chunk that it touches, of chunks of `chunk` columns and rows: rows, then columns. Another signature means that
    /// something is to be loaded. `None` of an empty one.
    pub fn signature(&self, chunk: (u32, u32)) -> Option<[u32; 4]> {
        let (cx, cy) = (chunk.0.max(1), chunk.1.max(1));
        (!self.is_empty()).then(|| [self.y0 / cy, (self.y1 - 1) / cy, self.x0 / cx, (self.x1 - 1) / cx])
    }

    /// Whether every sample of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.is_empty() || (self.x0 <= other.x0 && self.x1 >= other.x1 && self.y0 <= other.y0 && self.y1 >= other.y1)
    }

    /// By so many columns and rows more on each side, within a plane of `size`.
    fn grown(&self, columns: u32, rows: u32, size: (u32, u32)) -> Self {
        let start = |at: u32, by: u32| at.saturating_sub(by);
        let stop = |at: u32, by: u32, end: u32| at.saturating_add(by).min(end);
        Self {
            x0: start(self.x0, columns),
            x1: stop(self.x1, columns, size.0),
            y0: start(self.y0, rows),
            y1: stop(self.y1, rows, size.1),
        }
    }

    /// The chunks that it touches, as far as they lie in a plane of `size`.
    fn aligned(&self, (cx, cy): (u32, u32), size: (u32, u32)) -> Self {
        let down = |at: u32, chunk: u32| at / chunk * chunk;
        let up = |at: u32, chunk: u32, end: u32| at.div_ceil(chunk).saturating_mul(chunk).min(end);
        Self { x0: down(self.x0, cx), x1: up(self.x1, cx, size.0), y0: down(self.y0, cy), y1: up(self.y1, cy, size.1) }
    }

    /// Whether each edge is less than `threshold` samples from `other`'s.
    fn is_near(&self, other: &Self, threshold: u32) -> bool {
        let near = |a: u32, b: u32| a.abs_diff(b) < threshold;
        near(self.x0, other.x0) && near(self.x1, other.x1) && near(self.y0, other.y0) && near(self.y1, other.y1)
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

/// How the region that is loaded follows the view: steps 2 to 4 of PROTOCOL §16.2. Step 4, that it contains the view, holds whatever
/// the policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoiPolicy {
    /// Samples that an edge of the view may move from where it was when the region was made, exclusive, before the region follows;
    /// 0 follows at once.
    pub edge_threshold: u32,
    /// Whether the region ends at borders of chunks.
    pub align_chunks: bool,
    /// Chunks on each side of an aligned region.
    pub pad_chunks: u32,
}

impl Default for RoiPolicy {
    fn default() -> Self {
        Self { edge_threshold: 4, align_chunks: false, pad_chunks: 1 }
    }
}

/// The region of a level that is loaded, and the view that it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roi {
    /// What is loaded; empty if the view is beside the data.
    pub region: Footprint,
    /// The samples that the view met when the region was made.
    pub viewport: Footprint,
}

/// What a region is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoiInputs {
    /// The samples that the view meets, within the plane: [`Footprint::of`].
    pub viewport: Footprint,
    /// Columns and rows of the plane.
    pub size: (u32, u32),
    /// Columns and rows of a chunk.
    pub chunk: (u32, u32),
    /// The region before, if it is of the same plane.
    pub previous: Option<Roi>,
}

impl RoiPolicy {
    /// The region for a view. One that is not aligned is larger than the view by the threshold, without which it could not cover any
    /// view that moved. A view beside the data has none: nothing is loaded for it.
    pub fn roi(&self, inputs: &RoiInputs) -> Roi {
        let RoiInputs { viewport, size, chunk, previous } = *inputs;
        let follows =
            |previous: &Roi| previous.region.covers(&viewport) && viewport.is_near(&previous.viewport, self.edge_threshold);
        if let Some(previous) = previous.filter(|p| !viewport.is_empty() && follows(p)) {
            return previous;
        }
        let region = if viewport.is_empty() {
            viewport
        } else if self.align_chunks {
            let (cx, cy) = (chunk.0.max(1), chunk.1.max(1));
            let padding = |chunk: u32| chunk.saturating_mul(self.pad_chunks);
            viewport.aligned((cx, cy), size).grown(padding(cx), padding(cy), size)
        } else {
            viewport.grown(self.edge_threshold, self.edge_threshold, size)
        };
        Roi { region, viewport }
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

    fn policy() -> impl Strategy<Value = RoiPolicy> {
        (0u32..9, any::<bool>(), 0u32..3).prop_map(|(edge_threshold, align_chunks, pad_chunks)| RoiPolicy {
            edge_threshold,
            align_chunks,
            pad_chunks,
        })
    }

    /// A plane of `nx` by `ny` samples, one pixel and negative scales among them, and chunks.
    fn plane() -> impl Strategy<Value = (SampleAxis, SampleAxis, (u32, u32))> {
        let len = || prop_oneof![1 => Just(1u32), 9 => 1u32..3000];
        let scale = || prop_oneof![0.1f64..4.0, -4.0f64..-0.1];
        (len(), len(), scale(), scale(), -100f64..100.0, (1u32..300, 1u32..300)).prop_map(|(nx, ny, sx, sy, translate, chunk)| {
            (SampleAxis { len: nx, scale: sx, translate }, SampleAxis { len: ny, scale: sy, translate }, chunk)
        })
    }

    fn view() -> impl Strategy<Value = Rect> {
        (-2000f64..2000.0, -2000f64..2000.0, 0.1f64..4000.0, 0.1f64..4000.0).prop_map(|(left, bottom, width, height)| Rect {
            left,
            bottom,
            width,
            height,
        })
    }

    /// A view whose middle is on the plane, so that it meets data.
    fn on((x, y): (SampleAxis, SampleAxis), (u, v): (f64, f64), (width, height): (f64, f64)) -> Rect {
        let at = |axis: SampleAxis, share: f64| axis.translate + axis.scale * (share * f64::from(axis.len) - 0.5);
        Rect { left: at(x, u) - width / 2.0, bottom: at(y, v) - height / 2.0, width, height }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_roi_contains_the_viewport_whatever_came_before((x, y, chunk) in plane(), policy in policy(), views in prop::collection::vec(view(), 1..6),
                                                              shift in prop::collection::vec((-6.0f64..6.0, -6.0f64..6.0), 6)) {
            let size = (x.len, y.len);
            let mut previous = None;
            for (view, (dx, dy)) in views.iter().zip(shift) {
                for view in [*view, Rect { left: view.left + dx, bottom: view.bottom + dy, ..*view }] {
                    let viewport = Footprint::of(view, x, y, 1);
                    let inputs = RoiInputs { viewport, size, chunk, previous };
                    let roi = policy.roi(&inputs);
                    prop_assert!(roi.region.covers(&viewport), "{roi:?} of {viewport:?}");
                    prop_assert_eq!(roi.region.is_empty(), viewport.is_empty());
                    prop_assert!(roi.region.x1 <= size.0 && roi.region.y1 <= size.1);
                    // The same view again changes nothing.
                    prop_assert_eq!(policy.roi(&RoiInputs { previous: Some(roi), ..inputs }).region, roi.region);
                    previous = Some(roi);
                }
            }
        }

        /// In samples: the view moves by less than the threshold from where the region was made. Aligned regions have to cover that.
        #[test]
        fn a_pan_below_the_edge_threshold_changes_nothing((x, y, chunk) in plane(), at in (0.0f64..1.0, 0.0f64..1.0), extent in (0.1f64..4000.0, 0.1f64..4000.0), threshold in 2u32..9, align in any::<bool>(),
                                                          pans in prop::collection::vec((-1f64..1.0, -1f64..1.0), 1..8)) {
            let policy = RoiPolicy { edge_threshold: threshold, align_chunks: align, pad_chunks: 1 };
            let chunk = (chunk.0.max(threshold), chunk.1.max(threshold));
            let view = on((x, y), at, extent);
            let (size, made) = ((x.len, y.len), Footprint::of(view, x, y, 1));
            prop_assert!(!made.is_empty());
            let roi = policy.roi(&RoiInputs { viewport: made, size, chunk, previous: None });
            let mut previous = roi;
            for (dx, dy) in pans {
                // Edges are whole samples: a move by less than `threshold - 1` samples moves them by less than `threshold`.
                let by = f64::from(threshold - 1) * 0.999;
                let panned = Rect { left: view.left + dx * by * x.scale.abs(), bottom: view.bottom + dy * by * y.scale.abs(), ..view };
                let viewport = Footprint::of(panned, x, y, 1);
                if viewport.is_empty() {
                    return Ok(());
                }
                let now = policy.roi(&RoiInputs { viewport, size, chunk, previous: Some(previous) });
                prop_assert_eq!(now, roi);
                previous = now;
            }
        }

        #[test]
        fn alignment_is_on_chunk_borders_or_the_end((x, y, chunk) in plane(), at in (0.0f64..1.0, 0.0f64..1.0), extent in (0.1f64..4000.0, 0.1f64..4000.0), pad_chunks in 0u32..3) {
            let policy = RoiPolicy { align_chunks: true, pad_chunks, ..RoiPolicy::default() };
            let viewport = Footprint::of(on((x, y), at, extent), x, y, 1);
            let roi = policy.roi(&RoiInputs { viewport, size: (x.len, y.len), chunk, previous: None }).region;
            prop_assert!(roi.x0.is_multiple_of(chunk.0) && roi.y0.is_multiple_of(chunk.1), "{roi:?}");
            prop_assert!((roi.x1.is_multiple_of(chunk.0) || roi.x1 == x.len) && (roi.y1.is_multiple_of(chunk.1) || roi.y1 == y.len), "{roi:?}");
            // So many whole chunks on each side as the policy says, and no more.
            let spare = |outer: u32, inner: u32| inner.abs_diff(outer);
            let most = |chunk: u32| chunk * (pad_chunks + 1);
            prop_assert!(spare(roi.x0, viewport.x0) < most(chunk.0) && spare(roi.x1, viewport.x1) < most(chunk.0));
            prop_assert!(spare(roi.y0, viewport.y0) < most(chunk.1) && spare(roi.y1, viewport.y1) < most(chunk.1));
            let first = viewport.signature(chunk).unwrap();
            prop_assert!(roi.signature(chunk).unwrap()[0] <= first[0] && roi.signature(chunk).unwrap()[1] >= first[1]);
        }
    }

    #[test]
    fn section_16_2() {
        let viewport = Footprint { x0: 100, x1: 200, y0: 60, y1: 130 };
        let inputs = RoiInputs { viewport, size: (1000, 140), chunk: (64, 32), previous: None };
        let edges = |roi: Roi| [roi.region.x0, roi.region.x1, roi.region.y0, roi.region.y1];
        let policy = RoiPolicy::default();
        let roi = policy.roi(&inputs);
        assert_eq!(edges(roi), [96, 204, 56, 134], "not aligned by default");
        let aligned = RoiPolicy { align_chunks: true, ..policy };
        assert_eq!(edges(aligned.roi(&inputs)), [0, 320, 0, 140], "down and up, a chunk on each side, clamped");
        assert_eq!(edges(RoiPolicy { pad_chunks: 0, ..aligned }.roi(&inputs)), [64, 256, 32, 140]);
        assert_eq!(viewport.signature((64, 32)), Some([1, 4, 1, 3]), "y0/cy, (y1-1)/cy, x0/cx, (x1-1)/cx");

        let moved =
            |by: u32| RoiInputs { viewport: Footprint { x0: 100 + by, x1: 200 + by, ..viewport }, previous: Some(roi), ..inputs };
        assert_eq!(policy.roi(&moved(3)), roi, "less than 4 samples");
        assert_eq!(edges(policy.roi(&moved(4))), [100, 208, 56, 134]);
        let grown = RoiInputs { viewport: Footprint { y1: 140, ..viewport }, previous: Some(roi), ..inputs };
        assert_eq!(edges(policy.roi(&grown)), [96, 204, 56, 140], "the region before no longer covers the view");
        let beside = RoiInputs { viewport: Footprint { x0: 0, x1: 0, y0: 0, y1: 0 }, previous: Some(roi), ..inputs };
        assert!(policy.roi(&beside).region.is_empty() && policy.roi(&beside).region.signature((64, 32)).is_none());
    }
}
