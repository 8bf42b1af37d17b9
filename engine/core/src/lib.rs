//! The pure heart of the engine: what is known, what may change it, and what the outside is told.
//!
//! Lives here: `data` (maths and values), `scene` (typed descriptions and defaults), `ledger` (the only truth),
//! `control` (intents, reducers, mirrors), `exchange` (hand-over between threads).
//! May import: nothing of ours. Must never know: sockets, files, devices, clocks, the environment, threads.
//!
//! Architecture invariant, read from here by `tests/layers.rs`, which fails on any other edge, and by `scripts/import-matrix`:
//!
//! ```text
//! control  → exchange, ledger, scene, data
//! exchange → ledger, scene, data
//! ledger   → scene, data
//! scene    → data
//! data     → nothing of ours
//! ```

pub mod control;
pub mod data;
pub mod exchange;
pub mod ledger;
pub mod scene;
