//! Another dataset for a running session: prepared by whoever asks for it, shown by the control thread.

use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::window;
use nc_core::control::bootstrap;
use nc_core::data::CanvasSize;
use nc_core::exchange::Signal;
use nc_core::ledger::{InvariantError, Ledger, Seed};
use nc_core::scene::Dataset;
use nc_runtime::{BoundLoader, TileSource};
use nc_store::{Image, OpenError};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

/// Why a dataset cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The first state of its scene is not sound: a fault of ours.
    #[error("the scene could not be set up: {0}")]
    Seed(#[from] InvariantError),
}

/// A dataset on its way to the control thread.
pub(crate) struct Load {
    pub(crate) seed: Seed,
    pub(crate) source: Box<dyn TileSource + Send>,
    /// When it was asked for.
    pub(crate) received: Instant,
    /// When the seed was ready.
    pub(crate) prepared: Instant,
    /// Goes when the load is done with, one way or the other.
    pub(crate) pending: SyncSender<Infallible>,
}

/// A dataset that is open and can be shown. Dropped instead, it leaves the session as it is.
pub struct Prepared {
    inbox: Arc<Inbox>,
    seed: Seed,
    source: Box<dyn TileSource + Send>,
    received: Instant,
    ready: Instant,
}

impl Prepared {
    /// Reads a little of the coarsest level of `image` where the file names no contrast window; blocks for that.
    pub(crate) fn new(
        engine: &Engine,
        image: Image,
        canvas: CanvasSize,
        render: Arc<Signal>,
        inbox: Arc<Inbox>,
        received: Instant,
    ) -> Result<Self, LoadError> {
        let seed = seed(engine, &image, canvas);
        // What the ledger would refuse is refused here, where somebody can be told.
        Ledger::new(seed.clone())?;
        Ok(Self { inbox, seed, source: source(engine, image, render), received, ready: Instant::now() })
    }

    /// Shows it: everyone is told of the new dataset, and the old one is let go. Intents that were taken before still meant the old
    /// one. Blocks until the control thread has done it, or the session has ended.
    pub fn show(self) {
        let Self { inbox, seed, source, received, ready } = self;
        let (pending, done) = sync_channel(0);
        inbox.load(Load { seed, source, received, prepared: ready, pending });
        // Nothing is ever sent: the other end goes with the load.
        let _ = done.recv();
    }
}

/// The first state of the scene of `image`. Blocks for the samples that contrast windows are made of. What is odd about the image is
/// logged.
pub(crate) fn seed(engine: &Engine, image: &Image, canvas: CanvasSize) -> Seed {
    let info = &image.info;
    info.warnings.iter().for_each(|warning| tracing::warn!("{}: {warning}", info.location));
    tracing::info!(image = info.name, location = info.location, "serving");
    let dataset = Arc::new(Dataset::new(image.info.clone()));
    let windows = window::windows(&dataset, image, engine.loader(), engine.view_id());
    bootstrap::seed(dataset, canvas, &windows)
}

/// The tiles of `image` for the render thread, which `render` wakes.
pub(crate) fn source(engine: &Engine, image: Image, render: Arc<Signal>) -> Box<dyn TileSource + Send> {
    let wake = Arc::new(move || render.notify());
    Box::new(BoundLoader::new(engine.loader().handle(), image, engine.view_id(), wake))
}
