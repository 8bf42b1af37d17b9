//! Dividing a box among threads: each gets pieces of the output that nobody else writes, and the chunks that fill them.

use crate::image::Shape;
use nc_core::data::MAX_AXES;
use nc_core::scene::ImageInfo;
use std::ops::Range;

/// Shares per thread below which a box is cut along a second axis, so that no thread is left waiting for long.
const SHARES_PER_THREAD: usize = 8;
/// Pieces of output beyond which it is not.
const MOST_PIECES: u64 = 1 << 18;

/// A box of samples of a level, which has at least two axes.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) level: usize,
    /// Bytes of an element.
    pub(super) element: usize,
    start: Vec<u64>,
    shape: Vec<u64>,
    /// Samples of a full chunk per axis.
    chunk: Vec<u64>,
    /// The axis along which the output is cut first: those before it have one sample.
    outer: usize,
}

impl Region {
    pub(super) fn new(info: &ImageInfo, level: usize, start: &[u64], shape: &[u64], bytes: usize) -> Result<Self, String> {
        let at = info.levels.get(level).ok_or_else(|| format!("there are {} levels", info.levels.len()))?;
        let axes = at.shape.len();
        if start.len() != axes || shape.len() != axes || !(2..=MAX_AXES).contains(&axes) {
            return Err(format!("the image has {axes} axes"));
        }
        let within = |axis: usize| start[axis].checked_add(shape[axis]).is_some_and(|end| end <= at.shape[axis]);
        if !(0..axes).all(within) || shape.contains(&0) {
            return Err(format!("level {level} has {:?} samples", at.shape));
        }
        let element = info.dtype.size();
        let needed = shape.iter().try_fold(element as u64, |n, &s| n.checked_mul(s));
        if needed != Some(bytes as u64) {
            return Err(format!("there is room for {bytes} bytes"));
        }
        let outer = shape.iter().position(|&n| n > 1).unwrap_or(0).min(shape.len() - 2);
        Ok(Self { level, element, start: start.to_vec(), shape: shape.to_vec(), chunk: at.chunk.clone(), outer })
    }

    /// Axes of the level.
    pub(super) fn axes(&self) -> usize {
        self.shape.len()
    }

    /// Chunks that the box touches along an axis.
    fn grid(&self, axis: usize) -> Range<u64> {
        let end = self.start[axis] + self.shape[axis];
        self.start[axis] / self.chunk[axis]..end.div_ceil(self.chunk[axis])
    }

    /// The samples along an axis that a chunk gives, counted from the start of the box.
    fn given(&self, axis: usize, chunk: u64) -> Range<u64> {
        let from = (chunk * self.chunk[axis]).saturating_sub(self.start[axis]);
        let to = ((chunk + 1) * self.chunk[axis] - self.start[axis]).min(self.shape[axis]);
        from..to
    }

    /// Where a chunk meets the box.
    pub(super) fn cut(&self, coords: &[u64]) -> Cut {
        let mut cut = Cut { axes: self.shape.len(), element: self.element, ..Cut::default() };
        for (axis, &coord) in coords.iter().enumerate() {
            let given = self.given(axis, coord);
            cut.full[axis] = self.chunk[axis] as usize;
            cut.from[axis] = (self.start[axis] + given.start - coord * self.chunk[axis]) as usize;
            cut.to[axis] = given.start as usize;
            cut.len[axis] = (given.end - given.start) as usize;
        }
        cut
    }
}

/// Where a chunk meets a box.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) axes: usize,
    element: usize,
    /// Samples of a full chunk.
    full: [usize; MAX_AXES],
    /// First sample that is taken, counted within the chunk.
    pub(super) from: [usize; MAX_AXES],
    /// The same sample, counted within the box.
    pub(super) to: [usize; MAX_AXES],
    /// How many are taken.
    pub(super) len: [usize; MAX_AXES],
}

impl Cut {
    /// The bytes of a full chunk from the first sample that is needed to the end of the last.
    pub(super) fn need(&self) -> Range<usize> {
        let (mut first, mut last) = (0, 0);
        for axis in 0..self.axes {
            first = first * self.full[axis] + self.from[axis];
            last = last * self.full[axis] + self.from[axis] + self.len[axis] - 1;
        }
        first * self.element..(last + 1) * self.element
    }

    /// Whether a chunk of `shape` has all samples.
    pub(super) fn fits(&self, shape: Shape) -> bool {
        let sizes = shape.sizes();
        sizes.len() == self.axes && sizes.iter().enumerate().all(|(axis, &n)| self.from[axis] + self.len[axis] <= n as usize)
    }

    /// Elements from one sample to the next, along each axis of a chunk of `shape`.
    pub(super) fn strides(&self, shape: Shape) -> [usize; MAX_AXES] {
        let mut strides = [1; MAX_AXES];
        let sizes = shape.sizes();
        for axis in (0..self.axes - 1).rev() {
            strides[axis] = strides[axis + 1] * sizes[axis + 1] as usize;
        }
        strides
    }
}

/// What one thread does at a time: some chunks along the region's outer axis and the next, and all along those that follow.
#[derive(Debug)]
pub(super) struct Item<'o> {
    /// Grid index along the outer axis.
    outer: u64,
    /// Grid indices along the axis after it.
    next: Range<u64>,
    /// The output, one piece per sample along the outer axis; a piece begins with the first sample that `next` gives.
    pub(super) pieces: Vec<&'o mut [u8]>,
    /// Sample of the box, along the outer axis, that the first piece is of.
    pub(super) first_piece: usize,
    /// Sample of the box, along the axis after it, that a piece begins with.
    pub(super) first_next: usize,
    /// Samples along that axis that a piece holds.
    pub(super) next_len: usize,
}

/// Cuts the output, and says which chunks fill each share.
pub(super) fn divide<'o>(region: &Region, out: &'o mut [u8], threads: usize) -> Vec<Item<'o>> {
    let (outer, next) = (region.outer, region.outer + 1);
    let (bands, columns) = (region.grid(outer), region.grid(next));
    let rest = region.shape[next + 1..].iter().product::<u64>() as usize * region.element;
    let few = bands.clone().count() < threads * SHARES_PER_THREAD;
    let split = few && threads > 1 && region.shape[outer].saturating_mul(columns.end - columns.start) <= MOST_PIECES;
    let columns = if split { columns.map(|c| c..c + 1).collect() } else { vec![columns] };
    let mut items = Vec::new();
    let mut samples = out.chunks_exact_mut(region.shape[next] as usize * rest);
    for band in bands {
        let given = region.given(outer, band);
        let of_band = items.len();
        for next_chunks in &columns {
            let first_next = region.given(next, next_chunks.start).start as usize;
            let end = region.given(next, next_chunks.end - 1).end as usize;
            items.push(Item {
                outer: band,
                next: next_chunks.clone(),
                pieces: Vec::with_capacity((given.end - given.start) as usize),
                first_piece: given.start as usize,
                first_next,
                next_len: end - first_next,
            });
        }
        for sample in samples.by_ref().take((given.end - given.start) as usize) {
            let mut sample = sample;
            for item in &mut items[of_band..] {
                let (piece, after) = sample.split_at_mut(item.next_len * rest);
                item.pieces.push(piece);
                sample = after;
            }
        }
    }
    items
}

impl Item<'_> {
    /// The grid indices of an item along an axis.
    fn range(&self, region: &Region, axis: usize) -> Range<u64> {
        match axis {
            axis if axis == region.outer => self.outer..self.outer + 1,
            axis if axis == region.outer + 1 => self.next.clone(),
            axis => region.grid(axis),
        }
    }

    /// Sets `coords` to the first chunk.
    pub(super) fn first_chunk(&self, region: &Region, coords: &mut [u64]) {
        for (axis, coord) in coords.iter_mut().enumerate() {
            *coord = self.range(region, axis).start;
        }
    }

    /// Sets `coords` to the chunk after it; `false` if that was the last.
    pub(super) fn next_chunk(&self, region: &Region, coords: &mut [u64]) -> bool {
        for (axis, coord) in coords.iter_mut().enumerate().rev() {
            let range = self.range(region, axis);
            *coord += 1;
            if *coord < range.end {
                return true;
            }
            *coord = range.start;
        }
        false
    }

    /// Elements from one sample to the next, along each axis of a piece. The outer axis has none: each of its samples is a piece.
    pub(super) fn strides(&self, region: &Region) -> [usize; MAX_AXES] {
        let mut strides = [1; MAX_AXES];
        for axis in (region.outer + 1..region.shape.len() - 1).rev() {
            strides[axis] = strides[axis + 1] * region.shape[axis + 1] as usize;
        }
        strides
    }

    /// The axis whose samples are pieces.
    pub(super) fn outer_axis(region: &Region) -> usize {
        region.outer
    }
}
