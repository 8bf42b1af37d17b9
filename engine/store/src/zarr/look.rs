//! What lies at a path: the node there, and what its attributes say it is. Metadata only.

use super::metadata::{Expected, Group, Metadata, Node, joined};
use super::{ArrayDocument, Level, MOST_LEVELS, OpenError, in_file};
use crate::ngff::{self, Content, Document, Plate, Well};
use nc_core::scene::{LabelInfo, PlateRef};
use std::cmp::Reverse;
use std::path::{Component, Path};

/// Images of a collection that does not list them which are looked for.
const MOST_SERIES: usize = 1 << 10;
/// Of these, at once.
const SERIES_AT_ONCE: usize = 8;
/// Label images of an image that are told about.
const MOST_LABELS: usize = 1 << 8;
/// Nodes of a group that are looked at to see whether its arrays make a pyramid; a folder may hold millions.
const MOST_ENTRIES: usize = 200;

/// What there is.
pub(super) enum Thing {
    Array(ArrayDocument),
    /// Arrays of one group that shrink one after the other, finest first; nothing says that they are a pyramid.
    Arrays(Vec<Level>),
    Images(Group, ngff::Images),
    Plate(Group, Plate),
    Well(Group, Well),
    /// Paths of the images of a bioformats2raw collection, within it.
    Series(Group, Vec<String>),
    /// Paths of label images, within the group.
    Labels(Group, Vec<String>),
    /// None of these.
    Nothing,
}

/// What lies at the base.
pub(super) fn root(metadata: &mut Metadata, warnings: &mut Vec<String>) -> Result<Thing, OpenError> {
    let node = metadata.root()?;
    thing(metadata, "", node, warnings)
}

/// What lies at a path below it.
pub(super) fn at(metadata: &Metadata, path: &str, warnings: &mut Vec<String>) -> Result<Thing, OpenError> {
    thing(metadata, path, metadata.node(path)?, warnings)
}

fn thing(metadata: &Metadata, path: &str, node: Node, warnings: &mut Vec<String>) -> Result<Thing, OpenError> {
    let group = match node {
        Node::Array(document) => return Ok(Thing::Array(document)),
        Node::Group(group) => group,
        Node::Nothing => return Ok(Thing::Nothing),
    };
    Ok(match ngff::classify(&group.attributes, warnings).map_err(|e| in_file(&group.file, e))? {
        Content::Images(images) => Thing::Images(group, images),
        Content::Plate(plate) => {
            warnings.extend(ngff::strict::plate(&group.attributes));
            Thing::Plate(group, plate)
        }
        Content::Well(well) => Thing::Well(group, well),
        Content::Series => {
            let paths = series(metadata, path)?;
            Thing::Series(group, paths)
        }
        Content::Labels(labels) => Thing::Labels(group, labels),
        Content::Unknown => match pyramid(metadata, path) {
            Some(levels) => {
                warnings.push("nothing says that these arrays are one image; as each is smaller than the last, they are taken for a pyramid".into());
                Thing::Arrays(levels)
            }
            None => Thing::Nothing,
        },
    })
}

/// The images of a bioformats2raw collection: those that its "OME" group lists, else "0", "1", ... as far as they are there.
fn series(metadata: &Metadata, path: &str) -> Result<Vec<String>, OpenError> {
    if let Node::Group(group) = metadata.node(&joined(path, "OME"))?
        && let Some(listed) = ngff::series(&group.attributes)
    {
        return Ok(listed);
    }
    let mut found = Vec::new();
    while found.len() < MOST_SERIES {
        let names: Vec<String> = (found.len()..found.len() + SERIES_AT_ONCE).map(|n| n.to_string()).collect();
        let paths: Vec<String> = names.iter().map(|name| joined(path, name)).collect();
        for (node, name) in metadata.nodes(&paths).into_iter().zip(names) {
            match node? {
                Node::Nothing => return Ok(found),
                Node::Array(_) | Node::Group(_) => found.push(name),
            }
        }
    }
    Ok(found)
}

/// The arrays of a group, if they look like levels: as many axes, one element type, none longer along any axis than the one before.
fn pyramid(metadata: &Metadata, path: &str) -> Option<Vec<Level>> {
    let paths = metadata.below(path, MOST_ENTRIES);
    let mut levels: Vec<Level> = Vec::new();
    for (node, path) in metadata.nodes(&paths).into_iter().zip(paths) {
        match node {
            Ok(Node::Array(document)) => levels.push(Level { path, document }),
            // Beside images the arrays are something else.
            Ok(Node::Group(group)) if !matches!(ngff::classify(&group.attributes, &mut Vec::new()), Ok(Content::Unknown)) => {
                return None;
            }
            _ => {}
        }
    }
    levels.sort_by_cached_key(|level| Reverse(samples(&level.document)));
    let shrinks = levels.windows(2).all(|pair| {
        let (fine, coarse) = (&pair[0].document, &pair[1].document);
        let (a, b) = (&fine.shape, &coarse.shape);
        fine.known_dtype == coarse.known_dtype && a.len() == b.len() && a != b && a.iter().zip(b).all(|(a, b)| a >= b)
    });
    (levels.len() > 1 && levels.len() <= MOST_LEVELS && shrinks).then_some(levels)
}

/// Where in a plate the base lies, if it is a field of one. Not asked of a far place: it would cost round trips.
pub(super) fn plate_above(metadata: &Metadata) -> Option<PlateRef> {
    if metadata.is_far() {
        return None;
    }
    let (above, field) = metadata.above(1)?;
    let (plate, well) = metadata.above(3).and_then(|(plate, below)| Some((plate, below.rsplit_once('/')?.0.to_owned())))?;
    let content = |metadata: &Metadata| match metadata.node("") {
        Ok(Node::Group(group)) => ngff::classify(&group.attributes, &mut Vec::new()).ok(),
        _ => None,
    };
    let Some(Content::Plate(entries)) = content(&plate) else { return None };
    let Some(Content::Well(fields)) = content(&above) else { return None };
    let field = fields.images.iter().position(|image| image.path == field)?;
    entries.wells.iter().any(|w| w.path == well).then(|| PlateRef { plate: plate.name(""), well, field })
}

/// Levels with their position in the datasets that list them.
type Listed = Vec<(usize, Level)>;

/// The levels of an image that exist, finest first, with their position in its datasets, and its label images. All are asked for
/// together.
pub(super) fn levels_and_labels(
    metadata: &Metadata,
    image: &str,
    group: &Group,
    document: &Document,
    warnings: &mut Vec<String>,
) -> Result<(Listed, Vec<LabelInfo>), OpenError> {
    let key = |i: usize| format!("{}.datasets[{i}].path", document.key());
    let wrong = |i: usize, problem: String| OpenError::Metadata { path: group.file.clone(), key: key(i), problem };
    let mut paths = Vec::new();
    for (i, dataset) in document.datasets.iter().enumerate() {
        let path = dataset.path.trim_matches('/');
        if !Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) || path.is_empty() {
            return Err(wrong(i, format!("{:?} is not a path within the image: name a folder below it", dataset.path)));
        }
        paths.push((joined(image, path), Expected::Array));
    }
    paths.push((joined(image, "labels"), Expected::Group));
    let mut nodes = metadata.nodes_expected(&paths);
    let labels = nodes.pop().unwrap_or(Ok(Node::Nothing));
    let mut levels = Vec::new();
    for ((i, node), (path, _)) in nodes.into_iter().enumerate().zip(paths) {
        let path_in_image = document.datasets[i].path.trim_matches('/');
        match node? {
            Node::Array(array) => levels.push((i, Level { path, document: array })),
            Node::Group(_) | Node::Nothing if i == 0 => {
                return Err(wrong(
                    i,
                    format!("{path_in_image:?} names an array that is not there: restore it or correct the path"),
                ));
            }
            Node::Group(_) | Node::Nothing => {
                warnings.push(format!("level {path_in_image:?} is listed but not there and left out"));
            }
        }
    }
    levels.sort_by_cached_key(|(_, level)| Reverse(samples(&level.document)));
    if !levels.is_sorted_by_key(|(i, _)| *i) {
        warnings.push("the levels are not listed from fine to coarse; they are shown in that order".into());
    }
    if levels.len() > MOST_LEVELS {
        warnings.push(format!("of {} levels the finest {MOST_LEVELS} are shown", levels.len()));
        levels.truncate(MOST_LEVELS);
    }
    let labels = match labels {
        Ok(Node::Group(list)) => label_images(metadata, image, ngff::labels(&list.attributes), warnings),
        Ok(Node::Array(_) | Node::Nothing) => Vec::new(),
        Err(error) => {
            warnings.push(format!("the label images are not known: {error}"));
            Vec::new()
        }
    };
    Ok((levels, labels))
}

/// What label images say of themselves, as far as that costs no round trip; else their names.
fn label_images(metadata: &Metadata, image: &str, mut names: Vec<String>, warnings: &mut Vec<String>) -> Vec<LabelInfo> {
    if names.len() > MOST_LABELS {
        warnings.push(format!("of {} label images {MOST_LABELS} are listed", names.len()));
        names.truncate(MOST_LABELS);
    }
    if metadata.is_dear() {
        return names.into_iter().map(|name| LabelInfo { name, ..LabelInfo::default() }).collect();
    }
    describe_labels(metadata, &joined(image, "labels"), names, warnings)
}

/// What the label images called `names` in the group at `path` say of themselves.
pub(super) fn describe_labels(metadata: &Metadata, path: &str, names: Vec<String>, warnings: &mut Vec<String>) -> Vec<LabelInfo> {
    let paths: Vec<String> = names.iter().map(|name| joined(path, name)).collect();
    let nodes = metadata.nodes(&paths).into_iter().zip(names);
    let describe = |(node, name): (Result<Node, OpenError>, String)| match node {
        Ok(Node::Group(group)) => ngff::describe_label(&name, &group.attributes, warnings),
        Ok(Node::Array(_)) => LabelInfo { name, ..LabelInfo::default() },
        Ok(Node::Nothing) => {
            warnings.push(format!("label image {name:?} is listed but not there"));
            LabelInfo { name, ..LabelInfo::default() }
        }
        Err(error) => {
            warnings.push(format!("label image {name:?} cannot be looked at: {error}"));
            LabelInfo { name, ..LabelInfo::default() }
        }
    };
    nodes.map(describe).collect()
}

fn samples(document: &ArrayDocument) -> u128 {
    document.shape.iter().map(|&n| u128::from(n)).fold(1, u128::saturating_mul)
}
