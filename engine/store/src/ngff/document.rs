//! The attributes of a zarr group: what kind of thing they describe, and the raw entries of an image.

use super::{MetadataError, Plate, Well, lenient, plate, six};
use serde::Deserialize;
use serde_json::Value;

/// What a group holds, by its attributes.
#[derive(Debug)]
pub(crate) enum Content {
    /// Images over the same place.
    Images(Images),
    /// A plate.
    Plate(Plate),
    /// A well of a plate.
    Well(Well),
    /// A bioformats2raw collection. Which images it has is written elsewhere, see [`series`].
    Series,
    /// Label images; their paths.
    Labels(Vec<String>),
    /// Nothing that NGFF knows.
    Unknown,
}

/// The multiscale images of one group; at least one.
#[derive(Debug)]
pub(crate) struct Images {
    entries: Vec<Value>,
    version: Option<String>,
    omero: Option<Value>,
    /// Whether the samples are labels.
    pub(crate) is_label: bool,
}

/// The entries of one multiscale image.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Which of the group's it is.
    pub(crate) index: usize,
    pub(crate) version: Option<String>,
    pub(crate) name: Option<String>,
    pub(super) axes: Option<Vec<Value>>,
    /// Where `axes` was found, for messages.
    pub(super) axes_key: String,
    pub(crate) datasets: Vec<DatasetEntry>,
    pub(super) transforms: Vec<Value>,
    pub(super) omero: Option<Value>,
    /// Whether transformations are read as 0.6 means them: what is not understood is refused, never passed over.
    pub(super) is_six: bool,
}

impl Document {
    /// The entry's key, which begins those of what is in it.
    pub(crate) fn key(&self) -> String {
        format!("multiscales[{}]", self.index)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct DatasetEntry {
    pub(crate) path: String,
    #[serde(default, rename = "coordinateTransformations", deserialize_with = "lenient")]
    pub(super) transforms: Option<Vec<Value>>,
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
    transforms: Option<Vec<Value>>,
}

/// The first two numbers of a version ("0.6.dev3" is 0, 6).
pub(super) fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Where the entries are: under "ome" (from 0.5 on) or at the top (up to 0.4).
pub(super) fn root(attributes: &Value) -> &Value {
    attributes.get("ome").filter(|o| o.is_object()).unwrap_or(attributes)
}

/// The metadata version that the attributes of a group say, if they do: below "ome", or (up to 0.4) in what they describe.
pub(crate) fn version(attributes: &Value) -> Option<String> {
    let root = root(attributes);
    let within = |key: &str| root.get(key).and_then(|entry| entry.get("version"));
    let version = root.get("version").or_else(|| within("plate")).or_else(|| within("well"));
    version.and_then(Value::as_str).map(str::to_owned)
}

/// Looks what the attributes of a group describe.
pub(crate) fn classify(attributes: &Value, warnings: &mut Vec<String>) -> Result<Content, MetadataError> {
    let root = root(attributes);
    Ok(if let Some(multiscales) = root.get("multiscales") {
        Content::Images(images(root, multiscales, warnings)?)
    } else if let Some(entry) = root.get("plate") {
        Content::Plate(plate::plate(entry, warnings)?)
    } else if let Some(entry) = root.get("well") {
        Content::Well(plate::well(entry, warnings)?)
    } else if root.get("bioformats2raw.layout").is_some() {
        Content::Series
    } else if root.get("labels").is_some_and(Value::is_array) {
        Content::Labels(labels(attributes))
    } else {
        Content::Unknown
    })
}

/// Paths of the label images that the attributes of a "labels" group list.
pub(crate) fn labels(attributes: &Value) -> Vec<String> {
    paths(root(attributes).get("labels"))
}

/// Paths of the images of a bioformats2raw collection, from the attributes of its "OME" group; `None` if they are not listed.
pub(crate) fn series(attributes: &Value) -> Option<Vec<String>> {
    root(attributes).get("series").filter(|s| s.is_array()).map(|list| paths(Some(list)))
}

fn paths(list: Option<&Value>) -> Vec<String> {
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    let paths = entries.filter_map(|e| e.get("path").unwrap_or(e).as_str()).map(|p| p.trim_matches('/').to_owned());
    paths.filter(|p| !p.is_empty()).collect()
}

fn images(root: &Value, multiscales: &Value, warnings: &mut Vec<String>) -> Result<Images, MetadataError> {
    let list =
        multiscales.as_array().ok_or_else(|| MetadataError::new("multiscales", "is not a list: write a list of one image"))?;
    if list.is_empty() {
        return Err(MetadataError::new("multiscales", "is empty: describe at least one image"));
    }
    let version = root.get("version").and_then(Value::as_str).map(str::to_owned);
    let version = version.or_else(|| list[0].get("version").and_then(Value::as_str).map(str::to_owned));
    if let Some(version) = version.as_deref().filter(|v| release(v).is_some_and(|r| r > (0, 6))) {
        warnings.push(format!("version {version} is newer than 0.6 and read as if it were that"));
    }
    let omero = root.get("omero").cloned();
    Ok(Images { entries: list.clone(), version, omero, is_label: root.get("image-label").is_some() })
}

impl Images {
    /// One name per image: its own, or its number if it has none.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |(i, entry): (usize, &Value)| {
            let name = entry.get("name").and_then(Value::as_str).map(str::trim).filter(|n| !n.is_empty());
            name.map_or_else(|| i.to_string(), str::to_owned)
        };
        self.entries.iter().enumerate().map(name).collect()
    }

    /// The image called `wanted`, or the one with that number (from 0); without a wish the first, with a warning that names the others.
    pub(crate) fn select(&self, wanted: Option<&str>, warnings: &mut Vec<String>) -> Result<Document, MetadataError> {
        let names = self.names();
        let index = match wanted {
            None => {
                if names.len() > 1 {
                    let rest = few(names[1..].iter().map(|n| format!("#{n}")));
                    warnings.push(format!(
                        "multiscales lists {} images; the first is shown, ask for others with {rest}",
                        names.len()
                    ));
                }
                0
            }
            Some(wanted) => {
                let named = names.iter().position(|n| n == wanted);
                let numbered = || wanted.parse().ok().filter(|&n| n < names.len());
                named.or_else(numbered).ok_or_else(|| {
                    let all = few(names.iter().map(|n| format!("{n:?}")));
                    MetadataError::new("multiscales", format!("holds no image {wanted:?}: ask for {all}, or by number from 0"))
                })?
            }
        };
        self.document(index, warnings)
    }

    fn document(&self, index: usize, warnings: &mut Vec<String>) -> Result<Document, MetadataError> {
        let key = format!("multiscales[{index}]");
        let entry = &self.entries[index];
        let read: Multiscale = serde_json::from_value(entry.clone())
            .map_err(|_| MetadataError::new(&key, "is not an object: describe an image with axes and datasets"))?;
        let datasets = entry.get("datasets").and_then(Value::as_array).filter(|d| !d.is_empty()).ok_or_else(|| {
            MetadataError::new(format!("{key}.datasets"), "is missing or empty: list the level arrays, finest first")
        })?;
        let datasets = datasets
            .iter()
            .enumerate()
            .map(|(i, d)| {
                serde_json::from_value(d.clone()).map_err(|_| {
                    MetadataError::new(format!("{key}.datasets[{i}].path"), "is missing or not text: name the level's array")
                })
            })
            .collect::<Result<Vec<DatasetEntry>, _>>()?;
        let version = self.version.clone().or(read.version);
        let systems = entry.get("coordinateSystems");
        let mut document = Document {
            index,
            is_six: systems.is_some() || version.as_deref().and_then(release).is_some_and(|release| release >= (0, 6)),
            version,
            name: read.name,
            axes: read.axes,
            axes_key: format!("{key}.axes"),
            datasets,
            transforms: read.transforms.unwrap_or_default(),
            omero: self.omero.clone(),
        };
        if let Some(systems) = systems {
            six::resolve(&mut document, systems, warnings)?;
        }
        Ok(document)
    }
}

/// The first few of a list, and how many more there are.
fn few(names: impl ExactSizeIterator<Item = String>) -> String {
    const FEW: usize = 8;
    let more = names.len().saturating_sub(FEW);
    let list = names.take(FEW).collect::<Vec<_>>().join(", ");
    if more == 0 { list } else { format!("{list} and {more} more") }
}
