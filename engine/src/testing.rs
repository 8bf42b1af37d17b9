//! A session without threads and without a clock, for tests of whole paths: the control thread's work and the render thread's turns,
//! one at a time, with a device that draws nothing and tiles that come when they are told to.

use crate::api::{Event, Packet, ParameterSets, RawIntent, Sink, StreamConfig};
use crate::control_thread::Control;
use crate::inbox::{Inbox, Warning};
use crate::load::Load;
use crate::session::Busy;
use crate::watch::{Growth, Watch};
use nc_core::control::{Echoes, bootstrap};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{
    Brick, BrickKey, Budgets, CanvasSize, DeviceMemory, PlaneKey, RoiPolicy, Samples, SpareSamples, TILE, Tile, TileKey,
    VolumeKey,
};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{AppliedBatch, InvariantError, Ledger, OpKind, Seed, State};
use nc_core::scene::{AppliedView, Dataset, ImageInfo};
use nc_gpu::api::{CapturedFrame, DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice, SlicePass, VolumePass};
use nc_runtime::{Laps, SourceSlot, Stage, Tick, TileSource, Viewer};
use nc_store::{Arrival, Goal, Overview, Want};
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

/// Bytes of tiles on the device.
const TILE_BUDGET: u64 = 8 << 20;

/// A session that does one thing when it is told to.
pub struct Stepped {
    ledger: Arc<SharedLedger>,
    inbox: Arc<Inbox>,
    sources: Arc<SourceSlot>,
    shelf: Shelf,
    canvas: CanvasSize,
    control: Mutex<Control>,
    render: Mutex<Render>,
}

/// What the render and encode threads keep.
struct Render {
    viewer: Viewer,
    device: Notes,
    epoch: Option<u64>,
    source: Option<Box<dyn TileSource + Send>>,
    last_good: Arc<State>,
    keyframe: bool,
    pictures: u64,
    sink: Arc<dyn Sink>,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Whether another one is due although nothing happens, and when.
    pub wake_at: Option<Instant>,
    /// Whether the device failed.
    pub failed: bool,
}

impl Stepped {
    /// A session of `dataset`, or the idle one.
    ///
    /// # Errors
    /// When the first state of the scene is not sound.
    pub fn new(dataset: Option<Arc<Dataset>>, canvas: CanvasSize, sink: Arc<dyn Sink>) -> Result<Self, InvariantError> {
        let seed = dataset.map_or_else(|| Seed::idle(canvas), |dataset| seed(dataset, canvas));
        let ledger = Arc::new(SharedLedger::new(Ledger::new(seed)?));
        let (inbox, sources) = (Arc::<Inbox>::default(), Arc::<SourceSlot>::default());
        let (shelf, state) = (Shelf::default(), ledger.state());
        locked(&shelf.0).dataset.clone_from(&state.dataset);
        sources.put(state.epoch, Box::new(shelf.clone()));
        let control = Control {
            ledger: ledger.clone(),
            sources: sources.clone(),
            render: Arc::<Signal>::default(),
            inbox: inbox.clone(),
            stats: Arc::default(),
            sink: sink.clone(),
            announced: ledger.view(),
            announced_version: 0,
            watch: Watch::new(inbox.clone()),
            late: None,
            echoes: Echoes::default(),
        };
        let render = Render {
            viewer: Viewer::new(&state, LevelPolicy::default(), RoiPolicy::default(), Budgets::within(TILE_BUDGET)),
            device: Notes::default(),
            epoch: None,
            source: None,
            last_good: state,
            keyframe: true,
            pictures: 0,
            sink,
        };
        let (control, render) = (Mutex::new(control), Mutex::new(render));
        Ok(Self { ledger, inbox, sources, shelf, canvas, control, render })
    }

    /// As [`crate::Session::submit`].
    ///
    /// # Errors
    /// When there is no room.
    pub fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        self.inbox.intent(intent)
    }

    /// Puts another dataset among the intents, as [`crate::Prepared::show`] does.
    pub fn load(&self, dataset: Arc<Dataset>, now: Instant) {
        let (pending, _) = sync_channel(0);
        let source = Box::new(self.shelf.clone());
        locked(&self.shelf.0).dataset = Some(dataset.clone());
        self.inbox.load(Load {
            seed: seed(dataset, self.canvas),
            source,
            watched: None,
            late: None,
            received: now,
            prepared: now,
            pending,
        });
    }

    /// The image of the dataset that is shown was read again: it is `image` now. What of it can be shown waits for the control thread;
    /// whether there is anything.
    pub fn grow(&self, image: &ImageInfo) -> bool {
        let state = self.ledger.state();
        let grown = state.dataset.as_ref().and_then(|dataset| dataset.grown(image, &[]).ok().flatten());
        let growth = grown.map(|grown| Growth { epoch: state.epoch, dataset: Arc::new(grown), prepare: Box::new(|| {}) });
        growth.map(|growth| self.inbox.grow(growth)).is_some()
    }

    /// The control thread does at most `most` things; how many it did.
    pub fn control(&self, most: usize) -> usize {
        let mut control = locked(&self.control);
        (0..most).take_while(|_| self.inbox.try_next().is_some_and(|work| control.handle(work))).count()
    }

    /// The render thread has one turn, which leads to a packet if it drew.
    pub fn turn(&self, now: Instant) -> Turn {
        let mut render = locked(&self.render);
        let snapshot = self.ledger.state();
        if render.epoch.replace(snapshot.epoch) != Some(snapshot.epoch) {
            render.source = self.sources.take(snapshot.epoch);
        }
        let commands = self.ledger.take_commands(snapshot.scene.op_seq);
        let arrivals = render.source.as_ref().map(|source| source.take_arrivals()).unwrap_or_default();
        let tick = Tick { now, snapshot: snapshot.clone(), commands, arrivals };
        let Render { viewer, device, source, .. } = &mut *render;
        let outcome = viewer.tick(tick, device, source.as_deref().map(|s| s as &dyn TileSource), &mut Untimed);
        match outcome {
            Ok(outcome) => {
                for message in outcome.faults {
                    self.inbox.warning(Warning { domain: "data", code: "data.chunk", epoch: Some(snapshot.epoch), message });
                }
                if let Some(batch) = outcome.batch {
                    // A refusal is a bug of the turn: nothing that a test may step over.
                    let commit = self.ledger.commit_applied(batch).unwrap_or_else(|error| panic!("an applied batch: {error}"));
                    render.keyframe |= commit.closed.iter().any(|op| matches!(op.kind, OpKind::View | OpKind::Level));
                    self.inbox.applied(commit);
                    render.last_good = snapshot;
                }
                render.keyframe |= outcome.keyframe;
                if outcome.drawn {
                    render.tell_picture(self.canvas, &self.ledger.view());
                }
                Turn { wake_at: outcome.wake_at, failed: false }
            }
            Err(error) => {
                let message = format!("{error}; making another device");
                self.inbox.warning(Warning { domain: "render", code: "render.device", epoch: None, message });
                if snapshot.scene.op_seq > self.ledger.state().scene.applied_seq {
                    let batch = AppliedBatch::new(snapshot).failed(render.last_good.clone());
                    let commit = self.ledger.commit_applied(batch).unwrap_or_else(|error| panic!("a failed batch: {error}"));
                    self.inbox.applied(commit);
                }
                render.device = Notes::default();
                render.viewer.device_replaced(Budgets::within(TILE_BUDGET));
                Turn { wake_at: Some(now), failed: true }
            }
        }
    }

    /// At most `most` of the tiles and overviews that are asked for come; how many came.
    pub fn deliver(&self, most: usize) -> usize {
        let state = self.ledger.state();
        state.dataset.as_ref().map_or(0, |dataset| self.shelf.deliver(dataset, most))
    }

    /// The next draw fails.
    pub fn fail_draw(&self) {
        locked(&self.render).device.fail_draw = true;
    }

    /// The next upload fails.
    pub fn fail_upload(&self) {
        locked(&self.render).device.fail_upload = true;
    }

    /// The newest applied view.
    pub fn view(&self) -> Arc<AppliedView> {
        self.ledger.view()
    }

    /// The newest snapshot.
    pub fn state(&self) -> Arc<State> {
        self.ledger.state()
    }

    /// How the made-up stream is to be decoded.
    pub fn stream(&self) -> StreamConfig {
        stream(self.canvas)
    }
}

impl Render {
    fn tell_picture(&mut self, size: CanvasSize, view: &AppliedView) {
        if self.pictures == 0 {
            self.sink.event(Event::Stream(stream(size)));
        }
        self.pictures += 1;
        let idr = std::mem::take(&mut self.keyframe);
        let avcc = vec![0, 0, 0, 2, if idr { 0x65 } else { 0x41 }, 0].into();
        let flip = view.ndisplay == 3;
        self.sink.packet(Packet { avcc, idr, size, wall: UNIX_EPOCH, flip, op: view.op, ops: Vec::new() });
    }
}

/// Limits of all samples, as no file of such a dataset could be read for better ones.
fn seed(dataset: Arc<Dataset>, canvas: CanvasSize) -> Seed {
    let windows = vec![(0.0, 255.0); dataset.layers.len()];
    bootstrap::seed(dataset, canvas, &windows)
}

/// The parameter sets of the example in PROTOCOL §5.5.
fn stream(size: CanvasSize) -> StreamConfig {
    let sps = [
        0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf2,
        0x3c, 0x58, 0xba, 0x80,
    ];
    let parameter_sets = ParameterSets { sps: sps.to_vec(), pps: vec![0x68, 0xce, 0x0f, 0xc8] };
    StreamConfig { size, fps: 60.0, parameter_sets }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Untimed;

impl Laps for Untimed {
    fn lap(&mut self, _stage: Stage) {}
}

/// Tiles that come when they are told to. Clones share.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Orders>>);

#[derive(Default)]
struct Orders {
    tiles: VecDeque<TileKey>,
    overviews: VecDeque<PlaneKey>,
    arrivals: Vec<Arrival>,
    /// What is shown, for the sizes of bricks.
    dataset: Option<Arc<Dataset>>,
    /// Samples by number, shared by all tiles of a size.
    blank: BTreeMap<usize, Arc<[u8]>>,
}

impl Shelf {
    fn deliver(&self, dataset: &Dataset, most: usize) -> usize {
        let mut orders = locked(&self.0);
        let mut delivered = 0;
        while delivered < most {
            if let Some(plane) = orders.overviews.pop_front() {
                let overview = Overview { width: 2, height: 2, samples: vec![f32::from(plane.level) + 1.0; 4] };
                orders.arrivals.push(Arrival::Overview { plane, overview: Ok(overview) });
            } else if let Some(key) = orders.tiles.pop_front() {
                let tile = orders.tile(dataset, &key);
                orders.arrivals.push(Arrival::Tile { key, tile, mended: false });
            } else {
                break;
            }
            delivered += 1;
        }
        delivered
    }
}

impl Orders {
    /// A blank tile of the size that it has at the edges of its level.
    fn tile(&mut self, dataset: &Dataset, key: &TileKey) -> Tile {
        let shape = dataset.image.levels.get(usize::from(key.plane.level)).map_or(&[][..], |level| &level.shape);
        let size = |axis: u8, n: u32| {
            let size = shape.get(usize::from(axis)).copied().unwrap_or(1);
            u32::try_from(size.saturating_sub(u64::from(n) * u64::from(TILE)).clamp(1, u64::from(TILE))).unwrap_or(TILE)
        };
        let (width, height) = (size(key.plane.col_axis, key.tx), size(key.plane.row_axis, key.ty));
        let count = (width * height) as usize;
        let samples = self.blank.entry(count).or_insert_with(|| vec![0; count].into()).clone();
        Tile { width, height, samples: Samples::U8(samples) }
    }
}

impl TileSource for Shelf {
    fn resident(&self, _key: &TileKey, _spare: &mut SpareSamples) -> Option<Tile> {
        None
    }

    /// Volumes are there at once, at the coarsest level, and blank.
    fn resident_brick(&self, key: &BrickKey) -> Option<Brick> {
        let coarsest = |d: &Arc<Dataset>| d.image.id == key.volume.image && usize::from(key.volume.level) + 1 == d.level_count();
        let dataset = locked(&self.0).dataset.clone().filter(coarsest)?;
        let level = dataset.image.levels.get(usize::from(key.volume.level))?;
        let side = |axis: u8| level.shape.get(usize::from(axis)).and_then(|&n| u32::try_from(n).ok()).unwrap_or(0);
        let size = key.size(key.volume.axes.map(side))?;
        Brick::new(size, Samples::U8(vec![0; size.iter().product::<u32>() as usize].into()))
    }

    fn want(&self, wants: &[Want]) {
        let tile = |want: &Want| if let Goal::Tile(key) = want.goal { Some(key) } else { None };
        locked(&self.0).tiles = wants.iter().filter_map(tile).collect();
    }

    fn request_overview(&self, plane: PlaneKey, _max_edge: u32) {
        locked(&self.0).overviews.push_back(plane);
    }

    fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut locked(&self.0).arrivals)
    }
}

/// A device that draws nothing.
#[derive(Default)]
struct Notes {
    fail_draw: bool,
    fail_upload: bool,
}

impl Notes {
    fn outcome(fail: &mut bool) -> Result<(), DeviceError> {
        if std::mem::take(fail) { Err(DeviceError::Lost("told to".into())) } else { Ok(()) }
    }
}

impl RenderDevice for Notes {
    fn info(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Cpu,
            description: "draws nothing".into(),
            memory: DeviceMemory::Host,
            texture_edge_3d: None,
        }
    }

    fn upload(&mut self, _key: TileKey, _tile: &Tile) -> Result<(), DeviceError> {
        Self::outcome(&mut self.fail_upload)
    }

    fn evict(&mut self, _key: &TileKey) -> Option<Samples> {
        None
    }

    fn draw_slice(&mut self, _pass: &SlicePass) -> Result<(), DeviceError> {
        Self::outcome(&mut self.fail_draw)
    }

    fn upload_brick(&mut self, _key: BrickKey, _shape: [u32; 3], _brick: &Brick) -> Result<(), DeviceError> {
        Ok(())
    }
    fn evict_volume(&mut self, _key: &VolumeKey) {}

    fn draw_volume(&mut self, _pass: &VolumePass) -> Result<(), DeviceError> {
        Self::outcome(&mut self.fail_draw)
    }

    fn capture(&mut self, _format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        Err(DeviceError::Refused("there is no picture".into()))
    }

    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        Err(DeviceError::Refused("there is no picture".into()))
    }
}
