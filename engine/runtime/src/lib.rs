//! The render thread: from a ledger snapshot to a captured frame, and the encode thread that turns it into a packet.
//!
//! Lives here: the tick and its transaction's plan (`txn`), the planners of 2D (`viewport`), 3D (`volume`) and of what may be looked at
//! next (`ahead`), the camera controller, tiles on the device (`residency`) and on their way there (`supply`, `demand`), pacing, the two
//! threads and their recovery. May import `nc_core`, `nc_store` and `nc_gpu::api`. Must never know: clients, sockets, how intents are
//! parsed (`nc_core::control`).
//!
//! Architecture invariant: `Viewer::tick` is a function of its arguments and its own past; it reads no clock and waits for nothing.

pub mod ahead;
pub mod camera;
mod canvas;
mod demand;
pub mod encode_thread;
pub mod governor;
pub mod image_slot;
mod op_traces;
pub mod pacer;
pub mod render_thread;
pub mod residency;
pub mod source_slot;
pub mod stats;
mod supply;
pub mod thumbnails;
pub mod tick;
pub mod tile_source;
pub mod txn;
pub mod viewport;
pub mod volume;
pub mod volume_residency;
mod volume_supply;
pub mod watchdog;

pub use encode_thread::{EncodeConfig, EncodeControl, EncodeOutput, EncodedFrame, OpenEncoder};
pub use image_slot::ImageSlot;
pub use op_traces::{conclude, end_closed};
pub use render_thread::{DeriveBudgets, OpenDevice, RenderConfig, RenderOutput, RenderThread};
pub use source_slot::SourceSlot;
pub use stats::{Stage, Stats};
pub use tick::{Laps, Outcome, Tick, Viewer};
pub use tile_source::{BoundLoader, TileSource};
pub use watchdog::WatchdogState;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Runs the body of a thread to its end. If it panics, it is started again from the ledger, where all that matters is kept; after
/// a pause that grows to a second, so that a panic that repeats does not take a core.
pub fn supervised(thread: &str, mut body: impl FnMut()) {
    let mut pause = Duration::from_millis(20);
    while catch_unwind(AssertUnwindSafe(&mut body)).is_err() {
        tracing::error!(thread, "panicked; starting again from the ledger");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}
