//! Pictures of which some tiles are there and others are not, at any place, slice and level.

use crate::stand::Recorder;
use crate::turns::{Loop, PLENTY, noted};
use nc_core::data::{Coloring, Rect, TILE, TileKey};
use nc_gpu::api::{SampleAxis, SliceLayer};
use proptest::prelude::*;
use serde_json::json;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Of the dataset's levels the last.
const COARSEST: u8 = 2;
const LIMITS: (f32, f32) = (20.0, 180.0);
/// Points along each side of the canvas that are looked at.
const POINTS: u32 = 24;

#[derive(Debug, Clone)]
enum Move {
    Show([f64; 4]),
    Slice(u64),
    Level(u64),
    Zoom(f64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let show = (0.0..2000.0, 0.0..2000.0, 4.0f64..11.0).prop_map(|(left, bottom, size)| {
        let edge = size.exp2();
        Move::Show([left, bottom, edge, edge])
    });
    let any = prop_oneof![
        3 => show,
        3 => (0..8u64).prop_map(Move::Slice),
        2 => (0..3u64).prop_map(Move::Level),
        1 => (0.2..5.0).prop_map(Move::Zoom),
    ];
    prop::collection::vec(any, 1..12)
}

fn go(stage: &mut Loop<Recorder>, to: &Move) {
    match to {
        Move::Show(rect) => stage.show(*rect),
        Move::Slice(z) => stage.intend("dims", "z", "index", json!(z)),
        Move::Level(level) => stage.intend("multiscale", "main", "level", json!(level)),
        Move::Zoom(factor) => stage.intend("camera", "main", "zoom", json!({"factor": factor, "anchor_px": [100.0, 300.0]})),
    };
}

/// The tile along an axis that has the sample at a place of the world; `None` beside the image.
fn tile_at(axis: SampleAxis, world: f64) -> Option<u32> {
    let sample = (world - axis.translate) / axis.scale;
    let inside = sample >= -0.5 && sample <= f64::from(axis.len) - 0.5;
    inside.then(|| sample.round().clamp(0.0, f64::from(axis.len - 1)) as u32 / TILE)
}

/// Whether a point that the layer covers is drawn from one of its planes.
fn is_drawn(device: &Recorder, layer: &SliceLayer, (x, y): (f64, f64)) -> bool {
    let covered = tile_at(layer.planes[0].x, x).is_some() && tile_at(layer.planes[0].y, y).is_some();
    !covered
        || layer.planes.iter().any(|plane| {
            let tile = |(ty, tx)| device.resident.contains(&TileKey { plane: plane.key, ty, tx });
            tile_at(plane.y, y).zip(tile_at(plane.x, x)).is_some_and(tile)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Tiles of finer levels are there or not, as `seed` has it; `part` of eight are.
    #[test]
    fn every_pixel_has_a_plane_where_the_coarsest_level_is_there(seed: u64, part in 0u64..=8, moves in moves()) {
        let mut stage = noted(2, PLENTY);
        let there = move |key: &TileKey| {
            let dice = BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, key));
            key.plane.level == COARSEST || dice % 8 < part
        };
        stage.shelf.decode(there);
        stage.intend("layer", "layer-0", "contrast_limits", json!([LIMITS.0, LIMITS.1]));
        for to in &moves {
            go(&mut stage, to);
            let outcome = stage.after(200).tick();
            prop_assert!(outcome.drawn || !stage.device.passes.is_empty());
            let pass = stage.device.passes.last().unwrap();
            let Rect { left, bottom, width, height } = pass.view;
            prop_assert!(!stage.view().downgraded, "there is room for every level");
            for layer in &pass.layers {
                for n in 0..POINTS * POINTS {
                    let part = |n: u32| (f64::from(n) + 0.5) / f64::from(POINTS);
                    let point = (left + width * part(n % POINTS), bottom + height * part(n / POINTS));
                    prop_assert!(is_drawn(&stage.device, layer, point), "{point:?} after {to:?}");
                }
            }
            let Coloring::Scalar(transfer) = &pass.layers[0].coloring else { panic!("a scale") };
            prop_assert_eq!(transfer.limits, LIMITS, "contrast is kept over levels");
        }
    }
}
