//! Indices over level switches: the ledger keeps level-0 indices, so a step survives any ladder of levels, whatever their shapes.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod pyramids;

use nc_core::control::{Context, Intent, bootstrap, reduce};
use nc_core::data::CanvasSize;
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, Ledger};
use proptest::prelude::*;
use pyramids::{cases, dataset};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn indices_map_in_order_and_ends_map_to_ends(dataset in dataset()) {
        for dim in 0..dataset.ndim() {
            let finest = dataset.level_shape(0)[dim];
            for level in 0..dataset.level_count() {
                let coarse = dataset.level_shape(level)[dim];
                let down: Vec<u64> = (0..finest).map(|i| dataset.index_at_level(dim, i, level)).collect();
                prop_assert!(down.is_sorted(), "{down:?}");
                prop_assert_eq!((down[0], down[down.len() - 1]), (0, coarse - 1), "ends of dim {} at level {}", dim, level);
                let up: Vec<u64> = (0..coarse).map(|i| dataset.index_at_finest(dim, i, level)).collect();
                prop_assert!(up.is_sorted(), "{up:?}");
                for (i, &at) in (0..).zip(&up) {
                    prop_assert!(at < finest);
                    prop_assert_eq!(dataset.index_at_level(dim, at, level), i, "there and back");
                }
            }
        }
    }

    #[test]
    fn a_step_survives_any_ladder_of_levels(dataset in dataset(), axis in 0usize..5, index in 0i64..70, at in 0usize..5,
                                            ladder in proptest::collection::vec(0usize..5, 1..12)) {
        let (axis, count) = (axis % dataset.ndim(), dataset.level_count());
        let dataset = Arc::new(dataset);
        let seed = bootstrap::seed(dataset.clone(), CanvasSize { width: 320, height: 200 }, &[]);
        let ledger = SharedLedger::new(Ledger::new(seed).unwrap());
        let now = Instant::now();
        let intend = |scope: &str, target: &str, key: &str, value: serde_json::Value| {
            let intent = Intent::parse(scope, target, key, &value).unwrap();
            let reduced = reduce(Context { state: &ledger.state(), announced: &ledger.view() }, intent, None).unwrap();
            ledger.commit_intent(reduced.batch, None, now, now).unwrap();
            reduced.applied_value
        };
        let apply = |level| {
            let commit = ledger.commit_applied(AppliedBatch::new(ledger.state()).level(level, false).applied()).unwrap();
            commit.view.step.clone()
        };
        apply(at % count);
        let acked = intend("dims", &axis.to_string(), "index", json!(index));
        let step = apply(at % count);
        prop_assert_eq!(&acked, &json!(dataset.index_at_level(axis, step[axis], at % count)), "what was acked is what is shown");
        for level in ladder {
            intend("multiscale", "main", "level", json!(level));
            prop_assert_eq!(&apply(level % count), &step);
        }
        intend("multiscale", "main", "level", json!(at % count));
        apply(at % count);
        prop_assert_eq!(intend("dims", &axis.to_string(), "step", json!(0)), acked, "back at its level it has its number");
        prop_assert_eq!(&apply(at % count), &step, "a step of nothing moves nothing");
    }
}
