//! Flat colour patches, and BT.709 both ways in plain arithmetic. Also used by `examples/color_patches.rs`.

use crate::planes::Planes;
use nc_core::data::{CanvasSize, ColorRange};

/// Sides of a colour patch in samples.
pub(crate) const PATCH: u32 = 32;

/// Corners, edges and middles of the RGB cube, greys, and colours that microscopes' tables use.
pub(crate) fn patch_colors() -> Vec<[u8; 3]> {
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
pub(crate) const PATCH_COLUMNS: u32 = 8;

/// Flat patches of the colours, row by row, as BT.709 in a range.
pub(crate) fn patches(colors: &[[u8; 3]], range: ColorRange) -> Planes {
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
pub(crate) fn to_ycbcr(rgb: [u8; 3], range: ColorRange) -> [u8; 3] {
    let [r, g, b] = rgb.map(|value| f64::from(value) / 255.0);
    let (offset, luma, chroma) = scales(range);
    let y = KR * r + (1.0 - KR - KB) * g + KB * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - KB)), (r - y) / (2.0 * (1.0 - KR)));
    [offset + luma * y, 128.0 + chroma * cb, 128.0 + chroma * cr].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// BT.709 Y'CbCr to R'G'B', rounded.
pub(crate) fn to_rgb(ycbcr: [u8; 3], range: ColorRange) -> [u8; 3] {
    let [y, cb, cr] = ycbcr.map(f64::from);
    let (offset, luma, chroma) = scales(range);
    let (y, cb, cr) = ((y - offset) / luma, (cb - 128.0) / chroma, (cr - 128.0) / chroma);
    let r = y + 2.0 * (1.0 - KR) * cr;
    let b = y + 2.0 * (1.0 - KB) * cb;
    let g = (y - KR * r - KB * b) / (1.0 - KR - KB);
    [r, g, b].map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8)
}
