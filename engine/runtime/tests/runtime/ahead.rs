//! What is asked for ahead: the planner alone.

use crate::stand::intend;
use nc_core::control::bootstrap;
use nc_core::data::motion::{AxisSpeed, Velocity};
use nc_core::data::{CanvasSize, DType, Footprint, ImageId, Rect, TILE, TileKey};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{Ledger, State};
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use nc_runtime::ahead::{Ahead, beside, plan};
use nc_store::{Class, Goal, Piece, Want};
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 1024, height: 1024 };
const WHOLE: Rect = Rect { left: 0.0, bottom: 0.0, width: 1024.0, height: 1024.0 };
pub(crate) const CACHE: u64 = 768 << 20;
/// Dims of [`image`], without its channels.
const T: usize = 0;
const Z: usize = 1;

/// Ten times, two channels, 192 slices of 1024 × 1024 16-bit samples in cubes of 64, and two coarser levels.
fn image(chunk_z: u64) -> Arc<Dataset> {
    let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
    let level = |n: u32| LevelInfo {
        path: n.to_string(),
        shape: vec![10, 2, 192 >> n, 1024 >> n, 1024 >> n],
        chunk: vec![1, 1, chunk_z, 64, 64],
        scale: [1u32, 1, 1 << n, 1 << n, 1 << n].map(f64::from).to_vec(),
        translate: vec![0.0; 5],
        ..LevelInfo::default()
    };
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(7),
        name: "a stack".into(),
        location: "made up".into(),
        source: SourceKind::OmeZarr,
        axes: vec![
            axis("t", AxisKind::Time),
            axis("c", AxisKind::Channel),
            axis("z", AxisKind::Space),
            axis("y", AxisKind::Space),
            axis("x", AxisKind::Space),
        ],
        dtype: DType::U16,
        levels: (0..3).map(level).collect(),
        ..ImageInfo::default()
    })))
}

pub(crate) struct Scene {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) ledger: SharedLedger,
    pub(crate) now: Instant,
}

impl Scene {
    fn new(chunk_z: u64) -> Self {
        let dataset = image(chunk_z);
        let windows = vec![(0.0, 4000.0); dataset.layers.len()];
        let ledger = SharedLedger::new(Ledger::new(bootstrap::seed(dataset.clone(), CANVAS, &windows)).unwrap());
        Self { dataset, ledger, now: Instant::now() }
    }

    pub(crate) fn at(t: u64, z: u64) -> Self {
        let scene = Self::new(64);
        scene.go(t, z);
        scene
    }

    fn go(&self, t: u64, z: u64) {
        intend(&self.ledger, self.now, "dims", "t", "index", json!(t));
        intend(&self.ledger, self.now, "dims", "z", "index", json!(z));
    }

    pub(crate) fn hide(&self, layer: &str) {
        intend(&self.ledger, self.now, "layer", layer, "visible", json!(false));
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.ledger.state()
    }

    fn ahead<'a>(&'a self, state: &'a State, velocity: &'a Velocity) -> Ahead<'a> {
        Ahead {
            state,
            dataset: &self.dataset,
            level: 0,
            shown: WHOLE,
            velocity,
            decode_bytes_per_s: Some(700e6),
            cache_bytes: 4 * CACHE,
            most_tiles: 1000,
            now: self.now,
        }
    }

    fn plan(&self, velocity: &Velocity) -> Vec<Want> {
        plan(&self.ahead(&self.state(), velocity))
    }
}

fn still() -> Velocity {
    Velocity { steps: vec![AxisSpeed::default(); 4], ..Velocity::default() }
}

fn stepping(dim: usize, per_s: f64, turned: bool) -> Velocity {
    let mut velocity = still();
    velocity.steps[dim] = AxisSpeed { per_s, turned };
    velocity
}

pub(crate) fn key(want: &Want) -> TileKey {
    let Piece::Tile(key) = want.goal.piece() else { panic!("{want:?}") };
    key
}

fn of_class(wants: &[Want], class: Class) -> Vec<Want> {
    wants.iter().filter(|want| want.class == class && !want.pin).copied().collect()
}

/// Level and index along an axis of the array, once each, in order.
fn places(wants: &[Want], axis: usize) -> Vec<(u8, u32)> {
    let mut places: Vec<(u8, u32)> = wants.iter().map(|w| (key(w).plane.level, key(w).plane.index[axis])).collect();
    places.dedup();
    places
}

/// The chunks under a tile.
pub(crate) fn chunks(dataset: &Dataset, key: &TileKey) -> Vec<(u8, [u64; 5])> {
    let level = &dataset.image.levels[usize::from(key.plane.level)];
    let mut at: [u64; 5] = std::array::from_fn(|axis| u64::from(key.plane.index[axis]) / level.chunk[axis]);
    let (row, col) = (usize::from(key.plane.row_axis), usize::from(key.plane.col_axis));
    let along = |axis: usize, tile: u32| {
        let (start, end) = (u64::from(tile * TILE), (u64::from(tile + 1) * u64::from(TILE)).min(level.shape[axis]));
        assert!(start < end, "{key:?} is not in its plane");
        start / level.chunk[axis]..=(end - 1) / level.chunk[axis]
    };
    let mut chunks = Vec::new();
    for y in along(row, key.ty) {
        for x in along(col, key.tx) {
            (at[row], at[col]) = (y, x);
            chunks.push((key.plane.level, at));
        }
    }
    chunks
}

pub(crate) fn chunk_bytes(dataset: &Dataset, level: u8) -> u64 {
    dataset.image.levels[usize::from(level)].chunk.iter().product::<u64>() * 2
}

/// Decoded bytes of all that is asked for.
fn bytes(dataset: &Dataset, wants: &[Want]) -> u64 {
    let distinct: HashSet<_> = wants.iter().flat_map(|want| chunks(dataset, &key(want))).collect();
    distinct.iter().map(|(level, _)| chunk_bytes(dataset, *level)).sum()
}

#[test]
fn the_next_slab_in_the_direction_comes_first() {
    let scene = Scene::at(0, 10);
    let ahead = of_class(&scene.plan(&stepping(Z, 60.0, false)), Class::Ahead);
    assert_eq!(places(&ahead, 2), [(0, 64)], "the slab of level 2 that holds it is the present one");
    let due = ahead[0].deadline.unwrap() - scene.now;
    assert!((due.as_secs_f64() - 54.0 / 60.0 - 1.0).abs() < 1e-6, "when it is reached, and a second: {due:?}");
    assert!(ahead.is_sorted_by_key(|want| want.deadline));
    let (first, second) = (key(&ahead[0]), key(&ahead[1]));
    assert_eq!((first.ty, first.tx, second.ty, second.tx), (1, 1, 1, 1), "from the middle, the layers in turn");
    assert_ne!(first.plane.index[1], second.plane.index[1]);

    // A slab takes a second to decode: the one after it is begun, too.
    let slowly = |per_s: f64| {
        let (state, velocity) = (scene.state(), stepping(Z, per_s, false));
        let wants = plan(&Ahead { decode_bytes_per_s: Some(260e6), ..scene.ahead(&state, &velocity) });
        places(&of_class(&wants, Class::Ahead), 2)
    };
    assert_eq!(slowly(60.0), [(0, 64), (0, 128)]);
    scene.go(0, 130);
    assert_eq!(slowly(-60.0), [(0, 64), (0, 0)]);
}

#[test]
fn a_turn_asks_both_sides() {
    let scene = Scene::at(0, 70);
    let ahead = of_class(&scene.plan(&stepping(Z, -60.0, true)), Class::Ahead);
    assert_eq!(places(&ahead, 2), [(0, 0), (0, 128)], "the nearer first, which here is the one ahead");
    scene.go(0, 120);
    let ahead = of_class(&scene.plan(&stepping(Z, -60.0, true)), Class::Ahead);
    assert_eq!(places(&ahead, 2), [(0, 128), (0, 0)]);
}

#[test]
fn within_a_slab_the_list_stays_the_same() {
    let scene = Scene::at(3, 5);
    let goals = |wants: Vec<Want>| wants.iter().map(|want| (want.goal, want.class, want.pin)).collect::<Vec<_>>();
    let first = goals(scene.plan(&stepping(Z, 60.0, false)));
    assert!(!first.is_empty());
    for z in [6, 20, 40, 63] {
        scene.go(3, z);
        assert_eq!(goals(scene.plan(&stepping(Z, 60.0, false))), first, "at {z}");
    }
    scene.go(3, 64);
    assert_ne!(goals(scene.plan(&stepping(Z, 60.0, false))), first);
}

#[test]
fn thin_slabs_are_asked_for_as_far_as_the_horizon() {
    let scene = Scene::new(1);
    scene.go(0, 50);
    let ahead = of_class(&scene.plan(&stepping(Z, 20.0, false)), Class::Ahead);
    let fine: Vec<Want> = ahead.iter().filter(|want| key(want).plane.level == 0).copied().collect();
    assert_eq!(places(&fine, 2), (51..=60).map(|z| (0, z)).collect::<Vec<_>>(), "half a second");
    assert_eq!(key(&ahead[0]).plane.level, 2, "what can stand in comes before");
}

#[test]
fn what_passes_faster_than_it_decodes_is_not_asked_for() {
    let scene = Scene::at(0, 10);
    let (state, velocity) = (scene.state(), stepping(Z, 400.0, false));
    let levels = |rate: f64| {
        let wants = plan(&Ahead { decode_bytes_per_s: Some(rate), ..scene.ahead(&state, &velocity) });
        places(&of_class(&wants, Class::Ahead), 2).iter().map(|place| place.0).collect::<HashSet<_>>()
    };
    // 6 slabs a second of 256 MiB, of 64 MiB (and half as many) a level coarser.
    assert!(levels(4e9).contains(&0));
    assert_eq!(levels(400e6), HashSet::from([1]));
    assert!(levels(50e6).is_empty(), "the slab of level 2 is the present one");
}

#[test]
fn the_coarsest_level_of_this_time_and_the_next_is_pinned() {
    let scene = Scene::at(4, 100);
    let pins = |velocity: &Velocity| {
        let pins: Vec<Want> = scene.plan(velocity).into_iter().filter(|want| want.pin).collect();
        assert!(pins.iter().all(|want| key(want).plane.level == 2 && key(want).plane.index[2] == 0));
        let times: Vec<(u32, Class)> = pins.iter().map(|want| (key(want).plane.index[0], want.class)).collect();
        times.into_iter().step_by(2).collect::<Vec<_>>()
    };
    let (here, next) = (Class::Visible, Class::Ahead);
    assert_eq!(pins(&still()), [(4, here), (5, next)]);
    assert_eq!(pins(&stepping(T, -3.0, false)), [(4, here), (3, next)]);
    assert_eq!(pins(&stepping(T, 3.0, true)), [(4, here), (5, next), (3, next)]);
    scene.go(9, 0);
    assert_eq!(pins(&still()), [(9, here)]);
}

#[test]
fn the_coarsest_stack_is_warmed_where_it_is_small() {
    let scene = Scene::new(16);
    scene.go(2, 100);
    let stack = of_class(&scene.plan(&still()), Class::Background);
    assert_eq!(places(&stack, 2), [(2, 0), (2, 16), (2, 32)]);
    assert!(stack.iter().all(|want| key(want).plane.index[0] == 2));
    let (state, velocity) = (scene.state(), still());
    let small = plan(&Ahead { cache_bytes: 64 << 20, ..scene.ahead(&state, &velocity) });
    assert!(of_class(&small, Class::Background).is_empty(), "12 MiB of 64");
}

#[test]
fn a_pan_asks_for_what_comes_in() {
    let scene = Scene::at(0, 10);
    let state = scene.state();
    let velocity = Velocity { pan: (1200.0, 0.0), ..still() };
    let shown = Rect { left: 100.0, bottom: 300.0, width: 300.0, height: 300.0 };
    let ahead = of_class(&plan(&Ahead { shown, ..scene.ahead(&state, &velocity) }), Class::Ahead);
    let columns: Vec<u32> = ahead.iter().map(|want| key(want).tx).collect();
    assert!(columns.is_sorted() && columns.first() == Some(&2) && columns.last() == Some(&3), "{columns:?}");
    assert!(ahead.is_sorted_by_key(|want| want.deadline));
}

#[test]
fn a_zoom_asks_for_the_level_that_it_leads_to() {
    let scene = Scene::at(0, 10);
    let state = scene.state();
    let shown = Rect { left: 0.0, bottom: 0.0, width: 700.0, height: 700.0 };
    let levels = |zoom: f64| {
        let velocity = Velocity { zoom, ..still() };
        let ahead = plan(&Ahead { level: 1, shown, ..scene.ahead(&state, &velocity) });
        of_class(&ahead, Class::Ahead).iter().map(|want| key(want).plane.level).collect::<HashSet<_>>()
    };
    assert!(levels(1.0).contains(&0) && !levels(1.0).contains(&2));
    assert!(levels(-1.0).contains(&2) && !levels(-1.0).contains(&0));
    assert!(levels(0.1).is_empty());
}

#[test]
fn hidden_layers_are_not_prefetched() {
    let scene = Scene::at(1, 10);
    scene.hide("layer-0");
    let (state, velocity) = (scene.state(), stepping(Z, 60.0, true));
    let ahead = scene.ahead(&state, &velocity);
    let wants = plan(&ahead);
    assert!(!of_class(&wants, Class::Ahead).is_empty());
    assert!(wants.iter().chain(&beside(&ahead, None)).all(|want| key(want).plane.index[1] == 1));
    scene.hide("layer-1");
    assert!(scene.plan(&velocity).is_empty());
}

#[test]
fn beside_a_view_at_rest_the_last_dim_comes_first_and_the_idle_budget_is_kept() {
    let scene = Scene::at(4, 70);
    scene.hide("layer-1");
    let (state, velocity) = (scene.state(), still());
    let by = |last_dim| beside(&scene.ahead(&state, &velocity), last_dim);
    let wants = by(Some(T));
    assert_eq!(places(&wants, 0)[..2], [(2, 5), (0, 5)], "the next time, something to stand in first");
    assert!(wants.iter().all(|want| want.class == Class::Neighbour && want.deadline.is_none()));
    assert!((100 << 20..=128 << 20).contains(&bytes(&scene.dataset, &wants)), "{}", bytes(&scene.dataset, &wants));
    assert_eq!(places(&by(None), 2)[0], (0, 128), "the dim above the rows");
    let none = Ahead { cache_bytes: 0, ..scene.ahead(&state, &velocity) };
    assert!(beside(&none, None).is_empty() && plan(&none).is_empty());
}

/// A speed that a hand or a player may have, in any of its signs.
fn speed() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(0.0), 1 => -500.0f64..500.0]
}

prop_compose! {
    fn velocity()(t in speed(), z in speed(), turned: (bool, bool), pan in (-3000.0f64..3000.0, -3000.0f64..3000.0), moves: (bool, bool), zoom in -3.0f64..3.0) -> Velocity {
        let mut velocity = still();
        velocity.steps[T] = AxisSpeed { per_s: t, turned: turned.0 };
        velocity.steps[Z] = AxisSpeed { per_s: z, turned: turned.1 };
        velocity.pan = if moves.0 { pan } else { (0.0, 0.0) };
        velocity.zoom = if moves.1 { zoom } else { 0.0 };
        velocity
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever moves how: everything that is asked for exists, is asked for once, is not what the screen asks for, and costs no more
    /// than its share; and equal inputs give equal lists.
    #[test]
    fn no_list_exceeds_its_share(velocity in velocity(), t in 0u64..10, z in 0u64..192, thick: bool, hidden: bool, level in 0usize..3,
                                 left in -500.0f64..1000.0, bottom in -500.0f64..1000.0, width in 10.0f64..2000.0,
                                 cache_mb in 0u64..4000, rate in prop::option::of(0.0f64..5e9), most_tiles in 1usize..100) {
        let scene = Scene::new(if thick { 64 } else { 3 });
        scene.go(t, z);
        if hidden {
            scene.hide("layer-0");
        }
        let state = scene.state();
        let shown = Rect { left, bottom, width, height: width };
        let cache_bytes = cache_mb << 20;
        let a = Ahead { level, shown, cache_bytes, decode_bytes_per_s: rate, most_tiles, ..scene.ahead(&state, &velocity) };
        let (wants, rest) = (plan(&a), beside(&a, Some(Z)));
        prop_assert_eq!(&wants, &plan(&a));
        prop_assert!(wants.len() + rest.len() <= 8192);

        let of = |pin: bool, class: Class| wants.iter().filter(|w| w.pin == pin && w.class == class).copied().collect::<Vec<_>>();
        let (pins, ahead, stack) = ([of(true, Class::Visible), of(true, Class::Ahead)].concat(), of(false, Class::Ahead), of(false, Class::Background));
        prop_assert_eq!(pins.len() + ahead.len() + stack.len(), wants.len());
        for (what, most) in [(&pins, cache_bytes / 8), (&ahead, cache_bytes / 2), (&stack, cache_bytes / 16), (&rest, (cache_bytes / 8).min(128 << 20))] {
            prop_assert!(bytes(&scene.dataset, what) <= most, "{} of {most}", bytes(&scene.dataset, what));
            let distinct: HashSet<TileKey> = what.iter().map(key).collect();
            prop_assert_eq!(distinct.len(), what.len());
        }
        // The level's chunks under the screen are the screen's to ask for.
        let (row, col) = state.plane_dims();
        let footprint = Footprint::of(shown, scene.dataset.sample_axis(level, col), scene.dataset.sample_axis(level, row), 1);
        let tiles = footprint.tiles(most_tiles);
        for want in ahead.iter().filter(|want| usize::from(key(want).plane.level) == level && tiles.contains(&(key(want).ty, key(want).tx))) {
            let plane = key(want).plane;
            let same = |dim: usize, axis: usize| {
                let chunk = scene.dataset.image.levels[level].chunk[axis];
                scene.dataset.index_at_level(dim, state.dims.step.get()[dim], level) / chunk == u64::from(plane.index[axis]) / chunk
            };
            prop_assert!(!(same(T, 0) && same(Z, 2)), "{want:?} is on the screen");
        }
        prop_assert!(wants.iter().chain(&rest).all(|want| matches!(want.goal, Goal::Warm(_)) && (!hidden || key(want).plane.index[1] == 1)));
        prop_assert!(ahead.iter().all(|want| want.deadline.is_some_and(|at| at >= scene.now)));
    }
}
