//! A camera that turns by itself, in virtual time.

use crate::turns::{PLENTY, noted};
use nc_core::control::{Context, Intent, reduce};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::Origin;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// As a client asks.
fn ask(ledger: &SharedLedger, now: Instant, scope: &str, key: &str, value: Value) {
    let origin = Arc::new(Origin { client: 1, intent_id: "x".to_owned() });
    let intent = Intent::parse(scope, "main", key, &value).unwrap();
    let reduced = reduce(Context { state: &ledger.state(), announced: &ledger.view() }, intent, Some(origin)).unwrap();
    ledger.commit_intent(reduced.batch, reduced.motion, now, now).unwrap();
}

#[test]
fn it_turns_as_fast_as_it_is_told_until_somebody_does_anything() {
    let mut stage = noted(1, PLENTY);
    stage.settle();
    ask(&stage.ledger, stage.now, "view", "turning", json!(90.0));
    stage.tick();
    assert!(stage.after(1000).tick().wake_at.is_none(), "a plane does not turn");
    ask(&stage.ledger, stage.now, "view", "ndisplay", json!(3));
    stage.tick();
    let azimuth = |stage: &crate::turns::Loop<_>| stage.view().volume.unwrap().angles[0];
    let first = azimuth(&stage);
    for n in 1..=10 {
        let outcome = stage.after(20).tick();
        assert!(outcome.drawn && outcome.wake_at.is_some(), "and goes on");
        assert!((azimuth(&stage) - first - 1.8 * f64::from(n)).abs() < 1e-9, "{n}");
    }
    // A picture that took long does not make it jump.
    let before = azimuth(&stage);
    stage.after(5000).tick();
    assert!((azimuth(&stage) - before - 90.0 * 0.25).abs() < 1e-9);

    ask(&stage.ledger, stage.now, "camera", "orbit", json!({"d_az_deg": 0.0, "d_el_deg": 5.0}));
    assert_eq!(*stage.ledger.state().view.turning.get(), 0.0);
    stage.tick();
    let stopped = azimuth(&stage);
    stage.after(500).settle();
    assert_eq!(azimuth(&stage), stopped);
}
