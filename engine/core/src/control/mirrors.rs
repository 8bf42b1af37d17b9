//! Mirrors: what of the applied view is news to clients.
//!
//! They compare the view that was last announced with the newest one, so any number of commits in between become one
//! notification, and nothing is said when what they show has not changed.

use crate::ledger::{Origin, State};
use crate::scene::AppliedView;
use crate::scene::control::ControlKey;
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
    /// Compares the announced view with a newer one that was planned from `planned`.
    pub fn between(announced: &AppliedView, newest: &AppliedView, planned: &State) -> Self {
        if announced.epoch != newest.epoch {
            return Self { dataset: true, dims: true, pose: true, ..Self::default() };
        }
        let dims = |v: &AppliedView| (v.ndisplay, v.order.clone(), v.step.clone(), v.level, v.downgraded);
        let pairs = || announced.layers.iter().zip(&newest.layers).enumerate();
        Self {
            dataset: false,
            dims: dims(announced) != dims(newest),
            pose: announced.plane != newest.plane,
            layers: pairs().filter_map(|(i, (old, new))| layer_change(i, old, new, planned)).collect(),
            thumbnails: pairs().filter(|(_, (old, new))| old.thumbnail != new.thumbnail).map(|(i, _)| i).collect(),
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn layer_change(
    layer: usize,
    old: &crate::scene::LayerView,
    new: &crate::scene::LayerView,
    planned: &State,
) -> Option<LayerChange> {
    let keys: Vec<_> = ControlKey::ALL.into_iter().filter(|&k| old.controls.get(k) != new.controls.get(k)).collect();
    if keys.is_empty() {
        return None;
    }
    let state = planned.layers.get(layer);
    let newest = keys.iter().filter_map(|&k| state.map(|s| s.mark(k))).max_by_key(|m| m.stamp);
    Some(LayerChange { layer, keys, origin: newest.and_then(|m| m.origin.clone()) })
}
