//! Whole sessions on the processor's device: what a client that decodes the packets sees, against what the data says.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod made_up;
mod observer;
mod switching;

use made_up::{image, level};
use nc_core::data::{CanvasSize, ColorRange};
use nc_engine::api::Event;
use nc_engine::{DeviceChoice, Engine, EngineConfig, Image};
use nc_gpu::convert::to_rgba;
use nc_gpu::testing::Decoded;
use nc_store::{Loader, LoaderConfig, ReadError, ReadErrorKind};
use observer::{Observer, Said};
use serde_json::json;
use std::path::{Path, PathBuf};

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 240 };

fn engine() -> Engine {
    Engine::new(EngineConfig { device: DeviceChoice::Cpu, cache_bytes: 256 << 20, loader_threads: 1, ..EngineConfig::default() })
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name)
}

fn open(engine: &Engine, path: &Path) -> Image {
    engine.open(path.to_str().unwrap()).unwrap()
}

/// The colour at an encoded row and column, in 8 bits.
fn color(picture: &Decoded, row: u32, column: u32) -> [u8; 3] {
    let planes = nc_gpu::api::I420 { y: &picture.y, u: &picture.u, v: &picture.v };
    let rgba = to_rgba(planes, picture.size, ColorRange::Full)[(row * picture.size.width + column) as usize];
    [0, 1, 2].map(|channel| rgba[channel].round().clamp(0.0, 255.0) as u8)
}

fn assert_close(got: [u8; 3], expected: [u8; 3], tolerance: u8, place: &str) {
    assert!(got.iter().zip(expected).all(|(&a, b)| a.abs_diff(b) <= tolerance), "{place}: {got:?} instead of {expected:?}");
}

#[test]
fn the_settled_picture_is_the_one_that_the_data_makes() {
    for name in [
        "data/fish4c_u16_v05_sharded_blosc.ome.zarr",
        "data/ihc_rgb_v05_zstd.ome.zarr",
        "data/droplet_tzyx_v05_ngffzarr.ome.zarr",
        "data/cells3d_labels_v04.ome.zarr",
        "reference/data/ramp_nan_yx_f32.ome.zarr",
    ] {
        let engine = engine();
        let image = open(&engine, &golden(name));
        let mut observer = Observer::start(&engine, image, CANVAS);
        let quality = observer.await_picture();
        assert!(quality.luma_db >= 35.0 && quality.chroma_db >= 35.0, "{name}: {quality:?}");
    }
}

#[test]
fn it_still_is_after_moving_stepping_and_recolouring() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden("data/fish4c_u16_v05_sharded_blosc.ome.zarr")), CANVAS);
    observer.await_picture();
    observer.intend("camera", "main", "zoom", json!({"factor": 0.3, "anchor_px": [40, 200]}));
    observer.intend("camera", "main", "pan", json!({"dx_px": 31.5, "dy_px": -17.25}));
    observer.intend("layer", "layer-1", "colormap", json!("viridis"));
    observer.intend("layer", "layer-2", "visible", json!(false));
    observer.intend("layer", "layer-0", "gamma", json!(0.6));
    observer.await_applied();
    observer.await_picture();

    let mut observer = Observer::start(&engine, open(&engine, &golden("data/droplet_tzyx_v05_ngffzarr.ome.zarr")), CANVAS);
    for (axis, index) in [("t", 20), ("z", 3), ("t", 11)] {
        observer.intend("dims", axis, "index", json!(index));
        observer.await_applied();
        observer.await_picture();
    }
}

#[test]
fn a_volume_is_drawn_and_the_way_back_leads_to_the_same_plane() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden("data/droplet_tzyx_v05_ngffzarr.ome.zarr")), CANVAS);
    observer.intend("camera", "main", "zoom", json!({"factor": 0.4, "anchor_px": [100, 90]}));
    observer.intend("dims", "z", "index", json!(2));
    observer.await_applied();
    observer.await_picture();
    let (before, idrs) = (observer.session().view(), observer.flip_and_idrs().1);

    observer.intend("view", "main", "ndisplay", json!(3));
    observer.intend("camera", "main", "orbit", json!({"d_az_deg": 25.0, "d_el_deg": -40.0}));
    observer.await_applied();
    observer.await_picture();
    let volume = observer.session().view();
    assert_eq!((volume.ndisplay, volume.volume.unwrap().angles), (3, [55.0, -10.0, 0.0]));
    assert!(observer.flip_and_idrs().0 && observer.flip_and_idrs().1 > idrs, "turned over, and the toggle came with an IDR");
    let idrs = observer.flip_and_idrs().1;
    observer.intend("dims", "t", "index", json!(7));
    observer.intend("view", "main", "ndisplay", json!(2));
    observer.await_applied();
    observer.await_picture();
    let after = observer.session().view();
    assert_eq!((after.ndisplay, after.level, after.plane), (2, before.level, before.plane));
    assert_eq!((after.step[1], after.step[0]), (before.step[1], 7), "t had its slider in 3D too");
    assert!(!observer.flip_and_idrs().0 && observer.flip_and_idrs().1 > idrs);
}

#[test]
fn labels_lie_over_the_image_in_the_colours_of_the_file() {
    let engine = engine();
    let image = open(&engine, &golden("data/cells3d_labels_v05.ome.zarr"));
    let mut observer = Observer::start(&engine, image.clone(), CANVAS);
    observer.await_picture();
    let view = observer.session().view();
    let [nuclei, cells] = &view.layers[..] else { panic!("{:?}", view.layers) };
    assert_eq!((nuclei.spec.name.as_str(), cells.spec.name.as_str()), ("nuclei", "cells"));
    assert_eq!((cells.controls.opacity, cells.controls.blending), (0.7, nc_core::data::Blending::Translucent));

    // What the file holds, read apart; the picture's pixels deep within one label, or within none.
    let (dataset, loader) = (view.dataset.clone().unwrap(), Loader::new(LoaderConfig { threads: 1, cache_bytes: 1 << 26 }));
    let read = |spec| {
        let plane = dataset.layer_image(spec).plane(0, 1, 2, &view.step).unwrap();
        loader.overview(image.find(plane.image).unwrap(), plane, u32::MAX).unwrap()
    };
    let (values, ids) = (read(&nuclei.spec), read(&cells.spec));
    assert_eq!((values.width, values.height), (ids.width, ids.height));
    let own = image.labels()[0].info.label_colors().unwrap();
    let (lo, hi) = nuclei.controls.contrast_limits;
    let shown = view.plane.rect.expanded_to(CANVAS);
    let (mut labelled, mut plain, mut wrong) = (0, 0, 0);
    for row in (2..CANVAS.height).step_by(3) {
        for column in (2..CANVAS.width).step_by(3) {
            let index = |at: f64, len: u32| (0.0..f64::from(len)).contains(&at).then_some(at as usize);
            let x = shown.left + (f64::from(column) + 0.5) / f64::from(CANVAS.width) * shown.width;
            let y = shown.bottom + (f64::from(row) + 0.5) / f64::from(CANVAS.height) * shown.height;
            let (Some(x), Some(y)) = (index(x + 0.5, ids.width), index(y + 0.5, ids.height)) else { continue };
            let around = |samples: &[f32], width: u32| -> Vec<f32> {
                let (x, y) = (x.clamp(2, ids.width as usize - 3), y.clamp(2, ids.height as usize - 3));
                (0..25).map(|n| samples[(y + n / 5 - 2) * width as usize + x + n % 5 - 2]).collect()
            };
            let near = around(&ids.samples, ids.width);
            if near.iter().any(|id| *id != near[0]) {
                continue;
            }
            let mean = around(&values.samples, values.width).iter().sum::<f32>() / 25.0;
            let gray = ((f64::from(mean) - lo) / (hi - lo)).clamp(0.0, 1.0) * 255.0;
            let [r, g, b, a] = own.color(near[0] as u16).map(f64::from);
            let over = 0.7 * a / 255.0;
            let expected = [r, g, b].map(|part| over * part + (1.0 - over) * gray);
            let got = color(observer.picture(), row, column);
            let off = got.iter().zip(expected).map(|(&got, part)| (f64::from(got) - part).abs()).fold(0.0, f64::max);
            wrong += u32::from(off > 40.0);
            if near[0] == 0.0 { plain += 1 } else { labelled += 1 }
        }
    }
    assert!(labelled > 200 && plain > 200, "{labelled} of labels, {plain} beside them");
    assert!(wrong * 50 < labelled + plain, "{wrong} of {}", labelled + plain);

    // Outlines leave the middle of a label as the image is, and no filter ever mixes ids.
    observer.intend("layer", "layer-1", "contour", json!(1));
    observer.intend("layer", "layer-1", "interpolation", json!("linear"));
    observer.await_applied();
    let controls = &observer.session().view().layers[1].controls;
    assert_eq!((controls.contour, controls.interpolation), (1, nc_core::data::Interpolation::Nearest));
    observer.intend("layer", "layer-0", "contour", json!(1));
    assert_eq!(observer.await_refusal("intent-3").0, "state.invalid");
}

/// A letter F in data rows from the top: a bar down column 0, arms along rows 0 and 3.
fn letter(row: u64, column: u64) -> u8 {
    let (row, column) = (row / 8, column / 8);
    let inked = column == 1 || (row == 1 && column < 6) || (row == 3 && column < 4);
    if inked && (1..7).contains(&row) { 220 } else { 30 }
}

#[test]
fn encoded_row_0_is_data_row_0_and_nothing_is_turned() {
    let canvas = CanvasSize { width: 256, height: 256 };
    let image = image(vec![level(&["y", "x"], &[64, 64], &[64, 64], 1.0)], &[], |_, at| Ok(letter(at[0], at[1])));
    let mut observer = Observer::start(&engine(), image, canvas);
    observer.await_picture();
    for row in 0..8 {
        for column in 0..8 {
            // The middle of an 8 by 8 block of samples, each four pixels wide.
            let shown = color(observer.picture(), row * 32 + 16, column * 32 + 16);
            let expected = letter(u64::from(row) * 8, u64::from(column) * 8);
            assert_close(shown, [expected; 3], 8, &format!("block {row}, {column}"));
        }
    }
}

#[test]
fn colours_arrive_as_the_channels_say() {
    let canvas = CanvasSize { width: 256, height: 256 };
    let value = |channel: u64, row: u64, column: u64| match channel {
        0 => (row / 16 * 85) as u8,
        1 => (column / 16 * 85) as u8,
        _ => ((row / 16 + 2 * (column / 16)) % 4 * 85) as u8,
    };
    let levels = vec![level(&["c", "y", "x"], &[3, 64, 64], &[1, 64, 64], 1.0)];
    let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
    let image = image(levels, &colors, move |_, at| Ok(value(at[0], at[1], at[2])));
    let mut observer = Observer::start(&engine(), image, canvas);
    observer.await_picture();
    for (row, column) in (0..4).flat_map(|row| (0..4).map(move |column| (row, column))) {
        let expected = [0, 1, 2].map(|channel| value(channel, u64::from(row) * 16, u64::from(column) * 16));
        let shown = color(observer.picture(), row * 64 + 32, column * 64 + 32);
        assert_close(shown, expected, 8, &format!("patch {row}, {column}"));
    }
}

#[test]
fn a_damaged_chunk_is_replaced_by_the_coarser_level_and_told_once() {
    let canvas = CanvasSize { width: 512, height: 512 };
    let axes = ["y", "x"];
    let levels = vec![level(&axes, &[512, 512], &[256, 256], 1.0), level(&axes, &[256, 256], &[256, 256], 2.0)];
    let image = image(levels, &[], |level, at| match (level, at[0] < 256, at[1] < 256) {
        (0, true, false) => Err(ReadError::new(ReadErrorKind::Decode, "wrong checksum")),
        (0, ..) => Ok(200),
        _ => Ok(90),
    });
    let mut observer = Observer::start(&engine(), image, canvas);
    let warning = &observer.await_warnings(1)[0];
    assert!(warning.contains("chunk 0/1") && warning.contains("wrong checksum"), "{warning}");
    observer.await_color(128, 128, [200; 3]);
    observer.await_color(128, 384, [90; 3]);
    // The server goes on, and says nothing more of it.
    observer.intend("layer", "layer-0", "contrast_limits", json!([0, 400]));
    observer.await_applied();
    observer.await_color(384, 384, [128; 3]);
    assert_eq!(observer.warnings(), 1);
}

#[test]
fn a_damaged_chunk_of_the_only_level_is_left_empty() {
    let canvas = CanvasSize { width: 256, height: 256 };
    let image = image(vec![level(&["y", "x"], &[64, 64], &[32, 64], 1.0)], &[], |_, at| {
        if at[0] < 32 { Err(ReadError::new(ReadErrorKind::Unreachable, "gone")) } else { Ok(160) }
    });
    let mut observer = Observer::start(&engine(), image, canvas);
    assert!(observer.await_warnings(1)[0].contains("gone"));
    observer.await_color(64, 128, [0; 3]);
    observer.await_color(192, 128, [160; 3]);
    assert_eq!(observer.warnings(), 1);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { std::fs::copy(entry.path(), target).map(drop).unwrap() }
    }
}

#[test]
fn a_broken_file_and_a_missing_one_cost_their_chunks_and_a_warning_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ihc.ome.zarr");
    copy(&golden("data/ihc_rgb_v05_zstd.ome.zarr"), &path);
    std::fs::write(path.join("s0/c/0/1/1"), b"not zstd").unwrap();
    std::fs::remove_file(path.join("s0/c/0/2/2")).unwrap();
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &path), CanvasSize { width: 512, height: 512 });
    let warnings = observer.await_warnings(2);
    assert!(warnings.iter().any(|w| w.contains("s0: chunk 0/1/1") || w.contains("s0/c/0/1/1")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.contains("chunk 0/2/2 of level 0 is not there")), "{warnings:?}");
    observer.intend("layer", "layer-2", "visible", json!(false));
    observer.await_applied();
    assert_eq!(observer.warnings(), 2, "one warning each");
}

#[test]
fn an_ack_comes_before_what_its_intent_causes() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden("data/droplet_tzyx_v05_ngffzarr.ome.zarr")), CANVAS);
    let asked: Vec<String> = (0..30).map(|n| observer.intend("dims", "t", "index", json!(n % 21))).collect();
    observer.await_applied();
    let order = observer.said();
    let acks: Vec<&String> =
        order.iter().filter_map(|said| if let Said::Ack(id, true) = said { Some(id) } else { None }).collect();
    assert!(acks.into_iter().eq(&asked), "every intent is answered once, in order");
    let mut acked = 0;
    for said in &order {
        match said {
            Said::Ack(..) => acked += 1,
            Said::Applied(op) => assert!(*op <= acked, "op {op} was announced after {acked} acks"),
        }
    }
}

#[test]
fn rubbish_is_refused_and_changes_nothing() {
    let engine = engine();
    let mut observer = Observer::start(&engine, open(&engine, &golden("data/ihc_rgb_v05_zstd.ome.zarr")), CANVAS);
    let before = observer.session().view();
    let rubbish = [
        ("", "", "", json!(null)),
        ("volcano", "main", "erupt", json!(1)),
        ("dims", "q", "index", json!(1)),
        ("dims", "y", "index", json!(1.5)),
        ("camera", "main", "zoom", json!({"factor": -1, "anchor_px": [0, 0]})),
        ("camera", "main", "set", json!([[[]]])),
        ("layer", "layer-99", "opacity", json!(0.5)),
        ("layer", "layer-0", "contrast_limits", json!([1, 1])),
        ("layer", "layer-0", "colormap", json!({"name": {"name": 1}})),
        ("view", "main", "ndisplay", json!({})),
        ("multiscale", "main", "policy", json!("mine")),
    ];
    let asked: Vec<String> =
        rubbish.into_iter().map(|(scope, target, key, value)| observer.intend(scope, target, key, value)).collect();
    for id in asked {
        let (code, message) = observer.await_refusal(&id);
        assert!(code.starts_with("state.") && !message.is_empty());
    }
    let after = observer.session().view();
    // Thumbnails come when they are ready, whoever asks for what.
    let alike = after.layers.iter().zip(&before.layers).all(|(now, then)| now.controls == then.controls && now.spec == then.spec);
    assert!(alike && after.layers.len() == before.layers.len(), "a layer changed");
    assert_eq!(after.op, before.op);
    observer.intend("layer", "layer-0", "opacity", json!(0.25));
    observer.await_applied();
    assert_eq!(observer.session().view().layers[0].controls.opacity, 0.25);
}

#[test]
fn a_client_that_comes_later_gets_an_idr_of_what_is_shown() {
    let engine = engine();
    let image = open(&engine, &golden("data/ihc_rgb_v05_zstd.ome.zarr"));
    let mut observer = Observer::start(&engine, image, CANVAS);
    observer.await_picture();
    observer.forget_stream();
    observer.session().request_idr();
    observer.await_picture();
}

#[test]
fn the_canvas_takes_the_size_that_is_asked_for_while_it_is_shown() {
    let engine = engine();
    let image = open(&engine, &golden("data/fish4c_u16_v05_sharded_blosc.ome.zarr"));
    let mut observer = Observer::start(&engine, image, CANVAS);
    observer.await_picture();
    for (asked, width, height) in [([201, 64], 200, 64), ([500, 402], 500, 402), ([2, 100_000], 64, 3840)] {
        observer.intend("view", "main", "canvas_size", json!(asked));
        observer.await_canvas(CanvasSize { width, height });
        observer.await_picture();
    }
    // An encoder that is only large enough for the last one would show it here.
    observer.intend("camera", "main", "zoom", json!({"factor": 0.5, "anchor_px": [30, 1000]}));
    observer.await_applied();
    observer.await_picture();
}

#[test]
fn the_idle_scene_takes_intents_and_sends_no_packets() {
    let mut observer = Observer::idle(&engine(), CANVAS);
    observer.intend("dims", "y", "index", json!(5));
    let events = observer.await_ack_only();
    assert!(matches!(events, Event::Ack { outcome: Ok(_), .. }), "{events:?}");
}
