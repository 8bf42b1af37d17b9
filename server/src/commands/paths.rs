//! Where clients may look: one directory and what lies below it, and URLs with a beginning that the operator allows.
//!
//! Whether something outside exists is nobody's business: what leads out by its name is refused before any file is touched, and a link
//! that leads out is refused whatever lies behind it.

use crate::config::{Config, DataSource};
use nc_engine::places::{Location, Secret};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// What clients may reach.
#[derive(Debug)]
pub(crate) struct Root {
    /// As it was named: absolute, without `..`.
    named: PathBuf,
    /// The same without links; `None` if there is nothing to reach.
    real: Option<PathBuf>,
    /// Beginnings of URLs.
    prefixes: Vec<Secret>,
}

/// Something that a client may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A file or directory that exists.
    Local {
        /// Absolute and without links.
        path: PathBuf,
        /// Of an archive, what in it; else empty.
        inside: PathBuf,
        /// Which of several images of a group.
        pick: Option<String>,
        /// The directory that it lies in or is, likewise.
        root: &'a Path,
    },
    /// A URL, with nothing that it could lead to but what is allowed.
    Remote(Location),
}

/// Why a client may not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It would lie within the root, and does not exist.
    Missing,
    /// It does not lie within the root, or may not be read.
    Forbidden,
}

impl Root {
    /// The directory that the configuration names; else the one that the served image lies in; else the working directory.
    ///
    /// # Errors
    /// When the directory that the configuration names cannot be reached.
    pub(crate) fn of(config: &Config) -> io::Result<Self> {
        let prefixes = config.allow_urls.value.clone();
        let (named, required) = match (&config.data_root.value, &config.data.value) {
            (Some(folder), _) => (normal(&std::path::absolute(folder)?), true),
            (None, DataSource::Path(image)) => {
                let image = normal(&std::path::absolute(image)?);
                (image.parent().unwrap_or(&image).to_path_buf(), false)
            }
            (None, DataSource::None | DataSource::Demo | DataSource::Pattern(_) | DataSource::Url(_)) => {
                (normal(&std::path::absolute(".")?), false)
            }
        };
        match named.canonicalize() {
            Ok(real) if real.is_dir() => Ok(Self { named, real: Some(real), prefixes }),
            Ok(_) if required => Err(ErrorKind::NotADirectory.into()),
            Err(error) if required => Err(error),
            // An image that is not there is refused when it is opened.
            Ok(_) | Err(_) => Ok(Self { named, real: None, prefixes }),
        }
    }

    /// Nothing can be reached.
    pub(crate) fn closed() -> Self {
        Self { named: PathBuf::new(), real: None, prefixes: Vec::new() }
    }

    /// What `given` names: a URL, an absolute path, or one relative to the root.
    pub(crate) fn admit(&self, given: &str) -> Result<Place<'_>, Refused> {
        if is_url(given) {
            let allowed = !climbs(given) && self.prefixes.iter().any(|prefix| begins(given, prefix.expose()));
            // Files have paths, whatever is allowed of URLs.
            let location = Location::parse(given).ok().filter(|location| allowed && location.path().is_none());
            return location.map(|location| Place::Remote(location.within(&self.prefixes))).ok_or(Refused::Forbidden);
        }
        let found = self.local(given);
        // A name may hold the sign, too, and one that is there comes first; names within an archive are not looked up.
        let unsure = match &found {
            Err(refused) => *refused == Refused::Missing,
            Ok((_, inside, _)) => !inside.as_os_str().is_empty(),
        };
        match (found, given.rsplit_once('#')) {
            (_, Some((path, chosen))) if unsure && !chosen.is_empty() && !chosen.contains('/') => {
                let (path, inside, root) = self.local(path)?;
                Ok(Place::Local { path, inside, pick: Some(chosen.to_owned()), root })
            }
            (found, _) => found.map(|(path, inside, root)| Place::Local { path, inside, pick: None, root }),
        }
    }

    /// A path that exists, what is meant inside of it if it is an archive, and the root.
    fn local(&self, given: &str) -> Result<(PathBuf, PathBuf, &Path), Refused> {
        let real = self.real.as_ref().ok_or(Refused::Forbidden)?;
        let wanted = normal(&self.named.join(given));
        let below = wanted.strip_prefix(&self.named).or_else(|_| wanted.strip_prefix(real)).map_err(|_| Refused::Forbidden)?;
        match descend(real, below) {
            Err(Refused::Missing) => {
                // By the same door: a link on the way to an archive is looked at, too.
                let archive = below.ancestors().skip(1).find_map(|above| {
                    let path = descend(real, above).ok()?;
                    (path.is_file() && is_archive(&path)).then_some((path, above))
                });
                let (path, above) = archive.ok_or(Refused::Missing)?;
                let inside = below.strip_prefix(above).map_err(|_| Refused::Missing)?;
                Ok((path, inside.to_path_buf(), real))
            }
            found => Ok((found?, PathBuf::new(), real)),
        }
    }
}

/// Metadata of zarr groups and arrays, v2 and v3.
const DOCUMENTS: [&str; 4] = [".zarray", ".zattrs", ".zgroup", "zarr.json"];

/// Goes down from `root` name by name, so that no link is followed without a look at where it leads.
fn descend(root: &Path, inside: &Path) -> Result<PathBuf, Refused> {
    let mut at = root.to_path_buf();
    for name in inside.components() {
        at.push(name);
        let kind = at.symlink_metadata().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => Refused::Forbidden,
            _ => Refused::Missing,
        })?;
        if kind.is_symlink() {
            // One that leads nowhere is refused as if it led out: it may.
            at = at.canonicalize().ok().filter(|target| target.starts_with(root)).ok_or(Refused::Forbidden)?;
        }
    }
    Ok(at)
}

/// Whether a link right in the folder of an image, such as that of a level or of its metadata, leads out of `root`. Chunk files are not
/// looked at: there may be millions.
pub(super) fn leads_out(root: &Path, image: &Path) -> bool {
    let out = |path: &Path| {
        path.symlink_metadata().is_ok_and(|kind| kind.is_symlink())
            && !path.canonicalize().is_ok_and(|real| real.starts_with(root))
    };
    let Ok(entries) = image.read_dir() else { return false };
    entries.flatten().map(|entry| entry.path()).any(|path| out(&path) || DOCUMENTS.iter().any(|name| out(&path.join(name))))
}

/// The absolute `path` without `.` and `..`, by its name alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                // Above the topmost directory is itself.
                normal.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

/// Whether a file may be opened as an archive.
fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip") || ending.eq_ignore_ascii_case("ozx"))
}

/// What may be told, and logged, of something that a client named: a path as it is, of a URL its kind and the last name.
pub(super) fn shown(given: &str) -> String {
    match given.split_once("://") {
        Some((scheme, _)) if is_url(given) => {
            Location::parse(given).map_or_else(|_| format!("{scheme}://…"), |location| location.redacted())
        }
        _ => given.to_owned(),
    }
}

/// `scheme://` and anything.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// Whether `url` is `prefix` or continues it with another part: `https://a.org` is no beginning of `https://a.org.evil`.
fn begins(url: &str, prefix: &str) -> bool {
    url.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// Whether a part of it is `..`, also if percent signs or backslashes hide that, or it holds what no URL may.
fn climbs(url: &str) -> bool {
    let plain = url.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    !url.bytes().all(|b| b.is_ascii_graphic()) || plain.split(['/', '\\', '?', '#']).any(|part| part == "..")
}

#[cfg(test)]
mod tests;
