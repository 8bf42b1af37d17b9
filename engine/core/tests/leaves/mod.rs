//! Every leaf of a ledger, by authority: for comparing.

use nc_core::ledger::{Leaf, Mark, State};
use nc_core::scene::control::{Control, ControlKey};

/// One leaf, for comparing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeafSeen {
    pub(crate) name: (&'static str, usize),
    pub(crate) mark: Mark,
    pub(crate) value: Seen,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Text(String),
    Control(Control),
}

fn leaf<T: std::fmt::Debug>(name: &'static str, leaf: &Leaf<T>) -> LeafSeen {
    LeafSeen { name: (name, 0), mark: leaf.mark().clone(), value: Seen::Text(format!("{:?}", leaf.get())) }
}

/// Every leaf that intents may write.
pub(crate) fn intent_leaves(state: &State) -> Vec<LeafSeen> {
    let mut leaves = vec![
        leaf("ndisplay", &state.view.ndisplay),
        leaf("entered_from", &state.view.entered_from),
        leaf("canvas_size", &state.view.canvas_size),
        leaf("turning", &state.view.turning),
        leaf("step", &state.dims.step),
        leaf("level", &state.multiscale.level),
        leaf("lock", &state.multiscale.lock),
    ];
    for (index, layer) in state.layers.iter().enumerate() {
        leaves.extend(ControlKey::ALL.map(|key| {
            let value = Seen::Control(layer.controls.get(key));
            LeafSeen { name: (key.name(), index), mark: layer.mark(key).clone(), value }
        }));
    }
    leaves
}

/// Every leaf that only the render thread may write.
pub(crate) fn applied_leaves(state: &State) -> Vec<LeafSeen> {
    let mut leaves = vec![
        leaf("order", &state.dims.order),
        leaf("downgraded", &state.multiscale.downgraded),
        leaf("plane", &state.camera.plane),
        leaf("volume", &state.camera.volume),
        leaf("view_cache", &state.view_cache.plane),
    ];
    leaves.extend(state.layers.iter().enumerate().map(|(index, l)| {
        let value = Seen::Text(format!("{:?}", &l.thumbnail.get().rgba[..4]));
        LeafSeen { name: ("thumbnail", index), mark: l.thumbnail.mark().clone(), value }
    }));
    leaves
}
