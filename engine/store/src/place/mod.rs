//! Places: where the bytes of images lie. A place knows objects by key and gives spans of their bytes, no more.
//!
//! Lives here: the contract (this file), how a flight is called off (`stop`), what a location says (`location`) and which place it means
//! (`find`), how remote places are reached (`options`, `secret`), the places (`dir`, `zip`, `object` on its `io_thread`, `memory`),
//! places that are worse than they could be (`throttled`, `failing`), and what all places must do (`kit`).
//! Must never know: zarr, NGFF, images, who asks and in which order.
//!
//! Architecture invariant: nothing that leaves a place (errors, names, logs) holds a URL, a path within a bucket or a credential;
//! [`Place::redacted`] is its only name. The message of an error is ours, never the text of a library's.

#[cfg(test)]
#[path = "../../tests/store/archive.rs"]
mod archive;
mod dir;
pub mod failing;
mod find;
mod io_thread;
pub mod kit;
mod location;
mod memory;
mod object;
mod options;
mod secret;
mod stop;
pub mod throttled;
mod zip;

use bytes::Bytes;
pub use dir::Dir;
pub use failing::Failing;
pub use find::{Places, Spot};
pub use location::Location;
pub use memory::Memory;
pub use options::{PlaceOptions, Timeouts};
pub use secret::Secret;
use std::ops::Range;
use std::sync::Arc;
pub use stop::Stop;
pub use throttled::Throttled;
pub use zip::Zip;

/// Which object of a place: names joined by `/`, none of them empty, `.` or `..`. The empty key is the place itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The place itself.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// `path` without slashes at its ends.
    ///
    /// # Errors
    /// [`PlaceErrorKind::Bad`] if one of the names is empty, `.` or `..`, or holds a NUL or a backslash: such a key could leave the place.
    pub fn new(path: &str) -> Result<Self, PlaceError> {
        let path = path.trim_matches('/');
        let sound = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\0', '\\']);
        if path.is_empty() || path.split('/').all(sound) {
            Ok(Self(Arc::from(path)))
        } else {
            Err(PlaceError::new(PlaceErrorKind::Bad, "a path within the image leaves it: correct the metadata that names it"))
        }
    }

    /// The key of `path` below this one.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn join(&self, path: &str) -> Result<Self, PlaceError> {
        match (self.0.is_empty(), path.is_empty()) {
            (true, _) => Self::new(path),
            (false, true) => Ok(self.clone()),
            (false, false) => Self::new(&format!("{}/{path}", self.0)),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Span {
    /// All.
    Whole,
    /// These. A range that reaches beyond the object's end is [`PlaceErrorKind::Short`].
    Range(Range<u64>),
    /// That many at the end, or all if there are fewer.
    Last(u64),
}

/// How a place is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// By [`Place::read_into`], on the thread that decodes.
    Near,
    /// By [`Place::fetch`], which does not block.
    Far {
        /// Requests that it serves well at once.
        requests: usize,
    },
}

/// Tells one state of an object from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// As the server says.
    Etag(Arc<str>),
    /// Nanoseconds since 1970 of the last change, and the length in bytes.
    Changed(i128, u64),
}

/// What [`Place::read_into`] knows of the object that it read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Length of the whole object in bytes, where it is known.
    pub object_len: Option<u64>,
    /// Which state of the object it was, where that is known.
    pub stamp: Option<Stamp>,
}

/// Bytes of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blob {
    /// Those that were asked for.
    pub bytes: Bytes,
    /// Length of the whole object in bytes, where it is known.
    pub object_len: Option<u64>,
    /// Which state of the object it was, where that is known.
    pub stamp: Option<Stamp>,
}

/// Something below a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its last name.
    pub name: String,
    /// Whether it holds others.
    pub folder: bool,
    /// Length in bytes, of an object, where it is known.
    pub len: Option<u64>,
}

/// What kept a place from giving bytes. An object that does not exist is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceErrorKind {
    /// Somebody may not read it.
    Denied,
    /// There is no way to it: network, server, disk.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// It was given up as it did not return.
    Hung,
    /// The object ends too early.
    Short,
    /// [`Stop::stop`] was called.
    Stopped,
    /// It has no listings.
    Unlistable,
    /// The question or the answer makes no sense.
    Bad,
}

/// Why a place gave no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlaceError {
    /// What went wrong, for code.
    pub kind: PlaceErrorKind,
    message: String,
}

impl PlaceError {
    /// `message` is one line of our own words: it may be shown to anyone.
    pub fn new(kind: PlaceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the same question may be answered later.
    pub fn retriable(&self) -> bool {
        matches!(self.kind, PlaceErrorKind::Unreachable | PlaceErrorKind::TimedOut | PlaceErrorKind::Hung)
    }

    /// Somebody stopped it.
    pub fn stopped() -> Self {
        Self::new(PlaceErrorKind::Stopped, "stopped")
    }
}

/// Takes the answer of a [`Place::fetch`]: one blob per span in the order asked for, `None` if there is no such object.
pub type Done = Box<dyn FnOnce(Result<Option<Vec<Blob>>, PlaceError>) + Send>;

/// Objects that hold bytes.
pub trait Place: Send + Sync + 'static {
    /// How it is to be read.
    fn access(&self) -> Access;

    /// Appends the bytes of a span to `into`; `None` if there is no such object, and then nothing is appended. Blocks. Looks at `stop`
    /// between system calls, and then fails with [`PlaceErrorKind::Stopped`]. After an error `into` may have grown.
    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError>;

    /// Reads spans of one object. `done` is called exactly once, on any thread and perhaps before this returns, also after a stop.
    /// Places that are far away do not block here, and ask once for spans that lie close together.
    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        let read = |span: &Span| {
            let mut bytes = Vec::new();
            let read = self.read_into(key, span, stop, &mut bytes)?;
            Ok(read.map(|Read { object_len, stamp }| Blob { bytes: bytes.into(), object_len, stamp }))
        };
        done(spans.iter().map(read).collect());
    }

    /// What lies directly below `prefix`, in order of names, at most `most` entries; nothing if nothing does. Blocks.
    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError>;

    /// Its name as anybody may see it: a local path, or the kind of a remote one ("s3 …"). With a slash and the key of a [`Spot`] behind
    /// it, it is the name of that.
    fn redacted(&self) -> &str;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leaves_its_place() {
        for path in ["..", "a/../b", "a//b", "./a", "a\\b", "a\0"] {
            assert_eq!(Key::new(path).map_err(|e| e.kind), Err(PlaceErrorKind::Bad), "{path:?}");
            assert!(Key::root().join(path).is_err(), "{path:?}");
        }
        let key = Key::new("/a/b/").unwrap();
        assert_eq!(key.as_str(), "a/b");
        assert_eq!(key.join("c/d").unwrap().as_str(), "a/b/c/d");
        assert_eq!(key.join("").unwrap(), key);
        assert_eq!(Key::root().join("a/b").unwrap(), key);
        assert!(key.join("../c").is_err());
    }

    struct Memory;

    impl Place for Memory {
        fn access(&self) -> Access {
            Access::Near
        }

        fn read_into(&self, key: &Key, span: &Span, _: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
            match (key.as_str(), span) {
                ("there", Span::Range(range)) => into.extend(range.clone().map(|i| i as u8)),
                ("there", _) => return Err(PlaceError::new(PlaceErrorKind::Denied, "no")),
                _ => return Ok(None),
            }
            Ok(Some(Read::default()))
        }

        fn list(&self, _: &Key, _: usize) -> Result<Vec<Entry>, PlaceError> {
            Err(PlaceError::new(PlaceErrorKind::Unlistable, "cannot be listed"))
        }

        fn redacted(&self) -> &str {
            "memory"
        }
    }

    #[test]
    fn a_near_place_is_fetched_inline_and_answers_once() {
        let fetch = |key: &str, spans: &[Span]| {
            let (tell, told) = std::sync::mpsc::sync_channel(2);
            Memory.fetch(&Key::new(key).unwrap(), spans, &Stop::new(), Box::new(move |answer| tell.send(answer).unwrap()));
            told.into_iter().collect::<Vec<_>>()
        };
        let answer = fetch("there", &[Span::Range(3..5), Span::Range(0..1)]);
        let [Ok(Some(blobs))] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(blobs.iter().map(|b| b.bytes.to_vec()).collect::<Vec<_>>(), [vec![3, 4], vec![0]]);
        assert_eq!(fetch("elsewhere", &[Span::Whole]), [Ok(None)]);
        assert_eq!(
            fetch("there", &[Span::Range(0..1), Span::Whole])[0].as_ref().map_err(|e| e.kind),
            Err(PlaceErrorKind::Denied)
        );
    }
}
