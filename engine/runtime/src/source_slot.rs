//! Where another dataset's tiles wait for the render thread. A leaf lock, held for a move.

use crate::tile_source::TileSource;
use std::sync::{Mutex, PoisonError};

type Waiting = (u64, Box<dyn TileSource + Send>);

/// Room for the source of one epoch, the newest. It is put here before the ledger shows the epoch, and taken by the first turn that
/// sees it.
#[derive(Default)]
pub struct SourceSlot(Mutex<Option<Waiting>>);

impl SourceSlot {
    /// Leaves the source of `epoch`. One of an older epoch that nobody took is dropped.
    pub fn put(&self, epoch: u64, source: Box<dyn TileSource + Send>) {
        let older = self.exchange(|waiting| waiting.replace((epoch, source)));
        // Not under the lock: a source lets go of its loader.
        drop(older);
    }

    /// Takes the source of `epoch`, if it is here.
    pub fn take(&self, epoch: u64) -> Option<Box<dyn TileSource + Send>> {
        let taken = self.exchange(|waiting| waiting.take_if(|(of, _)| *of <= epoch));
        taken.filter(|(of, _)| *of == epoch).map(|(_, source)| source)
    }

    fn exchange<T>(&self, change: impl FnOnce(&mut Option<Waiting>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::{Brick, BrickKey, PlaneKey, SpareSamples, Tile, TileKey};
    use nc_store::{Arrival, Want};
    use std::sync::Arc;

    /// Lives as long as what it counts.
    struct Source(#[expect(dead_code, reason = "counted")] Arc<()>);

    impl TileSource for Source {
        fn resident(&self, _key: &TileKey, _spare: &mut SpareSamples) -> Option<Tile> {
            None
        }
        fn resident_brick(&self, _key: &BrickKey) -> Option<Brick> {
            None
        }
        fn want(&self, _wants: &[Want]) {}
        fn request_overview(&self, _plane: PlaneKey, _max_edge: u32) {}
        fn take_arrivals(&self) -> Vec<Arrival> {
            Vec::new()
        }
    }

    #[test]
    fn only_the_source_of_the_epoch_that_is_shown_is_taken() {
        let slot = SourceSlot::default();
        let (first, second, third) = (Arc::new(()), Arc::new(()), Arc::new(()));
        assert!(slot.take(1).is_none());
        slot.put(2, Box::new(Source(first.clone())));
        assert!(slot.take(1).is_none(), "the ledger does not show it yet");
        slot.put(3, Box::new(Source(second.clone())));
        assert_eq!(Arc::strong_count(&first), 1, "overtaken before anybody took it");
        assert!(slot.take(2).is_none());
        assert_eq!(Arc::strong_count(&second), 2, "it still waits");
        assert!(slot.take(3).is_some());
        assert!(slot.take(3).is_none());
        slot.put(4, Box::new(Source(third.clone())));
        assert!(slot.take(5).is_none());
        assert_eq!(Arc::strong_count(&third), 1, "nobody will want it any more");
    }
}
