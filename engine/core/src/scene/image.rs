//! What an image is: axes, levels, channels. Filled by the store, read by everyone.

use crate::data::{DType, ImageId, LabelColors, SampleFormat, labels};
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

/// How the samples of a level are kept. For people and reports: nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// Shape of the shards that the chunks lie in, if they do.
    pub shard: Option<Vec<u64>>,
    /// Codecs in the order in which they were applied, as the file names them ("transpose, blosc"); empty if there are none.
    pub codecs: String,
    /// "C" or "F": whether the last or the first axis is nearest in a stored chunk. Empty if nothing is stored.
    pub order: String,
    /// "little" or "big"; empty where it means nothing (one byte per sample, nothing stored).
    pub byte_order: String,
    /// The element type as the file writes it ("<u2", "uint16").
    pub dtype: String,
}

/// One level of a pyramid. All vectors have one entry per array axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// How it is kept.
    #[serde(default)]
    pub storage: Storage,
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

/// Which format an image is written in, beside [`ImageInfo::ngff_version`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormatInfo {
    /// 2 or 3; 0 if it is not kept as zarr.
    pub zarr: u8,
    /// Whether the metadata of all arrays came in one file.
    pub consolidated: bool,
}

/// What the metadata of one label value says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelValue {
    /// The value of the samples.
    pub value: i64,
    /// Display colour, RGBA.
    pub color: Option<[u8; 4]>,
    /// Whatever the file says about it, by name.
    #[serde(default)]
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// A label image that belongs to an image. It is drawn over it where their axes agree, and opens as an image of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelInfo {
    /// Name within `labels/`; the image itself, if this describes a label image that was opened.
    pub name: String,
    /// What is said about single values, in file order.
    pub values: Vec<LabelValue>,
    /// Path of the image that it labels, relative to it, if the file says.
    pub source: Option<String>,
}

/// Where in a plate an image lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlateRef {
    /// The plate, as people may see it: never a URL with what it keeps secret.
    pub plate: String,
    /// Path of the well within it ("B/03").
    pub well: String,
    /// Which of the well's fields.
    pub field: usize,
}

/// A multiscale image. Level 0 is the finest; there is at least one level, and 2 to 5 axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Identity within this process.
    #[serde(skip, default = "unset_id")]
    pub id: ImageId,
    /// Name shown to people.
    pub name: String,
    /// Where it was opened from: an absolute path, "demo", or a remote place as people may see it: kind and last part, never a URL.
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
    /// Which format it is written in.
    #[serde(default)]
    pub format: FormatInfo,
    /// Label images that belong to it.
    #[serde(default)]
    pub labels: Vec<LabelInfo>,
    /// Names of the multiscale images in the same group, of which this is one; empty if it is the only one.
    #[serde(default)]
    pub images: Vec<String>,
    /// Where in a plate it lies, if it does.
    #[serde(default)]
    pub plate: Option<PlateRef>,
    /// Whether its samples are ids: they are drawn by their keys (`nc_core::data::labels`), each in a colour of its own.
    #[serde(default)]
    pub is_labels: bool,
}

fn unset_id() -> ImageId {
    ImageId(u32::MAX)
}

/// Nothing yet: no axes, no levels. To be filled.
impl Default for ImageInfo {
    fn default() -> Self {
        Self {
            id: unset_id(),
            name: String::new(),
            location: String::new(),
            source: SourceKind::OmeZarr,
            ngff_version: None,
            axes: Vec::new(),
            dtype: DType::U8,
            levels: Vec::new(),
            channels: Vec::new(),
            default_z: None,
            default_t: None,
            warnings: Vec::new(),
            format: FormatInfo::default(),
            labels: Vec::new(),
            images: Vec::new(),
            plate: None,
            is_labels: false,
        }
    }
}

impl ImageInfo {
    /// Position of the channel axis, if there is one.
    pub fn channel_axis(&self) -> Option<usize> {
        self.axes.iter().position(|a| a.kind == AxisKind::Channel)
    }

    /// The format that devices draw its samples from: of ids, that of their keys.
    pub fn sample_format(&self) -> SampleFormat {
        match SampleFormat::of(self.dtype) {
            SampleFormat::F32 if self.is_labels => SampleFormat::U16,
            format => format,
        }
    }

    /// The colours of its ids, if they are ids: those that its metadata give, and napari's.
    pub fn label_colors(&self) -> Option<LabelColors> {
        let key = |value: i64| match self.dtype {
            DType::Bool | DType::U8 | DType::U16 => u16::try_from(value).ok(),
            _ => Some(labels::key_of(value)),
        };
        // What an image says of its own values has no name.
        let own = self.labels.iter().filter(|label| label.name.is_empty()).flat_map(|label| &label.values);
        self.is_labels.then(|| LabelColors::new(own.filter_map(|label| Some((key(label.value)?, label.color?)))))
    }

    /// Level 0.
    pub fn finest(&self) -> &LevelInfo {
        &self.levels[0]
    }
}
