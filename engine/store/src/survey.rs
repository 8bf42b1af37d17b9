//! What a place holds, told without reading samples: for `info`, for choosing among several images, for plates as a grid.
//!
//! Unlike opening, looking does not need that the samples can be decoded or shown: what is in the way of that is told beside the rest.

pub use crate::ngff::{Acquisition, Plate, PlateWell, Well, WellImage};
pub use crate::opening::{survey, survey_at};
use nc_core::data::DType;
use nc_core::scene::{Axis, Channel, FormatInfo, LabelInfo, LevelInfo, PlateRef};
use serde::Serialize;

/// What kind of thing lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A multiscale image, or several in one group.
    Image,
    /// A multiscale image whose samples are labels.
    LabelImage,
    /// A zarr array without metadata of an image.
    Array,
    /// A group of arrays that shrink, without metadata: taken for a pyramid.
    GuessedPyramid,
    /// A plate of wells.
    Plate,
    /// A well of a plate: its fields.
    Well,
    /// A bioformats2raw collection.
    Series,
    /// A list of label images.
    Labels,
    /// A folder or group that is none of these.
    Folder,
}

/// What a place holds. Of a collection the lists are filled and those of an image (axes, levels, channels) are empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// Where it is, as people may see it: never a URL with what it keeps secret.
    pub location: String,
    /// Name shown to people.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Metadata version ("0.4", "0.5"), if there is one.
    pub ngff_version: Option<String>,
    /// Which format it is written in.
    pub format: FormatInfo,
    /// Axes in array order.
    pub axes: Vec<Axis>,
    /// Element type; `None` for a collection, and for elements that cannot be shown (`levels[].storage.dtype` names them).
    pub dtype: Option<DType>,
    /// Levels, finest first.
    pub levels: Vec<LevelInfo>,
    /// Channels, as far as they are described.
    pub channels: Vec<Channel>,
    /// Index of the z plane shown at first, if the file says.
    pub default_z: Option<u64>,
    /// Index of the time point shown at first, if the file says.
    pub default_t: Option<u64>,
    /// Names of the multiscale images of the group, if there are several; an image without a name has its number here.
    pub images: Vec<String>,
    /// Label images that belong to it; of a list of labels these are they.
    pub labels: Vec<LabelInfo>,
    /// What is said about the values of a label image.
    pub label: Option<LabelInfo>,
    /// Where in a plate it lies, if it was opened through one.
    pub plate_ref: Option<PlateRef>,
    /// The plate.
    pub plate: Option<Plate>,
    /// The well.
    pub well: Option<Well>,
    /// Paths of the images of a bioformats2raw collection.
    pub series: Vec<String>,
    /// Paths of the images inside a folder, the first few.
    pub inside: Vec<String>,
    /// What keeps it from being shown, one line each: a codec that is not built in, elements that are no numbers.
    pub obstacles: Vec<String>,
    /// What is odd about it but keeps it from nothing, one line each.
    pub warnings: Vec<String>,
}

impl Survey {
    /// Nothing told yet but where it is, what it is called, and what kind of thing it is.
    pub(crate) fn new(location: &str, name: &str, kind: Kind) -> Self {
        Self {
            location: location.to_owned(),
            name: name.to_owned(),
            kind,
            ngff_version: None,
            format: FormatInfo::default(),
            axes: Vec::new(),
            dtype: None,
            levels: Vec::new(),
            channels: Vec::new(),
            default_z: None,
            default_t: None,
            images: Vec::new(),
            labels: Vec::new(),
            label: None,
            plate_ref: None,
            plate: None,
            well: None,
            series: Vec::new(),
            inside: Vec::new(),
            obstacles: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
