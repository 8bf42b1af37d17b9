//! The program from outside: what it prints, where, and how it ends.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn napari_cuda(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_napari-cuda"));
    command.args(arguments).env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null()).output().unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Bad input: exit code 2, nothing on standard output, one line on standard error that names each of `naming`.
fn assert_refused(arguments: &[&str], naming: &[&str]) {
    let output = napari_cuda(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    assert!(error.starts_with("napari-cuda: "), "{arguments:?}: {error}");
    for word in naming {
        assert!(error.contains(word), "{arguments:?} does not name {word:?}: {error}");
    }
    assert!(!error.contains("panicked") && !error.contains("backtrace") && !error.contains(".rs:"), "{error}");
}

/// Both commands that open an image refuse it alike.
fn assert_unreadable(path: &Path, naming: &[&str]) {
    assert_refused(&["info", path.to_str().unwrap()], naming);
    assert_refused_to_serve(path, naming);
}

/// An image that cannot be decoded: `info` says what it is, `serve` refuses it.
fn assert_unservable(path: &Path, naming: &[&str]) {
    let output = napari_cuda(&["info", path.to_str().unwrap()]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{path:?}");
    assert!(naming.iter().all(|name| told.contains(name)), "{told}");
    assert_refused_to_serve(path, naming);
}

fn assert_refused_to_serve(path: &Path, naming: &[&str]) {
    let path = path.to_str().unwrap();
    let free = ["--state-port", "0", "--pixel-port", "0", "--http-port", "0", "--log-level", "error"];
    assert_refused(&[&["serve", path], &free[..]].concat(), naming);
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A zarr 3 array of the given element type and codecs.
fn array(folder: &Path, data_type: &str, codecs: &str) {
    let document = format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": [16, 16], "data_type": "{data_type}", "fill_value": 0,
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": [16, 16]}}}},
            "chunk_key_encoding": {{"name": "default"}}, "codecs": {codecs}, "attributes": {{}}}}"#
    );
    write(&folder.join("zarr.json"), &document);
}

const PLAIN: &str = r#"[{"name": "bytes", "configuration": {"endian": "little"}}]"#;

#[test]
fn data_that_cannot_be_opened_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);

    assert_unreadable(&place("missing.ome.zarr"), &["missing.ome.zarr"]);

    write(&place("notes/readme.txt"), "no image");
    assert_unreadable(&place("notes"), &["notes"]);
    assert_unreadable(&place("notes/readme.txt"), &["readme.txt"]);

    write(&place("broken/zarr.json"), r#"{"zarr_format": 3, "node_type": "group", "attributes": {"ome": "#);
    assert_unreadable(&place("broken"), &["broken"]);

    write(
        &place("hollow/zarr.json"),
        r#"{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "multiscales": [{"axes": 7}]}}}"#,
    );
    assert_unreadable(&place("hollow"), &["hollow"]);

    array(&place("complex"), "complex64", PLAIN);
    assert_unservable(&place("complex"), &["complex", "complex64"]);

    array(&place("coded"), "uint8", r#"[{"name": "bytes"}, {"name": "enigma", "configuration": {}}]"#);
    assert_unservable(&place("coded"), &["coded", "enigma"]);

    // The same array with nothing wrong opens.
    array(&place("sound"), "uint8", PLAIN);
    assert!(napari_cuda(&["info", place("sound").to_str().unwrap()]).status.success());
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    assert_refused(&["serve", "--width", "641"], &["--width", "641", "even"]);
    assert_refused(&["serve", "--height", "nought"], &["--height", "nought", "even"]);
    assert_refused(&["serve", "--device", "vulkan"], &["--device", "vulkan", "cpu", "gl"]);
    assert_refused(&["serve", "--http-port", "nonsense"], &["--http-port", "nonsense", "65535"]);
    assert_refused(&["serve", "--state-port", "65536"], &["--state-port", "65536"]);
    assert_refused(&["serve", "--fps", "0"], &["--fps", "frames per second from 1 to"]);
    assert_refused(&["serve", "--color-range", "wide"], &["--color-range", "full", "limited"]);
    assert_refused(&["serve", "image", "--demo"], &["DATA", "--demo", "one of them"]);
    assert_refused(&["serve", "--drive", "nobody"], &["--drive", "nobody", "everyone, first or token"]);
    assert_refused(&["serve", "--drive", "token"], &["--drive", "--drive-token", "NAPARI_CUDA_DRIVE_TOKEN"]);
    assert_refused(&["serve", "--allow-url", "https://a.org/", "--allow-url", "b.org"], &["--allow-url", "https://"]);
    let free = ["--state-port", "0", "--pixel-port", "0", "--http-port", "0", "--data-root", "/no/such/directory"];
    assert_refused(&[&["serve"], &free[..]].concat(), &["--data-root", "/no/such/directory", "directory"]);
}

#[test]
fn a_bad_variable_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_napari-cuda"));
    let output = command.arg("serve").env_clear().env("NAPARI_CUDA_WIDTH", "641").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.lines().count() == 1 && error.contains("NAPARI_CUDA_WIDTH") && error.contains("641"), "{error}");
}

#[test]
fn a_taken_port_is_refused_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--state-port", "--pixel-port", "--http-port"] {
        let free = ["--state-port", "--pixel-port", "--http-port"].into_iter().filter(|other| *other != flag);
        let mut arguments = vec!["serve", "--demo", "--log-level", "error", flag, &port];
        free.for_each(|other| arguments.extend([other, "0"]));
        assert_refused(&arguments, &[&port, flag]);
    }
}

#[test]
fn words_that_do_not_exist_end_with_usage_and_code_2() {
    for arguments in [&["serve", "--fulll-screen"][..], &["paint"], &["info"], &["info", "a", "b"], &["doctor", "--loud"], &[]] {
        let output = napari_cuda(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains("Usage:") && !error.contains("panicked"), "{arguments:?}: {error}");
    }
}

/// Golden images with lines that `info` must have of them.
const IMAGES: [(&str, &[&str]); 5] = [
    ("fish4c_u16_v05_sharded_blosc.ome.zarr", &["OME-Zarr 0.5", "uint16", "4 × 1024 × 1024", "level 4", "channel 3"]),
    ("ihc_rgb_v05_zstd.ome.zarr", &["OME-Zarr 0.5", "uint8", "3 × 512 × 512", "level 3", "#ff0000"]),
    ("droplet_tzyx_v05_ngffzarr.ome.zarr", &["OME-Zarr 0.5", "uint8", "21 × 16 × 30 × 31"]),
    ("cells3d_labels_v04.ome.zarr", &["OME-Zarr 0.4", "uint16", "31 × 61 × 57"]),
    ("cells3d_labels_v05.ome.zarr", &["OME-Zarr 0.5", "uint16", "31 × 61 × 57"]),
];

#[test]
fn info_says_what_an_image_holds() {
    for (name, expected) in IMAGES {
        let path = golden("data").join(name);
        let output = napari_cuda(&["info", path.to_str().unwrap()]);
        let said = text(&output.stdout);
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", text(&output.stderr));
        for word in [name, "axes", "level 0", "chunks"].iter().chain(expected) {
            assert!(said.contains(word), "{name} does not say {word:?}:\n{said}");
        }
    }
}

#[test]
fn info_speaks_json() {
    for (name, _) in IMAGES {
        let output = napari_cuda(&["info", "--json", golden("data").join(name).to_str().unwrap()]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let axes = said["axes"].as_array().unwrap().len();
        let levels = said["levels"].as_array().unwrap();
        assert!(axes >= 3 && levels.iter().all(|level| level["shape"].as_array().unwrap().len() == axes), "{name}: {said}");
        assert!(said["dtype"].is_string() && said["location"].as_str().unwrap().contains(name));
    }
}

#[test]
fn doctor_says_what_there_is_and_what_is_chosen() {
    let output = napari_cuda(&["doctor"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(["processor", "device", "encoder"].iter().all(|word| said.contains(word)), "{said}");

    let output = napari_cuda(&["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(["cpu", "gl"].contains(&said["chosen"]["device"].as_str().unwrap()), "{said}");
    assert!(said["cpu"]["threads"].as_u64().unwrap() >= 1 && said["encoders"][0]["assembly"].is_boolean(), "{said}");
}

#[test]
fn doctor_shows_budgets() {
    let doctor = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_napari-cuda"));
        let command = command.arg("doctor").args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
        command.output().unwrap()
    };
    let said = text(&doctor(&[], &[]).stdout);
    for line in ["memory     ", "VRAM       ", "textures   ", "budget     cache: ", "budget     slice: any", "from hardware"] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    let variables = [("NAPARI_CUDA_MAX_VOLUME_BYTES", "4000"), ("NAPARI_CUDA_MAX_SLICE_BYTES", "77")];
    let output = doctor(&["--json", "--cache-mb", "64", "--max-slice-mb", "2"], &variables);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let budget = |name: &str, unit: &str| {
        (said["budgets"][name][unit].as_u64(), said["budgets"][name]["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(budget("cache", "bytes"), (Some(64 << 20), "from --cache-mb".to_owned()));
    assert_eq!(budget("slice", "bytes"), (Some(2 << 20), "from --max-slice-mb".to_owned()));
    assert_eq!(budget("volume", "bytes"), (Some(4000), "from NAPARI_CUDA_MAX_VOLUME_BYTES".to_owned()));
    assert_eq!(budget("voxels", "samples"), (Some(1000), "from NAPARI_CUDA_MAX_VOLUME_BYTES".to_owned()));
    assert!(said["limits"]["memory_bytes"].as_u64().unwrap() > 0, "{said}");
    assert_refused(&["doctor", "--vram-mb", "lots"], &["--vram-mb", "lots"]);
}

#[test]
fn version_and_help_are_there() {
    let version = napari_cuda(&["--version"]);
    assert_eq!(text(&version.stdout).trim(), format!("napari-cuda {}", env!("CARGO_PKG_VERSION")));
    let help = text(&napari_cuda(&["--help"]).stdout);
    assert!(["serve", "info", "render", "doctor"].iter().all(|command| help.contains(command)), "{help}");
    let serve = text(&napari_cuda(&["serve", "--help"]).stdout);
    let flags = ["--demo", "--host", "--http-port", "--width", "--device", "--cache-mb", "--data-root", "--allow-url", "--drive"];
    for flag in flags.into_iter().chain(["NAPARI_CUDA_DRIVE_TOKEN", "default: 8083", "default: 127.0.0.1"]) {
        assert!(serve.contains(flag), "{flag}:\n{serve}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_worth_a_panic() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_napari-cuda"));
    let path = golden("data").join(IMAGES[0].0);
    let command = command.args(["info", path.to_str().unwrap()]).stderr(Stdio::piped());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).spawn().unwrap().wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}

#[test]
fn a_scene_becomes_a_picture() {
    let (folder, scene) = (tempfile::tempdir().unwrap(), golden("reference/scenes/f2d_tall_canvas.json"));
    let (out, root) = (folder.path().join("out.png"), golden(""));
    let [scene, root] = [&scene, &root].map(|path| path.to_str().unwrap());
    let written = out.to_str().unwrap();
    for device in ["cpu", "gl"] {
        let output = napari_cuda(&["render", scene, written, "--device", device, "--data-root", root]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{device}");
        let read = |path: &Path| {
            let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut pixels).unwrap();
            (frame.width, frame.height, frame.color_type, pixels)
        };
        // An example that is drawn to the bit: no filter, no gamma.
        assert!(read(&out) == read(&golden("reference/pictures/f2d_tall_canvas.png")), "{device}");
    }
    // Without the root the files are beside the scene, where there are none.
    assert_refused(&["render", scene, written], &["f2d_tall_canvas.json", "layer 0", "F_yx_u8.ome.zarr", "--data-root"]);
    assert_refused(&["render", &format!("{scene}x"), written], &["f2d_tall_canvas.jsonx"]);
    assert_refused(&["render", scene, folder.path().to_str().unwrap(), "--data-root", root], &["cannot be written"]);
    write(&folder.path().join("bad.json"), r#"{"canvas": [64, 64], "ndisplay": 2, "camera": {"rect": [0, 0, 1]}}"#);
    let bad = folder.path().join("bad.json");
    assert_refused(&["render", bad.to_str().unwrap(), written], &["bad.json", "camera.rect", "must have 4 items"]);
}
