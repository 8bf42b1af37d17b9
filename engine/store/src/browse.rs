//! Looking around: what a directory holds, for file dialogs, and which images lie somewhere below it.
//!
//! Reads names, sizes and metadata files, never samples. Everything here is bounded: a folder of chunks may have millions of entries,
//! and a dialog shows a few. Links that leave `root` are passed over as if they were not there, so that nothing outside can be learned
//! of. Names that are not UTF-8 are passed over too: they cannot be said in JSON.

use crate::zarr::marks;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Entries in a listing at most.
pub const MOST_ENTRIES: usize = 1000;
/// Names of images inside that a directory's entry tells at most.
pub const MOST_CHILDREN: usize = 16;
/// Images that [`datasets`] finds at most.
pub const MOST_DATASETS: usize = 32;
/// How deep [`datasets`] looks: children are at depth 1.
pub const DATASET_DEPTH: usize = 2;

/// Names of one directory that are looked at for a listing.
const MOST_NAMES: usize = 200_000;
/// Names of one directory that are looked at for images inside it.
const MOST_INSIDE: usize = 1000;
/// Directories whose metadata files are read in one call.
const MOST_PROBES: usize = 4096;

/// What a directory holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// By name, without regard to case; at most [`MOST_ENTRIES`].
    pub entries: Vec<Entry>,
    /// Whether there is more than that.
    pub has_more: bool,
}

/// A file or directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its directory and its name.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was written last, as far as the file system knows.
    pub modified: Option<SystemTime>,
    /// What a directory is to us; `None` for a file.
    pub folder: Option<Folder>,
}

/// What a directory is to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// A zarr array or a group of a multiscale image, v2 or v3. Whether it can be shown is seen when it is opened.
    pub is_dataset: bool,
    /// A group of a multiscale image.
    pub has_multiscales: bool,
    /// Names of the images directly inside, by name, at most [`MOST_CHILDREN`]; none for what is a dataset itself.
    pub children: Vec<String>,
}

/// Lists `folder`, which lies within `root`; both are absolute and without links. Hidden names are left out unless `show_hidden`, and
/// files whose name ends in none of `suffixes`, if there are any, without regard to case; directories never for that.
///
/// # Errors
/// When the directory cannot be read. What cannot be read inside it is left out.
pub fn list(root: &Path, folder: &Path, show_hidden: bool, suffixes: &[String]) -> io::Result<Listing> {
    let suffixes: Vec<String> = suffixes.iter().map(|suffix| suffix.to_lowercase()).collect();
    // Sorted by a key that tells names apart even if they differ in case only.
    let mut first: BTreeMap<(String, String), bool> = BTreeMap::new();
    let mut has_more = false;
    for (seen, entry) in std::fs::read_dir(folder)?.enumerate() {
        if seen >= MOST_NAMES {
            has_more = true;
            break;
        }
        let Some((name, is_dir)) = entry.ok().and_then(|entry| visible(root, &entry, show_hidden)) else { continue };
        let key = (name.to_lowercase(), name);
        if !is_dir && !suffixes.is_empty() && !suffixes.iter().any(|suffix| key.0.ends_with(suffix)) {
            continue;
        }
        first.insert(key, is_dir);
        if first.len() > MOST_ENTRIES {
            first.pop_last();
            has_more = true;
        }
    }
    let mut probes = MOST_PROBES;
    let entries = first.into_iter().filter_map(|((_, name), is_dir)| {
        let path = folder.join(&name);
        // Gone meanwhile.
        let metadata = std::fs::metadata(&path).ok()?;
        let folder = is_dir.then(|| look_into(root, &path, &mut probes));
        Some(Entry { name, path, size: metadata.len(), modified: metadata.modified().ok(), folder })
    });
    Ok(Listing { entries: entries.collect(), has_more })
}

/// Paths, relative to `folder`, of the datasets below it at depth 1 to [`DATASET_DEPTH`], by depth and name; at most
/// [`MOST_DATASETS`]. What lies within a dataset is not looked at. `folder` lies within `root`; both are absolute and without links.
pub fn datasets(root: &Path, folder: &Path) -> Vec<String> {
    let mut probes = MOST_PROBES;
    let mut found = Vec::new();
    let mut level = vec![String::new()];
    for _ in 0..DATASET_DEPTH {
        let mut next = Vec::new();
        for above in level {
            for name in folders_in(root, &folder.join(&above)) {
                let path = if above.is_empty() { name } else { format!("{above}/{name}") };
                match probe(&folder.join(&path), &mut probes) {
                    Some(marks) if marks.is_dataset() => found.push(path),
                    Some(_) => next.push(path),
                    None => return found,
                }
                if found.len() == MOST_DATASETS {
                    return found;
                }
            }
        }
        level = next;
    }
    found
}

/// Whether `folder` is a zarr array or the group of a multiscale image.
pub fn is_dataset(folder: &Path) -> bool {
    marks(folder).is_dataset()
}

fn look_into(root: &Path, folder: &Path, probes: &mut usize) -> Folder {
    let Some(marks) = probe(folder, probes) else { return Folder::default() };
    let mut children = Vec::new();
    if !marks.is_dataset() {
        for name in folders_in(root, folder) {
            match probe(&folder.join(&name), probes) {
                Some(marks) if marks.is_dataset() => children.push(name),
                Some(_) => {}
                None => break,
            }
            if children.len() == MOST_CHILDREN {
                break;
            }
        }
    }
    Folder { is_dataset: marks.is_dataset(), has_multiscales: marks.multiscales, children }
}

/// What the metadata files of `folder` claim, as long as there are probes left.
fn probe(folder: &Path, probes: &mut usize) -> Option<crate::zarr::Marks> {
    *probes = probes.checked_sub(1)?;
    Some(marks(folder))
}

/// Names of the directories in `folder` that are not hidden, sorted; none if it cannot be read.
fn folders_in(root: &Path, folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MOST_INSIDE).flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| visible(root, &entry, false)).filter(|(_, is_dir)| *is_dir).map(|(name, _)| name).collect();
    names.sort_by_cached_key(|name| (name.to_lowercase(), name.clone()));
    names
}

/// Name and whether it is a directory; `None` for what is passed over.
fn visible(root: &Path, entry: &std::fs::DirEntry, show_hidden: bool) -> Option<(String, bool)> {
    let name = entry.file_name().into_string().ok()?;
    if name.starts_with('.') && !show_hidden {
        return None;
    }
    let kind = entry.file_type().ok()?;
    let is_dir = if kind.is_symlink() {
        let target = entry.path().canonicalize().ok()?;
        if !target.starts_with(root) {
            return None;
        }
        target.is_dir()
    } else {
        kind.is_dir()
    };
    Some((name, is_dir))
}
