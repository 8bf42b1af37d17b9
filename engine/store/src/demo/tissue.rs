//! Where the cells of the demo are: one to a box of a jittered grid, inside the outline of an embryo with cavities. Micrometres.

use super::random::{self, Dice, smooth};

/// Edge of the grid's boxes: the typical distance of cells.
const SPACING: f32 = 15.0;
/// No part of a cell is farther from its centre.
pub(super) const REACH: f32 = 12.5;
/// Centre of the embryo along z, y and x.
const CENTER: [f32; 3] = [31.0, 256.0, 256.0];
/// Its half-axes.
const HALF: [f32; 3] = [70.0, 205.0, 236.0];
/// Where cells are dense: between the cavity and the outline.
pub(super) const DENSE: [f32; 3] = [31.0, 140.0, 256.0];
/// How far apart embryos lie; there are as many as an image has room for, no two alike.
const PERIOD: [f32; 3] = [200.0, 560.0, 620.0];
/// Salts of the independent random numbers.
const CELLS: u32 = 1;
const OUTLINE: u32 = 2;
const CAVITIES: u32 = 3;
const TERRITORIES: u32 = 4;

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// z, y, x.
    pub(super) center: [f32; 3],
    /// Starts the random numbers of everything inside it.
    pub(super) seed: u32,
    /// How much of the vesicle stain it has, 0 to 1: neighbours are alike.
    pub(super) activity: f32,
}

/// All cells that reach into the box from `low` to `high` (z, y, x).
pub(super) fn cells(low: [f32; 3], high: [f32; 3]) -> Vec<Cell> {
    let first = low.map(|v| ((v - REACH) / SPACING).floor() as i32);
    let last = high.map(|v| ((v + REACH) / SPACING).floor() as i32);
    let mut found = Vec::new();
    for z in first[0]..=last[0] {
        for y in first[1]..=last[1] {
            for x in first[2]..=last[2] {
                found.extend(cell(z, y, x));
            }
        }
    }
    found
}

/// The cell of a box of the grid, if tissue is there.
fn cell(z: i32, y: i32, x: i32) -> Option<Cell> {
    let seed = random::at(x, y, z, CELLS);
    let mut dice = Dice::new(seed);
    let center = [z, y, x].map(|i| (i as f32 + 0.5 + dice.between(-0.36, 0.36)) * SPACING);
    let depth = depth(center);
    (depth > 0.0).then(|| {
        let territory = smooth(center[2] / 70.0, center[1] / 70.0, center[0] / 50.0, TERRITORIES);
        let own = dice.roll();
        Cell { center, seed, activity: ((territory * 1.8 + own * 0.7 - 0.1).clamp(0.0, 1.0)) * (0.3 + 0.7 * own) }
    })
}

/// How far inside the tissue a point is, roughly; negative outside and in cavities.
pub(super) fn depth([z, y, x]: [f32; 3]) -> f32 {
    let from = [from_center(z, 0), from_center(y, 1), from_center(x, 2)];
    let r = [from[0] / HALF[0], from[1] / HALF[1], from[2] / HALF[2]];
    let radius = (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).sqrt();
    let ripple = 0.07 * smooth(x / 90.0, y / 90.0, z / 90.0, OUTLINE) + 0.03 * smooth(x / 35.0, y / 35.0, z / 35.0, OUTLINE);
    let inside = (1.0 + ripple - radius) * HALF[1];
    // The cavity bends around the centre; a ridge of noise opens smaller ones. The outer two cell layers stay closed.
    let bend = 26.0 * (from[2] / 95.0).sin();
    let c = [from[0] / 34.0, (from[1] - bend) / 42.0, from[2] / 116.0];
    let cavity = (1.0 - (c[0] * c[0] + c[1] * c[1] + c[2] * c[2]).sqrt()) * 42.0;
    let holes = (smooth(x / 62.0, y / 62.0, z / 48.0, CAVITIES) - 0.42) * 60.0;
    let holes = if inside > 40.0 { holes } else { f32::NEG_INFINITY };
    inside.min(-cavity.max(holes))
}

/// How far a position along an axis is from the centre of the nearest embryo.
fn from_center(at: f32, axis: usize) -> f32 {
    let (from, period) = (at - CENTER[axis], PERIOD[axis]);
    // Near the first one nothing is computed, so that nothing is rounded.
    if from.abs() <= period / 2.0 { from } else { (from + period / 2.0).rem_euclid(period) - period / 2.0 }
}
