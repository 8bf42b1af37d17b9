//! Differences between neighbours, in the order in which the elements lie in the chunk; the first one as it is. They may be kept in
//! another type than the elements.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::sync::Arc;
use zarrs::array::codec::api::{
    ArrayCodecTraits, ArrayToArrayCodecTraits, Codec, CodecError, CodecMetadataOptions, CodecOptions, CodecPluginV2,
    CodecPluginV3, CodecTraits, CodecTraitsV2, CodecTraitsV3, PartialDecoderCapability, PartialEncoderCapability,
    RecommendedConcurrency,
};
use zarrs::array::{ArrayBytes, DataType, FillValue, data_type};
use zarrs::metadata::Configuration;
use zarrs::metadata::v2::MetadataV2;
use zarrs::metadata::v3::MetadataV3;
use zarrs::plugin::{PluginCreateError, ZarrVersion};

/// As it stands in the metadata: numpy's short names of types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DeltaConfiguration {
    dtype: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    astype: Option<String>,
}

#[derive(Debug, Clone)]
struct DeltaCodec {
    configuration: DeltaConfiguration,
    element: Number,
    difference: Number,
}

zarrs::plugin::impl_extension_aliases!(DeltaCodec,
    v3: "numcodecs.delta", [],
    v2: "delta", []
);

inventory::submit! { CodecPluginV2::new::<DeltaCodec>() }
inventory::submit! { CodecPluginV3::new::<DeltaCodec>() }

impl CodecTraitsV2 for DeltaCodec {
    fn create(metadata: &MetadataV2) -> Result<Codec, PluginCreateError> {
        Self::codec(metadata.to_typed_configuration()?)
    }
}

impl CodecTraitsV3 for DeltaCodec {
    fn create(metadata: &MetadataV3) -> Result<Codec, PluginCreateError> {
        Self::codec(metadata.to_typed_configuration()?)
    }
}

/// A type that differences are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    /// Of so many bytes.
    Unsigned(usize),
    /// Of so many bytes, in two's complement.
    Signed(usize),
    F32,
    F64,
}

impl Number {
    fn of(name: &str) -> Option<Self> {
        let size = |digits: &str| digits.parse().ok().filter(|size| matches!(size, 1 | 2 | 4 | 8));
        let short = name.trim_start_matches(['<', '>', '|', '=']);
        match (short.split_at_checked(1)?, short) {
            (("u", digits), _) => size(digits).map(Self::Unsigned),
            (("i", digits), _) => size(digits).map(Self::Signed),
            (_, "f4") => Some(Self::F32),
            (_, "f8") => Some(Self::F64),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Unsigned(size) | Self::Signed(size) => size,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Unsigned(1) => data_type::uint8(),
            Self::Unsigned(2) => data_type::uint16(),
            Self::Unsigned(4) => data_type::uint32(),
            Self::Unsigned(_) => data_type::uint64(),
            Self::Signed(1) => data_type::int8(),
            Self::Signed(2) => data_type::int16(),
            Self::Signed(4) => data_type::int32(),
            Self::Signed(_) => data_type::int64(),
            Self::F32 => data_type::float32(),
            Self::F64 => data_type::float64(),
        }
    }

    fn is_integer(self) -> bool {
        matches!(self, Self::Unsigned(_) | Self::Signed(_))
    }

    /// The elements that these bytes are, as 64 bits: sums and differences of these, cut to the type, are those of the type.
    fn wide(self, bytes: &[u8]) -> impl Iterator<Item = u64> {
        bytes.chunks_exact(self.size()).map(move |bytes| {
            let mut wide = [0; 8];
            let (low, high) = if cfg!(target_endian = "little") { (0, bytes.len() - 1) } else { (8 - bytes.len(), 0) };
            if matches!(self, Self::Signed(_)) && bytes[high] >= 0x80 {
                wide = [0xff; 8];
            }
            wide[low..low + bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(wide)
        })
    }

    /// Appends the element of this type that has the low bits of `wide`.
    fn push(self, wide: u64, to: &mut Vec<u8>) {
        let bytes = wide.to_ne_bytes();
        to.extend_from_slice(if cfg!(target_endian = "little") { &bytes[..self.size()] } else { &bytes[8 - self.size()..] });
    }
}

impl DeltaCodec {
    fn codec(configuration: DeltaConfiguration) -> Result<Codec, PluginCreateError> {
        let number = |name: &str| {
            Number::of(name).ok_or_else(|| PluginCreateError::Other(format!("delta: differences of {name:?} are not known")))
        };
        let element = number(&configuration.dtype)?;
        let astype = configuration.astype.as_deref().unwrap_or(&configuration.dtype);
        let difference = number(astype)?;
        let order = |name: &str| name.starts_with('>');
        if (element != difference && !(element.is_integer() && difference.is_integer()))
            // The bytes are turned round before they come here, by the array's own byte order: one of single bytes has none.
            || (difference.size() > 1 && (element.size() == 1 || order(astype) != order(&configuration.dtype)))
        {
            let problem = format!("delta: differences of {:?} kept as {astype:?} are not known", configuration.dtype);
            return Err(PluginCreateError::Other(problem));
        }
        Ok(Codec::ArrayToArray(Arc::new(Self { configuration, element, difference })))
    }

    fn check(&self, data_type: &DataType) -> Result<(), CodecError> {
        if *data_type == self.element.data_type() {
            Ok(())
        } else {
            Err(CodecError::UnsupportedDataType(data_type.clone(), "delta".to_owned()))
        }
    }
}

impl CodecTraits for DeltaCodec {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn configuration(&self, _: ZarrVersion, _: &CodecMetadataOptions) -> Option<Configuration> {
        match serde_json::to_value(&self.configuration) {
            Ok(serde_json::Value::Object(map)) => Some(map.into()),
            _ => None,
        }
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        PartialDecoderCapability { partial_read: false, partial_decode: false }
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        PartialEncoderCapability { partial_encode: false }
    }
}

impl ArrayCodecTraits for DeltaCodec {
    fn recommended_concurrency(&self, _: &[NonZeroU64], _: &DataType) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }
}

impl ArrayToArrayCodecTraits for DeltaCodec {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToArrayCodecTraits> {
        self
    }

    fn encoded_data_type(&self, decoded: &DataType) -> Result<DataType, CodecError> {
        self.check(decoded)?;
        Ok(self.difference.data_type())
    }

    fn encode<'a>(
        &self,
        bytes: ArrayBytes<'a>,
        _: &[NonZeroU64],
        data_type: &DataType,
        _: &FillValue,
        _: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        self.check(data_type)?;
        let decoded = bytes.into_fixed()?;
        let mut encoded = Vec::with_capacity(decoded.len() / self.element.size() * self.difference.size());
        match self.element {
            Number::F32 => {
                let mut before = 0.0;
                for bytes in decoded.as_chunks().0 {
                    let value = f32::from_ne_bytes(*bytes);
                    encoded.extend_from_slice(&(value - before).to_ne_bytes());
                    before = value;
                }
            }
            Number::F64 => {
                let mut before = 0.0;
                for bytes in decoded.as_chunks().0 {
                    let value = f64::from_ne_bytes(*bytes);
                    encoded.extend_from_slice(&(value - before).to_ne_bytes());
                    before = value;
                }
            }
            _ => {
                let mut before = 0;
                for value in self.element.wide(&decoded) {
                    self.difference.push(value.wrapping_sub(before), &mut encoded);
                    before = value;
                }
            }
        }
        Ok(encoded.into())
    }

    fn decode<'a>(
        &self,
        bytes: ArrayBytes<'a>,
        _: &[NonZeroU64],
        data_type: &DataType,
        _: &FillValue,
        _: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        self.check(data_type)?;
        let encoded = bytes.into_fixed()?;
        let mut decoded = Vec::with_capacity(encoded.len() / self.difference.size() * self.element.size());
        match self.element {
            Number::F32 => {
                let mut sum = 0.0;
                for bytes in encoded.as_chunks().0 {
                    sum += f32::from_ne_bytes(*bytes);
                    decoded.extend_from_slice(&sum.to_ne_bytes());
                }
            }
            Number::F64 => {
                let mut sum = 0.0;
                for bytes in encoded.as_chunks().0 {
                    sum += f64::from_ne_bytes(*bytes);
                    decoded.extend_from_slice(&sum.to_ne_bytes());
                }
            }
            _ => {
                let mut sum = 0u64;
                for difference in self.difference.wide(&encoded) {
                    sum = sum.wrapping_add(difference);
                    self.element.push(sum, &mut decoded);
                }
            }
        }
        Ok(decoded.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec(dtype: &str, astype: Option<&str>) -> Option<Arc<dyn ArrayToArrayCodecTraits>> {
        let configuration = DeltaConfiguration { dtype: dtype.into(), astype: astype.map(str::to_owned) };
        match DeltaCodec::codec(configuration).ok()? {
            Codec::ArrayToArray(codec) => Some(codec),
            _ => None,
        }
    }

    /// As numcodecs encodes them (`Delta("i2", astype="i4").encode([3, -2, 30000, -30000])` and so on).
    #[test]
    fn differences_are_those_of_numcodecs() {
        let shape = [NonZeroU64::new(4).unwrap()];
        let case = |dtype: &str, astype: Option<&str>, decoded: &[i64], encoded: &[i64]| {
            let codec = codec(dtype, astype).unwrap();
            let bytes = |number: Number, values: &[i64]| {
                let mut bytes = Vec::new();
                values.iter().for_each(|&v| number.push(v as u64, &mut bytes));
                bytes
            };
            let (element, difference) = (Number::of(dtype).unwrap(), Number::of(astype.unwrap_or(dtype)).unwrap());
            let (decoded, encoded) = (bytes(element, decoded), bytes(difference, encoded));
            let (data_type, fill) = (element.data_type(), FillValue::new(vec![0; element.size()]));
            let options = CodecOptions::default();
            let got = codec.encode(decoded.clone().into(), &shape, &data_type, &fill, &options).unwrap().into_fixed().unwrap();
            assert_eq!(got.to_vec(), encoded, "{dtype} {astype:?}");
            let got = codec.decode(encoded.into(), &shape, &data_type, &fill, &options).unwrap().into_fixed().unwrap();
            assert_eq!(got.to_vec(), decoded, "{dtype} {astype:?}");
        };
        case("<u2", None, &[3, 2, 60000, 1], &[3, 65535, 59998, 5537]);
        case("<i2", Some("<i4"), &[3, -2, 30000, -30000], &[3, -5, 30002, -60000]);
        case("<i4", Some("|i1"), &[100, 90, 217, 89], &[100, -10, 127, -128]);
        case("|u1", Some("|u1"), &[255, 0, 1, 0], &[255, 1, 1, 255]);
        case(">i8", Some(">i8"), &[i64::MIN, i64::MAX, -1, 0], &[i64::MIN, -1, i64::MIN, 1]);
    }

    #[test]
    fn what_is_no_difference_is_refused() {
        let cases = [
            ("<f2", None),
            ("<u3", None),
            ("", None),
            ("<i2", Some("<f4")),
            ("<f4", Some("<f8")),
            ("<i4", Some(">i4")),
            ("|u1", Some("<u2")),
        ];
        for (dtype, astype) in cases {
            assert!(codec(dtype, astype).is_none(), "{dtype} {astype:?}");
        }
        let floats = codec("<f4", None).unwrap();
        let (data_type, fill, shape) = (data_type::float64(), FillValue::from(0.0f64), [NonZeroU64::MIN]);
        assert!(floats.decode(vec![0; 8].into(), &shape, &data_type, &fill, &CodecOptions::default()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whole_numbers_come_back(values in prop::collection::vec(any::<u64>(), 1..60), size in 0usize..4, signed in any::<bool>()) {
            let size = 1 << size;
            let dtype = format!("<{}{size}", if signed { "i" } else { "u" });
            let codec = codec(&dtype, None).unwrap();
            let number = Number::of(&dtype).unwrap();
            let mut bytes = Vec::new();
            values.iter().for_each(|&v| number.push(v, &mut bytes));
            let shape = [NonZeroU64::new(values.len() as u64).unwrap()];
            let (data_type, fill, options) = (number.data_type(), FillValue::new(vec![0; size]), CodecOptions::default());
            let encoded = codec.encode(bytes.clone().into(), &shape, &data_type, &fill, &options).unwrap().into_owned();
            let decoded = codec.decode(encoded, &shape, &data_type, &fill, &options).unwrap().into_fixed().unwrap();
            prop_assert_eq!(decoded.to_vec(), bytes);
        }
    }
}
