//! One level: which bytes of which object a chunk is, and how they decode.

use super::number;
use super::shards::Shards;
use crate::codec::Codec;
use crate::place::Key;
use crate::zarr::OpenError;
use crate::zarr::array::ArrayDocument;
use std::sync::Arc;
use zarrs::array::codec::ShardingCodecConfiguration;
use zarrs::array::{Array, ArrayCreateError, ArrayMetadata, ArrayShardedExt, ChunkKeyEncoding, CodecChain, CodecMetadataOptions};
use zarrs::metadata::ConfigurationSerialize;

/// Decoded bytes beyond which a chunk is not attempted: it could not be held beside anything else.
const LARGEST_CHUNK_BYTES: u64 = 4 << 30;

/// One level. Chunks are padded to their full shape, as zarr stores them.
pub(in crate::zarr) struct LevelReader {
    /// Where the array lies.
    folder: Key,
    keys: ChunkKeyEncoding,
    /// If the objects are shards of chunks.
    pub(super) shards: Option<Shards>,
    pub(super) codec: Codec,
    /// Shape of the smallest piece that is decoded on its own.
    chunk: Vec<u64>,
    /// Of samples that are not stored; its first bytes are the element.
    pub(super) fill_element: [u8; 8],
    /// The same as a number.
    pub(super) fill_value: f64,
}

impl LevelReader {
    /// `metadata`: the array's own document, `folder`: where in the place the array lies. Reads nothing.
    pub(in crate::zarr) fn new(folder: Key, metadata: &serde_json::Value, document: &ArrayDocument) -> Result<Self, OpenError> {
        let file = || document.file.clone();
        let wrong = |key: &str, problem: String| OpenError::Metadata { path: file(), key: key.to_owned(), problem };
        let unsupported = |reason: String| OpenError::UnsupportedCodec {
            path: file(),
            codecs: document.codec_names().to_owned(),
            reason: one_line(&reason),
        };
        let unusable = |reason: String| wrong("(array)", format!("cannot be used ({}): restore the file", one_line(&reason)));
        let metadata = serde_json::from_value::<ArrayMetadata>(metadata.clone()).map_err(|e| unusable(e.to_string()))?;
        // The library is asked what the metadata mean; it has no way to read.
        let array = Array::new_with_metadata(Arc::new(()), "/", metadata).map_err(|error| match error {
            ArrayCreateError::CodecsCreateError(error) => unsupported(error.to_string()),
            ArrayCreateError::UnsupportedZarrV2Array(reason) => unsupported(reason),
            error => unusable(error.to_string()),
        })?;
        let origin = vec![0; array.dimensionality()];
        let stored =
            array.chunk_shape(&origin).map_err(|e| wrong("chunks", format!("make no sense ({})", one_line(&e.to_string()))))?;
        let (shards, chain, chunk) = match sharding(&array).map_err(unsupported)? {
            Some((configuration, chain)) => {
                let shards = Shards::new(&configuration, &stored).map_err(unsupported)?;
                (Some(shards), chain, configuration.chunk_shape.to_vec())
            }
            // Shards below further codecs are decoded as a whole, too.
            None => (None, (*array.codecs()).clone(), stored.to_vec()),
        };
        let element = document.dtype()?;
        let bytes = chunk.iter().try_fold(element.size() as u64, |n, c| n.checked_mul(c.get()));
        let too_large = || {
            let problem = format!("of {chunk:?} are too large to decode: rewrite the array with chunks of about 1 MiB");
            wrong("chunks", problem)
        };
        if bytes.is_none_or(|b| b > LARGEST_CHUNK_BYTES) {
            return Err(too_large());
        }
        let fill = array.fill_value().as_ne_bytes();
        let mut fill_element = [0; 8];
        fill_element.iter_mut().zip(fill).for_each(|(to, from)| *to = *from);
        let fill_value = number(element, fill).unwrap_or(0.0);
        let plain = chunk.iter().map(|c| c.get()).collect();
        let (dtype, fill) = (array.data_type().clone(), array.fill_value().clone());
        let codec = Codec::new(chain, dtype, fill, chunk.clone(), element.size()).ok_or_else(too_large)?;
        Ok(Self { folder, keys: array.chunk_key_encoding().clone(), shards, codec, chunk: plain, fill_element, fill_value })
    }

    /// Shape of the smallest piece that is decoded on its own.
    pub(in crate::zarr) fn chunk(&self) -> &[u64] {
        &self.chunk
    }

    /// The object at a place of the grid of objects: a chunk's own, or a shard.
    pub(super) fn object(&self, at: &[u64]) -> Result<Key, crate::place::PlaceError> {
        self.folder.join(self.keys.encode(at).as_str())
    }
}

type Sharding = zarrs::array::codec::ShardingCodecConfigurationV1;

/// How the objects of the array are shards whose chunks can be read on their own, and the codecs of those; `None` if they are not.
fn sharding(array: &Array<()>) -> Result<Option<(Sharding, CodecChain)>, String> {
    if !array.is_exclusively_sharded() {
        return Ok(None);
    }
    let configuration = array.codecs().array_to_bytes_codec().configuration_v3(&CodecMetadataOptions::default());
    let configuration = configuration.ok_or("the sharding codec has no configuration")?;
    match ShardingCodecConfiguration::try_from_configuration(configuration) {
        Ok(ShardingCodecConfiguration::V1(sharding)) => {
            let chain = CodecChain::from_metadata(&sharding.codecs).map_err(|e| e.to_string())?;
            Ok(Some((sharding, chain)))
        }
        Ok(_) => Err("an unknown version of the sharding codec".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
