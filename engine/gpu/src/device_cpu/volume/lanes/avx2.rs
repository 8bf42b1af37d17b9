//! [`Lanes`] on AVX2.

use super::{LANES, Lanes};
use crate::isa::Avx2;
use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

// All three are made from an `Avx2`, or from each other: whoever has one may use AVX2. That is what the operators rely on.
#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Numbers(__m256);
#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Integers(__m256i);
#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Mask(__m256);

macro_rules! operators {
    ($($type:ident: $trait:ident::$method:ident = $intrinsic:ident;)*) => { $(
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: values of this type prove AVX2.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )* };
}

operators! {
    Numbers: Add::add = _mm256_add_ps;
    Numbers: Sub::sub = _mm256_sub_ps;
    Numbers: Mul::mul = _mm256_mul_ps;
    Numbers: Div::div = _mm256_div_ps;
    Integers: Add::add = _mm256_add_epi32;
    Integers: Mul::mul = _mm256_mullo_epi32;
    Mask: BitAnd::bitand = _mm256_and_ps;
    Mask: BitOr::bitor = _mm256_or_ps;
}

impl Not for Mask {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: values of this type prove AVX2.
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(-1))) })
    }
}

/// Eight indices, two to a register. A load for each is 1.5 times as fast as the gather instruction (`benches/volume.rs`), which is
/// microcode on AMD's processors and carries a mitigation on Intel's.
#[inline(always)]
fn index_pairs(at: Integers) -> [i64; 4] {
    // SAFETY: values of this type prove AVX2.
    unsafe {
        let (low, high) = (_mm256_castsi256_si128(at.0), _mm256_extracti128_si256::<1>(at.0));
        [_mm_cvtsi128_si64(low), _mm_extract_epi64::<1>(low), _mm_cvtsi128_si64(high), _mm_extract_epi64::<1>(high)]
    }
}

/// The value at the index in the lower half of `at`.
///
/// # Safety
/// There is one.
#[inline(always)]
unsafe fn word(data: *const f32, at: i64) -> i32 {
    // SAFETY: the caller's.
    unsafe { data.add(at as u32 as usize).cast::<i32>().read() }
}

/// The two values from the index in the lower half of `at` on.
///
/// # Safety
/// There are two.
#[inline(always)]
unsafe fn pair(data: *const i16, at: i64) -> i32 {
    // SAFETY: the caller's; the load takes any address.
    unsafe { data.add(at as u32 as usize).cast::<i32>().read_unaligned() }
}

// SAFETY of every block below: `self` proves AVX2; what else an operation needs is its caller's, as the trait says.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one sentence above holds for all")]
impl Lanes for Avx2 {
    type F = Numbers;
    type I = Integers;
    type M = Mask;

    #[inline(always)]
    fn splat(self, v: f32) -> Numbers {
        Numbers(unsafe { _mm256_set1_ps(v) })
    }
    #[inline(always)]
    fn integer(self, v: i32) -> Integers {
        Integers(unsafe { _mm256_set1_epi32(v) })
    }
    #[inline(always)]
    fn load(self, v: &[f32; LANES]) -> Numbers {
        Numbers(unsafe { _mm256_loadu_ps(v.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, v: Numbers) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), v.0) };
        out
    }
    #[inline(always)]
    fn store_integers(self, v: Integers) -> [i32; LANES] {
        let mut out = [0; LANES];
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v.0) };
        out
    }
    #[inline(always)]
    fn min(self, a: Numbers, b: Numbers) -> Numbers {
        Numbers(unsafe { _mm256_min_ps(a.0, b.0) })
    }
    #[inline(always)]
    fn max(self, a: Numbers, b: Numbers) -> Numbers {
        Numbers(unsafe { _mm256_max_ps(a.0, b.0) })
    }
    #[inline(always)]
    fn sqrt(self, v: Numbers) -> Numbers {
        Numbers(unsafe { _mm256_sqrt_ps(v.0) })
    }
    #[inline(always)]
    fn trunc(self, v: Numbers) -> Integers {
        Integers(unsafe { _mm256_cvttps_epi32(v.0) })
    }
    #[inline(always)]
    fn float(self, v: Integers) -> Numbers {
        Numbers(unsafe { _mm256_cvtepi32_ps(v.0) })
    }
    #[inline(always)]
    fn gt(self, a: Numbers, b: Numbers) -> Mask {
        Mask(unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0) })
    }
    #[inline(always)]
    fn ge(self, a: Numbers, b: Numbers) -> Mask {
        Mask(unsafe { _mm256_cmp_ps::<_CMP_GE_OQ>(a.0, b.0) })
    }
    #[inline(always)]
    fn eq(self, a: Numbers, b: Numbers) -> Mask {
        Mask(unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a.0, b.0) })
    }
    #[inline(always)]
    fn select(self, m: Mask, a: Numbers, b: Numbers) -> Numbers {
        Numbers(unsafe { _mm256_blendv_ps(b.0, a.0, m.0) })
    }
    #[inline(always)]
    fn mask(self, bits: u8) -> Mask {
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let held = _mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), lane);
            Mask(_mm256_castsi256_ps(_mm256_cmpeq_epi32(held, lane)))
        }
    }
    #[inline(always)]
    fn bits(self, m: Mask) -> u8 {
        unsafe { _mm256_movemask_ps(m.0) as u8 }
    }
    #[inline(always)]
    fn power_of_two(self, exponent: Integers) -> Numbers {
        Numbers(unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent.0)) })
    }
    #[inline(always)]
    fn shares(self, w: Numbers) -> Integers {
        unsafe {
            let second = _mm256_cvttps_epi32(_mm256_mul_ps(w.0, _mm256_set1_ps(16_384.0)));
            // 16384 - s in the lower half, s in the upper: 16384 + s * 65535.
            let both = _mm256_sub_epi32(_mm256_slli_epi32::<16>(second), second);
            Integers(_mm256_add_epi32(both, _mm256_set1_epi32(16_384)))
        }
    }
    #[inline(always)]
    unsafe fn blend_pairs(self, data: *const i16, at: Integers, shares: Integers) -> Numbers {
        unsafe {
            let [a, b, c, d] = index_pairs(at);
            let low = _mm_setr_epi32(pair(data, a), pair(data, a >> 32), pair(data, b), pair(data, b >> 32));
            let high = _mm_setr_epi32(pair(data, c), pair(data, c >> 32), pair(data, d), pair(data, d >> 32));
            let pairs = _mm256_set_m128i(high, low);
            Numbers(_mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, shares.0)))
        }
    }
    #[inline(always)]
    unsafe fn fetch(self, data: *const f32, at: Integers) -> Numbers {
        unsafe {
            let [a, b, c, d] = index_pairs(at);
            let low = _mm_setr_epi32(word(data, a), word(data, a >> 32), word(data, b), word(data, b >> 32));
            let high = _mm_setr_epi32(word(data, c), word(data, c >> 32), word(data, d), word(data, d >> 32));
            Numbers(_mm256_castsi256_ps(_mm256_set_m128i(high, low)))
        }
    }
    #[inline(always)]
    fn least(self, v: Numbers) -> f32 {
        unsafe {
            let b = _mm_min_ps(_mm256_castps256_ps128(v.0), _mm256_extractf128_ps::<1>(v.0));
            let c = _mm_min_ps(b, _mm_movehl_ps(b, b));
            _mm_cvtss_f32(_mm_min_ss(c, _mm_shuffle_ps::<1>(c, c)))
        }
    }
    #[inline(always)]
    fn greatest(self, v: Numbers) -> f32 {
        unsafe {
            let b = _mm_max_ps(_mm256_castps256_ps128(v.0), _mm256_extractf128_ps::<1>(v.0));
            let c = _mm_max_ps(b, _mm_movehl_ps(b, b));
            _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps::<1>(c, c)))
        }
    }
}
