//! Chunks and shard indices that are fetched from far places.

use super::{Class, Queue, State, patience};
use crate::gather::ChunkKey;
use crate::image::{Image, IndexKey, ReadError, ReadErrorKind};
use crate::loader::front::Answer;
use crate::place::{Key, PlaceErrorKind, Span, Stop};
use nc_core::data::ImageId;
use std::collections::BTreeMap;
use std::time::Instant;

/// Bytes on their way for something visible that leave nothing of a link for other classes: what 200 Mbit/s carry in 40 ms.
pub(super) const LINK_BYTES: u64 = 1 << 20;

/// A shard's index.
pub(in crate::loader) type IndexId = (ImageId, IndexKey);

/// Where a chunk was found to be.
pub(in crate::loader) enum Where {
    Bytes { object: Key, span: Span, bytes: u64 },
    Index { index: IndexKey, object: Key, span: Span },
}

/// A request to be made of the place of an image.
pub(in crate::loader) struct Request {
    pub(in crate::loader) flight: u64,
    pub(in crate::loader) object: Key,
    pub(in crate::loader) spans: Vec<Span>,
    pub(in crate::loader) stop: Stop,
}

enum Cargo {
    /// One per span.
    Chunks(Vec<ChunkKey>),
    Index(IndexId),
}

/// A request that was made.
pub(super) struct Flight {
    pub(super) image: Image,
    cargo: Cargo,
    pub(super) stop: Stop,
    pub(super) low: bool,
    /// Bytes that something visible waits for.
    pub(super) visible: u64,
    /// When it is given up, if the place does not do so itself.
    pub(super) overdue: Instant,
}

/// An index that chunks wait for. There is one flight for all of them.
pub(super) struct IndexJob {
    waiting: Vec<ChunkKey>,
    flight: u64,
}

impl Queue {
    /// Chunks of `image` were found. Gives the requests that bring them, or the indices that they need.
    pub(in crate::loader) fn launch(&mut self, image: &Image, found: Vec<(ChunkKey, Where)>, now: Instant) -> Vec<Request> {
        let mut objects: BTreeMap<Key, Vec<(ChunkKey, Span, u64)>> = BTreeMap::new();
        let mut requests = Vec::new();
        for (key, at) in found {
            match self.jobs.get(&key) {
                // Nobody waited while it was looked up.
                Some(job) if job.waiting.is_empty() => {
                    self.drop_job(&key);
                    self.health.unproven(key.image);
                    continue;
                }
                Some(_) => {}
                None => continue,
            }
            match at {
                Where::Bytes { object, span, bytes } => objects.entry(object).or_default().push((key, span, bytes)),
                Where::Index { index, object, span } => {
                    let id = (key.image, index);
                    let low = self.jobs.get(&key).is_some_and(|job| job.low);
                    self.put_back(&key, true);
                    self.ready.pop_back();
                    if let Some(job) = self.jobs.get_mut(&key) {
                        job.state = State::AwaitsIndex(id);
                    }
                    if let Some(waits) = self.indices.get_mut(&id) {
                        waits.waiting.push(key);
                        continue;
                    }
                    // What it leads to is not known yet, and is to find the link free.
                    let visible = if self.is_visible(&key) { LINK_BYTES } else { 0 };
                    let (flight, stop) = self.take_off(image, Cargo::Index(id), (low, visible), 0, now);
                    self.indices.insert(id, IndexJob { waiting: vec![key], flight });
                    requests.push(Request { flight, object, spans: vec![span], stop });
                }
            }
        }
        for (object, chunks) in objects {
            let keys: Vec<ChunkKey> = chunks.iter().map(|(key, ..)| *key).collect();
            let bytes = chunks.iter().map(|(_, _, bytes)| bytes).sum();
            let low = keys.iter().all(|key| self.jobs.get(key).is_some_and(|job| job.low));
            let visible = if keys.iter().any(|key| self.is_visible(key)) { bytes } else { 0 };
            let (flight, stop) = self.take_off(image, Cargo::Chunks(keys.clone()), (low, visible), bytes, now);
            for key in &keys {
                if let Some(job) = self.jobs.get_mut(key) {
                    job.state = State::Fetching(flight);
                }
            }
            requests.push(Request { flight, object, spans: chunks.into_iter().map(|(_, span, _)| span).collect(), stop });
        }
        requests
    }

    fn is_visible(&self, key: &ChunkKey) -> bool {
        self.jobs.get(key).is_some_and(|job| job.class() == Class::Visible)
    }

    fn take_off(&mut self, image: &Image, cargo: Cargo, (low, visible): (bool, u64), bytes: u64, now: Instant) -> (u64, Stop) {
        self.next_flight += 1;
        let stop = Stop::new();
        // Places give up by themselves, and say more about it; this is for those that never answer.
        let overdue = now + 3 * patience(bytes);
        let flight = Flight { image: image.clone(), cargo, stop: stop.clone(), low, visible, overdue };
        self.flights.insert(self.next_flight, flight);
        (self.next_flight, stop)
    }

    /// A chunk does not wait for its flight any more; if none does, it is called off.
    pub(super) fn leave_flight(&mut self, id: u64) {
        let Some(flight) = self.flights.get(&id) else { return };
        let Cargo::Chunks(keys) = &flight.cargo else { return };
        let waits = |key: &ChunkKey| self.jobs.get(key).is_some_and(|j| matches!(j.state, State::Fetching(f) if f == id));
        if !keys.iter().any(waits)
            && let Some(flight) = self.flights.remove(&id)
        {
            self.health.unproven(flight.image.info.id);
            self.effects.stops.push(flight.stop);
        }
    }

    /// A chunk does not wait for its shard's index any more; if none does, it is called off.
    pub(super) fn leave_index(&mut self, id: IndexId) {
        let Some(index) = self.indices.get(&id) else { return };
        let waits = |key: &ChunkKey| self.jobs.get(key).is_some_and(|j| matches!(j.state, State::AwaitsIndex(i) if i == id));
        if !index.waiting.iter().any(waits)
            && let Some(index) = self.indices.remove(&id)
            && let Some(flight) = self.flights.remove(&index.flight)
        {
            self.health.unproven(flight.image.info.id);
            self.effects.stops.push(flight.stop);
        }
    }

    /// A flight has ended.
    pub(super) fn land(&mut self, id: u64, answer: Answer) {
        // One that was called off is not known any more.
        let Some(flight) = self.flights.remove(&id) else { return };
        let failed = |error: crate::place::PlaceError| match error.kind {
            PlaceErrorKind::Stopped => ReadError::new(ReadErrorKind::Source, "the place stopped without being told to"),
            _ => ReadError::from(error),
        };
        let fewer = || ReadError::new(ReadErrorKind::Source, "the place gave less than it was asked for");
        match (flight.cargo, answer) {
            (Cargo::Chunks(keys), Ok(blobs)) => {
                let mut blobs = blobs.map(Vec::into_iter);
                for key in keys {
                    let bytes = match &mut blobs {
                        None => Ok(None),
                        Some(blobs) => blobs.next().map(|blob| Some(blob.bytes)).ok_or_else(fewer),
                    };
                    let Some(job) = self.jobs.get_mut(&key).filter(|j| matches!(j.state, State::Fetching(f) if f == id)) else {
                        continue;
                    };
                    match bytes {
                        Ok(bytes) => {
                            job.state = State::Fetched(bytes);
                            self.fetched.push(key);
                        }
                        Err(error) => self.effects.lost.push((key, flight.image.clone(), error)),
                    }
                }
            }
            (Cargo::Chunks(keys), Err(error)) => {
                let error = failed(error);
                let waits = |key: &ChunkKey| self.jobs.get(key).is_some_and(|j| matches!(j.state, State::Fetching(f) if f == id));
                let lost: Vec<ChunkKey> = keys.into_iter().filter(waits).collect();
                self.effects.lost.extend(lost.into_iter().map(|key| (key, flight.image.clone(), error.clone())));
            }
            (Cargo::Index(index), Ok(None)) => self.learnt.push_back((index, flight.image, None)),
            (Cargo::Index(index), Ok(Some(blobs))) => match blobs.into_iter().next() {
                Some(blob) => self.learnt.push_back((index, flight.image, Some(blob.bytes))),
                None => self.lose_index(index, &flight.image, &fewer()),
            },
            (Cargo::Index(index), Err(error)) => self.lose_index(index, &flight.image, &failed(error)),
        }
    }

    /// An index was decoded: those who wait for it may go on.
    pub(in crate::loader) fn learnt(&mut self, index: IndexId, image: &Image, result: Result<(), ReadError>) {
        if let Err(error) = result {
            return self.lose_index(index, image, &error);
        }
        for key in self.indices.remove(&index).map(|i| i.waiting).unwrap_or_default() {
            if self.jobs.get(&key).is_some_and(|job| matches!(job.state, State::AwaitsIndex(i) if i == index)) {
                self.put_back(&key, true);
            }
        }
    }

    fn lose_index(&mut self, index: IndexId, image: &Image, error: &ReadError) {
        for key in self.indices.remove(&index).map(|i| i.waiting).unwrap_or_default() {
            if self.jobs.get(&key).is_some_and(|job| matches!(job.state, State::AwaitsIndex(i) if i == index)) {
                self.effects.lost.push((key, image.clone(), error.clone()));
            }
        }
    }

    /// Looks after what is overdue, and gives up what does not return: reads on threads, and flights of places that never answer. The
    /// threads that are lost.
    pub(in crate::loader) fn attend(&mut self, now: Instant) -> Vec<u32> {
        self.fall_due(now);
        let hung = |what: &str| ReadError::new(ReadErrorKind::Hung, format!("{what} and was given up: check its disk or server"));
        let is_late = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let workers: Vec<u32> = self.running.iter().filter(|(_, r)| is_late(r.overdue)).map(|(&worker, _)| worker).collect();
        for worker in &workers {
            let Some(running) = self.running.remove(worker) else { continue };
            if let Some(job) = self.jobs.get(&running.key) {
                if let State::Running(stop) = &job.state {
                    self.effects.stops.push(stop.clone());
                }
                self.effects.lost.push((running.key, job.image.clone(), hung("a read did not return")));
            }
        }
        let flights: Vec<u64> = self.flights.iter().filter(|(_, f)| f.overdue <= now).map(|(&id, _)| id).collect();
        for id in &flights {
            if let Some(flight) = self.flights.get(id) {
                self.effects.stops.push(flight.stop.clone());
            }
            let text = "its place did not answer and was given up: check the server";
            self.land(*id, Err(crate::place::PlaceError::new(PlaceErrorKind::Hung, text)));
        }
        self.counts.hung += (workers.len() + flights.len()) as u64;
        workers
    }
}
