//! The samples of a volume with a border of their own values around them, so that no filter asks where the volume ends; and the filters.

use super::lanes::Lanes;
use crate::api::DeviceError;
use nc_core::data::{Brick, SampleFormat, Samples};

/// Samples added before the first and after the last of every axis.
pub(super) const BEFORE: u32 = 1;
pub(super) const AFTER: u32 = 2;

/// How far beyond its covered box, in samples, a position may be that is sampled as it is.
pub(super) const SLACK: f32 = 0.4;

/// The samples, x fastest.
#[derive(Debug)]
enum Values {
    /// Of 8 or 16 bits, less `bias`.
    Integers(Vec<i16>),
    Floats(Vec<f32>),
}

/// A volume's samples.
#[derive(Debug)]
pub(super) struct Grid {
    /// Samples along z, y, x, without the border.
    shape: [u32; 3],
    format: SampleFormat,
    values: Values,
    /// Whether any sample ever was no number.
    holes: bool,
}

impl Grid {
    /// Of zeros.
    pub(super) fn new(shape: [u32; 3], format: SampleFormat) -> Result<Self, DeviceError> {
        let [depth, height, width] = shape.map(|n| n as usize + (BEFORE + AFTER) as usize);
        let len = depth.checked_mul(height).and_then(|n| n.checked_mul(width)).filter(|n| i32::try_from(*n).is_ok());
        let too_large = || DeviceError::OutOfMemory(format!("a volume of {shape:?} samples"));
        let len = len.ok_or_else(too_large)?;
        let values = match format {
            SampleFormat::U8 | SampleFormat::U16 => Values::Integers(zeros(len).ok_or_else(too_large)?),
            SampleFormat::F32 => Values::Floats(zeros(len).ok_or_else(too_large)?),
        };
        Ok(Self { shape, format, values, holes: false })
    }

    pub(super) fn shape(&self) -> [u32; 3] {
        self.shape
    }

    pub(super) fn format(&self) -> SampleFormat {
        self.format
    }

    /// Puts a brick of the grid's format in, from sample `origin` (z, y, x) on; it lies within the grid.
    pub(super) fn insert(&mut self, origin: [u32; 3], brick: &Brick) {
        let shape = self.shape;
        match (&mut self.values, brick.samples()) {
            (Values::Integers(to), Samples::U8(from)) => copy(to, shape, origin, brick.size(), from, i16::from),
            (Values::Integers(to), Samples::U16(from)) => copy(to, shape, origin, brick.size(), from, |v| (v ^ 0x8000) as i16),
            (Values::Floats(to), samples @ Samples::F32(_)) => {
                if let Samples::F32(from) = crate::samples::within_filter_range(samples) {
                    self.holes |= from.iter().any(|v| v.is_nan());
                    copy(to, shape, origin, brick.size(), &from, |v| v);
                }
            }
            _ => {}
        }
    }

    /// Whether any sample may be no number.
    pub(super) fn has_holes(&self) -> bool {
        self.holes
    }

    /// What a sample is less what is kept of it.
    fn bias(&self) -> f32 {
        if self.format == SampleFormat::U16 { 32_768.0 } else { 0.0 }
    }

    /// Row and plane strides.
    fn strides(&self) -> (i32, i32) {
        let [_, height, width] = self.shape.map(|n| (n + BEFORE + AFTER) as i32);
        (width, width * height)
    }

    /// Trilinear; `None` if the samples are not integers.
    pub(super) fn linear_integers(&self) -> Option<LinearIntegers<'_>> {
        let Values::Integers(values) = &self.values else { return None };
        let (row, plane) = self.strides();
        Some(LinearIntegers { values, row, plane, bias: self.bias() })
    }

    /// The nearest sample; `None` if the samples are not integers.
    pub(super) fn nearest_integers(&self) -> Option<NearestIntegers<'_>> {
        self.linear_integers().map(NearestIntegers)
    }

    /// Trilinear; `None` if the samples are integers.
    pub(super) fn linear_floats(&self) -> Option<LinearFloats<'_>> {
        let Values::Floats(values) = &self.values else { return None };
        let (row, plane) = self.strides();
        Some(LinearFloats { values, row, plane })
    }

    /// The nearest sample; `None` if the samples are integers.
    pub(super) fn nearest_floats(&self) -> Option<NearestFloats<'_>> {
        self.linear_floats().map(NearestFloats)
    }
}

fn zeros<T: Clone + Default>(len: usize) -> Option<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).ok()?;
    values.resize(len, T::default());
    Some(values)
}

/// Where sample `i` of `n` lies in the grid: once, or once more for each sample of the border that repeats it.
fn places(i: u32, n: u32) -> std::ops::RangeInclusive<usize> {
    let first = if i == 0 { 0 } else { i + BEFORE };
    let last = if i + 1 == n { n + BEFORE + AFTER - 1 } else { i + BEFORE };
    first as usize..=last as usize
}

fn copy<T: Copy, U: Copy>(to: &mut [U], shape: [u32; 3], origin: [u32; 3], size: [u32; 3], from: &[T], kept: impl Fn(T) -> U) {
    let [_, height, width] = shape.map(|n| (n + BEFORE + AFTER) as usize);
    let (first, last) = (places(origin[2], shape[2]), places(origin[2] + size[2] - 1, shape[2]));
    for (i, row) in from.chunks_exact(size[2] as usize).enumerate() {
        let (z, y) = (i as u32 / size[1], i as u32 % size[1]);
        for z in places(origin[0] + z, shape[0]) {
            for y in places(origin[1] + y, shape[1]) {
                let to = &mut to[(z * height + y) * width..][..width];
                let inner = (origin[2] + BEFORE) as usize;
                for (to, from) in to[inner..].iter_mut().zip(row) {
                    *to = kept(*from);
                }
                to[first.clone()].fill(kept(row[0]));
                to[last.clone()].fill(kept(row[row.len() - 1]));
            }
        }
    }
}

/// A filter on a grid.
pub(super) trait Sampler: Copy + Sync {
    /// The value at a position.
    ///
    /// # Safety
    /// The position lies within `-0.5 - SLACK..len - 0.5 + SLACK` along every axis.
    unsafe fn sample<L: Lanes>(self, l: L, p: [L::F; 3]) -> L::F;
}

/// Trilinear on integers: neighbours in x are blended in integers, with shares of 1/16384, then rows and planes in `f32`.
#[derive(Clone, Copy)]
pub(super) struct LinearIntegers<'a> {
    values: &'a [i16],
    row: i32,
    plane: i32,
    bias: f32,
}

impl Sampler for LinearIntegers<'_> {
    #[inline(always)]
    unsafe fn sample<L: Lanes>(self, l: L, [px, py, pz]: [L::F; 3]) -> L::F {
        let one = l.splat(BEFORE as f32);
        let (px, py, pz) = (px + one, py + one, pz + one);
        let (x, y, z) = (l.trunc(px), l.trunc(py), l.trunc(pz));
        let at = z * l.integer(self.plane) + y * l.integer(self.row) + x;
        let shares = l.shares(px - l.float(x));
        let (wy, wz) = (py - l.float(y), pz - l.float(z));
        let (data, row, plane) = (self.values.as_ptr(), self.row as usize, self.plane as usize);
        // SAFETY: positions are within the box and less than a sample beyond, so `at` and its neighbours in x, y and z lie in the grid
        // with its border.
        let (a, b, c, d) = unsafe {
            (
                l.blend_pairs(data, at, shares),
                l.blend_pairs(data.add(row), at, shares),
                l.blend_pairs(data.add(plane), at, shares),
                l.blend_pairs(data.add(plane + row), at, shares),
            )
        };
        let (e, f) = (a + (b - a) * wy, c + (d - c) * wy);
        (e + (f - e) * wz) * l.splat(1.0 / 16_384.0) + l.splat(self.bias)
    }
}

/// The nearest of integers.
#[derive(Clone, Copy)]
pub(super) struct NearestIntegers<'a>(LinearIntegers<'a>);

impl Sampler for NearestIntegers<'_> {
    #[inline(always)]
    unsafe fn sample<L: Lanes>(self, l: L, p: [L::F; 3]) -> L::F {
        let Self(LinearIntegers { values, row, plane, bias }) = self;
        let at = nearest(l, p, row, plane);
        // SAFETY: as for the trilinear filter; the neighbour in x has no share.
        unsafe { l.blend_pairs(values.as_ptr(), at, l.integer(1)) + l.splat(bias) }
    }
}

/// Trilinear on floats. A neighbour without a share does not count: it may be no number.
#[derive(Clone, Copy)]
pub(super) struct LinearFloats<'a> {
    values: &'a [f32],
    row: i32,
    plane: i32,
}

#[inline(always)]
fn lerp<L: Lanes>(l: L, a: L::F, b: L::F, w: L::F) -> L::F {
    l.select(l.eq(w, l.splat(0.0)), a, a + (b - a) * w)
}

impl Sampler for LinearFloats<'_> {
    #[inline(always)]
    unsafe fn sample<L: Lanes>(self, l: L, [px, py, pz]: [L::F; 3]) -> L::F {
        let one = l.splat(BEFORE as f32);
        let (px, py, pz) = (px + one, py + one, pz + one);
        let (x, y, z) = (l.trunc(px), l.trunc(py), l.trunc(pz));
        let at = z * l.integer(self.plane) + y * l.integer(self.row) + x;
        let (wx, wy, wz) = (px - l.float(x), py - l.float(y), pz - l.float(z));
        let (data, row, plane) = (self.values.as_ptr(), self.row as usize, self.plane as usize);
        // SAFETY: as for integers.
        let (a, b, c, d) = unsafe {
            (
                lerp(l, l.fetch(data, at), l.fetch(data.add(1), at), wx),
                lerp(l, l.fetch(data.add(row), at), l.fetch(data.add(row + 1), at), wx),
                lerp(l, l.fetch(data.add(plane), at), l.fetch(data.add(plane + 1), at), wx),
                lerp(l, l.fetch(data.add(plane + row), at), l.fetch(data.add(plane + row + 1), at), wx),
            )
        };
        lerp(l, lerp(l, a, b, wy), lerp(l, c, d, wy), wz)
    }
}

/// The nearest of floats.
#[derive(Clone, Copy)]
pub(super) struct NearestFloats<'a>(LinearFloats<'a>);

impl Sampler for NearestFloats<'_> {
    #[inline(always)]
    unsafe fn sample<L: Lanes>(self, l: L, p: [L::F; 3]) -> L::F {
        let Self(LinearFloats { values, row, plane }) = self;
        let at = nearest(l, p, row, plane);
        // SAFETY: as for integers.
        unsafe { l.fetch(values.as_ptr(), at) }
    }
}

#[inline(always)]
fn nearest<L: Lanes>(l: L, [px, py, pz]: [L::F; 3], row: i32, plane: i32) -> L::I {
    let half = l.splat(BEFORE as f32 + 0.5);
    let (x, y, z) = (l.trunc(px + half), l.trunc(py + half), l.trunc(pz + half));
    z * l.integer(plane) + y * l.integer(row) + x
}
