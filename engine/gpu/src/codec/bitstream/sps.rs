//! A reader for the sequence parameter set: as far as size, level and colour description.

use super::{BitstreamError, NAL_SPS, nal_type};

/// What a sequence parameter set says of the stream (clause 7.3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`: 66 is Baseline, 77 Main, 100 High.
    pub profile: u8,
    /// The byte of `constraint_set0_flag` (most significant bit) to `constraint_set5_flag`.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// `max_num_ref_frames`.
    pub reference_frames: u32,
    /// Columns after cropping.
    pub width: u32,
    /// Rows after cropping.
    pub height: u32,
    /// `video_signal_type`, if the VUI carries it.
    pub signal: Option<VideoSignal>,
}

/// Colour description of the VUI (clause E.2.1). 2 means unspecified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoSignal {
    /// `video_full_range_flag`.
    pub full_range: bool,
    /// `colour_primaries`; 1 is BT.709.
    pub primaries: u8,
    /// `transfer_characteristics`; 1 is BT.709.
    pub transfer: u8,
    /// `matrix_coefficients`; 1 is BT.709.
    pub matrix: u8,
}

/// `aspect_ratio_idc` of an aspect ratio that is written out.
const EXTENDED_SAR: u32 = 255;

impl Sps {
    /// Reads an SPS NAL unit that starts with its header.
    ///
    /// # Errors
    /// [`BitstreamError`] if it is no SPS, ends too early, or holds values that the standard forbids.
    pub fn parse(nal: &[u8]) -> Result<Self, BitstreamError> {
        if nal_type(nal) != Some(NAL_SPS) {
            return Err(BitstreamError::Invalid("SPS NAL header"));
        }
        let rbsp = without_emulation_prevention(nal.get(1..).unwrap_or_default());
        let mut bits = BitReader { bytes: &rbsp, at: 0 };
        let profile = bits.byte()?;
        let constraints = bits.byte()?;
        let level = bits.byte()?;
        bits.exp_golomb()?; // seq_parameter_set_id
        let chroma_format = if has_chroma_format(profile) { skip_high_profile_fields(&mut bits)? } else { 1 };
        bits.exp_golomb()?; // log2_max_frame_num_minus4
        skip_picture_order_count(&mut bits)?;
        let reference_frames = bits.exp_golomb()?;
        bits.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width_in_blocks = u64::from(bits.exp_golomb()?) + 1;
        let height_in_units = u64::from(bits.exp_golomb()?) + 1;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.flag()?; // mb_adaptive_frame_field_flag
        }
        bits.flag()?; // direct_8x8_inference_flag
        let rows_per_unit = if frames_only { 1 } else { 2 };
        let mut width = width_in_blocks * 16;
        let mut height = height_in_units * 16 * rows_per_unit;
        if bits.flag()? {
            // Cropping counts in chroma samples of a frame or field (equations 7-19 to 7-22).
            let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
            let unit_y = if chroma_format == 1 { 2 } else { 1 } * rows_per_unit;
            let mut crop = |unit: u64| -> Result<u64, BitstreamError> {
                Ok((u64::from(bits.exp_golomb()?) + u64::from(bits.exp_golomb()?)) * unit)
            };
            let (crop_x, crop_y) = (crop(unit_x)?, crop(unit_y)?);
            width = width.checked_sub(crop_x).ok_or(BitstreamError::Invalid("cropping"))?;
            height = height.checked_sub(crop_y).ok_or(BitstreamError::Invalid("cropping"))?;
        }
        let size = |samples: u64| match u32::try_from(samples) {
            Ok(samples) if samples > 0 => Ok(samples),
            _ => Err(BitstreamError::Invalid("picture size")),
        };
        let (width, height) = (size(width)?, size(height)?);
        let signal = if bits.flag()? { read_video_signal(&mut bits)? } else { None };
        Ok(Self { profile, constraints, level, reference_frames, width, height, signal })
    }
}

/// Whether the SPS of this profile carries `chroma_format_idc` and what follows it.
fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Reads `chroma_format_idc` and passes over bit depths and scaling lists.
fn skip_high_profile_fields(bits: &mut BitReader<'_>) -> Result<u32, BitstreamError> {
    let chroma_format = bits.exp_golomb()?;
    if chroma_format > 3 {
        return Err(BitstreamError::Invalid("chroma_format_idc"));
    }
    if chroma_format == 3 {
        bits.flag()?; // separate_colour_plane_flag
    }
    bits.exp_golomb()?; // bit_depth_luma_minus8
    bits.exp_golomb()?; // bit_depth_chroma_minus8
    bits.flag()?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        let lists = if chroma_format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(chroma_format)
}

/// Clause 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut BitReader<'_>, entries: u32) -> Result<(), BitstreamError> {
    let mut next = 8i64;
    for _ in 0..entries {
        if next == 0 {
            break;
        }
        let delta = bits.signed_exp_golomb()?;
        if !(-128..=127).contains(&delta) {
            return Err(BitstreamError::Invalid("delta_scale"));
        }
        next = (next + delta).rem_euclid(256);
    }
    Ok(())
}

fn skip_picture_order_count(bits: &mut BitReader<'_>) -> Result<(), BitstreamError> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.flag()?; // delta_pic_order_always_zero_flag
            bits.exp_golomb()?; // offset_for_non_ref_pic
            bits.exp_golomb()?; // offset_for_top_to_bottom_field
            let offsets = bits.exp_golomb()?;
            if offsets > 255 {
                return Err(BitstreamError::Invalid("num_ref_frames_in_pic_order_cnt_cycle"));
            }
            for _ in 0..offsets {
                bits.exp_golomb()?;
            }
        }
        2 => {}
        _ => return Err(BitstreamError::Invalid("pic_order_cnt_type")),
    }
    Ok(())
}

/// The start of the VUI (clause E.1.1), up to the colour description.
fn read_video_signal(bits: &mut BitReader<'_>) -> Result<Option<VideoSignal>, BitstreamError> {
    if bits.flag()? && bits.take(8)? == EXTENDED_SAR {
        bits.take(32)?; // sar_width, sar_height
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if !bits.flag()? {
        return Ok(None);
    }
    bits.take(3)?; // video_format
    let full_range = bits.flag()?;
    let [primaries, transfer, matrix] = if bits.flag()? { [bits.byte()?, bits.byte()?, bits.byte()?] } else { [2; 3] };
    Ok(Some(VideoSignal { full_range, primaries, transfer, matrix }))
}

/// Drops each 03 behind two zeros (clause 7.3.1).
fn without_emulation_prevention(payload: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// Bits of an RBSP, most significant first.
struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits already read.
    at: usize,
}

impl BitReader<'_> {
    fn flag(&mut self) -> Result<bool, BitstreamError> {
        let byte = self.bytes.get(self.at / 8).ok_or(BitstreamError::Truncated("an SPS"))?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Up to 32 bits.
    fn take(&mut self, count: u32) -> Result<u32, BitstreamError> {
        (0..count).try_fold(0u32, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    fn byte(&mut self) -> Result<u8, BitstreamError> {
        (0..8).try_fold(0u8, |value, _| Ok(value << 1 | u8::from(self.flag()?)))
    }

    /// `ue(v)` (clause 9.1), up to 2^32 - 2.
    fn exp_golomb(&mut self) -> Result<u32, BitstreamError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(BitstreamError::Invalid("Exp-Golomb code"));
            }
        }
        let suffix = self.take(zeros)?;
        Ok((1u32 << zeros) - 1 + suffix)
    }

    /// `se(v)` (clause 9.1.1).
    fn signed_exp_golomb(&mut self) -> Result<i64, BitstreamError> {
        let code = i64::from(self.exp_golomb()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SPS of the example in PROTOCOL §5.5 (640x360, Baseline 3.0, no colour description).
    const PROTOCOL_EXAMPLE: [u8; 24] = [
        0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf2,
        0x3c, 0x58, 0xba, 0x80,
    ];

    #[test]
    fn reads_size_and_level() {
        let sps = Sps::parse(&PROTOCOL_EXAMPLE).unwrap();
        assert_eq!((sps.profile, sps.constraints, sps.level), (66, 0xc0, 30));
        assert_eq!((sps.width, sps.height), (640, 360));
        assert_eq!(sps.signal, None);
    }

    #[test]
    fn every_shorter_prefix_is_an_error_until_the_colour_description() {
        let whole = Sps::parse(&PROTOCOL_EXAMPLE).unwrap();
        for length in 0..PROTOCOL_EXAMPLE.len() {
            match Sps::parse(&PROTOCOL_EXAMPLE[..length]) {
                Ok(sps) => assert_eq!(sps, whole),
                Err(error) => assert!(length < 12, "{length}: {error}"),
            }
        }
    }

    #[test]
    fn exp_golomb_codes() {
        // 1 010 011 00100 00101, padded.
        let mut bits = BitReader { bytes: &[0b1010_0110, 0b0100_0010, 0b1000_0000], at: 0 };
        assert_eq!((0..5).map(|_| bits.exp_golomb().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut bits = BitReader { bytes: &[0b0100_1100, 0b1000_0101], at: 0 };
        assert_eq!((0..4).map(|_| bits.signed_exp_golomb().unwrap()).collect::<Vec<_>>(), [1, -1, 2, -2]);
        assert_eq!(BitReader { bytes: &[0; 8], at: 0 }.exp_golomb(), Err(BitstreamError::Invalid("Exp-Golomb code")));
    }
}
