//! What the loader holds in memory, and for whom.

use crate::stored::{FILL, GRID, Kept, clock, eventually, stored};
use crate::synthetic::{View, info, sound, tile, want};
use nc_core::data::{DType, SpareSamples};
use nc_store::place::failing::{Fault, Rule};
use nc_store::{Arrival, Class, Edge, Goal, Loader, LoaderConfig, Piece, Want};

fn loader(cache_bytes: u64) -> Loader {
    Loader::with_clock(LoaderConfig { threads: 1, cache_bytes }, clock().0)
}

#[test]
fn absent_chunks_cost_nothing() {
    let (image, script) = stored(Kept::Near);
    script.push(Rule::always("", Fault::Missing));
    let loader = loader(1 << 20);
    let view = View::attach(&loader, 1);
    let all: Vec<_> = (0..36).map(|n| tile(0, n / GRID, n % GRID)).collect();
    want(&loader, view.id, &image, &all);
    view.take(36);
    let stats = loader.stats();
    assert!(stats.cached_bytes <= 36 * 512, "{stats:?}");
    assert_eq!((stats.uniform, stats.evicted), (36, 0));
    assert!(all.iter().all(|key| {
        loader.resident_tile(&image, key, &mut SpareSamples::default()).is_some_and(|t| t.samples.get(9) == f32::from(FILL))
    }));
}

#[test]
fn two_who_want_the_same_share_one_request() {
    let (image, script) = stored(Kept::Far);
    script.push(Rule { keys: String::new(), nth: 0..1, fault: Fault::Hang });
    let loader = loader(1 << 24);
    let (a, b) = (View::attach(&loader, 1), View::attach(&loader, 2));
    want(&loader, a.id, &image, &[tile(0, 0, 0)]);
    script.await_hanging(1);
    want(&loader, b.id, &image, &[tile(0, 0, 0)]);
    // The first one to ask goes; the second has it all the same.
    want(&loader, a.id, &image, &[]);
    assert_eq!((loader.stats().joined, loader.stats().cancelled), (1, 0));
    script.release();
    assert_eq!(b.take(1).len(), 1);
    assert_eq!(script.requests().len(), 1);
}

fn warm(key: nc_core::data::TileKey, pin: bool) -> Want {
    Want { goal: Goal::Warm(Piece::Tile(key)), class: Class::Ahead, deadline: None, pin }
}

#[test]
fn pins_are_kept_within_a_quarter_and_let_go_when_they_are_not_wanted() {
    let (image, source) = sound(info(DType::U8, &[(&[256, 256 * 64], &[256, 256])]));
    let budget = 16 * (256 * 256 + 256);
    let loader = loader(budget);
    let view = View::attach(&loader, 1);
    let pins: Vec<Want> = (0..8).map(|tx| warm(tile(0, 0, tx), true)).collect();
    loader.want(view.id, std::slice::from_ref(&image), &pins);
    eventually("all are warm", || loader.stats().warm.warmed == 8 && loader.stats().in_flight == 0);
    let outlook = loader.outlook(view.id);
    assert_eq!(outlook.pins_refused, 4, "a quarter holds four");
    assert!(loader.stats().pinned_bytes <= budget / 4);
    let pins_alone = |more: &[Want]| [&pins[..], more].concat();
    for tx in 8..64 {
        loader.want(view.id, std::slice::from_ref(&image), &pins_alone(&[Want::visible(tile(0, 0, tx))]));
        while !view.take(1).iter().any(|a| matches!(a, Arrival::Tile { key, .. } if key.tx == tx)) {}
        assert!(loader.stats().cached_bytes <= budget);
    }
    let reads = source.reads.lock().unwrap().len();
    assert!((0..4).all(|tx| loader.resident_tile(&image, &tile(0, 0, tx), &mut SpareSamples::default()).is_some()), "pins stay");
    assert_eq!(source.reads.lock().unwrap().iter().filter(|(_, at)| at[1] == 0).count(), 1);
    assert!(reads >= 64);
    want(&loader, view.id, &image, &[]);
    assert_eq!(loader.stats().pinned_bytes, 0);
    loader.detach(view.id);
    assert_eq!(loader.stats().in_flight, 0);
}

#[test]
fn warming_brings_no_tile_and_is_judged_by_its_use() {
    let (image, source) = sound(info(DType::U8, &[(&[256, 256 * 8], &[256, 256])]));
    let loader = loader(1 << 24);
    let view = View::attach(&loader, 1);
    let wants: Vec<Want> = (0..4).map(|tx| warm(tile(0, 0, tx), false)).collect();
    loader.want(view.id, std::slice::from_ref(&image), &wants);
    eventually("all are warm", || loader.warm_report(view.id).warmed == 4 && loader.outlook(view.id).idle);
    assert!(loader.take_arrivals(view.id).is_empty());
    assert!(loader.resident_tile(&image, &tile(0, 0, 1), &mut SpareSamples::default()).is_some());
    loader.want(view.id, std::slice::from_ref(&image), &wants);
    want(&loader, view.id, &image, &[tile(0, 0, 2)]);
    assert_eq!(view.take(1).len(), 1);
    assert_eq!(source.reads.lock().unwrap().len(), 4, "what is warm is not read again");
    loader.forget(image.info.id);
    eventually("it is forgotten", || loader.stats().cached_bytes == 0);
    let report = loader.warm_report(view.id);
    assert_eq!((report.asked, report.used, report.wasted, report.wasted_bytes), (4, 2, 2, 2 * 256 * 256));
}

#[test]
fn a_chunk_that_is_written_after_its_shape_comes_later() {
    let (image, script) = stored(Kept::Near);
    let image = image.watched();
    script.push(Rule::always("c/0/5", Fault::Missing));
    let (time, pass) = clock();
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 24 }, time);
    let view = View::attach(&loader, 1);
    want(&loader, view.id, &image, &[tile(0, 0, 5)]);
    let arrivals = view.take(1);
    assert!(
        matches!(&arrivals[..], [Arrival::Tile { tile, mended: false, .. }] if tile.samples.get(0) == f32::from(FILL)),
        "{arrivals:?}"
    );
    // It is tried again, and is still not there: nothing to say.
    pass(1000);
    want(&loader, view.id, &image, &[]);
    eventually("it is tried again", || script.requests().len() == 2 && loader.stats().in_flight == 0);
    assert!(loader.take_arrivals(view.id).is_empty());
    script.clear();
    pass(2000);
    want(&loader, view.id, &image, &[]);
    let healed = view.take(1);
    assert!(
        matches!(&healed[..], [Arrival::Tile { tile, mended: true, .. }] if tile.samples.get(0) != f32::from(FILL)),
        "{healed:?}"
    );
}

#[test]
fn the_chunk_at_the_old_edge_is_read_anew() {
    let (image, source) = sound(info(DType::U8, &[(&[512, 1024], &[256, 256])]));
    let loader = loader(1 << 24);
    let view = View::attach(&loader, 1);
    let all: Vec<_> = (0..8).map(|n| tile(0, n / 4, n % 4)).collect();
    want(&loader, view.id, &image, &all);
    view.take(8);
    loader.regrow(&image, &[Edge { level: 0, axis: 1, from: 3 }]);
    let resident: Vec<bool> =
        all.iter().map(|key| loader.resident_tile(&image, key, &mut SpareSamples::default()).is_some()).collect();
    assert_eq!(resident, [true, true, true, false, true, true, true, false]);
    want(&loader, view.id, &image, &all);
    view.take(8);
    assert_eq!(source.reads.lock().unwrap().len(), 10);
}
