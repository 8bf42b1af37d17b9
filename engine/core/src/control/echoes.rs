//! Camera echoes (PROTOCOL §5.3) for those who did not move the camera themselves: collected between two frames, merged where one
//! motion says what several did. Who sent a command is echoed it alone and at once.
//!
//! Pure. Merging keeps order and meaning: whoever applies the merged echoes to a pose gets where the single ones lead, also at the
//! limits of zoom and elevation.

use serde_json::{Map, Value};

/// An accepted camera command, as others may be told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Echo {
    /// Who sent it.
    pub client: u64,
    /// The mode that it was meant for, 2 or 3.
    pub ndisplay: u8,
    /// "zoom", "pan", "orbit", "reset", "set".
    pub mode: &'static str,
    /// The applied value, an object.
    pub delta: Map<String, Value>,
}

/// What was accepted since the last frame. At most one echo per open op, so as bounded as those are.
#[derive(Debug, Default)]
pub struct Echoes(Vec<Echo>);

impl Echoes {
    /// Takes the next command. What it makes void is forgotten, and neighbours of one client become one.
    pub fn accept(&mut self, echo: Echo) {
        self.0.retain(|earlier| !voids(&echo, earlier));
        match self.0.last_mut() {
            Some(last) if last.client == echo.client => match merged(last, &echo) {
                Some(delta) => last.delta = delta,
                None => self.0.push(echo),
            },
            _ => self.0.push(echo),
        }
    }

    /// Whether nothing was accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands out what was accepted, in order, and starts anew.
    pub fn take(&mut self) -> Vec<Echo> {
        std::mem::take(&mut self.0)
    }
}

/// What `client` is told of a frame's echoes: mode and delta, in order, its own left out.
pub fn merged_for(client: u64, echoes: &[Echo]) -> Vec<(&'static str, Map<String, Value>)> {
    let mut told: Vec<Echo> = Vec::new();
    for echo in echoes.iter().filter(|echo| echo.client != client) {
        match told.last_mut().and_then(|last| merged(last, echo).map(|delta| (last, delta))) {
            Some((last, delta)) => last.delta = delta,
            None => told.push(echo.clone()),
        }
    }
    told.into_iter().map(|echo| (echo.mode, echo.delta)).collect()
}

/// Whether nothing of `earlier` is left after `echo`. A volume's reset keeps its angles.
fn voids(echo: &Echo, earlier: &Echo) -> bool {
    let turned = earlier.mode == "orbit" || earlier.delta.contains_key("angles");
    echo.ndisplay == earlier.ndisplay
        && match echo.mode {
            "reset" => echo.ndisplay == 2 || !turned,
            "set" => echo.ndisplay == 2 && echo.delta.contains_key("rect"),
            _ => false,
        }
}

/// The one delta that says what `first` and then `second` say, if there is one.
fn merged(first: &Echo, second: &Echo) -> Option<Map<String, Value>> {
    if (first.ndisplay, first.mode) != (second.ndisplay, second.mode) {
        return None;
    }
    let (a, b) = (&first.delta, &second.delta);
    let number = |delta: &Map<String, Value>, field: &str| delta.get(field).and_then(Value::as_f64);
    let pair = |field: &str| number(a, field).zip(number(b, field));
    let sum = |field: &'static str| pair(field).and_then(|(a, b)| finite(field, a + b));
    match second.mode {
        "pan" => Some(Map::from_iter([sum("dx_px")?, sum("dy_px")?])),
        // Elevation ends at the poles: there and back is not the same as staying.
        "orbit" if pair("d_el_deg").is_some_and(|(a, b)| a * b >= 0.0) => {
            Some(Map::from_iter([sum("d_az_deg")?, sum("d_el_deg")?]))
        }
        // Zoom has ends too.
        "zoom" if a.get("anchor_px") == b.get("anchor_px") => {
            let (f, g) = pair("factor").filter(|(f, g)| (f - 1.0) * (g - 1.0) >= 0.0)?;
            let anchor = ("anchor_px".to_owned(), b.get("anchor_px")?.clone());
            Some(Map::from_iter([finite("factor", f * g)?, anchor]))
        }
        "set" => Some(by_field(a, b)),
        "reset" => Some(b.clone()),
        _ => None,
    }
}

/// A field of a delta. JSON has no infinity, and no factor may be zero.
fn finite(field: &str, value: f64) -> Option<(String, Value)> {
    let legal = value.is_finite() && (field != "factor" || value > 0.0);
    legal.then(|| (field.to_owned(), Value::from(value)))
}

/// What was set later holds, field by field. A later centre of two components leaves the earlier third.
fn by_field(first: &Map<String, Value>, second: &Map<String, Value>) -> Map<String, Value> {
    let mut all = first.clone();
    for (field, value) in second {
        let mut value = value.clone();
        if let (Some(Value::Array(earlier)), Value::Array(later)) = (first.get(field), &mut value)
            && let Some(rest) = earlier.get(later.len()..)
        {
            later.extend_from_slice(rest);
        }
        all.insert(field.clone(), value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CanvasSize, Rect, plane_camera};
    use proptest::prelude::*;
    use serde_json::json;

    const CANVAS: CanvasSize = CanvasSize { width: 640, height: 360 };
    const HOME: Rect = Rect { left: -0.5, bottom: -0.5, width: 100.0, height: 80.0 };

    /// A plane's and a volume's pose, and what a motion does to them: the conventions of the runtime, the volume's in short.
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Poses {
        rect: Rect,
        center: [f64; 3],
        azimuth: f64,
        elevation: f64,
        distance: f64,
    }

    const START: Poses = Poses { rect: HOME, center: [1.0, 2.0, 3.0], azimuth: 0.0, elevation: 30.0, distance: 10.0 };

    fn numbers(delta: &Map<String, Value>, field: &str) -> Option<Vec<f64>> {
        delta.get(field)?.as_array()?.iter().map(Value::as_f64).collect()
    }

    impl Poses {
        fn after(self, ndisplay: u8, mode: &str, delta: &Map<String, Value>) -> Self {
            let n = |field: &str| delta.get(field).and_then(Value::as_f64).unwrap();
            match (ndisplay, mode) {
                (2, "pan") => Self { rect: plane_camera::pan(self.rect, CANVAS, n("dx_px"), n("dy_px")), ..self },
                (2, "zoom") => {
                    let at = numbers(delta, "anchor_px").unwrap();
                    Self { rect: plane_camera::zoom(self.rect, CANVAS, n("factor"), (at[0], at[1]), HOME), ..self }
                }
                (2, "reset") => Self { rect: HOME, ..self },
                (2, "set") => {
                    let mut rect = self.rect;
                    if let Some(r) = numbers(delta, "rect") {
                        rect = Rect { left: r[0], bottom: r[1], width: r[2], height: r[3] };
                    }
                    if let Some(zoom) = delta.get("zoom").and_then(Value::as_f64) {
                        let factor = plane_camera::pixels_per_unit(rect, CANVAS) / zoom;
                        rect = plane_camera::zoom(rect, CANVAS, factor, (320.0, 180.0), HOME);
                    }
                    if let Some(c) = numbers(delta, "center") {
                        rect = plane_camera::centered_on(rect, (c[0], c[1]));
                    }
                    Self { rect, ..self }
                }
                (3, "pan") => {
                    let [x, y, z] = self.center;
                    Self { center: [x - n("dx_px") * self.distance, y + n("dy_px") * self.distance, z], ..self }
                }
                (3, "zoom") => Self { distance: (self.distance * n("factor")).clamp(0.1, 1e3), ..self },
                (3, "orbit") => Self {
                    azimuth: self.azimuth + n("d_az_deg"),
                    elevation: (self.elevation + n("d_el_deg")).clamp(-90.0, 90.0),
                    ..self
                },
                (3, "reset") => Self { center: START.center, distance: START.distance, ..self },
                (3, "set") => {
                    let mut next = self;
                    for (old, new) in next.center.iter_mut().zip(numbers(delta, "center").unwrap_or_default()) {
                        *old = new;
                    }
                    if let Some(angles) = numbers(delta, "angles") {
                        (next.azimuth, next.elevation) = (angles[0], angles[1]);
                    }
                    next
                }
                other => unreachable!("{other:?}"),
            }
        }

        fn values(self) -> Vec<f64> {
            let Self { rect, center, azimuth, elevation, distance } = self;
            rect.to_array().into_iter().chain(center).chain([azimuth, elevation, distance]).collect()
        }
    }

    fn echo(client: u64, ndisplay: u8, mode: &'static str, delta: Value) -> Echo {
        let Value::Object(delta) = delta else { panic!("{delta}") };
        Echo { client, ndisplay, mode, delta }
    }

    fn command() -> impl Strategy<Value = Echo> {
        let (client, ndisplay) = (0u64..3, 2u8..=3);
        let pan = (-40.0..40.0, -40.0..40.0).prop_map(|(x, y)| ("pan", json!({"dx_px": x, "dy_px": y})));
        // Few anchors, so that neighbours share one, and factors that reach the ends.
        let zoom = (prop_oneof![0.01..1.0, 1.0..40.0], 0..2)
            .prop_map(|(f, at)| ("zoom", json!({"factor": f, "anchor_px": [100.0 * f64::from(at), 50.0]})));
        let orbit = (-90.0..90.0, -90.0..90.0).prop_map(|(az, el)| ("orbit", json!({"d_az_deg": az, "d_el_deg": el})));
        let reset = Just(("reset", json!({"reason": "ui"})));
        let some = || (1u8..8).prop_map(|bits| [0, 1, 2].map(|n| bits >> n & 1 == 1));
        let plane = (some(), -50.0..50.0, 1.0..90.0).prop_filter_map("nothing set", |(has, a, b)| {
            let fields = [("center", json!([a, b])), ("zoom", json!(b / 9.0)), ("rect", json!([a, b, b, 2.0 * b]))];
            let delta: Map<_, _> =
                fields.into_iter().zip(has).filter(|(_, has)| *has).map(|((k, v), _)| (k.to_owned(), v)).collect();
            (!delta.is_empty()).then_some(("set", Value::Object(delta)))
        });
        let volume = (some(), -50.0..50.0, -80.0..80.0).prop_filter_map("nothing set", |(has, a, b)| {
            let fields = [("center", json!([a, b])), ("center", json!([b, a, a])), ("angles", json!([a, b, 0.0]))];
            let delta: Map<_, _> =
                fields.into_iter().zip(has).filter(|(_, has)| *has).map(|((k, v), _)| (k.to_owned(), v)).collect();
            (!delta.is_empty()).then_some(("set", Value::Object(delta)))
        });
        (client, ndisplay, pan, zoom, orbit, reset, plane, volume, 0..12).prop_map(
            |(client, ndisplay, pan, zoom, orbit, reset, plane, volume, which)| {
                let (mode, delta) = match (which, ndisplay) {
                    (0..4, _) => pan,
                    (4..8, _) => zoom,
                    (8..10, 3) => orbit,
                    (8..10, _) => pan,
                    (10, 2) => plane,
                    (10, _) => volume,
                    _ => reset,
                };
                echo(client, ndisplay, mode, delta)
            },
        )
    }

    /// The same poses up to rounding, relative to the largest number met on the way.
    fn alike(a: Poses, b: Poses) -> bool {
        a.values().iter().zip(b.values()).all(|(a, b)| (a - b).abs() <= 1e-6 * (1e4 + a.abs()))
    }

    proptest! {
        #[test]
        fn merged_echoes_move_a_pose_as_the_single_ones_do(commands in proptest::collection::vec(command(), 0..40)) {
            let single = commands.iter().fold(START, |pose, c| pose.after(c.ndisplay, c.mode, &c.delta));
            let mut echoes = Echoes::default();
            commands.iter().cloned().for_each(|command| echoes.accept(command));
            let taken = echoes.take();
            prop_assert!(echoes.is_empty());
            let replayed = taken.iter().fold(START, |pose, c| pose.after(c.ndisplay, c.mode, &c.delta));
            prop_assert!(alike(single, replayed), "{single:?} {replayed:?}");
            // A watcher is told no mode, so runs of each are folded apart.
            for ndisplay in [2, 3] {
                let mode: Vec<Echo> = taken.iter().filter(|echo| echo.ndisplay == ndisplay).cloned().collect();
                let told = merged_for(99, &mode);
                prop_assert!(told.len() <= mode.len());
                let watched = told.iter().fold(START, |pose, (mode, delta)| pose.after(ndisplay, mode, delta));
                let single = commands.iter().filter(|c| c.ndisplay == ndisplay).fold(START, |p, c| p.after(ndisplay, c.mode, &c.delta));
                prop_assert!(alike(single, watched), "{single:?} {watched:?}");
            }
        }

        #[test]
        fn nobody_is_told_its_own_moves(commands in proptest::collection::vec(command(), 0..30)) {
            let mut echoes = Echoes::default();
            commands.iter().for_each(|command| echoes.accept(Echo { client: 7, ..command.clone() }));
            let taken = echoes.take();
            prop_assert!(merged_for(7, &taken).is_empty());
            prop_assert_eq!(merged_for(8, &taken).is_empty(), commands.is_empty());
        }
    }

    fn told(commands: &[Echo], client: u64) -> Vec<(&'static str, Value)> {
        let mut echoes = Echoes::default();
        commands.iter().cloned().for_each(|command| echoes.accept(command));
        merged_for(client, &echoes.take()).into_iter().map(|(mode, delta)| (mode, Value::Object(delta))).collect()
    }

    #[test]
    fn a_drag_is_one_pan_and_order_is_kept() {
        let pan = |client| echo(client, 2, "pan", json!({"dx_px": 1.0, "dy_px": -2.0}));
        let zoom = echo(1, 2, "zoom", json!({"factor": 0.5, "anchor_px": [3.0, 4.0]}));
        assert_eq!(told(&[pan(1), pan(2), pan(1)], 3), [("pan", json!({"dx_px": 3.0, "dy_px": -6.0}))], "whoever sent them");
        let mixed = [pan(1), zoom.clone(), pan(1)];
        assert_eq!(told(&mixed, 3).iter().map(|(mode, _)| *mode).collect::<Vec<_>>(), ["pan", "zoom", "pan"]);
        assert_eq!(told(&[pan(2), zoom, pan(2)], 1), [("pan", json!({"dx_px": 2.0, "dy_px": -4.0}))], "its own zoom is left out");
    }

    #[test]
    fn a_reset_makes_void_what_came_before_also_for_who_sent_it() {
        let pan = echo(1, 2, "pan", json!({"dx_px": 1.0, "dy_px": 0.0}));
        let reset = echo(2, 2, "reset", json!({"reason": "home"}));
        assert_eq!(told(&[pan.clone(), reset.clone()], 3), [("reset", json!({"reason": "home"}))]);
        assert_eq!(told(&[pan.clone(), reset.clone()], 2), [], "the pan is gone, and the reset is its own");
        assert_eq!(told(&[reset, pan], 2).len(), 1);
        let orbit = echo(1, 3, "orbit", json!({"d_az_deg": 1.0, "d_el_deg": 2.0}));
        let reset = echo(2, 3, "reset", json!({"reason": "home"}));
        assert_eq!(told(&[orbit, reset], 3).len(), 2, "a volume's reset keeps its angles");
    }

    #[test]
    fn what_json_cannot_say_is_not_merged() {
        let pan = echo(1, 2, "pan", json!({"dx_px": f64::MAX, "dy_px": 0.0}));
        assert_eq!(told(&[pan.clone(), pan], 3).len(), 2);
    }
}
