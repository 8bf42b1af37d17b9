//! The canvas takes another size, in virtual time.

use crate::stand::{CANVAS, TILE_BYTES};
use crate::turns::{PLENTY, noted};
use nc_core::data::CanvasSize;
use serde_json::json;
use std::time::Duration;

fn size(width: u32, height: u32) -> CanvasSize {
    CanvasSize { width, height }
}

#[test]
fn a_size_is_drawn_when_it_has_settled_and_shows_the_same_place() {
    let mut noted = noted(1, PLENTY);
    noted.settle();
    let before = noted.view();
    noted.intend("view", "main", "canvas_size", json!([CANVAS.width / 2, CANVAS.height]));
    let outcome = noted.tick();
    assert_eq!((noted.view().canvas, outcome.drawn), (CANVAS, false), "not yet");
    assert_eq!(outcome.wake_at, Some(noted.now + Duration::from_millis(150)));
    assert_eq!(noted.open_ops(), 0, "the answer does not wait for the picture");
    noted.after(100).intend("view", "main", "canvas_size", json!([CANVAS.width / 2 + 1, CANVAS.height * 2]));
    noted.tick();
    assert!(!noted.after(100).tick().drawn, "asked for anew");
    let wanted = size(CANVAS.width / 2, CANVAS.height * 2);
    assert!(noted.after(50).tick().drawn);
    assert_eq!((noted.view().canvas, noted.ledger.state().canvas), (wanted, wanted));
    assert_eq!(noted.device.passes.last().unwrap().canvas, wanted);
    assert_eq!(noted.view().plane.rect, before.plane.rect, "the rectangle to show is the same, the canvas widens it otherwise");
}

#[test]
fn two_changes_a_second_at_most() {
    let mut noted = noted(1, 100 * TILE_BYTES);
    noted.settle();
    let mut drawn = Vec::new();
    for ms in 0..200u64 {
        noted.after(10);
        if ms % 20 == 0 {
            noted.intend("view", "main", "canvas_size", json!([100 + 2 * ms, 100]));
        }
        let before = noted.view().canvas;
        noted.tick();
        if noted.view().canvas != before {
            drawn.push(ms * 10);
        }
    }
    assert!(drawn.len() == 4 && drawn.windows(2).all(|pair| pair[1] - pair[0] >= 500), "{drawn:?}");
}

#[test]
fn another_dataset_keeps_the_canvas() {
    let mut noted = noted(1, PLENTY);
    noted.settle();
    noted.intend("view", "main", "canvas_size", json!([100, 100])).after(0);
    noted.tick();
    noted.after(150).settle();
    assert_eq!(noted.view().canvas, size(100, 100));
    let seed = crate::stand::seed(crate::stand::dataset(2));
    noted.ledger.replace(seed, None, noted.now, noted.now).unwrap();
    assert_eq!((noted.view().canvas, noted.ledger.state().canvas), (size(100, 100), size(100, 100)));
    noted.settle();
    assert_eq!(noted.view().canvas, size(100, 100));
}
