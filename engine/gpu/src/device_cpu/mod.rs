//! The cpu device: the passes in plain Rust, SIMD and threads. No driver; the default where there is no GPU, and the
//! reference that the gl device is compared with.
//!
//! Lives here: tile residency (`store`), what a row of a layer is made of (`plan`, `gather`, `contour`), the kernels, palettes, volumes with
//! all that they need (`volume`), the frame ring. The picture is kept bottom row first, as the encoder wants it.

mod contour;
mod gather;
mod kernels;
mod palette;
mod plan;
mod ring;
mod store;
mod volume;

use crate::api::{CapturedFrame, DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice, SlicePass, VolumePass};
use crate::compositing::Rule;
use crate::isa::Isa;
use crate::transfer::Binning;
use crate::{convert, outline, samples};
use nc_core::data::{Blending, Brick, BrickKey, CanvasSize, Coloring, DeviceMemory, Samples, Tile, TileKey, VolumeKey};
use palette::{CachedPalette, Shading};
use plan::{LayerPlan, RowState};
use ring::FrameRing;
use std::sync::Arc;
use store::TileStore;
use volume::{Means, Volumes};

/// Opaque black.
const BLACK: u32 = 0xff00_0000;

/// Pixels times layers from which a draw is worth more threads than the caller's: waking one can cost as much as drawing this.
const PIXELS_WORTH_THREADS: usize = 2 << 20;

/// Rows that a thread takes at a time when threads are used.
const BAND_ROWS: usize = 32;

/// Rows that a layer draws before the next one does.
const BLOCK_ROWS: usize = 16;

/// How a [`CpuDevice`] works. The picture does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuOptions {
    /// Whether the machine's vector instructions are used.
    pub simd: bool,
    /// Most threads that draw, the caller's included; they are used only where the work is large.
    pub threads: usize,
}

impl Default for CpuOptions {
    /// Vector instructions; one thread for each core but two, which loaders and encoder need, but two where there are two cores
    /// (the encoder waits for the picture), and at most eight.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self { simd: true, threads: cores.saturating_sub(2).clamp(2, 8).min(cores) }
    }
}

/// See the module.
#[derive(Debug)]
pub struct CpuDevice {
    means: Means,
    canvas: CanvasSize,
    /// Bottom row first, red in the lowest byte.
    picture: Vec<u32>,
    store: TileStore,
    volumes: Volumes,
    /// One per layer of the last pass.
    palettes: Vec<CachedPalette>,
    ring: Arc<FrameRing>,
}

impl CpuDevice {
    /// A device whose first picture is black.
    pub fn new(canvas: CanvasSize, options: CpuOptions) -> Self {
        let mut device = Self {
            means: Means {
                isa: if options.simd { Isa::detect() } else { Isa::Portable },
                threads: options.threads.max(1),
                skips: true,
            },
            canvas,
            picture: Vec::new(),
            store: TileStore::default(),
            volumes: Volumes::default(),
            palettes: Vec::new(),
            ring: Arc::default(),
        };
        device.resize(canvas);
        device
    }

    /// As [`CpuDevice::new`], but rays of volumes look at every sample, also where nothing can come of it: to compare with.
    pub fn exhaustive(canvas: CanvasSize, options: CpuOptions) -> Self {
        let device = Self::new(canvas, options);
        Self { means: Means { skips: false, ..device.means }, ..device }
    }

    /// Gives the picture another size; what it shows then is left to the draw.
    fn resize(&mut self, canvas: CanvasSize) {
        self.canvas = canvas;
        self.picture.resize(canvas.width as usize * canvas.height as usize, BLACK);
    }

    /// Makes `palettes` match the layers, reusing what did not change.
    fn prepare_palettes<'a>(&mut self, layers: impl ExactSizeIterator<Item = (&'a Coloring, f32, Blending)>) {
        let mut opaque_below = true;
        self.palettes.truncate(layers.len());
        for (i, (coloring, opacity, blending)) in layers.enumerate() {
            let rule = Rule::of(blending, i == 0);
            match self.palettes.get_mut(i) {
                Some(cached) if cached.serves(coloring, opacity, rule, opaque_below) => {}
                Some(cached) => *cached = CachedPalette::new(coloring, opacity, rule, opaque_below),
                None => self.palettes.push(CachedPalette::new(coloring, opacity, rule, opaque_below)),
            }
            opaque_below &= !(rule.lowers_alpha() && palette::any_alpha_below_one(coloring, opacity));
        }
    }
}

impl RenderDevice for CpuDevice {
    fn info(&self) -> DeviceInfo {
        let description = format!("plain Rust, {}, up to {} threads", self.means.isa.name(), self.means.threads);
        DeviceInfo { kind: DeviceKind::Cpu, description, memory: DeviceMemory::Host, texture_edge_3d: None }
    }

    fn upload(&mut self, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        samples::check(tile)?;
        self.store.insert(key, tile);
        Ok(())
    }

    fn evict(&mut self, key: &TileKey) -> Option<Samples> {
        self.store.remove(key)
    }

    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError> {
        self.resize(pass.canvas);
        self.prepare_palettes(pass.layers.iter().map(|l| (&l.coloring, l.opacity, l.blending)));
        let plans: Vec<LayerPlan<'_>> = pass
            .layers
            .iter()
            .zip(&self.palettes)
            .map(|(layer, cached)| {
                let shading = Shading::new(Binning::new(&layer.coloring), cached.palette());
                LayerPlan::new(self.means.isa, pass, layer, shading, &self.store)
            })
            .collect();
        let width = pass.canvas.width as usize;
        if self.picture.is_empty() {
            return Ok(());
        }
        let threads = if self.picture.len() * plans.len() >= PIXELS_WORTH_THREADS { self.means.threads } else { 1 };
        if threads == 1 {
            draw_rows(&plans, 0, width, &mut self.picture);
            return Ok(());
        }
        let bands = std::sync::Mutex::new(self.picture.chunks_mut(BAND_ROWS * width).enumerate());
        let draw_bands = || {
            loop {
                let band = bands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                let Some((i, pixels)) = band else { break };
                draw_rows(&plans, i * BAND_ROWS, width, pixels);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(draw_bands);
            }
            draw_bands();
        });
        Ok(())
    }

    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        self.volumes.insert(key, shape, brick)
    }

    fn evict_volume(&mut self, key: &VolumeKey) {
        self.volumes.remove(key);
    }

    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        self.resize(pass.canvas);
        if pass.outline {
            outline::draw(pass, &mut self.picture);
            return Ok(());
        }
        self.prepare_palettes(pass.layers.iter().map(|l| (&l.coloring, l.opacity, l.blending)));
        self.volumes.draw(pass, &self.palettes, self.means, &mut self.picture);
        Ok(())
    }

    fn capture(&mut self, format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        let FrameFormat::I420 { range } = format;
        samples::check_even(self.canvas)?;
        let frame =
            self.ring.take(self.canvas, |out| convert::to_i420(&self.picture, self.canvas, range, self.means.isa, out))?;
        Ok(CapturedFrame { size: self.canvas, format, data: Box::new(frame) })
    }

    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        let mut out = Vec::with_capacity(self.picture.len() * 4);
        for row in self.picture.chunks_exact((self.canvas.width as usize).max(1)).rev() {
            out.extend(row.iter().flat_map(|p| (p | BLACK).to_le_bytes()));
        }
        Ok(out)
    }
}

/// Draws all layers over black into the rows that `pixels` holds, of which the first is row `first`.
fn draw_rows(plans: &[LayerPlan<'_>], first: usize, width: usize, pixels: &mut [u32]) {
    let mut states: Vec<RowState<'_>> = plans.iter().map(|_| RowState::default()).collect();
    // Layer by layer within a block: a layer's colours stay in the nearest cache, the block's pixels in the next.
    for (i, block) in pixels.chunks_mut(BLOCK_ROWS * width).enumerate() {
        if plans.is_empty() {
            block.fill(BLACK);
        }
        for (k, (plan, state)) in plans.iter().zip(&mut states).enumerate() {
            for (j, pixels) in block.chunks_exact_mut(width).enumerate() {
                let row = first + i * BLOCK_ROWS + j;
                // The first layer replaces what it draws.
                if k == 0 && !plan.draws_all(row, state, width) {
                    pixels.fill(BLACK);
                }
                plan.draw_row(row, state, pixels);
            }
        }
    }
}
