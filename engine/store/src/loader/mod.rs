//! The loader: a pool of threads that turn wanted tiles and bricks into arrived ones, and the cache between them.
//!
//! Lives here: the public face (this file), what is said (`want`), what views and loader leave for each other (`front`), the order of
//! work (`queue`), what is in the making (`gathering`), damaged chunks (`failures`), places that are away (`health`), how fast things go
//! (`pace`), the threads (`threads`) and what they do (`worker`).
//!
//! Locks: the queue's mutex, then the front's or the cache's; a gathering's is held with none of them. Render threads take the front's
//! and the cache's only.

mod failures;
mod front;
mod gathering;
mod health;
mod pace;
mod queue;
mod threads;
mod want;
mod worker;

use crate::gather::{ChunkKey, Window};
use crate::image::{Image, ReadError, ReadErrorKind};
use front::Command;
use nc_core::data::{Brick, BrickKey, ImageId, PlaneKey, SampleFormat, Samples, SpareSamples, Tile, TileKey};
use queue::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
pub use want::{Class, ClassLoad, Edge, Goal, Outlook, Piece, Want, WarmReport};
use worker::Shared;

/// Called, from loader threads, when something arrived for a view.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Bytes of chunks on their way are a quarter of the cache, within these bounds.
const LEAST_IN_FLIGHT: u64 = 16 << 20;
const MOST_IN_FLIGHT: u64 = 64 << 20;

/// How large a loader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Loader threads; at least one is made.
    pub threads: usize,
    /// Bytes of decoded chunks that are kept.
    pub cache_bytes: u64,
}

/// Who wants something; one per engine session.
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

    /// A chunk that is not stored yet: nobody's fault, so there is nothing to say.
    fn unstored(key: &ChunkKey, image: &Image) -> Self {
        Self::new(image, key, ReadError { kind: ReadErrorKind::Missing, message: String::new() })
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
    /// wanted any more. The latter until the view goes or wants something of another image, for the 256 latest, of at most 64 MiB.
    Tile {
        /// Which.
        key: TileKey,
        /// Its samples. On the coarsest level, where nothing else could stand in, the part of a damaged chunk has the fill value.
        tile: Tile,
        /// Whether it came before, was taken, and is better now.
        mended: bool,
    },
    /// A wanted brick; or again one that came with a damaged chunk, as with tiles.
    Brick {
        /// Which.
        key: BrickKey,
        /// Its samples. The part of a damaged chunk has the fill value, on every level: a volume is drawn whole or not at all. Bricks of
        /// finer levels wait for a place that is away.
        brick: Brick,
        /// Whether it came before, was taken, and is better now.
        mended: bool,
    },
    /// A chunk is damaged; comes once per chunk and view. It is tried again after 1 s, 2 s, ... 60 s. Bricks, and tiles of the coarsest
    /// level, arrive without it, and again should it heal; others stay wanted, and arrive should it heal.
    Fault {
        /// The first that needed it.
        piece: Piece,
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
    fn piece(&self) -> Option<Piece> {
        match self {
            Self::Tile { key, .. } => Some(Piece::Tile(*key)),
            Self::Brick { key, .. } => Some(Piece::Brick(*key)),
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
    /// Chunks that somebody came to wait for while they were on their way for somebody else.
    pub joined: u64,
    /// Chunks that were dropped from the cache for others.
    pub evicted: u64,
    /// Bytes that pins hold now, of [`Self::cached_bytes`].
    pub pinned_bytes: u64,
    /// Pins that were refused because they would hold more than a quarter of the cache.
    pub pins_refused: u64,
    /// Chunks that are one value throughout: of those read.
    pub uniform: u64,
    /// Chunks that were dropped because they would have come too late.
    pub expired: u64,
    /// Reads and requests that did not return and were given up.
    pub hung: u64,
    /// Bytes of chunks on their way now, encoded and decoded.
    pub in_flight_bytes: u64,
    /// Requests made of far places.
    pub fetches: u64,
    /// Bytes that they brought.
    pub fetched_bytes: u64,
    /// What became of chunks that were brought in ahead of need, all views together.
    pub warm: WarmReport,
}

/// Loads tiles and bricks. Owns the threads, the queue and the decoded-chunk cache; cheap to clone. The last clone to go ends the threads, and
/// waits a moment for those that are in a read. Everything else is said through [`LoaderHandle`].
///
/// A view attaches, says what it wants ([`LoaderHandle::want`]), is woken, takes what arrived, and says anew what it wants.
#[derive(Clone)]
pub struct Loader {
    handle: LoaderHandle,
    _pool: Arc<Pool>,
}

struct Pool(Arc<Shared>);

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.stop();
    }
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

    /// As [`Self::new`], with another clock for pauses and deadlines. A clock that jumps is noticed at the next
    /// [`LoaderHandle::want`].
    pub fn with_clock(config: LoaderConfig, clock: Clock) -> Self {
        let limits = Limits {
            threads: config.threads.max(1),
            in_flight_bytes: (config.cache_bytes / 4).clamp(LEAST_IN_FLIGHT, MOST_IN_FLIGHT),
        };
        let shared = Arc::new(Shared::new(config.cache_bytes, limits, clock));
        shared.start();
        Self { handle: LoaderHandle(shared.clone()), _pool: Arc::new(Pool(shared)) }
    }

    /// For those who are not to own the threads.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }
}

impl LoaderHandle {
    /// Makes a view known. `wake` is called from loader threads, must not block, and must not own a [`Loader`].
    pub fn attach(&self, view: ViewId, wake: Arc<dyn Fn() + Send + Sync>) {
        self.0.say(|front| front.attach(view, wake));
    }

    /// Forgets a view with everything it wanted. A wake that is being called may still come through. Returns at once: what the view
    /// wanted is let go of by others.
    pub fn detach(&self, view: ViewId) {
        let mut gone = None;
        self.0.say(|front| gone = front.detach(view));
    }

    /// Lets go of what the cache holds of `image`, which nobody is to want any more; views that do are served all the same. Returns at
    /// once: a loader thread does it, before it reads anything else.
    pub fn forget(&self, image: ImageId) {
        self.0.say(|front| front.say(Command::Forget(image)));
    }

    /// The tile, if every chunk it needs is in the cache; in memory of `spare`, if that has some. Never reads or decodes. In new memory
    /// page faults take longer than the copy.
    pub fn resident_tile(&self, image: &Image, key: &TileKey, spare: &mut SpareSamples) -> Option<Tile> {
        let window = Window::of_tile(image, key)?;
        let old = |format, len| spare.take(format, len);
        Some(Tile { width: window.width(), height: window.height(), samples: self.resident(image, &window, old)? })
    }

    /// The brick, if every chunk it needs is in the cache. Never reads or decodes.
    pub fn resident_brick(&self, image: &Image, key: &BrickKey) -> Option<Brick> {
        let window = Window::of_brick(image, key)?;
        Brick::new(window.size(), self.resident(image, &window, |_, _| None)?)
    }

    /// What the window holds, if all of its chunks are in the cache; in memory that `old` gives, if it does.
    fn resident(
        &self,
        image: &Image,
        window: &Window,
        old: impl FnOnce(SampleFormat, usize) -> Option<Samples>,
    ) -> Option<Samples> {
        let keys = window.chunks(&image.info);
        let chunks = keys.iter().map(|key| self.0.cache.get(key)).collect::<Option<Vec<_>>>()?;
        self.0.hits.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        // The chunks hold every sample of the window.
        let old = old(image.info.sample_format(), window.count());
        let mut samples = old.unwrap_or_else(|| window.blank(&image.info, 0.0));
        for (key, chunk) in keys.iter().zip(&chunks) {
            window.scatter(&image.info, key, chunk, &mut samples);
        }
        Some(samples)
    }

    /// Replaces everything the view wants but overviews; those of equal class and deadline in the order given. At most 8192; more are
    /// cut from the end. What is queued for it and wanted no more is dropped, and reads in flight that nobody wants stop. What
    /// arrived and was not taken yet stays if it is still wanted and is not made again; what was taken is made again, from the
    /// cache if that still holds its chunks. `images` are those that the wants name.
    ///
    /// Returns at once; others sort it in, a moment later.
    pub fn want(&self, view: ViewId, images: &[Image], wants: &[Want]) {
        self.0.say(|front| front.want(view, images, wants));
    }

    /// What arrived for the view since the last call, in order of arrival.
    pub fn take_arrivals(&self, view: ViewId) -> Vec<Arrival> {
        self.0.front.lock().take(view)
    }

    /// How things go, as of a moment ago. Cheap: a copy.
    pub fn outlook(&self, view: ViewId) -> Outlook {
        let front = self.0.front.lock();
        let pins_refused = front.desk(view).map_or(0, |desk| desk.pins_refused);
        // What was said since is not in the outlook yet.
        Outlook { pins_refused, idle: front.outlook.idle && !front.has_news(), ..front.outlook }
    }

    /// What became of what the view had warmed.
    pub fn warm_report(&self, view: ViewId) -> WarmReport {
        let tally = self.0.front.lock().desk(view).map(|desk| desk.tally.clone());
        tally.map(|tally| tally.report()).unwrap_or_default()
    }

    /// How much decoded chunks, and work in flight, may take from now on, in bytes.
    pub fn set_budget(&self, cache_bytes: u64, in_flight_bytes: u64) {
        self.0.cache.set_budget(cache_bytes);
        self.0.say(|front| front.say(Command::InFlight(in_flight_bytes)));
    }

    /// `image` has grown; it is the one that is described anew. Cached chunks at or beyond the edges are read anew when they are
    /// wanted, and so are the indices of shards there; what was not stored yet is tried again at once. Not for render threads: looks
    /// through the cache.
    pub fn regrow(&self, image: &Image, edges: &[Edge]) {
        image.source().regrown(edges);
        self.0.say(|front| front.say(Command::Regrow(image.clone(), edges.to_vec())));
        // What lands from here on is known to be of before; what has landed goes.
        self.0.settle();
        let id = image.info.id;
        self.0.cache.remove_where(|key| key.image == id && edges.iter().any(|edge| beyond(key, edge)));
    }

    /// A whole plane, strided down to at most `max_edge` samples per side. Blocks until the loader threads have it, after everything
    /// else.
    ///
    /// # Errors
    /// If the plane does not exist, not one chunk of it can be read, or the loader ends.
    pub fn overview(&self, image: &Image, plane: PlaneKey, max_edge: u32) -> Result<Overview, ReadError> {
        // From the other end than those who attach.
        static NEXT: AtomicU32 = AtomicU32::new(u32::MAX);
        let view = ViewId(NEXT.fetch_sub(1, Ordering::Relaxed));
        let (wake, woken) = sync_channel(1);
        self.attach(view, Arc::new(move || wake.try_send(()).unwrap_or_default()));
        self.request_overview(view, image, plane, max_edge);
        let overview = loop {
            let stopping = self.0.front.lock().stopping;
            if let Some(Arrival::Overview { overview, .. }) = self.take_arrivals(view).pop() {
                break overview.map_err(|fault| ReadError { kind: fault.kind, message: fault.message });
            }
            if stopping || woken.recv().is_err() {
                break Err(ReadError::stopped());
            }
        };
        self.detach(view);
        overview
    }

    /// As [`Self::overview`], but the answer is an [`Arrival::Overview`]. A request equal to one that is on its way is the same request.
    /// A plane that the image does not have is answered with a fault.
    pub fn request_overview(&self, view: ViewId, image: &Image, plane: PlaneKey, max_edge: u32) {
        let image = image.clone();
        self.0.say(|front| front.say(Command::Overview { view, image, plane, max_edge }));
    }

    /// Counters and sizes. Not for render threads: waits for the queue.
    pub fn stats(&self) -> LoaderStats {
        let shared = &*self.0;
        shared.settle();
        let (counts, (queued, in_flight), in_flight_bytes, warm) = {
            let queue = shared.queue();
            (queue.counts, queue.depth(), queue.bytes(), queue.warm_report())
        };
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LoaderStats {
            hits: get(&shared.hits),
            misses: get(&shared.misses),
            cached_bytes: shared.cache.bytes(),
            budget_bytes: shared.cache.budget(),
            queued,
            in_flight,
            cancelled: counts.cancelled,
            read_errors: get(&shared.read_errors),
            read_bytes: get(&shared.read_bytes),
            joined: counts.joined,
            evicted: shared.cache.evicted(),
            pinned_bytes: shared.cache.pinned_bytes(),
            pins_refused: counts.pins_refused,
            uniform: get(&shared.uniform),
            expired: counts.expired,
            hung: counts.hung,
            in_flight_bytes,
            fetches: get(&shared.fetches),
            fetched_bytes: get(&shared.fetched_bytes),
            warm,
        }
    }
}

/// Whether a chunk lies at or beyond an edge along which its image has grown.
fn beyond(key: &ChunkKey, edge: &Edge) -> bool {
    key.level == edge.level && key.coords.get(usize::from(edge.axis)).is_some_and(|&at| at >= edge.from)
}
