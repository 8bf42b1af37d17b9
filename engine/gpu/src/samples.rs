//! What both devices check and change about samples and sizes before they take them in.

use crate::api::DeviceError;
use nc_core::data::{CanvasSize, Samples, TILE, Tile};

/// Largest magnitude that a filter may meet: differences of two such values are finite.
pub(crate) const FILTER_RANGE: f32 = 1e38;

/// The samples, infinities and values beyond [`FILTER_RANGE`] pulled in to it. They clamp to the same end of any contrast limits,
/// while `inf - inf` in a filter would make a hole of them. Shared with the original where nothing had to change.
pub(crate) fn within_filter_range(samples: &Samples) -> Samples {
    match samples {
        Samples::F32(values) if values.iter().any(|v| v.abs() > FILTER_RANGE) => {
            Samples::F32(values.iter().map(|v| v.clamp(-FILTER_RANGE, FILTER_RANGE)).collect())
        }
        _ => samples.clone(),
    }
}

/// Whether a tile is one: its sides within [`TILE`], and as many samples as they say.
pub(crate) fn check(tile: &Tile) -> Result<(), DeviceError> {
    let (width, height) = (tile.width, tile.height);
    if (1..=TILE).contains(&width) && (1..=TILE).contains(&height) && tile.samples.len() == width as usize * height as usize {
        return Ok(());
    }
    Err(DeviceError::Refused(format!("a tile of {width}x{height} with {} samples", tile.samples.len())))
}

/// Whether a picture can be captured: chroma has half its size.
pub(crate) fn check_even(size: CanvasSize) -> Result<(), DeviceError> {
    if size.width.is_multiple_of(2) && size.height.is_multiple_of(2) {
        return Ok(());
    }
    Err(DeviceError::Refused(format!("a picture of {}x{} has an odd side", size.width, size.height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_become_large_and_nan_stays() {
        let Samples::F32(v) = within_filter_range(&Samples::F32([f32::INFINITY, -f32::INFINITY, f32::NAN, 2.0].into())) else {
            panic!("the format stays")
        };
        assert_eq!((v[0], v[1], v[3]), (1e38, -1e38, 2.0));
        assert!(v[2].is_nan());
    }

    #[test]
    fn a_tile_needs_all_its_samples() {
        let tile = |width, height, n| Tile { width, height, samples: Samples::U8(vec![0; n].into()) };
        assert!(check(&tile(3, 2, 6)).is_ok() && check(&tile(256, 256, 65536)).is_ok());
        for bad in [tile(3, 2, 5), tile(0, 4, 0), tile(257, 1, 257)] {
            assert!(matches!(check(&bad), Err(DeviceError::Refused(_))));
        }
    }
}
