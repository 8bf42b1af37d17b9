//! The metadata file of one zarr array, as far as errors and descriptions need it. How chunks decode is for the codec library to say.

use super::OpenError;
use super::survey::read_json;
use crate::ngff::ArrayFacts;
use nc_core::data::DType;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(super) struct ArrayDocument {
    /// The metadata file.
    pub(super) file: PathBuf,
    /// None of the lengths is zero or beyond 32 bits.
    pub(super) shape: Vec<u64>,
    pub(super) dtype: DType,
    /// What the file calls the element type.
    pub(super) dtype_key: &'static str,
    pub(super) dimension_names: Option<Vec<String>>,
    /// All that the file says, for the codec library.
    pub(super) json: Value,
    /// Names of the codecs, outermost last, for messages.
    pub(super) codecs: String,
}

/// Reads the array metadata in `folder`, v3 before v2; `None` if there is no array.
pub(super) fn read(folder: &Path) -> Result<Option<ArrayDocument>, OpenError> {
    let v3 = folder.join("zarr.json");
    if let Some(json) = read_json(&v3)? {
        return if json.get("node_type").and_then(Value::as_str) == Some("array") {
            parse(v3, &json).map(Some)
        } else {
            Ok(None)
        };
    }
    let v2 = folder.join(".zarray");
    read_json(&v2)?.map(|json| parse(v2, &json)).transpose()
}

/// Interprets the metadata of an array.
pub(super) fn parse(file: PathBuf, json: &Value) -> Result<ArrayDocument, OpenError> {
    let wrong = |key: &str, problem: String| OpenError::Metadata { path: file.clone(), key: key.to_owned(), problem };
    let shape = json.get("shape").and_then(Value::as_array).and_then(|s| s.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
    let shape = shape.ok_or_else(|| wrong("shape", "is missing or not a list of sizes: restore the file".into()))?;
    if shape.contains(&0) {
        return Err(wrong("shape", format!("is {shape:?}: the array is empty, there is nothing to show")));
    }
    if let Some(n) = shape.iter().find(|&&n| n > u64::from(u32::MAX)) {
        return Err(wrong("shape", format!("holds {n}: an axis may have at most {} samples", u32::MAX)));
    }
    let v2 = json.get("zarr_format").and_then(Value::as_u64) != Some(3);
    let dtype_key = if v2 { "dtype" } else { "data_type" };
    let name = json.get(dtype_key).ok_or_else(|| wrong(dtype_key, "is missing: restore the file".into()))?;
    let dtype = name.as_str().and_then(if v2 { dtype_v2 } else { dtype_v3 });
    let unsupported = || OpenError::UnsupportedDtype { path: file.clone(), key: dtype_key, dtype: name.to_string() };
    let dtype = dtype.ok_or_else(unsupported)?;
    let codecs = if v2 {
        let filters = json.get("filters").and_then(Value::as_array).into_iter().flatten();
        names(filters.chain(json.get("compressor")), "id")
    } else {
        names(json.get("codecs").and_then(Value::as_array).into_iter().flatten(), "name")
    };
    // "regular" is the only grid of v2, and the one that a level's description can express.
    if let Some(grid) = json.pointer("/chunk_grid/name").and_then(Value::as_str).filter(|&g| g != "regular") {
        return Err(wrong("chunk_grid", format!("is {grid:?}, which cannot be read: rewrite the array with a regular grid")));
    }
    let dimension_names = json.get("dimension_names").and_then(Value::as_array);
    let dimension_names =
        dimension_names.and_then(|n| n.iter().map(|n| n.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    let dimension_names = dimension_names.filter(|n| n.len() == shape.len() && n.iter().all(|n| !n.trim().is_empty()));
    Ok(ArrayDocument { shape, dtype, dtype_key, dimension_names, json: json.clone(), codecs, file })
}

impl ArrayDocument {
    pub(super) fn facts(&self) -> ArrayFacts {
        ArrayFacts { shape: self.shape.clone(), dimension_names: self.dimension_names.clone() }
    }
}

fn names<'a>(entries: impl Iterator<Item = &'a Value>, key: &str) -> String {
    let name = |e: &'a Value| e.get(key).unwrap_or(e).as_str().map(str::to_owned);
    let names: Vec<String> = entries.filter_map(name).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}

fn dtype_v3(name: &str) -> Option<DType> {
    let all = [
        DType::Bool,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
    ];
    all.into_iter().find(|d| d.numpy_name() == name)
}

/// numpy's short form: byte order, kind, bytes.
fn dtype_v2(name: &str) -> Option<DType> {
    Some(match name.trim_start_matches(['<', '>', '|', '=']) {
        "b1" => DType::Bool,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        _ => return None,
    })
}
