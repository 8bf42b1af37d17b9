//! How to decode the pixel channel (PROTOCOL §§5.5, 10.4).

use crate::pixel::IDR_SPACING;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nc_engine::api::{ParameterSets, StreamConfig};
use nc_protocol::notify::{LatencyPolicy, Stream};

/// Why parameter sets make no decoder configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("the SPS has {0} bytes, too few for profile and level")]
    ShortSps(usize),
    #[error("a parameter set of {0} bytes does not fit a 16-bit length")]
    Long(usize),
    #[error("the PPS is empty")]
    NoPps,
}

/// The payload of `notify.stream`.
pub(crate) fn stream(config: &StreamConfig) -> Result<Stream, StreamError> {
    Ok(Stream {
        codec: "h264".to_owned(),
        format: "avcc".to_owned(),
        fps: f64::from(config.fps),
        frame_size: [config.size.width, config.size.height],
        nal_length_size: 4,
        avcc: STANDARD.encode(configuration_record(&config.parameter_sets)?),
        latency_policy: LatencyPolicy { max_buffer_ms: 120.0, grace_keyframe_ms: 1e3 * IDR_SPACING.as_secs_f64() },
        vt_hint: None,
    })
}

/// AVCDecoderConfigurationRecord (ISO/IEC 14496-15) with one SPS, one PPS and 4-byte lengths.
fn configuration_record(sets: &ParameterSets) -> Result<Vec<u8>, StreamError> {
    let length = |set: &[u8]| u16::try_from(set.len()).map_err(|_| StreamError::Long(set.len()));
    let &[_, profile, compatibility, level, ..] = &*sets.sps else {
        return Err(StreamError::ShortSps(sets.sps.len()));
    };
    if sets.pps.is_empty() {
        return Err(StreamError::NoPps);
    }
    let mut record = vec![1, profile, compatibility, level, 0xff, 0xe1];
    record.extend(length(&sets.sps)?.to_be_bytes());
    record.extend(&sets.sps);
    record.push(1);
    record.extend(length(&sets.pps)?.to_be_bytes());
    record.extend(&sets.pps);
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of the example in PROTOCOL §5.5, taken apart and put together again.
    #[test]
    fn record_of_the_specification() {
        let record = STANDARD.decode("AULAHv/hABhnQsAe2gKAv+WEAAADAAQAAAMA8jxYuoABAARozg/I").unwrap();
        let (sps, pps) = (record[8..32].to_vec(), record[35..].to_vec());
        assert_eq!((sps[0] & 0x1f, pps[0] & 0x1f), (7, 8));
        assert_eq!(configuration_record(&ParameterSets { sps, pps }), Ok(record));
    }

    #[test]
    fn impossible_parameter_sets_are_refused() {
        let of = |sps: &[u8], pps: &[u8]| configuration_record(&ParameterSets { sps: sps.to_vec(), pps: pps.to_vec() });
        assert_eq!(of(&[0x67, 66], &[0x68]), Err(StreamError::ShortSps(2)));
        assert_eq!(of(&[0x67, 66, 0xc0, 30], &[]), Err(StreamError::NoPps));
        assert_eq!(of(&[0x67; 70_000], &[0x68]), Err(StreamError::Long(70_000)));
    }
}
