//! The tick in virtual time, between a ledger, a tile source that does what it is told and a device that takes notes.

use crate::stand::{CANVAS, Recorder, TILE_BYTES, overview, shade, summary, tile};
use crate::turns::{Loop, NoClock, PLENTY, Switched, noted};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{Budgets, Rect, RoiPolicy};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, Outcome as Ending};
use nc_core::scene::AppliedView;
use nc_gpu::api::{DeviceError, RenderDevice};
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_runtime::{Tick, Viewer};
use nc_store::{Arrival, Piece};
use serde_json::json;
use std::time::{Duration, Instant};

impl Loop<Recorder> {
    /// Levels of the planes that the last picture draws its first layer from.
    fn levels_drawn(&self) -> Vec<u8> {
        self.device.passes.last().unwrap().layers[0].planes.iter().map(|plane| plane.key.level).collect()
    }
}

#[test]
fn an_equal_snapshot_draws_commits_and_asks_for_nothing() {
    let mut stage = noted(2, PLENTY);
    stage.settle();
    let (pictures, batches) = (stage.device.passes.len(), stage.batches.len());
    assert!(pictures > 0 && batches > 0);
    for _ in 0..5 {
        let outcome = stage.after(1000).tick();
        assert!(!outcome.drawn && outcome.batch.is_none() && outcome.wake_at.is_none(), "{outcome:?}");
    }
    assert_eq!((stage.device.passes.len(), stage.batches.len()), (pictures, batches));
    assert!(stage.shelf.take_wants().is_empty() && stage.shelf.take_overviews().is_empty());
}

#[test]
fn an_intent_that_changes_nothing_closes_its_op_without_a_picture() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    let pictures = stage.device.passes.len();
    stage.intend("layer", "layer-0", "opacity", json!(1.0));
    let outcome = stage.tick();
    assert!(!outcome.drawn && stage.open_ops() == 0);
    assert_eq!(stage.device.passes.len(), pictures);
}

#[test]
fn a_pan_asks_for_the_new_tiles_and_no_others() {
    let mut stage = noted(1, PLENTY);
    stage.settle().show([256.0, 256.0, 512.0, 512.0]).settle();
    assert_eq!(stage.view().level, 0);
    let had = stage.device.resident.clone();
    // The content follows the pointer to the left: what lies to the right comes in.
    stage.intend("camera", "main", "pan", json!({"dx_px": -256.0, "dy_px": 0.0}));
    assert!(stage.tick().drawn);
    assert!(!stage.wanted.is_empty());
    assert!(stage.wanted.iter().all(|key| key.plane.level == 0 && key.tx == 4 && !had.contains(key)), "{:?}", stage.wanted);
    assert_eq!(stage.view().plane.rect.left, 512.0);
    // Back again everything is there.
    stage.settle().intend("camera", "main", "pan", json!({"dx_px": 256.0, "dy_px": 0.0}));
    assert!(stage.tick().drawn);
    assert!(stage.wanted.is_empty() && stage.shelf.take_wants().is_empty());
}

#[test]
fn a_step_of_which_nothing_is_there_is_held_for_100_ms_and_then_shown_all_the_same() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    let pictures = stage.device.passes.len();
    stage.intend("dims", "z", "index", json!(7));
    let start = stage.now;
    for ms in [0, 50, 49] {
        let outcome = stage.after(ms).tick();
        assert!(!outcome.drawn && outcome.batch.is_none(), "the old picture stands");
        assert_eq!(outcome.wake_at, Some(start + Duration::from_millis(100)));
    }
    assert_eq!((stage.open_ops(), stage.view().step[0]), (1, 4));
    assert!(stage.after(1).tick().drawn, "at 100 ms");
    assert_eq!((stage.open_ops(), stage.view().step[0]), (0, 7));
    assert_eq!(stage.device.passes.len(), pictures + 1);
    let picture = stage.device.passes.last().unwrap();
    assert!(picture.layers[0].planes.iter().all(|plane| plane.key.index[1] == 7), "no old data under a new index");
    assert!(stage.tick_delivered().drawn, "and again when it is there");
}

#[test]
fn a_held_step_is_shown_as_soon_as_something_of_it_arrives() {
    let mut stage = noted(1, PLENTY);
    stage.settle().intend("dims", "z", "index", json!(0));
    assert!(!stage.tick().drawn);
    assert!(stage.after(40).tick_delivered().drawn);
    assert_eq!((stage.open_ops(), stage.view().step[0]), (0, 0));
}

#[test]
fn a_step_over_decoded_chunks_is_drawn_at_once() {
    let mut stage = noted(3, PLENTY);
    stage.settle().shelf.decode(|_| true);
    for z in [5, 6, 7, 0] {
        stage.after(1).intend("dims", "z", "index", json!(z));
        assert!(stage.tick().drawn);
        assert_eq!((stage.open_ops(), stage.view().step[0]), (0, z));
        assert!(stage.wanted.is_empty());
    }
}

#[test]
fn dims_leave_under_an_endless_stream_of_intents() {
    let mut stage = noted(1, PLENTY);
    stage.settle().shelf.decode(|_| true);
    let mut stale = 0;
    for n in 0..500u64 {
        stage.after(5).intend("dims", "z", "index", json!(n * 3 % 8));
        let asked = stage.ledger.state().scene.op_seq;
        stage.tick();
        stale = if stage.view().op == asked { 0 } else { stale + 1 };
        assert!(stale < 2, "dims leave within two ticks");
    }
    // Where nothing can be shown, the hold bounds the wait.
    stage.shelf.decode(|_| false);
    stage.show([0.0, 0.0, 512.0, 512.0]).settle();
    let mut closed_at = stage.now;
    for n in 0..500u64 {
        stage.after(5).intend("dims", "z", "index", json!(n * 3 % 8));
        stage.tick();
        if stage.open_ops() == 0 {
            closed_at = stage.now;
        }
        assert!(stage.now - closed_at <= Duration::from_millis(105));
    }
}

#[test]
fn the_level_follows_the_zoom_at_most_every_150_ms() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    assert_eq!(stage.view().level, 2);
    let zoom = json!({"factor": 0.5, "anchor_px": [256, 256]});
    stage.after(1000).intend("camera", "main", "zoom", zoom.clone());
    let outcome = stage.tick();
    assert_eq!((stage.view().level, outcome.switched().unwrap().decision.level), (1, 1));
    let switched_at = stage.now;
    stage.after(50).intend("camera", "main", "zoom", zoom);
    let outcome = stage.tick();
    assert!(outcome.drawn && outcome.switched().is_none(), "the view moves, the level waits");
    assert_eq!((stage.view().level, outcome.wake_at), (1, Some(switched_at + Duration::from_millis(150))));
    assert!(stage.after(99).tick().switched().is_none());
    assert_eq!(stage.after(1).tick().switched().unwrap().decision.level, 0);
    assert_eq!(stage.view().level, 0);
    // A jump goes all the way at once.
    stage.after(10).intend("camera", "main", "reset", json!({}));
    stage.tick();
    assert_eq!(stage.view().level, 2);
}

#[test]
fn a_level_that_was_asked_for_stays_until_it_is_released() {
    let mut stage = noted(1, PLENTY);
    stage.settle().intend("multiscale", "main", "level", json!(0));
    stage.tick();
    assert_eq!((stage.view().level, stage.view().downgraded), (0, false));
    stage.after(500).intend("camera", "main", "zoom", json!({"factor": 1.5, "anchor_px": [0, 0]}));
    stage.tick();
    assert_eq!(stage.view().level, 0, "whatever the zoom");
    stage.after(500).intend("multiscale", "main", "policy", json!("auto"));
    stage.tick();
    assert_eq!(stage.after(500).tick().switched().map(|s| s.decision.level), Some(2), "one level at a time");
    assert_eq!(stage.view().level, 2);
}

#[test]
fn a_level_beyond_the_budget_is_replaced_and_no_more_is_wanted_than_fits() {
    let tiles = 12;
    let mut stage = noted(1, tiles * TILE_BYTES);
    stage.settle().intend("multiscale", "main", "level", json!(0));
    stage.tick();
    assert_eq!((stage.view().level, stage.view().downgraded), (2, true), "64 tiles do not fit 12");
    stage.intend("multiscale", "main", "policy", json!("auto"));
    let places = (0..40).map(|n| [f64::from(n * 37 % 1500), f64::from(n * 91 % 1500), f64::from(100 + n * 53 % 1900), 100.0]);
    for (n, place) in places.enumerate() {
        stage.show(place).intend("dims", "z", "index", json!(n % 8));
        for _ in 0..8 {
            stage.after(60).tick_delivered();
            assert!(stage.wanted.len() as u64 <= tiles, "{} wanted", stage.wanted.len());
            assert!(stage.viewer.tile_bytes() <= tiles * TILE_BYTES, "{} bytes", stage.viewer.tile_bytes());
            assert_eq!(stage.viewer.tile_bytes(), stage.device.resident.len() as u64 * TILE_BYTES);
        }
        assert!(stage.wanted.is_empty(), "what fits is loaded");
    }
    assert!(!stage.device.evicted.is_empty());
}

/// With room for three tiles not even the coarsest level, of four, fits: its middle is drawn, and then there is rest.
#[test]
fn a_view_that_no_level_fits_comes_to_rest_and_says_so_once() {
    let mut stage = noted(1, 3 * TILE_BYTES);
    let mut told = Vec::new();
    for _ in 0..40 {
        told.extend(stage.after(100).tick_delivered().faults);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    stage.settle();
    let pictures = stage.device.passes.len();
    for _ in 0..10 {
        assert!(!stage.after(100).tick_delivered().drawn, "the same tiles are not loaded for ever");
    }
    assert_eq!(stage.device.passes.len(), pictures);
}

#[test]
fn a_reset_calls_for_a_keyframe_and_a_pan_does_not() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    stage.intend("camera", "main", "pan", json!({"dx_px": 9.0, "dy_px": 0.0}));
    assert!(!stage.tick().keyframe);
    stage.intend("camera", "main", "reset", json!({}));
    assert!(stage.tick().keyframe);
    assert!(!stage.after(100).tick().keyframe);
}

#[test]
fn a_coarse_level_stands_in_until_the_fine_one_is_there() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    stage.show([700.0, 700.0, 500.0, 500.0]);
    assert!(stage.tick().drawn, "a view that moved is never held");
    assert_eq!((stage.view().level, stage.levels_drawn()), (0, vec![0, 2]));
    stage.tick_delivered();
    assert_eq!(stage.levels_drawn(), [0]);
}

#[test]
fn what_stands_in_is_seen_and_then_refined() {
    let mut stage = Loop::new(1, PLENTY, CpuDevice::new(CANVAS, CpuOptions { simd: false, threads: 1 }));
    let middle = |device: &mut CpuDevice| {
        let picture = device.read_rgba().unwrap();
        let at = ((CANVAS.height / 2 * CANVAS.width + CANVAS.width / 2) * 4) as usize;
        [picture[at], picture[at + 1], picture[at + 2]]
    };
    stage.settle();
    let coarse = middle(&mut stage.device);
    stage.show([700.0, 700.0, 500.0, 500.0]).tick();
    assert_eq!(middle(&mut stage.device), coarse);
    stage.tick_delivered();
    let fine = middle(&mut stage.device);
    let key = |level| nc_core::data::PlaneKey { level, ..stage.wanted_plane() };
    assert_eq!((coarse, fine), ([shade(&key(2)); 3], [shade(&key(0)); 3]));
}

impl Loop<CpuDevice> {
    /// The plane that the first layer shows.
    fn wanted_plane(&self) -> nc_core::data::PlaneKey {
        let (state, view) = (self.ledger.state(), self.view());
        let dataset = state.dataset.clone().unwrap();
        dataset.layer_image(&dataset.layers[0]).plane(view.level, 1, 2, &view.step).unwrap()
    }
}

#[test]
fn a_failed_draw_leaves_the_viewer_as_it_was() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    let (view, pass) = (stage.view(), stage.device.passes.last().unwrap().clone());
    stage.after(300).show([0.0, 0.0, 64.0, 64.0]).intend("layer", "layer-0", "gamma", json!(0.5));
    stage.device.fail_draw = true;
    assert!(matches!(stage.try_tick(Vec::new()), Err(DeviceError::Lost(_))));

    let failed = AppliedBatch::new(stage.ledger.state()).failed(stage.last_good.clone());
    let commit = stage.ledger.commit_applied(failed).unwrap();
    assert!(commit.closed.iter().all(|op| op.outcome == Some(Ending::Failed)) && commit.closed.len() == 2);
    assert_eq!(*stage.view(), AppliedView { op: commit.view.op, ..AppliedView::clone(&view) });
    assert!(stage.tick().drawn, "the picture may be lost, so it is drawn again");
    assert_eq!(*stage.device.passes.last().unwrap(), pass);
    stage.show([0.0, 0.0, 64.0, 64.0]);
    assert!(stage.tick().drawn);
    assert_eq!(stage.view().plane.rect, Rect { left: 0.0, bottom: 0.0, width: 64.0, height: 64.0 });
}

#[test]
fn a_tile_that_could_not_be_uploaded_is_asked_for_again() {
    let mut stage = noted(1, PLENTY);
    stage.tick();
    let wanted = stage.wanted.clone();
    stage.device.fail_upload = true;
    let arrivals = wanted.iter().map(|key| Arrival::Tile { key: *key, tile: tile(key), mended: false }).collect();
    assert!(stage.try_tick(arrivals).is_err());
    stage.device = Recorder::default();
    stage.viewer.device_replaced(Budgets::within(PLENTY));
    stage.wanted.clear();
    stage.tick();
    assert_eq!(stage.wanted, wanted);
}

#[test]
fn thumbnails_are_made_at_rest_two_a_second_from_the_coarsest_level() {
    let mut stage = noted(3, PLENTY);
    stage.settle().shelf.decode(|_| true);
    stage.after(5000).intend("dims", "z", "index", json!(6));
    let mut made = Vec::new();
    for _ in 0..200 {
        let planes = stage.shelf.take_overviews();
        assert!(planes.iter().all(|plane| plane.level == 2 && plane.index[1] == 6));
        let before = stage.view();
        let arrivals = planes.iter().map(|plane| Arrival::Overview { plane: *plane, overview: Ok(overview(plane)) }).collect();
        stage.try_tick(arrivals).unwrap();
        let changed = before.layers.iter().zip(&stage.view().layers).filter(|(a, b)| a.thumbnail != b.thumbnail).count();
        made.extend(std::iter::repeat_n(stage.now, changed));
        stage.after(10);
    }
    assert_eq!(made.len(), 3, "one for each layer, and no more");
    assert!(made.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(500)), "{made:?}");
    let bright = stage.view().layers.iter().all(|layer| layer.thumbnail.rgba.chunks(4).any(|p| p[..3] != [0, 0, 0]));
    assert!(bright, "they show the data");
}

#[test]
fn thumbnails_of_layers_that_are_drawn_come_first() {
    let mut stage = noted(4, PLENTY);
    for hidden in ["layer-0", "layer-2"] {
        stage.intend("layer", hidden, "visible", json!(false));
    }
    let mut asked = Vec::new();
    for _ in 0..40 {
        let planes = stage.shelf.take_overviews();
        asked.extend(planes.iter().map(|plane| plane.index[0]));
        let arrivals = planes.iter().map(|plane| Arrival::Overview { plane: *plane, overview: Ok(overview(plane)) }).collect();
        stage.after(100).try_tick(arrivals).unwrap();
    }
    assert_eq!(asked, [1, 3, 0, 2]);
}

#[test]
fn faults_are_handed_on_and_stop_nothing() {
    let mut stage = noted(1, PLENTY);
    stage.tick();
    let key = stage.wanted[0];
    let fault = nc_store::Fault {
        level: usize::from(key.plane.level),
        chunk: vec![0, 4, 0, 0],
        kind: nc_store::ReadErrorKind::Decode,
        message: "chunk 0/4/0/0 is unreadable".into(),
        retry_at: None,
    };
    let outcome = stage.try_tick(vec![Arrival::Fault { piece: Piece::Tile(key), fault }]).unwrap();
    assert_eq!(outcome.faults, ["chunk 0/4/0/0 is unreadable"]);
    assert!(stage.tick_delivered().drawn);
}

#[test]
fn equal_inputs_give_equal_batches_pictures_and_evictions() {
    let run = || {
        let mut stage = noted(2, 30 * TILE_BYTES);
        for n in 0..60u32 {
            stage.after(40);
            match n % 4 {
                0 => stage.intend("dims", "z", "index", json!(n % 8)),
                1 => stage.intend("camera", "main", "zoom", json!({"factor": 0.7, "anchor_px": [n * 5, 90]})),
                2 => stage.intend("camera", "main", "pan", json!({"dx_px": n * 20, "dy_px": -40})),
                _ => stage.show([f64::from(n * 30 % 1400), f64::from(n * 70 % 1400), 600.0, 300.0]),
            };
            stage.tick_delivered();
        }
        let batches: Vec<String> = stage.batches.iter().map(summary).collect();
        (batches, stage.device.passes, stage.device.evicted, stage.wanted)
    };
    let (first, second) = (run(), run());
    assert!(!first.2.is_empty(), "something was evicted");
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert_eq!(first.2, second.2);
    assert_eq!(first.3, second.3);
}

#[test]
fn the_idle_scene_closes_its_ops_and_draws_nothing() {
    let ledger = SharedLedger::new(nc_core::ledger::Ledger::new(nc_core::ledger::Seed::idle(CANVAS)).unwrap());
    let mut viewer = Viewer::new(&ledger.state(), LevelPolicy::default(), RoiPolicy::default(), Budgets::within(PLENTY));
    let (mut device, now) = (Recorder::default(), Instant::now());
    crate::stand::intend(&ledger, now, "dims", "y", "index", json!(3));
    let snapshot = ledger.state();
    let tick = Tick { now, snapshot, commands: Vec::new(), arrivals: Vec::new() };
    let outcome = viewer.tick(tick, &mut device, None, &mut NoClock).unwrap();
    ledger.commit_applied(outcome.batch.unwrap()).unwrap();
    assert_eq!(ledger.state().scene.op_seq, ledger.state().scene.applied_seq);
    assert!(!outcome.drawn && device.passes.is_empty());
}
