//! Images made up for tests: every element's value follows from its place; reads can be counted, held up and made to fail.

use nc_core::data::{DType, ImageId, MAX_AXES, PlaneKey, TileKey};
use nc_core::scene::{Axis, AxisKind, ImageInfo, LevelInfo, SourceKind};
use nc_store::place::Stop;
use nc_store::{Arrival, Chunk, ChunkSource, Image, LoaderHandle, ReadError, Scratch, ViewId, Want};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What a [`Source`] says is its fill value at level 0; one more per level.
pub(crate) const FILL: f64 = 9.0;
/// A test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn info(dtype: DType, levels: &[(&[u64], &[u64])]) -> ImageInfo {
    let ndim = levels[0].0.len();
    let axis = |i: usize| Axis { name: format!("a{i}"), kind: AxisKind::Space, unit: None };
    let level = |(n, (shape, chunk)): (usize, &(&[u64], &[u64]))| LevelInfo {
        path: format!("s{n}"),
        shape: shape.to_vec(),
        chunk: chunk.to_vec(),
        scale: vec![1.0; ndim],
        translate: vec![0.0; ndim],
        ..LevelInfo::default()
    };
    ImageInfo {
        id: ImageId(7),
        name: "made up".into(),
        location: "/made/up.zarr".into(),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: (0..ndim).map(axis).collect(),
        dtype,
        levels: levels.iter().enumerate().map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    }
}

/// The number behind the element at a place; different for neighbours along every axis.
pub(crate) fn number(level: usize, at: &[u64]) -> u64 {
    at.iter().fold(level as u64 + 1, |h, &c| (h ^ c).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23))
}

/// `number` as an element of `dtype`: its bytes, and what it is drawn as.
pub(crate) fn element(dtype: DType, number: u64) -> (Vec<u8>, f32) {
    macro_rules! integer {
        ($t:ty) => {{
            let v = number as $t;
            (v.to_ne_bytes().to_vec(), v as f32)
        }};
    }
    let real = (number >> 40) as f64 / 1000.0 - 3000.0;
    match dtype {
        DType::Bool => (vec![(number & 1) as u8], (number & 1) as f32),
        DType::U8 => integer!(u8),
        DType::U16 => integer!(u16),
        DType::U32 => integer!(u32),
        DType::U64 => integer!(u64),
        DType::I8 => integer!(i8),
        DType::I16 => integer!(i16),
        DType::I32 => integer!(i32),
        DType::I64 => integer!(i64),
        DType::F16 => {
            let v = half::f16::from_f64(real);
            (v.to_ne_bytes().to_vec(), v.to_f32())
        }
        DType::F32 => ((real as f32).to_ne_bytes().to_vec(), real as f32),
        DType::F64 => (real.to_ne_bytes().to_vec(), real as f32),
    }
}

/// The chunk at `coords`, cut at the array's end or padded.
pub(crate) fn chunk(info: &ImageInfo, level: usize, coords: &[u64], padded: bool) -> Chunk {
    let l = &info.levels[level];
    let origin: Vec<u64> = coords.iter().zip(&l.chunk).map(|(c, n)| c * n).collect();
    let cut = |a: usize| if padded { l.chunk[a] } else { l.chunk[a].min(l.shape[a] - origin[a]) };
    let shape: Vec<u64> = (0..l.shape.len()).map(cut).collect();
    let mut bytes = Vec::new();
    for i in 0..shape.iter().product::<u64>() {
        let mut rest = i;
        let mut at = origin.clone();
        for a in (0..shape.len()).rev() {
            at[a] += rest % shape[a];
            rest /= shape[a];
        }
        bytes.extend(element(info.dtype, number(level, &at)).0);
    }
    Chunk::new(&shape, bytes).unwrap()
}

type Answer = dyn Fn(&ImageInfo, usize, &[u64], &dyn Fn() -> bool) -> Result<Option<Chunk>, ReadError> + Send + Sync;

/// Answers with a function, and notes who asked for what.
pub(crate) struct Source {
    pub(crate) info: Arc<ImageInfo>,
    pub(crate) reads: Mutex<Vec<(usize, Vec<u64>)>>,
    answer: Box<Answer>,
}

impl ChunkSource for Source {
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, stop: &Stop) -> Result<Chunk, ReadError> {
        self.reads.lock().unwrap().push((level, chunk.to_vec()));
        (self.answer)(&self.info, level, chunk, &|| stop.is_stopped())?.ok_or_else(ReadError::stopped)
    }

    fn fill_value(&self, level: usize) -> f64 {
        FILL + level as f64
    }
}

pub(crate) fn image(
    info: ImageInfo,
    answer: impl Fn(&ImageInfo, usize, &[u64], &dyn Fn() -> bool) -> Result<Option<Chunk>, ReadError> + Send + Sync + 'static,
) -> (Image, Arc<Source>) {
    let info = Arc::new(info);
    let source = Arc::new(Source { info: info.clone(), reads: Mutex::default(), answer: Box::new(answer) });
    (Image::from_source(info, source.clone()), source)
}

/// An image that just works.
pub(crate) fn sound(info: ImageInfo) -> (Image, Arc<Source>) {
    image(info, |info, level, at, _| Ok(Some(chunk(info, level, at, true))))
}

/// Stops those who pass until somebody lets them.
#[derive(Default)]
pub(crate) struct Gate {
    counts: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Gate {
    /// Called by the source: announces itself and waits for leave.
    pub(crate) fn pass(&self) {
        let mut counts = self.counts.lock().unwrap();
        counts.0 += 1;
        self.changed.notify_all();
        let (mut counts, timeout) = self.changed.wait_timeout_while(counts, PATIENCE, |c| c.1 == 0).unwrap();
        assert!(!timeout.timed_out(), "nobody opened the gate");
        counts.1 -= 1;
    }

    /// Waits until `n` have come to the gate in all.
    pub(crate) fn await_arrived(&self, n: usize) {
        let counts = self.counts.lock().unwrap();
        let (_counts, timeout) = self.changed.wait_timeout_while(counts, PATIENCE, |c| c.0 < n).unwrap();
        assert!(!timeout.timed_out(), "nobody came to the gate");
    }

    /// Lets `n` more pass.
    pub(crate) fn open(&self, n: usize) {
        self.counts.lock().unwrap().1 += n;
        self.changed.notify_all();
    }
}

/// Wants tiles of one image that the screen lacks. Waits until that is known.
pub(crate) fn want(loader: &LoaderHandle, view: ViewId, image: &Image, tiles: &[TileKey]) {
    let wants: Vec<Want> = tiles.iter().map(|&key| Want::visible(key)).collect();
    loader.want(view, std::slice::from_ref(image), &wants);
    loader.stats();
}

/// A view that waits for its wakes.
pub(crate) struct View {
    pub(crate) loader: LoaderHandle,
    pub(crate) id: ViewId,
    woken: Receiver<()>,
}

impl View {
    pub(crate) fn attach(loader: &LoaderHandle, id: u32) -> Self {
        let (wake, woken) = sync_channel(4096);
        loader.attach(ViewId(id), Arc::new(move || wake.try_send(()).unwrap_or_default()));
        Self { loader: loader.clone(), id: ViewId(id), woken }
    }

    /// Waits for the next wake.
    pub(crate) fn await_woken(&self) {
        self.woken.recv_timeout(PATIENCE).expect("woken");
    }

    /// Takes arrivals until there are `n`.
    pub(crate) fn take(&self, n: usize) -> Vec<Arrival> {
        let mut taken = self.loader.take_arrivals(self.id);
        while taken.len() < n {
            self.await_woken();
            taken.extend(self.loader.take_arrivals(self.id));
        }
        taken
    }
}

pub(crate) fn plane(level: u8, row_axis: u8, col_axis: u8, index: [u32; MAX_AXES]) -> PlaneKey {
    PlaneKey { image: ImageId(7), level, row_axis, col_axis, index }
}

pub(crate) fn tile(level: u8, ty: u32, tx: u32) -> TileKey {
    TileKey { plane: plane(level, 0, 1, [0; MAX_AXES]), ty, tx }
}
