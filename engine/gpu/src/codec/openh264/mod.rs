//! OpenH264: the software encoder.
//!
//! Over the raw interface, because slices, and with them threads, cannot be set through the safe crate. What the parameters are
//! and why is in `parameters`; what is unsafe is in `library`. This file checks what comes in and shapes what goes out.

mod library;
mod parameters;
mod repeats;

pub(super) use library::assembly_built;
pub(super) use parameters::LARGEST;

use super::bitstream::{self, NAL_IDR_SLICE};
use crate::api::{AccessUnit, CapturedFrame, EncodeError, Encoder, EncoderConfig, EncoderInfo, FrameFormat, I420};
use library::{Library, LibraryError, PictureKind};
use nc_core::data::CanvasSize;
use parameters::Rate;
use repeats::Repeats;

const NAME: &str = "openh264";

/// A picture that has been repeated this often in a row is still, and is sharpened at once. The first repeat stays under the rate
/// control, so that a short pause in a movement costs nothing.
const REPEATS_BEFORE_REFINING: u32 = 2;

/// A software H.264 encoder: Constrained Baseline, one reference picture, infinite GOP, constant bit rate without dropped frames.
///
/// Slices are encoded in parallel on OpenH264's own threads, which all encoders of the process share; the first one that is open
/// decides how many there are. The deblocking filter stops at slice borders.
pub struct OpenH264Encoder {
    library: Library,
    config: EncoderConfig,
    slices: u32,
    /// Media time of the next picture.
    time_ms: f64,
    repeats: Repeats,
    /// Whether the rate control is on.
    rate_control: bool,
    /// Set by a failure. The library frees its state in some of them, so it is not called again.
    failed: bool,
}

impl OpenH264Encoder {
    /// Opens an encoder.
    ///
    /// `config.size` is even and from 16x16 to 3840x2160 (either way up). `config.slices` is 1 to 4; small pictures take fewer
    /// (every slice needs at least two rows of macroblocks, or four from 496 columns on). Bit rates are kept within
    /// [`OpenH264Encoder::BITRATES`], frame rates within [`OpenH264Encoder::FRAME_RATES`]. The level in the SPS is the lowest
    /// for this size, frame rate and bit rate; a later [`Encoder::set_rate`] leaves it as it is.
    ///
    /// # Errors
    /// [`EncodeError::Unavailable`] if the configuration is out of range or the library refuses it.
    pub fn open(config: EncoderConfig) -> Result<Self, EncodeError> {
        let unavailable = |reason: String| EncodeError::Unavailable { encoder: NAME, reason };
        let CanvasSize { width, height } = config.size;
        if !parameters::size_is_supported(config.size) {
            return Err(unavailable(format!("{width}x{height} is not an even size from 16x16 to 3840x2160")));
        }
        if !(1..=4).contains(&config.slices) {
            return Err(unavailable(format!("{} slices, not 1 to 4", config.slices)));
        }
        if config.threads == 0 {
            return Err(unavailable("no thread to encode on".into()));
        }
        let rate = Rate::new(config.bitrate, config.fps)
            .ok_or_else(|| unavailable(format!("{} bit/s at {} frames/s", config.bitrate, config.fps)))?;
        let slices = parameters::slices_for(config.size, config.slices);
        let library =
            Library::open(|defaults| parameters::fill(defaults, config.size, rate, config.range, slices, config.threads))
                .map_err(|error| unavailable(error.to_string()))?;
        Ok(Self {
            library,
            config: EncoderConfig { bitrate: rate.bitrate, fps: rate.fps, ..config },
            slices,
            time_ms: 0.0,
            repeats: Repeats::default(),
            rate_control: true,
            failed: false,
        })
    }

    /// Bit rates that the rate control computes with, in bits per second: up to that of level 5.2.
    pub const BITRATES: std::ops::RangeInclusive<u32> = parameters::BITRATES;

    /// Frame rates that the rate control computes with, in frames per second.
    pub const FRAME_RATES: std::ops::RangeInclusive<f32> = parameters::FRAME_RATES;

    fn check(&self, frame: &CapturedFrame) -> Result<(), EncodeError> {
        let describe = |CanvasSize { width, height }, format| format!("{width}x{height} {format:?}");
        if frame.size == self.config.size && frame.format == self.format() {
            return Ok(());
        }
        Err(EncodeError::Mismatch { got: describe(frame.size, frame.format), want: describe(self.config.size, self.format()) })
    }

    fn fail(&mut self, reason: impl ToString) -> EncodeError {
        self.failed = true;
        EncodeError::Failed { encoder: NAME, reason: reason.to_string() }
    }

    fn refuse_after_failure(&self) -> Result<(), EncodeError> {
        if self.failed {
            return Err(EncodeError::Failed { encoder: NAME, reason: "an earlier picture failed".into() });
        }
        Ok(())
    }

    fn encode_checked(&mut self, planes: I420<'_>, idr: bool) -> Result<AccessUnit, String> {
        let as_text = |error: LibraryError| error.to_string();
        let rate_control = self.repeats.count(planes) < REPEATS_BEFORE_REFINING || idr;
        if rate_control != self.rate_control {
            self.library.set_rate_control(rate_control).map_err(as_text)?;
            self.rate_control = rate_control;
        }
        if idr {
            self.library.force_idr().map_err(as_text)?;
        }
        let picture = self.library.encode(planes, self.config.size, self.time_ms as i64).map_err(as_text)?;
        let mut avcc = Vec::with_capacity(picture.bytes() + 64);
        for layer in picture.layers() {
            bitstream::append_as_avcc(layer, &mut avcc).map_err(|error| error.to_string())?;
        }
        let kind = picture.kind();
        if kind == PictureKind::Skipped || avcc.is_empty() {
            return Err("it dropped a picture".into());
        }
        if idr && kind != PictureKind::Idr {
            return Err("it made no IDR when asked to".into());
        }
        let is_idr = bitstream::avcc_units(&avcc).flatten().any(|unit| bitstream::nal_type(unit) == Some(NAL_IDR_SLICE));
        let parameter_sets = if is_idr { bitstream::parameter_sets(&avcc).map_err(|error| error.to_string())? } else { None };
        if is_idr && parameter_sets.is_none() {
            return Err("an IDR came without parameter sets".into());
        }
        Ok(AccessUnit { avcc, idr: is_idr, parameter_sets })
    }
}

impl Encoder for OpenH264Encoder {
    fn info(&self) -> EncoderInfo {
        let slices = self.slices;
        let plural = if slices == 1 { "" } else { "s" };
        let assembly = if assembly_built() { "with assembly" } else { "built without nasm (slow)" };
        EncoderInfo { name: NAME, description: format!("OpenH264 {}, {assembly}, {slices} slice{plural}", library::version()) }
    }

    fn format(&self) -> FrameFormat {
        FrameFormat::I420 { range: self.config.range }
    }

    fn encode(&mut self, frame: &CapturedFrame, idr: bool) -> Result<AccessUnit, EncodeError> {
        self.refuse_after_failure()?;
        self.check(frame)?;
        let planes = frame.data.i420();
        let (luma, chroma) = plane_lengths(self.config.size);
        if planes.y.len() != luma || planes.u.len() != chroma || planes.v.len() != chroma {
            return Err(EncodeError::Mismatch {
                got: format!("planes of {}, {} and {} samples", planes.y.len(), planes.u.len(), planes.v.len()),
                want: format!("{luma}, {chroma} and {chroma} samples"),
            });
        }
        let unit = self.encode_checked(planes, idr).map_err(|reason| self.fail(reason))?;
        self.time_ms += 1000.0 / f64::from(self.config.fps);
        Ok(unit)
    }

    fn set_rate(&mut self, bitrate: u32, fps: f32) -> Result<(), EncodeError> {
        self.refuse_after_failure()?;
        let rate = Rate::new(bitrate, fps).ok_or_else(|| EncodeError::Mismatch {
            got: format!("{bitrate} bit/s at {fps} frames/s"),
            want: "a frame rate above 0".into(),
        })?;
        self.library.set_rate(rate).map_err(|error| self.fail(error))?;
        (self.config.bitrate, self.config.fps) = (rate.bitrate, rate.fps);
        Ok(())
    }
}

/// Samples of the luma plane and of one chroma plane.
fn plane_lengths(size: CanvasSize) -> (usize, usize) {
    let luma = size.width as usize * size.height as usize;
    (luma, luma / 4)
}
