//! Thumbnails: small pictures of layers for the clients' layer lists, made at rest and at most two a second.

use nc_core::data::{PlaneKey, Transfer};
use nc_core::ledger::{LayerState, State};
use nc_core::scene::Thumbnail;
use nc_store::Overview;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shortest time between two thumbnails.
const SPACING: Duration = Duration::from_millis(500);
/// How long the scene must not have changed.
const REST: Duration = Duration::from_millis(250);

/// What a thumbnail was made from.
#[derive(Debug, Clone, PartialEq)]
struct Recipe {
    plane: PlaneKey,
    limits: (f64, f64),
    gamma: f64,
    colormap: String,
}

/// What to do about thumbnails now.
#[derive(Debug, PartialEq)]
pub enum ThumbnailWork {
    /// Ask for this overview.
    Request(PlaneKey),
    /// Commit this thumbnail for the layer at that index.
    Ready(usize, Arc<Thumbnail>),
    /// Nothing before that time; `None` is never, as far as can be told now.
    Wait(Option<Instant>),
}

/// Keeps track of which thumbnails are out of date.
#[derive(Debug, Default)]
pub struct Thumbnails {
    made: HashMap<usize, Recipe>,
    overviews: HashMap<PlaneKey, Arc<Overview>>,
    asked: Option<PlaneKey>,
    last: Option<Instant>,
}

impl Thumbnails {
    /// Takes an overview that was asked for; `None` if it could not be read, which leaves the old thumbnail.
    pub fn overview(&mut self, plane: PlaneKey, overview: Option<Overview>) {
        self.asked = None;
        let empty = Overview { width: 0, height: 0, samples: Vec::new() };
        self.overviews.insert(plane, Arc::new(overview.unwrap_or(empty)));
    }

    /// The answer to the last request may never come; ask again.
    pub fn forget_request(&mut self) {
        self.asked = None;
    }

    /// What is due at `now`, when the scene last changed at `changed`.
    pub fn due(&mut self, state: &State, now: Instant, changed: Instant) -> ThumbnailWork {
        let recipes: Vec<Recipe> = (0..state.layers.len()).filter_map(|i| recipe(state, i)).collect();
        self.overviews.retain(|plane, _| recipes.iter().any(|r| r.plane == *plane));
        // Layers that are drawn come first: of many channels, most are often hidden.
        let outdated = |i: &usize| self.made.get(i) != Some(&recipes[*i]);
        let shown = |i: &usize| state.layers[*i].controls.visible;
        let Some(index) = (0..recipes.len()).filter(outdated).min_by_key(|i| (!shown(i), *i)) else {
            return ThumbnailWork::Wait(None);
        };
        let ready_at = self.last.map_or(changed, |last| (last + SPACING).max(changed + REST));
        if now < ready_at {
            return ThumbnailWork::Wait(Some(ready_at));
        }
        let recipe = &recipes[index];
        match self.overviews.get(&recipe.plane) {
            Some(overview) => {
                let thumbnail = draw(overview, &state.layers[index]);
                self.made.insert(index, recipe.clone());
                self.last = Some(now);
                ThumbnailWork::Ready(index, Arc::new(thumbnail))
            }
            None if self.asked.is_some() => ThumbnailWork::Wait(None),
            None => {
                self.asked = Some(recipe.plane);
                ThumbnailWork::Request(recipe.plane)
            }
        }
    }
}

fn recipe(state: &State, index: usize) -> Option<Recipe> {
    let dataset = state.dataset.as_ref()?;
    let (row, col) = state.plane_dims();
    let coarsest = dataset.level_count() - 1;
    let plane = dataset.plane(dataset.layers.get(index)?, coarsest, row, col, state.dims.step.get());
    let c = &state.layers.get(index)?.controls;
    Some(Recipe { plane, limits: c.contrast_limits, gamma: c.gamma, colormap: c.colormap.name.clone() })
}

/// Fits the overview into the square, keeping its aspect, over black. Row 0 is the last data row: the top of the wire's picture.
fn draw(overview: &Overview, layer: &LayerState) -> Thumbnail {
    let mut thumbnail = Thumbnail::black();
    let (w, h) = (overview.width as usize, overview.height as usize);
    if w == 0 || h == 0 {
        return thumbnail;
    }
    let c = &layer.controls;
    let transfer = Transfer {
        limits: (c.contrast_limits.0 as f32, c.contrast_limits.1 as f32),
        gamma: c.gamma as f32,
        table: c.colormap.clone(),
    };
    let edge = Thumbnail::EDGE;
    let scale = edge as f64 / w.max(h) as f64;
    let (tw, th) = (((w as f64 * scale).round() as usize).clamp(1, edge), ((h as f64 * scale).round() as usize).clamp(1, edge));
    let (left, top) = ((edge - tw) / 2, (edge - th) / 2);
    for row in 0..th {
        for col in 0..tw {
            let value = overview.samples[(h - 1 - row * h / th) * w + col * w / tw];
            let [r, g, b, a] = transfer.color(value);
            let over_black = [r, g, b].map(|k| (k * a * 255.0).round() as u8);
            let at = ((top + row) * edge + left + col) * 4;
            thumbnail.rgba[at..at + 3].copy_from_slice(&over_black);
        }
    }
    thumbnail
}
