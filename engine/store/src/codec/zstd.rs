//! Zstandard frames.

use super::damaged;
use crate::image::ReadError;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A decoder that is used again: its tables take 160 KiB.
#[derive(Default)]
pub(crate) struct Context(Option<DCtx<'static>>);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Context").field(&self.0.is_some()).finish()
    }
}

impl Context {
    fn get(&mut self) -> Result<&mut DCtx<'static>, ReadError> {
        if self.0.is_none() {
            self.0 = DCtx::try_create();
            if let Some(context) = &mut self.0 {
                // Blocks are decoded to where they stay, without a window of the context's own.
                context.set_parameter(DParameter::StableOutBuffer(true)).map_err(fault)?;
            }
        }
        self.0.as_mut().ok_or_else(|| damaged("there is no memory for a decoder"))
    }

    /// Decodes frames that hold `bytes` bytes.
    pub(super) fn decode(&mut self, encoded: &[u8], bytes: usize) -> Result<Vec<u8>, ReadError> {
        // Written by the decoder up to its capacity, so that it need not be cleared first.
        let mut decoded = Vec::with_capacity(bytes);
        self.get()?.decompress(&mut decoded, encoded).map_err(fault)?;
        Ok(decoded)
    }

    /// Decodes frames that hold as many bytes as `out`.
    pub(super) fn decode_into(&mut self, encoded: &[u8], out: &mut [u8]) -> Result<(), ReadError> {
        let bytes = self.get()?.decompress(out, encoded).map_err(fault)?;
        if bytes == out.len() {
            Ok(())
        } else {
            Err(damaged(format!("a zstd frame holds {bytes} bytes instead of {}", out.len())))
        }
    }

    /// Decodes frames that hold as many bytes as `out`, at least the first `need` of them: block after block, until those are there.
    pub(super) fn decode_prefix(&mut self, encoded: &[u8], need: usize, out: &mut [u8]) -> Result<(), ReadError> {
        let first = if need < out.len() { first_block(encoded, out.len()) } else { None };
        let Some(mut end) = first else { return self.decode_into(encoded, out) };
        let context = self.get()?;
        context.reset(ResetDirective::SessionOnly).map_err(fault)?;
        let mut to = OutBuffer::around(out);
        let mut from = 0;
        while to.pos() < need {
            // Not all the input at once: the decoder would take the short way and decode the whole frame.
            let Some((next, last)) = block_end(encoded, end) else { return Err(damaged("a zstd frame is cut")) };
            end = next;
            let mut input = InBuffer::around(&encoded[from..end]);
            while input.pos() < input.src.len() {
                let before = (input.pos(), to.pos());
                context.decompress_stream(&mut to, &mut input).map_err(fault)?;
                if (input.pos(), to.pos()) == before {
                    return Err(damaged("a zstd frame holds more than it claims"));
                }
            }
            from = end;
            if last && to.pos() < need {
                return Err(damaged("a zstd frame holds less than it claims"));
            }
        }
        Ok(())
    }
}

/// Where the first block of a frame begins that says to hold `bytes` bytes; `None` if it is not one of that kind.
fn first_block(encoded: &[u8], bytes: usize) -> Option<usize> {
    let descriptor = *encoded.strip_prefix(&MAGIC)?.first()?;
    let single = descriptor & 0x20 != 0;
    if descriptor & 3 != 0 {
        return None; // It needs a dictionary, which there is none.
    }
    let at = 5 + usize::from(!single);
    let (size, add) = match (descriptor >> 6, single) {
        (0, false) => return None,
        (0, true) => (1, 0),
        (1, _) => (2, 256),
        (2, _) => (4, 0),
        _ => (8, 0),
    };
    let mut length = [0; 8];
    length[..size].copy_from_slice(encoded.get(at..at + size)?);
    (u64::from_le_bytes(length).checked_add(add) == Some(bytes as u64)).then_some(at + size)
}

/// Where the block ends whose head is at `at`, and whether it is the last one of its frame.
fn block_end(encoded: &[u8], at: usize) -> Option<(usize, bool)> {
    let head = encoded.get(at..)?.first_chunk::<3>()?;
    let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let size = (head >> 3) as usize;
    // A block of one byte that is repeated says how often.
    let stored = if head >> 1 & 3 == 1 { 1 } else { size };
    let end = at + 3 + stored;
    (end <= encoded.len()).then_some((end, head & 1 != 0))
}

fn fault(code: usize) -> ReadError {
    damaged(get_error_name(code))
}
