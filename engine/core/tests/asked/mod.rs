//! Random intents of every scope and key, with values that make sense and some that hardly do.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// What a client may send.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) scope: String,
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) value: Value,
}

const PROPERTIES: [(&str, &str); 28] = [
    ("view", "ndisplay"),
    ("dims", "index"),
    ("dims", "step"),
    ("camera", "zoom"),
    ("camera", "pan"),
    ("camera", "orbit"),
    ("camera", "reset"),
    ("camera", "set"),
    ("multiscale", "level"),
    ("multiscale", "policy"),
    ("layer", "visible"),
    ("layer", "opacity"),
    ("layer", "gamma"),
    ("layer", "colormap"),
    ("layer", "blending"),
    ("layer", "interpolation"),
    ("layer", "contrast_limits"),
    ("layer", "rendering"),
    ("layer", "depiction"),
    ("layer", "attenuation"),
    ("layer", "iso_threshold"),
    ("volume", "render_mode"),
    ("volume", "contrast_limits"),
    ("volume", "colormap"),
    ("volume", "opacity"),
    ("volume", "sample_step"),
    // The mode and the camera come more often.
    ("view", "ndisplay"),
    ("camera", "set"),
];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -1.0..3.0, 1 => any::<f64>().prop_filter("JSON has no such number", |v| v.is_finite())]
}

fn triple() -> impl Strategy<Value = Value> {
    (-100.0..100.0, -100.0..100.0, -100.0..100.0).prop_map(|(a, b, c)| json!([a, b, c]))
}

fn words(words: &[&str]) -> BoxedStrategy<Value> {
    select(words.iter().map(|word| json!(word)).collect::<Vec<_>>()).boxed()
}

fn value_for(key: &'static str) -> BoxedStrategy<Value> {
    match key {
        "ndisplay" => select(vec![json!(2), json!(3), json!(null), json!("2"), json!(3.9), json!(-7)]).boxed(),
        "index" | "step" => prop_oneof![6 => (-4i64..80).prop_map(Value::from), 1 => any::<i64>().prop_map(Value::from)].boxed(),
        "level" => (-2i64..7).prop_map(Value::from).boxed(),
        "policy" => Just(json!("auto")).boxed(),
        "pan" => (number(), number()).prop_map(|(x, y)| json!({"dx_px": x, "dy_px": y})).boxed(),
        "zoom" => (number(), number()).prop_map(|(f, x)| json!({"factor": f, "anchor_px": [x, 10.0]})).boxed(),
        "orbit" => (-60.0..60.0, -60.0..60.0).prop_map(|(a, e)| json!({"d_az_deg": a, "d_el_deg": e})).boxed(),
        "reset" => Just(json!({"reason": "ui"})).boxed(),
        "set" => prop_oneof![
            (number(), number()).prop_map(|(x, w)| json!({"rect": [x, 0.0, w, 5.0], "zoom": w})),
            triple().prop_map(|center| json!({"center": center})),
            triple().prop_map(|angles| json!({"angles": angles})),
            (triple(), triple()).prop_map(|(center, angles)| json!({"center": center, "angles": angles, "zoom": 2.0})),
        ]
        .boxed(),
        "visible" => any::<bool>().prop_map(Value::from).boxed(),
        "colormap" => words(&["viridis", "gray", "HILO", "#10fF00", "no such"]),
        "blending" => words(&["additive", "opaque", "minimum", "maximum", "no such"]),
        "interpolation" => prop_oneof![words(&["nearest", "linear", "cubic", "Spline36"]), Just(json!(1))].boxed(),
        "contrast_limits" => (number(), number()).prop_map(|(a, b)| json!([a, b])).boxed(),
        "rendering" | "render_mode" => {
            words(&["mip", "minip", "attenuated_mip", "translucent", "ISO", "additive", "average", "ray"])
        }
        "depiction" => words(&["volume", "plane", "slab"]),
        _ => number().prop_map(Value::from).boxed(),
    }
}

/// An intent of any property.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let target = |scope| {
        select(match scope {
            "dims" => vec!["t", "z", "y", "X", "0", "1", "4", "q"],
            "layer" => vec!["", "layer-0", "layer-1", "layer-2", "layer-9"],
            _ => vec!["", "main"],
        })
    };
    select(&PROPERTIES[..])
        .prop_flat_map(move |(scope, key)| (Just(scope), target(scope), Just(key), value_for(key)))
        .prop_map(|(scope, target, key, value)| Asked { scope: scope.into(), target: target.into(), key: key.into(), value })
}
