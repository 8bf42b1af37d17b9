//! `napari.load_zarr`: another image for everyone.

use super::paths::{Place, Refused, leads_out};
use super::{Done, Failure, Outcome, argument};
use crate::hub::Hub;
use nc_engine::places::{Location, PlaceErrorKind};
use nc_engine::{LoadError, OpenError, browse};
use nc_protocol::command::Call;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Opens the image; it is shown once the reply is said. Until then, and if it does not open, everything is as before.
pub(super) fn run(hub: &Hub, call: &Call) -> Outcome {
    let path = argument(call, "path").and_then(Value::as_str).filter(|path| !path.trim().is_empty());
    let path = path.ok_or_else(|| Failure::new("command.invalid", "path must be a string that names an image"))?;
    // What is told of where it is: the place that was found, or what was asked for.
    let (location, told) = match hub.commands().root.admit(path).map_err(|refused| Failure::refused(refused, path))? {
        Place::Local { path: place, inside, pick, root } => {
            let image = the_only_dataset(hub, root, place, path)?;
            if leads_out(root, &image) {
                return Err(Failure::refused(Refused::Forbidden, path));
            }
            let image = image.join(inside).to_string_lossy().trim_end_matches('/').to_owned();
            (Location::local(&image).picking(pick).below(root), image)
        }
        Place::Remote(location) => (location, path.to_owned()),
    };
    let engine = hub.engine().ok_or_else(|| Failure::new("command.retryable", "the server is not ready"))?;
    let prepared = engine.prepare(&location).map_err(|error| failure(&error, path, &told))?;
    Ok(Done { result: Some(json!({ "ok": true })), after: Some(Box::new(move || prepared.show())) })
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
