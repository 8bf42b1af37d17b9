//! Eight rays at a time: the few operations that ray kernels are written in, on AVX2 and on plain arrays. Both give the same bits: same
//! operations, same order, no fused multiply-add.
//!
//! A kernel is generic over [`Lanes`] and `#[inline(always)]`, so that it is compiled with the instructions of the function it ends up
//! in. It must not have closures: those are functions of their own, without these instructions.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
pub(super) mod portable;

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

/// Rays of a packet.
pub(super) const LANES: usize = 8;

/// An instruction set, whose value proves that the machine has it.
pub(super) trait Lanes: Copy {
    /// Numbers.
    type F: Copy + Add<Output = Self::F> + Sub<Output = Self::F> + Mul<Output = Self::F> + Div<Output = Self::F>;
    /// 32-bit integers; addition and multiplication wrap.
    type I: Copy + Add<Output = Self::I> + Mul<Output = Self::I>;
    /// Which lanes.
    type M: Copy + BitAnd<Output = Self::M> + BitOr<Output = Self::M> + Not<Output = Self::M>;

    fn splat(self, v: f32) -> Self::F;
    fn integer(self, v: i32) -> Self::I;
    fn load(self, v: &[f32; LANES]) -> Self::F;
    fn store(self, v: Self::F) -> [f32; LANES];
    fn store_integers(self, v: Self::I) -> [i32; LANES];
    /// `b` where either is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `b` where either is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, v: Self::F) -> Self::F;
    /// Towards zero; of what fits an integer.
    fn trunc(self, v: Self::F) -> Self::I;
    fn float(self, v: Self::I) -> Self::F;
    fn gt(self, a: Self::F, b: Self::F) -> Self::M;
    fn ge(self, a: Self::F, b: Self::F) -> Self::M;
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` where `m`, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    fn mask(self, bits: u8) -> Self::M;
    fn bits(self, m: Self::M) -> u8;
    /// 2 to the power of `exponent - 127`, which is 1 to 254.
    fn power_of_two(self, exponent: Self::I) -> Self::F;
    /// Shares of 16384 that `w`, within 0 to 1, gives to the second of two neighbours and leaves to the first.
    fn shares(self, w: Self::F) -> Self::I;
    /// Two neighbours, from `at` on, times their shares.
    ///
    /// # Safety
    /// `data` holds two values from every index of `at` on.
    unsafe fn blend_pairs(self, data: *const i16, at: Self::I, shares: Self::I) -> Self::F;
    /// `data[at]`.
    ///
    /// # Safety
    /// `data` holds a value at every index of `at`.
    unsafe fn fetch(self, data: *const f32, at: Self::I) -> Self::F;

    /// Whether any lane is.
    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        self.bits(m) != 0
    }

    /// The least of all lanes, of numbers.
    #[inline(always)]
    fn least(self, v: Self::F) -> f32 {
        let v = self.store(v);
        let mut least = v[0];
        let mut i = 1;
        while i < LANES {
            least = if v[i] < least { v[i] } else { least };
            i += 1;
        }
        least
    }

    /// The greatest of all lanes, of numbers.
    #[inline(always)]
    fn greatest(self, v: Self::F) -> f32 {
        let v = self.store(v);
        let mut greatest = v[0];
        let mut i = 1;
        while i < LANES {
            greatest = if v[i] > greatest { v[i] } else { greatest };
            i += 1;
        }
        greatest
    }

    #[inline(always)]
    fn abs(self, v: Self::F) -> Self::F {
        self.max(v, self.splat(0.0) - v)
    }

    /// `e^v` to 1e-6 of it, of numbers; results stay within 2^-126 and 2^127.
    #[inline(always)]
    fn exp(self, v: Self::F) -> Self::F {
        let y = v * self.splat(std::f32::consts::LOG2_E) + self.splat(127.0);
        let y = self.min(self.max(y, self.splat(1.0)), self.splat(254.0));
        let whole = self.trunc(y);
        let f = (y - self.float(whole)) * self.splat(std::f32::consts::LN_2);
        // The series of e^f, f within 0 to ln 2; the next term is below 2e-8.
        let mut sum = self.splat(1.0 / 362_880.0);
        let mut k = 8;
        while k > 0 {
            sum = sum * f + self.splat(SERIES[k]);
            k -= 1;
        }
        (sum * f + self.splat(1.0)) * self.power_of_two(whole)
    }
}

/// `1 / k!`.
const SERIES: [f32; 9] = [1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0, 1.0 / 40320.0];

#[cfg(test)]
mod tests {
    use super::portable::Portable;
    use super::*;

    #[test]
    fn exponentials_are_close() {
        for i in -3000..1000 {
            let x = i as f32 * 0.02;
            let found = Portable.store(Portable.exp(Portable.splat(x)))[3];
            let exact = f64::from(x).exp().max(2f64.powi(-126));
            assert!((f64::from(found) / exact - 1.0).abs() < 1e-5, "{x}: {found} for {exact}");
        }
    }
}
