//! What OpenH264 is told, and why. Pure.

use nc_core::data::{CanvasSize, ColorRange};
use openh264_sys2 as sys;
use std::ops::RangeInclusive;

/// Bits per second, up to `MaxBR` of level 5.2.
pub(super) const BITRATES: RangeInclusive<u32> = 64_000..=240_000_000;
/// Frames per second that OpenH264 plans with; it takes larger numbers for 60.
pub(super) const FRAME_RATES: RangeInclusive<f32> = 1.0..=60.0;

/// Finest quantiser while the picture changes. It moves by at most 5 a picture, so a finer one makes a scene change after a calm
/// moment many times larger than the rate plans for.
const MIN_QP: i32 = 22;
/// Quantiser of pictures that repeat the one before, which are encoded without rate control: a still picture ends near 42 dB whatever
/// the rate was (`tests/codec`), for about twice the bytes of an IDR, once. Under the rate control it would stay as coarse as the
/// movement before it left it.
const REPEAT_QP: i32 = 18;
/// Coarsest quantiser. Full-screen noise at 720p60 then takes about 14 Mbit/s; coarser ones save little and show only blocks.
const MAX_QP: i32 = 42;
/// Bits of a later IDR in percent of an average picture. The library's default of 400 makes a visible dip in quality at each IDR.
const IDR_BITS_PERCENT: i32 = 800;

/// A checked rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Bits per second, within [`BITRATES`].
    pub(super) bitrate: u32,
    /// Frames per second, within [`FRAME_RATES`].
    pub(super) fps: f32,
}

impl Rate {
    /// Moves both into range; `None` if `fps` is not a positive number.
    pub(super) fn new(bitrate: u32, fps: f32) -> Option<Self> {
        (fps > 0.0).then(|| Self {
            bitrate: bitrate.clamp(*BITRATES.start(), *BITRATES.end()),
            fps: fps.clamp(*FRAME_RATES.start(), *FRAME_RATES.end()),
        })
    }

    /// Bits per second as the library counts them; fits by [`BITRATES`].
    pub(super) fn bitrate_i32(self) -> i32 {
        i32::try_from(self.bitrate).unwrap_or(i32::MAX)
    }
}

/// The largest picture that OpenH264 encodes, lying.
pub(in crate::codec) const LARGEST: CanvasSize = CanvasSize { width: 3840, height: 2160 };

/// Whether OpenH264 encodes pictures of this size, and 4:2:0 can hold them.
pub(super) fn size_is_supported(size: CanvasSize) -> bool {
    let (short, long) = (size.width.min(size.height), size.width.max(size.height));
    short >= 16 && long <= LARGEST.width && short <= LARGEST.height && short.is_multiple_of(2) && long.is_multiple_of(2)
}

/// The number of slices for a picture, `wanted` at most. OpenH264 refuses slices smaller than a rate-control group (its
/// `GomValidCheckSliceNum`), and more than one slice up to 48 macroblocks.
pub(super) fn slices_for(size: CanvasSize, wanted: u32) -> u32 {
    let (columns, rows) = (size.width.div_ceil(16), size.height.div_ceil(16));
    if columns * rows <= 48 {
        return 1;
    }
    let rows_per_group = if columns <= 30 { 2 } else { 4 };
    wanted.min(rows / rows_per_group).max(1)
}

/// Sets every parameter that matters over the library's defaults. `size` is supported, `slices` comes from [`slices_for`], `threads`
/// is at least 1.
pub(super) fn fill(
    parameters: &mut sys::SEncParamExt,
    size: CanvasSize,
    rate: Rate,
    range: ColorRange,
    slices: u32,
    threads: u32,
) {
    // Both fit by `size_is_supported`.
    let (width, height) = (size.width as i32, size.height as i32);
    // Screen-content mode knows text and scrolling, is slower, and misses its rate on images.
    parameters.iUsageType = sys::CAMERA_VIDEO_REAL_TIME;
    parameters.iComplexityMode = sys::LOW_COMPLEXITY;
    parameters.iPicWidth = width;
    parameters.iPicHeight = height;
    parameters.fMaxFrameRate = rate.fps;
    parameters.iTargetBitrate = rate.bitrate_i32();
    parameters.iMaxBitrate = sys::UNSPECIFIED_BIT_RATE as i32;
    parameters.iRCMode = sys::RC_BITRATE_MODE;
    // Whoever wants fewer pictures draws fewer: one that was captured is always encoded.
    parameters.bEnableFrameSkip = false;
    // Debts are not carried over: after a burst the picture would stay coarse for seconds, although the burst is long sent.
    parameters.bFixRCOverShoot = false;
    parameters.iMinQp = MIN_QP;
    parameters.iMaxQp = MAX_QP;
    parameters.iIdrBitrateRatio = IDR_BITS_PERCENT;
    // One spatial and one temporal layer: every picture refers to the one before.
    parameters.iSpatialLayerNum = 1;
    parameters.iTemporalLayerNum = 1;
    parameters.iNumRefFrame = 1;
    parameters.bEnableLongTermReference = false;
    // IDRs come when asked for and never otherwise.
    parameters.uiIntraPeriod = 0;
    parameters.bEnableSceneChangeDetect = false;
    parameters.eSpsPpsIdStrategy = sys::CONSTANT_ID;
    parameters.bPrefixNalAddingCtrl = false;
    parameters.iEntropyCodingModeFlag = 0;
    parameters.bEnableFrameCroppingFlag = true;
    parameters.bEnableDenoise = false;
    // It keeps whatever did not change at its old quality, so that a still picture would never get sharper.
    parameters.bEnableBackgroundDetection = false;
    parameters.bEnableAdaptiveQuant = false;
    // Slice borders that move with the load would make the output depend on timing.
    parameters.bUseLoadBalancing = false;
    // Small by both bounds; 0 would be as many as there are cores.
    parameters.iMultipleThreadIdc = threads.min(slices) as u16;

    let layer = &mut parameters.sSpatialLayers[0];
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = rate.fps;
    layer.iSpatialBitrate = rate.bitrate_i32();
    layer.iMaxSpatialBitrate = sys::UNSPECIFIED_BIT_RATE as i32;
    layer.uiProfileIdc = sys::PRO_BASELINE;
    // Unknown: the lowest level that size, frame rate and bit rate allow.
    layer.uiLevelIdc = sys::LEVEL_UNKNOWN;
    // In force while the rate control is off.
    layer.iDLayerQp = REPEAT_QP;
    layer.sSliceArgument.uiSliceMode = if slices > 1 { sys::SM_FIXEDSLCNUM_SLICE } else { sys::SM_SINGLE_SLICE };
    layer.sSliceArgument.uiSliceNum = slices;
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = sys::VF_UNDEF as u8;
    layer.bFullRange = range == ColorRange::Full;
    layer.bColorDescriptionPresent = true;
    layer.uiColorPrimaries = sys::CP_BT709 as u8;
    layer.uiTransferCharacteristics = sys::TRC_BT709 as u8;
    layer.uiColorMatrix = sys::CM_BT709 as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_the_limits() {
        let supported = |width, height| size_is_supported(CanvasSize { width, height });
        assert!(supported(16, 16) && supported(3840, 2160) && supported(2160, 3840) && supported(322, 182));
        assert!(!supported(14, 16) && !supported(321, 182) && !supported(322, 181));
        assert!(!supported(3842, 2160) && !supported(2162, 2162) && !supported(0, 0));
    }

    #[test]
    fn rates_move_into_range() {
        assert_eq!(Rate::new(0, 0.1), Some(Rate { bitrate: 64_000, fps: 1.0 }));
        assert_eq!(Rate::new(u32::MAX, f32::INFINITY), Some(Rate { bitrate: 240_000_000, fps: 60.0 }));
        assert_eq!(Rate::new(1_000_000, 0.0), None);
        assert_eq!(Rate::new(1_000_000, f32::NAN), None);
    }

    #[test]
    fn small_pictures_take_fewer_slices() {
        let slices = |width, height| slices_for(CanvasSize { width, height }, 4);
        assert_eq!(slices(64, 64), 1);
        assert_eq!(slices(320, 64), 2);
        assert_eq!(slices(322, 182), 4);
        assert_eq!(slices(1280, 180), 3);
        assert_eq!(slices(1920, 1080), 4);
    }
}
