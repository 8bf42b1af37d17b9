//! `napari.load_zarr`: another image for everyone.

use super::paths::{Place, Refused, leads_out};
use super::{Done, Failure, Outcome, argument};
use crate::engine::{Engine, Prepared};
use crate::hub::Hub;
use nc_engine::places::{Location, PlaceErrorKind};
use nc_engine::survey::{Kind, Survey};
use nc_engine::{LoadError, OpenError, Selection, browse};
use nc_protocol::command::Call;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Choices that a client is offered at most.
const MOST_CHOICES: usize = 32;

/// Opens the image; it is shown once the reply is said. Until then, and if it does not open, everything is as before.
pub(super) fn run(hub: &Hub, call: &Call) -> Outcome {
    let selection = selection(call)?;
    let engine = hub.engine().ok_or_else(|| Failure::new("command.retryable", "the server is not ready"))?;
    if argument(call, "path").is_none() && !selection.is_empty() {
        return of_the_plate(&*engine, &selection).map(shown);
    }
    let path = argument(call, "path").and_then(Value::as_str).filter(|path| !path.trim().is_empty());
    let path = path.ok_or_else(|| Failure::new("command.invalid", "path must be a string that names an image"))?;
    let admitted = hub.commands().root.admit(path).map_err(|refused| Failure::refused(refused, path))?;
    // What is told of where it is: the place that was found, or what was asked for.
    let (location, told) = match admitted {
        Place::Local { path: place, inside, pick, root } => {
            let many = browse::is_dataset(&place) || place.is_file();
            let found = if many { None } else { engine.survey(&Location::local(&place.to_string_lossy()).below(root)).ok() };
            let image = match (&selection, found) {
                (selection, _) if !selection.is_empty() => place,
                (_, Some(Survey { kind: Kind::Well, .. })) => {
                    let (place, selection) = of_its_plate(&*engine, &place, root);
                    return select(hub, &*engine, &place, root, &selection, path).map(shown);
                }
                (_, Some(found)) => match choices(found, &place, path) {
                    Some(several) => return Err(several),
                    None => the_only_dataset(hub, root, place, path)?,
                },
                (_, None) => the_only_dataset(hub, root, place, path)?,
            };
            if leads_out(root, &image) {
                return Err(Failure::refused(Refused::Forbidden, path));
            }
            if !selection.is_empty() && inside.as_os_str().is_empty() {
                return select(hub, &*engine, &image, root, &selection, path).map(shown);
            }
            let image = image.join(inside).to_string_lossy().trim_end_matches('/').to_owned();
            (Location::local(&image).picking(pick).below(root), image)
        }
        Place::Remote(location) => (location, path.to_owned()),
    };
    engine.prepare(&location, &selection).map(shown).map_err(|error| failure(&error, path, &told))
}

fn shown(prepared: Box<dyn Prepared>) -> Done {
    Done { result: Some(json!({ "ok": true })), after: Some(Box::new(move || prepared.show())) }
}

/// What the call chooses of a place that holds several images. These arguments are ours: the protocol knows `path` alone.
fn selection(call: &Call) -> Result<Selection, Failure> {
    let text = |name: &str| match argument(call, name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
        Some(Value::Number(number)) if name == "image" => Ok(Some(number.to_string())),
        Some(_) => Err(Failure::new("command.invalid", format!("{name} must be a string that names one"))),
    };
    let number = |name: &str| match argument(call, name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| Failure::new("command.invalid", format!("{name} must be a number, counted from 0"))),
    };
    Ok(Selection { image: text("image")?, series: number("series")?, well: text("well")?, field: number("field")? })
}

/// A field of the plate that the present image is of. The client need not know where that is, and may not, where it is a secret.
fn of_the_plate(engine: &dyn Engine, selection: &Selection) -> Result<Box<dyn Prepared>, Failure> {
    let (Selection { image: None, series: None, well: Some(well), field }, Some(place)) = (selection, engine.plate()) else {
        return Err(Failure::new(
            "command.invalid",
            "without a path only well and field of the plate that is shown can be chosen",
        ));
    };
    engine.prepare_field(&place.plate, well, field.unwrap_or(0)).map_err(|error| Failure::new("zarr.invalid", error.to_string()))
}

/// The plate that the well at `place` is listed in, with that well chosen; without one above it the well, with its first field chosen.
fn of_its_plate(engine: &dyn Engine, place: &Path, root: &Path) -> (PathBuf, Selection) {
    let above = place.parent().and_then(Path::parent).filter(|above| above.starts_with(root));
    let listed = above.and_then(|above| {
        let well = place.strip_prefix(above).ok()?.to_string_lossy().into_owned();
        let plate = engine.survey(&Location::local(&above.to_string_lossy()).below(root)).ok()?.plate?;
        let listed = plate.wells.iter().any(|other| other.path == well);
        listed.then(|| (above.to_path_buf(), Selection { well: Some(well), ..Selection::default() }))
    });
    listed.unwrap_or_else(|| (place.to_path_buf(), Selection { field: Some(0), ..Selection::default() }))
}

/// What is selected at a local place, if that lies where the client may look, too: there may be a link on the way.
fn select(
    hub: &Hub,
    engine: &dyn Engine,
    place: &Path,
    root: &Path,
    selection: &Selection,
    path: &str,
) -> Result<Box<dyn Prepared>, Failure> {
    let (location, told) = (Location::local(&place.to_string_lossy()).below(root), place.to_string_lossy());
    let chosen = engine.choose(&location, selection).map_err(|error| failure(&error.into(), path, &told))?;
    match hub.commands().root.admit(&place.join(&chosen.path).to_string_lossy()) {
        Ok(Place::Local { path: image, root, .. }) if !leads_out(root, &image) => {}
        Ok(_) => return Err(Failure::refused(Refused::Forbidden, path)),
        Err(refused) => return Err(Failure::refused(refused, path)),
    }
    engine.prepare(&location, selection).map_err(|error| failure(&error, path, &told))
}

/// What a client may choose from, of a place that holds several images.
fn choices(found: Survey, place: &Path, path: &str) -> Option<Failure> {
    let (what, there): (&str, Vec<String>) = match found.kind {
        Kind::Plate => ("wells", found.plate?.wells.into_iter().map(|well| well.path).collect()),
        Kind::Series => ("images", found.series),
        Kind::Labels => ("label images", found.labels.into_iter().map(|label| label.name).collect()),
        _ => return None,
    };
    if there.is_empty() {
        return None;
    }
    let options: Vec<&String> = there.iter().take(MOST_CHOICES).collect();
    Some(Failure {
        code: "zarr.disambiguate",
        message: format!("{path}: holds {} {what}; choose one of them", there.len()),
        details: Some(json!({ "path": place.to_string_lossy(), "options": options })),
    })
}

/// `place` itself, or the one dataset below it. A place that holds none is given back: what it is instead, opening it tells.
fn the_only_dataset(hub: &Hub, root: &Path, place: PathBuf, path: &str) -> Result<PathBuf, Failure> {
    if browse::is_dataset(&place) || place.is_file() {
        return Ok(place);
    }
    let found = browse::datasets(root, &place);
    match &found[..] {
        [] => Ok(place),
        // By the same door: there may be a link on the way.
        [only] => match hub.commands().root.admit(&place.join(only).to_string_lossy()) {
            Ok(Place::Local { path: dataset, .. }) => Ok(dataset),
            Ok(Place::Remote(_)) => Err(Failure::refused(Refused::Forbidden, path)),
            Err(refused) => Err(Failure::refused(refused, path)),
        },
        several => Err(Failure {
            code: "zarr.disambiguate",
            message: format!("{path}: holds {} images; choose one of them", count(several)),
            details: Some(json!({ "path": place.to_string_lossy(), "options": several })),
        }),
    }
}

fn count(found: &[String]) -> String {
    if found.len() < browse::MOST_DATASETS { found.len().to_string() } else { format!("{} or more", found.len()) }
}

fn failure(error: &LoadError, path: &str, location: &str) -> Failure {
    match error {
        LoadError::Open(OpenError::Place { error: cause, .. }) => match cause.kind {
            PlaceErrorKind::Denied => Failure::at("fs.forbidden", error.to_string(), path),
            _ if cause.retriable() => Failure::at("command.retryable", error.to_string(), path),
            _ => Failure::at("zarr.invalid", error.to_string(), location),
        },
        LoadError::Open(OpenError::Missing { .. }) => Failure::at("fs.not_found", error.to_string(), path),
        LoadError::Open(OpenError::Unreadable { error: cause, .. }) if cause.kind() == ErrorKind::PermissionDenied => {
            Failure::at("fs.forbidden", error.to_string(), path)
        }
        _ => Failure::at("zarr.invalid", error.to_string(), location),
    }
}
