//! Chunks of zarr arrays: where their bytes lie and how they decode.
//!
//! Lives here: the source of an image (this file), one of its levels (`level`), shards and their indices (`shards`).
//! The codec library reads nothing: it tells what metadata mean, and decodes what our own path does not.

mod level;
mod shards;

use crate::codec::Decoded;
use crate::image::{Chunk, ChunkSource, IndexKey, Locate, Part, ReadError, ReadErrorKind, Shape};
use crate::loader::Edge;
use crate::place::{Access, Key, Place, Span, Stop};
use crate::scratch::Scratch;
pub(super) use level::LevelReader;
use nc_core::data::{DType, MAX_AXES};
use shards::{Index, Indices};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The levels of an image in a place.
pub(super) struct ZarrSource {
    place: Arc<dyn Place>,
    levels: Vec<LevelReader>,
    indices: Indices,
    /// The first chunk that was not stored.
    absent: OnceLock<String>,
}

/// Where a chunk is, as far as is known.
enum Spot {
    Object(Key),
    Within(Key, Range<u64>),
    /// In a shard that it is known not to be in.
    Nowhere,
    /// In a shard whose index is not known.
    Unknown(IndexKey, Key),
}

impl ZarrSource {
    pub(super) fn new(place: Arc<dyn Place>, levels: Vec<LevelReader>) -> Self {
        Self { place, levels, indices: Indices::new(), absent: OnceLock::new() }
    }

    fn level(&self, level: usize) -> Result<&LevelReader, ReadError> {
        self.levels.get(level).ok_or_else(|| ReadError::new(ReadErrorKind::NoSuchPlane, "there is no such level"))
    }

    fn find(&self, level: usize, chunk: &[u64]) -> Result<Spot, ReadError> {
        let reader = self.level(level)?;
        let Some(shards) = &reader.shards else { return Ok(Spot::Object(reader.object(chunk)?)) };
        let (shard, at) = shards.locate(chunk);
        let key = index_key(level, &shard);
        let object = reader.object(&shard)?;
        Ok(match self.indices.get(&key) {
            None => Spot::Unknown(key, object),
            Some(index) => index.get(at).map_or(Spot::Nowhere, |range| Spot::Within(object, range)),
        })
    }

    /// Reads the bytes of a chunk into `into`; `false` if it is not stored.
    fn read(&self, level: usize, chunk: &[u64], stop: &Stop, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        into.clear();
        let mut spot = self.find(level, chunk)?;
        if let Spot::Unknown(key, object) = spot {
            let reader = self.level(level)?;
            let Some(shards) = &reader.shards else { return Ok(false) };
            let read = self.place.read_into(&object, &shards.index_span(), stop, into)?;
            let index = shards.decode(read.as_ref().map(|_| &into[..]))?;
            into.clear();
            let (_, at) = shards.locate(chunk);
            spot = index.get(at).map_or(Spot::Nowhere, |range| Spot::Within(object, range));
            // One that is not there is looked for again, which costs little here: it may be written yet.
            if read.is_some() {
                self.indices.insert(key, Arc::new(index));
            }
        }
        Ok(match spot {
            Spot::Object(object) => self.place.read_into(&object, &Span::Whole, stop, into)?.is_some(),
            Spot::Within(object, range) => self.place.read_into(&object, &Span::Range(range), stop, into)?.is_some(),
            Spot::Nowhere | Spot::Unknown(..) => false,
        })
    }

    fn note_absent(&self, level: usize, chunk: &[u64]) {
        self.absent.get_or_init(|| {
            let at = chunk.iter().map(u64::to_string).collect::<Vec<_>>().join("/");
            format!("chunk {at} of level {level}")
        });
    }

    /// After a failure a shard's index may be what is damaged or old: the next attempt reads it anew.
    fn anew_if_failed<T>(&self, level: usize, chunk: &[u64], result: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(error) = &result
            && matches!(error.kind, ReadErrorKind::Decode | ReadErrorKind::Short)
            && let Some(shards) = self.levels.get(level).and_then(|l| l.shards.as_ref())
        {
            self.indices.remove(&index_key(level, &shards.locate(chunk).0));
        }
        result
    }

    fn decoded(&self, level: usize, chunk: &[u64], encoded: Option<&[u8]>, scratch: &mut Scratch) -> Result<Chunk, ReadError> {
        let reader = self.level(level)?;
        match encoded {
            Some(encoded) => Chunk::new(reader.chunk(), reader.codec.decode(encoded, &mut scratch.tools)?),
            None => {
                self.note_absent(level, chunk);
                Chunk::absent(reader.chunk(), reader.fill_element)
            }
        }
    }
}

impl ChunkSource for ZarrSource {
    fn locate(&self, level: usize, chunk: &[u64]) -> Result<Locate, ReadError> {
        let near = matches!(self.place.access(), Access::Near);
        let reader = self.level(level)?;
        Ok(match self.find(level, chunk)? {
            Spot::Nowhere => Locate::Fill,
            _ if near => Locate::Make,
            // What it is compressed to is not known before it is there.
            Spot::Object(object) => Locate::Fetch { object, span: Span::Whole, bytes: reader.codec.bytes() as u64 },
            Spot::Within(object, range) => {
                let bytes = range.end - range.start;
                Locate::Fetch { object, span: Span::Range(range), bytes }
            }
            Spot::Unknown(index, object) => {
                let span = reader.shards.as_ref().map_or(Span::Whole, shards::Shards::index_span);
                Locate::NeedIndex { index, object, span }
            }
        })
    }

    fn place(&self) -> Option<&Arc<dyn Place>> {
        Some(&self.place)
    }

    fn learn(&self, index: IndexKey, bytes: Option<&[u8]>) -> Result<(), ReadError> {
        let shards = self.level(usize::from(index.level))?.shards.as_ref();
        let shards = shards.ok_or_else(|| ReadError::new(ReadErrorKind::Source, "the level has no shards"))?;
        let learnt: Index = shards.decode(bytes)?;
        self.indices.insert(index, Arc::new(learnt));
        Ok(())
    }

    fn decode(
        &self,
        level: usize,
        chunk: &[u64],
        encoded: Option<&[u8]>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Chunk, ReadError> {
        if stop.is_stopped() {
            return Err(ReadError::stopped());
        }
        let decoded = self.decoded(level, chunk, encoded, scratch);
        self.anew_if_failed(level, chunk, decoded)
    }

    fn make(&self, level: usize, chunk: &[u64], scratch: &mut Scratch, stop: &Stop) -> Result<Chunk, ReadError> {
        let mut encoded = std::mem::take(&mut scratch.encoded);
        let stored = self.read(level, chunk, stop, &mut encoded);
        let decoded = stored.and_then(|stored| {
            if stop.is_stopped() {
                return Err(ReadError::stopped());
            }
            self.decoded(level, chunk, stored.then_some(&encoded), scratch)
        });
        scratch.encoded = encoded;
        self.anew_if_failed(level, chunk, decoded)
    }

    fn part<'s>(
        &self,
        level: usize,
        chunk: &[u64],
        need: Range<usize>,
        scratch: &'s mut Scratch,
        stop: &Stop,
    ) -> Result<Part<'s>, ReadError> {
        let reader = self.level(level)?;
        let Scratch { encoded, tools, .. } = scratch;
        let stored = self.read(level, chunk, stop, encoded);
        let samples = stored.and_then(|stored| {
            if stop.is_stopped() {
                return Err(ReadError::stopped());
            }
            stored.then(|| reader.codec.decode_part(encoded, need, tools)).transpose()
        });
        let samples = self.anew_if_failed(level, chunk, samples)?;
        let absent = samples.is_none();
        if absent {
            self.note_absent(level, chunk);
        }
        let shape =
            Shape::new(reader.chunk()).ok_or_else(|| ReadError::new(ReadErrorKind::Source, "its chunks cannot be kept"))?;
        Ok(Part { shape, samples: samples.unwrap_or_else(|| Decoded::uniform(reader.fill_element)), absent })
    }

    fn regrown(&self, edges: &[Edge]) {
        self.indices.retain(|key| {
            !edges.iter().any(|edge| {
                let axis = usize::from(edge.axis);
                let shards = self.levels.get(usize::from(edge.level)).and_then(|level| level.shards.as_ref());
                let first = shards.and_then(|shards| shards.along(axis, edge.from));
                key.level == edge.level && first.is_some_and(|first| key.shard[axis] >= first)
            })
        });
    }

    fn absent(&self) -> Option<String> {
        self.absent.get().cloned()
    }

    fn fill_value(&self, level: usize) -> f64 {
        self.levels.get(level).map_or(0.0, |level| level.fill_value)
    }
}

fn index_key(level: usize, shard: &[u64]) -> IndexKey {
    let mut at = [0; MAX_AXES];
    at.iter_mut().zip(shard).for_each(|(to, &from)| *to = from as u32);
    IndexKey { level: level as u8, shard: at }
}

/// The element of `dtype` that these bytes are, if it has as many. 64-bit integers are rounded.
fn number(dtype: DType, bytes: &[u8]) -> Option<f64> {
    fn element<const SIZE: usize>(bytes: &[u8], convert: impl Fn([u8; SIZE]) -> f64) -> Option<f64> {
        bytes.try_into().ok().map(convert)
    }
    match dtype {
        DType::Bool | DType::U8 => element(bytes, |[b]: [u8; 1]| f64::from(b)),
        DType::I8 => element(bytes, |b| f64::from(i8::from_ne_bytes(b))),
        DType::U16 => element(bytes, |b| f64::from(u16::from_ne_bytes(b))),
        DType::I16 => element(bytes, |b| f64::from(i16::from_ne_bytes(b))),
        DType::F16 => element(bytes, |b| half::f16::from_ne_bytes(b).to_f64()),
        DType::U32 => element(bytes, |b| f64::from(u32::from_ne_bytes(b))),
        DType::I32 => element(bytes, |b| f64::from(i32::from_ne_bytes(b))),
        DType::F32 => element(bytes, |b| f64::from(f32::from_ne_bytes(b))),
        DType::U64 => element(bytes, |b| u64::from_ne_bytes(b) as f64),
        DType::I64 => element(bytes, |b| i64::from_ne_bytes(b) as f64),
        DType::F64 => element(bytes, f64::from_ne_bytes),
    }
}
