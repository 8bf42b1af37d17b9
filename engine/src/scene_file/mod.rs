//! Scene descriptions: JSON that says what a picture shows, down to the camera, and the picture itself.
//!
//! `golden/reference/README.md` "Scene json" is the format. Lives here: reading it (`description`, with `field` for what is wrong where),
//! reading the samples that it names (`samples`), and drawing (this file). Must never know: sessions, ledgers, clients. Nothing that a
//! file holds panics.

mod description;
mod error;
mod field;
mod samples;

pub use description::Scene;
pub use error::SceneError;

use description::{Camera, Layer};
use nc_core::data::{
    BRICK, Brick, BrickKey, CanvasSize, FILTER_MARGIN, Footprint, ImageId, MAX_AXES, PlaneKey, Rect, SampleAxis, TILE, Tile,
    TileKey, VolumeKey, turntable,
};
use nc_gpu::api::{MOST_CONTOUR, RenderDevice, SliceLayer, SlicePass, SlicePlane, VolumeLayer, VolumePass, VolumeView};
use nc_gpu::{DeviceChoice, open_device};
use samples::{Source, strided};
use std::fmt::Display;
use std::path::Path;

/// Most samples of a plane or a volume that are read for one layer.
const MOST_SAMPLES: u64 = 1 << 31;

/// A picture of 8 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// Size in pixels.
    pub size: CanvasSize,
    /// RGB, 3 bytes a pixel, top row first.
    pub rgb: Vec<u8>,
}

/// Draws a scene whose files lie below `root`, on a device of its own. Blocks.
///
/// # Errors
/// When the device cannot be had, a file cannot be read or does not fit what the scene says of it.
pub fn render(scene: &Scene, root: &Path, device: DeviceChoice) -> Result<Still, SceneError> {
    draw(scene, root, &mut *open_device(device, scene.canvas)?)
}

/// Draws a scene on `device`, which holds nothing of it afterwards.
///
/// # Errors
/// As [`render`].
pub fn draw(scene: &Scene, root: &Path, device: &mut dyn RenderDevice) -> Result<Still, SceneError> {
    let mut stage = Stage { scene, root, device, tiles: Vec::new(), volumes: Vec::new() };
    let drawn = stage.draw();
    let Stage { device, tiles, volumes, .. } = stage;
    for key in &tiles {
        device.evict(key);
    }
    volumes.iter().for_each(|key| device.evict_volume(key));
    drawn?;
    let rgb = device.read_rgba()?.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    Ok(Still { size: scene.canvas, rgb })
}

/// A device on the way to a scene's picture.
struct Stage<'a> {
    scene: &'a Scene,
    root: &'a Path,
    device: &'a mut dyn RenderDevice,
    tiles: Vec<TileKey>,
    volumes: Vec<VolumeKey>,
}

impl Stage<'_> {
    fn draw(&mut self) -> Result<(), SceneError> {
        let (scene, canvas) = (self.scene, self.scene.canvas);
        // Bottom first, with their numbers.
        let visible = || scene.layers.iter().enumerate().filter(|(_, layer)| layer.visible);
        match scene.camera {
            Camera::Plane(rect) => {
                let view = rect.expanded_to(canvas);
                let layers = visible().map(|(n, layer)| self.slice_layer(n, layer, view)).collect::<Result<_, _>>()?;
                self.device.draw_slice(&SlicePass { canvas, view, layers })?;
            }
            Camera::Volume { pose, extent } => {
                let layers = visible().map(|(n, layer)| self.volume_layer(n, layer)).collect::<Result<Vec<_>, _>>()?;
                let turntable::Frame { eye, right, up, forward } = turntable::frame(&pose);
                let view = VolumeView { eye, right, up, forward, distance: pose.distance, fov: pose.fov, extent };
                let bounds = bounds(&layers);
                self.device.draw_volume(&VolumePass { canvas, divisor: 1, outline: false, view, bounds, layers })?;
            }
        }
        Ok(())
    }

    fn open<'a>(&self, number: usize, layer: &'a Layer) -> Result<Source<'a>, SceneError> {
        // Every layer is an image of its own: what two of them share is read twice.
        let id = ImageId(number as u32);
        Source::open(layer, &self.scene.displayed, self.root, id).map_err(|error| self.data(number, error))
    }

    fn data(&self, layer: usize, problem: impl Display) -> SceneError {
        SceneError::Data { scene: self.scene.name.clone(), layer, problem: problem.to_string() }
    }

    /// Where the samples along a displayed dim lie.
    fn axis(&self, layer: &Layer, shown: usize, len: u32) -> SampleAxis {
        let (scale, translate) = layer.dims[self.scene.displayed[shown]];
        SampleAxis { len, scale, translate }
    }

    fn slice_layer(&mut self, number: usize, layer: &Layer, view: Rect) -> Result<SliceLayer, SceneError> {
        let source = self.open(number, layer)?;
        let (len, axes) = (source.len(), source.axes());
        let key = PlaneKey {
            image: ImageId(number as u32),
            level: 0,
            row_axis: axes[0],
            col_axis: axes[1],
            index: index(&source.index),
        };
        let (x, y) = (self.axis(layer, 1, len[1]), self.axis(layer, 0, len[0]));
        let seen = Footprint::of(view, x, y, FILTER_MARGIN + layer.contour.min(MOST_CONTOUR));
        if !seen.is_empty() {
            // Whole tiles.
            let tiles = |from: u32, to: u32, len: u32| from / TILE * TILE..to.next_multiple_of(TILE).min(len);
            let (rows, cols) = (tiles(seen.y0, seen.y1, len[0]), tiles(seen.x0, seen.x1, len[1]));
            self.check_room(number, &[rows.len(), cols.len()])?;
            let samples = source.read(&[rows.clone(), cols.clone()]).map_err(|error| self.data(number, error))?;
            for (ty, tx) in seen.tiles(usize::MAX) {
                let (top, left) = (ty * TILE, tx * TILE);
                let (height, width) = ((len[0] - top).min(TILE), (len[1] - left).min(TILE));
                let first = (top - rows.start) as usize * cols.len() + (left - cols.start) as usize;
                let samples = strided(&samples, &[(height as usize, cols.len()), (width as usize, 1)], first);
                let key = TileKey { plane: key, ty, tx };
                self.device.upload(key, &Tile { width, height, samples })?;
                self.tiles.push(key);
            }
        }
        let Layer { interpolation, contour, opacity, blending, .. } = *layer;
        let planes = vec![SlicePlane { key, x, y }];
        Ok(SliceLayer { planes, interpolation, coloring: layer.coloring.clone(), contour, opacity, blending })
    }

    fn volume_layer(&mut self, number: usize, layer: &Layer) -> Result<VolumeLayer, SceneError> {
        let source = self.open(number, layer)?;
        let (len, axes) = (source.len(), source.axes());
        let shape = [len[0], len[1], len[2]];
        let image = ImageId(number as u32);
        let key = VolumeKey { image, level: 0, axes: [axes[0], axes[1], axes[2]], index: index(&source.index) };
        self.check_room(number, &shape.map(|n| n as usize))?;
        self.volumes.push(key);
        for z in (0..shape[0]).step_by(BRICK as usize) {
            // A layer of bricks at a time.
            let rows = z..(z + BRICK).min(shape[0]);
            let samples = source.read(&[rows, 0..shape[1], 0..shape[2]]).map_err(|error| self.data(number, error))?;
            for brick in BrickKey::all(key, shape).filter(|brick| brick.origin()[0] == z) {
                let ([_, y, x], Some(size)) = (brick.origin(), brick.size(shape)) else { continue };
                let (row, plane) = (shape[2] as usize, (shape[1] * shape[2]) as usize);
                let dims = [(size[0] as usize, plane), (size[1] as usize, row), (size[2] as usize, 1)];
                let samples = strided(&samples, &dims, y as usize * row + x as usize);
                let brick_samples = Brick::new(size, samples).ok_or_else(|| self.data(number, "a brick lacks samples"))?;
                self.device.upload_brick(brick, shape, &brick_samples)?;
            }
        }
        let Layer { interpolation, opacity, blending, rendering, slab, attenuation, iso_threshold, sample_step, .. } = *layer;
        Ok(VolumeLayer {
            key,
            axes: std::array::from_fn(|shown| self.axis(layer, shown, shape[shown])),
            interpolation,
            coloring: layer.coloring.clone(),
            opacity,
            blending,
            rendering,
            slab,
            attenuation,
            iso_threshold,
            sample_step,
        })
    }

    fn check_room(&self, number: usize, shape: &[usize]) -> Result<(), SceneError> {
        let samples = shape.iter().fold(1u64, |n, side| n.saturating_mul(*side as u64));
        if samples <= MOST_SAMPLES {
            return Ok(());
        }
        Err(self.data(number, format!("shows {samples} samples, more than {MOST_SAMPLES}: name the path of a coarser level")))
    }
}

fn index(of: &[u32]) -> [u32; MAX_AXES] {
    std::array::from_fn(|axis| of.get(axis).copied().unwrap_or(0))
}

/// The box of all layers: world x, y, z.
fn bounds(layers: &[VolumeLayer]) -> [[f64; 2]; 3] {
    if layers.is_empty() {
        return [[0.0; 2]; 3];
    }
    std::array::from_fn(|k| {
        let ends = layers.iter().flat_map(|layer| {
            let SampleAxis { len, scale, translate } = layer.axes[2 - k];
            [-0.5, f64::from(len) - 0.5].map(|sample| sample * scale + translate)
        });
        ends.fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], end| [lo.min(end), hi.max(end)])
    })
}
