//! Images at a place: OME-Zarr 0.1 to 0.6 in zarr v2 or v3, and plain zarr arrays.
//!
//! Lives here: from a place to an [`Image`] (this file), reading metadata documents (`metadata`), what they say there is (`look`), array
//! metadata that the codec library would report too vaguely (`array`), label images beside an image (`labels`), telling what there is without opening it (`survey`), what may
//! be wrong (`error`), reading chunks (`source`).

mod array;
mod error;
mod labels;
mod look;
mod marks;
mod metadata;
mod plugin;
mod source;
mod survey;

use crate::image::Image;
use crate::ngff::{self, ArrayFacts, Description, MetadataError, Problem};
use crate::place::{Key, Place};
use crate::survey::Kind;
use array::ArrayDocument;
pub use error::OpenError;
use look::Thing;
pub(crate) use marks::{Marks, marks};
use metadata::{Group, Metadata, Node};
use nc_core::data::ImageId;
use nc_core::scene::{FormatInfo, ImageInfo, LabelInfo, LevelInfo, PlateRef, SourceKind};
use source::{LevelReader, ZarrSource};
use std::sync::Arc;
pub(crate) use survey::survey;

/// More levels than a plane's key can name are left out.
const MOST_LEVELS: usize = 1 << 8;
/// A plate leads to a well, that to an image; nothing sound goes deeper.
const DEEPEST: usize = 4;

/// Opens the image at `base` of `place`; `wanted` chooses among several of one group by name or number (from 0). Of a collection (a
/// plate, a well, a bioformats2raw series) the first image is opened; its label images with it if `labels`, as far as they can be. Reads
/// metadata only, in as few round trips as it can.
pub(crate) fn open(
    place: Arc<dyn Place>,
    base: Key,
    wanted: Option<&str>,
    id: ImageId,
    labels: bool,
) -> Result<Image, OpenError> {
    let mut metadata = Metadata::new(place, base);
    let mut warnings = Vec::new();
    let mut found = find(&mut metadata, wanted, &mut warnings)?;
    found.plate = found.plate.or_else(|| look::plate_above(&metadata));
    let labels = if labels { labels::open(&metadata, &found, id, &mut warnings) } else { Vec::new() };
    Ok(opened(&metadata, found, id, warnings)?.with_labels(labels))
}

/// The image that was found.
fn opened(metadata: &Metadata, found: Found, id: ImageId, mut warnings: Vec<String>) -> Result<Image, OpenError> {
    // What cannot be shown is said before what cannot be decoded.
    let dtype = found.levels[0].document.dtype()?;
    let mut readers = Vec::new();
    for level in &found.levels {
        let document = &level.document;
        let other = document.dtype()?;
        if other != dtype {
            let (own, finest) = (other.numpy_name(), dtype.numpy_name());
            let problem = format!("is {own}, but the finest level is {finest}: all levels of an image need one type");
            return Err(OpenError::Metadata { path: document.file.clone(), key: document.dtype_key().to_owned(), problem });
        }
        readers.push(LevelReader::new(metadata.key(&level.path)?, &document.json, document)?);
    }
    let plate = found.plate;
    let location = metadata.name(&found.path);
    let name = found.name.unwrap_or_else(|| name_of(&location, plate.as_ref()));
    // One that says nothing of its values is one all the same where the format has label images.
    let is_labels = found.label.is_some() || location.trim_end_matches('/').rsplit('/').nth(1) == Some("labels");
    let levels = found.levels.into_iter().zip(found.description.placements);
    warnings.dedup();
    let info = ImageInfo {
        id,
        name,
        location,
        source: SourceKind::OmeZarr,
        ngff_version: found.ngff_version,
        axes: found.description.axes,
        dtype,
        levels: levels.map(|(level, placement)| level.info(&found.path, placement)).collect(),
        channels: found.description.channels,
        default_z: found.description.default_z,
        default_t: found.description.default_t,
        warnings,
        format: found.format,
        labels: found.label.into_iter().chain(found.labels).collect(),
        images: found.images,
        plate,
        is_labels,
    };
    Ok(Image::from_source(Arc::new(info), Arc::new(ZarrSource::new(metadata.place().clone(), readers))))
}

/// What is known of an image before any of its chunks can be read.
struct Found {
    kind: Kind,
    /// Where it is, below the base.
    path: String,
    name: Option<String>,
    ngff_version: Option<String>,
    format: FormatInfo,
    description: Description,
    /// At least one, finest first.
    levels: Vec<Level>,
    /// Names of the images of its group, if there are several.
    images: Vec<String>,
    /// What is said about its own values, if it is a label image.
    label: Option<LabelInfo>,
    labels: Vec<LabelInfo>,
    plate: Option<PlateRef>,
}

/// One level, before it can be read.
struct Level {
    /// Below the base.
    path: String,
    document: ArrayDocument,
}

impl Level {
    /// As clients see it; paths are told from the image on.
    fn info(self, image: &str, placement: ngff::Placement) -> LevelInfo {
        let path = self.path.strip_prefix(image).unwrap_or(&self.path).trim_start_matches('/');
        LevelInfo {
            path: path.to_owned(),
            shape: self.document.shape,
            chunk: self.document.chunk,
            scale: placement.scale,
            translate: placement.translate,
            storage: self.document.storage,
        }
    }
}

/// The image at the base, or the first one of the collection that lies there.
fn find(metadata: &mut Metadata, wanted: Option<&str>, warnings: &mut Vec<String>) -> Result<Found, OpenError> {
    let mut thing = look::root(metadata, warnings)?;
    let mut path = String::new();
    let mut plate: Option<PlateRef> = None;
    for _ in 0..DEEPEST {
        let next = match &thing {
            Thing::Plate(_, entries) => {
                let Some(well) = entries.wells.first() else { break };
                plate = Some(PlateRef { plate: metadata.name(&path), well: well.path.clone(), field: 0 });
                warnings.push(format!("a plate of {} wells; the first field of {} is shown", entries.wells.len(), well.path));
                &well.path
            }
            Thing::Well(_, well) => {
                let Some(image) = well.images.first() else { break };
                if plate.is_none() && well.images.len() > 1 {
                    warnings.push(format!("a well of {} fields; the first is shown", well.images.len()));
                }
                &image.path
            }
            Thing::Series(_, series) => {
                let Some(first) = series.first() else { break };
                if series.len() > 1 {
                    let others = format!("{}/{}", metadata.name(&path), series[1]);
                    warnings
                        .push(format!("a collection of {} images; {first:?} is shown, open for example {others}", series.len()));
                }
                first
            }
            _ => break,
        };
        path = metadata::joined(&path, next);
        thing = look::at(metadata, &path, warnings)?;
    }
    match thing {
        Thing::Array(document) => plain(metadata, path.clone(), vec![Level { path, document }], plate, warnings),
        Thing::Arrays(levels) => plain(metadata, path, levels, plate, warnings),
        Thing::Images(group, images) => multiscale(metadata, path, &group, &images, wanted, plate, warnings),
        other => Err(survey::not_an_image(metadata, &path, &other)),
    }
}

/// Arrays that nothing is said about.
fn plain(
    metadata: &Metadata,
    path: String,
    levels: Vec<Level>,
    plate: Option<PlateRef>,
    warnings: &mut Vec<String>,
) -> Result<Found, OpenError> {
    let facts: Vec<ArrayFacts> = levels.iter().map(|level| level.document.facts()).collect();
    let finest = &levels[0].document;
    let description = ngff::describe_plain(&facts, warnings).map_err(|e| in_file(&finest.file, e))?;
    let format = FormatInfo { zarr: finest.zarr, consolidated: metadata.is_consolidated };
    Ok(Found {
        kind: if levels[0].path == path { Kind::Array } else { Kind::GuessedPyramid },
        path,
        name: None,
        ngff_version: None,
        format,
        description,
        levels,
        images: Vec::new(),
        label: None,
        labels: Vec::new(),
        plate,
    })
}

fn multiscale(
    metadata: &Metadata,
    path: String,
    group: &Group,
    images: &ngff::Images,
    wanted: Option<&str>,
    plate: Option<PlateRef>,
    warnings: &mut Vec<String>,
) -> Result<Found, OpenError> {
    let file = &group.file;
    let document = images.select(wanted, warnings).map_err(|e| in_file(file, e))?;
    let (levels, labels) = look::levels_and_labels(metadata, &path, group, &document, warnings)?;
    let facts: Vec<(usize, ArrayFacts)> = levels.iter().map(|(i, level)| (*i, level.document.facts())).collect();
    let description = ngff::describe(&document, &facts, warnings).map_err(|e| in_file(file, e))?;
    warnings.extend(ngff::strict::image(&group.attributes, &document, &facts));
    let label = images.is_label.then(|| ngff::describe_label("", &group.attributes, warnings));
    let names = images.names();
    let name = document.name.as_deref().map(str::trim).filter(|n| !n.is_empty() && *n != "/").map(str::to_owned);
    Ok(Found {
        kind: if images.is_label { Kind::LabelImage } else { Kind::Image },
        // Fields of a plate are called "0" or "/0" throughout.
        name: name.filter(|_| plate.is_none()),
        ngff_version: document.version.clone(),
        format: FormatInfo { zarr: group.zarr, consolidated: metadata.is_consolidated },
        description,
        levels: levels.into_iter().map(|(_, level)| level).collect(),
        images: if names.len() > 1 { names } else { Vec::new() },
        label,
        labels,
        plate,
        path,
    })
}

/// What people call something at `location` that has no name of its own.
fn name_of(location: &str, plate: Option<&PlateRef>) -> String {
    let location = plate.map_or(location, |plate| &plate.plate);
    let folder = location.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = folder.trim_end_matches(".ozx").trim_end_matches(".zip").trim_end_matches(".zarr").trim_end_matches(".ome");
    let name = if stem.is_empty() { folder } else { stem };
    plate.map_or_else(|| name.to_owned(), |plate| format!("{name} {}", plate.well))
}

fn in_file(file: &str, error: MetadataError) -> OpenError {
    let (path, key) = (file.to_owned(), error.key);
    match error.problem {
        Problem::Senseless(problem) => OpenError::Metadata { path, key, problem },
        Problem::Irreducible(kind) => OpenError::UnsupportedTransform { path, key, kind },
    }
}
