//! Writing a demo image as a real OME-Zarr pyramid in a directory, so that anyone can make test data of any size.
//!
//! Lives here: which objects are written, in which order and by how many threads (this file), what their metadata say (`metadata`), and a
//! plate of such images (`plate`). Every stored object is made on its own, so the memory that is needed is that of one object per thread.
//! Must never know: reading.

mod metadata;
mod plate;

pub use plate::{PlateShape, write_plate};

use crate::demo::{Demo, Recipe};
use metadata::LevelWriter;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// A sparse image has all of a level that takes no more than this, bytes before compression.
const WHOLE_LEVEL_BYTES: u64 = 32 << 20;
/// Of a larger level a sparse image has its middle, samples along y and x.
const SPARSE_EDGE: u64 = 512;
/// Samples of a stored object (a shard, or a chunk without one) at most.
const LARGEST_OBJECT: u64 = 1 << 30;

/// Version of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ngff {
    /// 0.4, in zarr v2.
    V04,
    /// 0.5, in zarr v3.
    V05,
}

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// Blosc with lz4 and byte shuffle.
    BloscLz4,
    /// Blosc with zstd and byte shuffle.
    BloscZstd,
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
}

/// How an image is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Version of the metadata.
    pub ngff: Ngff,
    /// How chunks are compressed.
    pub codec: Codec,
    /// How hard the codec tries; its own default if not given. Blosc and gzip take 0 to 9, zstd 1 to 22.
    pub effort: Option<u8>,
    /// Samples of a shard along z, y and x, if chunks are to lie in shards: multiples of the chunk's.
    pub shard: Option<[u64; 3]>,
    /// Whether only small levels are stored as a whole, and of the others only the middle.
    pub sparse: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Chunks, or shards if there are some.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why nothing, or only a part, was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is something already.
    #[error("{}: is there already: name a directory that does not exist, or an empty one", .0.display())]
    Exists(PathBuf),
    /// The file system refused.
    #[error("{}: cannot be written ({error}): check permissions and free space", path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// The format cannot hold this.
    #[error("{0}")]
    Format(String),
}

impl WriteError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io { path: path.to_path_buf(), error }
    }
}

/// A stored object: its level, and its place in the level's grid along t, c, z, y and x.
type Place = (u32, [u64; 5]);

/// Writes the image of `recipe` into the directory `out`, which is made; `threads` make and encode objects. The metadata of the group
/// come last: what was not written to its end does not open. `progress` is told how many objects are done, and of how many, by any thread.
///
/// # Errors
/// When `out` holds something, when the format cannot hold the image, or the file system refuses.
pub fn write_image(
    recipe: &Recipe,
    out: &Path,
    format: &Format,
    threads: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Written, WriteError> {
    let levels = (0..recipe.levels()).map(|level| LevelWriter::new(recipe, level, format)).collect::<Result<Vec<_>, _>>()?;
    begin(out)?;
    for (n, level) in (0u32..).zip(&levels) {
        let folder = out.join(n.to_string());
        fs::create_dir(&folder).map_err(WriteError::io(&folder))?;
        let file = folder.join(metadata::array_file(format.ngff));
        fs::write(&file, level.document()).map_err(WriteError::io(&file))?;
    }
    let written = objects(recipe, out, &levels, format.sparse, threads, progress)?;
    for (name, content) in metadata::image(recipe, format.ngff) {
        let file = out.join(name);
        fs::write(&file, content).map_err(WriteError::io(&file))?;
    }
    Ok(written)
}

/// Makes the directory, unless there is something in it.
fn begin(out: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(out).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(out.to_path_buf()),
        _ => WriteError::Io { path: out.to_path_buf(), error },
    })?;
    match fs::read_dir(out).map_err(WriteError::io(out))?.next() {
        Some(_) => Err(WriteError::Exists(out.to_path_buf())),
        None => Ok(()),
    }
}

fn objects(
    recipe: &Recipe,
    out: &Path,
    levels: &[LevelWriter],
    sparse: bool,
    threads: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Written, WriteError> {
    let stored: Vec<[(u64, u64); 5]> = levels.iter().map(|level| if sparse { middle(level) } else { level.grid() }).collect();
    let total = stored.iter().map(|ranges| ranges.iter().map(|(from, to)| to - from).product::<u64>()).sum();
    let places = (0u32..).zip(stored).flat_map(|(level, ranges)| grid(ranges).map(move |at| (level, at)));
    let next: Mutex<Box<dyn Iterator<Item = Place> + Send>> = Mutex::new(Box::new(places));
    let (demo, stop) = (Demo::new(recipe.clone()), AtomicBool::new(false));
    let (done, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || -> Result<(), WriteError> {
        while !stop.load(Ordering::Relaxed) {
            let place = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((level, at)) = place else { break };
            let writer = &levels[level as usize];
            let object = writer.encode(&demo, at)?;
            let file = out.join(level.to_string()).join(writer.key(at));
            store(&file, &object)?;
            bytes.fetch_add(object.len() as u64, Ordering::Relaxed);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        }
        Ok(())
    };
    // The first failure ends the work of all.
    let guarded = || work().inspect_err(|_| stop.store(true, Ordering::Relaxed));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(guarded)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok(Written { objects: done.into_inner(), bytes: bytes.into_inner() })
}

/// All places within half-open ranges along five axes, the last one fastest.
fn grid(ranges: [(u64, u64); 5]) -> impl Iterator<Item = [u64; 5]> + Send {
    let total: u64 = ranges.iter().map(|(from, to)| to - from).product();
    (0..total).map(move |mut rest| {
        let mut at = [0; 5];
        for axis in (0..5).rev() {
            let (from, to) = ranges[axis];
            at[axis] = from + rest % (to - from);
            rest /= to - from;
        }
        at
    })
}

/// What a sparse image stores of a level: all of a small one, else the middle of the plane in the middle of the first time point.
fn middle(level: &LevelWriter) -> [(u64, u64); 5] {
    let (mut ranges, shape, object) = (level.grid(), level.shape(), level.object());
    if shape.iter().fold(2u64, |bytes, &n| bytes.saturating_mul(n)) <= WHOLE_LEVEL_BYTES {
        return ranges;
    }
    let around = |axis: usize, edge: u64| {
        let (edge, center) = (edge.min(shape[axis]), shape[axis] / 2);
        let from = (center - (edge / 2).min(center)) / object[axis];
        (from, ((center + edge.div_ceil(2)).div_ceil(object[axis])).clamp(from + 1, ranges[axis].1))
    };
    let [z, y, x] = [around(2, 1), around(3, SPARSE_EDGE), around(4, SPARSE_EDGE)];
    ranges[0].1 = 1;
    (ranges[2], ranges[3], ranges[4]) = (z, y, x);
    ranges
}

/// Writes a file, and first its directory if that is missing.
fn store(file: &Path, content: &[u8]) -> Result<(), WriteError> {
    match fs::write(file, content) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = file.parent().unwrap_or(Path::new(""));
            fs::create_dir_all(folder).and_then(|()| fs::write(file, content)).map_err(WriteError::io(file))
        }
        result => result.map_err(WriteError::io(file)),
    }
}

impl fmt::Display for Ngff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V04 => "0.4",
            Self::V05 => "0.5",
        })
    }
}

#[cfg(test)]
mod tests;
