//! Thumbnails: small pictures of layers for the clients' layer lists, made at rest and at most two a second.

use crate::viewport::coloring;
use nc_core::data::{Coloring, PlaneKey};
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
    coloring: Coloring,
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
        let recipes: Vec<Option<Recipe>> = state.layers.iter().map(|layer| recipe(state, layer)).collect();
        self.overviews.retain(|plane, _| recipes.iter().flatten().any(|r| r.plane == *plane));
        // Layers that are drawn come first: of many channels, most are often hidden.
        let outdated = |i: &usize| recipes[*i].is_some() && self.made.get(i) != recipes[*i].as_ref();
        let shown = |i: &usize| state.layers[*i].controls.visible;
        let first = (0..recipes.len()).filter(outdated).min_by_key(|i| (!shown(i), *i));
        let Some((index, recipe)) = first.and_then(|index| Some((index, recipes[index].as_ref()?))) else {
            return ThumbnailWork::Wait(None);
        };
        let ready_at = self.last.map_or(changed, |last| (last + SPACING).max(changed + REST));
        if now < ready_at {
            return ThumbnailWork::Wait(Some(ready_at));
        }
        match self.overviews.get(&recipe.plane) {
            Some(overview) => {
                let thumbnail = draw(overview, &recipe.coloring);
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

/// `None` for a label image that has no plane here.
fn recipe(state: &State, layer: &LayerState) -> Option<Recipe> {
    let image = state.dataset.as_ref()?.layer_image(&layer.spec);
    let (row, col) = state.plane_dims();
    let plane = image.plane(image.level_count() - 1, row, col, state.dims.step.get())?;
    Some(Recipe { plane, coloring: coloring(layer) })
}

/// Fits the overview into the square, keeping its aspect, over black. Row 0 is the last data row: the top of the wire's picture.
fn draw(overview: &Overview, coloring: &Coloring) -> Thumbnail {
    let mut thumbnail = Thumbnail::black();
    let (w, h) = (overview.width as usize, overview.height as usize);
    if w == 0 || h == 0 {
        return thumbnail;
    }
    let edge = Thumbnail::EDGE;
    let scale = edge as f64 / w.max(h) as f64;
    let (tw, th) = (((w as f64 * scale).round() as usize).clamp(1, edge), ((h as f64 * scale).round() as usize).clamp(1, edge));
    let (left, top) = ((edge - tw) / 2, (edge - th) / 2);
    for row in 0..th {
        for col in 0..tw {
            let value = overview.samples[(h - 1 - row * h / th) * w + col * w / tw];
            let [r, g, b, a] = coloring.color(value);
            let over_black = [r, g, b].map(|k| (k * a * 255.0).round() as u8);
            let at = ((top + row) * edge + left + col) * 4;
            thumbnail.rgba[at..at + 3].copy_from_slice(&over_black);
        }
    }
    thumbnail
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::LabelColors;

    #[test]
    fn labels_are_drawn_in_their_colours_over_black() {
        let overview = Overview { width: 2, height: 2, samples: vec![0.0, 1.0, f32::NAN, 3.0] };
        let colors = LabelColors::new([(3, [200, 100, 50, 51])]);
        let thumbnail = draw(&overview, &Coloring::Labels(Arc::new(colors)));
        let at = |row: usize, col: usize| &thumbnail.rgba[(row * Thumbnail::EDGE + col) * 4..][..4];
        // Row 0 is the last data row.
        assert_eq!([at(31, 0), at(31, 31)], [[0, 0, 0, 255], [120, 37, 6, 255]]);
        assert_eq!([at(0, 0), at(0, 31)], [[0, 0, 0, 255], [40, 20, 10, 255]]);
    }
}
