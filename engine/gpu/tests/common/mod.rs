//! Images in memory, cut into tiles, and passes over them, for the tests of the devices.
#![allow(dead_code, reason = "every test file uses its part")]

use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_gpu::device_gl::GlDevice;
use std::sync::Arc;

/// A plane's samples, row 0 first.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) key: PlaneKey,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) samples: Samples,
}

impl Plane {
    pub(crate) fn new(number: u32, width: u32, height: u32, samples: Samples) -> Self {
        assert_eq!(samples.len(), width as usize * height as usize);
        Self { key: key(number), width, height, samples }
    }

    /// Samples from a function of column and row.
    pub(crate) fn u16(number: u32, width: u32, height: u32, f: impl Fn(u32, u32) -> u16) -> Self {
        let samples: Vec<u16> = (0..width * height).map(|i| f(i % width, i / width)).collect();
        Self::new(number, width, height, Samples::U16(samples.into()))
    }

    /// Position and samples of every tile.
    pub(crate) fn tiles(&self) -> Vec<(TileKey, Tile)> {
        let rows = 0..self.height.div_ceil(TILE);
        rows.flat_map(|ty| (0..self.width.div_ceil(TILE)).map(move |tx| (ty, tx)))
            .map(|(ty, tx)| (TileKey { plane: self.key, ty, tx }, self.tile(ty, tx)))
            .collect()
    }

    fn tile(&self, ty: u32, tx: u32) -> Tile {
        let (x, y) = (tx * TILE, ty * TILE);
        let (width, height) = (TILE.min(self.width - x), TILE.min(self.height - y));
        fn cut<T: Copy>(all: &[T], stride: u32, (x, y): (u32, u32), (width, height): (u32, u32)) -> Arc<[T]> {
            (y..y + height).flat_map(|y| &all[(y * stride + x) as usize..][..width as usize]).copied().collect()
        }
        let (at, size) = ((x, y), (width, height));
        let samples = match &self.samples {
            Samples::U8(s) => Samples::U8(cut(s, self.width, at, size)),
            Samples::U16(s) => Samples::U16(cut(s, self.width, at, size)),
            Samples::F32(s) => Samples::F32(cut(s, self.width, at, size)),
        };
        Tile { width, height, samples }
    }

    pub(crate) fn upload(&self, device: &mut dyn RenderDevice) {
        for (key, tile) in self.tiles() {
            device.upload(key, &tile).expect("room for a tile");
        }
    }

    /// With sample 0 at world (x, y) and `scale` world units a sample.
    pub(crate) fn at(&self, (x, y): (f64, f64), scale: f64) -> SlicePlane {
        let axis = |len, translate| SampleAxis { len, scale, translate };
        SlicePlane { key: self.key, x: axis(self.width, x), y: axis(self.height, y) }
    }
}

pub(crate) fn key(number: u32) -> PlaneKey {
    PlaneKey { image: ImageId(7), level: 0, row_axis: 1, col_axis: 2, index: [number, 0, 0, 0, 0] }
}

/// A gray layer that shows values 0..=`top` as black to white.
pub(crate) fn gray(planes: Vec<SlicePlane>, interpolation: Interpolation, top: f32) -> SliceLayer {
    let table = colormap::named("gray").expect("a map");
    let coloring = Coloring::Scalar(Transfer { limits: (0.0, top), gamma: 1.0, table });
    SliceLayer { planes, interpolation, coloring, contour: 0, opacity: 1.0, blending: Blending::Translucent }
}

/// A layer of labels, of which `contour` is drawn.
pub(crate) fn labels(plane: SlicePlane, contour: u32) -> SliceLayer {
    let coloring = Coloring::Labels(LabelColors::default().into());
    SliceLayer { coloring, contour, ..gray(vec![plane], Interpolation::Linear, 1.0) }
}

/// Every filter of an image.
pub(crate) const FILTERS: [Interpolation; 3] = [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic];

pub(crate) fn pass(size: (u32, u32), (left, bottom, width, height): (f64, f64, f64, f64), layers: Vec<SliceLayer>) -> SlicePass {
    let canvas = CanvasSize { width: size.0, height: size.1 };
    SlicePass { canvas, view: Rect { left, bottom, width, height }, layers }
}

pub(crate) const SMALL: CanvasSize = CanvasSize { width: 2, height: 2 };

pub(crate) fn cpu() -> CpuDevice {
    CpuDevice::new(SMALL, CpuOptions { simd: true, threads: 1 })
}

/// Any driver will do; a machine that runs these tests has Mesa at least (`scripts/test` installs it).
pub(crate) fn gl() -> GlDevice {
    GlDevice::open(SMALL, true).expect("libegl1 and libgl1-mesa-dri are installed")
}

pub(crate) fn both() -> [Box<dyn RenderDevice>; 2] {
    [Box::new(cpu()), Box::new(gl())]
}

/// The picture of a pass, RGBA, top row first.
pub(crate) fn draw(device: &mut dyn RenderDevice, pass: &SlicePass) -> Vec<[u8; 4]> {
    device.draw_slice(pass).expect("a picture");
    let bytes = device.read_rgba().expect("its pixels");
    bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect()
}

/// Largest difference of any component.
pub(crate) fn largest_difference(a: &[[u8; 4]], b: &[[u8; 4]]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
