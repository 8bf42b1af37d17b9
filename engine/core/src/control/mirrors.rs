//! Mirrors: what of the applied view is news to clients.
//!
//! They compare the view that was last announced with the newest one, so any number of commits in between become one
//! notification, and nothing is said when what they show has not changed. The one exception are ops that failed.

use crate::ledger::{AppliedCommit, OpKind, Origin, Outcome, State};
use crate::scene::control::ControlKey;
use crate::scene::{AppliedView, LayerView};
use std::sync::Arc;

/// What changed between two applied views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Another dataset: everything is news.
    pub dataset: bool,
    /// Mode, order, step, level or the downgrade flag.
    pub dims: bool,
    /// The camera pose.
    pub pose: bool,
    /// Layers whose controls changed.
    pub layers: Vec<LayerChange>,
    /// Indices of layers whose thumbnail changed.
    pub thumbnails: Vec<usize>,
}

/// What changed of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// Index of the layer, bottom first.
    pub layer: usize,
    /// Controls that changed.
    pub keys: Vec<ControlKey>,
    /// The intent behind the newest of them, if one was.
    pub origin: Option<Arc<Origin>>,
}

impl Changes {
    /// Compares the announced view with that of a newer commit. What a failed op asked for counts as changed although the view does
    /// not show it: its sender was told that it was accepted.
    pub fn between(announced: &AppliedView, commit: &AppliedCommit) -> Self {
        let newest = &*commit.view;
        if announced.epoch != newest.epoch {
            return Self { dataset: true, dims: true, pose: true, ..Self::default() };
        }
        let failed_ops = || commit.closed.iter().filter(|op| op.outcome == Some(Outcome::Failed));
        let failed = |kind: OpKind| failed_ops().any(|op| op.kind == kind);
        let dims_failed = || failed_ops().any(|op| matches!(op.kind, OpKind::View | OpKind::Dims(_) | OpKind::Level));
        let dims = |v: &AppliedView| (v.ndisplay, v.order.clone(), v.step.clone(), v.level, v.downgraded);
        let pairs = || announced.layers.iter().zip(&newest.layers).enumerate();
        let layer_change = |(layer, (old, new)): (usize, (&Arc<LayerView>, &Arc<LayerView>))| {
            let news = |key: &ControlKey| old.controls.get(*key) != new.controls.get(*key) || failed(OpKind::Layer(layer, *key));
            LayerChange::of(layer, ControlKey::ALL.into_iter().filter(news).collect(), &commit.planned)
        };
        Self {
            dataset: false,
            dims: dims(announced) != dims(newest) || dims_failed(),
            pose: announced.plane != newest.plane || failed(OpKind::Camera),
            layers: pairs().filter_map(layer_change).collect(),
            thumbnails: pairs().filter(|(_, (old, new))| old.thumbnail != new.thumbnail).map(|(i, _)| i).collect(),
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LayerChange {
    /// The change of `keys`, if there are any, with the origin that the snapshot behind the view knows.
    fn of(layer: usize, keys: Vec<ControlKey>, planned: &State) -> Option<Self> {
        let state = planned.layers.get(layer);
        let newest = keys.iter().filter_map(|&k| state.map(|s| s.mark(k))).max_by_key(|m| m.stamp);
        let origin = newest.and_then(|m| m.origin.clone());
        (!keys.is_empty()).then_some(Self { layer, keys, origin })
    }
}
