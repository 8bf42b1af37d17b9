//! RGBA to planar 4:2:0 and back, BT.709.
//!
//! Fixed point, 15 fractional bits; chroma is the mean of 2x2 pixels (sited in their middle). The AVX2 and the portable path give
//! the same bits, and so does the GL kernel, which is handed the same [`Matrix`].

#[cfg(target_arch = "x86_64")]
mod avx2;

use crate::api::I420;
use crate::isa::Isa;
use nc_core::data::{CanvasSize, ColorRange};

/// Luma of red and blue; green is the rest.
const KR: f64 = 0.2126;
const KB: f64 = 0.0722;

/// Bits behind the point.
pub(crate) const FRACTION: u32 = 15;

/// Coefficients for red, green and blue in units of `2^-FRACTION`, rounded so that grays stay gray: the luma ones add up to
/// the luma range, the chroma ones to 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Matrix {
    pub(crate) y: [i32; 3],
    pub(crate) u: [i32; 3],
    pub(crate) v: [i32; 3],
    /// Luma of black.
    pub(crate) black: i32,
}

impl Matrix {
    pub(crate) fn new(range: ColorRange) -> Self {
        let Extent { luma, chroma, black } = Extent::of(range);
        let one = f64::from(1 << FRACTION);
        let fixed = |x: f64| (x * one).round() as i32;
        let (yr, yb) = (fixed(KR * luma), fixed(KB * luma));
        let (ur, ub) = (fixed(-0.5 * chroma * KR / (1.0 - KB)), fixed(0.5 * chroma));
        let (vr, vb) = (fixed(0.5 * chroma), fixed(-0.5 * chroma * KB / (1.0 - KR)));
        Self { y: [yr, fixed(luma) - yr - yb, yb], u: [ur, -ur - ub, ub], v: [vr, -vr - vb, vb], black }
    }
}

/// A range as factors of the full one.
struct Extent {
    luma: f64,
    chroma: f64,
    black: i32,
}

impl Extent {
    fn of(range: ColorRange) -> Self {
        match range {
            ColorRange::Full => Self { luma: 1.0, chroma: 1.0, black: 0 },
            ColorRange::Limited => Self { luma: 219.0 / 255.0, chroma: 224.0 / 255.0, black: 16 },
        }
    }
}

/// Bytes of a 4:2:0 picture whose sides are even.
pub fn i420_len(size: CanvasSize) -> usize {
    let luma = size.width as usize * size.height as usize;
    luma + luma / 2
}

/// The planes of a buffer of [`i420_len`] bytes: luma, then the two chroma planes.
pub fn i420_planes(size: CanvasSize, bytes: &[u8]) -> I420<'_> {
    let luma = size.width as usize * size.height as usize;
    let (y, chroma) = bytes.split_at(luma);
    let (u, v) = chroma[..luma / 2].split_at(luma / 4);
    I420 { y, u, v }
}

/// Converts `pixels` (red in the lowest byte, rows as the planes shall have them) into `out`, which holds [`i420_len`] bytes.
/// Both sides are even.
pub(crate) fn to_i420(pixels: &[u32], size: CanvasSize, range: ColorRange, isa: Isa, out: &mut [u8]) {
    let (width, height) = (size.width as usize, size.height as usize);
    assert!(width.is_multiple_of(2) && height.is_multiple_of(2) && pixels.len() == width * height && out.len() == i420_len(size));
    let matrix = Matrix::new(range);
    let (y, chroma) = out.split_at_mut(width * height);
    let (u, v) = chroma.split_at_mut(width * height / 4);
    if width == 0 {
        return;
    }
    let rows = pixels.chunks_exact(2 * width).zip(y.chunks_exact_mut(2 * width));
    for ((pixels, y), (u, v)) in rows.zip(u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2))) {
        let pair = RowPair { pixels: pixels.split_at(width), y: y.split_at_mut(width), u, v };
        match isa {
            Isa::Portable => convert(pair, &matrix),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the variant proves AVX2.
            Isa::Avx2(_) => unsafe { avx2::convert(pair, &matrix) },
        }
    }
}

/// Two rows of pixels and the rows of the planes that they fill.
struct RowPair<'a> {
    pixels: (&'a [u32], &'a [u32]),
    y: (&'a mut [u8], &'a mut [u8]),
    u: &'a mut [u8],
    v: &'a mut [u8],
}

fn convert(pair: RowPair<'_>, matrix: &Matrix) {
    let channels = |p: u32| [p & 255, p >> 8 & 255, p >> 16 & 255].map(|c| c as i32);
    let dot = |k: [i32; 3], c: [i32; 3]| k[0] * c[0] + k[1] * c[1] + k[2] * c[2];
    let luma = |p: u32| {
        let y = dot(matrix.y, channels(p)) + (matrix.black << FRACTION) + (1 << (FRACTION - 1));
        (y >> FRACTION).clamp(0, 255) as u8
    };
    // The four pixels' sum stands for their mean, two bits further up.
    let chroma = |k: [i32; 3], sum: [i32; 3]| {
        let c = dot(k, sum) + (128 << (FRACTION + 2)) + (1 << (FRACTION + 1));
        (c >> (FRACTION + 2)).clamp(0, 255) as u8
    };
    let (upper, lower) = pair.pixels;
    pair.y.0.iter_mut().zip(upper).for_each(|(y, p)| *y = luma(*p));
    pair.y.1.iter_mut().zip(lower).for_each(|(y, p)| *y = luma(*p));
    let blocks = upper.chunks_exact(2).zip(lower.chunks_exact(2));
    for ((a, b), (u, v)) in blocks.zip(pair.u.iter_mut().zip(pair.v.iter_mut())) {
        let four = [a[0], a[1], b[0], b[1]].map(channels);
        let sum = std::array::from_fn(|k| four.iter().map(|c| c[k]).sum());
        *u = chroma(matrix.u, sum);
        *v = chroma(matrix.v, sum);
    }
}

/// The picture that a decoder shows: RGBA, 0..255 unrounded, rows as in the planes, every chroma sample on all of its four pixels.
/// For tests and measurements of what encoding costs.
pub fn to_rgba(planes: I420<'_>, size: CanvasSize, range: ColorRange) -> Vec<[f32; 4]> {
    let Extent { luma, chroma, black } = Extent::of(range);
    let width = size.width as usize;
    (0..width * size.height as usize)
        .map(|i| {
            let c = (i / width / 2) * (width / 2) + i % width / 2;
            let y = f64::from(i32::from(planes.y[i]) - black) / luma;
            let [u, v] = [planes.u[c], planes.v[c]].map(|x| f64::from(i32::from(x) - 128) / chroma);
            let (r, b) = (y + 2.0 * (1.0 - KR) * v, y + 2.0 * (1.0 - KB) * u);
            let g = (y - KR * r - KB * b) / (1.0 - KR - KB);
            let [r, g, b] = [r, g, b].map(|x| x.clamp(0.0, 255.0) as f32);
            [r, g, b, 255.0]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANGES: [ColorRange; 2] = [ColorRange::Full, ColorRange::Limited];

    fn convert_all(pixels: &[u32], width: u32, range: ColorRange, isa: Isa) -> (CanvasSize, Vec<u8>) {
        let size = CanvasSize { width, height: pixels.len() as u32 / width };
        let mut out = vec![0; i420_len(size)];
        to_i420(pixels, size, range, isa, &mut out);
        (size, out)
    }

    #[test]
    fn known_colours_have_their_known_samples() {
        // Rec. ITU-R BT.709-6, 8 bit: white, black and the primaries of 100 % colour bars.
        for (rgb, y, u, v) in [
            (0xff_ffff, 235, 128, 128),
            (0, 16, 128, 128),
            (0x0000ff, 63, 102, 240),
            (0x00ff00, 173, 42, 26),
            (0xff0000, 32, 240, 118),
        ] {
            let (size, out) = convert_all(&[rgb; 4], 2, ColorRange::Limited, Isa::Portable);
            let planes = i420_planes(size, &out);
            assert_eq!((planes.y[0], planes.u[0], planes.v[0]), (y, u, v), "{rgb:06x}");
        }
    }

    #[test]
    fn grays_stay_gray_and_reach_the_ends() {
        for range in RANGES {
            for gray in 0..=255u32 {
                let (size, out) = convert_all(&[gray * 0x010101; 4], 2, range, Isa::Portable);
                let planes = i420_planes(size, &out);
                assert_eq!((planes.u[0], planes.v[0]), (128, 128));
                let back = to_rgba(planes, size, range)[0];
                assert!(
                    (back[0] - gray as f32).abs() <= 0.6 && back[0] == back[1] && back[1] == back[2],
                    "{range:?} {gray} {back:?}"
                );
            }
        }
    }

    #[test]
    fn flat_colours_survive_the_round_trip() {
        for (range, tolerance) in [(ColorRange::Full, 1.5), (ColorRange::Limited, 2.0)] {
            for i in 0..4096u32 {
                let rgb = [(i & 15) * 17, (i >> 4 & 15) * 17, (i >> 8) * 17];
                let (size, out) = convert_all(&[rgb[0] | rgb[1] << 8 | rgb[2] << 16; 4], 2, range, Isa::detect());
                let back = to_rgba(i420_planes(size, &out), size, range)[0];
                for k in 0..3 {
                    assert!((back[k] - rgb[k] as f32).abs() <= tolerance, "{range:?} {rgb:?} {back:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn both_paths_give_the_same_bits(width in 1u32..50, rows in 1usize..3, seed: u64, full: bool) {
            let (width, mut state) = (2 * width, seed | 1);
            let pixels: Vec<u32> = (0..width as usize * 2 * rows)
                .map(|_| { state ^= state << 13; state ^= state >> 7; state ^= state << 17; (state >> 32) as u32 })
                .collect();
            let range = RANGES[usize::from(full)];
            prop_assert_eq!(convert_all(&pixels, width, range, Isa::Portable), convert_all(&pixels, width, range, Isa::detect()));
        }
    }
}
