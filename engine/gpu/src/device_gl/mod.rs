//! The gl device: OpenGL compute shaders through EGL, without a window.
//!
//! Lives here: EGL and contexts (`egl`, `context`), tile residency in texture arrays (`sheets`), the picture, the slice pass, volumes
//! (`volume`) and capture; the kernels themselves are in `src/kernels`. Everything per pixel is compute: on data-centre GPUs fragment work runs
//! on a small part of the chip. Which sample a pixel reads is worked out on the host, as for the cpu device.

mod capture;
mod clearing;
mod colors;
pub(crate) mod context;
pub(crate) mod egl;
pub(crate) mod limits;
mod picture;
mod sheets;
mod slice;
mod volume;

use crate::api::{CapturedFrame, DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice, SlicePass, VolumePass};
use crate::{outline, samples};
use capture::Capture;
use clearing::Clearing;
use context::{Gl, check};
use nc_core::data::{Brick, BrickKey, CanvasSize, Samples, Tile, TileKey, VolumeKey};
use picture::Picture;
use sheets::Sheets;
use slice::SliceKernel;
use volume::Volumes;

/// See the module. Bound to the thread that opened it.
pub struct GlDevice {
    gl: Gl,
    info: DeviceInfo,
    canvas: CanvasSize,
    /// `None` for a canvas without pixels.
    picture: Option<Picture>,
    sheets: Sheets,
    slice: SliceKernel,
    volumes: Volumes,
    capture: Capture,
    clearing: Clearing,
}

/// How a gl device draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlOptions {
    /// Whether a driver that draws on the processor will do.
    pub software: bool,
    /// Whether rays pass over what does not matter to them. Without, the same picture takes longer.
    pub skip: bool,
    /// Longest side of a 3D texture, samples, if less than the driver's: volumes beyond it are cut and folded into one.
    pub texture_edge_3d: Option<u32>,
}

impl Default for GlOptions {
    fn default() -> Self {
        Self { software: false, skip: true, texture_edge_3d: None }
    }
}

impl GlDevice {
    /// Opens the best GL 4.3 that the machine has, on hardware, or, if `software` will do, on any driver. The first picture is
    /// black.
    pub fn open(canvas: CanvasSize, software: bool) -> Result<Self, DeviceError> {
        Self::with(canvas, GlOptions { software, ..GlOptions::default() })
    }

    /// As [`GlDevice::open`].
    pub fn with(canvas: CanvasSize, options: GlOptions) -> Result<Self, DeviceError> {
        let (gl, platform) =
            Gl::open_best(options.software).map_err(|reason| DeviceError::Unavailable { device: "gl", reason })?;
        let identity = gl.identity();
        let functions = gl.bound()?;
        let (sheets, slice, capture) = (Sheets::new(functions), SliceKernel::new(functions)?, Capture::new(functions)?);
        let description = format!("{}, GL {}, {platform}", identity.renderer, identity.version);
        let memory = crate::probe::device_memory(identity.software, limits::video_memory(functions));
        let device_edge = limits::limits(functions).texture_3d;
        let edge = options.texture_edge_3d.unwrap_or(device_edge);
        let volumes = Volumes::new(device_edge, edge, identity.software, options.skip);
        // Longer volumes are folded.
        let info = DeviceInfo { kind: DeviceKind::Gl, description, memory, texture_edge_3d: None };
        let clearing = Clearing::new(functions)?;
        let mut device = Self { gl, info, canvas, picture: None, sheets, slice, volumes, capture, clearing };
        device.resize(canvas)?;
        Ok(device)
    }

    /// Waits until all that was asked for is drawn. For measuring; nothing else needs it.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        let gl = self.gl.bound()?;
        // SAFETY: the context is bound.
        unsafe { glow::HasContext::finish(gl) };
        check(gl, "waiting for the picture")
    }

    /// Makes the picture one of `canvas`, if it is not. Its content is black where it is made anew.
    fn resize(&mut self, canvas: CanvasSize) -> Result<(), DeviceError> {
        let gl = self.gl.bound()?;
        if self.picture.as_ref().is_some_and(|p| p.size == canvas) {
            return Ok(());
        }
        let picture = if canvas.width == 0 || canvas.height == 0 { None } else { Some(Picture::new(gl, canvas)?) };
        if let Some(old) = std::mem::replace(&mut self.picture, picture) {
            old.delete(gl);
        }
        self.canvas = canvas;
        Ok(())
    }
}

impl RenderDevice for GlDevice {
    fn info(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn upload(&mut self, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        samples::check(tile)?;
        self.sheets.insert(self.gl.bound()?, key, tile)
    }

    fn evict(&mut self, key: &TileKey) -> Option<Samples> {
        self.sheets.remove(key);
        None
    }

    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError> {
        self.resize(pass.canvas)?;
        let gl = self.gl.bound()?;
        let Some(picture) = &self.picture else { return Ok(()) };
        self.clearing.picture(gl, picture);
        self.slice.draw(gl, pass, &self.sheets, picture)
    }

    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        self.volumes.upload(self.gl.bound()?, key, shape, brick)
    }

    fn evict_volume(&mut self, key: &VolumeKey) {
        match self.gl.bound() {
            Ok(gl) => self.volumes.evict(gl, key),
            // A context that cannot be bound takes its textures with it.
            Err(error) => tracing::warn!("a volume is evicted without its context: {error}"),
        }
    }

    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        self.resize(pass.canvas)?;
        let gl = self.gl.bound()?;
        let Some(picture) = &self.picture else { return Ok(()) };
        if !pass.outline {
            self.clearing.picture(gl, picture);
            return self.volumes.draw(gl, pass, picture, &self.clearing);
        }
        let mut pixels = vec![0; pass.canvas.width as usize * pass.canvas.height as usize];
        outline::draw(pass, &mut pixels);
        picture.write(gl, &pixels)
    }

    fn capture(&mut self, format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        let FrameFormat::I420 { range } = format;
        samples::check_even(self.canvas)?;
        let Some(picture) = &self.picture else {
            return Err(DeviceError::Refused("a picture without pixels".to_owned()));
        };
        let frame = self.capture.frame(&self.gl, picture, range)?;
        Ok(CapturedFrame { size: self.canvas, format, data: Box::new(frame) })
    }

    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        let gl = self.gl.bound()?;
        check(gl, "starting to read the picture")?;
        self.picture.as_ref().map_or(Ok(Vec::new()), |picture| picture.read_rgba(gl))
    }
}

impl Drop for GlDevice {
    fn drop(&mut self) {
        match self.gl.bound() {
            Ok(gl) => {
                if let Some(picture) = &self.picture {
                    picture.delete(gl);
                }
                self.slice.delete(gl);
                self.sheets.delete(gl);
                self.volumes.delete(gl);
                self.capture.delete(gl);
                self.clearing.delete(gl);
            }
            // A context that cannot be bound takes its objects with it.
            Err(error) => tracing::warn!("the gl device is dropped without its context: {error}"),
        }
        self.gl.unbind();
    }
}
