//! The corpus of the fuzz target `intent`, replayed: any words against a real ledger.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

#[path = "../../../fuzz/programs/intent.rs"]
mod program;

use std::path::Path;

#[test]
fn intents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/intent");
    let (mut accepted, mut refused) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        program::run(text, |answer| if answer.is_ok() { accepted += 1 } else { refused += 1 });
    }
    assert!(
        accepted > 30 && refused > 30,
        "{accepted} accepted, {refused} refused: the corpus asks for things that exist and others"
    );
}
