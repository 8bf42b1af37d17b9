//! Reducers: an intent and the newest snapshot give one batch, or a refusal.

use super::intent::{CameraSet, Intent, Rejection};
use crate::data::{CanvasSize, Interpolation, Rect, plane_camera, turntable};
use crate::exchange::CameraMotion;
use crate::ledger::{IntentBatch, OpKind, Origin, State};
use crate::scene::control::{Control, ControlKey};
use crate::scene::{AppliedView, PlaneView};
use serde_json::{Value, json};
use std::sync::Arc;

/// What an intent is reduced against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The newest snapshot.
    pub state: &'a State,
    /// The view that clients were last told of: their sliders are in its level's index space.
    pub announced: &'a AppliedView,
}

/// An accepted intent, ready to be committed.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The writes.
    pub batch: IntentBatch,
    /// The camera command that goes with them.
    pub motion: Option<CameraMotion>,
    /// What the ack carries.
    pub applied_value: Value,
    /// For camera intents: the echo's mode, and whose pose they move, 2 or 3.
    pub echo: Option<(&'static str, u8)>,
}

impl Reduced {
    fn silent(batch: IntentBatch, applied_value: Value) -> Self {
        Self { batch, motion: None, applied_value, echo: None }
    }
}

/// Reduces `intent`, which `origin` sent.
pub fn reduce(cx: Context<'_>, intent: Intent, origin: Option<Arc<Origin>>) -> Result<Reduced, Rejection> {
    let state = cx.state;
    match intent {
        Intent::Ndisplay(ndisplay) => Ok(reduce_ndisplay(state, ndisplay, origin)),
        Intent::CanvasSize { width, height } => {
            let size = CanvasSize::taken(width, height, state.most_canvas);
            let batch = IntentBatch::new(OpKind::Canvas, origin).canvas_size(size);
            Ok(Reduced::silent(batch, json!([size.width, size.height])))
        }
        Intent::Turning(speed) => Ok(Reduced::silent(IntentBatch::new(OpKind::Turning, origin).turning(speed), json!(speed))),
        Intent::DimsIndex { axis, index } => reduce_dims(cx, &axis, |_| index, "index", origin),
        Intent::DimsStep { axis, delta } => reduce_dims(cx, &axis, |at| at.saturating_add(delta), "step", origin),
        Intent::Camera { mode, motion, applied } => Ok(reduce_motion(state, mode, motion, applied, origin)),
        Intent::CameraSet(set) => reduce_set(state, set, origin),
        Intent::Level(level) => {
            let last = state.dataset.as_ref().map_or(0, |d| d.level_count() - 1);
            let level = usize::try_from(level).unwrap_or(0).min(last);
            Ok(Reduced::silent(IntentBatch::new(OpKind::Level, origin).lock_level(level), json!(level)))
        }
        Intent::LevelPolicyAuto => Ok(Reduced::silent(IntentBatch::new(OpKind::Level, origin).release_level(), json!("auto"))),
        Intent::Layer { target, control } => {
            let Some(index) = state.layers.iter().position(|l| *l.spec.id.0 == *target) else {
                let details = json!({"scope": "layer", "key": control.key().name(), "target": target});
                return Err(Rejection { code: "state.invalid", message: format!("there is no layer {target}"), details });
            };
            let is_labels = state.layers[index].spec.labels.is_some();
            let Some(control) = fitting(control, is_labels) else {
                let details = json!({"scope": "layer", "key": ControlKey::Contour.name(), "target": target});
                let message = format!("layer {target} has no labels to outline");
                return Err(Rejection { code: "state.invalid", message, details });
            };
            Ok(reduce_control(index, control, origin))
        }
        Intent::Volume(control) if state.layers.is_empty() => {
            let details = json!({"scope": "volume", "key": control.key().name()});
            Err(Rejection { code: "state.invalid", message: "there is no volume".into(), details })
        }
        Intent::Volume(control) => Ok(reduce_control(0, control, origin)),
    }
}

/// The control as it can hold of a layer of labels, or of any other; `None` if that has no such control. Labels are never filtered, which
/// the applied value says. Their colormap, contrast limits and gamma are kept as asked, for clients whose layers all have them, and
/// change nothing that is drawn.
fn fitting(control: Control, is_labels: bool) -> Option<Control> {
    match control {
        Control::Interpolation(_) if is_labels => Some(Control::Interpolation(Interpolation::Nearest)),
        Control::Contour(_) if !is_labels => None,
        control => Some(control),
    }
}

fn reduce_control(index: usize, control: Control, origin: Option<Arc<Origin>>) -> Reduced {
    let applied_value = control_value(&control);
    Reduced::silent(IntentBatch::new(OpKind::Layer(index, control.key()), origin).layer(index, control), applied_value)
}

fn reduce_motion(
    state: &State,
    mode: &'static str,
    motion: CameraMotion,
    applied: Value,
    origin: Option<Arc<Origin>>,
) -> Reduced {
    let ndisplay = *state.view.ndisplay.get();
    let batch = IntentBatch::new(OpKind::Camera, origin);
    // A reset goes back to the policy's own level, as a person expects of "fit".
    let batch = if motion == CameraMotion::Reset { batch.unlock_level() } else { batch };
    // A pan by nothing is acknowledged, and that is all. A plane cannot be turned; the others are told all the same.
    let still = motion == CameraMotion::Pan { dx: 0.0, dy: 0.0 };
    let flat = ndisplay == 2 && matches!(motion, CameraMotion::Orbit { .. });
    let echo = (!still).then_some((mode, ndisplay));
    Reduced { batch, motion: Some(motion).filter(|_| !still && !flat), applied_value: applied, echo }
}

/// An absolute pose: in 3D, or where angles are given, the volume's, else the plane's. What the pose does not have is neither applied
/// nor answered; data of fewer than three dims have no volume and no angles.
fn reduce_set(state: &State, set: CameraSet, origin: Option<Arc<Origin>>) -> Result<Reduced, Rejection> {
    let ndisplay = *state.view.ndisplay.get();
    let solid = volume_center_z(state).filter(|_| ndisplay == 3 || set.angles.is_some());
    let mut applied = serde_json::Map::new();
    let motion = if let Some(z) = solid {
        let center = set.center.map(|([x, y], given)| [x, y, given.unwrap_or(z)]);
        let angles = set.angles.map(turntable::in_range);
        applied.extend(center.map(|center| ("center".to_owned(), json!(center))));
        applied.extend(angles.map(|angles| ("angles".to_owned(), json!(angles))));
        CameraMotion::Place { center, angles }
    } else {
        let center = set.center.map(|([x, y], _)| (x, y));
        let zoom = set.zoom.map(|zoom| reachable(state, set.rect, zoom));
        applied.extend(center.map(|(x, y)| ("center".to_owned(), json!([x, y]))));
        applied.extend(zoom.map(|zoom| ("zoom".to_owned(), json!(zoom))));
        applied.extend(set.rect.map(|rect| ("rect".to_owned(), json!(rect))));
        CameraMotion::Set { center, zoom, rect: set.rect }
    };
    if applied.is_empty() {
        let message = "camera.set payload must include center/zoom/angles/rect".to_owned();
        return Err(Rejection { code: "state.invalid", message, details: json!({"scope": "camera", "key": "set"}) });
    }
    let echo = Some(("set", motion.mode(ndisplay)));
    let batch = IntentBatch::new(OpKind::Camera, origin);
    Ok(Reduced { batch, motion: Some(motion), applied_value: Value::Object(applied), echo })
}

/// The zoom that an absolute one comes to: within what the image allows of the rectangle that goes with it, or of the present one.
fn reachable(state: &State, rect: Option<[f64; 4]>, zoom: f64) -> f64 {
    let Some(dataset) = &state.dataset else { return zoom };
    let (row, col) = state.plane_dims();
    let rect = rect.map_or(state.camera.plane.get().rect, |[left, bottom, width, height]| Rect { left, bottom, width, height });
    let (least, most) = plane_camera::zoom_range(rect, state.canvas, dataset.world_rect(col, row));
    // A rectangle of absurd extent has no such range.
    if least <= most && most.is_finite() { zoom.clamp(least, most) } else { zoom }
}

/// Where the 3D camera looks along z, or would at first; `None` if there is nothing to show in 3D.
fn volume_center_z(state: &State) -> Option<f64> {
    let (dataset, order) = (state.dataset.as_ref()?, state.dims.order.get());
    let shown = order.get(order.len().checked_sub(3)?..)?;
    let pose = state.camera.volume.get().unwrap_or_else(|| turntable::canonical(dataset.world_box(shown)));
    Some(pose.center[2])
}

/// The mode. Data of fewer than three dims stay 2D, whatever is asked.
fn reduce_ndisplay(state: &State, asked: u8, origin: Option<Arc<Origin>>) -> Reduced {
    let step = state.dims.step.get();
    let ndisplay = if state.dims.order.get().len() < 3 { 2 } else { asked };
    let batch = IntentBatch::new(OpKind::View, origin);
    let batch = match (state.view.entered_from.get(), ndisplay) {
        (None, 3) => batch.enter_volume(PlaneView { level: *state.multiscale.level.get(), step: step.clone() }),
        (Some(from), 2) => {
            // Dims that had no slider in 3D go back to where they were; the others were moved by a person, or not at all.
            let hidden = &state.displayed()[..state.displayed().len().saturating_sub(2)];
            let back = |dim: usize| if hidden.contains(&dim) { from.step[dim] } else { step[dim] };
            batch.leave_volume(PlaneView { level: from.level, step: (0..step.len()).map(back).collect() })
        }
        _ => batch.keep_mode(),
    };
    Reduced::silent(batch, json!(ndisplay))
}

/// Indices arrive and are answered in the index space of the level that clients were told of; the ledger keeps level-0 indices, so that
/// an index that does not change keeps its exact place.
fn reduce_dims(
    Context { state, announced }: Context<'_>,
    axis: &str,
    target: impl Fn(i64) -> i64,
    key: &str,
    origin: Option<Arc<Origin>>,
) -> Result<Reduced, Rejection> {
    let dataset = state.dataset.as_ref();
    let labels = dataset.map_or_else(|| vec!["y".to_owned(), "x".to_owned()], |d| d.axis_labels());
    let failed = || Rejection {
        code: "state.error",
        message: "dims update failed".into(),
        details: json!({"scope": "dims", "key": key, "target": axis}),
    };
    let dim = resolve_axis(axis, &labels).ok_or_else(failed)?;
    let mut step = state.dims.step.get().clone();
    let level = if announced.epoch == state.epoch { announced.level } else { *state.multiscale.level.get() };
    let applied = match dataset {
        Some(dataset) => {
            let last = dataset.level_shape(level)[dim] - 1;
            let at = dataset.index_at_level(dim, step[dim], level);
            let wanted = target(at as i64).clamp(0, last as i64) as u64;
            if wanted != at {
                step[dim] = dataset.index_at_finest(dim, wanted, level);
            }
            wanted
        }
        None => 0,
    };
    let batch = IntentBatch::new(OpKind::Dims(dim), origin).step(step);
    Ok(Reduced::silent(batch, json!(applied)))
}

/// A decimal number names a dim by position; anything else by label, in any case.
fn resolve_axis(axis: &str, labels: &[String]) -> Option<usize> {
    match axis.parse::<usize>() {
        Ok(dim) => (dim < labels.len()).then_some(dim),
        Err(_) => labels.iter().position(|l| l.eq_ignore_ascii_case(axis)),
    }
}

/// A control's value as the wire shows it.
pub fn control_value(control: &Control) -> Value {
    match control {
        Control::Visible(v) => json!(v),
        Control::Opacity(v) | Control::Gamma(v) => json!(v),
        Control::Blending(v) => json!(v),
        Control::Interpolation(v) => json!(v),
        Control::Colormap(table) => json!(table.name),
        Control::ContrastLimits(lo, hi) => json!([lo, hi]),
        Control::Rendering(v) => json!(v.name()),
        Control::Depiction(v) => json!(v.name()),
        Control::Contour(v) => json!(v),
        Control::Attenuation(v) | Control::IsoThreshold(v) | Control::SampleStep(v) => json!(v),
    }
}
