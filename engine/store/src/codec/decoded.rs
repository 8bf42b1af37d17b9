//! Where the samples of a decoded chunk lie, and copying them from there.

/// The samples of a chunk, or some of them, in native byte order and row-major.
#[derive(Debug)]
pub(crate) struct Decoded<'a>(Samples<'a>);

#[derive(Debug)]
pub(super) enum Samples<'a> {
    /// One after the other.
    Plain(&'a [u8]),
    /// The same, in memory of their own.
    Owned(Vec<u8>),
    /// The same, without those before the byte `start` and those after the end.
    Window { start: usize, bytes: Vec<u8> },
    /// In blocks, and in each the first bytes of all its elements, then the second bytes, ...: as blosc shuffles them.
    Planes(Planes<'a>),
    /// All the same.
    Uniform([u8; 8]),
}

/// Samples whose bytes lie apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes of a block, a multiple of those of an element; the last block may be shorter.
    pub(super) block: usize,
    /// Bytes of an element.
    pub(super) element: usize,
}

impl<'a> From<Samples<'a>> for Decoded<'a> {
    fn from(samples: Samples<'a>) -> Self {
        Self(samples)
    }
}

impl<'a> Decoded<'a> {
    /// Samples that lie one after the other.
    pub(crate) fn owned(samples: Vec<u8>) -> Self {
        Self(Samples::Owned(samples))
    }

    /// Samples that are all the same: the first bytes of `element`.
    pub(crate) fn uniform(element: [u8; 8]) -> Self {
        Self(Samples::Uniform(element))
    }

    /// Copies `to.len()` elements of `N` bytes, from the element `first` on every `step`-th, to every `spread`-th place of `to`
    /// (`step` and `spread` at least 1; `to` holds as many places as `count` elements need).
    ///
    /// # Panics
    /// If the chunk has no such elements: the caller has checked its box against the chunk.
    pub(crate) fn copy<const N: usize>(&self, first: usize, step: usize, count: usize, to: &mut [[u8; N]], spread: usize) {
        match &self.0 {
            Samples::Plain(bytes) => plain(bytes, first, step, count, to, spread),
            Samples::Owned(bytes) => plain(bytes, first, step, count, to, spread),
            Samples::Window { start, bytes } => plain(bytes, first - start / N, step, count, to, spread),
            Samples::Planes(planes) => planes.copy(first, step, count, to, spread),
            Samples::Uniform(element) => {
                let mut one = [0; N];
                one.copy_from_slice(&element[..N]);
                to.iter_mut().step_by(spread).take(count).for_each(|to| *to = one);
            }
        }
    }
}

impl Decoded<'_> {
    /// Copies `rows` rows of `count` elements each, from the element `first` on one every `step`, to `to`, there one every `to_step`
    /// (`step` and `to_step` at least `count`).
    ///
    /// # Panics
    /// As [`Self::copy`].
    pub(crate) fn copy_rows<const N: usize>(
        &self,
        (first, step): (usize, usize),
        rows: usize,
        count: usize,
        to: &mut [[u8; N]],
        to_step: usize,
    ) {
        match &self.0 {
            Samples::Planes(planes) => planes.copy_rows((first, step), rows, count, to, to_step),
            _ => (0..rows).for_each(|row| self.copy(first + row * step, 1, count, &mut to[row * to_step..], 1)),
        }
    }
}

impl Samples<'_> {
    /// All samples, one after the other, if those are all there. `to` has as many bytes as the chunk.
    pub(super) fn copy_to(&self, to: &mut [u8]) {
        match self {
            Self::Plain(bytes) => to.copy_from_slice(bytes),
            Self::Owned(bytes) | Self::Window { bytes, .. } => to.copy_from_slice(bytes),
            Self::Planes(planes) => planes.copy_to(to),
            Self::Uniform(_) => {}
        }
    }
}

fn plain<const N: usize>(from: &[u8], first: usize, step: usize, count: usize, to: &mut [[u8; N]], spread: usize) {
    let from = &from.as_chunks::<N>().0[first..];
    if step == 1 && spread == 1 {
        to[..count].copy_from_slice(&from[..count]);
    } else {
        to.iter_mut().step_by(spread).zip(from.iter().step_by(step)).take(count).for_each(|(to, from)| *to = *from);
    }
}

impl Planes<'_> {
    fn copy<const N: usize>(&self, first: usize, step: usize, count: usize, to: &mut [[u8; N]], spread: usize) {
        let mut done = 0;
        while done < count {
            let element = first + done * step;
            let index = element / (self.block / N);
            let block = &self.bytes[index * self.block..];
            let block = &block[..block.len().min(self.block)];
            let elements = block.len() / N;
            let at = element - index * (self.block / N);
            let here = (elements - at).div_ceil(step).min(count - done);
            let planes: [&[u8]; N] = std::array::from_fn(|byte| &block[byte * elements + at..(byte + 1) * elements]);
            join(planes, step, here, &mut to[done * spread..], spread);
            done += here;
        }
    }

    /// Short rows take less time than finding out where each lies, so the block is kept from row to row.
    fn copy_rows<const N: usize>(
        &self,
        (first, step): (usize, usize),
        rows: usize,
        count: usize,
        to: &mut [[u8; N]],
        to_step: usize,
    ) {
        let per_block = self.block / N;
        let mut index = first / per_block;
        for row in 0..rows {
            let element = first + row * step;
            while element >= (index + 1) * per_block {
                index += 1;
            }
            let block = &self.bytes[index * self.block..];
            let block = &block[..block.len().min(self.block)];
            let (elements, at) = (block.len() / N, element - index * per_block);
            let to = &mut to[row * to_step..];
            if at + count <= elements {
                join(std::array::from_fn(|byte| &block[byte * elements + at..][..count]), 1, count, to, 1);
            } else {
                self.copy(element, 1, count, to, 1);
            }
        }
    }

    fn copy_to(&self, to: &mut [u8]) {
        match self.element {
            2 => self.copy::<2>(0, 1, to.len() / 2, to.as_chunks_mut().0, 1),
            4 => self.copy::<4>(0, 1, to.len() / 4, to.as_chunks_mut().0, 1),
            _ => self.copy::<8>(0, 1, to.len() / 8, to.as_chunks_mut().0, 1),
        }
    }
}

/// Puts `count` elements together from their bytes.
fn join<const N: usize>(planes: [&[u8]; N], step: usize, count: usize, to: &mut [[u8; N]], spread: usize) {
    if step == 1 && spread == 1 {
        let planes = planes.map(|plane| &plane[..count]);
        for (i, to) in to[..count].iter_mut().enumerate() {
            *to = std::array::from_fn(|byte| planes[byte][i]);
        }
    } else {
        for (i, to) in to.iter_mut().step_by(spread).take(count).enumerate() {
            *to = std::array::from_fn(|byte| planes[byte][i * step]);
        }
    }
}
