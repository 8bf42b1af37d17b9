//! Packets: what can be read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nc_protocol::pixel::{HEADER_LEN, Header};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, payload)) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes[..HEADER_LEN]);
        assert_eq!(payload, &bytes[HEADER_LEN..]);
    }
});
