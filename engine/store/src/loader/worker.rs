//! The loader threads: take a chunk off the queue, read it, hand it to everyone who waits.

use super::gathering::{Gathering, Product};
use super::queue::{Queue, Task};
use super::{Clock, Fault, Wake};
use crate::cache::ChunkCache;
use crate::gather::ChunkKey;
use crate::image::{Chunk, Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::ImageId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a loader thread does next.
enum Next {
    Read(Task),
    Sweep(ImageId),
}

/// What loader threads and callers share.
pub(super) struct Shared {
    pub(super) cache: ChunkCache,
    pub(super) clock: Clock,
    /// Signalled when the queue may have work, and at the end.
    pub(super) work: Condvar,
    queue: Mutex<Queue>,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) read_errors: AtomicU64,
    pub(super) read_bytes: AtomicU64,
}

impl Shared {
    pub(super) fn new(cache_bytes: u64, clock: Clock) -> Self {
        Self {
            cache: ChunkCache::new(cache_bytes),
            clock,
            work: Condvar::new(),
            queue: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
        }
    }

    /// The queue. Held for look-ups and list changes only, never across I/O, decode, copying or a wake.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a loader thread does until the end.
    pub(super) fn work(&self) {
        let mut scratch = Scratch::default();
        while let Some(next) = self.next() {
            let task = match next {
                Next::Read(task) => task,
                Next::Sweep(image) => {
                    self.cache.sweep(image);
                    continue;
                }
            };
            if let Some(fault) = &task.resting {
                self.give_up(&task.key, fault, false);
                continue;
            }
            self.read(task, &mut scratch);
        }
    }

    /// Reads a chunk for those who wait, again if it was stopped and somebody waits all the same.
    fn read(&self, task: Task, scratch: &mut Scratch) {
        let Task { key, image, mut stop, .. } = task;
        loop {
            match self.fetch(&image, &key, scratch, &stop) {
                Ok(chunk) => return self.hand_out(&key, &chunk),
                Err(error) if error.kind == ReadErrorKind::Stopped => {
                    let mut queue = self.queue();
                    let again = queue.stopped(&key);
                    queue.is_forgotten(key.image);
                    match again {
                        Some(again) => stop = again,
                        None => return,
                    }
                }
                Err(error) => return self.give_up(&key, &Fault::new(&image, &key, error), true),
            }
        }
    }

    fn next(&self) -> Option<Next> {
        let mut queue = self.queue();
        loop {
            if queue.stopping {
                return None;
            }
            // First, because it makes room for what is read next.
            if let Some(image) = queue.next_sweep() {
                return Some(Next::Sweep(image));
            }
            let now = (self.clock)();
            if let Some(task) = queue.next(now) {
                return Some(Next::Read(task));
            }
            queue = match queue.next_retry_at() {
                None => self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let pause = at.saturating_duration_since(now);
                    self.work.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The chunk, from the cache or its source. Blocks.
    ///
    /// # Errors
    /// [`ReadErrorKind::Stopped`] only if `stop` was called.
    pub(super) fn fetch(
        &self,
        image: &Image,
        key: &ChunkKey,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Arc<Chunk>, ReadError> {
        if let Some(chunk) = self.cache.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(chunk);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (level, grid) = (usize::from(key.level), key.grid(&image.info));
        let made = catch_unwind(AssertUnwindSafe(|| {
            if stop.is_stopped() { Err(ReadError::stopped()) } else { image.source().make(level, &grid, scratch, stop) }
        }))
        .unwrap_or_else(|panic| Err(ReadError::new(ReadErrorKind::Source, panic_message(&*panic))));
        let chunk = made.and_then(|chunk| match chunk.flaw(&image.info, level, &grid) {
            Some(flaw) => Err(ReadError::new(ReadErrorKind::Source, flaw)),
            None => Ok(chunk),
        });
        match chunk {
            Ok(chunk) => {
                self.read_bytes.fetch_add(chunk.bytes(), Ordering::Relaxed);
                let chunk = Arc::new(chunk);
                self.cache.insert(*key, chunk.clone());
                Ok(chunk)
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

    fn hand_out(&self, key: &ChunkKey, chunk: &Chunk) {
        let (waiting, forgotten) = {
            let mut queue = self.queue();
            (queue.arrived(key), queue.is_forgotten(key.image))
        };
        if forgotten {
            self.cache.remove(key);
        }
        let done = waiting.iter().filter_map(|g| g.add(key, chunk).map(|product| (g, product))).collect();
        self.deliver(done, Vec::new());
    }

    fn give_up(&self, key: &ChunkKey, fault: &Fault, fresh: bool) {
        if fresh {
            tracing::debug!(fault.message, "chunk unreadable");
        }
        let now = (self.clock)();
        let (going_on, wakes) = {
            let mut queue = self.queue();
            let told = queue.failed(key, fault, fresh, now);
            queue.is_forgotten(key.image);
            told
        };
        let done = going_on.iter().filter_map(|g| g.add_damaged(key, fault).map(|product| (g, product))).collect();
        self.deliver(done, wakes);
        // A retry may be due earlier than what the other threads sleep for.
        self.work.notify_one();
    }

    fn deliver(&self, done: Vec<(&Arc<Gathering>, Product)>, mut wakes: Vec<Wake>) {
        if !done.is_empty() {
            let mut queue = self.queue();
            wakes.extend(done.into_iter().filter_map(|(gathering, product)| queue.deliver(gathering, product)));
        }
        wakes.iter().for_each(|wake| wake());
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("its source panicked: {}", text.unwrap_or_default())
}
