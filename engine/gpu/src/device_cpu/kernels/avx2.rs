//! The row kernels for AVX2: eight pixels at a time, what is left over by the portable ones. Same bits.

use super::{Sample, portable};
use crate::device_cpu::palette::{NarrowOp, Palette, Shading, WIDE_ONE, WideOp};
use crate::taps::WEIGHTS;
use crate::transfer::Binning;
use std::arch::x86_64::*;

const LANES: usize = 8;

/// Values that are turned into entries before their colours are fetched: an index is not read right behind its store, for which
/// processors wait.
const BLOCK: usize = 256;

/// The portable loop, compiled with wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn lerp_rows<T: Sample>(lower: &[T], upper: &[T], weight: f32, out: &mut [f32]) {
    portable::lerp_rows(lower, upper, weight, out);
}

/// The portable loop, compiled with wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn widen_row<T: Sample>(row: &[T], out: &mut [f32]) {
    portable::widen_row(row, out);
}

/// The portable loop, compiled with wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn weigh_row<T: Sample>(row: &[T], weight: f32, out: &mut [f32]) {
    portable::weigh_row(row, weight, out);
}

/// The portable loop, compiled with wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn add_row<T: Sample>(row: &[T], weight: f32, out: &mut [f32]) {
    portable::add_row(row, weight, out);
}

/// As `lerp_along`, where the sources of any eight neighbouring pixels lie in a window of eight: two loads and two shuffles fetch
/// them all.
///
/// # Safety
/// As `lerp_along`; moreover eight more values follow the one at each index of `first`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn lerp_along_windows(sources: &[f32], first: &[u32], weight: &[f32], out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `i + LANES <= out.len()`, the length of all; the caller vouches for the nine values at the window's start, which
        // is one of the indices.
        unsafe {
            let (start, inside) = window(first.as_ptr().add(i));
            let at = sources.as_ptr().add(start);
            let a = _mm256_permutevar8x32_ps(_mm256_loadu_ps(at), inside);
            let b = _mm256_permutevar8x32_ps(_mm256_loadu_ps(at.add(1)), inside);
            let w = _mm256_loadu_ps(weight.as_ptr().add(i));
            _mm256_storeu_ps(out.as_mut_ptr().add(i), lerp(a, b, w));
        }
    }
    portable::lerp_along(sources, &first[whole..], &weight[whole..], &mut out[whole..]);
}

/// The weighed sum of neighbouring sources, from windows as in `lerp_along_windows`.
///
/// # Safety
/// `first` are indices of `sources`, where `LANES + WEIGHTS` more values follow each; all other slices have one length.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn weigh_along_windows(sources: &[f32], first: &[u32], weights: [&[f32]; WEIGHTS], out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `i + LANES <= out.len()`, the length of all; the caller vouches for the values from the window's start on, which is
        // one of the indices.
        unsafe {
            let (start, inside) = window(first.as_ptr().add(i));
            let source = |k: usize| _mm256_permutevar8x32_ps(_mm256_loadu_ps(sources.as_ptr().add(start + k)), inside);
            let weight = |k: usize| _mm256_loadu_ps(weights[k].as_ptr().add(i));
            let mut sum = _mm256_mul_ps(source(0), weight(0));
            for k in 1..WEIGHTS {
                let w = weight(k);
                let counts = _mm256_cmp_ps::<_CMP_NEQ_OQ>(w, _mm256_setzero_ps());
                sum = _mm256_blendv_ps(sum, _mm256_add_ps(sum, _mm256_mul_ps(source(k), w)), counts);
            }
            _mm256_storeu_ps(out.as_mut_ptr().add(i), sum);
        }
    }
    portable::weigh_along(sources, &first[whole..], weights.map(|w| &w[whole..]), &mut out[whole..]);
}

/// As `pick`, from windows as in `lerp_along_windows`.
///
/// # Safety
/// As `pick`; moreover seven more values follow the one at each index of `first`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn pick_windows(sources: &[f32], first: &[u32], out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `i + LANES <= out.len()`, the length of both; the caller vouches for the eight values at the window's start.
        unsafe {
            let (start, inside) = window(first.as_ptr().add(i));
            let picked = _mm256_permutevar8x32_ps(_mm256_loadu_ps(sources.as_ptr().add(start)), inside);
            _mm256_storeu_ps(out.as_mut_ptr().add(i), picked);
        }
    }
    portable::pick(sources, &first[whole..], &mut out[whole..]);
}

/// Start of the window of eight indices that rise or fall, one of them, and where in it each lies.
///
/// # Safety
/// There are eight indices.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn window(first: *const u32) -> (usize, __m256i) {
    // SAFETY: the caller's.
    unsafe {
        let start = (*first).min(*first.add(LANES - 1));
        (start as usize, _mm256_sub_epi32(_mm256_loadu_si256(first.cast()), _mm256_set1_epi32(start as i32)))
    }
}

/// `a + (b - a) * w`, or `a` where `w` is 0: what does not count must not be used, it may be no number.
#[inline]
#[target_feature(enable = "avx2")]
fn lerp(a: __m256, b: __m256, w: __m256) -> __m256 {
    let lerped = _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), w));
    _mm256_blendv_ps(lerped, a, _mm256_cmp_ps::<_CMP_EQ_OQ>(w, _mm256_setzero_ps()))
}

/// # Safety
/// `first` and the indices after them are indices of `sources`; all other slices have one length.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn lerp_along(sources: &[f32], first: &[u32], weight: &[f32], out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `i + LANES <= out.len()`, the length of all; the caller vouches for the indices, at which two values are read.
        unsafe {
            // A source and its next are one 64-bit load. Pixels 0 1 4 5 and 2 3 6 7: the shuffles below, which work on 128-bit
            // halves, then leave them in order.
            let f = first.as_ptr().add(i);
            let p = two_by_two(pair(sources, f, 0), pair(sources, f, 1), pair(sources, f, 4), pair(sources, f, 5));
            let q = two_by_two(pair(sources, f, 2), pair(sources, f, 3), pair(sources, f, 6), pair(sources, f, 7));
            let (a, b) = (_mm256_shuffle_ps::<0b10_00_10_00>(p, q), _mm256_shuffle_ps::<0b11_01_11_01>(p, q));
            let w = _mm256_loadu_ps(weight.as_ptr().add(i));
            _mm256_storeu_ps(out.as_mut_ptr().add(i), lerp(a, b, w));
        }
    }
    portable::lerp_along(sources, &first[whole..], &weight[whole..], &mut out[whole..]);
}

/// Where the source and its next of pixel `k` after `first` lie.
///
/// # Safety
/// There is such a pixel, and its index and the one after are indices of `sources`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pair(sources: &[f32], first: *const u32, k: usize) -> *const f64 {
    // SAFETY: the caller's.
    unsafe { sources.as_ptr().add(*first.add(k) as usize).cast() }
}

/// Four pairs in one register.
///
/// # Safety
/// All may be read; they need no alignment.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn two_by_two(a: *const f64, b: *const f64, c: *const f64, d: *const f64) -> __m256 {
    // SAFETY: the caller's; these loads of 64 bits take any address.
    let (low, high) = unsafe { (_mm_loadh_pd(_mm_load_sd(a), b), _mm_loadh_pd(_mm_load_sd(c), d)) };
    _mm256_castpd_ps(_mm256_set_m128d(high, low))
}

/// # Safety
/// `first` are indices of `sources`; `first` and `out` have one length.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn pick(sources: &[f32], first: &[u32], out: &mut [f32]) {
    let whole = out.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: `i + LANES <= out.len()`, the length of both; the caller vouches for the indices.
        unsafe {
            let picked = fetch_8(sources.as_ptr().cast(), first.as_ptr().add(i));
            _mm256_storeu_si256(out.as_mut_ptr().add(i).cast(), picked);
        }
    }
    portable::pick(sources, &first[whole..], &mut out[whole..]);
}

/// `table[index[k]]` of eight indices. Eight loads are twice as fast as the gather instruction on the processors of today: on AMD's
/// it is microcode, on Intel's it carries a mitigation (`benches/slice.rs`).
///
/// # Safety
/// There are eight, all of `table`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn fetch_8(table: *const i32, index: *const u32) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let [a, b, c, d] = [*index.add(0), *index.add(1), *index.add(2), *index.add(3)];
        let low = _mm_setr_epi32(*table.add(a as usize), *table.add(b as usize), *table.add(c as usize), *table.add(d as usize));
        let [a, b, c, d] = [*index.add(4), *index.add(5), *index.add(6), *index.add(7)];
        let high = _mm_setr_epi32(*table.add(a as usize), *table.add(b as usize), *table.add(c as usize), *table.add(d as usize));
        _mm256_set_m128i(high, low)
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn shade_row(values: &[f32], shading: &Shading<'_>, picture: &mut [u32]) {
    if !shading.binning().is_ordinary() {
        return portable::shade_row(values, shading, picture);
    }
    let whole = picture.len() / LANES * LANES;
    let (head, tail) = picture.split_at_mut(whole);
    let (values, values_left) = values.split_at(whole);
    // An operation is a constant of its loop: a closure would be compiled without AVX2.
    match shading.palette() {
        Palette::Narrow(op, entries) => match op {
            NarrowOp::Replace => narrow::<REPLACE>(values, shading.binning(), entries, head),
            NarrowOp::Cover => narrow::<COVER>(values, shading.binning(), entries, head),
            NarrowOp::Add => narrow::<ADD>(values, shading.binning(), entries, head),
            NarrowOp::Minimum => narrow::<MINIMUM>(values, shading.binning(), entries, head),
        },
        Palette::Wide(op, entries) => match op {
            WideOp::Over => wide::<OVER>(values, shading.binning(), entries, head),
            WideOp::AddOverAlpha => wide::<ADD_OVER_ALPHA>(values, shading.binning(), entries, head),
            WideOp::Multiply => wide::<MULTIPLY>(values, shading.binning(), entries, head),
        },
    }
    portable::shade_row(values_left, shading, tail);
}

const REPLACE: u8 = NarrowOp::Replace as u8;
const COVER: u8 = NarrowOp::Cover as u8;
const ADD: u8 = NarrowOp::Add as u8;
const MINIMUM: u8 = NarrowOp::Minimum as u8;
const OVER: u8 = WideOp::Over as u8;
const ADD_OVER_ALPHA: u8 = WideOp::AddOverAlpha as u8;
const MULTIPLY: u8 = WideOp::Multiply as u8;

/// An ordinary [`Binning`] in registers.
#[derive(Clone, Copy)]
struct Lanes {
    lo: __m256,
    hi: __m256,
    /// What the difference to `lo` is multiplied with before the roots, and after them.
    scale: (__m256, __m256),
    roots: u32,
    one: __m256,
    nan: __m256i,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(binning: &Binning) -> Self {
        let bins = binning.bins as f32;
        Self {
            lo: _mm256_set1_ps(binning.lo),
            hi: _mm256_set1_ps(binning.hi),
            // Without roots both are one; bins are a power of two, so the bits are the same.
            scale: match binning.roots {
                0 => (_mm256_set1_ps(binning.inverse * bins), _mm256_set1_ps(1.0)),
                _ => (_mm256_set1_ps(binning.inverse), _mm256_set1_ps(bins)),
            },
            roots: binning.roots,
            one: _mm256_set1_ps(1.0),
            nan: _mm256_set1_epi32(binning.nan() as i32),
        }
    }

    /// Entries of [`BLOCK`] values or fewer, a multiple of [`LANES`]; none above `nan`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn entries(&self, values: &[f32], out: &mut [u32; BLOCK]) {
        match self.roots {
            0 => self.entries_with::<false>(values, out),
            _ => self.entries_with::<true>(values, out),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn entries_with<const ROOTS: bool>(&self, values: &[f32], out: &mut [u32; BLOCK]) {
        let count = values.len().min(BLOCK) / LANES * LANES;
        for i in (0..count).step_by(LANES) {
            // SAFETY: `i + LANES` is at most the length of `values`.
            let v = unsafe { _mm256_loadu_ps(values.as_ptr().add(i)) };
            // Of two of which one is not a number both take the second: what is not a number stays so.
            let c = _mm256_min_ps(self.hi, _mm256_max_ps(self.lo, v));
            let mut s = _mm256_mul_ps(_mm256_sub_ps(c, self.lo), self.scale.0);
            if ROOTS {
                for _ in 0..self.roots {
                    s = _mm256_sqrt_ps(s);
                }
                s = _mm256_mul_ps(s, self.scale.1);
            }
            // What is not a number becomes the largest of integers, and that the entry kept for it.
            let bin = _mm256_min_epu32(_mm256_cvttps_epi32(_mm256_add_ps(s, self.one)), self.nan);
            let at_low = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_EQ_OQ>(c, self.lo));
            // SAFETY: `i + LANES` is at most `BLOCK`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(i).cast(), _mm256_andnot_si256(at_low, bin)) };
        }
    }
}

/// `values` and `picture` have one length, a multiple of [`LANES`].
// Loops count instead of zipping chunks: the iterators' methods are functions without AVX2, which are not always inlined here.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow<const OP: u8>(values: &[f32], binning: &Binning, entries: &[u32], picture: &mut [u32]) {
    let (lanes, mut index) = (Lanes::new(binning), [0; BLOCK]);
    for start in (0..picture.len()).step_by(BLOCK) {
        let picture = &mut picture[start..];
        lanes.entries(&values[start..], &mut index);
        for i in (0..picture.len().min(BLOCK)).step_by(LANES) {
            // SAFETY: `i + LANES` is at most `BLOCK` and the length of `picture`; `Shading` has as many entries as its binning, and
            // `Lanes` gives none beyond.
            unsafe {
                let color = fetch_8(entries.as_ptr().cast(), index.as_ptr().add(i));
                let at = picture.as_mut_ptr().add(i).cast::<__m256i>();
                let joined = match OP {
                    REPLACE => color,
                    COVER => {
                        // Picks by the highest bit of each pixel, which is its alpha's.
                        let color = _mm256_castsi256_ps(color);
                        let below = _mm256_castsi256_ps(_mm256_loadu_si256(at));
                        _mm256_castps_si256(_mm256_blendv_ps(below, color, color))
                    }
                    ADD => _mm256_adds_epu8(color, _mm256_loadu_si256(at)),
                    _ => _mm256_min_epu8(color, _mm256_loadu_si256(at)),
                };
                _mm256_storeu_si256(at, joined);
            }
        }
    }
}

/// `values` and `picture` have one length, a multiple of [`LANES`].
#[inline]
#[target_feature(enable = "avx2")]
fn wide<const OP: u8>(values: &[f32], binning: &Binning, entries: &[[u16; 4]], picture: &mut [u32]) {
    let (lanes, mut index) = (Lanes::new(binning), [0; BLOCK]);
    for start in (0..picture.len()).step_by(BLOCK) {
        let picture = &mut picture[start..];
        lanes.entries(&values[start..], &mut index);
        for i in (0..picture.len().min(BLOCK)).step_by(LANES) {
            // SAFETY: as in `narrow`.
            unsafe {
                let at = picture.as_mut_ptr().add(i).cast::<__m128i>();
                let a = join_wide::<OP>(wide_colors(entries, index.as_ptr().add(i)), _mm_loadu_si128(at));
                let b = join_wide::<OP>(wide_colors(entries, index.as_ptr().add(i + 4)), _mm_loadu_si128(at.add(1)));
                // Packing works on 128-bit halves; the permutation puts them in order again.
                let joined = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(a, b));
                _mm256_storeu_si256(at.cast(), joined);
            }
        }
    }
}

/// Colours of four pixels.
///
/// # Safety
/// There are four indices, all of `entries`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn wide_colors(entries: &[[u16; 4]], index: *const u32) -> __m256i {
    // SAFETY: the caller's; an entry has the 64 bits that are loaded.
    unsafe {
        let colors = entries.as_ptr().cast::<f64>();
        let [a, b, c, d] = [*index, *index.add(1), *index.add(2), *index.add(3)];
        let four = two_by_two(colors.add(a as usize), colors.add(b as usize), colors.add(c as usize), colors.add(d as usize));
        _mm256_castps_si256(four)
    }
}

/// Four pixels: 16 bits a component in, levels out.
#[inline]
#[target_feature(enable = "avx2")]
fn join_wide<const OP: u8>(color: __m256i, below: __m128i) -> __m256i {
    const ALPHA: i32 = 0b1000_1000;
    let spread_alpha = _mm256_setr_epi8(
        6, 7, 6, 7, 6, 7, 6, 7, 14, 15, 14, 15, 14, 15, 14, 15, 6, 7, 6, 7, 6, 7, 6, 7, 14, 15, 14, 15, 14, 15, 14, 15,
    );
    let below = _mm256_slli_epi16::<7>(_mm256_cvtepu8_epi16(below));
    let (added, factor) = match OP {
        OVER => {
            let alpha = _mm256_shuffle_epi8(color, spread_alpha);
            (color, _mm256_sub_epi16(_mm256_set1_epi16(WIDE_ONE as i16), alpha))
        }
        ADD_OVER_ALPHA => (color, _mm256_shuffle_epi8(below, spread_alpha)),
        _ => (_mm256_blend_epi16::<ALPHA>(_mm256_setzero_si256(), color), color),
    };
    let factor = _mm256_add_epi16(factor, _mm256_srli_epi16::<8>(factor));
    let factor = _mm256_blend_epi16::<ALPHA>(factor, _mm256_set1_epi16(i16::MAX));
    let kept = _mm256_mulhrs_epi16(below, factor);
    let sum = _mm256_add_epi16(_mm256_add_epi16(added, kept), _mm256_set1_epi16(64));
    _mm256_srli_epi16::<7>(sum)
}
