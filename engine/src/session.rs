//! One scene: its ledger and its three threads.

use crate::api::{RawIntent, Sink, StreamConfig};
use crate::control_thread::Control;
use crate::engine::{Engine, EngineError};
use crate::inbox::Inbox;
use crate::load::{self, LoadError, Prepared};
use crate::outputs::{EncodeTeller, RenderTeller, SteadyWall};
use crate::watch::Watch;
use nc_core::control::Echoes;
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{CanvasSize, ColorRange, RoiPolicy};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{Ledger, OpTrace, Seed};
use nc_core::scene::AppliedView;
use nc_gpu::DeviceChoice;
use nc_gpu::api::{DeviceInfo, EncoderConfig};
use nc_gpu::codec::{largest_picture, open_encoder};
use nc_runtime::{EncodeConfig, OpenEncoder, RenderConfig, RenderThread, SourceSlot, Stats, WatchdogState, conclude, supervised};
use nc_store::Image;
use nc_store::place::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// What a session is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionConfig {
    /// Size of canvas and video, both even.
    pub canvas: CanvasSize,
    /// Frames per second at most.
    pub fps: f32,
    /// Bits per second.
    pub bitrate: u32,
    /// Range of the video's samples.
    pub range: ColorRange,
    /// Threads that encode a picture, at least 1. Several share four slices: two threads with two slices each finish together more
    /// nearly than with one, since no two parts of a picture cost the same.
    pub encode_threads: u32,
    /// What of an image is loaded and drawn for a view.
    pub view: ViewPolicy,
    /// Whether to look again and again whether the data have grown.
    pub watch: bool,
    /// Degrees a second that the 3D camera turns by itself until somebody does anything; 0 if it does not.
    pub turning: f64,
}

/// What of an image is loaded and drawn for a view.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ViewPolicy {
    /// Which level.
    pub level: LevelPolicy,
    /// Which region of it.
    pub roi: RoiPolicy,
}

/// The session cannot take more intents just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is busy")]
pub struct Busy;

/// A running scene. Clones share it; the last one to go stops its threads.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Arc<SharedLedger>,
    inbox: Arc<Inbox>,
    stats: Arc<Stats>,
    stream: Arc<Mutex<Option<StreamConfig>>>,
    device: Arc<Mutex<Option<DeviceInfo>>>,
    /// Wakes the render thread.
    signal: Arc<Signal>,
    render: RenderThread,
    control: Option<JoinHandle<()>>,
    engine: Engine,
    watches: bool,
}

impl Session {
    pub(crate) fn start(
        engine: &Engine,
        image: Option<Image>,
        config: SessionConfig,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, EngineError> {
        let (seed, late) = match &image {
            Some(image) => load::seed(engine, image, config.canvas),
            None => (Seed::idle(config.canvas), None),
        };
        let seed = Seed { most_canvas: largest_picture(), turning: config.turning, ..seed };
        let ledger = Arc::new(SharedLedger::new(Ledger::new(seed)?));
        let (signal, inbox, stats) = (Arc::new(Signal::default()), Arc::new(Inbox::default()), Arc::new(Stats::default()));
        let (stream, device) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));

        if let Some(pending) = load::labels_left_out(&ledger.view()) {
            inbox.warning(pending);
        }
        let sources = Arc::new(SourceSlot::default());
        let watch = Watch::new(inbox.clone());
        if let Some(image) = image {
            let state = ledger.state();
            let (source, watched) = load::source(engine, image, config.watch, signal.clone());
            sources.put(state.epoch, source);
            watch.show(state.epoch, state.dataset.clone(), watched);
        }
        let (size, fps) = (config.canvas, config.fps);
        let interval = Duration::from_secs_f32(1.0 / fps);
        let threads = config.encode_threads;
        let slices = if threads > 1 { 4 } else { 1 };
        let encoder = EncoderConfig { size, fps, bitrate: config.bitrate, range: config.range, slices, threads };
        // Fails here, where somebody can be told, rather than on the encode thread.
        let format = open_encoder(encoder)?.format();
        let (choice, engine_config) = (engine.device(), *engine.config());
        let render = RenderConfig {
            open: Box::new(move |failures| {
                // Once the same device is tried again; then the next rung.
                let stepped_down = if failures > 1 && choice == DeviceChoice::Auto { DeviceChoice::Cpu } else { choice };
                nc_gpu::open_device(stepped_down, size)
            }),
            format,
            interval,
            budgets: Box::new(move |device| engine_config.budgets(device.memory, device.texture_edge_3d)),
            policy: config.view.level,
            roi: config.view.roi,
        };
        let open: OpenEncoder = Arc::new(move |size| open_encoder(EncoderConfig { size, ..encoder }));
        let encode = EncodeConfig { open, interval };
        let announced = ledger.view();
        let wall = SteadyWall::anchored(SystemTime::now(), Instant::now());
        let render = RenderThread::start(
            ledger.clone(),
            signal.clone(),
            sources.clone(),
            render,
            Box::new(RenderTeller { inbox: inbox.clone(), device: device.clone() }),
            encode,
            Box::new(EncodeTeller { inbox: inbox.clone(), sink: sink.clone(), stream: stream.clone(), fps, wall }),
            stats.clone(),
        )?;
        let mut control = Control {
            ledger: ledger.clone(),
            sources,
            render: signal.clone(),
            inbox: inbox.clone(),
            stats: stats.clone(),
            sink,
            announced,
            announced_version: 0,
            watch,
            late: late.map(|reading| reading.go_on(inbox.clone())),
            echoes: Echoes::default(),
        };
        let control =
            std::thread::Builder::new().name("control".into()).spawn(move || supervised("control", || control.run()))?;
        let (control, engine) = (Some(control), engine.clone());
        let watches = config.watch;
        Ok(Self { inner: Arc::new(Inner { ledger, inbox, stats, stream, device, signal, render, control, engine, watches }) })
    }

    /// Opens the image at `location` so that it can be shown in the place of the present one. Reads metadata, and a little of the
    /// coarsest level where the file names no contrast window; blocks for that. The session goes on meanwhile.
    ///
    /// # Errors
    /// When it does not open; the session is as it was.
    pub fn prepare(&self, location: &str) -> Result<Prepared, LoadError> {
        let received = Instant::now();
        let location = Location::parse(location).map_err(LoadError::Open)?;
        self.prepare_image(self.inner.engine.open_at(&location)?, received)
    }

    /// Like [`Self::prepare`], of an image that is open; it was asked for at `received`.
    ///
    /// # Errors
    /// When its scene cannot be set up.
    pub fn prepare_image(&self, image: Image, received: Instant) -> Result<Prepared, LoadError> {
        let Inner { engine, ledger, signal, inbox, watches, .. } = &*self.inner;
        Prepared::new(engine, image, (ledger.state().canvas, *watches), signal.clone(), inbox.clone(), received)
    }

    /// Hands an intent to the control thread; an [`crate::api::Event::Ack`] answers it. Never waits.
    pub fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        self.inner.inbox.intent(intent)
    }

    /// Makes the next access unit an IDR.
    pub fn request_idr(&self) {
        self.inner.render.encode().request_idr();
    }

    /// How many clients take packets.
    pub fn set_viewers(&self, viewers: usize) {
        self.inner.render.encode().set_viewers(viewers);
    }

    /// Whether any viewer could take a packet now. While there are viewers and none can, nothing is encoded.
    pub fn set_hungry(&self, hungry: bool) {
        self.inner.render.encode().set_hungry(hungry);
    }

    /// Since when the viewer waits for an IDR who waits longest, of those who could take one: the keyframe watchdog's business.
    pub fn viewer_waits_since(&self, since: Option<Instant>) {
        self.inner.render.encode().viewer_waits_since(since);
    }

    /// How the keyframe watchdog stands.
    pub fn watchdog(&self) -> WatchdogState {
        self.inner.render.encode().watchdog()
    }

    /// Ops of packets have come as far as they will: tells of them and adds them to the distributions.
    pub fn traced(&self, ops: &[OpTrace]) {
        conclude(ops, &self.inner.stats);
    }

    /// How many clients take packets.
    pub fn viewers(&self) -> usize {
        self.inner.render.encode().viewers()
    }

    /// What it shares with others.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The newest applied view.
    pub fn view(&self) -> Arc<AppliedView> {
        self.inner.ledger.view()
    }

    /// The stream's configuration, once the first picture was encoded.
    pub fn stream(&self) -> Option<StreamConfig> {
        self.inner.stream.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The device in use, once it is open.
    pub fn device(&self) -> Option<DeviceInfo> {
        self.inner.device.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the loader did and holds, for all sessions of the engine.
    pub fn loader_stats(&self) -> nc_store::LoaderStats {
        self.inner.engine.loader_stats()
    }

    /// Stage times and counters.
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(control) = self.control.take() {
            // A panic on the control thread has been reported by the panic hook; there is nothing left to do about it here.
            let _ = control.join();
        }
    }
}
