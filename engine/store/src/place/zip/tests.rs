use super::super::Memory;
use super::*;
use crate::place::archive::{Style, archive};
use proptest::prelude::*;

const ENTRIES: &[(&str, &[u8])] = &[
    ("folder/", b""),
    ("folder/zarr.json", b"{}"),
    ("folder/c/0", b"abcdefghij"),
    ("folder/empty", b""),
    ("folder\\windows", b"backslash"),
    ("../outside", b"no"),
    ("folder//double", b"no"),
];

fn place(bytes: Vec<u8>) -> Arc<dyn Place> {
    Arc::new(Memory::new([(Key::new("x.zip").unwrap(), bytes.into())]))
}

fn open(bytes: Vec<u8>) -> Result<Zip, PlaceError> {
    Ok(Zip::open(place(bytes), Key::new("x.zip").unwrap(), "x.zip".to_owned(), &Stop::new())?.unwrap())
}

fn read(zip: &Zip, name: &str, span: Span) -> Result<Option<Vec<u8>>, PlaceError> {
    let mut bytes = Vec::new();
    let read = zip.read_into(&Key::new(name).unwrap(), &span, &Stop::new(), &mut bytes)?;
    Ok(read.map(|_| bytes))
}

fn styles() -> Vec<Style> {
    let mut styles = Vec::new();
    for method in [0, 8, 93] {
        for zip64 in [false, true] {
            for local_extra in [0, 5, 5000] {
                let before: &[u8] = if zip64 { b"#!/bin/sh\n" } else { b"" };
                // A comment that looks like the end itself.
                let comment: &[u8] = if local_extra == 5 { b"PK\x05\x06 and 16 bytes more or so and on" } else { b"" };
                styles.push(Style { method, zip64, local_extra, before, comment });
            }
        }
    }
    styles
}

#[test]
fn archives_of_every_style_are_read() {
    for style in styles() {
        let zip = open(archive(ENTRIES, style)).unwrap();
        for round in 0..2 {
            let whole = read(&zip, "folder/c/0", Span::Whole);
            assert_eq!(whole, Ok(Some(b"abcdefghij".to_vec())), "{style:?} {round}");
            assert_eq!(read(&zip, "folder/c/0", Span::Range(3..6)), Ok(Some(b"def".to_vec())), "{style:?}");
            assert_eq!(read(&zip, "folder/c/0", Span::Last(2)), Ok(Some(b"ij".to_vec())), "{style:?}");
            assert_eq!(read(&zip, "folder/empty", Span::Whole), Ok(Some(Vec::new())), "{style:?}");
        }
        assert_eq!(read(&zip, "folder/windows", Span::Whole), Ok(Some(b"backslash".to_vec())));
        for missing in ["folder", "outside", "folder/c", "folder/c/00", "double"] {
            assert_eq!(read(&zip, missing, Span::Whole), Ok(None), "{missing}");
        }
        assert_eq!(zip.only_folder(), Some(Key::new("folder").unwrap()));
    }
    let flat = open(archive(&[("a/b", b"x"), ("ab", b"y")], Style::default())).unwrap();
    assert_eq!(flat.only_folder(), None);
}

#[test]
fn the_later_of_two_entries_counts() {
    let zip = open(archive(&[("a", b"old"), ("b", b"x"), ("a", b"new!")], Style::default())).unwrap();
    assert_eq!(read(&zip, "a", Span::Whole), Ok(Some(b"new!".to_vec())));
}

#[test]
fn what_cannot_be_read_says_why() {
    let told = |result: Result<Zip, PlaceError>| result.map(|_| ()).unwrap_err();
    assert!(told(open(b"not a zip archive at all, really".to_vec())).to_string().contains("no zip archive"));
    let whole = archive(ENTRIES, Style::default());
    assert!(open(whole[..whole.len() - 30].to_vec()).is_err(), "cut");
    let mut damaged = archive(&[("a", b"0123456789")], Style::default());
    damaged[35] ^= 1;
    let zip = open(damaged).unwrap();
    assert!(read(&zip, "a", Span::Whole).unwrap_err().to_string().contains("checksum"));
    let mut odd = archive(&[("a", b"x")], Style::default());
    let entry = odd.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    odd[entry + 10] = 12;
    let zip = open(odd.clone()).unwrap();
    assert!(read(&zip, "a", Span::Whole).unwrap_err().to_string().contains("method 12"));
    odd[entry + 8] |= 1;
    let zip = open(odd).unwrap();
    assert!(read(&zip, "a", Span::Whole).unwrap_err().to_string().contains("encrypted"));
    let none = Zip::open(place(Vec::new()), Key::new("y.zip").unwrap(), "y".to_owned(), &Stop::new());
    assert!(none.unwrap().is_none());
}

#[test]
fn an_archive_that_was_replaced_is_not_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zip");
    std::fs::write(&path, archive(&[("a", b"first")], Style::default())).unwrap();
    let place = Arc::new(super::super::Dir::new(folder.path()));
    let zip = Zip::open(place, Key::new("x.zip").unwrap(), "x.zip".to_owned(), &Stop::new()).unwrap().unwrap();
    assert_eq!(read(&zip, "a", Span::Whole), Ok(Some(b"first".to_vec())));
    std::fs::write(folder.path().join("y"), archive(&[("a", b"other one")], Style::default())).unwrap();
    std::fs::rename(folder.path().join("y"), &path).unwrap();
    assert!(read(&zip, "a", Span::Range(0..3)).unwrap_err().to_string().contains("open it again"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever is wrong with an archive, it is an error or another archive, never a panic, and never more than was there.
    #[test]
    fn damage_never_panics(
        method in proptest::sample::select(vec![0u16, 8, 93]),
        zip64: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts: bool,
    ) {
        let mut bytes = archive(ENTRIES, Style { method, zip64, ..Style::default() });
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(zip) = open(bytes) {
            for name in ["folder/c/0", "folder/zarr.json", "folder/empty"] {
                let _ = read(&zip, name, Span::Whole);
                let _ = read(&zip, name, Span::Range(3..6));
                let _ = read(&zip, name, Span::Last(2));
            }
            let _ = (zip.list(&Key::root(), 10), zip.only_folder());
        }
    }
}
