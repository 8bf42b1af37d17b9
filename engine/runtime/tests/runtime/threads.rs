//! The render and encode threads with a real device, and with encoders and devices that break.

use crate::stand::{CANVAS, Shelf, dataset, intend};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{Brick, BrickKey, Samples, Tile, TileKey, VolumeKey};
use nc_core::data::{Budgets, CanvasSize, ColorRange, LevelDecided, RoiPolicy};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{AppliedCommit, Outcome, Step};
use nc_gpu::DeviceChoice;
use nc_gpu::api::{
    AccessUnit, CapturedFrame, DeviceError, DeviceInfo, EncodeError, Encoder, EncoderInfo, FrameFormat, ParameterSets,
    RenderDevice, SlicePass, VolumePass,
};
use nc_runtime::{
    EncodeConfig, EncodeOutput, EncodedFrame, OpenEncoder, RenderConfig, RenderOutput, RenderThread, SourceSlot, Stats,
    WatchdogState,
};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FORMAT: FrameFormat = FrameFormat::I420 { range: ColorRange::Full };
const INTERVAL: Duration = Duration::from_millis(10);
/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the threads tell.
#[derive(Debug)]
enum Told {
    Stream,
    Frame(EncodedFrame, Instant),
    EncodeFault(String),
    Applied(AppliedCommit),
    Device,
    DeviceFault,
    VolumePending,
}

struct Teller(SyncSender<Told>);

impl Teller {
    /// When the test is over, nobody listens any more.
    fn tell(&self, told: Told) {
        assert!(!matches!(self.0.try_send(told), Err(TrySendError::Full(_))), "nobody takes what is told");
    }
}

impl RenderOutput for Teller {
    fn applied(&mut self, commit: AppliedCommit) {
        self.tell(Told::Applied(commit));
    }
    fn device(&mut self, _info: DeviceInfo) {
        self.tell(Told::Device);
    }
    fn level(&mut self, _decided: LevelDecided) {}
    fn over_budget(&mut self, _epoch: u64) {
        panic!("a level fits");
    }
    fn data_fault(&mut self, _epoch: u64, message: String) {
        panic!("{message}");
    }
    fn device_fault(&mut self, _message: String) {
        self.tell(Told::DeviceFault);
    }
    fn volume_pending(&mut self, _epoch: u64) {
        self.tell(Told::VolumePending);
    }
}

impl EncodeOutput for Teller {
    fn stream(&mut self, _sets: &ParameterSets, _size: CanvasSize) {
        self.tell(Told::Stream);
    }
    fn frame(&mut self, frame: EncodedFrame) {
        self.tell(Told::Frame(frame, Instant::now()));
    }
    fn fault(&mut self, error: &EncodeError) {
        self.tell(Told::EncodeFault(error.to_string()));
    }
}

/// Makes units that say nothing; breaks or panics when told to.
struct Double {
    first: bool,
    breaks: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    /// Makes no IDR but the first.
    stubborn: Arc<AtomicBool>,
}

impl Encoder for Double {
    fn info(&self) -> EncoderInfo {
        EncoderInfo { name: "double", description: "a double".into() }
    }
    fn format(&self) -> FrameFormat {
        FORMAT
    }
    fn encode(&mut self, frame: &CapturedFrame, idr: bool) -> Result<AccessUnit, EncodeError> {
        if self.breaks.swap(false, Ordering::SeqCst) {
            return Err(EncodeError::Failed { encoder: "double", reason: "told to".into() });
        }
        assert!(!self.panics.swap(false, Ordering::SeqCst), "told to");
        let planes = frame.data.i420();
        assert_eq!(planes.y.len(), (CANVAS.width * CANVAS.height) as usize);
        let idr = (idr && !self.stubborn.load(Ordering::SeqCst)) || std::mem::take(&mut self.first);
        let parameter_sets = idr.then(|| ParameterSets { sps: vec![0x67], pps: vec![0x68] });
        Ok(AccessUnit { avcc: vec![0, 0, 0, 1, 0x65], idr, parameter_sets })
    }
    fn set_rate(&mut self, _bitrate: u32, _fps: f32) -> Result<(), EncodeError> {
        Ok(())
    }
}

/// The processor's device, which breaks when told to.
struct Fragile {
    inner: Box<dyn RenderDevice>,
    breaks: Arc<AtomicBool>,
}

impl RenderDevice for Fragile {
    fn info(&self) -> DeviceInfo {
        self.inner.info()
    }
    fn upload(&mut self, key: TileKey, tile: &Tile) -> Result<(), DeviceError> {
        self.inner.upload(key, tile)
    }
    fn evict(&mut self, key: &TileKey) -> Option<Samples> {
        self.inner.evict(key)
    }
    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError> {
        if self.breaks.swap(false, Ordering::SeqCst) {
            return Err(DeviceError::Lost("told to".into()));
        }
        self.inner.draw_slice(pass)
    }
    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        self.inner.upload_brick(key, shape, brick)
    }
    fn evict_volume(&mut self, key: &VolumeKey) {
        self.inner.evict_volume(key);
    }
    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        if self.breaks.swap(false, Ordering::SeqCst) {
            return Err(DeviceError::Lost("told to".into()));
        }
        self.inner.draw_volume(pass)
    }
    fn capture(&mut self, format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        self.inner.capture(format)
    }
    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        self.inner.read_rgba()
    }
}

/// Running threads, with everything at hand that they meet.
struct Stage {
    told: Receiver<Told>,
    ledger: Arc<SharedLedger>,
    signal: Arc<Signal>,
    stats: Arc<Stats>,
    break_encoder: Arc<AtomicBool>,
    panic_encoder: Arc<AtomicBool>,
    stubborn: Arc<AtomicBool>,
    break_device: Arc<AtomicBool>,
    threads: RenderThread,
}

impl Stage {
    /// `open` is asked before an encoder is made.
    fn start(open: impl Fn() -> Result<(), EncodeError> + Send + Sync + 'static) -> Self {
        let (teller, told) = sync_channel(4096);
        let (break_encoder, break_device) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (ledger, signal, stats) =
            (Arc::new(crate::stand::ledger(dataset(1))), Arc::new(Signal::default()), Arc::new(Stats::default()));
        let shelf = Shelf::default();
        shelf.decode(|_| true);
        let breaks = break_device.clone();
        let render = RenderConfig {
            open: Box::new(move |_| {
                let inner = nc_gpu::open_device(DeviceChoice::Cpu, CANVAS)?;
                Ok(Box::new(Fragile { inner, breaks: breaks.clone() }))
            }),
            format: FORMAT,
            interval: INTERVAL,
            budgets: Box::new(|_| Budgets::within(1 << 30)),
            policy: LevelPolicy::default(),
            roi: RoiPolicy::default(),
        };
        let (panic_encoder, stubborn) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (breaks, panics, deaf) = (break_encoder.clone(), panic_encoder.clone(), stubborn.clone());
        let open: OpenEncoder = Arc::new(move |_| {
            open()?;
            Ok(Box::new(Double { first: true, breaks: breaks.clone(), panics: panics.clone(), stubborn: deaf.clone() }))
        });
        let sources = Arc::new(SourceSlot::default());
        sources.put(ledger.state().epoch, Box::new(shelf));
        let threads = RenderThread::start(
            ledger.clone(),
            signal.clone(),
            sources,
            render,
            Box::new(Teller(teller.clone())),
            EncodeConfig { open, interval: INTERVAL },
            Box::new(Teller(teller)),
            stats.clone(),
        );
        let threads = threads.unwrap();
        Self { told, ledger, signal, stats, break_encoder, panic_encoder, stubborn, break_device, threads }
    }

    fn intend(&self, scope: &str, target: &str, key: &str, value: serde_json::Value) {
        intend(&self.ledger, Instant::now(), scope, target, key, value);
        self.signal.notify();
    }

    /// Waits for the first thing told of which `pick` makes something.
    fn await_told<T>(&self, mut pick: impl FnMut(Told) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.told.recv_timeout(PATIENCE).expect("nothing was told for long")) {
                return found;
            }
        }
    }

    fn await_frame(&self) -> (EncodedFrame, Instant) {
        self.await_told(|told| if let Told::Frame(frame, at) = told { Some((frame, at)) } else { None })
    }
}

#[test]
fn the_stream_s_parameters_come_before_its_first_packet_even_if_nobody_watches() {
    let stage = Stage::start(|| Ok(()));
    let mut stream_known = false;
    let first = loop {
        match stage.told.recv_timeout(PATIENCE).unwrap() {
            Told::Stream => stream_known = true,
            Told::Frame(frame, _) => break frame,
            _ => {}
        }
    };
    assert!(stream_known && first.unit.idr);
}

#[test]
fn an_encoder_that_breaks_is_replaced_at_once_and_its_successor_starts_with_an_idr() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    stage.break_encoder.store(true, Ordering::SeqCst);
    stage.intend("dims", "z", "index", json!(1));
    let fault = stage.await_told(|told| if let Told::EncodeFault(message) = told { Some(message) } else { None });
    assert_eq!(fault, "double failed: told to");
    let (frame, _) = stage.await_frame();
    assert!(frame.unit.idr);
    assert_eq!(stage.stats.encoder_resets.load(Ordering::SeqCst), 1);
}

#[test]
fn the_newest_picture_outlives_a_panic_of_the_encode_thread() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    stage.intend("dims", "z", "index", json!(1));
    let op = stage.ledger.state().scene.op_seq;
    while stage.await_frame().0.op < op {}
    stage.panic_encoder.store(true, Ordering::SeqCst);
    // No new picture comes: what is encoded next can only be the one of before.
    stage.threads.encode().request_idr();
    let panicked = || !stage.panic_encoder.load(Ordering::SeqCst);
    let next = stage.await_told(|told| match told {
        Told::Frame(frame, _) if panicked() && frame.unit.idr => Some(frame),
        _ => None,
    });
    assert_eq!(next.op, op);
}

/// Time that the calling thread has spent on a processor, in hundredths of a second.
fn own_cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap()
}

#[test]
fn an_encoder_that_cannot_be_made_is_tried_again_a_second_later_without_taking_a_core_meanwhile() {
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let seen = ticks.clone();
    let stage = Stage::start(move || {
        let mut seen = seen.lock().unwrap();
        seen.push(own_cpu_ticks());
        let unavailable = || EncodeError::Unavailable { encoder: "double", reason: "not yet".into() };
        if seen.len() == 1 { Err(unavailable()) } else { Ok(()) }
    });
    stage.threads.encode().set_viewers(1);
    stage.threads.encode().request_idr();
    assert!(stage.await_frame().0.unit.idr);
    let ticks = ticks.lock().unwrap();
    assert_eq!(ticks.len(), 2);
    assert!(ticks[1] - ticks[0] < 20, "{} of 100 hundredths of a second", ticks[1] - ticks[0]);
}

#[test]
fn an_idr_is_made_on_request_without_a_new_picture() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    while stage.told.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let drawn = stage.stats.frames.load(Ordering::SeqCst);
    stage.threads.encode().request_idr();
    let (frame, _) = stage.await_frame();
    assert!(frame.unit.idr && frame.ops.is_empty());
    assert!(!stage.await_frame().0.unit.idr, "one request, one IDR");
    assert_eq!(stage.stats.frames.load(Ordering::SeqCst), drawn);
}

#[test]
fn a_change_is_repeated_three_times_and_then_once_a_second() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    while stage.told.recv_timeout(Duration::from_millis(300)).is_ok() {}
    stage.intend("dims", "z", "index", json!(2));
    let op = stage.ledger.state().scene.op_seq;
    // A keep-alive of the old picture may come in between.
    let change = std::iter::repeat_with(|| stage.await_frame()).find(|(frame, _)| frame.op == op).unwrap().1;
    let repeats: Vec<Instant> = (0..4).map(|_| stage.await_frame().1).collect();
    assert!(repeats[0] - change >= INTERVAL / 2 && repeats[2] - change < Duration::from_millis(800), "{change:?} {repeats:?}");
    assert!(repeats[3] - repeats[2] >= Duration::from_millis(950), "{change:?} {repeats:?}");
}

#[test]
fn nobody_watching_gets_nothing_until_somebody_does() {
    let stage = Stage::start(|| Ok(()));
    stage.await_frame();
    stage.intend("dims", "z", "index", json!(3));
    let applied = stage.await_told(|told| match told {
        Told::Applied(commit) if commit.view.step[0] == 3 => Some(commit.view.op),
        Told::Frame(..) => panic!("a packet for nobody"),
        _ => None,
    });
    stage.threads.encode().set_viewers(1);
    stage.threads.encode().request_idr();
    let (first, _) = stage.await_frame();
    assert!(first.unit.idr);
    // The op is closed when its picture is drawn; that may still be on its way to the encoder.
    assert!(first.op == applied || stage.await_frame().0.op == applied);
}

#[test]
fn a_device_that_breaks_fails_the_ops_at_hand_and_is_made_anew() {
    let faults = AtomicU32::new(0);
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    let before = stage.ledger.view();
    stage.break_device.store(true, Ordering::SeqCst);
    stage.intend("layer", "layer-0", "gamma", json!(0.5));
    let failed = stage.await_told(|told| match told {
        Told::Applied(commit) => commit.closed.iter().any(|op| op.outcome == Some(Outcome::Failed)).then_some(commit),
        Told::DeviceFault => {
            faults.fetch_add(1, Ordering::SeqCst);
            None
        }
        _ => None,
    });
    assert_eq!(faults.load(Ordering::SeqCst), 1, "the fault was told first");
    assert_eq!(failed.view.layers[0].controls, before.layers[0].controls);
    assert_eq!(stage.ledger.state().layers[0].controls, before.layers[0].controls, "restored");
    stage.await_told(|told| matches!(told, Told::Device).then_some(()));
    stage.intend("layer", "layer-0", "gamma", json!(0.7));
    stage.await_told(|told| match told {
        Told::Applied(commit) if commit.view.layers[0].controls.gamma == 0.7 => Some(()),
        _ => None,
    });
    let op = stage.ledger.view().op;
    stage.await_told(|told| if let Told::Frame(frame, _) = told { (frame.op >= op).then_some(()) } else { None });
    assert_eq!(stage.stats.device_resets.load(Ordering::SeqCst), 1);
}

#[test]
fn while_nobody_can_take_a_picture_none_is_encoded_and_then_it_is_the_newest() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    stage.threads.encode().set_hungry(false);
    while stage.told.recv_timeout(Duration::from_millis(300)).is_ok() {}
    for z in [1, 2, 3] {
        stage.intend("dims", "z", "index", json!(z));
        stage.await_told(|told| match told {
            Told::Applied(commit) if commit.view.step[0] == z => Some(()),
            Told::Frame(..) => panic!("a packet that nobody can take"),
            _ => None,
        });
    }
    let op = stage.ledger.view().op;
    while let Ok(told) = stage.told.recv_timeout(Duration::from_millis(300)) {
        assert!(!matches!(told, Told::Frame(..)), "a packet that nobody can take");
    }
    stage.threads.encode().set_hungry(true);
    let (frame, _) = stage.await_frame();
    assert_eq!(frame.op, op, "the newest picture");
    let ops: Vec<_> = frame.ops.iter().map(|trace| trace.op).collect();
    assert_eq!(ops.len(), 3, "it answers for those that were dropped: {ops:?}");
    assert!(ops.is_sorted() && ops.last() == Some(&op));
    for trace in &frame.ops {
        assert_eq!(trace.last(), Step::Encoded);
        let passed: Vec<Step> = trace.stages().map(|(step, _)| step).collect();
        assert!(
            [Step::Planned, Step::Loaded, Step::Rendered, Step::Applied, Step::Captured].iter().all(|step| passed.contains(step))
        );
        let whole: Duration = trace.stages().map(|(_, took)| took).sum();
        assert_eq!(trace.since_received(Step::Encoded), Some(whole), "the stages are in order and add up");
    }
    assert!(stage.await_frame().0.ops.is_empty(), "a repeat answers nothing");
}

#[test]
fn the_watchdog_asks_again_and_has_a_stubborn_encoder_made_anew() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    stage.stubborn.store(true, Ordering::SeqCst);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(20)).unwrap_or_else(Instant::now);
    stage.threads.encode().viewer_waits_since(Some(long_ago));
    let idr = stage.await_told(|told| match told {
        Told::Frame(frame, _) if frame.unit.idr => Some(frame),
        _ => None,
    });
    assert_eq!(idr.unit.parameter_sets.map(|sets| sets.sps), Some(vec![0x67]));
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::SeqCst);
    assert_eq!((read(&stage.stats.idr_reminders), read(&stage.stats.watchdog_resets)), (3, 1));
    stage.threads.encode().viewer_waits_since(None);
    stage.threads.encode().request_idr();
    // The state is published a turn later.
    let quiet = || stage.threads.encode().watchdog() == WatchdogState::Quiet;
    while !quiet() {
        stage.await_frame();
    }
}

#[test]
fn an_op_that_changes_no_picture_or_fails_ends_without_a_packet() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    let gamma = stage.ledger.view().layers[0].controls.gamma;
    let ended = |value: f64| {
        stage.intend("layer", "layer-0", "gamma", json!(value));
        let op = stage.ledger.state().scene.op_seq;
        stage.await_told(|told| match told {
            Told::Applied(commit) if commit.view.op == op => Some(()),
            Told::Frame(frame, _) => {
                assert!(frame.ops.is_empty());
                None
            }
            _ => None,
        });
        op
    };
    let idle = ended(gamma);
    stage.break_device.store(true, Ordering::SeqCst);
    let failed = ended(gamma / 2.0);
    // A packet of a later op comes after both were told of.
    stage.intend("dims", "z", "index", json!(1));
    let last = stage.ledger.state().scene.op_seq;
    stage.await_told(|told| {
        if let Told::Frame(frame, _) = told { frame.ops.iter().any(|op| op.op == last).then_some(()) } else { None }
    });
    let traces: Vec<_> = stage.stats.take_ended().into_iter().map(|trace| (trace.op, trace.outcome, trace.last())).collect();
    assert_eq!(traces, [(idle, Some(Outcome::Applied), Step::Applied), (failed, Some(Outcome::Failed), Step::Applied)]);
    assert!(stage.stats.take_ended().is_empty());
}

#[test]
fn a_picture_is_turned_over_exactly_if_it_shows_a_volume_and_a_toggle_comes_with_a_keyframe() {
    let stage = Stage::start(|| Ok(()));
    stage.threads.encode().set_viewers(1);
    stage.await_frame();
    // From which op on which mode is asked for.
    let mut modes = vec![(stage.ledger.state().scene.op_seq, 2)];
    let mut pending = 0;
    let mut toggle = |wait: bool| {
        let ndisplay = 5 - modes.last().unwrap().1;
        stage.intend("view", "main", "ndisplay", json!(ndisplay));
        let asked = stage.ledger.state().scene.op_seq;
        modes.push((asked, ndisplay));
        stage.intend("camera", "main", "pan", json!({"dx_px": 3.0, "dy_px": 1.0}));
        if !wait {
            return;
        }
        let mut first = true;
        loop {
            let shown = stage.await_told(|told| match told {
                Told::Frame(frame, _) => Some(frame),
                Told::VolumePending => {
                    pending += 1;
                    None
                }
                _ => None,
            });
            let mode = modes.iter().rev().find(|(op, _)| *op <= shown.op).unwrap().1;
            assert_eq!(shown.flip, mode == 3, "{:?}", shown.op);
            if shown.op >= asked {
                assert!(shown.unit.idr || !first);
                first = false;
                if shown.op == stage.ledger.state().scene.op_seq {
                    return;
                }
            }
        }
    };
    for n in 0..60 {
        // Now and then many toggles fall between two pictures.
        toggle(n % 20 < 8 || n % 20 == 19);
    }
    assert_eq!(pending, 1);
}
