//! Every leaf of a ledger, by authority, and the view as clients are told of it: for comparing.

use nc_core::data::Rect;
use nc_core::ledger::{Leaf, Mark, State};
use nc_core::scene::control::{Control, ControlKey};
use nc_core::scene::{AppliedView, OpSeq, PlanePose};

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

/// The view without what clients are not told: the pose of the mode that is not shown, and which op it was.
pub(crate) fn told(view: &AppliedView) -> AppliedView {
    let mut told = AppliedView { op: OpSeq(0), ..view.clone() };
    match view.ndisplay {
        3 => told.plane = PlanePose { rect: Rect { left: 0.0, bottom: 0.0, width: 1.0, height: 1.0 }, zoom: 1.0 },
        _ => told.volume = None,
    }
    told
}

/// Fails without printing both: tables and pictures are long.
pub(crate) fn assert_same(left: &AppliedView, right: &AppliedView, what: &str) {
    assert!(left == right, "{what}: ops {:?} and {:?}, {:?} and {:?}", left.op, right.op, left.step, right.step);
}
