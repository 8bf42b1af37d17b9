//! What is wanted, in which order, and who waits for which chunk. A state machine without threads, clocks or I/O: the loader keeps
//! it under its one mutex, and every call is brief.
//!
//! A chunk that somebody waits for has exactly one [`Job`], however many tiles wait. Order is not stored per chunk: a worker asks
//! the views in turn for the first unstarted chunk of their most urgent tile, so replacing a want list re-orders everything.

use super::failures::Failures;
use super::gathering::{Gathering, Making, Product};
use super::{Arrival, Class, Fault, Goal, ViewId, Wake, Want};
use crate::gather::ChunkKey;
use crate::image::Image;
use crate::place::Stop;
use nc_core::data::{ImageId, PlaneKey, Tile, TileKey};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Reads one chunk.
pub(super) struct Task {
    pub(super) key: ChunkKey,
    pub(super) image: Image,
    /// Called when nobody waits for the chunk any more.
    pub(super) stop: Stop,
    /// The chunk failed lately: it is not to be read, and this is why.
    pub(super) resting: Option<Fault>,
}

enum JobState {
    Queued,
    InFlight(Stop),
    /// It failed and may be tried again at `until`. Whoever waits shows something else meanwhile, except for those who came since and
    /// are not told yet (`untold`).
    Resting {
        until: Instant,
        untold: bool,
    },
}

struct Job {
    image: Image,
    state: JobState,
    waiting: Vec<Arc<Gathering>>,
}

struct Pending {
    gathering: Arc<Gathering>,
    /// How many of its chunks were looked at by [`Queue::next`].
    started: usize,
}

/// A tile that arrived with damaged chunks filled in, and comes again when one of them heals. Nobody asks for it again, because the
/// view has it and takes it as it is; so it does not depend on the want list, which names only what a view lacks. It is kept until it
/// is whole, is made anew, or was dropped before the view took it; until the view goes or turns to another image; and only among the
/// [`MOST_PROVISIONAL`] latest of its view.
struct Provisional {
    gathering: Arc<Gathering>,
    /// Chunks in what was delivered last.
    intact: usize,
}

/// More than the tiles of a screen in a few channels. Bounds what a wholly damaged image costs: pictures and retries.
const MOST_PROVISIONAL: usize = 256;

struct View {
    wake: Wake,
    /// Most urgent first.
    tiles: Vec<Pending>,
    overviews: Vec<Pending>,
    /// Earliest first.
    provisional: VecDeque<Provisional>,
    /// Answers to what is wanted.
    arrivals: Vec<Arrival>,
    /// Provisional tiles that the view had taken and that are better now.
    mended: Vec<Arrival>,
}

impl View {
    fn new(wake: Wake) -> Self {
        Self {
            wake,
            tiles: Vec::new(),
            overviews: Vec::new(),
            provisional: VecDeque::new(),
            arrivals: Vec::new(),
            mended: Vec::new(),
        }
    }

    /// Forgets provisional tiles; gives those.
    fn forget_provisional(&mut self, which: impl Fn(&TileKey, &Gathering) -> bool) -> Vec<Arc<Gathering>> {
        let gone = |p: &Provisional| matches!(p.gathering.making, Making::Tile(key) if which(&key, &p.gathering));
        let (gone, kept): (VecDeque<_>, _) = self.provisional.drain(..).partition(gone);
        self.provisional = kept;
        gone.into_iter().map(|p| p.gathering).collect()
    }

    /// Puts a finished tile where the view takes it from. An earlier state of it that was not taken gives way.
    fn put_tile(&mut self, key: TileKey, tile: Tile, wanted: bool) {
        let same = |a: &&mut Arrival| a.tile_key() == Some(key);
        if let Some(earlier) = self.arrivals.iter_mut().find(same) {
            *earlier = Arrival::Tile { key, tile, mended: false };
        } else if wanted {
            self.arrivals.push(Arrival::Tile { key, tile, mended: false });
        } else {
            let mended = Arrival::Tile { key, tile, mended: true };
            match self.mended.iter_mut().find(same) {
                Some(earlier) => *earlier = mended,
                None => self.mended.push(mended),
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Queue {
    views: BTreeMap<ViewId, View>,
    jobs: HashMap<ChunkKey, Job>,
    failures: Failures,
    /// The view that was served last.
    served: Option<ViewId>,
    /// Images whose chunks are to be swept from the cache.
    sweeps: BTreeSet<ImageId>,
    /// Images that were forgotten while chunks of them were being read: those are not to stay in the cache either.
    forgotten: BTreeSet<ImageId>,
    /// Reads that were dropped, before or during their flight, because nobody waited any more.
    pub(super) cancelled: u64,
    pub(super) stopping: bool,
}

impl Queue {
    pub(super) fn attach(&mut self, view: ViewId, wake: Wake) {
        self.detach(view);
        self.views.insert(view, View::new(wake));
    }

    pub(super) fn detach(&mut self, view: ViewId) {
        if let Some(gone) = self.views.remove(&view) {
            let provisional = gone.provisional.iter().map(|p| &p.gathering);
            let wanted = gone.tiles.iter().chain(&gone.overviews).map(|w| &w.gathering);
            wanted.chain(provisional).for_each(|gathering| self.abandon(gathering));
            self.failures.forget_view(view);
        }
    }

    /// Replaces the tiles that `view` wants.
    pub(super) fn want(&mut self, view: ViewId, images: &[Image], wants: &[Want]) {
        let mut keys: Vec<(Class, TileKey)> = wants
            .iter()
            .filter_map(|want| match want.goal {
                Goal::Tile(key) => Some((want.class, key)),
                // Asked for and not done yet: whoever waits for nothing misses nothing.
                Goal::Warm(_) => None,
            })
            .collect();
        keys.sort_by_key(|&(class, _)| class);
        let Some(of) = self.views.get_mut(&view) else { return };
        let mut wanted = HashSet::with_capacity(keys.len());
        let mut before: HashMap<TileKey, Pending> = HashMap::with_capacity(of.tiles.len());
        for want in of.tiles.drain(..) {
            if let Making::Tile(key) = want.gathering.making {
                before.insert(key, want);
            }
        }
        let ready: HashSet<TileKey> = of.arrivals.iter().chain(&of.mended).filter_map(Arrival::tile_key).collect();
        let mut tiles = Vec::with_capacity(keys.len());
        for (_, key) in &keys {
            if !wanted.insert(*key) || ready.contains(key) {
                continue;
            }
            match before.remove(key) {
                Some(want) => tiles.push(want),
                None => match images
                    .iter()
                    .find(|image| image.info.id == key.plane.image)
                    .and_then(|image| Gathering::new(view, Making::Tile(*key), image))
                {
                    Some(gathering) => tiles.push(register(&mut self.jobs, gathering)),
                    None => tracing::error!(?key, "a tile was wanted that its image does not have"),
                },
            }
        }
        // What arrived and is not wanted any more goes, or a view that stops taking would pile it up. Its chunks stay in the cache.
        let dropped: HashSet<TileKey> = of
            .arrivals
            .extract_if(.., |a| a.tile_key().is_some_and(|key| !wanted.contains(&key)))
            .filter_map(|a| a.tile_key())
            .collect();
        let known = |id: ImageId| images.iter().any(|image| image.info.id == id);
        of.mended.retain(|a| a.tile_key().is_some_and(|key| known(key.plane.image)));
        of.tiles = tiles;
        let forgotten = of.forget_provisional(|key, gathering| {
            let anew = wanted.contains(key) && !ready.contains(key);
            anew || dropped.contains(key) || !known(gathering.image.info.id)
        });
        before.into_values().for_each(|w| self.abandon(&w.gathering));
        forgotten.iter().for_each(|gathering| self.abandon(gathering));
    }

    /// Adds an overview, unless the same one is on its way. Whom to wake, if it is refused: that is an answer, too.
    pub(super) fn want_overview(&mut self, view: ViewId, image: &Image, plane: PlaneKey, max_edge: u32) -> Option<Wake> {
        let of = self.views.get_mut(&view)?;
        let making = Making::Overview { plane, max_edge };
        if of.overviews.iter().any(|w| w.gathering.making == making) {
            return None;
        }
        match Gathering::new(view, making, image) {
            Some(gathering) => {
                of.overviews.push(register(&mut self.jobs, gathering));
                None
            }
            None => {
                of.arrivals.push(Arrival::Overview { plane, overview: Err(Fault::no_such_plane(image, &plane)) });
                Some(of.wake.clone())
            }
        }
    }

    pub(super) fn take_arrivals(&mut self, view: ViewId) -> Vec<Arrival> {
        let Some(of) = self.views.get_mut(&view) else { return Vec::new() };
        let mut arrivals = std::mem::take(&mut of.arrivals);
        arrivals.append(&mut of.mended);
        arrivals
    }

    /// The next chunk to read: tiles before retries before overviews; among tiles the views take turns.
    pub(super) fn next(&mut self, now: Instant) -> Option<Task> {
        let key =
            self.next_of(|v| &mut v.tiles).or_else(|| self.next_retry(now)).or_else(|| self.next_of(|v| &mut v.overviews))?;
        let resting = self.failures.resting(&key, now);
        let job = self.jobs.get_mut(&key)?;
        let stop = Stop::new();
        job.state = JobState::InFlight(stop.clone());
        Some(Task { key, image: job.image.clone(), stop, resting })
    }

    fn next_of(&mut self, list: impl Fn(&mut View) -> &mut Vec<Pending>) -> Option<ChunkKey> {
        let served = self.served;
        let mut ids: Vec<ViewId> = self.views.keys().copied().collect();
        ids.sort_by_key(|&id| (served.is_some_and(|s| id <= s), id));
        for id in ids {
            let Some(view) = self.views.get_mut(&id) else { continue };
            for want in list(view) {
                while let Some(key) = want.gathering.chunks.get(want.started) {
                    want.started += 1;
                    if self
                        .jobs
                        .get(key)
                        .is_some_and(|j| matches!(j.state, JobState::Queued | JobState::Resting { untold: true, .. }))
                    {
                        self.served = Some(id);
                        return Some(*key);
                    }
                }
            }
        }
        None
    }

    fn next_retry(&self, now: Instant) -> Option<ChunkKey> {
        // Those who were not told may be gone again, but a job that others wait for must not stay behind with them.
        let due = self.resting().filter(|&(_, until, untold)| untold || until <= now);
        due.min_by_key(|&(_, until, _)| until).map(|(key, ..)| key)
    }

    /// When the earliest retry is due that somebody waits for.
    pub(super) fn next_retry_at(&self) -> Option<Instant> {
        self.resting().map(|(_, until, _)| until).min()
    }

    fn resting(&self) -> impl Iterator<Item = (ChunkKey, Instant, bool)> {
        self.jobs.iter().filter_map(|(key, job)| match job.state {
            JobState::Resting { until, untold } => Some((*key, until, untold)),
            JobState::Queued | JobState::InFlight(_) => None,
        })
    }

    /// Nobody will want chunks of `image` any more: what is cached of it, or arrives yet, is to go.
    pub(super) fn forget(&mut self, image: ImageId) {
        self.failures.forget_image(image);
        self.sweeps.insert(image);
        if self.flies(image) {
            self.forgotten.insert(image);
        }
    }

    /// An image whose chunks are to be swept from the cache.
    pub(super) fn next_sweep(&mut self) -> Option<ImageId> {
        self.sweeps.pop_first()
    }

    /// Whether a chunk whose flight has ended is of a forgotten image.
    pub(super) fn is_forgotten(&mut self, image: ImageId) -> bool {
        let forgotten = self.forgotten.contains(&image);
        if forgotten && !self.flies(image) {
            self.forgotten.remove(&image);
        }
        forgotten
    }

    fn flies(&self, image: ImageId) -> bool {
        self.jobs.iter().any(|(key, job)| key.image == image && matches!(job.state, JobState::InFlight(_)))
    }

    /// A flight was stopped. If somebody came to wait for its chunk meanwhile, it starts again: with the stop that this gives.
    pub(super) fn stopped(&mut self, key: &ChunkKey) -> Option<Stop> {
        match self.jobs.get_mut(key) {
            Some(job) if !job.waiting.is_empty() && !self.stopping => {
                let stop = Stop::new();
                job.state = JobState::InFlight(stop.clone());
                Some(stop)
            }
            _ => {
                self.jobs.remove(key);
                None
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
            let Making::Tile(tile) = gathering.making else { continue };
            if let Some(view) = self.views.get_mut(&gathering.view)
                && self.failures.tell(key, gathering.view)
            {
                view.arrivals.push(Arrival::Fault { key: tile, fault: fault.clone() });
                wakes.push(view.wake.clone());
            }
        }
        let going_on = job.waiting.iter().filter(|g| !g.has_stand_in()).cloned().collect();
        let waiting: Vec<_> = job.waiting.into_iter().filter(|g| g.mends()).collect();
        if !waiting.is_empty() {
            let until = self.failures.retry_at(key).unwrap_or(now);
            self.jobs.insert(*key, Job { image: job.image, state: JobState::Resting { until, untold: false }, waiting });
        }
        (going_on, wakes)
    }

    /// Hands a finished tile or overview to its view, unless that does not want it any more.
    pub(super) fn deliver(&mut self, gathering: &Arc<Gathering>, product: Product) -> Option<Wake> {
        let view = self.views.get_mut(&gathering.view)?;
        let wake = view.wake.clone();
        match product {
            Product::Overview(plane, overview) => {
                let at = view.overviews.iter().position(|w| Arc::ptr_eq(&w.gathering, gathering))?;
                view.overviews.remove(at);
                view.arrivals.push(Arrival::Overview { plane, overview });
            }
            Product::Tile { key, tile, intact, whole } => {
                let wanted = view.tiles.iter().position(|w| Arc::ptr_eq(&w.gathering, gathering));
                let had = view.provisional.iter().position(|p| Arc::ptr_eq(&p.gathering, gathering));
                match (wanted, had) {
                    (Some(at), _) => {
                        view.tiles.remove(at);
                    }
                    (None, Some(at)) => {
                        // Two threads that each mended a part may come in either order.
                        view.provisional.get(at).filter(|p| p.intact < intact)?;
                        view.provisional.remove(at);
                    }
                    (None, None) => return None,
                }
                view.put_tile(key, tile, wanted.is_some());
                if !whole {
                    view.provisional.push_back(Provisional { gathering: gathering.clone(), intact });
                }
                if view.provisional.len() > MOST_PROVISIONAL
                    && let Some(earliest) = view.provisional.pop_front()
                {
                    self.abandon(&earliest.gathering);
                }
            }
        }
        Some(wake)
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
            if let JobState::InFlight(stop) = &job.state {
                stop.stop();
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
                JobState::InFlight(stop) => stop.stop(),
                JobState::Queued | JobState::Resting { .. } => {
                    self.jobs.remove(key);
                }
            }
        }
    }
}

/// Lets `gathering` wait for all its chunks.
fn register(jobs: &mut HashMap<ChunkKey, Job>, gathering: Gathering) -> Pending {
    let gathering = Arc::new(gathering);
    for key in &gathering.chunks {
        let job = jobs.entry(*key).or_insert_with(|| Job {
            image: gathering.image.clone(),
            state: JobState::Queued,
            waiting: Vec::new(),
        });
        match &mut job.state {
            JobState::Resting { untold, .. } => *untold |= !gathering.has_stand_in(),
            // A flight that was stopped starts again when it finds that somebody waits.
            JobState::Queued | JobState::InFlight(_) => {}
        }
        job.waiting.push(gathering.clone());
    }
    Pending { gathering, started: 0 }
}
