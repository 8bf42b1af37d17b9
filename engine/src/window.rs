//! Contrast windows for layers whose file names none: percentiles of the plane that is shown first, of its middle, at the coarsest level
//! that has samples enough. They hold for every level.
//!
//! A near store has them before anything is shown. A slow one must not hold up the start: what does not come in a moment is told to the
//! control thread when it has come.

use crate::inbox::Inbox;
use nc_core::data::contrast::percentile_window;
use nc_core::data::{Footprint, ImageId, SampleFormat, TILE, TileKey};
use nc_core::exchange::Signal;
use nc_core::scene::{Dataset, LayerSpec};
use nc_store::{Arrival, Class, Image, LoaderHandle, Piece, ViewId, Want};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Samples looked at per side, at most.
const EDGE: u32 = 4 * TILE;
/// Samples of a plane that percentiles are taken of, at least: the half percent at either end is about a hundred of them.
const ENOUGH: u64 = 1 << 14;
/// Tiles that hold them, at most: the window may begin within a tile.
const MOST_TILES: usize = ((EDGE / TILE + 1) * (EDGE / TILE + 1)) as usize;
/// Longest wait before the start.
const PATIENCE: Duration = Duration::from_millis(150);

/// Lower and upper limit in data units.
type Limits = (f64, f64);

/// Windows that came, on their way to the control thread.
pub(crate) struct Found {
    /// Of this image; for another they mean nothing.
    pub(crate) image: ImageId,
    /// Index of the layer, and its window.
    pub(crate) windows: Vec<(usize, Limits)>,
}

/// A window per layer, and what is still being read. Layers whose file has a window, or whose samples did not come in a moment, get
/// `(0, 1)` or the type's range.
pub(crate) fn windows(dataset: &Dataset, image: &Image, loader: LoaderHandle, view: ViewId) -> (Vec<Limits>, Option<Reading>) {
    // Ids have no window: theirs is what their keys may be.
    let fallback = |layer: &Arc<LayerSpec>| match dataset.layer_image(layer).info() {
        info if layer.labels.is_none() => info.dtype.integer_range().unwrap_or((0.0, 1.0)),
        info if info.sample_format() == SampleFormat::U8 => (0.0, f64::from(u8::MAX)),
        _ => (0.0, f64::from(u16::MAX)),
    };
    let mut windows: Vec<Limits> = dataset.layers.iter().map(fallback).collect();
    let unknown = |layer: &LayerSpec| layer.labels.is_none() && dataset.channel(layer).and_then(|c| c.window).is_none();
    let unknown = dataset.layers.iter().enumerate().filter(|(_, layer)| unknown(layer));
    let layers: Vec<Sampled> = unknown.map(|(index, layer)| Sampled::new(index, middle_tiles(dataset, layer))).collect();
    if layers.is_empty() {
        return (windows, None);
    }
    let mut reading = Reading::begin(image, loader, view, layers);
    let deadline = Instant::now() + PATIENCE;
    while !reading.is_over() && Instant::now() < deadline {
        for (layer, window) in reading.take() {
            windows[layer] = window;
        }
        if !reading.is_over() {
            reading.signal.wait(Some(deadline), Instant::now);
        }
    }
    (windows, (!reading.is_over()).then_some(reading))
}

/// The coarsest level whose planes have at least [`ENOUGH`] samples; the finest if none has.
fn coarse_level(dataset: &Dataset, row: usize, col: usize) -> usize {
    let samples = |level: usize| [row, col].iter().map(|&dim| u64::from(dataset.sample_axis(level, dim).len)).product::<u64>();
    (0..dataset.level_count()).rev().find(|&level| samples(level) >= ENOUGH).unwrap_or(0)
}

fn middle_tiles(dataset: &Dataset, layer: &LayerSpec) -> Vec<TileKey> {
    let (row, col) = (dataset.ndim() - 2, dataset.ndim() - 1);
    let level = coarse_level(dataset, row, col);
    let plane = dataset.layer_image(layer).plane(level, row, col, &dataset.initial_step());
    let middle = |dim: usize| {
        let len = dataset.sample_axis(level, dim).len;
        let start = (len / 2).saturating_sub(EDGE / 2);
        (start, (start + EDGE).min(len))
    };
    let ((x0, x1), (y0, y1)) = (middle(col), middle(row));
    let tiles = Footprint { x0, x1, y0, y1 }.tiles(MOST_TILES).into_iter();
    plane.into_iter().flat_map(|plane| tiles.clone().map(move |(ty, tx)| TileKey { plane, ty, tx })).collect()
}

/// A layer that gets its window from its samples.
struct Sampled {
    layer: usize,
    missing: HashSet<TileKey>,
    /// Tiles with a chunk that could not be read: what stands in for it is nothing to go by.
    damaged: HashSet<TileKey>,
    samples: Vec<f32>,
}

impl Sampled {
    fn new(layer: usize, tiles: Vec<TileKey>) -> Self {
        Self { layer, missing: tiles.into_iter().collect(), damaged: HashSet::new(), samples: Vec::new() }
    }

    fn receive(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Tile { key, tile, .. } if self.missing.remove(key) && !self.damaged.contains(key) => {
                self.samples.extend((0..tile.samples.len()).map(|i| tile.samples.get(i)));
            }
            Arrival::Fault { piece: Piece::Tile(key), .. } if self.missing.contains(key) => drop(self.damaged.insert(*key)),
            _ => {}
        }
    }
}

/// The samples that windows are made of, on their way. Dropped, it wants them no more.
pub(crate) struct Reading {
    image: ImageId,
    loader: LoaderHandle,
    view: ViewId,
    signal: Arc<Signal>,
    layers: Vec<Sampled>,
}

impl Reading {
    fn begin(image: &Image, loader: LoaderHandle, view: ViewId, layers: Vec<Sampled>) -> Self {
        let signal = Arc::new(Signal::default());
        let wake = signal.clone();
        loader.attach(view, Arc::new(move || wake.notify()));
        let tiles = layers.iter().flat_map(|layer| &layer.missing);
        // Behind what the screen lacks. Of lower classes nobody is woken when they come.
        let wants: Vec<Want> = tiles.map(|&key| Want { class: Class::Finer, ..Want::visible(key) }).collect();
        loader.want(view, std::slice::from_ref(image), &wants);
        Self { image: image.info.id, loader, view, signal, layers }
    }

    fn is_over(&self) -> bool {
        self.layers.is_empty()
    }

    /// The windows of layers that have all their samples by now; once each. A layer without a sound sample gets none.
    fn take(&mut self) -> Vec<(usize, Limits)> {
        for arrival in self.loader.take_arrivals(self.view) {
            self.layers.iter_mut().for_each(|layer| layer.receive(&arrival));
        }
        let over = self.layers.extract_if(.., |layer| layer.missing.is_empty());
        over.filter(|layer| !layer.samples.is_empty()).map(|l| (l.layer, percentile_window(&l.samples))).collect()
    }

    /// Goes on aside, and tells `inbox` what comes, until all has come or what is given back is dropped.
    pub(crate) fn go_on(mut self, inbox: Arc<Inbox>) -> Rest {
        let rest = Rest { signal: self.signal.clone(), stopped: Arc::default() };
        let stopped = rest.stopped.clone();
        let work = move || {
            while !stopped.load(Ordering::Relaxed) && !self.is_over() {
                let windows = self.take();
                if !windows.is_empty() {
                    inbox.windows(Found { image: self.image, windows });
                }
                if !self.is_over() {
                    self.signal.wait(None, Instant::now);
                }
            }
        };
        // Not joined: it waits for nothing but this signal.
        if let Err(error) = std::thread::Builder::new().name("windows".into()).spawn(work) {
            tracing::error!(%error, "the thread that waits for contrast limits did not start");
        }
        rest
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.loader.detach(self.view);
    }
}

/// A reading that goes on aside. Dropped, it ends.
pub(crate) struct Rest {
    signal: Arc<Signal>,
    stopped: Arc<AtomicBool>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.signal.notify();
    }
}
