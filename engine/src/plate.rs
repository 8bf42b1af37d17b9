//! The plate that an image was opened from: which wells it has, and a small picture of each.
//!
//! Where a plate is stays here: it may be a URL, which is nobody's business.

use crate::engine::Engine;
use nc_core::control::bootstrap;
use nc_core::data::contrast::percentile_window;
use nc_core::data::{CanvasSize, Coloring, ImageId, PlaneKey, Transfer};
use nc_core::exchange::Signal;
use nc_core::ledger::Seed;
use nc_core::scene::{Dataset, LayerControls, PlateRef};
use nc_store::place::Location;
use nc_store::survey::{Plate, Survey};
use nc_store::{Arrival, Chosen, ChosenField, Image, LoaderHandle, OpenError, Overview, Selection, ViewId};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Images whose plate is remembered: the present one, those that are being loaded, and some that clients may still ask about.
const MOST_IMAGES: usize = 8;
/// Channels that a small picture shows at most.
const MOST_CHANNELS: usize = 4;
/// Longest wait for the samples of a small picture.
const PATIENCE: Duration = Duration::from_secs(20);

/// A plate that images were opened from.
#[derive(Debug)]
pub struct OpenPlate {
    /// Tells it from every other plate that this engine opened.
    pub id: u64,
    /// What it is called.
    pub name: String,
    /// Its rows, columns and wells.
    pub plate: Plate,
    /// Where it is.
    base: Location,
    /// Paths of the fields of wells that were looked at.
    fields: Mutex<HashMap<usize, Arc<[String]>>>,
}

/// Where in a plate an image lies.
#[derive(Debug, Clone)]
pub struct PlaceInPlate {
    /// The plate.
    pub plate: Arc<OpenPlate>,
    /// Position of the well in the plate's wells.
    pub well: usize,
    /// Which field of that well.
    pub field: usize,
    /// How many fields the well has.
    pub fields: usize,
}

/// A small picture, RGB, top row first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Three bytes per pixel.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Pixels along the longer side.
    pub const EDGE: u32 = 64;
}

/// Why there is no picture of a field.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The plate has no such well, or the well no such field.
    #[error("the plate has no such field")]
    NoSuchField,
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its samples did not come, or not in time.
    #[error("the samples of this field could not be read")]
    Unreadable,
}

/// The plates of the images that were opened last.
#[derive(Debug, Default)]
pub(crate) struct Plates {
    known: Mutex<VecDeque<(ImageId, PlaceInPlate)>>,
    next: AtomicU64,
}

impl Plates {
    /// Remembers where `image` lies. A plate that is known keeps its identity and what was learnt of it.
    fn remember(&self, image: ImageId, chosen: ChosenField) {
        let ChosenField { base, name, plate, well, fields, field } = chosen;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |place: &&PlaceInPlate| place.plate.base == base && place.plate.plate == plate;
        let plate = match known.iter().map(|(_, place)| place).find(same) {
            Some(place) => Arc::clone(&place.plate),
            None => {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                Arc::new(OpenPlate { id, name, plate, base, fields: Mutex::default() })
            }
        };
        let paths: Arc<[String]> = fields.into_iter().map(|image| image.path).collect();
        let count = paths.len();
        plate.fields.lock().unwrap_or_else(PoisonError::into_inner).insert(well, paths);
        if known.len() == MOST_IMAGES {
            known.pop_front();
        }
        known.push_back((image, PlaceInPlate { plate, well, field, fields: count }));
    }

    fn of(&self, image: ImageId) -> Option<PlaceInPlate> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(id, _)| *id == image).map(|(_, place)| place.clone())
    }
}

impl OpenPlate {
    /// Where a field of a well is. Reads the well's metadata the first time.
    fn location(&self, engine: &Engine, well: usize, field: usize) -> Result<Location, PictureError> {
        let place = self.base.join(&self.plate.wells.get(well).ok_or(PictureError::NoSuchField)?.path)?;
        let known = self.fields.lock().unwrap_or_else(PoisonError::into_inner).get(&well).cloned();
        let paths = match known {
            Some(paths) => paths,
            None => {
                let found = engine.survey(&place)?.well.unwrap_or_default();
                let paths: Arc<[String]> = found.images.into_iter().map(|image| image.path).collect();
                self.fields.lock().unwrap_or_else(PoisonError::into_inner).insert(well, Arc::clone(&paths));
                paths
            }
        };
        Ok(place.join(paths.get(field).ok_or(PictureError::NoSuchField)?)?)
    }
}

impl Engine {
    /// Opens one image of what may be several: what is selected, else the first. Reads metadata only.
    ///
    /// # Errors
    /// When there is no such image, or it does not open.
    pub fn open_selected(&self, location: &Location, selection: &Selection) -> Result<Image, OpenError> {
        if selection.is_empty() {
            let image = self.open_at(location)?;
            // The first field of a plate: what more the plate has is looked up. A field that was named itself has no grid.
            let field = image.info.plate.as_ref().and_then(|_| self.choose(location, selection).ok()?.field);
            return Ok(self.placed(image, field));
        }
        let chosen = self.choose(location, selection)?;
        Ok(self.placed(self.open_at(&chosen.location)?, chosen.field))
    }

    /// The one image that is selected, or the first.
    ///
    /// # Errors
    /// When there is no such image; the error names some that there are.
    pub fn choose(&self, location: &Location, selection: &Selection) -> Result<Chosen, OpenError> {
        selection.choose(location, true, &|place| self.survey(place))
    }

    /// Tells what lies at a location, or at what is selected there. Reads metadata only.
    ///
    /// # Errors
    /// When there is no such thing, or its metadata cannot be read.
    pub fn survey_selected(&self, location: &Location, selection: &Selection) -> Result<Survey, OpenError> {
        self.survey(&selection.choose(location, false, &|place| self.survey(place))?.location)
    }

    /// Opens a field of a plate from which an image was opened: of the well that people call `well` the field of that number.
    ///
    /// # Errors
    /// As [`Self::open_selected`].
    pub fn open_field(&self, plate: &OpenPlate, well: &str, field: u32) -> Result<Image, OpenError> {
        let selection = Selection { well: Some(well.to_owned()), field: Some(field), ..Selection::default() };
        self.open_selected(&plate.base, &selection)
    }

    /// The image, knowing where in a plate it lies.
    fn placed(&self, mut image: Image, field: Option<ChosenField>) -> Image {
        if let Some(field) = field {
            let place = PlateRef { plate: field.name.clone(), well: field.well_path().to_owned(), field: field.field };
            Arc::make_mut(&mut image.info).plate = Some(place);
            self.plates().remember(image.info.id, field);
        }
        image
    }

    /// Where in a plate an image lies, if it was opened from one not long ago.
    pub fn place_in_plate(&self, image: ImageId) -> Option<PlaceInPlate> {
        self.plates().of(image)
    }

    /// A small picture of a field: the channels that are shown at first, of the coarsest level, after everything that views want. Blocks.
    ///
    /// # Errors
    /// When there is no such field or it cannot be read.
    pub fn picture(&self, plate: &OpenPlate, well: usize, field: usize) -> Result<Picture, PictureError> {
        let image = self.open_alone(&plate.location(self, well, field)?)?;
        let view = self.view_id();
        let loader = self.loader().handle();
        let picture = draw(&image, &loader, view);
        loader.detach(view);
        loader.forget(image.info.id);
        picture.ok_or(PictureError::Unreadable)
    }
}

/// The channels of `image` that are shown at first, on top of each other as the scene would show them.
fn draw(image: &Image, loader: &LoaderHandle, view: ViewId) -> Option<Picture> {
    let dataset = Arc::new(Dataset::new(Arc::clone(&image.info)));
    let edge = CanvasSize { width: Picture::EDGE, height: Picture::EDGE };
    let Seed { controls, step, .. } = bootstrap::seed(Arc::clone(&dataset), edge, &[]);
    let shown: Vec<usize> = (0..controls.len()).filter(|&n| controls[n].visible).take(MOST_CHANNELS).collect();
    let (level, row, col) = (dataset.level_count() - 1, dataset.ndim() - 2, dataset.ndim() - 1);
    let plane = |&n: &usize| dataset.layer_image(&dataset.layers[n]).plane(level, row, col, &step);
    let planes: Vec<PlaneKey> = shown.iter().filter_map(plane).collect();
    let overviews = read(image, loader, view, &planes);
    let layers: Vec<(Coloring, &Overview)> = shown
        .iter()
        .zip(&planes)
        .filter_map(|(&n, plane)| {
            let overview = overviews.get(plane)?;
            let layer = &dataset.layers[n];
            let window = dataset.channel(layer).and_then(|channel| channel.window);
            let scalar = || transfer(&controls[n], window.unwrap_or_else(|| percentile_window(&overview.samples)));
            Some((layer.labels.clone().map_or_else(|| Coloring::Scalar(scalar()), Coloring::Labels), overview))
        })
        .collect();
    let (_, first) = layers.first()?;
    let (width, height) = (first.width, first.height);
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for at in 0..(width * height) as usize {
        let mut sum = [0.0f32; 3];
        for (coloring, overview) in &layers {
            let [r, g, b, a] = coloring.color(overview.samples.get(at).copied().unwrap_or(f32::NAN));
            for (sum, part) in sum.iter_mut().zip([r, g, b]) {
                *sum += part * a;
            }
        }
        rgb.extend(sum.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8));
    }
    Some(Picture { width, height, rgb })
}

fn transfer(controls: &LayerControls, window: (f64, f64)) -> Transfer {
    Transfer { limits: (window.0 as f32, window.1 as f32), gamma: controls.gamma as f32, table: Arc::clone(&controls.colormap) }
}

/// What comes of the planes within [`PATIENCE`].
fn read(image: &Image, loader: &LoaderHandle, view: ViewId, planes: &[PlaneKey]) -> HashMap<PlaneKey, Overview> {
    let signal = Arc::new(Signal::default());
    let wake = Arc::clone(&signal);
    loader.attach(view, Arc::new(move || wake.notify()));
    for plane in planes {
        loader.request_overview(view, image, *plane, Picture::EDGE);
    }
    let deadline = Instant::now() + PATIENCE;
    let (mut answered, mut read) = (0, HashMap::new());
    while answered < planes.len() && Instant::now() < deadline {
        for arrival in loader.take_arrivals(view) {
            if let Arrival::Overview { plane, overview } = arrival {
                answered += 1;
                read.extend(overview.ok().map(|overview| (plane, overview)));
            }
        }
        if answered < planes.len() {
            signal.wait(Some(deadline), Instant::now);
        }
    }
    read
}
