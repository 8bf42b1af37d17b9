//! What lies in a directory, and what to open instead if it is no image.

use super::OpenError;
use super::array::{self, ArrayDocument};
use crate::ngff::{self, Collection, Content};
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Directory entries that are looked at for a suggestion; a folder may hold millions.
const MOST_ENTRIES: usize = 200;
/// Suggestions that fit a line.
const MOST_SUGGESTIONS: usize = 3;

/// A metadata file beyond this is not one.
const LARGEST_DOCUMENT_BYTES: u64 = 256 << 20;

/// What the metadata files of a folder claim, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// It is an array.
    pub(crate) array: bool,
    /// It lists multiscale images.
    pub(crate) multiscales: bool,
}

impl Marks {
    /// Whether it says that there is something to open.
    pub(crate) fn is_dataset(self) -> bool {
        self.array || self.multiscales
    }
}

/// Reads what the folder's metadata files claim: v3 before v2, as [`read_node`] does.
pub(crate) fn marks(folder: &Path) -> Marks {
    let lists = |attributes: Option<&Value>| {
        let images = attributes.and_then(|a| a.get("multiscales")).and_then(Value::as_array);
        images.is_some_and(|images| !images.is_empty())
    };
    match read_json(&folder.join("zarr.json")) {
        Ok(Some(json)) => {
            let attributes = json.get("attributes");
            let array = json.get("node_type").and_then(Value::as_str) == Some("array");
            let multiscales = lists(attributes.and_then(|a| a.get("ome"))) || lists(attributes);
            return Marks { array, multiscales };
        }
        Ok(None) => {}
        Err(_) => return Marks { array: false, multiscales: false },
    }
    let attributes = read_json(&folder.join(".zattrs")).ok().flatten();
    Marks { array: folder.join(".zarray").is_file(), multiscales: lists(attributes.as_ref()) }
}

/// A zarr node.
pub(super) enum Node {
    Array(ArrayDocument),
    Group {
        /// The file that holds the attributes.
        file: PathBuf,
        attributes: Value,
    },
    Nothing,
}

/// Reads the node in `folder`: v3 before v2.
pub(super) fn read_node(folder: &Path) -> Result<Node, OpenError> {
    let v3 = folder.join("zarr.json");
    if let Some(mut json) = read_json(&v3)? {
        if json.get("node_type").and_then(Value::as_str) == Some("array") {
            return array::parse(v3, &json).map(Node::Array);
        }
        let attributes = json.get_mut("attributes").map(Value::take).unwrap_or_default();
        return Ok(Node::Group { file: v3, attributes });
    }
    let array = folder.join(".zarray");
    if let Some(json) = read_json(&array)? {
        return array::parse(array, &json).map(Node::Array);
    }
    let attributes = folder.join(".zattrs");
    if let Some(json) = read_json(&attributes)? {
        return Ok(Node::Group { file: attributes, attributes: json });
    }
    if read_json(&folder.join(".zgroup"))?.is_some() {
        return Ok(Node::Group { file: attributes, attributes: Value::Object(Map::new()) });
    }
    Ok(Node::Nothing)
}

/// The JSON in a file; `None` if there is no such file.
pub(super) fn read_json(file: &Path) -> Result<Option<Value>, OpenError> {
    let text = match read_document(file) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(OpenError::Unreadable { path: file.to_path_buf(), error }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| OpenError::BrokenJson { path: file.to_path_buf(), error })
}

/// The content of a file of a sane size. What is no file, such as a pipe, is not waited for.
fn read_document(file: &Path) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "not a file"));
    }
    if metadata.len() > LARGEST_DOCUMENT_BYTES {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "too large for metadata"));
    }
    std::fs::read(file)
}

/// The error for a directory that is no image, with the most useful hint there is.
pub(super) fn not_an_image(place: &Path, collection: Option<&Collection>) -> OpenError {
    let at = |path: &str| place.join(path.trim_matches('/')).display().to_string();
    let hint = match collection {
        Some(Collection::Plate(wells)) => {
            let first = wells.first().map(|w| place.join(w.trim_matches('/')));
            let image = first.map(|well| images_of_well(&well).first().map_or(well.join("0"), |i| well.join(i)));
            match image {
                Some(image) => {
                    format!("is a plate of {} wells: open one image of it, for example {}", wells.len(), image.display())
                }
                None => "is a plate without wells: there is nothing to show".to_owned(),
            }
        }
        Some(Collection::Well(images)) => {
            let example = images.first().map_or("0", |i| i.as_str());
            format!("is a well of {} images: open one of them, for example {}", images.len(), at(example))
        }
        Some(Collection::Series) => format!("is a bioformats2raw series: open one image of it, for example {}", at("0")),
        Some(Collection::Labels(labels)) => match labels.first() {
            Some(first) => format!("lists {} label images: open one of them, for example {}", labels.len(), at(first)),
            None => "is an empty list of label images: there is nothing to show".to_owned(),
        },
        None => {
            let inside = images_inside(place);
            if inside.is_empty() {
                "holds no zarr image (no multiscales metadata, no array): give the directory of an OME-Zarr image".to_owned()
            } else {
                let list: Vec<String> = inside.iter().map(|p| p.display().to_string()).collect();
                format!("is no image itself but holds some: open {}", list.join(" or "))
            }
        }
    };
    OpenError::NotAnImage { path: place.to_path_buf(), hint }
}

fn images_of_well(well: &Path) -> Vec<String> {
    let Ok(Node::Group { attributes, .. }) = read_node(well) else { return Vec::new() };
    match ngff::classify(&attributes, &mut Vec::new()) {
        Ok(Content::Collection(Collection::Well(images))) => images,
        _ => Vec::new(),
    }
}

/// The first few children that could be opened, by name.
fn images_inside(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let opens = |folder: &PathBuf| match read_node(folder) {
        Ok(Node::Array(_)) => true,
        Ok(Node::Group { attributes, .. }) => matches!(ngff::classify(&attributes, &mut Vec::new()), Ok(Content::Image(_))),
        Ok(Node::Nothing) | Err(_) => false,
    };
    folders.into_iter().filter(opens).take(MOST_SUGGESTIONS).collect()
}
