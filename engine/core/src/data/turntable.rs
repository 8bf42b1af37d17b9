//! The 3D turntable camera: pure functions from a pose to a pose, and from a pose to the directions of its picture (PROTOCOL §17.2,
//! without the two faults of the existing server: a pan moves in the screen's plane, by the same world length per pixel both ways).
//!
//! World is right-handed, z up. Angles are degrees. Whatever goes in, a sound pose stays sound: finite, its distance positive, its
//! elevation within ±90.

use super::CanvasSize;

/// Distances a pose may be zoomed to, relative to the one that shows the whole box.
const ZOOM_RANGE: (f64, f64) = (1e-6, 1e4);
/// Vertical field of view that every pose starts with, degrees.
const FOV: f64 = 60.0;
/// Azimuth, elevation and roll that the first pose has, degrees.
const ANGLES: [f64; 3] = [30.0, 30.0, 0.0];
/// How much further away than "as high as the box" the whole box is seen from.
const MARGIN: f64 = 1.1;
/// Coordinates, distances and angles beyond this are none.
pub const FARTHEST: f64 = 1e15;

/// The 3D pose: a turntable about `center`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumePose {
    /// What the camera looks at and turns about: world x, y, z.
    pub center: [f64; 3],
    /// Azimuth, elevation and roll, degrees; elevation within ±90.
    pub angles: [f64; 3],
    /// From the eye to `center`, world units, positive.
    pub distance: f64,
    /// Vertical field of view, degrees, below 180; 0 is a parallel projection.
    pub fov: f64,
}

impl VolumePose {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let numbers = [self.center, self.angles].concat();
        let sound = numbers.iter().all(|v| v.is_finite() && v.abs() <= FARTHEST)
            && self.angles[1].abs() <= 90.0
            && self.distance > 0.0
            && self.distance <= FARTHEST
            && (0.0..180.0).contains(&self.fov);
        (!sound).then(|| format!("{self:?}"))
    }

    /// This pose if it is sound, else `before`: absurd input must not break the camera.
    fn or(self, before: Self) -> Self {
        if self.fault().is_none() { self } else { before }
    }

    /// World height that the canvas spans at `center`. A parallel projection spans what the usual field of view would.
    pub fn span(&self) -> f64 {
        let fov = if self.fov > 0.0 { self.fov } else { FOV };
        2.0 * self.distance * (fov.to_radians() / 2.0).tan()
    }

    /// World units that the shorter side of the canvas spans at `center`.
    pub fn extent(&self, canvas: CanvasSize) -> f64 {
        self.span() * (f64::from(canvas.width) / f64::from(canvas.height)).min(1.0)
    }
}

/// Where the eye is, and the directions of its picture as world vectors of length one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// The eye's place.
    pub eye: [f64; 3],
    /// To the right of the picture.
    pub right: [f64; 3],
    /// Up the picture.
    pub up: [f64; 3],
    /// Into the picture, towards `center`.
    pub forward: [f64; 3],
}

/// The picture's directions: `Ry(roll) · Rz(azimuth) · Rx(-elevation)` applied to x (right), y (forward) and z (up). At angles of 0
/// the eye looks along +y. The roll turns about the world's y axis, last, so it moves the eye too; napari's pictures do.
pub fn frame(pose: &VolumePose) -> Frame {
    let [(sa, ca), (se, ce), (sr, cr)] = pose.angles.map(|degrees| degrees.to_radians().sin_cos());
    let rolled = |[x, y, z]: [f64; 3]| [x * cr + z * sr, y, z * cr - x * sr];
    let forward = rolled([-sa * ce, ca * ce, -se]);
    Frame {
        eye: shifted(pose.center, -pose.distance, forward),
        right: rolled([ca, sa, 0.0]),
        up: rolled([-sa * se, ca * se, ce]),
        forward,
    }
}

fn shifted(place: [f64; 3], by: f64, along: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| place[k] + by * along[k])
}

/// The first pose: the whole of `world` (smallest and largest x, y, z) from above and the side, framed by its extent along y.
pub fn canonical(world: [[f64; 2]; 3]) -> VolumePose {
    let [_, [bottom, top], _] = world;
    VolumePose {
        center: world.map(|[a, b]| a + (b - a) / 2.0),
        angles: ANGLES,
        distance: MARGIN * 0.5 * (top - bottom) / (FOV.to_radians() / 2.0).tan(),
        fov: FOV,
    }
}

/// The whole of `world` again, from the same side.
pub fn reset(pose: VolumePose, world: [[f64; 2]; 3]) -> VolumePose {
    VolumePose { angles: pose.angles, ..canonical(world) }.or(pose)
}

/// Turns about `center` by degrees. The azimuth wraps, the elevation ends at the poles.
pub fn orbit(pose: VolumePose, azimuth: f64, elevation: f64) -> VolumePose {
    let [az, el, roll] = pose.angles;
    VolumePose { angles: [wrapped(az + azimuth), (el + elevation).clamp(-90.0, 90.0), roll], ..pose }.or(pose)
}

/// The angle in -180..180.
fn wrapped(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

/// Goes nearer or, above 1, further away, within 1e-6 to 1e4 of the distance of `home`, the pose that shows everything.
pub fn zoom(pose: VolumePose, factor: f64, home: &VolumePose) -> VolumePose {
    let range = (home.distance * ZOOM_RANGE.0, home.distance * ZOOM_RANGE.1);
    VolumePose { distance: (pose.distance * factor).clamp(range.0, range.1), ..pose }.or(pose)
}

/// Moves in the screen's plane: what is at `center`'s depth follows a pointer that moved `dx` pixels right and `dy` pixels **down**.
pub fn pan(pose: VolumePose, canvas: CanvasSize, dx: f64, dy: f64) -> VolumePose {
    let Frame { right, up, .. } = frame(&pose);
    let unit = pose.span() / f64::from(canvas.height);
    VolumePose { center: shifted(shifted(pose.center, -dx * unit, right), dy * unit, up), ..pose }.or(pose)
}

/// Any angles in their ranges: azimuth and roll within -180..180, elevation within ±90.
pub fn in_range([azimuth, elevation, roll]: [f64; 3]) -> [f64; 3] {
    [wrapped(azimuth), elevation.clamp(-90.0, 90.0), wrapped(roll)]
}

/// An absolute pose; what is absent stays. Angles come into their ranges.
pub fn placed(pose: VolumePose, center: Option<[f64; 3]>, angles: Option<[f64; 3]>) -> VolumePose {
    let angles = angles.map(in_range);
    VolumePose { center: center.unwrap_or(pose.center), angles: angles.unwrap_or(pose.angles), ..pose }.or(pose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 640, height: 360 };
    const WORLD: [[f64; 2]; 3] = [[-0.5, 99.5], [-0.5, 49.5], [-2.0, 22.0]];

    fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn near(a: [f64; 3], b: [f64; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    /// Where a world point is on the canvas, pixels right and up from the middle.
    fn projected(pose: &VolumePose, canvas: CanvasSize, point: [f64; 3]) -> (f64, f64) {
        let f = frame(pose);
        let from_eye = std::array::from_fn(|k| point[k] - f.eye[k]);
        let scale = f64::from(canvas.height) / (2.0 * (pose.fov.to_radians() / 2.0).tan() * dot(from_eye, f.forward));
        (dot(from_eye, f.right) * scale, dot(from_eye, f.up) * scale)
    }

    fn pose() -> impl Strategy<Value = VolumePose> {
        let center = prop::array::uniform3(-1e3..1e3);
        (center, -180.0..180.0, -90.0..=90.0, -180.0..180.0, 1e-2..1e4, 10.0..120.0)
            .prop_map(|(center, az, el, roll, distance, fov)| VolumePose { center, angles: [az, el, roll], distance, fov })
    }

    /// Any number, the absurd ones too.
    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), -1e3..1e3, Just(f64::NAN), Just(f64::INFINITY)]
    }

    proptest! {
        #[test]
        fn the_frame_is_right_handed_and_looks_at_the_center(pose in pose()) {
            let f = frame(&pose);
            for (a, b, expected) in [(f.right, f.right, 1.0), (f.up, f.up, 1.0), (f.forward, f.forward, 1.0),
                                     (f.right, f.up, 0.0), (f.right, f.forward, 0.0), (f.up, f.forward, 0.0)] {
                prop_assert!((dot(a, b) - expected).abs() < 1e-9);
            }
            let cross = [f.right[1] * f.forward[2] - f.right[2] * f.forward[1], f.right[2] * f.forward[0] - f.right[0] * f.forward[2],
                         f.right[0] * f.forward[1] - f.right[1] * f.forward[0]];
            prop_assert!(near(cross, f.up));
            let seen = shifted(f.eye, pose.distance, f.forward);
            prop_assert!(seen.iter().zip(pose.center).all(|(a, b)| (a - b).abs() < 1e-6));
        }

        /// What was under the pointer at the centre's depth is under the moved pointer, in both directions alike.
        #[test]
        fn content_follows_the_pointer(pose in pose(), dx in -300.0..300.0, dy in -300.0..300.0) {
            let moved = pan(pose, CANVAS, dx, dy);
            let (x, y) = projected(&moved, CANVAS, pose.center);
            prop_assert!((x - dx).abs() < 1e-6 && (y + dy).abs() < 1e-6, "{x} {y}");
            prop_assert_eq!((moved.angles, moved.distance), (pose.angles, pose.distance));
        }

        #[test]
        fn turning_back_returns(pose in pose(), az in -720.0..720.0, el in -40.0..40.0) {
            // Not over a pole.
            let pose = VolumePose { angles: [pose.angles[0], pose.angles[1] / 2.0, pose.angles[2]], ..pose };
            let back = orbit(orbit(pose, az, el), -az, -el);
            prop_assert!(near(frame(&back).forward, frame(&pose).forward));
            prop_assert_eq!((back.center, back.distance, back.angles[2]), (pose.center, pose.distance, pose.angles[2]));
        }

        #[test]
        fn no_input_breaks_a_sound_pose(start in pose(), moves in prop::collection::vec((0u8..5, any_number(), any_number(), any_number()), 1..30)) {
            let home = canonical(WORLD);
            let mut pose = start;
            for (kind, a, b, c) in moves {
                pose = match kind {
                    0 => orbit(pose, a, b),
                    1 => zoom(pose, a, &home),
                    2 => pan(pose, CANVAS, a, b),
                    3 => placed(pose, Some([a, b, c]), None),
                    _ => placed(pose, None, Some([a, b, c])),
                };
                prop_assert!(pose.fault().is_none(), "{pose:?}");
            }
            prop_assert_eq!(reset(pose, WORLD), VolumePose { angles: pose.angles, ..home });
        }

        #[test]
        fn zooming_is_bounded_by_home(pose in pose(), factors in prop::collection::vec(1e-3..1e3, 1..40)) {
            let home = canonical(WORLD);
            let end = factors.iter().fold(pose, |pose, &f| zoom(pose, f, &home));
            prop_assert!(end.distance >= home.distance * 1e-6 && end.distance <= home.distance * 1e4);
            prop_assert_eq!((end.center, end.angles), (pose.center, pose.angles));
        }
    }

    #[test]
    fn at_no_angles_the_eye_looks_along_y() {
        let pose = VolumePose { center: [1.0, 2.0, 3.0], angles: [0.0; 3], distance: 10.0, fov: 60.0 };
        let f = frame(&pose);
        assert_eq!((f.eye, f.right, f.forward, f.up), ([1.0, -8.0, 3.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]));
    }

    #[test]
    fn without_roll_the_eye_is_where_the_protocol_puts_it() {
        let pose = VolumePose { center: [0.0; 3], angles: [30.0, 20.0, 0.0], distance: 2.0, fov: 60.0 };
        let ((sa, ca), (se, ce)) = (30f64.to_radians().sin_cos(), 20f64.to_radians().sin_cos());
        assert!(near(frame(&pose).eye, [2.0 * ce * sa, -2.0 * ce * ca, 2.0 * se]));
    }

    /// `golden/reference`: the roll is about the world's y axis. A quarter turn takes what was up to the world's right.
    #[test]
    fn the_roll_turns_about_the_world_s_y_axis_last() {
        let pose = VolumePose { center: [0.0; 3], angles: [90.0, 0.0, 90.0], distance: 1.0, fov: 60.0 };
        let f = frame(&pose);
        assert!(near(f.right, [0.0, 1.0, 0.0]) && near(f.up, [1.0, 0.0, 0.0]) && near(f.forward, [0.0, 0.0, 1.0]), "{f:?}");
    }

    #[test]
    fn the_canonical_pose_shows_the_box_s_height() {
        let pose = canonical(WORLD);
        assert_eq!((pose.center, pose.angles, pose.fov), ([49.5, 24.5, 10.0], [30.0, 30.0, 0.0], 60.0));
        assert!((pose.span() - 1.1 * 50.0).abs() < 1e-9);
        assert_eq!(reset(orbit(pose, 12.0, 3.0), WORLD).angles, [42.0, 33.0, 0.0]);
    }
}
