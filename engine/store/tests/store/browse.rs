//! Looking around in directories: what is listed, what is found, and what is passed over.

use nc_store::browse::{self, DATASET_DEPTH, Folder, MOST_CHILDREN, MOST_DATASETS, MOST_ENTRIES, datasets, is_dataset, list};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

fn multiscales() -> Value {
    json!({"multiscales": [{"version": "0.4", "datasets": [{"path": "0"}]}]})
}

/// An image of NGFF 0.4.
fn image_v2(root: &Path, name: &str) {
    write(root, &format!("{name}/.zattrs"), &multiscales().to_string());
    write(root, &format!("{name}/.zgroup"), r#"{"zarr_format": 2}"#);
    array_v2(root, &format!("{name}/0"));
}

/// An image of NGFF 0.5.
fn image_v3(root: &Path, name: &str) {
    let group = json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": multiscales()}});
    write(root, &format!("{name}/zarr.json"), &group.to_string());
    write(root, &format!("{name}/0/zarr.json"), r#"{"zarr_format": 3, "node_type": "array"}"#);
}

fn array_v2(root: &Path, name: &str) {
    write(root, &format!("{name}/.zarray"), r#"{"zarr_format": 2}"#);
}

fn names(listing: &browse::Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn all(root: &Path) -> browse::Listing {
    list(root, root, false, &[]).unwrap()
}

#[test]
fn entries_are_sorted_by_name_whatever_its_case_and_directories_say_what_they_are() {
    let (_folder, root) = folder();
    image_v2(&root, "b.ome.zarr");
    image_v3(&root, "A.ome.zarr");
    array_v2(&root, "plain.zarr");
    write(&root, "v3array/zarr.json", r#"{"zarr_format": 3, "node_type": "array"}"#);
    write(&root, "empty multiscales/.zattrs", r#"{"multiscales": []}"#);
    write(&root, "broken/zarr.json", "{");
    write(&root, "notes.TXT", "twelve bytes");
    image_v2(&root, "Study/two");
    image_v3(&root, "Study/One");
    write(&root, "Study/three/readme", "");
    let listing = all(&root);
    assert!(!listing.has_more);
    let expected = ["A.ome.zarr", "b.ome.zarr", "broken", "empty multiscales", "notes.TXT", "plain.zarr", "Study", "v3array"];
    assert_eq!(names(&listing), expected);
    let of = |name: &str| listing.entries.iter().find(|e| e.name == name).unwrap();
    let image = Some(Folder { is_dataset: true, has_multiscales: true, children: vec![] });
    let array = Some(Folder { is_dataset: true, has_multiscales: false, children: vec![] });
    assert_eq!((&of("A.ome.zarr").folder, &of("b.ome.zarr").folder), (&image, &image));
    assert_eq!((&of("plain.zarr").folder, &of("v3array").folder), (&array, &array));
    for nothing in ["broken", "empty multiscales"] {
        assert_eq!(of(nothing).folder, Some(Folder::default()), "{nothing}");
    }
    assert_eq!(of("Study").folder.as_ref().unwrap().children, ["One", "two"]);
    let notes = of("notes.TXT");
    assert_eq!((&notes.folder, notes.size, &notes.path), (&None, 12, &root.join("notes.TXT")));
    let age = SystemTime::now().duration_since(notes.modified.unwrap()).unwrap_or_default();
    assert!(age < Duration::from_secs(3600), "{age:?}");
}

#[test]
fn hidden_names_and_other_suffixes_are_left_out_of_files_only() {
    let (_folder, root) = folder();
    for name in ["a.zarr", "b.ZARR", "c.tif", ".d.zarr"] {
        write(&root, name, "");
    }
    fs::create_dir(root.join("folder")).unwrap();
    fs::create_dir(root.join(".cache")).unwrap();
    let zarr = [".zarr".to_owned()];
    assert_eq!(names(&list(&root, &root, false, &zarr).unwrap()), ["a.zarr", "b.ZARR", "folder"]);
    assert_eq!(names(&list(&root, &root, true, &zarr).unwrap()), [".cache", ".d.zarr", "a.zarr", "b.ZARR", "folder"]);
    assert_eq!(names(&list(&root, &root, false, &[]).unwrap()), ["a.zarr", "b.ZARR", "c.tif", "folder"]);
    assert_eq!(names(&list(&root, &root, false, &["f".into(), ".TIF".into()]).unwrap()), ["c.tif", "folder"]);
}

#[test]
fn of_many_entries_the_first_are_listed() {
    let (_folder, root) = folder();
    for n in 0..MOST_ENTRIES + 7 {
        write(&root, &format!("{n:05}"), "");
    }
    let listing = all(&root);
    assert!(listing.has_more);
    let expected: Vec<String> = (0..MOST_ENTRIES).map(|n| format!("{n:05}")).collect();
    assert_eq!(names(&listing), expected);
    for n in 0..7 {
        fs::remove_file(root.join(format!("{n:05}"))).unwrap();
    }
    let listing = all(&root);
    assert!(!listing.has_more && listing.entries.len() == MOST_ENTRIES, "as many as fit are all");
}

#[test]
fn of_many_images_inside_the_first_are_named() {
    let (_folder, root) = folder();
    for n in 0..MOST_DATASETS + 3 {
        array_v2(&root, &format!("many/{n:03}"));
    }
    let listing = all(&root);
    let expected: Vec<String> = (0..MOST_CHILDREN).map(|n| format!("{n:03}")).collect();
    assert_eq!(listing.entries[0].folder.as_ref().unwrap().children, expected);
    let expected: Vec<String> = (0..MOST_DATASETS).map(|n| format!("{n:03}")).collect();
    assert_eq!(datasets(&root, &root.join("many")), expected);
}

#[test]
fn links_are_followed_within_the_root_only() {
    let (_folder, root) = folder();
    let (_elsewhere, outside) = folder();
    image_v2(&outside, "secret");
    write(&outside, "secret.zarr", "secret");
    image_v2(&root, "images/a");
    write(&root, "images/notes", "abc");
    symlink(root.join("images/a"), root.join("inside")).unwrap();
    symlink(root.join("images/notes"), root.join("note")).unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink(outside.join("secret"), root.join("out-image")).unwrap();
    symlink(outside.join("secret.zarr"), root.join("out-file")).unwrap();
    symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    symlink(root.join("loop"), root.join("loop")).unwrap();
    symlink("..", root.join("images/up")).unwrap();
    let listing = all(&root);
    assert_eq!(names(&listing), ["images", "inside", "note"]);
    assert!(listing.entries[1].folder.as_ref().unwrap().has_multiscales);
    assert_eq!(listing.entries[2].size, 3);
    assert_eq!(datasets(&root, &root), ["inside", "images/a"], "by depth, and no link in a circle goes on for ever");
    // A root further down sees less.
    let below = root.join("images");
    assert_eq!(names(&all(&below)), ["a", "notes"]);
}

#[test]
fn datasets_are_looked_for_two_levels_deep_and_not_within_each_other() {
    let (_folder, root) = folder();
    image_v3(&root, "b");
    image_v2(&root, "x/c");
    image_v2(&root, "x/y/too deep");
    image_v2(&root, ".hidden/d");
    write(&root, "file", "");
    assert_eq!(DATASET_DEPTH, 2);
    assert_eq!(datasets(&root, &root), ["b", "x/c"], "the levels of b are no datasets of their own");
    assert!(is_dataset(&root.join("b")) && is_dataset(&root.join("b/0")) && !is_dataset(&root.join("x")));
    assert_eq!(datasets(&root, &root.join("x")), ["c", "y/too deep"]);
    assert_eq!(datasets(&root, &root.join("file")), [""; 0]);
    assert_eq!(datasets(&root, &root.join("missing")), [""; 0]);
}

#[test]
fn what_is_no_directory_is_an_error_of_its_kind() {
    let (_folder, root) = folder();
    write(&root, "file", "");
    let kind = |name: &str| list(&root, &root.join(name), false, &[]).unwrap_err().kind();
    assert_eq!(kind("file"), std::io::ErrorKind::NotADirectory);
    assert_eq!(kind("missing"), std::io::ErrorKind::NotFound);
}

#[test]
fn a_pipe_for_a_metadata_file_holds_nobody_up() {
    let (_folder, root) = folder();
    fs::create_dir(root.join("trap")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.join("trap/zarr.json")).status();
    if !made.is_ok_and(|status| status.success()) {
        // Without that program there is no pipe to be held up by.
        return;
    }
    assert_eq!(all(&root).entries[0].folder, Some(Folder::default()));
    let error = nc_store::open(root.join("trap").to_str().unwrap(), nc_core::data::ImageId(1)).unwrap_err();
    assert!(error.to_string().contains("holds no zarr image"), "{error}");
}

#[test]
fn golden_images_are_found() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/data").canonicalize().unwrap();
    let expected = [
        "cells3d_labels_v04.ome.zarr",
        "cells3d_labels_v05.ome.zarr",
        "droplet_tzyx_v05_ngffzarr.ome.zarr",
        "fish4c_u16_v05_sharded_blosc.ome.zarr",
        "ihc_rgb_v05_zstd.ome.zarr",
    ];
    assert_eq!(datasets(&golden, &golden), expected);
    let listing = all(&golden);
    let images: Vec<&str> =
        listing.entries.iter().filter(|e| e.folder.as_ref().is_some_and(|f| f.has_multiscales)).map(|e| &*e.name).collect();
    assert_eq!(images, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever lies there, and however often it is asked: sorted, no name twice, none hidden, and all of it is there.
    #[test]
    fn a_listing_is_a_sorted_part_of_the_directory(
        files in prop::collection::btree_set("[.]?[a-dA-D]{1,3}([.]zarr)?", 0..20),
        show_hidden in any::<bool>(),
        filtered in any::<bool>(),
    ) {
        let (_folder, root) = folder();
        for (n, name) in files.iter().enumerate() {
            if n % 3 == 0 { fs::create_dir(root.join(name)).unwrap() } else { write(&root, name, "x") }
        }
        let suffixes = if filtered { vec![".zarr".to_owned()] } else { vec![] };
        let listing = list(&root, &root, show_hidden, &suffixes).unwrap();
        let expected = files.iter().enumerate().filter(|(n, name)| {
            (show_hidden || !name.starts_with('.')) && (!filtered || n % 3 == 0 || name.ends_with(".zarr"))
        });
        let mut expected: Vec<&str> = expected.map(|(_, name)| name.as_str()).collect();
        expected.sort_by_key(|name| (name.to_lowercase(), (*name).to_owned()));
        prop_assert_eq!(names(&listing), expected);
        for entry in &listing.entries {
            prop_assert_eq!(&entry.path, &root.join(&entry.name));
            prop_assert_eq!(entry.folder.is_some(), entry.path.is_dir());
        }
    }
}
