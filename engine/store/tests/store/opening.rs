//! Opening directories: what opens, and what the one line says when nothing does.

use nc_core::data::ImageId;
use nc_store::{Image, OpenError, open};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Writes files below `root`: JSON, or text as it stands.
fn write(root: &Path, files: &[(&str, Value)]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned)).unwrap();
    }
}

fn array(shape: &[u64], dtype: &str) -> Value {
    let compressor = json!({"id": "zlib", "level": 1});
    json!({"zarr_format": 2, "shape": shape, "chunks": vec![16; shape.len()], "dtype": dtype, "compressor": compressor,
        "fill_value": 0, "order": "C", "filters": null})
}

fn with(mut value: Value, key: &str, new: Value) -> Value {
    value[key] = new;
    value
}

fn attributes(paths: &[&str]) -> Value {
    let datasets: Vec<Value> = paths.iter().map(|p| json!({"path": p})).collect();
    json!({"multiscales": [{"version": "0.4", "axes": ["z", "y", "x"], "datasets": datasets}]})
}

fn open_at(root: &Path) -> Result<Image, OpenError> {
    open(root.to_str().unwrap(), ImageId(1))
}

#[test]
fn one_line_says_what_is_wrong_and_what_to_do() {
    let good = || array(&[4, 20, 30], "<u2");
    let v3 = json!({"zarr_format": 3, "node_type": "array", "shape": [4, 20], "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]});
    let group = |ome: Value| json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}});
    // Files, and what the message must hold beside the path.
    let cases: Vec<(&str, Vec<(&str, Value)>, Vec<&str>)> = vec![
        ("empty folder", vec![], vec!["holds no zarr image"]),
        ("broken attributes", vec![(".zattrs", json!("{\"multiscales\": ["))], vec![".zattrs", "not valid JSON", "restore"]),
        ("empty multiscales", vec![(".zattrs", json!({"multiscales": []}))], vec![".zattrs", "multiscales is empty"]),
        ("no datasets", vec![(".zattrs", json!({"multiscales": [{}]}))], vec!["multiscales[0].datasets", "finest first"]),
        (
            "dataset without path",
            vec![(".zattrs", json!({"multiscales": [{"datasets": [{"path": 3}]}]}))],
            vec!["multiscales[0].datasets[0].path"],
        ),
        (
            "absurd scale",
            vec![
                (
                    ".zattrs",
                    json!({"multiscales": [{"axes": ["z", "y", "x"], "datasets": [{"path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1e300]}]}]}]}),
                ),
                ("0/.zarray", good()),
            ],
            vec![".zattrs", "multiscales[0].datasets[0].coordinateTransformations", "axis 2", "1e300", "1e12"],
        ),
        (
            "array is missing",
            vec![(".zattrs", attributes(&["0"]))],
            vec!["datasets[0].path", "\"0\" names an array that is not there"],
        ),
        (
            "path leaves the image",
            vec![(".zattrs", attributes(&["../0"]))],
            vec!["datasets[0].path", "not a path within the image"],
        ),
        (
            "broken array",
            vec![(".zattrs", attributes(&["0"])), ("0/.zarray", json!("nonsense"))],
            vec!["0/.zarray", "not valid JSON"],
        ),
        ("no shape", vec![(".zarray", json!({"zarr_format": 2}))], vec![".zarray", "shape is missing"]),
        ("complex", vec![(".zarray", array(&[20, 20], "<c8"))], vec![".zarray", "dtype \"<c8\" cannot be shown", "convert"]),
        ("structured", vec![(".zarray", with(good(), "dtype", json!([["a", "<u2"]])))], vec!["dtype", "cannot be shown"]),
        (
            "strings",
            vec![("zarr.json", with(v3.clone(), "data_type", json!("string")))],
            vec!["data_type \"string\" cannot be shown"],
        ),
        ("empty array", vec![(".zarray", array(&[0, 20], "<u2"))], vec!["shape is [0, 20]", "nothing to show"]),
        ("too few axes", vec![(".zarray", array(&[20], "<u2"))], vec!["shape the array has 1 axes", "2 to 5"]),
        ("too many axes", vec![(".zarray", array(&[1, 1, 1, 1, 9, 9], "<u2"))], vec!["6 axes"]),
        (
            "codec of v2",
            vec![(".zarray", with(good(), "compressor", json!({"id": "lzma"})))],
            vec!["codecs lzma cannot be decoded", "rewrite"],
        ),
        (
            "filter of v2",
            vec![(".zarray", with(good(), "filters", json!([{"id": "quantum"}])))],
            vec!["codecs quantum, zlib cannot be decoded"],
        ),
        (
            "codec of v3",
            vec![("zarr.json", with(v3.clone(), "codecs", json!([{"name": "bytes"}, {"name": "warp"}])))],
            vec!["zarr.json", "codecs warp cannot be decoded"],
        ),
        (
            "grid",
            vec![("zarr.json", with(v3.clone(), "chunk_grid", json!({"name": "rectangular", "configuration": {}})))],
            vec!["chunk_grid is \"rectangular\"", "regular grid"],
        ),
        (
            "huge chunks",
            vec![(".zarray", with(good(), "chunks", json!([1 << 20, 1 << 20, 1 << 20])))],
            vec![".zarray", "too large to decode"],
        ),
        ("zero chunks", vec![(".zarray", with(good(), "chunks", json!([0, 0, 0])))], vec![".zarray"]),
        ("axes disagree", vec![(".zattrs", attributes(&["0"])), ("0/.zarray", array(&[20, 20], "<u2"))], vec![".axes", "2 axes"]),
        (
            "levels disagree in axes",
            vec![(".zattrs", attributes(&["0", "1"])), ("0/.zarray", good()), ("1/.zarray", array(&[20, 20], "<u2"))],
            vec!["multiscales[0].datasets[1]", "the array has 2 axes, but the image has 3"],
        ),
        (
            "levels disagree in type",
            vec![(".zattrs", attributes(&["0", "1"])), ("0/.zarray", good()), ("1/.zarray", array(&[2, 10, 15], "|u1"))],
            vec!["1/.zarray", "dtype is uint8, but the finest level is uint16"],
        ),
        (
            "plate without a field",
            vec![
                (".zattrs", json!({"plate": {"wells": [{"path": "B/3"}, {"path": "B/4"}]}})),
                ("B/3/.zattrs", json!({"well": {"images": []}})),
            ],
            vec!["/B/3: is a well without images"],
        ),
        (
            "well whose field is gone",
            vec![("zarr.json", group(json!({"well": {"images": [{"path": "7"}]}})))],
            vec!["/7: holds no zarr image"],
        ),
        ("series", vec![(".zattrs", json!({"bioformats2raw.layout": 3}))], vec!["a bioformats2raw collection without images"]),
        ("labels", vec![("zarr.json", group(json!({"labels": ["cells"]})))], vec!["label images", "/cells"]),
        (
            "images inside",
            vec![("one/.zattrs", attributes(&["0"])), ("two/.zarray", good()), ("three/note.txt", json!("x"))],
            vec!["holds some: open", "/one or ", "/two"],
        ),
    ];
    for (name, files, parts) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let line = open_at(folder.path()).err().unwrap_or_else(|| panic!("{name} opened")).to_string();
        let root = folder.path().canonicalize().unwrap();
        assert!(line.starts_with(root.to_str().unwrap()), "{name}: {line}");
        assert!(!line.contains('\n'), "{name}: {line}");
        for part in parts {
            assert!(line.contains(part), "{name}: {line:?} lacks {part:?}");
        }
    }
}

#[test]
fn places_that_are_no_directories() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.zip", json!("zip")), ("img/.zarray", array(&[4, 5], "<u2"))]);
    let line = |location: &str| open(location, ImageId(0)).unwrap_err().to_string();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(line(&at("nothing")).contains("no such directory: check the path"));
    assert!(line(&at("img/.zarray")).contains("is a file: give the directory"));
    assert!(line(&at("a.zip")).starts_with(&at("a.zip")));
    assert!(line("gopher://example.org/a.zarr").contains("gopher://…: is not known"));
    assert!(line("").contains("no such directory"));
    // With and without a slash, and through links and dots, it is the same place.
    let image = |name: &str| open(&at(name), ImageId(0)).unwrap().info.location.clone();
    assert_eq!(image("img"), image("img/"));
    assert_eq!(image("img"), image("./img/../img//"));
}

#[test]
fn oddities_are_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = attributes(&["small", "big", "gone"]);
    document["omero"] = json!({"channels": [{"color": "blue"}, {}]});
    write(
        folder.path(),
        &[(".zattrs", document), ("small/.zarray", array(&[2, 10, 15], "<u2")), ("big/.zarray", array(&[4, 20, 30], "<u2"))],
    );
    let image = open_at(folder.path()).unwrap();
    assert_eq!(image.info.levels.iter().map(|l| l.path.as_str()).collect::<Vec<_>>(), ["big", "small"]);
    assert_eq!(image.info.levels[1].scale, [2.0, 2.0, 2.0]);
    assert_eq!(image.info.levels[1].translate, [0.5, 0.5, 0.5]);
    for part in ["\"gone\" is listed but not there", "not listed from fine to coarse", "2 channels", "\"blue\" is not RRGGBB"] {
        assert!(image.info.warnings.iter().any(|w| w.contains(part)), "{:?} lacks {part:?}", image.info.warnings);
    }
}

#[test]
fn a_plain_array_gets_the_usual_axes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("x.ome.zarr/.zarray", array(&[3, 4, 20, 30], "|b1"))]);
    let image = open_at(&folder.path().join("x.ome.zarr")).unwrap();
    assert_eq!(image.info.name, "x");
    assert_eq!(image.info.axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["c", "z", "y", "x"]);
    assert_eq!((image.info.levels.len(), image.info.ngff_version.clone()), (1, None));
}
