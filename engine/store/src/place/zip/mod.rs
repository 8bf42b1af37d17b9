//! A zip archive (`.zip`, `.ozx`) that lies in another place, near or far.
//!
//! Lives here: the place (this file), the archive's directory (`directory`), unpacking (`unpack`).
//! The directory is read once, when it is opened. Parts of entries that are stored are read directly; packed entries are read and
//! unpacked whole, on whatever thread their bytes arrive.

mod directory;
mod unpack;

use super::memory::{listed, range_of};
use super::{Access, Blob, Done, Entry, Key, Place, PlaceError, PlaceErrorKind, Read, Span, Stamp, Stop};
use bytes::Bytes;
use directory::{Directory, Ending, LOCAL_HEADER, Method, Record, TAIL};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are read beyond an entry's data, so that a local header which is longer than the directory says costs no second read.
const SLACK: u64 = 64;

/// Bytes that an entry which is unpacked may have.
const MOST_UNPACKED: u64 = 1 << 30;

/// An archive as a place.
pub struct Zip(Arc<Inner>);

struct Inner {
    place: Arc<dyn Place>,
    archive: Key,
    directory: Directory,
    /// Where the data of each entry begins; 0 until it was read from the local header.
    begins: Box<[AtomicU64]>,
    /// The archive when it was opened.
    stamp: Option<Stamp>,
    name: String,
}

impl Zip {
    /// Opens the archive `key` of `place`; `None` if there is no such object. Blocks: it reads the directory. `name` is what anybody
    /// may see of it.
    ///
    /// # Errors
    /// When it cannot be read, or is no zip archive.
    pub fn open(place: Arc<dyn Place>, key: Key, name: String, stop: &Stop) -> Result<Option<Self>, PlaceError> {
        let mut tail = Vec::new();
        let Some(Read { object_len, stamp }) = place.read_into(&key, &Span::Last(TAIL), stop, &mut tail)? else {
            return Ok(None);
        };
        let unknown = || PlaceError::new(PlaceErrorKind::Bad, "its server does not tell its length: download it");
        let len = object_len.ok_or_else(unknown)?;
        // What the tail holds already is not read again.
        let read = |range: Range<u64>| {
            let tail_begin = len - tail.len() as u64;
            if range.start >= tail_begin && range.end <= len {
                return Ok(tail[(range.start - tail_begin) as usize..(range.end - tail_begin) as usize].to_vec());
            }
            let mut bytes = Vec::new();
            let gone = || PlaceError::new(PlaceErrorKind::Bad, "was removed while it was opened");
            place.read_into(&key, &Span::Range(range), stop, &mut bytes)?.ok_or_else(gone)?;
            Ok::<_, PlaceError>(bytes)
        };
        let extent = match directory::ending(&tail, len)? {
            Ending::Directory(extent) => extent,
            Ending::Zip64(range) => directory::ending_64(&read(range.clone())?, range.start)?,
        };
        let directory = Directory::parse(&read(extent.bytes.clone())?, &extent)?;
        let begins = directory.records().iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Some(Self(Arc::new(Inner { place, archive: key, directory, begins, stamp, name }))))
    }

    /// The one folder that all entries lie in, if there is one: archives are often made of a folder rather than of what it holds.
    pub fn only_folder(&self) -> Option<Key> {
        let directory = &self.0.directory;
        let (first, last) = (directory.records().first()?, directory.records().last()?);
        let folder = directory.name(first).split_once('/')?.0;
        // The names are in order: what the first and the last have in common all have.
        let all = directory.name(last).strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        all.then(|| Key::new(folder).ok()).flatten()
    }
}

/// What is to be read of the archive for one span of an entry.
struct Plan {
    /// Bytes of the archive.
    bytes: Range<u64>,
    /// Whether they begin with the local header; else with data.
    with_header: bool,
    /// Bytes of the object that are wanted.
    wanted: Range<u64>,
}

impl Inner {
    fn record(&self, key: &Key) -> Option<(usize, &Record)> {
        self.directory.find(key.as_str())
    }

    fn plan(&self, index: usize, record: &Record, span: &Span) -> Result<Plan, PlaceError> {
        let wanted = range_of(span, record.len)?;
        match record.method {
            Method::Stored => {}
            Method::Deflate | Method::Zstd if record.len <= MOST_UNPACKED => {}
            Method::Deflate | Method::Zstd => return Err(refused("is too large to be unpacked: write it without compression")),
            Method::Encrypted => return Err(refused("is encrypted: decrypt the archive")),
            Method::Other(n) => return Err(refused(&format!("is packed by method {n}: write it without compression"))),
        }
        let begin = self.begins[index].load(Ordering::Relaxed);
        let end = |begin: u64| begin.saturating_add(record.packed);
        Ok(match (begin, record.method) {
            // The whole archive before the directory is the most there can be.
            (0, _) => {
                let guess = record.header + LOCAL_HEADER + u64::from(record.after_header) + SLACK;
                let upto = match record.method {
                    Method::Stored => guess.saturating_add(wanted.end),
                    _ => end(guess),
                };
                // Of a part far inside, only the header is read at first.
                let upto =
                    if wanted.start > SLACK && record.method == Method::Stored { record.header + LOCAL_HEADER } else { upto };
                Plan { bytes: record.header..upto.min(self.directory.begin), with_header: true, wanted }
            }
            (begin, Method::Stored) => Plan { bytes: begin + wanted.start..begin + wanted.end, with_header: false, wanted },
            (begin, _) => Plan { bytes: begin..end(begin), with_header: false, wanted },
        })
    }

    /// Makes what was wanted of the bytes that were planned. `Err(Ok(()))` if where the data begins is known only now, and more must be
    /// read.
    fn unpack(&self, index: usize, record: &Record, plan: &Plan, bytes: &Bytes) -> Result<Bytes, Result<(), PlaceError>> {
        let data = if plan.with_header {
            let begin = directory::data_begin(bytes, record).map_err(Err)?;
            self.begins[index].store(begin, Ordering::Relaxed);
            let skip = (begin - record.header) as usize;
            let needed = match record.method {
                Method::Stored => plan.wanted.end,
                _ => record.packed,
            };
            // An entry without data needs nothing beyond its header.
            if needed > 0 && (bytes.len() as u64) < skip as u64 + needed {
                return Err(Ok(()));
            }
            // What lies behind it may have come along.
            bytes.slice(skip.min(bytes.len())..bytes.len().min(skip + record.packed as usize))
        } else {
            bytes.clone()
        };
        if record.method == Method::Stored {
            let wanted = &plan.wanted;
            let from = if plan.with_header { wanted.start } else { 0 };
            let part = data.slice(from as usize..(from + wanted.end - wanted.start) as usize);
            if *wanted == (0..record.len) {
                checked(&part, record).map_err(Err)?;
            }
            return Ok(part);
        }
        let object = unpack::unpack(&data, record.method, record.len).map_err(Err)?;
        checked(&object, record).map_err(Err)?;
        Ok(Bytes::from(object).slice(plan.wanted.start as usize..plan.wanted.end as usize))
    }

    fn unchanged(&self, stamp: &Option<Stamp>) -> Result<(), PlaceError> {
        match (&self.stamp, stamp) {
            (Some(then), Some(now)) if then != now => Err(refused("was changed since it was opened: open it again")),
            _ => Ok(()),
        }
    }
}

fn refused(why: &str) -> PlaceError {
    PlaceError::new(PlaceErrorKind::Bad, format!("the archive's entry {why}"))
}

fn checked(object: &[u8], record: &Record) -> Result<(), PlaceError> {
    if crc32fast::hash(object) == record.crc { Ok(()) } else { Err(refused("is damaged: its checksum is another")) }
}

impl Place for Zip {
    fn access(&self) -> Access {
        self.0.place.access()
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        let inner = &self.0;
        let Some((index, record)) = inner.record(key) else { return Ok(None) };
        // Twice at most: the first read tells where the data begins.
        loop {
            let plan = inner.plan(index, record, span)?;
            if record.method == Method::Stored && !plan.with_header && plan.wanted != (0..record.len) {
                let read = inner.place.read_into(&inner.archive, &Span::Range(plan.bytes), stop, into)?;
                inner.unchanged(&read.ok_or_else(gone)?.stamp)?;
                return Ok(Some(Read { object_len: Some(record.len), stamp: inner.stamp.clone() }));
            }
            let mut bytes = Vec::new();
            let read = inner.place.read_into(&inner.archive, &Span::Range(plan.bytes.clone()), stop, &mut bytes)?;
            inner.unchanged(&read.ok_or_else(gone)?.stamp)?;
            match inner.unpack(index, record, &plan, &bytes.into()) {
                Ok(part) => {
                    into.extend_from_slice(&part);
                    return Ok(Some(Read { object_len: Some(record.len), stamp: inner.stamp.clone() }));
                }
                Err(Ok(())) => {}
                Err(Err(error)) => return Err(error),
            }
        }
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        match self.0.record(key) {
            None => done(Ok(None)),
            Some((index, _)) => fetch(Arc::clone(&self.0), index, spans.into(), stop.clone(), done),
        }
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        let directory = &self.0.directory;
        let records = match prefix.as_str() {
            "" => directory.records(),
            prefix => directory.below(&format!("{prefix}/")),
        };
        Ok(listed(records.iter().map(|record| (directory.name(record), record.len)), prefix, most))
    }

    fn redacted(&self) -> &str {
        &self.0.name
    }
}

fn gone() -> PlaceError {
    refused("is gone: the archive was removed")
}

/// Asks for all spans of an entry at once, and once more for those whose place was not known.
fn fetch(inner: Arc<Inner>, index: usize, spans: Arc<[Span]>, stop: Stop, done: Done) {
    let record = &inner.directory.records()[index];
    let plans: Result<Vec<Plan>, PlaceError> = spans.iter().map(|span| inner.plan(index, record, span)).collect();
    let plans = match plans {
        Ok(plans) => plans,
        Err(error) => return done(Err(error)),
    };
    let ranges: Vec<Span> = plans.iter().map(|plan| Span::Range(plan.bytes.clone())).collect();
    let (place, archive, again) = (Arc::clone(&inner.place), inner.archive.clone(), stop.clone());
    let taken = move |answer: Result<Option<Vec<Blob>>, PlaceError>| {
        let blobs = match answer {
            Ok(Some(blobs)) => blobs,
            Ok(None) => return done(Err(gone())),
            Err(error) => return done(Err(error)),
        };
        let record = &inner.directory.records()[index];
        let mut parts = Vec::with_capacity(blobs.len());
        for (plan, blob) in plans.iter().zip(&blobs) {
            let part = inner.unchanged(&blob.stamp).map_err(Err).and_then(|()| inner.unpack(index, record, plan, &blob.bytes));
            match part {
                Ok(bytes) => parts.push(Blob { bytes, object_len: Some(record.len), stamp: inner.stamp.clone() }),
                // Now it is known; this happens once.
                Err(Ok(())) => return fetch(Arc::clone(&inner), index, spans, again, done),
                Err(Err(error)) => return done(Err(error)),
            }
        }
        done(Ok(Some(parts)));
    };
    place.fetch(&archive, &ranges, &stop, Box::new(taken));
}

#[cfg(test)]
mod tests;
