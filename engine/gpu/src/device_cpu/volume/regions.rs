//! What values a ray can meet: the least and greatest of windows of a volume, at three spacings.
//!
//! Made of the spans that bricks bring along ([`nc_core::data::Brick::cells`]), when a volume is complete. The window of a region
//! begins at its own first sample and reaches [`reach`] samples further than the region does, so that a span of a ray is looked up by the
//! lower corner of its box alone.

use nc_core::data::{CELL, Span};

/// Samples between regions, coarse to fine.
pub(super) const SPACINGS: [u32; 3] = [16, 8, 4];

/// Samples along an axis that the filter taps of a span may lie beyond the sample below its lower corner, at a spacing.
pub(super) const fn reach(spacing: u32) -> u32 {
    spacing + 4
}

/// Spans of a volume's cells, x fastest.
#[derive(Debug)]
pub(super) struct Cells {
    /// Along z, y, x.
    count: [usize; 3],
    spans: Vec<Span>,
}

impl Cells {
    /// Of a volume of `shape` samples (z, y, x) of which nothing is known.
    pub(super) fn new(shape: [u32; 3]) -> Self {
        let count = shape.map(|n| n.div_ceil(CELL) as usize);
        Self { count, spans: vec![Span::NONE; count.iter().product()] }
    }

    /// Takes those of a brick that starts at sample `origin`, `count` of them along z, y, x.
    pub(super) fn insert(&mut self, origin: [u32; 3], count: [u32; 3], spans: &[Span]) {
        let [z0, y0, x0] = origin.map(|o| (o / CELL) as usize);
        let [_, across_y, across_x] = count.map(|n| n as usize);
        for (i, row) in spans.chunks_exact(across_x).enumerate() {
            let (z, y) = (z0 + i / across_y, y0 + i % across_y);
            self.spans[(z * self.count[1] + y) * self.count[2] + x0..][..across_x].copy_from_slice(row);
        }
    }
}

/// Regions of one spacing.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Along x, y, z.
    count: [usize; 3],
    /// x fastest.
    least: Vec<f32>,
    greatest: Vec<f32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Regions {
    levels: [Level; 3],
}

impl Regions {
    pub(super) fn new(cells: &Cells) -> Self {
        Self { levels: SPACINGS.map(|spacing| Level::new(cells, spacing)) }
    }

    /// Index of the region of a level that a sample (x, y, z) lies in; one outside of the volume counts to the region next to it.
    #[inline(always)]
    pub(super) fn region(&self, level: usize, [x, y, z]: [f32; 3]) -> usize {
        let count = &self.levels[level].count;
        let shift = SPACINGS[level].trailing_zeros();
        // Conversions saturate.
        let [x, y, z] = [x as u32 as usize >> shift, y as u32 as usize >> shift, z as u32 as usize >> shift];
        (z.min(count[2] - 1) * count[1] + y.min(count[1] - 1)) * count[0] + x.min(count[0] - 1)
    }

    /// What the window of a region holds.
    #[inline(always)]
    pub(super) fn span(&self, level: usize, region: usize) -> Span {
        let level = &self.levels[level];
        Span { lo: level.least[region], hi: level.greatest[region] }
    }

    /// The greatest that the window of a region holds, or the least with its sign turned.
    #[inline(always)]
    pub(super) fn bound<const LEAST: bool>(&self, level: usize, region: usize) -> f32 {
        let level = &self.levels[level];
        if LEAST { -level.least[region] } else { level.greatest[region] }
    }
}

impl Level {
    fn new(cells: &Cells, spacing: u32) -> Self {
        let step = (spacing / CELL) as usize;
        // A window holds the samples from its region's first to its last and the reach beyond.
        let window = (spacing + reach(spacing)).div_ceil(CELL) as usize;
        let [z, y, x] = cells.count;
        let mut count = [x, y, z];
        let mut spans = cells.spans.clone();
        for axis in 0..3 {
            let (before, after) = (count, count[axis].div_ceil(step));
            // Elements next to each other along the axis, and how many such lines of elements there are.
            let stride: usize = before[..axis].iter().product();
            let outer: usize = before[axis + 1..].iter().product();
            let mut windows = Vec::with_capacity(stride * after * outer);
            for o in 0..outer {
                let line = &spans[o * stride * before[axis]..][..stride * before[axis]];
                for i in 0..after {
                    let first = i * step;
                    let mut joined = line[first * stride..][..stride].to_vec();
                    for k in first + 1..(first + window).min(before[axis]) {
                        for (to, from) in joined.iter_mut().zip(&line[k * stride..][..stride]) {
                            *to = to.joined(*from);
                        }
                    }
                    windows.append(&mut joined);
                }
            }
            spans = windows;
            count[axis] = after;
        }
        Self { count, least: spans.iter().map(|s| s.lo).collect(), greatest: spans.iter().map(|s| s.hi).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_every_sample_within_reach() {
        let shape = [23u32, 37, 50];
        let mut cells = Cells::new(shape);
        let value = |z: u32, y: u32, x: u32| ((z * 7919 + y * 104_729 + x * 1_299_709) % 10_007) as f32;
        let at = |i: u32, n: u32| i * CELL..((i + 1) * CELL).min(n);
        let counts = shape.map(|n| n.div_ceil(CELL));
        let mut spans = Vec::new();
        for (z, y, x) in (0..counts[0]).flat_map(|z| (0..counts[1]).flat_map(move |y| (0..counts[2]).map(move |x| (z, y, x)))) {
            let mut span = Span::NONE;
            for z in at(z, shape[0]) {
                for y in at(y, shape[1]) {
                    for x in at(x, shape[2]) {
                        span = span.joined(Span { lo: value(z, y, x), hi: value(z, y, x) });
                    }
                }
            }
            spans.push(span);
        }
        cells.insert([0; 3], counts, &spans);
        let regions = Regions::new(&cells);
        for (level, spacing) in SPACINGS.into_iter().enumerate() {
            let last = reach(spacing);
            for corner in [[0u32, 0, 0], [3, 5, 7], [17, 30, 2], [49, 36, 22], [31, 15, 15]] {
                let span = regions.span(level, regions.region(level, corner.map(|c| c as f32 + 0.9)));
                let [x, y, z] = corner;
                for (x, y, z) in [(x + last, y, z), (x, y + last, z), (x + last, y + last, z + last), (x, y, z)] {
                    let held = value(z.min(shape[0] - 1), y.min(shape[1] - 1), x.min(shape[2] - 1));
                    assert!(span.lo <= held && held <= span.hi, "{spacing} {corner:?}");
                }
            }
        }
        assert_eq!(regions.region(0, [-3.0, f32::NAN, 0.0]), 0);
    }
}
