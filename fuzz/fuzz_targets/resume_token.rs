//! Resume tokens: what can be read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nc_protocol::resume::DeltaToken;

fuzz_target!(|text: &str| {
    if let Ok(token) = text.parse::<DeltaToken>() {
        assert_eq!(token.to_string(), text);
    }
});
