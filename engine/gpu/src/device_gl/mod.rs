//! The gl device: OpenGL compute shaders through EGL, without a window.
//!
//! Lives here: EGL and contexts (`egl`, `context`), tile residency in texture arrays (`sheets`), the picture, the slice pass and
//! capture; the kernels themselves are in `src/kernels`. Everything per pixel is compute: on data-centre GPUs fragment work runs
//! on a small part of the chip. Which sample a pixel reads is worked out on the host, as for the cpu device.

mod capture;
pub(crate) mod context;
pub(crate) mod egl;
pub(crate) mod limits;
mod picture;
mod sheets;
mod slice;

use crate::api::{CapturedFrame, DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice, SlicePass, VolumePass};
use crate::{outline, samples};
use capture::Capture;
use context::{Gl, check};
use nc_core::data::{Brick, BrickKey, CanvasSize, Samples, Tile, TileKey, VolumeKey};
use picture::Picture;
use sheets::Sheets;
use slice::SliceKernel;

/// See the module. Bound to the thread that opened it.
pub struct GlDevice {
    gl: Gl,
    info: DeviceInfo,
    canvas: CanvasSize,
    /// `None` for a canvas without pixels.
    picture: Option<Picture>,
    sheets: Sheets,
    slice: SliceKernel,
    capture: Capture,
}

impl GlDevice {
    /// Opens the best GL 4.3 that the machine has, on hardware, or, if `software` will do, on any driver. The first picture is
    /// black.
    pub fn open(canvas: CanvasSize, software: bool) -> Result<Self, DeviceError> {
        let (gl, platform) = Gl::open_best(software).map_err(|reason| DeviceError::Unavailable { device: "gl", reason })?;
        let identity = gl.identity();
        let functions = gl.bound()?;
        let (sheets, slice, capture) = (Sheets::new(functions), SliceKernel::new(functions)?, Capture::new(functions)?);
        let description = format!("{}, GL {}, {platform}", identity.renderer, identity.version);
        let memory = crate::probe::device_memory(identity.software, limits::video_memory(functions));
        let texture_edge_3d = Some(limits::limits(functions).texture_3d);
        let info = DeviceInfo { kind: DeviceKind::Gl, description, memory, texture_edge_3d };
        let mut device = Self { gl, info, canvas, picture: None, sheets, slice, capture };
        device.resize(canvas)?;
        Ok(device)
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
        picture.clear(gl);
        self.slice.draw(gl, pass, &self.sheets, picture)
    }

    fn upload_brick(&mut self, _key: BrickKey, _shape: [u32; 3], _brick: &Brick) -> Result<(), DeviceError> {
        Ok(())
    }

    fn evict_volume(&mut self, _key: &VolumeKey) {}

    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        self.resize(pass.canvas)?;
        let gl = self.gl.bound()?;
        let Some(picture) = &self.picture else { return Ok(()) };
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
                self.capture.delete(gl);
            }
            // A context that cannot be bound takes its objects with it.
            Err(error) => tracing::warn!("the gl device is dropped without its context: {error}"),
        }
        self.gl.unbind();
    }
}
