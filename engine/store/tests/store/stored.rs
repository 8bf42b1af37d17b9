//! A made-up image whose chunks lie in a place that can be told to fail: plain objects, or in shards with an index.

use crate::synthetic::{PATIENCE, info};
use bytes::Bytes;
use nc_core::data::{DType, MAX_AXES};
use nc_core::scene::ImageInfo;
use nc_store::place::failing::Script;
use nc_store::place::{Access, Done, Entry, Failing, Key, Memory, Place, PlaceError, Read, Span, Stop};
use nc_store::{Chunk, ChunkSource, Clock, Image, IndexKey, Locate, ReadError, ReadErrorKind, Scratch};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const EDGE: u64 = 256;
const CHUNK_BYTES: u64 = EDGE * EDGE;
/// Chunks along both axes of the image.
pub(crate) const GRID: u32 = 6;
/// What is not stored.
pub(crate) const FILL: u8 = 7;

/// Near objects that are read as if they were far.
struct AsFar(Arc<dyn Place>);

impl Place for AsFar {
    fn access(&self) -> Access {
        Access::Far { requests: 4 }
    }

    fn read_into(&self, key: &Key, span: &Span, stop: &Stop, into: &mut Vec<u8>) -> Result<Option<Read>, PlaceError> {
        self.0.read_into(key, span, stop, into)
    }

    fn fetch(&self, key: &Key, spans: &[Span], stop: &Stop, done: Done) {
        self.0.fetch(key, spans, stop, done);
    }

    fn list(&self, prefix: &Key, most: usize) -> Result<Vec<Entry>, PlaceError> {
        self.0.list(prefix, most)
    }

    fn redacted(&self) -> &str {
        self.0.redacted()
    }
}

/// The sum of bytes in the last one: what is flipped or cut is noticed.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(bytes.iter().fold(0, |sum, b| b.wrapping_add(sum)));
    bytes
}

fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (seal, rest) = bytes.split_last()?;
    (rest.iter().fold(0u8, |sum, b| b.wrapping_add(sum)) == *seal).then_some(rest)
}

pub(crate) fn sample(y: u64, x: u64) -> u8 {
    (10 + y * u64::from(GRID) + x) as u8
}

struct Source {
    place: Arc<dyn Place>,
    sharded: bool,
    /// Offsets within shards.
    indices: Mutex<HashMap<IndexKey, Vec<u8>>>,
}

impl ChunkSource for Source {
    fn locate(&self, _: usize, chunk: &[u64]) -> Result<Locate, ReadError> {
        let bytes = CHUNK_BYTES + 1;
        if !self.sharded {
            let object = Key::new(&format!("c/{}/{}", chunk[0], chunk[1]))?;
            return Ok(Locate::Fetch { object, span: Span::Whole, bytes });
        }
        let mut shard = [0; MAX_AXES];
        shard[0] = chunk[0] as u32;
        let (index, object) = (IndexKey { level: 0, shard }, Key::new(&format!("s/{}", chunk[0]))?);
        match self.indices.lock().unwrap().get(&index) {
            None => Ok(Locate::NeedIndex { index, object, span: Span::Last(u64::from(GRID) + 1) }),
            Some(places) => {
                let start = u64::from(places[chunk[1] as usize]) * bytes;
                Ok(Locate::Fetch { object, span: Span::Range(start..start + bytes), bytes })
            }
        }
    }

    fn place(&self) -> Option<&Arc<dyn Place>> {
        Some(&self.place)
    }

    fn learn(&self, index: IndexKey, bytes: Option<&[u8]>) -> Result<(), ReadError> {
        let places =
            bytes.and_then(unsealed).ok_or_else(|| ReadError::new(ReadErrorKind::Decode, "its shard's index is damaged"))?;
        self.indices.lock().unwrap().insert(index, places.to_vec());
        Ok(())
    }

    fn decode(&self, _: usize, _: &[u64], encoded: Option<&[u8]>, _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        let Some(encoded) = encoded else { return Chunk::absent(&[EDGE, EDGE], [FILL; 8]) };
        let bytes = unsealed(encoded).filter(|b| b.len() as u64 == CHUNK_BYTES);
        let bytes = bytes.ok_or_else(|| ReadError::new(ReadErrorKind::Decode, "wrong checksum"))?;
        Chunk::new(&[EDGE, EDGE], bytes.to_vec())
    }

    fn make(&self, _: usize, _: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        Err(ReadError::new(ReadErrorKind::Source, "it never said so"))
    }

    fn fill_value(&self, _: usize) -> f64 {
        f64::from(FILL)
    }
}

/// What is stored.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kept {
    Near,
    Far,
    FarShards,
}

/// An image of 6 x 6 chunks, each a tile, and what its place is told.
pub(crate) fn stored(kept: Kept) -> (Image, Script) {
    let chunk = |y: u64, x: u64| sealed(vec![sample(y, x); CHUNK_BYTES as usize]);
    let grid = u64::from(GRID);
    let objects: Vec<(Key, Bytes)> = if kept == Kept::FarShards {
        let shard = |y: u64| {
            // Last chunk first.
            let mut bytes: Vec<u8> = (0..grid).rev().flat_map(|x| chunk(y, x)).collect();
            bytes.extend(sealed((0..GRID as u8).rev().collect()));
            bytes
        };
        (0..grid).map(|y| (Key::new(&format!("s/{y}")).unwrap(), shard(y).into())).collect()
    } else {
        let key = |y: u64, x: u64| Key::new(&format!("c/{y}/{x}")).unwrap();
        (0..grid).flat_map(|y| (0..grid).map(move |x| (key(y, x), chunk(y, x).into()))).collect()
    };
    let script = Script::default();
    let failing: Arc<dyn Place> = Arc::new(Failing::new(Arc::new(Memory::new(objects)), script.clone()));
    let place = if kept == Kept::Near { failing } else { Arc::new(AsFar(failing)) };
    let mut info: ImageInfo = info(DType::U8, &[(&[grid * EDGE, grid * EDGE], &[EDGE, EDGE])]);
    info.levels[0].storage.shard = (kept == Kept::FarShards).then(|| vec![EDGE, grid * EDGE]);
    let source = Source { place, sharded: kept == Kept::FarShards, indices: Mutex::default() };
    (Image::from_source(Arc::new(info), Arc::new(source)), script)
}

/// A clock that tests move, by milliseconds.
pub(crate) fn clock() -> (Clock, impl Fn(u64)) {
    let now = Arc::new(Mutex::new(Instant::now()));
    let read = now.clone();
    (Arc::new(move || *read.lock().unwrap()), move |ms| *now.lock().unwrap() += Duration::from_millis(ms))
}

/// Looks again and again, and lets others work in between.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}
