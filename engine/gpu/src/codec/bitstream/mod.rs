//! H.264 byte streams: Annex B and AVCC, parameter sets, the avcC record and the codec string.
//!
//! Pure: bytes in, bytes out. Accepts any bytes without a panic. Knows no encoder and no socket. Clauses are those of
//! ITU-T H.264 (08/2021) and ISO/IEC 14496-15.

mod sps;

pub use sps::{Sps, VideoSignal};

use crate::api::ParameterSets;

/// `nal_unit_type` of a slice of a non-IDR picture.
pub const NAL_SLICE: u8 = 1;
/// `nal_unit_type` of a slice of an IDR picture.
pub const NAL_IDR_SLICE: u8 = 5;
/// `nal_unit_type` of a sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub const NAL_PPS: u8 = 8;

/// Why bytes are not what they were taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BitstreamError {
    /// The bytes end inside a length, a unit or a field.
    #[error("bitstream ends inside {0}")]
    Truncated(&'static str),
    /// A value that the standard forbids.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// More bytes than the length field can say.
    #[error("{what} of {bytes} bytes is too long")]
    TooLong {
        /// What was too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
}

/// The `nal_unit_type` of a NAL unit that starts with its header; `None` if empty.
pub fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|header| header & 0x1f)
}

/// Offset of the next `00 00 01` at or after `from`.
fn find_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    // `at` is where the 01 would be. A byte above 1 rules out the two places after it as well.
    let mut at = from + 2;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0 => at += 1,
            1 if bytes.get(at - 2..at) == Some(&[0, 0]) => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

/// NAL units of an Annex B byte stream, without start codes and trailing zero bytes (clause B.1). Bytes before the first start
/// code and empty units are left out.
#[derive(Debug, Clone)]
pub struct AnnexBUnits<'a> {
    bytes: &'a [u8],
    /// Just behind the last start code found, if one was found.
    at: Option<usize>,
}

/// Iterates over the NAL units of an Annex B byte stream.
pub fn annex_b_units(bytes: &[u8]) -> AnnexBUnits<'_> {
    AnnexBUnits { bytes, at: find_start_code(bytes, 0).map(|code| code + 3) }
}

impl<'a> Iterator for AnnexBUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(start) = self.at {
            let next = find_start_code(self.bytes, start);
            self.at = next.map(|code| code + 3);
            let unit = self.bytes.get(start..next.unwrap_or(self.bytes.len()))?;
            let length = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return unit.get(..length);
            }
        }
        None
    }
}

/// NAL units of an AVCC access unit with 4-byte lengths. An error ends the iteration.
#[derive(Debug, Clone)]
pub struct AvccUnits<'a> {
    rest: &'a [u8],
}

/// Iterates over the NAL units of an AVCC access unit.
pub fn avcc_units(bytes: &[u8]) -> AvccUnits<'_> {
    AvccUnits { rest: bytes }
}

impl<'a> Iterator for AvccUnits<'a> {
    type Item = Result<&'a [u8], BitstreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let Some((length, rest)) = rest.split_first_chunk() else {
            return Some(Err(BitstreamError::Truncated("a NAL unit length")));
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((unit, rest)) = rest.split_at_checked(length) else {
            return Some(Err(BitstreamError::Truncated("a NAL unit")));
        };
        self.rest = rest;
        Some(Ok(unit))
    }
}

/// Appends the NAL units of an Annex B byte stream to an AVCC access unit.
///
/// A unit of one byte (an end of sequence) never comes first: `00 00 00 01` is what receivers recognise Annex B by
/// (PROTOCOL §10.2), and in front of a picture such a unit says nothing.
///
/// # Errors
/// [`BitstreamError::TooLong`] for a unit of 4 GiB or more; `avcc` then holds the units before it.
pub fn append_as_avcc(annex_b: &[u8], avcc: &mut Vec<u8>) -> Result<(), BitstreamError> {
    for unit in annex_b_units(annex_b) {
        if avcc.is_empty() && unit.len() == 1 {
            continue;
        }
        let length = u32::try_from(unit.len()).map_err(|_| BitstreamError::TooLong { what: "a NAL unit", bytes: unit.len() })?;
        avcc.extend_from_slice(&length.to_be_bytes());
        avcc.extend_from_slice(unit);
    }
    Ok(())
}

/// The first SPS and the first PPS of an AVCC access unit; `None` if one of them is missing.
///
/// # Errors
/// [`BitstreamError::Truncated`] if the access unit ends too early.
pub fn parameter_sets(avcc: &[u8]) -> Result<Option<ParameterSets>, BitstreamError> {
    let (mut sps, mut pps) = (None, None);
    for unit in avcc_units(avcc) {
        let unit = unit?;
        match nal_type(unit) {
            Some(NAL_SPS) if sps.is_none() => sps = Some(unit.to_vec()),
            Some(NAL_PPS) if pps.is_none() => pps = Some(unit.to_vec()),
            _ => {}
        }
    }
    Ok(sps.zip(pps).map(|(sps, pps)| ParameterSets { sps, pps }))
}

/// Profile, constraint flags and level: the three bytes behind the SPS's NAL header.
fn profile_bytes(sps: &[u8]) -> Result<[u8; 3], BitstreamError> {
    match sps {
        [header, profile, constraints, level, ..] if header & 0x1f == NAL_SPS => Ok([*profile, *constraints, *level]),
        [header, ..] if header & 0x1f != NAL_SPS => Err(BitstreamError::Invalid("SPS NAL header")),
        _ => Err(BitstreamError::Truncated("an SPS")),
    }
}

/// The `AVCDecoderConfigurationRecord` of one SPS and one PPS with 4-byte NAL lengths (PROTOCOL §10.4).
///
/// # Errors
/// [`BitstreamError`] if the SPS is not one or a set is longer than 65535 bytes.
pub fn avcc_record(sets: &ParameterSets) -> Result<Vec<u8>, BitstreamError> {
    let [profile, constraints, level] = profile_bytes(&sets.sps)?;
    let length = |what, set: &[u8]| {
        u16::try_from(set.len()).map(u16::to_be_bytes).map_err(|_| BitstreamError::TooLong { what, bytes: set.len() })
    };
    let mut record = Vec::with_capacity(11 + sets.sps.len() + sets.pps.len());
    // Version 1; six reserved bits and lengthSizeMinusOne = 3; three reserved bits and one SPS.
    record.extend_from_slice(&[1, profile, constraints, level, 0xff, 0xe1]);
    record.extend_from_slice(&length("an SPS", &sets.sps)?);
    record.extend_from_slice(&sets.sps);
    record.push(1);
    record.extend_from_slice(&length("a PPS", &sets.pps)?);
    record.extend_from_slice(&sets.pps);
    Ok(record)
}

/// The codec string for WebCodecs and MIME types: `avc1.` and profile, constraint flags and level in hexadecimal (RFC 6381).
///
/// # Errors
/// [`BitstreamError`] if the SPS is not one.
pub fn codec_string(sets: &ParameterSets) -> Result<String, BitstreamError> {
    let [profile, constraints, level] = profile_bytes(&sets.sps)?;
    Ok(format!("avc1.{profile:02X}{constraints:02X}{level:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Emulation prevention (clause 7.4.1.1) behind a NAL header, ending in a byte that is not zero.
    fn nal_of(header: u8, payload: &[u8]) -> Vec<u8> {
        let mut nal = vec![header | 1];
        let mut zeros = 0;
        for &byte in payload.iter().chain(&[0x80]) {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            nal.push(byte);
            zeros = if byte == 0 { zeros + 1 } else { 0 };
        }
        nal
    }

    /// Bytes that hit start codes often.
    fn sparse_bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![4 => Just(0u8), 2 => Just(1u8), 1 => Just(3u8), 1 => any::<u8>()], 0..max)
    }

    proptest! {
        #[test]
        fn annex_b_to_avcc_keeps_every_unit(
            units in vec((any::<u8>(), sparse_bytes(40)), 0..6),
            leading_zeros in 0usize..3,
            long_codes in vec(any::<bool>(), 6),
        ) {
            let units: Vec<Vec<u8>> = units.iter().map(|(header, payload)| nal_of(*header, payload)).collect();
            let mut annex_b = vec![0; leading_zeros];
            for (unit, long) in units.iter().zip(&long_codes) {
                annex_b.extend_from_slice(if *long { &[0, 0, 0, 1] } else { &[0, 0, 1] });
                annex_b.extend_from_slice(unit);
            }
            prop_assert_eq!(annex_b_units(&annex_b).map(<[u8]>::to_vec).collect::<Vec<_>>(), units.clone());
            let mut avcc = Vec::new();
            append_as_avcc(&annex_b, &mut avcc).unwrap();
            let back: Vec<Vec<u8>> = avcc_units(&avcc).map(|unit| unit.unwrap().to_vec()).collect();
            prop_assert_eq!(back, units);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop_oneof![sparse_bytes(200), vec(any::<u8>(), 0..200)]) {
            for unit in annex_b_units(&bytes) {
                prop_assert!(!unit.is_empty());
                prop_assert!(find_start_code(unit, 0).is_none());
                prop_assert_ne!(unit.last(), Some(&0));
            }
            let mut avcc = Vec::new();
            append_as_avcc(&bytes, &mut avcc).unwrap();
            prop_assert!(!avcc.starts_with(&[0, 0, 0, 1]));
            prop_assert!(avcc_units(&avcc).all(|unit| unit.is_ok()));
            let errors = avcc_units(&bytes).filter(Result::is_err).count();
            prop_assert!(errors <= 1, "an error ends the iteration");
            let _ = parameter_sets(&bytes);
            let _ = Sps::parse(&bytes);
            let sets = ParameterSets { sps: bytes.clone(), pps: bytes };
            prop_assert_eq!(avcc_record(&sets).is_ok(), codec_string(&sets).is_ok());
        }

        #[test]
        fn a_start_code_is_found_where_a_plain_search_finds_it(bytes in sparse_bytes(60), from in 0usize..70) {
            let plain = bytes.windows(3).enumerate().find(|(at, window)| *at >= from && window == &[0, 0, 1]);
            prop_assert_eq!(find_start_code(&bytes, from), plain.map(|(at, _)| at));
        }
    }

    #[test]
    fn a_one_byte_unit_is_never_first() {
        let mut avcc = Vec::new();
        append_as_avcc(&[0, 0, 1, 0x0b, 0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x0a], &mut avcc).unwrap();
        assert_eq!(avcc, [0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 1, 0x0a]);
    }

    #[test]
    fn record_and_codec_string_are_those_of_the_protocol() {
        let sets = ParameterSets { sps: vec![0x67, 0x42, 0xc0, 0x1e, 0xda], pps: vec![0x68, 0xce, 0x0f, 0xc8] };
        assert_eq!(codec_string(&sets).unwrap(), "avc1.42C01E");
        assert_eq!(
            avcc_record(&sets).unwrap(),
            [1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 5, 0x67, 0x42, 0xc0, 0x1e, 0xda, 1, 0, 4, 0x68, 0xce, 0x0f, 0xc8]
        );
        let swapped = ParameterSets { sps: sets.pps.clone(), pps: sets.sps.clone() };
        assert_eq!(avcc_record(&swapped), Err(BitstreamError::Invalid("SPS NAL header")));
        let short = ParameterSets { sps: vec![0x67, 0x42], pps: vec![] };
        assert_eq!(codec_string(&short), Err(BitstreamError::Truncated("an SPS")));
        let long = ParameterSets { sps: vec![0x67; 70_000], pps: vec![] };
        assert_eq!(avcc_record(&long), Err(BitstreamError::TooLong { what: "an SPS", bytes: 70_000 }));
    }

    #[test]
    fn truncated_avcc_is_an_error() {
        let units: Vec<_> = avcc_units(&[0, 0, 0, 1, 9, 0, 0, 0, 5, 1, 2]).collect();
        assert_eq!(units, [Ok(&[9u8][..]), Err(BitstreamError::Truncated("a NAL unit"))]);
        assert_eq!(parameter_sets(&[0, 0]), Err(BitstreamError::Truncated("a NAL unit length")));
        assert_eq!(parameter_sets(&[0, 0, 0, 1, 0x67]), Ok(None));
    }
}
