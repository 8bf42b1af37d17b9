//! Where the planes meet: hand-over of snapshots, camera commands and frames between threads.
//!
//! Control writes intents and commands; the render thread takes them and writes what it applied. Neither sees the other.
//! Locks here are held for moves and clones only, never across I/O, device work or a subscriber.
//!
//! May import `ledger`, `scene`, `data`.

pub mod commands;
pub mod frames;
pub mod shared;
pub mod signal;

pub use commands::{CameraCommand, CameraMotion, CommandQueue};
pub use frames::{FrameQueue, Taken};
pub use shared::SharedLedger;
pub use signal::Signal;
