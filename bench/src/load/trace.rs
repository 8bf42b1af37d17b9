//! Does the server's own trace of an op tell what a client measures? A client on the loopback takes the time from sending an intent
//! to receiving the packet that shows it, by the packet's number in `x.telemetry`, and compares it with the trace's total.

use crate::distribution::{Distribution, milliseconds, rounded};
use crate::peer::{Came, Peer};
use crate::server::Server;
use anyhow::{Result, bail};
use nc_protocol::Body;
use nc_protocol::extension::{OpOutcome, OpReport, TELEMETRY};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time between two intents: each comes to an end before the next.
const PERIOD: Duration = Duration::from_millis(50);
/// Reports come four times a second; the last ones are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the two may differ by.
const LIMIT_MS: f64 = 1.0;

#[derive(Default)]
struct Record {
    sent: BTreeMap<String, Instant>,
    packets: BTreeMap<u32, Instant>,
    reports: Vec<OpReport>,
}

impl Record {
    async fn until(&mut self, peer: &mut Peer, deadline: Instant) -> Result<()> {
        while let Some((at, came)) = peer.next(deadline).await? {
            match came {
                Came::Packet(header) => drop(self.packets.insert(header.seq, at)),
                Came::Told(frame) => {
                    if let Body::XTelemetry(telemetry) = frame.body {
                        self.reports.extend(telemetry.ops);
                    }
                }
                Came::Answer(_) => {}
            }
        }
        Ok(())
    }
}

/// Sends `count` intents, each of which moves the picture.
pub async fn run(server: &Server, count: usize) -> Result<Value> {
    let mut peer = Peer::connect(server.http, &[TELEMETRY], true).await?;
    let mut record = Record::default();
    record.until(&mut peer, Instant::now() + Duration::from_secs(2)).await?;
    for n in 0..count {
        let (dy, dx) = (std::f64::consts::TAU * n as f64 / 120.0).sin_cos();
        let sent = Instant::now();
        let id = peer.send("camera", "main", "pan", json!({"dx_px": 8.0 * dx, "dy_px": 8.0 * dy})).await?;
        record.sent.insert(id, sent);
        record.until(&mut peer, sent + PERIOD).await?;
    }
    let deadline = Instant::now() + PATIENCE;
    while record.reports.len() < count && Instant::now() < deadline {
        record.until(&mut peer, Instant::now() + PERIOD).await?;
    }
    if record.reports.is_empty() {
        bail!("the server told of no op: it has no {TELEMETRY}");
    }
    Ok(compared(&record, count))
}

fn compared(record: &Record, count: usize) -> Value {
    let (mut measured, mut traced) = (Distribution::default(), Distribution::default());
    let mut differences = Vec::new();
    for report in record.reports.iter().filter(|report| report.outcome == OpOutcome::Applied) {
        let times = (record.sent.get(&report.intent_id), report.pixel_seq.and_then(|seq| record.packets.get(&seq)));
        let (Some(sent), Some(received)) = times else { continue };
        let here = received.saturating_duration_since(*sent);
        measured.push(here);
        traced.push(Duration::from_secs_f64(report.total_ms.max(0.0) / 1e3));
        differences.push(milliseconds(here) - report.total_ms);
    }
    differences.sort_by(f64::total_cmp);
    let at = |percent: usize| differences.get((differences.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    let within = differences.iter().filter(|difference| difference.abs() <= LIMIT_MS).count();
    json!({"intents": count, "reported": record.reports.len(), "compared": differences.len(),
        "sent_to_received": measured.to_json(), "total_of_trace": traced.to_json(),
        "difference_ms": {"min": at(0).map(rounded), "p50": at(50).map(rounded), "p99": at(99).map(rounded),
            "max": at(100).map(rounded)},
        "within_limit": {"limit_ms": LIMIT_MS, "share": rounded(within as f64 / differences.len().max(1) as f64)}})
}
