//! Objects in memory.

use super::{Access, Entry, Key, Place, PlaceError, PlaceErrorKind, Read, Span, Stop};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

/// Objects in memory, fixed when it is made. For tests, and for images that are made up.
pub struct Memory {
    objects: BTreeMap<Key, Bytes>,
}

impl Memory {
    /// These objects.
    pub fn new(objects: impl IntoIterator<Item = (Key, Bytes)>) -> Self {
        Self { objects: objects.into_iter().collect() }
    }
}

/// Where a span lies in an object of `len` bytes.
///
/// # Errors
/// [`PlaceErrorKind::Short`] if it reaches beyond the end.
pub(super) fn range_of(span: &Span, len: u64) -> Result<Range<u64>, PlaceError> {
    match span {
        Span::Whole => Ok(0..len),
        Span::Last(n) => Ok(len.saturating_sub(*n)..len),
        Span::Range(range) if range.start <= range.end && range.end <= len => Ok(range.clone()),
        Span::Range(_) => Err(PlaceError::new(PlaceErrorKind::Short, format!("the object has {len} bytes and ends too early"))),
    }
}

/// What lies directly below `prefix`, of objects in order of their keys.
pub(super) fn listed<'a>(objects: impl Iterator<Item = (&'a str, u64)>, prefix: &Key, most: usize) -> Vec<Entry> {
    let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
    for (key, len) in objects {
        let below = match prefix.as_str() {
            "" => Some(key),
            prefix => key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(below) = below.filter(|below| !below.is_empty()) else { continue };
        let (name, folder) = below.split_once('/').map_or((below, false), |(name, _)| (name, true));
        let entry = Entry { name: name.to_owned(), folder, len: (!folder).then_some(len) };
        entries.entry(name).or_insert(entry);
        if entries.len() > most {
            entries.pop_last();
        }
    }
    entries.into_values().collect()
}

impl Place for Memory {
    fn access(&self) -> Access {
        Access::Near
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        if stop.is_stopped() {
            return Err(PlaceError::stopped());
        }
        let Some(object) = self.objects.get(key) else { return Ok(None) };
        let len = object.len() as u64;
        let range = range_of(span, len)?;
        into.extend_from_slice(&object[range.start as usize..range.end as usize]);
        Ok(Some(Read { object_len: Some(len), stamp: None }))
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        let objects = self.objects.iter().map(|(key, bytes)| (key.as_str(), bytes.len() as u64));
        Ok(listed(objects, prefix, most))
    }

    fn redacted(&self) -> &str {
        "memory"
    }
}
