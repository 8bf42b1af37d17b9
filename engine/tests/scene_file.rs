//! Scene descriptions that are wrong: each is refused in words that name the scene and the key, and none panics.

use nc_engine::scene_file::{Scene, SceneError, draw};
use nc_gpu::{DeviceChoice, open_device};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

fn scene(name: &str) -> Value {
    let path = golden().join(format!("reference/scenes/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).expect("a scene")).expect("JSON")
}

fn drawn(scene: &Value) -> Result<Vec<u8>, SceneError> {
    let scene = Scene::parse("a.json", scene.to_string().as_bytes())?;
    let mut device = open_device(DeviceChoice::Cpu, scene.canvas)?;
    Ok(draw(&scene, &golden(), &mut *device)?.rgb)
}

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let changed = |pointer: &str, value: Value| {
        let mut scene = scene("labels_over_image");
        *scene.pointer_mut(pointer).expect("a key") = value;
        drawn(&scene).map(|_| ()).expect_err(pointer).to_string()
    };
    for (pointer, value, said) in [
        ("/canvas", json!([0, 10]), r#"a.json: "canvas[0]" must be a whole number from 1 to 16384"#),
        ("/canvas", Value::Null, r#"a.json: "canvas" is missing"#),
        ("/ndisplay", json!(4), r#"a.json: "ndisplay" must be a whole number from 2 to 3"#),
        ("/camera", json!({}), r#"a.json: "camera.rect" is missing"#),
        ("/camera/rect", json!([0, 0, 0, 1]), r#"a.json: "camera.rect" must have a positive width and height"#),
        ("/displayed", json!([1, 1]), r#"a.json: "displayed" must end in 2 different axes"#),
        ("/background", json!([0, 0, 1]), r#"a.json: "background" must be [0, 0, 0]: layers are drawn over black"#),
        ("/layers/0/scale", json!([1, 0, 1]), r#"a.json: "layers[0].scale" must not have a 0"#),
        ("/layers/1/type", json!("points"), r#"a.json: "layers[1].type" is "points", which is none of image, labels"#),
        ("/layers/0/contrast_limits", json!([5, 5]), r#"a.json: "layers[0].contrast_limits" must be two different numbers"#),
        ("/layers/0/gamma", json!(0), r#"a.json: "layers[0].gamma" must be 0.001 to 1000, not 0"#),
    ] {
        assert_eq!(changed(pointer, value), said);
    }
    let missing = changed("/layers/1/path", json!("labels/nothing"));
    assert!(missing.starts_with("a.json: layer 1: ") && missing.contains("nothing"), "{missing}");
    assert!(changed("/current_step", json!([99, 0, 0])).contains("has no index of axis 0 99: there are 31"));
    assert!(changed("/layers/0/array_axes", json!(["y", "x"])).contains(r#""layers[0].array_axes" must be the scene's axes"#));
    let error = Scene::parse("a.json", b"{").expect_err("no JSON").to_string();
    assert!(error.starts_with("a.json: not JSON: "), "{error}");
}

/// A high limit below the low one shows the scale upside down.
#[test]
fn limits_may_fall() {
    let mut scene = scene("interp_up_linear");
    let limits = [scene["layers"][0]["contrast_limits"][0].clone(), scene["layers"][0]["contrast_limits"][1].clone()];
    let rising = drawn(&scene).expect("a picture");
    scene["layers"][0]["contrast_limits"] = json!([limits[1], limits[0]]);
    let falling = drawn(&scene).expect("a picture");
    assert!(rising.iter().zip(&falling).all(|(a, b)| (254..=256).contains(&(u16::from(*a) + u16::from(*b)))));
}

/// Every value of a scene, as JSON pointers.
fn pointers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{at}/{i}"), out)),
        Value::Object(map) => map.iter().for_each(|(key, item)| pointers(item, format!("{at}/{key}"), out)),
        _ => {}
    }
    out.push(at);
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| json!(n)),
        (-3i64..40).prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        (-3.0..3.0).prop_map(|n| json!(n)),
        Just(json!(1e300)),
    ];
    let leaf = prop_oneof![
        4 => number,
        1 => prop::sample::select(vec![json!(null), json!(true), json!(""), json!({}), json!([])]),
        1 => prop::sample::select(vec!["plane", "labels", "cubic", "iso", "x", "c", "../..", "minimum", "data"]).prop_map(|s| json!(s)),
    ];
    prop_oneof![3 => leaf.clone(), 1 => prop::collection::vec(leaf, 0..5).prop_map(Value::Array)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_scene_panics(
        name in prop::sample::select(vec!["labels_over_image", "tzyx_order_zx", "f3d_ortho", "iso_cells", "ramp_turbo"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let mut scene = scene(name);
        scene["canvas"] = json!([32, 24]);
        for (at, value) in changes {
            let mut all: Vec<String> = Vec::new();
            pointers(&scene, String::new(), &mut all);
            if let Some(old) = scene.pointer_mut(at.get(&all).as_str()) {
                *old = value;
            }
        }
        let small = Scene::parse("a.json", scene.to_string().as_bytes()).is_ok_and(|s| s.canvas.width <= 64 && s.canvas.height <= 64);
        if small {
            let _ = drawn(&scene);
        }
    }
}
