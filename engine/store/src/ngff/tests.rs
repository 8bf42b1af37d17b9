#![allow(clippy::type_complexity, reason = "tables of cases")]

use super::*;
use nc_core::scene::AxisKind;
use serde_json::json;

fn facts(shape: &[u64]) -> ArrayFacts {
    ArrayFacts { shape: shape.to_vec(), dimension_names: None }
}

fn document(attributes: &Value) -> Document {
    select(attributes, None, &mut Vec::new()).unwrap()
}

fn select(attributes: &Value, wanted: Option<&str>, warnings: &mut Vec<String>) -> Result<Document, MetadataError> {
    match classify(attributes, warnings)? {
        Content::Images(images) => images.select(wanted, warnings),
        other => panic!("{other:?}"),
    }
}

fn read(attributes: Value, shapes: &[&[u64]]) -> (Description, Vec<String>) {
    let mut warnings = Vec::new();
    let levels: Vec<_> = shapes.iter().map(|s| facts(s)).enumerate().collect();
    (describe(&document(&attributes), &levels, &mut warnings).unwrap(), warnings)
}

fn image(axes: Value, datasets: Value) -> Value {
    json!({"multiscales": [{"axes": axes, "datasets": datasets}]})
}

fn one() -> Value {
    json!([{"path": "0"}])
}

#[test]
fn axes_of_every_version() {
    use AxisKind::{Channel, Other, Space, Time};
    let full = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let cases: Vec<(Value, &[u64], Vec<(&str, AxisKind)>)> = vec![
        (
            json!([full("c", "channel"), full("y", "space"), full("x", "space")]),
            &[2, 3, 4],
            vec![("c", Channel), ("y", Space), ("x", Space)],
        ),
        // Types that are absent follow from the name, unknown ones do not.
        (
            json!([{"name": "t"}, {"name": "Y", "type": ""}, full("x", "lambda")]),
            &[2, 3, 4],
            vec![("t", Time), ("Y", Space), ("x", Other)],
        ),
        // 0.3: plain names. Any order.
        (
            json!(["x", "c", "z", "t", "y"]),
            &[1, 2, 3, 4, 5],
            vec![("x", Space), ("c", Channel), ("z", Space), ("t", Time), ("y", Space)],
        ),
        // Absent, as in 0.1 and 0.2.
        (Value::Null, &[1, 2, 3, 4, 5], vec![("t", Time), ("c", Channel), ("z", Space), ("y", Space), ("x", Space)]),
        (Value::Null, &[4, 5], vec![("y", Space), ("x", Space)]),
        // Twins are told apart, and one channel axis is enough.
        (json!(["c", "c", "x"]), &[2, 3, 4], vec![("c", Channel), ("c2", Other), ("x", Space)]),
    ];
    for (axes, shape, expected) in cases {
        let (description, _) = read(image(axes.clone(), one()), &[shape]);
        let got: Vec<_> = description.axes.iter().map(|a| (a.name.as_str(), a.kind)).collect();
        assert_eq!(got, expected, "{axes}");
    }
    let named = ArrayFacts { shape: vec![2, 3], dimension_names: Some(vec!["t".into(), "lambda".into()]) };
    let description = describe_plain(&[named], &mut Vec::new()).unwrap();
    assert_eq!((description.axes[0].kind, description.axes[1].name.as_str()), (Time, "lambda"));
    let unit = json!([{"name": "y", "type": "space", "unit": "micrometer"}, {"name": "x", "type": "space", "unit": ""}]);
    let (description, _) = read(image(unit, one()), &[&[2, 3]]);
    assert_eq!((description.axes[0].unit.as_deref(), description.axes[1].unit.as_deref()), (Some("micrometer"), None));
}

#[test]
fn transformations_compose_in_order_dataset_before_image() {
    let scale = |s: Value| json!({"type": "scale", "scale": s});
    let shift = |t: Value| json!({"type": "translation", "translation": t});
    let cases: Vec<(Value, Value, [f64; 2], [f64; 2], usize)> = vec![
        (json!([scale(json!([2, 0.5])), shift(json!([10, -1]))]), json!([]), [2.0, 0.5], [10.0, -1.0], 0),
        // The image's own scale also stretches the dataset's translation.
        (
            json!([scale(json!([2, 2])), shift(json!([1, 1]))]),
            json!([scale(json!([3, 10])), shift(json!([5, 0]))]),
            [6.0, 20.0],
            [8.0, 10.0],
            0,
        ),
        // Listed the other way round, the scale applies to the translation.
        (json!([shift(json!([1, 1])), scale(json!([2, 4]))]), json!([]), [2.0, 4.0], [2.0, 4.0], 0),
        (json!([{"type": "identity"}]), json!([]), [1.0, 1.0], [0.0, 0.0], 0),
        (json!([scale(json!([-1, 2]))]), json!([]), [-1.0, 2.0], [0.0, 0.0], 0),
        // What makes no sense is left out with a word.
        (json!([scale(json!([0, 2]))]), json!([]), [1.0, 2.0], [0.0, 0.0], 1),
        (json!([scale(json!([1, 2, 3])), scale(json!("big")), {"type": "wobble"}]), json!([]), [1.0, 1.0], [0.0, 0.0], 2),
        (json!([{"type": "scale", "path": "transforms/0"}]), json!([]), [1.0, 1.0], [0.0, 0.0], 1),
    ];
    for (own, shared, scale, translate, warned) in cases {
        let mut attributes = image(json!(["y", "x"]), json!([{"path": "0", "coordinateTransformations": own}]));
        attributes["multiscales"][0]["coordinateTransformations"] = shared;
        let (description, warnings) = read(attributes.clone(), &[&[8, 8]]);
        let expected = Placement { scale: scale.to_vec(), translate: translate.to_vec() };
        assert_eq!(description.placements, [expected], "{attributes}");
        assert_eq!(warnings.len(), warned, "{attributes}: {warnings:?}");
    }
}

#[test]
fn levels_without_transformations_share_the_finest_box() {
    let (description, _) =
        read(image(json!(["c", "y", "x"]), json!([{"path": "0"}, {"path": "1"}])), &[&[2, 100, 99], &[2, 25, 33]]);
    assert_eq!(description.placements[1], Placement { scale: vec![1.0, 4.0, 3.0], translate: vec![0.0, 1.5, 1.0] });
}

#[test]
fn finite_but_absurd_transformations_are_errors_with_their_key() {
    let scale = |s: f64| json!({"type": "scale", "scale": [1, s]});
    let shift = |t: f64| json!({"type": "translation", "translation": [0, t]});
    let own = Err("multiscales[0].datasets[0].coordinateTransformations");
    let shared = Err("multiscales[0].coordinateTransformations");
    let cases = [
        (vec![scale(1e-12)], vec![], Ok(())),
        (vec![scale(-1e12)], vec![], Ok(())),
        (vec![scale(0.9e-12)], vec![], own),
        (vec![scale(-1.1e12)], vec![], own),
        (vec![scale(1e300), scale(1e300)], vec![], own),
        (vec![scale(1e-300), scale(1e-300)], vec![], own),
        (vec![shift(-1e15 + 8.0)], vec![], Ok(())),
        (vec![shift(-1e15)], vec![], own),
        (vec![shift(1e308), shift(1e308)], vec![], own),
        (vec![scale(1e12), shift(9.93e14)], vec![], own),
        // Each is sound, both together are not; and the other way round.
        (vec![scale(1e7)], vec![scale(1e7)], shared),
        (vec![scale(1e-13)], vec![scale(1e3)], Ok(())),
    ];
    for (of_dataset, of_image, expected) in cases {
        let mut attributes = image(json!(["y", "x"]), json!([{"path": "0", "coordinateTransformations": of_dataset}]));
        attributes["multiscales"][0]["coordinateTransformations"] = json!(of_image);
        let described = describe(&document(&attributes), &[(0, facts(&[8, 8]))], &mut Vec::new());
        let got = described.as_ref().map(|_| ()).map_err(|error| error.key.as_str());
        assert_eq!(got, expected, "{attributes}");
        assert!(
            described
                .err()
                .is_none_or(|e| matches!(e.problem, Problem::Senseless(p) if p.contains("axis 1") && !p.contains('\n'))),
            "{attributes}"
        );
    }
}

#[test]
fn omero_channels_and_planes() {
    let window = |v: Value| json!({"channels": [{"window": v}]});
    let cases: Vec<(Value, Option<(f64, f64)>, usize)> = vec![
        (json!({"start": 10, "end": 20.5, "min": 0, "max": 100}), Some((10.0, 20.5)), 0),
        (json!({"start": 5, "end": 5, "min": 0, "max": 100}), Some((0.0, 100.0)), 0),
        (json!({"start": "low", "end": 5}), None, 1),
        (json!({"start": 9, "end": 5}), None, 1),
    ];
    for (value, expected, warned) in cases {
        let mut attributes = image(json!(["y", "x"]), one());
        attributes["omero"] = window(value.clone());
        let (description, warnings) = read(attributes, &[&[4, 4]]);
        assert_eq!((description.channels[0].window, warnings.len()), (expected, warned), "{value}");
    }
    let colors = [
        ("00FF7f", Some([0, 255, 127])),
        ("#010203", Some([1, 2, 3])),
        ("010203FF", Some([1, 2, 3])),
        ("red", None),
        ("ééé", None),
    ];
    for (text, expected) in colors {
        let mut attributes = image(json!(["y", "x"]), one());
        attributes["omero"] = json!({"channels": [{"color": text, "label": "DAPI", "active": false}]});
        let (description, _) = read(attributes, &[&[4, 4]]);
        let channel = &description.channels[0];
        assert_eq!((channel.color, channel.label.as_deref(), channel.active), (expected, Some("DAPI"), false), "{text}");
    }
    let mut attributes = image(json!(["c", "y", "x"]), one());
    attributes["omero"] = json!({"channels": [{}, {}, {}], "rdefs": {"defaultZ": 7, "defaultT": -1}});
    let (description, warnings) = read(attributes, &[&[2, 4, 4]]);
    assert_eq!((description.channels.len(), warnings.len()), (2, 2), "{warnings:?}");
    assert_eq!((description.default_z, description.default_t), (Some(7), None));
    assert!(description.channels[0].active && description.channels[0].label.is_none());
    // Rubbish in place of the whole entry.
    for rubbish in [json!(3), json!({"channels": "many", "rdefs": []})] {
        let mut attributes = image(json!(["y", "x"]), one());
        attributes["omero"] = rubbish;
        assert!(read(attributes, &[&[4, 4]]).0.channels.is_empty());
    }
}

#[test]
fn versions_and_places_of_the_entries() {
    let v4 = json!({"multiscales": [{"version": "0.4", "name": "n", "datasets": [{"path": "0"}]}]});
    let v5 = json!({"ome": {"version": "0.5", "multiscales": [{"name": 5, "datasets": [{"path": "0"}]}, {}]}});
    let (four, five) = (document(&v4), document(&v5));
    assert_eq!((four.version.as_deref(), four.name.as_deref()), (Some("0.4"), Some("n")));
    assert_eq!((five.version.as_deref(), five.name), (Some("0.5"), None));
    let mut warnings = Vec::new();
    select(&v5, None, &mut warnings).unwrap();
    assert_eq!(warnings, ["multiscales lists 2 images; the first is shown, ask for others with #1"]);
    for nothing in [json!({}), json!(null), json!([1]), json!({"ome": {}}), json!({"ome": 3})] {
        assert!(matches!(classify(&nothing, &mut Vec::new()).unwrap(), Content::Unknown), "{nothing}");
    }
}

#[test]
fn what_leaves_no_reading_is_an_error_with_its_key() {
    let key = |attributes: Value| select(&attributes, None, &mut Vec::new()).unwrap_err().key;
    assert_eq!(key(json!({"multiscales": {}})), "multiscales");
    assert_eq!(key(json!({"multiscales": [3]})), "multiscales[0]");
    assert_eq!(key(json!({"multiscales": [{"datasets": []}]})), "multiscales[0].datasets");
    assert_eq!(key(json!({"multiscales": [{"datasets": [{"path": "0"}, 4]}]})), "multiscales[0].datasets[1].path");
    let describe = |axes: Value, shape: &[u64]| {
        describe(&document(&image(axes, one())), &[(0, facts(shape))], &mut Vec::new()).unwrap_err().key
    };
    assert_eq!(describe(json!(["y", "x"]), &[2, 3, 4]), "multiscales[0].axes");
    assert_eq!(describe(json!(["y", {"type": "space"}]), &[2, 3]), "multiscales[0].axes[1].name");
    assert_eq!(describe(json!(["y", ""]), &[2, 3]), "multiscales[0].axes[1].name");
    assert_eq!(describe(json!(["x"]), &[2]), "shape");
}
