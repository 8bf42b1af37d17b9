//! An opened image: its description, and where its chunks come from.

use nc_core::data::{MAX_AXES, PlaneKey};
use nc_core::scene::ImageInfo;
use std::sync::Arc;

/// A decoded chunk: elements of the image's dtype in native byte order, row-major (last axis fastest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Elements per axis. A chunk at the end of the array may be cut there or padded to the full chunk shape, as the source likes;
    /// what lies beyond the array is never looked at.
    pub shape: Vec<u64>,
    /// `product(shape)` elements.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Why this cannot be the chunk at `coords` of `level`, if it cannot: it must hold exactly the bytes of its shape, and at least
    /// the part of the chunk that lies within the array.
    pub(crate) fn flaw(&self, info: &ImageInfo, level: usize, coords: &[u64]) -> Option<String> {
        let level = &info.levels[level];
        if self.shape.len() != level.shape.len() {
            return Some(format!("has {} axes instead of {}", self.shape.len(), level.shape.len()));
        }
        for (axis, &got) in self.shape.iter().enumerate() {
            let origin = coords[axis].saturating_mul(level.chunk[axis]);
            let needed = level.chunk[axis].min(level.shape[axis].saturating_sub(origin));
            if got < needed {
                return Some(format!("has shape {:?}, too small along axis {axis}, which needs {needed}", self.shape));
            }
        }
        let bytes = self.shape.iter().try_fold(info.dtype.size() as u64, |n, &s| n.checked_mul(s));
        if bytes != Some(self.bytes.len() as u64) {
            return Some(format!("has {} bytes, which does not fit its shape {:?}", self.bytes.len(), self.shape));
        }
        None
    }
}

/// What kept a chunk from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadErrorKind {
    /// The place it is kept at did not give it: I/O, permissions, a shard that ends too early.
    Storage,
    /// It was there but did not decode: damaged, cut, wrong checksum.
    Decode,
    /// The source handed out something that is not this chunk, or panicked. A bug of the source.
    Source,
    /// The plane that was asked for does not exist in the image. A bug of the caller.
    NoSuchPlane,
}

/// A chunk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// What went wrong, for code.
    pub kind: ReadErrorKind,
    /// What went wrong, for people; one line. A [`ChunkSource`] need not name place and chunk: the loader adds them.
    pub message: String,
}

impl ReadError {
    /// An error of that kind. Line breaks of the message become blanks.
    pub fn new(kind: ReadErrorKind, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { kind, message: message.split_whitespace().collect::<Vec<_>>().join(" ") }
    }

    /// The same error, saying which chunk of which image.
    pub(crate) fn at(self, info: &ImageInfo, level: usize, coords: &[u64]) -> Self {
        let chunk = coords.iter().map(u64::to_string).collect::<Vec<_>>().join("/");
        let path = info.levels.get(level).map_or("", |l| l.path.as_str());
        let separator = if path.is_empty() { "" } else { "/" };
        let message = format!("{}{separator}{path}: chunk {chunk} is unreadable: {}", info.location, self.message);
        Self { kind: self.kind, message }
    }

    /// `plane` does not exist in the image.
    pub(crate) fn no_such_plane(info: &ImageInfo, plane: &PlaneKey) -> Self {
        Self::new(ReadErrorKind::NoSuchPlane, format!("{} has no plane {plane:?}", info.location))
    }
}

/// Where chunks come from. Called on loader threads (and by [`crate::Loader::overview`] on its caller's): may block.
pub trait ChunkSource: Send + Sync {
    /// Reads and decodes the chunk at `chunk` (one grid index per axis, in range) of `level`; a chunk that is not stored is the
    /// image's fill value.
    fn read(&self, level: usize, chunk: &[u64]) -> Result<Chunk, ReadError>;

    /// As [`Self::read`], but asks `cancelled` before its dear part (the decode) and gives `None` if nobody wants the chunk any more.
    fn read_unless(&self, level: usize, chunk: &[u64], cancelled: &dyn Fn() -> bool) -> Result<Option<Chunk>, ReadError> {
        if cancelled() { Ok(None) } else { self.read(level, chunk).map(Some) }
    }

    /// Names the first chunk that was asked for and is not stored, if there was one. That is sound in a sparse image and a loss in
    /// any other; only people can tell.
    fn absent(&self) -> Option<String> {
        None
    }

    /// The value of samples of `level` that are not stored; it also stands for those of a damaged chunk where nothing coarser can.
    /// Asked once per level, when the image is made.
    fn fill_value(&self, level: usize) -> f64 {
        let _ = level;
        0.0
    }
}

/// An opened image. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Image {
    /// What it is.
    pub info: Arc<ImageInfo>,
    source: Arc<dyn ChunkSource>,
    /// Per level.
    fill_values: Arc<[f64]>,
}

impl Image {
    /// An image whose chunks come from `source`; `info` must describe what it hands out.
    pub fn from_source(info: Arc<ImageInfo>, source: Arc<dyn ChunkSource>) -> Self {
        let fill_values = (0..info.levels.len()).map(|level| source.fill_value(level)).collect();
        Self { info, source, fill_values }
    }

    /// One line about the first chunk that was asked for and is not stored, if there was one.
    pub fn absent(&self) -> Option<String> {
        let chunk = self.source.absent()?;
        Some(format!(
            "{}: {chunk} is not there and shows as the fill value; that is normal in a sparse image only",
            self.info.location
        ))
    }

    pub(crate) fn source(&self) -> &dyn ChunkSource {
        &*self.source
    }

    /// The source's fill value of `level`.
    pub(crate) fn fill_value(&self, level: usize) -> f64 {
        self.fill_values.get(level).copied().unwrap_or(0.0)
    }

    /// Whether `plane` is a plane of this image: level, axes and indices in range.
    pub(crate) fn has(&self, plane: &PlaneKey) -> bool {
        let Some(level) = self.info.levels.get(usize::from(plane.level)) else { return false };
        let (row, col) = (usize::from(plane.row_axis), usize::from(plane.col_axis));
        let ndim = level.shape.len();
        plane.image == self.info.id
            && ndim <= MAX_AXES
            && row < ndim
            && col < ndim
            && row != col
            && (0..ndim).all(|a| a == row || a == col || u64::from(plane.index[a]) < level.shape[a])
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("info", &self.info).finish_non_exhaustive()
    }
}
