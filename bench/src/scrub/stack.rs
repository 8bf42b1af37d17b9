//! The image that is scrubbed through: 192 slices of 1024 × 1024 16-bit samples and two levels that halve all axes, in cubes of 64.

use crate::specimen;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use zarrs::array::{Array, ArrayBytes};
use zarrs::filesystem::FilesystemStore;

/// Samples along z, y and x.
pub const SHAPE: [usize; 3] = [192, 1024, 1024];
/// Of the smallest piece that is read.
const CHUNK: usize = 64;
const SHARD: usize = 256;
const LEVELS: usize = 3;

/// How a stack is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// OME-Zarr 0.4, zarr v2, blosc with lz4
    V2Lz4,
    /// OME-Zarr 0.5, zarr v3, zstd
    V3Zstd,
    /// The same in shards of 256 cubed
    V3ZstdSharded,
}

impl Format {
    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn metadata(self, shape: [usize; 3]) -> (&'static str, Value) {
        let zstd = json!([{"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 3, "checksum": false}}]);
        let v3 = |chunk: usize, codecs: Value| {
            json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "fill_value": 0,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk, chunk, chunk]}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "codecs": codecs, "dimension_names": ["z", "y", "x"]})
        };
        match self {
            Self::V2Lz4 => (
                ".zarray",
                json!({"zarr_format": 2, "shape": shape, "chunks": [CHUNK, CHUNK, CHUNK], "dtype": "<u2", "fill_value": 0,
                    "order": "C", "filters": null, "dimension_separator": "/",
                    "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}}),
            ),
            Self::V3Zstd => ("zarr.json", v3(CHUNK, zstd)),
            Self::V3ZstdSharded => {
                let shards = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [CHUNK, CHUNK, CHUNK],
                    "codecs": zstd, "index_location": "end",
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]);
                ("zarr.json", v3(SHARD, shards))
            }
        }
    }

    /// Edge of what is written at once.
    fn block(self) -> usize {
        if self == Self::V3ZstdSharded { SHARD } else { CHUNK }
    }

    fn group(self) -> Vec<(&'static str, Value)> {
        let axis = |name| json!({"name": name, "type": "space", "unit": "micrometer"});
        let datasets: Vec<Value> = (0..LEVELS)
            .map(|level| {
                let factor = f64::from(1u32 << level);
                // A sample of a coarse level is the mean of several: its centre lies in their middle.
                let shift = (factor - 1.0) / 2.0;
                json!({"path": level.to_string(), "coordinateTransformations": [
                    {"type": "scale", "scale": [factor, factor, factor]},
                    {"type": "translation", "translation": [shift, shift, shift]}]})
            })
            .collect();
        let (start, end) = specimen::WINDOW;
        let omero = json!({"channels": [{"label": "Nuclei", "color": "FFFFFF", "active": true,
            "window": {"min": 0, "max": 65535, "start": start, "end": end}}]});
        let mut image = json!({"name": "scrub", "axes": [axis("z"), axis("y"), axis("x")], "datasets": datasets});
        if self == Self::V2Lz4 {
            image["version"] = json!("0.4");
            return vec![(".zgroup", json!({"zarr_format": 2})), (".zattrs", json!({"multiscales": [image], "omero": omero}))];
        }
        let ome = json!({"version": "0.5", "multiscales": [image], "omero": omero});
        vec![("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}))]
    }
}

/// The stack in each of the formats, in `folder`; what is there already is taken as it is.
pub fn prepare(folder: &Path, formats: &[Format]) -> Result<Vec<PathBuf>> {
    let places: Vec<PathBuf> = formats.iter().map(|format| folder.join(format!("scrub-{}.zarr", format.name()))).collect();
    let lacking: Vec<(Format, &PathBuf)> = formats.iter().copied().zip(&places).filter(|(_, place)| !place.exists()).collect();
    if !lacking.is_empty() {
        eprintln!("writing {} stacks to {}", lacking.len(), folder.display());
        let pyramid = pyramid();
        for (format, place) in lacking {
            // Under another name until it is whole.
            let unfinished = place.with_extension("unfinished");
            let _ = fs::remove_dir_all(&unfinished);
            write(&unfinished, format, &pyramid).with_context(|| format!("writing {}", unfinished.display()))?;
            fs::rename(&unfinished, place)?;
        }
    }
    Ok(places)
}

/// Reads every file, so that no measurement waits for a disk.
pub fn warm(place: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(place).with_context(|| format!("reading {}", place.display()))? {
        let path = entry?.path();
        bytes += if path.is_dir() { warm(&path)? } else { fs::read(&path)?.len() as u64 };
    }
    Ok(bytes)
}

struct Volume {
    shape: [usize; 3],
    samples: Vec<u16>,
}

fn pyramid() -> Vec<Volume> {
    let [depth, rows, columns] = SHAPE;
    let mut samples = vec![0u16; depth * rows * columns];
    let workers = cores();
    let share = depth.div_ceil(workers);
    thread::scope(|scope| {
        for (n, part) in samples.chunks_mut(share * rows * columns).enumerate() {
            scope.spawn(move || {
                for (z, plane) in part.chunks_mut(rows * columns).enumerate() {
                    plane.copy_from_slice(&specimen::plane(0, (n * share + z) as u32, rows, columns));
                }
            });
        }
    });
    let mut levels = vec![Volume { shape: SHAPE, samples }];
    while levels.len() < LEVELS {
        let coarser = levels.last().map(halved);
        levels.extend(coarser);
    }
    levels
}

/// Means of 2 × 2 × 2 samples.
fn halved(fine: &Volume) -> Volume {
    let shape = fine.shape.map(|n| n / 2);
    let [rows, columns] = [fine.shape[1], fine.shape[2]];
    let mut samples = Vec::with_capacity(shape.iter().product());
    for z in 0..shape[0] {
        for y in 0..shape[1] {
            for x in 0..shape[2] {
                let at = |dz: usize, dy: usize| ((2 * z + dz) * rows + 2 * y + dy) * columns + 2 * x;
                let pair = |at: usize| u32::from(fine.samples[at]) + u32::from(fine.samples[at + 1]);
                samples.push(((pair(at(0, 0)) + pair(at(0, 1)) + pair(at(1, 0)) + pair(at(1, 1)) + 4) / 8) as u16);
            }
        }
    }
    Volume { shape, samples }
}

fn write(place: &Path, format: Format, pyramid: &[Volume]) -> Result<()> {
    fs::create_dir_all(place)?;
    for (name, document) in format.group() {
        fs::write(place.join(name), serde_json::to_vec_pretty(&document)?)?;
    }
    let store = Arc::new(FilesystemStore::new(place)?);
    for (level, volume) in pyramid.iter().enumerate() {
        let (name, metadata) = format.metadata(volume.shape);
        fs::create_dir(place.join(level.to_string()))?;
        fs::write(place.join(level.to_string()).join(name), serde_json::to_vec_pretty(&metadata)?)?;
        let array = Array::open(store.clone(), &format!("/{level}"))?;
        write_blocks(&array, format.block(), volume)?;
    }
    Ok(())
}

fn write_blocks(array: &Array<FilesystemStore>, block: usize, volume: &Volume) -> Result<()> {
    let grid = volume.shape.map(|n| n.div_ceil(block));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= grid.iter().product() {
                return Ok(());
            }
            let at = [n / (grid[1] * grid[2]), n / grid[2] % grid[1], n % grid[2]];
            array.store_chunk(&at.map(|n| n as u64), ArrayBytes::new_flen(cut(volume, block, at)))?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => done?,
                Err(_) => bail!("a worker panicked"),
            }
        }
        Ok(())
    })
}

/// The block at a place of the grid, with zeros beyond the volume.
fn cut(volume: &Volume, block: usize, at: [usize; 3]) -> Vec<u8> {
    let [depth, rows, columns] = volume.shape;
    let origin = at.map(|n| n * block);
    let width = block.min(columns - origin[2]);
    let mut bytes = vec![0; block * block * block * 2];
    for z in 0..block.min(depth - origin[0]) {
        for y in 0..block.min(rows - origin[1]) {
            let from = &volume.samples[((origin[0] + z) * rows + origin[1] + y) * columns + origin[2]..][..width];
            let to = &mut bytes[(z * block + y) * block * 2..][..width * 2];
            to.chunks_exact_mut(2).zip(from).for_each(|(to, v)| to.copy_from_slice(&v.to_ne_bytes()));
        }
    }
    bytes
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
