use super::*;
use crate::image::{ChunkData, Image};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::ImageId;
use serde_json::Value;

const PLAIN: Format = Format { ngff: Ngff::V05, codec: Codec::None, effort: None, shard: None, sparse: false };

fn silent(_: u64, _: u64) {}

fn opened(folder: &Path) -> Image {
    crate::open(&folder.to_string_lossy(), ImageId(0)).unwrap()
}

/// The part of a chunk that lies within the level, row by row.
fn samples(image: &Image, level: usize, at: &[u64]) -> Vec<u8> {
    let chunk = image.source().make(level, at, &mut Scratch::default(), &Stop::new()).unwrap();
    assert_eq!(chunk.flaw(&image.info, level, at), None);
    let info = &image.info.levels[level];
    let part: Vec<u64> = at.iter().zip(&info.chunk).zip(&info.shape).map(|((n, c), s)| (*c).min(s - n * c)).collect();
    let samples = match &chunk.data {
        ChunkData::Samples(samples) => samples,
        ChunkData::Uniform { element, .. } => return element[..2].repeat(part.iter().product::<u64>() as usize),
    };
    let shape: Vec<u64> = chunk.shape.sizes().iter().map(|&n| u64::from(n)).collect();
    let (last, row) = (part.len() - 1, part[part.len() - 1] as usize * 2);
    let mut found = Vec::new();
    for n in 0..part[..last].iter().product::<u64>() {
        let (mut rest, mut from, mut stride) = (n, 0, shape[last]);
        for axis in (0..last).rev() {
            from += rest % part[axis] * stride;
            stride *= shape[axis];
            rest /= part[axis];
        }
        found.extend_from_slice(&samples[from as usize * 2..][..row]);
    }
    found
}

/// Every chunk of every level, by comparison with the procedural image.
fn assert_equal(written: &Image, made: &Image) {
    for (level, info) in made.info.levels.iter().enumerate() {
        let cells: Vec<u64> = info.shape.iter().zip(&info.chunk).map(|(s, c)| s.div_ceil(*c)).collect();
        for n in 0..cells.iter().product::<u64>() {
            let mut rest = n;
            let mut at = vec![0; cells.len()];
            for axis in (0..cells.len()).rev() {
                at[axis] = rest % cells[axis];
                rest /= cells[axis];
            }
            assert!(samples(written, level, &at) == samples(made, level, &at), "level {level}, chunk {at:?}");
        }
    }
}

#[test]
fn what_is_written_opens_and_holds_what_was_made() {
    let shard = Some([8, 64, 64]);
    let rows: [(&[u64], Format); 6] = [
        (&[2, 4, 9, 70, 90], Format { ngff: Ngff::V04, codec: Codec::BloscLz4, ..PLAIN }),
        (&[3, 9, 70, 90], Format { ngff: Ngff::V04, codec: Codec::Gzip, effort: Some(9), ..PLAIN }),
        (&[9, 70, 600], Format { codec: Codec::Zstd, ..PLAIN }),
        (&[9, 70, 600], Format { ngff: Ngff::V04, codec: Codec::Zstd, effort: Some(1), ..PLAIN }),
        (&[300, 300], PLAIN),
        (&[2, 9, 70, 300], Format { codec: Codec::BloscZstd, shard, ..PLAIN }),
    ];
    for (shape, format) in rows {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe::new("tissue", shape, [4, 32, 32], None).unwrap();
        let written = write_image(&recipe, folder.path(), &format, 2, &silent).unwrap();
        let (image, made) = (opened(folder.path()), recipe.image(ImageId(0)));
        assert_eq!(image.info.warnings, Vec::<String>::new(), "{format:?}");
        assert_eq!(image.info.ngff_version.as_deref(), Some(format.ngff.to_string().as_str()));
        assert_eq!((&image.info.axes, &image.info.channels), (&made.info.axes, &made.info.channels));
        assert_eq!((image.info.dtype, &image.info.name), (made.info.dtype, &made.info.name));
        assert!(written.objects > 0 && written.bytes > 0);
        for (is, should) in image.info.levels.iter().zip(&made.info.levels) {
            assert_eq!((&is.shape, &is.chunk), (&should.shape, &should.chunk), "{format:?}");
            assert_eq!((&is.scale, &is.translate), (&should.scale, &should.translate), "{format:?}");
        }
        assert_eq!(image.info.levels.len(), made.info.levels.len());
        assert_equal(&image, &made);
        assert_eq!(image.absent(), None, "every chunk is stored");
    }
}

#[test]
fn a_sparse_image_is_large_and_soon_written() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe::new("vast", &[2, 512, 4096, 2048], [64, 64, 64], Some(4)).unwrap();
    let format = Format { codec: Codec::BloscLz4, sparse: true, ..PLAIN };
    let seen = AtomicU64::new(0);
    let count = |done: u64, total: u64| {
        assert!(done <= total);
        seen.fetch_add(1, Ordering::Relaxed);
    };
    let written = write_image(&recipe, folder.path(), &format, 2, &count).unwrap();
    assert_eq!(written.objects, seen.into_inner());
    assert!(written.bytes < 512 << 20, "{written:?}");
    let (image, made) = (opened(folder.path()), recipe.image(ImageId(0)));
    assert_eq!(image.info.levels[0].shape, [2, 512, 4096, 2048]);
    let coarsest = image.info.levels.len() - 1;
    for (level, stored, at) in
        [(0, true, [1, 4, 32, 16]), (0, false, [1, 0, 0, 0]), (coarsest, true, [0, 0, 0, 0]), (coarsest, true, [1, 0, 7, 3])]
    {
        let (is, was) = (samples(&image, level, &at), samples(&made, level, &at));
        if stored { assert!(is == was, "level {level}, chunk {at:?}") } else { assert!(is.iter().all(|&v| v == 0)) }
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let recipe = Recipe::new("tissue", &[16, 64, 64], [8, 32, 32], None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    for (format, says) in [
        (Format { ngff: Ngff::V04, shard: Some([8, 32, 32]), ..PLAIN }, "no shards"),
        (Format { shard: Some([8, 48, 32]), ..PLAIN }, "multiple of the chunk"),
        (Format { shard: Some([0, 32, 32]), ..PLAIN }, "multiple of the chunk"),
        (Format { shard: Some([1 << 20, 1 << 20, 32]), ..PLAIN }, "at most"),
        (Format { effort: Some(5), ..PLAIN }, "no codec"),
        (Format { codec: Codec::Zstd, effort: Some(23), ..PLAIN }, "1 to 22"),
        (Format { codec: Codec::BloscLz4, effort: Some(10), ..PLAIN }, "0 to 9"),
    ] {
        let error = write_image(&recipe, &out, &format, 1, &silent).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
        assert!(!out.join("0").exists() && !out.join("zarr.json").exists());
    }
    fs::write(folder.path().join("something"), "").unwrap();
    let error = write_image(&recipe, folder.path(), &PLAIN, 1, &silent).unwrap_err();
    assert!(matches!(error, WriteError::Exists(_)), "{error}");
    let file = folder.path().join("something");
    assert!(write_image(&recipe, &file, &PLAIN, 1, &silent).unwrap_err().to_string().contains("something"));
}

#[test]
fn an_image_that_was_not_written_to_its_end_does_not_open() {
    let recipe = Recipe::new("tissue", &[16, 64, 64], [8, 32, 32], None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("image");
    let stop = |_: u64, _: u64| panic!("power failure, made up by a test");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write_image(&recipe, &out, &PLAIN, 1, &stop)));
    assert!(result.is_err());
    assert!(crate::open(&out.to_string_lossy(), ImageId(0)).is_err());
}

#[test]
fn recipes_that_make_no_image_are_refused() {
    for (shape, chunk, levels, says) in [
        (&[64][..], [1, 8, 8], None, "2 to 5"),
        (&[1; 6], [1, 8, 8], None, "2 to 5"),
        (&[64, 0], [1, 8, 8], None, "axis x"),
        (&[1, 5000, 1, 64, 64], [1, 8, 8], None, "axis c"),
        (&[64, 1 << 21], [1, 8, 8], None, "axis x"),
        (&[64, 64], [0, 8, 8], None, "chunk"),
        (&[64, 64], [1, 8, 8], Some(8), "1 to 7 levels"),
        (&[64, 64], [1, 8, 8], Some(0), "1 to 7 levels"),
    ] {
        let error = Recipe::new("none", shape, chunk, levels).unwrap_err().to_string();
        assert!(error.contains(says), "{shape:?}: {error}");
    }
    let vast = [1 << 20, 1 << 20, 1 << 20];
    assert!(matches!(Recipe::new("none", &vast, vast, None), Err(crate::RecipeError::Chunk(_))));
}

#[test]
fn a_plate_has_all_its_wells_and_no_two_images_alike() {
    for ngff in [Ngff::V04, Ngff::V05] {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe::new("field", &[1, 2, 64, 64], [2, 64, 64], None).unwrap();
        let shape = PlateShape { rows: 2, columns: 3, fields: 2 };
        let format = Format { ngff, codec: Codec::BloscLz4, ..PLAIN };
        let last = AtomicU64::new(0);
        let tell = |done: u64, total: u64| last.store(done * 100 / total, Ordering::Relaxed);
        let written = write_plate(&recipe, shape, folder.path(), &format, 1, &tell).unwrap();
        assert_eq!((written.objects, last.into_inner()), (12, 100));
        let document: Value = match ngff {
            Ngff::V04 => serde_json::from_slice(&fs::read(folder.path().join(".zattrs")).unwrap()).unwrap(),
            Ngff::V05 => {
                let document: Value = serde_json::from_slice(&fs::read(folder.path().join("zarr.json")).unwrap()).unwrap();
                document["attributes"]["ome"].clone()
            }
        };
        let wells: Vec<&str> =
            document["plate"]["wells"].as_array().unwrap().iter().map(|well| well["path"].as_str().unwrap()).collect();
        assert_eq!(wells, ["A/1", "A/2", "A/3", "B/1", "B/2", "B/3"]);
        let mut pictures = Vec::new();
        for well in wells {
            for field in 0..2 {
                let image = opened(&folder.path().join(well).join(field.to_string()));
                pictures.push(samples(&image, 0, &[0, 0, 0, 0]));
            }
        }
        pictures.sort();
        pictures.dedup();
        assert_eq!(pictures.len(), 12);
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe::embryo();
    let none = PlateShape { rows: 0, columns: 1, fields: 1 };
    assert!(write_plate(&recipe, none, &folder.path().join("new"), &PLAIN, 1, &silent).is_err());
}
