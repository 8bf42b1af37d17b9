//! Blosc containers.
//!
//! A container is cut into blocks, each compressed by itself, often as one stream per byte of the elements. What is read here are those
//! of lz4 and zstd without or with byte shuffle, which is what images are stored with: then only the blocks that are needed are decoded,
//! streams that are stored as they are are copied only where they are needed, and the bytes of an element are put together only when they
//! are copied to where they go. All other containers are left to the codec library.

use super::damaged;
use super::decoded::{Planes, Samples};
use super::zstd::Context;
use crate::image::ReadError;
use std::ops::Range;
use zarrs::array::codec::{blosc_decompress_bytes, blosc_decompress_bytes_partial, blosc_typesize, blosc_validate};

const HEAD_BYTES: usize = 16;

/// Streams per block beyond which the format knows none.
const MOST_STREAMS: usize = 16;
/// Bytes of a stream below which the format does not split a block.
const SMALLEST_STREAM: usize = 128;

/// The share of a container from which on the library decodes all of it: taking a part costs it a copy.
const NEARLY_ALL: f64 = 0.7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compressor {
    /// The bytes follow the head as they are.
    Stored,
    Lz4,
    Zstd,
}

/// A container that is read here.
#[derive(Debug)]
pub(super) struct Container<'a> {
    encoded: &'a [u8],
    compressor: Compressor,
    /// Bytes of an element that are shuffled apart; 1 if they are not.
    shuffled: usize,
    /// Streams of every block but a shorter last one.
    streams: usize,
    /// Bytes in all, decoded.
    bytes: usize,
    /// Bytes of a block, decoded; the last one may be shorter.
    block: usize,
}

impl<'a> Container<'a> {
    /// Reads the head; `None` if the container is one for the library. `element`: bytes of an element of the array.
    pub(super) fn read(encoded: &'a [u8], element: usize) -> Result<Option<Self>, ReadError> {
        let Some(head) = encoded.first_chunk::<HEAD_BYTES>() else { return Err(damaged("is too short for a blosc container")) };
        let [version, compressor_version, flags, type_bytes, ..] = *head;
        let (bytes, block, stored) = (number(&head[4..]), number(&head[8..]), number(&head[12..]));
        if stored != encoded.len() {
            return Err(damaged(format!("a blosc container of {} bytes claims {stored}", encoded.len())));
        }
        let (byte_shuffle, bit_shuffle) = (flags & 1 != 0, flags & 4 != 0);
        let type_bytes = usize::from(type_bytes);
        let compressor = match (flags & 2 != 0, flags >> 5) {
            (true, _) => Compressor::Stored,
            (_, 1) => Compressor::Lz4,
            (_, 4) => Compressor::Zstd,
            _ => return Ok(None),
        };
        let shuffled = if byte_shuffle && compressor != Compressor::Stored { type_bytes } else { 1 };
        let known = version == 2
            && compressor_version == 1
            && flags & 8 == 0
            && (!bit_shuffle || compressor == Compressor::Stored)
            && (shuffled == 1 || shuffled == element)
            && matches!(shuffled, 1 | 2 | 4 | 8)
            && type_bytes > 0
            && (1..=bytes).contains(&block)
            && (compressor == Compressor::Stored || HEAD_BYTES + 4 * bytes.div_ceil(block) <= encoded.len())
            && block.is_multiple_of(type_bytes)
            && bytes.is_multiple_of(type_bytes);
        let split = flags & 16 == 0 && type_bytes <= MOST_STREAMS && block / type_bytes.max(1) >= SMALLEST_STREAM;
        let streams = if split { type_bytes } else { 1 };
        Ok(known.then_some(Self { encoded, compressor, shuffled, streams, bytes, block }))
    }

    /// Fails if the container does not hold that many bytes.
    pub(super) fn expect(&self, bytes: usize) -> Result<(), ReadError> {
        if self.bytes == bytes {
            return Ok(());
        }
        Err(damaged(format!("a blosc container holds {} bytes instead of {bytes}", self.bytes)))
    }

    /// Decodes the blocks that hold the bytes `need` into `out`, which is as long as all blocks together. Of those blocks, at least what
    /// is needed is right.
    pub(super) fn decode<'o>(&self, need: Range<usize>, out: &'o mut [u8], zstd: &mut Context) -> Result<Samples<'o>, ReadError>
    where
        'a: 'o,
    {
        if self.compressor == Compressor::Stored {
            let bytes =
                self.encoded.get(HEAD_BYTES..HEAD_BYTES + self.bytes).ok_or_else(|| damaged("a blosc container is cut"))?;
            return Ok(Samples::Plain(bytes));
        }
        if !need.is_empty() {
            for index in need.start / self.block..=(need.end - 1) / self.block {
                let start = index * self.block;
                let out = &mut out[start..(start + self.block).min(self.bytes)];
                let needed = need.start.saturating_sub(start)..(need.end - start).min(out.len());
                self.decode_block(index, needed, out, zstd)?;
            }
        }
        Ok(match self.shuffled {
            1 => Samples::Plain(out),
            element => Samples::Planes(Planes { bytes: out, block: self.block, element }),
        })
    }

    fn decode_block(&self, index: usize, need: Range<usize>, out: &mut [u8], zstd: &mut Context) -> Result<(), ReadError> {
        let cut = || damaged("a blosc container is cut or its table of blocks is damaged");
        let place = self.encoded.get(HEAD_BYTES + 4 * index..).and_then(|b| b.first_chunk::<4>()).ok_or_else(cut)?;
        let mut rest = self.encoded.get(number(place)..).ok_or_else(cut)?;
        let streams = if out.len() == self.block { self.streams } else { 1 };
        let length = out.len() / streams;
        // What is needed of the planes of a block is the same of each.
        let per_plane = need.start / self.shuffled..need.end.div_ceil(self.shuffled);
        for (at, out) in out.chunks_exact_mut(length).enumerate() {
            let (stored, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let (stream, after) = after.split_at_checked(number(stored)).ok_or_else(cut)?;
            rest = after;
            let need = match (streams, self.shuffled) {
                (1, 1) => need.clone(),
                (1, _) => 0..length,
                (_, 1) => need.start.saturating_sub(at * length).min(length)..need.end.saturating_sub(at * length).min(length),
                _ => per_plane.clone(),
            };
            if need.is_empty() {
                continue;
            }
            if stream.len() == length {
                out[need.clone()].copy_from_slice(&stream[need]);
                continue;
            }
            match self.compressor {
                Compressor::Lz4 => {
                    let room = i32::try_from(length).map_err(damaged)?;
                    let bytes = lz4::block::decompress_to_buffer(stream, Some(room), out).map_err(damaged)?;
                    if bytes != length {
                        return Err(damaged(format!("an lz4 stream holds {bytes} bytes instead of {length}")));
                    }
                }
                Compressor::Zstd => zstd.decode_into(stream, out)?,
                Compressor::Stored => {}
            }
        }
        Ok(())
    }
}

/// Decodes a container by the library.
pub(super) fn decode(encoded: &[u8], bytes: usize) -> Result<Vec<u8>, ReadError> {
    validate(encoded, bytes)?;
    blosc_decompress_bytes(encoded, bytes, 1).map_err(damaged)
}

/// The bytes `need` of a container, or more, by the library; and where they begin. `need` must lie within the container.
pub(super) fn decode_part(
    encoded: &[u8],
    need: Range<usize>,
    bytes: usize,
    element: usize,
) -> Result<(Vec<u8>, usize), ReadError> {
    validate(encoded, bytes)?;
    let block = encoded.get(8..12).map_or(0, number).max(1);
    let touched = (need.end.div_ceil(block) - need.start / block) * block;
    // The library takes elements of its own size, which need not be the array's.
    let unit = blosc_typesize(encoded).unwrap_or(1) * element;
    let (start, end) = (need.start / unit * unit, need.end.next_multiple_of(unit));
    if need.is_empty() || end > bytes || touched as f64 >= bytes as f64 * NEARLY_ALL {
        return Ok((blosc_decompress_bytes(encoded, bytes, 1).map_err(damaged)?, 0));
    }
    let part = blosc_decompress_bytes_partial(encoded, start, end - start, unit / element).map_err(damaged)?;
    if part.len() == end - start { Ok((part, start)) } else { Err(damaged("a blosc container is cut")) }
}

/// The library reads what the head claims; so it must not be asked before this has passed.
fn validate(encoded: &[u8], bytes: usize) -> Result<(), ReadError> {
    match blosc_validate(encoded) {
        Some(held) if held == bytes => Ok(()),
        Some(held) => Err(damaged(format!("a blosc container holds {held} bytes instead of {bytes}"))),
        None => Err(damaged("is no sound blosc container")),
    }
}

/// A length of the format: little-endian, 32 bits.
fn number(bytes: &[u8]) -> usize {
    bytes.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b) as usize)
}
