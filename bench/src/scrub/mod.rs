//! One scrub: a hand that steps at a steady beat, and the render loop as the product runs it, in this process and without sockets and
//! encoder. `stack` is the image that is scrubbed through.

pub mod stack;

use crate::distribution::{Distribution, milliseconds, rounded};
use anyhow::{Context as _, Result, bail};
use nc_core::control::{Context, Intent, bootstrap, reduce};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{Brick, BrickKey, Budgets, CanvasSize, ImageId, RoiPolicy, Samples, TILE, Tile, TileKey, VolumeKey};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{Ledger, State};
use nc_core::scene::Dataset;
use nc_gpu::api::{CapturedFrame, DeviceError, DeviceInfo, FrameFormat, RenderDevice, SlicePass, VolumePass};
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_runtime::pacer::FrameCap;
use nc_runtime::{BoundLoader, ImageSlot, Laps, Stage, Tick, TileSource, Viewer};
use nc_store::{Image, Loader, LoaderConfig, ViewId, WarmReport};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const CANVAS: CanvasSize = CanvasSize { width: 1024, height: 1024 };
/// A picture of the step may be so many levels coarser than the target.
const COARSER: u8 = 2;
/// Points along each side of the canvas at which it is seen what level is shown: several in each tile of each level.
const POINTS: usize = 16;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Steps per second.
    pub rate: f64,
    /// Bytes for tiles and decoded chunks.
    pub cache_bytes: u64,
    /// Turn back in the middle.
    pub reverse: bool,
}

/// What one pass came to.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// Time of the tick that took a step up: plan, and samples to the device. Nothing of it waits.
    pub tick: Distribution,
    /// From the step to the samples of a picture of it, at most two levels coarser, on the device.
    pub shown: Distribution,
    /// From the step to the samples of the target level, of those steps that got there before the next.
    pub complete: Distribution,
    /// Draws.
    pub draw: Distribution,
    /// Steps.
    pub steps: usize,
}

impl Pass {
    /// Percent of the steps that were shown at the target level before the next.
    pub fn at_target(&self) -> f64 {
        100.0 * self.complete.len() as f64 / self.steps.max(1) as f64
    }

    /// As a document.
    pub fn to_json(&self) -> Value {
        json!({"steps": self.steps, "at_target_percent": rounded(self.at_target()), "tick": with_p95(&self.tick),
            "shown": with_p95(&self.shown), "complete": with_p95(&self.complete), "draw": with_p95(&self.draw)})
    }
}

fn with_p95(distribution: &Distribution) -> Value {
    let mut json = distribution.to_json();
    json["p95_ms"] = json!(distribution.percentile_ms(95).map(rounded));
    json
}

/// A cold pass, a pass over what is decoded by then, and what became of the chunks that were asked for ahead.
#[derive(Debug, Clone)]
pub struct Scrubbed {
    /// From an empty cache.
    pub cold: Pass,
    /// Over what is decoded by then.
    pub hits: Pass,
    /// Of what was asked for ahead in the first.
    pub warm: WarmReport,
}

/// Scrubs through the z axis of the image, with a cache that is empty.
pub fn scrub(place: &str, plan: Plan) -> Result<Scrubbed> {
    let image = nc_store::open(place, ImageId(0)).with_context(|| format!("opening {place}"))?;
    let mut rig = Rig::new(image, plan)?;
    let mut there: Vec<u64> = (0..rig.slices).collect();
    if plan.reverse {
        let half = rig.slices / 2;
        there = (0..half).chain((0..half).rev()).collect();
    }
    // The first step is from another slice, of which nothing is read.
    let cold = rig.pass(&there, plan.rate)?;
    let warm = rig.source.warm_report();
    let hits = rig.pass(&there, plan.rate)?;
    Ok(Scrubbed { cold, hits, warm })
}

struct Rig {
    ledger: SharedLedger,
    signal: Arc<Signal>,
    /// Dropped before the threads that serve it.
    source: BoundLoader,
    _loader: Loader,
    viewer: Viewer,
    device: Watched,
    cap: FrameCap,
    slices: u64,
    slider: String,
}

impl Rig {
    fn new(image: Image, plan: Plan) -> Result<Self> {
        let dataset = Arc::new(Dataset::new(image.info.clone()));
        if dataset.ndim() != 3 {
            bail!("only stacks of slices are scrubbed: axes z, y and x, and channels");
        }
        let windows: Vec<(f64, f64)> = dataset.layers.iter().map(|_| (0.0, 4096.0)).collect();
        let (slices, slider) = (dataset.size(0), dataset.axis_labels()[0].clone());
        let ledger = SharedLedger::new(Ledger::new(bootstrap::seed(dataset, CANVAS, &windows))?);
        let tile_budget = plan.cache_bytes / 4;
        let threads = thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
        let loader = Loader::new(LoaderConfig { threads, cache_bytes: plan.cache_bytes - tile_budget });
        let signal = Arc::new(Signal::default());
        let wake = signal.clone();
        let image = Arc::new(ImageSlot::new(image));
        let source = BoundLoader::new(loader.handle(), image, ViewId(0), Arc::new(move || wake.notify()));
        let viewer = Viewer::new(&ledger.state(), LevelPolicy::default(), RoiPolicy::default(), Budgets::within(tile_budget));
        let device = Watched::new(CpuDevice::new(CANVAS, CpuOptions::default()));
        let cap = FrameCap::new(Duration::from_secs_f64(1.0 / plan.rate));
        Ok(Self { ledger, signal, source, _loader: loader, viewer, device, cap, slices, slider })
    }

    /// Steps through `slices` at the beat while the render loop runs.
    fn pass(&mut self, slices: &[u64], rate: f64) -> Result<Pass> {
        let beat = Duration::from_secs_f64(1.0 / rate);
        let committed: Mutex<Vec<Instant>> = Mutex::default();
        let (done, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let first_op = self.ledger.state().scene.op_seq.0 + 1;
        let Self { ledger, signal, source, viewer, device, cap, slider, .. } = self;
        let (ledger, signal) = (&*ledger, &**signal);
        let mut record = Record::new(slices.len());
        thread::scope(|scope| -> Result<()> {
            let _hand = scope.spawn(|| {
                let start = Instant::now();
                for (n, z) in (0u32..).zip(slices) {
                    thread::sleep((beat * n).saturating_sub(start.elapsed()));
                    let mut committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
                    committed.push(Instant::now());
                    if step(ledger, slider, *z).is_err() {
                        failed.store(true, Ordering::Release);
                    }
                    drop(committed);
                    signal.notify();
                }
                thread::sleep((beat * slices.len() as u32).saturating_sub(start.elapsed()));
                done.store(true, Ordering::Release);
                signal.notify();
            });
            let (mut wake_at, mut seen) = (None, ledger.state().scene.op_seq);
            while !done.load(Ordering::Acquire) {
                signal.wait(wake_at, Instant::now);
                while let Some(hold) = cap.hold(Instant::now(), ledger.state().scene.op_seq != seen) {
                    signal.wait(Some(Instant::now() + hold), Instant::now);
                }
                let begun = Instant::now();
                let arrivals = source.take_arrivals();
                let snapshot = ledger.state();
                let commands = ledger.take_commands(snapshot.scene.op_seq);
                let mut clock = Stages::default();
                let tick = Tick { now: begun, snapshot: snapshot.clone(), commands, arrivals };
                let outcome = viewer.tick(tick, device, Some(&*source), &mut clock)?;
                if let Some(batch) = outcome.batch {
                    seen = snapshot.scene.op_seq;
                    ledger.commit_applied(batch)?;
                }
                if outcome.drawn {
                    cap.drawn(begun);
                }
                wake_at = outcome.wake_at.into_iter().chain(viewer.look_ahead(Some(&*source))).min();
                let newest = snapshot.scene.op_seq.0.checked_sub(first_op).map(|n| n as usize);
                let level = device.coarsest_shown(&snapshot);
                record.tick(newest, begun, &clock, level, viewer.missing() == 0, outcome.drawn);
            }
            Ok(())
        })?;
        if failed.load(Ordering::Acquire) {
            bail!("the image cannot be stepped through");
        }
        let committed = committed.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(record.finish(&committed))
    }
}

/// What the control thread does with a step.
fn step(ledger: &SharedLedger, slider: &str, z: u64) -> Result<()> {
    let refused = |rejection| anyhow::anyhow!("{rejection:?}");
    let intent = Intent::parse("dims", slider, "index", &json!(z)).map_err(refused)?;
    let view = ledger.view();
    let reduced = reduce(Context { state: &ledger.state(), announced: &view }, intent, None).map_err(refused)?;
    let now = Instant::now();
    ledger.commit_intent(reduced.batch, reduced.motion, now, now)?;
    Ok(())
}

/// When the stages of a tick ended.
#[derive(Debug, Default)]
struct Stages {
    uploaded: Option<Instant>,
    rendered: Option<Instant>,
}

impl Laps for Stages {
    fn lap(&mut self, stage: Stage) {
        match stage {
            Stage::Upload => self.uploaded = Some(Instant::now()),
            Stage::Render => self.rendered = Some(Instant::now()),
            _ => {}
        }
    }
}

/// What the ticks of a pass showed.
struct Record {
    ticks: Distribution,
    draws: Distribution,
    /// Per step: when samples of it were there, and when those of the target level.
    shown: Vec<Option<Instant>>,
    complete: Vec<Option<Instant>>,
    /// The newest step that a tick took up.
    taken: Option<usize>,
}

impl Record {
    fn new(steps: usize) -> Self {
        Self {
            ticks: Distribution::default(),
            draws: Distribution::default(),
            shown: vec![None; steps],
            complete: vec![None; steps],
            taken: None,
        }
    }

    fn tick(&mut self, newest: Option<usize>, begun: Instant, clock: &Stages, level: Option<u8>, complete: bool, drawn: bool) {
        let Some(uploaded) = clock.uploaded else { return };
        if drawn && let Some(rendered) = clock.rendered {
            self.draws.push(rendered - uploaded);
        }
        let Some(newest) = newest.filter(|&n| n < self.shown.len()) else { return };
        if self.taken.is_none_or(|taken| taken < newest) {
            self.taken = Some(newest);
            self.ticks.push(uploaded - begun);
        }
        // A picture of a later step is as good for the eye that waited.
        if drawn && level.is_some_and(|level| level <= COARSER) {
            self.shown[..=newest].iter_mut().rev().take_while(|shown| shown.is_none()).for_each(|shown| *shown = Some(uploaded));
        }
        if complete {
            self.complete[newest].get_or_insert(uploaded);
        }
    }

    fn finish(self, committed: &[Instant]) -> Pass {
        let end = Instant::now();
        let shown = self.shown.iter().zip(committed).map(|(at, since)| at.unwrap_or(end).saturating_duration_since(*since));
        let complete =
            self.complete.iter().zip(committed).filter_map(|(at, since)| Some((*at)?.saturating_duration_since(*since)));
        Pass { shown: shown.collect(), complete: complete.collect(), tick: self.ticks, draw: self.draws, steps: committed.len() }
    }
}

/// A device that knows which tiles it has.
struct Watched {
    device: CpuDevice,
    tiles: HashSet<TileKey>,
    pass: Option<SlicePass>,
}

impl Watched {
    fn new(device: CpuDevice) -> Self {
        Self { device, tiles: HashSet::new(), pass: None }
    }

    /// How many levels coarser than the target the picture is where it is coarsest; `None` if it is of another step, or blank
    /// somewhere. Taken at points, without a filter.
    fn coarsest_shown(&self, state: &State) -> Option<u8> {
        let (pass, dataset) = (self.pass.as_ref()?, state.dataset.as_ref()?);
        let mut coarsest = 0;
        for layer in &pass.layers {
            let target = layer.planes.first()?;
            let level = usize::from(target.key.level);
            let axis = dataset.dims[0];
            if u64::from(target.key.index[axis]) != dataset.index_at_level(0, state.dims.step.get()[0], level) {
                return None;
            }
            for n in 0..POINTS * POINTS {
                let part = |n: usize| (n as f64 + 0.5) / POINTS as f64;
                let x = pass.view.left + pass.view.width * part(n % POINTS);
                let y = pass.view.bottom + pass.view.height * part(n / POINTS);
                let shown = layer.planes.iter().find(|plane| {
                    let tile = |world: f64, axis: nc_gpu::api::SampleAxis| {
                        let sample = ((world - axis.translate) / axis.scale).round().clamp(0.0, f64::from(axis.len - 1));
                        sample as u32 / TILE
                    };
                    self.tiles.contains(&TileKey { plane: plane.key, ty: tile(y, plane.y), tx: tile(x, plane.x) })
                })?;
                coarsest = coarsest.max(shown.key.level.saturating_sub(target.key.level));
            }
        }
        Some(coarsest)
    }
}

impl RenderDevice for Watched {
    fn info(&self) -> DeviceInfo {
        self.device.info()
    }
    fn upload(&mut self, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        self.tiles.insert(key);
        self.device.upload(key, tile)
    }
    fn evict(&mut self, key: &TileKey) -> Option<Samples> {
        self.tiles.remove(key);
        self.device.evict(key)
    }
    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError> {
        self.pass = Some(pass.clone());
        self.device.draw_slice(pass)
    }
    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        self.device.upload_brick(key, shape, brick)
    }
    fn evict_volume(&mut self, key: &VolumeKey) {
        self.device.evict_volume(key);
    }
    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        self.device.draw_volume(pass)
    }
    fn capture(&mut self, format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        self.device.capture(format)
    }
    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        self.device.read_rgba()
    }
}

/// In words, for the table.
pub fn cell(distribution: &Distribution, percent: usize) -> String {
    distribution.percentile_ms(percent).map_or_else(|| "-".into(), |ms| format!("{ms:.2}"))
}

/// The longest, milliseconds.
pub fn longest_ms(distribution: &Distribution) -> f64 {
    distribution.iter().max().map_or(0.0, milliseconds)
}
