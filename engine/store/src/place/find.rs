//! From what somebody wrote to the place that is meant.

use super::location::{At, is_archive};
use super::{Dir, Key, Location, Place, PlaceOptions, Stop, Zip};
use crate::OpenError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Metadata of zarr groups and arrays, v2 and v3: a folder with one of them belongs to something larger.
const DOCUMENTS: [&str; 4] = ["zarr.json", ".zgroup", ".zattrs", ".zarray"];

/// How far above a folder a plate or a collection that it belongs to may begin: `plate.zarr/B/3/0`.
const MOST_ABOVE: usize = 3;

/// Where something is to be opened.
#[derive(Clone)]
pub struct Spot {
    /// The place. It holds at least what belongs to the same collection as the key: of a field, the plate is a key above.
    pub place: Arc<dyn Place>,
    /// Which of its folders.
    pub key: Key,
    /// Which of several images of a group, by name or number.
    pub pick: Option<String>,
    /// What anybody may see of it: an absolute path, or the kind and name of a remote place.
    pub name: String,
}

/// Finds places, and holds what they share.
#[derive(Debug)]
pub struct Places {
    _options: PlaceOptions,
}

impl Places {
    /// Nothing is connected to before it is needed.
    pub fn new(options: PlaceOptions) -> Self {
        Self { _options: options }
    }

    /// The place that `location` names. Blocks: it looks at files, and reads the directory of an archive. Whether anything lies at a
    /// remote location is seen when it is read.
    ///
    /// # Errors
    /// When nothing is there, it may not be read, or it is a file that is no archive.
    pub fn find(&self, location: &Location) -> Result<Spot, OpenError> {
        match &location.at {
            At::Local { path, whole } => local(path, whole, location),
            At::Web { .. } | At::Bucket { .. } => Err(OpenError::Location {
                scheme: location.redacted(),
                problem: "remote places cannot be read yet: mount or copy the image".to_owned(),
            }),
        }
    }
}

/// A name that holds a `#` comes before a choice by `#`.
fn local(path: &Path, whole: &Path, location: &Location) -> Result<Spot, OpenError> {
    let picking = |spot| Spot { pick: location.pick().map(str::to_owned), ..spot };
    match resolve(whole, location.floor()) {
        Err(OpenError::Missing { .. }) if whole != path => resolve(path, location.floor()).map(picking),
        Ok(spot) if whole == path => Ok(picking(spot)),
        resolved => resolved,
    }
}

fn resolve(path: &Path, floor: Option<&Path>) -> Result<Spot, OpenError> {
    let missing = || OpenError::Missing { path: path.to_path_buf() };
    let error = match path.canonicalize() {
        Ok(real) if real.is_dir() => return Ok(folder(&real, floor)),
        Ok(real) if is_archive(&real.to_string_lossy()) => return archive(&real, Path::new("")),
        Ok(real) => return Err(OpenError::NotADirectory { path: real }),
        Err(error) => error,
    };
    match error.kind() {
        // Something inside of an archive has no path.
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            let file = path.ancestors().skip(1).find(|above| above.is_file());
            let file = file.filter(|file| is_archive(&file.to_string_lossy())).ok_or_else(missing)?;
            let inside = path.strip_prefix(file).map_err(|_| missing())?;
            archive(&file.canonicalize().map_err(|error| unreadable(file, error))?, inside)
        }
        _ => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> OpenError {
    OpenError::Unreadable { path: path.to_path_buf(), error }
}

/// The folder `real`, as part of what it belongs to.
fn folder(real: &Path, floor: Option<&Path>) -> Spot {
    let belongs = |above: &&Path| {
        floor.is_none_or(|floor| above.starts_with(floor)) && DOCUMENTS.iter().any(|name| above.join(name).is_file())
    };
    let root = real.ancestors().skip(1).take(MOST_ABOVE).filter(belongs).last().unwrap_or(real);
    let key = real.strip_prefix(root).ok().and_then(Path::to_str).and_then(|below| Key::new(below).ok());
    // A name that no key can hold is in no collection.
    let (root, key) = key.map_or((real, Key::root()), |key| (root, key));
    Spot { place: Arc::new(Dir::new(root)), key, pick: None, name: real.to_string_lossy().into_owned() }
}

fn archive(file: &Path, inside: &Path) -> Result<Spot, OpenError> {
    let name = file.join(inside).to_string_lossy().trim_end_matches('/').to_owned();
    let (Some(folder), Some(key)) = (file.parent(), file.file_name().and_then(|name| Key::new(name.to_str()?).ok())) else {
        return Err(OpenError::Missing { path: PathBuf::from(name) });
    };
    let inside = inside.to_str().and_then(|inside| Key::new(inside).ok());
    let inside = inside.ok_or_else(|| OpenError::Missing { path: PathBuf::from(&name) })?;
    open_archive(Arc::new(Dir::new(folder)), key, inside, name)
}

/// What lies at `inside` of the archive `key`.
fn open_archive(place: Arc<dyn Place>, key: Key, inside: Key, name: String) -> Result<Spot, OpenError> {
    let failed = |error| OpenError::Place { place: name.clone(), error };
    let zip = Zip::open(place, key, name.clone(), &Stop::new()).map_err(failed)?;
    let zip = zip.ok_or_else(|| OpenError::Missing { path: PathBuf::from(&name) })?;
    let key = match zip.only_folder() {
        // Made of a folder rather than of what it holds.
        Some(folder) if inside == Key::root() => folder,
        _ => inside,
    };
    Ok(Spot { place: Arc::new(zip), key, pick: None, name })
}

impl std::fmt::Debug for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spot").field("name", &self.name).field("pick", &self.pick).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
