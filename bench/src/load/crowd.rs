//! Many clients on one scene: some send intents at a steady rate, others watch. No ack may be lost, nothing may come out of order,
//! in the end all must know the same, and the server's memory must stay flat.

use super::mix::{Mix, SHARES};
use crate::distribution::{Distribution, rounded};
use crate::machine;
use crate::peer::{Came, Peer};
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(30);
/// Without anything told for so long a client has been told all; thumbnails of many layers come at two a second.
const QUIET: Duration = Duration::from_secs(3);
/// Time between two looks at the server's memory.
const SAMPLE: Duration = Duration::from_secs(1);

/// What a crowd is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crowd {
    /// Clients that send.
    pub drivers: usize,
    /// Clients that watch, with pictures.
    pub watchers: usize,
    /// Whether those that send have pictures, too.
    pub driver_pictures: bool,
    /// Intents of each driver a second.
    pub rate: f64,
    /// For how long.
    pub span: Duration,
}

#[derive(Default)]
struct Tally {
    sent: usize,
    accepted: usize,
    refused: usize,
    acks: Distribution,
    frames: u64,
    packets: u64,
    /// What the client knows in the end, as text.
    knows: String,
}

/// The intents of one client of the image that is served.
pub fn mix_of(peer: &Peer, seed: u64) -> Mix {
    let view = peer.client().view();
    let axis = view.dims.as_ref().and_then(|dims| {
        let (labels, order) = (dims.axis_labels.as_ref()?, dims.order.as_ref()?);
        let first = *order.first().filter(|_| order.len() > 2)?;
        labels.get(first).cloned()
    });
    Mix::new(seed, axis, view.layers.iter().map(|layer| layer.id.clone()).collect())
}

/// Lets the crowd in, and watches the server meanwhile.
pub async fn run(server: &Server, crowd: Crowd) -> Result<Value> {
    let (clients, begin) = (crowd.drivers + crowd.watchers, Arc::new(Barrier::new(crowd.drivers + crowd.watchers + 1)));
    let mut tasks = JoinSet::new();
    for n in 0..clients {
        let (at, begin, driver) = (server.http, Arc::clone(&begin), n < crowd.drivers);
        let pictures = !driver || crowd.driver_pictures;
        tasks.spawn(async move {
            let peer = Peer::connect(at, &[], pictures).await?;
            begin.wait().await;
            let offset = Duration::from_secs_f64(n as f64 / clients as f64 / crowd.rate);
            let rate = if driver { crowd.rate } else { 0.0 };
            take_part(peer, n as u64, rate, offset, crowd.span).await.with_context(|| format!("client {n}"))
        });
    }
    begin.wait().await;
    let (used, start) = (machine::cpu_time(server.pid())?, Instant::now());
    let mut memory = Vec::new();
    while start.elapsed() < crowd.span {
        tokio::time::sleep(SAMPLE).await;
        memory.push((start.elapsed().as_secs_f64() / 60.0, machine::memory(server.pid())?.resident as f64 / f64::from(1 << 20)));
    }
    let busy = (machine::cpu_time(server.pid())? - used).as_secs_f64() / start.elapsed().as_secs_f64();
    let mut tallies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        tallies.push(done??);
    }
    let alike = tallies.windows(2).all(|pair| pair[0].knows == pair[1].knows);
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (sent, answered) = (sum(|t| t.sent), sum(|t| t.accepted + t.refused));
    let acks: Distribution = tallies.iter().flat_map(|tally| tally.acks.iter()).collect();
    let seconds = crowd.span.as_secs_f64();
    let per_second = |of: fn(&Tally) -> u64| rounded(tallies.iter().map(of).sum::<u64>() as f64 / seconds);
    Ok(json!({"drivers": crowd.drivers, "watchers": crowd.watchers, "intents_per_s_each": crowd.rate, "mix": SHARES,
        "seconds": crowd.span.as_secs(), "sent": sent, "lost_acks": sent - answered, "refused": sum(|t| t.refused),
        "all_know_the_same_in_the_end": alike, "acks": acks.to_json(),
        "frames_received_per_s": per_second(|t| t.frames), "packets_received_per_s": per_second(|t| t.packets),
        "server_cores_used": rounded(busy), "memory": flatness(&memory)}))
}

/// One client: sends at `rate` a second for `span`, then waits for rest. A frame out of order is an error.
async fn take_part(mut peer: Peer, seed: u64, rate: f64, offset: Duration, span: Duration) -> Result<Tally> {
    let (mut tally, mut mix, start) = (Tally::default(), mix_of(&peer, seed), Instant::now() + offset);
    let turns = (span.as_secs_f64() * rate) as u32;
    for turn in 0..turns {
        let due = start + Duration::from_secs_f64(f64::from(turn) / rate);
        while let Some((_, came)) = peer.next(due).await? {
            tally.take(&came);
        }
        let (scope, target, key, value) = mix.draw();
        peer.send(scope, &target, key, value).await?;
        tally.sent += 1;
    }
    let (ends, mut told) = (start + span, Instant::now());
    loop {
        let until = Instant::now() + QUIET;
        while let Some((at, came)) = peer.next(until.min(told.max(ends) + QUIET)).await? {
            // Pictures go on at rest; heartbeats are no news.
            if !matches!(came, Came::Packet(_)) {
                told = at;
            }
            tally.take(&came);
        }
        let now = Instant::now();
        if now >= told.max(ends) + QUIET {
            break;
        }
        ensure!(now < ends + PATIENCE, "the server did not come to rest");
    }
    let view = peer.client().view();
    tally.frames = peer.frames();
    tally.knows = format!("{:?} {:?} {:?}", view.dims, view.pose, view.layers);
    Ok(tally)
}

impl Tally {
    fn take(&mut self, came: &Came) {
        match came {
            Came::Answer(answer) => {
                self.acks.push(answer.received - answer.sent);
                match answer.outcome {
                    Ok(_) => self.accepted += 1,
                    Err(_) => self.refused += 1,
                }
            }
            Came::Packet(_) => self.packets += 1,
            Came::Told(_) => {}
        }
    }
}

/// Resident memory over minutes: where it began and ended, and the slope of its second half, in which caches are full.
fn flatness(samples: &[(f64, f64)]) -> Value {
    let late = samples.get(samples.len() / 2..).unwrap_or_default();
    let ends = (samples.first().map(|s| rounded(s.1)), samples.last().map(|s| rounded(s.1)));
    json!({"first_mib": ends.0, "last_mib": ends.1, "slope_of_second_half_mib_per_min": slope(late).map(rounded)})
}

/// Slope of the line through the points with the least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    (spread > 0.0).then(|| points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        let points: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), 3.0 + 0.5 * f64::from(n))).collect();
        assert!((slope(&points).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), None);
    }
}
