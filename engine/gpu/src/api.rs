//! What the render thread and the encode thread may ask of a machine: a [`RenderDevice`] and an [`Encoder`].
//!
//! Frames go `draw_slice` or `draw_volume`, then `capture → encode`. The device lives on the render thread, the encoder on the encode thread; a
//! [`CapturedFrame`] is what passes between them.

use nc_core::data::{
    Blending, Brick, BrickKey, CanvasSize, ColorRange, Coloring, DeviceMemory, Interpolation, PlaneKey, Rect, Rendering, Samples,
    Tile, TileKey, VolumeKey,
};

pub use nc_core::data::SampleAxis;
pub use nc_core::data::labels::MOST_CONTOUR;

/// Which device draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Plain Rust, SIMD and threads; works everywhere.
    Cpu,
    /// OpenGL compute shaders through EGL, without a window.
    Gl,
}

/// What a device says of itself: for people, and for budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Which one.
    pub kind: DeviceKind,
    /// One line: renderer and version, or instruction set and threads.
    pub description: String,
    /// Where it keeps what it draws from, and how much that is.
    pub memory: DeviceMemory,
    /// Longest side of a volume that it can hold, samples; `None` if any.
    pub texture_edge_3d: Option<u32>,
}

/// One candidate plane of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePlane {
    /// Names the plane; its tiles are `TileKey { plane: key, .. }`.
    pub key: PlaneKey,
    /// Columns.
    pub x: SampleAxis,
    /// Rows.
    pub y: SampleAxis,
}

/// One layer of a slice pass.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceLayer {
    /// The wanted plane first, then stand-ins in order of preference. A pixel is covered iff the **first** plane covers it
    /// (`-0.5 <= u <= len-0.5` on both axes); it is drawn from the first plane whose tiles hold every tap that the filter needs,
    /// and left alone if none does.
    pub planes: Vec<SlicePlane>,
    /// Filter; of labels, nearest whatever it says.
    pub interpolation: Interpolation,
    /// Values to colours.
    pub coloring: Coloring,
    /// Of labels: only samples are drawn that have a smaller key within so many samples, counted along rows and columns, or a greater one
    /// next to them; 0 draws all, more than [`MOST_CONTOUR`] is as that. (What napari's `contour` draws.)
    pub contour: u32,
    /// 0..1.
    pub opacity: f32,
    /// How it joins the layers below. The first layer of the pass blends with the background as
    /// `golden/reference/README.md` "Compositing" says.
    pub blending: Blending,
}

/// A 2D picture: visible layers, bottom first, over black.
#[derive(Debug, Clone, PartialEq)]
pub struct SlicePass {
    /// Picture size.
    pub canvas: CanvasSize,
    /// What the canvas shows, in world units, already of the canvas's aspect.
    pub view: Rect,
    /// Visible layers, bottom first.
    pub layers: Vec<SliceLayer>,
}

/// The 3D camera: an orthonormal frame in world units (x, y, z).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeView {
    /// Where the eye is.
    pub eye: [f64; 3],
    /// To the right of the picture.
    pub right: [f64; 3],
    /// Up the picture.
    pub up: [f64; 3],
    /// Into the picture.
    pub forward: [f64; 3],
    /// Distance of the eye to what it looks at.
    pub distance: f64,
    /// Vertical field of view, degrees; 0 is a parallel projection.
    pub fov: f64,
    /// In a parallel projection: world units along the shorter side of the picture.
    pub extent: f64,
}

/// What is drawn of a layer that shows a plane in 3D: a slab about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// A point of the plane, samples (z, y, x).
    pub position: [f64; 3],
    /// Its normal, in samples (z, y, x); not zero.
    pub normal: [f64; 3],
    /// Samples along the normal.
    pub thickness: f64,
}

/// One layer of a volume pass.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeLayer {
    /// The samples. The layer is left alone unless all bricks are there.
    pub key: VolumeKey,
    /// Where they lie: world z, y, x.
    pub axes: [SampleAxis; 3],
    /// Filter; of labels, nearest whatever it says.
    pub interpolation: Interpolation,
    /// Values to colours.
    pub coloring: Coloring,
    /// 0..1.
    pub opacity: f32,
    /// How it joins the layers below.
    pub blending: Blending,
    /// How a ray is drawn. Labels are surfaces: flat if this is [`Rendering::Translucent`], else lit.
    pub rendering: Rendering,
    /// Only this of the volume, if anything.
    pub slab: Option<Slab>,
    /// Of [`Rendering::AttenuatedMip`].
    pub attenuation: f32,
    /// Of [`Rendering::Iso`], data units.
    pub iso_threshold: f32,
    /// Step along a ray relative to a voxel.
    pub sample_step: f32,
}

/// A 3D picture over black.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumePass {
    /// Picture size.
    pub canvas: CanvasSize,
    /// Pixels of the picture along each side of one that is drawn, 1 to 4: more draws less and scales it up.
    pub divisor: u32,
    /// Whether the edges of `bounds` are drawn over black in place of the layers: where nothing of them is there yet.
    pub outline: bool,
    /// The camera.
    pub view: VolumeView,
    /// The box of the data: world x, y, z, lower and upper end.
    pub bounds: [[f64; 2]; 3],
    /// Visible layers, bottom first.
    pub layers: Vec<VolumeLayer>,
}

/// What the encoder wants to be fed. A later device-side encoder adds a variant whose frames carry packing work instead of planes;
/// the traits stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFormat {
    /// 8-bit planar 4:2:0 in host memory, BT.709.
    I420 {
        /// Sample range.
        range: ColorRange,
    },
}

/// 4:2:0 planes in host memory. Row 0 is the **bottom** row of the view (PROTOCOL §10.3).
#[derive(Debug, Clone, Copy)]
pub struct I420<'a> {
    /// `width * height`, stride = width.
    pub y: &'a [u8],
    /// `width/2 * height/2`, stride = width/2.
    pub u: &'a [u8],
    /// `width/2 * height/2`, stride = width/2.
    pub v: &'a [u8],
}

/// A captured picture on its way to the encoder. Dropping it gives its memory back to the device's ring.
pub struct CapturedFrame {
    /// Picture size, both even.
    pub size: CanvasSize,
    /// What the samples are.
    pub format: FrameFormat,
    /// The samples.
    pub data: Box<dyn FrameData>,
}

/// Memory of a captured frame: a pooled host buffer, a persistently mapped read-back slot, ...
pub trait FrameData: Send {
    /// The planes.
    fn i420(&self) -> I420<'_>;
}

/// Why a device could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The machine cannot provide the device at all (no library, no GPU, wrong version).
    #[error("{device} device unavailable: {reason}")]
    Unavailable {
        /// "gl", "cpu".
        device: &'static str,
        /// What was missing.
        reason: String,
    },
    /// The device or its context failed; it has to be rebuilt.
    #[error("device lost: {0}")]
    Lost(String),
    /// A texture or buffer did not fit.
    #[error("out of device memory: {0}")]
    OutOfMemory(String),
    /// The request does not fit what it names; nothing was changed.
    #[error("refused: {0}")]
    Refused(String),
    /// All ring slots are still with the encoder.
    #[error("all {0} capture slots are in use")]
    RingFull(usize),
}

/// A device that draws. Created, used and dropped on one thread.
pub trait RenderDevice {
    /// What it is.
    fn info(&self) -> DeviceInfo;

    /// Makes a tile resident. Replaces one of the same key. A tile whose samples are not `width * height` is
    /// [`DeviceError::Refused`].
    fn upload(&mut self, key: TileKey, tile: &Tile) -> Result<(), DeviceError>;

    /// Drops a tile; unknown keys are ignored. Gives back the tile's samples, if the device kept them as they are.
    fn evict(&mut self, key: &TileKey) -> Option<Samples>;

    /// Draws into the device's own picture, which keeps its content until the next draw.
    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError>;

    /// Makes a brick resident, of a volume of `shape` samples (z, y, x). Replaces one of the same key. One that is not the piece of
    /// such a volume that its key names, or whose volume is there with another shape or format, is [`DeviceError::Refused`].
    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError>;

    /// Drops all bricks of a volume; unknown keys are ignored.
    fn evict_volume(&mut self, key: &VolumeKey);

    /// Draws volumes into the same picture, as `golden/reference/README.md` "Volumes" says, or the outline of the data's box. The
    /// picture's last row is the top of the view, as in 2D.
    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError>;

    /// Converts the last picture for the encoder. Up to [`CAPTURE_RING`] frames may be alive at once; one more is
    /// [`DeviceError::RingFull`]. A picture with an odd side is [`DeviceError::Refused`].
    fn capture(&mut self, format: FrameFormat) -> Result<CapturedFrame, DeviceError>;

    /// The last picture as RGBA, 4 bytes a pixel, row 0 at the **top** of the view as a person sees it (y up: data row 0 is the
    /// last row). For stills, goldens and tests; may stall.
    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError>;
}

/// Frames that may be between capture and encode at once.
pub const CAPTURE_RING: usize = 3;

/// What an encoder is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderConfig {
    /// Picture size, both even.
    pub size: CanvasSize,
    /// Frames per second the rate control plans with.
    pub fps: f32,
    /// Bits per second.
    pub bitrate: u32,
    /// Range of the samples, signalled in the VUI.
    pub range: ColorRange,
    /// Slices a picture; 1 to 4.
    pub slices: u32,
    /// Threads that share the slices, at least 1.
    pub threads: u32,
}

/// What an encoder says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderInfo {
    /// Short name: "openh264".
    pub name: &'static str,
    /// One line for people.
    pub description: String,
}

/// Parameter sets, without start codes or lengths.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ParameterSets {
    /// Sequence parameter set, NAL header first.
    pub sps: Vec<u8>,
    /// Picture parameter set, NAL header first.
    pub pps: Vec<u8>,
}

/// One access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// AVCC: each NAL behind a 4-byte big-endian length. An IDR carries SPS and PPS before its slices.
    pub avcc: Vec<u8>,
    /// Whether it is an IDR.
    pub idr: bool,
    /// The parameter sets in force, on every IDR.
    pub parameter_sets: Option<ParameterSets>,
}

/// Why a frame was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoder could not be made.
    #[error("{encoder} encoder unavailable: {reason}")]
    Unavailable {
        /// Encoder name.
        encoder: &'static str,
        /// What was missing or refused.
        reason: String,
    },
    /// The frame does not fit the encoder (size or format).
    #[error("frame {got} does not fit an encoder made for {want}")]
    Mismatch {
        /// What came.
        got: String,
        /// What was expected.
        want: String,
    },
    /// The encoder failed; it has to be reset.
    #[error("{encoder} failed: {reason}")]
    Failed {
        /// Encoder name.
        encoder: &'static str,
        /// Its status.
        reason: String,
    },
}

/// An H.264 encoder: constrained enough for every browser, no B-frames, infinite GOP, IDR on demand. Lives on the encode thread.
pub trait Encoder: Send {
    /// What it is.
    fn info(&self) -> EncoderInfo;

    /// What capture must deliver.
    fn format(&self) -> FrameFormat;

    /// Encodes the next picture; `idr` forces an IDR. The first is always one.
    fn encode(&mut self, frame: &CapturedFrame, idr: bool) -> Result<AccessUnit, EncodeError>;

    /// Changes rate without a reset: no IDR, same parameter sets.
    fn set_rate(&mut self, bitrate: u32, fps: f32) -> Result<(), EncodeError>;
}
