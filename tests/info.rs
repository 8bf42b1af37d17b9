//! What `info` says of all kinds of places, word for word, and what `demo write` makes.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn napari_cuda(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_napari-cuda"));
    command.args(arguments).env_clear().stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is printed, with `folder` called FOLDER, since it is another one each time.
fn info(folder: &Path, arguments: &[&str]) -> String {
    let output = napari_cuda(&[&["info"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let said = text(&output.stdout).replace(folder.to_str().unwrap(), "FOLDER");
    assert!(arguments.contains(&"--json") || said.lines().count() <= 40, "more than a screen:\n{said}");
    said
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/data").canonicalize().unwrap()
}

/// Writes a demo image into a new folder.
fn write(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let place = folder.join(name);
    let output = napari_cuda(&[&["demo", "write", place.to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    assert!(text(&output.stdout).contains(name));
    place
}

#[test]
fn golden_images_in_one_screen() {
    let folder = golden();
    for name in ["fish4c_u16_v05_sharded_blosc", "droplet_tzyx_v05_ngffzarr", "cells3d_labels_v04", "cells3d_labels_v05"] {
        insta::assert_snapshot!(name, info(&folder, &[folder.join(format!("{name}.ome.zarr")).to_str().unwrap()]));
    }
    let labels = folder.join("cells3d_labels_v05.ome.zarr/labels/nuclei");
    if labels.exists() {
        insta::assert_snapshot!("label_image", info(&folder, &[labels.to_str().unwrap()]));
    }
}

#[test]
fn written_images_plates_wells_and_fields() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let old =
        write(&folder, "old.ome.zarr", &["--shape", "2,9,70,300", "--chunk", "4,32,32", "--ngff", "0.4", "--codec", "gzip"]);
    insta::assert_snapshot!("written_04", info(&folder, &[old.to_str().unwrap()]));
    let shards = ["--shape", "2,3,16,128,512", "--chunk", "8,32,32", "--shard", "16,64,128", "--codec", "zstd"];
    let sharded = write(&folder, "sharded.ome.zarr", &shards);
    insta::assert_snapshot!("written_05_sharded", info(&folder, &[sharded.to_str().unwrap()]));

    let plate = write(&folder, "screen.ome.zarr", &["--shape", "1,2,64,64", "--chunk", "2,64,64", "--plate", "8,12,2"]);
    let plate = plate.to_str().unwrap();
    insta::assert_snapshot!("plate", info(&folder, &[plate]));
    insta::assert_snapshot!("well", info(&folder, &[plate, "--well", "b03"]));
    insta::assert_snapshot!("field", info(&folder, &[plate, "--well", "H12", "--field", "1"]));
    let said: Value = serde_json::from_str(&info(&folder, &["--json", plate])).unwrap();
    assert_eq!(said["plate"]["wells"].as_array().unwrap().len(), 96);
    assert_eq!(said["kind"], "plate");
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let plate = write(folder.path(), "screen.ome.zarr", &["--shape", "1,2,64,64", "--chunk", "2,64,64", "--plate", "1,2,1"]);
    for (arguments, says) in [
        (&["--well", "Z9"][..], "A/1, A/2"),
        (&["--well", "A1", "--field", "1"], "0 to 0"),
        (&["--series", "0"], "nothing to choose a series of"),
    ] {
        for command in ["info", "serve"] {
            let free = ["--state-port", "0", "--pixel-port", "0", "--http-port", "0", "--log-level", "error"];
            let free = if command == "serve" { &free[..] } else { &[] };
            let output = napari_cuda(&[&[command, plate.to_str().unwrap()], arguments, free].concat());
            let error = text(&output.stderr);
            assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{arguments:?}: {error}");
            assert!(error.contains(says) && error.contains("screen.ome.zarr"), "{arguments:?}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new.ome.zarr");
    for (arguments, says) in [
        (&["--ngff", "0.4", "--shard", "64,64,64"][..], "no shards"),
        (&["--shape", "3"], "2 to 5"),
        (&["--shape", "16,16", "--levels", "40"], "levels"),
        (&["--chunk", "64,64"], "--chunk"),
        (&["--codec", "zstd", "--effort", "40"], "1 to 22"),
        (&["--plate", "99,1,1"], "26 rows"),
    ] {
        let output = napari_cuda(&[&["demo", "write", out.to_str().unwrap()], arguments].concat());
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = napari_cuda(&["demo", "write", file.to_str().unwrap()]);
    assert!(!output.status.success() && text(&output.stderr).contains("file"));
}
