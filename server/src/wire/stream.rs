//! How to decode the pixel channel (PROTOCOL §§5.5, 10.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nc_engine::KEYFRAME_GRACE;
use nc_engine::api::{BitstreamError, StreamConfig, avcc_record};
use nc_protocol::notify::{LatencyPolicy, Stream};

/// The payload of `notify.stream`.
pub(crate) fn stream(config: &StreamConfig) -> Result<Stream, BitstreamError> {
    Ok(Stream {
        codec: "h264".to_owned(),
        format: "avcc".to_owned(),
        fps: f64::from(config.fps),
        frame_size: [config.size.width, config.size.height],
        nal_length_size: 4,
        avcc: STANDARD.encode(avcc_record(&config.parameter_sets)?),
        latency_policy: LatencyPolicy { max_buffer_ms: 120.0, grace_keyframe_ms: 1e3 * KEYFRAME_GRACE.as_secs_f64() },
        vt_hint: None,
    })
}
