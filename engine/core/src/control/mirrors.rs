//! Mirrors: what of the applied view is news to clients.
//!
//! They compare the view that was last announced with the newest one, so any number of commits in between become one
//! notification, and nothing is said when what they show has not changed. The one exception are ops that failed.

use crate::ledger::{AppliedCommit, OpKind, Origin, Outcome, State};
use crate::scene::control::ControlKey;
use crate::scene::{AppliedView, Dataset};
use std::sync::Arc;

/// What changed between two applied views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Another dataset: everything is news.
    pub dataset: bool,
    /// The dataset is larger than before: all that is told of its sizes is news, and with it the dims.
    pub shapes: bool,
    /// The size of canvas and video.
    pub canvas: bool,
    /// Mode, order, step, level or the downgrade flag.
    pub dims: bool,
    /// The camera pose of the mode that is shown.
    pub pose: bool,
    /// Controls that changed; once per layer and author.
    pub layers: Vec<LayerChange>,
    /// Indices of layers whose thumbnail changed.
    pub thumbnails: Vec<usize>,
}

/// What one intent's author, or nobody, changed of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// Index of the layer, bottom first.
    pub layer: usize,
    /// Controls that changed.
    pub keys: Vec<ControlKey>,
    /// The newest of the author's intents behind them, if an intent was.
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
        let failed: Vec<OpKind> =
            commit.closed.iter().filter(|op| op.outcome == Some(Outcome::Failed)).map(|op| op.kind).collect();
        let dims_failed = failed.iter().any(|kind| matches!(kind, OpKind::View | OpKind::Dims(_) | OpKind::Level));
        // A mode that failed has clients ask themselves where they look from, too.
        let pose_failed = failed.iter().any(|kind| matches!(kind, OpKind::View | OpKind::Camera));
        let dims = |v: &'_ AppliedView| (v.ndisplay, v.level, v.downgraded);
        let same_dims = dims(announced) == dims(newest) && announced.step == newest.step && announced.order == newest.order;
        let same = |(old, new): (&Arc<Dataset>, &Arc<Dataset>)| Arc::ptr_eq(old, new);
        let shapes = !announced.dataset.as_ref().zip(newest.dataset.as_ref()).is_none_or(same);
        let pairs = || announced.layers.iter().zip(&newest.layers).enumerate();
        let layer_failed = |layer: usize| failed.iter().any(|kind| matches!(kind, OpKind::Layer(index, _) if *index == layer));
        let touched = pairs().filter(|(layer, (old, new))| !Arc::ptr_eq(old, new) || layer_failed(*layer));
        let layers = touched.flat_map(|(layer, (old, new))| {
            let news = |key: &ControlKey| {
                old.controls.get(*key) != new.controls.get(*key) || failed.contains(&OpKind::Layer(layer, *key))
            };
            LayerChange::by_author(layer, ControlKey::ALL.into_iter().filter(news), &commit.planned)
        });
        Self {
            dataset: false,
            shapes,
            canvas: announced.canvas != newest.canvas,
            dims: !same_dims || dims_failed || shapes,
            pose: !announced.same_pose(newest) || pose_failed,
            layers: layers.collect(),
            thumbnails: pairs().filter(|(_, (old, new))| old.thumbnail != new.thumbnail).map(|(i, _)| i).collect(),
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LayerChange {
    /// The changes of `keys`, one per client that asked for some and one for the rest, in the order in which they were asked for. The
    /// snapshot behind the view knows who it was.
    fn by_author(layer: usize, keys: impl Iterator<Item = ControlKey>, planned: &State) -> Vec<Self> {
        let state = planned.layers.get(layer);
        let mut marked: Vec<(ControlKey, u64, Option<&Arc<Origin>>)> = keys
            .map(|key| {
                let mark = state.map(|s| s.mark(key));
                (key, mark.map_or(0, |m| m.stamp), mark.and_then(|m| m.origin.as_ref()))
            })
            .collect();
        marked.sort_by_key(|(_, stamp, _)| *stamp);
        let client = |origin: Option<&Arc<Origin>>| origin.map(|o| o.client);
        let mut changes: Vec<Self> = Vec::new();
        for (key, _, origin) in marked {
            match changes.iter_mut().find(|change| client(change.origin.as_ref()) == client(origin)) {
                Some(change) => {
                    change.keys.push(key);
                    change.origin = origin.cloned();
                }
                None => changes.push(Self { layer, keys: vec![key], origin: origin.cloned() }),
            }
        }
        changes
    }
}
