//! What a view that moves meets: the tick with its planner, against a source that decodes at a known rate, in virtual time.

use crate::ahead::{CACHE, Scene, chunk_bytes, chunks, key};
use crate::stand::{Recorder, intend};
use crate::turns::{NoClock, PLENTY};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{Brick, BrickKey, Budgets, PlaneKey, RoiPolicy, Samples, SpareSamples, TILE, Tile, TileKey};
use nc_core::scene::Dataset;
use nc_runtime::{Tick, TileSource, Viewer};
use nc_store::{Arrival, Class, Goal, Outlook, Want};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A source that decodes one chunk after the other, the most urgent first, at so many bytes a second.
struct Decoder {
    dataset: Arc<Dataset>,
    bytes_per_s: f64,
    cached: RefCell<HashSet<(u8, [u64; 5])>>,
    wants: RefCell<Vec<Want>>,
    lists: RefCell<usize>,
    arrivals: RefCell<Vec<Arrival>>,
    /// Bytes that could have been decoded and were not.
    credit: RefCell<f64>,
}

impl Decoder {
    fn new(dataset: Arc<Dataset>, bytes_per_s: f64) -> Self {
        let (cached, wants, lists) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { dataset, bytes_per_s, cached, wants, lists, arrivals: RefCell::default(), credit: RefCell::default() }
    }

    fn has(&self, key: &TileKey) -> bool {
        chunks(&self.dataset, key).iter().all(|chunk| self.cached.borrow().contains(chunk))
    }

    fn pass(&self, time: Duration) {
        let mut credit = self.credit.borrow_mut();
        *credit += time.as_secs_f64() * self.bytes_per_s;
        let mut wants = self.wants.borrow_mut();
        for want in wants.iter() {
            for chunk in chunks(&self.dataset, &key(want)) {
                if self.cached.borrow().contains(&chunk) {
                    continue;
                }
                let cost = chunk_bytes(&self.dataset, chunk.0) as f64;
                if *credit < cost {
                    return self.deliver(&mut wants);
                }
                *credit -= cost;
                self.cached.borrow_mut().insert(chunk);
            }
        }
        *credit = 0.0;
        self.deliver(&mut wants);
    }

    fn deliver(&self, wants: &mut Vec<Want>) {
        wants.retain(|want| {
            let there = self.has(&key(want));
            if there && matches!(want.goal, Goal::Tile(_)) {
                self.arrivals.borrow_mut().push(Arrival::Tile { key: key(want), tile: flat(), mended: false });
            }
            !there
        });
    }
}

fn flat() -> Tile {
    Tile { width: TILE, height: TILE, samples: Samples::U16(vec![0; (TILE * TILE) as usize].into()) }
}

impl TileSource for Decoder {
    fn resident(&self, key: &TileKey, _spare: &mut SpareSamples) -> Option<Tile> {
        self.has(key).then(flat)
    }

    fn resident_brick(&self, _key: &BrickKey) -> Option<Brick> {
        None
    }

    fn want(&self, wants: &[Want]) {
        let mut wants = wants.to_vec();
        wants.sort_by_key(|want| (want.class, want.deadline.is_none(), want.deadline));
        *self.wants.borrow_mut() = wants;
        *self.lists.borrow_mut() += 1;
    }

    fn request_overview(&self, _plane: PlaneKey, _max_edge: u32) {}

    fn outlook(&self) -> Outlook {
        Outlook { decode_bytes_per_s: Some(self.bytes_per_s), cache_bytes: CACHE, ..Outlook::default() }
    }

    fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals.borrow_mut())
    }
}

/// What a scrub of one layer through all slices showed: for how many steps the level itself, and of how many nothing at all.
struct Scrub {
    steps: usize,
    complete: usize,
    blank: usize,
    lists: usize,
}

/// Scrubs up and down again, 60 steps a second.
fn scrub(bytes_per_s: f64, turn_at: u64) -> Scrub {
    let mut scene = Scene::at(0, 0);
    scene.hide("layer-1");
    let decoder = Decoder::new(scene.dataset.clone(), bytes_per_s);
    let mut viewer = Viewer::new(&scene.state(), LevelPolicy::default(), RoiPolicy::default(), Budgets::within(PLENTY));
    let mut device = Recorder::default();
    let mut result = Scrub { steps: 0, complete: 0, blank: 0, lists: 0 };
    let (up, down) = (0..turn_at, (0..turn_at).rev());
    for z in up.chain(down) {
        intend(&scene.ledger, scene.now, "dims", "z", "index", json!(z));
        // A tick with the step, and one with what came until shortly before the next.
        let mut drawn = false;
        for _ in 0..2 {
            let snapshot = scene.state();
            let commands = scene.ledger.take_commands(snapshot.scene.op_seq);
            let tick = Tick { now: scene.now, snapshot, commands, arrivals: decoder.take_arrivals() };
            let lists = *decoder.lists.borrow();
            let outcome = viewer.tick(tick, &mut device, Some(&decoder), &mut NoClock).unwrap();
            let waited = viewer.missing() == 0 && *decoder.lists.borrow() != lists;
            assert!(!waited, "a picture that lacks nothing is not held up for what lies ahead");
            viewer.look_ahead(Some(&decoder));
            if let Some(batch) = outcome.batch {
                scene.ledger.commit_applied(batch).unwrap();
            }
            drawn |= device.passes.last().is_some_and(|pass| {
                let there = |plane: &nc_gpu::api::SlicePlane| device.resident.iter().any(|key| key.plane == plane.key);
                pass.layers[0].planes[0].key.index[2] as u64 == z && pass.layers[0].planes.iter().any(there)
            });
            let half = Duration::from_micros(8_333);
            decoder.pass(half);
            scene.now += half;
        }
        result.steps += 1;
        result.complete += usize::from(viewer.missing() == 0);
        result.blank += usize::from(!drawn);
    }
    result.lists = *decoder.lists.borrow();
    result
}

#[test]
fn a_scrub_meets_slabs_that_are_there() {
    // A slab of 128 MiB lasts 1.07 s: at 700 MB/s it takes 190 ms.
    let scrub = scrub(700e6, 192);
    assert!(scrub.steps == 384 && scrub.blank <= 1, "{} steps blank: the first coarse slab takes 12 ms", scrub.blank);
    assert!(scrub.complete >= 384 - 14, "{} steps complete: only the first slab is waited for", scrub.complete);
    assert!(scrub.lists < 60, "{} lists", scrub.lists);
}

#[test]
fn a_turn_back_finds_what_was_left() {
    let scrub = scrub(700e6, 70);
    assert!(scrub.complete >= 140 - 14, "{} of 140", scrub.complete);
}

#[test]
fn what_decodes_too_slowly_is_seen_two_levels_coarser() {
    // 100 MB/s: a slab takes 1.3 s, which is longer than it is looked at.
    let scrub = scrub(100e6, 192);
    assert!(scrub.blank <= 6, "{} steps blank: the first coarse slab takes 84 ms", scrub.blank);
}

#[test]
fn an_idle_scene_asks_once_and_then_rests() {
    let mut scene = Scene::at(0, 100);
    scene.hide("layer-1");
    let decoder = Decoder::new(scene.dataset.clone(), 2e9);
    let mut viewer = Viewer::new(&scene.state(), LevelPolicy::default(), RoiPolicy::default(), Budgets::within(PLENTY));
    let mut device = Recorder::default();
    let mut turn = |scene: &mut Scene, ms: u64| {
        scene.now += Duration::from_millis(ms);
        decoder.pass(Duration::from_millis(ms));
        let snapshot = scene.state();
        let commands = scene.ledger.take_commands(snapshot.scene.op_seq);
        let tick = Tick { now: scene.now, snapshot, commands, arrivals: decoder.take_arrivals() };
        let mut outcome = viewer.tick(tick, &mut device, Some(&decoder), &mut NoClock).unwrap();
        outcome.wake_at = outcome.wake_at.into_iter().chain(viewer.look_ahead(Some(&decoder))).min();
        if let Some(batch) = outcome.batch {
            scene.ledger.commit_applied(batch).unwrap();
        }
        (outcome.wake_at, decoder.wants.borrow().iter().any(|want| want.class == Class::Neighbour))
    };
    let (wake_at, _) = turn(&mut scene, 0);
    assert_eq!(wake_at, Some(scene.now + Duration::from_millis(100)), "held");
    let (wake_at, neighbours) = turn(&mut scene, 200);
    assert_eq!((wake_at, neighbours), (Some(scene.now + Duration::from_millis(50)), false), "then it comes to rest");
    let (_, neighbours) = turn(&mut scene, 50);
    assert!(neighbours);
    for _ in 0..20 {
        turn(&mut scene, 100);
    }
    let (lists, cached) = (*decoder.lists.borrow(), decoder.cached.borrow().len());
    for _ in 0..20 {
        assert_eq!(turn(&mut scene, 500).0, None);
    }
    assert_eq!((*decoder.lists.borrow(), decoder.cached.borrow().len()), (lists, cached));
}
