//! The metadata document of one zarr array, as far as errors, descriptions and reports need it. Decoding is left to the codec library,
//! which reads the document again.

use super::OpenError;
use crate::ngff::ArrayFacts;
use nc_core::data::DType;
use nc_core::scene::Storage;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A document whose array can be described. Whether its elements can be shown and its codecs decoded is told by
/// [`ArrayDocument::dtype`] and seen when it is opened.
#[derive(Debug, Clone)]
pub(super) struct ArrayDocument {
    /// The file, as people may see it.
    pub(super) file: String,
    /// What is in it.
    pub(super) json: Arc<Value>,
    /// 2 or 3.
    pub(super) zarr: u8,
    /// None of the lengths is zero or beyond 32 bits.
    pub(super) shape: Vec<u64>,
    /// Shape of the smallest piece that is stored on its own, the inner chunk of a shard; none is zero.
    pub(super) chunk: Vec<u64>,
    /// The element type; `None` if it is none that can be shown.
    pub(super) known_dtype: Option<DType>,
    pub(super) dimension_names: Option<Vec<String>>,
    /// How it is kept.
    pub(super) storage: Storage,
}

/// Interprets the metadata of an array.
pub(super) fn parse(file: String, mut json: Value) -> Result<ArrayDocument, OpenError> {
    json.get_mut("codecs").map(complete);
    let wrong = |key: &str, problem: String| OpenError::Metadata { path: file.clone(), key: key.to_owned(), problem };
    let numbers = |list: Option<&Value>| -> Option<Vec<u64>> { list?.as_array()?.iter().map(Value::as_u64).collect() };
    let shape = numbers(json.get("shape"));
    let shape = shape.ok_or_else(|| wrong("shape", "is missing or not a list of sizes: restore the file".into()))?;
    if shape.contains(&0) {
        return Err(wrong("shape", format!("is {shape:?}: the array is empty, there is nothing to show")));
    }
    if let Some(n) = shape.iter().find(|&&n| n > u64::from(u32::MAX)) {
        return Err(wrong("shape", format!("holds {n}: an axis may have at most {} samples", u32::MAX)));
    }
    let v2 = json.get("zarr_format").and_then(Value::as_u64) != Some(3);
    let dtype_key = if v2 { "dtype" } else { "data_type" };
    let dtype = json.get(dtype_key).ok_or_else(|| wrong(dtype_key, "is missing: restore the file".into()))?;
    // "regular" is the only grid of v2, and the one that a level's description can express.
    if let Some(grid) = json.pointer("/chunk_grid/name").and_then(Value::as_str).filter(|&g| g != "regular") {
        return Err(wrong("chunk_grid", format!("is {grid:?}, which cannot be read: rewrite the array with a regular grid")));
    }
    // They stand between the codecs and the store, and there is none that anybody has written down.
    if json.get("storage_transformers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(wrong("storage_transformers", "cannot be undone: rewrite the array without them".into()));
    }
    let (chunk_key, stored) =
        if v2 { ("chunks", json.get("chunks")) } else { ("chunk_grid", json.pointer("/chunk_grid/configuration/chunk_shape")) };
    let fits = |chunk: &Vec<u64>| chunk.len() == shape.len() && !chunk.contains(&0);
    let stored = numbers(stored)
        .filter(fits)
        .ok_or_else(|| wrong(chunk_key, format!("is missing or not {} sizes above zero: restore the file", shape.len())))?;
    let mut storage = Storage { dtype: text(dtype), ..Storage::default() };
    let mut chunk = stored.clone();
    if v2 {
        let filters = json.get("filters").and_then(Value::as_array).into_iter().flatten();
        storage.codecs = names(filters.chain(json.get("compressor")), "id");
        storage.order = json.get("order").and_then(Value::as_str).unwrap_or("C").to_owned();
        storage.byte_order = match storage.dtype.as_bytes().first() {
            Some(b'<') => "little".to_owned(),
            Some(b'>') => "big".to_owned(),
            _ => String::new(),
        };
    } else {
        let codecs = json.get("codecs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut pipeline = Pipeline { order: "C".to_owned(), byte_order: String::new(), inner: None };
        storage.codecs = pipeline.walk(codecs, shape.len());
        (storage.order, storage.byte_order) = (pipeline.order, pipeline.byte_order);
        // Below further codecs the inner chunks cannot be reached one by one: what is decoded is the shard.
        if let Some(inner) = pipeline.inner.filter(|_| codecs.len() == 1) {
            let inner = inner.filter(fits);
            chunk =
                inner.ok_or_else(|| wrong("codecs", "hold shards without a chunk_shape that fits: restore the file".into()))?;
            storage.shard = Some(stored);
        }
    }
    let known_dtype = dtype.as_str().and_then(if v2 { dtype_v2 } else { dtype_v3 });
    if known_dtype.is_some_and(|d| d.size() == 1) {
        storage.byte_order.clear();
    }
    let dimension_names = json.get("dimension_names").and_then(Value::as_array);
    let dimension_names =
        dimension_names.and_then(|n| n.iter().map(|n| n.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    let dimension_names = dimension_names.filter(|n| n.len() == shape.len() && n.iter().all(|n| !n.trim().is_empty()));
    let zarr = if v2 { 2 } else { 3 };
    Ok(ArrayDocument { file, json: Arc::new(json), zarr, shape, chunk, known_dtype, dimension_names, storage })
}

impl ArrayDocument {
    pub(super) fn facts(&self) -> ArrayFacts {
        ArrayFacts { shape: self.shape.clone(), dimension_names: self.dimension_names.clone() }
    }

    /// What the document calls the element type.
    pub(super) fn dtype_key(&self) -> &'static str {
        if self.zarr == 2 { "dtype" } else { "data_type" }
    }

    /// The element type.
    pub(super) fn dtype(&self) -> Result<DType, OpenError> {
        let unsupported = || OpenError::UnsupportedDtype {
            path: self.file.clone(),
            key: self.dtype_key(),
            dtype: self.json.get(self.dtype_key()).map_or_else(String::new, Value::to_string),
        };
        self.known_dtype.ok_or_else(unsupported)
    }

    /// Names of the codecs for messages.
    pub(super) fn codec_names(&self) -> &str {
        if self.storage.codecs.is_empty() { "(none)" } else { &self.storage.codecs }
    }
}

/// What the codecs of v3 say about the samples, the inner ones of shards included.
struct Pipeline {
    order: String,
    byte_order: String,
    /// Whether there are shards, and the chunk shape they name.
    inner: Option<Option<Vec<u64>>>,
}

impl Pipeline {
    /// Reads a list of codecs; gives their names, in order. The bytes codec is not worth a name: it says the byte order.
    fn walk(&mut self, codecs: &[Value], ndim: usize) -> String {
        let mut said = Vec::new();
        for codec in codecs {
            let name = codec.get("name").unwrap_or(codec).as_str().unwrap_or("?");
            let setting = |key: &str| codec.pointer("/configuration").and_then(|c| c.get(key));
            match name {
                "bytes" | "endian" => {
                    if let Some(endian) = setting("endian").and_then(Value::as_str) {
                        self.byte_order = endian.to_owned();
                    }
                }
                "transpose" => {
                    let reversed = setting("order").is_some_and(|order| match order {
                        Value::String(order) => order == "F",
                        order => order.as_array().is_some_and(|o| {
                            o.len() == ndim && o.iter().rev().enumerate().all(|(i, a)| a.as_u64() == Some(i as u64))
                        }),
                    });
                    if reversed {
                        self.order = "F".to_owned();
                    }
                    said.push(name.to_owned());
                }
                "sharding_indexed" => {
                    let shape = setting("chunk_shape").and_then(Value::as_array);
                    let shape = shape.and_then(|shape| shape.iter().map(Value::as_u64).collect());
                    let inner = setting("codecs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                    let names = self.walk(inner, ndim);
                    // Shards within shards: what is decoded on its own is the outer ones' inner chunk.
                    self.inner = Some(shape);
                    said.push(if names.is_empty() { "shards".to_owned() } else { format!("shards ({names})") });
                }
                "blosc" => {
                    let inner = setting("cname").and_then(Value::as_str);
                    said.push(inner.map_or_else(|| "blosc".to_owned(), |inner| format!("blosc {inner}")));
                }
                name => said.push(name.to_owned()),
            }
        }
        said.join(", ")
    }
}

/// Writes down what numcodecs leaves out where it is the default and the codec library wants to be told: how hard a writer tried, which
/// does not matter to a reader.
fn complete(codecs: &mut Value) {
    for codec in codecs.as_array_mut().into_iter().flatten() {
        let level = codec.get("name").and_then(Value::as_str).is_some_and(|n| matches!(n, "numcodecs.zlib" | "numcodecs.bz2"));
        let Some(codec) = codec.as_object_mut() else { continue };
        if level {
            let configuration = codec.entry("configuration").or_insert_with(|| Value::Object(Map::new()));
            configuration.as_object_mut().map(|c| c.entry("level").or_insert(Value::from(1)));
        } else if let Some(inner) = codec.get_mut("configuration").and_then(|c| c.get_mut("codecs")) {
            complete(inner);
        }
    }
}

/// A JSON value as text: text as it stands.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn names<'a>(entries: impl Iterator<Item = &'a Value>, key: &str) -> String {
    let name = |e: &'a Value| {
        let name = e.get(key).unwrap_or(e).as_str()?;
        let inner = e.get("cname").and_then(Value::as_str);
        Some(inner.map_or_else(|| name.to_owned(), |inner| format!("{name} {inner}")))
    };
    entries.filter_map(name).collect::<Vec<_>>().join(", ")
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
