//! NGFF (OME-Zarr) and OMERO metadata, versions 0.1 to 0.6, read leniently: what is odd becomes a warning, and only what leaves no
//! sensible reading is an error.
//!
//! Lives here: what a group holds (`document`), its axes (`axes`), where its levels lie (`transforms`, `reduce`, and `six` for the
//! coordinate systems of 0.6), channels (`channels`), labels (`label`), plates and wells (`plate`), and what the versions demand beyond
//! our needs (`strict`).
//! Pure: JSON and array facts in, descriptions out. Must never know: files, zarr, chunks.

mod axes;
mod channels;
mod document;
mod label;
mod plate;
mod reduce;
mod six;
pub(crate) mod strict;
mod transforms;

use nc_core::scene::{Axis, AxisKind, Channel, LabelInfo};
use serde_json::Value;

pub(crate) use document::{Content, Document, Images, classify, labels, series, version};
pub use plate::{Acquisition, Plate, PlateWell, Well, WellImage};

/// Metadata that leaves no sensible reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataError {
    /// The key that is wrong, as a path within the attributes ("multiscales[0].datasets").
    pub(crate) key: String,
    /// What is wrong with it.
    pub(crate) problem: Problem,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It makes no sense: what is wrong and what would be right.
    Senseless(String),
    /// It is a transformation of this kind, which is more than scale and translation.
    Irreducible(String),
}

impl MetadataError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: Problem::Senseless(problem.into()) }
    }

    fn irreducible(key: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { key: key.into(), problem: Problem::Irreducible(kind.into()) }
    }
}

/// What the metadata needs to know of one level's array.
#[derive(Debug, Clone)]
pub(crate) struct ArrayFacts {
    pub(crate) shape: Vec<u64>,
    pub(crate) dimension_names: Option<Vec<String>>,
}

/// Where one level lies in the world, one entry per axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placement {
    pub(crate) scale: Vec<f64>,
    pub(crate) translate: Vec<f64>,
}

/// What the metadata say about an image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    pub(crate) axes: Vec<Axis>,
    /// One per level, in the order of the arrays.
    pub(crate) placements: Vec<Placement>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) default_z: Option<u64>,
    pub(crate) default_t: Option<u64>,
}

/// Reads the description of an image: `document` as [`Images::select`] found it, and the arrays of the levels that exist, by their
/// position in `document.datasets`.
pub(crate) fn describe(
    document: &Document,
    levels: &[(usize, ArrayFacts)],
    warnings: &mut Vec<String>,
) -> Result<Description, MetadataError> {
    let none = || MetadataError::new(format!("{}.datasets", document.key()), "is empty: list at least one level");
    let finest = levels.first().ok_or_else(none)?;
    let axes = axes::resolve(document.axes.as_ref(), &document.axes_key, &finest.1, warnings)?;
    for (dataset, facts) in levels {
        if facts.shape.len() != axes.len() {
            let problem = format!("the array has {} axes, but the image has {}: make them agree", facts.shape.len(), axes.len());
            return Err(MetadataError::new(format!("{}.datasets[{dataset}]", document.key()), problem));
        }
    }
    let placements = transforms::place(document, &axes, levels, warnings)?;
    let count = |kind: AxisKind| axes.iter().position(|a| a.kind == kind).map(|a| finest.1.shape[a]);
    let omero = channels::read(document.omero.as_ref(), count(AxisKind::Channel).unwrap_or(1), warnings);
    let depth = axes.iter().position(|a| a.name.eq_ignore_ascii_case("z")).map(|a| finest.1.shape[a]);
    for (key, index, count) in [("Z", omero.default_z, depth), ("T", omero.default_t, count(AxisKind::Time))] {
        if let (Some(index), Some(count)) = (index, count)
            && index >= count
        {
            warnings.push(format!("omero.rdefs.default{key} is {index}, but there are {count} planes; the last one is shown"));
        }
    }
    Ok(Description { axes, placements, channels: omero.channels, default_z: omero.default_z, default_t: omero.default_t })
}

/// The description of arrays without metadata: levels of one image, finest first, which share their outer box.
pub(crate) fn describe_plain(levels: &[ArrayFacts], warnings: &mut Vec<String>) -> Result<Description, MetadataError> {
    let finest = levels.first().ok_or_else(|| MetadataError::new("shape", "is missing: there is no array"))?;
    let axes = axes::resolve(None, "dimension_names", finest, warnings)?;
    let placements = levels.iter().map(|level| transforms::same_box(&finest.shape, &level.shape)).collect();
    Ok(Description { axes, placements, channels: Vec::new(), default_z: None, default_t: None })
}

/// What the attributes of a label image called `name` say about its values; the attributes need not say anything.
pub(crate) fn describe_label(name: &str, attributes: &Value, warnings: &mut Vec<String>) -> LabelInfo {
    label::read(name, document::root(attributes).get("image-label").unwrap_or(&Value::Null), warnings)
}

/// Deserialises a field, and takes what does not fit its type as absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests;
