//! The way of tiles to the device: who makes them, how many a tick takes, and what is asked for in which order.

use crate::ahead::key;
use crate::stand::{Recorder, TILE_BYTES, tile};
use crate::turns::{Loop, PLENTY, noted};
use nc_core::data::TileKey;
use nc_store::{Arrival, Class};
use serde_json::json;

fn arrivals(keys: &[TileKey]) -> Vec<Arrival> {
    keys.iter().map(|key| Arrival::Tile { key: *key, tile: tile(key), mended: false }).collect()
}

/// Three layers at the finest level in whole: 192 tiles of 64 KiB, none of them there.
fn crowded() -> Loop<Recorder> {
    let mut stage = noted(3, PLENTY);
    stage.settle().intend("multiscale", "main", "level", json!(0)).tick();
    assert_eq!((stage.wanted.len(), stage.viewer.missing()), (192, 192));
    stage
}

#[test]
fn a_tile_that_was_asked_for_is_made_by_the_loader_alone() {
    let mut stage = noted(1, PLENTY);
    stage.tick();
    let wanted = stage.wanted.clone();
    // Its chunks are decoded now, and the loader is about to hand it over.
    stage.shelf.decode(|_| true);
    stage.shelf.take_tried();
    stage.after(10).tick();
    assert!(stage.shelf.take_tried().is_empty() && stage.device.resident.is_empty());
    stage.try_tick(arrivals(&wanted)).unwrap();
    assert_eq!((stage.device.uploads, stage.viewer.missing()), (wanted.len(), 0));
    assert!(stage.shelf.take_wants().is_empty(), "what came needs no new list");
}

#[test]
fn what_comes_twice_is_taken_once_unless_it_was_mended() {
    let mut stage = noted(1, PLENTY);
    stage.tick();
    let wanted = stage.wanted.clone();
    stage.try_tick(arrivals(&wanted)).unwrap();
    assert!(!stage.try_tick(arrivals(&wanted)).unwrap().drawn);
    assert_eq!(stage.device.uploads, wanted.len());
    let mended = Arrival::Tile { key: wanted[0], tile: tile(&wanted[0]), mended: true };
    assert!(stage.try_tick(vec![mended]).unwrap().drawn);
    assert_eq!(stage.device.uploads, wanted.len() + 1);
}

#[test]
fn a_burst_of_arrivals_is_taken_over_several_ticks() {
    let mut stage = crowded();
    let (before, wanted) = (stage.device.uploads, stage.wanted.clone());
    let outcome = stage.try_tick(arrivals(&wanted)).unwrap();
    let taken = stage.device.uploads - before;
    assert_eq!(taken as u64 * TILE_BYTES, 8 << 20, "8 MiB a tick");
    assert!(outcome.drawn && outcome.wake_at == Some(stage.now));
    assert_eq!(stage.viewer.missing(), 192 - taken);
    assert!(stage.shelf.take_wants().is_empty(), "what waits for the device is not asked for again");
    let outcome = stage.tick();
    assert_eq!((stage.viewer.missing(), outcome.wake_at), (0, None));
}

#[test]
fn what_waits_for_the_device_is_dropped_when_the_view_turns_away() {
    let mut stage = crowded();
    let wanted = stage.wanted.clone();
    stage.try_tick(arrivals(&wanted)).unwrap();
    stage.intend("dims", "z", "index", json!(0)).tick();
    let uploads = stage.device.uploads;
    stage.after(1).tick();
    assert_eq!(stage.device.uploads, uploads);
    assert!(stage.wanted.iter().all(|key| key.plane.index[1] == 0));
}

#[test]
fn decoded_tiles_beyond_what_a_tick_takes_are_taken_by_the_next_and_not_asked_for() {
    let mut stage = noted(8, PLENTY);
    stage.settle().shelf.decode(|key| key.plane.level == 0);
    stage.intend("multiscale", "main", "level", json!(0));
    let before = stage.device.uploads;
    let outcome = stage.tick();
    assert_eq!((stage.device.uploads - before) as u64 * TILE_BYTES, 16 << 20);
    assert_eq!((outcome.wake_at, stage.viewer.missing()), (Some(stage.now), 512 - 256));
    assert!(stage.wanted.is_empty(), "{} asked for", stage.wanted.len());
    stage.tick();
    assert_eq!((stage.viewer.missing(), stage.wanted.len()), (0, 0));
}

#[test]
fn what_stands_in_is_asked_for_first_and_only_where_nothing_does() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    // Another slice, of which nothing is there: the coarsest level costs a sixteenth.
    stage.intend("multiscale", "main", "level", json!(0)).tick();
    stage.tick_delivered();
    stage.intend("dims", "z", "index", json!(1)).tick();
    let wants = stage.shelf.last_wants();
    let (coarse, fine) = wants.split_at(4);
    assert!(coarse.iter().all(|want| (want.goal.piece().level(), want.class) == (2, Class::Visible)), "{coarse:?}");
    assert!(fine.len() == 64 && fine.iter().all(|want| (want.goal.piece().level(), want.class) == (0, Class::Finer)));
    let coarse: Vec<TileKey> = coarse.iter().map(key).collect();
    assert!(stage.try_tick(arrivals(&coarse)).unwrap().drawn);
    assert!(stage.shelf.take_wants().is_empty(), "the others were asked for in the right order");
    // In a corner one tile lacks: a tile of another level would cost as much.
    let fine: Vec<TileKey> = fine.iter().map(key).filter(|key| (key.ty, key.tx) != (0, 0)).collect();
    stage.try_tick(arrivals(&fine)).unwrap();
    assert_eq!(stage.viewer.missing(), 1);
}

#[test]
fn a_hole_as_cheap_as_its_stand_in_is_asked_for_at_once() {
    let mut stage = noted(1, PLENTY);
    stage.settle().intend("dims", "z", "index", json!(2));
    // 200 samples in the middle of a tile: one tile on each level.
    stage.show([900.0, 900.0, 100.0, 100.0]).tick();
    let wants = stage.shelf.last_wants();
    assert_eq!(wants.len(), 1, "{wants:?}");
    assert_eq!((wants[0].goal.piece().level(), wants[0].class), (0, Class::Visible));
}
