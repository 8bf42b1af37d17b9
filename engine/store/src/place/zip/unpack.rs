//! Unpacking an entry of an archive.

use super::super::{PlaceError, PlaceErrorKind};
use super::directory::Method;
use std::io::Read;

/// The object of `len` bytes that `packed` holds. A bomb that unpacks to more is cut off there.
///
/// # Errors
/// [`PlaceErrorKind::Bad`] if it is damaged.
pub(super) fn unpack(packed: &[u8], method: Method, len: u64) -> Result<Vec<u8>, PlaceError> {
    let mut object = Vec::new();
    let damaged = || PlaceError::new(PlaceErrorKind::Bad, "the archive's entry is damaged: it does not unpack");
    // The length is what the archive claims: memory is taken as data comes.
    object.reserve(len.min(packed.len() as u64 * 4) as usize);
    // One byte more tells whether there is more than was claimed.
    let most = len + 1;
    let read = match method {
        Method::Deflate => flate2::read::DeflateDecoder::new(packed).take(most).read_to_end(&mut object),
        Method::Zstd => zstd::Decoder::with_buffer(packed).and_then(|unpacked| unpacked.take(most).read_to_end(&mut object)),
        Method::Stored | Method::Other(_) | Method::Encrypted => return Err(damaged()),
    };
    match read {
        Ok(_) if object.len() as u64 == len => Ok(object),
        _ => Err(damaged()),
    }
}
