//! A tile or overview on its way: filled chunk by chunk, so that it never needs all its chunks at once (they may exceed the cache).

use super::{Fault, Overview, ViewId};
use crate::gather::{ChunkKey, Window};
use crate::image::{Chunk, Image};
use nc_core::data::{PlaneKey, Samples, Tile, TileKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Tile(TileKey),
    Overview { plane: PlaneKey, max_edge: u32 },
}

/// What came of it.
pub(super) enum Product {
    Tile(TileKey, Tile),
    Overview(PlaneKey, Result<Overview, Fault>),
}

pub(super) struct Gathering {
    pub(super) view: ViewId,
    pub(super) goal: Goal,
    pub(super) image: Image,
    /// Every chunk it needs.
    pub(super) chunks: Vec<ChunkKey>,
    window: Window,
    progress: Mutex<Progress>,
}

struct Progress {
    /// Made with the first chunk: a want list must not pay for pictures that may never be started.
    picture: Option<Samples>,
    missing: usize,
    intact: usize,
    /// The first chunk that was lost.
    damage: Option<Fault>,
}

impl Gathering {
    pub(super) fn new(view: ViewId, goal: Goal, image: &Image) -> Option<Self> {
        let window = match &goal {
            Goal::Tile(key) => Window::of_tile(image, key)?,
            Goal::Overview { plane, max_edge } => Window::of_overview(image, plane, *max_edge)?,
        };
        let chunks = window.chunks(&image.info);
        let progress = Mutex::new(Progress { picture: None, missing: chunks.len(), intact: 0, damage: None });
        Some(Self { view, goal, image: image.clone(), chunks, window, progress })
    }

    /// Whether it waits for a damaged chunk to heal: it does where a coarser level can stand in for it meanwhile. On the coarsest
    /// level, and in overviews, the rest is worth more than nothing.
    pub(super) fn waits_for_damaged(&self) -> bool {
        match self.goal {
            Goal::Tile(key) => usize::from(key.plane.level) + 1 < self.image.info.levels.len(),
            Goal::Overview { .. } => false,
        }
    }

    /// Takes what it needs of a chunk. Gives the result with the last one.
    pub(super) fn add(&self, key: &ChunkKey, chunk: &Chunk) -> Option<Product> {
        let mut progress = self.lock();
        let mut picture = progress.picture.take().unwrap_or_else(|| self.blank());
        self.window.scatter(&self.image.info, key, chunk, &mut picture);
        progress.picture = Some(picture);
        progress.intact += 1;
        self.count_down(&mut progress)
    }

    /// Goes on without a chunk that could not be read: its part stays zero in a tile and NaN in an overview.
    pub(super) fn add_damaged(&self, fault: &Fault) -> Option<Product> {
        let mut progress = self.lock();
        progress.damage.get_or_insert_with(|| fault.clone());
        self.count_down(&mut progress)
    }

    fn count_down(&self, progress: &mut Progress) -> Option<Product> {
        progress.missing = progress.missing.saturating_sub(1);
        if progress.missing > 0 {
            return None;
        }
        let samples = progress.picture.take().unwrap_or_else(|| self.blank());
        let (width, height) = (self.window.width(), self.window.height());
        Some(match self.goal {
            Goal::Tile(key) => Product::Tile(key, Tile { width, height, samples }),
            Goal::Overview { plane, .. } => Product::Overview(
                plane,
                match (&progress.damage, samples) {
                    (Some(fault), _) if progress.intact == 0 => Err(fault.clone()),
                    (_, Samples::F32(samples)) => Ok(Overview { width, height, samples: samples.to_vec() }),
                    // `blank` makes overviews of f32 only.
                    (_, other) => Ok(Overview { width, height, samples: (0..other.len()).map(|i| other.get(i)).collect() }),
                },
            ),
        })
    }

    fn blank(&self) -> Samples {
        match self.goal {
            Goal::Tile(_) => self.window.blank(self.image.info.dtype),
            Goal::Overview { .. } => {
                let n = self.window.width() as usize * self.window.height() as usize;
                Samples::F32(Arc::from(vec![f32::NAN; n]))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
