//! What the server asks of an engine. The engine speaks back through [`nc_engine::api::Sink`], which [`crate::Hub`] implements.

use crate::metrics::Metrics;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{RawIntent, StreamConfig};
use std::sync::Arc;

/// The engine as the server sees it. No call blocks.
pub trait Engine: Send + Sync + 'static {
    /// Hands over an intent; exactly one [`nc_engine::api::Event::Ack`] follows if it was taken.
    ///
    /// # Errors
    /// When the engine's queue is full; nothing follows then.
    fn submit(&self, intent: RawIntent) -> Result<(), Busy>;

    /// Asks for an access unit that a decoder can start with. The caller spaces its requests.
    fn request_idr(&self);

    /// Says how many watch; with none there is no need to draw.
    fn set_viewers(&self, viewers: usize);

    /// The view as last applied.
    fn view(&self) -> Arc<AppliedView>;

    /// The stream's configuration, once it is known.
    fn stream(&self) -> Option<StreamConfig>;

    /// The engine's figures, by the names of PROTOCOL §13.
    fn metrics(&self) -> Metrics;
}

/// The engine's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("server busy")]
pub struct Busy;
