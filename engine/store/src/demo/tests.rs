use super::stain::Stain;
use super::*;
use std::time::{Duration, Instant};

fn make(image: &Image, level: usize, at: &[u64]) -> Result<Chunk, ReadError> {
    image.source().make(level, at, &mut Scratch::default(), &Stop::new())
}

fn read(image: &Image, level: usize, at: [u64; 4]) -> Vec<u16> {
    let chunk = make(image, level, &at).unwrap();
    assert_eq!(chunk.flaw(&image.info, level, &at), None);
    let crate::ChunkData::Samples(samples) = &chunk.data else { panic!("the demo has no empty chunks") };
    samples.as_chunks::<2>().0.iter().map(|b| u16::from_ne_bytes(*b)).collect()
}

#[test]
fn a_chunk_depends_on_its_place_alone() {
    let (one, other) = (demo(ImageId(1)), demo(ImageId(2)));
    let first = read(&one, 2, [1, 7, 0, 1]);
    read(&one, 0, [0, 3, 2, 2]);
    assert_eq!(first, read(&one, 2, [1, 7, 0, 1]));
    assert_eq!(first, read(&other, 2, [1, 7, 0, 1]));
    assert_ne!(first, read(&one, 2, [1, 7, 1, 1]));
}

/// Cells that end at a chunk's border would show as seams. Compares the steps across borders with those beside them.
#[test]
fn chunks_join_without_seams() {
    let image = demo(ImageId(0));
    for c in 0..3 {
        let (left, right) = (read(&image, 1, [c, 7, 1, 1]), read(&image, 1, [c, 7, 1, 2]));
        let step = |a: u16, b: u16| f64::from(a.abs_diff(b));
        let rows = 0..4 * 256;
        let across: f64 = rows.clone().map(|r| step(left[r * 256 + 255], right[r * 256])).sum();
        let beside: f64 = rows.map(|r| step(left[r * 256 + 254], left[r * 256 + 255])).sum();
        assert!(across < 2.0 * beside + 1000.0, "channel {c}: {across} across the border, {beside} beside it");
    }
}

/// The same place of the world looks the same on every level: means over 64 µm squares agree.
#[test]
fn levels_show_the_same_scene() {
    let image = demo(ImageId(0));
    for c in 0..3 {
        let mean = |v: &[u16]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
        let fine = mean(&read(&image, 0, [c, 7, 3, 1]));
        for level in 1..image.info.levels.len() {
            let edge = 256 >> level;
            let (y0, x0) = ((3 * 256) >> level, 256 >> level);
            let chunk = read(&image, level, [c, 7, 0, 0]);
            let width = (2048usize >> level).min(256);
            // Level 1 needs another chunk for this square; from level 2 on it lies in the first one.
            if y0 + edge > width {
                continue;
            }
            let rows = (0..4 * edge).map(|i| ((i / edge) * width + y0 + i % edge) * width + x0);
            let part: Vec<u16> = rows.flat_map(|at| chunk[at..at + edge].to_vec()).collect();
            let coarse = mean(&part);
            assert!((coarse - fine).abs() < 0.25 * fine, "channel {c}: {coarse} at level {level}, {fine} at level 0");
        }
    }
}

#[test]
fn every_channel_has_light_and_dark_within_its_window() {
    let image = demo(ImageId(0));
    for (c, stain) in Stain::ALL.iter().enumerate() {
        let mut counts = read(&image, 3, [c as u64, 8, 0, 0]);
        counts.sort_unstable();
        let (low, high) = stain.window();
        let dark = counts.iter().filter(|&&v| f64::from(v) < low).count();
        let light = counts.iter().filter(|&&v| f64::from(v) > low + 0.25 * (high - low)).count();
        assert!(dark * 10 > counts.len(), "{stain:?}: {dark} dark of {}", counts.len());
        assert!(light * 200 > counts.len(), "{stain:?}: {light} light of {}", counts.len());
    }
}

#[test]
fn no_chunk_beyond_the_image() {
    let image = demo(ImageId(0));
    for (level, at) in [(0, [3, 0, 0, 0]), (0, [0, 16, 0, 0]), (1, [0, 0, 4, 0]), (5, [0, 0, 0, 0]), (0, [0, 0, 0, u64::MAX])] {
        assert_eq!(make(&image, level, &at).unwrap_err().kind, ReadErrorKind::NoSuchPlane);
    }
    assert!(make(&image, 0, &[0, 0]).is_err());
}

/// What a first picture costs: the coarsest plane of all channels. Loose, for a busy machine; alone it takes about 15 ms.
#[test]
fn first_picture_is_quick() {
    let start = Instant::now();
    let image = demo(ImageId(0));
    (0..3).for_each(|c| drop(read(&image, 4, [c, 8, 0, 0])));
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

#[test]
#[ignore = "measures: cargo test --release -p nc-store chunk_time -- --ignored --nocapture"]
fn chunk_time() {
    let image = demo(ImageId(0));
    for level in [0, 1, 2, 4] {
        for c in 0..3 {
            let middle = image.info.levels[level].shape[2] / 256 / 2;
            let times = (0..8).map(|z| {
                let start = Instant::now();
                read(&image, level, [c, z, middle, middle]);
                start.elapsed()
            });
            println!("level {level} channel {c}: {:?}", times.min().unwrap());
        }
    }
}
