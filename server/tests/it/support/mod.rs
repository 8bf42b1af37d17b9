//! A server on free ports, an engine that does what the test says, and clients that judge every frame they get.

mod engine;
mod wire;

pub(crate) use engine::{FakeEngine, dataset, packet, view};
pub(crate) use wire::{Viewer, Wire, hello};

use nc_engine::api::Sink;
use nc_server::ambient::Ambient;
use nc_server::{Bound, Config, Flags, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The wall clock of all tests.
pub(crate) const WALL: f64 = 1_795_167_757.5;

/// A clock that the runtime's timers agree with, a wall clock that stands, and random numbers that count.
#[derive(Default)]
pub(crate) struct TestAmbient {
    drawn: AtomicU64,
}

impl Ambient for TestAmbient {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_seconds(&self) -> f64 {
        WALL
    }

    fn random(&self) -> u128 {
        let n = u128::from(self.drawn.fetch_add(1, Ordering::Relaxed));
        n | n << 64 | 0xabcd << 112
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) bound: Bound,
    pub(crate) engine: Arc<FakeEngine>,
    pub(crate) sink: Arc<dyn Sink>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TestServer {
    /// A server whose engine shows `engine`'s view.
    pub(crate) async fn start(engine: FakeEngine) -> Self {
        Self::start_with(engine, Flags::default()).await
    }

    /// Likewise, with flags other than those of the ports.
    pub(crate) async fn start_with(engine: FakeEngine, flags: Flags) -> Self {
        let any = || Some("0".to_owned());
        let flags = Flags { state_port: any(), pixel_port: any(), http_port: any(), ..flags };
        let config = Config::resolve(flags, |_| None).unwrap();
        let server = Server::bind(&config, Arc::new(TestAmbient::default())).await.unwrap();
        let (bound, sink) = (server.bound(), server.sink());
        let engine = Arc::new(engine);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(engine.clone(), async {
            let _ = stopped.await;
        }));
        Self { bound, engine, sink, stop, task }
    }

    /// A server of the usual image.
    pub(crate) async fn ready() -> Self {
        Self::start(FakeEngine::showing(view(Some(dataset(1))))).await
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
    }
}
