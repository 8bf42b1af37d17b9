//! Cutting tiles and bricks out of chunks: which chunks a piece of a plane or a volume touches, and copying what they hold of it.
//!
//! Pure geometry and copying; must never know of queues, caches or files.

use crate::image::{Chunk, ChunkData, Image};
use nc_core::data::labels::{key_of, key_of_unsigned};
use nc_core::data::{BRICK, BrickKey, DType, ImageId, MAX_AXES, PlaneKey, SampleFormat, Samples, TILE, TileKey, VolumeKey};
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

/// One side of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    /// Array axis; `None` where a plane has no depth.
    axis: Option<usize>,
    run: Run,
}

impl Side {
    /// Piece `n` of `edge` samples along an axis of so many; `None` if that begins beyond the end.
    fn piece(axis: u8, n: u32, edge: u32, extent: u64) -> Option<Self> {
        let start = u64::from(n) * u64::from(edge);
        let run = Run { start, step: 1, len: u64::from(edge).min(extent.checked_sub(start)?) as u32 };
        (run.len > 0).then_some(Self { axis: Some(usize::from(axis)), run })
    }

    /// The chunks along the axis that hold one of its samples.
    fn touched(&self, level: &LevelInfo) -> Vec<u32> {
        let Some(axis) = self.axis else { return vec![0] };
        let (run, chunk) = (&self.run, level.chunk[axis]);
        let mut grid: Vec<u32> = Vec::new();
        let mut i = 0;
        while i < run.len {
            let at = (run.start + u64::from(i) * run.step) / chunk;
            grid.push(at as u32);
            i = run.within(0..(at + 1) * chunk).end;
        }
        grid
    }
}

/// A box of evenly spaced samples of a level: layers, rows and columns along three of its axes, or of a plane one layer along none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    image: ImageId,
    level: u8,
    /// Index per array axis that is no side.
    index: [u32; MAX_AXES],
    /// Layers, rows, columns.
    sides: [Side; 3],
}

impl Window {
    /// The samples of a tile; `None` if the image has no such tile.
    pub(crate) fn of_tile(image: &Image, key: &TileKey) -> Option<Self> {
        let (height, width) = plane_size(image, &key.plane)?;
        let rows = Side::piece(key.plane.row_axis, key.ty, TILE, height)?;
        Some(Self::of_plane(&key.plane, rows, Side::piece(key.plane.col_axis, key.tx, TILE, width)?))
    }

    /// The samples of a brick; `None` if the image has no such brick.
    pub(crate) fn of_brick(image: &Image, key: &BrickKey) -> Option<Self> {
        let VolumeKey { image: id, level, axes, index } = key.volume;
        if !image.has_axes(id, level, &axes, &index) {
            return None;
        }
        let shape = &image.info.levels[usize::from(level)].shape;
        let side = |i: usize| Side::piece(axes[i], key.at[i], BRICK, shape[usize::from(axes[i])]);
        Some(Self { image: id, level, index, sides: [side(0)?, side(1)?, side(2)?] })
    }

    /// The whole plane, every k-th sample so that no side has more than `max_edge`; `None` if the image has no such plane.
    pub(crate) fn of_overview(image: &Image, plane: &PlaneKey, max_edge: u32) -> Option<Self> {
        let (height, width) = plane_size(image, plane)?;
        let step = height.max(width).div_ceil(u64::from(max_edge.max(1)));
        let thin = |axis: u8, extent: u64| Side {
            axis: Some(usize::from(axis)),
            run: Run { start: 0, step, len: extent.div_ceil(step) as u32 },
        };
        Some(Self::of_plane(plane, thin(plane.row_axis, height), thin(plane.col_axis, width)))
    }

    fn of_plane(plane: &PlaneKey, rows: Side, cols: Side) -> Self {
        let flat = Side { axis: None, run: Run { start: 0, step: 1, len: 1 } };
        Self { image: plane.image, level: plane.level, index: plane.index, sides: [flat, rows, cols] }
    }

    /// Layers, rows and columns; 1 layer of a plane.
    pub(crate) fn size(&self) -> [u32; 3] {
        self.sides.map(|side| side.run.len)
    }

    pub(crate) fn width(&self) -> u32 {
        self.sides[2].run.len
    }

    pub(crate) fn height(&self) -> u32 {
        self.sides[1].run.len
    }

    /// Samples of the window.
    pub(crate) fn count(&self) -> usize {
        self.size().iter().map(|&n| n as usize).product()
    }

    fn level<'a>(&self, info: &'a ImageInfo) -> &'a LevelInfo {
        &info.levels[usize::from(self.level)]
    }

    /// Every chunk that holds a sample of the window, layer by layer and row by row.
    pub(crate) fn chunks(&self, info: &ImageInfo) -> Vec<ChunkKey> {
        let level = self.level(info);
        let mut coords = [0; MAX_AXES];
        for ((at, &index), &chunk) in coords.iter_mut().zip(&self.index).zip(&level.chunk) {
            *at = (u64::from(index) / chunk) as u32;
        }
        let mut grid = vec![coords];
        for side in &self.sides {
            let Some(axis) = side.axis else { continue };
            let touched = side.touched(level);
            let along = |coords: &[u32; MAX_AXES]| {
                let coords = *coords;
                touched.iter().map(move |&at| {
                    let mut coords = coords;
                    coords[axis] = at;
                    coords
                })
            };
            grid = grid.iter().flat_map(along).collect();
        }
        grid.into_iter().map(|coords| ChunkKey { image: self.image, level: self.level, coords }).collect()
    }

    /// A picture of the window in the device format, of nothing but `value`.
    pub(crate) fn blank(&self, info: &ImageInfo, value: f64) -> Samples {
        let n = self.count();
        let value = if has_folded_ids(info) { f64::from(key_of(value as i64)) } else { value };
        // Collecting a repeat allocates the shared slice once, at its final place.
        match info.sample_format() {
            SampleFormat::U8 => Samples::U8(std::iter::repeat_n(value as u8, n).collect()),
            SampleFormat::U16 => Samples::U16(std::iter::repeat_n(value as u16, n).collect()),
            SampleFormat::F32 => Samples::F32(std::iter::repeat_n(value as f32, n).collect()),
        }
    }

    /// Copies what `chunk` holds of the window into `picture` (columns fastest, as [`Self::blank`] makes it, or any `f32` one).
    /// `chunk` must have passed [`Chunk::flaw`].
    pub(crate) fn scatter(&self, info: &ImageInfo, key: &ChunkKey, chunk: &Chunk, picture: &mut Samples) {
        let level = self.level(info);
        let mut strides = [1usize; MAX_AXES];
        for axis in (0..level.shape.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * chunk.shape.sizes()[axis + 1] as usize;
        }
        let origin = |axis: usize| u64::from(key.coords[axis]) * level.chunk[axis];
        let fixed = (0..level.shape.len()).filter(|&a| self.sides.iter().all(|side| side.axis != Some(a)));
        let mut base: usize = fixed.map(|a| (u64::from(self.index[a]) - origin(a)) as usize * strides[a]).sum();
        let spans = self.sides.map(|Side { axis, run }| {
            let Some(axis) = axis else { return Along { stride: 0, at: 0..1 } };
            let at = run.within(origin(axis)..origin(axis) + level.chunk[axis]);
            if !at.is_empty() {
                base += (run.start + u64::from(at.start) * run.step - origin(axis)) as usize * strides[axis];
            }
            Along { stride: strides[axis] * run.step as usize, at: at.start as usize..at.end as usize }
        });
        if spans.iter().any(|span| span.at.is_empty()) {
            return;
        }
        let [layers, rows, cols] = spans;
        let patch = Patch { base, height: self.height() as usize, width: self.width() as usize, layers, rows, cols };
        let samples = match &chunk.data {
            ChunkData::Samples(samples) => samples,
            ChunkData::Uniform { element, .. } => return patch.fill(info, element, picture),
        };
        match picture {
            Samples::U8(to) => patch.copy(samples, Arc::make_mut(to), |[b]: [u8; 1]| b),
            Samples::U16(to) => patch.copy_as_u16(info, samples, Arc::make_mut(to)),
            Samples::F32(to) => patch.copy_numbers(info, samples, Arc::make_mut(to)),
        }
    }
}

/// Elements of `dtype`, one after the other, as numbers.
pub(crate) fn as_f32(dtype: DType, elements: &[u8]) -> Vec<f32> {
    let count = elements.len() / dtype.size();
    let mut out = vec![0.0; count];
    Patch::line(count).copy_as_f32(dtype, elements, &mut out);
    out
}

/// Ids of `dtype`, one after the other, as keys.
pub(crate) fn as_keys(dtype: DType, elements: &[u8]) -> Vec<u16> {
    let count = elements.len() / dtype.size();
    let mut out = vec![0; count];
    Patch::line(count).copy_keys(dtype, elements, &mut out, |key| key);
    out
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

/// One side of a patch.
struct Along {
    /// From one sample to the next, elements of the chunk.
    stride: usize,
    /// What of the picture is filled.
    at: Range<usize>,
}

/// Where one chunk meets the window.
struct Patch {
    /// The first element of the chunk that is copied.
    base: usize,
    /// Rows per layer of the picture.
    height: usize,
    /// Samples per row of the picture.
    width: usize,
    layers: Along,
    rows: Along,
    cols: Along,
}

impl Patch {
    /// The first `count` elements, one after the other.
    fn line(count: usize) -> Self {
        let one = || Along { stride: 1, at: 0..1 };
        Self { base: 0, height: 1, width: count, layers: one(), rows: one(), cols: Along { stride: 1, at: 0..count } }
    }

    /// Puts one element everywhere.
    fn fill(&self, info: &ImageInfo, element: &[u8; 8], picture: &mut Samples) {
        let one = Self::line(1);
        match picture {
            Samples::U8(to) => self.put(Arc::make_mut(to), element[0]),
            Samples::U16(to) => {
                let mut value = [0];
                one.copy_as_u16(info, element, &mut value);
                self.put(Arc::make_mut(to), value[0]);
            }
            Samples::F32(to) => {
                let mut value = [0.0];
                one.copy_numbers(info, element, &mut value);
                self.put(Arc::make_mut(to), value[0]);
            }
        }
    }

    fn put<T: Copy>(&self, to: &mut [T], value: T) {
        for layer in self.layers.at.clone() {
            for row in self.rows.at.clone() {
                to[(layer * self.height + row) * self.width..][self.cols.at.clone()].fill(value);
            }
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

    /// Of ids of more than 16 bits their keys.
    fn copy_numbers(&self, info: &ImageInfo, from: &[u8], to: &mut [f32]) {
        if has_folded_ids(info) {
            self.copy_keys(info.dtype, from, to, f32::from)
        } else {
            self.copy_as_f32(info.dtype, from, to)
        }
    }

    fn copy_as_f32(&self, dtype: DType, from: &[u8], to: &mut [f32]) {
        match dtype {
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
        let sides = [&self.layers, &self.rows, &self.cols];
        // From one sample to the next in the picture.
        let steps = [self.height * self.width, self.width, 1];
        // Transposed: the chunk is walked along its nearest side, or every element would touch a cache line of its own; and along the
        // columns next, so that what is written lies side by side.
        let nearest = (0..3).rev().filter(|&i| sides[i].at.len() > 1).min_by_key(|&i| sides[i].stride).unwrap_or(2);
        let [outer, middle] = [[1, 2], [0, 2], [0, 1]][nearest];
        // Where each line of the patch begins in the chunk and in the picture.
        let along = |i: usize| (0..sides[i].at.len()).map(move |n| (n * sides[i].stride, (sides[i].at.start + n) * steps[i]));
        let lines = along(outer).flat_map(|(a, b)| along(middle).map(move |(c, d)| (a + c, b + d)));
        let inner = sides[nearest];
        let (count, start) = (inner.at.len(), inner.at.start * steps[nearest]);
        for (source, target) in lines {
            let (source, target) = (&from[self.base + source..], &mut to[target + start..]);
            if inner.stride == 1 && nearest == 2 {
                for (t, &s) in target[..count].iter_mut().zip(&source[..count]) {
                    *t = convert(s);
                }
            } else {
                // One sample has no next one, and any stride.
                let source = source.iter().step_by(inner.stride.max(1));
                for (t, &s) in target.iter_mut().step_by(steps[nearest]).zip(source).take(count) {
                    *t = convert(s);
                }
            }
        }
    }
}
