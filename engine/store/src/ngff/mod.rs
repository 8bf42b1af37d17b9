//! NGFF (OME-Zarr) and OMERO metadata, versions 0.1 to 0.5, read leniently: what is odd becomes a warning, and only what leaves no
//! sensible reading is an error.
//!
//! Pure: JSON and array facts in, descriptions out. Must never know: files, zarr, chunks.

mod axes;
mod channels;
mod document;
mod transforms;

use nc_core::scene::{Axis, Channel};
use serde_json::Value;

pub(crate) use document::{Collection, Content, Document, classify};

/// Metadata that leaves no sensible reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataError {
    /// The key that is wrong, as a path within the attributes ("multiscales[0].datasets").
    pub(crate) key: String,
    /// What is wrong with it and what would be right.
    pub(crate) problem: String,
}

impl MetadataError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
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

/// Reads the description of an image: `document` as [`classify`] found it, and the arrays of the levels that exist, by their
/// position in `document.datasets`.
pub(crate) fn describe(
    document: &Document,
    levels: &[(usize, ArrayFacts)],
    warnings: &mut Vec<String>,
) -> Result<Description, MetadataError> {
    let finest =
        levels.first().ok_or_else(|| MetadataError::new("multiscales[0].datasets", "is empty: list at least one level"))?;
    let axes = axes::resolve(document.axes.as_ref(), &finest.1, warnings)?;
    for (dataset, facts) in levels {
        if facts.shape.len() != axes.len() {
            let problem = format!("the array has {} axes, but the image has {}: make them agree", facts.shape.len(), axes.len());
            return Err(MetadataError::new(format!("multiscales[0].datasets[{dataset}]"), problem));
        }
    }
    let placements = transforms::place(document, levels, warnings)?;
    let channel_count = axes.iter().position(|a| a.kind == nc_core::scene::AxisKind::Channel).map_or(1, |a| finest.1.shape[a]);
    let omero = channels::read(document.omero.as_ref(), channel_count, warnings);
    Ok(Description { axes, placements, channels: omero.channels, default_z: omero.default_z, default_t: omero.default_t })
}

/// The description of an array without metadata.
pub(crate) fn describe_plain(facts: &ArrayFacts, warnings: &mut Vec<String>) -> Result<Description, MetadataError> {
    let axes = axes::resolve(None, facts, warnings)?;
    let placements = vec![Placement { scale: vec![1.0; axes.len()], translate: vec![0.0; axes.len()] }];
    Ok(Description { axes, placements, channels: Vec::new(), default_z: None, default_t: None })
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
