//! Which level of a volume to draw: by how densely its voxels are sampled on the screen. Pure.
//!
//! The measure is that of 2D, samples per canvas pixel, so the thresholds are the same. A level is *chosen* by it, the *target* is the
//! first from there on that fits the budgets, and what is *drawn* is the finest that is there, until the target is.

use super::CanvasSize;
use super::lod::{LevelPolicy, LevelReason};
use super::turntable::{self, VolumePose};
use std::time::Duration;

/// The eye counts as no nearer to the box than this part of its diagonal: from within, everything would be too coarse.
const NEAREST: f64 = 0.05;

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct VolumeInputs<'a> {
    /// The camera.
    pub pose: &'a VolumePose,
    /// The box of the data: smallest and largest world x, y, z.
    pub bounds: [[f64; 2]; 3],
    /// The canvas.
    pub canvas: CanvasSize,
    /// World length of a voxel's edges per level, finest first; not empty.
    pub voxel: &'a [[f64; 3]],
    /// Whether each level fits the budgets.
    pub fits: &'a [bool],
    /// The finest level that can be drawn now.
    pub resident: usize,
    /// The level chosen before; `None` on entering 3D and after a jump.
    pub current: Option<usize>,
    /// A level that a person asked for.
    pub lock: Option<usize>,
    /// Time since another level was last chosen.
    pub since_switch: Option<Duration>,
    /// Whether the camera moves: then nothing finer is begun.
    pub moving: bool,
}

/// A level of a volume and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeDecision {
    /// What the canvas calls for.
    pub desired: usize,
    /// What is chosen, before budgets: `desired`, but for cooldown and motion. The next decision starts from it.
    pub chosen: usize,
    /// What is to be drawn once it is there: `chosen` or the next coarser that fits.
    pub target: usize,
    /// What is drawn until then.
    pub drawn: usize,
    /// Whether a budget made what is drawn coarser than what was chosen.
    pub downgraded: bool,
    /// Why.
    pub reason: LevelReason,
    /// Voxels per canvas pixel per level, where the box is nearest.
    pub sampling: Vec<f64>,
}

impl LevelPolicy {
    /// Decides on the level of a volume. Settles at once where nothing was chosen before; from then on one level at a time.
    pub fn decide_volume(&self, inputs: &VolumeInputs<'_>) -> VolumeDecision {
        let coarsest = inputs.voxel.len() - 1;
        let sampling = sampling(inputs.pose, inputs.bounds, inputs.canvas, inputs.voxel);
        let (desired, chosen, why) = match (inputs.lock, inputs.current) {
            (Some(lock), _) => (lock.min(coarsest), lock.min(coarsest), Some(LevelReason::Locked)),
            (None, None) => {
                let settled = self.settled(&sampling, coarsest);
                (settled, settled, None)
            }
            (None, Some(current)) => {
                let current = current.min(coarsest);
                let (wanted, _) = self.step(&sampling, current, None);
                if wanted < current && inputs.moving {
                    (wanted, current, Some(LevelReason::Rest))
                } else if wanted != current && inputs.since_switch.is_some_and(|t| t < self.cooldown) {
                    (wanted, current, Some(LevelReason::Cooldown))
                } else {
                    (wanted, wanted, None)
                }
            }
        };
        let fitting = (chosen..=coarsest).find(|&level| inputs.fits[level]);
        let target = fitting.unwrap_or(coarsest);
        let drawn = target.max(inputs.resident.min(coarsest));
        let reason = match why {
            _ if fitting.is_none() => LevelReason::OverBudget,
            Some(LevelReason::Locked) => LevelReason::Locked,
            _ if drawn != target => LevelReason::Volume,
            Some(held) => held,
            None if target == coarsest => LevelReason::Volume,
            None => LevelReason::VolumeSampling,
        };
        VolumeDecision { desired, chosen, target, drawn, downgraded: target != chosen && drawn == target, reason, sampling }
    }
}

/// Voxels per canvas pixel per level where the box is nearest to the eye: by the longest edge of a voxel, which is the one seen first.
fn sampling(pose: &VolumePose, bounds: [[f64; 2]; 3], canvas: CanvasSize, voxel: &[[f64; 3]]) -> Vec<f64> {
    let eye = turntable::frame(pose).eye;
    let beside = |k: usize| eye[k] - eye[k].clamp(bounds[k][0], bounds[k][1].max(bounds[k][0]));
    let length = |v: [f64; 3]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (apart, diagonal) = (length(std::array::from_fn(beside)), length(bounds.map(|[a, b]| b - a)));
    // A parallel projection sees everything at the size that it has at the centre.
    let distance = if pose.fov > 0.0 { apart.max(NEAREST * diagonal) } else { pose.distance };
    let pixel = VolumePose { distance, ..*pose }.span() / f64::from(canvas.height);
    voxel.iter().map(|edges| pixel / edges.iter().copied().fold(f64::MIN_POSITIVE, f64::max)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 640, height: 360 };
    const BOX: [[f64; 2]; 3] = [[0.0, 1000.0], [0.0, 800.0], [0.0, 400.0]];

    /// A pyramid whose voxels are anisotropic at first.
    fn voxels(levels: usize) -> Vec<[f64; 3]> {
        (0..levels).map(|l| [1.0, 1.0, 2.0].map(|edge| edge * f64::from(1u32 << l))).collect()
    }

    fn pose(distance: f64, angles: [f64; 3], fov: f64) -> VolumePose {
        VolumePose { center: [500.0, 400.0, 200.0], angles, distance, fov }
    }

    fn inputs<'a>(pose: &'a VolumePose, voxel: &'a [[f64; 3]], fits: &'a [bool]) -> VolumeInputs<'a> {
        VolumeInputs {
            pose,
            bounds: BOX,
            canvas: CANVAS,
            voxel,
            fits,
            resident: 0,
            current: None,
            lock: None,
            since_switch: None,
            moving: false,
        }
    }

    fn poses() -> impl Strategy<Value = VolumePose> {
        (1.0f64..1e5, prop::array::uniform3(-90f64..90.0), prop_oneof![Just(0.0), 10f64..120.0])
            .prop_map(|(distance, angles, fov)| pose(distance, angles, fov))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// From further away no finer level is called for, whatever was there before.
        #[test]
        fn the_level_is_monotone_in_distance(near in poses(), further in 1f64..50.0, levels in 1usize..7) {
            let (voxel, fits) = (voxels(levels), vec![true; levels]);
            let far = VolumePose { distance: near.distance * further, ..near };
            let of = |pose: &VolumePose| LevelPolicy::default().decide_volume(&inputs(pose, &voxel, &fits));
            let (near, far) = (of(&near), of(&far));
            prop_assert!(near.target <= far.target, "{near:?} {far:?}");
            prop_assert!(near.sampling.iter().zip(&far.sampling).all(|(a, b)| a <= b));
        }

        #[test]
        fn budgets_residency_and_motion_are_kept(pose in poses(), fits in prop::collection::vec(any::<bool>(), 1..7), resident in 0usize..7, current in prop::option::of(0usize..7),
                                                 lock in prop::option::of(0usize..9), moving in any::<bool>(), since in prop::option::of(0u64..400)) {
            let (levels, voxel) = (fits.len(), voxels(fits.len()));
            let since_switch = since.map(Duration::from_millis);
            let i = VolumeInputs { resident, current, lock, moving, since_switch, ..inputs(&pose, &voxel, &fits) };
            let d = LevelPolicy::default().decide_volume(&i);
            prop_assert!(fits[d.target] || (d.reason == LevelReason::OverBudget && d.target == levels - 1), "within budget");
            prop_assert!(d.drawn >= resident.min(levels - 1) && d.drawn >= d.target, "never finer than what is there");
            prop_assert!(d.chosen <= d.target && d.drawn < levels && d.desired < levels);
            prop_assert!(!d.downgraded || d.drawn > d.chosen);
            if let Some(lock) = lock {
                prop_assert!(d.chosen == lock.min(levels - 1), "a lock wins");
            } else if let Some(current) = current.map(|c| c.min(levels - 1)) {
                prop_assert!(!moving || d.chosen >= current, "nothing finer is begun while it moves");
                prop_assert!(d.chosen.abs_diff(current) <= 1, "one level at a time");
                prop_assert!(since.is_none_or(|ms| ms >= 150) || d.chosen == current, "not within the cooldown");
            }
        }

        /// The same view decided on again and again comes to rest, and where it started from makes no difference to how it ends.
        #[test]
        fn no_flip_flop_at_any_distance(pose in poses(), fits in prop::collection::vec(any::<bool>(), 1..7), start in 0usize..7) {
            let voxel = voxels(fits.len());
            let policy = LevelPolicy::default();
            let mut current = Some(start.min(fits.len() - 1));
            let mut next = |moving| {
                let d = policy.decide_volume(&VolumeInputs { current, moving, ..inputs(&pose, &voxel, &fits) });
                current = Some(d.chosen);
                (d.chosen, d.target)
            };
            (0..fits.len()).for_each(|_| { next(false); });
            let settled = next(false);
            for moving in [true, false, true, false] {
                prop_assert_eq!(next(moving), settled);
            }
        }
    }

    #[test]
    fn nearer_is_finer_and_coarse_until_it_is_there() {
        let (voxel, fits) = (voxels(4), [true; 4]);
        let policy = LevelPolicy::default();
        let level = |distance: f64| policy.decide_volume(&inputs(&pose(distance, [0.0; 3], 60.0), &voxel, &fits)).target;
        // At 1000 from the centre the box begins at 600: a pixel is 600 * 2 tan 30° / 360 = 1.92, less than the 2 of a voxel.
        assert_eq!((level(1000.0), level(1300.0), level(2500.0), level(1e5)), (0, 1, 2, 3));
        let close = pose(1000.0, [0.0; 3], 60.0);
        let coarse = policy.decide_volume(&VolumeInputs { resident: 3, ..inputs(&close, &voxel, &fits) });
        assert_eq!(
            (coarse.desired, coarse.target, coarse.drawn, coarse.downgraded, coarse.reason),
            (0, 0, 3, false, LevelReason::Volume)
        );
        let there = policy.decide_volume(&inputs(&close, &voxel, &fits));
        assert_eq!((there.drawn, there.reason), (0, LevelReason::VolumeSampling));
        let large = policy.decide_volume(&inputs(&close, &voxel, &[false, false, true, true]));
        assert_eq!((large.chosen, large.target, large.drawn, large.downgraded), (0, 2, 2, true));
        let none = policy.decide_volume(&inputs(&close, &voxel, &[false; 4]));
        assert_eq!((none.target, none.downgraded, none.reason), (3, true, LevelReason::OverBudget));
        let moving = VolumeInputs { current: Some(2), moving: true, ..inputs(&close, &voxel, &fits) };
        let held = policy.decide_volume(&moving);
        assert_eq!((held.desired, held.chosen, held.reason), (1, 2, LevelReason::Rest));
        let within = policy.decide_volume(&inputs(&pose(10.0, [0.0; 3], 60.0), &voxel, &fits));
        assert!(within.sampling.iter().all(|s| s.is_finite() && *s > 0.0), "from inside the box");
    }
}
