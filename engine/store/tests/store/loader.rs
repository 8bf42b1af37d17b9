//! The loader: one read per chunk, order, cancellation, damage, panics, budget.

use crate::synthetic::{FILL, Gate, View, chunk, image, info, plane, sound, tile, want};
use nc_core::data::{DType, ImageId, MAX_AXES, SpareSamples, TileKey};
use nc_store::{Arrival, Clock, Loader, LoaderConfig, Piece, ReadError, ReadErrorKind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn loader(threads: usize, cache_bytes: u64) -> Loader {
    Loader::new(LoaderConfig { threads, cache_bytes })
}

/// 2 × 3 tiles, a chunk each.
fn six_tiles() -> nc_core::scene::ImageInfo {
    info(DType::U16, &[(&[512, 768], &[256, 256])])
}

fn damaged() -> ReadError {
    ReadError::new(ReadErrorKind::Decode, "wrong\nchecksum")
}

fn keys(arrivals: &[Arrival]) -> Vec<(u32, u32)> {
    let key = |a: &Arrival| match a {
        Arrival::Tile { key, .. } => Some((key.ty, key.tx)),
        _ => None,
    };
    arrivals.iter().filter_map(key).collect()
}

/// A clock that tests move.
fn clock() -> (Clock, impl Fn(u64)) {
    let now = Arc::new(Mutex::new(Instant::now()));
    let read = now.clone();
    (Arc::new(move || *read.lock().unwrap()), move |ms| *now.lock().unwrap() += Duration::from_millis(ms))
}

#[test]
fn many_tiles_of_a_chunk_need_one_read_even_if_it_exceeds_the_cache() {
    for budget in [1 << 24, 1000] {
        let (image, source) = sound(info(DType::U16, &[(&[512, 512], &[512, 512])]));
        let loader = loader(3, budget);
        let view = View::attach(&loader, 1);
        want(&loader, view.id, &image, &[tile(0, 0, 0), tile(0, 0, 1), tile(0, 1, 0), tile(0, 1, 1)]);
        assert_eq!(keys(&view.take(4)).len(), 4);
        assert_eq!(source.reads.lock().unwrap().len(), 1, "budget {budget}");
    }
}

#[test]
fn the_most_urgent_tile_comes_first_and_replaced_wants_are_dropped() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    let (image, source) = image(six_tiles(), move |info, level, at, _| {
        at_gate.pass();
        Ok(Some(chunk(info, level, at, true)))
    });
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 0), tile(0, 0, 1), tile(0, 0, 2)]);
    gate.await_arrived(1);
    want(&loader, view.id, &image, &[tile(0, 1, 2), tile(0, 0, 2), tile(0, 1, 2)]);
    gate.open(3);
    assert_eq!(keys(&view.take(2)), [(1, 2), (0, 2)]);
    assert_eq!(*source.reads.lock().unwrap(), [(0, vec![0, 0]), (0, vec![1, 2]), (0, vec![0, 2])]);
    let stats = loader.stats();
    assert_eq!((stats.cancelled, stats.queued, stats.in_flight), (2, 0, 0));
    assert!(
        loader.resident_tile(&image, &tile(0, 0, 0), &mut SpareSamples::default()).is_some(),
        "what was read all the same is kept"
    );
    assert!(loader.resident_tile(&image, &tile(0, 0, 1), &mut SpareSamples::default()).is_none());
}

#[test]
fn a_flight_that_nobody_wants_stops_before_its_decode() {
    let gate = Arc::new(Gate::default());
    let decoded = Arc::new(AtomicUsize::new(0));
    let (at_gate, counter) = (gate.clone(), decoded.clone());
    let (image, _) = image(six_tiles(), move |info, level, at, cancelled| {
        at_gate.pass();
        if cancelled() {
            return Ok(None);
        }
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(Some(chunk(info, level, at, true)))
    });
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    gate.await_arrived(1);
    want(&loader, view.id, &image, &[tile(0, 0, 1)]);
    gate.open(2);
    assert_eq!(keys(&view.take(1)), [(0, 1)]);
    assert_eq!(decoded.load(Ordering::SeqCst), 1);
    // It can be wanted again.
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    gate.open(1);
    assert_eq!(keys(&view.take(1)), [(0, 0)]);
}

#[test]
fn a_tile_that_is_wanted_again_while_its_flight_stops_still_comes() {
    let (before, after) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let gates = (before.clone(), after.clone());
    let (image, source) = image(six_tiles(), move |info, level, at, cancelled| {
        gates.0.pass();
        let stop = cancelled();
        gates.1.pass();
        Ok((!stop).then(|| chunk(info, level, at, true)))
    });
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    before.await_arrived(1);
    want(&loader, view.id, &image, &[]);
    before.open(1);
    after.await_arrived(1);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    before.open(1);
    after.open(2);
    assert_eq!(keys(&view.take(1)), [(0, 0)]);
    assert_eq!(source.reads.lock().unwrap().len(), 2);
}

#[test]
fn an_arrived_tile_is_not_made_again_before_it_is_taken() {
    let (image, source) = sound(six_tiles());
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 0), tile(0, 0, 1)]);
    // The second arrives after the first, and both stay untaken.
    want(&loader, view.id, &image, &[tile(0, 0, 0), tile(0, 0, 1), tile(0, 0, 2)]);
    let first = view.take(3);
    assert_eq!(keys(&first), [(0, 0), (0, 1), (0, 2)]);
    // Taken and wanted again: from the cache.
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    assert_eq!(view.take(1), first[..1]);
    assert_eq!(source.reads.lock().unwrap().len(), 3);
}

#[test]
fn damage_on_the_coarsest_level_leaves_a_hole_and_is_reported_once() {
    let (time, advance) = clock();
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    // Two chunks to the tile; the right one is damaged.
    let (image, source) = image(info(DType::U16, &[(&[4, 8], &[4, 4])]), move |info, level, at, _| {
        if at[1] == 1 && state.load(Ordering::SeqCst) { Err(damaged()) } else { Ok(Some(chunk(info, level, at, true))) }
    });
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, time);
    let view = View::attach(&loader, 1);
    let reads = || source.reads.lock().unwrap().len();

    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    let arrivals = view.take(2);
    let [Arrival::Fault { fault, .. }, Arrival::Tile { tile: first, .. }] = &arrivals[..] else { panic!("{arrivals:?}") };
    assert_eq!((fault.level, &fault.chunk[..], fault.kind), (0, &[0, 1][..], ReadErrorKind::Decode));
    assert_eq!(fault.message, "/made/up.zarr/s0: chunk 0/1 is unreadable: wrong checksum");
    assert_ne!(first.samples.get(3), FILL as f32);
    assert!((0..4).all(|r| (4..8).all(|c| first.samples.get(r * 8 + c) == FILL as f32)));
    assert_eq!((reads(), loader.stats().read_errors), (2, 1));
    assert!(loader.resident_tile(&image, &tile(0, 0, 0), &mut SpareSamples::default()).is_none());

    // Within the pause nothing is tried and nothing is said again; the pauses double.
    for (pause, expected) in [(999, 2), (1, 3), (1999, 3), (1, 4)] {
        advance(pause);
        want(&loader, view.id, &image, &[tile(0, 0, 0)]);
        assert_eq!(view.take(1), arrivals[1..]);
        assert_eq!(reads(), expected, "after {pause} ms more");
    }
    // Another view is told, too.
    let other = View::attach(&loader, 2);
    want(&loader, other.id, &image, &[tile(0, 0, 0)]);
    let told = other.take(2);
    assert!(
        matches!(&told[0], Arrival::Fault { fault: again, .. } if again.message == fault.message && again.retry_at > fault.retry_at)
    );
    assert_eq!(told[1..], arrivals[1..]);

    broken.store(false, Ordering::SeqCst);
    advance(60_000);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    let healed = view.take(1);
    let [Arrival::Tile { tile: healed, .. }] = &healed[..] else { panic!("{healed:?}") };
    assert_eq!(Some(healed.clone()), loader.resident_tile(&image, &tile(0, 0, 0), &mut SpareSamples::default()));
    assert_ne!(healed, first);
}

/// One row of four tiles' worth of chunks, 64 wide each, so that a tile has four; those of `broken` are damaged. Two planes.
fn patchy(broken: &[u64]) -> (nc_store::Image, impl Fn(&[u64])) {
    let broken = Arc::new(Mutex::new(broken.to_vec()));
    let state = broken.clone();
    let (image, _) = image(info(DType::U16, &[(&[2, 8, 256], &[2, 8, 64])]), move |info, level, at, _| {
        if state.lock().unwrap().contains(&at[2]) { Err(damaged()) } else { Ok(Some(chunk(info, level, at, true))) }
    });
    (image, move |now: &[u64]| *broken.lock().unwrap() = now.to_vec())
}

fn of_plane(z: u32) -> TileKey {
    TileKey { plane: plane(0, 1, 2, [z, 0, 0, 0, 0]), ty: 0, tx: 0 }
}

/// The one tile in `arrivals`, and which of its chunks hold nothing but the fill value.
fn only_tile(arrivals: &[Arrival]) -> (TileKey, Vec<usize>) {
    let tiles = arrivals.iter().filter_map(|a| if let Arrival::Tile { key, tile, .. } = a { Some((key, tile)) } else { None });
    let [(key, tile)] = tiles.collect::<Vec<_>>()[..] else { panic!("{arrivals:?}") };
    let filled = |at: &usize| (0..8).all(|r| (0..64).all(|c| tile.samples.get(r * 256 + at * 64 + c) == FILL as f32));
    (*key, (0..4).filter(filled).collect())
}

#[test]
fn a_provisional_tile_comes_again_as_its_chunks_heal_though_nobody_asks() {
    let (time, advance) = clock();
    let (image, set_broken) = patchy(&[1, 3]);
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, time);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[of_plane(0)]);
    assert_eq!(only_tile(&view.take(3)), (of_plane(0), vec![1, 3]));
    assert_eq!(loader.stats().queued, 2);

    // The view has it and shows it, and wants nothing, or another plane.
    set_broken(&[3]);
    advance(1000);
    want(&loader, view.id, &image, &[]);
    assert_eq!(only_tile(&view.take(1)), (of_plane(0), vec![3]));
    // A failed retry is no news.
    await_reads(&loader, |stats| stats.read_errors == 3);
    set_broken(&[]);
    advance(1999);
    want(&loader, view.id, &image, &[of_plane(1)]);
    let between = view.take(1);
    assert_eq!(only_tile(&between), (of_plane(1), vec![3]), "it waits out the longer pause");
    advance(1);
    want(&loader, view.id, &image, &[]);
    let mut healed = view.take(2);
    healed.sort_by_key(|a| if let Arrival::Tile { key, .. } = a { Some(*key) } else { None });
    assert_eq!(only_tile(&healed[..1]), (of_plane(0), vec![]));
    assert_eq!(only_tile(&healed[1..]), (of_plane(1), vec![]), "every plane that touches the chunk");
    for (arrival, z) in healed.iter().zip(0..) {
        let Arrival::Tile { tile, .. } = arrival else { panic!("{arrival:?}") };
        assert_eq!(Some(tile), loader.resident_tile(&image, &of_plane(z), &mut SpareSamples::default()).as_ref());
    }
    assert_eq!((loader.stats().queued, view.take(0)), (0, vec![]));
}

/// Until loader threads have done what `done` looks for.
fn await_reads(loader: &Loader, done: impl Fn(&nc_store::LoaderStats) -> bool) {
    let start = Instant::now();
    while !(done(&loader.stats()) && loader.stats().in_flight == 0) {
        assert!(start.elapsed() < crate::synthetic::PATIENCE, "{:?}", loader.stats());
        std::thread::yield_now();
    }
}

#[test]
fn a_provisional_tile_is_forgotten_with_its_view_its_image_and_its_arrival() {
    let (image, _) = patchy(&[1]);
    let (other, _) = sound(nc_core::scene::ImageInfo { id: ImageId(8), ..six_tiles() });
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, clock().0);
    let view = View::attach(&loader, 1);
    let rests = |expected: usize| await_reads(&loader, |stats| stats.queued == expected);
    let make = || {
        want(&loader, view.id, &image, &[of_plane(0)]);
        // The fault may be there earlier; a tile that is not taken is forgotten with the next want list.
        while !view.take(1).iter().any(|a| matches!(a, Arrival::Tile { .. })) {}
        rests(1);
    };
    make();
    want(&loader, view.id, &image, &[]);
    rests(1);
    want(&loader, view.id, &other, &[]);
    rests(0);
    make();
    make();
    loader.detach(view.id);
    rests(0);
    // Never taken, and wanted no more.
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[of_plane(0)]);
    rests(1);
    view.await_woken();
    want(&loader, view.id, &image, &[]);
    rests(0);
}

#[test]
fn of_many_provisional_tiles_the_latest_are_kept() {
    let about = info(DType::U8, &[(&[300, 4, 4], &[1, 4, 4])]);
    let (image, _) = image(about, |_, _, _, _| Err(damaged()));
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, clock().0);
    let view = View::attach(&loader, 1);
    let keys: Vec<_> = (0..300).map(of_plane).collect();
    want(&loader, view.id, &image, &keys);
    assert_eq!(view.take(600).len(), 600);
    await_reads(&loader, |stats| stats.queued == 256);
}

#[test]
fn damage_on_a_finer_level_keeps_its_tile_waiting_until_it_heals() {
    let (time, advance) = clock();
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let about = info(DType::U8, &[(&[256, 512], &[256, 256]), (&[128, 256], &[256, 256])]);
    let (image, _) = image(about, move |info, level, at, _| {
        if level == 0 && at[1] == 0 && state.load(Ordering::SeqCst) {
            Err(damaged())
        } else {
            Ok(Some(chunk(info, level, at, false)))
        }
    });
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, time);
    let view = View::attach(&loader, 1);
    let wants = [tile(0, 0, 0), tile(0, 0, 1), tile(1, 0, 0)];
    want(&loader, view.id, &image, &wants);
    let arrivals = view.take(3);
    assert!(matches!(&arrivals[0], Arrival::Fault { piece, .. } if *piece == Piece::Tile(wants[0])), "{arrivals:?}");
    assert_eq!(keys(&arrivals[1..]).len(), 2);
    assert_eq!(loader.stats().queued, 1, "the damaged chunk is to be tried again");

    broken.store(false, Ordering::SeqCst);
    advance(1000);
    want(&loader, view.id, &image, &wants[..1]);
    let healed = view.take(1);
    assert!(matches!(&healed[0], Arrival::Tile { key, .. } if *key == wants[0]));
    assert_eq!(loader.stats().queued, 0);
}

#[test]
fn a_source_that_panics_or_lies_is_a_fault_and_the_loader_goes_on() {
    let (image, _) = image(six_tiles(), |info, level, at, _| match at {
        [0, 0] => panic!("out of cheese"),
        [0, 1] => Ok(Some(nc_store::Chunk::new(&[256, 256], vec![0; 3]).unwrap())),
        [0, 2] => Ok(Some(nc_store::Chunk::new(&[256, 1], vec![0; 512]).unwrap())),
        [1, 0] => Ok(Some(nc_store::Chunk::new(&[u64::from(u32::MAX), 256], Vec::new()).unwrap())),
        [1, 1] => Ok(None),
        _ => Ok(Some(chunk(info, level, at, true))),
    });
    let loader = loader(2, 1 << 24);
    let view = View::attach(&loader, 1);
    let wants: Vec<_> = (0..6).map(|i| tile(0, i / 3, i % 3)).collect();
    want(&loader, view.id, &image, &wants[..4]);
    let arrivals = view.take(8);
    let faults: Vec<_> =
        arrivals.iter().filter_map(|a| if let Arrival::Fault { fault, .. } = a { Some(fault) } else { None }).collect();
    assert_eq!(faults.len(), 4);
    assert!(faults.iter().all(|f| f.kind == ReadErrorKind::Source), "{faults:?}");
    assert!(faults.iter().any(|f| f.message.contains("panicked: out of cheese")), "{faults:?}");
    want(&loader, view.id, &image, &wants[4..]);
    let arrivals = view.take(3);
    assert_eq!(keys(&arrivals).len(), 2, "{arrivals:?}");
}

#[test]
fn the_cache_keeps_its_budget() {
    let (image, _) = sound(info(DType::U16, &[(&[40, 64, 64], &[1, 64, 64])]));
    let loader = loader(2, 100_000);
    let view = View::attach(&loader, 1);
    let wants: Vec<_> =
        (0..40).map(|z| nc_core::data::TileKey { plane: plane(0, 1, 2, [z, 0, 0, 0, 0]), ty: 0, tx: 0 }).collect();
    want(&loader, view.id, &image, &wants);
    view.take(40);
    let stats = loader.stats();
    assert_eq!((stats.misses, stats.read_bytes, stats.budget_bytes), (40, 40 * 8192, 100_000));
    assert!(stats.cached_bytes <= 100_000 && stats.cached_bytes > 8192, "{stats:?}");
    assert!(wants.iter().filter(|key| loader.resident_tile(&image, key, &mut SpareSamples::default()).is_some()).count() >= 5);
}

#[test]
fn overviews_stride_over_the_plane_and_come_last() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    let (image, source) = image(info(DType::F32, &[(&[90, 300], &[32, 32])]), move |info, level, at, _| {
        at_gate.pass();
        if at == [1, 1] { Err(damaged()) } else { Ok(Some(chunk(info, level, at, true))) }
    });
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    loader.request_overview(view.id, &image, plane(0, 0, 1, [0; MAX_AXES]), 75);
    loader.request_overview(view.id, &image, plane(0, 0, 1, [0; MAX_AXES]), 75);
    gate.await_arrived(1);
    want(&loader, view.id, &image, &[tile(0, 0, 1)]);
    gate.open(1000);
    let arrivals = view.take(2);
    assert_eq!(keys(&arrivals[..1]), [(0, 1)], "the tile overtakes");
    let Arrival::Overview { overview: Ok(overview), .. } = &arrivals[1] else { panic!("{arrivals:?}") };
    assert_eq!((overview.width, overview.height), (75, 23));
    for (i, &sample) in overview.samples.iter().enumerate() {
        let at = [(i as u64 / 75) * 4, (i as u64 % 75) * 4];
        if (32..64).contains(&at[0]) && (32..64).contains(&at[1]) {
            assert!(sample.is_nan());
        } else {
            assert_eq!(sample, crate::synthetic::element(DType::F32, crate::synthetic::number(0, &at)).1, "{at:?}");
        }
    }
    let reads = source.reads.lock().unwrap().len();
    assert_eq!(reads, 30, "each chunk once");
    let blocking = loader.overview(&image, plane(0, 0, 1, [0; MAX_AXES]), 75).unwrap();
    assert_eq!(format!("{blocking:?}"), format!("{overview:?}"), "compared as text, since it holds NaN");
    // Sparse enough to pass over whole chunks: those are not read.
    let (image, source) = sound(info(DType::U8, &[(&[1000, 1000], &[10, 10])]));
    let few = self::loader(1, 1 << 20).overview(&image, plane(0, 0, 1, [0; MAX_AXES]), 10).unwrap();
    assert_eq!((few.width, few.height, source.reads.lock().unwrap().len()), (10, 10, 100));
}

#[test]
fn an_overview_without_a_readable_chunk_is_an_error() {
    let (image, _) = image(six_tiles(), |_, _, _, _| Err(damaged()));
    let loader = loader(1, 1 << 24);
    let view = View::attach(&loader, 1);
    let error = loader.overview(&image, plane(0, 0, 1, [0; MAX_AXES]), 64).unwrap_err();
    assert_eq!(error.to_string(), "/made/up.zarr/s0: chunk 0/0 is unreadable: wrong checksum");
    loader.request_overview(view.id, &image, plane(0, 0, 1, [0; MAX_AXES]), 64);
    assert!(matches!(&view.take(1)[0], Arrival::Overview { overview: Err(fault), .. } if fault.chunk == [0, 0]));
    // A plane that is not there is an answer, too, or the asker would wait for ever.
    let nowhere = plane(1, 0, 1, [0; MAX_AXES]);
    loader.request_overview(view.id, &image, nowhere, 64);
    let refused = view.take(1);
    let [Arrival::Overview { plane, overview: Err(fault) }] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((*plane, fault.level, &fault.chunk[..], fault.kind), (nowhere, 1, &[][..], ReadErrorKind::NoSuchPlane));
    assert!(fault.message.starts_with("/made/up.zarr has no plane"), "{}", fault.message);
}

#[test]
fn a_detached_view_gets_nothing_and_costs_nothing() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    let (image, source) = image(six_tiles(), move |info, level, at, _| {
        at_gate.pass();
        Ok(Some(chunk(info, level, at, true)))
    });
    let loader = loader(1, 1 << 24);
    let (gone, stays) = (View::attach(&loader, 1), View::attach(&loader, 2));
    want(&loader, gone.id, &image, &[tile(0, 0, 0), tile(0, 0, 1)]);
    gate.await_arrived(1);
    want(&loader, stays.id, &image, &[tile(0, 1, 0)]);
    loader.detach(gone.id);
    want(&loader, gone.id, &image, &[tile(0, 0, 2)]);
    gate.open(2);
    assert_eq!(keys(&stays.take(1)), [(1, 0)]);
    assert_eq!(source.reads.lock().unwrap().len(), 2);
    assert_eq!(loader.take_arrivals(gone.id), []);
}

#[test]
fn views_take_turns() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    let (image, source) = image(six_tiles(), move |info, level, at, _| {
        at_gate.pass();
        Ok(Some(chunk(info, level, at, true)))
    });
    let loader = loader(1, 1 << 24);
    let (a, b) = (View::attach(&loader, 1), View::attach(&loader, 2));
    want(&loader, a.id, &image, &[tile(0, 0, 0), tile(0, 0, 1), tile(0, 0, 2)]);
    gate.await_arrived(1);
    want(&loader, b.id, &image, &[tile(0, 1, 0), tile(0, 1, 1), tile(0, 0, 2)]);
    gate.open(100);
    assert_eq!(keys(&a.take(3)), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(keys(&b.take(3)).len(), 3);
    let order: Vec<_> = source.reads.lock().unwrap().iter().map(|(_, at)| (at[0], at[1])).collect();
    assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]);
}

#[test]
fn dropping_the_loader_ends_its_threads() {
    let gate = Arc::new(Gate::default());
    let at_gate = gate.clone();
    let (image, source) = image(six_tiles(), move |info, level, at, _| {
        at_gate.pass();
        Ok(Some(chunk(info, level, at, true)))
    });
    let loader = loader(2, 1 << 24);
    loader.attach(nc_store::ViewId(1), Arc::new(|| ()));
    want(&loader, nc_store::ViewId(1), &image, &[tile(0, 0, 0), tile(0, 0, 1), tile(0, 0, 2)]);
    gate.await_arrived(2);
    gate.open(100);
    drop(loader);
    drop(image);
    assert_eq!(Arc::strong_count(&source), 1, "no thread holds the image any more");
}
