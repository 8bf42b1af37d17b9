//! The corpora of `fuzz/`, replayed: no parser may panic, and what can be read can be written and read again.

use nc_protocol::pixel::{HEADER_LEN, Header};
use nc_protocol::resume::DeltaToken;
use nc_protocol::validate::{Conversation, Dialect};
use nc_protocol::{Inbound, ServerFrame, classify, validate};
use std::path::Path;

/// Every file of a corpus. An empty corpus is a mistake.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!files.is_empty(), "{name}");
    files
}

#[test]
fn envelopes() {
    let mut understood = 0;
    for bytes in corpus("envelope") {
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        understood += usize::from(!matches!(classify(text), Inbound::Ignored(_)));
    }
    assert!(understood > 3, "the corpus holds messages that mean something");
}

#[test]
fn payloads() {
    let mut valid = 0;
    for bytes in corpus("payload") {
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let parsed = ServerFrame::parse(text);
        for compact in [false, true] {
            let judged = validate::outgoing_in(Dialect { compact }, text);
            assert!(parsed.is_ok() || judged.is_err(), "valid but unreadable: {text}");
            valid += usize::from(judged.is_ok());
        }
    }
    assert!(valid > 30, "the corpus holds valid frames");
}

/// As the fuzz target reads conversations: a line of the client starts with a space.
#[test]
fn conversations() {
    let mut longest = 0;
    for bytes in corpus("payload") {
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let mut conversation = Conversation::default();
        let valid = text.lines().take_while(|line| match line.strip_prefix(' ') {
            Some(said) => {
                conversation.heard(said);
                true
            }
            None => conversation.next(line).is_ok(),
        });
        longest = longest.max(valid.count());
    }
    assert!(longest > 12, "the corpus holds a conversation that is right to its end");
}

#[test]
fn pixel_headers() {
    for bytes in corpus("pixel_header") {
        if let Ok((header, payload)) = Header::decode(&bytes) {
            assert_eq!(header.encode(), bytes[..HEADER_LEN]);
            assert_eq!(payload, &bytes[HEADER_LEN..]);
        }
    }
}

#[test]
fn resume_tokens() {
    for bytes in corpus("resume_token") {
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if let Ok(token) = text.parse::<DeltaToken>() {
            assert_eq!(token.to_string(), text);
        }
    }
}
