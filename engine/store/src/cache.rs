//! The decoded-chunk cache: bounded in bytes, shared by all views of a loader. Chunks are handed out shared, never copied.

use crate::gather::ChunkKey;
use crate::image::Chunk;
use nc_core::data::ImageId;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::Arc;

/// What an entry costs beyond its samples: key, chunk header, shape, table slot. Keeps tiny chunks from overrunning the budget.
const ENTRY_BYTES: u64 = 256;
/// A typical chunk; only sizes the cache's tables.
const TYPICAL_CHUNK_BYTES: u64 = 256 << 10;

#[derive(Clone)]
struct ByBytes;

impl Weighter<ChunkKey, Arc<Chunk>> for ByBytes {
    fn weight(&self, _: &ChunkKey, chunk: &Arc<Chunk>) -> u64 {
        chunk.bytes() + ENTRY_BYTES
    }
}

/// Decoded chunks within a byte budget. A chunk larger than the budget is simply not kept.
pub(crate) struct ChunkCache(Cache<ChunkKey, Arc<Chunk>, ByBytes>);

impl ChunkCache {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            // One shard: each would own a part of the budget, and a chunk larger than that part could not be kept.
            .shards(1)
            .weight_capacity(budget_bytes)
            // A slab of chunks is read at once and used again at the next z step: recency must count, not only frequency.
            .hot_allocation(0.5)
            .estimated_items_capacity((budget_bytes / TYPICAL_CHUNK_BYTES).clamp(64, 1 << 20) as usize)
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default()),
            // `build` refuses only missing fields; both constructors make the same cache but for the shards.
            Err(_) => Cache::with_weighter(64, budget_bytes, ByBytes),
        };
        Self(cache)
    }

    pub(crate) fn get(&self, key: &ChunkKey) -> Option<Arc<Chunk>> {
        self.0.get(key)
    }

    pub(crate) fn insert(&self, key: ChunkKey, chunk: Arc<Chunk>) {
        self.0.insert(key, chunk);
    }

    pub(crate) fn remove(&self, key: &ChunkKey) {
        self.0.remove(key);
    }

    /// Removes every chunk of `image` that is there now.
    pub(crate) fn sweep(&self, image: ImageId) {
        self.remove_where(|key| key.image == image);
    }

    /// Removes what is there now of `which`. One by one, so that nobody waits for the lock while memory is given back.
    pub(crate) fn remove_where(&self, which: impl Fn(&ChunkKey) -> bool) {
        for (key, _) in self.0.iter().filter(|(key, _)| which(key)) {
            self.0.remove(&key);
        }
    }

    /// Bytes that count against the budget.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    /// Changes the budget; what is too much goes at once.
    pub(crate) fn set_budget(&self, bytes: u64) {
        self.0.set_capacity(bytes);
    }

    /// The budget.
    pub(crate) fn budget(&self) -> u64 {
        self.0.capacity()
    }
}
