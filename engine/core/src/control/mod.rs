//! From what clients ask to what the ledger holds, and from what was applied to what clients are told.
//!
//! `Intent::parse → reduce → ledger` on the way in, `mirrors` on the way out. Pure: no threads, no clocks, no sockets.
//!
//! May import `exchange`, `ledger`, `scene`, `data`. Must never know: the render loop, devices, files.

pub mod bootstrap;
pub mod coerce;
pub mod echoes;
pub mod intent;
pub mod mirrors;
mod parse;
pub mod reduce;

pub use echoes::{Echo, Echoes};
pub use intent::{Intent, Rejection};
pub use mirrors::{Changes, LayerChange};
pub use reduce::{Context, Reduced, reduce};
