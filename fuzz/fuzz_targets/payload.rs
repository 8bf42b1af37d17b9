//! What servers send: the strict validator and the reader agree, whatever the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nc_protocol::{ServerFrame, validate};

fuzz_target!(|text: &str| {
    let parsed = ServerFrame::parse(text);
    let judged = validate::outgoing(text);
    assert!(parsed.is_ok() || judged.is_err());
    let _ = validate::Conversation::default().next(text);
});
