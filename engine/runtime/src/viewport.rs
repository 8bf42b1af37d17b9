//! The planner of 2D: for every visible layer, which planes can show it and which tiles those need. Pure but for marking tiles
//! as used.
//!
//! Where tiles of the level are not resident there is a **hole**, and something else stands in, pixel by pixel: another level of the
//! same step. What covers the hole soonest is asked for first, the coarsest level and then the one two levels coarser, each only where
//! nothing as good is resident and where it costs at most half of the chunks; the tiles of the level itself follow as
//! [`Class::Finer`]. Stand-ins that would cost more are taken where their chunks are decoded already.

use crate::residency::Residency;
use nc_core::data::{Coloring, FILTER_MARGIN, Footprint, Rect, SampleAxis, TILE, TileKey, Transfer};
use nc_core::ledger::{LayerState, State};
use nc_core::scene::{Dataset, LayerImage};
use nc_gpu::api::{SliceLayer, SlicePass, SlicePlane};
use nc_store::Class;
use std::collections::HashSet;

/// Levels that a stand-in may be coarser and still be taken for the picture.
pub(crate) const STAND_IN: usize = 2;
/// Finer levels than this many below the target are no stand-ins: too many samples per pixel.
const FINER_STAND_INS: usize = 2;

/// What to draw and what to load for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewportPlan {
    /// The picture that can be drawn now.
    pub pass: SlicePass,
    /// Tiles that are needed and not resident, most urgent first.
    pub missing: Vec<Missing>,
    /// Whether every visible layer that meets the view has something of its present step to show.
    pub presentable: bool,
    /// Whether the level needs more tiles than the budget holds, so that only the middle of the view is drawn from it.
    pub cropped: bool,
}

/// A tile that is needed and not resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub key: TileKey,
    /// [`Class::Visible`] if nothing as good stands in, else [`Class::Finer`]. `None` if it is not worth loading: it is taken only if
    /// its chunks are decoded.
    pub class: Option<Class>,
    /// Whether it is to stand in for tiles of the level.
    pub stands_in: bool,
}

/// A layer's target plane and the tiles of it in view.
struct Target {
    plane: SlicePlane,
    tiles: Vec<TileKey>,
    cropped: bool,
}

/// Plans the picture of `shown` (already of the canvas's aspect) at `level`, of which `region` is loaded: at least what is shown.
pub fn plan(
    state: &State,
    dataset: &Dataset,
    shown: Rect,
    level: usize,
    region: Footprint,
    residency: &mut Residency,
) -> ViewportPlan {
    let mut layers = Vec::new();
    let mut missing: Vec<Vec<Missing>> = Vec::new();
    let mut bridges: Vec<Missing> = Vec::new();
    let mut presentable = true;
    let share = layer_share(state, residency.budget(), dataset);
    let mut cropped = false;
    let (row, col) = state.plane_dims();
    for layer in state.layers.iter().filter(|layer| layer.controls.visible) {
        let image = dataset.layer_image(&layer.spec);
        let level = image.level_for(level, &[row, col]);
        // Of a label image without a plane here nothing is drawn.
        let Some(wanted) = target(state, &image, layer, level, (region, shown), share) else { continue };
        cropped |= wanted.cropped;
        let absent: Vec<TileKey> = wanted.tiles.iter().filter(|k| !residency.touch(k)).copied().collect();
        let mut planes = vec![wanted.plane];
        let mut anything = absent.len() < wanted.tiles.len();
        let mut class = Class::Visible;
        if let Some(hole) = hole(&wanted.plane, &absent, shown) {
            let of = Hole { state, image, level, rect: hole, share };
            let filled = fill(&of, &absent, residency);
            anything |= !filled.planes.is_empty();
            planes.extend(filled.planes);
            if filled.covered || filled.missing.iter().any(|missing| missing.class.is_some()) {
                class = Class::Finer;
            }
            bridges.extend(filled.missing);
        }
        presentable &= anything || wanted.tiles.is_empty();
        missing.push(absent.into_iter().map(|key| Missing { key, class: Some(class), stands_in: false }).collect());
        layers.push(slice_layer(layer, planes));
    }
    let limit = tile_limit(residency.budget(), dataset);
    let missing = bridges.into_iter().chain(interleaved(missing)).take(limit).collect();
    ViewportPlan { pass: SlicePass { canvas: state.canvas, view: shown, layers }, missing, presentable, cropped }
}

/// Where tiles of a layer's level are not resident.
struct Hole<'a> {
    state: &'a State,
    image: LayerImage<'a>,
    level: usize,
    rect: Rect,
    share: usize,
}

/// What stands in for a hole.
struct Filled {
    /// Resident planes, in order of preference.
    planes: Vec<SlicePlane>,
    /// Whether one of them shows all of it.
    covered: bool,
    /// What to ask for to fill it soon, coarsest first.
    missing: Vec<Missing>,
}

/// Finds what is resident of other levels, and what of them to ask for, in place of `absent` tiles.
fn fill(hole: &Hole<'_>, absent: &[TileKey], residency: &mut Residency) -> Filled {
    let Hole { state, ref image, level, rect, share } = *hole;
    let (row, col) = state.plane_dims();
    let coarsest = image.level_count() - 1;
    let bridge = (level + STAND_IN).min(coarsest);
    let mut filled = Filled { planes: Vec::new(), covered: false, missing: Vec::new() };
    // Whether one that is at most two levels coarser shows all of it.
    let mut closely = false;
    let mut asked = Vec::new();
    for stand_in in stand_ins(level, coarsest) {
        let Some(plane) = slice_plane(state, image, stand_in) else { continue };
        let key = plane.key;
        let resident = residency.has_plane(&key);
        let asks = stand_in > level && (stand_in == bridge || stand_in == coarsest);
        if !resident && !asks {
            continue;
        }
        // A pixel beside the hole may lack a tap in it, so a little more than the hole is to be covered.
        let tiles = Footprint::of(rect, plane.x, plane.y, FILTER_MARGIN + 1).tiles(share);
        let keys = tiles.into_iter().map(|(ty, tx)| TileKey { plane: key, ty, tx });
        let (there, lacking): (Vec<TileKey>, Vec<TileKey>) = keys.partition(|k| residency.touch(k));
        if !there.is_empty() {
            filled.planes.push(plane);
        }
        filled.covered |= lacking.is_empty();
        closely |= lacking.is_empty() && stand_in <= bridge;
        if asks {
            asked.push((stand_in, lacking));
        }
    }
    let cost = |level: usize, tiles: &[TileKey]| {
        let at: Vec<(u32, u32)> = tiles.iter().map(|key| (key.ty, key.tx)).collect();
        chunks_under(image, level, (row, col), &at)
    };
    for (stand_in, lacking) in asked.into_iter().rev() {
        let settled = if stand_in == bridge { closely } else { filled.covered };
        if !settled {
            let class = (2 * cost(stand_in, &lacking) <= cost(level, absent)).then_some(Class::Visible);
            filled.missing.extend(lacking.into_iter().map(|key| Missing { key, class, stands_in: true }));
        }
    }
    filled
}

/// The part of the view under tiles of a plane, in world units; `None` if there are none.
fn hole(plane: &SlicePlane, tiles: &[TileKey], shown: Rect) -> Option<Rect> {
    let span = |at: fn(&TileKey) -> u32| Some((tiles.iter().map(at).min()?, tiles.iter().map(at).max()?));
    // Half a sample beyond the first and last centre, cut where the view ends.
    let side = |axis: SampleAxis, (first, last): (u32, u32), from: f64, length: f64| {
        let edge = |sample: f64| (sample - 0.5) * axis.scale + axis.translate;
        let (a, b) = (edge(f64::from(first) * f64::from(TILE)), edge((f64::from(last) + 1.0) * f64::from(TILE)));
        let start = a.min(b).max(from);
        (start, (a.max(b).min(from + length) - start).max(0.0))
    };
    let (left, width) = side(plane.x, span(|t| t.tx)?, shown.left, shown.width);
    let (bottom, height) = side(plane.y, span(|t| t.ty)?, shown.bottom, shown.height);
    Some(Rect { left, bottom, width, height })
}

/// How many chunks of a plane (of dims `row` and `col`) of the level lie under the box of these tiles.
pub(crate) fn chunks_under(image: &LayerImage<'_>, level: usize, (row, col): (usize, usize), tiles: &[(u32, u32)]) -> u64 {
    let along = |dim: usize, at: fn(&(u32, u32)) -> u32| {
        let Some((first, last)) = tiles.iter().map(at).min().zip(tiles.iter().map(at).max()) else { return 0 };
        let chunk = image.chunk_edge(level, dim);
        let len = u64::from(image.sample_axis(level, dim).map_or(1, |axis| axis.len));
        let end = ((u64::from(last) + 1) * u64::from(TILE)).clamp(1, len.max(1));
        ((end - 1) / chunk).saturating_sub(u64::from(first) * u64::from(TILE) / chunk) + 1
    };
    along(row, |tile| tile.0).saturating_mul(along(col, |tile| tile.1))
}

/// Whether all visible layers of each level fit `budget` bytes of tiles when `shown` fills the canvas. A level needs room for twice
/// its tiles, so that the next step can be loaded while this one is shown.
pub fn levels_that_fit(state: &State, dataset: &Dataset, shown: Rect, budget: u64) -> Vec<bool> {
    let visible = state.layers.iter().filter(|l| l.controls.visible).count().max(1) as u64;
    let limit = tile_limit(budget, dataset) as u64;
    let (row, col) = state.plane_dims();
    (0..dataset.level_count())
        .map(|level| {
            let footprint = Footprint::of(shown, dataset.sample_axis(level, col), dataset.sample_axis(level, row), FILTER_MARGIN);
            let (w, h) = footprint.size();
            let tiles = u64::from(w / TILE + 2) * u64::from(h / TILE + 2);
            2 * visible * tiles <= limit.max(2 * visible * 4)
        })
        .collect()
}

/// How many tiles of this dataset the budget holds.
fn tile_limit(budget: u64, dataset: &Dataset) -> usize {
    let bytes = u64::from(TILE) * u64::from(TILE) * dataset.sample_bytes() as u64;
    usize::try_from(budget / bytes).unwrap_or(usize::MAX).max(1)
}

/// How many tiles one plane of each visible layer may take, so that all that a picture needs stays resident together.
pub(crate) fn layer_share(state: &State, budget: u64, dataset: &Dataset) -> usize {
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
fn interleaved(lists: Vec<Vec<Missing>>) -> Vec<Missing> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut seen = HashSet::new();
    let mut out: Vec<Missing> = (0..longest).flat_map(|i| lists.iter().filter_map(move |l| l.get(i).copied())).collect();
    out.retain(|missing| seen.insert(missing.key));
    out
}

/// What of `image` at `level` the picture needs. `region`: what of the dataset's image is loaded, and what is shown.
fn target(
    state: &State,
    image: &LayerImage<'_>,
    layer: &LayerState,
    level: usize,
    (region, shown): (Footprint, Rect),
    most: usize,
) -> Option<Target> {
    let plane = slice_plane(state, image, level)?;
    // The region counts samples of the dataset's image.
    let own = layer.spec.label_image.is_some();
    let region = if own { Footprint::of(shown, plane.x, plane.y, FILTER_MARGIN + layer.controls.contour) } else { region };
    let tiles = region.tiles(most).into_iter().map(|(ty, tx)| TileKey { plane: plane.key, ty, tx }).collect();
    Some(Target { plane, tiles, cropped: region.tile_count() > most as u64 })
}

/// The plane of `image` at `level` that is shown; `None` if it has none here.
fn slice_plane(state: &State, image: &LayerImage<'_>, level: usize) -> Option<SlicePlane> {
    let (row, col) = state.plane_dims();
    let key = image.plane(level, row, col, state.dims.step.get())?;
    Some(SlicePlane { key, x: image.sample_axis(level, col)?, y: image.sample_axis(level, row)? })
}

fn slice_layer(layer: &LayerState, planes: Vec<SlicePlane>) -> SliceLayer {
    let c = &layer.controls;
    SliceLayer {
        planes,
        interpolation: c.interpolation,
        coloring: coloring(layer),
        contour: c.contour,
        opacity: c.opacity as f32,
        blending: c.blending,
    }
}

/// How the samples of a layer become colours.
pub(crate) fn coloring(layer: &LayerState) -> Coloring {
    let c = &layer.controls;
    match &layer.spec.labels {
        Some(labels) => Coloring::Labels(labels.clone()),
        None => Coloring::Scalar(Transfer {
            limits: (c.contrast_limits.0 as f32, c.contrast_limits.1 as f32),
            gamma: c.gamma as f32,
            table: c.colormap.clone(),
        }),
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
