//! Contrast windows for layers whose file names none: percentiles of the middle of the coarsest level's first plane.

use nc_core::data::contrast::percentile_window;
use nc_core::data::{Footprint, TILE, TileKey};
use nc_core::exchange::Signal;
use nc_core::scene::Dataset;
use nc_store::{Arrival, Image, Loader, ViewId, Want};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples looked at per side, at most.
const EDGE: u32 = 4 * TILE;
/// Tiles that hold them, at most: the window may begin within a tile.
const MOST_TILES: usize = ((EDGE / TILE + 1) * (EDGE / TILE + 1)) as usize;
/// Longest wait for them; a slow store must not hold up the start.
const PATIENCE: Duration = Duration::from_secs(5);

/// A window per layer. Layers whose file has one, or whose samples did not come in time, get `(0, 1)` or the type's range.
pub(crate) fn windows(dataset: &Dataset, image: &Image, loader: &Loader, view: ViewId) -> Vec<(f64, f64)> {
    let fallback = dataset.image.dtype.integer_range().unwrap_or((0.0, 1.0));
    let mut windows = vec![fallback; dataset.layers.len()];
    let wants: Vec<(usize, Vec<TileKey>)> = dataset
        .layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| dataset.channel(layer).and_then(|c| c.window).is_none())
        .map(|(index, _)| (index, middle_tiles(dataset, index)))
        .collect();
    let all: Vec<TileKey> = wants.iter().flat_map(|(_, tiles)| tiles.iter().copied()).collect();
    if all.is_empty() {
        return windows;
    }
    let samples = read(image, loader, view, &all);
    for (index, tiles) in wants {
        let values: Vec<f32> =
            samples.iter().filter(|(key, _)| tiles.contains(key)).flat_map(|(_, v)| v.iter().copied()).collect();
        if !values.is_empty() {
            windows[index] = percentile_window(&values);
        }
    }
    windows
}

fn middle_tiles(dataset: &Dataset, layer: usize) -> Vec<TileKey> {
    let (level, row, col) = (dataset.level_count() - 1, dataset.ndim() - 2, dataset.ndim() - 1);
    let plane = dataset.plane(&dataset.layers[layer], level, row, col, &dataset.initial_step());
    let middle = |dim: usize| {
        let len = dataset.sample_axis(level, dim).len;
        let start = (len / 2).saturating_sub(EDGE / 2);
        (start, (start + EDGE).min(len))
    };
    let ((x0, x1), (y0, y1)) = (middle(col), middle(row));
    Footprint { x0, x1, y0, y1 }.tiles(MOST_TILES).into_iter().map(|(ty, tx)| TileKey { plane, ty, tx }).collect()
}

/// Waits for the tiles, or what there is of them when patience ends. Tiles with a damaged chunk are left out.
fn read(image: &Image, loader: &Loader, view: ViewId, wants: &[TileKey]) -> Vec<(TileKey, Vec<f32>)> {
    let signal = Arc::new(Signal::default());
    let wake = signal.clone();
    loader.attach(view, Arc::new(move || wake.notify()));
    let visible: Vec<Want> = wants.iter().map(|&key| Want::visible(key)).collect();
    loader.want(view, std::slice::from_ref(image), &visible);
    let deadline = Instant::now() + PATIENCE;
    let mut read = Vec::new();
    let mut damaged = HashSet::new();
    while read.len() < wants.len() && Instant::now() < deadline {
        for arrival in loader.take_arrivals(view) {
            match arrival {
                Arrival::Tile { key, tile, .. } => {
                    read.push((key, (0..tile.samples.len()).map(|i| tile.samples.get(i)).collect()))
                }
                Arrival::Fault { key, .. } => {
                    damaged.insert(key);
                }
                Arrival::Overview { .. } => {}
            }
        }
        if read.len() < wants.len() {
            signal.wait(Some(deadline), Instant::now);
        }
    }
    loader.detach(view);
    read.retain(|(key, _)| !damaged.contains(key));
    read
}
