//! A directory of the file system. Near: read by the thread that decodes.
//!
//! Links are followed. Who may name a directory is not decided here.

use super::memory::range_of;
use super::{Access, Entry, Key, Place, PlaceError, PlaceErrorKind, Read, Span, Stamp, Stop};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// Files that stay open between reads of their parts.
const KEPT_OPEN: usize = 64;

/// Bytes that are read between two looks at a [`Stop`].
const AT_ONCE: u64 = 8 << 20;

/// A directory and what lies below it.
pub struct Dir {
    root: PathBuf,
    name: String,
    /// Files of which parts were read, the latest last. One that is in use is not among them, so that nobody else moves its position.
    open: Mutex<Vec<(Key, File)>>,
}

impl Dir {
    /// The directory `root`; nothing is looked at before the first read.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let name = root.to_string_lossy().into_owned();
        Self { root, name, open: Mutex::default() }
    }

    fn path(&self, key: &Key) -> PathBuf {
        match key.as_str() {
            "" => self.root.clone(),
            names => self.root.join(names),
        }
    }

    /// A file that nobody else reads now, with what is known of it.
    fn take(&self, key: &Key) -> io::Result<(File, Metadata)> {
        let kept = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let found = open.iter().rposition(|(name, _)| name == key);
            found.map(|index| open.remove(index).1)
        };
        if let Some(file) = kept
            && let Ok(metadata) = file.metadata()
            // Another file may have been put into its place.
            && metadata.nlink() > 0
        {
            return Ok((file, metadata));
        }
        self.open(key)
    }

    /// Opens a file. What is none is not opened: a pipe would hold up whoever does.
    fn open(&self, key: &Key) -> io::Result<(File, Metadata)> {
        let path = self.path(key);
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok((File::open(path)?, metadata))
    }

    fn put_back(&self, key: &Key, file: File) {
        let oldest = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push((key.clone(), file));
            (open.len() > KEPT_OPEN).then(|| open.remove(0))
        };
        // Closed when the lock is released.
        drop(oldest);
    }

    fn read_part(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        let (mut file, metadata) = match self.take(key) {
            Ok(found) => found,
            Err(error) => return missing_or(error),
        };
        let len = metadata.len();
        let range = match range_of(span, len) {
            Ok(range) => range,
            Err(short) => {
                self.put_back(key, file);
                return Err(short);
            }
        };
        match read(&mut file, range, stop, into) {
            Ok(()) => {
                self.put_back(key, file);
                Ok(Some(Read { object_len: Some(len), stamp: stamp(&metadata) }))
            }
            Err(Failed::Stopped) => Err(PlaceError::stopped()),
            Err(Failed::Io(error)) => missing_or(error),
        }
    }
}

enum Failed {
    Stopped,
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Appends exactly `range` of the file. Moves its position rather than reading at one: so the buffer need not be zeroed first.
fn read(file: &mut File, range: std::ops::Range<u64>, stop: &Stop, into: &mut Vec<u8>) -> Result<(), Failed> {
    let mut left = range.end - range.start;
    into.reserve(usize::try_from(left).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?);
    file.seek(SeekFrom::Start(range.start))?;
    while left > 0 {
        if stop.is_stopped() {
            return Err(Failed::Stopped);
        }
        let piece = left.min(AT_ONCE);
        if (&mut *file).take(piece).read_to_end(into)? as u64 != piece {
            // It was cut while it was read.
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        left -= piece;
    }
    Ok(())
}

fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp::Changed(i128::try_from(since.as_nanos()).ok()?, metadata.len()))
}

/// What an error of the file system means: that there is no such object, or why it cannot be read.
fn missing_or<T>(error: io::Error) -> Result<Option<T>, PlaceError> {
    let (kind, message) = match error.kind() {
        // A name that is too long for the file system names nothing.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => return Ok(None),
        ErrorKind::PermissionDenied => (PlaceErrorKind::Denied, "permission denied: check its owner and mode".to_owned()),
        ErrorKind::UnexpectedEof => (PlaceErrorKind::Short, "the file ends too early".to_owned()),
        ErrorKind::TimedOut => (PlaceErrorKind::TimedOut, "the file system does not answer".to_owned()),
        // Text of the system: it names no path.
        kind => (PlaceErrorKind::Unreachable, format!("the file system cannot read it ({kind})")),
    };
    Err(PlaceError::new(kind, message))
}

impl Place for Dir {
    fn access(&self) -> Access {
        Access::Near
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        if stop.is_stopped() {
            return Err(PlaceError::stopped());
        }
        if !matches!(span, Span::Whole) {
            return self.read_part(key, span, stop, into);
        }
        // Whole objects are read once: their files are not kept.
        let (mut file, metadata) = match self.open(key) {
            Ok(found) => found,
            Err(error) => return missing_or(error),
        };
        match read(&mut file, 0..metadata.len(), stop, into) {
            Ok(()) => Ok(Some(Read { object_len: Some(metadata.len()), stamp: stamp(&metadata) })),
            Err(Failed::Stopped) => Err(PlaceError::stopped()),
            Err(Failed::Io(error)) => missing_or(error),
        }
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        let entries = match self.path(prefix).read_dir() {
            Ok(entries) => entries,
            Err(error) => return Ok(missing_or(error)?.unwrap_or_default()),
        };
        // The first by name of however many there are, in bounded memory.
        let mut first = std::collections::BTreeSet::new();
        for entry in entries.flatten() {
            // What is not UTF-8 has no key.
            if let Ok(name) = entry.file_name().into_string() {
                first.insert(name);
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        let entry = |name: String| {
            let metadata = self.path(prefix).join(&name).metadata().ok()?;
            let folder = metadata.is_dir();
            Some(Entry { name, folder, len: (!folder).then_some(metadata.len()) })
        };
        Ok(first.into_iter().filter_map(entry).collect())
    }

    fn redacted(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read_range(dir: &Dir, name: &str, range: std::ops::Range<u64>) -> Result<Option<Vec<u8>>, PlaceErrorKind> {
        let mut bytes = Vec::new();
        let key = Key::new(name).unwrap();
        let read = dir.read_into(&key, &Span::Range(range), &Stop::new(), &mut bytes).map_err(|error| error.kind)?;
        Ok(read.map(|_| bytes))
    }

    #[test]
    fn a_file_that_is_kept_open_is_not_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::new(folder.path());
        let path = folder.path().join("shard");
        fs::write(&path, "abcdef").unwrap();
        assert_eq!(read_range(&dir, "shard", 1..3), Ok(Some(b"bc".to_vec())));
        fs::write(folder.path().join("next"), "ABCDEFGH").unwrap();
        fs::rename(folder.path().join("next"), &path).unwrap();
        assert_eq!(read_range(&dir, "shard", 1..8), Ok(Some(b"BCDEFGH".to_vec())));
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4).unwrap();
        assert_eq!(read_range(&dir, "shard", 1..8), Err(PlaceErrorKind::Short));
        fs::remove_file(&path).unwrap();
        assert_eq!(read_range(&dir, "shard", 1..2), Ok(None));
    }

    #[test]
    fn files_that_are_kept_open_are_few() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::new(folder.path());
        for n in 0..KEPT_OPEN + 9 {
            fs::write(folder.path().join(n.to_string()), "x").unwrap();
            assert_eq!(read_range(&dir, &n.to_string(), 0..1), Ok(Some(b"x".to_vec())));
        }
        assert_eq!(dir.open.lock().unwrap().len(), KEPT_OPEN);
    }

    #[test]
    fn what_is_no_file_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("f"), "x").unwrap();
        let dir = Dir::new(folder.path());
        for key in ["d", "none", "f/below", &"n".repeat(300)] {
            let mut bytes = Vec::new();
            let whole = dir.read_into(&Key::new(key).unwrap(), &Span::Whole, &Stop::new(), &mut bytes);
            assert_eq!((whole, bytes.len()), (Ok(None), 0), "{key}");
            assert_eq!(read_range(&dir, key, 0..1), Ok(None), "{key}");
        }
    }
}
