//! Reducers: an intent and the newest snapshot give one batch, or a refusal.

use super::intent::{Intent, Rejection};
use crate::exchange::CameraMotion;
use crate::ledger::{IntentBatch, OpKind, Origin, State};
use crate::scene::PlaneView;
use crate::scene::control::Control;
use serde_json::{Value, json};
use std::sync::Arc;

/// An accepted intent, ready to be committed.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The writes.
    pub batch: IntentBatch,
    /// The camera command that goes with them.
    pub motion: Option<CameraMotion>,
    /// What the ack carries.
    pub applied_value: Value,
    /// For camera intents: the echo's mode.
    pub echo: Option<&'static str>,
}

/// Reduces `intent` against `state`.
pub fn reduce(state: &State, intent: Intent, origin: Option<Arc<Origin>>) -> Result<Reduced, Rejection> {
    match intent {
        Intent::Ndisplay(ndisplay) => reduce_ndisplay(state, ndisplay, origin),
        Intent::DimsIndex { axis, index } => reduce_dims(state, &axis, |_| index, "index", origin),
        Intent::DimsStep { axis, delta } => reduce_dims(state, &axis, |at| at.saturating_add(delta), "step", origin),
        Intent::Camera { mode, motion, applied } => {
            let batch = IntentBatch::new(OpKind::Camera, origin);
            // A reset goes back to the policy's own level, as a person expects of "fit".
            let batch = if motion == CameraMotion::Reset { batch.unlock_level() } else { batch };
            // A pan by nothing is acknowledged, and that is all.
            let still = motion == CameraMotion::Pan { dx: 0.0, dy: 0.0 };
            Ok(Reduced {
                batch,
                motion: Some(motion).filter(|_| !still),
                applied_value: applied,
                echo: Some(mode).filter(|_| !still),
            })
        }
        Intent::Level(level) => {
            let last = state.dataset.as_ref().map_or(0, |d| d.level_count() - 1);
            let level = usize::try_from(level).unwrap_or(0).min(last);
            let batch = IntentBatch::new(OpKind::Level, origin).lock_level(level);
            Ok(Reduced { batch, motion: None, applied_value: json!(level), echo: None })
        }
        Intent::LevelPolicyAuto => {
            let batch = IntentBatch::new(OpKind::Level, origin).unlock_level();
            Ok(Reduced { batch, motion: None, applied_value: json!("auto"), echo: None })
        }
        Intent::Layer { target, control } => reduce_layer(state, &target, control, origin),
    }
}

/// The mode. Data of fewer than three dims stay 2D, whatever is asked.
fn reduce_ndisplay(state: &State, asked: u8, origin: Option<Arc<Origin>>) -> Result<Reduced, Rejection> {
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
    Ok(Reduced { batch, motion: None, applied_value: json!(ndisplay), echo: None })
}

/// Indices arrive and are answered in the current level's index space; the ledger keeps level-0 indices, so that an index that
/// does not change keeps its exact place.
fn reduce_dims(
    state: &State,
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
    let level = *state.multiscale.level.get();
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
    Ok(Reduced { batch, motion: None, applied_value: json!(applied), echo: None })
}

/// A decimal number names a dim by position; anything else by label, in any case.
fn resolve_axis(axis: &str, labels: &[String]) -> Option<usize> {
    match axis.parse::<usize>() {
        Ok(dim) => (dim < labels.len()).then_some(dim),
        Err(_) => labels.iter().position(|l| l.eq_ignore_ascii_case(axis)),
    }
}

fn reduce_layer(state: &State, target: &str, control: Control, origin: Option<Arc<Origin>>) -> Result<Reduced, Rejection> {
    let Some(index) = state.layers.iter().position(|l| &*l.spec.id.0 == target) else {
        let details = json!({"scope": "layer", "key": control.key().name(), "target": target});
        return Err(Rejection { code: "state.error", message: format!("there is no layer {target}"), details });
    };
    let applied_value = control_value(&control);
    let batch = IntentBatch::new(OpKind::Layer(index, control.key()), origin).layer(index, control);
    Ok(Reduced { batch, motion: None, applied_value, echo: None })
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
        Control::Attenuation(v) | Control::IsoThreshold(v) | Control::SampleStep(v) => json!(v),
    }
}
