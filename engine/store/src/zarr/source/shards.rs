//! Shards: where their inner chunks lie.

use crate::image::{IndexKey, ReadError, ReadErrorKind};
use crate::place::Span;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use zarrs::array::codec::{ShardingCodecConfigurationV1, ShardingIndexLocation};
use zarrs::array::data_type::uint64;
use zarrs::array::{ArrayToBytesCodecTraits, BytesRepresentation, CodecChain, CodecOptions, FillValue};

/// Indices kept per image.
const BUDGET_BYTES: u64 = 32 << 20;
/// An index beyond this could not be kept beside others.
const LARGEST_INDEX_BYTES: u64 = BUDGET_BYTES / 4;
/// What an index costs beyond its entries.
const ENTRY_BYTES: u64 = 128;
/// A typical index; only sizes the cache's tables.
const TYPICAL_BYTES: u64 = 1 << 10;
/// How an index says that a chunk is not stored.
const NOT_STORED: u64 = u64::MAX;

/// How the shards of an array are laid out.
pub(super) struct Shards {
    /// Inner chunks per shard, by axis.
    inner: Vec<u64>,
    index_codecs: CodecChain,
    index_shape: Vec<NonZeroU64>,
    index_bytes: u64,
    at_start: bool,
}

/// Where the inner chunks of a shard lie, row-major: offset and length. None of them if there is no such shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index(Box<[[u64; 2]]>);

impl Index {
    /// The bytes of the shard that an inner chunk is stored in; `None` if it is not stored.
    pub(super) fn get(&self, at: usize) -> Option<Range<u64>> {
        let [offset, length] = *self.0.get(at)?;
        (offset != NOT_STORED || length != NOT_STORED).then(|| offset..offset.saturating_add(length))
    }
}

impl Shards {
    /// `chunk` is the shape of a shard. The error says what is wrong with the configuration.
    pub(super) fn new(configuration: &ShardingCodecConfigurationV1, shard: &[NonZeroU64]) -> Result<Self, String> {
        let index_codecs = CodecChain::from_metadata(&configuration.index_codecs).map_err(|e| e.to_string())?;
        let inner: Vec<u64> =
            shard.iter().zip(configuration.chunk_shape.iter()).map(|(s, i)| s.get().div_ceil(i.get())).collect();
        let entries = inner.iter().try_fold(16u64, |n, i| n.checked_mul(*i));
        if entries.is_none_or(|bytes| bytes > LARGEST_INDEX_BYTES) {
            return Err(format!("a shard holds {inner:?} chunks, too many for its index to be kept"));
        }
        let sizes = inner.iter().copied().chain([2]).map(|n| NonZeroU64::new(n).ok_or("a shard has no inner chunks"));
        let index_shape = sizes.collect::<Result<Vec<_>, _>>()?;
        let representation = index_codecs.encoded_representation(&index_shape, &uint64(), &FillValue::from(NOT_STORED));
        match representation.map_err(|e| e.to_string())? {
            BytesRepresentation::FixedSize(index_bytes) => {
                let at_start = matches!(configuration.index_location, ShardingIndexLocation::Start);
                Ok(Self { inner, index_codecs, index_shape, index_bytes, at_start })
            }
            _ => Err("the length of a shard's index depends on its content".to_owned()),
        }
    }

    /// The shard that holds an inner chunk, and which of its chunks that is.
    pub(super) fn locate(&self, chunk: &[u64]) -> (Vec<u64>, usize) {
        let shard = chunk.iter().zip(&self.inner).map(|(c, n)| c / n).collect();
        let at = chunk.iter().zip(&self.inner).fold(0, |at, (c, n)| at * n + c % n);
        (shard, at as usize)
    }

    /// The shard along an axis that holds the inner chunk `chunk`; `None` if there is no such axis.
    pub(super) fn along(&self, axis: usize, chunk: u32) -> Option<u32> {
        self.inner.get(axis).map(|&inner| (u64::from(chunk) / inner) as u32)
    }

    /// The bytes of a shard that hold its index.
    pub(super) fn index_span(&self) -> Span {
        if self.at_start { Span::Range(0..self.index_bytes) } else { Span::Last(self.index_bytes) }
    }

    /// Decodes the bytes of an index; `None` for those of a shard that does not exist.
    pub(super) fn decode(&self, bytes: Option<&[u8]>) -> Result<Index, ReadError> {
        let Some(bytes) = bytes else { return Ok(Index(Box::default())) };
        let damaged =
            |reason: String| ReadError::new(ReadErrorKind::Decode, format!("the index of its shard does not decode: {reason}"));
        if bytes.len() as u64 != self.index_bytes {
            return Err(damaged(format!("it has {} bytes instead of {}", bytes.len(), self.index_bytes)));
        }
        let (dtype, fill) = (uint64(), FillValue::from(NOT_STORED));
        let decoded = self.index_codecs.decode(Cow::Borrowed(bytes), &self.index_shape, &dtype, &fill, &CodecOptions::default());
        let decoded = decoded.and_then(|bytes| Ok(bytes.into_fixed()?)).map_err(|e| damaged(e.to_string()))?;
        let numbers = decoded.as_chunks::<8>().0;
        Ok(Index(numbers.as_chunks::<2>().0.iter().map(|pair| pair.map(u64::from_ne_bytes)).collect()))
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<IndexKey, Arc<Index>> for ByBytes {
    fn weight(&self, _: &IndexKey, index: &Arc<Index>) -> u64 {
        size_of_val(&*index.0) as u64 + ENTRY_BYTES
    }
}

/// The indices that were read last, within a budget.
pub(super) struct Indices(Cache<IndexKey, Arc<Index>, ByBytes>);

impl Indices {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter((BUDGET_BYTES / TYPICAL_BYTES) as usize, BUDGET_BYTES, ByBytes))
    }

    pub(super) fn get(&self, key: &IndexKey) -> Option<Arc<Index>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: IndexKey, index: Arc<Index>) {
        self.0.insert(key, index);
    }

    pub(super) fn remove(&self, key: &IndexKey) {
        self.0.remove(key);
    }

    /// Keeps those of which `keep` says so.
    pub(super) fn retain(&self, keep: impl Fn(&IndexKey) -> bool) {
        self.0.retain(|key, _| keep(key));
    }
}
