//! The attributes of a zarr group: what kind of thing they describe, and the raw entries of an image.

use super::{MetadataError, lenient};
use serde::Deserialize;
use serde_json::Value;

/// What a group holds, by its attributes.
#[derive(Debug)]
pub(crate) enum Content {
    /// An image.
    Image(Document),
    /// Images, further down.
    Collection(Collection),
    /// Nothing that NGFF knows.
    Unknown,
}

/// A group that is no image but leads to some.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    /// A plate; paths of its wells.
    Plate(Vec<String>),
    /// A well; paths of its images.
    Well(Vec<String>),
    /// A bioformats2raw series; images are at "0", "1", ...
    Series,
    /// Label images; their paths.
    Labels(Vec<String>),
}

/// The entries of the first multiscale image of a group.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) version: Option<String>,
    pub(crate) name: Option<String>,
    pub(super) axes: Option<Vec<Value>>,
    pub(crate) datasets: Vec<DatasetEntry>,
    pub(super) transforms: Vec<Transform>,
    pub(super) omero: Option<Omero>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct DatasetEntry {
    pub(crate) path: String,
    #[serde(default, rename = "coordinateTransformations", deserialize_with = "lenient")]
    pub(super) transforms: Option<Vec<Transform>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Transform {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) scale: Option<Vec<f64>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) translation: Option<Vec<f64>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Omero {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) channels: Option<Vec<OmeroChannel>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) rdefs: Option<Rdefs>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct OmeroChannel {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) label: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) color: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) active: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) window: Option<OmeroWindow>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct OmeroWindow {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) start: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) end: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) min: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) max: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Rdefs {
    #[serde(default, rename = "defaultZ", deserialize_with = "lenient")]
    pub(super) default_z: Option<f64>,
    #[serde(default, rename = "defaultT", deserialize_with = "lenient")]
    pub(super) default_t: Option<f64>,
}

#[derive(Deserialize)]
struct Multiscale {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    axes: Option<Vec<Value>>,
    #[serde(default, rename = "coordinateTransformations", deserialize_with = "lenient")]
    transforms: Option<Vec<Transform>>,
}

/// Looks what the attributes of a group describe. Entries live under "ome" (0.5) or at the top (up to 0.4).
pub(crate) fn classify(attributes: &Value, warnings: &mut Vec<String>) -> Result<Content, MetadataError> {
    let root = attributes.get("ome").filter(|o| o.is_object()).unwrap_or(attributes);
    if let Some(multiscales) = root.get("multiscales") {
        return image(root, multiscales, warnings).map(Content::Image);
    }
    let paths = |list: Option<&Value>| -> Vec<String> {
        let entries = list.and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(|e| e.get("path").unwrap_or(e).as_str()).map(str::to_owned).collect()
    };
    Ok(if let Some(plate) = root.get("plate") {
        Content::Collection(Collection::Plate(paths(plate.get("wells"))))
    } else if let Some(well) = root.get("well") {
        Content::Collection(Collection::Well(paths(well.get("images"))))
    } else if root.get("bioformats2raw.layout").is_some() {
        Content::Collection(Collection::Series)
    } else if root.get("labels").is_some_and(Value::is_array) {
        Content::Collection(Collection::Labels(paths(root.get("labels"))))
    } else {
        Content::Unknown
    })
}

fn image(root: &Value, multiscales: &Value, warnings: &mut Vec<String>) -> Result<Document, MetadataError> {
    let list =
        multiscales.as_array().ok_or_else(|| MetadataError::new("multiscales", "is not a list: write a list of one image"))?;
    let first = list.first().ok_or_else(|| MetadataError::new("multiscales", "is empty: describe at least one image"))?;
    if list.len() > 1 {
        warnings.push(format!("multiscales lists {} images; the first is shown", list.len()));
    }
    let entry: Multiscale = serde_json::from_value(first.clone())
        .map_err(|_| MetadataError::new("multiscales[0]", "is not an object: describe an image with axes and datasets"))?;
    let datasets = first.get("datasets").and_then(Value::as_array).filter(|d| !d.is_empty()).ok_or_else(|| {
        MetadataError::new("multiscales[0].datasets", "is missing or empty: list the level arrays, finest first")
    })?;
    let datasets = datasets
        .iter()
        .enumerate()
        .map(|(i, d)| {
            serde_json::from_value(d.clone()).map_err(|_| {
                MetadataError::new(format!("multiscales[0].datasets[{i}].path"), "is missing or not text: name the level's array")
            })
        })
        .collect::<Result<_, _>>()?;
    let omero = root.get("omero").and_then(|o| {
        let read = serde_json::from_value(o.clone()).ok();
        if read.is_none() {
            warnings.push("omero is not an object; channel colours and windows are made up".into());
        }
        read
    });
    let version = root.get("version").and_then(Value::as_str).map(str::to_owned).or(entry.version);
    Ok(Document {
        version,
        name: entry.name,
        axes: entry.axes,
        datasets,
        transforms: entry.transforms.unwrap_or_default(),
        omero,
    })
}
