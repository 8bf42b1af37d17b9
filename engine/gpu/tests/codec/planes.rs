//! A picture in memory, as a device would hand it to the encoder. Also used by the example and the bench of the codec.

use nc_core::data::{CanvasSize, ColorRange};
use nc_gpu::api::{CapturedFrame, FrameData, FrameFormat, I420};

/// A picture in 4:2:0 planes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planes {
    pub(crate) size: CanvasSize,
    pub(crate) y: Vec<u8>,
    pub(crate) u: Vec<u8>,
    pub(crate) v: Vec<u8>,
}

impl FrameData for Planes {
    fn i420(&self) -> I420<'_> {
        I420 { y: &self.y, u: &self.u, v: &self.v }
    }
}

impl Planes {
    /// From functions of the sample's column and row, chroma at half resolution.
    pub(crate) fn from_fn(size: CanvasSize, luma: impl Fn(u32, u32) -> u8, chroma: impl Fn(u32, u32) -> [u8; 2]) -> Self {
        let plane = |width: u32, height: u32, sample: &dyn Fn(u32, u32) -> u8| {
            (0..height).flat_map(|row| (0..width).map(move |column| (column, row))).map(|(x, y)| sample(x, y)).collect()
        };
        let (width, height) = (size.width / 2, size.height / 2);
        Self {
            size,
            y: plane(size.width, size.height, &luma),
            u: plane(width, height, &|x, y| chroma(x, y)[0]),
            v: plane(width, height, &|x, y| chroma(x, y)[1]),
        }
    }

    /// As a device would hand it over.
    pub(crate) fn frame(self, range: ColorRange) -> CapturedFrame {
        CapturedFrame { size: self.size, format: FrameFormat::I420 { range }, data: Box::new(self) }
    }
}
