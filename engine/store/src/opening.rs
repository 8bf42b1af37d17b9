//! From what somebody wrote to an image, or to a report on what lies there.

use crate::image::Image;
use crate::place::{Location, PlaceOptions, Places, Spot};
use crate::survey::Survey;
use crate::zarr::{self, OpenError};
use nc_core::data::ImageId;

/// Opens the image at `location` without any options of places. Reads metadata only.
///
/// # Errors
/// When there is none that can be shown; each says what to do.
pub fn open(location: &str, id: ImageId) -> Result<Image, OpenError> {
    open_at(&find(location)?, id)
}

/// Opens the image at a spot. Of a collection (a plate, a well, a bioformats2raw collection) the first image is opened. Reads metadata
/// only, in as few round trips as it can; blocks.
///
/// # Errors
/// As [`open`].
pub fn open_at(spot: &Spot, id: ImageId) -> Result<Image, OpenError> {
    let image = zarr::open(spot.place.clone(), spot.key.clone(), spot.pick.as_deref(), id, false)?;
    let again = spot.clone();
    Ok(image.reopening(move || open_at(&again, id)))
}

/// As [`open_at`], with the image's label images ([`Image::labels`]) as far as they open: what does not is a warning of the image. The
/// image takes [`ImageId::SPAN`] ids from `id` on. Where metadata are far, two round trips more if there are any.
///
/// # Errors
/// As [`open`], of the image itself.
pub fn open_with_labels(spot: &Spot, id: ImageId) -> Result<Image, OpenError> {
    let image = zarr::open(spot.place.clone(), spot.key.clone(), spot.pick.as_deref(), id, true)?;
    let again = spot.clone();
    Ok(image.reopening(move || open_with_labels(&again, id)))
}

/// Tells what lies at `location`, without any options of places. Reads metadata only.
///
/// # Errors
/// When metadata cannot be read or make no sense, and when there is nothing at all. What cannot be decoded or shown is no error.
pub fn survey(location: &str) -> Result<Survey, OpenError> {
    survey_at(&find(location)?)
}

/// Tells what lies at a spot. Reads metadata only; blocks.
///
/// # Errors
/// As [`survey`].
pub fn survey_at(spot: &Spot) -> Result<Survey, OpenError> {
    zarr::survey(spot.place.clone(), spot.key.clone(), spot.pick.as_deref())
}

fn find(location: &str) -> Result<Spot, OpenError> {
    Places::new(PlaceOptions::default()).find(&Location::parse(location)?)
}
