//! The 24-byte header in front of every access unit on the pixel channel (PROTOCOL §10.1), network byte order.

/// Bytes of a header.
pub const HEADER_LEN: usize = 24;

const KEYFRAME: u8 = 1 << 0;
const FLIP: u8 = 1 << 1;

/// What is known of an access unit without decoding it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// One more than the packet before, wraps.
    pub seq: u32,
    /// Server wall clock, seconds since the Unix epoch, when the access unit was ready.
    pub timestamp: f64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How it is coded.
    pub codec: Codec,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// Extension, only on bound sockets: the picture is y-up and must be turned over for display.
    pub flip: bool,
}

/// Codec of the pixel channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// H.264.
    H264 = 1,
    /// HEVC.
    Hevc = 2,
    /// AV1.
    Av1 = 3,
}

/// Why a message of the pixel channel is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Shorter than a header.
    #[error("{0} bytes are fewer than a header's {HEADER_LEN}")]
    Short(usize),
    /// Unknown codec number.
    #[error("codec {0} is unknown")]
    Codec(u8),
    /// Unknown flag bits, or the reserved field is not zero.
    #[error("reserved bits are set")]
    Reserved,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.seq.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.width.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.height.to_be_bytes());
        bytes[20] = self.codec as u8;
        bytes[21] = if self.keyframe { KEYFRAME } else { 0 } | if self.flip { FLIP } else { 0 };
        bytes
    }

    /// Splits a message into header and access unit.
    ///
    /// # Errors
    /// When the message is too short, or names a codec or a bit that this version does not define.
    pub fn decode(message: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let Some((&bytes, payload)) = message.split_first_chunk::<HEADER_LEN>() else {
            return Err(HeaderError::Short(message.len()));
        };
        let [s0, s1, s2, s3, t0, t1, t2, t3, t4, t5, t6, t7, w0, w1, w2, w3, h0, h1, h2, h3, codec, flags, r0, r1] = bytes;
        let codec = match codec {
            1 => Codec::H264,
            2 => Codec::Hevc,
            3 => Codec::Av1,
            other => return Err(HeaderError::Codec(other)),
        };
        if flags & !(KEYFRAME | FLIP) != 0 || (r0, r1) != (0, 0) {
            return Err(HeaderError::Reserved);
        }
        let header = Self {
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            timestamp: f64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            width: u32::from_be_bytes([w0, w1, w2, w3]),
            height: u32::from_be_bytes([h0, h1, h2, h3]),
            codec,
            keyframe: flags & KEYFRAME != 0,
            flip: flags & FLIP != 0,
        };
        Ok((header, payload))
    }
}
