//! From what somebody wrote to the place that is meant.

use super::io_thread::IoThread;
use super::location::{At, is_archive};
use super::object::{self, Remote};
use super::{Dir, Key, Location, Place, PlaceError, PlaceErrorKind, PlaceOptions, Stop, Zip};
use crate::OpenError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Metadata of zarr groups and arrays, v2 and v3: a folder with one of them belongs to something larger.
const DOCUMENTS: [&str; 4] = ["zarr.json", ".zgroup", ".zattrs", ".zarray"];

/// How far above a folder a plate or a collection that it belongs to may begin: `plate.zarr/B/3/0`.
const MOST_ABOVE: usize = 3;

/// Remote places that are kept.
const MOST_REMOTES: usize = 16;

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
pub struct Places {
    options: PlaceOptions,
    /// Started when the first remote place is found.
    io: Mutex<Option<Arc<IoThread>>>,
    /// Places that were found lately, with their connections; by location, and never shown.
    remotes: Mutex<Vec<(Location, Remote)>>,
}

impl Places {
    /// Nothing is connected to before it is needed.
    pub fn new(options: PlaceOptions) -> Self {
        Self { options, io: Mutex::default(), remotes: Mutex::default() }
    }

    /// The place that `location` names. Blocks: it looks at files, and reads the directory of an archive. Whether anything lies at a
    /// remote location is seen when it is read.
    ///
    /// # Errors
    /// When nothing is there, it may not be read, or it is a file that is no archive.
    pub fn find(&self, location: &Location) -> Result<Spot, OpenError> {
        match &location.at {
            At::Local { path, whole } => local(path, whole, location),
            At::Web { .. } | At::Bucket { .. } => self.remote(location),
        }
    }

    fn remote(&self, location: &Location) -> Result<Spot, OpenError> {
        let Some((name, hidden, shown)) = location.parted() else {
            return Err(OpenError::Missing { path: PathBuf::from(location.redacted()) });
        };
        let place: Arc<dyn Place> = Arc::new(self.host(location)?.below(hidden, name.clone()));
        let spot = match archive_in(&shown) {
            Some((archive, inside)) => {
                let name = format!("{name}/{}", archive.as_str());
                open_archive(place, archive, inside, name)?
            }
            None => Spot { place, key: shown, pick: None, name: String::new() },
        };
        Ok(Spot { pick: location.pick().map(str::to_owned), name: location.redacted(), ..spot })
    }

    /// The host or bucket of `location`. Connections are kept for whatever else is read from it.
    fn host(&self, location: &Location) -> Result<Remote, OpenError> {
        let failed =
            |kind, problem: String| OpenError::Place { place: location.redacted(), error: PlaceError::new(kind, problem) };
        let host = location.host();
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = remotes.iter().find(|(known, _)| *known == host) {
            return Ok(place.clone());
        }
        let io =
            self.io().map_err(|error| failed(PlaceErrorKind::Unreachable, format!("no thread for it ({})", error.kind())))?;
        let place = object::open(location, &self.options, io);
        let place = place.map_err(|problem| failed(PlaceErrorKind::Denied, problem.to_owned()))?;
        if remotes.len() == MOST_REMOTES {
            remotes.remove(0);
        }
        remotes.push((host, place.clone()));
        Ok(place)
    }

    fn io(&self) -> io::Result<Arc<IoThread>> {
        let mut io = self.io.lock().unwrap_or_else(PoisonError::into_inner);
        match &*io {
            Some(io) => Ok(Arc::clone(io)),
            None => Ok(Arc::clone(io.insert(Arc::new(IoThread::start()?)))),
        }
    }
}

/// The part of a key that names an archive, and the rest.
fn archive_in(key: &Key) -> Option<(Key, Key)> {
    let names: Vec<&str> = key.as_str().split('/').collect();
    let end = names.iter().position(|name| is_archive(name))? + 1;
    Some((Key::new(&names[..end].join("/")).ok()?, Key::new(&names[end..].join("/")).ok()?))
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
    let shown = file.join(inside).to_string_lossy().trim_end_matches('/').to_owned();
    let missing = || OpenError::Missing { path: PathBuf::from(&shown) };
    let key = file.file_name().and_then(|name| Key::new(name.to_str()?).ok()).ok_or_else(missing)?;
    let inside = inside.to_str().and_then(|inside| Key::new(inside).ok()).ok_or_else(missing)?;
    let folder = Arc::new(Dir::new(file.parent().ok_or_else(missing)?));
    let spot = open_archive(folder, key, inside, file.to_string_lossy().into_owned())?;
    Ok(Spot { name: shown, ..spot })
}

/// What lies at `inside` of the archive `key`, which is called `name`.
fn open_archive(place: Arc<dyn Place>, key: Key, inside: Key, name: String) -> Result<Spot, OpenError> {
    let failed = |error| OpenError::Place { place: name.clone(), error };
    let zip = Zip::open(place, key, name.clone(), &Stop::new()).map_err(failed)?;
    let zip = zip.ok_or_else(|| OpenError::Missing { path: PathBuf::from(&name) })?;
    if inside != Key::root() && zip.list(&inside, 1).map_err(failed)?.is_empty() {
        return Err(OpenError::Missing { path: PathBuf::from(format!("{name}/{}", inside.as_str())) });
    }
    let key = match zip.only_folder() {
        // Made of a folder rather than of what it holds.
        Some(folder) if inside == Key::root() => folder,
        _ => inside,
    };
    Ok(Spot { place: Arc::new(zip), key, pick: None, name })
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("options", &self.options).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spot").field("name", &self.name).field("pick", &self.pick).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
