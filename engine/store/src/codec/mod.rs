//! From the bytes of a chunk to its samples.
//!
//! Lives here: which chains of codecs are decoded by our own path (this file), blosc containers (`blosc`), zstd frames (`zstd`), where
//! the samples of a decoded chunk lie (`decoded`).
//! Must never know: arrays, levels, shards, places, files.
//!
//! The codec library is the authority: it says what a chain is, and decodes every chain that is not known here. The own path decodes the
//! common ones to the same bytes, but into buffers that a thread keeps, and no more of a chunk than was asked for.

mod blosc;
mod decoded;
#[cfg(test)]
mod tests;
mod zstd;

use crate::image::{ReadError, ReadErrorKind};
pub(crate) use decoded::Decoded;
use decoded::Samples;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;
use std::num::NonZeroU64;
use std::ops::Range;
use zarrs::array::codec::{BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ZlibCodec, ZstdCodec};
use zarrs::array::{ArrayToBytesCodecTraits, CodecChain, CodecMetadataOptions, CodecOptions, DataType, FillValue};
pub(crate) use zstd::Context;

/// What a thread keeps for decoding.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// The bytes that the last decode into here made; longer than one chunk if one before was larger.
    decoded: Vec<u8>,
    zstd: Context,
}

/// Decodes the chunks of one array.
pub(crate) struct Codec {
    chain: CodecChain,
    data_type: DataType,
    fill_value: FillValue,
    shape: Vec<NonZeroU64>,
    options: CodecOptions,
    /// Bytes of an element.
    element: usize,
    /// Bytes of a decoded chunk.
    bytes: usize,
    known: Option<Known>,
}

/// A chain that the own path decodes: elements row by row in some byte order, below at most one compressor, below at most one checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// Whether the bytes of an element lie in the other order than here.
    swap: bool,
    compressor: Compressor,
    /// Whether a CRC-32C follows.
    checksum: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compressor {
    None,
    Blosc,
    Zstd,
    Gzip,
    Zlib,
}

impl Known {
    fn of(chain: &CodecChain) -> Option<Self> {
        if !chain.array_to_array_codecs().is_empty() {
            return None;
        }
        let bytes = chain.array_to_bytes_codec();
        bytes.as_any().downcast_ref::<BytesCodec>()?;
        let configuration = bytes.configuration_v3(&CodecMetadataOptions::default()).unwrap_or_default();
        let native = if cfg!(target_endian = "big") { "big" } else { "little" };
        // None for elements of one byte.
        let swap = configuration.get("endian").and_then(|e| e.as_str()).is_some_and(|endian| endian != native);
        let mut codecs = chain.bytes_to_bytes_codecs();
        let mut checksum = false;
        if let [before @ .., last] = codecs
            && last.as_any().is::<Crc32cCodec>()
        {
            // The form with a configuration may put its checksum first.
            if !last.configuration_v3(&CodecMetadataOptions::default()).unwrap_or_default().is_empty() {
                return None;
            }
            checksum = true;
            codecs = before;
        }
        let compressor = match codecs {
            [] => Compressor::None,
            [one] if one.as_any().is::<BloscCodec>() => Compressor::Blosc,
            [one] if one.as_any().is::<ZstdCodec>() => Compressor::Zstd,
            [one] if one.as_any().is::<GzipCodec>() => Compressor::Gzip,
            [one] if one.as_any().is::<ZlibCodec>() => Compressor::Zlib,
            _ => return None,
        };
        Some(Self { swap, compressor, checksum })
    }
}

impl Codec {
    /// A decoder of chunks of `shape` with elements of `element` bytes; `None` if a chunk has more bytes than can be counted.
    pub(crate) fn new(
        chain: CodecChain,
        data_type: DataType,
        fill_value: FillValue,
        shape: Vec<NonZeroU64>,
        element: usize,
    ) -> Option<Self> {
        let bytes = shape.iter().try_fold(element, |n, s| n.checked_mul(usize::try_from(s.get()).ok()?))?;
        // One thread per chunk: whoever reads has as many threads as there are to be.
        let options = CodecOptions::default().with_concurrent_target(1);
        let known = Known::of(&chain);
        Some(Self { chain, data_type, fill_value, shape, options, element, bytes, known })
    }

    /// Bytes of a decoded chunk.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Decodes a whole chunk, in native byte order. What is damaged is an error; checksums are looked at.
    pub(crate) fn decode(&self, encoded: &[u8], tools: &mut Tools) -> Result<Vec<u8>, ReadError> {
        let Some(known) = self.known else { return self.decode_by_chain(encoded) };
        let stored = self.without_checksum(known, encoded, true)?;
        let mut decoded = match known.compressor {
            Compressor::None => stored.to_vec(),
            Compressor::Blosc => match blosc::Container::read(stored, self.element)? {
                Some(container) => {
                    container.expect(self.bytes)?;
                    let mut decoded = vec![0; self.bytes];
                    container
                        .decode(0..self.bytes, sized(&mut tools.decoded, self.bytes), &mut tools.zstd)?
                        .copy_to(&mut decoded);
                    decoded
                }
                None => blosc::decode(stored, self.bytes)?,
            },
            Compressor::Zstd => tools.zstd.decode(stored, self.bytes)?,
            // With its checksum.
            Compressor::Gzip | Compressor::Zlib => return self.decode_by_chain(encoded),
        };
        self.check_length(decoded.len())?;
        if known.swap {
            swap(&mut decoded, self.element);
        }
        Ok(decoded)
    }

    /// Decodes so much of a chunk that the bytes `need` of it are right; the others may hold anything. For chunks that are looked at
    /// once and not kept: damage elsewhere in the chunk may go unseen, and checksums are looked at only when all of it is needed.
    pub(crate) fn decode_part<'s>(
        &self,
        encoded: &'s [u8],
        need: Range<usize>,
        tools: &'s mut Tools,
    ) -> Result<Decoded<'s>, ReadError> {
        let Some(known) = self.known else { return Ok(Samples::Owned(self.decode_by_chain(encoded)?).into()) };
        // Whole elements.
        let need =
            need.start.min(self.bytes) / self.element * self.element..need.end.min(self.bytes).next_multiple_of(self.element);
        let all = need.len() == self.bytes;
        if all && matches!(known.compressor, Compressor::Gzip | Compressor::Zlib) {
            return Ok(Samples::Owned(self.decode_by_chain(encoded)?).into());
        }
        let encoded = self.without_checksum(known, encoded, all)?;
        let Tools { decoded, zstd } = tools;
        let out = match known.compressor {
            Compressor::None => {
                self.check_length(encoded.len())?;
                if !known.swap {
                    return Ok(Samples::Plain(encoded).into());
                }
                let out = sized(decoded, self.bytes);
                out[need.clone()].copy_from_slice(&encoded[need.clone()]);
                out
            }
            Compressor::Blosc => match blosc::Container::read(encoded, self.element)? {
                Some(container) => {
                    container.expect(self.bytes)?;
                    let samples = container.decode(need.clone(), sized(decoded, self.bytes), zstd)?;
                    if !known.swap {
                        return Ok(samples.into());
                    }
                    let mut all = vec![0; self.bytes];
                    samples.copy_to(&mut all);
                    swap(&mut all, self.element);
                    return Ok(Samples::Owned(all).into());
                }
                None => {
                    let (mut part, start) = blosc::decode_part(encoded, need, self.bytes, self.element)?;
                    if known.swap {
                        swap(&mut part, self.element);
                    }
                    return Ok(Samples::Window { start, bytes: part }.into());
                }
            },
            Compressor::Zstd => {
                let out = sized(decoded, self.bytes);
                zstd.decode_prefix(encoded, need.end, out)?;
                out
            }
            Compressor::Gzip => inflate(MultiGzDecoder::new(encoded), need.end, sized(decoded, self.bytes))?,
            Compressor::Zlib => inflate(ZlibDecoder::new(encoded), need.end, sized(decoded, self.bytes))?,
        };
        if known.swap {
            swap(&mut out[need], self.element);
        }
        Ok(Samples::Plain(out).into())
    }

    fn decode_by_chain(&self, encoded: &[u8]) -> Result<Vec<u8>, ReadError> {
        let decoded = self.chain.decode(Cow::Borrowed(encoded), &self.shape, &self.data_type, &self.fill_value, &self.options);
        let bytes = decoded.map_err(damaged)?.into_fixed().map_err(damaged)?.into_owned();
        self.check_length(bytes.len())?;
        Ok(bytes)
    }

    fn without_checksum<'e>(&self, known: Known, encoded: &'e [u8], check: bool) -> Result<&'e [u8], ReadError> {
        if !known.checksum {
            return Ok(encoded);
        }
        let (bytes, sum) = encoded.split_last_chunk::<4>().ok_or_else(|| damaged("is too short for its checksum"))?;
        if check && crc32c::crc32c(bytes) != u32::from_le_bytes(*sum) {
            return Err(damaged("its checksum is wrong"));
        }
        Ok(bytes)
    }

    fn check_length(&self, bytes: usize) -> Result<(), ReadError> {
        if bytes == self.bytes { Ok(()) } else { Err(damaged(format!("has {bytes} bytes instead of {}", self.bytes))) }
    }
}

/// The first `bytes` of `buffer`, which grows if it has to.
fn sized(buffer: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
    &mut buffer[..bytes]
}

fn inflate(mut from: impl Read, bytes: usize, out: &mut [u8]) -> Result<&mut [u8], ReadError> {
    from.read_exact(&mut out[..bytes]).map_err(damaged)?;
    Ok(out)
}

/// Turns the bytes of every element around.
fn swap(bytes: &mut [u8], element: usize) {
    match element {
        1 => {}
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|e| e.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|e| e.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|e| e.reverse()),
        n => bytes.chunks_exact_mut(n).for_each(|e| e.reverse()),
    }
}

/// What was read does not decode.
fn damaged(reason: impl std::fmt::Display) -> ReadError {
    ReadError::new(ReadErrorKind::Decode, format!("does not decode: {reason}"))
}
