//! What loader threads do: take work off the queue, do it, hand what comes to everyone who waits.

use super::front::{Desks, Front};
use super::gathering::{Gathering, Product};
use super::pace::Pace;
use super::queue::{Effects, IndexId, Limits, Queue, Task, Where};
use super::threads::Hands;
use super::{Clock, Fault, Wake};
use crate::cache::ChunkCache;
use crate::gather::ChunkKey;
use crate::image::{Chunk, ChunkData, Image, Locate, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How old the outlook may be while there is work.
const OUTLOOK_AGE: Duration = Duration::from_millis(20);
/// What loader threads and callers share.
pub(super) struct Shared {
    pub(super) cache: ChunkCache,
    pub(super) clock: Clock,
    pub(super) front: Desks,
    /// Signalled, for the clerk, when something is said or has landed.
    pub(super) bell: Condvar,
    /// Signalled when the queue may have work, and at the end.
    pub(super) work: Condvar,
    queue: Mutex<Queue>,
    pub(super) hands: Mutex<Hands>,
    /// Signalled when a thread ends.
    pub(super) gone: Condvar,
    pub(super) threads: usize,
    told: Mutex<Option<Instant>>,
    pub(super) pace: Pace,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) read_errors: AtomicU64,
    pub(super) read_bytes: AtomicU64,
    pub(super) uniform: AtomicU64,
    pub(super) fetches: AtomicU64,
    pub(super) fetched_bytes: AtomicU64,
}

impl Shared {
    pub(super) fn new(cache_bytes: u64, limits: Limits, clock: Clock) -> Self {
        Self {
            cache: ChunkCache::new(cache_bytes),
            clock,
            front: Desks::default(),
            bell: Condvar::new(),
            work: Condvar::new(),
            queue: Mutex::new(Queue::new(limits)),
            hands: Mutex::default(),
            gone: Condvar::new(),
            threads: limits.threads,
            told: Mutex::default(),
            pace: Pace::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            uniform: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
        }
    }

    /// The queue, after it has heard everything that was said. Held for look-ups and list changes only, never across I/O, decode,
    /// copying or a wake.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.take_in(&self.front, &self.cache, (self.clock)());
        queue
    }

    /// Says something; a render thread may.
    pub(super) fn say(&self, what: impl FnOnce(&mut Front)) {
        what(&mut self.front.lock());
        self.bell.notify_one();
    }

    /// Waits until everything that was said is heard, and what follows from it is begun.
    pub(super) fn settle(&self) {
        let effects = self.queue().take_effects();
        self.perform(effects);
        self.work.notify_all();
    }

    /// What a loader thread does until the end.
    pub(super) fn work(self: &Arc<Self>, worker: u32) {
        let mut scratch = Scratch::default();
        while let Some(task) = self.next(worker) {
            let own = match task {
                Task::Sweep(image) => {
                    self.cache.sweep(image);
                    true
                }
                Task::Refuse { key, fault } => self.end_with(worker, &key, || self.give_up(&key, &fault, false)),
                Task::Read { key, image, stop } => {
                    let result = self.read(&image, &key, &mut scratch, &stop);
                    self.finish(worker, &image, &key, result)
                }
                Task::Decode { key, image, stop, encoded } => {
                    let (level, grid) = (usize::from(key.level), key.grid(&image.info));
                    let result = self.make(&image, &key, &stop, || {
                        image.source().decode(level, &grid, encoded.as_deref(), &mut scratch, &stop)
                    });
                    self.finish(worker, &image, &key, result.map(|chunk| (chunk, true)))
                }
                Task::Learn { index, image, bytes } => {
                    self.learn(index, &image, bytes.as_ref());
                    true
                }
                Task::Launch { image, keys } => {
                    self.launch(&image, keys, &mut scratch);
                    true
                }
            };
            if !own {
                return;
            }
        }
    }

    /// Waits for work; `None` at the end.
    fn next(&self, worker: u32) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            if queue.stopping {
                return None;
            }
            // What was lost counts before anything else is asked of its place.
            let effects = queue.take_effects();
            if !effects.is_empty() {
                drop(queue);
                self.perform(effects);
                queue = self.queue();
                continue;
            }
            let now = (self.clock)();
            let task = queue.next(worker, now);
            let effects = queue.take_effects();
            let due = queue.next_due();
            let ring = due.is_some_and(|due| queue.unattended.is_none_or(|at| due < at));
            if ring {
                queue.unattended = due;
            }
            self.tell_outlook(&queue, now, task.is_none());
            if task.is_some() || ring || !effects.is_empty() {
                drop(queue);
                self.perform(effects);
                if ring {
                    self.say(|front| front.rung = true);
                }
                if task.is_some() {
                    // There may be more.
                    self.work.notify_one();
                    return task;
                }
                queue = self.queue();
                continue;
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.take_in(&self.front, &self.cache, (self.clock)());
        }
    }

    fn tell_outlook(&self, queue: &Queue, now: Instant, resting: bool) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !resting && told.is_some_and(|at| now < at + OUTLOOK_AGE) {
            return;
        }
        *told = Some(now);
        let mut outlook = queue.outlook();
        let (decode, fetch, rtt) = self.pace.read();
        outlook.decode_bytes_per_s = decode.map(|one| one * self.threads as f64);
        outlook.fetch_bytes_per_s = fetch;
        outlook.rtt = rtt.map(Duration::from_secs_f64);
        let visible = &outlook.classes[0];
        let chunk = queue.bytes() / (outlook.classes.iter().map(|c| c.in_flight as u64).sum::<u64>().max(1));
        let left = visible.bytes + visible.queued as u64 * chunk;
        outlook.visible_in = outlook
            .decode_bytes_per_s
            .filter(|_| visible.queued + visible.in_flight > 0)
            .map(|speed| Duration::from_secs_f64((left as f64 / speed.max(1.0)).min(3600.0)));
        outlook.cache_bytes = self.cache.budget();
        outlook.pinned_bytes = self.cache.pinned_bytes();
        self.front.lock().outlook = outlook;
    }

    /// Does what the queue could not do under its lock.
    pub(super) fn perform(&self, effects: Effects) {
        effects.stops.iter().for_each(Stop::stop);
        effects.wakes.iter().for_each(|wake| wake());
        for (key, image, error) in effects.lost {
            self.read_errors.fetch_add(1, Ordering::Relaxed);
            let error = error.at(&image.info, usize::from(key.level), &key.grid(&image.info));
            self.give_up(&key, &Fault::new(&image, &key, error), true);
        }
        drop(effects.litter);
    }

    /// The chunk, from the cache or its source, and whether it was read. Blocks.
    fn read(&self, image: &Image, key: &ChunkKey, scratch: &mut Scratch, stop: &Stop) -> Result<(Arc<Chunk>, bool), ReadError> {
        if let Some(chunk) = self.cache.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok((chunk, false));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (level, grid) = (usize::from(key.level), key.grid(&image.info));
        self.make(image, key, stop, || obtain(image, level, &grid, scratch, stop)).map(|chunk| (chunk, true))
    }

    /// Has `source` make a chunk, and looks at what it made.
    ///
    /// # Errors
    /// [`ReadErrorKind::Stopped`] only if `stop` was called.
    fn make(
        &self,
        image: &Image,
        key: &ChunkKey,
        stop: &Stop,
        source: impl FnOnce() -> Result<Chunk, ReadError>,
    ) -> Result<Arc<Chunk>, ReadError> {
        let (level, grid) = (usize::from(key.level), key.grid(&image.info));
        let begun = (self.clock)();
        let made = if stop.is_stopped() { Err(ReadError::stopped()) } else { guarded(source) };
        let chunk = made.and_then(|chunk| match chunk.flaw(&image.info, level, &grid) {
            Some(flaw) => Err(ReadError::new(ReadErrorKind::Source, flaw)),
            None => Ok(chunk),
        });
        match chunk {
            Ok(chunk) => {
                self.pace.decoded(chunk.bytes(), (self.clock)().saturating_duration_since(begun));
                self.read_bytes.fetch_add(chunk.bytes(), Ordering::Relaxed);
                self.uniform.fetch_add(u64::from(matches!(chunk.data, ChunkData::Uniform { .. })), Ordering::Relaxed);
                Ok(Arc::new(chunk))
            }
            Err(error) if error.kind == ReadErrorKind::Stopped && stop.is_stopped() => Err(error),
            Err(error) => {
                self.read_errors.fetch_add(1, Ordering::Relaxed);
                let error = match error.kind {
                    ReadErrorKind::Stopped => ReadError::new(ReadErrorKind::Source, "the source stopped without being told to"),
                    _ => error,
                };
                Err(error.at(&image.info, level, &grid))
            }
        }
    }

    /// A thread is done. Whether it is still one of ours.
    fn end_with(&self, worker: u32, key: &ChunkKey, what: impl FnOnce()) -> bool {
        let own = self.queue().returned(worker, key);
        if own {
            what();
        }
        own
    }

    fn finish(&self, worker: u32, image: &Image, key: &ChunkKey, result: Result<(Arc<Chunk>, bool), ReadError>) -> bool {
        self.end_with(worker, key, || self.conclude(image, key, result))
    }

    fn conclude(&self, image: &Image, key: &ChunkKey, result: Result<(Arc<Chunk>, bool), ReadError>) {
        match result {
            Ok((chunk, read)) => self.hand_out(key, &chunk, read),
            Err(error) if error.kind == ReadErrorKind::Stopped => self.queue().stopped(key),
            Err(error) => self.give_up(key, &Fault::new(image, key, error), true),
        }
    }

    fn hand_out(&self, key: &ChunkKey, chunk: &Arc<Chunk>, read: bool) {
        let now = (self.clock)();
        let arrived = self.queue().arrived(key, chunk, read, &self.cache, now);
        if arrived.back {
            tracing::info!("a store answers again");
            self.work.notify_all();
        }
        let add = |g: &Arc<Gathering>| if arrived.for_now { g.add_for_now(key, chunk) } else { g.add(key, chunk) };
        let done = arrived.waiting.iter().filter_map(|g| add(g).map(|product| (g, product))).collect();
        self.deliver(done, Vec::new());
    }

    fn give_up(&self, key: &ChunkKey, fault: &Fault, fresh: bool) {
        if fresh {
            tracing::debug!(fault.message, "chunk unreadable");
        }
        let now = (self.clock)();
        let (going_on, wakes) = self.queue().failed(key, fault, fresh, &self.front, now);
        let done = going_on.iter().filter_map(|g| g.add_damaged(key, fault).map(|product| (g, product))).collect();
        self.deliver(done, wakes);
    }

    fn deliver(&self, done: Vec<(&Arc<Gathering>, Product)>, mut wakes: Vec<Wake>) {
        if !done.is_empty() {
            let mut queue = self.queue();
            wakes.extend(done.into_iter().filter_map(|(gathering, product)| queue.deliver(gathering, product, &self.front)));
        }
        wakes.iter().for_each(|wake| wake());
    }

    fn learn(&self, index: IndexId, image: &Image, bytes: Option<&Bytes>) {
        let result = guarded(|| image.source().learn(index.1, bytes.map(|bytes| &**bytes)));
        self.queue().learnt(index, image, result);
        self.work.notify_all();
    }

    /// Finds out where chunks of a far place are, and asks for them.
    fn launch(self: &Arc<Self>, image: &Image, keys: Vec<ChunkKey>, scratch: &mut Scratch) {
        let mut found = Vec::new();
        for key in keys {
            if let Some(chunk) = self.cache.get(&key) {
                self.hits.fetch_add(1, Ordering::Relaxed);
                self.hand_out(&key, &chunk, false);
                continue;
            }
            self.misses.fetch_add(1, Ordering::Relaxed);
            let (level, grid) = (usize::from(key.level), key.grid(&image.info));
            let stop = Stop::new();
            let made = match guarded(|| image.source().locate(level, &grid)) {
                Ok(Locate::Fetch { object, span, bytes }) => {
                    found.push((key, Where::Bytes { object, span, bytes }));
                    continue;
                }
                Ok(Locate::NeedIndex { index, object, span }) => {
                    found.push((key, Where::Index { index, object, span }));
                    continue;
                }
                Ok(Locate::Fill) => self.make(image, &key, &stop, || image.source().decode(level, &grid, None, scratch, &stop)),
                Ok(Locate::Make) => self.make(image, &key, &stop, || image.source().make(level, &grid, scratch, &stop)),
                Err(error) => self.make(image, &key, &stop, || Err(error)),
            };
            self.conclude(image, &key, made.map(|chunk| (chunk, true)));
        }
        let begun = (self.clock)();
        let requests = self.queue().launch(image, found, begun);
        let Some(place) = image.source().place() else { return };
        for request in requests {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            self.pace.asked(begun);
            let (shared, flight) = (self.clone(), request.flight);
            place.fetch(
                &request.object,
                &request.spans,
                &request.stop,
                Box::new(move |answer| {
                    let now = (shared.clock)();
                    let bytes = answer
                        .as_ref()
                        .ok()
                        .and_then(Option::as_ref)
                        .map_or(0, |blobs| blobs.iter().map(|b| b.bytes.len() as u64).sum());
                    shared.pace.landed(bytes, now.saturating_duration_since(begun), now);
                    shared.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
                    shared.say(|front| front.land(flight, answer));
                }),
            );
        }
    }
}

/// Gets a chunk on this thread.
fn obtain(image: &Image, level: usize, grid: &[u64], scratch: &mut Scratch, stop: &Stop) -> Result<Chunk, ReadError> {
    let source = image.source();
    let no_place = || ReadError::new(ReadErrorKind::Source, "the source has no place to read from");
    // An index that was just learnt may have been forgotten in favour of others; twice in a row is no coincidence.
    for _ in 0..3 {
        match source.locate(level, grid)? {
            Locate::Make => return source.make(level, grid, scratch, stop),
            Locate::Fill => return source.decode(level, grid, None, scratch, stop),
            Locate::Fetch { object, span, .. } => {
                let place = source.place().ok_or_else(no_place)?;
                let mut encoded = std::mem::take(&mut scratch.encoded);
                encoded.clear();
                let read = place.read_into(&object, &span, stop, &mut encoded);
                let chunk = read
                    .map_err(ReadError::from)
                    .and_then(|read| source.decode(level, grid, read.map(|_| &encoded[..]), scratch, stop));
                scratch.encoded = encoded;
                return chunk;
            }
            Locate::NeedIndex { index, object, span } => {
                let place = source.place().ok_or_else(no_place)?;
                let mut bytes = Vec::new();
                let read = place.read_into(&object, &span, stop, &mut bytes)?;
                source.learn(index, read.map(|_| &bytes[..]))?;
            }
        }
    }
    Err(ReadError::new(ReadErrorKind::Source, "the source forgets the index of a shard at once"))
}

/// What a source says, or that it panicked.
fn guarded<T>(what: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(what))
        .unwrap_or_else(|panic| Err(ReadError::new(ReadErrorKind::Source, panic_message(&*panic))))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("its source panicked: {}", text.unwrap_or_default())
}
