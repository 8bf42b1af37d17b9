//! Our own path against the codec library's.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use zarrs::array::ArrayBytes;
use zarrs::array::data_type::{uint8, uint16, uint32, uint64};

/// A chain of codecs, a chunk, and a part of it.
#[derive(Debug, Clone)]
struct Case {
    codecs: Value,
    element: usize,
    shape: Vec<u64>,
    samples: Vec<u8>,
    need: Range<usize>,
}

fn compressor(element: usize) -> impl Strategy<Value = Option<Value>> {
    let names = prop::sample::select(vec!["lz4", "lz4hc", "zstd", "zlib", "blosclz"]);
    let shuffles = prop::sample::select(vec!["noshuffle", "shuffle", "bitshuffle"]);
    let blosc = (names, shuffles, prop::sample::select(vec![0, 128, 256, 4096]), 1..9u8).prop_map(
        move |(name, shuffle, block, level)| {
            Some(json!({"name": "blosc", "configuration":
            {"cname": name, "clevel": level, "shuffle": shuffle, "typesize": element, "blocksize": block}}))
        },
    );
    let zstd = any::<bool>().prop_map(|sum| Some(json!({"name": "zstd", "configuration": {"level": 1, "checksum": sum}})));
    prop_oneof![
        1 => Just(None),
        6 => blosc,
        3 => zstd,
        1 => Just(Some(json!({"name": "gzip", "configuration": {"level": 1}}))),
        1 => Just(Some(json!({"name": "numcodecs.zlib", "configuration": {"level": 1}}))),
    ]
}

/// Samples that compress: runs, ramps and noise in turn.
fn samples(bytes: usize, element: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let elements = (0..bytes / element).flat_map(|i| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let value = match (i as u64 >> 6).wrapping_add(seed) % 3 {
            0 => seed % 1000,
            1 => i as u64,
            _ => state >> 52,
        };
        value.to_le_bytes().into_iter().take(element)
    });
    elements.collect()
}

fn case() -> impl Strategy<Value = Case> {
    let small = prop::collection::vec(1..12u64, 1..4);
    // Several blocks of zstd's own size.
    let large = (30..70u64, 40..70u64, 40..70u64).prop_map(|(z, y, x)| vec![z, y, x]);
    let shape = prop_oneof![60 => small, 1 => large];
    (prop::sample::select(vec![1usize, 2, 4, 8]), shape, any::<[bool; 3]>(), any::<u64>())
        .prop_flat_map(|(element, shape, [big, sum, transposed], seed)| {
            let bytes = shape.iter().product::<u64>() as usize * element;
            (compressor(element), Just((element, shape, big, sum, transposed && seed % 4 == 0, seed)), 0..bytes, 0..bytes)
        })
        .prop_map(|(compressor, (element, shape, big, sum, transposed, seed), a, b)| {
            let order: Vec<usize> = (0..shape.len()).rev().collect();
            let transpose = transposed.then(|| json!({"name": "transpose", "configuration": {"order": order}}));
            let bytes = json!({"name": "bytes", "configuration": {"endian": if big { "big" } else { "little" }}});
            let sum = sum.then(|| json!({"name": "crc32c"}));
            let codecs = transpose.into_iter().chain([bytes]).chain(compressor).chain(sum).collect();
            let length = shape.iter().product::<u64>() as usize * element;
            Case { codecs, element, samples: samples(length, element, seed), shape, need: a.min(b)..a.max(b) + 1 }
        })
}

impl Case {
    fn chain(&self) -> CodecChain {
        CodecChain::from_metadata(&serde_json::from_value::<Vec<_>>(self.codecs.clone()).unwrap()).unwrap()
    }

    fn dtype(&self) -> (DataType, FillValue) {
        match self.element {
            1 => (uint8(), FillValue::from(0u8)),
            2 => (uint16(), FillValue::from(0u16)),
            4 => (uint32(), FillValue::from(0u32)),
            _ => (uint64(), FillValue::from(0u64)),
        }
    }

    fn shape(&self) -> Vec<NonZeroU64> {
        self.shape.iter().map(|&n| NonZeroU64::new(n).unwrap()).collect()
    }

    fn codec(&self) -> Codec {
        let (dtype, fill) = self.dtype();
        Codec::new(self.chain(), dtype, fill, self.shape(), self.element).unwrap()
    }

    fn encoded(&self) -> Vec<u8> {
        let (dtype, fill) = self.dtype();
        let samples = ArrayBytes::new_flen(self.samples.clone());
        self.chain().encode(samples, &self.shape(), &dtype, &fill, &CodecOptions::default()).unwrap().into_owned()
    }

    /// The elements that `need` touches, as they were decoded.
    fn taken<const N: usize>(&self, decoded: &Decoded<'_>, step: usize) -> (Vec<u8>, Vec<u8>) {
        let (first, end) = (self.need.start / N, self.need.end.div_ceil(N));
        let count = (end - first).div_ceil(step);
        let mut taken = vec![[0; N]; count * 3];
        decoded.copy(first, step, count, &mut taken, 3);
        if step == 1 {
            let mut close = vec![[0; N]; count];
            decoded.copy(first, 1, count, &mut close, 1);
            assert!(close.iter().eq(taken.iter().step_by(3)), "side by side or apart");
        }
        let expected = self.samples.as_chunks::<N>().0[first..end].iter().step_by(step);
        (taken.into_iter().step_by(3).flatten().collect(), expected.flatten().copied().collect())
    }

    fn compare(&self, decoded: &Decoded<'_>) -> Result<(), TestCaseError> {
        for step in [1, 3] {
            let (taken, expected) = match self.element {
                1 => self.taken::<1>(decoded, step),
                2 => self.taken::<2>(decoded, step),
                4 => self.taken::<4>(decoded, step),
                _ => self.taken::<8>(decoded, step),
            };
            prop_assert!(taken == expected, "step {step} of {:?}", self.need);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn our_path_gives_what_the_library_gives_whole_and_in_part(case in case(), dirt in any::<u8>()) {
        let (codec, encoded) = (case.codec(), case.encoded());
        prop_assert_eq!(codec.bytes(), case.samples.len());
        // What a chunk before has left there does not matter.
        let mut tools = Tools { decoded: vec![dirt; 1000], ..Tools::default() };
        let transposed = case.codecs[0]["name"] == "transpose";
        prop_assert_eq!(codec.known.is_some(), !transposed);
        prop_assert!(codec.decode(&encoded, &mut tools)? == case.samples);
        case.compare(&codec.decode_part(&encoded, case.need.clone(), &mut tools)?)?;
        let all = Case { need: 0..case.samples.len(), ..case.clone() };
        all.compare(&codec.decode_part(&encoded, 0..usize::MAX, &mut tools)?)?;
        prop_assert!(codec.decode(&encoded, &mut tools)? == case.samples, "after a part");
    }

    #[test]
    fn damage_is_an_error_or_other_samples_and_never_a_panic(case in case(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (codec, mut encoded) = (case.codec(), case.encoded());
        let mut tools = Tools::default();
        let at = at.index(encoded.len());
        let whole = encoded.clone();
        for damaged in [&whole[..at], { encoded[at] ^= 1 << bit; &encoded[..] }] {
            let decoded = codec.decode(damaged, &mut tools);
            if let Ok(samples) = &decoded {
                prop_assert_eq!(samples.len(), case.samples.len());
            }
            if case.codecs.as_array().is_some_and(|c| c.iter().any(|c| c["name"] == "crc32c")) {
                prop_assert!(decoded.is_err(), "the checksum is wrong");
            }
            if let Err(error) = decoded {
                prop_assert_eq!(error.kind, ReadErrorKind::Decode);
                prop_assert!(!error.message.contains('\n'));
            }
            // Of a part nothing is promised but that it comes or does not.
            if let Ok(part) = codec.decode_part(damaged, case.need.clone(), &mut tools) {
                let mut first = [[0; 8]];
                if case.element == 8 {
                    part.copy(case.need.start / 8, 1, 1, &mut first, 1);
                }
            }
        }
        // The decoders are as good as new.
        prop_assert!(codec.decode(&whole, &mut tools)? == case.samples);
    }
}

#[test]
fn early_blocks_of_a_frame_come_without_the_late_ones() {
    let shape = vec![64, 64, 64];
    let case = Case {
        codecs: json!([{"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1, "checksum": false}}]),
        element: 2,
        samples: samples(2 << 18, 2, 5),
        shape,
        need: 100..4000,
    };
    let mut encoded = case.encoded();
    let half = encoded.len() / 2;
    encoded.truncate(half);
    let (codec, mut tools) = (case.codec(), Tools::default());
    assert!(codec.decode(&encoded, &mut tools).is_err(), "half of it is missing");
    case.compare(&codec.decode_part(&encoded, case.need.clone(), &mut tools).unwrap()).unwrap();
    assert!(codec.decode_part(&encoded, 0..(2 << 18) - 1, &mut tools).is_err());
}
