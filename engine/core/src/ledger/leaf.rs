//! A value with the story of its last write.

use std::sync::Arc;

/// Who caused a write: a client and its name for the intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The driver's number for the client.
    pub client: u64,
    /// The client's name for the intent.
    pub intent_id: String,
}

/// When and by whom a leaf was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Counts writes of this leaf, from 1; what an ack reports.
    pub version: u64,
    /// Ledger version of the last write; what plans compare.
    pub stamp: u64,
    /// The intent behind the last write, if one was.
    pub origin: Option<Arc<Origin>>,
}

impl Mark {
    pub(super) fn seeded(stamp: u64) -> Self {
        Self { version: 1, stamp, origin: None }
    }

    /// Whether nothing was written since the seed.
    pub fn is_seeded(&self) -> bool {
        self.version == 1
    }

    /// A newer intent asked for the value that stands: it is not taken back with an older one.
    pub(super) fn confirm(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    pub(super) fn touch(&mut self, stamp: u64, origin: Option<Arc<Origin>>) {
        self.version += 1;
        self.stamp = stamp;
        self.origin = origin;
    }
}

/// A leaf of the ledger. Readable everywhere, writable only by a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf<T> {
    value: T,
    mark: Mark,
}

impl<T> Leaf<T> {
    pub(super) fn seeded(value: T, stamp: u64) -> Self {
        Self { value, mark: Mark::seeded(stamp) }
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Its last write.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(super) fn confirm(&mut self, stamp: u64) {
        self.mark.confirm(stamp);
    }

    /// Another value for the write that stands: still the same intent's, of the same time.
    pub(super) fn amend(&mut self, value: T) {
        self.value = value;
        self.mark.version += 1;
    }

    pub(super) fn write(&mut self, value: T, stamp: u64, origin: Option<Arc<Origin>>) {
        self.value = value;
        self.mark.touch(stamp, origin);
    }
}

impl<T: PartialEq> Leaf<T> {
    /// Writes only a different value; tells whether it did.
    pub(super) fn set(&mut self, value: T, stamp: u64, origin: Option<Arc<Origin>>) -> bool {
        let changed = self.value != value;
        if changed {
            self.write(value, stamp, origin);
        }
        changed
    }
}
