//! What all sessions of a process share.

use crate::api::Sink;
use crate::plate::Plates;
use crate::session::{Session, SessionConfig};
use nc_core::data::budget::{TILE_SHARE, default_cache_bytes};
use nc_core::data::{Budgets, DeviceMemory, Hardware, ImageId, Overrides};
use nc_core::ledger::InvariantError;
use nc_gpu::DeviceChoice;
use nc_store::place::{Location, PlaceOptions, Places};
use nc_store::survey::Survey;
use nc_store::{Image, Loader, LoaderConfig, LoaderStats, OpenError, Pattern, ViewId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What an engine is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// Which device draws.
    pub device: DeviceChoice,
    /// Bytes for decoded chunks and tiles together.
    pub cache_bytes: u64,
    /// Threads that read and decode chunks, at least 1.
    pub loader_threads: usize,
    /// Bytes that this process may use at most; `None` if that is not known. [`crate::machine`] finds out.
    pub memory: Option<u64>,
    /// What a person says instead of what the hardware has.
    pub overrides: Overrides,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let (device, overrides) = (DeviceChoice::Auto, Overrides::default());
        Self { device, cache_bytes: default_cache_bytes(None), loader_threads: 1, memory: None, overrides }
    }
}

impl EngineConfig {
    /// What may be held of an image on a device with `memory`, whose volumes may be so long.
    pub fn budgets(&self, memory: DeviceMemory, texture_edge_3d: Option<u32>) -> Budgets {
        let hardware = Hardware { memory: self.memory, device: memory, texture_edge_3d };
        Budgets::derive(&hardware, &self.overrides, self.cache_bytes)
    }
}

/// Why a session could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The first state of the scene is not sound: a fault of ours.
    #[error("the scene could not be set up: {0}")]
    Seed(#[from] InvariantError),
    /// The video cannot be encoded as configured.
    #[error("{0}")]
    Encode(#[from] nc_gpu::api::EncodeError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Loader, cache and device choice. Clones share them.
#[derive(Clone)]
pub struct Engine {
    config: EngineConfig,
    loader: Loader,
    places: Arc<Places>,
    next_image: Arc<AtomicU32>,
    next_view: Arc<AtomicU32>,
    plates: Arc<Plates>,
}

impl Engine {
    /// Starts the loader threads. Remote places are read without credentials.
    pub fn new(config: EngineConfig) -> Self {
        Self::with_places(config, PlaceOptions::default())
    }

    /// The same, with all that remote places need to know.
    pub fn with_places(config: EngineConfig, places: PlaceOptions) -> Self {
        let cache_bytes = config.cache_bytes - config.cache_bytes / TILE_SHARE;
        let loader = Loader::new(LoaderConfig { threads: config.loader_threads, cache_bytes });
        let places = Arc::new(Places::new(places));
        Self { config, loader, places, next_image: Arc::default(), next_view: Arc::default(), plates: Arc::default() }
    }

    /// The first of [`ImageId::SPAN`] ids.
    fn image_id(&self) -> ImageId {
        ImageId(self.next_image.fetch_add(ImageId::SPAN, Ordering::Relaxed))
    }

    /// Opens the image at `location` with its label images; reads metadata only.
    pub fn open(&self, location: &str) -> Result<Image, OpenError> {
        self.open_at(&Location::parse(location)?)
    }

    /// The same, of a location that was understood already.
    pub fn open_at(&self, location: &Location) -> Result<Image, OpenError> {
        nc_store::open_with_labels(&self.places.find(location)?, self.image_id())
    }

    /// The same without its label images.
    pub(crate) fn open_alone(&self, location: &Location) -> Result<Image, OpenError> {
        nc_store::open_at(&self.places.find(location)?, self.image_id())
    }

    /// Tells what lies at a location; reads metadata only.
    pub fn survey(&self, location: &Location) -> Result<Survey, OpenError> {
        nc_store::survey::survey_at(&self.places.find(location)?)
    }

    /// A test pattern.
    pub fn pattern(&self, pattern: Pattern) -> Image {
        pattern.image(self.image_id())
    }

    /// The procedural demo image.
    pub fn demo(&self) -> Image {
        nc_store::demo(self.image_id())
    }

    /// Starts a session on `image`, or the idle scene. Reads a little of the coarsest level where the file names no contrast window.
    pub fn start(&self, image: Option<Image>, config: SessionConfig, sink: Arc<dyn Sink>) -> Result<Session, EngineError> {
        Session::start(self, image, config, sink)
    }

    /// What the loader did and holds.
    pub fn loader_stats(&self) -> LoaderStats {
        self.loader.stats()
    }

    pub(crate) fn loader(&self) -> &Loader {
        &self.loader
    }

    pub(crate) fn plates(&self) -> &Plates {
        &self.plates
    }

    pub(crate) fn device(&self) -> DeviceChoice {
        self.config.device
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub(crate) fn view_id(&self) -> ViewId {
        ViewId(self.next_view.fetch_add(1, Ordering::Relaxed))
    }
}
