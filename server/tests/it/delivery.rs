//! Delivery over real sockets: what is not acknowledged keeps the encoder from going on, ops are stamped to the end, and a client is told
//! of its own.

use crate::real::RealServer;
use crate::support::{PATIENCE, TestServer, Viewer, WALL, packet};
use futures_util::{SinkExt, StreamExt};
use nc_client::{Client, Event, Identity};
use nc_engine::api::scene::OpSeq;
use nc_engine::api::{Op, OpKind, OpTrace, Origin, Outcome, Packet, Step};
use nc_protocol::extension::{self, Feedback, OpOutcome, OpReport, Telemetry};
use nc_protocol::update::StateUpdate;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client of ours: both channels, and when each packet came.
struct Session {
    state: Socket,
    pixel: Socket,
    client: Client,
    came: BTreeMap<u32, Instant>,
    reports: Vec<Telemetry>,
}

impl Session {
    async fn open(at: SocketAddr, extensions: &[&str]) -> Self {
        let extensions = [&[extension::BOUND_PIXEL], extensions].concat().into_iter().map(str::to_owned).collect();
        let identity = Identity { name: "test".to_owned(), version: "1".to_owned(), extensions };
        let mut client = Client::new(identity, WALL);
        let (mut state, _) = connect_async(format!("ws://{at}/ws/state")).await.unwrap();
        while client.pixel_query().is_none() {
            while let Some(text) = client.poll_output() {
                state.send(Message::text(text)).await.unwrap();
            }
            if let Message::Text(text) = state.next().await.unwrap().unwrap() {
                client.handle_text(Instant::now(), WALL, &text).unwrap();
            }
        }
        let query = client.pixel_query().unwrap();
        let (pixel, _) = connect_async(format!("ws://{at}/ws/pixel?{query}")).await.unwrap();
        Self { state, pixel, client, came: BTreeMap::new(), reports: Vec::new() }
    }

    /// Takes what comes until `done`.
    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            while let Some(text) = self.client.poll_output() {
                self.state.send(Message::text(text)).await.unwrap();
            }
            tokio::select! {
                message = self.state.next() => if let Message::Text(text) = message.unwrap().unwrap() {
                    self.client.handle_text(Instant::now(), WALL, &text).unwrap();
                    while let Some(event) = self.client.poll_event() {
                        match event {
                            Event::Measured(telemetry) => self.reports.push(telemetry),
                            Event::Answered(answer) => assert!(answer.outcome.is_ok(), "{answer:?}"),
                            _ => {}
                        }
                    }
                },
                message = self.pixel.next() => {
                    let now = Instant::now();
                    if let Message::Binary(bytes) = message.unwrap().unwrap() {
                        let packet = self.client.handle_packet(&bytes).unwrap();
                        assert_eq!(packet.lost, 0);
                        self.came.insert(packet.header.seq, now);
                    }
                }
                () = tokio::time::sleep_until(deadline) => panic!("nothing more for long; {} packets", self.came.len()),
            }
        }
    }

    async fn feedback(&mut self, painted: u32, queue: u32) {
        self.client.feedback(WALL, &Feedback { painted_seq: Some(painted), decode_queue: queue });
        while let Some(text) = self.client.poll_output() {
            self.state.send(Message::text(text)).await.unwrap();
        }
    }

    fn ops(&self) -> impl Iterator<Item = &OpReport> {
        self.reports.iter().flat_map(|report| &report.ops)
    }
}

fn trace(seq: u64, client: u64, outcome: Outcome) -> OpTrace {
    let origin = Some(Arc::new(Origin { client, intent_id: format!("intent-{seq}") }));
    let received = Instant::now();
    OpTrace::of(&Op { seq: OpSeq(seq), kind: OpKind::Camera, origin, received, reduced: received, outcome: Some(outcome) })
}

#[tokio::test]
async fn the_encoder_is_to_rest_while_its_only_viewer_acknowledges_nothing() {
    let server = TestServer::ready().await;
    let mut viewer = Viewer::open(server.bound.pixel, "/").await.unwrap();
    server.engine.await_viewers(1).await;
    server.sink.packet(packet(true, 1000));
    let mut hungry = server.engine.hungry.subscribe();
    let mut sent = 1;
    while *hungry.borrow_and_update() {
        assert!(sent < 64, "it takes {sent} packets of 64 KiB without a word");
        server.sink.packet(packet(false, 64 << 10));
        sent += 1;
        // The socket's task may take it, or not.
        drop(tokio::time::timeout(Duration::from_millis(20), hungry.changed()).await);
    }
    assert_eq!(*server.engine.waits_since.borrow(), None, "it shows something");
    // Reading answers the pings.
    for seq in 0..sent {
        assert_eq!(viewer.packet().await.unwrap().0.seq, seq);
    }
    let answering = tokio::spawn(async move { viewer.packet().await });
    tokio::time::timeout(PATIENCE, hungry.wait_for(|hungry| *hungry)).await.expect("it is hungry again").unwrap();
    server.sink.packet(packet(false, 10));
    assert_eq!(answering.await.unwrap().unwrap().0.seq, sent, "no IDR was needed");
    assert_eq!(*server.engine.idr_requests.borrow(), 1);
    server.stop().await;
}

#[tokio::test]
async fn who_waits_for_an_idr_is_known_until_it_comes() {
    let server = TestServer::ready().await;
    let mut waits = server.engine.waits_since.subscribe();
    let mut viewer = Viewer::open(server.bound.pixel, "/").await.unwrap();
    tokio::time::timeout(PATIENCE, waits.wait_for(Option::is_some)).await.expect("somebody waits").unwrap();
    server.sink.packet(packet(false, 10));
    server.sink.packet(packet(true, 10));
    assert!(viewer.packet().await.unwrap().0.keyframe);
    tokio::time::timeout(PATIENCE, waits.wait_for(Option::is_none)).await.expect("nobody waits").unwrap();
    server.stop().await;
}

#[tokio::test]
async fn ops_are_traced_once_when_the_first_socket_has_their_packet() {
    let server = TestServer::ready().await;
    // Without viewers they end where they are.
    server.sink.packet(Packet { ops: vec![trace(1, 1, Outcome::Applied)], ..packet(true, 10) });
    let mut traced = server.engine.traced.subscribe();
    let ended = |n: usize| move |ops: &Vec<OpTrace>| ops.len() >= n;
    tokio::time::timeout(PATIENCE, traced.wait_for(ended(1))).await.expect("a trace").unwrap();
    assert_eq!(server.engine.traced.borrow()[0].last(), Step::Reduced);

    let mut first = Viewer::open(server.bound.pixel, "/").await.unwrap();
    let mut second = Viewer::open(server.bound.pixel, "/").await.unwrap();
    server.engine.await_viewers(2).await;
    let ops = vec![trace(2, 1, Outcome::Superseded(OpSeq(3))), trace(3, 2, Outcome::Applied)];
    server.sink.packet(Packet { ops, ..packet(true, 10) });
    first.packet().await.unwrap();
    second.packet().await.unwrap();
    server.sink.packet(Packet { ops: vec![trace(4, 1, Outcome::Applied)], ..packet(false, 10) });
    first.packet().await.unwrap();
    second.packet().await.unwrap();
    tokio::time::timeout(PATIENCE, traced.wait_for(ended(4))).await.expect("traces").unwrap();
    let seen = server.engine.traced.borrow().clone();
    assert_eq!(
        seen.iter().map(|trace| (trace.op.0, trace.last())).collect::<Vec<_>>()[1..],
        [(2, Step::Sent), (3, Step::Sent), (4, Step::Sent),]
    );
    server.stop().await;
}

#[tokio::test]
async fn telemetry_tells_a_client_of_its_own_pixels_and_intents_alone() {
    let server = TestServer::ready().await;
    let mut mine = Session::open(server.bound.http, &[extension::TELEMETRY, extension::FEEDBACK]).await;
    let mut other = Session::open(server.bound.http, &[]).await;
    server.engine.await_viewers(2).await;
    server.sink.packet(packet(true, 500));
    mine.until(|session| session.came.len() == 1).await;
    other.until(|session| session.came.len() == 1).await;
    // From now on it is waited for what it paints.
    mine.feedback(0, 0).await;
    let fed = |session: &Session| session.reports.iter().any(|report| report.delivery.is_some_and(|d| d.in_flight_bytes == 0));
    mine.until(fed).await;
    // The first client of the hub is 1, the second 2.
    let ops = vec![trace(7, 1, Outcome::Superseded(OpSeq(9))), trace(8, 2, Outcome::Applied), trace(9, 1, Outcome::Applied)];
    server.sink.packet(Packet { ops, ..packet(false, 300) });
    mine.until(|session| session.came.len() == 2).await;
    mine.feedback(1, 0).await;
    mine.until(|session| session.ops().count() == 2).await;
    let ops: Vec<OpReport> = mine.ops().cloned().collect();
    assert_eq!((ops[0].intent_id.as_str(), ops[0].outcome, ops[0].superseded_by), ("intent-7", OpOutcome::Superseded, Some(9)));
    assert_eq!((ops[1].intent_id.as_str(), ops[1].outcome, ops[1].superseded_by), ("intent-9", OpOutcome::Applied, None));
    for op in &ops {
        assert_eq!(op.pixel_seq, Some(1));
        assert!(op.stages_ms.contains_key("sent") && op.stages_ms.contains_key("painted"), "{op:?}");
        let sum: f64 = op.stages_ms.values().sum();
        assert!((sum - op.total_ms).abs() < 1e-6, "{op:?}");
    }
    let told = mine.reports.last().unwrap();
    assert!(told.stages.contains_key("total") && told.delivery.unwrap().rtt_ms.is_some(), "{told:?}");
    assert_eq!(told.watchdog.state, extension::WatchdogState::Quiet);
    assert!(mine.reports.iter().any(|report| report.fps >= 1.0 && report.bitrate_bps >= 8.0 * 300.0));
    assert!(other.reports.is_empty(), "it did not ask");
    server.stop().await;
}

/// Milliseconds; the middle one.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// What a client on loopback measures from sending an intent to having its packet is what the trace says. The exact figure, on a quiet
/// machine, is the load bench's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_s_total_is_what_a_client_on_loopback_measures() {
    const INTENTS: usize = 40;
    let server = RealServer::of(Some("fish4c_u16_v05_sharded_blosc.ome.zarr")).await;
    let mut session = Session::open(server.bound.http, &[extension::TELEMETRY]).await;
    session.until(|session| !session.came.is_empty()).await;
    let mut sent = BTreeMap::new();
    for n in 0..INTENTS {
        let value = json!({"dx_px": if n % 2 == 0 { 3.0 } else { -3.0 }, "dy_px": 0.0});
        let update = StateUpdate { scope: "camera".into(), target: "main".into(), key: "pan".into(), value };
        let (now, packets) = (Instant::now(), session.came.len());
        let id = session.client.update(now, WALL, &update).unwrap();
        sent.insert(id, now);
        session.until(|session| session.came.len() >= packets + 3).await;
    }
    session.until(|session| session.ops().count() >= INTENTS).await;
    let (mut measured, mut traced) = (Vec::new(), Vec::new());
    for op in session.ops() {
        let came = session.came[&op.pixel_seq.expect("a packet shows it")];
        measured.push((came - sent[&op.intent_id]).as_secs_f64() * 1e3);
        assert!(op.stages_ms.contains_key("sent"), "{op:?}");
        traced.push(op.total_ms);
    }
    let (measured, traced) = (median(measured), median(traced));
    println!("measured {measured:.2} ms, traced {traced:.2} ms");
    assert!((measured - traced).abs() < 5.0, "measured {measured:.2} ms, traced {traced:.2} ms");
    server.stop().await;
}
