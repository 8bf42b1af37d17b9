//! Telling what there is: without decoding, and what to open instead where there is no image.

use super::look::{self, Thing};
use super::metadata::{Group, Metadata, joined};
use super::source::LevelReader;
use super::{Found, Level, OpenError, in_file, multiscale, name_of, plain};
use crate::ngff::{self, Content};
use crate::place::{Key, Place};
use crate::survey::{Kind, Survey};
use nc_core::scene::FormatInfo;
use std::sync::Arc;

/// Folder entries that are looked at for a suggestion; a folder may hold millions.
const MOST_ENTRIES: usize = 200;
/// Suggestions that fit a line.
const MOST_SUGGESTIONS: usize = 3;
/// Images inside a folder that are told about.
const MOST_INSIDE: usize = 64;

/// What lies at `base` of `place`; `wanted` chooses among several images of one group by name or number (from 0). Metadata only.
///
/// # Errors
/// When metadata cannot be read or make no sense, and when there is nothing at all. What cannot be decoded or shown is no error.
pub(crate) fn survey(place: Arc<dyn Place>, base: Key, wanted: Option<&str>) -> Result<Survey, OpenError> {
    let mut metadata = Metadata::new(place, base);
    let mut warnings = Vec::new();
    let thing = look::root(&mut metadata, &mut warnings)?;
    let mut survey = match thing {
        Thing::Array(document) => of_image(
            &metadata,
            plain(&metadata, String::new(), vec![Level { path: String::new(), document }], None, &mut warnings)?,
        ),
        Thing::Arrays(levels) => of_image(&metadata, plain(&metadata, String::new(), levels, None, &mut warnings)?),
        Thing::Images(group, images) => {
            let mut found = multiscale(&metadata, String::new(), &group, &images, wanted, None, &mut warnings)?;
            if metadata.is_dear() {
                // Opening did without; here there is time.
                let names = std::mem::take(&mut found.labels).into_iter().map(|label| label.name).collect();
                found.labels = look::describe_labels(&metadata, "labels", names, &mut warnings);
            }
            of_image(&metadata, found)
        }
        Thing::Plate(group, plate) => Survey { plate: Some(plate), ..of_group(&metadata, Kind::Plate, &group) },
        Thing::Well(group, well) => Survey { well: Some(well), ..of_group(&metadata, Kind::Well, &group) },
        Thing::Series(group, series) => Survey { series, ..of_group(&metadata, Kind::Series, &group) },
        Thing::Labels(group, names) => {
            let labels = look::describe_labels(&metadata, "", names, &mut warnings);
            Survey { labels, ..of_group(&metadata, Kind::Labels, &group) }
        }
        Thing::Nothing => {
            let inside = images_inside(&metadata, "", MOST_INSIDE);
            if inside.is_empty() {
                return Err(not_an_image(&metadata, "", &thing));
            }
            let location = metadata.name("");
            Survey { inside, ..Survey::new(&location, &name_of(&location, None), Kind::Folder) }
        }
    };
    warnings.dedup();
    survey.warnings = warnings;
    Ok(survey)
}

fn of_group(metadata: &Metadata, kind: Kind, group: &Group) -> Survey {
    let location = metadata.name("");
    let format = FormatInfo { zarr: group.zarr, consolidated: metadata.is_consolidated };
    let ngff_version = ngff::version(&group.attributes);
    Survey { format, ngff_version, ..Survey::new(&location, &name_of(&location, None), kind) }
}

fn of_image(metadata: &Metadata, found: Found) -> Survey {
    let location = metadata.name(&found.path);
    let mut obstacles: Vec<String> = Vec::new();
    for level in &found.levels {
        let opened = level
            .document
            .dtype()
            .and_then(|_| LevelReader::new(metadata.key(&level.path)?, &level.document.json, &level.document).map(|_| ()));
        obstacles.extend(opened.err().map(|error| error.to_string()));
    }
    let name = found.name.unwrap_or_else(|| name_of(&location, None));
    let dtype = found.levels.first().and_then(|level| level.document.known_dtype);
    let levels = found.levels.into_iter().zip(found.description.placements);
    Survey {
        format: found.format,
        ngff_version: found.ngff_version,
        axes: found.description.axes,
        dtype,
        levels: levels.map(|(level, placement)| level.info(&found.path, placement)).collect(),
        channels: found.description.channels,
        default_z: found.description.default_z,
        default_t: found.description.default_t,
        images: found.images,
        labels: found.labels,
        label: found.label,
        plate_ref: found.plate.or_else(|| look::plate_above(metadata)),
        obstacles,
        ..Survey::new(&location, &name, found.kind)
    }
}

/// The error for what is no image and leads to none, with the most useful hint there is.
pub(super) fn not_an_image(metadata: &Metadata, path: &str, thing: &Thing) -> OpenError {
    let at = |below: &str| metadata.name(&joined(path, below));
    let hint = match thing {
        Thing::Plate(..) => "is a plate without wells: there is nothing to show".to_owned(),
        Thing::Well(..) => "is a well without images: there is nothing to show".to_owned(),
        Thing::Series(..) => "is a bioformats2raw collection without images: there is nothing to show".to_owned(),
        Thing::Labels(_, labels) => match labels.first() {
            Some(first) => format!("lists {} label images: open one of them, for example {}", labels.len(), at(first)),
            None => "is an empty list of label images: there is nothing to show".to_owned(),
        },
        Thing::Array(_) | Thing::Arrays(_) | Thing::Images(..) | Thing::Nothing => {
            let inside = images_inside(metadata, path, MOST_SUGGESTIONS);
            if inside.is_empty() {
                "holds no zarr image (no multiscales metadata, no array): give the directory of an OME-Zarr image".to_owned()
            } else {
                let list: Vec<String> = inside.iter().map(|inside| metadata.name(inside)).collect();
                format!("is no image itself but holds some: open {}", list.join(" or "))
            }
        }
    };
    OpenError::NotAnImage { path: metadata.name(path), hint }
}

/// Paths of the first few nodes below `path` that could be opened, by name.
fn images_inside(metadata: &Metadata, path: &str, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let paths = metadata.below(path, MOST_ENTRIES);
    for paths in paths.chunks(MOST_SUGGESTIONS * 4) {
        for (node, path) in metadata.nodes(paths).into_iter().zip(paths) {
            if found.len() < most && leads_on(node) {
                found.push(path.clone());
            }
        }
        if found.len() == most {
            break;
        }
    }
    found
}

fn leads_on(node: Result<super::Node, OpenError>) -> bool {
    match node {
        Ok(super::Node::Array(_)) => true,
        Ok(super::Node::Group(group)) => {
            let content = ngff::classify(&group.attributes, &mut Vec::new()).map_err(|e| in_file(&group.file, e));
            !matches!(content, Ok(Content::Unknown | Content::Labels(_)) | Err(_))
        }
        Ok(super::Node::Nothing) | Err(_) => false,
    }
}
