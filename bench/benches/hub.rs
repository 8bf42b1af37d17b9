//! What the hub does for one frame while 20 clients drive and 20 watch: echoes of all drivers, dims, a pose, and a control.
//!
//! `tell` is what happens on the control thread: what is told is merged and made JSON before the hub's lock is taken, addressed and pushed
//! under it. `write` is what the sockets' tasks do with it, all 40 together. `join` is a newcomer with its baseline, `resume` one who missed 500
//! changes. Run with `cargo bench -p nc-bench --bench hub`.

use criterion::{Criterion, criterion_group, criterion_main};
use nc_core::control::bootstrap;
use nc_core::data::{CanvasSize, ImageId};
use nc_core::ledger::Ledger;
use nc_core::scene::{AppliedView, Dataset};
use nc_engine::api::{Applied, Echo, Event, LayerChange, Sink};
use nc_server::ambient::SystemAmbient;
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DRIVERS: u64 = 20;
const WATCHERS: u64 = 20;

fn view() -> Arc<AppliedView> {
    let dataset = Arc::new(Dataset::new(nc_store::demo(ImageId(1)).info));
    let canvas = CanvasSize { width: 1280, height: 720 };
    match Ledger::new(bootstrap::seed(dataset, canvas, &[])) {
        Ok(ledger) => ledger.view().clone(),
        Err(error) => panic!("the demo is a sound image: {error}"),
    }
}

fn hello(layers: Option<&str>) -> String {
    let topics = ["notify.scene", "notify.layers", "notify.stream"];
    let features: Map<String, Value> = topics.iter().map(|topic| ((*topic).to_owned(), true.into())).collect();
    let client = json!({"name": "bench", "version": "1", "platform": "bench"});
    let payload = json!({"protocols": [2], "client": client, "features": features, "resume_tokens": {"notify.layers": layers}});
    json!({"type": "session.hello", "version": 2, "frame_id": "h", "timestamp": 1.0, "payload": payload}).to_string()
}

fn hear(peer: &mut Peer) -> usize {
    std::iter::from_fn(|| peer.hear())
        .map(|received| match received {
            Received::Frame(text) => text.len(),
            Received::Close(close) => panic!("{close:?}"),
        })
        .sum()
}

/// Bytes that all hear.
fn all(peers: &mut [Peer]) -> usize {
    peers.iter_mut().map(hear).sum()
}

struct Crowd {
    stand: Stand,
    sink: Arc<dyn Sink>,
    view: Arc<AppliedView>,
    peers: Vec<Peer>,
}

impl Crowd {
    fn new() -> Self {
        let stand = Stand::new(Arc::new(SystemAmbient), 60.0, Drive::Everyone);
        let (sink, view) = (stand.sink(), view());
        let crowd = Self { sink, view, peers: Vec::new(), stand };
        crowd.tell(|applied| applied.dataset = true);
        let peers = (0..DRIVERS + WATCHERS).map(|_| crowd.comes(None)).collect();
        Self { peers, ..crowd }
    }

    fn comes(&self, layers: Option<&str>) -> Peer {
        let mut peer = self.stand.connect();
        peer.say(&hello(layers));
        peer
    }

    fn tell(&self, change: impl FnOnce(&mut Applied)) {
        let mut applied = Applied::unchanged(Arc::clone(&self.view));
        change(&mut applied);
        self.sink.event(Event::Applied(applied));
    }

    fn frame(&self) {
        let pan = |client| {
            let delta = Map::from_iter([("dx_px".to_owned(), json!(1.5)), ("dy_px".to_owned(), json!(-0.5))]);
            Echo { client, ndisplay: 2, mode: "pan", delta }
        };
        self.tell(|applied| {
            applied.echoes = (1..=DRIVERS).map(pan).collect();
            (applied.dims, applied.pose) = (true, true);
            applied.layers = vec![LayerChange { layer: 0, keys: vec!["contrast_limits"], intent: None }];
        });
    }
}

/// Times `what` alone, not what `between` does after each.
fn time(rounds: u64, mut what: impl FnMut(), mut between: impl FnMut()) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let start = Instant::now();
        what();
        total += start.elapsed();
        between();
    }
    total
}

fn hub(criterion: &mut Criterion) {
    let mut crowd = Crowd::new();
    let mut peers = std::mem::take(&mut crowd.peers);
    let mut group = criterion.benchmark_group("hub");
    group.bench_function("tell", |bencher| {
        bencher.iter_custom(|rounds| time(rounds, || crowd.frame(), || assert!(all(&mut peers) > 0)));
    });
    group.bench_function("write", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                crowd.frame();
                total += time(1, || assert!(all(&mut peers) > 0), || {});
            }
            total
        });
    });
    drop(peers);
    group.bench_function("join", |bencher| bencher.iter(|| hear(&mut crowd.comes(None))));
    group.bench_function("resume", |bencher| {
        // The token of a client that comes now, and then 500 changes.
        let mut peer = crowd.comes(None);
        let mut last = String::new();
        while let Some(Received::Frame(text)) = peer.hear() {
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            if frame["type"] == "notify.layers" {
                last = frame["delta_token"].as_str().unwrap_or_default().to_owned();
            }
        }
        (0..500).for_each(|_| crowd.frame());
        bencher.iter(|| hear(&mut crowd.comes(Some(&last))));
    });
    group.finish();
}

criterion_group!(benches, hub);
criterion_main!(benches);
