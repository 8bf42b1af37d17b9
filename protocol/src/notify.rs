//! Notifications other than the scene: dims, camera, layers, stream, level, telemetry, error (PROTOCOL §§5.2–5.6).

use crate::scene::{Controls, LayerMetadata, Level, Pixels};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Dims state. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dims {
    /// Same as `current_step`.
    pub step: Vec<u64>,
    /// Index per axis in the current level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_step: Option<Vec<u64>>,
    /// The pyramid, finest first, with index.
    pub levels: Vec<Level>,
    /// Level shown; an index of `level_shapes`.
    pub current_level: usize,
    /// Shape of every level.
    pub level_shapes: Vec<Vec<u64>>,
    /// Follows from `ndisplay`.
    pub mode: DimsMode,
    /// 2 or 3.
    pub ndisplay: u8,
    /// Whether a budget made the level coarser than wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgraded: Option<bool>,
    /// Names of the axes, and of the targets of dims intents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis_labels: Option<Vec<String>>,
    /// A permutation of the axes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<usize>>,
    /// The last `ndisplay` of `order`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displayed: Option<Vec<usize>>,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// Whether a plane or a volume is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DimsMode {
    /// `ndisplay` 2.
    Plane,
    /// `ndisplay` 3.
    Volume,
}

/// A camera echo (`delta`) or the pose (`state`). Closed; at least one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Which command, or the pose.
    pub mode: CameraMode,
    /// [`Camera::ECHO`] or [`Camera::POSE`].
    pub origin: String,
    /// The acknowledged value of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Map<String, Value>>,
    /// The pose that is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Pose>,
}

impl Camera {
    /// Origin of an echo.
    pub const ECHO: &str = "state.update";
    /// Origin of a pose.
    pub const POSE: &str = "worker.state.camera";
}

/// What a camera frame speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraMode {
    /// Zoom at an anchor.
    Zoom,
    /// Move in the screen plane.
    Pan,
    /// Turn around the centre.
    Orbit,
    /// Fit the data.
    Reset,
    /// Absolute values.
    Set,
    /// The pose.
    Pose,
}

/// The pose that is drawn, world units. Plane: centre, zoom, rect. Volume: centre, angles, distance, fov. Closed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// x, y and in 3D z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<Vec<f64>>,
    /// Decoration, positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zoom: Option<f64>,
    /// Left, bottom, width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<[f64; 4]>,
    /// Azimuth, elevation, roll in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angles: Option<[f64; 3]>,
    /// Distance to the centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// Vertical field of view in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fov: Option<f64>,
}

/// A change of one layer. Closed; at least one section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Which layer.
    pub layer_id: String,
    /// Controls that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controls: Option<Controls>,
    /// Replaces the metadata block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<LayerMetadata>,
    /// What is said of a volume, only while three axes are shown; the Python client rebuilds the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<LayerData>,
    /// A new picture for the layer list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
    /// The layer is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<bool>,
}

/// How a layer's volume is drawn, and at which level. Only keys that changed. Closed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerData {
    /// One of [`crate::validate::RENDERINGS`].
    #[serde(rename = "volume.render_mode", default, skip_serializing_if = "Option::is_none")]
    pub render_mode: Option<String>,
    /// A name, or `#rrggbb`.
    #[serde(rename = "volume.colormap", default, skip_serializing_if = "Option::is_none")]
    pub colormap: Option<String>,
    /// Data units, high > low.
    #[serde(rename = "volume.contrast_limits", default, skip_serializing_if = "Option::is_none")]
    pub contrast_limits: Option<[f64; 2]>,
    /// 0..1.
    #[serde(rename = "volume.opacity", default, skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// Length of a ray's step relative to a sample, 0.1..4.
    #[serde(rename = "volume.sample_step", default, skip_serializing_if = "Option::is_none")]
    pub sample_step: Option<f64>,
    /// Level drawn, 0 the finest.
    #[serde(rename = "multiscale.level", default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// The pyramid, finest first, with index.
    #[serde(rename = "multiscale.levels", default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<Level>>,
    /// Shape of every level.
    #[serde(rename = "multiscale.level_shapes", default, skip_serializing_if = "Option::is_none")]
    pub level_shapes: Option<Vec<Vec<u64>>>,
    /// Whether a budget made the level coarser than wanted.
    #[serde(rename = "multiscale.downgraded", default, skip_serializing_if = "Option::is_none")]
    pub downgraded: Option<bool>,
}

/// A colour picture of a layer. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thumbnail {
    /// Pixels, row 0 at the bottom of the data.
    pub array: Pixels,
    /// Rows, columns, components.
    pub shape: [usize; 3],
    /// Always "float32".
    pub dtype: String,
    /// Seconds since the Unix epoch.
    pub generated_at: f64,
}

/// How to decode the pixel channel. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// "h264".
    pub codec: String,
    /// "avcc".
    pub format: String,
    /// Frames per second at most.
    pub fps: f64,
    /// Width and height in pixels.
    pub frame_size: [u32; 2],
    /// Bytes of a NAL's length prefix, 4.
    pub nal_length_size: u8,
    /// AVCDecoderConfigurationRecord in base64.
    pub avcc: String,
    /// Informational.
    pub latency_policy: LatencyPolicy,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vt_hint: Option<Map<String, Value>>,
}

/// Buffering advice, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyPolicy {
    /// Most that a client should hold back.
    pub max_buffer_ms: f64,
    /// How long to wait for a keyframe before asking again.
    pub grace_keyframe_ms: f64,
}

/// The level alone. Closed; defined, never sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneLevel {
    /// Level shown.
    pub current_level: usize,
    /// Whether a budget made it coarser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgraded: Option<bool>,
    /// The pyramid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<Level>>,
}

/// Figures for display. Closed; defined, never sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Milliseconds in the presenter.
    pub presenter: f64,
    /// Milliseconds in the decoder.
    pub decode: f64,
    /// Frames waiting.
    pub queue_depth: f64,
}

/// A fault that people should know. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Error {
    /// "data", "render", "encode".
    pub domain: String,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// How bad.
    pub severity: Severity,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Map<String, Value>>,
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something is degraded.
    Warning,
    /// Something does not work.
    Critical,
}
