//! Reading and decoding chunks of zarr arrays.

use super::OpenError;
use super::array::ArrayDocument;
use crate::image::{Chunk, ChunkSource, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::DType;
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use zarrs::array::codec::ShardingCodecConfiguration;
use zarrs::array::{
    Array, ArrayBytes, ArrayCreateError, ArrayError, ArrayShardedExt, ArrayShardedReadableExt, ArrayShardedReadableExtCache,
    ArrayToBytesCodecTraits, CodecChain, CodecError, CodecMetadataOptions, CodecOptions,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::metadata::ConfigurationSerialize;

/// Decoded bytes beyond which a chunk is not attempted: it could not be held beside anything else.
const LARGEST_CHUNK_BYTES: u64 = 4 << 30;
/// Shard indices kept per level, in bytes (16 per inner chunk).
const INDEX_BUDGET_BYTES: u64 = 64 << 20;

/// The levels of an image in a directory. Chunks are padded to their full shape, as zarr stores them.
pub(super) struct ZarrSource {
    levels: Vec<LevelReader>,
    /// The first chunk that was not stored.
    absent: OnceLock<String>,
}

impl ZarrSource {
    pub(super) fn new(levels: Vec<LevelReader>) -> Self {
        Self { levels, absent: OnceLock::new() }
    }
}

impl ChunkSource for ZarrSource {
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, stop: &Stop) -> Result<Chunk, ReadError> {
        let reader =
            self.levels.get(level).ok_or_else(|| ReadError::new(ReadErrorKind::NoSuchPlane, "there is no such level"))?;
        let absent = || {
            let at = chunk.iter().map(u64::to_string).collect::<Vec<_>>().join("/");
            self.absent.get_or_init(|| format!("chunk {at} of level {level}"));
        };
        let read = reader.read(chunk, &|| stop.is_stopped(), &absent).map_err(|error| reader.explain(&error))?;
        read.unwrap_or_else(|| Err(ReadError::stopped()))
    }

    fn absent(&self) -> Option<String> {
        self.absent.get().cloned()
    }

    fn fill_value(&self, level: usize) -> f64 {
        self.levels.get(level).map_or(0.0, |level| level.fill_value)
    }
}

/// One level.
pub(super) struct LevelReader {
    array: Array<FilesystemStore>,
    layout: Layout,
    /// Shape of what one read gives.
    chunk: Vec<NonZeroU64>,
    /// The same, as plain numbers.
    chunk_shape: Vec<u64>,
    fill_value: f64,
    options: CodecOptions,
}

/// How chunks are stored.
enum Layout {
    /// A file each.
    Files,
    /// Inner chunks of shards, each found through the shard's index and decoded on its own.
    Shards { indices: Indices, inner: CodecChain },
    /// Shards below further codecs: the library takes the inner chunk out as well as it can.
    WrappedShards { indices: Indices },
}

/// The indices of the shards that were read, within a bound.
struct Indices {
    cache: ArrayShardedReadableExtCache,
    most: usize,
}

impl Indices {
    fn new(array: &Array<FilesystemStore>, index_bytes: u64) -> Self {
        let most = (INDEX_BUDGET_BYTES / index_bytes.max(1)).clamp(1, 1 << 16) as usize;
        Self { cache: ArrayShardedReadableExtCache::new(array), most }
    }

    /// The indices, after all have been dropped if they are too many. Reading them anew is one small read per shard.
    fn get(&self) -> &ArrayShardedReadableExtCache {
        if self.cache.len() >= self.most {
            self.cache.clear();
        }
        &self.cache
    }
}

impl LevelReader {
    pub(super) fn open(store: Arc<FilesystemStore>, path: &str, document: &ArrayDocument) -> Result<Self, OpenError> {
        let file = || document.file.clone();
        let wrong = |key: &str, problem: String| OpenError::Metadata { path: file(), key: key.to_owned(), problem };
        let unsupported = |reason: String| OpenError::UnsupportedCodec {
            path: file(),
            codecs: document.codecs.clone(),
            reason: one_line(&reason),
        };
        let array = Array::open(store, &format!("/{path}")).map_err(|error| match error {
            ArrayCreateError::CodecsCreateError(error) => unsupported(error.to_string()),
            ArrayCreateError::UnsupportedZarrV2Array(reason) => unsupported(reason),
            error => wrong("(array)", format!("cannot be used ({}): restore the file", one_line(&error.to_string()))),
        })?;
        let origin = vec![0; array.dimensionality()];
        let stored =
            array.chunk_shape(&origin).map_err(|e| wrong("chunks", format!("make no sense ({})", one_line(&e.to_string()))))?;
        let inner = array.effective_subchunk_shape();
        let per_shard = |inner: &[NonZeroU64]| stored.iter().zip(inner).map(|(o, i)| o.get().div_ceil(i.get())).product::<u64>();
        let (layout, chunk) = match inner {
            Some(inner) if array.is_exclusively_sharded() => {
                let chain = inner_codecs(&array).map_err(unsupported)?;
                (Layout::Shards { indices: Indices::new(&array, 16 * per_shard(&inner)), inner: chain }, inner)
            }
            Some(inner) => (Layout::WrappedShards { indices: Indices::new(&array, 16 * per_shard(&inner)) }, inner),
            None => (Layout::Files, stored),
        };
        let chunk: Vec<NonZeroU64> = chunk.to_vec();
        let bytes = chunk.iter().try_fold(document.dtype.size() as u64, |n, c| n.checked_mul(c.get()));
        if bytes.is_none_or(|b| b > LARGEST_CHUNK_BYTES) {
            let problem = format!("of {chunk:?} are too large to decode: rewrite the array with chunks of about 1 MiB");
            return Err(wrong("chunks", problem));
        }
        let chunk_shape = chunk.iter().map(|c| c.get()).collect();
        // One thread per chunk: the loader's threads are the concurrency.
        let options = CodecOptions::default().with_concurrent_target(1);
        let fill_value = number(document.dtype, array.fill_value().as_ne_bytes()).unwrap_or(0.0);
        Ok(Self { array, layout, chunk, chunk_shape, fill_value, options })
    }

    /// Shape of the smallest piece that is decoded on its own.
    pub(super) fn chunk(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// Calls `absent` if the chunk is not stored, where the library tells.
    fn read(
        &self,
        at: &[u64],
        cancelled: &dyn Fn() -> bool,
        absent: &dyn Fn(),
    ) -> Result<Option<Result<Chunk, ReadError>>, ArrayError> {
        let array = &self.array;
        let (encoded, codecs) = match &self.layout {
            Layout::Files => (array.retrieve_encoded_chunk(at)?, &*array.codecs()),
            Layout::Shards { indices, inner } => {
                (self.fresh_if_failed(array.retrieve_encoded_subchunk(indices.get(), at))?, inner)
            }
            Layout::WrappedShards { indices } => {
                if cancelled() {
                    return Ok(None);
                }
                let decoded = array.retrieve_subchunk_opt::<ArrayBytes<'static>>(indices.get(), at, &self.options);
                return self.fresh_if_failed(decoded).and_then(|bytes| self.chunk_of(bytes)).map(Some);
            }
        };
        if cancelled() {
            return Ok(None);
        }
        let (dtype, fill) = (array.data_type(), array.fill_value());
        let bytes = match encoded {
            Some(encoded) => codecs.decode(Cow::Owned(encoded), &self.chunk, dtype, fill, &self.options)?,
            None => {
                absent();
                ArrayBytes::new_fill_value(dtype, self.chunk_shape.iter().product(), fill)
                    .map_err(|e| ArrayError::Other(e.to_string()))?
            }
        };
        self.chunk_of(bytes).map(Some)
    }

    fn chunk_of(&self, bytes: ArrayBytes<'_>) -> Result<Result<Chunk, ReadError>, ArrayError> {
        Ok(Chunk::new(&self.chunk_shape, bytes.into_fixed()?.into_owned()))
    }

    /// After a failure a shard's index may be what is damaged: the next attempt reads it anew.
    fn fresh_if_failed<T>(&self, result: Result<T, ArrayError>) -> Result<T, ArrayError> {
        if let (Err(_), Layout::Shards { indices, .. } | Layout::WrappedShards { indices }) = (&result, &self.layout) {
            indices.cache.clear();
        }
        result
    }

    fn explain(&self, error: &ArrayError) -> ReadError {
        let kind = match error {
            ArrayError::StorageError(_) | ArrayError::CodecError(CodecError::StorageError(_)) => ReadErrorKind::Unreachable,
            _ => ReadErrorKind::Decode,
        };
        ReadError::new(kind, error.to_string())
    }
}

/// The codecs of the inner chunks of a sharded array.
fn inner_codecs(array: &Array<FilesystemStore>) -> Result<CodecChain, String> {
    let configuration = array.codecs().array_to_bytes_codec().configuration_v3(&CodecMetadataOptions::default());
    let configuration = configuration.ok_or("the sharding codec has no configuration")?;
    match ShardingCodecConfiguration::try_from_configuration(configuration) {
        Ok(ShardingCodecConfiguration::V1(sharding)) => CodecChain::from_metadata(&sharding.codecs).map_err(|e| e.to_string()),
        Ok(_) => Err("an unknown version of the sharding codec".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The element of `dtype` that these bytes are, if it has as many. 64-bit integers are rounded.
fn number(dtype: DType, bytes: &[u8]) -> Option<f64> {
    fn element<const SIZE: usize>(bytes: &[u8], convert: impl Fn([u8; SIZE]) -> f64) -> Option<f64> {
        bytes.try_into().ok().map(convert)
    }
    match dtype {
        DType::Bool | DType::U8 => element(bytes, |[b]: [u8; 1]| f64::from(b)),
        DType::I8 => element(bytes, |b| f64::from(i8::from_ne_bytes(b))),
        DType::U16 => element(bytes, |b| f64::from(u16::from_ne_bytes(b))),
        DType::I16 => element(bytes, |b| f64::from(i16::from_ne_bytes(b))),
        DType::F16 => element(bytes, |b| half::f16::from_ne_bytes(b).to_f64()),
        DType::U32 => element(bytes, |b| f64::from(u32::from_ne_bytes(b))),
        DType::I32 => element(bytes, |b| f64::from(i32::from_ne_bytes(b))),
        DType::F32 => element(bytes, |b| f64::from(f32::from_ne_bytes(b))),
        DType::U64 => element(bytes, |b| u64::from_ne_bytes(b) as f64),
        DType::I64 => element(bytes, |b| i64::from_ne_bytes(b) as f64),
        DType::F64 => element(bytes, f64::from_ne_bytes),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
