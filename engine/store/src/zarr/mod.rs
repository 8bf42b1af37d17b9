//! Images in directories: OME-Zarr 0.1 to 0.5 in zarr v2 or v3, and plain zarr arrays.
//!
//! Lives here: from a path to an [`Image`] (this file), what may be wrong with it (`error`), what lies there instead (`survey`),
//! array metadata that the codec library would report too vaguely (`array`), reading chunks (`source`).

mod array;
mod error;
mod source;
mod survey;

use crate::image::Image;
use crate::ngff::{self, ArrayFacts, Content, Description, MetadataError};
use crate::place::{Dir, Key, Location, Place};
use array::ArrayDocument;
pub use error::OpenError;
use nc_core::data::ImageId;
use nc_core::scene::{ImageInfo, LevelInfo, SourceKind, Storage};
use serde_json::Value;
use source::{LevelReader, ZarrSource};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use survey::Node;
pub(crate) use survey::{Marks, marks};

/// More levels than a plane's key can name are left out.
const MOST_LEVELS: usize = 1 << 8;

/// Opens the image in the directory `location` (relative or absolute). Reads metadata only.
pub fn open(location: &str, id: ImageId) -> Result<Image, OpenError> {
    let place = locate(location)?;
    let mut warnings = Vec::new();
    let (info, readers) = match survey::read_node(&place)? {
        Node::Array(document) => open_plain(&place, &document, id, warnings)?,
        Node::Group { file, attributes } => match classify(&file, &attributes, &mut warnings)? {
            Content::Image(document) => open_multiscale(&place, &file, &document, id, warnings)?,
            Content::Collection(collection) => return Err(survey::not_an_image(&place, Some(&collection))),
            Content::Unknown => return Err(survey::not_an_image(&place, None)),
        },
        Node::Nothing => return Err(survey::not_an_image(&place, None)),
    };
    let source = ZarrSource::new(Arc::new(Dir::new(&place)) as Arc<dyn Place>, readers);
    let location = location.to_owned();
    Ok(Image::from_source(Arc::new(info), Arc::new(source)).reopening(move || open(&location, id)))
}

/// The directory that `location` names, absolute and without links.
fn locate(location: &str) -> Result<PathBuf, OpenError> {
    let location = Location::parse(location)?;
    let given = location.path().ok_or_else(|| OpenError::Location {
        scheme: location.redacted(),
        problem: "remote places cannot be read yet: mount or copy the image".to_owned(),
    })?;
    let place = given.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::Missing { path: given.to_path_buf() },
        _ => OpenError::Unreadable { path: given.to_path_buf(), error },
    })?;
    if !place.is_dir() {
        return Err(OpenError::NotADirectory { path: place });
    }
    Ok(place)
}

fn classify(file: &Path, attributes: &Value, warnings: &mut Vec<String>) -> Result<Content, OpenError> {
    ngff::classify(attributes, warnings).map_err(|e| in_file(file, e))
}

fn in_file(file: &Path, error: MetadataError) -> OpenError {
    OpenError::Metadata { path: file.to_path_buf(), key: error.key, problem: error.problem }
}

type Opened = (ImageInfo, Vec<LevelReader>);

fn open_plain(place: &Path, document: &ArrayDocument, id: ImageId, mut warnings: Vec<String>) -> Result<Opened, OpenError> {
    let facts = document.facts();
    let description = ngff::describe_plain(&facts, &mut warnings).map_err(|e| in_file(&document.file, e))?;
    let reader = open_level("", document)?;
    assemble(place, id, None, None, description, vec![(String::new(), document.clone(), reader)], warnings)
}

fn open_multiscale(
    place: &Path,
    file: &Path,
    document: &ngff::Document,
    id: ImageId,
    mut warnings: Vec<String>,
) -> Result<Opened, OpenError> {
    let mut levels = Vec::new();
    for (i, dataset) in document.datasets.iter().enumerate() {
        let key = || format!("multiscales[0].datasets[{i}].path");
        let path = dataset.path.trim_matches('/');
        if !Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) || path.is_empty() {
            let problem = format!("{:?} is not a path within the image: name a folder below it", dataset.path);
            return Err(OpenError::Metadata { path: file.to_path_buf(), key: key(), problem });
        }
        match array::read(&place.join(path))? {
            Some(array) => levels.push((i, path.to_owned(), array)),
            None if i == 0 => {
                let problem = format!("{path:?} names an array that is not there: restore it or correct the path");
                return Err(OpenError::Metadata { path: file.to_path_buf(), key: key(), problem });
            }
            None => warnings.push(format!("level {path:?} is listed but not there and left out")),
        }
    }
    levels.sort_by_cached_key(|(_, _, array)| std::cmp::Reverse(array.shape.iter().map(|&n| u128::from(n)).product::<u128>()));
    if !levels.is_sorted_by_key(|(i, ..)| *i) {
        warnings.push("the levels are not listed from fine to coarse; they are shown in that order".into());
    }
    if levels.len() > MOST_LEVELS {
        warnings.push(format!("of {} levels the finest {MOST_LEVELS} are shown", levels.len()));
        levels.truncate(MOST_LEVELS);
    }
    let facts: Vec<(usize, ArrayFacts)> = levels.iter().map(|(i, _, array)| (*i, array.facts())).collect();
    let description = ngff::describe(document, &facts, &mut warnings).map_err(|e| in_file(file, e))?;
    let mut opened = Vec::new();
    for (_, path, array) in levels {
        let reader = open_level(&path, &array)?;
        opened.push((path, array, reader));
    }
    assemble(place, id, document.name.as_deref(), document.version.clone(), description, opened, warnings)
}

fn open_level(path: &str, document: &ArrayDocument) -> Result<LevelReader, OpenError> {
    let folder = Key::new(path).map_err(|e| OpenError::Metadata {
        path: document.file.clone(),
        key: "(path)".to_owned(),
        problem: format!("is no path of an array ({e})"),
    })?;
    LevelReader::new(folder, &document.json, document)
}

fn assemble(
    place: &Path,
    id: ImageId,
    name: Option<&str>,
    ngff_version: Option<String>,
    description: Description,
    levels: Vec<(String, ArrayDocument, LevelReader)>,
    mut warnings: Vec<String>,
) -> Result<Opened, OpenError> {
    // `describe` has seen at least one level, so an empty list cannot come here.
    let Some(dtype) = levels.first().map(|(_, array, _)| array.dtype) else { return Err(survey::not_an_image(place, None)) };
    let mut infos = Vec::new();
    let mut readers = Vec::new();
    for ((path, array, reader), placement) in levels.into_iter().zip(description.placements) {
        if array.dtype != dtype {
            let problem = format!(
                "is {}, but the finest level is {}: all levels of an image need one type",
                array.dtype.numpy_name(),
                dtype.numpy_name()
            );
            return Err(OpenError::Metadata { path: array.file, key: array.dtype_key.to_owned(), problem });
        }
        infos.push(LevelInfo {
            path,
            shape: array.shape,
            chunk: reader.chunk().to_vec(),
            scale: placement.scale,
            translate: placement.translate,
            storage: Storage::default(),
        });
        readers.push(reader);
    }
    let folder = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = folder.trim_end_matches(".zarr").trim_end_matches(".ome");
    let name = name.map(str::trim).filter(|n| !n.is_empty() && *n != "/").unwrap_or(if stem.is_empty() { &folder } else { stem });
    warnings.dedup();
    let info = ImageInfo {
        id,
        name: name.to_owned(),
        location: place.to_string_lossy().into_owned(),
        source: SourceKind::OmeZarr,
        ngff_version,
        axes: description.axes,
        dtype,
        levels: infos,
        channels: description.channels,
        default_z: description.default_z,
        default_t: description.default_t,
        warnings,
        ..ImageInfo::default()
    };
    Ok((info, readers))
}
