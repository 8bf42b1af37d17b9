//! What the tests of this module share.

use nc_engine::api::Packet;
use nc_engine::api::data::CanvasSize;
use nc_engine::api::scene::OpSeq;
use std::time::{Duration, UNIX_EPOCH};

/// An access unit of so many bytes.
pub(super) fn packet(idr: bool, bytes: usize) -> Packet {
    Packet {
        avcc: vec![7; bytes].into(),
        idr,
        size: CanvasSize { width: 64, height: 32 },
        wall: UNIX_EPOCH + Duration::from_millis(1500),
        flip: true,
        op: OpSeq(0),
        ops: Vec::new(),
    }
}
