//! The queue under random programs of views, with made-up threads and links, in virtual time. What must hold is looked at at every step.

use super::flight::LINK_BYTES;
use super::*;
use crate::image::{Chunk, ChunkSource, Locate};
use crate::loader::gathering::Product;
use crate::place::{Blob, Entry, Key, Place, PlaceError, Read, Span};
use crate::scratch::Scratch;
use nc_core::data::{BrickKey, DType, MAX_AXES, PlaneKey, TileKey, VolumeKey};
use nc_core::scene::{ImageInfo, LevelInfo};
use proptest::prelude::*;

/// Chunks of 512 x 512 bytes, four tiles each, in two layers.
const CHUNK: u64 = 512;
const CHUNK_BYTES: u64 = CHUNK * CHUNK;
const DECODE: Duration = Duration::from_millis(4);
const ROUND_TRIP: Duration = Duration::from_millis(40);
const THREADS: usize = 3;
const IN_FLIGHT: u64 = 12 * CHUNK_BYTES;
const REQUESTS: usize = 4;

struct Far;

impl Place for Far {
    fn access(&self) -> Access {
        Access::Far { requests: REQUESTS }
    }

    fn read_into(&self, _: &Key, _: &Span, _: &Stop, _: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        Ok(None)
    }

    fn list(&self, _: &Key, _: usize) -> Result<Vec<Entry>, PlaceError> {
        Ok(Vec::new())
    }

    fn redacted(&self) -> &str {
        "far"
    }
}

struct Source(Option<Arc<dyn Place>>);

impl ChunkSource for Source {
    fn locate(&self, _: usize, _: &[u64]) -> Result<Locate, ReadError> {
        Ok(Locate::Make)
    }

    fn place(&self) -> Option<&Arc<dyn Place>> {
        self.0.as_ref()
    }

    fn make(&self, _: usize, _: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        Chunk::new(&[1, CHUNK, CHUNK], vec![0; CHUNK_BYTES as usize])
    }
}

fn image(id: u32, far: bool) -> Image {
    let level = LevelInfo {
        shape: vec![2, 2048, 2048],
        chunk: vec![1, CHUNK, CHUNK],
        scale: vec![1.0; 3],
        translate: vec![0.0; 3],
        ..LevelInfo::default()
    };
    let axis = |name: &str| nc_core::scene::Axis { name: name.into(), kind: nc_core::scene::AxisKind::Space, unit: None };
    let info = ImageInfo {
        id: ImageId(id),
        axes: vec![axis("z"), axis("y"), axis("x")],
        dtype: DType::U8,
        levels: vec![level],
        ..ImageInfo::default()
    };
    let place = far.then(|| Arc::new(Far) as Arc<dyn Place>);
    Image::from_source(Arc::new(info), Arc::new(Source(place)))
}

fn tile(image: u32, n: u32) -> TileKey {
    let plane = PlaneKey { image: ImageId(image), level: 0, row_axis: 1, col_axis: 2, index: [0; MAX_AXES] };
    TileKey { plane, ty: n / 8 % 8, tx: n % 8 }
}

/// Of 32 x 32, two layers thick: of two chunks.
fn brick(image: u32, n: u32) -> BrickKey {
    let volume = VolumeKey { image: ImageId(image), level: 0, axes: [0, 1, 2], index: [0; MAX_AXES] };
    BrickKey { volume, at: [0, n / 8 * 4 % 32, n % 8 * 4] }
}

struct Sim {
    queue: Queue,
    front: Desks,
    cache: ChunkCache,
    images: Vec<Image>,
    chunk: Arc<Chunk>,
    now: Instant,
    start: Instant,
    /// What each thread does until when.
    busy: Vec<Option<(Instant, ChunkKey, Stop)>>,
    /// What lands when, and who may call it off.
    air: Vec<(Instant, u64, usize, Stop)>,
    /// Picks, by class.
    picks: Vec<Class>,
    /// Picks since one was out of order.
    since_odd: u32,
    finished: HashMap<ChunkKey, u32>,
    /// Bytes of a chunk at a far place.
    stored: u64,
}

impl Sim {
    fn new(cache_bytes: u64) -> Self {
        let start = Instant::now();
        Self {
            queue: Queue::new(Limits { threads: THREADS, in_flight_bytes: IN_FLIGHT }),
            front: Desks::default(),
            cache: ChunkCache::new(cache_bytes),
            images: vec![image(0, false), image(1, true)],
            chunk: Arc::new(Chunk::new(&[1, CHUNK, CHUNK], vec![0; CHUNK_BYTES as usize]).unwrap()),
            now: start,
            start,
            busy: vec![None; THREADS],
            air: Vec::new(),
            picks: Vec::new(),
            since_odd: u32::MAX,
            finished: HashMap::new(),
            stored: CHUNK_BYTES / 2,
        }
    }

    fn attach(&mut self, view: u32) {
        self.front.lock().attach(ViewId(view), Arc::new(|| ()));
        self.hear();
    }

    fn want(&mut self, view: u32, wants: &[Want]) {
        self.front.lock().want(ViewId(view), &self.images, wants);
        self.hear();
    }

    fn hear(&mut self) {
        self.queue.take_in(&self.front, &self.cache, self.now);
        self.look_for_work();
    }

    fn effects(&mut self) {
        let effects = self.queue.take_effects();
        effects.stops.iter().for_each(Stop::stop);
        assert!(effects.lost.is_empty(), "nothing fails here");
    }

    /// Whether something of a better class waits for a thread, at this very moment. Where a chunk of that class does not fit among the
    /// bytes in flight, the others of its class wait with it: it would never fit if they did not.
    fn better_waits(&self, class: Class, started: &[ChunkKey]) -> bool {
        let queued =
            |of: Class| self.queue.jobs.iter().filter(move |(_, job)| matches!(job.state, State::Queued) && job.class() == of);
        let room = |of: Class| queued(of).all(|(key, job)| self.queue.fits(&job.image, key, of));
        self.queue.jobs.iter().any(|(key, job)| {
            let waits = match job.state {
                State::Queued => {
                    requests(&job.image).is_none() && Class::ALL.into_iter().filter(|&of| of <= job.class()).all(room)
                }
                State::Fetched(_) => true,
                _ => false,
            };
            waits && job.class() < class && !started.contains(key)
        })
    }

    fn look_for_work(&mut self) {
        self.effects();
        for worker in 0..self.busy.len() {
            while self.busy[worker].is_none() {
                let visible_since = self.queue.waiting_since[0];
                let Some(task) = self.queue.next(worker as u32, self.now) else { break };
                self.effects();
                let (keys, image) = match &task {
                    Task::Read { key, image, .. } | Task::Decode { key, image, .. } => (vec![*key], image.clone()),
                    Task::Launch { keys, image } => (keys.clone(), image.clone()),
                    Task::Sweep(_) | Task::Learn { .. } | Task::Refuse { .. } => panic!("nothing of that is asked for"),
                };
                for key in &keys {
                    assert!(!self.queue.jobs[key].waiting.is_empty(), "somebody wants what is begun");
                }
                let class = self.queue.jobs[&keys[0]].class();
                let odd = !matches!(task, Task::Launch { .. }) && self.better_waits(class, &keys);
                if odd {
                    assert!(self.since_odd >= TURNS, "one turn in {TURNS} is out of order, not {}", self.since_odd);
                    let waited = visible_since.map(|since| self.now - since);
                    assert!(waited.is_none_or(|w| w < Duration::from_millis(10)), "something visible waits {waited:?}");
                    self.since_odd = 0;
                } else {
                    self.since_odd = self.since_odd.saturating_add(1);
                }
                self.picks.push(class);
                let on_the_way = self.queue.jobs.values().filter(|job| job.cost > 0).count();
                assert!(self.queue.bytes <= IN_FLIGHT || on_the_way == 1, "{} bytes in flight", self.queue.bytes);
                assert_eq!(self.queue.bytes, self.queue.jobs.values().map(|job| job.cost).sum::<u64>());
                match task {
                    Task::Read { key, .. } if self.cache.has(&key) => {
                        assert!(self.queue.returned(worker as u32, &key));
                        self.arrive(&key, false);
                    }
                    Task::Read { key, stop, .. } | Task::Decode { key, stop, .. } => {
                        self.busy[worker] = Some((self.now + DECODE, key, stop));
                        let low = self.queue.running.values().filter(|r| r.low).count();
                        assert!(low < THREADS, "the lower classes leave a thread");
                    }
                    _ => {
                        let bytes = self.stored;
                        let found = |key: &ChunkKey| {
                            let object = Key::new(&format!("{:?}", &key.coords[..3])).unwrap();
                            (*key, Where::Bytes { object, span: Span::Whole, bytes })
                        };
                        let (warm, cold): (Vec<ChunkKey>, Vec<ChunkKey>) = keys.iter().partition(|key| self.cache.has(key));
                        warm.iter().for_each(|key| self.arrive(key, false));
                        let found = cold.iter().map(found).collect();
                        for request in self.queue.launch(&image, found, self.now) {
                            self.air.push((self.now + ROUND_TRIP, request.flight, request.spans.len(), request.stop));
                        }
                        assert!(self.queue.flights.len() <= REQUESTS, "{} requests at once", self.queue.flights.len());
                        let low = self.queue.flights.values().filter(|flight| flight.low).count();
                        assert!(low <= REQUESTS / 2, "{low} requests of lower classes");
                    }
                }
            }
        }
    }

    /// Lets time go by.
    fn run(&mut self, until: Instant) {
        loop {
            let ends = self.busy.iter().flatten().map(|(at, ..)| *at);
            let Some(next) = ends.chain(self.air.iter().map(|(at, ..)| *at)).min().filter(|at| *at <= until) else { break };
            self.now = next;
            for worker in 0..self.busy.len() {
                if let Some((_, key, stop)) = self.busy[worker].take_if(|(at, ..)| *at <= next) {
                    assert!(self.queue.returned(worker as u32, &key));
                    if stop.is_stopped() { self.queue.stopped(&key) } else { self.arrive(&key, true) }
                }
            }
            let landed: Vec<_> = self.air.extract_if(.., |(at, ..)| *at <= next).collect();
            for (_, flight, spans, stop) in landed {
                let blob = || Blob { bytes: Bytes::from_static(b"chunk"), ..Blob::default() };
                let answer =
                    if stop.is_stopped() { Err(PlaceError::stopped()) } else { Ok(Some((0..spans).map(|_| blob()).collect())) };
                self.front.lock().land(flight, answer);
            }
            self.hear();
        }
        self.now = self.now.max(until);
        self.queue.attend(self.now);
        self.hear();
    }

    fn arrive(&mut self, key: &ChunkKey, read: bool) {
        *self.finished.entry(*key).or_default() += u32::from(read);
        let chunk = self.chunk.clone();
        let arrived = self.queue.arrived(key, &chunk, read, &self.cache, self.now);
        for gathering in &arrived.waiting {
            if let Some(product) = gathering.add(key, &chunk) {
                if let Product::Made { made, .. } = &product {
                    assert_eq!(gathering.making, Making::Piece(made.piece()));
                }
                self.queue.deliver(gathering, product, &self.front);
            }
        }
    }

    /// Until nothing is left to do.
    fn finish(&mut self) {
        for _ in 0..1000 {
            if self.queue.jobs.is_empty() && self.air.is_empty() && self.busy.iter().all(Option::is_none) {
                break;
            }
            self.run(self.now + Duration::from_millis(50));
        }
        assert!(self.queue.jobs.is_empty(), "{} chunks starve", self.queue.jobs.len());
        assert!(self.queue.views.values().all(|view| view.lists.iter().all(Vec::is_empty)), "everything was made");
        assert_eq!((self.queue.bytes, self.queue.low_bytes), (0, 0));
        assert!(self.queue.flights.is_empty() && self.queue.running.is_empty() && self.queue.indices.is_empty());
    }

    fn ms(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }
}

const TURNS: u32 = 31;

fn want(goal: Goal, class: Class) -> Want {
    Want { goal, class, deadline: None, pin: false }
}

fn tiles(image: u32, class: Class) -> Vec<Want> {
    (0..64).map(|n| want(Goal::Tile(tile(image, n)), class)).collect()
}

/// A want: image, tile, class, whether it warms and whether it is a brick, deadline in milliseconds, whether it pins.
type Wish = (u32, u32, usize, (bool, bool), Option<u64>, bool);

#[derive(Debug, Clone)]
enum Op {
    Want(u32, Vec<Wish>),
    Leave(u32),
    Wait(u64),
    Take(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let one =
        (0..2u32, 0..64u32, 0..5usize, any::<(bool, bool)>(), proptest::option::of(0..400u64), proptest::bool::weighted(0.1));
    prop_oneof![
        5 => (0..3u32, proptest::collection::vec(one, 0..40)).prop_map(|(view, wants)| Op::Want(view, wants)),
        1 => (0..3u32).prop_map(Op::Leave),
        4 => (0..60u64).prop_map(Op::Wait),
        3 => (0..3u32).prop_map(Op::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever views say and whenever they change their minds: the order holds, the bounds hold, what is begun is wanted, and
    /// everything that stays wanted comes.
    #[test]
    fn order_and_bounds_hold_and_everything_wanted_comes(ops in proptest::collection::vec(op(), 1..25), roomy in any::<bool>()) {
        let mut sim = Sim::new(if roomy { 64 << 20 } else { 3 * CHUNK_BYTES });
        (0..3).for_each(|view| sim.attach(view));
        for op in ops {
            match op {
                Op::Want(view, wants) => {
                    let wants: Vec<Want> = wants.into_iter().map(|(image, n, class, (warm, solid), deadline, pin)| Want {
                        goal: {
                            let piece = if solid { Piece::Brick(brick(image, n)) } else { Piece::Tile(tile(image, n)) };
                            if warm { Goal::Warm(piece) } else { piece.into() }
                        },
                        class: Class::ALL[class],
                        deadline: deadline.map(|ms| sim.now + Duration::from_millis(ms)),
                        pin,
                    }).collect();
                    sim.want(view, &wants);
                }
                Op::Leave(view) => {
                    sim.front.lock().detach(ViewId(view));
                    sim.attach(view);
                }
                Op::Wait(ms) => sim.run(sim.now + Duration::from_millis(ms)),
                Op::Take(view) => drop(sim.front.lock().take(ViewId(view))),
            }
            prop_assert!(sim.cache.pinned_bytes() <= sim.cache.budget() / PIN_SHARE);
        }
        sim.finish();
        if roomy {
            prop_assert!(sim.finished.values().all(|&times| times == 1), "each chunk is made once");
        }
    }
}

#[test]
fn nothing_starves() {
    let mut sim = Sim::new(0);
    sim.attach(0);
    sim.attach(1);
    sim.want(0, &tiles(0, Class::Finer));
    sim.want(1, &[want(Goal::Warm(Piece::Tile(tile(0, 63))), Class::Background)]);
    // Somebody always wants something finer.
    let mut came = None;
    for round in 0..2000 {
        sim.want(0, &tiles(0, Class::Finer));
        sim.run(sim.ms(10 * (round + 1)));
        sim.front.lock().take(ViewId(0));
        if sim.queue.views[&ViewId(1)].lists.iter().all(Vec::is_empty) {
            came = Some(round * 10);
            break;
        }
    }
    assert!(came.is_some_and(|ms| ms < 3000), "{came:?}");
    assert!(sim.picks.len() > 32);
}

#[test]
fn views_get_equal_bytes() {
    let mut sim = Sim::new(0);
    for view in 0..3 {
        sim.attach(view);
    }
    // All of different chunks, and very different numbers of them.
    let of = |range: std::ops::Range<u32>| -> Vec<Want> {
        range.map(|n| want(Goal::Tile(tile(0, (n / 4) * 16 + (n % 4) * 2)), Class::Visible)).collect()
    };
    sim.want(0, &of(0..8));
    sim.want(1, &of(8..12));
    sim.want(2, &of(12..16));
    for _ in 0..4 {
        sim.run(sim.now + DECODE);
        let served: Vec<u64> =
            sim.queue.views.values().filter(|v| v.lists.iter().any(|l| !l.is_empty())).map(|v| v.served).collect();
        let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
        assert!(most - least <= CHUNK_BYTES, "{served:?}");
    }
    sim.finish();
}

#[test]
fn a_shared_chunk_inherits_the_best_class() {
    let mut sim = Sim::new(64 << 20);
    sim.attach(0);
    sim.attach(1);
    let background: Vec<Want> = tiles(0, Class::Background);
    sim.want(0, &background);
    assert_eq!(sim.picks, [Class::Background; 2], "and a thread is left");
    // The last chunk of all is visible to somebody else.
    sim.want(1, &[want(Goal::Tile(tile(0, 63)), Class::Visible)]);
    assert_eq!(sim.picks[2..], [Class::Visible]);
    sim.run(sim.ms(4));
    assert_eq!(sim.front.lock().take(ViewId(1)).len(), 1);
    sim.finish();
    let arrived = sim.front.lock().take(ViewId(0)).len();
    assert_eq!(arrived, 64);
    assert!(sim.finished.values().all(|&times| times == 1));
}

#[test]
fn a_promoted_warming_is_not_cancelled_when_the_tile_is_wanted() {
    let mut sim = Sim::new(64 << 20);
    sim.attach(0);
    sim.want(0, &[want(Goal::Warm(Piece::Tile(tile(1, 0))), Class::Ahead)]);
    assert_eq!(sim.air.len(), 1);
    sim.run(sim.ms(20));
    sim.want(0, &[want(Goal::Tile(tile(1, 0)), Class::Visible)]);
    assert!(!sim.air[0].3.is_stopped(), "it goes on, for the tile");
    sim.finish();
    let report = sim.queue.views[&ViewId(0)].tally.report();
    assert_eq!((report.asked, report.late, report.warmed), (1, 1, 0));
    assert_eq!(sim.queue.counts.cancelled, 0);
}

#[test]
fn cancelled_work_is_called_off_everywhere() {
    let mut sim = Sim::new(64 << 20);
    sim.attach(0);
    let mut wants = tiles(1, Class::Visible);
    wants.extend(tiles(0, Class::Visible));
    sim.want(0, &wants);
    assert_eq!(sim.air.len(), REQUESTS);
    assert!(sim.busy.iter().all(Option::is_some));
    sim.want(0, &[]);
    assert!(sim.air.iter().all(|(.., stop)| stop.is_stopped()), "requests are dropped");
    assert!(sim.busy.iter().flatten().all(|(.., stop)| stop.is_stopped()), "decodes are told to stop");
    assert!(sim.queue.flights.is_empty(), "their places are free at once");
    sim.finish();
    assert!(sim.finished.is_empty());
}

#[test]
fn expired_prefetch_is_dropped_and_counted() {
    let mut sim = Sim::new(64 << 20);
    sim.attach(0);
    let deadline = Some(sim.ms(6));
    let wants: Vec<Want> =
        (0..64).map(|n| Want { deadline, ..want(Goal::Warm(Piece::Tile(tile(0, n))), Class::Ahead) }).collect();
    let visible = Want { deadline, ..want(Goal::Tile(tile(1, 0)), Class::Visible) };
    sim.want(0, &[wants, vec![visible]].concat());
    sim.run(sim.ms(7));
    assert_eq!(sim.queue.counts.expired, 16 - 2, "two came, two were stopped, the rest never began");
    sim.finish();
    assert_eq!(sim.front.lock().take(ViewId(0)).len(), 1, "what is visible is late but comes");
    let report = sim.queue.views[&ViewId(0)].tally.report();
    assert_eq!((report.asked, report.warmed, report.expired), (16, 2, 14));
}

#[test]
fn something_visible_does_not_wait_for_what_was_just_begun() {
    let mut sim = Sim::new(64 << 20);
    sim.queue.limits.threads = 1;
    sim.busy.truncate(1);
    sim.attach(0);
    sim.queue.take_in(&sim.front, &sim.cache, sim.now);
    let ahead = want(Goal::Warm(Piece::Tile(tile(0, 63))), Class::Ahead);
    sim.front.lock().want(ViewId(0), &sim.images, &[ahead]);
    sim.queue.take_in(&sim.front, &sim.cache, sim.now);
    let Some(Task::Read { key, stop, .. }) = sim.queue.next(0, sim.now) else { panic!("something to read") };
    sim.front.lock().want(ViewId(0), &sim.images, &[want(Goal::Tile(tile(0, 0)), Class::Visible), ahead]);
    sim.queue.take_in(&sim.front, &sim.cache, sim.now + Duration::from_micros(500));
    sim.effects();
    assert!(stop.is_stopped(), "it makes way");
    assert!(sim.queue.returned(0, &key));
    sim.queue.stopped(&key);
    let Some(Task::Read { key: first, .. }) = sim.queue.next(0, sim.now) else { panic!("something to read") };
    assert_eq!(first.coords[..2], [0, 0]);
    assert!(sim.queue.returned(0, &first));
    sim.arrive(&first, true);
    let Some(Task::Read { key: second, stop, .. }) = sim.queue.next(0, sim.now) else { panic!("something to read") };
    assert_eq!(second, key, "and has another turn");
    sim.front.lock().want(ViewId(0), &sim.images, &[want(Goal::Tile(tile(0, 4)), Class::Visible), ahead]);
    sim.queue.take_in(&sim.front, &sim.cache, sim.now);
    sim.effects();
    assert!(!stop.is_stopped(), "but not twice");
}

#[test]
fn a_link_is_left_to_what_is_visible_while_that_fills_it() {
    for (visible, finer) in [(1, REQUESTS - 1), (2, 0)] {
        let mut sim = Sim::new(64 << 20);
        sim.stored = LINK_BYTES / 2;
        sim.queue.limits.in_flight_bytes = 64 * CHUNK_BYTES;
        sim.attach(0);
        // Every other tile of a row is the first of a chunk.
        let class = |n: usize| if n < visible { Class::Visible } else { Class::Finer };
        let wants: Vec<Want> = (0..4).map(|n| want(Goal::Tile(tile(1, 2 * n as u32)), class(n))).collect();
        sim.want(0, &wants);
        let under_way = |seen: bool| sim.queue.flights.values().filter(|flight| (flight.visible > 0) == seen).count();
        assert_eq!((under_way(true), under_way(false)), (visible, finer));
        sim.finish();
        assert_eq!(sim.finished.len(), 4, "what is finer comes when the link is free");
    }
}
