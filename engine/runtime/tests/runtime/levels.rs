//! Which level and region a plan leads to, over whole runs of camera commands in virtual time.

use crate::stand::{CANVAS, dataset, intend, ledger};
use crate::turns::{PLENTY, noted};
use nc_core::data::lod::{LevelPolicy, LevelReason};
use nc_core::data::{Budgets, Footprint, LevelDecided, RoiPolicy};
use nc_core::exchange::SharedLedger;
use nc_core::scene::Dataset;
use nc_runtime::txn::{self, Given, Live, ViewPlan};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Plans without a device or tiles.
struct Planner {
    ledger: SharedLedger,
    dataset: Arc<Dataset>,
    live: Live,
    budgets: Budgets,
    now: Instant,
}

impl Planner {
    fn new(budgets: Budgets) -> Self {
        let dataset = dataset(1);
        let ledger = ledger(dataset.clone());
        let live = Live::of(&ledger.state());
        Self { ledger, dataset, live, budgets, now: Instant::now() }
    }

    fn intend(&mut self, scope: &str, key: &str, value: serde_json::Value) {
        intend(&self.ledger, self.now, scope, "main", key, value);
    }

    /// The plan after so many milliseconds, carried out.
    fn plan(&mut self, ms: u64) -> ViewPlan {
        self.now += Duration::from_millis(ms);
        let state = self.ledger.state();
        let commands = self.ledger.take_commands(state.scene.op_seq);
        let (policy, roi) = (LevelPolicy::default(), RoiPolicy::default());
        let (dataset, budgets) = (&self.dataset, &self.budgets);
        let plan = txn::plan(
            &self.live,
            &Given {
                state: &state,
                dataset,
                commands: &commands,
                now: self.now,
                policy: &policy,
                roi: &roi,
                budgets,
                there: None,
            },
        );
        self.live = plan.live.clone();
        plan
    }

    /// Plans until nothing is due any more.
    fn rest(&mut self) -> usize {
        for _ in 0..40 {
            let plan = self.plan(0);
            match plan.wake_at {
                Some(at) => self.now = self.now.max(at),
                None if plan.decided.is_none_or(|d| !d.switches()) => break,
                None => {}
            }
        }
        self.live.level
    }

    fn in_view(&self) -> Footprint {
        let (level, shown) = (self.live.level, self.live.poses.plane.expanded_to(CANVAS));
        Footprint::of(shown, self.dataset.sample_axis(level, 2), self.dataset.sample_axis(level, 1), 1)
    }
}

fn budgets() -> impl Strategy<Value = Budgets> {
    // From nothing to all: the planes of the stand are 4 MiB, 1 MiB and 256 KiB, its volumes eight times that.
    let some = |most: u64| prop_oneof![Just(1u64), 1..most, Just(most)];
    (prop::option::of(some(8 << 20)), some(64 << 20), some(64 << 20), prop::option::of(1u32..4096)).prop_map(
        |(slice_bytes, volume_bytes, volume_voxels, texture_edge_3d)| Budgets {
            slice_bytes,
            volume_bytes,
            volume_voxels,
            texture_edge_3d,
            tile_bytes: PLENTY,
        },
    )
}

fn kept(decided: &LevelDecided, planner: &Planner) -> bool {
    let shape = planner.dataset.level_shape(decided.target);
    let Budgets { slice_bytes, .. } = planner.budgets;
    let fits = match decided.ndisplay {
        3 => planner.budgets.volume_fits(&shape, 1, 1),
        _ => slice_bytes.is_none_or(|most| shape[1] * shape[2] <= most),
    };
    fits || (decided.decision.reason == LevelReason::OverBudget && decided.target == 2 && !decided.fits[2])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Zooms, pans, resets, a lock and both modes: budgets hold, the region contains the view, and each run comes to rest at one level.
    #[test]
    fn plans_keep_their_promises(budgets in budgets(), moves in prop::collection::vec((0u8..7, 0.3f64..3.0, -80f64..80.0, 0u64..200), 1..25)) {
        let mut planner = Planner::new(budgets);
        for (kind, factor, by, ms) in moves {
            match kind {
                0 | 1 => planner.intend("camera", "zoom", json!({"factor": factor, "anchor_px": [100.0, 200.0]})),
                2 | 3 => planner.intend("camera", "pan", json!({"dx_px": by, "dy_px": -by})),
                4 => planner.intend("camera", "reset", json!("again")),
                5 => planner.intend("view", "ndisplay", json!(if by > 0.0 { 3 } else { 2 })),
                _ if by > 0.0 => planner.intend("multiscale", "level", json!((factor as u64).min(2))),
                _ => planner.intend("multiscale", "policy", json!("auto")),
            }
            let plan = planner.plan(ms);
            if let Some(decided) = &plan.decided {
                prop_assert!(kept(decided, &planner), "{decided:?}");
                prop_assert!(decided.news || !decided.switches(), "a switch is always told");
                prop_assert!(decided.target <= decided.decision.level);
            }
            if planner.ledger.state().view.ndisplay.get() == &2 {
                prop_assert!(planner.live.region.unwrap().roi.region.covers(&planner.in_view()));
            }
        }
        let level = planner.rest();
        for _ in 0..3 {
            let plan = planner.plan(200);
            prop_assert_eq!((plan.live.level, plan.wake_at), (level, None), "at rest");
            prop_assert!(plan.decided.is_none_or(|d| !d.news), "and nothing is told");
        }
    }
}

#[test]
fn a_pan_below_the_edge_threshold_keeps_the_region() {
    let mut planner = Planner::new(Budgets::within(PLENTY));
    planner.intend("camera", "set", json!({"rect": [700.0, 700.0, 256.0, 256.0]}));
    planner.rest();
    let region = planner.live.region;
    assert_eq!(planner.live.level, 0);
    // Two canvas pixels are a sample here.
    planner.intend("camera", "pan", json!({"dx_px": 5.0, "dy_px": 0.0}));
    planner.plan(20);
    assert_eq!(planner.live.region, region);
    planner.intend("camera", "pan", json!({"dx_px": 5.0, "dy_px": 0.0}));
    let decided = planner.plan(20).decided.unwrap();
    assert_ne!(planner.live.region, region);
    assert_eq!((decided.roi, decided.signature), planner.live.region.map(|r| (Some(r.roi.region), r.signature)).unwrap());
}

#[test]
fn that_nothing_fits_is_told_once() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    stage.viewer.device_replaced(Budgets { slice_bytes: Some(1), ..Budgets::within(PLENTY) });
    let outcome = stage.after(1000).tick();
    assert!(outcome.over_budget);
    assert_eq!(outcome.decided.unwrap().decision.reason, LevelReason::OverBudget);
    stage.show([700.0, 700.0, 300.0, 200.0]);
    let outcome = stage.after(1000).tick();
    assert!(!outcome.over_budget, "it was told");
    assert_eq!(stage.view().level, 2);
}

#[test]
fn a_volume_s_target_follows_the_camera_and_the_coarsest_is_drawn() {
    let mut planner = Planner::new(Budgets::within(PLENTY));
    planner.rest();
    planner.intend("view", "ndisplay", json!(3));
    let entered = planner.plan(20).decided.unwrap();
    assert_eq!((entered.ndisplay, entered.decision.level), (3, 2));
    for _ in 0..40 {
        planner.intend("camera", "zoom", json!({"factor": 0.8, "anchor_px": [0.0, 0.0]}));
        let decided = planner.plan(20).decided.unwrap();
        assert!(decided.moving && decided.target == entered.target, "nothing finer is begun while it moves");
    }
    planner.rest();
    let near = planner.plan(300).decided.unwrap();
    assert!(near.target < entered.target && near.decision.level == 2 && !near.news, "{near:?}");
    assert!(near.sampling[near.target] <= 1.35 && near.oversampling.is_empty());
}
