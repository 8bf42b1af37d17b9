//! Scales a picture up, bilinear.

use nc_core::data::CanvasSize;

/// Parts of 1 that a weight is counted in.
const ONE: u32 = 128;

/// For each pixel along a side: the drawn one before it, the one after, and how much of the second.
fn taps(out: u32, drawn: u32, divisor: u32) -> Vec<(u32, u32, u32)> {
    let last = f64::from(drawn.saturating_sub(1));
    (0..out)
        .map(|i| {
            let at = ((f64::from(i) + 0.5) / f64::from(divisor) - 0.5).clamp(0.0, last);
            let first = at as u32;
            (first, (first + 1).min(drawn.saturating_sub(1)), ((at - f64::from(first)) * f64::from(ONE)).round() as u32)
        })
        .collect()
}

/// Mixes the four bytes of two pixels: two at a time in 32 bits.
#[inline(always)]
fn mix(a: u32, b: u32, weight: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    const HALF: u32 = 0x0040_0040;
    let even = ((a & EVEN) * (ONE - weight) + (b & EVEN) * weight + HALF) >> 7 & EVEN;
    let odd = ((a >> 8 & EVEN) * (ONE - weight) + (b >> 8 & EVEN) * weight + HALF) >> 7 & EVEN;
    even | odd << 8
}

/// `drawn`, of `size`, to `out`, of `canvas`, each of whose pixels has a `divisor`th of a drawn one along both sides.
pub(super) fn up(drawn: &[u32], size: CanvasSize, divisor: u32, canvas: CanvasSize, out: &mut [u32]) {
    let (width, across) = (canvas.width as usize, size.width as usize);
    if width == 0 || across == 0 {
        return;
    }
    let columns = taps(canvas.width, size.width, divisor);
    let mut row = vec![0; across];
    for ((a, b, weight), out) in taps(canvas.height, size.height, divisor).into_iter().zip(out.chunks_exact_mut(width)) {
        let (a, b) = (&drawn[a as usize * across..][..across], &drawn[b as usize * across..][..across]);
        for ((to, a), b) in row.iter_mut().zip(a).zip(b) {
            *to = mix(*a, *b, weight);
        }
        for (to, (a, b, weight)) in out.iter_mut().zip(&columns) {
            *to = mix(row[*a as usize], row[*b as usize], *weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_stays_a_ramp_and_a_flat_picture_flat() {
        let (size, canvas) = (CanvasSize { width: 8, height: 4 }, CanvasSize { width: 15, height: 8 });
        let drawn: Vec<u32> = (0..32).map(|i| u32::from_le_bytes([(i % 8 * 20) as u8, 77, (i / 8 * 40) as u8, 255])).collect();
        let mut out = vec![0; 15 * 8];
        up(&drawn, size, 2, canvas, &mut out);
        for (i, pixel) in out.iter().enumerate() {
            let [r, g, b, a] = pixel.to_le_bytes();
            let along = |i: usize, step: f64, last: f64| (((i as f64 + 0.5) / 2.0 - 0.5).clamp(0.0, last) * step).round() as u8;
            assert_eq!((g, a), (77, 255));
            assert!(r.abs_diff(along(i % 15, 20.0, 7.0)) <= 1 && b.abs_diff(along(i / 15, 40.0, 3.0)) <= 1, "{i}: {pixel:x}");
        }
    }
}
