use super::super::Span;
use super::*;
use crate::place::archive::{Style, archive};
use std::fs;

fn find(text: &str) -> Result<Spot, OpenError> {
    Places::new(PlaceOptions::default()).find(&Location::parse(text)?)
}

/// The bytes of `zarr.json` where `text` points.
fn read(text: &str) -> String {
    let spot = find(text).unwrap();
    let mut bytes = Vec::new();
    spot.place.read_into(&spot.key.join("zarr.json").unwrap(), &Span::Whole, &Stop::new(), &mut bytes).unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn folders_archives_and_what_lies_inside_them() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    let at = |name: &str| top.join(name).to_str().unwrap().to_owned();
    write(&top.join("a.zarr/zarr.json"), b"image");
    write(&top.join("b#1.zarr/zarr.json"), b"hash");
    write(&top.join("flat.zip"), &archive(&[("zarr.json", b"flat"), ("in/zarr.json", b"inner")], Style::default()));
    write(&top.join("packed.ozx"), &archive(&[("i.zarr/zarr.json", b"packed"), ("i.zarr/c/0", b"")], Style::default()));
    for (text, expected) in [
        (at("a.zarr"), "image"),
        (at("a.zarr#2"), "image"),
        (format!("file://{}", at("a.zarr/")), "image"),
        (at("b#1.zarr"), "hash"),
        (at("flat.zip"), "flat"),
        (at("flat.zip/in#3"), "inner"),
        (at("packed.ozx"), "packed"),
        (at("packed.ozx/i.zarr"), "packed"),
    ] {
        assert_eq!(read(&text), expected, "{text}");
    }
    assert_eq!(find(&at("a.zarr#2")).unwrap().pick.as_deref(), Some("2"));
    assert_eq!(find(&at("b#1.zarr")).unwrap().pick, None, "it is a name");
    let spot = find(&at("flat.zip/in")).unwrap();
    assert_eq!((spot.name, spot.place.redacted(), spot.key.as_str()), (at("flat.zip/in"), at("flat.zip").as_str(), "in"));
    for missing in ["none", "none.zip/x", "a.zarr/zarr.json/x", "flat.zip/none"] {
        assert!(matches!(find(&at(missing)), Err(OpenError::Missing { .. })), "{missing}");
    }
    assert!(matches!(find(&at("a.zarr/zarr.json")), Err(OpenError::NotADirectory { .. })));
    write(&top.join("no.zip"), b"text");
    assert!(find(&at("no.zip")).unwrap_err().to_string().contains("no zip archive"));
}

#[test]
fn remote_places_keep_what_nobody_may_see_out_of_keys() {
    let spot = find("s3://bucket/private/plate.zarr/B/3/0#1").unwrap();
    assert_eq!((spot.place.redacted(), spot.key.as_str()), ("s3 …", "plate.zarr/B/3/0"));
    assert_eq!((spot.name.as_str(), spot.pick.as_deref()), ("s3 …/plate.zarr/B/3/0", Some("1")));
    let told = format!("{spot:?} {:?}", Places::new(PlaceOptions::default()));
    assert!(!told.contains("private") && !told.contains("bucket"), "{told}");
}

#[test]
fn a_field_is_found_as_a_part_of_its_plate() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    for name in ["p.zarr/.zattrs", "p.zarr/B/3/.zattrs", "p.zarr/B/3/0/.zattrs"] {
        write(&top.join(name), b"{}");
    }
    let text = top.join("p.zarr/B/3/0").to_str().unwrap().to_owned();
    let spot = find(&text).unwrap();
    assert_eq!((spot.key.as_str(), spot.place.redacted()), ("B/3/0", top.join("p.zarr").to_str().unwrap()));
    assert_eq!(spot.name, text);
    // Who may know of nothing above the well does not.
    let confined = Location::parse(&text).unwrap().below(&top.join("p.zarr/B/3"));
    let spot = Places::new(PlaceOptions::default()).find(&confined).unwrap();
    assert_eq!(spot.key.as_str(), "0");
    assert_eq!(find(top.join("p.zarr").to_str().unwrap()).unwrap().key, Key::root());
}
