//! How a volume lies in one texture, also if an axis is longer than the device's textures are: such axes are cut into segments, which
//! are placed in a grid. Pure. All triples are x, y, z.
//!
//! A segment has one sample more than it begins with, the first of the next, so that a filter finds its taps side by side.

/// Places of a volume's samples in a texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fold {
    len: [u32; 3],
    /// Samples that begin in a segment.
    pub(super) segment: [u32; 3],
    /// Segments.
    pub(super) segments: [u32; 3],
    /// Places of segments in the texture.
    pub(super) places: [u32; 3],
    /// Texels from a place to the next.
    pub(super) pitch: [u32; 3],
}

/// Samples that lie together, in the volume and in the texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) from: [u32; 3],
    pub(super) to: [u32; 3],
    pub(super) size: [u32; 3],
}

impl Fold {
    /// For a volume of `len` samples in a texture with sides of up to `limit` texels; `None` if it does not fit into one.
    pub(super) fn new(len: [u32; 3], limit: u32) -> Option<Self> {
        if len.contains(&0) || limit < 2 {
            return None;
        }
        let segments = len.map(|n| if n <= limit { 1 } else { n.div_ceil(limit - 1) });
        let segment: [u32; 3] = std::array::from_fn(|i| len[i].div_ceil(segments[i]));
        let pitch: [u32; 3] = std::array::from_fn(|i| segment[i] + u32::from(segments[i] > 1));
        let mut rest = segments.iter().try_fold(1u32, |product, n| product.checked_mul(*n))?;
        let places = pitch.map(|pitch| {
            let here = rest.min(limit / pitch);
            rest = rest.div_ceil(here);
            here
        });
        (rest == 1).then_some(Self { len, segment, segments, places, pitch })
    }

    /// Texels.
    pub(super) fn size(&self) -> [u32; 3] {
        std::array::from_fn(|i| self.places[i] * self.pitch[i])
    }

    pub(super) fn is_folded(&self) -> bool {
        self.segments != [1; 3]
    }

    /// Where the samples from `origin` on lie.
    pub(super) fn pieces(&self, origin: [u32; 3], size: [u32; 3]) -> Vec<Piece> {
        let [xs, ys, zs]: [Vec<_>; 3] = std::array::from_fn(|axis| self.runs(axis, origin[axis], size[axis]));
        let mut pieces = Vec::with_capacity(xs.len() * ys.len() * zs.len());
        for z in &zs {
            for y in &ys {
                for x in &xs {
                    let runs = [x, y, z];
                    let place = self.place(runs.map(|run| run.segment));
                    pieces.push(Piece {
                        from: runs.map(|run| run.from),
                        to: std::array::from_fn(|i| place[i] * self.pitch[i] + runs[i].from - runs[i].segment * self.segment[i]),
                        size: runs.map(|run| run.size),
                    });
                }
            }
        }
        pieces
    }

    /// The grid's place of a segment.
    fn place(&self, [x, y, z]: [u32; 3]) -> [u32; 3] {
        let index = x + self.segments[0] * (y + self.segments[1] * z);
        let [across, down, _] = self.places;
        [index % across, index / across % down, index / (across * down)]
    }

    /// An axis' samples by segment; a segment's first is in the one before as well.
    fn runs(&self, axis: usize, origin: u32, size: u32) -> Vec<Run> {
        let (segment, last) = (self.segment[axis], self.segments[axis] - 1);
        let end = origin + size;
        let first = origin.saturating_sub(1) / segment;
        (first..=last)
            .map(|index| {
                let held = if index == last { self.len[axis] } else { (index + 1) * segment + 1 };
                let (from, to) = (origin.max(index * segment), end.min(held));
                Run { segment: index, from, size: to.saturating_sub(from) }
            })
            .filter(|run| run.size > 0)
            .collect()
    }
}

/// Samples of an axis within a segment.
#[derive(Debug, Clone, Copy)]
struct Run {
    segment: u32,
    from: u32,
    size: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn what_fits_is_not_folded() {
        let fold = Fold::new([7, 16, 5], 16).expect("a fold");
        assert!(!fold.is_folded());
        assert_eq!(fold.size(), [7, 16, 5]);
        assert_eq!(fold.pieces([0, 8, 0], [7, 8, 5]), [Piece { from: [0, 8, 0], to: [0, 8, 0], size: [7, 8, 5] }]);
    }

    #[test]
    fn what_fits_in_no_way_has_no_fold() {
        assert_eq!(Fold::new([5000, 16, 16], 16), None);
        assert_eq!(Fold::new([0, 1, 1], 16), None);
        assert_eq!(Fold::new([u32::MAX; 3], 2), None);
    }

    proptest! {
        /// Every sample lies in its segment, beside the next sample along each axis, and nothing is written twice.
        #[test]
        fn taps_lie_side_by_side(len in prop::array::uniform3(1u32..40), limit in 8u32..20, cut in 1u32..40) {
            let Some(fold) = Fold::new(len, limit) else { return Ok(()) };
            prop_assert!(fold.size().iter().all(|n| *n <= limit));
            let mut held = HashMap::new();
            // In two parts along x, as bricks are.
            let cut = cut.min(len[0]);
            for (origin, size) in [([0; 3], [cut, len[1], len[2]]), ([cut, 0, 0], [len[0] - cut, len[1], len[2]])] {
                for piece in fold.pieces(origin, size) {
                    for i in 0..piece.size.iter().product::<u32>() {
                        let at = [i % piece.size[0], i / piece.size[0] % piece.size[1], i / (piece.size[0] * piece.size[1])];
                        let (from, to): ([u32; 3], [u32; 3]) =
                            (std::array::from_fn(|k| piece.from[k] + at[k]), std::array::from_fn(|k| piece.to[k] + at[k]));
                        prop_assert!((0..3).all(|k| to[k] < fold.size()[k]));
                        prop_assert_eq!(held.insert(to, from), None);
                    }
                }
            }
            for i in 0..len.iter().product::<u32>() {
                let at = [i % len[0], i / len[0] % len[1], i / (len[0] * len[1])];
                let segment = std::array::from_fn(|k| at[k] / fold.segment[k]);
                let place = fold.place(segment);
                let texel: [u32; 3] = std::array::from_fn(|k| place[k] * fold.pitch[k] + at[k] - segment[k] * fold.segment[k]);
                for axis in 0..3 {
                    let step = |mut p: [u32; 3]| { p[axis] += 1; p };
                    prop_assert_eq!(held.get(&texel), Some(&at));
                    if at[axis] + 1 < len[axis] {
                        prop_assert_eq!(held.get(&step(texel)), Some(&step(at)));
                    }
                }
            }
        }
    }
}
