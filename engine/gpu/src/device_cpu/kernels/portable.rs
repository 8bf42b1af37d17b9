//! The row kernels in plain Rust: the reference, and what other machines run. Arguments as the functions of the parent say.

use super::Sample;
use crate::device_cpu::palette::{NarrowOp, Palette, Shading, WIDE_ONE, WideOp};
use crate::taps::WEIGHTS;
use crate::transfer::{Binning, LOW};

#[inline(always)]
pub(super) fn lerp_rows<T: Sample>(lower: &[T], upper: &[T], weight: f32, out: &mut [f32]) {
    for ((out, lower), upper) in out.iter_mut().zip(lower).zip(upper) {
        *out = lerp(lower.value(), upper.value(), weight);
    }
}

#[inline(always)]
pub(super) fn widen_row<T: Sample>(row: &[T], out: &mut [f32]) {
    for (out, sample) in out.iter_mut().zip(row) {
        *out = sample.value();
    }
}

#[inline(always)]
pub(super) fn weigh_row<T: Sample>(row: &[T], weight: f32, out: &mut [f32]) {
    for (out, sample) in out.iter_mut().zip(row) {
        *out = sample.value() * weight;
    }
}

#[inline(always)]
pub(super) fn add_row<T: Sample>(row: &[T], weight: f32, out: &mut [f32]) {
    for (out, sample) in out.iter_mut().zip(row) {
        *out += sample.value() * weight;
    }
}

pub(super) fn lerp_along(sources: &[f32], first: &[u32], weight: &[f32], out: &mut [f32]) {
    for ((out, first), weight) in out.iter_mut().zip(first).zip(weight) {
        let first = *first as usize;
        // What does not count must not be used: it may be no number.
        *out = if *weight == 0.0 { sources[first] } else { lerp(sources[first], sources[first + 1], *weight) };
    }
}

pub(super) fn weigh_along(sources: &[f32], first: &[u32], weights: [&[f32]; WEIGHTS], out: &mut [f32]) {
    for (i, (out, first)) in out.iter_mut().zip(first).enumerate() {
        let sources = &sources[*first as usize..][..WEIGHTS];
        let mut sum = sources[0] * weights[0][i];
        for (source, weight) in sources.iter().zip(weights).skip(1) {
            // As in `lerp_along`.
            if weight[i] != 0.0 {
                sum += source * weight[i];
            }
        }
        *out = sum;
    }
}

pub(super) fn pick(sources: &[f32], first: &[u32], out: &mut [f32]) {
    for (out, first) in out.iter_mut().zip(first) {
        *out = sources[*first as usize];
    }
}

pub(super) fn shade_row(values: &[f32], shading: &Shading<'_>, picture: &mut [u32]) {
    let binning = shading.binning();
    let pixels = picture.iter_mut().zip(values);
    match shading.palette() {
        Palette::Narrow(op, entries) => pixels.for_each(|(d, v)| *d = narrow(*op, entries[entry(*v, binning)], *d)),
        Palette::Wide(op, entries) => pixels.for_each(|(d, v)| *d = wide(*op, entries[entry(*v, binning)], *d)),
    }
}

/// Exact where both are equal, and the same on every device: not `a * (1 - w) + b * w`.
#[inline(always)]
fn lerp(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

/// See [`Binning`].
fn entry(v: f32, binning: &Binning) -> usize {
    let Binning { lo, hi, inverse, roots, bins } = *binning;
    // Written as the vector instructions choose: the second operand where one is not a number.
    let c = if v > lo { v } else { lo };
    let c = if c < hi { c } else { hi };
    let mut s = (c - lo) * inverse;
    for _ in 0..roots {
        s = s.sqrt();
    }
    let entry = ((s * bins as f32 + 1.0) as u32).min(binning.high());
    let entry = if v.is_nan() {
        binning.nan()
    } else if c == lo {
        LOW
    } else if c >= hi {
        binning.high()
    } else {
        entry
    };
    entry as usize
}

fn narrow(op: NarrowOp, color: u32, below: u32) -> u32 {
    let bytes = |f: fn(u8, u8) -> u8| {
        let (p, d) = (color.to_le_bytes(), below.to_le_bytes());
        u32::from_le_bytes(std::array::from_fn(|k| f(p[k], d[k])))
    };
    match op {
        NarrowOp::Replace => color,
        NarrowOp::Cover if color >> 31 == 1 => color,
        NarrowOp::Cover => below,
        NarrowOp::Add => bytes(u8::saturating_add),
        NarrowOp::Minimum => bytes(u8::min),
    }
}

/// Keeps a component as it is when multiplied with; `WIDE_ONE` scaled to 15 bits.
const KEEP: u16 = i16::MAX as u16;

fn wide(op: WideOp, color: [u16; 4], below: u32) -> u32 {
    let below = below.to_le_bytes().map(|d| u16::from(d) << 7);
    let [_, _, _, alpha] = color;
    let (added, factor) = match op {
        WideOp::Over => (color, [WIDE_ONE - alpha; 3]),
        WideOp::AddOverAlpha => (color, [below[3]; 3]),
        WideOp::Multiply => ([0, 0, 0, alpha], [color[0], color[1], color[2]]),
    };
    let factor = factor.map(|f| f + (f >> 8));
    let factor = [factor[0], factor[1], factor[2], KEEP];
    u32::from_le_bytes(std::array::from_fn(|k| {
        let kept = (((u32::from(below[k]) * u32::from(factor[k])) >> 14) + 1) >> 1;
        ((u32::from(added[k]) + kept + 64) >> 7).min(255) as u8
    }))
}
