//! What servers send: the strict validator and the reader agree, whatever the text, in both dialects and inside a conversation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nc_protocol::ServerFrame;
use nc_protocol::validate::{Conversation, Dialect, outgoing_in};

fuzz_target!(|text: &str| {
    let parsed = ServerFrame::parse(text);
    let judged = [false, true].map(|compact| outgoing_in(Dialect { compact }, text));
    assert!(parsed.is_ok() || judged.iter().all(Result::is_err));
    // A line of the client starts with a space.
    let mut conversation = Conversation::default();
    for line in text.lines() {
        match line.strip_prefix(' ') {
            Some(said) => conversation.heard(said),
            None => drop(conversation.next(line)),
        }
    }
});
