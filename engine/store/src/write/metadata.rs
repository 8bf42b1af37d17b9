//! The metadata of written images, and the encoding that goes with them: both come from one description, so they cannot disagree.

use super::{Codec, Format, LARGEST_OBJECT, Ngff, WriteError};
use crate::demo::{Demo, Recipe};
use nc_core::data::ImageId;
use nc_core::scene::AxisKind;
use serde_json::{Value, json};
use std::num::NonZeroU64;
use std::sync::Arc;
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArrayToBytesCodecTraits, CodecOptions};

/// One level: its array, without a place to keep it.
pub(super) struct LevelWriter {
    array: Array<()>,
    document: Value,
    level: u32,
    ndim: usize,
    /// Samples along t, c, z, y and x.
    shape: [u64; 5],
    /// Samples of a stored object.
    object: [u64; 5],
}

impl LevelWriter {
    pub(super) fn new(recipe: &Recipe, level: u32, format: &Format) -> Result<Self, WriteError> {
        let chunk = recipe.chunk();
        let ndim = chunk.len();
        let mut object = [1; 5];
        object[5 - ndim..].copy_from_slice(&chunk);
        if let Some(shard) = format.shard {
            object[2..].copy_from_slice(&shard);
            check_shard(&chunk, &recipe.own(object), format.ngff)?;
        }
        if object.iter().try_fold(1u64, |n, &s| n.checked_mul(s)).is_none_or(|n| n > LARGEST_OBJECT) {
            return Err(WriteError::Format(format!("a shard may have at most {LARGEST_OBJECT} samples, not {:?}", &object[2..])));
        }
        check_effort(format)?;
        let (shape, stored) = (recipe.shape(level), recipe.own(object));
        let document = match format.ngff {
            Ngff::V04 => array_v2(&shape, &stored, format),
            Ngff::V05 => array_v3(recipe, &shape, &stored, &chunk, format),
        };
        let unfit = |error: &dyn std::fmt::Display| WriteError::Format(format!("this image cannot be encoded: {error}"));
        let metadata: ArrayMetadata = serde_json::from_value(document.clone()).map_err(|error| unfit(&error))?;
        let array = Array::new_with_metadata(Arc::new(()), "/", metadata).map_err(|error| unfit(&error))?;
        Ok(Self { array, document, level, ndim, shape: recipe.whole(level), object })
    }

    /// The content of the array's metadata file.
    pub(super) fn document(&self) -> String {
        format!("{:#}\n", self.document)
    }

    /// Samples along t, c, z, y and x.
    pub(super) fn shape(&self) -> [u64; 5] {
        self.shape
    }

    /// Samples of a stored object along the same.
    pub(super) fn object(&self) -> [u64; 5] {
        self.object
    }

    /// The places of all objects, as half-open ranges.
    pub(super) fn grid(&self) -> [(u64, u64); 5] {
        std::array::from_fn(|axis| (0, self.shape[axis].div_ceil(self.object[axis])))
    }

    /// Where an object is kept, relative to the level.
    pub(super) fn key(&self, at: [u64; 5]) -> String {
        self.array.chunk_key(&at[5 - self.ndim..]).to_string()
    }

    /// Makes and encodes an object. What lies beyond the level is zero, the fill value.
    pub(super) fn encode(&self, demo: &Demo, at: [u64; 5]) -> Result<Vec<u8>, WriteError> {
        let start: [u64; 5] = std::array::from_fn(|axis| at[axis] * self.object[axis]);
        let whole = [2, 3, 4].map(|axis| self.object[axis] as usize);
        let part = [2, 3, 4].map(|axis| (self.object[axis].min(self.shape[axis] - start[axis])) as usize);
        let counts = demo.counts(self.level, start, part);
        let samples = if part == whole { counts } else { padded(&counts, part, whole) };
        let bytes: Vec<u8> = samples.iter().flat_map(|v| v.to_ne_bytes()).collect();
        let shape: Vec<NonZeroU64> = self.object[5 - self.ndim..].iter().filter_map(|&n| NonZeroU64::new(n)).collect();
        let (data_type, fill) = (self.array.data_type(), self.array.fill_value());
        let encoded = self.array.codecs().encode(ArrayBytes::new_flen(bytes), &shape, data_type, fill, &CodecOptions::default());
        encoded
            .map(std::borrow::Cow::into_owned)
            .map_err(|error| WriteError::Format(format!("a chunk cannot be encoded: {error}")))
    }
}

fn check_shard(chunk: &[u64], shard: &[u64], ngff: Ngff) -> Result<(), WriteError> {
    if ngff == Ngff::V04 {
        return Err(WriteError::Format("zarr v2 has no shards: write OME-Zarr 0.5, or leave them out".to_owned()));
    }
    if shard.iter().zip(chunk).any(|(&shard, &chunk)| shard == 0 || shard % chunk != 0) {
        return Err(WriteError::Format(format!(
            "a shard must be a multiple of the chunk {chunk:?} along every axis, not {shard:?}"
        )));
    }
    Ok(())
}

fn check_effort(format: &Format) -> Result<(), WriteError> {
    let Some(effort) = format.effort else { return Ok(()) };
    let (name, allowed) = match format.codec {
        Codec::None => ("no codec", 0..=0),
        Codec::BloscLz4 | Codec::BloscZstd => ("blosc", 0..=9),
        Codec::Zstd => ("zstd", 1..=22),
        Codec::Gzip => ("gzip", 0..=9),
    };
    if allowed.contains(&effort) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    Err(WriteError::Format(format!("{name} has levels {least} to {most}, not {effort}")))
}

/// `counts` of a box of `part` samples, at the beginning of one of `whole`.
fn padded(counts: &[u16], part: [usize; 3], whole: [usize; 3]) -> Vec<u16> {
    let mut samples = vec![0; whole.iter().product()];
    for (row, from) in counts.chunks(part[2].max(1)).enumerate() {
        let (z, y) = (row / part[1], row % part[1]);
        samples[(z * whole[1] + y) * whole[2]..][..part[2]].copy_from_slice(from);
    }
    samples
}

/// The file that describes an array.
pub(super) fn array_file(ngff: Ngff) -> &'static str {
    match ngff {
        Ngff::V04 => ".zarray",
        Ngff::V05 => "zarr.json",
    }
}

fn blosc(name: &str, effort: Option<u8>) -> Value {
    json!({"cname": name, "clevel": effort.unwrap_or(5), "blocksize": 0})
}

fn array_v2(shape: &[u64], chunk: &[u64], format: &Format) -> Value {
    let with = |mut codec: Value, id: &str, shuffle: bool| {
        codec["id"] = json!(id);
        if shuffle {
            codec["shuffle"] = json!(1);
        }
        codec
    };
    let compressor = match format.codec {
        Codec::None => Value::Null,
        Codec::BloscLz4 => with(blosc("lz4", format.effort), "blosc", true),
        Codec::BloscZstd => with(blosc("zstd", format.effort), "blosc", true),
        Codec::Zstd => json!({"id": "zstd", "level": format.effort.unwrap_or(3)}),
        Codec::Gzip => json!({"id": "gzip", "level": format.effort.unwrap_or(5)}),
    };
    json!({"zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": "<u2", "compressor": compressor, "fill_value": 0,
        "order": "C", "filters": null, "dimension_separator": "/"})
}

fn array_v3(recipe: &Recipe, shape: &[u64], object: &[u64], chunk: &[u64], format: &Format) -> Value {
    let blosc = |name| {
        let mut configuration = blosc(name, format.effort);
        configuration["shuffle"] = json!("shuffle");
        configuration["typesize"] = json!(2);
        json!({"name": "blosc", "configuration": configuration})
    };
    let little = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let mut codecs = vec![little.clone()];
    codecs.extend(match format.codec {
        Codec::None => None,
        Codec::BloscLz4 => Some(blosc("lz4")),
        Codec::BloscZstd => Some(blosc("zstd")),
        Codec::Zstd => Some(json!({"name": "zstd", "configuration": {"level": format.effort.unwrap_or(3), "checksum": false}})),
        Codec::Gzip => Some(json!({"name": "gzip", "configuration": {"level": format.effort.unwrap_or(5)}})),
    });
    if format.shard.is_some() {
        codecs = vec![json!({"name": "sharding_indexed", "configuration": {"chunk_shape": chunk, "codecs": codecs,
            "index_codecs": [little, {"name": "crc32c"}], "index_location": "end"}})];
    }
    let names: Vec<String> = recipe.describe(ImageId(0)).axes.into_iter().map(|axis| axis.name).collect();
    json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": object}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": codecs, "attributes": {}, "dimension_names": names})
}

/// The metadata files of an image and their content.
pub(super) fn image(recipe: &Recipe, ngff: Ngff) -> Vec<(&'static str, String)> {
    let info = recipe.describe(ImageId(0));
    let axes = info.axes.iter().map(|axis| {
        let kind = match axis.kind {
            AxisKind::Time => "time",
            AxisKind::Channel => "channel",
            AxisKind::Space | AxisKind::Other => "space",
        };
        match &axis.unit {
            Some(unit) => json!({"name": axis.name, "type": kind, "unit": unit}),
            None => json!({"name": axis.name, "type": kind}),
        }
    });
    let datasets = info.levels.iter().map(|level| {
        json!({"path": level.path, "coordinateTransformations": [
            {"type": "scale", "scale": level.scale}, {"type": "translation", "translation": level.translate}]})
    });
    let mut multiscale = json!({"name": info.name, "axes": axes.collect::<Vec<_>>(), "datasets": datasets.collect::<Vec<_>>()});
    let channels = info.channels.iter().map(|channel| {
        let [r, g, b] = channel.color.unwrap_or([255; 3]);
        let (start, end) = channel.window.unwrap_or((0.0, 65535.0));
        json!({"label": channel.label, "color": format!("{r:02X}{g:02X}{b:02X}"), "active": channel.active,
            "window": {"min": 0, "max": 65535, "start": start, "end": end}})
    });
    let omero = json!({"channels": channels.collect::<Vec<_>>(), "rdefs": {"model": "color"}});
    if ngff == Ngff::V04 {
        multiscale["version"] = json!("0.4");
    }
    group(ngff, json!({"multiscales": [multiscale], "omero": omero}))
}

/// The metadata files of a group with these NGFF attributes.
pub(super) fn group(ngff: Ngff, mut attributes: Value) -> Vec<(&'static str, String)> {
    match ngff {
        Ngff::V04 => vec![(".zgroup", format!("{:#}\n", json!({"zarr_format": 2}))), (".zattrs", format!("{attributes:#}\n"))],
        Ngff::V05 => {
            attributes["version"] = json!("0.5");
            let document = json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}});
            vec![("zarr.json", format!("{document:#}\n"))]
        }
    }
}
