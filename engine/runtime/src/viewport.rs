//! The planner of 2D: for every visible layer, which planes can show it and which tiles those need. Pure but for marking tiles
//! as used.

use crate::residency::Residency;
use nc_core::data::{Footprint, Rect, SampleFormat, TILE, TileKey, Transfer};
use nc_core::ledger::{LayerState, State};
use nc_core::scene::Dataset;
use nc_gpu::api::{SliceLayer, SlicePass, SlicePlane};
use std::collections::HashSet;

/// Finer levels than this many below the target are no stand-ins: too many samples per pixel.
const FINER_STAND_INS: usize = 2;

/// What to draw and what to load for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewportPlan {
    /// The picture that can be drawn now.
    pub pass: SlicePass,
    /// Tiles that are needed and not resident, most urgent first.
    pub missing: Vec<TileKey>,
    /// Whether every visible layer that meets the view has something of its present step to show.
    pub presentable: bool,
    /// Whether the level needs more tiles than the budget holds, so that only the middle of the view is drawn from it.
    pub cropped: bool,
}

/// A layer's target plane and the tiles of it in view.
struct Target {
    plane: SlicePlane,
    tiles: Vec<TileKey>,
    cropped: bool,
}

/// Plans the picture of `shown` (already of the canvas's aspect) at `level`.
pub fn plan(state: &State, dataset: &Dataset, shown: Rect, level: usize, residency: &mut Residency) -> ViewportPlan {
    let mut layers = Vec::new();
    let mut missing: Vec<Vec<TileKey>> = Vec::new();
    let mut coarse: Vec<TileKey> = Vec::new();
    let mut presentable = true;
    let coarsest = dataset.level_count() - 1;
    let (row, col) = state.plane_dims();
    let share = layer_share(state, residency.budget(), dataset);
    let mut cropped = false;
    for (index, layer) in state.layers.iter().enumerate().filter(|(_, l)| l.controls.visible) {
        let at = |level: usize| target(state, dataset, index, level, shown, share);
        let wanted = at(level);
        cropped |= wanted.cropped;
        let absent: Vec<TileKey> = wanted.tiles.iter().filter(|k| !residency.touch(k)).copied().collect();
        let mut planes = vec![wanted.plane];
        let mut anything = absent.len() < wanted.tiles.len();
        if !absent.is_empty() {
            for stand_in in stand_ins(level, coarsest) {
                let other = dataset.plane(&dataset.layers[index], stand_in, row, col, state.dims.step.get());
                if !residency.has_plane(&other) && stand_in != coarsest {
                    continue;
                }
                let other = at(stand_in);
                let resident = other.tiles.iter().filter(|k| residency.touch(k)).count();
                if resident > 0 {
                    anything = true;
                    planes.push(other.plane);
                }
                if stand_in == coarsest && resident < other.tiles.len() {
                    coarse.extend(other.tiles.iter().filter(|k| !residency.touch(k)));
                }
            }
        }
        presentable &= anything || wanted.tiles.is_empty();
        missing.push(absent);
        layers.push(slice_layer(layer, planes));
    }
    let limit = tile_limit(residency.budget(), dataset);
    let missing = coarse.into_iter().chain(interleaved(missing)).take(limit).collect();
    ViewportPlan { pass: SlicePass { canvas: state.canvas, view: shown, layers }, missing, presentable, cropped }
}

/// Whether all visible layers of each level fit `budget` bytes of tiles when `shown` fills the canvas. A level needs room for twice
/// its tiles, so that the next step can be loaded while this one is shown.
pub fn levels_that_fit(state: &State, dataset: &Dataset, shown: Rect, budget: u64) -> Vec<bool> {
    let visible = state.layers.iter().filter(|l| l.controls.visible).count().max(1) as u64;
    let limit = tile_limit(budget, dataset) as u64;
    let (row, col) = state.plane_dims();
    (0..dataset.level_count())
        .map(|level| {
            let footprint = Footprint::of(shown, dataset.sample_axis(level, col), dataset.sample_axis(level, row), 1);
            let (w, h) = footprint.size();
            let tiles = u64::from(w / TILE + 2) * u64::from(h / TILE + 2);
            2 * visible * tiles <= limit.max(2 * visible * 4)
        })
        .collect()
}

/// How many tiles of this dataset the budget holds.
fn tile_limit(budget: u64, dataset: &Dataset) -> usize {
    let bytes = u64::from(TILE) * u64::from(TILE) * SampleFormat::of(dataset.image.dtype).size() as u64;
    usize::try_from(budget / bytes).unwrap_or(usize::MAX).max(1)
}

/// How many tiles one plane of each visible layer may take, so that all that a picture needs stays resident together.
fn layer_share(state: &State, budget: u64, dataset: &Dataset) -> usize {
    let visible = state.layers.iter().filter(|l| l.controls.visible).count().max(1);
    (tile_limit(budget, dataset) * 9 / 10 / visible).max(1)
}

/// Other levels in order of preference: nearest first, the finer of two equally near first.
fn stand_ins(level: usize, coarsest: usize) -> impl Iterator<Item = usize> {
    (1..=coarsest.max(level)).flat_map(move |d| {
        let finer = if d <= FINER_STAND_INS { level.checked_sub(d) } else { None };
        let coarser = Some(level + d).filter(|&l| l <= coarsest);
        [finer, coarser].into_iter().flatten()
    })
}

/// Takes from the lists in turn, so that all layers fill up together.
fn interleaved(lists: Vec<Vec<TileKey>>) -> Vec<TileKey> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut seen = HashSet::new();
    let mut out: Vec<TileKey> = (0..longest).flat_map(|i| lists.iter().filter_map(move |l| l.get(i).copied())).collect();
    out.retain(|key| seen.insert(*key));
    out
}

fn target(state: &State, dataset: &Dataset, layer: usize, level: usize, shown: Rect, most: usize) -> Target {
    let (row, col) = state.plane_dims();
    let (x, y) = (dataset.sample_axis(level, col), dataset.sample_axis(level, row));
    let key = dataset.plane(&dataset.layers[layer], level, row, col, state.dims.step.get());
    let footprint = Footprint::of(shown, x, y, 1);
    let tiles = footprint.tiles(most).into_iter().map(|(ty, tx)| TileKey { plane: key, ty, tx }).collect();
    Target { plane: SlicePlane { key, x, y }, tiles, cropped: footprint.tile_count() > most as u64 }
}

fn slice_layer(layer: &LayerState, planes: Vec<SlicePlane>) -> SliceLayer {
    let c = &layer.controls;
    SliceLayer {
        planes,
        interpolation: c.interpolation,
        transfer: Transfer {
            limits: (c.contrast_limits.0 as f32, c.contrast_limits.1 as f32),
            gamma: c.gamma as f32,
            table: c.colormap.clone(),
        },
        opacity: c.opacity as f32,
        blending: c.blending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_come_nearest_first() {
        assert_eq!(stand_ins(3, 5).collect::<Vec<_>>(), [2, 4, 1, 5]);
        assert_eq!(stand_ins(0, 2).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(stand_ins(0, 0).count(), 0);
    }
}
