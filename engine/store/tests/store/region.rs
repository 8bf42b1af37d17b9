//! Boxes of samples, read at once: of every layout, anywhere, on several threads.

use crate::synthetic::{element, number};
use nc_core::data::{DType, ImageId};
use nc_store::place::Stop;
use nc_store::{Image, ReadErrorKind, RegionReader, open};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use zarrs::array::{Array, ArrayBytes};
use zarrs::filesystem::FilesystemStore;

const DTYPE: DType = DType::U16;

struct Sample {
    name: &'static str,
    folder: TempDir,
    image: Image,
    shape: Vec<u64>,
}

/// What is stored at a place: whole chunks of it are the fill value and not stored.
fn value(at: &[u64]) -> Vec<u8> {
    if at[0] < 4 { element(DTYPE, number(0, at)).0 } else { element(DTYPE, 0).0 }
}

fn every(shape: &[u64], mut visit: impl FnMut(&[u64])) {
    let mut at = vec![0; shape.len()];
    loop {
        visit(&at);
        let Some(axis) = (0..shape.len()).rev().find(|&axis| at[axis] + 1 < shape[axis]) else { return };
        at[axis] += 1;
        at[axis + 1..].fill(0);
    }
}

fn write(folder: &Path, shape: &[u64], chunk: &[u64], codecs: &Value) {
    let grid = json!({"name": "regular", "configuration": {"chunk_shape": chunk}});
    let metadata = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "chunk_grid": grid,
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0, "codecs": codecs});
    fs::write(folder.join("zarr.json"), metadata.to_string()).unwrap();
    let array = Array::open(Arc::new(FilesystemStore::new(folder).unwrap()), "/").unwrap();
    let mut data = Vec::new();
    every(shape, |at| data.extend(value(at)));
    array.store_array_subset(&array.subset_all(), ArrayBytes::new_flen(data)).unwrap();
}

fn samples() -> Vec<Sample> {
    let bytes = |endian: &str| json!({"name": "bytes", "configuration": {"endian": endian}});
    let zstd = json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}});
    let blosc = |shuffle: &str| {
        json!({"name": "blosc", "configuration":
            {"cname": "lz4", "clevel": 5, "shuffle": shuffle, "typesize": 2, "blocksize": 256}})
    };
    let gzip = json!({"name": "gzip", "configuration": {"level": 1}});
    let shards = |chunk: &[u64], inner: Value| {
        json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": chunk, "codecs": inner,
            "index_codecs": [bytes("little"), {"name": "crc32c"}], "index_location": "end"}}])
    };
    let transpose = json!({"name": "transpose", "configuration": {"order": [1, 2, 0]}});
    let cases: Vec<(&str, &[u64], &[u64], Value)> = vec![
        ("raw", &[7, 20, 30], &[3, 8, 7], json!([bytes("little")])),
        ("blosc", &[7, 20, 30], &[3, 8, 7], json!([bytes("little"), blosc("shuffle")])),
        ("bits of blosc, big-endian", &[7, 20, 30], &[3, 8, 7], json!([bytes("big"), blosc("bitshuffle")])),
        ("transposed gzip", &[7, 20, 30], &[3, 8, 7], json!([transpose, bytes("little"), gzip])),
        ("shards of zstd", &[9, 20, 30], &[4, 8, 8], shards(&[2, 4, 4], json!([bytes("little"), zstd]))),
        (
            "shards of blosc in 5D",
            &[5, 2, 6, 9, 10],
            &[4, 1, 4, 4, 4],
            shards(&[1, 1, 2, 4, 2], json!([bytes("little"), blosc("shuffle")])),
        ),
        ("a plane", &[20, 30], &[8, 7], json!([bytes("little"), zstd])),
    ];
    let made = cases.into_iter().map(|(name, shape, chunk, codecs)| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), shape, chunk, &codecs);
        let image = open(folder.path().to_str().unwrap(), ImageId(7)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Sample { name, folder, image, shape: shape.to_vec() }
    });
    made.collect()
}

fn read(reader: &RegionReader, sample: &Sample, start: &[u64], shape: &[u64]) -> Vec<u8> {
    // What was there before does not shine through.
    let mut out = vec![0xa5; shape.iter().product::<u64>() as usize * 2];
    let read = reader.read(&sample.image, 0, start, shape, &mut out, &Stop::new());
    read.unwrap_or_else(|e| panic!("{}, {shape:?} from {start:?}: {e}", sample.name));
    out
}

fn expected(start: &[u64], shape: &[u64]) -> Vec<u8> {
    let mut data = Vec::new();
    every(shape, |at| data.extend(value(&at.iter().zip(start).map(|(a, s)| a + s).collect::<Vec<_>>())));
    data
}

/// Ends of a box as parts of the whole, and which axes are one sample long.
type Ends = [(prop::sample::Index, prop::sample::Index, bool); 5];

#[test]
fn any_box_is_what_was_written() {
    let samples = samples();
    let readers = [RegionReader::new(1), RegionReader::new(3), RegionReader::of_whole_chunks(2)];
    let ends = any::<Ends>();
    proptest!(ProptestConfig::with_cases(1500), |(which in 0..samples.len(), reader in 0..readers.len(), ends in ends)| {
        let sample = &samples[which];
        let mut start = Vec::new();
        let mut shape = Vec::new();
        for (&n, (a, b, thin)) in sample.shape.iter().zip(ends) {
            let (a, b) = (a.index(n as usize) as u64, b.index(n as usize) as u64);
            start.push(a.min(b));
            shape.push(if thin { 1 } else { a.max(b) - a.min(b) + 1 });
        }
        prop_assert!(read(&readers[reader], sample, &start, &shape) == expected(&start, &shape), "{}: {start:?} {shape:?}", sample.name);
    });
}

#[test]
fn the_report_tells_what_is_not_stored() {
    let samples = samples();
    let sample = samples.iter().find(|s| s.name == "shards of zstd").unwrap();
    let mut out = vec![0; 9 * 20 * 30 * 2];
    let report = RegionReader::new(2).read(&sample.image, 0, &[0, 0, 0], &[9, 20, 30], &mut out, &Stop::new()).unwrap();
    // 2 × 4 × 4 in 9 × 20 × 30, of which z from 4 on is not stored.
    assert_eq!((report.chunks, report.absent), (5 * 5 * 8, 3 * 5 * 8));
    assert!(sample.image.absent().is_some());
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let samples = samples();
    let sample = samples.iter().find(|s| s.name == "blosc").unwrap();
    let reader = RegionReader::new(2);
    let read = |start: &[u64], shape: &[u64], bytes: usize, stop: &Stop| {
        reader.read(&sample.image, 0, start, shape, &mut vec![0; bytes], stop).map_err(|e| e.kind)
    };
    let no_such = Err(ReadErrorKind::NoSuchPlane);
    let go = Stop::new();
    assert_eq!(read(&[0, 0, 25], &[1, 1, 6], 12, &go), no_such, "beyond the end");
    assert_eq!(read(&[0, 0, u64::MAX], &[1, 1, 6], 12, &go), no_such);
    assert_eq!(read(&[0, 0, 0], &[1, 0, 6], 0, &go), no_such, "nothing");
    assert_eq!(read(&[0, 0, 0], &[1, 1, 6], 10, &go), no_such, "too little room");
    assert_eq!(read(&[0, 0], &[1, 6], 12, &go), no_such, "an axis is missing");
    let stopped = Stop::new();
    stopped.stop();
    assert_eq!(read(&[0, 0, 0], &[3, 20, 30], 3600, &stopped), Err(ReadErrorKind::Stopped));
    let victim = sample.folder.path().join("c/0/1/2");
    fs::write(&victim, &fs::read(&victim).unwrap()[..9]).unwrap();
    assert_eq!(read(&[0, 0, 0], &[7, 20, 30], 8400, &go), Err(ReadErrorKind::Decode));
    assert!(read(&[0, 0, 0], &[7, 8, 30], 3360, &go).is_ok(), "it is elsewhere");
    let error = reader.read(&sample.image, 0, &[0, 8, 14], &[1, 1, 1], &mut [0; 2], &go).unwrap_err();
    assert!(error.message.contains("chunk 0/1/2"), "{}", error.message);
}
