//! The render thread: waits for something to do, ticks, captures, commits. It owns the device, and makes it anew when it fails.

use crate::encode_thread::{EncodeConfig, EncodeControl, EncodeOutput, Picture};
use crate::op_traces::{OpTraces, TurnTimes, end_closed, end_here};
use crate::pacer::FrameCap;
use crate::source_slot::SourceSlot;
use crate::stats::{Stage, Stats};
use crate::supervised;
use crate::tick::{Laps, Tick, Viewer};
use crate::tile_source::TileSource;
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{Budgets, LevelDecided, RoiPolicy};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{AppliedBatch, AppliedCommit, OpKind, State, Step};
use nc_core::scene::OpSeq;
use nc_gpu::api::{DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice};
use nc_store::WarmReport;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Makes a device. Called on the render thread; the argument counts the failures since the last picture, so that a later attempt
/// can step down.
pub type OpenDevice = Box<dyn Fn(u32) -> Result<Box<dyn RenderDevice>, DeviceError> + Send>;

/// What may be held of an image on a device. Called on the render thread, whenever a device was opened.
pub type DeriveBudgets = Box<dyn Fn(&DeviceInfo) -> Budgets + Send>;

/// What the render thread needs to know.
pub struct RenderConfig {
    /// Makes the device.
    pub open: OpenDevice,
    /// What the encoder wants.
    pub format: FrameFormat,
    /// Shortest time between two pictures.
    pub interval: Duration,
    /// What may be held of an image, by the device in use.
    pub budgets: DeriveBudgets,
    /// Level policy.
    pub policy: LevelPolicy,
    /// How the region that is loaded follows the view.
    pub roi: RoiPolicy,
}

/// Takes what the render thread has to tell. Must not block.
pub trait RenderOutput: Send {
    /// A commit changed the applied view.
    fn applied(&mut self, commit: AppliedCommit);
    /// The device in use.
    fn device(&mut self, info: DeviceInfo);
    /// A decision about the level that differs from the one before.
    fn level(&mut self, decided: LevelDecided);
    /// No level of the dataset of `epoch` fits the budgets, for the first time.
    fn over_budget(&mut self, epoch: u64);
    /// A chunk of the dataset of `epoch` is damaged.
    fn data_fault(&mut self, epoch: u64, message: String);
    /// The device failed or is not to be had; what happens next.
    fn device_fault(&mut self, message: String);
    /// A volume of the dataset of `epoch` was asked for the first time of which nothing is there yet, and its outline is what is drawn.
    fn volume_pending(&mut self, epoch: u64);
}

/// Time of a 3D picture of a view that moves.
fn frame_budget(device: DeviceKind) -> Duration {
    Duration::from_millis(match device {
        DeviceKind::Gl => 16,
        DeviceKind::Cpu => 33,
    })
}

/// First pause between attempts to make a device; each later one is twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest pause between attempts to make a device.
const MAX_RETRY: Duration = Duration::from_secs(10);

/// The running pair of render and encode threads. Dropping it stops both.
pub struct RenderThread {
    signal: Arc<Signal>,
    stop: Arc<AtomicBool>,
    encode: Arc<EncodeControl>,
    threads: Vec<JoinHandle<()>>,
}

impl RenderThread {
    /// Starts both threads. `signal` must be raised whenever the ledger or the loader has something new. The source of the dataset
    /// that the ledger shows is in `sources`; that of any other is to be put there before the ledger shows it.
    pub fn start(
        ledger: Arc<SharedLedger>,
        signal: Arc<Signal>,
        sources: Arc<SourceSlot>,
        render: RenderConfig,
        mut render_output: Box<dyn RenderOutput>,
        encode: EncodeConfig,
        mut encode_output: Box<dyn EncodeOutput>,
        stats: Arc<Stats>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let control = Arc::new(EncodeControl::default());
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.into()).spawn(body);

        let (encode_control, encode_stats) = (control.clone(), stats.clone());
        let encode_thread = spawn(
            "encode",
            Box::new(move || {
                let mut last = None;
                supervised("encode", || {
                    crate::encode_thread::run(&encode, &encode_control, &encode_stats, &mut *encode_output, &mut last);
                });
            }),
        )?;
        let mut running =
            Self { signal: signal.clone(), stop: stop.clone(), encode: control.clone(), threads: vec![encode_thread] };
        let render_thread = spawn(
            "render",
            Box::new(move || {
                let (source, epoch) = (None, None);
                let mut stage = RenderLoop {
                    ledger,
                    signal,
                    stop,
                    sources,
                    source,
                    warmed: WarmReport::default(),
                    epoch,
                    config: render,
                    control,
                    stats,
                    attempt: None,
                };
                supervised("render", || stage.run(&mut *render_output));
            }),
        )?;
        running.threads.push(render_thread);
        Ok(running)
    }

    /// The encode thread's controls.
    pub fn encode(&self) -> &Arc<EncodeControl> {
        &self.encode
    }
}

impl Drop for RenderThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.signal.notify();
        self.encode.pictures.close();
        for thread in self.threads.drain(..) {
            // A panic of the body was reported by `supervised`.
            let _ = thread.join();
        }
    }
}

struct RenderLoop {
    ledger: Arc<SharedLedger>,
    signal: Arc<Signal>,
    stop: Arc<AtomicBool>,
    sources: Arc<SourceSlot>,
    /// Tiles of the dataset of `epoch`; `None` while nothing is shown.
    source: Option<Box<dyn TileSource + Send>>,
    /// What it told last of what was asked for ahead.
    warmed: WarmReport,
    epoch: Option<u64>,
    config: RenderConfig,
    control: Arc<EncodeControl>,
    stats: Arc<Stats>,
    /// The turn in progress; still there when the loop starts, if a panic ended the turn.
    attempt: Option<Attempt>,
}

/// A turn in progress: what it applies, and what to go back to if that fails.
struct Attempt {
    snapshot: Arc<State>,
    last_good: Arc<State>,
}

/// What changes from turn to turn of the loop.
struct Turn {
    viewer: Viewer,
    device: Box<dyn RenderDevice>,
    last_good: Arc<State>,
    cap: FrameCap,
    /// Device failures since the last picture.
    failures: u32,
    /// Ops whose picture is not captured yet.
    traces: OpTraces,
    /// The newest intent, while no picture without gaps was handed over since.
    incomplete: Option<Instant>,
    capture_due: bool,
    /// Whether the device's picture shows a volume. Kept from the draw: it may be captured a turn later.
    flip: bool,
    /// The next captured picture has to be a keyframe.
    keyframe: bool,
}

impl RenderLoop {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn run(&mut self, output: &mut dyn RenderOutput) {
        self.fail_attempt(output);
        if self.stopped() {
            // After a panic while the session ended.
            return;
        }
        let Some(device) = self.open_device(0, output) else { return };
        let state = self.ledger.state();
        let budgets = (self.config.budgets)(&device.info());
        let mut viewer = Viewer::new(&state, self.config.policy, self.config.roi, budgets);
        viewer.set_frame_budget(frame_budget(device.info().kind));
        let mut turn = Turn {
            viewer,
            device,
            last_good: state,
            failures: 0,
            cap: FrameCap::new(self.config.interval),
            traces: OpTraces::default(),
            incomplete: None,
            capture_due: false,
            flip: false,
            keyframe: false,
        };
        let mut wake_at = Some(Instant::now());
        while !self.stopped() {
            self.signal.wait(wake_at, Instant::now);
            while let Some(hold) = turn.cap.hold(Instant::now(), self.owes_an_answer(&turn)) {
                if self.stopped() {
                    return;
                }
                // An intent that comes meanwhile may be drawn sooner.
                self.signal.wait(Some(Instant::now() + hold), Instant::now);
            }
            if self.stopped() {
                return;
            }
            wake_at = match self.turn(&mut turn, output) {
                Ok(next) => next,
                Err(error) => {
                    let Some(device) = self.recover(&mut turn, &error, output) else { return };
                    turn.device = device;
                    Some(Instant::now())
                }
            };
        }
    }

    /// Whether there are ops that no commit has answered.
    fn owes_an_answer(&self, turn: &Turn) -> bool {
        self.ledger.state().scene.op_seq != turn.last_good.scene.op_seq
    }

    /// One tick, commit, and capture of what it drew.
    fn turn(&mut self, turn: &mut Turn, output: &mut dyn RenderOutput) -> Result<Option<Instant>, DeviceError> {
        let snapshot = self.ledger.state();
        self.attempt = Some(Attempt { snapshot: snapshot.clone(), last_good: turn.last_good.clone() });
        if self.epoch.replace(snapshot.epoch) != Some(snapshot.epoch) {
            // The old one goes, and with it all that was asked of it.
            self.source = self.sources.take(snapshot.epoch);
            self.warmed = WarmReport::default();
        }
        let commands = self.ledger.take_commands(snapshot.scene.op_seq);
        let arrivals = self.source.as_ref().map(|s| s.take_arrivals()).unwrap_or_default();
        let source = self.source.as_deref().map(|s| s as &dyn TileSource);
        let mut laps = Stopwatch {
            stats: &self.stats,
            since: Instant::now(),
            planned: None,
            drawing: Duration::ZERO,
            times: TurnTimes::default(),
        };
        let begun = Instant::now();
        let tick = Tick { now: begun, snapshot: snapshot.clone(), commands, arrivals };
        let outcome = turn.viewer.tick(tick, &mut *turn.device, source, &mut laps)?;
        laps.planned.into_iter().for_each(|at| turn.traces.planned(snapshot.scene.op_seq, at));
        let missing = turn.viewer.missing();
        self.stats.tiles_missing.store(missing as u64, Ordering::Relaxed);
        if let Some(source) = &self.source {
            let warmed = source.warm_report();
            self.stats.prefetch.add(&self.warmed, &warmed);
            self.warmed = warmed;
        }
        outcome.faults.into_iter().for_each(|fault| output.data_fault(snapshot.epoch, fault));
        if outcome.volume_pending {
            output.volume_pending(snapshot.epoch);
        }
        if outcome.over_budget {
            output.over_budget(snapshot.epoch);
        }
        if let Some(decided) = outcome.decided {
            tracing::debug!(target: "level", ?decided);
            self.stats.level_decided(&decided);
            if decided.news {
                output.level(decided);
            }
        }
        let mut drawing = laps.drawing;
        let mut op = None;
        if let Some(batch) = outcome.batch {
            let commit = self.commit(batch, output);
            commit.iter().for_each(|commit| turn.traces.closed(&commit.closed, laps.times, Instant::now()));
            turn.incomplete = turn.incomplete.max(commit.iter().flat_map(|c| &c.closed).map(|op| op.received).max());
            // Changes of mode and level come with a keyframe (PROTOCOL §10.5).
            turn.keyframe |= commit.iter().flat_map(|c| &c.closed).any(|op| matches!(op.kind, OpKind::View | OpKind::Level));
            op = commit.as_ref().map(|c| c.view.op);
            if let Some(commit) = commit {
                output.applied(commit);
            }
            turn.last_good = snapshot;
        }
        turn.keyframe |= outcome.keyframe;
        if outcome.drawn {
            turn.cap.drawn(begun);
            turn.failures = 0;
            turn.capture_due = true;
            turn.flip = outcome.flip;
            self.stats.count(|s| &s.frames);
            self.stats.tile_bytes.store(turn.viewer.tile_bytes(), Ordering::Relaxed);
            self.stats.volume_bytes.store(turn.viewer.volume_bytes(), Ordering::Relaxed);
            let quality = turn.viewer.quality();
            self.stats.render_divisor.store(u64::from(quality.divisor), Ordering::Relaxed);
            self.stats.ray_step.store(u64::from(quality.ray_step), Ordering::Relaxed);
        } else if !turn.capture_due {
            if std::mem::take(&mut turn.keyframe) {
                self.control.request_idr();
            }
            // What was answered without a new picture has its answer already.
            end_here(turn.traces.take(), &self.stats);
            turn.incomplete = turn.incomplete.filter(|_| missing > 0);
        }
        if turn.capture_due {
            laps.since = Instant::now();
            self.capture(turn, op.unwrap_or(turn.last_good.scene.op_seq))?;
            let begun = laps.since;
            laps.lap(Stage::Capture);
            drawing += laps.since - begun;
        }
        if outcome.drawn {
            turn.viewer.drawn_in(drawing);
        }
        self.attempt = None;
        let ahead = turn.viewer.look_ahead(self.source.as_deref().map(|s| s as &dyn TileSource));
        let retry = turn.capture_due.then(|| Instant::now() + self.config.interval);
        Ok(outcome.wake_at.into_iter().chain(ahead).chain(retry).min())
    }

    /// Hands the picture to the encode thread. If every slot of the ring is out, it is due again in the next turn.
    fn capture(&self, turn: &mut Turn, op: OpSeq) -> Result<(), DeviceError> {
        let frame = match turn.device.capture(self.config.format) {
            Err(DeviceError::RingFull(_)) => return Ok(()),
            other => other?,
        };
        turn.capture_due = false;
        let completes = if turn.viewer.missing() == 0 { turn.incomplete.take() } else { None };
        let mut ops = turn.traces.take();
        let captured = Instant::now();
        ops.iter_mut().for_each(|op| op.stamp(Step::Captured, captured));
        let picture = Picture { frame, op, ops, completes, keyframe: std::mem::take(&mut turn.keyframe), flip: turn.flip };
        let (mut completed, mut excess) = (None, Vec::new());
        let dropped = self.control.pictures.push(picture, |heir, dropped| {
            completed = dropped.completes;
            excess = heir.inherit(dropped);
        });
        if dropped {
            self.stats.count(|s| &s.frames_dropped);
            turn.incomplete = turn.incomplete.max(completed);
            end_here(excess, &self.stats);
        }
        Ok(())
    }

    fn commit(&self, batch: AppliedBatch, output: &mut dyn RenderOutput) -> Option<AppliedCommit> {
        self.ledger
            .commit_applied(batch)
            .map_err(|error| {
                tracing::error!(%error, "an applied batch was refused");
                output.device_fault(error.to_string());
            })
            .ok()
    }

    /// The turn in progress came to nothing: its ops fail and their leaves go back.
    fn fail_attempt(&mut self, output: &mut dyn RenderOutput) {
        let Some(Attempt { snapshot, last_good }) = self.attempt.take() else { return };
        if snapshot.scene.op_seq > self.ledger.state().scene.applied_seq
            && let Some(commit) = self.commit(AppliedBatch::new(snapshot).failed(last_good), output)
        {
            end_closed(&commit.closed, Instant::now(), &self.stats);
            output.applied(commit);
        }
    }

    /// The device failed: the ops of this turn fail, their leaves go back, and another device is made.
    fn recover(&mut self, turn: &mut Turn, error: &DeviceError, output: &mut dyn RenderOutput) -> Option<Box<dyn RenderDevice>> {
        output.device_fault(format!("{error}; making another device"));
        self.stats.count(|s| &s.device_resets);
        self.fail_attempt(output);
        turn.failures += 1;
        let device = self.open_device(turn.failures, output)?;
        turn.viewer.device_replaced((self.config.budgets)(&device.info()));
        turn.viewer.set_frame_budget(frame_budget(device.info().kind));
        Some(device)
    }

    /// Waits; `false` if the session ends meanwhile.
    fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.stopped() {
            self.signal.wait(Some(until), Instant::now);
        }
        !self.stopped()
    }

    /// Makes a device, however long that takes; `None` if the session ends meanwhile. From the second failure in a row on, it waits
    /// before it tries.
    fn open_device(&self, failures: u32, output: &mut dyn RenderOutput) -> Option<Box<dyn RenderDevice>> {
        let mut pause = FIRST_RETRY;
        if failures > 1 && !self.pause(pause) {
            return None;
        }
        for attempt in failures.. {
            match (self.config.open)(attempt) {
                Ok(device) => {
                    output.device(device.info());
                    return Some(device);
                }
                Err(error) => {
                    output.device_fault(format!("{error}; trying again in {} ms", pause.as_millis()));
                    if !self.pause(pause) {
                        return None;
                    }
                    pause = (pause * 2).min(MAX_RETRY);
                }
            }
        }
        None
    }
}

struct Stopwatch<'a> {
    stats: &'a Stats,
    since: Instant,
    planned: Option<Instant>,
    /// What the picture took.
    drawing: Duration,
    times: TurnTimes,
}

impl Laps for Stopwatch<'_> {
    fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        let took = now - self.since;
        self.stats.record(stage, took);
        self.since = now;
        match stage {
            Stage::Plan => self.planned = Some(now),
            Stage::Upload => self.times.loaded = Some(now),
            Stage::Render => (self.times.rendered, self.drawing) = (Some(now), took),
            _ => {}
        }
    }
}
