//! What a slice pass promises, on both devices.

mod common;

use common::*;
use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn hash(x: u32, y: u32) -> u16 {
    (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35).rotate_left(11) as u16
}

/// A 256x256 window of an image lies in one tile when it is an image of its own, and across four when it is part of a larger one.
#[test]
fn a_picture_from_tiles_is_the_picture_from_one_buffer() {
    let whole = Plane::u16(0, 600, 700, hash);
    let window = Plane::u16(1, 256, 256, |x, y| hash(x + 128, y + 192));
    assert_eq!((whole.tiles().len(), window.tiles().len()), (9, 1));
    let keys = |x, y| [0, 3, 7, 1000][usize::from(hash(x / 9, y / 7)) % 4];
    let (whole_keys, window_keys) = (Plane::u16(2, 600, 700, keys), Plane::u16(3, 256, 256, |x, y| keys(x + 128, y + 192)));
    for mut device in both() {
        [&whole, &window, &whole_keys, &window_keys].iter().for_each(|plane| plane.upload(&mut *device));
        for interpolation in FILTERS {
            // Magnified, about 1:1, reduced, strongly reduced; inside of the window.
            for (view, size) in [
                ((130.25, 200.0, 100.0, 50.0), (320, 160)),
                ((129.0, 193.3, 250.0, 125.0), (250, 125)),
                ((130.0, 194.0, 240.5, 240.5), (97, 97)),
                ((130.0, 194.0, 240.5, 240.5), (9, 9)),
            ] {
                let from_tiles = pass(size, view, vec![gray(vec![whole.at((0.0, 0.0), 1.0)], interpolation, 65535.0)]);
                let from_one = pass(size, view, vec![gray(vec![window.at((128.0, 192.0), 1.0)], interpolation, 65535.0)]);
                let (a, b) = (draw(&mut *device, &from_tiles), draw(&mut *device, &from_one));
                assert!(a == b, "{:?} {interpolation:?} {view:?}", device.info().kind);
                assert!(a.iter().any(|p| p[0] > 200), "there is a picture");
                // What a contour looks at beyond the view lies in the window, too.
                let [a, b] = [whole_keys.at((0.0, 0.0), 1.0), window_keys.at((128.0, 192.0), 1.0)]
                    .map(|plane| draw(&mut *device, &pass(size, view, vec![labels(plane, 1)])));
                assert!(a == b, "labels: {:?} {view:?}", device.info().kind);
            }
        }
    }
}

#[test]
fn panning_by_whole_pixels_shifts_the_picture() {
    let plane = Plane::u16(0, 400, 300, hash);
    for mut device in both() {
        plane.upload(&mut *device);
        for (interpolation, tolerance) in FILTERS.into_iter().zip([0, 1, 1]) {
            let (w, h, pixel) = (120, 80, 0.6);
            let at = |dx: u32, dy: u32| {
                let (left, bottom) = (100.1 + f64::from(dx) * pixel, 90.2 + f64::from(dy) * pixel);
                let layers = vec![gray(vec![plane.at((0.0, 0.0), 1.0)], interpolation, 65535.0)];
                pass((w, h), (left, bottom, f64::from(w) * pixel, f64::from(h) * pixel), layers)
            };
            let still = draw(&mut *device, &at(0, 0));
            let panned = draw(&mut *device, &at(7, 3));
            for row in 0..h - 3 {
                for col in 0..w - 7 {
                    let (a, b) = (panned[((row + 3) * w + col) as usize], still[(row * w + col + 7) as usize]);
                    assert!(a[0].abs_diff(b[0]) <= tolerance, "{:?} {interpolation:?} {row} {col}", device.info().kind);
                }
            }
        }
    }
}

/// The letter F, lower left corner at the origin: any flip or transposition shows.
#[test]
fn the_letter_f_stands_upright() {
    const F: [&str; 5] = ["####", "#...", "###.", "#...", "#..."];
    let plane = Plane::u16(0, 4, 5, |x, y| if F[4 - y as usize].as_bytes()[x as usize] == b'#' { 255 } else { 0 });
    for mut device in both() {
        plane.upload(&mut *device);
        let picture = draw(
            &mut *device,
            &pass((4, 5), (-0.5, -0.5, 4.0, 5.0), vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)]),
        );
        let seen: Vec<String> =
            picture.chunks(4).map(|row| row.iter().map(|p| if p[0] == 255 { '#' } else { '.' }).collect()).collect();
        assert_eq!(seen, F, "{:?}", device.info().kind);
    }
}

#[test]
fn the_frame_has_the_bottom_row_first() {
    let plane = Plane::u16(0, 2, 4, |_, y| if y < 2 { 255 } else { 0 });
    for mut device in both() {
        plane.upload(&mut *device);
        let layers = vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)];
        device.draw_slice(&pass((2, 4), (-0.5, -0.5, 2.0, 4.0), layers)).expect("a picture");
        let frame = device.capture(FrameFormat::I420 { range: ColorRange::Full }).expect("a frame");
        let planes = frame.data.i420();
        assert_eq!(planes.y, [255, 255, 255, 255, 0, 0, 0, 0], "{:?}", device.info().kind);
        assert_eq!((planes.u, planes.v), (&[128u8, 128][..], &[128u8, 128][..]));
    }
}

#[test]
fn missing_tiles_are_drawn_from_the_next_plane() {
    // Fine is white, coarse is gray; together they cover the same world.
    let fine = Plane::u16(0, 512, 512, |_, _| 200);
    let coarse = Plane::u16(1, 256, 256, |_, _| 100);
    for mut device in both() {
        let kind = device.info().kind;
        let planes = || vec![fine.at((0.0, 0.0), 1.0), coarse.at((0.5, 0.5), 2.0)];
        let shown = |device: &mut dyn RenderDevice, interpolation| {
            let whole = pass((512, 512), (-0.5, -0.5, 512.0, 512.0), vec![gray(planes(), interpolation, 255.0)]);
            draw(device, &whole).iter().map(|p| p[0]).collect::<Vec<_>>()
        };
        assert!(shown(&mut *device, Interpolation::Nearest).iter().all(|p| *p == 0), "{kind:?}: nothing is resident");
        coarse.upload(&mut *device);
        assert!(shown(&mut *device, Interpolation::Linear).iter().all(|p| *p == 100), "{kind:?}: coarse alone");
        fine.upload(&mut *device);
        assert!(shown(&mut *device, Interpolation::Linear).iter().all(|p| *p == 200), "{kind:?}: fine is there");
        device.evict(&TileKey { plane: fine.key, ty: 0, tx: 1 });
        let picture = shown(&mut *device, Interpolation::Nearest);
        for (i, value) in picture.iter().enumerate() {
            // Tile row 0 is the lower half of the picture.
            let hole = i / 512 >= 256 && i % 512 >= 256;
            assert_eq!(*value, if hole { 100 } else { 200 }, "{kind:?} pixel {i}");
        }
        device.evict(&TileKey { plane: coarse.key, ty: 0, tx: 0 });
        assert_eq!(shown(&mut *device, Interpolation::Nearest)[512 * 511 + 511], 0, "{kind:?}: nothing stands in");
    }
}

#[test]
fn a_filter_needs_all_its_tiles() {
    // The view is half a sample beyond the border of two tiles, so that the last column needs both.
    let plane = Plane::u16(0, 512, 4, |_, _| 255);
    for mut device in both() {
        let (key, tile) = plane.tiles().remove(0);
        device.upload(key, &tile).expect("room");
        let layer = |interpolation| vec![gray(vec![plane.at((0.0, 0.0), 1.0)], interpolation, 255.0)];
        let mut last = |left, layers: Vec<SliceLayer>| draw(&mut *device, &pass((4, 4), (left, 0.0, 4.0, 4.0), layers))[3][0] > 0;
        let mut filtered = |left| FILTERS.map(|interpolation| last(left, layer(interpolation)));
        assert_eq!(filtered(251.75), [true, false, false]);
        // A cubic filter reads one more.
        assert_eq!((filtered(250.75), filtered(249.75)), ([true, true, false], [true; 3]));
        let mut contour = |left, reach| last(left, vec![labels(plane.at((0.0, 0.0), 1.0), reach)]);
        assert!(contour(250.75, 0) && !contour(250.75, 3), "nothing of one key is a contour, but the next tile may hold another");
    }
}

#[test]
fn what_is_not_a_number_is_transparent_and_infinity_is_the_end() {
    let samples = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let below = Plane::new(0, 4, 1, Samples::F32([0.5; 4].into()));
    let above = Plane::new(1, 4, 1, Samples::F32(samples.into()));
    for mut device in both() {
        below.upload(&mut *device);
        above.upload(&mut *device);
        for interpolation in [Interpolation::Nearest, Interpolation::Linear] {
            let layers = [&below, &above].map(|p| gray(vec![p.at((0.0, 0.0), 1.0)], interpolation, 1.0)).to_vec();
            let row: Vec<u8> = draw(&mut *device, &pass((4, 1), (-0.5, -0.5, 4.0, 1.0), layers)).iter().map(|p| p[0]).collect();
            assert_eq!(row, [255, 128, 255, 0], "{:?} {interpolation:?}", device.info().kind);
        }
    }
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let plane = Plane::u16(0, 3, 3, hash);
    for mut device in both() {
        let short = Tile { width: 3, height: 3, samples: Samples::U8([0; 8].into()) };
        let key = TileKey { plane: plane.key, ty: 0, tx: 0 };
        assert!(matches!(device.upload(key, &short), Err(DeviceError::Refused(_))));
        device.draw_slice(&pass((3, 3), (0.0, 0.0, 3.0, 3.0), Vec::new())).expect("black");
        assert!(matches!(device.capture(FrameFormat::I420 { range: ColorRange::Full }), Err(DeviceError::Refused(_))));
        assert_eq!(device.read_rgba().expect("pixels"), [0, 0, 0, 255].repeat(9));
        // A tile of another shape than its place in the plane is not drawn.
        device.upload(key, &Tile { width: 2, height: 2, samples: Samples::U8([255; 4].into()) }).expect("a tile");
        let layers = vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)];
        assert!(draw(&mut *device, &pass((3, 3), (-0.5, -0.5, 3.0, 3.0), layers)).iter().all(|p| *p == [0, 0, 0, 255]));
    }
}

/// napari's rule, sample by sample: see [`SliceLayer::contour`].
#[test]
fn contours_are_drawn_along_smaller_keys_and_beside_greater_ones() {
    let (width, height) = (300i64, 280i64);
    let key = |x: i64, y: i64| [0, 1, 2, 9][usize::from(hash(x as u32 / 13, y as u32 / 11)) % 4];
    let plane = Plane::u16(0, width as u32, height as u32, |x, y| key(i64::from(x), i64::from(y)));
    let colors = LabelColors::default();
    for mut device in both() {
        plane.upload(&mut *device);
        for contour in [1u32, 2, 5, MOST_CONTOUR + 9] {
            let reach = i64::from(contour.min(MOST_CONTOUR));
            let whole = pass((300, 280), (-0.5, -0.5, 300.0, 280.0), vec![labels(plane.at((0.0, 0.0), 1.0), contour)]);
            let picture = draw(&mut *device, &whole);
            for (x, y) in
                (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).filter(|(x, y)| reach < 9 || (x + 7 * y) % 61 == 0)
            {
                let near = |distance: i64| {
                    let rows = (y - distance).max(0)..=(y + distance).min(height - 1);
                    rows.flat_map(move |j| {
                        let across = distance - (j - y).abs();
                        ((x - across).max(0)..=(x + across).min(width - 1)).map(move |i| key(i, j))
                    })
                };
                let drawn = near(reach).any(|k| k < key(x, y)) || near(1).any(|k| k > key(x, y));
                let [r, g, b, _] = colors.color(if drawn { key(x, y) } else { 0 });
                let at = picture[((height - 1 - y) * width + x) as usize];
                assert_eq!(at, [r, g, b, 255], "{:?}, contour {contour}, sample {x} {y}", device.info().kind);
            }
        }
    }
}

/// Any samples, views and layers; a few planes of different formats and sizes, some tiles missing.
#[derive(Debug)]
struct AnyScene {
    passes: Vec<SlicePass>,
    missing: Vec<bool>,
}

const SIZES: [(u32, u32); 4] = [(300, 290), (150, 145), (64, 600), (33, 7)];

fn any_layer() -> impl Strategy<Value = SliceLayer> {
    let axis = |len: u32| {
        // About the world's first 200 units, in either direction.
        (0.5f64..2.0, -30.0f64..30.0, any::<bool>()).prop_map(move |(stretch, start, flipped)| {
            let scale = stretch * 200.0 / f64::from(len);
            let end = start + 200.0 * stretch;
            if flipped { SampleAxis { len, scale: -scale, translate: end } } else { SampleAxis { len, scale, translate: start } }
        })
    };
    let plane = move |numbers: usize| {
        (0..numbers).prop_flat_map(move |number| {
            let (width, height) = SIZES[number % SIZES.len()];
            (axis(width), axis(height)).prop_map(move |(x, y)| SlicePlane { key: key(number as u32), x, y })
        })
    };
    // Keys are integers, and those planes come first.
    let labels = (prop::collection::vec(plane(SIZES.len() * 2), 1..4), 0u32..5)
        .prop_map(|(planes, contour)| (planes, Coloring::Labels(LabelColors::default().into()), contour));
    let map = prop::sample::select(colormap::names().to_vec()).prop_map(|name| colormap::named(name).expect("a map"));
    let blending = prop::sample::select(vec![
        Blending::Opaque,
        Blending::Translucent,
        Blending::TranslucentNoDepth,
        Blending::Additive,
        Blending::Minimum,
        Blending::Multiplicative,
    ]);
    let transfer = (-20.0f32..100.0, 1.0f32..200.0, prop_oneof![Just(1.0f32), 0.2f32..3.0], map)
        .prop_map(|(lo, extent, gamma, table)| Coloring::Scalar(Transfer { limits: (lo, lo + extent), gamma, table }));
    let image = (prop::collection::vec(plane(SIZES.len() * 3), 1..4), transfer).prop_map(|(planes, scale)| (planes, scale, 0));
    let filter = prop::sample::select(FILTERS.to_vec());
    (prop_oneof![3 => image, 1 => labels], filter, prop_oneof![Just(1.0f32), 0.0f32..1.0], blending).prop_map(
        |((planes, coloring, contour), interpolation, opacity, blending)| SliceLayer {
            planes,
            interpolation,
            coloring,
            contour,
            opacity,
            blending,
        },
    )
}

fn any_scene() -> impl Strategy<Value = AnyScene> {
    let one = (1u32..90, 1u32..60, -40.0f64..150.0, -40.0f64..150.0, 1.0f64..150.0, prop::collection::vec(any_layer(), 0..5))
        .prop_map(|(w, h, left, bottom, width, layers)| {
            pass((w, h), (left, bottom, width, width * f64::from(h) / f64::from(w)), layers)
        });
    (prop::collection::vec(one, 1..4), prop::collection::vec(prop::bool::weighted(0.15), 64))
        .prop_map(|(passes, missing)| AnyScene { passes, missing })
}

/// Four sizes, in each format. Values are smooth enough for a colour map's steps not to magnify what the last bit of a driver's
/// square root may change.
fn planes() -> Vec<Plane> {
    let mut planes = Vec::new();
    for format in 0..3 {
        for (i, (width, height)) in SIZES.into_iter().enumerate() {
            let value = |n: u32| (hash(n % width, n / width) % 120) as u8;
            let all = 0..width * height;
            let samples = match format {
                0 => Samples::U8(all.map(value).collect()),
                1 => Samples::U16(all.map(|n| u16::from(value(n))).collect()),
                _ => Samples::F32(all.map(|n| if n % 97 == 5 { f32::NAN } else { f32::from(value(n)) * 0.83 - 7.0 }).collect()),
            };
            planes.push(Plane::new((format * SIZES.len() + i) as u32, width, height, samples));
        }
    }
    planes
}

fn fill(device: &mut dyn RenderDevice, planes: &[Plane], missing: &[bool]) {
    for (i, (key, tile)) in planes.iter().flat_map(Plane::tiles).enumerate() {
        device.evict(&key);
        if !missing[i % missing.len()] {
            device.upload(key, &tile).expect("room");
        }
    }
}

/// A runner whose cases are the same on every run.
fn runner(cases: u32) -> TestRunner {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng)
}

#[test]
fn both_devices_draw_the_same_picture() {
    let (planes, devices) = (planes(), std::cell::RefCell::new((cpu(), gl())));
    // Pixels: unequal, drawn, all.
    let counts = std::cell::Cell::new([0usize; 3]);
    runner(150)
        .run(&any_scene(), |scene| {
            let (cpu, gl) = &mut *devices.borrow_mut();
            fill(cpu, &planes, &scene.missing);
            fill(gl, &planes, &scene.missing);
            for pass in &scene.passes {
                let (a, b) = (draw(cpu, pass), draw(gl, pass));
                let off = largest_difference(&a, &b);
                let unequal = a.iter().zip(&b).filter(|(a, b)| a != b).count();
                let drawn = a.iter().filter(|p| **p != [0, 0, 0, 255]).count();
                let [n, m, k] = counts.get();
                counts.set([n + unequal, m + drawn, k + a.len()]);
                prop_assert!(off <= 1, "off by {} in {:?}", off, pass);
            }
            Ok(())
        })
        .expect("equal pictures");
    let [unequal, drawn, all] = counts.get();
    println!("{unequal} of {drawn} drawn pixels differ, by 1/255");
    assert!(drawn * 3 > all, "{drawn} of {all} pixels are drawn");
}

#[test]
fn captured_frames_are_equal_to_the_bit() {
    let (planes, mut gl) = (planes(), gl());
    let mut cpu = cpu();
    fill(&mut cpu, &planes, &[false]);
    fill(&mut gl, &planes, &[false]);
    for size in [(2, 2), (6, 4), (64, 48), (66, 50), (130, 2)] {
        // Opaque and nearest, so that the pictures themselves are equal.
        let mut layer = gray(vec![planes[0].at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0);
        let Coloring::Scalar(transfer) = &mut layer.coloring else { panic!("a gray layer") };
        transfer.table = colormap::named("turbo").expect("a map");
        let pass = pass(size, (-10.0, 3.0, f64::from(size.0), f64::from(size.1)), vec![layer]);
        assert_eq!(draw(&mut cpu, &pass), draw(&mut gl, &pass));
        for range in [ColorRange::Full, ColorRange::Limited] {
            let frames =
                [&mut cpu as &mut dyn RenderDevice, &mut gl].map(|d| d.capture(FrameFormat::I420 { range }).expect("a frame"));
            let [a, b] = [frames[0].data.i420(), frames[1].data.i420()];
            assert!(a.y == b.y && a.u == b.u && a.v == b.v, "{size:?} {range:?}");
        }
    }
}

/// SIMD and threads change nothing.
#[test]
fn every_way_of_the_cpu_device_gives_the_same_bits() {
    let planes = planes();
    let small = CanvasSize { width: 2, height: 2 };
    let options = [(true, 1), (false, 1), (true, 3), (false, 4)];
    let devices = std::cell::RefCell::new(options.map(|(simd, threads)| CpuDevice::new(small, CpuOptions { simd, threads })));
    runner(100)
        .run(&any_scene(), |scene| {
            let devices = &mut *devices.borrow_mut();
            devices.iter_mut().for_each(|d| fill(d, &planes, &scene.missing));
            for pass in &scene.passes {
                let [first, others @ ..] = devices.each_mut().map(|d| draw(d, pass));
                prop_assert!(others.iter().all(|o| *o == first), "{:?}", pass);
            }
            Ok(())
        })
        .expect("equal pictures");
    // Large enough for the threads to be used.
    let layers = vec![gray(vec![planes[4].at((0.0, 0.0), 1.0)], Interpolation::Linear, 100.0); 2];
    let large = pass((1600, 1200), (0.0, 0.0, 300.0, 225.0), layers);
    let [first, others @ ..] = devices.into_inner().map(|mut d| draw(&mut d, &large));
    assert!(others.iter().all(|o| *o == first));
    assert!(first.iter().any(|p| p[0] > 0));
}
