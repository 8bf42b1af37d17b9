//! Buffers that a thread uses again for every chunk.

use crate::codec::Tools;

/// What a thread that reads and decodes keeps from chunk to chunk, so that a chunk allocates nothing but its samples. Its contents mean
/// nothing to whoever gets it next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Bytes as they are stored.
    pub encoded: Vec<u8>,
    /// Decoders and what they decode into.
    pub(crate) tools: Tools,
}
