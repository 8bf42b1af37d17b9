//! `notify.scene`: viewer, layers, multiscale (PROTOCOL §5.1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything a client needs to build its layers. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Settings, dims and camera.
    pub viewer: Viewer,
    /// Layers, bottom first.
    pub layers: Vec<LayerBlock>,
    /// Whether there is data, and from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SceneMetadata>,
    /// Level policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,
}

/// The viewer block. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewer {
    /// Canvas and rate.
    pub settings: Settings,
    /// Dims, in dataset axis order.
    pub dims: ViewerDims,
    /// Camera pose.
    pub camera: ViewerCamera,
}

/// Canvas and rate. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Frames per second at most.
    pub fps_target: f64,
    /// Width and height of the video in pixels.
    pub canvas_size: [u32; 2],
    /// Whether three axes are shown.
    pub volume_enabled: bool,
}

/// Dims of the scene. Closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewerDims {
    /// Number of axes.
    pub ndim: usize,
    /// Their names.
    pub axis_labels: Vec<String>,
    /// A permutation of the axes.
    pub order: Vec<usize>,
    /// Shape of every level.
    pub level_shapes: Vec<Vec<u64>>,
    /// Level shown, 0 the finest.
    pub current_level: usize,
    /// Index per axis in the current level.
    pub current_step: Vec<u64>,
    /// Axes shown: the last `ndisplay` of `order`.
    pub displayed: Vec<usize>,
    /// 2 or 3.
    pub ndisplay: u8,
}

/// Camera pose, world units. Closed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewerCamera {
    /// 2 or 3.
    pub ndisplay: u8,
    /// x, y and in 3D z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<Vec<f64>>,
    /// 2D: decoration, positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zoom: Option<f64>,
    /// 2D: left, bottom, width, height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<[f64; 4]>,
    /// 3D: azimuth, elevation, roll in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angles: Option<[f64; 3]>,
    /// 3D: distance to the centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// 3D: vertical field of view in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fov: Option<f64>,
}

/// One layer. Open: keys that are not listed here are carried in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerBlock {
    /// Stable id.
    pub layer_id: String,
    /// "image" or "volume".
    pub layer_type: LayerType,
    /// Name for people.
    pub name: String,
    /// Number of axes.
    pub ndim: usize,
    /// Shape at the current level.
    pub shape: Vec<u64>,
    /// Names of the axes, `ndim` of them.
    pub axis_labels: Vec<String>,
    /// Whether three axes are shown.
    pub volume: bool,
    /// How it is shown.
    pub controls: Controls,
    /// Shape of every level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_shapes: Option<Vec<Vec<u64>>>,
    /// Holds the thumbnail.
    pub metadata: LayerMetadata,
    /// The pyramid; absent for a single level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiscale: Option<Multiscale>,
    /// Low and high limit in data units, high > low.
    pub contrast_limits: [f64; 2],
    /// World units per sample of the current level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Vec<f64>>,
    /// World position of sample 0 of the current level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translate: Option<Vec<f64>>,
    /// Element type, numpy's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Where the data come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Keys that only some clients know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerType {
    /// Drawn as a plane.
    Image,
    /// Drawn as a volume.
    Volume,
}

/// Metadata of a layer. Open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerMetadata {
    /// Rows of pixels, 3 or 4 components in 0..1, row 0 at the bottom of the data. Absent only for clients that asked for
    /// [`crate::extension::COMPACT_SCENE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Pixels>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Rows of pixels of 3 or 4 components in 0..1.
pub type Pixels = Vec<Vec<Vec<f32>>>;

/// The ten keys a client can set on a layer. Closed; a key is absent when unknown, never null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// Whether it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
    /// 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// One of [`crate::validate::BLENDINGS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blending: Option<String>,
    /// One of [`crate::validate::INTERPOLATIONS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpolation: Option<String>,
    /// A name, or `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colormap: Option<String>,
    /// One of [`crate::validate::RENDERINGS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendering: Option<String>,
    /// Positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Data units, high > low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast_limits: Option<[f64; 2]>,
    /// Data units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso_threshold: Option<f64>,
    /// Not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attenuation: Option<f64>,
}

/// A pyramid. Open in `metadata` alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiscale {
    /// Finest first.
    pub levels: Vec<Level>,
    /// Level shown.
    pub current_level: usize,
    /// Policy and index space, if stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// One level of a pyramid. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Position in the pyramid; absent in a layer's `multiscale`, where order says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Samples per axis.
    pub shape: Vec<u64>,
    /// Level-0 samples per sample, per axis.
    pub downsample: Vec<f64>,
    /// Path within the image.
    pub path: String,
}

/// Where the data come from. Open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// "ome-zarr", "demo".
    pub kind: String,
}

/// Whether there is data, and from where. Open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneMetadata {
    /// Ready or idle.
    pub status: SceneStatus,
    /// Informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_path: Option<String>,
    /// Informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// How layer 0 is drawn as a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_state: Option<VolumeState>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a volume is drawn. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeState {
    /// One of [`crate::validate::RENDERINGS`].
    pub mode: String,
    /// A name, or `#rrggbb`.
    pub colormap: String,
    /// Data units, high > low.
    pub clim: [f64; 2],
    /// 0..1.
    pub opacity: f64,
    /// Length of a ray's step relative to a sample, 0.1..4.
    pub sample_step: f64,
}

/// Whether there is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SceneStatus {
    /// There is.
    Ready,
    /// There is not.
    Idle,
}

/// Policies. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Level policy.
    pub multiscale: MultiscalePolicy,
}

/// Level policy and its present result. Closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiscalePolicy {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Level shown.
    pub active_level: usize,
    /// Whether a budget made it coarser.
    pub downgraded: bool,
    /// Index space of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_space: Option<String>,
    /// Finest first, with index.
    pub levels: Vec<Level>,
}
