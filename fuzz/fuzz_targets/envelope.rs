//! What clients send: any text has a meaning, if only "ignored".
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = nc_protocol::classify(text);
});
