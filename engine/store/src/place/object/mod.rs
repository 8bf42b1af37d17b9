//! Remote places: web servers, S3, Google Cloud Storage, Azure, all through `object_store`.
//!
//! Lives here: the place (this file), opening one (`open`), the HTTP client (`connector`), what its errors mean (`outcome`), which spans
//! are asked for together (`coalesce`).

mod coalesce;
mod connector;
mod open;
mod outcome;

use super::io_thread::IoThread;
use super::memory::range_of;
use super::{Access, Blob, Done, Entry, Key, Place, PlaceError, PlaceErrorKind, Read, Span, Stamp, Stop};
use bytes::{Bytes, BytesMut};
use connector::Trail;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{Extensions, GetOptions, GetRange, ObjectStore};
pub(super) use open::open;
use outcome::{Meaning, meaning};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// Requests to a web server at once.
const WEB_REQUESTS: usize = 24;
/// Requests to a bucket at once.
const MOST_REQUESTS: usize = 32;

/// Bytes between two spans that are read along with them rather than asked for apart.
const WEB_GAP: u64 = 64 << 10;
const BUCKET_GAP: u64 = 256 << 10;

/// Bytes of one answer.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes of an object that is read whole for a part of it, where the server gives no parts.
const MOST_FOR_A_PART: u64 = 64 << 20;

/// How often an answer that breaks off is asked for again; what fails before it begins is retried by `object_store`.
const BREAKS: usize = 2;

/// A place behind the network. Clones share its connections.
#[derive(Clone)]
pub(super) struct Remote {
    host: Arc<Inner>,
    /// Keys are below of this.
    below: Key,
    name: String,
}

impl Remote {
    /// What lies below a key of the same host or bucket, with the name that anybody may see.
    pub(super) fn below(&self, below: Key, name: String) -> Self {
        Self { host: Arc::clone(&self.host), below, name }
    }

    fn path(&self, key: &Key) -> Result<Path, PlaceError> {
        let odd = |_| PlaceError::new(PlaceErrorKind::Bad, "holds characters that remote places do not take");
        Path::parse(self.below.join(key.as_str())?.as_str()).map_err(odd)
    }
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    /// None of a web server.
    lister: Option<Arc<dyn PaginatedListStore>>,
    io: Arc<IoThread>,
    permits: Semaphore,
    requests: usize,
    gap: u64,
    forbidden_is_missing: bool,
    /// The server answers with whole objects, whatever part is asked for.
    whole_only: AtomicBool,
}

/// What one request gave.
struct Got {
    bytes: Bytes,
    object_len: u64,
    stamp: Option<Stamp>,
}

/// What a request may stumble over.
enum Stumble {
    /// The part begins beyond the end of the object.
    BeyondEnd,
    /// The server gave another part than was asked for, or does not know of such parts.
    NoRanges,
    Error(PlaceError),
}

impl From<PlaceError> for Stumble {
    fn from(error: PlaceError) -> Self {
        Self::Error(error)
    }
}

impl From<Stumble> for PlaceError {
    fn from(stumble: Stumble) -> Self {
        match stumble {
            Stumble::BeyondEnd => Self::new(PlaceErrorKind::Short, "the object ends too early"),
            Stumble::NoRanges => Self::new(PlaceErrorKind::Bad, "the server gives other bytes than it was asked for"),
            Stumble::Error(error) => error,
        }
    }
}

impl Inner {
    /// One request, with retries; `None` if there is no such object.
    async fn get(&self, path: &Path, range: Option<GetRange>, most: u64) -> Result<Option<Got>, Stumble> {
        for _ in 0..=BREAKS {
            // Held while the answer is read, too.
            let _permit = self.permits.acquire().await.map_err(|_| PlaceError::stopped())?;
            let trail = Trail::default();
            let mut extensions = Extensions::new();
            extensions.insert(trail.clone());
            let options = GetOptions { range: range.clone(), extensions, ..GetOptions::default() };
            let answer = match self.store.get_opts(path, options).await {
                Ok(answer) => answer,
                Err(error) => match meaning(&error, &trail, self.forbidden_is_missing) {
                    Meaning::Missing => return Ok(None),
                    Meaning::BeyondEnd => return Err(Stumble::BeyondEnd),
                    Meaning::NoRanges => return Err(Stumble::NoRanges),
                    Meaning::Error(error) => return Err(error.into()),
                },
            };
            let object_len = answer.meta.size;
            let len = answer.range.end.saturating_sub(answer.range.start);
            if len > most {
                let message = format!("an object of {} MiB is too large to be read at once", len >> 20);
                return Err(PlaceError::new(PlaceErrorKind::Bad, message).into());
            }
            let stamp = answer.meta.e_tag.as_deref().map(|tag| Stamp::Etag(Arc::from(tag)));
            let mut body = answer.into_stream();
            // Memory is taken as bytes come, beyond what is usual.
            let mut bytes = BytesMut::with_capacity(len.min(8 << 20) as usize);
            while let Some(Ok(piece)) = body.next().await {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > len {
                    break;
                }
            }
            if bytes.len() as u64 == len {
                return Ok(Some(Got { bytes: bytes.freeze(), object_len, stamp }));
            }
        }
        Err(PlaceError::new(PlaceErrorKind::Unreachable, "the connection broke off while the server answered").into())
    }

    /// The bytes of `range`, exactly.
    async fn part(&self, path: &Path, range: Range<u64>) -> Result<Option<Got>, Stumble> {
        let len = range.end.saturating_sub(range.start);
        if len == 0 {
            // Nobody can ask for nothing; whether the object is there the next read tells.
            return Ok(Some(Got { bytes: Bytes::new(), object_len: 0, stamp: None }));
        }
        match self.get(path, Some(GetRange::Bounded(range)), MOST_BYTES).await? {
            Some(got) if got.bytes.len() as u64 != len => Err(Stumble::BeyondEnd),
            got => Ok(got),
        }
    }

    /// The last bytes.
    async fn last(&self, path: &Path, n: u64) -> Result<Option<Got>, Stumble> {
        match self.get(path, Some(GetRange::Suffix(n.max(1))), MOST_BYTES).await {
            // An empty object has no last bytes.
            Err(Stumble::BeyondEnd) => self.get(path, None, MOST_FOR_A_PART).await,
            got => got,
        }
    }

    async fn read(&self, path: &Path, spans: &[Span]) -> Result<Option<Vec<Blob>>, PlaceError> {
        if !self.whole_only.load(Ordering::Relaxed) {
            match self.read_parts(path, spans).await {
                Err(Stumble::NoRanges) => {}
                answer => return Ok(answer?),
            }
            if let Some(answer) = self.read_last_by_length(path, spans).await? {
                return Ok(answer);
            }
            if !self.whole_only.swap(true, Ordering::Relaxed) {
                tracing::warn!("a web server gives no parts of objects; each is read whole, which is slow for shards");
            }
        }
        let Some(got) = self.get(path, None, MOST_FOR_A_PART).await? else { return Ok(None) };
        let blob = |span: &Span| {
            let range = range_of(span, got.bytes.len() as u64)?;
            let bytes = got.bytes.slice(range.start as usize..range.end as usize);
            Ok(Blob { bytes, object_len: Some(got.object_len), stamp: got.stamp.clone() })
        };
        spans.iter().map(blob).collect::<Result<_, _>>().map(Some)
    }

    /// One request per group of spans that lie close together, all at once.
    async fn read_parts(&self, path: &Path, spans: &[Span]) -> Result<Option<Vec<Blob>>, Stumble> {
        let plan = coalesce::plan(spans, self.gap);
        let asked = plan.requests.iter().map(|request| async move {
            match request {
                Span::Whole => self.get(path, None, MOST_BYTES).await,
                Span::Range(range) => self.part(path, range.clone()).await,
                Span::Last(n) => self.last(path, *n).await,
            }
        });
        let Some(got) = try_join_all(asked).await?.into_iter().collect::<Option<Vec<Got>>>() else { return Ok(None) };
        let blob = |slice: &coalesce::Slice| {
            let got = &got[slice.request];
            let bytes = slice.part.as_ref().map_or_else(|| got.bytes.clone(), |part| got.bytes.slice(part.clone()));
            Blob { bytes, object_len: (!got.bytes.is_empty()).then_some(got.object_len), stamp: got.stamp.clone() }
        };
        Ok(Some(plan.slices.iter().map(blob).collect()))
    }

    /// Asks for the length first, as Azure gives parts but no last bytes. `None` if that is not what was wrong.
    async fn read_last_by_length(&self, path: &Path, spans: &[Span]) -> Result<Option<Option<Vec<Blob>>>, PlaceError> {
        if !spans.iter().any(|span| matches!(span, Span::Last(_))) {
            return Ok(None);
        }
        let options = GetOptions { head: true, ..GetOptions::default() };
        let Ok(answer) = self.store.get_opts(path, options).await else { return Ok(None) };
        let by_length = |span: &Span| range_of(span, answer.meta.size).map(Span::Range);
        let spans = spans.iter().map(by_length).collect::<Result<Vec<_>, _>>()?;
        match self.read_parts(path, &spans).await {
            Ok(blobs) => Ok(Some(blobs)),
            Err(Stumble::NoRanges) => Ok(None),
            Err(stumble) => Err(stumble.into()),
        }
    }

    async fn entries(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        let unlistable = || PlaceError::new(PlaceErrorKind::Unlistable, "has no listings: name what to open");
        let lister = self.lister.as_ref().ok_or_else(unlistable)?;
        let folder = (*prefix != Key::root()).then(|| format!("{}/", prefix.as_str()));
        let options =
            PaginatedListOptions { delimiter: Some("/".into()), max_keys: Some(most.clamp(1, 1000)), ..Default::default() };
        let answer = lister.list_paginated(folder.as_deref(), options).await;
        // A listing leaves no trail: that it was refused is all that is known.
        let answer = answer.map_err(|error| match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                PlaceError::new(PlaceErrorKind::Denied, "may not be listed: name what to open")
            }
            _ => unlistable(),
        })?;
        let entry = |path: &Path, folder: bool, len: Option<u64>| Some(Entry { name: path.filename()?.to_owned(), folder, len });
        let folders = answer.result.common_prefixes.iter().filter_map(|path| entry(path, true, None));
        let objects = answer.result.objects.iter().filter_map(|meta| entry(&meta.location, false, Some(meta.size)));
        let mut entries: Vec<Entry> = folders.chain(objects).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.truncate(most);
        Ok(entries)
    }
}

impl Place for Remote {
    fn access(&self) -> Access {
        Access::Far { requests: self.host.requests }
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        if stop.is_stopped() {
            return Err(PlaceError::stopped());
        }
        let (path, inner, spans) = (self.path(key)?, Arc::clone(&self.host), [span.clone()]);
        let blobs = self.host.io.wait(async move { inner.read(&path, &spans).await }, stop)?;
        Ok(blobs.and_then(|mut blobs| blobs.pop()).map(|Blob { bytes, object_len, stamp }| {
            into.extend_from_slice(&bytes);
            Read { object_len, stamp }
        }))
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        let path = match self.path(key) {
            Ok(path) => path,
            Err(error) => return done(Err(error)),
        };
        let (inner, spans) = (Arc::clone(&self.host), spans.to_vec());
        self.host.io.fetch(async move { inner.read(&path, &spans).await }, stop, done);
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        let (inner, prefix) = (Arc::clone(&self.host), self.below.join(prefix.as_str())?);
        self.host.io.wait(async move { inner.entries(&prefix, most).await }, &Stop::new())
    }

    fn redacted(&self) -> &str {
        &self.name
    }
}
