//! `x.telemetry`: what a client that asked is told of the engine, of its own pixel socket, and of its own intents.

use super::Hub;
use crate::engine::Vitals;
use crate::locked;
use crate::pixel::Rate;
use nc_engine::WatchdogState;
use nc_engine::api::{ClientId, OpTrace, Outcome, Step};
use nc_protocol::extension::{self, LevelReason, OpOutcome, OpReport, Telemetry, Watchdog};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is remembered from report to report.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// How many samples of each stage there were at the reports of the last second, oldest first.
    samples: VecDeque<Vec<u64>>,
    /// Up to which ended op each client was told.
    told: BTreeMap<ClientId, u64>,
    /// Why the level is what it is.
    pub(super) level_reason: Option<LevelReason>,
}

impl Hub {
    /// What each of these clients, named with their sessions, is to be told now. To be called [`Telemetry::RATE_HZ`] times a second.
    pub(super) fn telemetry(&self, askers: &[(ClientId, Arc<str>)]) -> Vec<(ClientId, Telemetry)> {
        let Some(engine) = self.engine() else { return Vec::new() };
        let now = self.ambient.now();
        let view = engine.view();
        let mut reports = locked(&self.reports);
        let mut vitals = engine.vitals(reports.samples.front().map_or(&[], Vec::as_slice));
        self.fanout.remember_ended(std::mem::take(&mut vitals.ended));
        if reports.samples.len() >= Telemetry::RATE_HZ as usize {
            reports.samples.pop_front();
        }
        reports.samples.push_back(vitals.samples.clone());
        let level = view.dataset.is_some().then_some(view.level);
        let reason = reports.level_reason.filter(|_| level.is_some());
        let common = common(&vitals, self.fanout.rate(now), self.fanout.waits_since(), level, reason, now);
        reports.told.retain(|client, _| askers.iter().any(|(asker, _)| asker == client));
        let report = |(client, session): &(ClientId, Arc<str>)| {
            let after = reports.told.get(client).copied().unwrap_or(0);
            let (ended, serial) = self.fanout.ended_ops(client.0, session, after);
            reports.told.insert(*client, serial);
            let newest = ended.len().saturating_sub(Telemetry::OPS);
            let ops = ended.iter().skip(newest).filter_map(|(ended, seq)| op_report(&ended.trace, *seq));
            let telemetry = Telemetry { delivery: self.fanout.delivery(session), ops: ops.collect(), ..common.clone() };
            (*client, telemetry)
        };
        askers.iter().map(report).collect()
    }
}

/// What is the same for everyone.
fn common(
    vitals: &Vitals,
    rate: Rate,
    waits_since: Option<Instant>,
    level: Option<usize>,
    level_reason: Option<LevelReason>,
    now: Instant,
) -> Telemetry {
    let (state, asked) = match vitals.watchdog {
        WatchdogState::Quiet => (extension::WatchdogState::Quiet, 0),
        WatchdogState::Waiting { .. } => (extension::WatchdogState::Waiting, 0),
        WatchdogState::Asked { times, .. } => (extension::WatchdogState::Asked, times),
        WatchdogState::Reset { .. } => (extension::WatchdogState::Reset, 0),
    };
    let waiting_ms = waits_since.map(|since| ms(now.saturating_duration_since(since)));
    Telemetry {
        stages: vitals.stages.iter().map(|(stage, latency)| ((*stage).to_owned(), *latency)).collect(),
        fps: rate.fps,
        bitrate_bps: rate.bitrate_bps,
        level,
        level_reason,
        tiles_missing: vitals.tiles_missing,
        render_divisor: vitals.lowered.map(|(divisor, _)| divisor),
        ray_step: vitals.lowered.map(|(_, ray_step)| ray_step),
        watchdog: Watchdog { state, waiting_ms, asked, resets: vitals.watchdog_resets },
        delivery: None,
        ops: Vec::new(),
    }
}

fn op_report(trace: &OpTrace, pixel_seq: Option<u32>) -> Option<OpReport> {
    let (outcome, superseded_by) = match trace.outcome? {
        Outcome::Applied => (OpOutcome::Applied, None),
        Outcome::Superseded(by) => (OpOutcome::Superseded, Some(by.0)),
        Outcome::Failed => (OpOutcome::Failed, None),
    };
    Some(OpReport {
        intent_id: trace.origin.as_ref()?.intent_id.clone(),
        op: trace.op.0,
        outcome,
        superseded_by,
        // Before it was sent to anyone it was not sent to this client.
        pixel_seq: pixel_seq.filter(|_| trace.at(Step::Sent).is_some()),
        total_ms: ms(trace.since_received(trace.last())?),
        stages_ms: trace.stages().map(|(step, took)| (step.name().to_owned(), ms(took))).collect(),
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_engine::api::scene::OpSeq;
    use nc_engine::api::{Op, OpKind, Origin};

    #[test]
    fn a_report_of_an_op_adds_up_and_names_its_successor() {
        let start = Instant::now();
        let at = |n| start + Duration::from_millis(n);
        let origin = Some(Arc::new(Origin { client: 3, intent_id: "intent-1".to_owned() }));
        let (seq, kind, outcome) = (OpSeq(7), OpKind::Camera, Some(Outcome::Superseded(OpSeq(8))));
        let op = Op { seq, kind, origin, received: start, reduced: at(1), outcome };
        let mut trace = OpTrace::of(&op);
        trace.stamp(Step::Planned, at(3));
        trace.stamp(Step::Sent, at(10));
        let report = op_report(&trace, Some(4)).unwrap();
        assert_eq!((report.intent_id.as_str(), report.op, report.pixel_seq), ("intent-1", 7, Some(4)));
        assert_eq!((report.outcome, report.superseded_by), (OpOutcome::Superseded, Some(8)));
        assert_eq!(report.total_ms, 10.0);
        assert_eq!(
            report.stages_ms.into_iter().collect::<Vec<_>>(),
            [("planned".to_owned(), 2.0), ("reduced".to_owned(), 1.0), ("sent".to_owned(), 7.0),]
        );
        let nobodys = OpTrace::of(&Op { origin: None, ..op });
        assert_eq!(op_report(&nobodys, None), None);
    }

    #[test]
    fn the_watchdog_is_told_with_the_time_that_somebody_waits() {
        let now = Instant::now() + Duration::from_secs(60);
        let since = now - Duration::from_secs(3);
        let vitals = Vitals { watchdog: WatchdogState::Asked { times: 2, next: now }, watchdog_resets: 1, ..Vitals::default() };
        let told = common(&vitals, Rate { fps: 60.0, bitrate_bps: 1e6 }, Some(since), Some(2), None, now);
        let state = extension::WatchdogState::Asked;
        assert_eq!(told.watchdog, Watchdog { state, waiting_ms: Some(3000.0), asked: 2, resets: 1 });
        assert_eq!((told.fps, told.bitrate_bps, told.level), (60.0, 1e6, Some(2)));
    }
}
