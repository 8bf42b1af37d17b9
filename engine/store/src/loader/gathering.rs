//! A tile, a brick, an overview or some chunks alone on their way: filled chunk by chunk, so that it never needs all its chunks at once
//! (they may exceed the cache).

use super::{Arrival, Class, Fault, Overview, Piece, ViewId};
use crate::gather::{ChunkKey, Window};
use crate::image::{Chunk, Image};
use nc_core::data::{Brick, BrickKey, PlaneKey, SampleFormat, Samples, Tile, TileKey};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    Piece(Piece),
    /// Its chunks in the cache; no picture.
    Warm(Piece),
    Overview {
        plane: PlaneKey,
        max_edge: u32,
    },
}

/// A tile or a brick.
pub(super) enum Made {
    Tile(TileKey, Tile),
    Brick(BrickKey, Brick),
}

impl Made {
    pub(super) fn piece(&self) -> Piece {
        match self {
            Self::Tile(key, _) => Piece::Tile(*key),
            Self::Brick(key, _) => Piece::Brick(*key),
        }
    }

    pub(super) fn arrival(self, mended: bool) -> Arrival {
        match self {
            Self::Tile(key, tile) => Arrival::Tile { key, tile, mended },
            Self::Brick(key, brick) => Arrival::Brick { key, brick, mended },
        }
    }
}

/// What came of it.
pub(super) enum Product {
    Made {
        made: Made,
        /// How many of its chunks are in it: of two products of a gathering the one with more is the newer.
        intact: usize,
        /// Whether those are all, so that this is the last product.
        whole: bool,
    },
    /// All chunks came.
    Warm,
    Overview(PlaneKey, Result<Overview, Fault>),
}

pub(super) struct Gathering {
    pub(super) view: ViewId,
    pub(super) making: Making,
    pub(super) image: Image,
    /// Every chunk it needs.
    pub(super) chunks: Vec<ChunkKey>,
    /// Of its view, see [`super::front`].
    pub(super) epoch: u64,
    /// A [`Class`]. Written under the queue's lock only.
    class: AtomicU8,
    window: Window,
    progress: Mutex<Progress>,
}

struct Progress {
    /// Made with the first chunk: a want list must not pay for pictures that may never be started.
    picture: Option<Samples>,
    /// Chunks that are not in the picture.
    lacking: HashMap<ChunkKey, Lack>,
    /// Those of them that are [`Lack::Awaited`].
    awaited: usize,
    /// The first chunk that was lost.
    damage: Option<Fault>,
}

/// Why a chunk is not in the picture.
enum Lack {
    Awaited,
    /// It could not be read, or is not stored yet.
    Damaged,
}

impl Gathering {
    /// `None` if the image does not have it. A warming needs only those chunks that `cached` denies.
    pub(super) fn new(
        view: ViewId,
        epoch: u64,
        making: Making,
        class: Class,
        image: &Image,
        cached: &dyn Fn(&ChunkKey) -> bool,
    ) -> Option<Self> {
        let window = match &making {
            Making::Piece(Piece::Tile(key)) | Making::Warm(Piece::Tile(key)) => Window::of_tile(image, key)?,
            Making::Piece(Piece::Brick(key)) | Making::Warm(Piece::Brick(key)) => Window::of_brick(image, key)?,
            Making::Overview { plane, max_edge } => Window::of_overview(image, plane, *max_edge)?,
        };
        let mut chunks = window.chunks(&image.info);
        if matches!(making, Making::Warm(_)) {
            chunks.retain(|key| !cached(key));
        }
        let lacking = chunks.iter().map(|key| (*key, Lack::Awaited)).collect();
        let progress = Mutex::new(Progress { picture: None, lacking, awaited: chunks.len(), damage: None });
        Some(Self { view, making, image: image.clone(), chunks, epoch, class: AtomicU8::new(class as u8), window, progress })
    }

    pub(super) fn class(&self) -> Class {
        Class::ALL.into_iter().nth(usize::from(self.class.load(Ordering::Relaxed))).unwrap_or(Class::Background)
    }

    pub(super) fn set_class(&self, class: Class) {
        self.class.store(class as u8, Ordering::Relaxed);
    }

    /// Whether it makes something, rather than only fill the cache.
    pub(super) fn shows(&self) -> bool {
        !matches!(self.making, Making::Warm(_))
    }

    /// Bytes of what it makes, in the device format.
    pub(super) fn bytes(&self) -> u64 {
        let sample = SampleFormat::of(self.image.info.dtype).size();
        (self.window.count() * sample) as u64
    }

    /// Whether it comes before its damaged chunks heal: if the rest is worth more than what stands in for it. Tiles of all but the
    /// coarsest level have stand-ins. So have bricks, but their volume is drawn whole, so they wait only where their place is `away`.
    pub(super) fn comes_damaged(&self, away: bool) -> bool {
        let coarsest = |level: u8| usize::from(level) + 1 >= self.image.info.levels.len();
        match self.making {
            Making::Piece(Piece::Tile(key)) => coarsest(key.plane.level),
            Making::Piece(Piece::Brick(key)) => !away || coarsest(key.volume.level),
            Making::Warm(_) => false,
            Making::Overview { .. } => true,
        }
    }

    /// Whether chunks that were damaged are added when they heal. Overviews are made once.
    pub(super) fn mends(&self) -> bool {
        matches!(self.making, Making::Piece(_))
    }

    /// Takes what it needs of a chunk. Gives a product if this was the last one awaited, or healed after that.
    pub(super) fn add(&self, key: &ChunkKey, chunk: &Chunk) -> Option<Product> {
        let mut progress = self.lock();
        let lack = progress.lacking.remove(key)?;
        if !self.shows() {
            progress.awaited -= 1;
            return (progress.awaited == 0).then_some(Product::Warm);
        }
        let mut picture = progress.picture.take().unwrap_or_else(|| self.blank());
        self.window.scatter(&self.image.info, key, chunk, &mut picture);
        progress.picture = Some(picture);
        if matches!(lack, Lack::Awaited) {
            progress.awaited -= 1;
        }
        self.product(&mut progress)
    }

    /// Goes on without a chunk that could not be read: its part has the fill value, and is NaN in an overview. Saying so
    /// again changes nothing.
    pub(super) fn add_damaged(&self, key: &ChunkKey, fault: &Fault) -> Option<Product> {
        let mut progress = self.lock();
        let lack = progress.lacking.get_mut(key).filter(|lack| matches!(lack, Lack::Awaited))?;
        *lack = Lack::Damaged;
        progress.awaited -= 1;
        progress.damage.get_or_insert_with(|| fault.clone());
        self.product(&mut progress)
    }

    /// Takes a chunk that is not stored yet but may be later: its part has the fill value until [`Self::add`] brings it.
    pub(super) fn add_for_now(&self, key: &ChunkKey, chunk: &Chunk) -> Option<Product> {
        if !self.mends() {
            return self.add(key, chunk);
        }
        let mut progress = self.lock();
        let lack = progress.lacking.get_mut(key).filter(|lack| matches!(lack, Lack::Awaited))?;
        *lack = Lack::Damaged;
        progress.awaited -= 1;
        let mut picture = progress.picture.take().unwrap_or_else(|| self.blank());
        self.window.scatter(&self.image.info, key, chunk, &mut picture);
        progress.picture = Some(picture);
        self.product(&mut progress)
    }

    fn product(&self, progress: &mut Progress) -> Option<Product> {
        if progress.awaited > 0 {
            return None;
        }
        let whole = progress.lacking.is_empty();
        let intact = self.chunks.len() - progress.lacking.len();
        let picture = if whole { progress.picture.take() } else { progress.picture.clone() };
        let samples = picture.unwrap_or_else(|| self.blank());
        let (width, height) = (self.window.width(), self.window.height());
        let made = |made: Made| Product::Made { made, intact, whole };
        Some(match self.making {
            Making::Warm(_) => Product::Warm,
            Making::Piece(Piece::Tile(key)) => made(Made::Tile(key, Tile { width, height, samples })),
            Making::Piece(Piece::Brick(key)) => made(Made::Brick(key, Brick::new(self.window.size(), samples)?)),
            Making::Overview { plane, .. } => Product::Overview(
                plane,
                match (&progress.damage, samples) {
                    (Some(fault), _) if intact == 0 => Err(fault.clone()),
                    (_, Samples::F32(samples)) => Ok(Overview { width, height, samples: samples.to_vec() }),
                    // `blank` makes overviews of f32 only.
                    (_, other) => Ok(Overview { width, height, samples: (0..other.len()).map(|i| other.get(i)).collect() }),
                },
            ),
        })
    }

    fn blank(&self) -> Samples {
        match self.making {
            Making::Piece(piece) | Making::Warm(piece) => {
                self.window.blank(&self.image.info, self.image.fill_value(usize::from(piece.level())))
            }
            Making::Overview { .. } => Samples::F32(Arc::from(vec![f32::NAN; self.window.count()])),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
