//! The render loop without its thread: ticks in virtual time, committed to a ledger.

use crate::stand::{Recorder, Shelf, brick, dataset, overview, tile};
use nc_core::data::lod::LevelPolicy;
use nc_core::data::{BrickKey, Budgets, LevelDecided, RoiPolicy, TileKey};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, State};
use nc_core::scene::{AppliedView, Dataset};
use nc_gpu::api::{DeviceError, RenderDevice};
use nc_runtime::{Laps, Outcome, Stage, Tick, Viewer};
use nc_store::{Arrival, Goal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Room for everything.
pub(crate) const PLENTY: u64 = 1 << 30;

pub(crate) struct NoClock;

/// What tests ask of an outcome.
pub(crate) trait Switched {
    /// The decision that switched to another level, if one did.
    fn switched(&self) -> Option<LevelDecided>;
}

impl Switched for Outcome {
    fn switched(&self) -> Option<LevelDecided> {
        self.decided.clone().filter(LevelDecided::switches)
    }
}

impl Laps for NoClock {
    fn lap(&mut self, _stage: Stage) {}
}

/// The render loop without its thread.
pub(crate) struct Loop<D> {
    pub(crate) ledger: SharedLedger,
    pub(crate) viewer: Viewer,
    pub(crate) device: D,
    pub(crate) shelf: Shelf,
    pub(crate) now: Instant,
    /// What the source was asked for last, without what has come since.
    pub(crate) wanted: Vec<TileKey>,
    pub(crate) wanted_bricks: Vec<BrickKey>,
    pub(crate) last_good: Arc<State>,
    pub(crate) batches: Vec<AppliedBatch>,
}

impl<D: RenderDevice> Loop<D> {
    pub(crate) fn new(channels: u64, budget: u64, device: D) -> Self {
        Self::of(dataset(channels), budget, device)
    }

    pub(crate) fn of(dataset: Arc<Dataset>, budget: u64, device: D) -> Self {
        let ledger = crate::stand::ledger(dataset.clone());
        let state = ledger.state();
        let viewer = Viewer::new(&state, LevelPolicy::default(), RoiPolicy::default(), Budgets::within(budget));
        let (shelf, now) = (Shelf::of(dataset), Instant::now());
        Self {
            ledger,
            viewer,
            device,
            shelf,
            now,
            wanted: Vec::new(),
            wanted_bricks: Vec::new(),
            last_good: state,
            batches: Vec::new(),
        }
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self
    }

    pub(crate) fn intend(&mut self, scope: &str, target: &str, key: &str, value: Value) -> &mut Self {
        crate::stand::intend(&self.ledger, self.now, scope, target, key, value);
        self
    }

    pub(crate) fn show(&mut self, rect: [f64; 4]) -> &mut Self {
        self.intend("camera", "main", "set", json!({"rect": rect}))
    }

    pub(crate) fn try_tick(&mut self, arrivals: Vec<Arrival>) -> Result<Outcome, DeviceError> {
        let snapshot = self.ledger.state();
        let commands = self.ledger.take_commands(snapshot.scene.op_seq);
        // What arrives is wanted no more, unless a new list says so.
        self.wanted.retain(|key| !arrivals.iter().any(|a| matches!(a, Arrival::Tile { key: came, .. } if came == key)));
        self.wanted_bricks.retain(|key| !arrivals.iter().any(|a| matches!(a, Arrival::Brick { key: came, .. } if came == key)));
        let tick = Tick { now: self.now, snapshot: snapshot.clone(), commands, arrivals };
        let mut outcome = self.viewer.tick(tick, &mut self.device, Some(&self.shelf), &mut NoClock)?;
        outcome.wake_at = outcome.wake_at.into_iter().chain(self.viewer.look_ahead(Some(&self.shelf))).min();
        if let Some(wants) = self.shelf.take_wants().pop() {
            self.wanted = wants;
            let brick = |goal: Goal| if let Goal::Brick(key) = goal { Some(key) } else { None };
            self.wanted_bricks = self.shelf.last_wants().iter().filter_map(|want| brick(want.goal)).collect();
        }
        if let Some(batch) = &outcome.batch {
            self.ledger.commit_applied(batch.clone()).unwrap();
            self.last_good = snapshot;
            self.batches.push(batch.clone());
        }
        Ok(outcome)
    }

    pub(crate) fn tick(&mut self) -> Outcome {
        self.try_tick(Vec::new()).unwrap()
    }

    /// A tick to which everything came that is wanted.
    pub(crate) fn tick_delivered(&mut self) -> Outcome {
        let arrivals = self.wanted.iter().map(|key| Arrival::Tile { key: *key, tile: tile(key), mended: false }).collect();
        self.try_tick(arrivals).unwrap()
    }

    /// A tick to which these bricks came.
    pub(crate) fn tick_with(&mut self, bricks: &[BrickKey]) -> Outcome {
        let dataset = self.ledger.state().dataset.clone().unwrap();
        let arrival = |key: &BrickKey| Arrival::Brick { key: *key, brick: brick(&dataset, key), mended: false };
        self.try_tick(bricks.iter().map(arrival).collect()).unwrap()
    }

    /// Ticks, with all tiles that are asked for, until nothing is left to do.
    pub(crate) fn settle(&mut self) -> &mut Self {
        let mut asked = Vec::new();
        for _ in 0..100 {
            let wanted = self.wanted.iter().map(|key| Arrival::Tile { key: *key, tile: tile(key), mended: false });
            let overviews = asked.iter().map(|plane| Arrival::Overview { plane: *plane, overview: Ok(overview(plane)) });
            let arrivals = wanted.chain(overviews).collect();
            let outcome = self.try_tick(arrivals).unwrap();
            asked = self.shelf.take_overviews();
            let quiet = !outcome.drawn && outcome.batch.is_none();
            match outcome.wake_at {
                None if quiet && self.wanted.is_empty() && asked.is_empty() => return self,
                Some(at) => self.now = self.now.max(at),
                None => {}
            }
        }
        panic!("it does not come to rest");
    }

    pub(crate) fn view(&self) -> Arc<AppliedView> {
        self.ledger.view()
    }

    pub(crate) fn open_ops(&self) -> u64 {
        let scene = self.ledger.state().scene;
        scene.op_seq.0 - scene.applied_seq.0
    }
}

pub(crate) fn noted(channels: u64, budget: u64) -> Loop<Recorder> {
    Loop::new(channels, budget, Recorder::default())
}
