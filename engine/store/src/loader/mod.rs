//! The loader: a pool of threads that turn wanted tiles into arrived tiles, and the cache between them.
//!
//! Lives here: the public face (this file), the order of work (`queue`), tiles in the making (`gathering`), damaged chunks
//! (`failures`), what is said (`want`), the threads (`worker`). Lock order: the queue's mutex and a gathering's are never held together.

mod failures;
mod gathering;
mod queue;
mod want;
mod worker;

use crate::gather::{ChunkKey, Window};
use crate::image::{Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use gathering::{Gathering, Making, Product};
use nc_core::data::{ImageId, PlaneKey, Tile, TileKey};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
pub use want::{Class, ClassLoad, Edge, Goal, Outlook, Want, WarmReport};
use worker::Shared;

/// Called, from loader threads, when something arrived for a view.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// How large a loader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Loader threads; at least one is made.
    pub threads: usize,
    /// Bytes of decoded chunks that are kept.
    pub cache_bytes: u64,
}

/// Who wants tiles; one per engine session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub u32);

/// A chunk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Level of the chunk.
    pub level: usize,
    /// Its grid index per axis; empty if there is no such chunk ([`ReadErrorKind::NoSuchPlane`]).
    pub chunk: Vec<u64>,
    /// What happened, what kind of thing it was.
    pub kind: ReadErrorKind,
    /// What happened, for people: one line that names path and chunk.
    pub message: String,
    /// When it is tried again, if it is.
    pub retry_at: Option<Instant>,
}

impl Fault {
    fn new(image: &Image, key: &ChunkKey, error: ReadError) -> Self {
        Self {
            level: usize::from(key.level),
            chunk: key.grid(&image.info),
            kind: error.kind,
            message: error.message,
            retry_at: None,
        }
    }

    fn no_such_plane(image: &Image, plane: &PlaneKey) -> Self {
        let ReadError { kind, message } = ReadError::no_such_plane(&image.info, plane);
        Self { level: usize::from(plane.level), chunk: Vec::new(), kind, message, retry_at: None }
    }
}

/// A whole plane in few samples, for thumbnails and contrast limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row-major, row 0 is data row 0; sample `(r, c)` is the plane's `(r * k, c * k)`. NaN where a chunk could not be read.
    pub samples: Vec<f32>,
}

/// What came for a view.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrival {
    /// A wanted tile; or again one that came with a damaged chunk, now that this has healed, even though it was taken and is not
    /// wanted any more. The latter until the view goes or wants tiles of another image, for the 256 latest such tiles.
    Tile {
        /// Which.
        key: TileKey,
        /// Its samples. On the coarsest level, where nothing else could stand in, the part of a damaged chunk has the fill value.
        tile: Tile,
        /// Whether it came before, was taken, and is better now.
        mended: bool,
    },
    /// A chunk is damaged; comes once per chunk and view. It is tried again after 1 s, 2 s, ... 60 s. Tiles of the coarsest level
    /// arrive without it, and again should it heal; those of finer levels stay wanted, and arrive should it heal.
    Fault {
        /// The first tile that needed it.
        key: TileKey,
        /// What happened.
        fault: Fault,
    },
    /// The answer to [`Loader::request_overview`].
    Overview {
        /// Of which plane.
        plane: PlaneKey,
        /// The overview, or the first fault if no chunk of it could be read, or that the image has no such plane.
        overview: Result<Overview, Fault>,
    },
}

impl Arrival {
    fn tile_key(&self) -> Option<TileKey> {
        match self {
            Self::Tile { key, .. } => Some(*key),
            Self::Fault { .. } | Self::Overview { .. } => None,
        }
    }
}

/// Counts since the loader was made, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoaderStats {
    /// Chunks that were found in the cache when they were used.
    pub hits: u64,
    /// Chunks that had to be read.
    pub misses: u64,
    /// Bytes that the cache holds now.
    pub cached_bytes: u64,
    /// Bytes that it may hold.
    pub budget_bytes: u64,
    /// Chunks that wait for a thread, or to be tried again.
    pub queued: usize,
    /// Chunks that are being read.
    pub in_flight: usize,
    /// Chunks that were dropped from the queue, or stopped, because nobody wanted them any more.
    pub cancelled: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Decoded bytes that were read.
    pub read_bytes: u64,
}

/// Owns the loader threads, their queue and the decoded-chunk cache. Cheap to clone; the last clone to go stops and joins the threads.
///
/// Loads tiles. Owns the threads: they end, and are waited for, when the last clone is dropped. Everything else is said through
/// [`LoaderHandle`].
#[derive(Clone)]
pub struct Loader {
    handle: LoaderHandle,
    // Dropped last of all clones: joins the threads.
    _pool: Arc<Pool>,
}

struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a [`Loader`] does for those who do not own it. Dropping one never waits; after the loader is gone nothing arrives any more.
#[derive(Clone)]
pub struct LoaderHandle(Arc<Shared>);

impl std::ops::Deref for Loader {
    type Target = LoaderHandle;

    fn deref(&self) -> &LoaderHandle {
        &self.handle
    }
}

impl Loader {
    /// Starts the threads.
    pub fn new(config: LoaderConfig) -> Self {
        Self::with_clock(config, Arc::new(Instant::now))
    }

    /// As [`Self::new`], with another clock for the pauses before damaged chunks are tried again. A clock that jumps is noticed at
    /// the next [`LoaderHandle::want`].
    pub fn with_clock(config: LoaderConfig, clock: Clock) -> Self {
        let shared = Arc::new(Shared::new(config.cache_bytes, clock));
        let start = |n: usize| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("loader-{n}")).spawn(move || shared.work())
        };
        let mut threads = Vec::new();
        for n in 0..config.threads.max(1) {
            match start(n) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(%error, "loader thread {n} did not start"),
            }
        }
        Self { handle: LoaderHandle(shared.clone()), _pool: Arc::new(Pool { shared, threads: Mutex::new(threads) }) }
    }

    /// For those who are not to own the threads.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }
}

impl LoaderHandle {
    /// Makes a view known. `wake` is called from loader threads (and within [`Self::request_overview`], if that is refused), must not
    /// block, and must not own a [`Loader`].
    pub fn attach(&self, view: ViewId, wake: Arc<dyn Fn() + Send + Sync>) {
        self.0.queue().attach(view, wake);
    }

    /// Forgets a view with everything it wanted. A wake that is being called may still come through.
    pub fn detach(&self, view: ViewId) {
        self.0.queue().detach(view);
    }

    /// Lets go of what the cache holds of `image`, which nobody is to want any more; views that do are served all the same. Returns at
    /// once: a loader thread does it, before it reads anything else.
    pub fn forget(&self, image: ImageId) {
        self.0.queue().forget(image);
        self.0.work.notify_all();
    }

    /// The tile, if every chunk it needs is in the cache. Never reads or decodes; about 20 µs for 128 KiB.
    pub fn resident_tile(&self, image: &Image, key: &TileKey) -> Option<Tile> {
        let shared = &*self.0;
        let window = Window::of_tile(image, key)?;
        let keys = window.chunks(&image.info);
        let chunks = keys.iter().map(|key| shared.cache.get(key)).collect::<Option<Vec<_>>>()?;
        shared.hits.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        let mut samples = window.blank(image.info.dtype, 0.0);
        for (key, chunk) in keys.iter().zip(&chunks) {
            window.scatter(&image.info, key, chunk, &mut samples);
        }
        Some(Tile { width: window.width(), height: window.height(), samples })
    }

    /// Replaces everything the view wants but overviews; within a class and deadline, most urgent first. What is queued for it and
    /// wanted no more is dropped, and reads in flight that nobody wants stop. A tile that arrived and was not taken yet stays if it is
    /// still wanted and is not made again; one that was taken is made again, from the cache if that still holds its chunks. `images` are
    /// those that the wants name.
    pub fn want(&self, view: ViewId, images: &[Image], wants: &[Want]) {
        self.0.queue().want(view, images, wants);
        self.0.work.notify_all();
    }

    /// How things go.
    pub fn outlook(&self, view: ViewId) -> Outlook {
        let _ = view;
        let (queued, in_flight) = self.0.queue().depth();
        Outlook { cache_bytes: self.0.cache.budget(), idle: queued + in_flight == 0, ..Outlook::default() }
    }

    /// What became of what the view had warmed.
    pub fn warm_report(&self, view: ViewId) -> WarmReport {
        let _ = view;
        WarmReport::default()
    }

    /// How much decoded chunks, and work in flight, may take from now on, in bytes.
    pub fn set_budget(&self, cache_bytes: u64, in_flight_bytes: u64) {
        let _ = in_flight_bytes;
        self.0.cache.set_budget(cache_bytes);
    }

    /// `image` has grown: cached chunks at or beyond the edges are read anew when they are wanted, and so are the indices of shards
    /// there.
    pub fn regrow(&self, image: &Image, edges: &[Edge]) {
        image.source().regrown(edges);
        let id = image.info.id;
        self.0.cache.remove_where(|key| key.image == id && edges.iter().any(|edge| beyond(key, edge)));
    }

    /// What arrived for the view since the last call, in order of arrival.
    pub fn take_arrivals(&self, view: ViewId) -> Vec<Arrival> {
        self.0.queue().take_arrivals(view)
    }

    /// A whole plane, strided down to at most `max_edge` samples per side. Blocks: reads on the calling thread what the cache lacks.
    /// Fails if the plane does not exist or not one chunk of it can be read.
    pub fn overview(&self, image: &Image, plane: PlaneKey, max_edge: u32) -> Result<Overview, ReadError> {
        let missing = || ReadError::no_such_plane(&image.info, &plane);
        let making = Making::Overview { plane, max_edge };
        let gathering = Gathering::new(ViewId(0), making, image).ok_or_else(missing)?;
        let mut product = None;
        let mut scratch = Scratch::default();
        for key in &gathering.chunks {
            product = match self.0.fetch(image, key, &mut scratch, &Stop::new()) {
                Ok(chunk) => gathering.add(key, &chunk),
                Err(error) => gathering.add_damaged(key, &Fault::new(image, key, error)),
            };
        }
        match product {
            Some(Product::Overview(_, Ok(overview))) => Ok(overview),
            Some(Product::Overview(_, Err(fault))) => Err(ReadError { kind: fault.kind, message: fault.message }),
            Some(Product::Tile { .. }) | None => Err(missing()),
        }
    }

    /// As [`Self::overview`], on the loader threads, after everything else; the answer is an [`Arrival::Overview`]. A request equal to
    /// one that is on its way is the same request. A plane that the image does not have is answered at once, with a fault.
    pub fn request_overview(&self, view: ViewId, image: &Image, plane: PlaneKey, max_edge: u32) {
        let refused = self.0.queue().want_overview(view, image, plane, max_edge);
        match refused {
            Some(wake) => wake(),
            None => self.0.work.notify_all(),
        }
    }

    /// Counters and sizes.
    pub fn stats(&self) -> LoaderStats {
        let shared = &*self.0;
        let (cancelled, (queued, in_flight)) = {
            let queue = shared.queue();
            (queue.cancelled, queue.depth())
        };
        LoaderStats {
            hits: shared.hits.load(Ordering::Relaxed),
            misses: shared.misses.load(Ordering::Relaxed),
            cached_bytes: shared.cache.bytes(),
            budget_bytes: shared.cache.budget(),
            queued,
            in_flight,
            cancelled,
            read_errors: shared.read_errors.load(Ordering::Relaxed),
            read_bytes: shared.read_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue().stop();
        self.shared.work.notify_all();
        let own = std::thread::current().id();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A loader thread that drops the last clone (against the rules of `attach`) must not wait for itself.
            if thread.thread().id() != own && thread.join().is_err() {
                tracing::error!("a loader thread panicked");
            }
        }
    }
}

/// Whether a chunk lies at or beyond an edge along which its image has grown.
fn beyond(key: &ChunkKey, edge: &Edge) -> bool {
    key.level == edge.level && key.coords.get(usize::from(edge.axis)).is_some_and(|&at| at >= edge.from)
}
