//! Intents: what clients, scripts and the terminal may ask, parsed from scope, target, key and value.

use super::coerce;
use crate::data::{Blending, Interpolation, colormap};
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

/// Smallest and largest gamma that is drawn.
const GAMMA: (f64, f64) = (1e-3, 1e3);

/// Something a client asks for. Values are coerced and in their domain as far as that can be told without the scene.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// 2 or 3 displayed dims.
    Ndisplay(u8),
    /// Absolute index on an axis, in the current level's index space.
    DimsIndex {
        /// Label or number of the axis.
        axis: String,
        /// Any integer; clamped when reduced.
        index: i64,
    },
    /// Signed step on an axis, in the current level's index space.
    DimsStep {
        /// Label or number of the axis.
        axis: String,
        /// Any integer.
        delta: i64,
    },
    /// A camera command and the value that acks and echoes carry.
    Camera {
        /// "zoom", "pan", "orbit", "reset", "set".
        mode: &'static str,
        /// What to do.
        motion: CameraMotion,
        /// The applied value.
        applied: Value,
    },
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
}

impl Intent {
    /// Understands an intent. Scope and key are trimmed and lower-cased, the target is trimmed.
    pub fn parse(scope: &str, target: &str, key: &str, value: &Value) -> Result<Self, Rejection> {
        let (scope, key, target) = (scope.trim().to_lowercase(), key.trim().to_lowercase(), target.trim());
        if scope.is_empty() || key.is_empty() {
            let details = json!({"scope": scope, "key": key, "target": target});
            return Err(Rejection { code: "state.invalid", message: "scope/key required".into(), details });
        }
        let at = Address { scope: &scope, target, key: &key };
        match scope.as_str() {
            "view" => view(at, value),
            "dims" => dims(at, value),
            "camera" => camera(at, value),
            "multiscale" => multiscale(at, value),
            "layer" => layer(at, value),
            _ => Err(at.unsupported()),
        }
    }
}

/// Where an intent points, for messages.
#[derive(Clone, Copy)]
struct Address<'a> {
    scope: &'a str,
    target: &'a str,
    key: &'a str,
}

impl Address<'_> {
    fn invalid(self, message: impl Into<String>) -> Rejection {
        Rejection { code: "state.invalid", message: message.into(), details: json!({"scope": self.scope, "key": self.key}) }
    }

    fn unsupported(self) -> Rejection {
        self.invalid(format!("unsupported {} key {}", self.scope, self.key))
    }

    fn error(self, message: &str) -> Rejection {
        let details = json!({"scope": self.scope, "key": self.key, "target": self.target});
        Rejection { code: "state.error", message: message.into(), details }
    }
}

fn view(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    if at.key != "ndisplay" {
        return Err(at.unsupported());
    }
    let asked = if value.is_null() { Some(2) } else { coerce::lenient_integer(value) };
    let asked = asked.ok_or_else(|| at.invalid("ndisplay must be integer"))?;
    Ok(Intent::Ndisplay(if asked >= 3 { 3 } else { 2 }))
}

fn dims(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let what = match at.key {
        "index" => "index must be integer",
        "step" => "step delta must be integer",
        _ => return Err(at.unsupported()),
    };
    if at.target.is_empty() {
        return Err(at.invalid("dims target required"));
    }
    let number = coerce::integer(value).ok_or_else(|| at.invalid(what))?;
    let axis = at.target.to_owned();
    Ok(if at.key == "index" { Intent::DimsIndex { axis, index: number } } else { Intent::DimsStep { axis, delta: number } })
}

fn camera(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    if !matches!(at.target, "" | "main") {
        return Err(at.invalid("unsupported camera target"));
    }
    let field = |name: &str| value.get(name).and_then(coerce::strict_number);
    let pair =
        |a: &str, b: &str| field(a).zip(field(b)).ok_or_else(|| at.invalid(format!("{} payload requires {a} and {b}", at.key)));
    let (mode, motion, applied) = match at.key {
        "zoom" => {
            let factor = field("factor").filter(|f| *f > 0.0);
            let anchor = value.get("anchor_px").and_then(coerce::numbers::<2>);
            let (factor, [x, y]) = factor.zip(anchor).ok_or_else(|| at.invalid("zoom payload requires factor and anchor_px"))?;
            ("zoom", CameraMotion::Zoom { factor, anchor: (x, y) }, json!({"factor": factor, "anchor_px": [x, y]}))
        }
        "pan" => {
            let (dx, dy) = pair("dx_px", "dy_px")?;
            ("pan", CameraMotion::Pan { dx, dy }, json!({"dx_px": dx, "dy_px": dy}))
        }
        "orbit" => {
            let (azimuth, elevation) = pair("d_az_deg", "d_el_deg")?;
            ("orbit", CameraMotion::Orbit { azimuth, elevation }, json!({"d_az_deg": azimuth, "d_el_deg": elevation}))
        }
        "reset" => {
            let reason = value.get("reason").and_then(Value::as_str).or(value.as_str()).unwrap_or("state.update");
            ("reset", CameraMotion::Reset, json!({"reason": reason}))
        }
        "set" => camera_set(at, value)?,
        _ => return Err(at.unsupported()),
    };
    Ok(Intent::Camera { mode, motion, applied })
}

/// `camera.set` in the plane mode: what is not well-formed is left out; nothing left is an error.
fn camera_set(at: Address<'_>, value: &Value) -> Result<(&'static str, CameraMotion, Value), Rejection> {
    let center =
        value.get("center").and_then(|c| coerce::numbers::<2>(c).or_else(|| coerce::numbers::<3>(c).map(|[x, y, _]| [x, y])));
    let zoom = value.get("zoom").and_then(coerce::strict_number).filter(|z| *z > 0.0);
    let rect = value.get("rect").and_then(coerce::numbers::<4>).filter(|[_, _, w, h]| *w > 0.0 && *h > 0.0);
    let angles = value.get("angles").and_then(coerce::numbers::<3>);
    let mut applied = serde_json::Map::new();
    if let Some(angles) = angles {
        // A plane has no angles; they are taken and change nothing, as an orbit does.
        applied.insert("angles".into(), json!(angles));
    }
    if let Some(center) = center {
        applied.insert("center".into(), json!(center));
    }
    if let Some(zoom) = zoom {
        applied.insert("zoom".into(), json!(zoom));
    }
    if let Some(rect) = rect {
        applied.insert("rect".into(), json!(rect));
    }
    if applied.is_empty() {
        return Err(at.invalid("camera.set payload must include center/zoom/angles/rect"));
    }
    Ok(("set", CameraMotion::Set { center: center.map(|[x, y]| (x, y)), zoom, rect }, Value::Object(applied)))
}

fn multiscale(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    match at.key {
        "level" => Ok(Intent::Level(coerce::lenient_integer(value).ok_or_else(|| at.invalid("level out of range"))?)),
        "policy" if value.as_str().is_some_and(|p| p.trim().eq_ignore_ascii_case("auto")) => Ok(Intent::LevelPolicyAuto),
        "policy" => Err(Rejection {
            code: "state.unsupported",
            ..at.invalid("multiscale policy cannot be changed; 'auto' releases a level")
        }),
        _ => Err(at.unsupported()),
    }
}

fn layer(at: Address<'_>, value: &Value) -> Result<Intent, Rejection> {
    let control = match at.key {
        "visible" => coerce::boolean(value).map(Control::Visible),
        "opacity" => coerce::number(value).map(|o| Control::Opacity(o.clamp(0.0, 1.0))),
        "gamma" => coerce::number(value).filter(|g| *g > 0.0).map(|g| Control::Gamma(g.clamp(GAMMA.0, GAMMA.1))),
        "blending" => coerce::word(value).and_then(|w| blending(&w)).map(Control::Blending),
        "interpolation" => coerce::word(value).and_then(|w| interpolation(&w)).map(Control::Interpolation),
        "colormap" => colormap_name(value).and_then(colormap::named).map(Control::Colormap),
        "contrast_limits" => contrast_limits(value).map(|(lo, hi)| Control::ContrastLimits(lo, hi)),
        _ => return Err(at.invalid(format!("unsupported layer key {}", at.key))),
    };
    let control = control.ok_or_else(|| at.error("layer update failed"))?;
    let target = if at.target.is_empty() { "layer-0" } else { at.target };
    Ok(Intent::Layer { target: target.to_owned(), control })
}

fn blending(word: &str) -> Option<Blending> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

fn interpolation(word: &str) -> Option<Interpolation> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

fn colormap_name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("name")?.as_str()).map(str::trim)
}

/// Devices draw with `f32`: the nearest limits that are finite there and still apart.
fn drawable_limits(lo: f64, hi: f64) -> (f64, f64) {
    let most = f64::from(f32::MAX) / 4.0;
    let (lo, hi) = (lo.clamp(-most, most), hi.clamp(-most, most));
    let apart = (hi as f32) > (lo as f32) && ((hi as f32) - (lo as f32)).is_normal();
    if apart { (lo, hi) } else { (lo, lo + (lo.abs() * f64::from(f32::EPSILON)).max(f64::from(f32::MIN_POSITIVE)) * 2.0) }
}

/// `[lo, hi]` or `{lo, hi}`, swapped into order; equal limits are no limits.
fn contrast_limits(value: &Value) -> Option<(f64, f64)> {
    let (a, b) = match value {
        Value::Array(items) if items.len() == 2 => (coerce::number(&items[0])?, coerce::number(&items[1])?),
        Value::Object(map) => (coerce::number(map.get("lo")?)?, coerce::number(map.get("hi")?)?),
        _ => return None,
    };
    (a != b).then(|| drawable_limits(a.min(b), a.max(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        fn nothing_makes_parsing_panic(scope in prop_oneof![proptest::sample::select(&["view", "dims", "camera", "multiscale", "layer", ""][..]).prop_map(String::from), ".{0,6}".prop_map(String::from)],
                                       target in ".{0,8}", key in prop_oneof![proptest::sample::select(&["ndisplay", "index", "step", "zoom", "pan", "orbit", "reset", "set", "level", "policy", "visible", "opacity", "gamma", "colormap", "contrast_limits", "blending", "interpolation"][..]).prop_map(String::from), ".{0,6}".prop_map(String::from)],
                                       value in any_json()) {
            match Intent::parse(&scope, &target, &key, &value) {
                Ok(Intent::Layer { control: Control::Opacity(o), .. }) => prop_assert!((0.0..=1.0).contains(&o)),
                Ok(Intent::Layer { control: Control::ContrastLimits(lo, hi), .. }) => prop_assert!(hi > lo),
                Ok(Intent::Layer { control: Control::Gamma(g), .. }) => prop_assert!(g > 0.0),
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
        assert_eq!(said(refused("layer", "", "opacity", json!("much"))), ("state.error", "layer update failed".into()));
        assert_eq!(said(refused("layer", "", "depth", json!(1))), ("state.invalid", "unsupported layer key depth".into()));
        assert_eq!(refused("layer", "", "contrast_limits", json!([3, 3])).code, "state.error");
    }
}
