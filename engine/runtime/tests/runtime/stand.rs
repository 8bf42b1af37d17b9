//! A stand for the render loop: a made-up pyramid, a tile source that does what it is told, and a device that takes notes.

use nc_core::control::{Context, Intent, bootstrap, reduce};
use nc_core::data::{
    Brick, BrickKey, CanvasSize, DType, DeviceMemory, ImageId, PlaneKey, Samples, SpareSamples, TILE, Tile, TileKey, VolumeKey,
};
use nc_core::exchange::SharedLedger;
use nc_core::ledger::{AppliedBatch, Ledger, Seed};
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use nc_gpu::api::{CapturedFrame, DeviceError, DeviceInfo, DeviceKind, FrameFormat, RenderDevice, SlicePass, VolumePass};
use nc_runtime::TileSource;
use nc_store::{Arrival, Goal, Outlook, Overview, Want};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The canvas of every test.
pub(crate) const CANVAS: CanvasSize = CanvasSize { width: 512, height: 512 };

/// Bytes of a whole tile.
pub(crate) const TILE_BYTES: u64 = (TILE * TILE) as u64;

/// `channels` layers of eight 8-bit slices, 2048 samples a side, with levels of a half and a quarter: the quarter fills the canvas.
pub(crate) fn dataset(channels: u64) -> Arc<Dataset> {
    let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
    let level = |n: u32| LevelInfo {
        path: n.to_string(),
        shape: vec![channels, 8, 2048 >> n, 2048 >> n],
        chunk: vec![1, 1, 256, 256],
        scale: vec![1.0, 1.0, f64::from(1u32 << n), f64::from(1u32 << n)],
        translate: vec![0.0, 0.0, f64::from((1u32 << n) - 1) / 2.0, f64::from((1u32 << n) - 1) / 2.0],
        ..LevelInfo::default()
    };
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(3),
        name: "made up".into(),
        location: "made up".into(),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: vec![
            axis("c", AxisKind::Channel),
            axis("z", AxisKind::Space),
            axis("y", AxisKind::Space),
            axis("x", AxisKind::Space),
        ],
        dtype: DType::U8,
        levels: (0..3).map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    })))
}

/// A ledger of `dataset`, with contrast limits of the whole 8-bit range.
pub(crate) fn ledger(dataset: Arc<Dataset>) -> SharedLedger {
    SharedLedger::new(Ledger::new(seed(dataset)).unwrap())
}

pub(crate) fn seed(dataset: Arc<Dataset>) -> Seed {
    let windows = vec![(0.0, 255.0); dataset.layers.len()];
    Seed { most_canvas: CanvasSize { width: 3840, height: 2160 }, ..bootstrap::seed(dataset, CANVAS, &windows) }
}

/// Does what the control thread does with an intent.
pub(crate) fn intend(ledger: &SharedLedger, now: Instant, scope: &str, target: &str, key: &str, value: Value) {
    let intent = Intent::parse(scope, target, key, &value).unwrap();
    let cx = Context { state: &ledger.state(), announced: &ledger.view() };
    let reduced = reduce(cx, intent, None).unwrap();
    ledger.commit_intent(reduced.batch, reduced.motion, now, now).unwrap();
}

/// The value of every sample of a plane: its level and slice.
pub(crate) fn shade(plane: &PlaneKey) -> u8 {
    (200 - 50 * plane.level).wrapping_add(plane.index[1] as u8)
}

/// A tile of one shade; every level is a multiple of the tile's size.
pub(crate) fn tile(key: &TileKey) -> Tile {
    Tile { width: TILE, height: TILE, samples: Samples::U8(vec![shade(&key.plane); (TILE * TILE) as usize].into()) }
}

/// An overview of one shade.
pub(crate) fn overview(plane: &PlaneKey) -> Overview {
    Overview { width: 32, height: 32, samples: vec![f32::from(shade(plane)); 32 * 32] }
}

/// A brick of one shade: its level and its index along the first axis.
pub(crate) fn brick(dataset: &Dataset, key: &BrickKey) -> Brick {
    let shape = &dataset.image.levels[usize::from(key.volume.level)].shape;
    let size = key.size(key.volume.axes.map(|axis| shape[usize::from(axis)] as u32)).unwrap();
    let value = 10 * key.volume.level + key.volume.index[0] as u8;
    Brick::new(size, Samples::U8(vec![value; size.iter().product::<u32>() as usize].into())).unwrap()
}

/// A tile source that holds what the test gives it and notes what it is asked for. Clones share.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<ShelfState>>, Option<Arc<Dataset>>);

type Choice = Box<dyn Fn(&TileKey) -> bool + Send>;
type BrickChoice = Box<dyn Fn(&BrickKey) -> bool + Send>;

#[derive(Default)]
struct ShelfState {
    /// Which tiles are decoded already.
    decoded: Option<Choice>,
    /// Which bricks are; if nobody says otherwise those of level 2.
    decoded_bricks: Option<BrickChoice>,
    cache_bytes: u64,
    wants: Vec<Vec<TileKey>>,
    /// The last list as it was.
    last: Vec<Want>,
    /// Tiles that were looked for among the decoded ones.
    tried: Vec<TileKey>,
    overviews: Vec<PlaneKey>,
}

impl Shelf {
    /// From now on these are decoded already.
    pub(crate) fn decode(&self, which: impl Fn(&TileKey) -> bool + Send + 'static) {
        self.0.lock().unwrap().decoded = Some(Box::new(which));
    }

    /// Of these data.
    pub(crate) fn of(dataset: Arc<Dataset>) -> Self {
        Self(Arc::default(), Some(dataset))
    }

    /// From now on these are decoded already.
    pub(crate) fn decode_bricks(&self, which: impl Fn(&BrickKey) -> bool + Send + 'static) {
        self.0.lock().unwrap().decoded_bricks = Some(Box::new(which));
    }

    /// It says that it has a cache of so many bytes.
    pub(crate) fn set_cache(&self, bytes: u64) {
        self.0.lock().unwrap().cache_bytes = bytes;
    }

    /// The lists of wanted tiles since the last call.
    pub(crate) fn take_wants(&self) -> Vec<Vec<TileKey>> {
        std::mem::take(&mut self.0.lock().unwrap().wants)
    }

    /// The list that was sent last.
    pub(crate) fn last_wants(&self) -> Vec<Want> {
        self.0.lock().unwrap().last.clone()
    }

    /// The tiles that were looked for among the decoded ones since the last call.
    pub(crate) fn take_tried(&self) -> Vec<TileKey> {
        std::mem::take(&mut self.0.lock().unwrap().tried)
    }

    /// The overviews asked for since the last call.
    pub(crate) fn take_overviews(&self) -> Vec<PlaneKey> {
        std::mem::take(&mut self.0.lock().unwrap().overviews)
    }
}

impl TileSource for Shelf {
    fn resident(&self, key: &TileKey, _spare: &mut SpareSamples) -> Option<Tile> {
        let mut state = self.0.lock().unwrap();
        state.tried.push(*key);
        state.decoded.as_ref().is_some_and(|which| which(key)).then(|| tile(key))
    }

    fn resident_brick(&self, key: &BrickKey) -> Option<Brick> {
        let state = self.0.lock().unwrap();
        let decoded = state.decoded_bricks.as_ref().map_or(key.volume.level == 2, |which| which(key));
        self.1.as_ref().filter(|_| decoded).map(|dataset| brick(dataset, key))
    }

    fn outlook(&self) -> Outlook {
        Outlook { cache_bytes: self.0.lock().unwrap().cache_bytes, ..Outlook::default() }
    }

    fn want(&self, wants: &[Want]) {
        let mut state = self.0.lock().unwrap();
        let ahead = wants.iter().any(|want| matches!(want.goal, Goal::Warm(_)));
        assert!(state.cache_bytes > 0 || !ahead, "without a cache nothing is asked for ahead");
        let tile = |want: &Want| if let Goal::Tile(key) = want.goal { Some(key) } else { None };
        state.wants.push(wants.iter().filter_map(tile).collect());
        state.last = wants.to_vec();
    }

    fn request_overview(&self, plane: PlaneKey, _max_edge: u32) {
        self.0.lock().unwrap().overviews.push(plane);
    }

    fn take_arrivals(&self) -> Vec<Arrival> {
        Vec::new()
    }
}

/// A device that draws nothing and notes everything.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) resident: HashSet<TileKey>,
    pub(crate) uploads: usize,
    pub(crate) evicted: Vec<TileKey>,
    pub(crate) passes: Vec<SlicePass>,
    pub(crate) volumes: Vec<VolumePass>,
    pub(crate) bricks: HashSet<BrickKey>,
    pub(crate) brick_uploads: usize,
    pub(crate) evicted_volumes: Vec<VolumeKey>,
    /// The next draw fails.
    pub(crate) fail_draw: bool,
    /// The next upload fails.
    pub(crate) fail_upload: bool,
}

impl RenderDevice for Recorder {
    fn info(&self) -> DeviceInfo {
        DeviceInfo { kind: DeviceKind::Cpu, description: "takes notes".into(), memory: DeviceMemory::Host, texture_edge_3d: None }
    }

    fn upload(&mut self, key: TileKey, _tile: &Tile) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.fail_upload) {
            return Err(DeviceError::Lost("told to".into()));
        }
        self.resident.insert(key);
        self.uploads += 1;
        Ok(())
    }

    fn evict(&mut self, key: &TileKey) -> Option<Samples> {
        assert!(self.resident.remove(key), "{key:?} is not on the device");
        self.evicted.push(*key);
        None
    }

    fn draw_slice(&mut self, pass: &SlicePass) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.fail_draw) {
            return Err(DeviceError::Lost("told to".into()));
        }
        self.passes.push(pass.clone());
        Ok(())
    }

    fn upload_brick(&mut self, key: BrickKey, shape: [u32; 3], brick: &Brick) -> Result<(), DeviceError> {
        assert_eq!(key.size(shape), Some(brick.size()));
        if std::mem::take(&mut self.fail_upload) {
            return Err(DeviceError::Lost("told to".into()));
        }
        self.bricks.insert(key);
        self.brick_uploads += 1;
        Ok(())
    }

    fn evict_volume(&mut self, key: &VolumeKey) {
        let before = self.bricks.len();
        self.bricks.retain(|brick| brick.volume != *key);
        assert!(self.bricks.len() < before, "{key:?} is not on the device");
        self.evicted_volumes.push(*key);
    }

    fn draw_volume(&mut self, pass: &VolumePass) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.fail_draw) {
            return Err(DeviceError::Lost("told to".into()));
        }
        for layer in &pass.layers {
            let shape = layer.axes.map(|axis| axis.len);
            assert!(BrickKey::all(layer.key, shape).all(|key| self.bricks.contains(&key)), "{:?} is not whole", layer.key);
        }
        self.volumes.push(pass.clone());
        Ok(())
    }

    fn capture(&mut self, _format: FrameFormat) -> Result<CapturedFrame, DeviceError> {
        Err(DeviceError::Refused("there is no picture".into()))
    }

    fn read_rgba(&mut self) -> Result<Vec<u8>, DeviceError> {
        Err(DeviceError::Refused("there is no picture".into()))
    }
}

/// What a batch writes, without the snapshot it was planned from.
pub(crate) fn summary(batch: &AppliedBatch) -> String {
    let text = format!("{batch:?}");
    let writes = text.find(", camera: ").unwrap();
    text[writes..].to_owned()
}
