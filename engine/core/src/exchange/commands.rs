//! Camera commands in the order in which they were accepted.

use crate::data::CanvasSize;
use crate::scene::OpSeq;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What a camera command does. Canvas points are video pixels from the bottom left; PROTOCOL §17.1 has the signs.
#[derive(Debug, Clone, PartialEq)]
pub enum CameraMotion {
    /// Scales about an anchor; above 1 zooms out.
    Zoom {
        /// Positive.
        factor: f64,
        /// Canvas point that stays where it is.
        anchor: (f64, f64),
    },
    /// Content follows the pointer.
    Pan {
        /// Right, pixels.
        dx: f64,
        /// Down the wire's picture, pixels.
        dy: f64,
    },
    /// Several zooms and pans in 2D at once: what lay at canvas point `p` of the old view is `offset + scale * p` of it now.
    Similarity {
        /// Positive.
        scale: f64,
        /// Canvas point of the old view that is the new view's bottom left.
        offset: (f64, f64),
    },
    /// Turns in 3D; nothing to do in 2D.
    Orbit {
        /// Azimuth, degrees.
        azimuth: f64,
        /// Elevation, degrees.
        elevation: f64,
    },
    /// Back to the whole image; in 3D from the same side.
    Reset,
    /// An absolute 2D pose; what is absent stays.
    Set {
        /// Midpoint (x, y).
        center: Option<(f64, f64)>,
        /// Canvas pixels per world unit.
        zoom: Option<f64>,
        /// Left, bottom, width, height.
        rect: Option<[f64; 4]>,
    },
    /// An absolute 3D pose, in whatever mode; what is absent stays.
    Place {
        /// x, y, z.
        center: Option<[f64; 3]>,
        /// Azimuth, elevation, roll; degrees.
        angles: Option<[f64; 3]>,
    },
}

impl CameraMotion {
    /// Whose pose it moves when it is asked for in mode `ndisplay`: 2 or 3.
    pub fn mode(&self, ndisplay: u8) -> u8 {
        match self {
            Self::Place { .. } => 3,
            _ => ndisplay,
        }
    }
}

/// A camera command with what it was aimed at.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraCommand {
    /// The op it opened; it is applied with the first snapshot that contains that op.
    pub op: OpSeq,
    /// The mode it was meant for. It moves that mode's pose, whichever is shown when it is applied, so that what a run of commands
    /// comes to does not depend on when a frame falls between them.
    pub ndisplay: u8,
    /// The canvas it was measured on.
    pub canvas: CanvasSize,
    /// What to do.
    pub motion: CameraMotion,
}

/// Most commands held before neighbours are merged.
const CAPACITY: usize = 256;

/// A bounded queue that merges instead of losing: pans add, orbits add, zooms multiply, and in 2D any zooms and pans become one
/// similarity.
#[derive(Debug, Default)]
pub struct CommandQueue {
    queue: Mutex<VecDeque<CameraCommand>>,
}

impl CommandQueue {
    /// Appends a command.
    pub fn push(&self, command: CameraCommand) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(command);
        if queue.len() > CAPACITY {
            merge_neighbours(&mut queue);
        }
    }

    /// Takes the commands of ops up to `op`, in order.
    pub fn take_through(&self, op: OpSeq) -> Vec<CameraCommand> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.partition_point(|c| c.op <= op);
        queue.drain(..count).collect()
    }
}

/// Merges every run of mergeable neighbours. What cannot be merged is bounded by the ops that may be open.
fn merge_neighbours(queue: &mut VecDeque<CameraCommand>) {
    let mut merged: VecDeque<CameraCommand> = VecDeque::with_capacity(queue.len());
    for command in queue.drain(..) {
        match merged.back_mut().and_then(|last| merged_with(last, &command)) {
            Some(motion) => {
                if let Some(last) = merged.back_mut() {
                    *last = CameraCommand { motion, ..command };
                }
            }
            None => merged.push_back(command),
        }
    }
    *queue = merged;
}

/// The one motion that does what `first` and then `second` do, if there is one.
fn merged_with(first: &CameraCommand, second: &CameraCommand) -> Option<CameraMotion> {
    if first.ndisplay != second.ndisplay || first.canvas != second.canvas {
        return None;
    }
    let merged = match second.ndisplay {
        2 => merged_plane(&first.motion, &second.motion),
        _ => merged_volume(&first.motion, &second.motion),
    };
    // Absurd motions stay apart: the one that they overflow to would take sensible ones with it.
    merged.filter(is_finite)
}

fn is_finite(motion: &CameraMotion) -> bool {
    use CameraMotion::{Orbit, Pan, Place, Reset, Set, Similarity, Zoom};
    match *motion {
        Zoom { factor, .. } => factor.is_finite() && factor > 0.0,
        Pan { dx, dy } => dx.is_finite() && dy.is_finite(),
        Similarity { scale, offset } => scale.is_finite() && scale > 0.0 && offset.0.is_finite() && offset.1.is_finite(),
        Orbit { azimuth, elevation } => azimuth.is_finite() && elevation.is_finite(),
        Reset | Set { .. } | Place { .. } => true,
    }
}

fn merged_plane(first: &CameraMotion, second: &CameraMotion) -> Option<CameraMotion> {
    use CameraMotion::{Pan, Reset, Set, Similarity, Zoom};
    Some(match (first, second) {
        (Pan { dx: ax, dy: ay }, Pan { dx, dy }) => Pan { dx: ax + dx, dy: ay + dy },
        (Zoom { factor: a, anchor: at }, Zoom { factor, anchor }) if at == anchor => Zoom { factor: a * factor, anchor: *at },
        (_, Reset) => Reset,
        (_, Set { rect: Some(_), .. }) => second.clone(),
        (a, b) => {
            let ((s, o), (t, p)) = (as_similarity(a)?, as_similarity(b)?);
            Similarity { scale: s * t, offset: (o.0 + s * p.0, o.1 + s * p.1) }
        }
    })
}

/// In 3D a pan moves the centre only, an orbit turns only and a zoom changes the distance only; a reset keeps the angles. Elevation
/// and distance have ends, so there and back is not the same as staying.
fn merged_volume(first: &CameraMotion, second: &CameraMotion) -> Option<CameraMotion> {
    use CameraMotion::{Orbit, Pan, Place, Reset, Zoom};
    Some(match (first, second) {
        (Pan { dx: ax, dy: ay }, Pan { dx, dy }) => Pan { dx: ax + dx, dy: ay + dy },
        (Orbit { azimuth: a, elevation: e }, Orbit { azimuth, elevation }) if e * elevation >= 0.0 => {
            Orbit { azimuth: a + azimuth, elevation: e + elevation }
        }
        (Zoom { factor: a, .. }, Zoom { factor, anchor }) if (a - 1.0) * (factor - 1.0) >= 0.0 => {
            Zoom { factor: a * factor, anchor: *anchor }
        }
        (Pan { .. } | Zoom { .. } | Reset | Place { angles: None, .. }, Reset) => Reset,
        (Pan { .. }, Place { center: Some(_), .. }) | (Orbit { .. }, Place { angles: Some(_), .. }) => second.clone(),
        (Place { center: c, angles: a }, Place { center, angles }) => Place { center: center.or(*c), angles: angles.or(*a) },
        _ => return None,
    })
}

/// A 2D zoom or pan as scale and offset.
fn as_similarity(motion: &CameraMotion) -> Option<(f64, (f64, f64))> {
    match *motion {
        CameraMotion::Zoom { factor, anchor } => Some((factor, (anchor.0 * (1.0 - factor), anchor.1 * (1.0 - factor)))),
        CameraMotion::Pan { dx, dy } => Some((1.0, (-dx, dy))),
        CameraMotion::Similarity { scale, offset } => Some((scale, offset)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Rect, plane_camera, turntable};
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 640, height: 360 };

    fn command(op: u64, motion: CameraMotion) -> CameraCommand {
        CameraCommand { op: OpSeq(op), ndisplay: 2, canvas: CANVAS, motion }
    }

    #[test]
    fn overflow_merges_and_loses_nothing() {
        let queue = CommandQueue::default();
        for op in 1..=10_000 {
            queue.push(command(op, CameraMotion::Pan { dx: 1.0, dy: -0.5 }));
        }
        let taken = queue.take_through(OpSeq(10_000));
        assert!(taken.len() <= CAPACITY + 1);
        let total = taken.iter().fold((0.0, 0.0), |sum, c| match c.motion {
            CameraMotion::Pan { dx, dy } => (sum.0 + dx, sum.1 + dy),
            _ => unreachable!("only pans were pushed"),
        });
        assert_eq!(total, (10_000.0, -5_000.0));
    }

    #[test]
    fn zooms_about_one_anchor_multiply() {
        let mut queue = VecDeque::from([
            command(2, CameraMotion::Zoom { factor: 0.5, anchor: (9.0, 0.0) }),
            command(3, CameraMotion::Zoom { factor: 0.5, anchor: (9.0, 0.0) }),
        ]);
        merge_neighbours(&mut queue);
        assert_eq!(queue, [command(3, CameraMotion::Zoom { factor: 0.25, anchor: (9.0, 0.0) })]);
    }

    proptest! {
        #[test]
        fn a_merged_queue_moves_the_view_alike(moves in proptest::collection::vec((0.7f64..1.4, -50f64..50.0, -50f64..50.0, any::<bool>()), 2..300)) {
            let home = Rect { left: 0.0, bottom: 0.0, width: 64.0, height: 64.0 };
            let apply = |rect: Rect, motion: &CameraMotion| match *motion {
                CameraMotion::Zoom { factor, anchor } => plane_camera::zoom(rect, CANVAS, factor, anchor, home),
                CameraMotion::Pan { dx, dy } => plane_camera::pan(rect, CANVAS, dx, dy),
                CameraMotion::Similarity { scale, offset } => plane_camera::similarity(rect, CANVAS, scale, offset, home),
                _ => rect,
            };
            let mut total = 1.0;
            let motions: Vec<_> = moves.iter().map(|&(f, x, y, zoom)| {
                // Keep the running product near 1 so that no zoom limit is met.
                let f = if total > 1.0 { f.min(1.0 / f) } else { f.max(1.0 / f) };
                if zoom { total *= f; CameraMotion::Zoom { factor: f, anchor: (x + 100.0, y + 100.0) } } else { CameraMotion::Pan { dx: x, dy: y } }
            }).collect();
            let queue = CommandQueue::default();
            for (i, motion) in motions.iter().enumerate() { queue.push(command(i as u64, motion.clone())); }
            let exact = motions.iter().fold(home, apply);
            let merged = queue.take_through(OpSeq(u64::MAX)).iter().fold(home, |r, c| apply(r, &c.motion));
            for (a, b) in exact.to_array().iter().zip(merged.to_array()) { prop_assert!((a - b).abs() < 1e-6, "{a} {b}"); }
        }
    }

    /// A 3D motion of any kind. Large enough steps that elevation and distance come to their ends.
    fn volume_motion() -> impl Strategy<Value = CameraMotion> {
        let triple = || proptest::array::uniform3(-100.0..100.0);
        prop_oneof![
            (-50.0..50.0, -50.0..50.0).prop_map(|(dx, dy)| CameraMotion::Pan { dx, dy }),
            (-90.0..90.0, -60.0..60.0).prop_map(|(azimuth, elevation)| CameraMotion::Orbit { azimuth, elevation }),
            (0.01..100.0, 0.0..9.0).prop_map(|(factor, x)| CameraMotion::Zoom { factor, anchor: (x, 0.0) }),
            Just(CameraMotion::Reset),
            (proptest::option::of(triple()), proptest::option::of(triple()))
                .prop_map(|(center, angles)| CameraMotion::Place { center, angles }),
        ]
    }

    proptest! {
        #[test]
        fn a_merged_queue_moves_the_3d_view_alike(motions in proptest::collection::vec(volume_motion(), 2..40)) {
            let world = [[-0.5, 63.5], [-0.5, 31.5], [0.0, 9.0]];
            let home = turntable::canonical(world);
            let apply = |pose, motion: &CameraMotion| match *motion {
                CameraMotion::Zoom { factor, .. } => turntable::zoom(pose, factor, &home),
                CameraMotion::Pan { dx, dy } => turntable::pan(pose, CANVAS, dx, dy),
                CameraMotion::Orbit { azimuth, elevation } => turntable::orbit(pose, azimuth, elevation),
                CameraMotion::Reset => turntable::reset(pose, world),
                CameraMotion::Place { center, angles } => turntable::placed(pose, center, angles),
                _ => pose,
            };
            let mut queue: VecDeque<_> = (1..).zip(&motions)
                .map(|(op, motion)| CameraCommand { ndisplay: 3, ..command(op, motion.clone()) }).collect();
            merge_neighbours(&mut queue);
            prop_assert_eq!(queue.back().map(|c| c.op), Some(OpSeq(motions.len() as u64)), "the newest op is among them");
            let exact = motions.iter().fold(home, apply);
            let merged = queue.iter().fold(home, |pose, c| apply(pose, &c.motion));
            let numbers = |p: turntable::VolumePose| [p.center[0], p.center[1], p.center[2], p.distance];
            for (a, b) in numbers(exact).into_iter().zip(numbers(merged)) { prop_assert!((a - b).abs() <= 1e-6 * a.abs().max(1.0), "{a} {b}"); }
            let (a, b) = (turntable::frame(&exact), turntable::frame(&merged));
            for (a, b) in a.up.iter().zip(b.up) { prop_assert!((a - b).abs() < 1e-6); }
        }
    }

    #[test]
    fn absurd_motions_do_not_overflow_into_each_other() {
        let queue = CommandQueue::default();
        let absurd = |op| match op % 3 {
            0 => CameraMotion::Pan { dx: f64::MAX, dy: -f64::MAX },
            1 => CameraMotion::Zoom { factor: 1e300, anchor: (1e300, 0.0) },
            _ => CameraMotion::Zoom { factor: 1e-300, anchor: (0.0, 1e300) },
        };
        (1..=600).for_each(|op| queue.push(command(op, absurd(op))));
        assert!(queue.take_through(OpSeq(600)).iter().all(|command| is_finite(&command.motion)));
    }

    #[test]
    fn neighbours_of_two_modes_stay_apart() {
        let pan = CameraMotion::Pan { dx: 1.0, dy: 0.0 };
        let mut queue: VecDeque<_> =
            (1..=4).map(|op| CameraCommand { ndisplay: 2 + (op % 2) as u8, ..command(op, pan.clone()) }).collect();
        merge_neighbours(&mut queue);
        assert_eq!(queue.len(), 4);
    }

    #[test]
    fn commands_of_later_ops_wait() {
        let queue = CommandQueue::default();
        queue.push(command(1, CameraMotion::Reset));
        queue.push(command(2, CameraMotion::Reset));
        assert_eq!(queue.take_through(OpSeq(1)).len(), 1);
        assert_eq!(queue.take_through(OpSeq(1)).len(), 0);
        assert_eq!(queue.take_through(OpSeq(2)).len(), 1);
    }
}
