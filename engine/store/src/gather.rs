//! Cutting planes out of chunks: which chunks a piece of a plane touches, and copying what they hold of it.
//!
//! Pure geometry and copying; must never know of queues, caches or files.

use crate::image::{Chunk, ChunkData, Image};
use nc_core::data::labels::{key_of, key_of_unsigned};
use nc_core::data::{DType, ImageId, MAX_AXES, PlaneKey, SampleFormat, Samples, TILE, TileKey};
use nc_core::scene::{ImageInfo, LevelInfo};
use std::ops::Range;
use std::sync::Arc;

/// A chunk of an opened image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkKey {
    pub(crate) image: ImageId,
    pub(crate) level: u8,
    /// Grid index per array axis; 0 beyond the last.
    pub(crate) coords: [u32; MAX_AXES],
}

impl ChunkKey {
    /// The grid indices, one per axis of `info`.
    pub(crate) fn grid(&self, info: &ImageInfo) -> Vec<u64> {
        self.coords.iter().take(info.axes.len()).map(|&c| u64::from(c)).collect()
    }
}

/// Evenly spaced positions along one axis: `start + i * step` for `i < len`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u64,
    step: u64,
    len: u32,
}

impl Run {
    /// The `i` whose position lies in `at`.
    fn within(&self, at: Range<u64>) -> Range<u32> {
        let first = |bound: u64| bound.saturating_sub(self.start).div_ceil(self.step).min(u64::from(self.len)) as u32;
        first(at.start)..first(at.end)
    }
}

/// A rectangle of evenly spaced samples of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    plane: PlaneKey,
    rows: Run,
    cols: Run,
}

impl Window {
    /// The samples of a tile; `None` if the image has no such tile.
    pub(crate) fn of_tile(image: &Image, key: &TileKey) -> Option<Self> {
        let (height, width) = plane_size(image, &key.plane)?;
        let cut = |tile: u32, extent: u64| {
            let start = u64::from(tile) * u64::from(TILE);
            (start < extent).then(|| Run { start, step: 1, len: u64::from(TILE).min(extent - start) as u32 })
        };
        Some(Self { plane: key.plane, rows: cut(key.ty, height)?, cols: cut(key.tx, width)? })
    }

    /// The whole plane, every k-th sample so that no side has more than `max_edge`; `None` if the image has no such plane.
    pub(crate) fn of_overview(image: &Image, plane: &PlaneKey, max_edge: u32) -> Option<Self> {
        let (height, width) = plane_size(image, plane)?;
        let step = height.max(width).div_ceil(u64::from(max_edge.max(1)));
        let thin = |extent: u64| Run { start: 0, step, len: extent.div_ceil(step) as u32 };
        Some(Self { plane: *plane, rows: thin(height), cols: thin(width) })
    }

    pub(crate) fn width(&self) -> u32 {
        self.cols.len
    }

    pub(crate) fn height(&self) -> u32 {
        self.rows.len
    }

    fn axes(&self) -> (usize, usize) {
        (usize::from(self.plane.row_axis), usize::from(self.plane.col_axis))
    }

    fn level<'a>(&self, info: &'a ImageInfo) -> &'a LevelInfo {
        &info.levels[usize::from(self.plane.level)]
    }

    /// Every chunk that holds a sample of the window, row by row.
    pub(crate) fn chunks(&self, info: &ImageInfo) -> Vec<ChunkKey> {
        let level = self.level(info);
        let (row, col) = self.axes();
        let mut coords = [0; MAX_AXES];
        for ((at, &index), &chunk) in coords.iter_mut().zip(&self.plane.index).zip(&level.chunk) {
            *at = (u64::from(index) / chunk) as u32;
        }
        let touched = |run: &Run, chunk: u64| {
            let mut grid: Vec<u32> = Vec::new();
            let mut i = 0;
            while i < run.len {
                let at = (run.start + u64::from(i) * run.step) / chunk;
                grid.push(at as u32);
                i = run.within(0..(at + 1) * chunk).end;
            }
            grid
        };
        let across = touched(&self.cols, level.chunk[col]);
        let mut keys = Vec::new();
        for r in touched(&self.rows, level.chunk[row]) {
            for &c in &across {
                coords[row] = r;
                coords[col] = c;
                keys.push(ChunkKey { image: self.plane.image, level: self.plane.level, coords });
            }
        }
        keys
    }

    /// A picture of the window in the device format, of nothing but `value`.
    pub(crate) fn blank(&self, info: &ImageInfo, value: f64) -> Samples {
        let n = self.rows.len as usize * self.cols.len as usize;
        let value = if has_folded_ids(info) { f64::from(key_of(value as i64)) } else { value };
        // Collecting a repeat allocates the shared slice once, at its final place.
        match info.sample_format() {
            SampleFormat::U8 => Samples::U8(std::iter::repeat_n(value as u8, n).collect()),
            SampleFormat::U16 => Samples::U16(std::iter::repeat_n(value as u16, n).collect()),
            SampleFormat::F32 => Samples::F32(std::iter::repeat_n(value as f32, n).collect()),
        }
    }

    /// Copies what `chunk` holds of the window into `picture` (row-major, as [`Self::blank`] makes it, or any `f32` one).
    /// `chunk` must have passed [`Chunk::flaw`].
    pub(crate) fn scatter(&self, info: &ImageInfo, key: &ChunkKey, chunk: &Chunk, picture: &mut Samples) {
        let level = self.level(info);
        let (row, col) = self.axes();
        let mut strides = [1usize; MAX_AXES];
        for axis in (0..level.shape.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * chunk.shape.sizes()[axis + 1] as usize;
        }
        let origin = |axis: usize| u64::from(key.coords[axis]) * level.chunk[axis];
        let fixed = (0..level.shape.len()).filter(|&a| a != row && a != col);
        let mut base: usize = fixed.map(|a| (u64::from(self.plane.index[a]) - origin(a)) as usize * strides[a]).sum();
        let rows = self.rows.within(origin(row)..origin(row) + level.chunk[row]);
        let cols = self.cols.within(origin(col)..origin(col) + level.chunk[col]);
        if rows.is_empty() || cols.is_empty() {
            return;
        }
        base += (self.rows.start + u64::from(rows.start) * self.rows.step - origin(row)) as usize * strides[row];
        base += (self.cols.start + u64::from(cols.start) * self.cols.step - origin(col)) as usize * strides[col];
        let patch = Patch {
            base,
            row_stride: strides[row] * self.rows.step as usize,
            col_stride: strides[col] * self.cols.step as usize,
            width: self.cols.len as usize,
            rows: rows.start as usize..rows.end as usize,
            cols: cols.start as usize..cols.end as usize,
        };
        let samples = match &chunk.data {
            ChunkData::Samples(samples) => samples,
            ChunkData::Uniform { element, .. } => return patch.fill(info, element, picture),
        };
        match picture {
            Samples::U8(to) => patch.copy(samples, Arc::make_mut(to), |[b]: [u8; 1]| b),
            Samples::U16(to) => patch.copy_as_u16(info, samples, Arc::make_mut(to)),
            Samples::F32(to) => patch.copy_as_f32(info, samples, Arc::make_mut(to)),
        }
    }
}

/// Whether samples are ids that are drawn by another number, their key.
fn has_folded_ids(info: &ImageInfo) -> bool {
    info.is_labels && SampleFormat::of(info.dtype) == SampleFormat::F32
}

/// Rows and columns of a plane (the lengths of its two axes).
fn plane_size(image: &Image, plane: &PlaneKey) -> Option<(u64, u64)> {
    image.has(plane).then(|| {
        let shape = &image.info.levels[usize::from(plane.level)].shape;
        (shape[usize::from(plane.row_axis)], shape[usize::from(plane.col_axis)])
    })
}

/// Where one chunk meets the window. Strides and `base` count elements of the chunk.
struct Patch {
    base: usize,
    row_stride: usize,
    col_stride: usize,
    /// Samples per row of the picture.
    width: usize,
    /// Rows of the picture that are filled.
    rows: Range<usize>,
    /// Columns of the picture that are filled.
    cols: Range<usize>,
}

impl Patch {
    /// Puts one element everywhere.
    fn fill(&self, info: &ImageInfo, element: &[u8; 8], picture: &mut Samples) {
        let one = Self { base: 0, row_stride: 1, col_stride: 1, width: 1, rows: 0..1, cols: 0..1 };
        match picture {
            Samples::U8(to) => self.put(Arc::make_mut(to), element[0]),
            Samples::U16(to) => {
                let mut value = [0];
                one.copy_as_u16(info, element, &mut value);
                self.put(Arc::make_mut(to), value[0]);
            }
            Samples::F32(to) => {
                let mut value = [0.0];
                one.copy_as_f32(info, element, &mut value);
                self.put(Arc::make_mut(to), value[0]);
            }
        }
    }

    fn put<T: Copy>(&self, to: &mut [T], value: T) {
        for row in self.rows.clone() {
            to[row * self.width + self.cols.start..][..self.cols.len()].fill(value);
        }
    }

    /// Of ids of more than 16 bits their keys; anything else has 16 bits.
    fn copy_as_u16(&self, info: &ImageInfo, from: &[u8], to: &mut [u16]) {
        if has_folded_ids(info) {
            self.copy_keys(info.dtype, from, to, |key| key)
        } else {
            self.copy(from, to, u16::from_ne_bytes)
        }
    }

    fn copy_as_f32(&self, info: &ImageInfo, from: &[u8], to: &mut [f32]) {
        match info.dtype {
            dtype if has_folded_ids(info) => self.copy_keys(dtype, from, to, f32::from),
            DType::Bool | DType::U8 => self.copy(from, to, |[b]: [u8; 1]| f32::from(b)),
            DType::I8 => self.copy(from, to, |b| f32::from(i8::from_ne_bytes(b))),
            DType::U16 => self.copy(from, to, |b| f32::from(u16::from_ne_bytes(b))),
            DType::I16 => self.copy(from, to, |b| f32::from(i16::from_ne_bytes(b))),
            DType::F16 => self.copy(from, to, |b| half::f16::from_ne_bytes(b).to_f32()),
            DType::U32 => self.copy(from, to, |b| u32::from_ne_bytes(b) as f32),
            DType::I32 => self.copy(from, to, |b| i32::from_ne_bytes(b) as f32),
            DType::F32 => self.copy(from, to, f32::from_ne_bytes),
            DType::U64 => self.copy(from, to, |b| u64::from_ne_bytes(b) as f32),
            DType::I64 => self.copy(from, to, |b| i64::from_ne_bytes(b) as f32),
            DType::F64 => self.copy(from, to, |b| f64::from_ne_bytes(b) as f32),
        }
    }

    /// The keys of ids; what is no whole number loses its fraction.
    fn copy_keys<T: Copy>(&self, dtype: DType, from: &[u8], to: &mut [T], convert: impl Fn(u16) -> T) {
        match dtype {
            DType::Bool | DType::U8 => self.copy(from, to, |[b]: [u8; 1]| convert(u16::from(b))),
            DType::I8 => self.copy(from, to, |b| convert(key_of(i8::from_ne_bytes(b).into()))),
            DType::U16 => self.copy(from, to, |b| convert(u16::from_ne_bytes(b))),
            DType::I16 => self.copy(from, to, |b| convert(key_of(i16::from_ne_bytes(b).into()))),
            DType::F16 => self.copy(from, to, |b| convert(key_of(half::f16::from_ne_bytes(b).to_f32() as i64))),
            DType::U32 => self.copy(from, to, |b| convert(key_of_unsigned(u32::from_ne_bytes(b).into()))),
            DType::I32 => self.copy(from, to, |b| convert(key_of(i32::from_ne_bytes(b).into()))),
            DType::F32 => self.copy(from, to, |b| convert(key_of(f32::from_ne_bytes(b) as i64))),
            DType::U64 => self.copy(from, to, |b| convert(key_of_unsigned(u64::from_ne_bytes(b)))),
            DType::I64 => self.copy(from, to, |b| convert(key_of(i64::from_ne_bytes(b)))),
            DType::F64 => self.copy(from, to, |b| convert(key_of(f64::from_ne_bytes(b) as i64))),
        }
    }

    /// Elements are taken as arrays of bytes, so the chunk needs no alignment; for equal types a row is one memcpy.
    fn copy<const SIZE: usize, T: Copy>(&self, from: &[u8], to: &mut [T], convert: impl Fn([u8; SIZE]) -> T) {
        let from = from.as_chunks::<SIZE>().0;
        let columns = self.cols.len();
        if self.col_stride == 1 {
            for (i, row) in self.rows.clone().enumerate() {
                let source = &from[self.base + i * self.row_stride..][..columns];
                let start = row * self.width + self.cols.start;
                for (t, &s) in to[start..start + columns].iter_mut().zip(source) {
                    *t = convert(s);
                }
            }
        } else if self.col_stride <= self.row_stride {
            for (i, row) in self.rows.clone().enumerate() {
                let source = from[self.base + i * self.row_stride..].iter().step_by(self.col_stride);
                let start = row * self.width + self.cols.start;
                for (t, &s) in to[start..start + columns].iter_mut().zip(source) {
                    *t = convert(s);
                }
            }
        } else {
            // Transposed: walk the chunk along its nearer axis, or every element would touch a cache line of its own.
            for (j, col) in self.cols.clone().enumerate() {
                let source = from[self.base + j * self.col_stride..].iter().step_by(self.row_stride);
                let column = to[self.rows.start * self.width + col..].iter_mut().step_by(self.width);
                for (t, &s) in column.zip(source).take(self.rows.len()) {
                    *t = convert(s);
                }
            }
        }
    }
}
