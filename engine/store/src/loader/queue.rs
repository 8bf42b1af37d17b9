//! What is wanted, in which order, and who waits for which chunk. A state machine without threads, clocks or I/O: the loader keeps
//! it under its one mutex, and every call is brief.
//!
//! A chunk that somebody waits for has exactly one [`Job`], however many tiles wait. Order is not stored per chunk: a worker asks
//! the views in turn for the first unstarted chunk of their most urgent tile, so replacing a want list re-orders everything.

use super::failures::Failures;
use super::gathering::{Gathering, Goal, Product};
use super::{Arrival, Fault, ViewId, Wake};
use crate::gather::ChunkKey;
use crate::image::Image;
use nc_core::data::{PlaneKey, TileKey};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Reads one chunk.
pub(super) struct Task {
    pub(super) key: ChunkKey,
    pub(super) image: Image,
    /// Set while nobody waits for the chunk.
    pub(super) cancelled: Arc<AtomicBool>,
    /// The chunk failed lately: it is not to be read, and this is why.
    pub(super) resting: Option<Fault>,
}

enum JobState {
    Queued,
    InFlight(Arc<AtomicBool>),
    /// It failed and may be tried again then; whoever waits has a coarser level to show meanwhile.
    Resting(Instant),
}

struct Job {
    image: Image,
    state: JobState,
    waiting: Vec<Arc<Gathering>>,
}

struct Want {
    gathering: Arc<Gathering>,
    /// How many of its chunks were looked at by [`Queue::next`].
    started: usize,
}

struct View {
    wake: Wake,
    /// Most urgent first.
    tiles: Vec<Want>,
    overviews: Vec<Want>,
    arrivals: Vec<Arrival>,
}

#[derive(Default)]
pub(super) struct Queue {
    views: BTreeMap<ViewId, View>,
    jobs: HashMap<ChunkKey, Job>,
    failures: Failures,
    /// The view that was served last.
    served: Option<ViewId>,
    /// Reads that were dropped, before or during their flight, because nobody waited any more.
    pub(super) cancelled: u64,
    pub(super) stopping: bool,
}

impl Queue {
    pub(super) fn attach(&mut self, view: ViewId, wake: Wake) {
        self.detach(view);
        self.views.insert(view, View { wake, tiles: Vec::new(), overviews: Vec::new(), arrivals: Vec::new() });
    }

    pub(super) fn detach(&mut self, view: ViewId) {
        if let Some(gone) = self.views.remove(&view) {
            gone.tiles.iter().chain(&gone.overviews).for_each(|w| self.abandon(&w.gathering));
            self.failures.forget_view(view);
        }
    }

    /// Replaces the tiles that `view` wants.
    pub(super) fn want(&mut self, view: ViewId, image: &Image, keys: &[TileKey]) {
        let Some(of) = self.views.get_mut(&view) else { return };
        let mut wanted = HashSet::with_capacity(keys.len());
        let mut before: HashMap<TileKey, Want> = HashMap::with_capacity(of.tiles.len());
        for want in of.tiles.drain(..) {
            if let Goal::Tile(key) = want.gathering.goal {
                before.insert(key, want);
            }
        }
        let ready: HashSet<TileKey> = of.arrivals.iter().filter_map(|a| a.tile_key()).collect();
        let mut tiles = Vec::with_capacity(keys.len());
        for key in keys {
            if !wanted.insert(*key) || ready.contains(key) {
                continue;
            }
            match before.remove(key) {
                Some(want) => tiles.push(want),
                None => match Gathering::new(view, Goal::Tile(*key), image) {
                    Some(gathering) => tiles.push(register(&mut self.jobs, gathering)),
                    None => tracing::error!(?key, "a tile was wanted that its image does not have"),
                },
            }
        }
        // What arrived and is not wanted any more goes, or a view that stops taking would pile it up. Its chunks stay in the cache.
        of.arrivals.retain(|a| a.tile_key().is_none_or(|key| wanted.contains(&key)));
        of.tiles = tiles;
        before.into_values().for_each(|w| self.abandon(&w.gathering));
    }

    /// Adds an overview, unless the same one is on its way.
    pub(super) fn want_overview(&mut self, view: ViewId, image: &Image, plane: PlaneKey, max_edge: u32) {
        let Some(of) = self.views.get_mut(&view) else { return };
        let goal = Goal::Overview { plane, max_edge };
        if of.overviews.iter().any(|w| w.gathering.goal == goal) {
            return;
        }
        match Gathering::new(view, goal, image) {
            Some(gathering) => of.overviews.push(register(&mut self.jobs, gathering)),
            None => tracing::error!(?plane, "an overview was wanted of a plane that its image does not have"),
        }
    }

    pub(super) fn take_arrivals(&mut self, view: ViewId) -> Vec<Arrival> {
        self.views.get_mut(&view).map(|v| std::mem::take(&mut v.arrivals)).unwrap_or_default()
    }

    /// The next chunk to read: tiles before retries before overviews; among tiles the views take turns.
    pub(super) fn next(&mut self, now: Instant) -> Option<Task> {
        let key =
            self.next_of(|v| &mut v.tiles).or_else(|| self.next_retry(now)).or_else(|| self.next_of(|v| &mut v.overviews))?;
        let resting = self.failures.resting(&key, now);
        let job = self.jobs.get_mut(&key)?;
        let cancelled = Arc::new(AtomicBool::new(false));
        job.state = JobState::InFlight(cancelled.clone());
        Some(Task { key, image: job.image.clone(), cancelled, resting })
    }

    fn next_of(&mut self, list: impl Fn(&mut View) -> &mut Vec<Want>) -> Option<ChunkKey> {
        let served = self.served;
        let mut ids: Vec<ViewId> = self.views.keys().copied().collect();
        ids.sort_by_key(|&id| (served.is_some_and(|s| id <= s), id));
        for id in ids {
            let Some(view) = self.views.get_mut(&id) else { continue };
            for want in list(view) {
                while let Some(key) = want.gathering.chunks.get(want.started) {
                    want.started += 1;
                    if self.jobs.get(key).is_some_and(|j| matches!(j.state, JobState::Queued)) {
                        self.served = Some(id);
                        return Some(*key);
                    }
                }
            }
        }
        None
    }

    fn next_retry(&self, now: Instant) -> Option<ChunkKey> {
        self.resting().filter(|&(_, at)| at <= now).min_by_key(|&(_, at)| at).map(|(key, _)| key)
    }

    /// When the earliest retry is due that somebody waits for.
    pub(super) fn next_retry_at(&self) -> Option<Instant> {
        self.resting().map(|(_, at)| at).min()
    }

    fn resting(&self) -> impl Iterator<Item = (ChunkKey, Instant)> {
        self.jobs.iter().filter_map(|(key, job)| match job.state {
            JobState::Resting(until) => Some((*key, until)),
            JobState::Queued | JobState::InFlight(_) => None,
        })
    }

    /// A flight ended before its decode. Whether it is to start again: somebody came to wait for it meanwhile.
    pub(super) fn stopped(&mut self, key: &ChunkKey) -> bool {
        match self.jobs.get(key) {
            Some(job) if !job.waiting.is_empty() => true,
            _ => {
                self.jobs.remove(key);
                false
            }
        }
    }

    /// A chunk is there. Gives those who wait for it.
    pub(super) fn arrived(&mut self, key: &ChunkKey) -> Vec<Arc<Gathering>> {
        self.failures.clear(key);
        self.jobs.remove(key).map(|j| j.waiting).unwrap_or_default()
    }

    /// A chunk could not be read (`fresh`), or failed lately and was not tried. Gives those who go on without it, and whom to wake.
    pub(super) fn failed(
        &mut self,
        key: &ChunkKey,
        fault: &Fault,
        fresh: bool,
        now: Instant,
    ) -> (Vec<Arc<Gathering>>, Vec<Wake>) {
        let mut wakes = Vec::new();
        if fresh {
            self.failures.record(*key, fault.clone(), now);
        }
        let Some(job) = self.jobs.remove(key) else { return (Vec::new(), wakes) };
        for gathering in &job.waiting {
            let Goal::Tile(tile) = gathering.goal else { continue };
            if let Some(view) = self.views.get_mut(&gathering.view)
                && self.failures.tell(key, gathering.view)
            {
                view.arrivals.push(Arrival::Fault { key: tile, fault: fault.clone() });
                wakes.push(view.wake.clone());
            }
        }
        let (waiting, going_on): (Vec<_>, Vec<_>) = job.waiting.into_iter().partition(|g| g.waits_for_damaged());
        if !waiting.is_empty() {
            let until = self.failures.retry_at(key).unwrap_or(now);
            self.jobs.insert(*key, Job { image: job.image, state: JobState::Resting(until), waiting });
        }
        (going_on, wakes)
    }

    /// Hands a finished tile or overview to its view, unless that does not want it any more.
    pub(super) fn deliver(&mut self, gathering: &Arc<Gathering>, product: Product) -> Option<Wake> {
        let view = self.views.get_mut(&gathering.view)?;
        let list = match product {
            Product::Tile(..) => &mut view.tiles,
            Product::Overview(..) => &mut view.overviews,
        };
        let at = list.iter().position(|w| Arc::ptr_eq(&w.gathering, gathering))?;
        list.remove(at);
        view.arrivals.push(match product {
            Product::Tile(key, tile) => Arrival::Tile { key, tile },
            Product::Overview(plane, overview) => Arrival::Overview { plane, overview },
        });
        Some(view.wake.clone())
    }

    /// Chunks that wait for a worker or a retry, and chunks that are being read.
    pub(super) fn depth(&self) -> (usize, usize) {
        let in_flight = self.jobs.values().filter(|j| matches!(j.state, JobState::InFlight(_))).count();
        (self.jobs.len() - in_flight, in_flight)
    }

    /// Tells every flight to stop.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        for job in self.jobs.values() {
            if let JobState::InFlight(cancelled) = &job.state {
                cancelled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Nobody wants `gathering` any more.
    fn abandon(&mut self, gathering: &Arc<Gathering>) {
        for key in &gathering.chunks {
            let Some(job) = self.jobs.get_mut(key) else { continue };
            let before = job.waiting.len();
            job.waiting.retain(|g| !Arc::ptr_eq(g, gathering));
            if before == 0 || !job.waiting.is_empty() {
                continue;
            }
            self.cancelled += 1;
            match &job.state {
                JobState::InFlight(cancelled) => cancelled.store(true, Ordering::Relaxed),
                JobState::Queued | JobState::Resting(_) => {
                    self.jobs.remove(key);
                }
            }
        }
    }
}

/// Lets `gathering` wait for all its chunks.
fn register(jobs: &mut HashMap<ChunkKey, Job>, gathering: Gathering) -> Want {
    let gathering = Arc::new(gathering);
    for key in &gathering.chunks {
        let job = jobs.entry(*key).or_insert_with(|| Job {
            image: gathering.image.clone(),
            state: JobState::Queued,
            waiting: Vec::new(),
        });
        if let JobState::InFlight(cancelled) = &job.state {
            cancelled.store(false, Ordering::Relaxed);
        }
        job.waiting.push(gathering.clone());
    }
    Want { gathering, started: 0 }
}
