//! Arrays as other programs write them: zarr v2 and v3, byte orders, memory orders, codecs, shards, missing and damaged chunks.

use crate::synthetic::{View, element, number, plane, want};
use nc_core::data::{DType, ImageId, MAX_AXES, TileKey};
use nc_store::{Arrival, Image, Loader, LoaderConfig, ReadErrorKind, open};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zarrs::array::Array;
use zarrs::array::ArrayBytes;
use zarrs::filesystem::FilesystemStore;

const SHAPE: [u64; 3] = [5, 40, 50];

/// Everything is `number`, but the last plane and the first corner are the fill value, so that whole chunks are not stored.
fn expected(dtype: DType, at: [u64; 3]) -> (Vec<u8>, f32) {
    if at[0] == 4 || (at[1] < 16 && at[2] < 20) { element(dtype, 0) } else { element(dtype, number(0, &at)) }
}

fn v2(dtype: &str, compressor: Value, order: &str, separator: &str) -> (&'static str, Value) {
    let metadata = json!({"zarr_format": 2, "shape": SHAPE, "chunks": [2, 16, 20], "dtype": dtype, "compressor": compressor,
        "fill_value": 0, "order": order, "filters": null, "dimension_separator": separator});
    (".zarray", metadata)
}

fn v3(dtype: &str, chunk: [u64; 3], codecs: Value, encoding: &str) -> (&'static str, Value) {
    let grid = json!({"name": "regular", "configuration": {"chunk_shape": chunk}});
    let metadata = json!({"zarr_format": 3, "node_type": "array", "shape": SHAPE, "data_type": dtype, "chunk_grid": grid,
        "chunk_key_encoding": {"name": encoding}, "fill_value": if dtype == "bool" { json!(false) } else { json!(0) },
        "codecs": codecs});
    ("zarr.json", metadata)
}

fn bytes(endian: &str) -> Value {
    json!({"name": "bytes", "configuration": {"endian": endian}})
}

fn shards(inner: Value, location: &str) -> Value {
    json!({"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 8, 10], "codecs": inner,
        "index_codecs": [bytes("little"), {"name": "crc32c"}], "index_location": location}})
}

fn zstd() -> Value {
    json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}})
}

fn transpose() -> Value {
    json!({"name": "transpose", "configuration": {"order": [2, 0, 1]}})
}

fn write(folder: &Path, dtype: DType, (file, metadata): &(&str, Value)) {
    fs::write(folder.join(file), metadata.to_string()).unwrap();
    let array = Array::open(Arc::new(FilesystemStore::new(folder).unwrap()), "/").unwrap();
    let mut data = Vec::new();
    for z in 0..SHAPE[0] {
        for y in 0..SHAPE[1] {
            (0..SHAPE[2]).for_each(|x| data.extend(expected(dtype, [z, y, x]).0));
        }
    }
    array.store_array_subset(&array.subset_all(), ArrayBytes::new_flen(data)).unwrap();
}

fn loader() -> Loader {
    Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 24 })
}

fn check(image: &Image, dtype: DType, name: &str) {
    let loader = loader();
    for z in 0..SHAPE[0] {
        let picture = loader.overview(image, plane_of(z), 1000).unwrap();
        for (i, &v) in picture.samples.iter().enumerate() {
            let at = [z, i as u64 / SHAPE[2], i as u64 % SHAPE[2]];
            assert_eq!(v, expected(dtype, at).1, "{name} at {at:?}");
        }
    }
}

fn plane_of(z: u64) -> nc_core::data::PlaneKey {
    let mut index = [0; MAX_AXES];
    index[0] = z as u32;
    plane(0, 1, 2, index)
}

#[test]
fn formats_read_exactly() {
    use DType::{Bool, F16, F32, F64, I16, I64, U8, U16, U32};
    let blosc = |cname: &str| json!({"id": "blosc", "cname": cname, "clevel": 5, "shuffle": 1, "blocksize": 0});
    let blosc_v3 = json!({"name": "blosc", "configuration":
        {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 2, "blocksize": 0}});
    let gzip = json!({"name": "gzip", "configuration": {"level": 1}});
    let cases: Vec<(&str, DType, (&str, Value), [u64; 3])> = vec![
        ("v2 blosc lz4, dots", U16, v2("<u2", blosc("lz4"), "C", "."), [2, 16, 20]),
        ("v2 blosc zstd, slashes", F32, v2("<f4", blosc("zstd"), "C", "/"), [2, 16, 20]),
        ("v2 zstd, big-endian", U16, v2(">u2", json!({"id": "zstd", "level": 1}), "C", "/"), [2, 16, 20]),
        ("v2 gzip, F order", U32, v2("<u4", json!({"id": "gzip", "level": 1}), "F", "."), [2, 16, 20]),
        ("v2 zlib, F order, big-endian", F64, v2(">f8", json!({"id": "zlib", "level": 1}), "F", "/"), [2, 16, 20]),
        ("v2 bz2", I64, v2("<i8", json!({"id": "bz2", "level": 1}), "C", "."), [2, 16, 20]),
        ("v2 raw", U8, v2("|u1", Value::Null, "C", "."), [2, 16, 20]),
        ("v3 raw, big-endian", I16, v3("int16", [2, 16, 20], json!([bytes("big")]), "default"), [2, 16, 20]),
        ("v3 zstd, keys of v2", F16, v3("float16", [2, 16, 20], json!([bytes("little"), zstd()]), "v2"), [2, 16, 20]),
        (
            "v3 transposed, gzip",
            U16,
            v3("uint16", [2, 16, 20], json!([transpose(), bytes("little"), gzip]), "default"),
            [2, 16, 20],
        ),
        ("v3 bool", Bool, v3("bool", [2, 16, 20], json!([bytes("little"), zstd()]), "default"), [2, 16, 20]),
        (
            "v3 shards, index at end",
            U16,
            v3("uint16", [2, 16, 20], json!([shards(json!([bytes("little"), blosc_v3]), "end")]), "default"),
            [1, 8, 10],
        ),
        (
            "v3 shards, index at start",
            U16,
            v3("uint16", [2, 16, 20], json!([shards(json!([bytes("big"), zstd()]), "start")]), "default"),
            [1, 8, 10],
        ),
        (
            "v3 shards, transposed inside",
            U16,
            v3("uint16", [2, 16, 20], json!([shards(json!([transpose(), bytes("little")]), "end")]), "default"),
            [1, 8, 10],
        ),
        (
            "v3 shards below zstd",
            U16,
            v3("uint16", [2, 16, 20], json!([shards(json!([bytes("little")]), "end"), zstd()]), "default"),
            [2, 16, 20],
        ),
    ];
    for (name, dtype, metadata, chunk) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), dtype, &metadata);
        let image = open(folder.path().to_str().unwrap(), ImageId(7)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((image.info.dtype, &image.info.levels[0].chunk[..]), (dtype, &chunk[..]), "{name}");
        check(&image, dtype, name);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.retain(|f| !f.ends_with("zarr.json"));
    found.sort();
    found
}

/// Plain files and shards: cut short, overwritten, a folder in their place, gone.
#[test]
fn damaged_chunks_are_faults_and_missing_ones_are_the_fill_value() {
    let layouts =
        [("files", json!([bytes("little"), zstd()])), ("shards", json!([shards(json!([bytes("little"), zstd()]), "end")]))];
    let damages: [(&str, fn(&Path), bool); 4] = [
        ("cut", |f| fs::write(f, &fs::read(f).unwrap()[..7]).unwrap(), true),
        ("overwritten", |f| fs::write(f, vec![0xa5; fs::metadata(f).unwrap().len() as usize]).unwrap(), true),
        (
            "a folder",
            |f| {
                fs::remove_file(f).unwrap();
                fs::create_dir(f).unwrap();
            },
            false,
        ),
        ("gone", |f| fs::remove_file(f).unwrap(), false),
    ];
    for (layout, codecs) in &layouts {
        for (damage, spoil, faulty) in &damages {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), DType::U16, &v3("uint16", [2, 16, 20], codecs.clone(), "default"));
            let victim = folder.path().join("c/0/1/1");
            assert!(files(folder.path()).contains(&victim));
            spoil(&victim);
            let image = open(folder.path().to_str().unwrap(), ImageId(7)).unwrap();
            let loader = loader();
            let view = View::attach(&loader, 1);
            let key = TileKey { plane: plane_of(1), ty: 0, tx: 0 };
            want(&loader, view.id, &image, &[key]);
            let mut arrivals = view.take(1);
            if *faulty {
                while !matches!(arrivals.last(), Some(Arrival::Tile { .. })) {
                    arrivals.extend(view.take(1));
                }
            }
            let context = format!("{layout} {damage}");
            let Some(Arrival::Tile { tile, .. }) = arrivals.last() else { panic!("{context}: {arrivals:?}") };
            for (i, (y, x)) in (0..SHAPE[1]).flat_map(|y| (0..SHAPE[2]).map(move |x| (y, x))).enumerate() {
                let lost = (16..32).contains(&y) && (20..40).contains(&x);
                let value = if lost { 0.0 } else { expected(DType::U16, [1, y, x]).1 };
                assert_eq!(tile.samples.get(i), value, "{context} at {y}, {x}");
            }
            let faults = arrivals.iter().filter_map(|a| if let Arrival::Fault { fault, .. } = a { Some(fault) } else { None });
            let faults: Vec<_> = faults.collect();
            assert_eq!(!faults.is_empty(), *faulty, "{context}: {faults:?}");
            for fault in faults {
                assert!(fault.message.starts_with(&image.info.location) && fault.message.contains(": chunk "), "{fault:?}");
                assert!(!fault.message.contains('\n'));
                assert!(matches!(fault.kind, ReadErrorKind::Short | ReadErrorKind::Decode), "{context}: {fault:?}");
            }
        }
    }
}
