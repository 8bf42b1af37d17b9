//! The encode thread: captured pictures in, access units out, in step with the [`Pacer`].
//!
//! It owns the encoder; nobody else touches it. What the outside wants of it reaches it through [`EncodeControl`]. While there are
//! viewers of whom none can take a packet, it takes no picture: the newest waits in the queue, and what nobody would get is never
//! encoded.

use crate::op_traces::{end_here, inherit};
use crate::pacer::{Due, Pacer};
use crate::stats::{Stage, Stats};
use crate::watchdog::{Remedy, Watchdog, WatchdogState};
use nc_core::data::CanvasSize;
use nc_core::exchange::{FrameQueue, Taken};
use nc_core::ledger::{OpTrace, Step};
use nc_core::scene::OpSeq;
use nc_gpu::api::{AccessUnit, CapturedFrame, EncodeError, Encoder, ParameterSets};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A captured picture on its way to the encoder.
pub struct Picture {
    /// The samples.
    pub frame: CapturedFrame,
    /// The newest op that it shows.
    pub op: OpSeq,
    /// The ops that it is the first to show, oldest first.
    pub ops: Vec<OpTrace>,
    /// When the newest intent arrived, if this is the first picture since then that lacks no tile.
    pub completes: Option<Instant>,
    /// Whether it has to be an IDR, for what it shows.
    pub keyframe: bool,
    /// Whether row 0 is the bottom of what a person should see.
    pub flip: bool,
}

impl Picture {
    /// Takes over from a picture that is dropped what must not be lost. Returns the traces that are too many to carry on.
    pub(crate) fn inherit(&mut self, dropped: Self) -> Vec<OpTrace> {
        self.keyframe |= dropped.keyframe;
        inherit(&mut self.ops, dropped.ops)
    }
}

/// An access unit and what it shows.
#[derive(Debug)]
pub struct EncodedFrame {
    /// The bytes.
    pub unit: AccessUnit,
    /// The newest op that the picture shows.
    pub op: OpSeq,
    /// The ops that it is the first to show, oldest first; none for repeats.
    pub ops: Vec<OpTrace>,
    /// See [`Picture::flip`].
    pub flip: bool,
    /// Size of the picture.
    pub size: CanvasSize,
}

/// Takes what the encode thread makes. Must not block.
pub trait EncodeOutput: Send {
    /// New parameter sets, of pictures of `size`; comes before the first access unit that needs them.
    fn stream(&mut self, sets: &ParameterSets, size: CanvasSize);
    /// The next access unit.
    fn frame(&mut self, frame: EncodedFrame);
    /// The encoder failed; it is being made anew.
    fn fault(&mut self, error: &EncodeError);
}

/// Makes an encoder of pictures of a size.
pub type OpenEncoder = Arc<dyn Fn(CanvasSize) -> Result<Box<dyn Encoder>, EncodeError> + Send + Sync>;

/// What the encode thread needs to know.
#[derive(Clone)]
pub struct EncodeConfig {
    /// Makes the encoder, and makes it again after a failure or for pictures of another size.
    pub open: OpenEncoder,
    /// Shortest time between two repeats.
    pub interval: Duration,
}

/// How the rest of the engine reaches the encode thread.
pub struct EncodeControl {
    /// Pictures to be encoded; the newest wins.
    pub(crate) pictures: FrameQueue<Picture>,
    idr: AtomicBool,
    viewers: AtomicUsize,
    hungry: AtomicBool,
    watch: Mutex<Watch>,
}

/// What the watchdog is told and says.
#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    waits_since: Option<Instant>,
    state: WatchdogState,
}

impl Default for EncodeControl {
    fn default() -> Self {
        Self {
            // One queued, one with the encoder, one being captured: the device's ring of three.
            pictures: FrameQueue::new(1),
            idr: AtomicBool::new(false),
            viewers: AtomicUsize::new(0),
            hungry: AtomicBool::new(true),
            watch: Mutex::default(),
        }
    }
}

impl EncodeControl {
    /// Makes the next access unit an IDR; repeated requests before it count once.
    pub fn request_idr(&self) {
        self.idr.store(true, Ordering::Release);
        self.pictures.nudge();
    }

    /// How many clients take packets. Without any nothing is encoded but the first picture.
    pub fn set_viewers(&self, viewers: usize) {
        self.viewers.store(viewers, Ordering::Release);
        self.pictures.nudge();
    }

    /// Whether any viewer could take a packet now. While there are viewers and none can, nothing is encoded.
    pub fn set_hungry(&self, hungry: bool) {
        self.hungry.store(hungry, Ordering::Release);
        self.pictures.nudge();
    }

    /// Since when the viewer waits for an IDR who waits longest, of those who could take one.
    pub fn viewer_waits_since(&self, since: Option<Instant>) {
        self.watch().waits_since = since;
        self.pictures.nudge();
    }

    /// How many clients take packets.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Acquire)
    }

    /// How the keyframe watchdog stands.
    pub fn watchdog(&self) -> WatchdogState {
        self.watch().state
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody could take what would be encoded.
    fn sated(&self) -> bool {
        self.viewers() > 0 && !self.hungry.load(Ordering::Acquire)
    }
}

/// The body of the encode thread. Returns when the picture queue is closed. `last` is the newest picture; after a panic it is that of
/// the life before, with which this one begins.
pub(crate) fn run(
    config: &EncodeConfig,
    control: &EncodeControl,
    stats: &Stats,
    output: &mut dyn EncodeOutput,
    last: &mut Option<Picture>,
) {
    let mut pacer = Pacer::new(config.interval);
    if last.is_some() {
        control.idr.store(true, Ordering::Release);
        pacer.encoded(Instant::now(), true);
    }
    let mut station = Station { config, stats, output, encoder: None, size: None, sets: None, last, retry_at: None };
    let mut watchdog = Watchdog::default();
    loop {
        let now = Instant::now();
        if station.watch(control, &mut watchdog, now) {
            control.idr.store(true, Ordering::Release);
        }
        if control.sated() {
            match control.pictures.leave(watchdog.next(), Instant::now) {
                Taken::Closed => return,
                _ => continue,
            }
        }
        let taken = match pacer.due(now, control.viewers(), control.idr.load(Ordering::Acquire)) {
            // A newer picture goes before a repeat of the old one. While no encoder is to be had, nothing is due.
            Due::Repeat { .. } => control.pictures.take(Some(station.retry_at.unwrap_or(now)), Instant::now),
            Due::Wait(until) => control.pictures.take(until.into_iter().chain(watchdog.next()).min(), Instant::now),
        };
        let new = match taken {
            Taken::Closed => return,
            Taken::Item(picture) => {
                station.show(picture);
                true
            }
            Taken::Nudged => false,
        };
        let idr = control.idr.load(Ordering::Acquire);
        let watched = control.viewers() > 0;
        let repeat = matches!(pacer.due(Instant::now(), control.viewers(), idr), Due::Repeat { .. });
        if (new && (watched || station.sets.is_none())) || (!new && repeat) {
            // Taken, not read and cleared: a request that comes meanwhile stands for the next picture.
            let idr = control.idr.swap(false, Ordering::AcqRel);
            let idr = idr || station.last.as_ref().is_some_and(|picture| picture.keyframe);
            match station.encode(idr) {
                Some(true) => watchdog.idr_made(Instant::now()),
                Some(false) => {}
                None if idr => control.idr.store(true, Ordering::Release),
                None => {}
            }
            pacer.encoded(Instant::now(), new || idr);
        } else if new {
            station.skip();
        }
    }
}

/// Shortest time between two attempts to make an encoder.
const RETRY: Duration = Duration::from_secs(1);

struct Station<'a> {
    config: &'a EncodeConfig,
    stats: &'a Stats,
    output: &'a mut dyn EncodeOutput,
    encoder: Option<Box<dyn Encoder>>,
    /// Of the pictures that the encoder takes.
    size: Option<CanvasSize>,
    sets: Option<ParameterSets>,
    last: &'a mut Option<Picture>,
    retry_at: Option<Instant>,
}

impl Station<'_> {
    /// Asks the watchdog, and has the encoder made anew if it says so; tells whether an IDR is to be made.
    fn watch(&mut self, control: &EncodeControl, watchdog: &mut Watchdog, now: Instant) -> bool {
        // Before the first picture nobody can be helped.
        let waits_since = control.watch().waits_since.filter(|_| self.last.is_some());
        watchdog.waiting(waits_since);
        let remedy = watchdog.poll(now);
        let waits_ms = waits_since.map_or(0, |since| now.saturating_duration_since(since).as_millis() as u64);
        match remedy {
            Some(Remedy::RequestIdr) => {
                tracing::warn!(waits_ms, "a viewer waits for a keyframe; asking the encoder again");
                self.stats.count(|s| &s.idr_reminders);
            }
            Some(Remedy::ResetEncoder) => {
                tracing::warn!(waits_ms, "a viewer waits for a keyframe that does not come; making another encoder");
                self.stats.count(|s| &s.watchdog_resets);
                self.stats.count(|s| &s.encoder_resets);
                self.encoder = None;
            }
            None => {}
        }
        control.watch().state = watchdog.state();
        remedy.is_some()
    }

    /// Takes the place of the last picture.
    fn show(&mut self, mut picture: Picture) {
        if let Some(last) = self.last.take() {
            end_here(picture.inherit(last), self.stats);
        }
        *self.last = Some(picture);
    }

    /// Nobody watches: the picture is kept for whoever comes, its ops have come as far as they will.
    fn skip(&mut self) {
        if let Some(picture) = self.last.as_mut() {
            end_here(std::mem::take(&mut picture.ops), self.stats);
        }
    }

    /// Encodes the last picture; tells whether the access unit that went out is an IDR. A failed encoder is replaced once at once,
    /// then at most every second.
    fn encode(&mut self, idr: bool) -> Option<bool> {
        let picture = self.last.as_ref()?;
        let size = picture.frame.size;
        if self.size.replace(size) != Some(size) {
            self.encoder = None;
        }
        for _ in 0..2 {
            if self.encoder.is_none() {
                if self.retry_at.is_some_and(|at| Instant::now() < at) {
                    return None;
                }
                match (self.config.open)(size) {
                    Ok(encoder) => self.encoder = Some(encoder),
                    Err(error) => {
                        self.output.fault(&error);
                        self.retry_at = Some(Instant::now() + RETRY);
                        return None;
                    }
                }
            }
            let encoder = self.encoder.as_mut()?;
            let started = Instant::now();
            match encoder.encode(&picture.frame, idr) {
                Ok(unit) => {
                    self.stats.record(Stage::Encode, started.elapsed());
                    self.retry_at = None;
                    let idr = unit.idr;
                    self.deliver(unit);
                    return Some(idr);
                }
                Err(error) => {
                    self.output.fault(&error);
                    self.stats.count(|s| &s.encoder_resets);
                    self.encoder = None;
                }
            }
        }
        self.retry_at = Some(Instant::now() + RETRY);
        None
    }

    fn deliver(&mut self, unit: AccessUnit) {
        let Some(picture) = self.last.as_mut() else { return };
        if let Some(sets) = unit.parameter_sets.as_ref().filter(|sets| self.sets.as_ref() != Some(*sets)) {
            self.output.stream(sets, picture.frame.size);
            self.sets = Some(sets.clone());
        }
        let now = Instant::now();
        picture.keyframe = false;
        let mut ops = std::mem::take(&mut picture.ops);
        ops.iter_mut().for_each(|op| op.stamp(Step::Encoded, now));
        if let Some(received) = picture.completes.take() {
            self.stats.record(Stage::Complete, now.saturating_duration_since(received));
        }
        let (flip, size) = (picture.flip, picture.frame.size);
        self.output.frame(EncodedFrame { unit, op: picture.op, ops, flip, size });
    }
}
