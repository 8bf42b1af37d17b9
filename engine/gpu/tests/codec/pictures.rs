//! Pictures to encode: made by formula, the same every time. Also used by the encoder's bench.

use crate::planes::Planes;
use nc_core::data::CanvasSize;

/// A hash that looks random.
fn scramble(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    for _ in 0..2 {
        h ^= h >> 15;
        h = h.wrapping_mul(0x2c1b_3c6d);
    }
    h ^ h >> 16
}

/// A fluorescence-like scene on a dark ground, one round cell per square of 64, with a little camera noise that is fixed to the
/// specimen; seen from (`left`, `top`), so that a moving corner is a pan.
pub(crate) fn specimen(size: CanvasSize, left: u32, top: u32) -> Planes {
    let brightness = |x: u32, y: u32| {
        let (cell_x, cell_y) = (x / 64, y / 64);
        let dice = scramble(cell_x, cell_y, 1);
        let (center_x, center_y) = (cell_x * 64 + 20 + dice % 24, cell_y * 64 + 20 + (dice >> 8) % 24);
        let radius = 8.0 + f64::from((dice >> 16) % 12);
        let distance = f64::from(x.abs_diff(center_x)).hypot(f64::from(y.abs_diff(center_y)));
        if distance > radius + 12.0 {
            return 0.0;
        }
        // A soft edge two samples wide around a body with some texture.
        let body = 1.0 / (1.0 + ((distance - radius) / 2.0).exp());
        let texture = 0.7 + 0.3 * ((f64::from(x) * 0.55).sin() * (f64::from(y) * 0.45).cos());
        body * texture * (0.4 + f64::from(dice >> 24) / 425.0)
    };
    let luma = |x: u32, y: u32| {
        let (x, y) = (x + left, y + top);
        (18.0 + 200.0 * brightness(x, y) + f64::from(scramble(x, y, 2) % 7)) as u8
    };
    let chroma = |x: u32, y: u32| {
        let (x, y) = (2 * x + left, 2 * y + top);
        let (amount, hue) = (60.0 * brightness(x, y), f64::from(scramble(x / 64, y / 64, 3) % 628) / 100.0);
        [(128.0 + amount * hue.cos()) as u8, (128.0 + amount * hue.sin()) as u8]
    };
    Planes::from_fn(size, luma, chroma)
}

/// White noise over a third of the range, another one for each `seed`: the worst that a camera delivers.
pub(crate) fn noise(size: CanvasSize, seed: u32) -> Planes {
    Planes::from_fn(size, |x, y| 40 + (scramble(x, y, seed) % 80) as u8, |_, _| [128, 128])
}
