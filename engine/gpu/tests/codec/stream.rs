//! Form of the stream: units, parameter sets, IDRs, slices, refusals.

use crate::config;
use crate::pictures::{noise, specimen};
use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::{AccessUnit, EncodeError, Encoder, EncoderConfig};
use nc_gpu::codec::bitstream::{self, NAL_IDR_SLICE, NAL_PPS, NAL_SLICE, NAL_SPS, Sps, VideoSignal};
use nc_gpu::codec::open_encoder;
use nc_gpu::testing::Decoder;
use proptest::prelude::*;

fn types(unit: &AccessUnit) -> Vec<u8> {
    bitstream::avcc_units(&unit.avcc).map(|nal| bitstream::nal_type(nal.unwrap()).unwrap()).collect()
}

fn open(config: EncoderConfig) -> Box<dyn Encoder> {
    open_encoder(config).unwrap()
}

fn encode_specimen(encoder: &mut dyn Encoder, config: &EncoderConfig, left: u32, idr: bool) -> AccessUnit {
    encoder.encode(&specimen(config.size, left, 0).frame(config.range), idr).unwrap()
}

#[test]
fn an_idr_comes_first_and_on_demand_and_never_otherwise() {
    let config = config(640, 360);
    let mut encoder = open(config);
    let mut decoder = Decoder::open();
    for index in 0..40 {
        let asked = index == 7 || index == 8 || index == 30;
        // A change of scene at 20 is no reason for an IDR.
        let left = if index < 20 { index * 3 } else { 900 + index };
        let unit = encode_specimen(&mut *encoder, &config, left, asked);
        assert_eq!(unit.idr, index == 0 || asked, "picture {index}");
        assert_eq!(unit.parameter_sets.is_some(), unit.idr);
        let expected: &[u8] = if unit.idr { &[NAL_SPS, NAL_PPS, NAL_IDR_SLICE, NAL_IDR_SLICE] } else { &[NAL_SLICE, NAL_SLICE] };
        assert_eq!(types(&unit), expected, "picture {index}");
        assert_eq!(decoder.decode(&unit.avcc).size, config.size);
    }
}

#[test]
fn every_idr_is_found_by_a_decoder_that_just_came() {
    let config = config(640, 360);
    let mut encoder = open(config);
    for index in 0..5 {
        encode_specimen(&mut *encoder, &config, index, false);
    }
    let unit = encode_specimen(&mut *encoder, &config, 5, true);
    assert_eq!(Decoder::open().decode(&unit.avcc).size, config.size);
}

#[test]
fn parameter_sets_stay_the_same() {
    let config = config(640, 360);
    let sets = |encoder: &mut dyn Encoder, left| encode_specimen(encoder, &config, left, true).parameter_sets.unwrap();
    let (mut one, mut other) = (open(config), open(config));
    let first = sets(&mut *one, 0);
    assert_eq!(sets(&mut *one, 40), first, "over IDRs");
    assert_eq!(sets(&mut *other, 300), first, "over encoders");
    one.set_rate(2_000_000, 30.0).unwrap();
    assert_eq!(sets(&mut *one, 41), first, "over rates");
}

#[test]
fn a_new_rate_comes_without_an_idr_and_takes_effect() {
    let config = config(640, 360);
    let mut encoder = open(config);
    let bytes = |encoder: &mut dyn Encoder, seeds: std::ops::Range<u32>| -> usize {
        let units = seeds.map(|seed| (seed, encoder.encode(&noise(config.size, seed).frame(config.range), false).unwrap()));
        units
            .map(|(seed, unit)| {
                assert_eq!(unit.idr, seed == 0);
                unit.avcc.len()
            })
            .sum()
    };
    encoder.set_rate(60_000_000, 60.0).unwrap();
    bytes(&mut *encoder, 0..20);
    let many = bytes(&mut *encoder, 20..40);
    encoder.set_rate(10_000_000, 60.0).unwrap();
    bytes(&mut *encoder, 40..60);
    let few = bytes(&mut *encoder, 60..80);
    assert!(few * 2 < many, "{few} bytes after {many}");
}

#[test]
fn slices_are_as_many_as_asked_for() {
    for slices in 1..=4 {
        let config = EncoderConfig { slices, ..config(1280, 720) };
        let mut encoder = open(config);
        let idr = encode_specimen(&mut *encoder, &config, 0, false);
        let predicted = encode_specimen(&mut *encoder, &config, 9, false);
        let count = |unit, kind| types(unit).into_iter().filter(|&nal| nal == kind).count();
        assert_eq!(count(&idr, NAL_IDR_SLICE), slices as usize);
        assert_eq!(count(&predicted, NAL_SLICE), slices as usize);
        let plural = if slices == 1 { "1 slice" } else { "slices" };
        assert!(encoder.info().description.ends_with(plural), "{}", encoder.info().description);
    }
}

#[test]
fn the_sps_says_profile_level_size_and_colours() {
    let cases = [
        (64, 64, 30.0, 500_000, 13),
        (1280, 720, 30.0, 8_000_000, 31),
        (1280, 720, 60.0, 8_000_000, 32),
        (1366, 768, 60.0, 8_000_000, 42),
        (1920, 1080, 30.0, 12_000_000, 40),
        (1920, 1080, 60.0, 12_000_000, 42),
        (2160, 3840, 30.0, 30_000_000, 51),
    ];
    for (width, height, fps, bitrate, level) in cases {
        for range in [ColorRange::Full, ColorRange::Limited] {
            let config = EncoderConfig { fps, bitrate, range, ..config(width, height) };
            let grey = crate::planes::Planes::from_fn(config.size, |_, _| 128, |_, _| [128; 2]);
            let unit = open(config).encode(&grey.frame(range), false).unwrap();
            let sets = unit.parameter_sets.unwrap();
            let sps = Sps::parse(&sets.sps).unwrap();
            let signal = VideoSignal { full_range: range == ColorRange::Full, primaries: 1, transfer: 1, matrix: 1 };
            let expected =
                Sps { profile: 66, constraints: 0xc0, level, reference_frames: 1, width, height, signal: Some(signal) };
            assert_eq!(sps, expected);
            assert_eq!(bitstream::codec_string(&sets).unwrap(), format!("avc1.42C0{level:02X}"));
            let record = bitstream::avcc_record(&sets).unwrap();
            assert_eq!(record[..6], [1, 66, 0xc0, level, 0xff, 0xe1]);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_hurts_nothing() {
    let config = config(320, 180);
    let mut encoder = open(config);
    encode_specimen(&mut *encoder, &config, 0, false);
    let mismatch = |result| assert!(matches!(result, Err(EncodeError::Mismatch { .. })), "{result:?}");
    let other = CanvasSize { width: 322, height: 180 };
    mismatch(encoder.encode(&specimen(other, 0, 0).frame(config.range), false));
    mismatch(encoder.encode(&specimen(config.size, 0, 0).frame(ColorRange::Limited), false));
    let mut short = specimen(config.size, 0, 0);
    short.v.pop();
    mismatch(encoder.encode(&short.frame(config.range), true));
    assert!(matches!(encoder.set_rate(1_000_000, f32::NAN), Err(EncodeError::Mismatch { .. })));
    assert!(!encode_specimen(&mut *encoder, &config, 2, false).idr, "goes on as if nothing had been");
}

#[test]
fn configurations_out_of_range_are_refused() {
    let base = config(320, 180);
    let size = |width, height| EncoderConfig { size: CanvasSize { width, height }, ..base };
    let bad = [
        size(321, 180),
        size(320, 0),
        size(14, 180),
        size(3842, 180),
        size(3840, 2162),
        EncoderConfig { slices: 0, ..base },
        EncoderConfig { slices: 5, ..base },
        EncoderConfig { threads: 0, ..base },
        EncoderConfig { fps: -1.0, ..base },
        EncoderConfig { fps: f32::NAN, ..base },
    ];
    for config in bad {
        assert!(matches!(open_encoder(config), Err(EncodeError::Unavailable { encoder: "openh264", .. })), "{config:?}");
    }
}

#[test]
fn the_name_of_the_encoder_says_whether_it_is_fast() {
    let description = open(config(64, 64)).info().description;
    assert_eq!(description.contains("with assembly"), nc_gpu::codec::nasm_built(), "{description}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Slices, cropping and small pictures in every combination.
    #[test]
    fn every_even_size_encodes_and_decodes(
        half_width in 8u32..350,
        half_height in 8u32..350,
        slices in 1u32..=4,
        fps in 1f32..120.0,
        bitrate in 0u32..20_000_000,
    ) {
        let config = EncoderConfig { slices, fps, bitrate, ..config(2 * half_width, 2 * half_height) };
        let mut encoder = open(config);
        let mut decoder = Decoder::open();
        for left in [0, 4, 4] {
            let unit = encode_specimen(&mut *encoder, &config, left, false);
            prop_assert_eq!(decoder.decode(&unit.avcc).size, config.size);
        }
    }
}
