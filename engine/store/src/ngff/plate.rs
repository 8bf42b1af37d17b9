//! High-content screening: plates, their wells, and the fields of a well.

use super::MetadataError;
use serde::Serialize;
use serde_json::Value;

/// Wells that a plate may list; the largest real ones have 3456.
const MOST_WELLS: usize = 1 << 16;
/// Fields that a well may list.
const MOST_FIELDS: usize = 1 << 16;

/// A plate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plate {
    /// Name shown to people, if the file says.
    pub name: Option<String>,
    /// Names of the rows, top first.
    pub rows: Vec<String>,
    /// Names of the columns, left first.
    pub columns: Vec<String>,
    /// The wells that hold something, in file order.
    pub wells: Vec<PlateWell>,
    /// When it was imaged.
    pub acquisitions: Vec<Acquisition>,
    /// The largest number of fields of a well, if the file says.
    pub field_count: Option<u64>,
}

/// A well, as its plate lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlateWell {
    /// Path within the plate ("B/03").
    pub path: String,
    /// Position in [`Plate::rows`].
    pub row: usize,
    /// Position in [`Plate::columns`].
    pub column: usize,
}

/// One run over the plate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acquisition {
    /// What the images of wells refer to.
    pub id: u64,
    /// Name shown to people, if the file says.
    pub name: Option<String>,
}

/// A well, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Well {
    /// The fields, in file order.
    pub images: Vec<WellImage>,
}

/// A field of a well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WellImage {
    /// Path within the well ("0").
    pub path: String,
    /// The acquisition it comes from, if the file says.
    pub acquisition: Option<u64>,
}

/// Reads a plate's entry. A well without indices has those of the row and column that its path names; a well that has a place in no
/// way is left out with a warning.
pub(super) fn plate(entry: &Value, warnings: &mut Vec<String>) -> Result<Plate, MetadataError> {
    let list = |key: &str| entry.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let wells = entry.get("wells").and_then(Value::as_array);
    let wells =
        wells.ok_or_else(|| MetadataError::new("plate.wells", "is missing or not a list: list the wells by their paths"))?;
    let names =
        |key: &str| list(key).iter().map(|e| text(e, "name").or_else(|| e.as_str().map(str::to_owned)).unwrap_or_default());
    let (mut rows, mut columns): (Vec<String>, Vec<String>) = (names("rows").collect(), names("columns").collect());
    if wells.len() > MOST_WELLS {
        warnings.push(format!("plate.wells lists {} wells; the first {MOST_WELLS} are shown", wells.len()));
    }
    let mut read = Vec::new();
    for (i, well) in wells.iter().take(MOST_WELLS).enumerate() {
        let Some(path) = text(well, "path").map(|p| p.trim_matches('/').to_owned()).filter(|p| !p.is_empty()) else {
            warnings.push(format!("plate.wells[{i}].path is missing; the well is left out"));
            continue;
        };
        let index = |key: &str| well.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let parts = path.split_once('/');
        let row = place(index("rowIndex"), parts.map(|p| p.0), &mut rows);
        let column = place(index("columnIndex"), parts.map(|p| p.1), &mut columns);
        match (row, column) {
            (Some(row), Some(column)) => read.push(PlateWell { path, row, column }),
            _ => warnings.push(format!("plate.wells[{i}] ({path:?}) has no place in the rows and columns and is left out")),
        }
    }
    let acquisitions = list("acquisitions").iter().filter_map(|a| {
        Some(Acquisition { id: a.get("id").and_then(Value::as_u64)?, name: text(a, "name").filter(|n| !n.trim().is_empty()) })
    });
    Ok(Plate {
        name: text(entry, "name").filter(|n| !n.trim().is_empty()),
        acquisitions: acquisitions.collect(),
        field_count: entry.get("field_count").and_then(Value::as_u64),
        wells: read,
        rows,
        columns,
    })
}

/// Where a well lies in one direction: its index if that is in range, else the position of its name, which is added if the plate does
/// not list it.
fn place(index: Option<usize>, name: Option<&str>, names: &mut Vec<String>) -> Option<usize> {
    let named = name.and_then(|name| names.iter().position(|n| n == name));
    if let Some(index) = index.filter(|&i| i < names.len()) {
        return Some(index);
    }
    named.or_else(|| {
        let name = name.filter(|n| !n.is_empty() && names.len() < MOST_WELLS)?;
        names.push(name.to_owned());
        Some(names.len() - 1)
    })
}

/// Reads a well's entry.
pub(super) fn well(entry: &Value, warnings: &mut Vec<String>) -> Result<Well, MetadataError> {
    let images = entry.get("images").and_then(Value::as_array);
    let images =
        images.ok_or_else(|| MetadataError::new("well.images", "is missing or not a list: list the fields by their paths"))?;
    let mut read = Vec::new();
    for (i, image) in images.iter().take(MOST_FIELDS).enumerate() {
        // Some writers give the path as a number.
        let path = image.get("path").unwrap_or(image);
        let path = path.as_str().map(str::to_owned).or_else(|| path.as_u64().map(|n| n.to_string()));
        match path.map(|p| p.trim_matches('/').to_owned()).filter(|p| !p.is_empty()) {
            Some(path) => read.push(WellImage { path, acquisition: image.get("acquisition").and_then(Value::as_u64) }),
            None => warnings.push(format!("well.images[{i}].path is missing; the field is left out")),
        }
    }
    Ok(Well { images: read })
}
