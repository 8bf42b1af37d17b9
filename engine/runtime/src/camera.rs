//! The camera controller: camera commands, in order, onto the poses. A command moves the pose of the mode it was meant for, whichever
//! is shown when it is applied, so that the poses depend on the order of commands and not on when a frame falls between them.

use nc_core::data::turntable::{self, VolumePose};
use nc_core::data::{CanvasSize, Rect, plane_camera};
use nc_core::exchange::{CameraCommand, CameraMotion};

/// The pose of each mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poses {
    /// What 2D shows, before it is widened to the canvas's aspect.
    pub plane: Rect,
    /// Where the 3D camera is; `None` until it was first used.
    pub volume: Option<VolumePose>,
}

/// What a reset shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Home {
    /// In 2D.
    pub plane: Rect,
    /// In 3D: the box of the data, lower and upper end along x, y and z.
    pub volume: [[f64; 2]; 3],
}

impl Home {
    /// The 3D pose, made if there is none yet.
    pub fn volume_pose(&self, pose: Option<VolumePose>) -> VolumePose {
        pose.unwrap_or_else(|| turntable::canonical(self.volume))
    }
}

/// What a run of commands came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraOutcome {
    /// The poses now.
    pub poses: Poses,
    /// Product of the 2D zoom factors; `None` if there was no zoom.
    pub zoom: Option<f64>,
    /// Whether the 2D view was moved.
    pub moved: bool,
    /// Whether the 2D view went somewhere else altogether, rather than moved.
    pub jumped: bool,
    /// Whether there was a reset, which clients expect to come with a keyframe (PROTOCOL §10.5).
    pub reset: bool,
}

/// Applies `commands` to `poses`, in order.
pub fn apply(poses: Poses, canvas: CanvasSize, home: &Home, commands: &[CameraCommand]) -> CameraOutcome {
    let mut outcome = CameraOutcome { poses, zoom: None, moved: false, jumped: false, reset: false };
    for command in commands {
        outcome.reset |= command.motion == CameraMotion::Reset;
        if command.ndisplay == 2 {
            move_plane(&mut outcome, canvas, home.plane, command);
        } else {
            let pose = home.volume_pose(outcome.poses.volume);
            outcome.poses.volume = Some(moved_volume(pose, home.volume, command));
        }
    }
    outcome
}

fn move_plane(outcome: &mut CameraOutcome, canvas: CanvasSize, home: Rect, command: &CameraCommand) {
    let rect = outcome.poses.plane;
    // Points were measured on the command's canvas; the pose is the same on any.
    let at = command.canvas;
    let mut zoomed = |factor: f64| outcome.zoom = Some(outcome.zoom.unwrap_or(1.0) * factor);
    let there = match command.motion {
        CameraMotion::Zoom { factor, anchor } => {
            zoomed(factor);
            plane_camera::zoom(rect, at, factor, anchor, home)
        }
        CameraMotion::Pan { dx, dy } => plane_camera::pan(rect, at, dx, dy),
        CameraMotion::Similarity { scale, offset } => {
            if scale != 1.0 {
                zoomed(scale);
            }
            plane_camera::similarity(rect, at, scale, offset, home)
        }
        CameraMotion::Reset => {
            outcome.zoom = None;
            outcome.jumped = true;
            home
        }
        CameraMotion::Set { center, zoom: scale, rect: asked } => {
            outcome.jumped = true;
            let mut rect = asked.map_or(rect, |[left, bottom, width, height]| Rect { left, bottom, width, height });
            if let Some(scale) = scale {
                let factor = plane_camera::pixels_per_unit(rect, canvas) / scale;
                let middle = (f64::from(canvas.width) / 2.0, f64::from(canvas.height) / 2.0);
                rect = plane_camera::zoom(rect, canvas, factor, middle, home);
            }
            center.map_or(rect, |c| plane_camera::centered_on(rect, c))
        }
        CameraMotion::Orbit { .. } | CameraMotion::Place { .. } => return,
    };
    outcome.poses.plane = sane(there, rect);
    outcome.moved = true;
}

/// Absurd input leaves the pose, as the turntable promises.
fn moved_volume(pose: VolumePose, world: [[f64; 2]; 3], command: &CameraCommand) -> VolumePose {
    match command.motion {
        CameraMotion::Zoom { factor, .. } => turntable::zoom(pose, factor, &turntable::canonical(world)),
        CameraMotion::Pan { dx, dy } => turntable::pan(pose, command.canvas, dx, dy),
        CameraMotion::Orbit { azimuth, elevation } => turntable::orbit(pose, azimuth, elevation),
        CameraMotion::Reset => turntable::reset(pose, world),
        CameraMotion::Place { center, angles } => turntable::placed(pose, center, angles),
        CameraMotion::Similarity { .. } | CameraMotion::Set { .. } => pose,
    }
}

/// `rect` if it is finite and has an extent, else `fallback`: absurd input must not break the pose.
fn sane(rect: Rect, fallback: Rect) -> Rect {
    let finite = rect.to_array().iter().all(|v| v.is_finite() && v.abs() < 1e15);
    if finite && rect.width > 0.0 && rect.height > 0.0 { rect } else { fallback }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::scene::OpSeq;
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 200, height: 100 };
    const HOME: Home = Home {
        plane: Rect { left: -0.5, bottom: -0.5, width: 100.0, height: 50.0 },
        volume: [[-0.5, 99.5], [-0.5, 49.5], [0.0, 20.0]],
    };
    const START: Poses = Poses { plane: HOME.plane, volume: None };

    fn command(motion: CameraMotion) -> CameraCommand {
        CameraCommand { op: OpSeq(1), ndisplay: 2, canvas: CANVAS, motion }
    }

    fn in_3d(motion: CameraMotion) -> CameraCommand {
        CameraCommand { ndisplay: 3, ..command(motion) }
    }

    #[test]
    fn commands_apply_in_order_and_reset_goes_home() {
        let zoom = command(CameraMotion::Zoom { factor: 0.5, anchor: (0.0, 0.0) });
        let out = apply(START, CANVAS, &HOME, &[zoom.clone(), zoom.clone()]);
        assert_eq!(out.poses.plane.to_array(), [-0.5, -0.5, 25.0, 12.5]);
        assert_eq!((out.zoom, out.moved, out.jumped), (Some(0.25), true, false));
        let out = apply(out.poses, CANVAS, &HOME, &[command(CameraMotion::Reset)]);
        assert_eq!((out.poses, out.zoom, out.jumped, out.reset), (START, None, true, true));
    }

    #[test]
    fn absurd_input_leaves_the_pose() {
        let set = |rect| command(CameraMotion::Set { center: None, zoom: None, rect: Some(rect) });
        let far = command(CameraMotion::Pan { dx: 1e300, dy: 0.0 });
        for absurd in [set([0.0, 0.0, f64::MAX, 1.0]), set([f64::INFINITY, 0.0, 1.0, 1.0]), far] {
            assert_eq!(apply(START, CANVAS, &HOME, &[absurd]).poses, START);
        }
    }

    #[test]
    fn the_reported_zoom_set_again_changes_nothing() {
        let zoom = plane_camera::pixels_per_unit(HOME.plane, CANVAS);
        let set = command(CameraMotion::Set { center: None, zoom: Some(zoom), rect: None });
        let out = apply(START, CANVAS, &HOME, &[set]).poses.plane;
        assert!(out.to_array().iter().zip(HOME.plane.to_array()).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn the_first_command_for_3d_starts_from_the_canonical_pose() {
        let out = apply(START, CANVAS, &HOME, &[in_3d(CameraMotion::Orbit { azimuth: 15.0, elevation: -10.0 })]);
        let canonical = turntable::canonical(HOME.volume);
        assert_eq!(out.poses.volume, Some(VolumePose { angles: [45.0, 20.0, 0.0], ..canonical }));
        assert_eq!((out.poses.plane, out.moved), (HOME.plane, false));
        let reset = apply(out.poses, CANVAS, &HOME, &[in_3d(CameraMotion::Pan { dx: 5.0, dy: 9.0 }), in_3d(CameraMotion::Reset)]);
        assert_eq!(reset.poses, out.poses, "the angles stay");
        assert!(reset.reset && !reset.jumped);
    }

    #[test]
    fn an_orbit_in_2d_moves_nothing() {
        let out = apply(START, CANVAS, &HOME, &[command(CameraMotion::Orbit { azimuth: 1.0, elevation: 1.0 })]);
        assert_eq!((out.poses, out.moved), (START, false));
    }

    fn motion() -> impl Strategy<Value = CameraMotion> {
        prop_oneof![
            (0.5..2.0, 0.0..100.0).prop_map(|(factor, x)| CameraMotion::Zoom { factor, anchor: (x, 30.0) }),
            (-50.0..50.0, -50.0..50.0).prop_map(|(dx, dy)| CameraMotion::Pan { dx, dy }),
            (-50.0..50.0, -50.0..50.0).prop_map(|(azimuth, elevation)| CameraMotion::Orbit { azimuth, elevation }),
            Just(CameraMotion::Reset),
            proptest::array::uniform3(-90.0..90.0).prop_map(|angles| CameraMotion::Place { center: None, angles: Some(angles) }),
        ]
    }

    proptest! {
        #[test]
        fn each_mode_sees_its_own_commands_only_and_all_of_them(commands in prop::collection::vec((any::<bool>(), motion()), 0..20), cut in 0usize..20) {
            let commands: Vec<CameraCommand> = commands.into_iter()
                .map(|(volume, motion)| if volume { in_3d(motion) } else { command(motion) }).collect();
            let all = apply(START, CANVAS, &HOME, &commands).poses;
            let of = |mode: u8| commands.iter().filter(|c| c.ndisplay == mode).cloned().collect::<Vec<_>>();
            prop_assert_eq!(all.plane, apply(START, CANVAS, &HOME, &of(2)).poses.plane);
            prop_assert_eq!(all.volume, apply(START, CANVAS, &HOME, &of(3)).poses.volume);
            // Where a frame falls between them makes no difference.
            let (first, second) = commands.split_at(cut.min(commands.len()));
            prop_assert_eq!(all, apply(apply(START, CANVAS, &HOME, first).poses, CANVAS, &HOME, second).poses);
        }
    }
}
