//! One scene: its ledger and its three threads.

use crate::api::{RawIntent, Sink, StreamConfig};
use crate::control_thread::Control;
use crate::engine::{Engine, EngineError};
use crate::inbox::Inbox;
use crate::outputs::{EncodeTeller, RenderTeller, SteadyWall};
use crate::window;
use nc_core::control::bootstrap;
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{CanvasSize, ColorRange};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{Ledger, OpTrace, Seed};
use nc_core::scene::{AppliedView, Dataset};
use nc_gpu::DeviceChoice;
use nc_gpu::api::{DeviceInfo, EncoderConfig};
use nc_gpu::codec::open_encoder;
use nc_runtime::{BoundLoader, EncodeConfig, RenderConfig, RenderThread, Stats, TileSource, WatchdogState, conclude, supervised};
use nc_store::Image;
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
    /// Slices a picture, encoded in parallel; 1 to 4.
    pub slices: u32,
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
    render: RenderThread,
    control: Option<JoinHandle<()>>,
}

impl Session {
    pub(crate) fn start(
        engine: &Engine,
        image: Option<Image>,
        config: SessionConfig,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, EngineError> {
        let seed = match &image {
            Some(image) => {
                let dataset = Arc::new(Dataset::new(image.info.clone()));
                let windows = window::windows(&dataset, image, engine.loader(), engine.view_id());
                bootstrap::seed(dataset, config.canvas, &windows)
            }
            None => Seed::idle(config.canvas),
        };
        let ledger = Arc::new(SharedLedger::new(Ledger::new(seed)?));
        let (signal, inbox, stats) = (Arc::new(Signal::default()), Arc::new(Inbox::default()), Arc::new(Stats::default()));
        let (stream, device) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));

        let source = image.map(|image| {
            let wake = signal.clone();
            let wake = Arc::new(move || wake.notify());
            Box::new(BoundLoader::new(engine.loader().clone(), image, engine.view_id(), wake)) as Box<dyn TileSource + Send>
        });
        let (size, fps) = (config.canvas, config.fps);
        let interval = Duration::from_secs_f32(1.0 / fps);
        let encoder = EncoderConfig { size, fps, bitrate: config.bitrate, range: config.range, slices: config.slices };
        // Fails here, where somebody can be told, rather than on the encode thread.
        let format = open_encoder(encoder)?.format();
        let choice = engine.device();
        let render = RenderConfig {
            open: Box::new(move |failures| {
                // Once the same device is tried again; then the next rung.
                let stepped_down = if failures > 1 && choice == DeviceChoice::Auto { DeviceChoice::Cpu } else { choice };
                nc_gpu::open_device(stepped_down, size)
            }),
            format,
            interval,
            tile_budget: engine.tile_budget(),
            policy: LevelPolicy::default(),
        };
        let encode = EncodeConfig { open: Arc::new(move || open_encoder(encoder)), interval };
        let announced = ledger.view();
        let wall = SteadyWall::anchored(SystemTime::now(), Instant::now());
        let render = RenderThread::start(
            ledger.clone(),
            signal.clone(),
            source,
            render,
            Box::new(RenderTeller { inbox: inbox.clone(), device: device.clone() }),
            encode,
            Box::new(EncodeTeller { inbox: inbox.clone(), sink: sink.clone(), stream: stream.clone(), size, fps, wall }),
            stats.clone(),
        )?;
        let mut control = Control { ledger: ledger.clone(), render: signal, inbox: inbox.clone(), sink, announced };
        let control =
            std::thread::Builder::new().name("control".into()).spawn(move || supervised("control", || control.run()))?;
        Ok(Self { inner: Arc::new(Inner { ledger, inbox, stats, stream, device, render, control: Some(control) }) })
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
