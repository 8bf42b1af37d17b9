//! What the server asks of an engine. The engine speaks back through [`nc_engine::api::Sink`], which [`crate::Hub`] implements.

use crate::metrics::Metrics;
pub use nc_engine::LoadError;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{OpTrace, RawIntent, StreamConfig};
use nc_engine::places::Location;
use nc_engine::survey::Survey;
use nc_engine::{Chosen, OpenError, OpenPlate, Picture, PictureError, PlaceInPlate, Selection, WatchdogState};
use nc_protocol::extension::Latency;
use std::sync::Arc;
use std::time::Instant;

/// The engine as the server sees it. No call blocks but [`Self::prepare`].
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

    /// Says whether any viewer could take a packet now. While there are viewers and none can, nothing is to be encoded.
    fn set_hungry(&self, hungry: bool);

    /// Says since when the viewer waits for an IDR who waits longest, of those who could take one.
    fn viewer_waits_since(&self, since: Option<Instant>);

    /// Says that these ops, which came with packets, have come as far as they will.
    fn traced(&self, ops: &[OpTrace]);

    /// Opens what is selected at `location`, which the caller has judged and which may hold several images, so that it can be shown in
    /// the place of the present one; without a selection the first. Blocks: it reads files.
    ///
    /// # Errors
    /// When there is no such image, or it does not open; everything is as it was.
    fn prepare(&self, location: &Location, selection: &Selection) -> Result<Box<dyn Prepared>, LoadError>;

    /// The one image that is selected at `location`, or the first; and where it is below that. Blocks: it reads metadata.
    ///
    /// # Errors
    /// When there is none.
    fn choose(&self, location: &Location, selection: &Selection) -> Result<Chosen, OpenError> {
        selection.choose(location, true, &|place| self.survey(place))
    }

    /// Tells what lies at `location`. Blocks: it reads metadata.
    ///
    /// # Errors
    /// When that cannot be told.
    fn survey(&self, location: &Location) -> Result<Survey, OpenError> {
        Err(OpenError::NoSuchChoice { location: location.redacted(), problem: "cannot be looked into".to_owned() })
    }

    /// Where in a plate the image lies that is shown, if it does.
    fn plate(&self) -> Option<PlaceInPlate> {
        None
    }

    /// Like [`Self::prepare`], of a field of a plate.
    ///
    /// # Errors
    /// Likewise, and when there is no such field.
    fn prepare_field(&self, plate: &OpenPlate, well: &str, field: u32) -> Result<Box<dyn Prepared>, LoadError> {
        let problem = format!("has no well {well:?} with a field {field}");
        Err(OpenError::NoSuchChoice { location: plate.name.clone(), problem }.into())
    }

    /// A small picture of a field of a plate, after everything that viewers wait for. Blocks: it reads files.
    ///
    /// # Errors
    /// When there is none.
    fn picture(&self, plate: &OpenPlate, well: usize, field: usize) -> Result<Picture, PictureError> {
        let _ = (plate, well, field);
        Err(PictureError::NoSuchField)
    }

    /// The view as last applied.
    fn view(&self) -> Arc<AppliedView>;

    /// The stream's configuration, once it is known.
    fn stream(&self) -> Option<StreamConfig>;

    /// The engine's figures, by the names of PROTOCOL §13.
    fn metrics(&self) -> Metrics;

    /// How it does; latencies of what came after the [`Vitals::samples`] given, or of all that is remembered.
    fn vitals(&self, since: &[u64]) -> Vitals;
}

/// An image that is open and can be shown. Dropped instead, it leaves everything as it is.
pub trait Prepared: Send {
    /// Shows it: an [`nc_engine::api::Event::Applied`] of another dataset comes before this returns, unless the engine ends. Blocks.
    fn show(self: Box<Self>);
}

/// How the engine does, for telemetry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vitals {
    /// By stage; one without new samples is absent.
    pub stages: Vec<(&'static str, Latency)>,
    /// How many samples of each stage there were.
    pub samples: Vec<u64>,
    /// Tiles or bricks that the last picture wanted and lacked.
    pub tiles_missing: u64,
    /// Divisor and ray step of the last picture, if it leaves something out.
    pub lowered: Option<(u64, u64)>,
    /// The keyframe watchdog.
    pub watchdog: WatchdogState,
    /// Encoders that it had replaced.
    pub watchdog_resets: u64,
    /// Ops that ended without a packet since this was last asked: they changed no picture, failed, or nobody watched.
    pub ended: Vec<OpTrace>,
}

/// The engine's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("server busy")]
pub struct Busy;
