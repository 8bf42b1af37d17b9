//! What holds of any 2D picture, on both devices.

mod common;

use common::*;
use nc_core::data::*;
use nc_gpu::api::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Runs cases that are the same on every run.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng);
    runner.run(&strategy, test).expect("it holds");
}

/// Four planes of different samples.
fn planes() -> Vec<Plane> {
    let noise = |n: u32, x: u32, y: u32| ((x * 37 + y * 101 + n * 53) % 251) as u16 * ((x / 5 + y / 3 + n) % 3) as u16;
    (0..4).map(|n| Plane::u16(n, 60, 50, |x, y| noise(n, x, y))).collect()
}

fn uploaded(planes: &[Plane]) -> [std::cell::RefCell<Box<dyn RenderDevice>>; 2] {
    both().map(|mut device| {
        planes.iter().for_each(|plane| plane.upload(&mut *device));
        std::cell::RefCell::new(device)
    })
}

/// Layers may come in any order where their blending commutes. Sums that round at every layer may differ by a level where a layer
/// is weighed with its opacity.
#[test]
fn the_order_of_layers_that_commute_does_not_matter() {
    let (planes, maps) = (planes(), ["gray", "red", "bop blue", "viridis"]);
    let devices = uploaded(&planes);
    let blending = prop_oneof![Just(Blending::Additive), Just(Blending::Minimum)];
    let order = Just(vec![0usize, 1, 2, 3]).prop_shuffle();
    let layers = prop::collection::vec((20.0f32..500.0, 0.1f32..1.0, prop::sample::select(FILTERS.to_vec())), 4);
    check(24, (blending, order, layers), |(blending, order, layers)| {
        let layer = |i: usize| {
            let (top, opacity, filter) = layers[i];
            let table = colormap::named(maps[i]).expect("a map");
            let coloring = Coloring::Scalar(Transfer { limits: (0.0, top), gamma: 1.0, table });
            SliceLayer { coloring, opacity, blending, ..gray(vec![planes[i].at((0.0, 0.0), 1.0)], filter, top) }
        };
        for device in &devices {
            let drawn = |order: &[usize]| {
                draw(
                    &mut **device.borrow_mut(),
                    &pass((70, 60), (3.0, 2.0, 50.0, 43.0), order.iter().map(|i| layer(*i)).collect()),
                )
            };
            let (a, b) = (drawn(&[0, 1, 2, 3]), drawn(&order));
            prop_assert!(largest_difference(&a, &b) == 0, "off by {} in order {:?}", largest_difference(&a, &b), order);
        }
        Ok(())
    });
}

/// Raising a limit never brightens a gray picture, and neither does raising gamma.
#[test]
fn limits_and_gamma_are_monotone() {
    let planes = planes();
    let devices = uploaded(&planes);
    let filter = prop::sample::select(FILTERS.to_vec());
    let shape = (0.0f32..200.0, 10.0f32..400.0, 0.2f32..3.0);
    let change = (0.0f32..60.0, 0.0f32..60.0, 0.0f32..1.0);
    check(40, (filter, shape, change), |(filter, (lo, extent, gamma), (up_lo, up_hi, up_gamma))| {
        let up_lo = up_lo.min(extent - 1.0);
        for device in &devices {
            let drawn = |limits: (f32, f32), gamma| {
                let table = colormap::named("gray").expect("a map");
                let mut layer = gray(vec![planes[0].at((0.0, 0.0), 1.0)], filter, 1.0);
                layer.coloring = Coloring::Scalar(Transfer { limits, gamma, table });
                draw(&mut **device.borrow_mut(), &pass((64, 48), (1.3, 2.1, 40.0, 30.0), vec![layer]))
            };
            let before = drawn((lo, lo + extent), gamma);
            for (what, after) in [
                ("lower limit", drawn((lo + up_lo, lo + extent), gamma)),
                ("upper limit", drawn((lo, lo + extent + up_hi), gamma)),
                ("gamma", drawn((lo, lo + extent), gamma + up_gamma)),
            ] {
                let brighter = before.iter().zip(&after).filter(|(a, b)| b[0] > a[0]).count();
                prop_assert!(brighter == 0, "{} pixels are brighter with a greater {}", brighter, what);
            }
        }
        Ok(())
    });
}

/// An edge at world x = 128, in levels that halve the resolution: sample `i` of level `n` has its centre at `i 2^n + (2^n - 1) / 2`.
#[test]
fn every_level_shows_an_edge_at_the_same_place() {
    for mut device in both() {
        for level in 0..5u32 {
            let (factor, edge) = (2u32.pow(level), 128u32);
            let (offset, scale) = ((f64::from(factor) - 1.0) / 2.0, f64::from(factor));
            // The edge lies between two samples of every level, half a sample from each.
            let plane = Plane::u16(level, 512 / factor, 64 / factor, |x, _| if x * factor >= edge { 255 } else { 0 });
            plane.upload(&mut *device);
            let border = f64::from(edge) - 0.5;
            for filter in FILTERS {
                for pixel in [0.25, 0.4, 1.0] {
                    // Pixel borders on the edge, whatever the level.
                    let (left, width) = (border - 100.0 * pixel, 200.0 * pixel);
                    let layers = vec![gray(vec![plane.at((offset, offset), scale)], filter, 255.0)];
                    let picture = draw(&mut *device, &pass((200, 2), (left, 20.0, width, 2.0 * pixel), layers));
                    let row: Vec<u8> = picture[..200].iter().map(|p| p[0]).collect();
                    let lit = row.iter().position(|v| *v >= 128).expect("an edge");
                    assert_eq!(lit, 100, "{:?} {filter:?}, level {level}, {pixel} a pixel", device.info().kind);
                }
            }
        }
    }
}
