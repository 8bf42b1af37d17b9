//! H.264: encoders behind [`Encoder`], and the bitstream forms that the wire and browsers want.
//!
//! Lives here: [`openh264`] (software) and [`bitstream`] (Annex B, AVCC, parameter sets; pure). May import `crate::api` and
//! `nc_core::data`. Must never know: how a picture was drawn, when a frame is due, who receives it.

pub mod bitstream;
pub mod openh264;

use crate::api::{EncodeError, Encoder, EncoderConfig};
use nc_core::data::CanvasSize;
use openh264::OpenH264Encoder;

/// Makes the encoder for this machine. The first access unit that it delivers is an IDR.
///
/// # Errors
/// [`EncodeError::Unavailable`] when size, rate or slice count are out of range (see [`OpenH264Encoder::open`]) or the library
/// refuses them.
pub fn open_encoder(config: EncoderConfig) -> Result<Box<dyn Encoder>, EncodeError> {
    Ok(Box::new(OpenH264Encoder::open(config)?))
}

/// The largest picture that the encoder of this machine takes, lying; one that stands may have its sides the other way round.
pub fn largest_picture() -> CanvasSize {
    openh264::LARGEST
}

/// Whether OpenH264 was built with its assembly. On x86 that takes nasm at build time; a build without it works and is several
/// times slower. Asks the library itself, so it is about this binary, not about the machine. Cheap after the first call.
pub fn nasm_built() -> bool {
    openh264::assembly_built()
}
