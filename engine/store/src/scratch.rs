//! Buffers that a thread uses again for every chunk.

/// What a thread that reads and decodes keeps from chunk to chunk, so that a chunk allocates nothing but its samples. Its contents mean
/// nothing to whoever gets it next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Bytes as they are stored.
    pub encoded: Vec<u8>,
    /// Bytes between two codecs.
    pub decoded: Vec<u8>,
}
