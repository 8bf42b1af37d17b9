//! What an image is: axes, levels, channels. Filled by the store, read by everyone.

use crate::data::{DType, ImageId};
use serde::{Deserialize, Serialize};

/// What an axis means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisKind {
    /// Time.
    Time,
    /// Channel.
    Channel,
    /// A direction in space.
    Space,
    /// Anything else.
    Other,
}

/// One axis of an image, in array order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Name as in the file ("t", "c", "z", "y", "x", ...); unique within an image.
    pub name: String,
    /// Meaning.
    pub kind: AxisKind,
    /// Unit of world coordinates along the axis, if the file says ("micrometer").
    pub unit: Option<String>,
}

/// One level of a pyramid. All vectors have one entry per array axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelInfo {
    /// Path within the image.
    pub path: String,
    /// Samples per axis; none is zero.
    pub shape: Vec<u64>,
    /// Shape of the smallest piece that is read and decoded on its own (the inner chunk of a shard).
    pub chunk: Vec<u64>,
    /// World units per sample; finite and not zero.
    pub scale: Vec<f64>,
    /// World position of the centre of sample 0.
    pub translate: Vec<f64>,
}

/// One channel of an image, as OMERO metadata describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Name shown to people.
    pub label: Option<String>,
    /// Display colour, RGB.
    pub color: Option<[u8; 3]>,
    /// Display window in data units, start < end.
    pub window: Option<(f64, f64)>,
    /// Whether it is shown at first.
    pub active: bool,
}

/// Where an image came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// An OME-Zarr image or a plain zarr array.
    OmeZarr,
    /// The procedural demo.
    Demo,
}

/// A multiscale image. Level 0 is the finest; there is at least one level, and 2 to 5 axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Identity within this process.
    #[serde(skip, default = "unset_id")]
    pub id: ImageId,
    /// Name shown to people.
    pub name: String,
    /// Where it was opened from: an absolute path, or "demo".
    pub location: String,
    /// What kind of place that is.
    pub source: SourceKind,
    /// Metadata version ("0.4", "0.5"), if there is one.
    pub ngff_version: Option<String>,
    /// Axes in array order.
    pub axes: Vec<Axis>,
    /// Element type of every level.
    pub dtype: DType,
    /// Levels, finest first.
    pub levels: Vec<LevelInfo>,
    /// Channels along the channel axis, or empty if the file describes none.
    pub channels: Vec<Channel>,
    /// Index of the z plane shown at first, if the file says.
    pub default_z: Option<u64>,
    /// Index of the time point shown at first, if the file says.
    pub default_t: Option<u64>,
    /// What is odd about the file but did not keep it from opening, one line each.
    pub warnings: Vec<String>,
}

fn unset_id() -> ImageId {
    ImageId(u32::MAX)
}

impl ImageInfo {
    /// Position of the channel axis, if there is one.
    pub fn channel_axis(&self) -> Option<usize> {
        self.axes.iter().position(|a| a.kind == AxisKind::Channel)
    }

    /// Level 0.
    pub fn finest(&self) -> &LevelInfo {
        &self.levels[0]
    }
}
