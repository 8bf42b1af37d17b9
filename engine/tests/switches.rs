//! Images come and go in one session without a trace. Alone in its program, because it counts the program's threads and files.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use nc_core::data::{CanvasSize, ColorRange};
use nc_core::scene::OpSeq;
use nc_engine::api::{Event, Packet, Sink};
use nc_engine::{DeviceChoice, Engine, EngineConfig, Session, SessionConfig, ViewPolicy};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of decoded chunks and of tiles, the most that the small image has: 31 planes of 61 × 57 samples of 16 bits, and what entries cost.
const SMALL: u64 = 1 << 20;

/// Tells which op a packet shows.
struct Shown(SyncSender<OpSeq>);

impl Sink for Shown {
    fn event(&self, _event: Event) {}
    fn packet(&self, packet: Packet) {
        let _ = self.0.try_send(packet.op);
    }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/data").join(name).to_str().unwrap().to_owned()
}

/// Shows another image and waits for its first picture.
fn switch(engine: &Engine, session: &Session, shown: &Receiver<OpSeq>, number: usize) {
    let prepared = match number % 3 {
        0 => session.prepare(&golden("cells3d_labels_v05.ome.zarr")),
        1 => session.prepare_image(engine.demo(), Instant::now()),
        _ => session.prepare(&golden("fish4c_u16_v05_sharded_blosc.ome.zarr")),
    };
    prepared.unwrap().show();
    let op = session.view().op;
    while shown.recv_timeout(PATIENCE).expect("a picture") < op {}
}

#[test]
fn fifty_images_leave_no_thread_no_file_and_no_chunk() {
    let engine = Engine::new(EngineConfig {
        device: DeviceChoice::Cpu,
        cache_bytes: 128 << 20,
        loader_threads: 2,
        ..EngineConfig::default()
    });
    let canvas = CanvasSize { width: 320, height: 240 };
    let config = SessionConfig {
        canvas,
        fps: 60.0,
        bitrate: 4_000_000,
        range: ColorRange::Full,
        encode_threads: 2,
        view: ViewPolicy::default(),
        watch: true,
        turning: 0.0,
    };
    let (tell, shown) = sync_channel(1 << 12);
    let session = engine.start(None, config, Arc::new(Shown(tell))).unwrap();
    session.set_viewers(1);
    for number in 0..3 {
        switch(&engine, &session, &shown, number);
    }
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    // The first picture of the large image may be of a few of its chunks.
    let deadline = Instant::now() + PATIENCE;
    while engine.loader_stats().cached_bytes <= SMALL {
        assert!(Instant::now() < deadline, "the large image does not come");
        std::thread::yield_now();
    }
    for number in 3..=51 {
        switch(&engine, &session, &shown, number);
    }
    switch(&engine, &session, &shown, 54);
    assert_eq!(session.view().epoch, 54);
    // The small image is shown. What was being read of the one before may end a moment later, and so may a file that it came from.
    let settled = || {
        let stats = engine.loader_stats();
        let tiles = session.stats().tile_bytes.load(Ordering::Relaxed);
        let gone = stats.cached_bytes < SMALL && tiles < SMALL && (stats.queued, stats.in_flight) == (0, 0);
        gone && count("/proc/self/task") <= threads && count("/proc/self/fd") <= files
    };
    let deadline = Instant::now() + PATIENCE;
    while !settled() {
        let (stats, threads_now, files_now) = (engine.loader_stats(), count("/proc/self/task"), count("/proc/self/fd"));
        assert!(Instant::now() < deadline, "{stats:?}, threads {threads_now} of {threads}, files {files_now} of {files}");
        std::thread::yield_now();
    }
}
