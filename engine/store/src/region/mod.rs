//! Reading boxes of samples at once, on as many threads as the caller gives.
//!
//! Lives here: the reader and its threads (this file), how a box is divided among them (`share`), copying from chunks (`copy`).
//! Must never know: tiles, views, queues, caches. Nothing that is read here is kept.
//!
//! A chunk is decoded only as far as the box needs it ([`crate::ChunkSource::part`]), into the thread's buffers, and copied from there to
//! where it belongs: no sample is held twice.

mod copy;
mod share;

use crate::image::{Image, ReadError, ReadErrorKind};
use crate::place::Stop;
use crate::scratch::Scratch;
use nc_core::data::MAX_AXES;
use share::{Item, Region};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Reads boxes of samples, and keeps the buffers of its threads from box to box. Share one; its threads live only while it reads.
#[derive(Debug)]
pub struct RegionReader {
    threads: usize,
    /// Whether chunks are decoded whole even if a part would do.
    whole: bool,
    /// At most one per thread of all calls that ran at once.
    scratches: Mutex<Vec<Scratch>>,
}

/// What a box was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionReport {
    /// Chunks that were looked at.
    pub chunks: u64,
    /// Those of them that are not stored: their samples are the fill value.
    pub absent: u64,
}

impl RegionReader {
    /// A reader that uses the calling thread and `threads - 1` more.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), whole: false, scratches: Mutex::default() }
    }

    /// As [`Self::new`], but every chunk is decoded whole, so that its damage is seen wherever it lies.
    pub fn of_whole_chunks(threads: usize) -> Self {
        Self { whole: true, ..Self::new(threads) }
    }

    /// Reads the box of `shape` samples per axis from `start` on of `level` into `out`: row-major (last axis fastest), elements of the
    /// image's dtype in native byte order, exactly as many bytes as those take. Blocks.
    ///
    /// # Errors
    /// [`ReadErrorKind::NoSuchPlane`] if the box is not one of the image or `out` has another size; else the first chunk that could not
    /// be read: `out` may then hold anything. [`ReadErrorKind::Stopped`] after `stop`.
    pub fn read(
        &self,
        image: &Image,
        level: usize,
        start: &[u64],
        shape: &[u64],
        out: &mut [u8],
        stop: &Stop,
    ) -> Result<RegionReport, ReadError> {
        let region = Region::new(&image.info, level, start, shape, out.len()).map_err(|reason| {
            ReadError::new(
                ReadErrorKind::NoSuchPlane,
                format!("{}: cannot read {shape:?} from {start:?}: {reason}", image.info.location),
            )
        })?;
        let items = share::divide(&region, out, self.threads);
        let threads = self.threads.min(items.len());
        let (chunks, absent) = (AtomicU64::new(0), AtomicU64::new(0));
        let (items, failure) = (Mutex::new(items.into_iter()), Mutex::new(None));
        let work = || {
            let mut scratch = self.scratches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            loop {
                let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(item) = item else { break };
                match self.read_item(image, &region, item, &mut scratch, stop) {
                    Ok(report) => {
                        chunks.fetch_add(report.chunks, Ordering::Relaxed);
                        absent.fetch_add(report.absent, Ordering::Relaxed);
                    }
                    Err(error) => {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        // The others end after their item.
                        items.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
                        break;
                    }
                }
            }
            self.scratches.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without it the others do its share.
                let started = thread::Builder::new().name("region".to_owned()).spawn_scoped(scope, work);
                if let Err(error) = started {
                    tracing::warn!(%error, "a thread for reading did not start");
                }
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(RegionReport { chunks: chunks.into_inner(), absent: absent.into_inner() }),
        }
    }

    /// Reads the chunks of one thread's share.
    fn read_item(
        &self,
        image: &Image,
        region: &Region,
        mut item: Item<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<RegionReport, ReadError> {
        let mut report = RegionReport { chunks: 0, absent: 0 };
        let mut coords = [0; MAX_AXES];
        let coords = &mut coords[..region.axes()];
        item.first_chunk(region, coords);
        loop {
            let cut = region.cut(coords);
            let need = if self.whole { 0..usize::MAX } else { cut.need() };
            let part = image.source().part(region.level, coords, need, scratch, stop);
            let part = part.map_err(|error| match error.kind {
                ReadErrorKind::Stopped => error,
                _ => error.at(&image.info, region.level, coords),
            })?;
            if !cut.fits(part.shape) {
                let error =
                    ReadError::new(ReadErrorKind::Source, format!("has shape {:?}, which is too small", part.shape.sizes()));
                return Err(error.at(&image.info, region.level, coords));
            }
            report.chunks += 1;
            report.absent += u64::from(part.absent);
            copy::place(region, &cut, &part, &mut item);
            if !item.next_chunk(region, coords) {
                return Ok(report);
            }
        }
    }
}
