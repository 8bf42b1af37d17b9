//! Arrays and images as the community's Python tools write them (`scripts/store-matrix`): every element type through every codec, order,
//! separator, version and kind of shard, compared with raw copies byte for byte.
//!
//! A small part is checked in and read by every run; the whole matrix lies in `target/store-matrix` after the script has written it.

use base64::Engine as _;
use nc_core::data::{DType, ImageId, MAX_AXES, PlaneKey};
use nc_store::place::Stop;
use nc_store::{Image, Loader, LoaderConfig, OpenError, RegionReader, open};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Manifest {
    arrays: Vec<Case>,
    images: Vec<Multiscale>,
}

#[derive(Deserialize)]
struct Case {
    path: String,
    dtype: String,
    shape: Vec<u64>,
    /// Of the smallest piece that is decoded on its own.
    chunk: Vec<u64>,
    /// The file of its samples: row-major, little-endian.
    truth: String,
}

#[derive(Deserialize)]
struct Multiscale {
    path: String,
    version: String,
    axes: String,
    dtype: String,
    levels: Vec<Level>,
}

#[derive(Deserialize)]
struct Level {
    path: String,
    shape: Vec<u64>,
    truth: String,
}

/// Codecs that are known not to be built in: they must be refused by name, and nothing else may be.
const REFUSED: [&str; 1] = ["lzma"];

/// The samples of a raw copy in native byte order.
fn truth(root: &Path, file: &str, dtype: DType) -> Vec<u8> {
    let mut bytes = fs::read(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    }
    bytes
}

/// What one sample is drawn as: numbers as `f32`.
fn drawn(dtype: DType, bytes: &[u8]) -> f32 {
    macro_rules! read {
        ($t:ty) => {
            <$t>::from_ne_bytes(bytes.try_into().unwrap())
        };
    }
    match dtype {
        DType::Bool | DType::U8 => f32::from(bytes[0]),
        DType::I8 => f32::from(read!(i8)),
        DType::U16 => f32::from(read!(u16)),
        DType::I16 => f32::from(read!(i16)),
        DType::F16 => half::f16::from_ne_bytes(bytes.try_into().unwrap()).to_f32(),
        DType::U32 => read!(u32) as f32,
        DType::I32 => read!(i32) as f32,
        DType::F32 => read!(f32),
        DType::U64 => read!(u64) as f32,
        DType::I64 => read!(i64) as f32,
        DType::F64 => read!(f64) as f32,
    }
}

/// The bytes of a box of a row-major array.
fn cut(whole: &[u8], shape: &[u64], start: &[u64], len: &[u64]) -> Vec<u8> {
    let Some((&rows, below)) = shape.split_first() else { return whole.to_vec() };
    let stride = whole.len() / rows as usize;
    let slabs = (start[0]..start[0] + len[0]).map(|row| &whole[row as usize * stride..][..stride]);
    slabs.flat_map(|slab| if below.is_empty() { slab.to_vec() } else { cut(slab, below, &start[1..], &len[1..]) }).collect()
}

fn read(image: &Image, level: usize, start: &[u64], len: &[u64]) -> Vec<u8> {
    let mut out = vec![0xa5; len.iter().product::<u64>() as usize * image.info.dtype.size()];
    let read = RegionReader::new(2).read(image, level, start, len, &mut out, &Stop::new());
    read.unwrap_or_else(|error| panic!("{}: {error}", image.info.location));
    out
}

/// Every plane of a level as it is drawn.
fn check_drawn(image: &Image, level: usize, truth: &[u8], name: &str) {
    let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 24 });
    let (shape, size) = (&image.info.levels[level].shape, image.info.dtype.size());
    let n = shape.len();
    let plane_bytes = (shape[n - 2] * shape[n - 1]) as usize * size;
    for (i, expected) in truth.chunks_exact(plane_bytes).enumerate() {
        let mut index = [0; MAX_AXES];
        let mut rest = i as u64;
        for axis in (0..n - 2).rev() {
            index[axis] = (rest % shape[axis]) as u32;
            rest /= shape[axis];
        }
        let plane =
            PlaneKey { image: image.info.id, level: level as u8, row_axis: (n - 2) as u8, col_axis: (n - 1) as u8, index };
        let got = loader.overview(image, plane, u32::MAX).unwrap_or_else(|error| panic!("{name}: {error:?}")).samples;
        for (at, (&got, bytes)) in got.iter().zip(expected.chunks_exact(size)).enumerate() {
            let expected = drawn(image.info.dtype, bytes);
            assert!(
                got == expected || (got.is_nan() && expected.is_nan()),
                "{name}: plane {i} at {at}: {got} instead of {expected}"
            );
        }
    }
}

fn check(root: &Path, boxes: u32) {
    let manifest = fs::read(root.join("manifest.json")).unwrap_or_else(|error| panic!("run scripts/store-matrix: {error}"));
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let mut dtypes: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &manifest.arrays {
        let opened = open(root.join(&case.path).to_str().unwrap(), ImageId(1));
        if let Some(codec) = REFUSED.iter().find(|codec| case.path.contains(*codec)) {
            let error = opened.err().unwrap_or_else(|| panic!("{} opened: it is refused no more", case.path));
            assert!(
                matches!(&error, OpenError::UnsupportedCodec { codecs, .. } if codecs.contains(codec)),
                "{}: {error}",
                case.path
            );
            continue;
        }
        let image = opened.unwrap_or_else(|error| panic!("{}: {error}", case.path));
        let level = &image.info.levels[0];
        assert_eq!(
            (image.info.dtype.numpy_name(), &level.shape, &level.chunk),
            (&*case.dtype, &case.shape, &case.chunk),
            "{}",
            case.path
        );
        let whole = truth(root, &case.truth, image.info.dtype);
        let start = vec![0; case.shape.len()];
        assert!(read(&image, 0, &start, &case.shape) == whole, "{}: the whole differs", case.path);
        check_drawn(&image, 0, &whole, &case.path);
        let sides: Vec<_> = case.shape.iter().map(|&n| (0..n).prop_flat_map(move |start| (Just(start), 1..=n - start))).collect();
        let mut runner = TestRunner::new(Config { cases: boxes, failure_persistence: None, ..Config::default() });
        runner
            .run(&sides, |sides| {
                let (start, len): (Vec<u64>, Vec<u64>) = sides.into_iter().unzip();
                let expected = cut(&whole, &case.shape, &start, &len);
                prop_assert!(read(&image, 0, &start, &len) == expected, "{}: {:?} from {:?}", case.path, len, start);
                Ok(())
            })
            .unwrap();
        *dtypes.entry(image.info.dtype.numpy_name()).or_default() += 1;
    }
    assert_eq!(dtypes.len(), 12, "some element types are missing: {dtypes:?}");
    for case in &manifest.images {
        let image =
            open(root.join(&case.path).to_str().unwrap(), ImageId(1)).unwrap_or_else(|error| panic!("{}: {error}", case.path));
        let info = &image.info;
        assert_eq!(
            (info.ngff_version.as_deref(), info.dtype.numpy_name()),
            (Some(&*case.version), &*case.dtype),
            "{}",
            case.path
        );
        assert_eq!(info.axes.iter().map(|a| a.name.as_str()).collect::<String>(), case.axes, "{}", case.path);
        assert_eq!(info.warnings, Vec::<String>::new(), "{}", case.path);
        let levels: Vec<_> = case.levels.iter().map(|level| (&level.path, &level.shape)).collect();
        assert_eq!(info.levels.iter().map(|level| (&level.path, &level.shape)).collect::<Vec<_>>(), levels, "{}", case.path);
        for (n, level) in case.levels.iter().enumerate() {
            let start = vec![0; level.shape.len()];
            assert!(read(&image, n, &start, &level.shape) == truth(root, &level.truth, info.dtype), "{} level {n}", case.path);
        }
    }
}

#[test]
fn the_part_that_is_checked_in_reads_byte_for_byte() {
    let files: BTreeMap<String, String> = serde_json::from_str(include_str!("matrix.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, base64::engine::general_purpose::STANDARD.decode(content).unwrap()).unwrap();
    }
    check(folder.path(), 64);
}

#[test]
#[ignore = "written by scripts/store-matrix, which runs this"]
fn the_whole_matrix_reads_byte_for_byte() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/store-matrix/data"), 256);
}
