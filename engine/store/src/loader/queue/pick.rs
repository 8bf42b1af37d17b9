//! What is done next, and what may go on at once.

use super::flight::LINK_BYTES;
use super::{Class, Fault, IndexId, LISTS, OVERVIEWS, Queue, Running, State, decoded_bytes, patience, requests};
use crate::gather::ChunkKey;
use crate::image::Image;
use crate::loader::ViewId;
use crate::place::Stop;
use bytes::Bytes;
use nc_core::data::ImageId;
use std::time::{Duration, Instant};

/// Work for a loader thread.
pub(in crate::loader) enum Task {
    /// Read and decode a chunk here.
    Read { key: ChunkKey, image: Image, stop: Stop },
    /// A chunk failed lately, or its place is away: it is not to be read, and this is why.
    Refuse { key: ChunkKey, fault: Fault },
    /// Find out where chunks of a far place are, and have them fetched.
    Launch { image: Image, keys: Vec<ChunkKey> },
    /// Decode what was fetched.
    Decode { key: ChunkKey, image: Image, stop: Stop, encoded: Option<Bytes> },
    /// Decode the index of a shard.
    Learn { index: IndexId, image: Image, bytes: Option<Bytes> },
    /// Let go of what the cache holds of an image.
    Sweep(ImageId),
}

/// Most chunks that are looked up in one go, so that those of one shard are asked for together.
const BATCH: usize = 32;
/// The lower classes get one turn in that many out of their order,
const TURNS: u32 = 32;
/// if they waited this long,
const STARVES: Duration = Duration::from_secs(1);
/// and never while something visible waited this long.
const VISIBLE_WAITS: Duration = Duration::from_millis(10);
/// What was begun longer ago is finished rather than stopped for something visible.
const JUST_BEGUN: Duration = Duration::from_millis(1);

enum Found {
    /// Its bytes are there.
    Fetched(ChunkKey),
    Chunk(ChunkKey),
    /// It may not be read now.
    Refused(ChunkKey, Fault),
    /// There is something, but too much is on its way.
    Full,
    Nothing,
}

/// What a class may not touch now.
struct Gate {
    /// Decoding threads are left to better classes.
    threads: bool,
    /// Their places are away, or busy.
    images: Vec<ImageId>,
    /// Nothing that is not on its way may start.
    full: bool,
    only: Option<ImageId>,
}

impl Gate {
    fn passes(&self, image: &Image) -> bool {
        let id = image.info.id;
        self.only.is_none_or(|only| only == id) && !self.images.contains(&id) && (!self.threads || requests(image).is_some())
    }
}

fn is_low(class: Class) -> bool {
    class >= Class::Ahead
}

impl Queue {
    /// What `worker` is to do. `None`: nothing, until something is said, lands, ends or falls due.
    pub(in crate::loader) fn next(&mut self, worker: u32, now: Instant) -> Option<Task> {
        // First, because it makes room for what is read next.
        if let Some(image) = self.sweeps.pop_first() {
            return Some(Task::Sweep(image));
        }
        if let Some((index, image, bytes)) = self.learnt.pop_front() {
            return Some(Task::Learn { index, image, bytes });
        }
        self.fall_due(now);
        let mut full = false;
        for class in self.order(now) {
            let found = self.find(class, now, full, None);
            let out_of_order = self.turns == u32::MAX;
            match found {
                Found::Nothing => {
                    if !full {
                        self.waiting_since[class as usize] = None;
                    }
                    continue;
                }
                Found::Full => {
                    full = true;
                    continue;
                }
                _ => {}
            }
            self.turns = if out_of_order { 0 } else { (self.turns + 1).min(TURNS) };
            self.waiting_since[class as usize] = Some(now);
            return match found {
                Found::Fetched(key) => self.start_decode(worker, &key, now),
                Found::Chunk(key) => self.start(worker, key, class, now),
                Found::Refused(key, fault) => {
                    self.run(worker, &key, class, now);
                    Some(Task::Refuse { key, fault })
                }
                Found::Full | Found::Nothing => None,
            };
        }
        None
    }

    /// Best class first, but for a turn now and then of one that starves. [`Self::turns`] is then beyond any count.
    fn order(&mut self, now: Instant) -> Vec<Class> {
        let mut order = Class::ALL.to_vec();
        if self.turns < TURNS - 1 {
            return order;
        }
        let waited = |class: Class, long: Duration| self.waiting_since[class as usize].is_some_and(|since| since + long <= now);
        let best = order.iter().copied().find(|&class| self.waiting_since[class as usize].is_some());
        let starving = order
            .iter()
            .copied()
            .filter(|&class| best.is_some_and(|best| class > best) && waited(class, STARVES))
            .min_by_key(|&class| self.waiting_since[class as usize]);
        if let Some(class) = starving
            && !waited(Class::Visible, VISIBLE_WAITS)
        {
            order.retain(|&c| c != class);
            order.insert(0, class);
            self.turns = u32::MAX;
        }
        order
    }

    fn gate(&self, class: Class, now: Instant, full: bool, only: Option<ImageId>) -> Gate {
        let low = is_low(class);
        let low_running = self.running.values().filter(|r| r.low).count();
        let threads = low && self.limits.threads >= 2 && low_running + 1 >= self.limits.threads;
        let mut images: Vec<ImageId> = Vec::new();
        for flight in self.flights.values() {
            let id = flight.image.info.id;
            if !images.contains(&id) && (self.room(&flight.image, low) == 0 || self.gives_way(class, id)) {
                images.push(id);
            }
        }
        images.extend(self.away(now));
        Gate { threads, images, full, only }
    }

    /// Whether the link to the place of an image is to be left to what is visible. Not so for a class that has its turn for starving.
    fn gives_way(&self, class: Class, image: ImageId) -> bool {
        let visible = || self.flights.values().filter(|flight| flight.image.info.id == image).map(|flight| flight.visible);
        class > Class::Visible && self.turns != u32::MAX && visible().sum::<u64>() >= LINK_BYTES
    }

    /// Images whose places may not be asked.
    fn away(&self, now: Instant) -> impl Iterator<Item = ImageId> {
        let mut known: Vec<ImageId> = self.health.images().filter(|&image| self.health.blocked(image, now).is_some()).collect();
        known.sort_unstable();
        known.into_iter()
    }

    /// Requests that may be made yet of the place of `image`.
    fn room(&self, image: &Image, low: bool) -> usize {
        let Some(requests) = requests(image) else { return usize::MAX };
        let of = || self.flights.values().filter(|flight| flight.image.info.id == image.info.id);
        let room = requests.saturating_sub(of().count());
        if low { room.min((requests / 2).max(1).saturating_sub(of().filter(|flight| flight.low).count())) } else { room }
    }

    pub(super) fn fits(&self, image: &Image, key: &ChunkKey, class: Class) -> bool {
        let cost = cost(image, key);
        let most = self.limits.in_flight_bytes;
        let fits = |now: u64, most: u64| now == 0 || now + cost <= most;
        fits(self.bytes, most) && (!is_low(class) || fits(self.low_bytes, most / 2))
    }

    fn find(&mut self, class: Class, now: Instant, full: bool, only: Option<ImageId>) -> Found {
        let gate = self.gate(class, now, full, only);
        if !gate.threads && only.is_none() {
            let jobs = &self.jobs;
            self.fetched.retain(|key| jobs.get(key).is_some_and(|job| matches!(job.state, State::Fetched(_))));
            let of_class = |key: &ChunkKey| jobs.get(key).is_some_and(|job| job.class() == class);
            if let Some(at) = self.fetched.iter().position(of_class) {
                return Found::Fetched(self.fetched.remove(at));
            }
        }
        if gate.full {
            return Found::Nothing;
        }
        match self.find_put_back(class, &gate, true) {
            Found::Nothing => {}
            found => return found,
        }
        let turns = self.turns_of_views();
        for &id in &turns {
            match self.find_of(id, class as usize, class, &gate, now) {
                Found::Nothing => {}
                found => return found,
            }
        }
        match self.find_put_back(class, &gate, false) {
            Found::Nothing => {}
            found => return found,
        }
        if class == Class::Background {
            for id in turns {
                match self.find_of(id, OVERVIEWS, class, &gate, now) {
                    Found::Nothing => {}
                    found => return found,
                }
            }
        }
        Found::Nothing
    }

    /// The views, the least served first.
    fn turns_of_views(&self) -> Vec<ViewId> {
        let mut turns: Vec<(u64, bool, ViewId)> =
            self.views.iter().map(|(&id, view)| (view.served, self.served == Some(id), id)).collect();
        turns.sort_unstable();
        turns.into_iter().map(|(.., id)| id).collect()
    }

    fn find_put_back(&mut self, class: Class, gate: &Gate, ready: bool) -> Found {
        let list = if ready { &mut self.ready } else { &mut self.retries };
        let jobs = &self.jobs;
        list.retain(|key| jobs.get(key).is_some_and(|job| matches!(job.state, State::Queued)));
        let list = if ready { &self.ready } else { &self.retries };
        let fits = |key: &ChunkKey| jobs.get(key).is_some_and(|job| job.class() == class && gate.passes(&job.image));
        let Some(at) = list.iter().position(fits) else { return Found::Nothing };
        let key = list[at];
        if !self.jobs.get(&key).is_some_and(|job| self.fits(&job.image, &key, class)) {
            return Found::Full;
        }
        if ready {
            self.ready.remove(at)
        } else {
            self.retries.remove(at)
        };
        Found::Chunk(key)
    }

    /// The first unstarted chunk in a list of a view.
    fn find_of(&mut self, id: ViewId, list: usize, class: Class, gate: &Gate, now: Instant) -> Found {
        debug_assert!(list < LISTS);
        let Some(mut view) = self.views.remove(&id) else { return Found::Nothing };
        let mut found = Found::Nothing;
        let mut exhausted_so_far = true;
        for at in view.cursors[list]..view.lists[list].len() {
            let pending = &mut view.lists[list][at];
            let image = &pending.gathering.image;
            let refused =
                if list == OVERVIEWS && gate.only.is_none() { self.health.blocked(image.info.id, now).cloned() } else { None };
            if !gate.passes(image) && refused.is_none() {
                exhausted_so_far = false;
                continue;
            }
            while let Some(key) = pending.gathering.chunks.get(pending.started) {
                let waits =
                    self.jobs.get(key).is_some_and(|j| matches!(j.state, State::Queued | State::Resting { untold: true, .. }));
                if waits && refused.is_none() && !self.fits(image, key, class) {
                    found = Found::Full;
                    break;
                }
                pending.started += 1;
                if waits {
                    view.served += decoded_bytes(image, key.level);
                    self.served = Some(id);
                    found = match refused {
                        Some(fault) => Found::Refused(*key, fault),
                        None => Found::Chunk(*key),
                    };
                    break;
                }
            }
            if !matches!(found, Found::Nothing) {
                break;
            }
            if exhausted_so_far {
                view.cursors[list] = at + 1;
            }
        }
        self.views.insert(id, view);
        found
    }

    /// Notes that a chunk is on a thread.
    fn run(&mut self, worker: u32, key: &ChunkKey, class: Class, now: Instant) -> Stop {
        let stop = Stop::new();
        if let Some(job) = self.jobs.get_mut(key) {
            // Only what a place does not give can be given up; computing takes the time that it takes.
            let overdue = job.image.source().place().is_some().then(|| now + patience(cost(&job.image, key)));
            job.state = State::Running(stop.clone());
            self.running.insert(worker, Running { key: *key, since: now, low: is_low(class), overdue });
        }
        stop
    }

    fn start_decode(&mut self, worker: u32, key: &ChunkKey, now: Instant) -> Option<Task> {
        let job = self.jobs.get_mut(key)?;
        let (image, class) = (job.image.clone(), job.class());
        let State::Fetched(encoded) = std::mem::replace(&mut job.state, State::Queued) else { return None };
        let stop = self.run(worker, key, class, now);
        Some(Task::Decode { key: *key, image, stop, encoded })
    }

    fn start(&mut self, worker: u32, key: ChunkKey, class: Class, now: Instant) -> Option<Task> {
        let image = self.jobs.get(&key)?.image.clone();
        if let Some(fault) = self.failures.resting(&key, now) {
            self.run(worker, &key, class, now);
            return Some(Task::Refuse { key, fault });
        }
        self.health.asked(image.info.id);
        self.admit(&key, &image, class);
        if requests(&image).is_none() {
            let stop = self.run(worker, &key, class, now);
            return Some(Task::Read { key, image, stop });
        }
        let sharded = image.info.levels.get(usize::from(key.level)).is_some_and(|level| level.storage.shard.is_some());
        let most = if self.health.is_away(image.info.id) {
            1
        } else if sharded {
            BATCH
        } else {
            BATCH.min(self.room(&image, is_low(class)))
        };
        let mut keys = vec![key];
        while keys.len() < most
            && let Found::Chunk(more) = self.find(class, now, false, Some(image.info.id))
        {
            if self.failures.resting(&more, now).is_some() {
                // For a turn of its own.
                self.put_back(&more, true);
                break;
            }
            self.admit(&more, &image, class);
            keys.push(more);
        }
        for key in &keys {
            if let Some(job) = self.jobs.get_mut(key) {
                job.state = State::Locating;
            }
        }
        Some(Task::Launch { image, keys })
    }

    /// Counts a chunk as on its way.
    fn admit(&mut self, key: &ChunkKey, image: &Image, class: Class) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        job.low = is_low(class);
        job.cost = cost(image, key);
        // Found again before it is back in a list, it must not be taken for one that waits.
        job.state = State::Locating;
        self.bytes += job.cost;
        self.low_bytes += if job.low { job.cost } else { 0 };
    }

    /// Failed chunks whose pause is over, and wants whose deadline has passed.
    pub(super) fn fall_due(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.resting.first().filter(|(at, _)| *at <= now) {
            self.resting.pop_first();
            if let Some(job) = self.jobs.get_mut(&key)
                && matches!(job.state, State::Resting { until, .. } if until == at)
            {
                job.state = State::Queued;
                self.waiting_since[job.class() as usize].get_or_insert(now);
                self.retries.push_back(key);
            }
        }
        if self.expires.is_none_or(|at| now < at) {
            return;
        }
        let mut expired = Vec::new();
        self.expires = None;
        for view in self.views.values_mut() {
            for class in [Class::Ahead, Class::Neighbour] {
                let (list, cursor) = (&mut view.lists[class as usize], &mut view.cursors[class as usize]);
                let before = list.len();
                expired.extend(
                    list.extract_if(.., |p| p.deadline.is_some_and(|at| at < now)).map(|p| (p.gathering, view.tally.clone())),
                );
                if list.len() < before {
                    *cursor = 0;
                }
                let first = list.iter().filter_map(|p| p.deadline).min();
                self.expires = [self.expires, first].into_iter().flatten().min();
            }
        }
        for (gathering, tally) in expired {
            let dropped = self.abandon(&gathering) as u64;
            self.counts.expired += dropped;
            tally.expired.fetch_add(dropped, std::sync::atomic::Ordering::Relaxed);
            self.effects.litter.push(gathering);
        }
    }

    /// Stops the least urgent work of a lower class that has just begun, if something visible has no thread.
    pub(super) fn make_way(&mut self, now: Instant) {
        if self.running.len() < self.limits.threads {
            return;
        }
        let waits = self.jobs.values().any(|job| {
            job.class() == Class::Visible
                && matches!(job.state, State::Queued | State::Fetched(_))
                && requests(&job.image).is_none()
        });
        if !waits {
            return;
        }
        let jobs = &self.jobs;
        let victim = self
            .running
            .values()
            .filter(|running| now.saturating_duration_since(running.since) < JUST_BEGUN)
            .filter_map(|running| jobs.get(&running.key).map(|job| (job.class(), running.key)).filter(|_| running.low))
            .filter(|(class, key)| is_low(*class) && jobs.get(key).is_some_and(|job| !job.yielded))
            .max();
        if let Some((_, key)) = victim
            && let Some(job) = self.jobs.get_mut(&key)
            && let State::Running(stop) = &job.state
        {
            job.yielded = true;
            self.effects.stops.push(stop.clone());
        }
    }

    /// When something is to be looked at although nothing happens: a retry, a probe, a deadline, a read that does not return.
    pub(in crate::loader) fn next_due(&self) -> Option<Instant> {
        let retry = self.resting.first().map(|&(at, _)| at);
        let overdue = self.running.values().filter_map(|running| running.overdue).min();
        let flight = self.flights.values().map(|flight| flight.overdue).min();
        let waits =
            !self.ready.is_empty() || !self.retries.is_empty() || self.views.values().any(|v| !v.lists.iter().all(Vec::is_empty));
        let probe = if waits { self.health.next_probe() } else { None };
        [retry, overdue, flight, probe, self.expires].into_iter().flatten().min()
    }
}

/// Bytes that a chunk takes on its way: as it is stored, which is guessed, and decoded.
fn cost(image: &Image, key: &ChunkKey) -> u64 {
    let decoded = decoded_bytes(image, key.level);
    if requests(image).is_some() { decoded.saturating_mul(2) } else { decoded }
}
