//! Programs of the fuzz target `session`, and of the test in `server` that replays its corpus: three clients of one server, who say
//! anything, fall silent, leave and come back with the tokens that they were given, while the view changes.
//!
//! A program is text, a step per line. A line that starts with the number of a client, 0 to 2, is about that client: `+` lets time pass
//! until something is due for it, `-` cuts it off, `!` connects it without a word, `*` connects it with a hello that resumes where it
//! was, and anything else is what it says. Other lines change the view: `opacity N`, `step N`, `mode`, `stream N`, `load`, `warn`.

use nc_client::{Client, Identity, Resume};
use nc_engine::LoadError;
use nc_engine::api::data::{Blending, CanvasSize, DType, ImageId, Interpolation, Rect, Rendering, colormap};
use nc_engine::api::scene::{
    AppliedView, Axis, AxisKind, Dataset, Depiction, ImageInfo, LayerControls, LayerView, LevelInfo, OpSeq, PlanePose,
    SourceKind, Thumbnail, VolumePose,
};
use nc_engine::api::{
    Accepted, Applied, ClientId, Event, LayerChange, OpTrace, ParameterSets, RawIntent, Rejection, Sink, StreamConfig,
};
use nc_protocol::extension;
use nc_protocol::validate::Conversation;
use nc_server::Metrics;
use nc_server::ambient::Ambient;
use nc_server::engine::{Busy, Engine, Prepared, Vitals};
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 64, height: 48 };

/// Steps that are run; a longer program is cut.
const STEPS: usize = 128;

/// The wall clock, which stands.
const WALL: f64 = 1_795_167_757.5;

/// Runs a program. Panics when a client is sent what it must not be sent, or believes what is not so. Returns how many frames were
/// sent.
pub(crate) fn run(program: &str) -> usize {
    // Commands that touch files work on threads of the runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut stage = Stage::new();
    for line in program.lines().take(STEPS) {
        stage.step(line);
        stage.listen();
    }
    stage.agree();
    let heard = stage.heard;
    drop(stage);
    runtime.shutdown_background();
    heard
}

struct Stage {
    ambient: Arc<Clock>,
    engine: Arc<Parrot>,
    stand: Stand,
    seats: [Seat; 3],
    heard: usize,
}

/// A client's place.
#[derive(Default)]
struct Seat {
    here: Option<Here>,
    resume: Resume,
}

struct Here {
    peer: Peer,
    conversation: Conversation,
    client: Client,
    /// Whether it speaks for itself, so that its view must be right.
    proper: bool,
}

impl Stage {
    fn new() -> Self {
        let ambient = Arc::new(Clock { now: Mutex::new(Instant::now()), drawn: AtomicU64::new(1) });
        let engine =
            Arc::new(Parrot { view: Mutex::new(Arc::new(view(1))), intents: Mutex::default(), author: Mutex::default() });
        let stand = Stand::new(ambient.clone(), 60.0, Drive::First);
        stand.attach(&(engine.clone() as Arc<dyn Engine>));
        stand.sink().event(Event::Stream(stream(60.0)));
        Self { ambient, engine, stand, seats: Default::default(), heard: 0 }
    }

    fn step(&mut self, line: &str) {
        let number = line.bytes().next().map(|first| usize::from(first.wrapping_sub(b'0'))).filter(|&n| n < 3);
        let Some(number) = number else { return self.change(line) };
        let said = &line[1..];
        let seat = &mut self.seats[number];
        match said {
            "+" => {
                let due = seat.here.as_ref().and_then(|here| here.peer.due());
                if let Some(due) = due {
                    let mut now = locked(&self.ambient.now);
                    *now = (*now).max(due);
                }
                if let Some(here) = &mut seat.here {
                    here.peer.wait();
                }
            }
            "-" => seat.leave(),
            "!" => seat.connect(&self.stand, number, false),
            "*" => seat.connect(&self.stand, number, true),
            said => {
                if let Some(here) = &mut seat.here {
                    here.conversation.heard(said);
                    here.peer.say(said);
                }
            }
        }
        self.engine.answer(&*self.stand.sink());
    }

    /// The engine shows something else.
    fn change(&mut self, line: &str) {
        let (word, number) = line.split_once(' ').unwrap_or((line, "1"));
        let number = u64::from(number.parse::<u8>().unwrap_or(1));
        let before = self.engine.view();
        let mut view = AppliedView::clone(&before);
        let sink = self.stand.sink();
        let mut applied = applied(before.clone());
        match word {
            "opacity" => {
                if let Some(layer) = view.layers.first_mut() {
                    Arc::make_mut(layer).controls.opacity = number as f64 / 255.0;
                    let intent = locked(&self.engine.author).clone();
                    applied.layers.push(LayerChange { layer: 0, keys: vec!["opacity"], intent });
                }
            }
            "step" => {
                view.step[0] = number % 5;
                applied.dims = true;
            }
            "mode" => {
                view.ndisplay = 5 - view.ndisplay;
                view.volume = Some(VolumePose { center: [4.0, 3.0, 2.0], angles: [30.0, 30.0, 0.0], distance: 9.0, fov: 60.0 });
                (applied.dims, applied.pose) = (true, true);
            }
            "load" => {
                view = self::view(before.epoch + 1);
                applied.dataset = true;
            }
            "stream" => return sink.event(Event::Stream(stream(1.0 + number as f32))),
            "warn" => {
                let message = format!("chunk {number}");
                return sink.event(Event::Warning { domain: "data", code: "data.chunk", message });
            }
            _ => return,
        }
        view.op = OpSeq(view.op.0 + 1);
        applied.view = Arc::new(view);
        *locked(&self.engine.view) = Arc::clone(&applied.view);
        sink.event(Event::Applied(applied));
    }

    /// Everybody reads what was sent.
    fn listen(&mut self) {
        let now = *locked(&self.ambient.now);
        for seat in &mut self.seats {
            let Some(here) = &mut seat.here else { continue };
            let mut ended = false;
            while !ended && let Some(received) = here.peer.hear() {
                match received {
                    Received::Frame(text) => {
                        self.heard += 1;
                        let judged = here.conversation.next(&text);
                        assert!(judged.is_ok(), "{}: {text}", judged.err().map_or_else(String::new, |error| error.to_string()));
                        assert!(here.client.handle_text(now, WALL, &text).is_ok(), "{text}");
                    }
                    Received::Close(_) => ended = true,
                }
            }
            while let Some(text) = here.client.poll_output().filter(|_| here.proper) {
                here.conversation.heard(&text);
                here.peer.say(&text);
            }
            if ended {
                seat.leave();
            }
        }
    }

    /// Who is still here knows what is shown.
    fn agree(&mut self) {
        let view = self.engine.view();
        for here in self.seats.iter().filter_map(|seat| seat.here.as_ref()).filter(|here| here.client.session().is_some()) {
            let known = here.client.view();
            let layer = view.layers.first().zip(known.layers.first());
            let opacity = layer.is_some_and(|(shown, known)| known.controls.opacity == Some(shown.controls.opacity));
            assert!(opacity, "{known:?}");
            let dims = known.dims.as_ref().map(|dims| (dims.ndisplay, dims.step[0]));
            assert_eq!(dims, Some((view.ndisplay, view.step[0])));
            assert_eq!(known.pose.angles.is_some(), view.ndisplay == 3);
            assert!(known.stream.is_some(), "a client that comes back keeps its stream");
        }
    }
}

impl Seat {
    fn connect(&mut self, stand: &Stand, number: usize, proper: bool) {
        self.leave();
        let extensions = [&[][..], &[extension::LEVEL, extension::ROLE], &extension::ALL][number];
        let extensions = extensions.iter().map(|&name| name.to_owned()).collect();
        let identity = Identity { name: "fuzzed".into(), version: "1".into(), extensions };
        let mut client = Client::resume(identity, self.resume.clone(), WALL);
        let (mut peer, mut conversation) = (stand.connect(), Conversation::default());
        if let Some(hello) = client.poll_output().filter(|_| proper) {
            conversation.heard(&hello);
            peer.say(&hello);
        }
        self.here = Some(Here { peer, conversation, client, proper });
    }

    fn leave(&mut self) {
        if let Some(here) = self.here.take().filter(|here| here.client.session().is_some()) {
            self.resume = here.client.into_resume();
        }
    }
}

/// An engine that accepts whatever is a number and shows what it is told to show.
struct Parrot {
    view: Mutex<Arc<AppliedView>>,
    intents: Mutex<Vec<RawIntent>>,
    /// The last intent that was accepted.
    author: Mutex<Option<(ClientId, String)>>,
}

impl Parrot {
    fn answer(&self, sink: &dyn Sink) {
        for RawIntent { client, intent_id, scope, value, .. } in std::mem::take(&mut *locked(&self.intents)) {
            let outcome = if value.is_number() {
                *locked(&self.author) = Some((client, intent_id.clone())).filter(|_| scope == "layer");
                Ok(Accepted { applied_value: value, version: 1 })
            } else {
                Err(Rejection { code: "state.invalid", message: "not a number".into(), details: serde_json::Value::Null })
            };
            sink.event(Event::Ack { client, intent_id, outcome });
        }
    }
}

impl Engine for Parrot {
    fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        locked(&self.intents).push(intent);
        Ok(())
    }

    fn request_idr(&self) {}

    fn set_viewers(&self, _: usize) {}

    fn set_hungry(&self, _: bool) {}

    fn viewer_waits_since(&self, _: Option<Instant>) {}

    fn traced(&self, _: &[OpTrace]) {}

    fn prepare(
        &self,
        location: &nc_engine::places::Location,
        _selection: &nc_engine::Selection,
    ) -> Result<Box<dyn Prepared>, LoadError> {
        Err(nc_engine::OpenError::Missing { path: location.redacted().into() }.into())
    }

    fn view(&self) -> Arc<AppliedView> {
        Arc::clone(&locked(&self.view))
    }

    fn stream(&self) -> Option<StreamConfig> {
        Some(stream(60.0))
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn vitals(&self, _: &[u64]) -> Vitals {
        Vitals::default()
    }
}

/// A clock that moves when a client waits, and random numbers that count.
struct Clock {
    now: Mutex<Instant>,
    drawn: AtomicU64,
}

impl Ambient for Clock {
    fn now(&self) -> Instant {
        *locked(&self.now)
    }

    fn unix_seconds(&self) -> f64 {
        WALL
    }

    fn random(&self) -> u128 {
        let n = u128::from(self.drawn.fetch_add(1, Ordering::Relaxed));
        n | n << 64
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stream(fps: f32) -> StreamConfig {
    let parameter_sets = ParameterSets { sps: vec![0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02], pps: vec![0x68, 0xce, 0x0f, 0xc8] };
    StreamConfig { size: CANVAS, fps, parameter_sets }
}

fn applied(view: Arc<AppliedView>) -> Applied {
    Applied::unchanged(view)
}

/// A small stack of one level.
fn view(epoch: u64) -> AppliedView {
    let axis = |name: &str| Axis { name: name.to_owned(), kind: AxisKind::Space, unit: None };
    let shape = vec![5, 6, 8];
    let level = LevelInfo {
        path: "0".into(),
        chunk: shape.clone(),
        shape,
        scale: vec![1.0; 3],
        translate: vec![0.0; 3],
        ..LevelInfo::default()
    };
    let dataset = Dataset::new(Arc::new(ImageInfo {
        id: ImageId(1),
        name: "fuzzed".into(),
        location: "fuzzed".into(),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: ["z", "y", "x"].map(axis).into(),
        dtype: DType::U16,
        levels: vec![level],
        channels: vec![],
        default_z: None,
        default_t: None,
        warnings: vec![],
        ..ImageInfo::default()
    }));
    let controls = LayerControls {
        visible: true,
        opacity: 1.0,
        blending: Blending::Opaque,
        interpolation: Interpolation::Linear,
        gamma: 1.0,
        colormap: colormap::named("gray").expect("napari's first colormap"),
        contrast_limits: (0.0, 1.0),
        rendering: Rendering::Mip,
        depiction: Depiction::Volume,
        attenuation: 0.05,
        iso_threshold: 0.5,
        sample_step: 1.0,
        contour: 0,
    };
    let spec = dataset.layers[0].clone();
    let layer = LayerView { spec, controls, thumbnail: Arc::new(Thumbnail::black()) };
    let rect = Rect { left: -0.5, bottom: -0.5, width: 8.0, height: 6.0 };
    AppliedView {
        epoch,
        op: OpSeq(0),
        ndisplay: 2,
        order: vec![0, 1, 2],
        step: vec![0, 0, 0],
        level: 0,
        downgraded: false,
        plane: PlanePose { rect, zoom: 8.0 },
        volume: None,
        layers: vec![Arc::new(layer)],
        canvas: CANVAS,
        dataset: Some(Arc::new(dataset)),
    }
}
