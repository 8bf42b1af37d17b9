//! An engine without pictures.

use super::PATIENCE;
use nc_engine::api::data::{Blending, CanvasSize, DType, ImageId, Interpolation, Rect, Rendering, colormap};
use nc_engine::api::scene::{
    AppliedView, Axis, AxisKind, Dataset, Depiction, ImageInfo, LayerControls, LayerView, LevelInfo, OpSeq, PlanePose,
    SourceKind, Thumbnail,
};
use nc_engine::api::{OpTrace, Packet, ParameterSets, RawIntent, StreamConfig};
use nc_engine::places::Location;
use nc_engine::{OpenError, Selection};
use nc_protocol::extension::Latency;
use nc_server::Metrics;
use nc_server::engine::{Busy, Engine, LoadError, Prepared, Vitals};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// The parameter sets of the example in PROTOCOL §5.5.
const PARAMETER_SETS: (&[u8], &[u8]) = (
    &[
        0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf2,
        0x3c, 0x58, 0xba, 0x80,
    ],
    &[0x68, 0xce, 0x0f, 0xc8],
);

const CANVAS: CanvasSize = CanvasSize { width: 1280, height: 720 };

/// Takes intents and requests, and lets the test see them.
pub(crate) struct FakeEngine {
    view: Arc<AppliedView>,
    stream: Option<StreamConfig>,
    submitted: mpsc::Sender<RawIntent>,
    intents: tokio::sync::Mutex<mpsc::Receiver<RawIntent>>,
    pub(crate) idr_requests: watch::Sender<usize>,
    pub(crate) viewers: watch::Sender<usize>,
    pub(crate) hungry: watch::Sender<bool>,
    pub(crate) waits_since: watch::Sender<Option<Instant>>,
    pub(crate) traced: watch::Sender<Vec<OpTrace>>,
    opens: Box<Opens>,
}

/// What comes of opening a place.
type Opens = dyn Fn(&str) -> Result<Box<dyn Prepared>, LoadError> + Send + Sync;

impl FakeEngine {
    /// Shows a view; its stream is known.
    pub(crate) fn showing(view: AppliedView) -> Self {
        let (sps, pps) = PARAMETER_SETS;
        let parameter_sets = ParameterSets { sps: sps.to_vec(), pps: pps.to_vec() };
        Self::with(view, Some(StreamConfig { size: CANVAS, fps: 60.0, parameter_sets }), 16)
    }

    /// Shows nothing and encodes nothing.
    pub(crate) fn idle() -> Self {
        Self::with(view(None), None, 16)
    }

    /// Takes no more than `room` intents.
    pub(crate) fn with(view: AppliedView, stream: Option<StreamConfig>, room: usize) -> Self {
        let (submitted, intents) = mpsc::channel(room);
        Self {
            view: Arc::new(view),
            stream,
            submitted,
            intents: tokio::sync::Mutex::new(intents),
            idr_requests: watch::Sender::new(0),
            viewers: watch::Sender::new(0),
            hungry: watch::Sender::new(true),
            waits_since: watch::Sender::new(None),
            traced: watch::Sender::new(Vec::new()),
            opens: Box::new(|location| Err(OpenError::Missing { path: location.into() }.into())),
        }
    }

    /// Opens what `opens` opens.
    pub(crate) fn opening(self, opens: impl Fn(&str) -> Result<Box<dyn Prepared>, LoadError> + Send + Sync + 'static) -> Self {
        Self { opens: Box::new(opens), ..self }
    }

    /// The next intent that the server handed over.
    pub(crate) async fn intent(&self) -> RawIntent {
        tokio::time::timeout(PATIENCE, self.intents.lock().await.recv()).await.expect("an intent").unwrap()
    }

    /// The next intent, if the server handed one over.
    pub(crate) fn try_intent(&self) -> Option<RawIntent> {
        self.intents.try_lock().ok()?.try_recv().ok()
    }

    /// Waits until the encoder was asked for so many IDRs.
    pub(crate) async fn await_idr_requests(&self, requests: usize) {
        let mut seen = self.idr_requests.subscribe();
        tokio::time::timeout(PATIENCE, seen.wait_for(|&n| n == requests)).await.expect("requests").unwrap();
    }

    /// Waits until so many watch.
    pub(crate) async fn await_viewers(&self, viewers: usize) {
        let mut seen = self.viewers.subscribe();
        tokio::time::timeout(PATIENCE, seen.wait_for(|&n| n == viewers)).await.expect("viewers").unwrap();
    }
}

impl Engine for FakeEngine {
    fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        self.submitted.try_send(intent).map_err(|_| Busy)
    }

    fn request_idr(&self) {
        self.idr_requests.send_modify(|n| *n += 1);
    }

    fn set_viewers(&self, viewers: usize) {
        self.viewers.send_replace(viewers);
    }

    fn set_hungry(&self, hungry: bool) {
        self.hungry.send_replace(hungry);
    }

    fn viewer_waits_since(&self, since: Option<Instant>) {
        self.waits_since.send_replace(since);
    }

    fn traced(&self, ops: &[OpTrace]) {
        self.traced.send_modify(|traced| traced.extend_from_slice(ops));
    }

    fn vitals(&self, since: &[u64]) -> Vitals {
        let latency = Latency { p50_ms: 1.0, p99_ms: 2.0 };
        Vitals { stages: vec![("total", latency)], samples: vec![since.first().map_or(1, |n| n + 1)], ..Vitals::default() }
    }

    fn prepare(&self, location: &Location, _selection: &Selection) -> Result<Box<dyn Prepared>, LoadError> {
        (self.opens)(&location.redacted())
    }

    fn view(&self) -> Arc<AppliedView> {
        Arc::clone(&self.view)
    }

    fn stream(&self) -> Option<StreamConfig> {
        self.stream.clone()
    }

    fn metrics(&self) -> Metrics {
        Metrics { gauges: [("napari_cuda_test", 1.0)].into(), ..Metrics::default() }
    }
}

/// A z-stack of three levels whose sizes differ along every axis, with `channels` channels.
pub(crate) fn dataset(channels: u64) -> Arc<Dataset> {
    let axis = |name: &str, kind| Axis { name: name.to_owned(), kind, unit: None };
    let mut axes = vec![axis("z", AxisKind::Space), axis("y", AxisKind::Space), axis("x", AxisKind::Space)];
    let level = |n: u32| {
        let f = 1 << n;
        LevelInfo {
            path: n.to_string(),
            shape: vec![24, 512 / f, 768 / f],
            chunk: vec![1, 64, 64],
            scale: vec![2.0, 0.5 * f as f64, 0.5 * f as f64],
            translate: vec![0.0, 0.25 * (f - 1) as f64, 0.25 * (f - 1) as f64],
            ..LevelInfo::default()
        }
    };
    let mut levels: Vec<LevelInfo> = (0..3).map(level).collect();
    if channels > 1 {
        axes.insert(0, axis("c", AxisKind::Channel));
        for level in &mut levels {
            level.shape.insert(0, channels);
            level.chunk.insert(0, 1);
            level.scale.insert(0, 1.0);
            level.translate.insert(0, 0.0);
        }
    }
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(1),
        name: "cells".to_owned(),
        location: "/data/cells.ome.zarr".to_owned(),
        source: SourceKind::OmeZarr,
        ngff_version: Some("0.4".to_owned()),
        axes,
        dtype: DType::U16,
        levels,
        channels: vec![],
        default_z: None,
        default_t: None,
        warnings: vec![],
        ..ImageInfo::default()
    })))
}

/// A view of `dataset` at level 1; the idle scene without one.
pub(crate) fn view(dataset: Option<Arc<Dataset>>) -> AppliedView {
    let gray = colormap::named("gray").unwrap();
    let controls = LayerControls {
        visible: true,
        opacity: 0.8,
        blending: Blending::Opaque,
        interpolation: Interpolation::Linear,
        gamma: 1.0,
        colormap: gray,
        contrast_limits: (100.0, 4000.0),
        rendering: Rendering::Mip,
        depiction: Depiction::Volume,
        attenuation: 0.05,
        iso_threshold: 2050.0,
        sample_step: 1.0,
        contour: 0,
    };
    let layer = |spec: &Arc<nc_engine::api::scene::LayerSpec>| {
        let (controls, thumbnail) = (controls.clone(), Arc::new(Thumbnail::black()));
        Arc::new(LayerView { spec: spec.clone(), controls, thumbnail })
    };
    let rect = Rect { left: -0.25, bottom: -0.25, width: 384.0, height: 256.0 };
    AppliedView {
        epoch: 1,
        op: OpSeq(0),
        ndisplay: 2,
        order: (0..dataset.as_ref().map_or(2, |dataset| dataset.ndim())).collect(),
        step: dataset.as_ref().map_or_else(|| vec![0, 0], |dataset| dataset.initial_step()),
        level: usize::from(dataset.is_some()),
        downgraded: false,
        volume: None,
        plane: PlanePose { rect, zoom: 2.8125 },
        layers: dataset.iter().flat_map(|dataset| &dataset.layers).map(layer).collect(),
        canvas: CANVAS,
        dataset,
    }
}

/// An access unit of so many bytes.
pub(crate) fn packet(idr: bool, bytes: usize) -> Packet {
    Packet {
        avcc: vec![if idr { 0x65 } else { 0x41 }; bytes].into(),
        idr,
        size: CANVAS,
        wall: UNIX_EPOCH + Duration::from_secs(1_795_167_757),
        flip: true,
        op: OpSeq(0),
        ops: Vec::new(),
    }
}
