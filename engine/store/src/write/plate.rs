//! A plate of demo images: every field of every well is another part of the tissue.

use super::{Format, Ngff, WriteError, Written, begin, metadata, write_image};
use crate::demo::Recipe;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// How many wells and fields a plate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlateShape {
    /// Rows of wells, 1 to 26: A to Z.
    pub rows: u32,
    /// Columns of wells, 1 to 99.
    pub columns: u32,
    /// Images of each well, 1 to 100.
    pub fields: u32,
}

/// Micrometres between fields along y and x; wells are as far apart as all fields of one are. Fields may overlap.
const SPACING: [f32; 2] = [9.0, 23.0];

/// Writes a plate whose images are cut as `recipe` is. Otherwise as [`write_image`]; progress counts the objects of all images.
///
/// # Errors
/// As [`write_image`], and when the plate has no wells or more than it can name.
pub fn write_plate(
    recipe: &Recipe,
    plate: PlateShape,
    out: &Path,
    format: &Format,
    threads: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Written, WriteError> {
    let PlateShape { rows, columns, fields } = plate;
    if !(1..=26).contains(&rows) || !(1..=99).contains(&columns) || !(1..=100).contains(&fields) {
        return Err(WriteError::Format("a plate has 1 to 26 rows, 1 to 99 columns and 1 to 100 fields per well".to_owned()));
    }
    metadata::LevelWriter::new(recipe, 0, format)?;
    begin(out)?;
    let wells: Vec<(u32, u32)> = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
    let images = u64::from(rows * columns * fields);
    let mut written = Written::default();
    for (done, (row, column)) in (0u64..).zip(&wells) {
        let folder = out.join(well(*row, *column));
        for field in 0..fields {
            let image = recipe.clone().moved([
                0.0,
                SPACING[0] * (row * fields + field) as f32,
                SPACING[1] * (column * fields + field) as f32,
            ]);
            let before = done * u64::from(fields) + u64::from(field);
            let tell = |part: u64, whole: u64| progress(before * whole + part, images * whole);
            let one = write_image(&image, &folder.join(field.to_string()), format, threads, &tell)?;
            written.objects += one.objects;
            written.bytes += one.bytes;
        }
        let images: Vec<Value> = (0..fields).map(|field| json!({"path": field.to_string(), "acquisition": 0})).collect();
        put(&folder, format.ngff, json!({"well": versioned(format.ngff, json!({"images": images}))}))?;
    }
    // Between a plate and its wells zarr wants groups, too.
    for row in 0..rows {
        put(&out.join(letter(row)), format.ngff, json!({}))?;
    }
    let listed: Vec<Value> =
        wells.iter().map(|&(row, column)| json!({"path": well(row, column), "rowIndex": row, "columnIndex": column})).collect();
    let named = |names: Vec<String>| names.into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let description = json!({"name": "demo plate", "field_count": fields, "wells": listed,
        "rows": named((0..rows).map(letter).collect()),
        "columns": named((0..columns).map(|column| (column + 1).to_string()).collect()),
        "acquisitions": [{"id": 0, "name": "demo", "maximumfieldcount": fields}]});
    put(out, format.ngff, json!({"plate": versioned(format.ngff, description)}))?;
    Ok(written)
}

fn letter(row: u32) -> String {
    char::from_u32(u32::from('A') + row).unwrap_or('?').to_string()
}

fn well(row: u32, column: u32) -> String {
    format!("{}/{}", letter(row), column + 1)
}

/// Up to 0.4 each description names its version itself.
fn versioned(ngff: Ngff, mut description: Value) -> Value {
    if ngff == Ngff::V04 {
        description["version"] = json!("0.4");
    }
    description
}

fn put(folder: &Path, ngff: Ngff, attributes: Value) -> Result<(), WriteError> {
    for (name, content) in metadata::group(ngff, attributes) {
        let file = folder.join(name);
        fs::write(&file, content).map_err(WriteError::io(&file))?;
    }
    Ok(())
}
