//! Memory of samples that nobody holds any more, for samples to come: memory that is new costs a page fault every 4 KiB, which is dearer
//! than filling it.

use super::{SampleFormat, Samples};
use std::collections::HashMap;
use std::sync::Arc;

/// Blocks of samples by format and length. What they hold means nothing.
#[derive(Debug, Default)]
pub struct SpareSamples {
    blocks: HashMap<(SampleFormat, usize), Vec<Samples>>,
    bytes: u64,
}

impl SpareSamples {
    /// Keeps the block, unless somebody else holds it too.
    pub fn give(&mut self, mut samples: Samples) {
        if samples.is_unshared() {
            self.bytes += samples.bytes() as u64;
            self.blocks.entry((samples.format(), samples.len())).or_default().push(samples);
        }
    }

    /// A block of `len` samples that nobody else holds, of any content.
    pub fn take(&mut self, format: SampleFormat, len: usize) -> Option<Samples> {
        let block = self.blocks.get_mut(&(format, len))?.pop()?;
        self.bytes -= block.bytes() as u64;
        Some(block)
    }

    /// Lets go of blocks until at most `bytes` are kept.
    pub fn shrink(&mut self, bytes: u64) {
        while self.bytes > bytes {
            let Some(some) = self.blocks.values_mut().find(|blocks| !blocks.is_empty()) else { return };
            self.bytes -= some.pop().map_or(0, |block| block.bytes() as u64);
        }
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Samples {
    /// Whether this is the one holder of its block.
    pub fn is_unshared(&mut self) -> bool {
        match self {
            Self::U8(block) => Arc::get_mut(block).is_some(),
            Self::U16(block) => Arc::get_mut(block).is_some(),
            Self::F32(block) => Arc::get_mut(block).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_by_format_and_length_and_never_shared() {
        let block = |n: usize| Samples::U16(vec![7; n].into());
        let mut spare = SpareSamples::default();
        let held = block(4);
        spare.give(held.clone());
        assert_eq!(spare.bytes(), 0, "somebody holds it");
        drop(held);
        for n in [4, 4, 9] {
            spare.give(block(n));
        }
        assert_eq!(spare.bytes(), 34);
        assert_eq!(spare.take(SampleFormat::U8, 4), None);
        assert_eq!(spare.take(SampleFormat::U16, 4).map(|block| block.len()), Some(4));
        assert_eq!(spare.bytes(), 26);
        spare.shrink(20);
        assert!(spare.bytes() <= 20);
        spare.shrink(0);
        assert_eq!((spare.bytes(), spare.take(SampleFormat::U16, 9)), (0, None));
    }
}
