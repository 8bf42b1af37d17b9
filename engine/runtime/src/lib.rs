//! The render thread: from a ledger snapshot to a captured frame, and the encode thread that turns it into a packet.
//!
//! Lives here: the tick and its transaction (`txn`), the viewport planner, the camera controller, tile residency, pacing, the two
//! threads and their recovery. May import `nc_core`, `nc_store` and `nc_gpu::api`. Must never know: clients, sockets, how intents
//! are parsed (`nc_core::control`).
//!
//! Architecture invariant: `Viewer::tick` is a function of its arguments and its own past; it reads no clock and waits for nothing.

pub mod camera;
pub mod encode_thread;
pub mod pacer;
pub mod render_thread;
pub mod residency;
pub mod stats;
pub mod thumbnails;
pub mod tick;
pub mod tile_source;
pub mod viewport;

pub use encode_thread::{EncodeConfig, EncodeControl, EncodeOutput, EncodedFrame, OpenEncoder};
pub use render_thread::{OpenDevice, RenderConfig, RenderOutput, RenderThread};
pub use stats::{Stage, Stats};
pub use tick::{Laps, Outcome, Tick, Viewer};
pub use tile_source::{BoundLoader, TileSource};

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a thread; `None` if it panicked, in which case the caller starts it again from the ledger, where all that
/// matters is kept.
pub fn contained(thread: &str, body: impl FnOnce()) -> Option<()> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| tracing::error!(thread, "panicked; starting again from the ledger")).ok()
}
