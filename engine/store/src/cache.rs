//! The decoded-chunk cache: bounded in bytes, shared by all views of a loader. Chunks are handed out shared, never copied.
//!
//! Lives here: the cache itself, chunks that are pinned in it, and what became of chunks that were brought in before anybody needed
//! them. Must never know: who wants what next.

use crate::gather::ChunkKey;
use crate::image::Chunk;
use crate::loader::WarmReport;
use nc_core::data::ImageId;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an entry costs beyond its samples: key, chunk header, shape, table slot. Keeps tiny chunks from overrunning the budget.
const ENTRY_BYTES: u64 = 256;
/// A typical chunk; only sizes the cache's tables.
const TYPICAL_CHUNK_BYTES: u64 = 256 << 10;
/// Pins hold at most this part of the budget.
pub(crate) const PIN_SHARE: u64 = 4;

/// Counts what became of the chunks that one view had warmed; see [`WarmReport`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: AtomicU64,
    pub(crate) warmed: AtomicU64,
    pub(crate) used: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) wasted: AtomicU64,
    pub(crate) wasted_bytes: AtomicU64,
    pub(crate) expired: AtomicU64,
}

impl Tally {
    pub(crate) fn report(&self) -> WarmReport {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WarmReport {
            asked: get(&self.asked),
            warmed: get(&self.warmed),
            used: get(&self.used),
            late: get(&self.late),
            wasted: get(&self.wasted),
            wasted_bytes: get(&self.wasted_bytes),
            expired: get(&self.expired),
        }
    }
}

/// For whom a chunk was brought in ahead of need, and whether it was needed since.
struct Warm {
    tally: Arc<Tally>,
    used: AtomicBool,
}

/// A chunk in the cache.
#[derive(Clone)]
struct Held {
    chunk: Arc<Chunk>,
    warm: Option<Arc<Warm>>,
}

impl Held {
    fn bytes(&self) -> u64 {
        self.chunk.bytes() + ENTRY_BYTES
    }

    fn use_it(self) -> Arc<Chunk> {
        if let Some(warm) = &self.warm
            && !warm.used.swap(true, Ordering::Relaxed)
        {
            warm.tally.used.fetch_add(1, Ordering::Relaxed);
        }
        self.chunk
    }

    /// It is let go.
    fn part(&self) {
        if let Some(warm) = &self.warm
            && !warm.used.swap(true, Ordering::Relaxed)
        {
            warm.tally.wasted.fetch_add(1, Ordering::Relaxed);
            warm.tally.wasted_bytes.fetch_add(self.chunk.bytes(), Ordering::Relaxed);
        }
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ChunkKey, Held> for ByBytes {
    fn weight(&self, _: &ChunkKey, held: &Held) -> u64 {
        held.bytes()
    }
}

/// Counts what is evicted, and carries it out of the cache's lock before its memory is given back.
#[derive(Clone, Default)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<ChunkKey, Held> for Evictions {
    type RequestState = Vec<Held>;

    fn on_evict(&self, gone: &mut Vec<Held>, _: ChunkKey, held: Held) {
        self.0.fetch_add(1, Ordering::Relaxed);
        held.part();
        gone.push(held);
    }
}

/// Chunks that stay whatever comes.
#[derive(Default)]
struct Pins {
    /// How many want it to stay, and the chunk if it is there.
    chunks: HashMap<ChunkKey, (u32, Option<Held>)>,
    bytes: u64,
}

/// Decoded chunks within a byte budget. A chunk larger than the budget is simply not kept.
pub(crate) struct ChunkCache {
    main: Cache<ChunkKey, Held, ByBytes, DefaultHashBuilder, Evictions>,
    pins: Mutex<Pins>,
    /// Pinned keys; most of the time there are none, and nobody need look.
    pinned: AtomicUsize,
    /// Bytes that `main` and pins may hold together.
    budget: AtomicU64,
    evicted: Arc<AtomicU64>,
}

impl ChunkCache {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        let evictions = Evictions::default();
        let evicted = evictions.0.clone();
        let options = OptionsBuilder::new()
            // One shard: each would own a part of the budget, and a chunk larger than that part could not be kept.
            .shards(1)
            .weight_capacity(budget_bytes)
            // A slab of chunks is read at once and used again at the next z step: recency must count, not only frequency.
            .hot_allocation(0.5)
            .estimated_items_capacity((budget_bytes / TYPICAL_CHUNK_BYTES).clamp(64, 1 << 20) as usize)
            .build();
        let main = match options {
            Ok(options) => Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), evictions),
            // `build` refuses only missing fields; both constructors make the same cache but for the shards.
            Err(_) => Cache::with(64, budget_bytes, ByBytes, DefaultHashBuilder::default(), evictions),
        };
        Self { main, pins: Mutex::default(), pinned: AtomicUsize::new(0), budget: AtomicU64::new(budget_bytes), evicted }
    }

    /// The chunk, for somebody who uses it.
    pub(crate) fn get(&self, key: &ChunkKey) -> Option<Arc<Chunk>> {
        let held = self.main.get(key).or_else(|| self.get_pinned(key))?;
        Some(held.use_it())
    }

    /// Whether it is there.
    pub(crate) fn has(&self, key: &ChunkKey) -> bool {
        self.main.contains_key(key) || self.get_pinned(key).is_some()
    }

    fn get_pinned(&self, key: &ChunkKey) -> Option<Held> {
        if self.pinned.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.pins().chunks.get(key).and_then(|(_, held)| held.clone())
    }

    /// Keeps a chunk; `warm` if nobody needs it yet.
    pub(crate) fn insert(&self, key: ChunkKey, chunk: Arc<Chunk>, warm: Option<Arc<Tally>>) {
        let warm = warm.map(|tally| {
            tally.warmed.fetch_add(1, Ordering::Relaxed);
            Arc::new(Warm { tally, used: AtomicBool::new(false) })
        });
        let held = Held { chunk, warm };
        if self.pinned.load(Ordering::Relaxed) > 0 {
            let mut pins = self.pins();
            if self.hold(&mut pins, &key, &held) {
                let bytes = pins.bytes;
                drop(pins);
                self.make_room(bytes);
                return;
            }
        }
        self.main.insert(key, held);
    }

    /// Puts a chunk under its pin, if it has one and there is room.
    fn hold(&self, pins: &mut Pins, key: &ChunkKey, held: &Held) -> bool {
        let most = self.budget.load(Ordering::Relaxed) / PIN_SHARE;
        let bytes = pins.bytes;
        let Some((_, place)) = pins.chunks.get_mut(key) else { return false };
        let without = bytes - place.as_ref().map_or(0, Held::bytes);
        if without + held.bytes() > most {
            return false;
        }
        *place = Some(held.clone());
        pins.bytes = without + held.bytes();
        true
    }

    /// Has chunks stay from now on, and lets others go that were pinned before. Each call of either is undone by one of the other.
    pub(crate) fn repin(&self, pin: &[ChunkKey], unpin: &[ChunkKey]) {
        if pin.is_empty() && unpin.is_empty() {
            return;
        }
        let mut back = Vec::new();
        let bytes = {
            let mut pins = self.pins();
            for key in pin {
                pins.chunks.entry(*key).or_insert((0, None)).0 += 1;
                // Moved: it must not count twice.
                if let Some((_, held)) = self.main.remove(key)
                    && !self.hold(&mut pins, key, &held)
                {
                    back.push((*key, held));
                }
            }
            for key in unpin {
                let Some((count, _)) = pins.chunks.get_mut(key) else { continue };
                *count -= 1;
                if *count == 0
                    && let Some((_, Some(held))) = pins.chunks.remove(key)
                {
                    pins.bytes -= held.bytes();
                    back.push((*key, held));
                }
            }
            self.pinned.store(pins.chunks.len(), Ordering::Relaxed);
            pins.bytes
        };
        self.make_room(bytes);
        for (key, held) in back {
            self.main.insert(key, held);
        }
    }

    /// Leaves the rest of the budget to what is not pinned.
    fn make_room(&self, pinned_bytes: u64) {
        let rest = self.budget.load(Ordering::Relaxed).saturating_sub(pinned_bytes);
        if self.main.capacity() != rest {
            self.main.set_capacity(rest);
        }
    }

    pub(crate) fn remove(&self, key: &ChunkKey) {
        if let Some((_, held)) = self.main.remove(key) {
            held.part();
        }
        if self.pinned.load(Ordering::Relaxed) > 0 {
            let mut pins = self.pins();
            let held = pins.chunks.get_mut(key).and_then(|(_, held)| held.take());
            if let Some(held) = held {
                pins.bytes -= held.bytes();
                held.part();
            }
        }
    }

    /// Removes every chunk of `image` that is there now.
    pub(crate) fn sweep(&self, image: ImageId) {
        self.remove_where(|key| key.image == image);
    }

    /// Removes what is there now of `which`. One by one, so that nobody waits for the lock while memory is given back.
    pub(crate) fn remove_where(&self, which: impl Fn(&ChunkKey) -> bool) {
        for (key, _) in self.main.iter().filter(|(key, _)| which(key)) {
            self.remove(&key);
        }
        let pinned: Vec<ChunkKey> = self.pins().chunks.keys().filter(|key| which(key)).copied().collect();
        for key in pinned {
            self.remove(&key);
        }
    }

    /// Bytes that count against the budget.
    pub(crate) fn bytes(&self) -> u64 {
        self.main.weight() + self.pinned_bytes()
    }

    /// Bytes that pins hold.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.pins().bytes
    }

    /// Chunks that were dropped for others.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Changes the budget; what is too much goes at once, but for pins.
    pub(crate) fn set_budget(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Relaxed);
        let pinned = self.pinned_bytes();
        self.make_room(pinned);
    }

    /// The budget.
    pub(crate) fn budget(&self) -> u64 {
        self.budget.load(Ordering::Relaxed)
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::MAX_AXES;

    fn key(n: u32) -> ChunkKey {
        let mut coords = [0; MAX_AXES];
        coords[0] = n;
        ChunkKey { image: ImageId(0), level: 0, coords }
    }

    fn chunk(bytes: usize) -> Arc<Chunk> {
        Arc::new(Chunk::new(&[bytes as u64], vec![0; bytes]).unwrap())
    }

    #[test]
    fn readers_share_one_copy() {
        let cache = ChunkCache::new(100_000);
        let chunk = chunk(10_000);
        cache.insert(key(0), chunk.clone(), None);
        let (one, other) = (cache.get(&key(0)).unwrap(), cache.get(&key(0)).unwrap());
        assert!(Arc::ptr_eq(&one, &chunk) && Arc::ptr_eq(&other, &chunk));
    }

    #[test]
    fn pins_stay_and_never_exceed_a_quarter() {
        let cache = ChunkCache::new(100_000);
        let keys: Vec<ChunkKey> = (0..8).map(key).collect();
        cache.insert(keys[0], chunk(10_000), None);
        cache.repin(&keys[..4], &[]);
        for key in &keys[1..4] {
            cache.insert(*key, chunk(10_000), None);
        }
        assert_eq!(cache.pinned_bytes(), 2 * (10_000 + ENTRY_BYTES), "two fit into a quarter");
        for n in 100..400 {
            cache.insert(key(n), chunk(10_000), None);
            assert!(cache.bytes() <= 100_000);
        }
        assert!(cache.has(&keys[0]) && cache.has(&keys[1]) && cache.evicted() > 200);
        cache.repin(&[], &keys[..4]);
        assert_eq!((cache.pinned_bytes(), cache.budget()), (0, 100_000));
        assert!(cache.has(&keys[0]), "it goes back among the others");
        for n in 400..800 {
            cache.insert(key(n), chunk(10_000), None);
            assert!(cache.bytes() <= 100_000);
        }
    }

    #[test]
    fn a_pin_of_two_holds_until_both_let_go() {
        let cache = ChunkCache::new(100_000);
        cache.repin(&[key(0)], &[]);
        cache.repin(&[key(0)], &[]);
        cache.insert(key(0), chunk(100), None);
        cache.repin(&[], &[key(0)]);
        assert!(cache.pinned_bytes() > 0);
        cache.remove(&key(0));
        assert!(cache.pinned_bytes() == 0 && !cache.has(&key(0)));
        cache.insert(key(0), chunk(100), None);
        assert!(cache.pinned_bytes() > 0, "the pin outlives the chunk");
        cache.repin(&[], &[key(0)]);
        assert!(cache.pinned_bytes() == 0 && cache.has(&key(0)));
    }

    #[test]
    fn what_was_warmed_is_either_used_or_wasted() {
        let cache = ChunkCache::new(50_000);
        let tally = Arc::new(Tally::default());
        for n in 0..4 {
            cache.insert(key(n), chunk(5_000), Some(tally.clone()));
        }
        assert!(cache.get(&key(0)).is_some() && cache.get(&key(0)).is_some() && cache.has(&key(1)));
        for n in 10..100 {
            cache.insert(key(n), chunk(5_000), None);
        }
        cache.remove_where(|_| true);
        let report = tally.report();
        assert_eq!((report.warmed, report.used, report.wasted, report.wasted_bytes), (4, 1, 3, 15_000));
        assert_eq!(cache.bytes(), 0);
    }
}
