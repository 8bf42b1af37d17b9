//! RGBA to 4:2:0 for AVX2: 32 pixels of two rows at a time, what is left over by the portable path. Same bits.

use super::{FRACTION, Matrix, RowPair};
use std::arch::x86_64::*;

const PIXELS: usize = 32;

/// Coefficients as pairs of 16 bits, to be multiplied with pairs (red, blue) and (green, alpha) of components.
struct Pairs {
    red_blue: __m256i,
    green: __m256i,
}

impl Pairs {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new([r, g, b]: [i32; 3]) -> Self {
        let pair = |low: i32, high: i32| (low & 0xffff) | high << 16;
        Self { red_blue: _mm256_set1_epi32(pair(r, b)), green: _mm256_set1_epi32(pair(g, 0)) }
    }

    /// The weighted sum of eight pixels' components, plus `offset`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot(&self, red_blue: __m256i, green_alpha: __m256i, offset: __m256i) -> __m256i {
        let sum = _mm256_add_epi32(_mm256_madd_epi16(red_blue, self.red_blue), _mm256_madd_epi16(green_alpha, self.green));
        _mm256_add_epi32(sum, offset)
    }
}

/// Undoes the halves-wise order that two rounds of packing leave.
#[inline]
#[target_feature(enable = "avx2")]
fn packed_order() -> __m256i {
    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)
}

#[target_feature(enable = "avx2")]
pub(super) fn convert(pair: RowPair<'_>, matrix: &Matrix) {
    const LUMA: i32 = FRACTION as i32;
    const CHROMA: i32 = FRACTION as i32 + 2;
    let (ky, ku, kv) = (Pairs::new(matrix.y), Pairs::new(matrix.u), Pairs::new(matrix.v));
    let luma_offset = _mm256_set1_epi32((matrix.black << LUMA) + (1 << (LUMA - 1)));
    let chroma_offset = _mm256_set1_epi32((128 << CHROMA) + (1 << (CHROMA - 1)));
    let bytes = _mm256_set1_epi32(0x00ff_00ff);
    let RowPair { pixels, y, u, v } = pair;
    let whole = pixels.0.len() / PIXELS * PIXELS;
    for x in (0..whole).step_by(PIXELS) {
        // Sums of the two rows, as components of 16 bits.
        let mut red_blue = [_mm256_setzero_si256(); 4];
        let mut green_alpha = [_mm256_setzero_si256(); 4];
        for (pixels, y) in
            [(&pixels.0[x..x + PIXELS], &mut y.0[x..x + PIXELS]), (&pixels.1[x..x + PIXELS], &mut y.1[x..x + PIXELS])]
        {
            let mut luma = [_mm256_setzero_si256(); 4];
            for q in 0..4 {
                // SAFETY: `pixels` holds 4 times 8 of them.
                let p = unsafe { _mm256_loadu_si256(pixels.as_ptr().add(8 * q).cast()) };
                let (rb, ga) = (_mm256_and_si256(p, bytes), _mm256_and_si256(_mm256_srli_epi32::<8>(p), bytes));
                luma[q] = _mm256_srai_epi32::<LUMA>(ky.dot(rb, ga, luma_offset));
                red_blue[q] = _mm256_add_epi16(red_blue[q], rb);
                green_alpha[q] = _mm256_add_epi16(green_alpha[q], ga);
            }
            let packed = _mm256_packus_epi16(_mm256_packs_epi32(luma[0], luma[1]), _mm256_packs_epi32(luma[2], luma[3]));
            // SAFETY: `y` holds 32 bytes.
            unsafe { _mm256_storeu_si256(y.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(packed, packed_order())) };
        }
        // Neighbours added: as 32-bit sums of 16-bit pairs, since no component exceeds 4 * 255.
        let halves = |a, b| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b));
        let (rb0, rb1) = (halves(red_blue[0], red_blue[1]), halves(red_blue[2], red_blue[3]));
        let (ga0, ga1) = (halves(green_alpha[0], green_alpha[1]), halves(green_alpha[2], green_alpha[3]));
        let u0 = _mm256_srai_epi32::<CHROMA>(ku.dot(rb0, ga0, chroma_offset));
        let u1 = _mm256_srai_epi32::<CHROMA>(ku.dot(rb1, ga1, chroma_offset));
        let v0 = _mm256_srai_epi32::<CHROMA>(kv.dot(rb0, ga0, chroma_offset));
        let v1 = _mm256_srai_epi32::<CHROMA>(kv.dot(rb1, ga1, chroma_offset));
        let packed = _mm256_packus_epi16(_mm256_packs_epi32(u0, u1), _mm256_packs_epi32(v0, v1));
        let packed = _mm256_permutevar8x32_epi32(packed, packed_order());
        let (u, v) = (&mut u[x / 2..x / 2 + PIXELS / 2], &mut v[x / 2..x / 2 + PIXELS / 2]);
        // SAFETY: `u` and `v` hold 16 bytes each.
        unsafe {
            _mm_storeu_si128(u.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
            _mm_storeu_si128(v.as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(packed));
        }
    }
    let rest = RowPair {
        pixels: (&pixels.0[whole..], &pixels.1[whole..]),
        y: (&mut y.0[whole..], &mut y.1[whole..]),
        u: &mut u[whole / 2..],
        v: &mut v[whole / 2..],
    };
    super::convert(rest, matrix);
}
