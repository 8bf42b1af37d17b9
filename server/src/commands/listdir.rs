//! `fs.listdir`: a directory for a file dialog.

use super::paths::{Place, shown as shown_url};
use super::{Done, Failure, Outcome, argument};
use crate::hub::Hub;
use nc_engine::browse::{self, Entry, Listing};
use nc_protocol::command::Call;
use serde::Serialize;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What files are listed when nobody says.
const USUAL_SUFFIX: &str = ".zarr";

pub(super) fn run(hub: &Hub, call: &Call) -> Outcome {
    let path = match argument(call, "path") {
        None => "",
        Some(Value::String(path)) => path,
        Some(_) => return Err(Failure::new("command.invalid", "path must be a string or null")),
    };
    let show_hidden = match argument(call, "show_hidden") {
        None => false,
        Some(Value::Bool(show)) => *show,
        Some(_) => return Err(Failure::new("command.invalid", "show_hidden must be true or false")),
    };
    let suffixes = suffixes(argument(call, "only"))?;
    let (folder, root) = match hub.commands().root.admit(path).map_err(|refused| Failure::refused(refused, path))? {
        Place::Local { path, root, .. } => (path, root),
        Place::Remote(_) => return Err(Failure::at("fs.not_found", format!("{}: URLs cannot be listed", shown_url(path)), path)),
    };
    match browse::list(root, &folder, show_hidden, &suffixes) {
        Ok(listing) => Ok(Done { result: Some(shown(&folder, listing)), after: None }),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => Failure::at("fs.not_found", format!("{path}: no such directory"), path),
            ErrorKind::NotADirectory => Failure::at("fs.not_found", format!("{path}: not a directory"), path),
            ErrorKind::PermissionDenied => Failure::at("fs.forbidden", format!("{path}: may not be read"), path),
            _ => Failure::at("command.retryable", format!("{path}: cannot be read ({error})"), path),
        }),
    }
}

/// Endings of the files that are wanted; of an empty list all are.
fn suffixes(only: Option<&Value>) -> Result<Vec<String>, Failure> {
    let invalid = || Failure::new("command.invalid", "only must be a list of suffixes");
    match only {
        None => Ok(vec![USUAL_SUFFIX.to_owned()]),
        Some(Value::Array(list)) => list.iter().map(|suffix| suffix.as_str().map(str::to_owned).ok_or_else(invalid)).collect(),
        Some(_) => Err(invalid()),
    }
}

/// As PROTOCOL §7 wants it.
#[derive(Serialize)]
struct ShownEntry {
    name: String,
    path: String,
    is_dir: bool,
    size: u64,
    /// Unix seconds; 0 where the file system does not say.
    mtime: f64,
    zarr_metadata: Option<ShownFolder>,
}

#[derive(Serialize)]
struct ShownFolder {
    is_dataset: bool,
    has_multiscales: bool,
    dataset_children: Vec<String>,
}

fn shown(folder: &Path, Listing { entries, has_more }: Listing) -> Value {
    let entries: Vec<ShownEntry> = entries.into_iter().map(shown_entry).collect();
    serde_json::json!({ "path": folder.to_string_lossy(), "entries": entries, "has_more": has_more })
}

fn shown_entry(Entry { name, path, size, modified, folder }: Entry) -> ShownEntry {
    let seconds = |at: std::time::SystemTime| match at.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    };
    ShownEntry {
        name,
        path: path.to_string_lossy().into_owned(),
        is_dir: folder.is_some(),
        size,
        mtime: modified.map_or(0.0, seconds),
        zarr_metadata: folder.map(|folder| ShownFolder {
            is_dataset: folder.is_dataset,
            has_multiscales: folder.has_multiscales,
            dataset_children: folder.children,
        }),
    }
}
