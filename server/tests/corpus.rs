//! The corpus of the fuzz target `session`, replayed: clients who say anything and come back, of a server without sockets.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

#[path = "../../fuzz/programs/session.rs"]
mod program;

use std::path::Path;

#[test]
fn sessions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/session");
    let mut frames = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        frames += std::str::from_utf8(&bytes).map_or(0, program::run);
    }
    assert!(frames > 100, "{frames}: the corpus holds sessions");
}
