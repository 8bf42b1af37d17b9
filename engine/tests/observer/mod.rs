//! A client without a network: it takes what a session tells, decodes the packets, and compares with a picture of its own.

use nc_core::data::{
    BrickKey, CanvasSize, ColorRange, Coloring, FILTER_MARGIN, Footprint, MAX_AXES, TileKey, Transfer, VolumeKey, turntable,
};
use nc_core::scene::{AppliedView, Dataset, LayerView, OpSeq};
use nc_engine::api::{ClientId, Event, Packet, RawIntent, Sink};
use nc_engine::{Engine, Image, Session, SessionConfig, ViewPolicy};
use nc_gpu::api::{
    CapturedFrame, FrameFormat, RenderDevice, SampleAxis, SliceLayer, SlicePass, SlicePlane, VolumeLayer, VolumePass, VolumeView,
};
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_gpu::testing::{Decoded, Decoder};
use nc_store::{Arrival, Class, Goal, Loader, LoaderConfig, ViewId, Want};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const RANGE: ColorRange = ColorRange::Full;

enum Told {
    Event(Event),
    Packet(Packet),
}

struct Collector(SyncSender<Told>);

impl Sink for Collector {
    fn event(&self, event: Event) {
        // The observer may be gone already.
        let _ = self.0.try_send(Told::Event(event));
    }
    fn packet(&self, packet: Packet) {
        let _ = self.0.try_send(Told::Packet(packet));
    }
}

/// What was said, in order: acks with whether the intent was accepted, and ops that were announced as applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Ack(String, bool),
    Applied(u64),
}

/// How near a decoded picture is to the reference, as peak signal to noise ratios.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) luma_db: f64,
    pub(crate) chroma_db: f64,
}

pub(crate) struct Observer {
    session: Session,
    image: Option<Image>,
    told: Receiver<Told>,
    decoder: Option<Decoder>,
    picture: Option<Decoded>,
    /// Whether the last packet says that its picture is to be turned over.
    flip: bool,
    idrs: u64,
    /// Intents sent, and those accepted: ops.
    sent: u64,
    accepted: u64,
    answered: u64,
    applied: OpSeq,
    /// Epochs that were told as new.
    epochs: Vec<u64>,
    said: Vec<Said>,
    refusals: Vec<(String, String, String)>,
    warnings: Vec<String>,
    acks: Vec<Event>,
    packets: u64,
    /// Size of the pictures that the stream was last said to have.
    streamed: Option<CanvasSize>,
}

impl Observer {
    /// Starts a session on `image` and watches it.
    pub(crate) fn start(engine: &Engine, image: Image, canvas: CanvasSize) -> Self {
        Self::observe(engine, Some(image), canvas)
    }

    /// Starts a session on nothing and watches it.
    pub(crate) fn idle(engine: &Engine, canvas: CanvasSize) -> Self {
        Self::observe(engine, None, canvas)
    }

    fn observe(engine: &Engine, image: Option<Image>, canvas: CanvasSize) -> Self {
        let (tell, told) = sync_channel(1 << 16);
        let config = SessionConfig {
            canvas,
            fps: 60.0,
            bitrate: 12_000_000,
            range: RANGE,
            encode_threads: 2,
            view: ViewPolicy::default(),
            watch: true,
            turning: 0.0,
        };
        let session = engine.start(image.clone(), config, Arc::new(Collector(tell))).unwrap();
        session.set_viewers(1);
        session.request_idr();
        Self {
            applied: session.view().op,
            session,
            image,
            told,
            decoder: None,
            picture: None,
            flip: false,
            idrs: 0,
            sent: 0,
            accepted: 0,
            answered: 0,
            epochs: Vec::new(),
            said: Vec::new(),
            refusals: Vec::new(),
            warnings: Vec::new(),
            acks: Vec::new(),
            packets: 0,
            streamed: None,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The last decoded picture.
    pub(crate) fn picture(&self) -> &Decoded {
        self.picture.as_ref().expect("a picture was awaited")
    }

    /// Whether the last picture is to be turned over, and how many IDRs came so far.
    pub(crate) fn flip_and_idrs(&self) -> (bool, u64) {
        (self.flip, self.idrs)
    }

    pub(crate) fn warnings(&self) -> usize {
        self.warnings.len()
    }

    /// What was said until now.
    pub(crate) fn said(&self) -> Vec<Said> {
        self.said.clone()
    }

    /// Sends an intent; returns its id.
    pub(crate) fn intend(&mut self, scope: &str, target: &str, key: &str, value: Value) -> String {
        self.sent += 1;
        let intent_id = format!("intent-{}", self.sent);
        let intent = RawIntent {
            client: ClientId(1),
            intent_id: intent_id.clone(),
            scope: scope.into(),
            target: target.into(),
            key: key.into(),
            value,
            received: Instant::now(),
        };
        self.session.submit(intent).unwrap();
        intent_id
    }

    /// Shows another image in the session, after all that was intended before.
    pub(crate) fn load(&mut self, image: Image) {
        self.session.prepare_image(image.clone(), Instant::now()).unwrap().show();
        self.image = Some(image);
        // An op of its own.
        self.accepted += 1;
    }

    /// Epochs that were told as new, by now.
    pub(crate) fn epochs(&self) -> &[u64] {
        &self.epochs
    }

    /// Waits until nobody but the test holds `token`.
    pub(crate) fn until_released(&mut self, token: &Arc<()>) {
        // Packets come at least every second.
        self.until(|_| Arc::strong_count(token) == 1);
    }

    /// As a client that has just come: what was decoded so far is gone.
    pub(crate) fn forget_stream(&mut self) {
        (self.decoder, self.picture) = (None, None);
    }

    fn take(&mut self) {
        match self.told.recv_timeout(PATIENCE).expect("nothing was told for long") {
            Told::Packet(packet) => {
                assert_eq!(
                    self.streamed,
                    Some(packet.size),
                    "the stream's configuration comes before the first packet that needs it"
                );
                self.packets += 1;
                self.idrs += u64::from(packet.idr);
                self.flip = packet.flip;
                if packet.idr && self.decoder.is_none() {
                    self.decoder = Some(Decoder::open());
                }
                if let Some(decoder) = &mut self.decoder {
                    self.picture = Some(decoder.decode(&packet.avcc));
                }
            }
            Told::Event(event) => self.hear(event),
        }
    }

    fn hear(&mut self, event: Event) {
        match &event {
            Event::Ack { intent_id, outcome, .. } => {
                self.answered += 1;
                self.accepted += u64::from(outcome.is_ok());
                self.said.push(Said::Ack(intent_id.clone(), outcome.is_ok()));
                if let Err(refused) = outcome {
                    self.refusals.push((intent_id.clone(), refused.code.to_owned(), refused.message.clone()));
                }
                self.acks.push(event);
            }
            Event::Applied(applied) => {
                self.applied = applied.view.op;
                if applied.dataset {
                    self.epochs.push(applied.view.epoch);
                }
                self.said.push(Said::Applied(applied.view.op.0));
            }
            Event::Warning { message, .. } => self.warnings.push(message.clone()),
            Event::Stream(config) => self.streamed = Some(config.size),
            Event::CameraEcho { .. } | Event::Level(_) => {}
        }
    }

    /// Takes what is told until `enough`.
    fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < deadline, "it did not come about");
            self.take();
        }
    }

    /// Waits until every intent is answered and every accepted one applied.
    pub(crate) fn await_applied(&mut self) {
        self.until(|o| o.answered == o.sent);
        let accepted = OpSeq(self.accepted);
        self.until(|o| o.session.view().op == accepted);
    }

    /// Waits until pictures of that size come, and forgets those before.
    pub(crate) fn await_canvas(&mut self, size: CanvasSize) {
        self.until(|o| o.session.view().canvas == size && o.streamed == Some(size));
        self.forget_stream();
        self.session.request_idr();
    }

    /// Waits for the refusal of an intent; returns its code and message.
    pub(crate) fn await_refusal(&mut self, id: &str) -> (String, String) {
        self.until(|o| o.said.iter().any(|said| matches!(said, Said::Ack(ack, _) if ack == id)));
        let refusal = self.refusals.iter().find(|(refused, ..)| refused == id);
        refusal.map(|(_, code, message)| (code.clone(), message.clone())).expect("it is refused")
    }

    /// Waits for that many warnings and gives all that came.
    pub(crate) fn await_warnings(&mut self, count: usize) -> Vec<String> {
        self.until(|o| o.warnings.len() >= count);
        self.warnings.clone()
    }

    /// Waits for an ack; nothing but events may have come.
    pub(crate) fn await_ack_only(&mut self) -> Event {
        self.until(|o| !o.acks.is_empty());
        assert_eq!(self.packets, 0);
        self.acks.remove(0)
    }

    /// Waits until the decoded luma at an encoded row and column is about that of a gray.
    pub(crate) fn await_color(&mut self, row: u32, column: u32, gray: [u8; 3]) {
        self.until(|o| {
            let at = |p: &Decoded| p.y[(row * p.size.width + column) as usize].abs_diff(gray[0]) <= 4;
            o.picture.as_ref().is_some_and(at)
        });
    }

    /// Waits until the decoded picture is that of the session's view, at 35 dB or better in every plane.
    pub(crate) fn await_picture(&mut self) -> Quality {
        let mut view = self.session.view();
        let mut frame = reference(self.image.as_ref().expect("an image"), &view);
        let (deadline, mut best) = (Instant::now() + PATIENCE, None);
        while Instant::now() < deadline {
            if self.session.view().level != view.level {
                // A finer one has come.
                view = self.session.view();
                frame = reference(self.image.as_ref().expect("an image"), &view);
            }
            if let Some(quality) = self.picture.as_ref().map(|picture| compare(picture, &frame)) {
                if quality.luma_db >= 35.0 && quality.chroma_db >= 35.0 {
                    return quality;
                }
                best = Some(quality);
            }
            self.take();
        }
        panic!("the picture did not come: {best:?}");
    }
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1e-9)).log10()
}

fn compare(picture: &Decoded, frame: &CapturedFrame) -> Quality {
    assert_eq!(picture.size, frame.size);
    let planes = frame.data.i420();
    Quality { luma_db: psnr(&picture.y, planes.y), chroma_db: psnr(&picture.u, planes.u).min(psnr(&picture.v, planes.v)) }
}

/// The picture of a view with everything loaded, made apart from the session.
fn reference(image: &Image, view: &AppliedView) -> CapturedFrame {
    let dataset = view.dataset.as_ref().expect("a dataset");
    if view.ndisplay == 3 {
        return volume(image, dataset, view);
    }
    let (row, col) = view.plane_dims();
    let shown = view.plane.rect.expanded_to(view.canvas);
    let mut device = CpuDevice::new(view.canvas, CpuOptions { simd: false, threads: 1 });
    let mut layers = Vec::new();
    for layer in view.layers.iter().filter(|layer| layer.controls.visible) {
        let own = dataset.layer_image(&layer.spec);
        let level = own.level_for(view.level, &[row, col]);
        let Some(key) = own.plane(level, row, col, &view.step) else { continue };
        let [x, y] = [col, row].map(|dim| own.sample_axis(level, dim).unwrap());
        let tiles = Footprint::of(shown, x, y, FILTER_MARGIN).tiles(usize::MAX).into_iter().map(|(ty, tx)| TileKey {
            plane: key,
            ty,
            tx,
        });
        load(image.find(key.image).unwrap(), &tiles.map(Goal::Tile).collect::<Vec<_>>(), &mut device);
        layers.push(slice_layer(layer, SlicePlane { key, x, y }));
    }
    device.draw_slice(&SlicePass { canvas: view.canvas, view: shown, layers }).unwrap();
    device.capture(FrameFormat::I420 { range: RANGE }).unwrap()
}

fn volume(image: &Image, dataset: &Dataset, view: &AppliedView) -> CapturedFrame {
    let &[z, y, x] = view.displayed() else { panic!("three dims are shown") };
    let shown = [z, y, x];
    let mut device = CpuDevice::new(view.canvas, CpuOptions { simd: false, threads: 1 });
    let mut layers = Vec::new();
    for layer in view.layers.iter().filter(|layer| layer.controls.visible) {
        let mut index = [0; MAX_AXES];
        for dim in (0..dataset.ndim()).filter(|dim| !shown.contains(dim)) {
            index[dataset.dims[dim]] = dataset.index_at_level(dim, view.step[dim], view.level) as u32;
        }
        if let (Some(axis), Some(channel)) = (dataset.image.channel_axis(), layer.spec.channel) {
            index[axis] = channel as u32;
        }
        let axes = shown.map(|dim| dataset.dims[dim] as u8);
        let key = VolumeKey { image: dataset.image.id, level: view.level as u8, axes, index };
        let axes = shown.map(|dim| dataset.sample_axis(view.level, dim));
        load(image, &BrickKey::all(key, axes.map(|axis| axis.len)).map(Goal::Brick).collect::<Vec<_>>(), &mut device);
        layers.push(volume_layer(layer, key, axes));
    }
    let pose = view.volume.expect("a pose");
    let turntable::Frame { eye, right, up, forward } = turntable::frame(&pose);
    let extent = pose.extent(view.canvas);
    let camera = VolumeView { eye, right, up, forward, distance: pose.distance, fov: pose.fov, extent };
    let bounds = dataset.world_box(view.displayed());
    let pass = VolumePass { canvas: view.canvas, divisor: 1, outline: false, view: camera, bounds, layers };
    device.draw_volume(&pass).unwrap();
    device.capture(FrameFormat::I420 { range: RANGE }).unwrap()
}

fn slice_layer(layer: &LayerView, plane: SlicePlane) -> SliceLayer {
    let c = &layer.controls;
    let limits = (c.contrast_limits.0 as f32, c.contrast_limits.1 as f32);
    SliceLayer {
        planes: vec![plane],
        interpolation: c.interpolation,
        coloring: match &layer.spec.labels {
            Some(labels) => Coloring::Labels(labels.clone()),
            None => Coloring::Scalar(Transfer { limits, gamma: c.gamma as f32, table: c.colormap.clone() }),
        },
        contour: c.contour,
        opacity: c.opacity as f32,
        blending: c.blending,
    }
}

fn volume_layer(layer: &LayerView, key: VolumeKey, axes: [SampleAxis; 3]) -> VolumeLayer {
    let c = &layer.controls;
    let limits = (c.contrast_limits.0 as f32, c.contrast_limits.1 as f32);
    VolumeLayer {
        key,
        axes,
        interpolation: c.interpolation,
        coloring: Coloring::Scalar(Transfer { limits, gamma: c.gamma as f32, table: c.colormap.clone() }),
        opacity: c.opacity as f32,
        blending: c.blending,
        rendering: c.rendering,
        slab: None,
        attenuation: c.attenuation as f32,
        iso_threshold: c.iso_threshold as f32,
        sample_step: c.sample_step as f32,
    }
}

/// Loads tiles or bricks onto the device.
fn load(image: &Image, goals: &[Goal], device: &mut CpuDevice) {
    let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 64 << 20 });
    let (wake, woken) = sync_channel(1);
    loader.attach(ViewId(0), Arc::new(move || wake.try_send(()).unwrap_or_default()));
    let want = |&goal: &Goal| Want { goal, class: Class::Visible, deadline: None, pin: false };
    let wants: Vec<Want> = goals.iter().map(want).collect();
    loader.want(ViewId(0), std::slice::from_ref(image), &wants);
    let mut missing = goals.len();
    while missing > 0 {
        woken.recv_timeout(PATIENCE).expect("the loader brings the tiles");
        for arrival in loader.take_arrivals(ViewId(0)) {
            match arrival {
                Arrival::Tile { key, tile, .. } => {
                    device.upload(key, &tile).unwrap();
                    missing -= 1;
                }
                Arrival::Brick { key, brick, .. } => {
                    let level = &image.info.levels[usize::from(key.volume.level)].shape;
                    device.upload_brick(key, key.volume.axes.map(|axis| level[usize::from(axis)] as u32), &brick).unwrap();
                    missing -= 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
