//! The plate of the image that is shown, as the viewer draws it: what it holds, and small pictures of its fields.
//!
//! Where the plate is is known to the engine alone: what is asked for here are positions, and nothing that is said holds a location.

use nc_engine::{OpenPlate, Picture, PictureError, PlaceInPlate};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Engine;

/// Pictures that are kept, 1 to 12 KiB each.
const KEPT: usize = 512;
/// Pictures in the making: each waits for reads, and holds a thread for that.
const AT_WORK: usize = 3;

/// `/plate.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    /// What pictures are asked for with.
    id: u64,
    name: &'a str,
    rows: &'a [String],
    columns: &'a [String],
    wells: Vec<WellEntry<'a>>,
    /// The most fields of a well, if the file says.
    field_count: Option<u64>,
    /// Path of the well that is shown.
    well: &'a str,
    /// Which of its fields.
    field: usize,
    /// How many fields that well has.
    fields: usize,
}

#[derive(Debug, Serialize)]
struct WellEntry<'a> {
    path: &'a str,
    row: usize,
    column: usize,
}

/// What names a picture: the plate, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct PictureOf {
    plate: u64,
    row: usize,
    column: usize,
    field: usize,
}

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPicture {
    /// Another plate is shown, or it has no such field.
    Unknown,
    /// It could not be made.
    Failed,
}

/// The pictures that were made, and room to make more.
pub(crate) struct Pictures {
    made: Cache<PictureOf, Arc<[u8]>>,
    room: Arc<Semaphore>,
}

impl Pictures {
    pub(crate) fn new() -> Self {
        Self { made: Cache::new(KEPT), room: Arc::new(Semaphore::new(AT_WORK)) }
    }

    /// A picture that is made already.
    pub(crate) fn made(&self, of: PictureOf) -> Option<Arc<[u8]>> {
        self.made.get(&of)
    }

    /// Waits for room to make one.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    /// Makes a picture, or waits for who makes it already. Blocks.
    pub(crate) fn make(&self, engine: &dyn Engine, of: PictureOf) -> Result<Arc<[u8]>, NoPicture> {
        let place = engine.plate().filter(|place| place.plate.id == of.plate).ok_or(NoPicture::Unknown)?;
        let well = well_at(&place.plate, of).ok_or(NoPicture::Unknown)?;
        self.made.get_or_insert_with(&of, || match engine.picture(&place.plate, well, of.field) {
            Ok(picture) => png(&picture).ok_or(NoPicture::Failed),
            Err(PictureError::NoSuchField) => Err(NoPicture::Unknown),
            Err(error) => {
                tracing::warn!(%error, well = place.plate.plate.wells[well].path, field = of.field, "no picture of a field");
                Err(NoPicture::Failed)
            }
        })
    }
}

fn well_at(plate: &OpenPlate, of: PictureOf) -> Option<usize> {
    plate.plate.wells.iter().position(|well| (well.row, well.column) == (of.row, of.column))
}

/// What the viewer needs to draw the grid.
pub(crate) fn document(place: &PlaceInPlate) -> Document<'_> {
    let plate = &place.plate.plate;
    let well = |well: usize| plate.wells.get(well).map_or("", |well| well.path.as_str());
    Document {
        id: place.plate.id,
        name: &place.plate.name,
        rows: &plate.rows,
        columns: &plate.columns,
        wells: plate.wells.iter().map(|well| WellEntry { path: &well.path, row: well.row, column: well.column }).collect(),
        field_count: plate.field_count,
        well: well(place.well),
        field: place.field,
        fields: place.fields,
    }
}

fn png(picture: &Picture) -> Option<Arc<[u8]>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&picture.rgb)).ok()?;
    Some(bytes.into())
}
