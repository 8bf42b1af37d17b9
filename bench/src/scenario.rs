//! What a person does, as a stream of intents, and how long each part of the answer takes.

use crate::client::{Seen, Viewer};
use crate::distribution::{Distribution, milliseconds, rounded};
use crate::machine;
use crate::report;
use crate::server::Server;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

/// Time between two intents of a steady motion: a screen of 60 Hz.
const PERIOD: Duration = Duration::from_nanos(16_666_667);
/// Intents of a steady motion. More than the 512 samples that the server's histograms hold, so that those show nothing else.
const INTENTS: usize = 640;
/// Radius of the circle that a pan goes around, in pixels of the video.
const RADIUS: f64 = 160.0;
/// Intents of one turn.
const TURN: usize = 120;
/// Planes that a z motion goes through, back and forth.
const PLANES: u64 = 8;
/// Most cold steps of one run.
const COLD_STEPS: usize = 30;
/// Without anything new for so long the server has answered all there was.
const QUIET: Duration = Duration::from_millis(300);
/// Longest time in which a view becomes complete.
const PATIENCE: Duration = Duration::from_secs(60);

/// What of the image the scenarios need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Planes.
    pub planes: u64,
    /// Planes of a chunk.
    pub depth: u64,
}

impl Stack {
    /// The planes of a steady z motion, first and last, around the middle where a server starts.
    fn warm(self) -> (u64, u64) {
        let count = PLANES.min(self.planes);
        let first = (self.planes / 2).saturating_sub(count / 2);
        (first, first + count - 1)
    }

    /// One plane of every chunk that neither the start nor the steady motion touches, in an order without neighbours.
    fn cold(self) -> Vec<u64> {
        let (first, last) = self.warm();
        let touched = first / self.depth..=last / self.depth;
        let slabs: Vec<u64> = (0..self.planes.div_ceil(self.depth)).filter(|slab| !touched.contains(slab)).collect();
        let half = slabs.len().div_ceil(2);
        let order = (0..half).flat_map(|i| [slabs.get(i), slabs.get(i + half)]).flatten();
        order.map(|slab| (slab * self.depth + self.depth / 2).min(self.planes - 1)).take(COLD_STEPS).collect()
    }
}

/// A steady stream of intents, one each [`PERIOD`].
struct Motion {
    answers: Distribution,
    unanswered: usize,
    packets: usize,
    bytes: usize,
}

/// An intent on its way to the screen.
struct Open {
    id: String,
    sent: Instant,
    accepted: bool,
    applied: bool,
}

/// A viewer at work.
pub struct Scenario<'a> {
    server: &'a Server,
    viewer: Viewer,
    stack: Stack,
}

impl<'a> Scenario<'a> {
    /// Connects, and waits until the first view is complete.
    pub async fn open(server: &'a Server, stack: Stack) -> Result<Self> {
        let viewer = Viewer::connect(server.http).await?;
        let mut scenario = Self { server, viewer, stack };
        scenario.viewer.first_packet().await?;
        scenario.settle().await?;
        Ok(scenario)
    }

    /// Shows the middle of the image, one sample of the finest level to a pixel.
    pub async fn zoom_to_samples(&mut self) -> Result<()> {
        let view = self.viewer.client().view();
        let dims = view.dims.as_ref().context("the server told no dims")?;
        let [left, bottom, width, height] = view.pose.rect.context("the server told no pose")?;
        let [columns, rows] = view.canvas.context("the server told no canvas")?.map(f64::from);
        let finest = dims.level_shapes.first().context("the image has no level")?;
        let &[.., y, x] = finest.as_slice() else { bail!("the image has no plane") };
        let (w, h) = (columns * width / x as f64, rows * height / y as f64);
        let rect = [left + (width - w) / 2.0, bottom + (height - h) / 2.0, w, h];
        self.viewer.send("camera", "main", "set", json!({"rect": rect})).await?;
        self.settle().await
    }

    /// Level shown.
    pub fn level(&self) -> Option<usize> {
        self.viewer.client().view().dims.as_ref().map(|dims| dims.current_level)
    }

    /// Pans in a circle whose tiles were all shown before.
    pub async fn pan(&mut self) -> Result<Value> {
        let pan = |i: usize| {
            let at = |i: usize| (TAU * i as f64 / TURN as f64).sin_cos();
            let ((s0, c0), (s1, c1)) = (at(i), at(i + 1));
            ("camera", "main", "pan", json!({"dx_px": RADIUS * (c1 - c0), "dy_px": RADIUS * (s1 - s0)}))
        };
        self.moved(TURN, pan).await?;
        self.settle().await?;
        let motion = self.moved(INTENTS, pan).await?;
        self.told(motion).await
    }

    /// Steps through [`PLANES`] planes, all shown before, back and forth.
    pub async fn step_cached(&mut self) -> Result<Value> {
        let (first, last) = self.stack.warm();
        for z in first..=last {
            self.go_to(z).await?;
            self.settle().await?;
        }
        let span = (last - first).max(1) as usize;
        let there_and_back = |i: usize| {
            // One step on from `last`, where the first loop ended.
            let phase = (span + i + 1) % (2 * span);
            let offset = phase.min(2 * span - phase) as u64;
            ("dims", "z", "index", json!(first + offset))
        };
        let motion = self.moved(INTENTS, there_and_back).await?;
        self.settle().await?;
        self.told(motion).await
    }

    /// Steps to planes of which no chunk is decoded, each after everything has come to rest.
    pub async fn step_cold(&mut self) -> Result<Value> {
        let (mut first, mut complete, mut seen) = (Vec::new(), Vec::new(), Distribution::default());
        for z in self.stack.cold() {
            seen.push(self.go_to(z).await?);
            self.settle().await?;
            let metrics = self.server.metrics().await?;
            first.push(report::last(&metrics, "napari_cuda_total_ms").context("no picture was answered")?);
            complete.push(report::last(&metrics, "napari_cuda_complete_ms").context("no picture was complete")?);
        }
        let server = |samples: Vec<Duration>| samples.into_iter().collect::<Distribution>().to_json();
        Ok(json!({"received_to_first_packet": server(first), "received_to_complete_packet": server(complete),
            "sent_to_first_packet_received": seen.to_json(), "stages": self.stages().await?}))
    }

    /// Share of one core that the server uses while nothing happens, over `span`.
    pub async fn idle(&mut self, span: Duration) -> Result<Value> {
        // What follows a change (repeats, thumbnails) is no idling.
        self.viewer.drain(Instant::now() + Duration::from_secs(3)).await?;
        let (before, start) = (machine::cpu_time(self.server.pid())?, Instant::now());
        self.viewer.drain(start + span).await?;
        let used = machine::cpu_time(self.server.pid())?.saturating_sub(before);
        let share = used.as_secs_f64() / start.elapsed().as_secs_f64();
        Ok(json!({"seconds": span.as_secs(), "percent_of_a_core": rounded(share * 100.0)}))
    }

    /// Goes to a plane; how long after that the first packet came that shows something of it.
    async fn go_to(&mut self, z: u64) -> Result<Duration> {
        let sent = Instant::now();
        let mut open =
            Open { id: self.viewer.send("dims", "z", "index", json!(z)).await?, sent, accepted: false, applied: false };
        let deadline = sent + PATIENCE;
        while let Some((at, seen)) = self.viewer.next(deadline).await? {
            if open.follows(&seen) {
                return Ok(at - sent);
            }
        }
        bail!("plane {z} was not shown within {} s", PATIENCE.as_secs())
    }

    /// Sends `count` intents, one each [`PERIOD`], and takes what comes meanwhile and a little longer.
    async fn moved(
        &mut self,
        count: usize,
        intent: impl Fn(usize) -> (&'static str, &'static str, &'static str, Value),
    ) -> Result<Motion> {
        let mut motion = Motion { answers: Distribution::default(), unanswered: 0, packets: 0, bytes: 0 };
        let mut open: VecDeque<Open> = VecDeque::new();
        let start = Instant::now();
        for i in 0..=count {
            let due = start + PERIOD * i as u32;
            let until = if i == count { due + QUIET } else { due };
            while let Some((at, seen)) = self.viewer.next(until).await? {
                if let Seen::Packet { unit, .. } = &seen {
                    motion.packets += 1;
                    motion.bytes += unit.len();
                }
                open.retain_mut(|open| {
                    let shown = open.follows(&seen);
                    if shown {
                        motion.answers.push(at - open.sent);
                    }
                    !shown
                });
            }
            if i < count {
                let (scope, target, key, value) = intent(i);
                let sent = Instant::now();
                let id = self.viewer.send(scope, target, key, value).await?;
                open.push_back(Open { id, sent, accepted: false, applied: false });
            }
        }
        motion.unanswered = open.len();
        Ok(motion)
    }

    async fn told(&mut self, motion: Motion) -> Result<Value> {
        let stages = self.stages().await?;
        Ok(json!({"intents": INTENTS, "packets": motion.packets, "unanswered": motion.unanswered,
            "mean_packet_bytes": motion.bytes / motion.packets.max(1),
            "received_to_packet": stages["napari_cuda_total_ms"], "sent_to_packet_received": motion.answers.to_json(),
            "stages": stages}))
    }

    async fn stages(&self) -> Result<Value> {
        Ok(report::stages(&self.server.metrics().await?))
    }

    /// Waits until nothing is missing and nothing changes any more.
    async fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut changed = false;
            let quiet = Instant::now() + QUIET;
            while let Some((_, seen)) = self.viewer.next(quiet).await? {
                changed |= seen == Seen::Applied;
            }
            if !changed && report::missing(&self.server.metrics().await?) == Some(0.0) {
                return Ok(());
            }
        }
        bail!("the view was not complete within {:.0} ms", milliseconds(PATIENCE))
    }
}

impl Open {
    /// Takes note of what came; true with the packet that shows the intent: the first one after the first notice of an applied view
    /// after the ack. The server tells of a view when it has drawn it and before it encodes it.
    fn follows(&mut self, seen: &Seen) -> bool {
        match seen {
            Seen::Accepted(id) => self.accepted |= *id == self.id,
            Seen::Applied => self.applied |= self.accepted,
            Seen::Packet { .. } => return self.applied,
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_planes_lie_in_chunks_of_their_own_away_from_the_warm_ones() {
        let stack = Stack { planes: 64, depth: 4 };
        assert_eq!(stack.warm(), (28, 35));
        let cold = stack.cold();
        assert_eq!(cold.len(), 14);
        let mut slabs: Vec<u64> = cold.iter().map(|z| z / 4).collect();
        assert!(slabs.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
        slabs.sort_unstable();
        slabs.dedup();
        assert_eq!(slabs.len(), 14);
        assert!(!slabs.contains(&7) && !slabs.contains(&8));
        assert!(Stack { planes: 64, depth: 64 }.cold().is_empty());
    }

    #[test]
    fn an_intent_is_shown_by_the_packet_after_its_view() {
        let mut open = Open { id: "a".into(), sent: Instant::now(), accepted: false, applied: false };
        let packet = Seen::Packet { idr: false, unit: vec![0] };
        let story = [Seen::Applied, packet.clone(), Seen::Accepted("a".into()), packet.clone(), Seen::Applied];
        assert!(story.iter().all(|seen| !open.follows(seen)));
        assert!(open.follows(&packet));
    }
}
