//! Writes a made-up image as an OME-Zarr 0.5 pyramid.

use crate::specimen::{self, STAINS};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use zarrs::array::{Array, ArrayBytes};
use zarrs::filesystem::FilesystemStore;

/// Edge at which no further level is made.
const COARSEST: u64 = 256;
/// Micrometres per sample along z, y and x at level 0.
const SCALE: [f64; 3] = [1.0, 0.25, 0.25];

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels, at most as many as there are [`STAINS`].
    pub channels: u64,
    /// Planes.
    pub z: u64,
    /// Rows and columns of level 0.
    pub size: u64,
    /// Samples of a chunk along z, y and x.
    pub chunk: [u64; 3],
}

impl Shape {
    /// Levels of the pyramid; each halves rows and columns and keeps the planes, as stacks with coarse z do.
    pub fn levels(&self) -> u32 {
        (0..32).take_while(|&level| level == 0 || self.size >> (level - 1) > COARSEST).count() as u32
    }

    fn edge(&self, level: u32) -> u64 {
        (self.size >> level).max(1)
    }
}

/// Writes the pyramid into the folder `place`, which must not exist, on all cores. Returns the bytes stored.
pub fn write(place: &Path, shape: Shape) -> Result<u64> {
    ensure!(!place.exists(), "{} exists already: remove it or name another folder", place.display());
    ensure!((1..=STAINS.len() as u64).contains(&shape.channels), "between 1 and {} channels, please", STAINS.len());
    ensure!(shape.z > 0 && shape.size > 0 && shape.chunk.iter().all(|&n| n > 0), "sizes must be positive");
    ensure!(shape.size.is_multiple_of(1 << (shape.levels() - 1)), "the size must be divisible by 2 for each level");
    fs::create_dir_all(place).with_context(|| format!("making {}", place.display()))?;
    fs::write(place.join("zarr.json"), serde_json::to_vec_pretty(&group(shape))?)?;
    let store = Arc::new(FilesystemStore::new(place)?);
    let levels = (0..shape.levels()).map(|level| make_level(place, &store, shape, level)).collect::<Result<Vec<_>>>()?;

    let slabs = shape.z.div_ceil(shape.chunk[0]);
    let (next, stored) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || -> Result<()> {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= shape.channels * slabs {
                return Ok(());
            }
            let bytes = write_slab(&levels, shape, task / slabs, task % slabs)?;
            stored.fetch_add(bytes, Ordering::Relaxed);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
    })?;
    Ok(stored.into_inner())
}

fn group(shape: Shape) -> Value {
    let axis = |name| json!({"name": name, "type": "space", "unit": "micrometer"});
    let datasets = (0..shape.levels()).map(|level| {
        let factor = f64::from(1u32 << level);
        // A sample of a coarse level is the mean of several: its centre lies in their middle.
        let shift = (factor - 1.0) / 2.0;
        json!({"path": level.to_string(), "coordinateTransformations": [
            {"type": "scale", "scale": [1.0, SCALE[0], SCALE[1] * factor, SCALE[2] * factor]},
            {"type": "translation", "translation": [0.0, 0.0, SCALE[1] * shift, SCALE[2] * shift]}]})
    });
    let (start, end) = specimen::WINDOW;
    let channels = STAINS.iter().take(shape.channels as usize).map(|stain| {
        json!({"label": stain.label, "color": stain.color, "active": true,
            "window": {"min": 0, "max": 65535, "start": start, "end": end}})
    });
    let axes = json!([{"name": "c", "type": "channel"}, axis("z"), axis("y"), axis("x")]);
    let multiscales = json!([{"name": "bench stack", "axes": axes, "datasets": datasets.collect::<Vec<_>>()}]);
    let omero = json!({"channels": channels.collect::<Vec<_>>(), "rdefs": {"model": "color"}});
    json!({"zarr_format": 3, "node_type": "group",
        "attributes": {"ome": {"version": "0.5", "multiscales": multiscales, "omero": omero}}})
}

fn make_level(place: &Path, store: &Arc<FilesystemStore>, shape: Shape, level: u32) -> Result<Array<FilesystemStore>> {
    let edge = shape.edge(level);
    let metadata = json!({"zarr_format": 3, "node_type": "array", "shape": [shape.channels, shape.z, edge, edge],
        "data_type": "uint16", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape(shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration":
                {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 2, "blocksize": 0}}],
        "dimension_names": ["c", "z", "y", "x"]});
    let folder = place.join(level.to_string());
    fs::create_dir(&folder)?;
    fs::write(folder.join("zarr.json"), serde_json::to_vec_pretty(&metadata)?)?;
    Ok(Array::open(store.clone(), &format!("/{level}"))?)
}

fn chunk_shape(shape: Shape) -> [u64; 4] {
    let [z, y, x] = shape.chunk;
    [1, z, y, x]
}

/// Makes the planes of one slab of a channel and stores their chunks on every level.
fn write_slab(levels: &[Array<FilesystemStore>], shape: Shape, channel: u64, slab: u64) -> Result<u64> {
    let depth = shape.chunk[0];
    let planes = slab * depth..((slab + 1) * depth).min(shape.z);
    let edge = shape.size as usize;
    let mut slab_planes: Vec<Vec<u16>> = planes.map(|z| specimen::plane(channel as usize, z as u32, edge, edge)).collect();
    let mut stored = 0;
    for (level, array) in (0u32..).zip(levels) {
        let edge = shape.edge(level) as usize;
        if level > 0 {
            slab_planes.iter_mut().for_each(|plane| *plane = halved(plane, edge));
        }
        for y in 0..(edge as u64).div_ceil(shape.chunk[1]) {
            for x in 0..(edge as u64).div_ceil(shape.chunk[2]) {
                let at = [channel, slab, y, x];
                array.store_chunk(&at, ArrayBytes::new_flen(cut(&slab_planes, edge, shape.chunk, y, x)))?;
                stored += array.retrieve_encoded_chunk(&at)?.map_or(0, |bytes| bytes.len() as u64);
            }
        }
    }
    Ok(stored)
}

/// The chunk at grid place (`y`, `x`) of planes of `edge` × `edge` samples, padded with zeros beyond them.
fn cut(planes: &[Vec<u16>], edge: usize, chunk: [u64; 3], y: u64, x: u64) -> Vec<u8> {
    let [depth, rows, columns] = chunk.map(|n| n as usize);
    let (y0, x0) = (y as usize * rows, x as usize * columns);
    let width = columns.min(edge - x0);
    let mut bytes = vec![0; depth * rows * columns * 2];
    for (z, plane) in planes.iter().enumerate() {
        for row in 0..rows.min(edge - y0) {
            let from = &plane[(y0 + row) * edge + x0..][..width];
            let to = &mut bytes[(z * rows + row) * columns * 2..][..width * 2];
            to.chunks_exact_mut(2).zip(from).for_each(|(to, v)| to.copy_from_slice(&v.to_ne_bytes()));
        }
    }
    bytes
}

/// Means of 2 × 2 samples; `edge` is that of the result.
fn halved(plane: &[u16], edge: usize) -> Vec<u16> {
    let wide = 2 * edge;
    let rows = plane.chunks_exact(2 * wide);
    let mean = |a: &[u16], b: &[u16]| ((u32::from(a[0]) + u32::from(a[1]) + u32::from(b[0]) + u32::from(b[1]) + 2) / 4) as u16;
    rows.flat_map(|pair| {
        let (top, bottom) = pair.split_at(wide);
        top.chunks_exact(2).zip(bottom.chunks_exact(2)).map(move |(a, b)| mean(a, b))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::ImageId;

    const SHAPE: Shape = Shape { channels: 2, z: 3, size: 1024, chunk: [2, 200, 256] };

    #[test]
    fn what_is_written_opens_and_holds_what_was_made() {
        let folder = std::env::temp_dir().join(format!("nc-bench-pyramid-{}", std::process::id()));
        let stored = write(&folder, SHAPE);
        let image = nc_store::open(&folder.to_string_lossy(), ImageId(0));
        let level1 = Array::open(Arc::new(FilesystemStore::new(&folder).unwrap()), "/1").unwrap();
        let chunk: Vec<u16> = level1.retrieve_chunk(&[1, 1, 0, 0]).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let (stored, image) = (stored.unwrap(), image.unwrap());
        assert!(stored > 0);
        assert_eq!(image.info.warnings, Vec::<String>::new());
        let shapes: Vec<_> = image.info.levels.iter().map(|level| level.shape.clone()).collect();
        assert_eq!(shapes, [[2, 3, 1024, 1024], [2, 3, 512, 512], [2, 3, 256, 256]]);
        assert_eq!(image.info.levels[1].translate, [0.0, 0.0, 0.125, 0.125]);
        let expected = halved(&specimen::plane(1, 2, 1024, 1024), 512);
        assert_eq!(chunk[..256], expected[..256]);
        assert_eq!(chunk[256..512], expected[512..768]);
    }

    #[test]
    fn pictures_halve_by_their_mean() {
        assert_eq!(halved(&[1, 3, 10, 10, 5, 7, 10, 10, 0, 0, 1, 1, 0, 0, 1, 2], 2), [4, 10, 0, 1]);
    }
}
