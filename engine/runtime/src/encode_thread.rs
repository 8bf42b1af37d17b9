//! The encode thread: captured pictures in, access units out, in step with the [`Pacer`].
//!
//! It owns the encoder; nobody else touches it. IDR requests and the number of viewers reach it through [`EncodeControl`].

use crate::pacer::{Due, Pacer};
use crate::stats::{Stage, Stats};
use nc_core::exchange::{FrameQueue, Taken};
use nc_core::scene::OpSeq;
use nc_gpu::api::{AccessUnit, CapturedFrame, EncodeError, Encoder, ParameterSets};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A captured picture on its way to the encoder.
pub struct Picture {
    /// The samples.
    pub frame: CapturedFrame,
    /// The newest op that it shows.
    pub op: OpSeq,
    /// When the oldest intent arrived that it answers, if it answers any.
    pub received: Option<Instant>,
    /// When the newest intent arrived, if this is the first picture since then that lacks no tile.
    pub completes: Option<Instant>,
    /// Whether it has to be an IDR, for what it shows.
    pub keyframe: bool,
    /// Whether row 0 is the bottom of what a person should see.
    pub flip: bool,
}

/// An access unit and what it shows.
#[derive(Debug)]
pub struct EncodedFrame {
    /// The bytes.
    pub unit: AccessUnit,
    /// The newest op that the picture shows.
    pub op: OpSeq,
    /// From the arrival of the oldest intent that it answers; `None` for repeats.
    pub latency: Option<Duration>,
    /// See [`Picture::flip`].
    pub flip: bool,
}

/// Takes what the encode thread makes. Must not block.
pub trait EncodeOutput: Send {
    /// New parameter sets; comes before the first access unit that needs them.
    fn stream(&mut self, sets: &ParameterSets);
    /// The next access unit.
    fn frame(&mut self, frame: EncodedFrame);
    /// The encoder failed; it is being made anew.
    fn fault(&mut self, error: &EncodeError);
}

/// Makes an encoder.
pub type OpenEncoder = Arc<dyn Fn() -> Result<Box<dyn Encoder>, EncodeError> + Send + Sync>;

/// What the encode thread needs to know.
#[derive(Clone)]
pub struct EncodeConfig {
    /// Makes the encoder, and makes it again after a failure.
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
}

impl Default for EncodeControl {
    fn default() -> Self {
        // One queued, one with the encoder, one being captured: the device's ring of three.
        Self { pictures: FrameQueue::new(1), idr: AtomicBool::new(false), viewers: AtomicUsize::new(0) }
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

    /// How many clients take packets.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Acquire)
    }
}

/// The body of the encode thread. Returns when the picture queue is closed.
pub(crate) fn run(config: &EncodeConfig, control: &EncodeControl, stats: &Stats, output: &mut dyn EncodeOutput) {
    let mut station = Station { config, stats, output, encoder: None, sets: None, last: None, retry_at: None };
    let mut pacer = Pacer::new(config.interval);
    loop {
        let now = Instant::now();
        let due = match pacer.due(now, control.viewers(), control.idr.load(Ordering::Acquire)) {
            // A newer picture goes before a repeat of the old one. While no encoder is to be had, nothing is due.
            Due::Repeat { .. } => control.pictures.take(Some(station.retry_at.unwrap_or(now)), Instant::now),
            Due::Wait(until) => control.pictures.take(until, Instant::now),
        };
        let new = match due {
            Taken::Closed => return,
            Taken::Item(picture) => {
                station.last = Some(picture);
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
            let idr = idr || station.last.as_ref().is_some_and(|picture| new && picture.keyframe);
            let made = station.encode(idr, new);
            if idr && !made {
                control.idr.store(true, Ordering::Release);
            }
            pacer.encoded(Instant::now(), new || idr);
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
    sets: Option<ParameterSets>,
    last: Option<Picture>,
    retry_at: Option<Instant>,
}

impl Station<'_> {
    /// Encodes the last picture; tells whether an access unit went out. A failed encoder is replaced once at once, then at most
    /// every second.
    fn encode(&mut self, idr: bool, new: bool) -> bool {
        let Some(picture) = &self.last else { return false };
        for _ in 0..2 {
            if self.encoder.is_none() {
                if self.retry_at.is_some_and(|at| Instant::now() < at) {
                    return false;
                }
                match (self.config.open)() {
                    Ok(encoder) => self.encoder = Some(encoder),
                    Err(error) => {
                        self.output.fault(&error);
                        self.retry_at = Some(Instant::now() + RETRY);
                        return false;
                    }
                }
            }
            let Some(encoder) = self.encoder.as_mut() else { return false };
            let started = Instant::now();
            match encoder.encode(&picture.frame, idr) {
                Ok(unit) => {
                    self.stats.record(Stage::Encode, started.elapsed());
                    self.retry_at = None;
                    self.deliver(unit, new);
                    return true;
                }
                Err(error) => {
                    self.output.fault(&error);
                    self.stats.count(|s| &s.encoder_resets);
                    self.encoder = None;
                }
            }
        }
        self.retry_at = Some(Instant::now() + RETRY);
        false
    }

    fn deliver(&mut self, unit: AccessUnit, new: bool) {
        let Some(picture) = &self.last else { return };
        if let Some(sets) = unit.parameter_sets.as_ref().filter(|sets| self.sets.as_ref() != Some(*sets)) {
            self.output.stream(sets);
            self.sets = Some(sets.clone());
        }
        let latency = picture.received.filter(|_| new).map(|received| received.elapsed());
        if let Some(latency) = latency {
            self.stats.record(Stage::Total, latency);
        }
        if let Some(received) = picture.completes.filter(|_| new) {
            self.stats.record(Stage::Complete, received.elapsed());
        }
        self.output.frame(EncodedFrame { unit, op: picture.op, latency, flip: picture.flip });
    }
}
