//! Stores that fail in every way there is: what is lost is said once, nothing else is held up, and everything comes when they recover.

use crate::stored::{FILL, GRID, Kept, clock, eventually, sample, stored};
use crate::synthetic::{View, tile, want};
use nc_core::data::{Tile, TileKey};
use nc_store::place::PlaceErrorKind;
use nc_store::place::failing::{Fault as Wrong, Rule};
use nc_store::{Arrival, Loader, LoaderConfig, ReadErrorKind};

const KINDS: [Kept; 3] = [Kept::Near, Kept::Far, Kept::FarShards];

fn loader(threads: usize, clock: nc_store::Clock) -> Loader {
    Loader::with_clock(LoaderConfig { threads, cache_bytes: 16 << 20 }, clock)
}

fn is_right(key: &TileKey, tile: &Tile) -> bool {
    let right = f32::from(sample(u64::from(key.ty), u64::from(key.tx)));
    (0..tile.samples.len()).all(|i| tile.samples.get(i) == right)
}

fn row(ty: u32) -> Vec<TileKey> {
    (0..GRID).map(|tx| tile(0, ty, tx)).collect()
}

fn all() -> Vec<TileKey> {
    (0..GRID).flat_map(row).collect()
}

#[test]
fn everything_comes_from_every_kind_of_store() {
    for kept in KINDS {
        let (image, script) = stored(kept);
        let loader = loader(2, clock().0);
        let view = View::attach(&loader, 1);
        want(&loader, view.id, &image, &all());
        for arrival in view.take(36) {
            let Arrival::Tile { key, tile, mended: false } = arrival else { panic!("{arrival:?}") };
            assert!(is_right(&key, &tile));
        }
        let stats = loader.stats();
        assert_eq!((stats.in_flight_bytes, stats.in_flight, stats.queued, stats.read_errors), (0, 0, 0, 0));
        if kept == Kept::FarShards {
            let asked = script.requests().len();
            assert!(asked <= 6 + 12, "an index per shard, and its chunks together: {asked} requests");
        }
    }
}

#[test]
fn a_missing_chunk_is_the_fill_value_and_no_fault() {
    for kept in [Kept::Near, Kept::Far] {
        let (image, script) = stored(kept);
        script.push(Rule::always("c/0/1", Wrong::Missing));
        let loader = loader(1, clock().0);
        let view = View::attach(&loader, 1);
        want(&loader, view.id, &image, &[tile(0, 0, 1)]);
        let arrivals = view.take(1);
        let [Arrival::Tile { tile, .. }] = &arrivals[..] else { panic!("{arrivals:?}") };
        assert!((0..tile.samples.len()).all(|i| tile.samples.get(i) == f32::from(FILL)));
        assert_eq!((loader.stats().uniform, loader.stats().read_errors), (1, 0));
    }
}

#[test]
fn damage_is_said_once_and_heals() {
    let kinds = [
        (Wrong::Cut(100), ReadErrorKind::Decode),
        (Wrong::Cut(0), ReadErrorKind::Decode),
        (Wrong::Flip(1000), ReadErrorKind::Decode),
        (Wrong::Error(PlaceErrorKind::Denied), ReadErrorKind::Denied),
        (Wrong::Error(PlaceErrorKind::Short), ReadErrorKind::Short),
        (Wrong::Error(PlaceErrorKind::TimedOut), ReadErrorKind::TimedOut),
        (Wrong::Error(PlaceErrorKind::Unreachable), ReadErrorKind::Unreachable),
        // Nobody stopped it.
        (Wrong::Error(PlaceErrorKind::Stopped), ReadErrorKind::Source),
    ];
    for kept in [Kept::Near, Kept::Far] {
        for (wrong, kind) in kinds {
            let (image, script) = stored(kept);
            script.push(Rule::always("c/2/3", wrong));
            let (time, pass) = clock();
            let loader = loader(2, time);
            let view = View::attach(&loader, 1);
            want(&loader, view.id, &image, &row(2));
            // The fault, and the tile with its part filled, among the others.
            let arrivals = view.take(7);
            let faults: Vec<_> =
                arrivals.iter().filter_map(|a| if let Arrival::Fault { fault, .. } = a { Some(fault) } else { None }).collect();
            assert_eq!(faults.len(), 1, "{wrong:?}");
            assert_eq!((faults[0].kind, &faults[0].chunk[..]), (kind, &[2, 3][..]));
            assert!(faults[0].retry_at.is_some() && faults[0].message.contains("chunk 2/3"), "{:?}", faults[0]);
            script.clear();
            pass(1000);
            want(&loader, view.id, &image, &[]);
            let healed = view.take(1);
            let [Arrival::Tile { key, tile, mended: true }] = &healed[..] else { panic!("{healed:?}") };
            assert!(key.tx == 3 && is_right(key, tile));
        }
    }
}

#[test]
fn a_damaged_index_is_read_anew() {
    let (image, script) = stored(Kept::FarShards);
    script.push(Rule { keys: "s/1".into(), nth: 0..1, fault: Wrong::Flip(2) });
    let (time, pass) = clock();
    let loader = loader(1, time);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &row(1));
    let arrivals = view.take(12);
    assert_eq!(arrivals.iter().filter(|a| matches!(a, Arrival::Fault { .. })).count(), 6);
    pass(1000);
    want(&loader, view.id, &image, &[]);
    for healed in view.take(6) {
        assert!(matches!(&healed, Arrival::Tile { key, tile, mended: true } if is_right(key, tile)), "{healed:?}");
    }
}

#[test]
fn a_read_that_hangs_costs_a_thread_that_is_replaced() {
    let (image, script) = stored(Kept::Near);
    script.push(Rule::always("c/0/0", Wrong::Hang));
    let (time, pass) = clock();
    let loader = loader(1, time);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &row(0));
    script.await_hanging(1);
    assert!(view.loader.take_arrivals(view.id).is_empty());
    pass(11_000);
    want(&loader, view.id, &image, &row(0));
    let arrivals = view.take(7);
    let fault = arrivals.iter().find_map(|a| if let Arrival::Fault { fault, .. } = a { Some(fault) } else { None });
    assert_eq!(fault.map(|f| f.kind), Some(ReadErrorKind::Hung));
    let right = arrivals.iter().filter(|a| matches!(a, Arrival::Tile { key, tile, .. } if is_right(key, tile))).count();
    assert_eq!((right, loader.stats().hung), (5, 1));
    // What it brings in the end is of no use, and it goes.
    script.release();
    script.clear();
    pass(1000);
    want(&loader, view.id, &image, &[]);
    let healed = view.take(1);
    assert!(matches!(&healed[0], Arrival::Tile { key, tile, mended: true } if is_right(key, tile)), "{healed:?}");
}

#[test]
fn a_request_that_hangs_is_called_off_and_holds_up_nothing() {
    let (image, script) = stored(Kept::Far);
    script.push(Rule { keys: "c/0/0".into(), nth: 0..1, fault: Wrong::Hang });
    let (time, pass) = clock();
    let loader = loader(1, time);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &row(0));
    assert_eq!(view.take(5).len(), 5, "the others come");
    assert_eq!(loader.stats().in_flight, 1);
    pass(31_000);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    let arrivals = view.take(2);
    assert!(matches!(&arrivals[0], Arrival::Fault { fault, .. } if fault.kind == ReadErrorKind::Hung), "{arrivals:?}");
    eventually("the request is called off", || script.hanging() == 0);
    pass(1000);
    want(&loader, view.id, &image, &[]);
    assert!(matches!(&view.take(1)[0], Arrival::Tile { key, tile, .. } if is_right(key, tile)));
}

#[test]
fn what_nobody_wants_any_more_is_called_off_on_the_wire() {
    let (image, script) = stored(Kept::Far);
    script.push(Rule::always("", Wrong::Hang));
    let loader = loader(1, clock().0);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &all());
    script.await_hanging(4);
    assert_eq!(loader.stats().in_flight, 4, "as many requests as it serves");
    want(&loader, view.id, &image, &[]);
    eventually("all are called off", || script.hanging() == 0);
    let stats = loader.stats();
    assert_eq!((stats.in_flight, stats.in_flight_bytes, stats.queued, stats.cancelled), (0, 0, 0, 36));
}

#[test]
fn a_store_that_is_away_is_left_alone_said_once_and_used_again() {
    for kept in [Kept::Near, Kept::Far] {
        let (image, script) = stored(kept);
        script.push(Rule::always("", Wrong::Error(PlaceErrorKind::Unreachable)));
        let (time, pass) = clock();
        let loader = loader(1, time);
        let view = View::attach(&loader, 1);
        want(&loader, view.id, &image, &all());
        let settled = || {
            eventually("it is left alone", || loader.stats().in_flight == 0 && loader.outlook(view.id).classes[0].in_flight == 0);
            script.requests().len()
        };
        eventually("it fails three times", || script.requests().len() >= 3);
        let asked = settled();
        // Its four requests at once, and four more if those were made before anybody had looked at what became of the first.
        view.loader.take_arrivals(view.id);
        assert!((3..=8).contains(&asked), "after three failures nothing is asked but what was on its way: {asked}");
        for pause in [1000, 2000, 4000] {
            let before = settled();
            pass(pause);
            want(&loader, view.id, &image, &all());
            eventually("it is probed", || script.requests().len() == before + 1);
        }
        settled();
        let early = view.loader.take_arrivals(view.id);
        let faults = early.iter().filter(|a| matches!(a, Arrival::Fault { .. })).count();
        assert_eq!(faults, 0, "it was said at first, and once");
        script.clear();
        pass(8000);
        want(&loader, view.id, &image, &all());
        let mut right = std::collections::HashSet::new();
        while right.len() < 36 {
            for arrival in view.take(1) {
                match arrival {
                    Arrival::Tile { key, tile, .. } if is_right(&key, &tile) => right.insert(key),
                    other => panic!("{other:?}"),
                };
            }
        }
    }
}

#[test]
fn the_end_does_not_wait_for_a_read_that_hangs() {
    let (image, script) = stored(Kept::Near);
    script.push(Rule::always("", Wrong::Hang));
    let loader = loader(1, clock().0);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 0)]);
    script.await_hanging(1);
    let begun = std::time::Instant::now();
    drop(loader);
    assert!(begun.elapsed().as_secs() < 10);
    assert!(view.loader.overview(&image, tile(0, 0, 0).plane, 64).is_err(), "nothing comes after the end");
    script.release();
}
