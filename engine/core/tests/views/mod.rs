//! The view as clients are told of it: for comparing.

use nc_core::data::Rect;
use nc_core::scene::{AppliedView, OpSeq, PlanePose};

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
