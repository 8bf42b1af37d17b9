//! [`Lanes`] on arrays, for every machine.

use super::{LANES, Lanes};
use std::array::from_fn;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

/// Needs no proof.
#[derive(Debug, Clone, Copy)]
pub(in crate::device_cpu::volume) struct Portable;

#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Numbers([f32; LANES]);
#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Integers([i32; LANES]);
#[derive(Clone, Copy)]
pub(in crate::device_cpu::volume) struct Mask([bool; LANES]);

macro_rules! operators {
    ($($type:ident: $trait:ident::$method:ident = $lane:expr;)*) => { $(
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| $lane(self.0[i], other.0[i])))
            }
        }
    )* };
}

operators! {
    Numbers: Add::add = |a: f32, b: f32| a + b;
    Numbers: Sub::sub = |a: f32, b: f32| a - b;
    Numbers: Mul::mul = |a: f32, b: f32| a * b;
    Numbers: Div::div = |a: f32, b: f32| a / b;
    Integers: Add::add = i32::wrapping_add;
    Integers: Mul::mul = i32::wrapping_mul;
    Mask: BitAnd::bitand = |a: bool, b: bool| a & b;
    Mask: BitOr::bitor = |a: bool, b: bool| a | b;
}

impl Not for Mask {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(|m| !m))
    }
}

impl Lanes for Portable {
    type F = Numbers;
    type I = Integers;
    type M = Mask;

    #[inline(always)]
    fn splat(self, v: f32) -> Numbers {
        Numbers([v; LANES])
    }
    #[inline(always)]
    fn integer(self, v: i32) -> Integers {
        Integers([v; LANES])
    }
    #[inline(always)]
    fn load(self, v: &[f32; LANES]) -> Numbers {
        Numbers(*v)
    }
    #[inline(always)]
    fn store(self, v: Numbers) -> [f32; LANES] {
        v.0
    }
    #[inline(always)]
    fn store_integers(self, v: Integers) -> [i32; LANES] {
        v.0
    }
    #[inline(always)]
    fn min(self, a: Numbers, b: Numbers) -> Numbers {
        Numbers(from_fn(|i| if a.0[i] < b.0[i] { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    fn max(self, a: Numbers, b: Numbers) -> Numbers {
        Numbers(from_fn(|i| if a.0[i] > b.0[i] { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    fn sqrt(self, v: Numbers) -> Numbers {
        Numbers(v.0.map(f32::sqrt))
    }
    #[inline(always)]
    fn trunc(self, v: Numbers) -> Integers {
        Integers(v.0.map(|v| v as i32))
    }
    #[inline(always)]
    fn float(self, v: Integers) -> Numbers {
        Numbers(v.0.map(|v| v as f32))
    }
    #[inline(always)]
    fn gt(self, a: Numbers, b: Numbers) -> Mask {
        Mask(from_fn(|i| a.0[i] > b.0[i]))
    }
    #[inline(always)]
    fn ge(self, a: Numbers, b: Numbers) -> Mask {
        Mask(from_fn(|i| a.0[i] >= b.0[i]))
    }
    #[inline(always)]
    fn eq(self, a: Numbers, b: Numbers) -> Mask {
        Mask(from_fn(|i| a.0[i] == b.0[i]))
    }
    #[inline(always)]
    fn select(self, m: Mask, a: Numbers, b: Numbers) -> Numbers {
        Numbers(from_fn(|i| if m.0[i] { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    fn mask(self, bits: u8) -> Mask {
        Mask(from_fn(|i| bits >> i & 1 == 1))
    }
    #[inline(always)]
    fn bits(self, m: Mask) -> u8 {
        m.0.iter().rev().fold(0, |bits, m| bits << 1 | u8::from(*m))
    }
    #[inline(always)]
    fn power_of_two(self, exponent: Integers) -> Numbers {
        Numbers(exponent.0.map(|e| f32::from_bits((e as u32) << 23)))
    }
    #[inline(always)]
    fn shares(self, w: Numbers) -> Integers {
        Integers(w.0.map(|w| (w * 16_384.0) as i32 * 65_535 + 16_384))
    }
    #[inline(always)]
    unsafe fn blend_pairs(self, data: *const i16, at: Integers, shares: Integers) -> Numbers {
        Numbers(from_fn(|i| {
            // SAFETY: the caller's.
            let pair = unsafe { [*data.add(at.0[i] as usize), *data.add(at.0[i] as usize + 1)] };
            let [first, second] = [shares.0[i] as i16, (shares.0[i] >> 16) as i16].map(i32::from);
            (i32::from(pair[0]) * first + i32::from(pair[1]) * second) as f32
        }))
    }
    #[inline(always)]
    unsafe fn fetch(self, data: *const f32, at: Integers) -> Numbers {
        // SAFETY: the caller's.
        Numbers(at.0.map(|at| unsafe { *data.add(at as usize) }))
    }
}
