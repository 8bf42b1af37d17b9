//! Volumes: rays in packets of eight through bricks that were put together, past what does not matter.
//!
//! Lives here: the volumes that are resident (`store`: their samples in a `grid`, what `regions` of them hold), the rays of a packet
//! (`packet`) in the operations of `lanes`, the `modes`, their `colors`, how tiles join the picture (`compose`) and how a smaller picture
//! is scaled up (`scale`).

mod colors;
mod compose;
mod grid;
mod lanes;
mod march;
mod modes;
mod packet;
mod regions;
mod scale;
mod store;

use super::BLACK;
use super::palette::{CachedPalette, Shading};
use crate::api::{DeviceError, VolumeLayer, VolumePass};
use crate::compositing::Rule;
use crate::isa::Isa;
use crate::rays::{Rays, drawn_size};
use crate::transfer::{self, Binning};
use colors::{Entries, KeyColors};
use compose::{DepthTest, Paint, TILE, Tile};
use march::{March, Part, Way};
use modes::attenuated::Attenuated;
use modes::emission::{Additive, Translucent};
use modes::extreme::Extreme;
use modes::iso::Iso;
use modes::labels::Surfaces;
use modes::mean::Mean;
use nc_core::data::{Blending, Brick, BrickKey, Coloring, Interpolation, Rendering, SampleFormat, VolumeKey};
use packet::Course;
use std::sync::{Mutex, PoisonError};
use store::{Complete, VolumeStore};

/// Pixels from which on threads are woken.
const PIXELS_WORTH_THREADS: usize = 64 * 64;

/// A ray is not searched for a value that is better by no more than this part of the limits' range: a quarter of a level of 8 bits, and a
/// whole one while the view moves.
const BETTER: f32 = 1.0 / 1024.0;
const BETTER_MOVING: f32 = 1.0 / 256.0;

/// Part of the limits' range by which values along a span may differ and still count as one in a mean: a quarter of 1/255.
const EVEN: f32 = 1.0 / 1024.0;

/// Volumes, and what was worked out for the layers of the last pass.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    store: VolumeStore,
    tables: Vec<Option<ColorTable>>,
    /// A picture that is scaled up.
    drawn: Vec<u32>,
}

/// A layer's colours, where its mode mixes them.
#[derive(Debug)]
struct ColorTable {
    coloring: Coloring,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Entries(Entries),
    Keys(KeyColors),
}

/// A layer, ready to be drawn.
struct LayerDraw<'a> {
    march: March<'a>,
    paint: Paint<'a>,
    test: DepthTest,
}

/// What the device draws with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means {
    pub(super) isa: Isa,
    pub(super) threads: usize,
    /// Whether what does not matter is passed over; the picture does not depend on it but for roundings.
    pub(super) skips: bool,
}

impl Volumes {
    /// As [`crate::api::RenderDevice::upload_brick`].
    pub(super) fn insert(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        self.store.insert(key, shape, brick)
    }

    /// As [`crate::api::RenderDevice::evict_volume`].
    pub(super) fn remove(&mut self, key: &VolumeKey) {
        self.store.remove(key);
    }

    /// Draws the layers over black into `picture`, bottom row first. `palettes` are the layers'.
    pub(super) fn draw(&mut self, pass: &VolumePass, palettes: &[CachedPalette], means: Means, picture: &mut [u32]) {
        self.prepare_tables(&pass.layers);
        let Self { store, tables, drawn } = self;
        let depth = pass.layers.iter().filter(|l| DepthTest::of(l.blending) != DepthTest::Off).count() > 1;
        let layers: Vec<LayerDraw<'_>> = (pass.layers.iter().zip(palettes).zip(&*tables).enumerate())
            .filter_map(|(i, ((layer, palette), table))| {
                let volume = store.complete(&layer.key)?;
                LayerDraw::new(pass, i, layer, palette, table.as_ref(), volume, means, depth)
            })
            .collect();
        if pass.divisor <= 1 {
            return draw_layers(&layers, pass.canvas.width as usize, means, picture);
        }
        let size = drawn_size(pass.canvas, pass.divisor);
        drawn.resize(size.width as usize * size.height as usize, BLACK);
        draw_layers(&layers, size.width as usize, means, drawn);
        scale::up(drawn, size, pass.divisor, pass.canvas, picture);
    }

    /// Makes `tables` match the layers, reusing what did not change.
    fn prepare_tables(&mut self, layers: &[VolumeLayer]) {
        self.tables.resize_with(layers.len(), || None);
        for (table, layer) in self.tables.iter_mut().zip(layers) {
            let coloring = &layer.coloring;
            let mixes = matches!(layer.rendering, Rendering::Additive | Rendering::Translucent);
            match table {
                _ if !mixes && matches!(coloring, Coloring::Scalar(_)) => *table = None,
                Some(held) if transfer::same_colors(&held.coloring, coloring) => {
                    held.coloring = coloring.clone();
                    if let Held::Entries(entries) = &mut held.held {
                        entries.set_limits_of(coloring);
                    }
                }
                _ => {
                    let held = match coloring {
                        Coloring::Scalar(_) => Held::Entries(Entries::new(coloring)),
                        Coloring::Labels(labels) => Held::Keys(KeyColors::new(labels)),
                    };
                    *table = Some(ColorTable { coloring: coloring.clone(), held });
                }
            }
        }
    }
}

impl<'a> LayerDraw<'a> {
    /// Layer `i` of the pass; `None` if nothing of it can be seen. `depth`: whether layers are compared.
    fn new(
        pass: &VolumePass,
        i: usize,
        layer: &VolumeLayer,
        palette: &'a CachedPalette,
        table: Option<&'a ColorTable>,
        volume: Complete<'a>,
        means: Means,
        depth: bool,
    ) -> Option<Self> {
        let mut axes = layer.axes;
        for (axis, len) in axes.iter_mut().zip(volume.grid.shape()) {
            axis.len = len;
        }
        let rays = Rays::new(&pass.view, pass.canvas, pass.divisor, &axes)?;
        let depth_rule = depth.then_some(rays.depth);
        let course = Course::new(rays, layer)?;
        let way = way(layer, table.map(|table| &table.held), volume, course.step(), pass.divisor <= 1)?;
        let nearest = layer.interpolation == Interpolation::Nearest || matches!(layer.coloring, Coloring::Labels(_));
        // Spans know nothing of samples that are no numbers: modes that count samples look at each.
        let counts = matches!(way, Way::Mean(_) | Way::Additive(_));
        let skips = means.skips && !(counts && volume.grid.has_holes());
        let march = March { volume, course, way, nearest, skips, depth: depth_rule };
        let paint = if march.is_colored() {
            Paint::Colors { rule: Rule::of(layer.blending, i == 0), opacity: layer.opacity.clamp(0.0, 1.0) }
        } else {
            Paint::Values(Shading::new(Binning::new(&layer.coloring), palette.palette()))
        };
        Some(Self { march, paint, test: if depth { DepthTest::of(layer.blending) } else { DepthTest::Off } })
    }
}

/// How a layer's rays are drawn. `exact`: between samples, too.
fn way<'a>(layer: &VolumeLayer, table: Option<&'a Held>, volume: Complete<'_>, step: f32, exact: bool) -> Option<Way<'a>> {
    let transfer = match (&layer.coloring, table) {
        (Coloring::Labels(_), Some(Held::Keys(colors))) => {
            return Some(Way::Labels(Surfaces { colors, lit: layer.rendering != Rendering::Translucent }));
        }
        (Coloring::Labels(_), _) => return None,
        (Coloring::Scalar(transfer), _) => transfer,
    };
    let (lo, hi) = transfer.limits;
    // What is not beyond the limit does not count where it would be drawn over what is below.
    let over = matches!(layer.blending, Blending::Translucent | Blending::TranslucentNoDepth);
    let from = |limit: f32| if over { limit } else { f32::NEG_INFINITY };
    let tolerance = (hi - lo) * if exact { BETTER } else { BETTER_MOVING };
    Some(match (layer.rendering, table) {
        (Rendering::Mip, _) => Way::Mip(Extreme { start: from(lo), stop: hi, tolerance, refine: exact }),
        (Rendering::Minip, _) => Way::Minip(Extreme { start: from(-hi), stop: -lo, tolerance, refine: exact }),
        (Rendering::AttenuatedMip, _) => {
            Way::Attenuated(Attenuated { start: from(lo), limits: (lo, hi), attenuation: layer.attenuation, step })
        }
        (Rendering::Average, _) => Way::Mean(Mean { tolerance: (hi - lo) * EVEN }),
        (Rendering::Additive, Some(Held::Entries(entries))) => Way::Additive(Additive { entries }),
        (Rendering::Translucent, Some(Held::Entries(entries))) => Way::Translucent(Translucent { entries }),
        (Rendering::Additive | Rendering::Translucent, _) => return None,
        (Rendering::Iso, _) => {
            let unit = match volume.grid.format() {
                SampleFormat::U8 => 255.0,
                SampleFormat::U16 => 65_535.0,
                SampleFormat::F32 => 1.0,
            };
            Way::Iso(Iso { threshold: layer.iso_threshold, unit })
        }
    })
}

/// Draws all layers over black, a band of tiles at a time, on all threads.
fn draw_layers(layers: &[LayerDraw<'_>], width: usize, means: Means, picture: &mut [u32]) {
    if width == 0 {
        return;
    }
    let threads = if picture.len() < PIXELS_WORTH_THREADS || layers.is_empty() { 1 } else { means.threads };
    let bands = Mutex::new(picture.chunks_mut(TILE.1 * width).enumerate());
    let draw_bands = || {
        let mut tile = Tile::new();
        loop {
            let band = bands.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((i, pixels)) = band else { break };
            draw_band(layers, i * TILE.1, width, means.isa, &mut tile, pixels);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(draw_bands);
        }
        draw_bands();
    });
}

/// Draws all layers over black into rows of which the first is row `first`.
fn draw_band(layers: &[LayerDraw<'_>], first: usize, width: usize, isa: Isa, tile: &mut Tile, pixels: &mut [u32]) {
    pixels.fill(BLACK);
    let rows = pixels.len() / width;
    for column in (0..width).step_by(TILE.0) {
        let part = Part { at: (column, first), size: ((width - column).min(TILE.0), rows) };
        tile.clear();
        for layer in layers {
            tile.clear_found();
            layer.march.draw(isa, part, tile);
            tile.test_depth(layer.test);
            for (row, pixels) in pixels.chunks_exact_mut(width).enumerate() {
                tile.paint(isa, row, layer.paint, &mut pixels[column..column + part.size.0]);
            }
        }
    }
}
