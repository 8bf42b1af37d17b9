//! One lz4 block behind its decoded length (32 bits, little-endian).

use std::borrow::Cow;
use std::sync::Arc;
use zarrs::array::codec::api::{
    BytesToBytesCodecTraits, Codec, CodecError, CodecMetadataOptions, CodecOptions, CodecPluginV2, CodecPluginV3, CodecTraits,
    CodecTraitsV2, CodecTraitsV3, PartialDecoderCapability, PartialEncoderCapability, RecommendedConcurrency,
};
use zarrs::array::{ArrayBytesRaw, BytesRepresentation};
use zarrs::metadata::Configuration;
use zarrs::metadata::v2::MetadataV2;
use zarrs::metadata::v3::MetadataV3;
use zarrs::plugin::{PluginCreateError, ZarrVersion};

/// Decoded bytes beyond which a header is not believed where nothing else says how many there are.
const MOST_BYTES: usize = 1 << 30;

#[derive(Debug, Clone)]
struct Lz4Codec;

zarrs::plugin::impl_extension_aliases!(Lz4Codec,
    v3: "numcodecs.lz4", [],
    v2: "lz4", []
);

inventory::submit! { CodecPluginV2::new::<Lz4Codec>() }
inventory::submit! { CodecPluginV3::new::<Lz4Codec>() }

impl CodecTraitsV2 for Lz4Codec {
    fn create(_: &MetadataV2) -> Result<Codec, PluginCreateError> {
        Ok(Codec::BytesToBytes(Arc::new(Self)))
    }
}

impl CodecTraitsV3 for Lz4Codec {
    fn create(_: &MetadataV3) -> Result<Codec, PluginCreateError> {
        Ok(Codec::BytesToBytes(Arc::new(Self)))
    }
}

impl CodecTraits for Lz4Codec {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    /// How hard the writer tried does not matter to a reader.
    fn configuration(&self, _: ZarrVersion, _: &CodecMetadataOptions) -> Option<Configuration> {
        Some(Configuration::default())
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        PartialDecoderCapability { partial_read: false, partial_decode: false }
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        PartialEncoderCapability { partial_encode: false }
    }
}

impl BytesToBytesCodecTraits for Lz4Codec {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
        self
    }

    fn recommended_concurrency(&self, _: &BytesRepresentation) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }

    fn encode<'a>(&self, decoded: ArrayBytesRaw<'a>, _: &CodecOptions) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let encoded = lz4::block::compress(&decoded, None, true).map_err(|error| CodecError::Other(format!("lz4: {error}")))?;
        Ok(Cow::Owned(encoded))
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        decoded: &BytesRepresentation,
        _: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let wrong = |what: &str| CodecError::Other(format!("lz4: {what}"));
        let (header, block) = encoded.split_first_chunk().ok_or_else(|| wrong("the length is cut"))?;
        let len = usize::try_from(u32::from_le_bytes(*header)).map_err(|_| wrong("too long"))?;
        let sound = match decoded {
            BytesRepresentation::FixedSize(size) => len as u64 == *size,
            BytesRepresentation::BoundedSize(most) => len as u64 <= *most,
            BytesRepresentation::UnboundedSize => len <= MOST_BYTES,
        };
        if !sound {
            return Err(wrong("the length is not that of the chunk"));
        }
        let mut bytes = vec![0; len];
        let room = i32::try_from(len).map_err(|_| wrong("too long"))?;
        let decoded =
            lz4::block::decompress_to_buffer(block, Some(room), &mut bytes).map_err(|error| wrong(&error.to_string()))?;
        if decoded != len {
            return Err(wrong("the block ends too early"));
        }
        Ok(Cow::Owned(bytes))
    }

    fn encoded_representation(&self, decoded: &BytesRepresentation) -> BytesRepresentation {
        let most = |size: u64| BytesRepresentation::BoundedSize(size + size / 255 + 16 + 4);
        decoded.size().map_or(BytesRepresentation::UnboundedSize, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoded: &[u8], len: usize) -> Option<Vec<u8>> {
        let decoded = BytesRepresentation::FixedSize(len as u64);
        Lz4Codec.decode(Cow::Borrowed(encoded), &decoded, &CodecOptions::default()).ok().map(Cow::into_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn decodes_what_it_encodes_and_takes_no_harm_from_damage(
            bytes in prop::collection::vec(0u8..4, 1..600),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut encoded = Lz4Codec.encode(Cow::Borrowed(&bytes), &CodecOptions::default()).unwrap().into_owned();
            prop_assert_eq!(decode(&encoded, bytes.len()), Some(bytes.clone()));
            prop_assert_eq!(decode(&encoded, bytes.len() + 1), None);
            prop_assert_eq!(decode(&encoded[..cut.index(encoded.len())], bytes.len()), None);
            for (at, value) in damage {
                let at = at.index(encoded.len());
                encoded[at] = value;
            }
            if let Some(decoded) = decode(&encoded, bytes.len()) {
                prop_assert_eq!(decoded.len(), bytes.len());
            }
        }
    }
}
