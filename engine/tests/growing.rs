//! A writer appends times to an image that is shown: the session notices, tells it once, and shows what was appended.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use nc_core::data::{CanvasSize, ColorRange};
use nc_engine::api::{Applied, ClientId, Event, Packet, RawIntent, Sink};
use nc_engine::{DeviceChoice, Engine, EngineConfig, Session, SessionConfig, ViewPolicy};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands on what is told.
struct Told(SyncSender<Event>);

impl Sink for Told {
    fn event(&self, event: Event) {
        let _ = self.0.try_send(event);
    }
    fn packet(&self, _packet: Packet) {}
}

fn write(path: &Path, document: &Value) {
    std::fs::write(path, document.to_string()).unwrap();
}

/// t × 40 × 60, a chunk per time, uncompressed 8 bits; `times` of them by the metadata.
fn describe(image: &Path, times: u64) {
    let dataset = json!({"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]});
    let axes = json!([{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]);
    let window = json!({"start": 0, "end": 255, "min": 0, "max": 255});
    std::fs::create_dir_all(image.join("0")).unwrap();
    write(&image.join(".zgroup"), &json!({"zarr_format": 2}));
    let omero = json!({"channels": [{"window": window, "color": "FFFFFF", "active": true}]});
    write(
        &image.join(".zattrs"),
        &json!({"multiscales": [{"version": "0.4", "axes": axes, "datasets": [dataset]}], "omero": omero}),
    );
    write(
        &image.join("0/.zarray"),
        &json!({"zarr_format": 2, "shape": [times, 40, 60], "chunks": [1, 40, 60], "dtype": "|u1", "compressor": null,
                "fill_value": 0, "order": "C", "filters": null, "dimension_separator": "/"}),
    );
}

fn append(image: &Path, t: u64, value: u8) {
    let folder = image.join("0").join(t.to_string()).join("0");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("0"), vec![value; 40 * 60]).unwrap();
}

fn start(engine: &Engine, image: &Path, watch: bool) -> (Session, Receiver<Event>) {
    let (tell, told) = sync_channel(1 << 12);
    let canvas = CanvasSize { width: 64, height: 48 };
    let config = SessionConfig {
        canvas,
        fps: 60.0,
        bitrate: 1_000_000,
        range: ColorRange::Full,
        encode_threads: 1,
        view: ViewPolicy::default(),
        watch,
        turning: 0.0,
    };
    let image = engine.open(image.to_str().unwrap()).unwrap();
    (engine.start(Some(image), config, Arc::new(Told(tell))).unwrap(), told)
}

fn applied(told: &Receiver<Event>, wanted: impl Fn(&Applied) -> bool) -> Applied {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())).expect("it is told") {
            Event::Applied(applied) if wanted(&applied) => return applied,
            Event::Warning { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
}

#[test]
fn times_that_are_appended_while_it_is_shown_can_be_gone_to() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("growing.ome.zarr");
    describe(&image, 2);
    (0..2).for_each(|t| append(&image, t, 50));
    let engine = Engine::new(EngineConfig {
        device: DeviceChoice::Cpu,
        cache_bytes: 64 << 20,
        loader_threads: 1,
        ..EngineConfig::default()
    });
    let (session, told) = start(&engine, &image, true);
    let before = session.view();

    append(&image, 2, 200);
    append(&image, 3, 200);
    describe(&image, 4);
    let growth = applied(&told, |applied| applied.shapes);
    assert!(growth.dims && !growth.dataset && growth.layers.is_empty());
    assert_eq!(growth.view.dataset.as_ref().unwrap().level_shape(0), [4, 40, 60]);
    assert_eq!((growth.view.epoch, growth.view.plane), (before.epoch, before.plane), "nothing else moves");

    let (client, intent_id, received) = (ClientId(1), "1".to_owned(), Instant::now());
    let (scope, target, key) = ("dims".to_owned(), "t".to_owned(), "index".to_owned());
    session.submit(RawIntent { client, intent_id, scope, target, key, value: json!(3), received }).unwrap();
    applied(&told, |applied| applied.view.step[0] == 3);
    let bright = |applied: &Applied| applied.view.layers[0].thumbnail.rgba.iter().any(|&value| (190..255).contains(&value));
    applied(&told, bright);
}

#[test]
fn what_became_another_image_is_told_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("shrinking.ome.zarr");
    describe(&image, 3);
    let engine = Engine::new(EngineConfig {
        device: DeviceChoice::Cpu,
        cache_bytes: 64 << 20,
        loader_threads: 1,
        ..EngineConfig::default()
    });
    let (session, told) = start(&engine, &image, true);
    describe(&image, 1);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())).expect("it is told") {
            Event::Warning { code: "data.changed", domain, message } => {
                assert_eq!(domain, "data");
                assert!(message.contains("only 1 samples along t where it had 3"), "{message}");
                break;
            }
            Event::Applied(applied) => assert!(!applied.shapes),
            _ => {}
        }
    }
    assert_eq!(session.view().dataset.as_ref().unwrap().size(0), 3);
}
