//! The loader threads: take a chunk off the queue, read it, hand it to everyone who waits.

use super::gathering::{Gathering, Product};
use super::queue::{Queue, Task};
use super::{Clock, Fault, Wake};
use crate::cache::ChunkCache;
use crate::gather::ChunkKey;
use crate::image::{Chunk, Image, ReadError, ReadErrorKind};
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
            match self.fetch(&task.image, &task.key, &|| task.cancelled.load(Ordering::Relaxed)) {
                Ok(Some(chunk)) => self.hand_out(&task.key, &chunk),
                Ok(None) => self.restart_or_drop(&task),
                Err(error) => self.give_up(&task.key, &Fault::new(&task.image, &task.key, error), true),
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

    /// The chunk, from the cache or its source; `None` if `cancelled` said so before the decode. Blocks.
    pub(super) fn fetch(
        &self,
        image: &Image,
        key: &ChunkKey,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Arc<Chunk>>, ReadError> {
        if let Some(chunk) = self.cache.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(chunk));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (level, grid) = (usize::from(key.level), key.grid(&image.info));
        let read = catch_unwind(AssertUnwindSafe(|| image.source().read_unless(level, &grid, cancelled)))
            .unwrap_or_else(|panic| Err(ReadError::new(ReadErrorKind::Source, panic_message(&*panic))));
        let chunk = read.and_then(|chunk| match chunk.as_ref().and_then(|c| c.flaw(&image.info, level, &grid)) {
            Some(flaw) => Err(ReadError::new(ReadErrorKind::Source, flaw)),
            None => Ok(chunk),
        });
        match chunk {
            Ok(None) => Ok(None),
            Ok(Some(chunk)) => {
                self.read_bytes.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
                let chunk = Arc::new(chunk);
                self.cache.insert(*key, chunk.clone());
                Ok(Some(chunk))
            }
            Err(error) => {
                self.read_errors.fetch_add(1, Ordering::Relaxed);
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

    /// A read stopped before its decode: nobody waited. If somebody came to wait in that moment, it starts again.
    fn restart_or_drop(&self, task: &Task) {
        let again = {
            let mut queue = self.queue();
            let again = !queue.stopping && queue.stopped(&task.key);
            queue.is_forgotten(task.key.image);
            again
        };
        if !again {
            return;
        }
        match self.fetch(&task.image, &task.key, &|| false) {
            Ok(Some(chunk)) => self.hand_out(&task.key, &chunk),
            // Not cancelled, so a source that stops all the same is broken.
            Ok(None) => {
                let error = ReadError::new(ReadErrorKind::Source, "the source stopped without being told to");
                self.give_up(&task.key, &Fault::new(&task.image, &task.key, error), true);
            }
            Err(error) => self.give_up(&task.key, &Fault::new(&task.image, &task.key, error), true),
        }
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
