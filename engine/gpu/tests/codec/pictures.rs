//! Pictures to encode: made by formula, the same every time. Also used by `examples/color_patches.rs` and the encoder's bench.

use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::{CapturedFrame, FrameData, FrameFormat, I420};

/// A picture in 4:2:0 planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    pub size: CanvasSize,
    pub y: Vec<u8>,
    pub u: Vec<u8>,
    pub v: Vec<u8>,
}

impl FrameData for Planes {
    fn i420(&self) -> I420<'_> {
        I420 { y: &self.y, u: &self.u, v: &self.v }
    }
}

impl Planes {
    /// From functions of the sample's column and row, chroma at half resolution.
    pub fn from_fn(size: CanvasSize, luma: impl Fn(u32, u32) -> u8, chroma: impl Fn(u32, u32) -> [u8; 2]) -> Self {
        let plane = |width: u32, height: u32, sample: &dyn Fn(u32, u32) -> u8| {
            (0..height).flat_map(|row| (0..width).map(move |column| (column, row))).map(|(x, y)| sample(x, y)).collect()
        };
        let (width, height) = (size.width / 2, size.height / 2);
        Self {
            size,
            y: plane(size.width, size.height, &luma),
            u: plane(width, height, &|x, y| chroma(x, y)[0]),
            v: plane(width, height, &|x, y| chroma(x, y)[1]),
        }
    }

    /// As a device would hand it over.
    pub fn frame(self, range: ColorRange) -> CapturedFrame {
        CapturedFrame { size: self.size, format: FrameFormat::I420 { range }, data: Box::new(self) }
    }
}

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
pub fn specimen(size: CanvasSize, left: u32, top: u32) -> Planes {
    let brightness = |x: u32, y: u32| {
        let (cell_x, cell_y) = (x / 64, y / 64);
        let dice = scramble(cell_x, cell_y, 1);
        let (center_x, center_y) = (cell_x * 64 + 20 + dice % 24, cell_y * 64 + 20 + (dice >> 8) % 24);
        let radius = 8.0 + f64::from((dice >> 16) % 12);
        let distance = f64::from(x.abs_diff(center_x)).hypot(f64::from(y.abs_diff(center_y)));
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
pub fn noise(size: CanvasSize, seed: u32) -> Planes {
    Planes::from_fn(size, |x, y| 40 + (scramble(x, y, seed) % 80) as u8, |_, _| [128, 128])
}

/// Sides of a colour patch in samples.
pub const PATCH: u32 = 32;

/// Corners, edges and middles of the RGB cube, greys, and colours that microscopes' tables use.
pub fn patch_colors() -> Vec<[u8; 3]> {
    let mut colors = Vec::new();
    for r in [0, 128, 255] {
        for g in [0, 128, 255] {
            for b in [0, 128, 255] {
                colors.push([r, g, b]);
            }
        }
    }
    colors.extend([16u8, 32, 64, 96, 160, 192, 224, 240].map(|grey| [grey; 3]));
    colors.extend([[68, 1, 84], [33, 145, 140], [253, 231, 37], [128, 16, 208], [48, 200, 96]]);
    colors
}

/// Patches per row of [`patches`].
pub const PATCH_COLUMNS: u32 = 8;

/// Flat patches of the colours, row by row, as BT.709 in a range.
pub fn patches(colors: &[[u8; 3]], range: ColorRange) -> Planes {
    let rows = (colors.len() as u32).div_ceil(PATCH_COLUMNS);
    let size = CanvasSize { width: PATCH_COLUMNS * PATCH, height: rows * PATCH };
    let samples: Vec<[u8; 3]> = colors.iter().map(|&color| to_ycbcr(color, range)).collect();
    let sample = |x: u32, y: u32| samples.get((y * PATCH_COLUMNS + x) as usize).copied().unwrap_or([128; 3]);
    Planes::from_fn(
        size,
        |x, y| sample(x / PATCH, y / PATCH)[0],
        |x, y| {
            let [_, u, v] = sample(2 * x / PATCH, 2 * y / PATCH);
            [u, v]
        },
    )
}

/// Offset of luma, scale of luma, scale of chroma (ITU-T H.273, 8.3).
fn scales(range: ColorRange) -> (f64, f64, f64) {
    match range {
        ColorRange::Full => (0.0, 255.0, 255.0),
        ColorRange::Limited => (16.0, 219.0, 224.0),
    }
}

/// Kr and Kb of BT.709.
const KR: f64 = 0.2126;
const KB: f64 = 0.0722;

/// R'G'B' to BT.709 Y'CbCr, rounded.
pub fn to_ycbcr(rgb: [u8; 3], range: ColorRange) -> [u8; 3] {
    let [r, g, b] = rgb.map(|value| f64::from(value) / 255.0);
    let (offset, luma, chroma) = scales(range);
    let y = KR * r + (1.0 - KR - KB) * g + KB * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - KB)), (r - y) / (2.0 * (1.0 - KR)));
    [offset + luma * y, 128.0 + chroma * cb, 128.0 + chroma * cr].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// BT.709 Y'CbCr to R'G'B', rounded.
pub fn to_rgb(ycbcr: [u8; 3], range: ColorRange) -> [u8; 3] {
    let [y, cb, cr] = ycbcr.map(f64::from);
    let (offset, luma, chroma) = scales(range);
    let (y, cb, cr) = ((y - offset) / luma, (cb - 128.0) / chroma, (cr - 128.0) / chroma);
    let r = y + 2.0 * (1.0 - KR) * cr;
    let b = y + 2.0 * (1.0 - KB) * cb;
    let g = (y - KR * r - KB * b) / (1.0 - KR - KB);
    [r, g, b].map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8)
}
