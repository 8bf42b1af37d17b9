//! Intents: what clients, scripts and the terminal may ask, parsed from scope, target, key and value.

use super::parse::{self, Address};
use crate::exchange::CameraMotion;
use crate::scene::control::Control;
use serde_json::{Value, json};

/// A refused intent, in the wire's words (PROTOCOL §6.2, §6.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// "state.invalid", "state.error", "state.unsupported".
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What it was about, an object.
    pub details: Value,
}

/// Something a client asks for. Values are coerced and in their domain as far as that can be told without the scene.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// 2 or 3 displayed dims.
    Ndisplay(u8),
    /// The size of the canvas in pixels, any; what of it can be taken the reducer says.
    CanvasSize {
        /// Columns.
        width: i64,
        /// Rows.
        height: i64,
    },
    /// Degrees a second that the 3D camera turns by itself; 0 stops it.
    Turning(f64),
    /// Absolute index on an axis, in the index space of the level that is shown.
    DimsIndex {
        /// Label or number of the axis.
        axis: String,
        /// Any integer; clamped when reduced.
        index: i64,
    },
    /// Signed step on an axis, in the index space of the level that is shown.
    DimsStep {
        /// Label or number of the axis.
        axis: String,
        /// Any integer.
        delta: i64,
    },
    /// A camera motion and the value that acks and echoes carry.
    Camera {
        /// "zoom", "pan", "orbit", "reset".
        mode: &'static str,
        /// What to do.
        motion: CameraMotion,
        /// The applied value.
        applied: Value,
    },
    /// An absolute pose.
    CameraSet(CameraSet),
    /// A level, which stays until released.
    Level(i64),
    /// The level is the policy's again (an extension, `protocol/README.md`).
    LevelPolicyAuto,
    /// One control of a layer.
    Layer {
        /// Layer id.
        target: String,
        /// The control.
        control: Control,
    },
    /// One control of the layer that is the wire's `volume`: the first.
    Volume(Control),
}

/// What of a `camera.set` is well-formed. The mode decides what of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CameraSet {
    /// World x and y, and z if it is given.
    pub center: Option<([f64; 2], Option<f64>)>,
    /// Canvas pixels per world unit, positive.
    pub zoom: Option<f64>,
    /// Azimuth, elevation, roll; degrees, any.
    pub angles: Option<[f64; 3]>,
    /// Left, bottom, width, height.
    pub rect: Option<[f64; 4]>,
}

impl Intent {
    /// Understands an intent. Scope and key are trimmed and lower-cased, the target is trimmed.
    ///
    /// | scope | target | key | value |
    /// | --- | --- | --- | --- |
    /// | `view` | any | `ndisplay` | integer; at least 3 is 3, anything else and null 2 |
    /// | | | `canvas_size` | `[width, height]`, pixels (an extension) |
    /// | | | `turning` | number, degrees a second, clamped to -360..360 (an extension) |
    /// | `dims` | axis, by number or label | `index` | integer |
    /// | | | `step` | integer, signed |
    /// | `camera` | "" or `main` | `zoom` | `{factor > 0, anchor_px: [x, y]}` |
    /// | | | `pan` | `{dx_px, dy_px}` |
    /// | | | `orbit` | `{d_az_deg, d_el_deg}` |
    /// | | | `reset` | `{reason}`, a string, anything |
    /// | | | `set` | any of `center` (2 or 3), `zoom`, `angles` (3), `rect` (4) |
    /// | `multiscale` | any | `level` | integer |
    /// | | | `policy` | `auto` |
    /// | `layer` | layer id, "" is `layer-0` | `visible` | truth value |
    /// | | | `opacity` | number, clamped to 0..1 |
    /// | | | `blending` | word |
    /// | | | `interpolation` | word |
    /// | | | `gamma` | number > 0 |
    /// | | | `colormap` | name, `#rrggbb`, `{name}` |
    /// | | | `contrast_limits` | `[lo, hi]`, `{lo, hi}` |
    /// | | | `rendering` | word |
    /// | | | `depiction` | `volume`, `plane` |
    /// | | | `attenuation` | number, at least 0 |
    /// | | | `iso_threshold` | number |
    /// | `volume` | any | `render_mode` | `mip`, `translucent`, `iso` |
    /// | | | `contrast_limits` | list of two numbers or more |
    /// | | | `colormap` | name, `#rrggbb` |
    /// | | | `opacity` | number, clamped to 0..1 |
    /// | | | `sample_step` | number, clamped to 0.1..4 |
    pub fn parse(scope: &str, target: &str, key: &str, value: &Value) -> Result<Self, Rejection> {
        let (scope, key, target) = (scope.trim().to_lowercase(), key.trim().to_lowercase(), target.trim());
        if scope.is_empty() || key.is_empty() {
            let details = json!({"scope": scope, "key": key, "target": target});
            return Err(Rejection { code: "state.invalid", message: "scope/key required".into(), details });
        }
        let at = Address { scope: &scope, target, key: &key };
        match scope.as_str() {
            "view" => parse::view::parse(at, value),
            "dims" => parse::dims::parse(at, value),
            "camera" => parse::camera::parse(at, value),
            "multiscale" => parse::multiscale::parse(at, value),
            "layer" => parse::layer::parse(at, value),
            "volume" => parse::volume::parse(at, value),
            _ => Err(at.unsupported()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Interpolation, Rendering};
    use crate::scene::Depiction;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(
                    (
                        proptest::sample::select(
                            &["factor", "anchor_px", "dx_px", "dy_px", "lo", "hi", "name", "center", "rect", "zoom", "reason"][..]
                        ),
                        inner
                    ),
                    0..5
                )
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_makes_parsing_panic(scope in prop_oneof![proptest::sample::select(&["view", "dims", "camera", "multiscale", "layer", "volume", ""][..]).prop_map(String::from), ".{0,6}".prop_map(String::from)],
                                       target in ".{0,8}", key in prop_oneof![proptest::sample::select(&["ndisplay", "index", "step", "zoom", "pan", "orbit", "reset", "set", "level", "policy", "visible", "opacity", "gamma", "colormap", "contrast_limits", "blending", "interpolation", "rendering", "depiction", "attenuation", "iso_threshold", "render_mode", "sample_step"][..]).prop_map(String::from), ".{0,6}".prop_map(String::from)],
                                       value in any_json()) {
            match Intent::parse(&scope, &target, &key, &value) {
                Ok(Intent::Layer { control, .. } | Intent::Volume(control)) => match control {
                    Control::Opacity(o) => prop_assert!((0.0..=1.0).contains(&o)),
                    Control::ContrastLimits(lo, hi) => prop_assert!((hi as f32) > (lo as f32)),
                    Control::Gamma(g) => prop_assert!(g > 0.0),
                    Control::Attenuation(a) => prop_assert!(a >= 0.0 && (a as f32).is_finite()),
                    Control::IsoThreshold(v) => prop_assert!((v as f32).is_finite()),
                    Control::SampleStep(step) => prop_assert!((0.1..=4.0).contains(&step)),
                    _ => {}
                },
                Ok(Intent::CameraSet(set)) => prop_assert!(set.angles.is_none_or(|a| a.iter().all(|v| v.is_finite()))),
                Ok(Intent::Ndisplay(n)) => prop_assert!(n == 2 || n == 3),
                Ok(_) => {}
                Err(rejection) => prop_assert!(rejection.code.starts_with("state.") && !rejection.message.is_empty()),
            }
        }
    }

    #[test]
    fn the_catalogue_s_coercions() {
        let ok = |scope, target, key, value| Intent::parse(scope, target, key, &value).unwrap();
        assert_eq!(ok("View ", "main", " NDISPLAY", json!(null)), Intent::Ndisplay(2));
        assert_eq!(ok("view", "main", "ndisplay", json!("3")), Intent::Ndisplay(3));
        assert_eq!(ok("dims", " z ", "index", json!(true)), Intent::DimsIndex { axis: "z".into(), index: 1 });
        assert_eq!(ok("multiscale", "main", "level", json!("2")), Intent::Level(2));
        assert_eq!(ok("multiscale", "main", "level", json!(2.0)), Intent::Level(2));
        assert_eq!(
            ok("layer", "", "visible", json!("off")),
            Intent::Layer { target: "layer-0".into(), control: Control::Visible(false) }
        );
        let limits = ok("layer", "layer-1", "contrast_limits", json!({"lo": 9, "hi": 1}));
        assert_eq!(limits, Intent::Layer { target: "layer-1".into(), control: Control::ContrastLimits(1.0, 9.0) });
        let Intent::Layer { control: Control::Colormap(map), .. } = ok("layer", "", "colormap", json!("VIRIDIS")) else {
            panic!("a colormap")
        };
        assert_eq!(map.name, "viridis");
        let Intent::Camera { mode, applied, .. } = ok("camera", "", "reset", json!("ui")) else { panic!("a camera intent") };
        assert_eq!((mode, applied), ("reset", json!({"reason": "ui"})));
        let Intent::CameraSet(set) = ok("camera", "main", "set", json!({"center": [1, 2, 3], "zoom": 0, "angles": [1, 2]}))
        else {
            panic!("an absolute pose")
        };
        assert_eq!(
            set,
            CameraSet { center: Some(([1.0, 2.0], Some(3.0))), ..CameraSet::default() },
            "the rest is not well-formed"
        );
        let layer = |key, value| match ok("layer", "", key, value) {
            Intent::Layer { control, .. } => control,
            other => panic!("{other:?}"),
        };
        assert_eq!(layer("rendering", json!(" Attenuated_MIP")), Control::Rendering(Rendering::AttenuatedMip));
        assert_eq!(layer("depiction", json!("plane")), Control::Depiction(Depiction::Plane));
        assert_eq!(layer("attenuation", json!(-3)), Control::Attenuation(0.0));
        assert_eq!(layer("iso_threshold", json!("12.5")), Control::IsoThreshold(12.5));
        assert_eq!(ok("volume", "whatever", "render_mode", json!("ISO")), Intent::Volume(Control::Rendering(Rendering::Iso)));
        assert_eq!(ok("volume", "", "contrast_limits", json!([9, 1, 5])), Intent::Volume(Control::ContrastLimits(1.0, 9.0)));
        assert_eq!(ok("volume", "", "sample_step", json!(0)), Intent::Volume(Control::SampleStep(0.1)));
        assert_eq!(ok("volume", "", "opacity", json!(7)), Intent::Volume(Control::Opacity(1.0)));
    }

    #[test]
    fn the_catalogue_s_refusals() {
        let refused = |scope, target, key, value| Intent::parse(scope, target, key, &value).unwrap_err();
        let said = |r: Rejection| (r.code, r.message);
        assert_eq!(said(refused("", "", "x", json!(1))), ("state.invalid", "scope/key required".into()));
        assert_eq!(said(refused("view", "main", "tilt", json!(1))), ("state.invalid", "unsupported view key tilt".into()));
        assert_eq!(said(refused("view", "main", "ndisplay", json!("x"))), ("state.invalid", "ndisplay must be integer".into()));
        assert_eq!(said(refused("dims", "z", "index", json!(1.5))), ("state.invalid", "index must be integer".into()));
        assert_eq!(said(refused("dims", "z", "step", json!("1"))), ("state.invalid", "step delta must be integer".into()));
        assert_eq!(said(refused("camera", "aux", "zoom", json!({}))), ("state.invalid", "unsupported camera target".into()));
        let zoom = refused("camera", "main", "zoom", json!({"factor": 0, "anchor_px": [1, 2]}));
        assert_eq!(said(zoom), ("state.invalid", "zoom payload requires factor and anchor_px".into()));
        assert_eq!(refused("multiscale", "main", "policy", json!("ratio")).code, "state.unsupported");
        for none in [json!(1.5), json!("1.5"), json!(null), json!([1])] {
            let said = said(refused("multiscale", "main", "level", none.clone()));
            assert_eq!(said, ("state.invalid", "level out of range".into()), "{none}");
        }
        assert_eq!(said(refused("layer", "", "opacity", json!("much"))), ("state.error", "layer update failed".into()));
        assert_eq!(said(refused("layer", "", "depth", json!(1))), ("state.invalid", "unsupported layer key depth".into()));
        assert_eq!(refused("layer", "", "contrast_limits", json!([3, 3])).code, "state.error");
        assert_eq!(refused("layer", "", "rendering", json!("ray")).code, "state.error");
        assert_eq!(said(refused("layer", "", "sample_step", json!(1))).1, "unsupported layer key sample_step");
        assert_eq!(said(refused("volume", "", "render_mode", json!("minip"))), ("state.invalid", "unknown render_mode".into()));
        for (key, value) in
            [("contrast_limits", json!([1])), ("colormap", json!("no such")), ("opacity", json!([])), ("gamma", json!(1))]
        {
            assert_eq!(refused("volume", "", key, value).code, "state.invalid", "{key}");
        }
        let aux = refused("camera", "aux", "tilt", json!({}));
        assert_eq!(said(aux), ("state.invalid", "unsupported camera key tilt".into()), "the key is judged before the target");
    }

    /// PROTOCOL §5.1: sixteen names are taken; what cannot be drawn as named is drawn, and answered, as cubic.
    #[test]
    fn every_interpolation_of_the_catalogue_is_taken() {
        for name in [
            "nearest", "linear", "cubic", "bessel", "blackman", "catrom", "custom", "gaussian", "hamming", "hanning", "hermite",
            "kaiser", "lanczos", "mitchell", "spline16", "Spline36",
        ] {
            let drawn = match name {
                "nearest" => Interpolation::Nearest,
                "linear" => Interpolation::Linear,
                _ => Interpolation::Cubic,
            };
            let intent = Intent::parse("layer", "", "interpolation", &json!(name)).unwrap();
            assert_eq!(intent, Intent::Layer { target: "layer-0".into(), control: Control::Interpolation(drawn) }, "{name}");
        }
    }
}
