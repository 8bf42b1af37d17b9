//! The first state of a dataset: what is shown before anyone asked for anything.

use crate::data::lod::LevelPolicy;
use crate::data::{Blending, CanvasSize, Interpolation, Rendering, colormap};
use crate::ledger::Seed;
use crate::scene::{Dataset, Depiction, LayerControls};
use std::sync::Arc;

/// napari's colours for channels that have none of their own: two, and more than two.
const TWO_CHANNELS: [[u8; 3]; 2] = [[255, 0, 255], [0, 255, 0]];
const MANY_CHANNELS: [[u8; 3]; 6] = [[0, 255, 255], [255, 255, 0], [255, 0, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]];

/// napari's opacity of a labels layer.
const LABELS_OPACITY: f64 = 0.7;

/// Seeds the ledger for `dataset`. `windows` holds a contrast window per layer, for layers whose file names none.
pub fn seed(dataset: Arc<Dataset>, canvas: CanvasSize, windows: &[(f64, f64)]) -> Seed {
    let (y, x) = (dataset.ndim() - 2, dataset.ndim() - 1);
    let rect = dataset.world_rect(x, y);
    let oversampling = dataset.oversampling(rect.expanded_to(canvas), canvas, y, x);
    let level = LevelPolicy::default().settle(&oversampling, &vec![true; oversampling.len()], 0).level;
    let controls = (0..dataset.layers.len()).map(|i| layer_controls(&dataset, i, windows.get(i).copied())).collect();
    Seed {
        step: dataset.initial_step(),
        level,
        rect,
        controls,
        canvas,
        most_canvas: canvas,
        turning: 0.0,
        dataset: Some(dataset),
    }
}

fn layer_controls(dataset: &Dataset, index: usize, window: Option<(f64, f64)>) -> LayerControls {
    let layer = &dataset.layers[index];
    let channel = dataset.channel(layer);
    let count = dataset.layers.iter().filter(|layer| layer.label_image.is_none()).count();
    let is_labels = layer.labels.is_some();
    let rgb = channel.and_then(|c| c.color).unwrap_or(match (is_labels, count) {
        (true, _) | (_, 1) => [255, 255, 255],
        (_, 2) => TWO_CHANNELS[index],
        _ => MANY_CHANNELS[index % MANY_CHANNELS.len()],
    });
    let contrast_limits = channel.and_then(|c| c.window).or(window).unwrap_or((0.0, 1.0));
    let (opacity, blending, interpolation) = match (is_labels, count) {
        (true, _) => (LABELS_OPACITY, Blending::Translucent, Interpolation::Nearest),
        (false, 1) => (1.0, Blending::Opaque, Interpolation::Linear),
        (false, _) => (1.0, Blending::Additive, Interpolation::Linear),
    };
    LayerControls {
        visible: channel.is_none_or(|c| c.active),
        opacity,
        blending,
        interpolation,
        gamma: 1.0,
        colormap: colormap::solid(rgb),
        contrast_limits,
        rendering: Rendering::Mip,
        depiction: Depiction::Volume,
        // napari's defaults.
        attenuation: 0.05,
        iso_threshold: contrast_limits.0 + (contrast_limits.1 - contrast_limits.0) / 2.0,
        sample_step: 1.0,
        contour: 0,
    }
}
