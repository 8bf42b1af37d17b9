//! Another dataset for a running session: prepared by whoever asks for it, shown by the control thread.

use crate::engine::Engine;
use crate::inbox::{Inbox, Warning};
use crate::watch::Watched;
use crate::window::{self, Reading};
use nc_core::control::bootstrap;
use nc_core::data::CanvasSize;
use nc_core::exchange::Signal;
use nc_core::ledger::{InvariantError, Ledger, Seed};
use nc_core::scene::{AppliedView, Dataset, ImageInfo};
use nc_runtime::{BoundLoader, ImageSlot, TileSource};
use nc_store::{Image, OpenError};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

/// Label images that a notice names at most.
const MOST_LABELS: usize = 8;

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
    /// What to look at again, if it is to be watched for growing.
    pub(crate) watched: Option<Watched>,
    /// Contrast windows that were not there in time.
    pub(crate) late: Option<Reading>,
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
    watched: Option<Watched>,
    late: Option<Reading>,
    received: Instant,
    ready: Instant,
}

impl Prepared {
    /// Reads a little of the coarsest level of `image` where the file names no contrast window; blocks for that, but for a moment only.
    pub(crate) fn new(
        engine: &Engine,
        image: Image,
        (canvas, watch): (CanvasSize, bool),
        render: Arc<Signal>,
        inbox: Arc<Inbox>,
        received: Instant,
    ) -> Result<Self, LoadError> {
        let (seed, late) = seed(engine, &image, canvas);
        // What the ledger would refuse is refused here, where somebody can be told.
        Ledger::new(seed.clone())?;
        let (source, watched) = source(engine, image, watch, render);
        Ok(Self { inbox, seed, source, watched, late, received, ready: Instant::now() })
    }

    /// Shows it: everyone is told of the new dataset, and the old one is let go. Intents that were taken before still meant the old
    /// one. Blocks until the control thread has done it, or the session has ended.
    pub fn show(self) {
        let Self { inbox, seed, source, watched, late, received, ready } = self;
        let (pending, done) = sync_channel(0);
        inbox.load(Load { seed, source, watched, late, received, prepared: ready, pending });
        // Nothing is ever sent: the other end goes with the load.
        let _ = done.recv();
    }
}

/// The first state of the scene of `image`, and the contrast windows that are to follow. Blocks a moment for the samples that windows are
/// made of. What is odd about the image is logged.
pub(crate) fn seed(engine: &Engine, image: &Image, canvas: CanvasSize) -> (Seed, Option<Reading>) {
    let info = &image.info;
    let (dataset, left_out) = Dataset::new(info.clone()).with_labels(image.labels().iter().map(|labels| labels.info.clone()));
    for labels in &dataset.labels {
        let (name, warnings) = (&labels.info.name, &labels.info.warnings);
        warnings.iter().for_each(|warning| tracing::warn!("{}: label image {name:?}: {warning}", info.location));
    }
    let warnings = info.warnings.iter().chain(&left_out);
    warnings.for_each(|warning| tracing::warn!("{}: {warning}", info.location));
    tracing::info!(image = info.name, location = info.location, labels = dataset.labels.len(), "serving");
    let dataset = Arc::new(dataset);
    let (windows, late) = window::windows(&dataset, image, engine.loader().handle(), engine.view_id());
    (bootstrap::seed(dataset, canvas, &windows), late)
}

/// What people are told of label images that belong to the image and are not drawn over it; the log says why.
pub(crate) fn labels_left_out(view: &AppliedView) -> Option<Warning> {
    let dataset = view.dataset.as_deref()?;
    let names = dataset.labels_left_out();
    let first = names.first()?;
    let more = names.len().saturating_sub(MOST_LABELS);
    let mut list = names.iter().take(MOST_LABELS).copied().collect::<Vec<_>>().join(", ");
    if more > 0 {
        list = format!("{list} and {more} more");
    }
    let message = format!(
        "{}: these label images are not drawn over the image: {list}; each opens as an image of its own, such as labels/{first}",
        dataset.image.name
    );
    Some(Warning { domain: "data", code: "data.labels", epoch: Some(view.epoch), message })
}

/// `image`, read anew, as far as `dataset` shows it: tiles at the edges have the size that the view gives them.
pub(crate) fn as_shown(image: &Image, dataset: &Dataset) -> Image {
    let of = |labels: &Arc<ImageInfo>| Some(image.find(labels.id)?.described(labels.clone()));
    let labels = dataset.labels.iter().filter_map(|labels| of(&labels.info)).collect();
    image.described(dataset.image.clone()).with_labels(labels)
}

/// The tiles of `image` for the render thread, which `render` wakes; and what to watch, if it is to be watched and lies where it may
/// change.
pub(crate) fn source(
    engine: &Engine,
    image: Image,
    watch: bool,
    render: Arc<Signal>,
) -> (Box<dyn TileSource + Send>, Option<Watched>) {
    let wake = Arc::new(move || render.notify());
    let watch = watch && image.may_change();
    let image = if watch { image.watched() } else { image };
    let (slot, loader) = (Arc::new(ImageSlot::new(image.clone())), engine.loader().handle());
    let watched = watch.then(|| Watched { image, slot: slot.clone(), loader: loader.clone() });
    (Box::new(BoundLoader::new(loader, slot, engine.view_id(), wake)), watched)
}
