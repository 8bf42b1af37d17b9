//! Volumes in virtual time: what is asked for and drawn first, what stays on the device, and the quality of pictures while the view moves.

use crate::stand::{Recorder, brick};
use crate::turns::{Loop, PLENTY};
use nc_core::data::{BrickKey, DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use nc_gpu::api::{DeviceError, VolumePass};
use nc_runtime::Outcome;
use nc_runtime::governor::{Quality, REST};
use nc_runtime::volume_residency::bytes_on_device;
use nc_store::{Arrival, Class, Goal, Piece};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Four times of a cube of 128 8-bit samples a side, with levels of a half and a quarter: eight bricks, one and one.
fn timed() -> Arc<Dataset> {
    let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
    let level = |n: u32| LevelInfo {
        path: n.to_string(),
        shape: vec![4, 128 >> n, 128 >> n, 128 >> n],
        chunk: vec![1, 32, 32, 32],
        scale: [vec![1.0], vec![f64::from(1u32 << n); 3]].concat(),
        translate: [vec![0.0], vec![f64::from((1u32 << n) - 1) / 2.0; 3]].concat(),
        ..LevelInfo::default()
    };
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(5),
        name: "made up".into(),
        location: "made up".into(),
        source: SourceKind::OmeZarr,
        axes: vec![axis("t", AxisKind::Time), axis("z", AxisKind::Space), axis("y", AxisKind::Space), axis("x", AxisKind::Space)],
        dtype: DType::U8,
        levels: (0..3).map(level).collect(),
        ..ImageInfo::default()
    })))
}

/// At rest in 2D; no brick is decoded.
fn stage(budget: u64) -> Loop<Recorder> {
    let mut stage = Loop::of(timed(), budget, Recorder::default());
    stage.shelf.decode_bricks(|_| false);
    stage.settle();
    stage
}

/// What a volume of `level` takes on the device.
fn bytes(level: u32) -> u64 {
    bytes_on_device(nc_core::data::SampleFormat::U8, u64::from(128u32 >> level).pow(3))
}

impl Loop<Recorder> {
    fn go(&mut self, ndisplay: u8) -> &mut Self {
        self.intend("view", "main", "ndisplay", json!(ndisplay))
    }

    fn time(&mut self, t: u64) -> &mut Self {
        self.intend("dims", "t", "index", json!(t))
    }

    fn orbit(&mut self) -> &mut Self {
        self.intend("camera", "main", "orbit", json!({"d_az_deg": 5.0, "d_el_deg": 0.0}))
    }

    /// Delivers every brick that is asked for until none is, then rests.
    fn fill(&mut self) -> Outcome {
        for _ in 0..20 {
            let wanted = self.wanted_bricks.clone();
            let outcome = self.tick_with(&wanted);
            match outcome.wake_at {
                None if self.viewer.missing() == 0 => return outcome,
                Some(at) => self.now = self.now.max(at),
                None => {}
            }
        }
        panic!("{} are missing", self.viewer.missing());
    }

    fn volume(&self) -> &VolumePass {
        self.device.volumes.last().unwrap()
    }

    /// Level and time of each layer of the last picture.
    fn shown(&self) -> Vec<(u8, u32)> {
        self.volume().layers.iter().map(|layer| (layer.key.level, layer.key.index[0])).collect()
    }
}

#[test]
fn the_coarsest_level_comes_first_then_the_target() {
    let mut stage = stage(PLENTY);
    assert!(!stage.go(3).tick().drawn, "the plane stands until something is there");
    let wants = stage.shelf.last_wants();
    let found: Vec<(u8, Class)> = wants.iter().map(|want| (want.goal.piece().level(), want.class)).collect();
    assert_eq!(found, [vec![(2, Class::Visible)], vec![(0, Class::Finer); 8]].concat());
    assert_eq!(stage.viewer.missing(), 8);
    let wanted = stage.wanted_bricks.clone();
    let outcome = stage.after(20).tick_with(&wanted[..1]);
    assert!(outcome.drawn && outcome.flip && !outcome.volume_pending);
    assert_eq!((stage.shown(), stage.view().level, stage.volume().outline), (vec![(2, 0)], 2, false));
    assert_eq!(stage.shelf.last_wants(), wants, "what came needs no new list");
    assert!(!stage.tick_with(&wanted[1..8]).drawn, "a volume is drawn whole");
    let outcome = stage.tick_with(&wanted[8..]);
    assert_eq!((outcome.drawn, stage.shown(), stage.view().level, stage.viewer.missing()), (true, vec![(0, 0)], 0, 0));
}

#[test]
fn what_is_decoded_is_drawn_at_once_and_needs_no_stand_in() {
    let mut stage = stage(PLENTY);
    stage.shelf.decode_bricks(|_| true);
    assert!(stage.go(3).tick().drawn);
    assert_eq!((stage.shown(), stage.view().level, stage.device.brick_uploads), (vec![(0, 0)], 0, 8));
    for t in [1, 2] {
        assert!(stage.time(t).tick().drawn);
        assert_eq!((stage.shown(), stage.view().level), (vec![(0, t as u32)], 0));
    }
    assert!(stage.wanted_bricks.is_empty());
}

#[test]
fn nothing_old_is_shown_under_a_new_step() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    let pictures = stage.device.volumes.len();
    let start = stage.now;
    stage.time(1);
    for ms in [0, 50, 49] {
        let outcome = stage.after(ms).tick();
        assert!(!outcome.drawn && outcome.batch.is_none(), "the old picture stands");
        assert_eq!(outcome.wake_at, Some(start + Duration::from_millis(100)));
    }
    let outcome = stage.after(1).tick();
    assert!(outcome.drawn && outcome.volume_pending && stage.device.volumes.len() == pictures + 1);
    assert!(stage.volume().outline && stage.volume().layers.is_empty());
    let wanted = stage.wanted_bricks.clone();
    stage.tick_with(&wanted[..1]);
    assert_eq!((stage.shown(), stage.volume().outline), (vec![(2, 1)], false));
    stage.fill();
    assert_eq!(stage.shown(), [(0, 1)]);
    // It is told once a dataset.
    stage.time(2).tick();
    let outcome = stage.after(100).tick();
    assert!(stage.volume().outline && !outcome.volume_pending);
    // Another step before that arrives: what is wanted no more is not asked for, and not taken.
    let late = stage.wanted_bricks.clone();
    stage.time(3).tick();
    assert!(stage.wanted_bricks.iter().all(|key| key.volume.index[0] == 3));
    stage.after(100).tick_with(&late);
    assert!(stage.volume().outline && stage.volume().layers.is_empty());
}

#[test]
fn a_step_that_was_shown_is_there_at_once_within_the_budget() {
    let mut stage = stage(2 * (bytes(0) + bytes(2)));
    stage.go(3).tick();
    for t in [0, 1, 2, 3, 0] {
        stage.time(t).tick();
        stage.fill();
        assert_eq!(stage.shown(), [(0, t as u32)]);
        assert!(stage.viewer.volume_bytes() <= 2 * (bytes(0) + bytes(2)), "{}", stage.viewer.volume_bytes());
    }
    assert!(!stage.device.evicted_volumes.is_empty());
    let times: BTreeSet<u32> = stage.device.bricks.iter().map(|key| key.volume.index[0]).collect();
    assert_eq!(times, BTreeSet::from([0, 3]), "the least recently used went");
    let uploads = stage.device.brick_uploads;
    assert!(stage.time(3).tick().drawn);
    assert_eq!((stage.shown(), stage.device.brick_uploads), (vec![(0, 3)], uploads));
}

#[test]
fn what_the_picture_shows_is_not_evicted() {
    // Room for one volume of the finest level, and no more.
    let mut stage = stage(bytes(0) + bytes(2));
    stage.go(3).tick();
    stage.fill();
    stage.time(1).tick();
    stage.fill();
    // The recorder looks whether what is drawn is whole.
    assert_eq!(stage.shown(), [(0, 1)]);
    assert!(stage.orbit().tick().drawn);
}

#[test]
fn each_mode_finds_what_it_left() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    let (tiles, uploads) = (stage.device.uploads, stage.device.brick_uploads);
    assert!(stage.go(2).tick().drawn);
    assert!(stage.go(3).tick().drawn);
    assert_eq!((stage.shown(), stage.device.uploads, stage.device.brick_uploads), (vec![(0, 0)], tiles, uploads));
    assert!(stage.wanted_bricks.is_empty() && stage.wanted.is_empty());
}

#[test]
fn a_change_of_mode_cancels_what_the_other_asked_for() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    assert_eq!(stage.wanted_bricks.len(), 9);
    stage.go(2).tick();
    assert!(stage.wanted_bricks.is_empty());
    stage.time(1).tick();
    assert!(!stage.wanted.is_empty());
    stage.go(3).tick();
    assert!(stage.wanted.is_empty() && !stage.wanted_bricks.is_empty());
}

#[test]
fn at_rest_nothing_is_left_to_do() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    stage.after(1000).tick();
    stage.shelf.take_wants();
    for _ in 0..3 {
        let outcome = stage.after(1000).tick();
        assert!(!outcome.drawn && outcome.batch.is_none() && outcome.wake_at.is_none(), "{outcome:?}");
    }
    assert!(stage.shelf.take_wants().is_empty());
}

#[test]
fn the_coarsest_level_of_the_times_beside_is_warmed() {
    let mut stage = stage(PLENTY);
    stage.shelf.set_cache(1 << 30);
    stage.time(1).settle().go(3).tick();
    stage.fill();
    let warm: Vec<(u8, u32)> = stage
        .shelf
        .last_wants()
        .iter()
        .filter_map(|want| match want.goal {
            Goal::Warm(Piece::Brick(key)) => Some((key.volume.level, key.volume.index[0])),
            _ => None,
        })
        .collect();
    assert_eq!(warm, [(2, 2), (2, 0)]);
    // Not if it is large beside the cache.
    stage.shelf.set_cache(1 << 10);
    stage.time(2).tick();
    stage.fill();
    assert!(stage.shelf.last_wants().iter().all(|want| matches!(want.goal, Goal::Brick(_))));
}

#[test]
fn what_was_mended_is_drawn_anew() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    let key: BrickKey = *stage.device.bricks.iter().find(|key| key.volume.level == 0).unwrap();
    let arrival = |mended| Arrival::Brick { key, brick: brick(&timed(), &key), mended };
    assert!(stage.try_tick(vec![arrival(true)]).unwrap().drawn);
    assert!(!stage.try_tick(vec![arrival(false)]).unwrap().drawn);
}

#[test]
fn a_device_that_fails_is_given_everything_anew() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    let wanted = stage.wanted_bricks.clone();
    stage.device.fail_upload = true;
    let arrivals = wanted.iter().map(|key| Arrival::Brick { key: *key, brick: brick(&timed(), key), mended: false });
    assert!(matches!(stage.try_tick(arrivals.collect()), Err(DeviceError::Lost(_))));
    stage.device = Recorder::default();
    stage.viewer.device_replaced(nc_core::data::Budgets::within(PLENTY));
    stage.go(3).tick();
    assert_eq!(stage.wanted_bricks.len(), 9, "the answers may be lost");
    stage.fill();
    assert_eq!((stage.shown(), stage.device.bricks.len()), (vec![(0, 0)], 9));
}

#[test]
fn a_plane_is_a_slab_in_the_middle_and_controls_reach_the_pass() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    let layer = |stage: &Loop<Recorder>| stage.volume().layers[0].clone();
    assert_eq!(layer(&stage).slab, None);
    for (key, value) in [
        ("depiction", json!("plane")),
        ("rendering", json!("attenuated_mip")),
        ("attenuation", json!(0.5)),
        ("iso_threshold", json!(30.0)),
    ] {
        stage.intend("layer", "layer-0", key, value);
    }
    stage.intend("volume", "main", "sample_step", json!(0.5)).tick();
    let found = layer(&stage);
    let slab = found.slab.unwrap();
    assert_eq!((slab.position, slab.normal, slab.thickness), ([63.5; 3], [1.0, 0.0, 0.0], 1.0));
    assert_eq!((found.attenuation, found.iso_threshold, found.sample_step), (0.5, 30.0, 0.5));
    assert_eq!(found.rendering, nc_core::data::Rendering::AttenuatedMip);
}

/// A drag of `frames` pictures, each of which takes 200 ms in full; the divisors.
fn drag(stage: &mut Loop<Recorder>, frames: usize) -> Vec<u32> {
    (0..frames)
        .map(|_| {
            assert!(stage.after(16).orbit().tick().drawn);
            let Quality { divisor, ray_step } = stage.viewer.quality();
            assert_eq!(stage.volume().divisor, divisor);
            assert_eq!(stage.volume().layers[0].sample_step, ray_step as f32);
            stage.viewer.drawn_in(Duration::from_millis(200) / (divisor * divisor * ray_step));
            divisor
        })
        .collect()
}

#[test]
fn a_view_that_moves_is_lowered_and_the_whole_picture_follows() {
    let mut stage = stage(PLENTY);
    stage.go(3).tick();
    stage.fill();
    stage.viewer.drawn_in(Duration::from_millis(200));
    stage.after(1000).tick();
    let divisors = drag(&mut stage, 6);
    assert!(divisors.iter().all(|&divisor| divisor > 1), "the first one, too: {divisors:?}");
    let moved = stage.now;
    let outcome = stage.after(50).tick();
    assert!(!outcome.drawn);
    assert_eq!(outcome.wake_at, Some(moved + REST));
    stage.now = moved + REST;
    let outcome = stage.tick();
    assert!(outcome.drawn && outcome.wake_at.is_none() && stage.viewer.quality() == Quality::FULL);
    let whole = stage.volume().clone();
    stage.viewer.drawn_in(Duration::from_millis(200));
    let outcome = stage.after(1000).tick();
    assert!(!outcome.drawn && outcome.wake_at.is_none(), "idle costs nothing");
    // The same as one that was never lowered.
    let mut other = self::stage(PLENTY);
    other.go(3).tick();
    other.fill();
    for _ in 0..6 {
        other.after(16).orbit().tick();
    }
    assert_eq!(other.volume(), &whole);
}
