//! Viewers behind links of any rate, length and buffer, in virtual time: the real fan-out, an encoder that follows it, and sockets that
//! swallow as much as they are let.

use super::fanout::{Fanout, Viewer};
use super::testing::packet;
use super::viewer::Step;
use crate::engine::{Busy, Engine, LoadError, Prepared, Vitals};
use crate::locked;
use crate::metrics::{Counters, Metrics};
use nc_engine::Selection;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{OpTrace, RawIntent, StreamConfig};
use nc_engine::places::Location;
use nc_protocol::pixel::Header;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// 12 Mbit/s at 60 pictures a second.
const PICTURE: usize = 25_000;
const KEYFRAME: usize = 100_000;

/// What the fan-out tells of an engine.
#[derive(Default)]
struct Probe {
    sated: AtomicBool,
    idr: AtomicBool,
    viewers: AtomicUsize,
    waits_since: Mutex<Option<Instant>>,
}

impl Engine for Probe {
    fn submit(&self, _intent: RawIntent) -> Result<(), Busy> {
        Err(Busy)
    }
    fn request_idr(&self) {
        self.idr.store(true, Ordering::SeqCst);
    }
    fn set_viewers(&self, viewers: usize) {
        self.viewers.store(viewers, Ordering::SeqCst);
    }
    fn set_hungry(&self, hungry: bool) {
        self.sated.store(!hungry, Ordering::SeqCst);
    }
    fn viewer_waits_since(&self, since: Option<Instant>) {
        *locked(&self.waits_since) = since;
    }
    fn traced(&self, _ops: &[OpTrace]) {}
    fn prepare(&self, _location: &Location, _selection: &Selection) -> Result<Box<dyn Prepared>, LoadError> {
        unreachable!("nobody opens anything here")
    }
    fn view(&self) -> Arc<AppliedView> {
        unreachable!("nobody asks for a view here")
    }
    fn stream(&self) -> Option<StreamConfig> {
        None
    }
    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
    fn vitals(&self, _since: &[u64]) -> Vitals {
        Vitals::default()
    }
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// Bytes per second.
    rate: usize,
    /// One way.
    delay: Duration,
    /// Bytes that socket and tunnel swallow.
    buffer: usize,
}

enum Thing {
    Message(Vec<u8>),
    Ping(u64),
}

impl Thing {
    fn bytes(&self) -> usize {
        match self {
            Self::Message(bytes) => bytes.len(),
            Self::Ping(_) => 10,
        }
    }
}

/// A picture that arrived: when it was made, and when it came.
#[derive(Debug, Clone, Copy)]
struct Seen {
    made: Duration,
    came: Duration,
}

impl Seen {
    fn age(&self) -> Duration {
        self.came - self.made
    }
}

struct Client {
    viewer: Arc<Viewer>,
    link: Link,
    /// Handed to the socket, which has no room for it.
    writing: Option<Thing>,
    socket: VecDeque<Thing>,
    /// Bytes of the socket's first thing that left, and the budget of this moment.
    left: f64,
    arriving: VecDeque<(Duration, Thing)>,
    pongs: VecDeque<(Duration, u64)>,
    seen: Vec<Seen>,
    next_seq: u32,
    closed: Option<Duration>,
    most_in_socket: usize,
    deaf: bool,
}

struct World {
    fanout: Fanout,
    engine: Arc<Probe>,
    counters: Counters,
    start: Instant,
    now: Duration,
    clients: Vec<Client>,
    /// The newest picture, until the encoder takes it.
    picture: Option<Duration>,
    drawn: Duration,
    encoded: Option<Duration>,
    repeats: u32,
    idrs: Vec<Duration>,
}

impl World {
    fn new() -> Self {
        let (engine, start) = (Arc::new(Probe::default()), Instant::now());
        let fanout = Fanout::default();
        fanout.attach(&(Arc::clone(&engine) as Arc<dyn Engine>), start);
        Self {
            fanout,
            engine,
            counters: Counters::default(),
            start,
            now: Duration::ZERO,
            clients: Vec::new(),
            picture: Some(Duration::ZERO),
            drawn: Duration::ZERO,
            encoded: None,
            repeats: 0,
            idrs: Vec::new(),
        }
    }

    fn at(&self) -> Instant {
        self.start + self.now
    }

    fn join(&mut self, link: Link) {
        let viewer = self.fanout.join(None, self.at());
        self.clients.push(Client {
            viewer,
            link,
            writing: None,
            socket: VecDeque::new(),
            left: 0.0,
            arriving: VecDeque::new(),
            pongs: VecDeque::new(),
            seen: Vec::new(),
            next_seq: 0,
            closed: None,
            most_in_socket: 0,
            deaf: false,
        });
    }

    /// Lets time pass; while `moving` a picture is drawn sixty times a second.
    fn run(&mut self, span: Duration, moving: bool) {
        let until = self.now + span;
        while self.now < until {
            self.now += MS;
            if moving && self.now >= self.drawn + 16 * MS {
                (self.picture, self.drawn) = (Some(self.now), self.now);
            }
            self.encode();
            for index in 0..self.clients.len() {
                self.carry(index);
            }
            self.fanout.settle(self.at());
        }
    }

    /// What the encode thread does, without its watchdog.
    fn encode(&mut self) {
        if self.engine.viewers.load(Ordering::SeqCst) == 0 || self.engine.sated.load(Ordering::SeqCst) {
            return;
        }
        let idr = self.engine.idr.load(Ordering::SeqCst);
        let since = self.encoded.map_or(SECOND, |at| self.now - at);
        let repeat = since >= if idr || self.repeats > 0 { 16 * MS } else { SECOND };
        if self.picture.is_none() && !repeat {
            return;
        }
        self.repeats = if self.picture.is_some() || idr { 3 } else { self.repeats.saturating_sub(1) };
        let idr = self.engine.idr.swap(false, Ordering::SeqCst) || self.encoded.is_none();
        if idr {
            self.idrs.push(self.now);
        }
        let new = self.picture.take().is_some();
        let mut unit = packet(
            idr,
            if idr {
                KEYFRAME
            } else if new {
                PICTURE
            } else {
                200
            },
        );
        let mut bytes = unit.avcc.to_vec();
        bytes[..8].copy_from_slice(&(self.drawn.as_millis() as u64).to_le_bytes());
        unit.avcc = bytes.into();
        self.encoded = Some(self.now);
        self.fanout.packet(unit, self.at(), &self.counters);
    }

    /// One millisecond of a client's socket and link, both ways.
    fn carry(&mut self, index: usize) {
        let (at, now) = (self.at(), self.now);
        let client = &mut self.clients[index];
        while client.pongs.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, id)) = client.pongs.pop_front() {
                client.viewer.pong(id, at);
            }
        }
        // The task of the socket.
        loop {
            let in_socket: usize = client.socket.iter().map(Thing::bytes).sum();
            client.most_in_socket = client.most_in_socket.max(in_socket);
            if let Some(thing) = client.writing.take_if(|thing| in_socket == 0 || in_socket + thing.bytes() <= client.link.buffer)
            {
                client.socket.push_back(thing);
            }
            if client.writing.is_some() || client.closed.is_some() {
                break;
            }
            match client.viewer.step(at) {
                Step::Send(message) => client.writing = Some(Thing::Message(message.bytes)),
                Step::Ping(id) => client.writing = Some(Thing::Ping(id)),
                Step::Close(_) => client.closed = Some(now),
                Step::Wait(until) => {
                    assert!(until.is_none_or(|until| until > at), "it waits for what is past");
                    break;
                }
            }
        }
        // The link.
        client.left += client.link.rate as f64 / 1e3;
        while client.socket.front().is_some_and(|thing| thing.bytes() as f64 <= client.left) {
            if let Some(thing) = client.socket.pop_front() {
                client.left -= thing.bytes() as f64;
                client.arriving.push_back((now + client.link.delay, thing));
            }
        }
        if client.socket.is_empty() {
            client.left = 0.0;
        }
        while !client.deaf && client.arriving.front().is_some_and(|(due, _)| *due <= now) {
            match client.arriving.pop_front() {
                Some((_, Thing::Ping(id))) => client.pongs.push_back((now + client.link.delay, id)),
                Some((_, Thing::Message(bytes))) => {
                    let (header, unit) = Header::decode(&bytes).unwrap();
                    assert_eq!(header.seq, client.next_seq, "no gap");
                    assert!(header.seq > 0 || header.keyframe, "an IDR first");
                    client.next_seq += 1;
                    let made = Duration::from_millis(u64::from_le_bytes(unit[..8].try_into().unwrap()));
                    client.seen.push(Seen { made, came: now });
                }
                None => {}
            }
        }
    }
}

/// ssh over a slow line: its buffers swallow megabytes.
const SLOW: Link = Link { rate: 125_000, delay: Duration::from_millis(30), buffer: 4 << 20 };
const FAST: Link = Link { rate: 100_000_000, delay: Duration::from_micros(100), buffer: 4 << 20 };

#[test]
fn a_sole_slow_viewer_gets_fewer_pictures_and_fresh_ones_and_no_further_idr() {
    let mut world = World::new();
    world.join(SLOW);
    world.run(20 * SECOND, true);
    let client = &world.clients[0];
    let settled: Vec<_> = client.seen.iter().filter(|seen| seen.came > 5 * SECOND).collect();
    let oldest = settled.iter().map(|seen| seen.age()).max().unwrap();
    println!("{} pictures in 15 s, at most {oldest:?} old; {} bytes in the socket", settled.len(), client.most_in_socket);
    assert_eq!(world.idrs.len(), 1, "{:?}", world.idrs);
    assert!(oldest < SECOND, "{oldest:?}");
    assert!(settled.len() >= 15 * 4, "the line carries five a second, {} came", settled.len());
    assert!(client.most_in_socket <= (256 << 10) + KEYFRAME);

    // After the last change the newest picture comes soon.
    let last = world.drawn;
    world.run(3 * SECOND, false);
    let came = world.clients[0].seen.iter().find(|seen| seen.made == last).expect("the newest picture").came;
    assert!(came - last < SECOND, "{:?}", came - last);
}

#[test]
fn a_slow_neighbour_costs_a_fast_viewer_nothing_but_an_idr_every_two_seconds() {
    let mut world = World::new();
    world.join(FAST);
    world.join(SLOW);
    world.run(30 * SECOND, true);
    let (fast, slow) = (&world.clients[0], &world.clients[1]);
    assert!(fast.seen.len() >= 30 * 59, "{}", fast.seen.len());
    assert!(fast.seen.iter().all(|seen| seen.age() < 20 * MS));
    assert!(world.idrs.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= 2 * SECOND), "{:?}", world.idrs);
    let oldest = slow.seen.iter().filter(|seen| seen.came > 10 * SECOND).map(Seen::age).max().unwrap();
    println!("slow: {} pictures, at most {oldest:?} old", slow.seen.len());
    assert!(oldest < 3 * SECOND, "{oldest:?}");
    let last = world.drawn;
    world.run(6 * SECOND, false);
    let came = world.clients[1].seen.iter().find(|seen| seen.made == last).expect("the newest picture").came;
    assert!(came - last < 5 * SECOND, "{:?}", came - last);
}

#[test]
fn a_newcomer_costs_the_others_one_idr() {
    let mut world = World::new();
    world.join(FAST);
    world.run(2 * SECOND, true);
    assert_eq!(world.idrs.len(), 1);
    world.join(FAST);
    world.run(5 * SECOND, true);
    assert_eq!(world.idrs.len(), 2);
    let first = world.clients[1].seen[0].came;
    assert!(first < 2 * SECOND + 50 * MS, "{first:?}");
    assert_eq!(*locked(&world.engine.waits_since), None);
}

#[test]
fn a_fast_viewer_is_never_made_to_wait() {
    for delay in [0, 5, 40, 120] {
        let mut world = World::new();
        world.join(Link { rate: 12_500_000, delay: delay * MS, buffer: 4 << 20 });
        world.run(5 * SECOND, true);
        let seen = &world.clients[0].seen;
        let settled = seen.iter().filter(|seen| seen.came > 2 * SECOND);
        assert!(settled.clone().count() >= 3 * 58, "{delay} ms: {}", settled.count());
    }
}

#[test]
fn a_half_open_socket_is_closed() {
    let mut world = World::new();
    world.join(FAST);
    world.run(2 * SECOND, true);
    world.clients[0].deaf = true;
    world.run(40 * SECOND, false);
    let closed = world.clients[0].closed.expect("it is closed");
    assert!(closed < 33 * SECOND, "{closed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the line: what is on its way is bounded, a sole viewer causes no IDR beyond its first, never gets a picture that is
    /// old by more than what the bound allows, and soon has the newest one.
    #[test]
    fn any_line_is_served(
        rate in prop_oneof![20_000..200_000_usize, 200_000..20_000_000_usize],
        delay in 0..250_u32,
        buffer in 16_384..(8_usize << 20),
        seconds in 4..12_u32,
    ) {
        let link = Link { rate, delay: delay * MS, buffer };
        let mut world = World::new();
        world.join(link);
        world.run(seconds * SECOND, true);
        let last = world.drawn;
        world.run(20 * SECOND, false);
        let client = &world.clients[0];
        prop_assert_eq!(world.idrs.len(), 1);
        prop_assert_eq!(client.closed, None);
        prop_assert!(client.most_in_socket as u64 <= super::delivery::MAX_WINDOW + KEYFRAME as u64);
        // The first window and the first IDR, drained at the line's rate, and some round trips.
        let bytes = (256 << 10) + KEYFRAME + 3 * PICTURE;
        let bound = Duration::from_secs_f64(bytes as f64 / rate as f64) + 5 * delay * MS + SECOND;
        let oldest = client.seen.iter().map(Seen::age).filter(|age| *age > bound).max();
        // Repeats of a resting picture are as old as the picture.
        let moving = client.seen.iter().filter(|seen| seen.made != last).map(Seen::age).max().unwrap_or_default();
        prop_assert!(moving <= bound, "{moving:?} > {bound:?} {oldest:?}");
        let came = client.seen.iter().find(|seen| seen.made == last).map(|seen| seen.came - last);
        prop_assert!(came.is_some_and(|took| took <= bound), "{came:?} > {bound:?}");
    }
}
