//! What is wanted, in which order, and who waits for which chunk. A state machine without threads, clocks or I/O: the loader keeps
//! it under one mutex that render threads never take.
//!
//! Lives here: the jobs and views (this file), what views want and what becomes of it (`wants`), what is done next (`pick`), chunks that are fetched from far places and
//! shard indices (`flight`), how work ends (`outcome`).
//!
//! A chunk that somebody waits for has exactly one [`Job`], however many wait; its class is the best of theirs, so a chunk that is
//! shared is never held up by the less urgent of those who want it. Order is not stored per chunk: whoever looks for work asks the
//! views for the first unstarted chunk of their most urgent want, so replacing a list re-orders everything.

mod flight;
mod outcome;
mod pick;
#[cfg(test)]
mod sim;
mod wants;

use super::failures::Failures;
use super::front::{Command, Desks};
use super::gathering::{Gathering, Making};
use super::health::Health;
use super::{Arrival, Class, ClassLoad, Edge, Fault, Goal, Outlook, Piece, ViewId, Wake, Want, WarmReport, beyond};
use crate::cache::{ChunkCache, PIN_SHARE, Tally};
use crate::gather::ChunkKey;
use crate::image::{Image, ReadError};
use crate::place::{Access, Stop};
use bytes::Bytes;
use flight::{Flight, IndexJob};
pub(super) use flight::{IndexId, Where};
use nc_core::data::ImageId;
pub(super) use pick::Task;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bounds of what goes on at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Loader threads.
    pub(super) threads: usize,
    /// Bytes, encoded and decoded, of chunks that are on their way.
    pub(super) in_flight_bytes: u64,
}

enum State {
    Queued,
    /// Somebody finds out where its bytes are.
    Locating,
    AwaitsIndex(IndexId),
    /// The flight that brings its bytes.
    Fetching(u64),
    /// They are there; `None` if there is no such object.
    Fetched(Option<Bytes>),
    /// On a loader thread.
    Running(Stop),
    /// It failed and may be tried again at `until`. Whoever waits shows something else meanwhile, except for those who came since and
    /// are not told yet (`untold`).
    Resting {
        until: Instant,
        untold: bool,
    },
}

struct Job {
    image: Image,
    state: State,
    waiting: Vec<Arc<Gathering>>,
    /// Bytes that count against the bound, while it is on its way.
    cost: u64,
    /// It was started for a class that only gets a part of everything.
    low: bool,
    /// It made way once for something more urgent; it does not again.
    yielded: bool,
    /// The image has grown since it was started: what comes may be old.
    stale: bool,
    /// It was counted as wanted before it was warm.
    late: bool,
}

impl Job {
    fn class(&self) -> Class {
        self.waiting.iter().map(|g| g.class()).min().unwrap_or(Class::Background)
    }
}

/// Something that a view wants and that is not finished.
struct Pending {
    gathering: Arc<Gathering>,
    deadline: Option<Instant>,
    /// How many of its chunks were looked at.
    started: usize,
}

/// A tile or a brick that arrived with damaged chunks filled in, and comes again when one of them heals. Nobody asks for it again, because the
/// view has it and takes it as it is; so it does not depend on the want list, which names only what a view lacks. It is kept until it
/// is whole, is made anew, or was dropped before the view took it; until the view goes or turns to another image; and only among the
/// [`MOST_PROVISIONAL`] latest of its view, of at most [`PROVISIONAL_BYTES`].
struct Provisional {
    gathering: Arc<Gathering>,
    /// Chunks in what was delivered last.
    intact: usize,
}

/// More than the tiles of a screen in a few channels. Bounds what a wholly damaged image costs: pictures and retries.
const MOST_PROVISIONAL: usize = 256;
/// What so many tiles of four bytes a sample take; of bricks it is fewer.
const PROVISIONAL_BYTES: u64 = 64 << 20;
/// Lists of a view: one per class, and overviews.
const LISTS: usize = 6;
const OVERVIEWS: usize = 5;

struct View {
    epoch: u64,
    /// Most urgent first, in each.
    lists: [Vec<Pending>; LISTS],
    /// Those before it in the list of the same place have no unstarted chunk.
    cursors: [usize; LISTS],
    /// Earliest first.
    provisional: VecDeque<Provisional>,
    /// Bytes that were decoded for it.
    served: u64,
    pins: HashSet<ChunkKey>,
    tally: Arc<Tally>,
}

impl View {
    /// Forgets provisional ones; gives those.
    fn forget_provisional(&mut self, which: impl Fn(&Piece, &Gathering) -> bool) -> Vec<Arc<Gathering>> {
        let gone = |p: &Provisional| matches!(p.gathering.making, Making::Piece(piece) if which(&piece, &p.gathering));
        let (gone, kept): (VecDeque<_>, _) = self.provisional.drain(..).partition(gone);
        self.provisional = kept;
        gone.into_iter().map(|p| p.gathering).collect()
    }

    /// Keeps a provisional one; gives those that are forgotten for it, which may be itself.
    fn keep_provisional(&mut self, one: Provisional) -> Vec<Arc<Gathering>> {
        self.provisional.push_back(one);
        let mut bytes: u64 = self.provisional.iter().map(|p| p.gathering.bytes()).sum();
        let mut forgotten = Vec::new();
        while (self.provisional.len() > MOST_PROVISIONAL || bytes > PROVISIONAL_BYTES)
            && let Some(Provisional { gathering, .. }) = self.provisional.pop_front()
        {
            bytes -= gathering.bytes();
            forgotten.push(gathering);
        }
        forgotten
    }

    /// Takes something out of its list; whether it was in one.
    fn finish(&mut self, gathering: &Arc<Gathering>) -> bool {
        for (list, cursor) in self.lists.iter_mut().zip(&mut self.cursors) {
            if let Some(at) = list.iter().position(|pending| Arc::ptr_eq(&pending.gathering, gathering)) {
                list.remove(at);
                *cursor -= usize::from(at < *cursor);
                return true;
            }
        }
        false
    }
}

/// Work on a loader thread.
struct Running {
    key: ChunkKey,
    since: Instant,
    low: bool,
    /// When it is given up.
    overdue: Option<Instant>,
}

/// Counts since the queue was made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Chunks that were dropped, before or during their flight, because nobody waited any more.
    pub(super) cancelled: u64,
    /// Chunks that somebody came to wait for while they were on their way for somebody else.
    pub(super) joined: u64,
    /// Chunks that were dropped because their deadline had passed.
    pub(super) expired: u64,
    /// Pins that were refused.
    pub(super) pins_refused: u64,
    /// Reads that did not return in time.
    pub(super) hung: u64,
}

/// What is to be done when the queue is let go of: none of it may be done under its lock.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) stops: Vec<Stop>,
    /// Chunks that will not come.
    pub(super) lost: Vec<(ChunkKey, Image, ReadError)>,
    pub(super) wakes: Vec<Wake>,
    /// Nobody needs it any more; dropping it may take a while.
    pub(super) litter: Vec<Arc<Gathering>>,
}

impl Effects {
    pub(super) fn is_empty(&self) -> bool {
        self.stops.is_empty() && self.lost.is_empty() && self.wakes.is_empty() && self.litter.is_empty()
    }
}

pub(super) struct Queue {
    views: BTreeMap<ViewId, View>,
    jobs: HashMap<ChunkKey, Job>,
    indices: HashMap<IndexId, IndexJob>,
    flights: HashMap<u64, Flight>,
    next_flight: u64,
    running: HashMap<u32, Running>,
    /// Jobs that go before those of the lists: they had their turn and were put back.
    ready: VecDeque<ChunkKey>,
    /// Jobs whose bytes are there.
    fetched: Vec<ChunkKey>,
    /// Failed jobs that are due again; they go after those of the lists.
    retries: VecDeque<ChunkKey>,
    /// When failed jobs are due. May name jobs that are none any more.
    resting: BTreeSet<(Instant, ChunkKey)>,
    /// Indices that are to be decoded.
    learnt: VecDeque<(IndexId, Image, Option<Bytes>)>,
    failures: Failures,
    health: Health,
    limits: Limits,
    /// The view that was served last; of equals another comes first.
    served: Option<ViewId>,
    /// Bytes on their way, in all and for the lower classes.
    bytes: u64,
    low_bytes: u64,
    /// Since when each class waits for a turn.
    waiting_since: [Option<Instant>; 5],
    /// Turns since a class got one out of its order.
    turns: u32,
    /// When something may expire first.
    expires: Option<Instant>,
    /// How many views pin a chunk, and what it will take.
    pins: HashMap<ChunkKey, (u32, u64)>,
    /// Images whose chunks are to be swept from the cache.
    sweeps: BTreeSet<ImageId>,
    /// Images that were forgotten while chunks of them were on their way: those are not to stay in the cache either.
    forgotten: BTreeSet<ImageId>,
    effects: Effects,
    pub(super) counts: Counts,
    /// Of views that are gone.
    past: WarmReport,
    /// Until when nobody looks, unless something happens.
    pub(super) unattended: Option<Instant>,
    pub(super) stopping: bool,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            views: BTreeMap::new(),
            jobs: HashMap::new(),
            indices: HashMap::new(),
            flights: HashMap::new(),
            next_flight: 0,
            running: HashMap::new(),
            ready: VecDeque::new(),
            fetched: Vec::new(),
            retries: VecDeque::new(),
            resting: BTreeSet::new(),
            learnt: VecDeque::new(),
            failures: Failures::default(),
            health: Health::default(),
            limits,
            served: None,
            bytes: 0,
            low_bytes: 0,
            waiting_since: [None; 5],
            turns: 0,
            expires: None,
            pins: HashMap::new(),
            sweeps: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            effects: Effects::default(),
            counts: Counts::default(),
            past: WarmReport::default(),
            unattended: None,
            stopping: false,
        }
    }

    /// What came to be done meanwhile.
    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// Takes in what was said and what has landed.
    pub(super) fn take_in(&mut self, front: &Desks, cache: &ChunkCache, now: Instant) {
        let (commands, landed) = front.lock().take_news();
        for command in commands {
            self.obey(command, front, cache, now);
        }
        for (flight, answer) in landed {
            self.land(flight, answer);
        }
    }

    fn obey(&mut self, command: Command, front: &Desks, cache: &ChunkCache, now: Instant) {
        match command {
            Command::Attach { view, epoch, tally } => {
                self.detach(view, cache);
                // Nobody is served for what it missed before it came.
                let served = self.views.values().map(|v| v.served).min().unwrap_or(0);
                let fresh = View {
                    epoch,
                    lists: Default::default(),
                    cursors: [0; LISTS],
                    provisional: VecDeque::new(),
                    served,
                    pins: HashSet::new(),
                    tally,
                };
                self.views.insert(view, fresh);
            }
            Command::Detach(view) => self.detach(view, cache),
            Command::Want { view, images, wants, dropped } => {
                let ready = front.lock().ready(view);
                let refused = self.want(view, &images, &wants, &ready, &dropped, cache, now);
                front.lock().set_pins_refused(view, refused);
            }
            Command::Overview { view, image, plane, max_edge } => {
                let making = Making::Overview { plane, max_edge };
                let Some(epoch) = self.views.get(&view).map(|v| v.epoch) else { return };
                if self.views[&view].lists[OVERVIEWS].iter().any(|p| p.gathering.making == making) {
                    return;
                }
                match Gathering::new(view, epoch, making, Class::Background, &image, &|_| false) {
                    Some(gathering) => {
                        let pending = self.register(gathering, None);
                        if let Some(of) = self.views.get_mut(&view) {
                            of.lists[OVERVIEWS].push(pending);
                        }
                        self.waiting_since[Class::Background as usize].get_or_insert(now);
                    }
                    None => {
                        let refused = Arrival::Overview { plane, overview: Err(Fault::no_such_plane(&image, &plane)) };
                        self.effects.wakes.extend(front.lock().put(view, epoch, refused));
                    }
                }
            }
            Command::Forget(image) => {
                self.failures.forget_image(image);
                self.health.forget_image(image);
                self.sweeps.insert(image);
                if self.flies(image) {
                    self.forgotten.insert(image);
                }
            }
            Command::Regrow(image, edges) => self.regrow(&image, &edges, now),
            Command::InFlight(bytes) => self.limits.in_flight_bytes = bytes,
        }
    }

    /// Forgets a job, and what it counts for.
    fn drop_job(&mut self, key: &ChunkKey) -> Option<Job> {
        let mut job = self.jobs.remove(key)?;
        let (cost, low) = (std::mem::take(&mut job.cost), job.low);
        self.bytes -= cost;
        self.low_bytes -= if low { cost } else { 0 };
        Some(job)
    }

    /// A job gives back what it counts for, and waits for another turn.
    fn put_back(&mut self, key: &ChunkKey, before_others: bool) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let cost = std::mem::take(&mut job.cost);
        self.bytes -= cost;
        self.low_bytes -= if job.low { cost } else { 0 };
        job.state = State::Queued;
        if before_others { self.ready.push_back(*key) } else { self.retries.push_back(*key) }
    }

    fn regrow(&mut self, image: &Image, edges: &[Edge], now: Instant) {
        let id = image.info.id;
        let touched = |key: &ChunkKey| key.image == id && edges.iter().any(|edge| beyond(key, edge));
        let mut due = Vec::new();
        for (key, job) in self.jobs.iter_mut().filter(|(key, _)| touched(key)) {
            job.image = image.clone();
            match &mut job.state {
                State::Queued => {}
                State::Resting { until, .. } => {
                    *until = now;
                    due.push((now, *key));
                }
                _ => job.stale = true,
            }
        }
        self.resting.extend(due);
    }

    fn flies(&self, image: ImageId) -> bool {
        let waits = |state: &State| matches!(state, State::Queued | State::Resting { .. });
        self.jobs.iter().any(|(key, job)| key.image == image && !waits(&job.state))
    }

    /// Chunks that wait for a turn or a retry, and chunks that are on their way.
    pub(super) fn depth(&self) -> (usize, usize) {
        let waits = self.jobs.values().filter(|j| matches!(j.state, State::Queued | State::Resting { .. })).count();
        (waits, self.jobs.len() - waits)
    }

    /// How things stand, but for what is measured elsewhere.
    pub(super) fn outlook(&self) -> Outlook {
        let mut classes = [ClassLoad::default(); 5];
        for job in self.jobs.values() {
            let load = &mut classes[job.class() as usize];
            match job.state {
                State::Queued | State::Resting { .. } => load.queued += 1,
                _ => load.in_flight += 1,
            }
            load.bytes += job.cost;
        }
        let idle = self.jobs.values().all(|job| matches!(job.state, State::Resting { .. }));
        Outlook { classes, idle, ..Outlook::default() }
    }

    /// What became of what was warmed, of all views that there are.
    pub(super) fn warm_report(&self) -> WarmReport {
        self.views.values().fold(self.past, |sum, view| sum.plus(&view.tally.report()))
    }

    /// Bytes that are on their way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets everything that is wanted, for the end. What it gives is to be dropped without the lock.
    pub(super) fn clear(&mut self) -> impl Sized + use<> {
        (self.bytes, self.low_bytes) = (0, 0);
        let Self { views, jobs, flights, indices, learnt, effects, .. } = self;
        (
            std::mem::take(views),
            std::mem::take(jobs),
            std::mem::take(flights),
            std::mem::take(indices),
            std::mem::take(learnt),
            std::mem::take(effects),
        )
    }

    /// Tells everything to stop.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        for job in self.jobs.values() {
            if let State::Running(stop) = &job.state {
                self.effects.stops.push(stop.clone());
            }
        }
        self.effects.stops.extend(self.flights.values().map(|flight| flight.stop.clone()));
    }
}

/// Bytes of a whole chunk of a level.
fn decoded_bytes(image: &Image, level: u8) -> u64 {
    let Some(level) = image.info.levels.get(usize::from(level)) else { return 0 };
    level.chunk.iter().fold(image.info.dtype.size() as u64, |n, &size| n.saturating_mul(size))
}

/// How many requests the place of `image` serves at once, if it is far.
fn requests(image: &Image) -> Option<usize> {
    match image.source().place()?.access() {
        Access::Near => None,
        Access::Far { requests } => Some(requests.max(1)),
    }
}

/// Time without an answer after which a read of that many bytes has failed.
fn patience(bytes: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(10);
    /// Slower than any disk or codec that is of use.
    const BYTES_PER_S: u64 = 16 << 20;
    LEAST + Duration::from_secs(bytes / BYTES_PER_S)
}
