//! Sessions come and go without a trace. Alone in its program, because it counts the program's threads and files.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

use nc_core::data::{CanvasSize, ColorRange};
use nc_engine::api::{Event, Packet, Sink};
use nc_engine::{DeviceChoice, Engine, EngineConfig, SessionConfig, ViewPolicy};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Says when the first packet comes.
struct First(SyncSender<()>);

impl Sink for First {
    fn event(&self, _event: Event) {}
    fn packet(&self, _packet: Packet) {
        self.0.try_send(()).unwrap_or_default();
    }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// One engine and one session on the demo, up to its first packet.
fn live() {
    let engine = Engine::new(EngineConfig {
        device: DeviceChoice::Cpu,
        cache_bytes: 64 << 20,
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
    let (came, first) = sync_channel(1);
    let session = engine.start(Some(engine.demo()), config, Arc::new(First(came))).unwrap();
    session.set_viewers(1);
    first.recv_timeout(Duration::from_secs(60)).expect("a packet");
}

#[test]
fn twenty_sessions_leave_no_thread_and_no_file_open() {
    live();
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    for _ in 0..20 {
        live();
    }
    // A joined thread may be listed for a moment longer.
    let deadline = Instant::now() + Duration::from_secs(10);
    while count("/proc/self/task") > threads && Instant::now() < deadline {
        std::thread::yield_now();
    }
    // At first a thread that had ended may have been listed, too.
    let after = (count("/proc/self/task"), count("/proc/self/fd"));
    assert!(after.0 <= threads && after.1 <= files, "{after:?} threads and files, {:?} after the first", (threads, files));
}
