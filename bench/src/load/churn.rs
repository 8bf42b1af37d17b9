//! Clients that come and go: descriptors, threads, memory and tasks of the server before and after thousands of them.

use crate::client::{PATIENCE, open};
use crate::distribution::rounded;
use crate::machine;
use crate::peer::Peer;
use crate::server::Server;
use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// Clients at a time.
const AT_ONCE: usize = 8;
/// Cycles before the first look: what is made once, is made.
const WARM_UP: usize = 200;
/// How long the server may take to let go of the last one.
const SETTLE: Duration = Duration::from_secs(15);

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Holds {
    descriptors: usize,
    threads: usize,
    resident_mib: f64,
    /// Tasks of the async runtime.
    tasks: f64,
}

impl Holds {
    async fn of(server: &Server) -> Result<Self> {
        let metrics = server.metrics().await?;
        Ok(Self {
            descriptors: machine::descriptors(server.pid())?,
            threads: machine::threads(server.pid())?,
            resident_mib: rounded(machine::memory(server.pid())?.resident as f64 / f64::from(1 << 20)),
            tasks: metrics["gauges"]["napari_cuda_tasks"].as_f64().context("the server tells no tasks")?,
        })
    }

    fn to_json(self) -> Value {
        json!({"descriptors": self.descriptors, "threads": self.threads, "resident_mib": self.resident_mib,
            "tasks": self.tasks})
    }

    /// Whether nothing but memory is more than before.
    fn no_more_than(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors && self.threads <= before.threads && self.tasks <= before.tasks
    }
}

/// Runs `cycles` clients.
pub async fn run(server: &Server, cycles: usize) -> Result<Value> {
    come_and_go(server.http, WARM_UP).await?;
    let before = settled(server, None).await?;
    let start = Instant::now();
    come_and_go(server.http, cycles).await?;
    let took = start.elapsed();
    let after = settled(server, Some(&before)).await?;
    // Is it still there for others?
    let mut peer = Peer::connect(server.http, &[], true).await?;
    peer.send("camera", "main", "reset", json!({})).await?;
    Ok(json!({"cycles": cycles, "seconds": rounded(took.as_secs_f64()), "before": before.to_json(), "after": after.to_json(),
        "leaked": !after.no_more_than(&before)}))
}

/// What the server holds once it has let go, or after [`SETTLE`].
async fn settled(server: &Server, before: Option<&Holds>) -> Result<Holds> {
    let deadline = Instant::now() + SETTLE;
    let mut last = Holds::of(server).await?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Holds::of(server).await?;
        let steady = now.descriptors == last.descriptors && now.tasks == last.tasks;
        if steady && before.is_none_or(|before| now.no_more_than(before)) || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}

async fn come_and_go(at: SocketAddr, cycles: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= cycles {
                    return anyhow::Ok(());
                }
                cycle(at, n).await.with_context(|| format!("cycle {n}"))?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// One client, which ends in one of the ways that clients end in.
async fn cycle(at: SocketAddr, n: usize) -> Result<()> {
    match n % 5 {
        // The connection breaks, with both channels open.
        0 | 1 => drop(Peer::connect(at, &[], true).await?),
        // With an intent on its way.
        2 => {
            let mut peer = Peer::connect(at, &[], true).await?;
            peer.send("camera", "main", "pan", json!({"dx_px": 1.0, "dy_px": 0.0})).await?;
        }
        // It says nothing at all, on either channel.
        3 => {
            let (state, pixel) = tokio::try_join!(open(at, "/ws/state"), open(at, "/ws/state"))?;
            drop((state, pixel));
        }
        // It closes, and waits for the answer.
        _ => {
            let mut socket = open(at, "/ws/state").await?;
            socket.send(Message::Close(None)).await?;
            tokio::time::timeout(PATIENCE, async { while socket.next().await.is_some_and(|message| message.is_ok()) {} }).await?;
        }
    }
    Ok(())
}
