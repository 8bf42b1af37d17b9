//! An opened image: its description, and where its chunks come from.

use crate::codec::Decoded;
use crate::loader::Edge;
use crate::place::{Key, Place, PlaceError, PlaceErrorKind, Span, Stop};
use crate::scratch::Scratch;
use crate::zarr::OpenError;
use nc_core::data::{ImageId, MAX_AXES, PlaneKey};
use nc_core::scene::ImageInfo;
use std::ops::Range;
use std::sync::Arc;

/// Elements per axis of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    axes: u8,
    /// 1 beyond the last axis.
    sizes: [u32; MAX_AXES],
}

impl Shape {
    /// `None` if there are more than [`MAX_AXES`] axes, or one is longer than 32 bits can tell.
    pub fn new(sizes: &[u64]) -> Option<Self> {
        let mut shape = Self { axes: sizes.len() as u8, sizes: [1; MAX_AXES] };
        for (to, &size) in shape.sizes.get_mut(..sizes.len())?.iter_mut().zip(sizes) {
            *to = u32::try_from(size).ok()?;
        }
        Some(shape)
    }

    /// One per axis.
    pub fn sizes(&self) -> &[u32] {
        &self.sizes[..usize::from(self.axes)]
    }

    /// How many there are in all, if 64 bits can tell.
    pub fn elements(&self) -> Option<u64> {
        self.sizes.iter().try_fold(1u64, |n, &size| n.checked_mul(u64::from(size)))
    }
}

/// What the elements of a chunk are: of the image's dtype, in native byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkData {
    /// Row-major (last axis fastest), as many as the shape says.
    Samples(Box<[u8]>),
    /// All the same; costs no memory.
    Uniform {
        /// Its first bytes are the element.
        element: [u8; 8],
        /// Whether the chunk is stored. One that is not may yet come, if the image grows.
        stored: bool,
    },
}

/// A decoded chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Elements per axis. A chunk at the end of the array may be cut there or padded to the full chunk shape, as the source likes;
    /// what lies beyond the array is never looked at.
    pub shape: Shape,
    /// Those elements.
    pub data: ChunkData,
}

impl Chunk {
    /// A chunk of samples, row-major, in native byte order.
    ///
    /// # Errors
    /// [`ReadErrorKind::Source`] if it has more axes than [`MAX_AXES`], or longer ones than 32 bits can tell.
    pub fn new(shape: &[u64], samples: Vec<u8>) -> Result<Self, ReadError> {
        Ok(Self { shape: Self::shape(shape)?, data: ChunkData::Samples(samples.into_boxed_slice()) })
    }

    /// A chunk that is not stored; the first bytes of `element` are its fill value.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn absent(shape: &[u64], element: [u8; 8]) -> Result<Self, ReadError> {
        Ok(Self { shape: Self::shape(shape)?, data: ChunkData::Uniform { element, stored: false } })
    }

    fn shape(shape: &[u64]) -> Result<Shape, ReadError> {
        Shape::new(shape)
            .ok_or_else(|| ReadError::new(ReadErrorKind::Source, format!("a chunk of shape {shape:?} cannot be kept")))
    }

    /// Bytes of memory that its samples take.
    pub fn bytes(&self) -> u64 {
        match &self.data {
            ChunkData::Samples(samples) => samples.len() as u64,
            ChunkData::Uniform { .. } => 0,
        }
    }

    /// Why this cannot be the chunk at `coords` of `level`, if it cannot: it must hold exactly the bytes of its shape, and at least
    /// the part of the chunk that lies within the array.
    pub(crate) fn flaw(&self, info: &ImageInfo, level: usize, coords: &[u64]) -> Option<String> {
        let level = &info.levels[level];
        let sizes = self.shape.sizes();
        if sizes.len() != level.shape.len() {
            return Some(format!("has {} axes instead of {}", sizes.len(), level.shape.len()));
        }
        for (axis, &got) in sizes.iter().enumerate() {
            let origin = coords[axis].saturating_mul(level.chunk[axis]);
            let needed = level.chunk[axis].min(level.shape[axis].saturating_sub(origin));
            if u64::from(got) < needed {
                return Some(format!("has shape {sizes:?}, too small along axis {axis}, which needs {needed}"));
            }
        }
        if let ChunkData::Samples(samples) = &self.data {
            let bytes = self.shape.elements().and_then(|n| n.checked_mul(info.dtype.size() as u64));
            if bytes != Some(samples.len() as u64) {
                return Some(format!("has {} bytes, which does not fit its shape {sizes:?}", samples.len()));
            }
        }
        None
    }
}

/// A chunk of which only the part that was asked for is decoded; or more, or all.
#[derive(Debug)]
pub struct Part<'a> {
    /// Elements per axis of the whole chunk.
    pub(crate) shape: Shape,
    /// Where they are.
    pub(crate) samples: Decoded<'a>,
    /// Whether the chunk is not stored.
    pub(crate) absent: bool,
}

impl From<Chunk> for Part<'_> {
    fn from(chunk: Chunk) -> Self {
        let (samples, absent) = match chunk.data {
            ChunkData::Samples(samples) => (Decoded::owned(samples.into_vec()), false),
            ChunkData::Uniform { element, stored } => (Decoded::uniform(element), !stored),
        };
        Self { shape: chunk.shape, samples, absent }
    }
}

/// What kept a chunk from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadErrorKind {
    /// The array it is of is gone. A chunk that is not stored is no error: it is the fill value.
    Missing,
    /// Its place refuses to give it.
    Denied,
    /// There is no way to its place: network, server, disk.
    Unreachable,
    /// Its place did not answer in time.
    TimedOut,
    /// A read of it did not return and was given up.
    Hung,
    /// The object that holds it ends too early.
    Short,
    /// Nobody wanted it any more. No fault of anyone's: never shown, never counted as an error.
    Stopped,
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

    /// Nobody wanted it any more.
    pub fn stopped() -> Self {
        Self::new(ReadErrorKind::Stopped, "stopped")
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

impl From<PlaceError> for ReadError {
    fn from(error: PlaceError) -> Self {
        let kind = match error.kind {
            PlaceErrorKind::Denied => ReadErrorKind::Denied,
            PlaceErrorKind::Unreachable => ReadErrorKind::Unreachable,
            PlaceErrorKind::TimedOut => ReadErrorKind::TimedOut,
            PlaceErrorKind::Hung => ReadErrorKind::Hung,
            PlaceErrorKind::Short => ReadErrorKind::Short,
            PlaceErrorKind::Bad => ReadErrorKind::Decode,
            PlaceErrorKind::Stopped => ReadErrorKind::Stopped,
            // Reading never lists.
            PlaceErrorKind::Unlistable => ReadErrorKind::Source,
        };
        Self::new(kind, error.to_string())
    }
}

/// One shard's index among those of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexKey {
    /// Level of the array.
    pub level: u8,
    /// Grid index of the shard per axis; 0 beyond the last.
    pub shard: [u32; MAX_AXES],
}

/// How a chunk is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locate {
    /// It is known that it is not stored: [`ChunkSource::decode`] of nothing gives it.
    Fill,
    /// By [`ChunkSource::make`]: it is computed, or its place is near.
    Make,
    /// Fetch these bytes of the source's place, then [`ChunkSource::decode`] them.
    Fetch {
        /// Which object.
        object: Key,
        /// Which of its bytes.
        span: Span,
        /// How many those are; a guess if the object's length is not known.
        bytes: u64,
    },
    /// Fetch these bytes first and let the source [`ChunkSource::learn`] them, then ask again.
    NeedIndex {
        /// Which index they hold.
        index: IndexKey,
        /// Which object.
        object: Key,
        /// Which of its bytes.
        span: Span,
    },
}

/// Where chunks come from: what the loader needs to know to get a chunk, cut into steps so that bytes can be fetched on one thread and
/// decoded on another. Chunks are named by level and one grid index per axis, which the loader has checked to be in range.
///
/// A source that computes its chunks, or reads them on the calling thread, has [`Self::make`] alone.
pub trait ChunkSource: Send + Sync {
    /// How the chunk is to be had. Brief: looks into what was learnt, and neither reads nor decodes.
    fn locate(&self, level: usize, chunk: &[u64]) -> Result<Locate, ReadError> {
        let _ = (level, chunk);
        Ok(Locate::Make)
    }

    /// Where the bytes of [`Locate::Fetch`] and [`Locate::NeedIndex`] lie; `None` if those are never answered.
    fn place(&self) -> Option<&Arc<dyn Place>> {
        None
    }

    /// Takes the bytes of an index; `None` if there is no such object, so that none of its chunks is stored.
    fn learn(&self, index: IndexKey, bytes: Option<&[u8]>) -> Result<(), ReadError> {
        let _ = (index, bytes);
        Err(ReadError::new(ReadErrorKind::Source, "has no indices to learn"))
    }

    /// Decodes the bytes of a chunk; `None` if there is no such object, so that it is not stored and has the fill value. Looks at `stop`
    /// now and then, and then fails with [`ReadErrorKind::Stopped`].
    fn decode(
        &self,
        level: usize,
        chunk: &[u64],
        encoded: Option<&[u8]>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Chunk, ReadError> {
        let _ = (level, chunk, encoded, scratch, stop);
        Err(ReadError::new(ReadErrorKind::Source, "has nothing to decode"))
    }

    /// Makes the chunk, or reads and decodes it; one that is not stored has the fill value. Blocks. Looks at `stop` before its dear
    /// part at least, and then fails with [`ReadErrorKind::Stopped`].
    fn make(&self, level: usize, chunk: &[u64], scratch: &mut Scratch, stop: &Stop) -> Result<Chunk, ReadError>;

    /// The image has grown along `edges`: what was learnt of shards that lie at or beyond them is forgotten. Brief.
    fn regrown(&self, edges: &[Edge]) {
        let _ = edges;
    }

    /// As [`Self::make`], for a chunk that is looked at once and not kept: at least the bytes `need` are made, counted in a chunk of the
    /// level's full chunk shape, row-major. Damage in the rest may go unseen.
    fn part<'s>(
        &self,
        level: usize,
        chunk: &[u64],
        need: Range<usize>,
        scratch: &'s mut Scratch,
        stop: &Stop,
    ) -> Result<Part<'s>, ReadError> {
        let _ = need;
        self.make(level, chunk, scratch, stop).map(Part::from)
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
    watched: bool,
    reopen: Option<Arc<Reopen>>,
    /// Its label images, in the order of the file.
    labels: Arc<[Image]>,
}

/// Opens an image once more, by the same id.
type Reopen = dyn Fn() -> Result<Image, OpenError> + Send + Sync;

impl Image {
    /// An image whose chunks come from `source`; `info` must describe what it hands out.
    pub fn from_source(info: Arc<ImageInfo>, source: Arc<dyn ChunkSource>) -> Self {
        let fill_values = (0..info.levels.len()).map(|level| source.fill_value(level)).collect();
        Self { info, source, fill_values, watched: false, reopen: None, labels: Arc::default() }
    }

    /// The same image, of which it is said that it may grow while it is shown: a chunk that is not stored may come yet, so it is tried
    /// again and never kept.
    pub fn watched(self) -> Self {
        let labels = self.labels.iter().cloned().map(Self::watched).collect();
        Self { watched: true, labels, ..self }
    }

    /// This image with these label images, in the place of any.
    #[must_use]
    pub fn with_labels(self, labels: Vec<Self>) -> Self {
        Self { labels: labels.into(), ..self }
    }

    /// The label images that were opened with it, in the order of the file.
    pub fn labels(&self) -> &[Self] {
        &self.labels
    }

    /// The one of it and its label images that has the id.
    pub fn find(&self, id: ImageId) -> Option<&Self> {
        std::iter::once(self).chain(self.labels.iter()).find(|image| image.info.id == id)
    }

    /// Whether it may grow while it is shown.
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// This image, which can be opened once more by `reopen`; that must keep the id.
    #[must_use]
    pub fn reopening(self, reopen: impl Fn() -> Result<Self, OpenError> + Send + Sync + 'static) -> Self {
        Self { reopen: Some(Arc::new(reopen)), ..self }
    }

    /// Whether it lies where it may change, so that [`Self::refresh`] may give something else.
    pub fn may_change(&self) -> bool {
        self.reopen.is_some()
    }

    /// The image as it is now: reads its metadata again, and blocks for that. Its id stays. An image that cannot change is given back.
    ///
    /// # Errors
    /// When it cannot be opened just now.
    pub fn refresh(&self) -> Result<Self, OpenError> {
        let Some(reopen) = &self.reopen else { return Ok(self.clone()) };
        let read = reopen()?;
        Ok(if self.watched { read.watched() } else { read })
    }

    /// The same chunks by another description, which must not name more of them.
    #[must_use]
    pub fn described(&self, info: Arc<ImageInfo>) -> Self {
        Self { info, ..self.clone() }
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
        self.has_axes(plane.image, plane.level, &[plane.row_axis, plane.col_axis], &plane.index)
    }

    /// Whether `level` of this image has those axes, each once, and the indices of the others.
    pub(crate) fn has_axes(&self, image: ImageId, level: u8, axes: &[u8], index: &[u32; MAX_AXES]) -> bool {
        let Some(level) = self.info.levels.get(usize::from(level)) else { return false };
        let ndim = level.shape.len();
        let shown = |axis: usize| axes.iter().filter(|&&a| usize::from(a) == axis).count();
        image == self.info.id
            && ndim <= MAX_AXES
            && axes.iter().all(|&axis| usize::from(axis) < ndim && shown(usize::from(axis)) == 1)
            && (0..ndim).all(|axis| shown(axis) == 1 || u64::from(index[axis]) < level.shape[axis])
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("info", &self.info).finish_non_exhaustive()
    }
}
