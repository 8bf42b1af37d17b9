//! Every place does what `nc_store::place::kit` asks of places.

use crate::archive::{Style, archive};
use nc_store::place::kit::{Extra, conformance};
use nc_store::place::{Dir, Key, Memory, Place, Stop, Zip};
use std::path::Path;
use std::sync::Arc;

/// Writes objects as files.
pub fn write(folder: &Path, objects: &[(&str, &[u8])]) {
    for (key, bytes) in objects {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn zipped(objects: &[(&str, &[u8])], style: Style) -> Arc<dyn Place> {
    let bytes = archive(objects, style);
    let memory = Arc::new(Memory::new([(Key::new("x.zip").unwrap(), bytes.into())]));
    let zip = Zip::open(memory, Key::new("x.zip").unwrap(), "x.zip".to_owned(), &Stop::new());
    Arc::new(zip.unwrap().unwrap())
}

#[test]
fn directory() {
    let folder = tempfile::tempdir().unwrap();
    let make = |objects: &[(&str, &[u8])]| {
        write(folder.path(), objects);
        Arc::new(Dir::new(folder.path())) as Arc<dyn Place>
    };
    conformance(&make, &Extra { largest: 64 << 20, ..Extra::default() });
}

#[test]
fn memory() {
    let make = |objects: &[(&str, &[u8])]| {
        let objects = objects.iter().map(|(key, bytes)| (Key::new(key).unwrap(), bytes.to_vec().into()));
        Arc::new(Memory::new(objects)) as Arc<dyn Place>
    };
    conformance(&make, &Extra { largest: 64 << 20, ..Extra::default() });
}

#[test]
fn zip_stored() {
    for style in [Style::default(), Style { zip64: true, local_extra: 300, before: b"before", ..Style::default() }] {
        conformance(&|objects| zipped(objects, style), &Extra { largest: 64 << 20, ..Extra::default() });
    }
}

#[test]
fn zip_deflated() {
    for method in [8, 93] {
        conformance(
            &|objects| zipped(objects, Style { method, ..Style::default() }),
            &Extra { largest: 4 << 20, ..Extra::default() },
        );
    }
}
