//! How work ends: chunks that come, fail or were stopped, and what is made of them.

use super::super::front::Desks;
use super::super::gathering::{Gathering, Making, Product};
use super::super::health::is_outage;
use super::{Arrival, Class, Fault, Provisional, Queue, State, Wake};
use crate::cache::ChunkCache;
use crate::gather::ChunkKey;
use crate::image::{Chunk, ChunkData, Image};
use nc_core::data::ImageId;
use std::sync::Arc;
use std::time::Instant;

/// Who waited for a chunk that came.
#[derive(Default)]
pub(in crate::loader) struct Arrived {
    pub(in crate::loader) waiting: Vec<Arc<Gathering>>,
    /// It is not stored and may come yet.
    pub(in crate::loader) for_now: bool,
    /// Its place had been away.
    pub(in crate::loader) back: bool,
}

impl Queue {
    /// A thread is done with what it did. Whether it is still one of ours: it may have been given up meanwhile, and then what it
    /// brings is of no use.
    pub(in crate::loader) fn returned(&mut self, worker: u32, key: &ChunkKey) -> bool {
        let own = self.running.get(&worker).is_some_and(|running| running.key == *key);
        if own {
            self.running.remove(&worker);
        }
        own
    }

    /// A chunk is there; `read` unless it was in the cache.
    pub(in crate::loader) fn arrived(
        &mut self,
        key: &ChunkKey,
        chunk: &Arc<Chunk>,
        read: bool,
        cache: &ChunkCache,
        now: Instant,
    ) -> Arrived {
        if read && self.jobs.get(key).is_some_and(|job| job.stale && !job.waiting.is_empty()) {
            // It may be what was there before the image grew.
            self.put_back(key, true);
            if let Some(job) = self.jobs.get_mut(key) {
                job.stale = false;
            }
            return Arrived::default();
        }
        if !read {
            self.health.unproven(key.image);
        }
        let job = self.drop_job(key);
        let back = read && self.is_back(key.image, now);
        let forgotten = self.is_forgotten(key.image);
        let stale = job.as_ref().is_some_and(|job| job.stale);
        let for_now = matches!(chunk.data, ChunkData::Uniform { stored: false, .. })
            && job.as_ref().is_some_and(|job| job.image.is_watched());
        let Some(job) = job else { return Arrived { back, ..Arrived::default() } };
        if for_now {
            let fault = Fault::unstored(key, &job.image);
            self.failures.record(*key, fault, now);
            let waiting: Vec<_> = job.waiting.iter().filter(|g| g.mends()).cloned().collect();
            self.rest(key, job.image, waiting, now);
            return Arrived { waiting: job.waiting, for_now, back };
        }
        self.failures.clear(key);
        if read && !forgotten && !stale {
            let warm = match job.waiting.first() {
                Some(first) if job.waiting.iter().all(|g| !g.shows()) => self.views.get(&first.view).map(|v| v.tally.clone()),
                _ => None,
            };
            cache.insert(*key, chunk.clone(), warm);
        }
        Arrived { waiting: job.waiting, for_now, back }
    }

    /// The place of an image gave something. Whether it had been away; then what failed is tried again at once.
    fn is_back(&mut self, image: ImageId, now: Instant) -> bool {
        if !self.health.good(image) {
            return false;
        }
        self.failures.hurry(image, now);
        for (key, job) in self.jobs.iter_mut().filter(|(key, _)| key.image == image) {
            if let State::Resting { until, .. } = &mut job.state {
                *until = (*until).min(now);
                self.resting.insert((*until, *key));
            }
        }
        true
    }

    /// Keeps a job for those who can use its chunk later.
    fn rest(&mut self, key: &ChunkKey, image: Image, waiting: Vec<Arc<Gathering>>, now: Instant) {
        if waiting.is_empty() {
            return;
        }
        let until = self.failures.retry_at(key).unwrap_or(now);
        self.resting.insert((until, *key));
        let state = State::Resting { until, untold: false };
        let job = super::Job { image, state, waiting, cost: 0, low: false, yielded: false, stale: false, late: false };
        self.jobs.insert(*key, job);
    }

    /// Whether a chunk that has ended is of a forgotten image.
    fn is_forgotten(&mut self, image: ImageId) -> bool {
        let forgotten = self.forgotten.contains(&image);
        if forgotten && !self.flies(image) {
            self.forgotten.remove(&image);
        }
        forgotten
    }

    /// Work was stopped. If somebody waits for its chunk all the same, it gets another turn.
    pub(in crate::loader) fn stopped(&mut self, key: &ChunkKey) {
        self.health.unproven(key.image);
        match self.jobs.get(key) {
            Some(job) if !job.waiting.is_empty() && !self.stopping => self.put_back(key, true),
            _ => {
                self.drop_job(key);
            }
        }
        self.is_forgotten(key.image);
    }

    /// A chunk could not be read (`fresh`), or failed lately and was not tried. Gives those who go on without it, and whom to wake.
    pub(in crate::loader) fn failed(
        &mut self,
        key: &ChunkKey,
        fault: &Fault,
        fresh: bool,
        front: &Desks,
        now: Instant,
    ) -> (Vec<Arc<Gathering>>, Vec<Wake>) {
        let mut wakes = Vec::new();
        if fresh {
            self.failures.record(*key, fault.clone(), now);
            if is_outage(fault.kind) {
                if self.health.bad(key.image, fault, now) {
                    tracing::warn!(fault.message, "a store does not answer; it is asked for one chunk now and then");
                }
            } else {
                // It answered, whatever it said.
                self.is_back(key.image, now);
            }
        }
        let job = self.drop_job(key);
        self.is_forgotten(key.image);
        let Some(job) = job else { return (Vec::new(), wakes) };
        let fault = Fault { retry_at: self.failures.retry_at(key), ..fault.clone() };
        // One that is merely not stored yet is nobody's fault.
        let quiet = fault.message.is_empty();
        for gathering in &job.waiting {
            let Making::Piece(piece) = gathering.making else { continue };
            let news = !quiet
                && self.failures.tell(key, gathering.view)
                && (!is_outage(fault.kind) || self.health.tell(key.image, gathering.view));
            if news {
                let told = Arrival::Fault { piece, fault: fault.clone() };
                wakes.extend(front.lock().put(gathering.view, gathering.epoch, told));
            }
        }
        let going_on = job.waiting.iter().filter(|g| g.comes_damaged(is_outage(fault.kind))).cloned().collect();
        let (waiting, given_up): (Vec<_>, Vec<_>) = job.waiting.into_iter().partition(|g| g.mends());
        for gathering in given_up.iter().filter(|g| !g.shows()) {
            // Nothing is made of it, so there is nothing to mend.
            if let Some(view) = self.views.get_mut(&gathering.view) {
                view.finish(gathering);
            }
            self.abandon(gathering);
        }
        self.rest(key, job.image, waiting, now);
        (going_on, wakes)
    }

    /// Hands what was made to its view, unless that does not want it any more. Whom to wake, if it is worth it.
    pub(in crate::loader) fn deliver(&mut self, gathering: &Arc<Gathering>, product: Product, front: &Desks) -> Option<Wake> {
        let view = self.views.get_mut(&gathering.view).filter(|view| view.epoch == gathering.epoch)?;
        // What is asked for ahead of need waits until the view looks anyway.
        let urgent = gathering.class() <= Class::Finer;
        match product {
            Product::Warm => {
                view.finish(gathering);
                None
            }
            Product::Overview(plane, overview) => {
                view.finish(gathering).then_some(())?;
                front.lock().put(gathering.view, gathering.epoch, Arrival::Overview { plane, overview })
            }
            Product::Made { made, intact, whole } => {
                let wanted = view.finish(gathering);
                if !wanted {
                    let had = view.provisional.iter().position(|p| Arc::ptr_eq(&p.gathering, gathering))?;
                    // Two threads that each mended a part may come in either order.
                    view.provisional.get(had).filter(|p| p.intact < intact)?;
                    view.provisional.remove(had);
                }
                let mut forgotten = Vec::new();
                if !whole {
                    // Its retries are not urgent: something is shown.
                    gathering.set_class(Class::Neighbour);
                    forgotten = view.keep_provisional(Provisional { gathering: gathering.clone(), intact });
                }
                for earlier in forgotten {
                    self.abandon(&earlier);
                }
                let wake = front.lock().put_made(gathering.view, gathering.epoch, made, wanted);
                wake.filter(|_| urgent || !wanted)
            }
        }
    }
}
