//! Both modes in virtual time: entering 3D, the way back, and what each leaves alone of the other.

use crate::stand::{CANVAS, Recorder, TILE_BYTES, dataset};
use crate::turns::{Loop, PLENTY, Switched, noted};
use nc_core::control::bootstrap;
use nc_core::data::lod::LevelReason;
use nc_core::data::turntable::{self, VolumePose};
use nc_core::data::{Budgets, ImageId, Rect, VolumeKey};
use nc_core::ledger::{AppliedBatch, Outcome as Ending};
use nc_core::scene::PlaneView;
use nc_gpu::api::DeviceError;
use nc_runtime::Outcome;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

/// The data of the stand in the world.
const WORLD: [[f64; 2]; 3] = [[-0.5, 2047.5], [-0.5, 2047.5], [-0.5, 7.5]];

impl Loop<Recorder> {
    fn toggle(&mut self, ndisplay: u8) -> &mut Self {
        self.intend("view", "main", "ndisplay", json!(ndisplay))
    }

    /// Level, step and rectangle.
    fn plane(&self) -> (usize, Vec<u64>, Rect) {
        let view = self.view();
        (view.level, view.step.clone(), view.plane.rect)
    }

    fn pictures(&self) -> (usize, usize) {
        (self.device.passes.len(), self.device.volumes.len())
    }

    fn volume_pose(&self) -> VolumePose {
        self.view().volume.unwrap()
    }

    /// What the loop does when a tick fails.
    fn fail(&mut self) {
        self.device.fail_draw = true;
        assert!(matches!(self.try_tick(Vec::new()), Err(DeviceError::Lost(_))));
        let failed = AppliedBatch::new(self.ledger.state()).failed(self.last_good.clone());
        let commit = self.ledger.commit_applied(failed).unwrap();
        assert!(commit.closed.iter().all(|op| op.outcome == Some(Ending::Failed)) && !commit.closed.is_empty());
    }
}

/// Zoomed in to level 0, at rest.
fn close_by() -> Loop<Recorder> {
    let mut stage = noted(1, PLENTY);
    stage.settle().show([700.0, 700.0, 300.0, 200.0]).settle();
    assert_eq!(stage.view().level, 0);
    stage
}

#[test]
fn entering_3d_shows_the_coarsest_level_from_the_canonical_pose_at_once() {
    let mut stage = close_by();
    stage.intend("dims", "z", "index", json!(6)).settle();
    let (pictures, plane) = (stage.pictures(), stage.plane());
    stage.after(500).toggle(3);
    let outcome = stage.tick();
    assert!(outcome.drawn && outcome.flip);
    assert_eq!((stage.pictures(), stage.open_ops()), ((pictures.0, pictures.1 + 1), 0));
    let view = stage.view();
    assert_eq!((view.ndisplay, view.level, view.downgraded), (3, 2, false));
    assert_eq!(view.volume, Some(turntable::canonical(WORLD)));
    assert_eq!(view.plane.rect, plane.2, "the 2D pose stays");
    assert_eq!(*stage.ledger.state().view_cache.plane.get(), PlaneView { level: 0, step: plane.1 });
    let switch = outcome.switched().unwrap();
    assert_eq!((switch.from, switch.decision.level, switch.decision.reason), (0, 2, LevelReason::Volume));

    let pass = stage.device.volumes.last().unwrap();
    let frame = turntable::frame(&turntable::canonical(WORLD));
    assert_eq!((pass.canvas, pass.bounds, pass.view.eye, pass.view.up), (CANVAS, WORLD, frame.eye, frame.up));
    assert_eq!(pass.layers[0].key, VolumeKey { image: ImageId(3), level: 2, axes: [1, 2, 3], index: [0; 5] });
    assert_eq!(pass.layers[0].axes.map(|axis| axis.len), [8, 512, 512]);
    for _ in 0..5 {
        let outcome = stage.after(1000).tick();
        assert!(!outcome.drawn && outcome.batch.is_none(), "then there is nothing to do");
    }
}

#[test]
fn the_way_back_needs_no_tile_and_is_drawn_at_once() {
    let mut stage = close_by();
    let (plane, resident) = (stage.plane(), stage.device.resident.clone());
    let picture = stage.device.passes.last().unwrap().clone();
    stage.toggle(3).settle();
    stage.intend("camera", "main", "orbit", json!({"d_az_deg": 20.0, "d_el_deg": 5.0})).settle();
    assert!(stage.shelf.take_wants().is_empty() && stage.wanted.is_empty());
    stage.toggle(2);
    let outcome = stage.tick();
    assert!(outcome.drawn && !outcome.flip);
    assert_eq!((stage.plane(), stage.open_ops()), (plane, 0));
    assert_eq!(stage.device.passes.last(), Some(&picture));
    assert!(stage.device.resident == resident && stage.device.evicted.is_empty() && stage.wanted.is_empty());
    assert_eq!(outcome.switched().unwrap().decision.reason, LevelReason::Restored);
}

#[test]
fn the_way_back_to_tiles_that_are_gone_is_held_like_a_step() {
    let mut stage = close_by();
    stage.toggle(3).settle();
    stage.device = Recorder::default();
    stage.viewer.device_replaced(Budgets::within(PLENTY));
    stage.tick();
    stage.toggle(2);
    let outcome = stage.tick();
    assert!(!outcome.drawn && outcome.batch.is_none(), "the volume stands");
    assert_eq!((stage.view().ndisplay, stage.open_ops()), (3, 1));
    // Which mode the held tick was in makes no difference to the level.
    let outcome = stage.after(50).tick_delivered();
    assert!(outcome.drawn && !outcome.flip);
    assert_eq!((stage.view().ndisplay, stage.view().level, stage.open_ops()), (2, 0, 0));
}

#[test]
fn entering_3d_is_never_held() {
    let mut stage = close_by();
    stage.intend("dims", "z", "index", json!(1));
    assert!(!stage.tick().drawn, "nothing of the step is there");
    stage.after(20).toggle(3);
    assert!(stage.tick().drawn);
    assert_eq!((stage.open_ops(), stage.view().ndisplay), (0, 3));
}

#[test]
fn the_level_of_before_stays_until_something_happens_in_2d() {
    let mut stage = noted(1, PLENTY);
    stage.settle().intend("multiscale", "main", "level", json!(0)).settle();
    stage.toggle(3).settle();
    assert!(!*stage.ledger.state().multiscale.lock.get(), "a toggle releases the level");
    stage.toggle(2).settle();
    assert_eq!(stage.view().level, 0, "although the policy would show 2");
    for _ in 0..10 {
        stage.after(1000).intend("layer", "layer-0", "gamma", json!(0.5)).intend("dims", "z", "step", json!(1));
        assert!(stage.tick_delivered().switched().is_none());
    }
    stage.settle().intend("camera", "main", "pan", json!({"dx_px": 1.0, "dy_px": 0.0}));
    assert_eq!(stage.tick().switched().unwrap().decision.level, 1, "a camera command asks the policy again");
    stage.settle();
    assert_eq!(stage.view().level, 2);
}

#[test]
fn a_lock_and_a_budget_hold_on_the_way_back() {
    let mut stage = close_by();
    stage.toggle(3).settle();
    // A level that is asked for right after the way back, before any tick.
    stage.toggle(2).intend("multiscale", "main", "level", json!(1));
    stage.tick();
    assert_eq!(stage.view().level, 1);
    // Another layer is shown meanwhile, and both together do not fit the level.
    let mut stage = noted(2, 24 * TILE_BYTES);
    stage.settle().intend("layer", "layer-1", "visible", json!(false)).show([600.0, 600.0, 512.0, 512.0]).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (1, true), "9 tiles of a budget of 24 would fit, twice do not");
    stage.show([600.0, 600.0, 450.0, 450.0]).settle();
    assert_eq!(stage.view().level, 0);
    stage.toggle(3).settle().intend("layer", "layer-1", "visible", json!(true)).toggle(2).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (1, true));
}

#[test]
fn a_toggle_there_and_back_between_two_ticks_changes_nothing() {
    let mut stage = close_by();
    let (mut plane, pictures) = (stage.plane(), stage.pictures());
    stage.toggle(3).toggle(2);
    let outcome = stage.tick();
    assert!(!outcome.drawn && outcome.switched().is_none());
    assert_eq!((stage.plane(), stage.pictures(), stage.open_ops()), (plane.clone(), pictures, 0));
    // With a step before that no tick has seen.
    stage.shelf.decode(|_| true);
    stage.intend("dims", "z", "index", json!(5)).toggle(3).intend("dims", "z", "index", json!(1)).toggle(2);
    stage.tick();
    plane.1[0] = 5;
    assert_eq!(stage.plane(), plane);
    // With a level that was locked.
    stage.intend("multiscale", "main", "level", json!(2)).tick();
    stage.toggle(3).toggle(2).tick();
    for _ in 0..5 {
        stage.after(500).tick_delivered();
        assert_eq!((stage.view().level, *stage.ledger.state().multiscale.lock.get()), (2, false));
    }
}

#[test]
fn each_command_moves_the_pose_of_the_mode_it_was_meant_for() {
    let mut stage = close_by();
    let rect = stage.view().plane.rect;
    // Accepted in 2D, applied by a tick that shows 3D; and the other way round.
    stage.intend("camera", "main", "pan", json!({"dx_px": -60.0, "dy_px": 0.0})).toggle(3);
    assert!(stage.tick().flip);
    let moved = stage.view().plane.rect;
    assert!(moved.left > rect.left && moved.bottom == rect.bottom);
    assert_eq!(stage.volume_pose(), turntable::canonical(WORLD));
    stage.intend("camera", "main", "orbit", json!({"d_az_deg": 20.0, "d_el_deg": -10.0})).toggle(2);
    stage.tick_delivered();
    assert_eq!((stage.volume_pose().angles, stage.view().plane.rect), ([50.0, 20.0, 0.0], moved));
    // Back in 3D the camera is where it was left.
    stage.settle().toggle(3).settle();
    assert_eq!(stage.volume_pose(), VolumePose { angles: [50.0, 20.0, 0.0], ..turntable::canonical(WORLD) });
}

#[test]
fn a_2d_zoom_that_no_2d_tick_saw_finds_its_level_on_the_way_back() {
    let mut stage = close_by();
    stage.intend("camera", "main", "reset", json!({})).toggle(3).settle();
    stage.toggle(2).settle();
    assert_eq!((stage.view().level, stage.view().plane.rect.width), (2, 2048.0));
}

#[test]
fn in_3d_the_camera_moves_and_the_level_does_not() {
    let mut stage = close_by();
    stage.toggle(3).settle();
    let start = stage.volume_pose();
    stage.intend("camera", "main", "zoom", json!({"factor": 0.01, "anchor_px": [0, 0]}));
    stage.intend("camera", "main", "pan", json!({"dx_px": 10.0, "dy_px": -30.0}));
    let outcome = stage.tick();
    assert!(outcome.drawn && outcome.flip && outcome.switched().is_none() && outcome.wake_at.is_none_or(|at| at > stage.now));
    let expected = turntable::pan(turntable::zoom(start, 0.01, &start), CANVAS, 10.0, -30.0);
    assert_eq!((stage.volume_pose(), stage.view().level), (expected, 2));
    stage.after(300).intend("camera", "main", "reset", json!({}));
    assert!(stage.tick().keyframe);
    assert_eq!(stage.volume_pose(), start);
}

#[test]
fn a_level_can_be_asked_for_in_3d_within_the_budget() {
    let mut stage = close_by();
    stage.toggle(3).settle().intend("multiscale", "main", "level", json!(1)).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (2, false), "until it is there");
    stage.shelf.decode_bricks(|_| true);
    // What the loader is asked for it makes.
    stage.tick_with(&stage.wanted_bricks.clone());
    stage.settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (1, false));
    assert_eq!(stage.device.volumes.last().unwrap().layers[0].key.level, 1);
    stage.intend("multiscale", "main", "level", json!(0)).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (0, false));
    stage.intend("multiscale", "main", "policy", json!("auto")).settle();
    assert_eq!(stage.view().level, 2, "what the voxels on the screen call for");
    // Eight slices of 1024 x 1024 are too many, eight of 512 x 512 are not.
    let mut stage = noted(1, 4 << 20);
    stage.settle().toggle(3).settle().intend("multiscale", "main", "level", json!(0)).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (2, true), "and so it stays");
    stage.intend("multiscale", "main", "level", json!(2)).settle();
    assert_eq!((stage.view().level, stage.view().downgraded), (2, false));
}

#[test]
fn a_failed_first_picture_in_3d_leaves_2d_as_it_was() {
    let mut stage = close_by();
    let (view, picture) = (stage.view(), stage.device.passes.last().unwrap().clone());
    stage.toggle(3).fail();
    let state = stage.ledger.state();
    assert_eq!((*state.view.ndisplay.get(), state.view.entered_from.get()), (2, &None));
    assert_eq!((stage.view().ndisplay, stage.view().volume, stage.view().level), (2, None, view.level));
    let outcome = stage.tick();
    assert!(outcome.drawn && !outcome.flip, "the picture may be lost");
    assert_eq!(stage.device.passes.last(), Some(&picture));
    assert_eq!(stage.plane(), (view.level, view.step.clone(), view.plane.rect));
    // The next attempt works.
    stage.toggle(3);
    let outcome = stage.tick();
    assert!(outcome.flip && !outcome.volume_pending);
}

#[test]
fn a_failed_way_back_leaves_3d_as_it_was() {
    let mut stage = close_by();
    let plane = stage.plane();
    stage.toggle(3).settle().intend("camera", "main", "orbit", json!({"d_az_deg": 9.0, "d_el_deg": 9.0})).settle();
    let (pose, volume) = (stage.volume_pose(), stage.device.volumes.last().unwrap().clone());
    stage.toggle(2).fail();
    assert_eq!((stage.view().ndisplay, stage.view().level, stage.volume_pose()), (3, 2, pose));
    let outcome = stage.tick();
    assert!(outcome.drawn && outcome.flip);
    assert_eq!(stage.device.volumes.last(), Some(&volume));
    stage.toggle(2).settle();
    assert_eq!(stage.plane(), plane);
}

#[test]
fn that_nothing_of_a_volume_is_there_is_told_once_a_dataset() {
    let mut stage = noted(1, PLENTY);
    stage.shelf.decode_bricks(|_| false);
    let mut told = 0;
    for n in 0..6 {
        stage.settle().toggle(2 + n % 2).tick();
        told += usize::from(stage.after(100).tick().volume_pending);
        stage.intend("camera", "main", "orbit", json!({"d_az_deg": 1.0, "d_el_deg": 0.0}));
        told += usize::from(stage.tick().volume_pending);
    }
    assert_eq!(told, 1);
    let seed = bootstrap::seed(dataset(1), CANVAS, &[(0.0, 255.0)]);
    stage.ledger.replace(seed, None, stage.now, stage.now).unwrap();
    stage.settle().toggle(3).tick();
    assert!(stage.after(100).tick().volume_pending, "another dataset, in 2D at first");
}

#[test]
fn only_visible_layers_with_their_controls_are_in_the_pass() {
    let mut stage = noted(3, PLENTY);
    stage.settle().intend("layer", "layer-0", "visible", json!(false)).intend("layer", "layer-1", "opacity", json!(0.25));
    stage.toggle(3).settle();
    let pass = stage.device.volumes.last().unwrap();
    let found: Vec<_> = pass.layers.iter().map(|layer| (layer.key.index[0], layer.opacity)).collect();
    assert_eq!(found, [(1, 0.25), (2, 1.0)]);
}

#[test]
fn thumbnails_go_on_in_3d_and_show_the_plane() {
    let mut stage = noted(1, PLENTY);
    stage.tick();
    stage.toggle(3).tick();
    stage.after(1000).tick();
    let planes = stage.shelf.take_overviews();
    assert_eq!(planes.len(), 1);
    assert_eq!((planes[0].row_axis, planes[0].col_axis, planes[0].index[1]), (2, 3, 4));
}

/// Something a person does in one mode.
#[derive(Debug, Clone)]
enum Doing {
    Zoom(f64),
    Pan(f64, f64),
    Orbit(f64, f64),
    Reset,
    Step(u64),
    Wait(u64),
    Tick,
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        (0.3..3.0).prop_map(Doing::Zoom),
        (-200.0..200.0, -200.0..200.0).prop_map(|(dx, dy)| Doing::Pan(dx, dy)),
        (-90.0..90.0, -90.0..90.0).prop_map(|(az, el)| Doing::Orbit(az, el)),
        Just(Doing::Reset),
        (0..8u64).prop_map(Doing::Step),
        (1..400u64).prop_map(Doing::Wait),
        Just(Doing::Tick),
    ]
}

impl Loop<Recorder> {
    fn act(&mut self, doing: &Doing) -> Option<Outcome> {
        let camera = |stage: &mut Self, key: &str, value| {
            stage.intend("camera", "main", key, value);
            None
        };
        match doing {
            Doing::Zoom(factor) => camera(self, "zoom", json!({"factor": factor, "anchor_px": [100.0, 40.0]})),
            Doing::Pan(dx, dy) => camera(self, "pan", json!({"dx_px": dx, "dy_px": dy})),
            Doing::Orbit(az, el) => camera(self, "orbit", json!({"d_az_deg": az, "d_el_deg": el})),
            Doing::Reset => camera(self, "reset", json!({})),
            Doing::Step(z) => {
                self.intend("dims", "z", "index", json!(z));
                None
            }
            Doing::Wait(ms) => {
                self.now += Duration::from_millis(*ms);
                None
            }
            Doing::Tick => Some(self.tick_delivered()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever was done in 2D before and in 3D meanwhile: level, step and rectangle come back exactly, and stay.
    #[test]
    fn a_return_from_3d_restores_level_step_and_rect(before in prop::collection::vec(doing(), 0..12), meanwhile in prop::collection::vec(doing(), 0..12), quick: bool) {
        let mut stage = noted(1, PLENTY);
        stage.settle();
        for one in &before { stage.act(one); }
        stage.settle();
        let plane = stage.plane();
        stage.toggle(3);
        if !quick { stage.settle(); }
        for one in &meanwhile { stage.act(one); }
        stage.toggle(2);
        stage.settle();
        prop_assert_eq!(stage.plane(), plane.clone());
        prop_assert_eq!((stage.view().ndisplay, stage.view().downgraded), (2, false));
        stage.after(5000).settle();
        prop_assert_eq!(stage.plane(), plane);
    }

    /// Ticks between the commands move neither pose.
    #[test]
    fn the_poses_do_not_depend_on_when_ticks_fall(moves in prop::collection::vec((doing(), any::<bool>(), any::<bool>()), 0..25)) {
        let run = |ticks: bool| {
            let mut stage = noted(1, PLENTY);
            stage.settle();
            let mut ndisplay = 2;
            for (doing, toggle, tick) in &moves {
                if *toggle {
                    ndisplay = 5 - ndisplay;
                    stage.toggle(ndisplay);
                }
                if !matches!(doing, Doing::Tick | Doing::Wait(_)) { stage.act(doing); }
                if ticks && *tick { stage.tick_delivered(); }
            }
            stage.settle();
            let view = stage.view();
            (view.plane, view.volume, view.step.clone(), view.ndisplay)
        };
        let (rare, often) = (run(false), run(true));
        prop_assert_eq!(rare.0, often.0);
        prop_assert_eq!(&rare.2, &often.2);
        prop_assert_eq!(rare.3, often.3);
        // Who entered 3D and left it between two ticks may not have made the first pose yet; it would be the canonical one.
        let canonical = turntable::canonical(WORLD);
        prop_assert_eq!(rare.1.unwrap_or(canonical), often.1.unwrap_or(canonical));
    }

    /// A picture is turned over exactly if it shows a volume, and an applied view of one mode comes with a picture of that mode.
    #[test]
    fn pictures_and_views_agree_on_the_mode(moves in prop::collection::vec((doing(), any::<bool>(), any::<bool>()), 0..25)) {
        let mut stage = noted(1, PLENTY);
        stage.settle();
        let mut shown = 2;
        for (doing, toggle, fails) in &moves {
            if *toggle {
                let ndisplay = *stage.ledger.state().view.ndisplay.get();
                stage.toggle(5 - ndisplay);
            }
            if !matches!(doing, Doing::Tick) { stage.act(doing); }
            let before = stage.pictures();
            if *fails && *toggle && stage.open_ops() > 0 {
                stage.device.fail_draw = true;
                if stage.try_tick(Vec::new()).is_err() {
                    let failed = AppliedBatch::new(stage.ledger.state()).failed(stage.last_good.clone());
                    stage.ledger.commit_applied(failed).unwrap();
                    prop_assert_eq!(stage.view().ndisplay, shown);
                    continue;
                }
                stage.device.fail_draw = false;
            } else {
                let outcome = stage.tick_delivered();
                let after = stage.pictures();
                prop_assert_eq!(outcome.drawn, before != after);
                if outcome.drawn { prop_assert_eq!(outcome.flip, after.1 > before.1); }
            }
            if stage.pictures() != before { shown = if stage.pictures().1 > before.1 { 3 } else { 2 }; }
            if stage.open_ops() == 0 { prop_assert_eq!(stage.view().ndisplay, shown); }
        }
    }
}
