//! Bricks are what an element-by-element look at the array gives, for any axes in any order, shapes, chunks and types; and what becomes of
//! them where chunks are damaged.

use crate::synthetic::{FILL, View, chunk, element, image, info, number, sound};
use nc_core::data::{BRICK, Brick, BrickKey, DType, ImageId, MAX_AXES, SampleFormat, VolumeKey};
use nc_core::scene::ImageInfo;
use nc_store::{Arrival, Chunk, Class, Goal, Image, Loader, LoaderConfig, LoaderHandle, Piece, ReadError, ReadErrorKind, Want};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TYPES: [DType; 7] = [DType::Bool, DType::U8, DType::U16, DType::I32, DType::U64, DType::F16, DType::F32];

fn volume(level: u8, axes: [u8; 3], index: [u32; MAX_AXES]) -> VolumeKey {
    VolumeKey { image: ImageId(7), level, axes, index }
}

fn want(loader: &LoaderHandle, view: &View, image: &Image, goals: impl IntoIterator<Item = Goal>) {
    let wants: Vec<Want> =
        goals.into_iter().map(|goal| Want { goal, class: Class::Visible, deadline: None, pin: false }).collect();
    loader.want(view.id, std::slice::from_ref(image), &wants);
    loader.stats();
}

fn of_volume(info: &ImageInfo, volume: &VolumeKey) -> [u32; 3] {
    volume.axes.map(|axis| info.levels[usize::from(volume.level)].shape[usize::from(axis)] as u32)
}

fn naive(info: &ImageInfo, key: &BrickKey) -> ([u32; 3], Vec<f32>) {
    let VolumeKey { level, axes, index, .. } = key.volume;
    let shape = &info.levels[usize::from(level)].shape;
    let size = key.size(of_volume(info, &key.volume)).unwrap();
    let mut at: Vec<u64> = index.iter().take(shape.len()).map(|&i| u64::from(i)).collect();
    let mut samples = Vec::new();
    for n in 0..size.iter().product::<u32>() {
        let inside = [n / (size[1] * size[2]), n / size[2] % size[1], n % size[2]];
        for i in 0..3 {
            at[usize::from(axes[i])] = u64::from(key.at[i] * BRICK + inside[i]);
        }
        samples.push(element(info.dtype, number(usize::from(level), &at)).1);
    }
    (size, samples)
}

fn samples(brick: &Brick) -> Vec<f32> {
    (0..brick.samples().len()).map(|i| brick.samples().get(i)).collect()
}

#[derive(Debug)]
struct Case {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    dtype: DType,
    axes: [u8; 3],
    fixed: Vec<u64>,
    padded: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (3..=MAX_AXES)
        .prop_flat_map(|n| Just((0..n as u8).collect::<Vec<u8>>()).prop_shuffle())
        .prop_flat_map(|order| {
            let n = order.len();
            let axes = [order[0], order[1], order[2]];
            let shown = move |a: usize| axes.contains(&(a as u8));
            let shape: Vec<_> = (0..n).map(|a| if shown(a) { 1..=90u64 } else { 1..=3u64 }).collect();
            let chunk: Vec<_> = (0..n).map(|a| if shown(a) { 1..=70u64 } else { 1..=2u64 }).collect();
            let fixed = proptest::collection::vec(any::<u64>(), n);
            (shape, chunk, fixed, proptest::sample::select(&TYPES[..]), any::<bool>(), Just(axes))
        })
        .prop_filter("few chunks", |(shape, chunk, ..)| {
            shape.iter().zip(chunk).map(|(s, c)| s.div_ceil(*c)).product::<u64>() < 1500
        })
        .prop_map(|(shape, chunk, fixed, dtype, padded, axes)| Case { shape, chunk, dtype, axes, fixed, padded })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn bricks_equal_an_element_wise_look(case in cases()) {
        let padded = case.padded;
        let about = info(case.dtype, &[(&case.shape, &case.chunk)]);
        let (image, _) = image(about, move |info, level, at, _| Ok(Some(chunk(info, level, at, padded))));
        let mut index = [0; MAX_AXES];
        for a in (0..case.shape.len()).filter(|&a| !case.axes.contains(&(a as u8))) {
            index[a] = (case.fixed[a] % case.shape[a]) as u32;
        }
        let volume = volume(0, case.axes, index);
        let keys: Vec<BrickKey> = BrickKey::all(volume, of_volume(&image.info, &volume)).collect();
        let loader = Loader::new(LoaderConfig { threads: 2, cache_bytes: 1 << 30 });
        let view = View::attach(&loader, 1);
        prop_assert!(loader.resident_brick(&image, &keys[0]).is_none());
        want(&loader, &view, &image, keys.iter().map(|key| Goal::Brick(*key)));
        let arrivals = view.take(keys.len());
        prop_assert_eq!(arrivals.len(), keys.len());
        for arrival in arrivals {
            let Arrival::Brick { key, brick, mended: false } = arrival else { panic!("{arrival:?}") };
            let (size, expected) = naive(&image.info, &key);
            prop_assert_eq!((brick.size(), brick.samples().format()), (size, SampleFormat::of(case.dtype)));
            prop_assert_eq!(samples(&brick), expected);
            prop_assert_eq!(loader.resident_brick(&image, &key), Some(brick));
        }
    }
}

#[test]
fn chunks_of_one_value_fill_their_part() {
    for (dtype, element) in [(DType::U8, [3; 8]), (DType::U16, [1, 2, 0, 0, 0, 0, 0, 0]), (DType::F64, 0.5f64.to_ne_bytes())] {
        let (image, _) = image(info(dtype, &[(&[70, 5, 66], &[32, 4, 40])]), move |info, level, at, _| {
            let absent = || Chunk::absent(&info.levels[level].chunk, element).unwrap();
            Ok(Some(if at[2] == 0 { absent() } else { chunk(info, level, at, true) }))
        });
        let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 26 });
        let view = View::attach(&loader, 1);
        // Columns along the slowest axis.
        let key = BrickKey { volume: volume(0, [1, 2, 0], [0; MAX_AXES]), at: [0, 0, 1] };
        want(&loader, &view, &image, [Goal::Brick(key)]);
        let [Arrival::Brick { brick, .. }] = &view.take(1)[..] else { panic!() };
        let (_, expected) = naive(&image.info, &key);
        let [_, rows, cols] = brick.size();
        let first = brick.samples().get(0);
        for (i, (found, there)) in samples(brick).into_iter().zip(expected).enumerate() {
            let row = i as u32 / cols % rows;
            assert_eq!(found, if row < 40 { first } else { there }, "{dtype:?} at {i}");
        }
    }
}

#[test]
fn no_brick_beyond_the_image() {
    let (image, source) = sound(info(DType::U8, &[(&[3, 70, 66, 20], &[1, 64, 64, 20])]));
    let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 22 });
    let view = View::attach(&loader, 1);
    let good = BrickKey { volume: volume(0, [3, 1, 2], [2, 0, 0, 0, 0]), at: [0, 1, 1] };
    let with = |change: fn(&mut BrickKey)| {
        let mut key = good;
        change(&mut key);
        key
    };
    let bad = [
        with(|k| k.at[0] = 1),
        with(|k| k.at[2] = u32::MAX),
        with(|k| k.volume.level = 1),
        with(|k| k.volume.axes[0] = 4),
        with(|k| k.volume.axes[0] = 1),
        with(|k| k.volume.index[0] = 3),
        with(|k| k.volume.image = ImageId(8)),
    ];
    want(&loader, &view, &image, bad.map(Goal::Brick));
    assert!(bad.iter().all(|key| loader.resident_brick(&image, key).is_none()));
    want(&loader, &view, &image, [Goal::Brick(good)]);
    let arrivals = view.take(1);
    assert!(matches!(&arrivals[..], [Arrival::Brick { key, brick, .. }] if *key == good && brick.size() == [20, 6, 2]));
    assert_eq!(source.reads.lock().unwrap().len(), 1, "only the good brick was read");
}

#[test]
fn what_is_wanted_no_more_does_not_arrive_and_what_is_warm_is_there_at_once() {
    let (image, source) = sound(info(DType::U16, &[(&[8, 64, 200], &[8, 64, 64])]));
    let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 22 });
    let view = View::attach(&loader, 1);
    let key = |x: u32| BrickKey { volume: volume(0, [0, 1, 2], [0; MAX_AXES]), at: [0, 0, x] };
    want(&loader, &view, &image, [Goal::Brick(key(0))]);
    view.await_woken();
    want(&loader, &view, &image, [Goal::Brick(key(1)), Goal::Warm(Piece::Brick(key(2)))]);
    let arrivals = view.take(1);
    assert!(matches!(&arrivals[..], [Arrival::Brick { key: there, .. }] if *there == key(1)), "{arrivals:?}");
    // A warm one says nothing when it is there; what comes after it does.
    want(&loader, &view, &image, [Goal::Warm(Piece::Brick(key(2))), Goal::Brick(key(3))]);
    view.take(1);
    assert!(loader.resident_brick(&image, &key(2)).is_some());
    assert_eq!(source.reads.lock().unwrap().len(), 4, "each chunk once");
}

/// Two levels; the right half of each is damaged until told otherwise.
fn broken(kind: ReadErrorKind) -> (Image, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    let levels: [(&[u64], &[u64]); 2] = [(&[4, 4, 8], &[4, 4, 4]), (&[2, 2, 4], &[2, 2, 2])];
    let (image, _) = image(info(DType::U16, &levels), move |info, level, at, _| {
        if at[2] == 1 && state.load(Ordering::SeqCst) {
            return Err(ReadError { kind, message: "broken".into() });
        }
        Ok(Some(chunk(info, level, at, true)))
    });
    (image, broken)
}

fn clock() -> (Arc<dyn Fn() -> Instant + Send + Sync>, impl Fn(u64)) {
    let time = Arc::new(Mutex::new(Instant::now()));
    let now = time.clone();
    (Arc::new(move || *now.lock().unwrap()), move |ms| *time.lock().unwrap() += Duration::from_millis(ms))
}

#[test]
fn damaged_parts_have_the_fill_value_and_are_mended() {
    let (image, broken) = broken(ReadErrorKind::Decode);
    let (time, pass) = clock();
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, time);
    let view = View::attach(&loader, 1);
    for level in [0u8, 1] {
        let key = BrickKey { volume: volume(level, [0, 1, 2], [0; MAX_AXES]), at: [0; 3] };
        broken.store(true, Ordering::SeqCst);
        want(&loader, &view, &image, [Goal::Brick(key)]);
        let arrivals = view.take(2);
        let [Arrival::Fault { piece, .. }, Arrival::Brick { brick, mended: false, .. }] = &arrivals[..] else {
            panic!("{arrivals:?}")
        };
        assert_eq!(*piece, Piece::Brick(key));
        let (_, whole) = naive(&image.info, &key);
        let fill = FILL as f32 + f32::from(level);
        let half = brick.size()[2] / 2;
        let expected: Vec<f32> =
            whole.iter().enumerate().map(|(i, &v)| if i as u32 % (2 * half) < half { v } else { fill }).collect();
        assert_eq!(samples(brick), expected);
        assert!(loader.resident_brick(&image, &key).is_none());
        broken.store(false, Ordering::SeqCst);
        pass(1000);
        want(&loader, &view, &image, []);
        let healed = view.take(1);
        let [Arrival::Brick { brick, mended: true, .. }] = &healed[..] else { panic!("{healed:?}") };
        assert_eq!(samples(brick), whole);
    }
}

#[test]
fn while_a_place_is_away_only_the_coarsest_level_comes_without_it() {
    let (image, broken) = broken(ReadErrorKind::TimedOut);
    let (time, pass) = clock();
    let loader = Loader::with_clock(LoaderConfig { threads: 1, cache_bytes: 1 << 20 }, time);
    let view = View::attach(&loader, 1);
    let key = |level| BrickKey { volume: volume(level, [0, 1, 2], [0; MAX_AXES]), at: [0; 3] };
    let goals = [Goal::Brick(key(1)), Goal::Brick(key(0))];
    want(&loader, &view, &image, goals);
    // Which faults are told depends on what was read between them.
    let bricks = |n: usize| {
        let mut bricks = Vec::new();
        while bricks.len() < n {
            let brick = |a| if let Arrival::Brick { key, brick, mended } = a { Some((key, brick, mended)) } else { None };
            bricks.extend(view.take(1).into_iter().filter_map(brick));
        }
        bricks
    };
    assert_eq!(bricks(1).iter().map(|(key, ..)| *key).collect::<Vec<_>>(), [key(1)]);
    broken.store(false, Ordering::SeqCst);
    pass(1000);
    want(&loader, &view, &image, [Goal::Brick(key(0))]);
    for (key, brick, mended) in bricks(2) {
        assert_eq!((samples(&brick), mended), (naive(&image.info, &key).1, key.volume.level == 1));
    }
}
