//! The engine, from an intent to an encoded frame: the one place that sees all of core, store, gpu and runtime.
//!
//! An [`Engine`] holds what sessions share (the loader with its cache, the choice of device); a [`Session`] is one scene with its
//! ledger, its control, render and encode threads; [`scene_file`] draws single pictures without any of that. No statics, no sockets, no environment.

pub mod api;
mod control_thread;
mod engine;
mod inbox;
mod load;
pub mod machine;
mod outputs;
mod plate;
pub mod scene_file;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod watch;
mod window;

/// Where images lie, and how remote places are reached.
pub mod places {
    pub use nc_store::place::{Location, PlaceErrorKind, PlaceOptions, Secret, Timeouts};
}

pub use engine::{Engine, EngineConfig, EngineError};
pub use load::{LoadError, Prepared};
pub use nc_gpu::DeviceChoice;
pub use nc_gpu::codec::nasm_built;
pub use nc_gpu::probe;
pub use nc_runtime::WatchdogState;
pub use nc_runtime::stats::{Stage, Stats, Summary};
pub use nc_runtime::watchdog::GRACE as KEYFRAME_GRACE;
pub use nc_store::{Chosen, Image, LoaderStats, OpenError, Pattern, Recipe, RecipeError, Selection, browse, survey, write};
pub use plate::{OpenPlate, Picture, PictureError, PlaceInPlate};
pub use session::{Busy, Session, SessionConfig, ViewPolicy};
