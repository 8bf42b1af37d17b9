//! Contrast limits that nobody named, from a store that takes its time: the start does not wait for them, and they come when they can.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod made_up;

use made_up::{image, level};
use nc_core::data::{CanvasSize, ColorRange};
use nc_core::scene::{AppliedView, ImageInfo};
use nc_engine::api::{Applied, ClientId, Event, Packet, RawIntent, Sink};
use nc_engine::{DeviceChoice, Engine, EngineConfig, Image, Session, SessionConfig, ViewPolicy};
use serde_json::json;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Limits of 8-bit samples of which nothing is known.
const UNKNOWN: (f64, f64) = (0.0, 255.0);

/// Hands on what is told.
struct Told(SyncSender<Event>);

impl Sink for Told {
    fn event(&self, event: Event) {
        let _ = self.0.try_send(event);
    }
    fn packet(&self, _packet: Packet) {}
}

/// Keeps every chunk back until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// Two channels without a window, with samples from 40 to 103, behind the gate.
fn slow(gate: &Gate) -> Image {
    let gate = gate.clone();
    let axes = ["c", "y", "x"];
    let made = image(vec![level(&axes, &[2, 48, 64], &[1, 48, 64], 1.0)], &[[255, 0, 0], [0, 255, 0]], move |_, at| {
        gate.pass();
        Ok(40 + at[2] as u8)
    });
    let info = ImageInfo { channels: Vec::new(), ..ImageInfo::clone(&made.info) };
    made.described(Arc::new(info))
}

fn start(engine: &Engine, image: Option<Image>) -> (Session, Receiver<Event>) {
    let (tell, told) = sync_channel(1 << 12);
    let canvas = CanvasSize { width: 64, height: 48 };
    let (fps, bitrate, range) = (60.0, 1_000_000, ColorRange::Full);
    let config =
        SessionConfig { canvas, fps, bitrate, range, encode_threads: 1, view: ViewPolicy::default(), watch: true, turning: 0.0 };
    (engine.start(image, config, Arc::new(Told(tell))).unwrap(), told)
}

fn engine() -> Engine {
    Engine::new(EngineConfig { device: DeviceChoice::Cpu, cache_bytes: 64 << 20, loader_threads: 1, ..EngineConfig::default() })
}

fn limits(view: &AppliedView) -> Vec<(f64, f64)> {
    view.layers.iter().map(|layer| layer.controls.contrast_limits).collect()
}

/// What is told until the view is as `wanted`.
fn until(told: &Receiver<Event>, wanted: impl Fn(&AppliedView) -> bool) -> Vec<Applied> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    loop {
        let event = told.recv_timeout(deadline.saturating_duration_since(Instant::now())).expect("it is told");
        let Event::Applied(applied) = event else { continue };
        let over = wanted(&applied.view);
        all.push(applied);
        if over {
            return all;
        }
    }
}

fn sound(limits: (f64, f64)) -> bool {
    limits.0 >= 39.0 && limits.1 <= 104.0 && limits.1 - limits.0 > 30.0
}

#[test]
fn a_slow_store_starts_at_once_and_gets_its_limits_later() {
    let (engine, gate) = (engine(), Gate::default());
    // Nothing can be read before the gate opens, so the start waited for nothing.
    let (session, told) = start(&engine, Some(slow(&gate)));
    assert_eq!(limits(&session.view()), [UNKNOWN; 2]);
    gate.open();
    let changes = until(&told, |view| limits(view).into_iter().all(sound));
    let named = |key: &str| changes.iter().flat_map(|a| &a.layers).any(|l| l.keys.contains(&key) && l.intent.is_none());
    assert!(named("contrast_limits") && named("iso_threshold"), "everyone is told, and nobody as its author");

    // Likewise an image that is loaded into a session that runs.
    let gate = Gate::default();
    session.prepare_image(slow(&gate), Instant::now()).unwrap().show();
    assert_eq!(limits(&session.view()), [UNKNOWN; 2]);
    gate.open();
    until(&told, |view| view.epoch == 2 && limits(view).into_iter().all(sound));
}

#[test]
fn a_level_of_few_samples_is_nothing_to_go_by() {
    let levels = [(256, 1.0), (128, 2.0), (8, 32.0)].map(|(edge, scale)| level(&["y", "x"], &[edge, edge], &[edge, edge], scale));
    let made = image(levels.into(), &[], |level, at| {
        Ok(match level {
            1 => 40 + (at[1] / 2) as u8,
            2 => 200,
            _ => 0,
        })
    });
    let image = made.described(Arc::new(ImageInfo { channels: Vec::new(), ..ImageInfo::clone(&made.info) }));
    let (session, told) = start(&engine(), Some(image));
    if !sound(limits(&session.view())[0]) {
        until(&told, |view| sound(limits(view)[0]));
    }
    assert_eq!(limits(&session.view()), [(40.0, 103.0)]);
}

#[test]
fn a_person_is_faster_than_the_histogram() {
    let (engine, gate) = (engine(), Gate::default());
    let (session, told) = start(&engine, Some(slow(&gate)));
    let word = str::to_owned;
    let (client, intent_id, received) = (ClientId(1), word("1"), Instant::now());
    let (scope, target, key) = (word("layer"), word("layer-0"), word("contrast_limits"));
    session.submit(RawIntent { client, intent_id, scope, target, key, value: json!([7, 9]), received }).unwrap();
    loop {
        if let Event::Ack { outcome, .. } = told.recv_timeout(PATIENCE).unwrap() {
            break assert!(outcome.is_ok());
        }
    }
    gate.open();
    let changes = until(&told, |view| sound(limits(view)[1]));
    assert!(changes.iter().all(|change| [UNKNOWN, (7.0, 9.0)].contains(&limits(&change.view)[0])));
    until_rest(&session);
    assert_eq!(limits(&session.view())[0], (7.0, 9.0));
}

/// Limits of both layers come together, so one is decided when the other is seen; the view only has to show it.
fn until_rest(session: &Session) {
    let deadline = Instant::now() + PATIENCE;
    while limits(&session.view())[0] == UNKNOWN {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn a_session_that_ends_waits_for_no_limits() {
    let (engine, gate) = (engine(), Gate::default());
    let (session, _told) = start(&engine, Some(slow(&gate)));
    drop(session);
    // The loader's threads are waited for with the engine.
    gate.open();
}
