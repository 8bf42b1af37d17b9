//! Metadata as programs write them, sound and broken: what an image is said to be, and which file and key are to blame when it is none.

use nc_core::data::ImageId;
use nc_core::scene::{AxisKind, ImageInfo, LabelValue, PlateRef};
use nc_store::survey::{Kind, Survey, survey};
use nc_store::{OpenError, open};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

type Files = Vec<(&'static str, Value)>;

/// A folder with these files: JSON, or text as it stands.
fn folder(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned)).unwrap();
    }
    folder
}

fn at(folder: &TempDir, below: &str) -> String {
    folder.path().join(below).to_str().unwrap().to_owned()
}

fn info(files: &Files, below: &str) -> ImageInfo {
    let folder = folder(files);
    let image = open(&at(&folder, below), ImageId(1)).unwrap_or_else(|error| panic!("{error}"));
    (*image.info).clone()
}

/// The error, with the folder's name cut out.
fn refusal(files: &Files, below: &str) -> (OpenError, String) {
    let folder = folder(files);
    let error = open(&at(&folder, below), ImageId(1)).err().unwrap_or_else(|| panic!("it opened: {files:?}"));
    let root = folder.path().canonicalize().unwrap();
    let line = error.to_string();
    assert!(line.starts_with(root.to_str().unwrap()) && !line.contains('\n'), "{line}");
    (error, line.replace(root.to_str().unwrap(), ""))
}

fn look(files: &Files, below: &str) -> Survey {
    let folder = folder(files);
    survey(&at(&folder, below)).unwrap_or_else(|error| panic!("{error}"))
}

fn v2(shape: &[u64]) -> Value {
    json!({"zarr_format": 2, "shape": shape, "chunks": vec![8; shape.len()], "dtype": "<u2", "compressor": null, "fill_value": 0,
        "order": "C", "filters": null, "dimension_separator": "/"})
}

fn v3(shape: &[u64]) -> Value {
    json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": vec![8; shape.len()]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]})
}

fn group(ome: Value) -> Value {
    json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}})
}

fn axis(name: &str, kind: &str) -> Value {
    if kind == "space" { json!({"name": name, "type": kind, "unit": "micrometer"}) } else { json!({"name": name, "type": kind}) }
}

/// Datasets "0", "1", ... of two axes more or less, each half of the one before.
fn datasets(ndim: usize, count: usize) -> Value {
    let dataset = |level: usize| {
        let factor = f64::from(1 << level);
        let scale: Vec<f64> = (0..ndim).map(|a| if a + 2 >= ndim { 0.5 * factor } else { 1.0 }).collect();
        let shift: Vec<f64> = (0..ndim).map(|a| if a + 2 >= ndim { 0.25 * (factor - 1.0) } else { 0.0 }).collect();
        json!({"path": level.to_string(), "coordinateTransformations": [
            {"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]})
    };
    (0..count).map(dataset).collect()
}

/// The example of the 0.4 specification, shortened in size only.
fn example_v04() -> Files {
    let attributes = json!({
        "multiscales": [{
            "version": "0.4",
            "name": "example",
            "axes": [
                {"name": "t", "type": "time", "unit": "millisecond"},
                {"name": "c", "type": "channel"},
                {"name": "z", "type": "space", "unit": "micrometer"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space", "unit": "micrometer"}
            ],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 0.5, 0.5, 0.5]}]},
                {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0, 1.0, 1.0]}]},
                {"path": "2", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 2.0, 2.0, 2.0]}]}
            ],
            "coordinateTransformations": [{"type": "scale", "scale": [0.1, 1.0, 1.0, 1.0, 1.0]}],
            "type": "gaussian",
            "metadata": {"description": "the fields in metadata depend on the downscaling implementation", "method": "skimage"}
        }],
        "omero": {
            "id": 1, "name": "example.tif", "version": "0.4",
            "channels": [
                {"active": true, "coefficient": 1, "color": "0000FF", "family": "linear", "inverted": false,
                 "label": "LaminB1", "window": {"end": 1500, "max": 65535, "min": 0, "start": 0}},
                {"active": false, "color": "00FF00", "label": "DAPI", "window": {"end": 900, "max": 65535, "min": 0, "start": 100}}
            ],
            "rdefs": {"defaultT": 1, "defaultZ": 2, "model": "color"}
        }
    });
    vec![
        (".zgroup", json!({"zarr_format": 2})),
        (".zattrs", attributes),
        ("0/.zarray", v2(&[3, 2, 16, 32, 32])),
        ("1/.zarray", v2(&[3, 2, 8, 16, 16])),
        ("2/.zarray", v2(&[3, 2, 4, 8, 8])),
    ]
}

/// The same as 0.5 writes it.
fn example_v05() -> Files {
    let mut ome = example_v04().swap_remove(1).1;
    ome["version"] = json!("0.5");
    ome["multiscales"][0].as_object_mut().unwrap().remove("version");
    ome["omero"].as_object_mut().unwrap().remove("version");
    vec![
        ("zarr.json", group(ome)),
        ("0/zarr.json", v3(&[3, 2, 16, 32, 32])),
        ("1/zarr.json", v3(&[3, 2, 8, 16, 16])),
        ("2/zarr.json", v3(&[3, 2, 4, 8, 8])),
    ]
}

#[test]
fn the_examples_of_the_specification() {
    for (files, version, zarr) in [(example_v04(), "0.4", 2), (example_v05(), "0.5", 3)] {
        let info = info(&files, "");
        assert_eq!(info.warnings, Vec::<String>::new(), "{version}: a strict reader finds nothing either");
        assert_eq!((info.ngff_version.as_deref(), info.format.zarr, info.format.consolidated), (Some(version), zarr, false));
        assert_eq!(info.name, "example");
        let axes: Vec<_> = info.axes.iter().map(|a| (a.name.as_str(), a.kind, a.unit.as_deref())).collect();
        let um = Some("micrometer");
        assert_eq!(
            axes,
            [
                ("t", AxisKind::Time, Some("millisecond")),
                ("c", AxisKind::Channel, None),
                ("z", AxisKind::Space, um),
                ("y", AxisKind::Space, um),
                ("x", AxisKind::Space, um),
            ]
        );
        assert_eq!(info.levels[1].scale, [0.1, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(info.levels[2].scale, [0.1, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!((info.default_t, info.default_z), (Some(1), Some(2)));
        let channel = &info.channels[1];
        assert_eq!(
            (channel.label.as_deref(), channel.color, channel.window, channel.active),
            (Some("DAPI"), Some([0, 255, 0]), Some((100.0, 900.0)), false)
        );
        let step = nc_core::scene::Dataset::new(std::sync::Arc::new(info)).initial_step();
        assert_eq!(step, [1, 2, 0, 0], "what is shown at first is what the file says");
    }
}

#[test]
fn axes_of_every_legal_order_and_number() {
    // One time, one channel or other, two or three of space, in this order: 0.4 and 0.5 know no others.
    let (time, channel, other) = (("t", "time"), ("c", "channel"), ("angle", "custom"));
    let spaces = [vec!["y", "x"], vec!["z", "y", "x"], vec!["x", "y"], vec!["x", "z", "y"]];
    let mut counted = 0;
    for before in [vec![], vec![time], vec![channel], vec![other], vec![time, channel], vec![time, other]] {
        for space in &spaces {
            let axes: Vec<(&str, &str)> = before.iter().copied().chain(space.iter().map(|s| (*s, "space"))).collect();
            let shape: Vec<u64> = (0..axes.len() as u64).map(|a| 16 + a).collect();
            let half: Vec<u64> = shape.iter().enumerate().map(|(a, n)| if a + 2 >= axes.len() { n / 2 } else { *n }).collect();
            let entries: Value = axes.iter().map(|(name, kind)| axis(name, kind)).collect();
            let ome = json!({"version": "0.5", "multiscales": [{"axes": entries, "datasets": datasets(axes.len(), 2)}]});
            let info = info(&vec![("zarr.json", group(ome)), ("0/zarr.json", v3(&shape)), ("1/zarr.json", v3(&half))], "");
            assert_eq!(info.warnings, Vec::<String>::new(), "{axes:?}");
            assert_eq!(
                info.axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
                axes.iter().map(|a| a.0).collect::<Vec<_>>()
            );
            assert_eq!(info.levels[1].translate.last(), Some(&0.25), "{axes:?}");
            assert_eq!(info.levels.iter().map(|l| l.shape.clone()).collect::<Vec<_>>(), [shape, half]);
            counted += 1;
        }
    }
    assert_eq!(counted, 24);
}

#[test]
fn several_images_of_one_group() {
    let entry = |name: Value, path: &str| json!({"name": name, "axes": ["y", "x"], "datasets": [{"path": path}]});
    let multiscales = json!([entry(json!("overview"), "a"), entry(json!(null), "b"), {"name": "broken"}]);
    let files: Files =
        vec![(".zattrs", json!({"multiscales": multiscales})), ("a/.zarray", v2(&[20, 30])), ("b/.zarray", v2(&[40, 50]))];
    let place = folder(&files);
    let opened = |pick: &str| open(&format!("{}{pick}", at(&place, "")), ImageId(1)).map(|image| (*image.info).clone());
    let first = opened("").unwrap();
    assert_eq!((first.levels[0].path.as_str(), first.images), ("a", vec!["overview".into(), "1".to_owned(), "broken".into()]));
    assert!(first.warnings.iter().any(|w| w.contains("multiscales lists 3 images") && w.contains("#1")), "{:?}", first.warnings);
    for (pick, path) in [("#overview", "a"), ("#0", "a"), ("#1", "b")] {
        assert_eq!(opened(pick).unwrap().levels[0].path, path, "{pick}");
    }
    assert!(opened("#broken").is_err());
    let unknown = opened("#thumbnail").unwrap_err().to_string();
    assert!(unknown.contains("thumbnail") && unknown.contains("overview"), "{unknown}");
    let survey = survey(&at(&place, "")).unwrap();
    assert_eq!((survey.kind, survey.images.len()), (Kind::Image, 3));
}

#[test]
fn six_as_far_as_it_is_scale_and_translation() {
    let systems = json!([
        {"name": "physical", "axes": [axis("y", "space"), axis("x", "space")]},
        {"name": "atlas", "axes": [axis("y", "space"), axis("x", "space")]}
    ]);
    let to = |path: &str, mut transform: Value| {
        transform["input"] = json!(path);
        transform["output"] = json!("physical");
        json!([transform])
    };
    let scale = |s: [f64; 2]| json!({"type": "scale", "scale": s});
    let shift = |t: [f64; 2]| json!({"type": "translation", "translation": t});
    let files = |transform: Value| -> Files {
        let multiscale = json!({
            "name": "six", "coordinateSystems": systems,
            "datasets": [
                {"path": "0", "coordinateTransformations": to("0", scale([0.5, 0.25]))},
                {"path": "1", "coordinateTransformations": to("1", transform)}
            ],
            "coordinateTransformations": [{"type": "affine", "affine": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], "input": "physical", "output": "atlas"}]
        });
        vec![
            ("zarr.json", group(json!({"version": "0.6.dev2", "multiscales": [multiscale]}))),
            ("0/zarr.json", v3(&[16, 16])),
            ("1/zarr.json", v3(&[8, 8])),
        ]
    };
    let sequence = |list: Value| json!({"type": "sequence", "transformations": list});
    let reducible = [
        scale([1.0, 0.5]),
        sequence(json!([scale([1.0, 0.5]), {"type": "identity"}])),
        json!({"type": "affine", "affine": [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]}),
        sequence(json!([{"type": "rotation", "rotation": [[1.0, 0.0], [0.0, 1.0]]}, scale([1.0, 0.5])])),
        sequence(json!([{"type": "mapAxis", "mapAxis": [0, 1]}, scale([1.0, 0.5])])),
        json!({"type": "byDimension", "transformations": [
            {"input_axes": ["x"], "output_axes": ["x"], "transformation": {"type": "scale", "scale": [0.5]}},
            {"input_axes": [0], "output_axes": [0], "transformation": {"type": "identity"}}
        ]}),
        json!({"type": "byDimension", "transformations": [
            {"type": "scale", "scale": [0.5, 1.0], "input": ["x", "y"], "output": ["x", "y"]}
        ]}),
        json!({"type": "bijection", "forward": scale([1.0, 0.5]), "inverse": scale([1.0, 2.0])}),
    ];
    for transform in reducible {
        let info = info(&files(transform.clone()), "");
        assert_eq!(info.levels[1].scale, [1.0, 0.5], "{transform}");
        assert_eq!(info.levels[0].translate, [0.0, 0.0]);
        assert_eq!(info.axes[1].unit.as_deref(), Some("micrometer"));
        assert!(
            matches!(&info.warnings[..], [one] if one.contains("\"physical\"") && one.contains("\"atlas\"")),
            "{:?}",
            info.warnings
        );
    }
    let shifted = info(&files(sequence(json!([scale([1.0, 0.5]), shift([0.25, 3.0])]))), "");
    assert_eq!((shifted.levels[1].scale.clone(), shifted.levels[1].translate.clone()), (vec![1.0, 0.5], vec![0.25, 3.0]));

    let refused = [
        (json!({"type": "affine", "affine": [[1.0, 0.1, 0.0], [0.0, 0.5, 0.0]]}), "affine"),
        (json!({"type": "affine", "affine": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]}), "affine"),
        (json!({"type": "rotation", "rotation": [[0.0, -1.0], [1.0, 0.0]]}), "rotation"),
        (sequence(json!([scale([1.0, 1.0]), {"type": "rotation", "rotation": [[0.6, -0.8], [0.8, 0.6]]}])), "rotation"),
        (json!({"type": "mapAxis", "mapAxis": [1, 0]}), "mapAxis"),
        (json!({"type": "displacements", "path": "field"}), "displacements"),
        (json!({"type": "wobble"}), "wobble"),
        (
            json!({"type": "byDimension", "transformations": [
            {"input_axes": ["x"], "output_axes": ["y"], "transformation": {"type": "identity"}}]}),
            "byDimension",
        ),
    ];
    for (transform, kind) in refused {
        let (error, line) = refusal(&files(transform), "");
        assert!(matches!(&error, OpenError::UnsupportedTransform { kind: got, .. } if got == kind), "{error:?}");
        let key = "/zarr.json: multiscales[0].datasets[1].coordinateTransformations";
        assert!(line.starts_with(key) && line.contains("scale and a translation"), "{line}");
    }
    // What is written wrongly has a meaning that nobody knows.
    for broken in [json!({"type": "affine", "affine": [[1.0, 0.0], [0.0, 1.0]]}), json!({"type": "scale", "scale": [1.0]})] {
        let (error, line) = refusal(&files(broken), "");
        assert!(matches!(error, OpenError::Metadata { .. }) && line.contains("correct it"), "{line}");
    }
    // The same rule for older versions, but that odd words are passed over there.
    let old = |transform: Value| -> Files {
        let dataset = json!({"path": "0", "coordinateTransformations": [transform]});
        vec![
            (".zattrs", json!({"multiscales": [{"version": "0.4", "axes": ["y", "x"], "datasets": [dataset]}]})),
            ("0/.zarray", v2(&[8, 8])),
        ]
    };
    assert!(matches!(
        refusal(&old(json!({"type": "rotation", "rotation": [[0.0, 1.0], [1.0, 0.0]]})), "").0,
        OpenError::UnsupportedTransform { .. }
    ));
    assert_eq!(
        info(&old(json!({"type": "affine", "affine": [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]})), "").levels[0].translate,
        [1.0, 0.0]
    );
    assert!(info(&old(json!({"type": "wobble"})), "").warnings.iter().any(|w| w.contains("wobble")));
}

#[test]
fn systems_that_are_not_there() {
    let files = |systems: Value, output: &str| -> Files {
        let dataset = json!({"path": "0", "coordinateTransformations": [{"type": "identity", "input": "0", "output": output}]});
        let multiscale = json!({"coordinateSystems": systems, "datasets": [dataset]});
        vec![("zarr.json", group(json!({"version": "0.6", "multiscales": [multiscale]}))), ("0/zarr.json", v3(&[8, 8]))]
    };
    let two = json!([{"name": "a", "axes": ["y", "x"]}, {"name": "b", "axes": ["y", "x"]}]);
    let (_, line) = refusal(&files(two.clone(), "c"), "");
    assert!(line.contains("multiscales[0].coordinateSystems describes no system \"c\""), "{line}");
    assert_eq!(info(&files(two, "b"), "").levels.len(), 1);
    let (_, line) = refusal(&files(json!([]), "a"), "");
    assert!(line.contains("multiscales[0].coordinateSystems is empty"), "{line}");
    let (_, line) = refusal(&files(json!([{"name": "a"}]), "a"), "");
    assert!(line.contains("multiscales[0].coordinateSystems[0].axes is missing"), "{line}");
}

#[test]
fn omero_that_is_odd_broken_or_absent() {
    let files = |omero: Value| -> Files {
        let axes = json!([axis("t", "time"), axis("c", "channel"), axis("z", "space"), axis("y", "space"), axis("x", "space")]);
        let multiscales = json!([{"version": "0.4", "axes": axes, "datasets": datasets(5, 1)}]);
        vec![(".zattrs", json!({"multiscales": multiscales, "omero": omero})), ("0/.zarray", v2(&[3, 2, 5, 8, 8]))]
    };
    let cases: Vec<(Value, usize, &[&str])> = vec![
        (json!(null), 0, &[]),
        (json!("none"), 0, &["omero is not an object"]),
        (json!({"channels": {"0": {}}}), 0, &["omero.channels is not a list"]),
        (
            json!({"channels": [{"color": 255, "label": 7}, 5]}),
            2,
            &["channels[0].color 255 is not RRGGBB", "channels[1] is not an object"],
        ),
        (json!({"channels": [{}, {}, {}, {}]}), 2, &["describes 4 channels, but the image has 2"]),
        (json!({"channels": [{"active": 0}, {"active": false}]}), 2, &["switches every channel off"]),
        (
            json!({"channels": [{"active": "yes"}, {"window": [0, 1]}]}),
            2,
            &["channels[0].active \"yes\"", "channels[1].window is empty"],
        ),
        (
            json!({"rdefs": {"defaultZ": "middle", "defaultT": -1}}),
            0,
            &["rdefs.defaultZ is no index", "rdefs.defaultT is no index"],
        ),
        (
            json!({"rdefs": {"defaultZ": 5, "defaultT": 3}}),
            0,
            &["rdefs.defaultZ is 5, but there are 5", "rdefs.defaultT is 3, but there are 3"],
        ),
    ];
    for (omero, channels, expected) in cases {
        let info = info(&files(omero.clone()), "");
        assert_eq!(info.channels.len(), channels, "{omero}");
        for part in expected {
            assert!(info.warnings.iter().any(|w| w.contains(part)), "{omero}: {:?} lacks {part:?}", info.warnings);
        }
        let own = info.warnings.iter().filter(|w| !w.starts_with("strict")).count();
        assert_eq!(own, expected.len(), "{omero}: {:?}", info.warnings);
    }
    // Python writes NaN, which JSON does not know.
    let mut text = files(json!({"channels": [{"window": {"start": 1, "end": 2}}, {"window": "@"}]}));
    text[0].1 = json!(text[0].1.to_string().replace("\"@\"", "{\"start\": NaN, \"end\": Infinity, \"min\": 0, \"max\": 5}"));
    let info = info(&text, "");
    assert_eq!(info.channels.iter().map(|c| c.window).collect::<Vec<_>>(), [Some((1.0, 2.0)), Some((0.0, 5.0))]);
}

#[test]
fn labels_with_colours_properties_and_source() {
    let label = json!({
        "version": "0.5",
        "multiscales": [{"name": "nuclei", "axes": [axis("y", "space"), axis("x", "space")], "datasets": datasets(2, 1)}],
        "image-label": {
            "colors": [{"label-value": 1, "rgba": [255, 0, 0, 128]}, {"label-value": 2.0, "rgba": [0, 1, 2]}, {"label-value": 3, "rgba": [0, 0, 300, 0]},
                {"rgba": [1, 2, 3, 4]}],
            "properties": [{"label-value": 2, "class": "mitotic", "area": 12.5}, {"label-value": 9, "class": "dead"}],
            "source": {"image": "../../"}
        }
    });
    let image = json!({"version": "0.5", "multiscales": [{"axes": [axis("y", "space"), axis("x", "space")], "datasets": datasets(2, 1)}]});
    let files: Files = vec![
        ("zarr.json", group(image)),
        ("0/zarr.json", v3(&[16, 16])),
        ("labels/zarr.json", group(json!({"version": "0.5", "labels": ["nuclei", "gone"]}))),
        ("labels/nuclei/zarr.json", group(label)),
        ("labels/nuclei/0/zarr.json", v3(&[16, 16])),
    ];
    let info_of_image = info(&files, "");
    let nuclei = &info_of_image.labels[0];
    let expected = |value: i64, color: Option<[u8; 4]>, properties: Value| LabelValue {
        value,
        color,
        properties: properties.as_object().cloned().unwrap(),
    };
    assert_eq!((nuclei.name.as_str(), nuclei.source.as_deref()), ("nuclei", Some("../../")));
    assert_eq!(
        nuclei.values,
        [
            expected(1, Some([255, 0, 0, 128]), json!({})),
            expected(2, Some([0, 1, 2, 255]), json!({"class": "mitotic", "area": 12.5})),
            expected(3, None, json!({})),
            expected(9, None, json!({"class": "dead"})),
        ]
    );
    for part in ["colors[2].rgba is not four numbers", "colors[3].label-value is missing", "\"gone\" is listed but not there"] {
        assert!(info_of_image.warnings.iter().any(|w| w.contains(part)), "{:?} lacks {part:?}", info_of_image.warnings);
    }
    // It opens as an image of its own, and knows what it is.
    let own = info(&files, "labels/nuclei");
    assert_eq!((own.name.as_str(), own.labels.len(), own.labels[0].name.as_str()), ("nuclei", 1, ""));
    assert_eq!(own.labels[0].values, nuclei.values);
    assert!(own.is_labels && !info_of_image.is_labels);
    assert_eq!(own.label_colors().unwrap().color(1), [255, 0, 0, 128]);
    assert_eq!(look(&files, "labels/nuclei").kind, Kind::LabelImage);
    let list = look(&files, "labels");
    assert_eq!((list.kind, list.labels.len(), &list.labels[0]), (Kind::Labels, 2, nuclei));
    assert!(refusal(&files, "labels").1.contains("/labels/nuclei"));
    // More properties than anyone should send around.
    let many: Value = (0..5000).map(|n| json!({"label-value": n, "text": "x".repeat(20)})).collect();
    let mut large = files;
    large[3].1["attributes"]["ome"]["image-label"] = json!({"properties": many});
    let large = info(&large, "");
    assert!(large.labels[0].values.len() < 2500 && large.labels[0].values.len() > 1000);
    assert!(large.warnings.iter().any(|w| w.contains("properties holds more than 65536 bytes")), "{:?}", large.warnings);
}

fn plate(wells: Value) -> Value {
    json!({"plate": {"version": "0.4", "name": "screen", "rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "03"}],
        "wells": wells, "acquisitions": [{"id": 0, "name": "first"}, {"id": 3}], "field_count": 2}})
}

fn field() -> Value {
    json!({"multiscales": [{"version": "0.4", "name": "0", "axes": [axis("y", "space"), axis("x", "space")], "datasets": datasets(2, 1)}]})
}

#[test]
fn plates_and_wells() {
    let wells = json!([{"path": "B/03", "rowIndex": 1, "columnIndex": 1}, {"path": "A/1", "rowIndex": 0, "columnIndex": 0}]);
    let well = json!({"well": {"version": "0.4", "images": [{"path": "0", "acquisition": 0}, {"path": "1", "acquisition": 3}]}});
    let files: Files = vec![
        (".zattrs", plate(wells)),
        ("B/03/.zattrs", well),
        ("B/03/0/.zattrs", field()),
        ("B/03/0/0/.zarray", v2(&[16, 24])),
        ("B/03/1/.zattrs", field()),
        ("B/03/1/0/.zarray", v2(&[16, 25])),
    ];
    let survey = look(&files, "");
    assert_eq!((survey.kind, survey.warnings.clone()), (Kind::Plate, Vec::new()));
    let told = survey.plate.unwrap();
    assert_eq!(
        (told.name.as_deref(), told.rows.join(","), told.columns.join(","), told.field_count),
        (Some("screen"), "A,B".into(), "1,03".into(), Some(2))
    );
    assert_eq!(
        told.wells.iter().map(|w| (w.path.as_str(), w.row, w.column)).collect::<Vec<_>>(),
        [("B/03", 1, 1), ("A/1", 0, 0)]
    );
    assert_eq!(told.acquisitions.iter().map(|a| (a.id, a.name.as_deref())).collect::<Vec<_>>(), [(0, Some("first")), (3, None)]);
    let told = look(&files, "B/03").well.unwrap();
    assert_eq!(
        told.images.iter().map(|i| (i.path.as_str(), i.acquisition)).collect::<Vec<_>>(),
        [("0", Some(0)), ("1", Some(3))]
    );

    // The plate opens as the first field of its first well, the well as its first field.
    let place = folder(&files);
    let root = place.path().canonicalize().unwrap().to_str().unwrap().to_owned();
    for (below, field) in [("", 0), ("B/03", 0), ("B/03/0", 0), ("B/03/1", 1)] {
        let info = open(&at(&place, below), ImageId(1)).unwrap().info;
        assert_eq!(info.location, format!("{root}/B/03/{field}"), "{below:?}");
        assert_eq!(info.levels[0].path, "0");
        // Of a well that was opened by itself nobody has looked above.
        let plate = (below != "B/03").then(|| PlateRef { plate: root.clone(), well: "B/03".into(), field });
        assert_eq!(info.plate, plate, "{below:?}");
        if below.is_empty() {
            assert!(info.name.ends_with(" B/03") && info.warnings.iter().any(|w| w.contains("2 wells")), "{info:?}");
        }
    }
}

#[test]
fn plates_that_are_odd() {
    let wells = json!([{"path": "A/1"}, {"path": "B/7", "rowIndex": 9, "columnIndex": 9}, {"rowIndex": 0}, {"path": "C"}]);
    let survey = look(&vec![(".zattrs", plate(wells))], "");
    let told = survey.plate.unwrap();
    assert_eq!(told.wells.iter().map(|w| (w.path.as_str(), w.row, w.column)).collect::<Vec<_>>(), [("A/1", 0, 0), ("B/7", 1, 2)]);
    assert_eq!(told.columns, ["1", "03", "7"]);
    for part in ["wells[2].path is missing", "wells[3] (\"C\") has no place", "strict: plate.wells[0] must have a rowIndex"] {
        assert!(survey.warnings.iter().any(|w| w.contains(part)), "{:?} lacks {part:?}", survey.warnings);
    }
    assert!(refusal(&vec![(".zattrs", json!({"plate": {}}))], "").1.starts_with("/.zattrs: plate.wells is missing"));
    assert!(refusal(&vec![(".zattrs", json!({"well": {}}))], "").1.starts_with("/.zattrs: well.images is missing"));
    assert!(refusal(&vec![(".zattrs", plate(json!([])))], "").1.contains("is a plate without wells"));
    // A path that would leave the plate.
    let (error, _) = refusal(&vec![(".zattrs", plate(json!([{"path": "../A/1"}])))], "");
    assert!(matches!(error, OpenError::Place { .. }), "{error:?}");
}

#[test]
fn bioformats2raw_collections() {
    let image = |n: u64| -> Files {
        let (attributes, array) = if n == 0 { ("0/.zattrs", "0/0/.zarray") } else { ("1/.zattrs", "1/0/.zarray") };
        vec![(attributes, field()), (array, v2(&[16, 20 + n]))]
    };
    let layout: Files = vec![(".zattrs", json!({"bioformats2raw.layout": 3}))];
    let probed: Files = layout.iter().cloned().chain(image(0)).chain(image(1)).collect();
    let listed: Files = probed
        .iter()
        .cloned()
        .chain([("OME/.zattrs", json!({"series": ["1", "0"]})), ("OME/.zgroup", json!({"zarr_format": 2}))])
        .collect();
    for (files, series) in [(&probed, ["0", "1"]), (&listed, ["1", "0"])] {
        let survey = look(files, "");
        assert_eq!((survey.kind, survey.series), (Kind::Series, series.map(str::to_owned).to_vec()));
        let info = info(files, "");
        assert_eq!(info.levels[0].shape[1], if series[0] == "0" { 20 } else { 21 });
        assert!(
            info.warnings.iter().any(|w| w.contains("collection of 2 images") && w.ends_with(series[1])),
            "{:?}",
            info.warnings
        );
    }
    assert!(refusal(&layout, "").1.contains("collection without images"));
}

#[test]
fn arrays_and_groups_without_metadata() {
    let array = info(
        &vec![("a.zarr/zarr.json", {
            let mut array = v3(&[4, 8, 8]);
            array["dimension_names"] = json!(["time", "y", "x"]);
            array
        })],
        "a.zarr",
    );
    assert_eq!((array.name.as_str(), array.axes[0].kind, array.levels.len()), ("a", AxisKind::Time, 1));
    let unnamed = info(
        &vec![("zarr.json", {
            let mut array = v3(&[4, 8, 8]);
            array["dimension_names"] = json!([null, "y", "x"]);
            array
        })],
        "",
    );
    assert_eq!(unnamed.axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["z", "y", "x"]);

    let group: (&str, Value) = (".zgroup", json!({"zarr_format": 2}));
    let pyramid: Files =
        vec![group.clone(), ("s1/.zarray", v2(&[4, 16, 16])), ("s0/.zarray", v2(&[4, 32, 32])), ("s10/.zarray", v2(&[4, 8, 8]))];
    let guessed = info(&pyramid, "");
    assert_eq!(guessed.levels.iter().map(|l| l.path.as_str()).collect::<Vec<_>>(), ["s0", "s1", "s10"]);
    assert_eq!(
        (guessed.levels[1].scale.clone(), guessed.levels[1].translate.clone()),
        (vec![1.0, 2.0, 2.0], vec![0.0, 0.5, 0.5])
    );
    assert!(guessed.warnings[0].contains("taken for a pyramid"));
    assert_eq!(look(&pyramid, "").kind, Kind::GuessedPyramid);

    // No pyramid: another number of axes, one that grows where the other shrinks, twins, another type, nothing that says "group".
    let mut other = v2(&[4, 16, 16]);
    other["dtype"] = json!("|u1");
    let no_pyramids: Vec<Files> = vec![
        vec![group.clone(), ("a/.zarray", v2(&[4, 32, 32])), ("b/.zarray", v2(&[16, 16]))],
        vec![group.clone(), ("a/.zarray", v2(&[4, 32, 32])), ("b/.zarray", v2(&[8, 16, 16]))],
        vec![group.clone(), ("a/.zarray", v2(&[4, 32, 32])), ("b/.zarray", v2(&[4, 32, 32]))],
        vec![group.clone(), ("a/.zarray", v2(&[4, 32, 32])), ("b/.zarray", other)],
        vec![("a/.zarray", v2(&[4, 32, 32])), ("b/.zarray", v2(&[4, 16, 16]))],
    ];
    for files in no_pyramids {
        let (_, line) = refusal(&files, "");
        assert!(line.contains("holds some: open /a or /b"), "{line}");
        let survey = look(&files, "");
        assert_eq!((survey.kind, survey.inside), (Kind::Folder, vec!["a".to_owned(), "b".to_owned()]));
    }
}

#[test]
fn what_strict_readers_demand_is_only_said() {
    let base = |multiscale: Value, more: Value| {
        let mut attributes = json!({"multiscales": [multiscale]});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let files: Files = vec![(".zattrs", attributes), ("0/.zarray", v2(&[4, 16, 16])), ("1/.zarray", v2(&[4, 8, 8]))];
        let info = info(&files, "");
        info.warnings.into_iter().filter(|w| w.starts_with("strict: ")).collect::<Vec<_>>()
    };
    let axes = || json!([axis("z", "space"), axis("y", "space"), axis("x", "space")]);
    let sound = || json!({"version": "0.4", "axes": axes(), "datasets": datasets(3, 2)});
    let with = |key: &str, value: Value| {
        let mut multiscale = sound();
        multiscale[key] = value;
        multiscale
    };
    let none = json!({});
    assert_eq!(base(sound(), none.clone()), Vec::<String>::new());
    let scale = json!({"type": "scale", "scale": [1.0, 1.0, 1.0]});
    let shift = json!({"type": "translation", "translation": [1.0, 1.0, 1.0]});
    let levels = |transforms: Value| json!([{"path": "0", "coordinateTransformations": transforms}]);
    let cases = [
        (with("axes", json!(["z", "y", "x"])), none.clone(), "axes must be objects with names"),
        (
            with("axes", json!([axis("y", "space"), axis("x", "space"), axis("c", "channel")])),
            none.clone(),
            "in the order time, channel",
        ),
        (
            with("axes", json!([axis("a", "x"), axis("b", "x"), axis("x", "space")])),
            none.clone(),
            "two or three of type \"space\"",
        ),
        (with("datasets", json!([{"path": "0"}])), none.clone(), "datasets[0].coordinateTransformations must be a list"),
        (with("datasets", levels(json!([shift, scale]))), none.clone(), "must be one \"scale\", then at most one"),
        (with("datasets", levels(json!([{"type": "scale", "scale": [1.0]}]))), none.clone(), "a number for each of the 3 axes"),
        (
            with(
                "datasets",
                json!([{"path": "1", "coordinateTransformations": [scale]}, {"path": "0", "coordinateTransformations": [scale]}]),
            ),
            none.clone(),
            "from fine to coarse",
        ),
        (with("coordinateTransformations", json!([shift])), none.clone(), "multiscales[0].coordinateTransformations must be one"),
        (sound(), json!({"omero": {}}), "omero.channels must be a list"),
        (sound(), json!({"omero": {"channels": [{"color": "#0000FF"}]}}), "color must be six hexadecimal digits"),
        (
            sound(),
            json!({"omero": {"channels": [{"color": "0000FF", "window": {"start": 0, "end": 1}}]}}),
            "window must have numbers min, max",
        ),
        (
            sound(),
            json!({"image-label": {"colors": [{"label-value": 1}, {"label-value": 1}]}}),
            "label-value must not be there twice",
        ),
    ];
    for (multiscale, more, expected) in cases {
        let said = base(multiscale.clone(), more);
        assert!(said.iter().any(|line| line.contains(expected)), "{multiscale}: {said:?} lacks {expected:?}");
    }
    // Versions that demanded none of this.
    for version in [json!("0.3"), json!(null)] {
        let mut old = sound();
        old["axes"] = json!(["z", "y", "x"]);
        old["version"] = version;
        assert_eq!(base(old, none.clone()), Vec::<String>::new());
    }
}

#[test]
fn newer_versions_are_tried() {
    let mut files = example_v05();
    files[0].1["attributes"]["ome"]["version"] = json!("0.9");
    let info = info(&files, "");
    assert_eq!(info.ngff_version.as_deref(), Some("0.9"));
    assert!(info.warnings.iter().any(|w| w.contains("0.9 is newer than 0.6")), "{:?}", info.warnings);
}

#[test]
fn what_is_impossible_names_file_and_key() {
    let multiscale = |extra: Value| {
        let mut entry = json!({"version": "0.4", "axes": ["z", "y", "x"], "datasets": [{"path": "0"}]});
        entry.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"multiscales": [entry]})
    };
    let image = |attributes: Value, array: Value| -> Files { vec![(".zattrs", attributes), ("0/.zarray", array)] };
    let sound = || v2(&[4, 16, 16]);
    let with = |mut array: Value, key: &str, value: Value| {
        array[key] = value;
        array
    };
    let plain = |array: Value| -> Files { vec![("zarr.json", array)] };
    let cases: Vec<(Files, &str)> = vec![
        (image(json!("{"), sound()), "/.zattrs: is not valid JSON"),
        (image(json!("{\"multiscales\": [1e999]}"), sound()), "/.zattrs: is not valid JSON"),
        (image(json!({"multiscales": 3}), sound()), "/.zattrs: multiscales is not a list"),
        (image(json!({"multiscales": ["a"]}), sound()), "/.zattrs: multiscales[0] is not an object"),
        (image(multiscale(json!({"datasets": {}})), sound()), "/.zattrs: multiscales[0].datasets is missing"),
        (image(multiscale(json!({"datasets": [{"path": 0}]})), sound()), "/.zattrs: multiscales[0].datasets[0].path is missing"),
        (image(multiscale(json!({"datasets": [{"path": "/"}]})), sound()), "/.zattrs: multiscales[0].datasets[0].path"),
        (image(multiscale(json!({"datasets": [{"path": "../0"}]})), sound()), "/.zattrs: multiscales[0].datasets[0].path"),
        (image(multiscale(json!({"axes": ["y", "x"]})), sound()), "/.zattrs: multiscales[0].axes has 2 entries"),
        (image(multiscale(json!({"axes": [{}, {}, {}]})), sound()), "/.zattrs: multiscales[0].axes[0].name is missing"),
        (image(multiscale(json!({})), v2(&[16])), "/.zattrs: shape the array has 1 axes"),
        (image(multiscale(json!({})), v2(&[1, 1, 1, 1, 16, 16])), "/.zattrs: shape the array has 6 axes"),
        (
            image(
                multiscale(
                    json!({"datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1e300]}]}]}),
                ),
                sound(),
            ),
            "/.zattrs: multiscales[0].datasets[0].coordinateTransformations",
        ),
        (image(multiscale(json!({})), with(sound(), "shape", json!([4, -1, 16]))), "/0/.zarray: shape is missing"),
        (image(multiscale(json!({})), with(sound(), "shape", json!([4, 1e30, 16]))), "/0/.zarray: shape is missing"),
        (
            image(multiscale(json!({})), with(sound(), "shape", json!([4, 5_000_000_000_u64, 16]))),
            "/0/.zarray: shape holds 5000000000",
        ),
        (
            image(multiscale(json!({})), with(sound(), "chunks", json!([4, 0, 16]))),
            "/0/.zarray: chunks is missing or not 3 sizes",
        ),
        (image(multiscale(json!({})), with(sound(), "chunks", json!([4, 16]))), "/0/.zarray: chunks is missing or not 3 sizes"),
        (image(multiscale(json!({})), with(sound(), "dtype", json!("<c16"))), "/0/.zarray: dtype \"<c16\" cannot be shown"),
        (image(multiscale(json!({})), with(sound(), "dtype", json!("<M8[ns]"))), "/0/.zarray: dtype \"<M8[ns]\" cannot be shown"),
        (
            image(multiscale(json!({})), with(sound(), "compressor", json!({"id": "jpegxl"}))),
            "/0/.zarray: codecs jpegxl cannot be decoded",
        ),
        (plain(with(v3(&[8, 8]), "chunk_grid", json!({"name": "rectilinear"}))), "/zarr.json: chunk_grid is \"rectilinear\""),
        (
            plain(with(v3(&[8, 8]), "storage_transformers", json!([{"name": "x"}]))),
            "/zarr.json: storage_transformers cannot be undone",
        ),
        (plain(with(v3(&[8, 8]), "data_type", json!("complex64"))), "/zarr.json: data_type \"complex64\" cannot be shown"),
        (
            plain(with(v3(&[8, 8]), "codecs", json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [3]}}]))),
            "/zarr.json: codecs hold shards",
        ),
    ];
    for (files, expected) in cases {
        let (_, line) = refusal(&files, "");
        assert!(line.starts_with(expected), "{line:?} does not start with {expected:?}");
    }
}

#[test]
fn a_survey_tells_what_opening_refuses() {
    let mut array = v3(&[8, 8]);
    array["codecs"] = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [4, 4],
        "codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes", "configuration": {"endian": "big"}}, {"name": "imagecodecs_jpegxl"}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]);
    let survey = look(&vec![("zarr.json", array)], "");
    let level = &survey.levels[0];
    assert_eq!((level.chunk.clone(), level.storage.shard.clone()), (vec![4, 4], Some(vec![8, 8])));
    assert_eq!(level.storage.codecs, "shards (transpose, imagecodecs_jpegxl)");
    assert_eq!(
        (level.storage.order.as_str(), level.storage.byte_order.as_str(), level.storage.dtype.as_str()),
        ("F", "big", "uint16")
    );
    assert!(matches!(&survey.obstacles[..], [one] if one.contains("cannot be decoded")), "{:?}", survey.obstacles);
    let mut complex = v2(&[8, 8]);
    complex["dtype"] = json!(">c8");
    let survey = look(&vec![(".zarray", complex)], "");
    assert_eq!((survey.dtype, survey.levels[0].storage.dtype.as_str()), (None, ">c8"));
    assert!(survey.obstacles[0].contains("cannot be shown"));
    assert!(nc_store::survey::survey("/no/such/place").is_err());
}
