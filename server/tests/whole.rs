//! The whole stack under random programs: intents, ticks, tiles, pictures that fail, other datasets, clients that read late, go and come
//! back with any token. No thread and no clock: the engine takes a step when the program says so, time is a number.
//!
//! After every step the ledger is sound and every frame that a client has read fits its conversation (closed schemas, PROTOCOL §12). At
//! rest every intent is answered, every op closed, and what each client folded is what is shown, also after a resume.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in test functions; these are what they call, too

use nc_client::{Client, Identity, Resume, View};
use nc_engine::Selection;
use nc_engine::api::data::{CanvasSize, DType, ImageId};
use nc_engine::api::scene::{AppliedView, Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use nc_engine::api::{OpTrace, RawIntent, StreamConfig};
use nc_engine::places::Location;
use nc_engine::testing::Stepped;
use nc_protocol::extension::COMPACT_SCENE;
use nc_protocol::update::StateUpdate;
use nc_protocol::validate::Conversation;
use nc_server::Metrics;
use nc_server::ambient::Ambient;
use nc_server::engine::{Busy, Engine, LoadError, Prepared, Vitals};
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CANVAS: CanvasSize = CanvasSize { width: 64, height: 32 };
const WALL: f64 = 1_795_167_757.5;
/// Clients at a time.
const SLOTS: usize = 3;
/// Programs; more if `PROPTEST_CASES` asks for more.
const CASES: u32 = 10_000;
/// Rounds in which everything comes to rest: thumbnails come at two a second.
const ROUNDS: usize = 400;

/// Time and chance.
struct Clock {
    start: Instant,
    milliseconds: AtomicU64,
    drawn: AtomicU64,
}

impl Clock {
    fn advance(&self, milliseconds: u64) {
        self.milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Ambient for Clock {
    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
    }

    fn unix_seconds(&self) -> f64 {
        WALL + self.milliseconds.load(Ordering::Relaxed) as f64 / 1e3
    }

    fn random(&self) -> u128 {
        let n = u128::from(self.drawn.fetch_add(1, Ordering::Relaxed));
        n | n << 64 | 0xabcd << 112
    }
}

/// The engine that takes steps, as the server sees it.
struct Whole(Stepped);

impl Engine for Whole {
    fn submit(&self, intent: RawIntent) -> Result<(), Busy> {
        self.0.submit(intent).map_err(|_| Busy)
    }

    fn request_idr(&self) {}

    fn set_viewers(&self, _viewers: usize) {}

    fn set_hungry(&self, _hungry: bool) {}

    fn viewer_waits_since(&self, _since: Option<Instant>) {}

    fn traced(&self, _ops: &[OpTrace]) {}

    fn prepare(&self, _location: &Location, _selection: &Selection) -> Result<Box<dyn Prepared>, LoadError> {
        unreachable!("no client of these programs calls a command")
    }

    fn view(&self) -> Arc<AppliedView> {
        self.0.view()
    }

    fn stream(&self) -> Option<StreamConfig> {
        Some(self.0.stream())
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn vitals(&self, _since: &[u64]) -> Vitals {
        Vitals::default()
    }
}

/// A made-up image: c 2 × z 6 × 200 × 300 in two levels, 60 × 80 alone, or t 3 × z 4 × 50 × 40 in three.
fn dataset(which: usize) -> Arc<Dataset> {
    let (axes, shape, levels): (&[(&str, AxisKind)], &[u64], u32) = match which {
        0 => (
            &[("c", AxisKind::Channel), ("z", AxisKind::Space), ("y", AxisKind::Space), ("x", AxisKind::Space)],
            &[2, 6, 200, 300],
            2,
        ),
        1 => (&[("y", AxisKind::Space), ("x", AxisKind::Space)], &[60, 80], 1),
        _ => {
            (&[("t", AxisKind::Time), ("z", AxisKind::Space), ("y", AxisKind::Space), ("x", AxisKind::Space)], &[3, 4, 50, 40], 3)
        }
    };
    let level = |n: u32| {
        let factor = |axis: usize| if axis + 2 >= shape.len() { 1u64 << n } else { 1 };
        LevelInfo {
            path: n.to_string(),
            shape: shape.iter().enumerate().map(|(axis, size)| size.div_ceil(factor(axis))).collect(),
            chunk: vec![64; shape.len()],
            scale: (0..shape.len()).map(|axis| factor(axis) as f64).collect(),
            translate: (0..shape.len()).map(|axis| (factor(axis) - 1) as f64 / 2.0).collect(),
            ..LevelInfo::default()
        }
    };
    Arc::new(Dataset::new(Arc::new(ImageInfo {
        id: ImageId(which as u32),
        name: format!("image {which}"),
        location: format!("/data/{which}.ome.zarr"),
        source: SourceKind::OmeZarr,
        ngff_version: None,
        axes: axes.iter().map(|&(name, kind)| Axis { name: name.into(), kind, unit: None }).collect(),
        dtype: DType::U8,
        levels: (0..levels).map(level).collect(),
        channels: Vec::new(),
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    })))
}

/// What a client that comes back makes of a token of its own.
#[derive(Debug, Clone, Copy)]
enum Token {
    Keeps,
    Drops,
    /// One of another run.
    Unknown,
    /// No server ever gave it.
    Impossible,
}

#[derive(Debug, Clone)]
enum Op {
    /// A client comes, or comes back with what the last one of its slot knew.
    Come { slot: usize, compact: bool, tokens: [Token; 3] },
    /// It is gone, without a word.
    Go { slot: usize },
    /// It says goodbye.
    Leave { slot: usize },
    /// It sends an intent.
    Intend { slot: usize, intent: (&'static str, &'static str, &'static str, Value) },
    /// It sends something that is no frame.
    Rubbish { slot: usize, text: &'static str },
    /// It reads at most so many frames.
    Read { slot: usize, most: usize },
    /// The control thread does at most so many things.
    Control { most: usize },
    /// The render thread has a turn.
    Turn,
    /// At most so many tiles and overviews come.
    Tiles { most: usize },
    /// The next draw fails.
    FailDraw,
    /// The next upload fails.
    FailUpload,
    /// Another dataset is shown.
    Load { which: usize },
    /// The image has more samples along an axis.
    Grow { axis: usize, by: u64 },
    /// Time passes.
    Wait { milliseconds: u64 },
}

fn intent() -> impl Strategy<Value = (&'static str, &'static str, &'static str, Value)> {
    let camera = prop_oneof![
        (0.2f64..5.0, 0.0f64..64.0, 0.0f64..32.0).prop_map(|(factor, x, y)| (
            "camera",
            "main",
            "zoom",
            json!({"factor": factor, "anchor_px": [x, y]})
        )),
        (-30.0f64..30.0, -30.0f64..30.0).prop_map(|(x, y)| ("camera", "main", "pan", json!({"dx_px": x, "dy_px": y}))),
        (-200.0f64..200.0, -100.0f64..100.0).prop_map(|(az, el)| (
            "camera",
            "main",
            "orbit",
            json!({"d_az_deg": az, "d_el_deg": el})
        )),
        Just(("camera", "main", "pan", json!({"dx_px": 0, "dy_px": 0}))),
        Just(("camera", "main", "reset", json!({"reason": "test"}))),
        Just(("camera", "main", "zoom", json!({"factor": 0}))),
        Just(("camera", "main", "set", json!({"zoom": 2.0}))),
        (0.0f64..100.0).prop_map(|x| ("camera", "main", "set", json!({"center": [x, 20.0]}))),
        (0.0f64..100.0).prop_map(|x| ("camera", "main", "set", json!({"center": [x, 20.0, 3.0]}))),
        (-90.0f64..90.0).prop_map(|el| ("camera", "main", "set", json!({"angles": [10.0, el, 5.0]}))),
        (1.0f64..100.0).prop_map(|w| ("camera", "main", "set", json!({"rect": [1.0, 2.0, w, 20.0]}))),
    ];
    let dims = (prop::sample::select(vec!["z", "t", "y", "0", "nobody"]), any::<bool>(), -8i64..8)
        .prop_map(|(axis, step, n)| ("dims", axis, if step { "step" } else { "index" }, json!(n)));
    let key = |key, values: Vec<Value>| {
        (prop::sample::select(vec!["layer-0", "layer-1", "", "layer-9"]), prop::sample::select(values))
            .prop_map(move |(layer, value)| ("layer", layer, key, value))
    };
    let layer = prop_oneof![
        key("visible", vec![json!(true), json!(false), json!("off")]),
        key("opacity", vec![json!(0.25), json!(0.5), json!(7), json!("dim")]),
        key("gamma", vec![json!(0.5), json!(2), json!(0)]),
        key("contrast_limits", vec![json!([0, 100]), json!([90, 10]), json!([5])]),
        key("colormap", vec![json!("viridis"), json!("red"), json!("no such")]),
        key("blending", vec![json!("additive"), json!("maximum")]),
        key("interpolation", vec![json!("nearest"), json!("cubic")]),
        key("rendering", vec![json!("mip"), json!("iso"), json!("x-ray")]),
        key("iso_threshold", vec![json!(3), json!(null)]),
        key("attenuation", vec![json!(0.5), json!(-3)]),
        key("depiction", vec![json!("plane"), json!("volume")]),
    ];
    let volume = prop_oneof![
        prop::sample::select(vec![json!("mip"), json!("iso"), json!("average")]).prop_map(|v| (
            "volume",
            "main",
            "render_mode",
            v
        )),
        (0.0f64..2.0).prop_map(|v| ("volume", "main", "opacity", json!(v))),
        (0.0f64..5.0).prop_map(|v| ("volume", "main", "sample_step", json!(v))),
        Just(("volume", "main", "contrast_limits", json!([7, 3]))),
        Just(("volume", "main", "colormap", json!("magma"))),
    ];
    prop_oneof![
        6 => camera,
        3 => dims,
        4 => layer,
        1 => volume,
        3 => prop::sample::select(vec![2, 3]).prop_map(|n| ("view", "main", "ndisplay", json!(n))),
        1 => (0i64..4).prop_map(|level| ("multiscale", "main", "level", json!(level))),
        1 => Just(("multiscale", "main", "policy", json!("auto"))),
        1 => Just(("nowhere", "main", "nothing", json!(null))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let token = || {
        prop_oneof![
            6 => Just(Token::Keeps),
            1 => Just(Token::Drops),
            1 => Just(Token::Unknown),
            1 => Just(Token::Impossible),
        ]
    };
    let slot = || 0..SLOTS;
    prop_oneof![
        3 => (slot(), prop::bool::weighted(0.8), [token(), token(), token()])
            .prop_map(|(slot, compact, tokens)| Op::Come { slot, compact, tokens }),
        1 => slot().prop_map(|slot| Op::Go { slot }),
        1 => slot().prop_map(|slot| Op::Leave { slot }),
        12 => (slot(), intent()).prop_map(|(slot, intent)| Op::Intend { slot, intent }),
        1 => (slot(), prop::sample::select(vec!["{", "[]", r#"{"type":"ping"}"#, r#"{"type":"state.update","version":2}"#]))
            .prop_map(|(slot, text)| Op::Rubbish { slot, text }),
        3 => (slot(), 1usize..20).prop_map(|(slot, most)| Op::Read { slot, most }),
        6 => (1usize..8).prop_map(|most| Op::Control { most }),
        6 => Just(Op::Turn),
        4 => (1usize..20).prop_map(|most| Op::Tiles { most }),
        1 => Just(Op::FailDraw),
        1 => Just(Op::FailUpload),
        1 => (0usize..3).prop_map(|which| Op::Load { which }),
        2 => (0usize..4, 1u64..5).prop_map(|(axis, by)| Op::Grow { axis, by }),
        3 => prop::sample::select(vec![1, 16, 60, 120, 600, 16_000]).prop_map(|milliseconds| Op::Wait { milliseconds }),
    ]
}

/// A client that is there.
struct Seated {
    peer: Peer,
    client: Client,
    conversation: Conversation,
    compact: bool,
}

struct World {
    clock: Arc<Clock>,
    stand: Stand,
    /// The hub holds it weakly.
    engine: Arc<Whole>,
    clients: [Option<Seated>; SLOTS],
    /// What the last client of each slot knew.
    memories: [Resume; SLOTS],
}

impl World {
    fn new(which: usize) -> Self {
        let clock = Arc::new(Clock { start: Instant::now(), milliseconds: AtomicU64::new(0), drawn: AtomicU64::new(0) });
        let stand = Stand::new(clock.clone(), 60.0, Drive::Everyone);
        let engine = Arc::new(Whole(Stepped::new(Some(dataset(which)), CANVAS, stand.sink()).unwrap()));
        let attached: Arc<dyn Engine> = engine.clone();
        stand.attach(&attached);
        Self { clock, stand, engine, clients: Default::default(), memories: Default::default() }
    }

    fn engine(&self) -> &Stepped {
        &self.engine.0
    }

    fn take(&mut self, op: &Op) {
        match op {
            Op::Come { slot, compact, tokens } => self.come(*slot, *compact, tokens),
            Op::Go { slot } => self.go(*slot),
            Op::Leave { slot } => {
                let wall = self.clock.unix_seconds();
                if let Some(seated) = &mut self.clients[*slot] {
                    seated.client.leave(wall);
                    seated.say();
                }
            }
            Op::Intend { slot, intent: (scope, target, key, value) } => {
                let (now, wall) = (self.clock.now(), self.clock.unix_seconds());
                if let Some(seated) = &mut self.clients[*slot] {
                    let (scope, target, key) = (scope.to_string(), target.to_string(), key.to_string());
                    let update = StateUpdate { scope, target, key, value: value.clone() };
                    seated.client.update(now, wall, &update);
                    seated.say();
                }
            }
            Op::Rubbish { slot, text } => {
                if let Some(seated) = &mut self.clients[*slot] {
                    seated.conversation.heard(text);
                    seated.peer.say(text);
                }
            }
            Op::Read { slot, most } => self.read(*slot, *most),
            Op::Control { most } => drop(self.engine().control(*most)),
            Op::Turn => drop(self.engine().turn(self.clock.now())),
            Op::Tiles { most } => drop(self.engine().deliver(*most)),
            Op::FailDraw => self.engine().fail_draw(),
            Op::FailUpload => self.engine().fail_upload(),
            Op::Load { which } => self.engine().load(dataset(*which), self.clock.now()),
            Op::Grow { axis, by } => self.grow(*axis, *by),
            Op::Wait { milliseconds } => self.wait(*milliseconds),
        }
        self.verify();
    }

    fn grow(&mut self, axis: usize, by: u64) {
        let state = self.engine().state();
        let mut read = ImageInfo::clone(&state.dataset.as_ref().unwrap().image);
        let axis = axis % read.axes.len();
        read.levels.iter_mut().for_each(|level| level.shape[axis] += by);
        // One with more channels is another one, to be loaded.
        let grows = self.engine().grow(&read);
        assert_eq!(grows, read.axes[axis].kind != AxisKind::Channel);
    }

    fn come(&mut self, slot: usize, compact: bool, tokens: &[Token; 3]) {
        self.go(slot);
        let (now, wall) = (self.clock.now(), self.clock.unix_seconds());
        let mut resume = std::mem::take(&mut self.memories[slot]);
        let mut impossible = false;
        for (topic, token) in ["notify.scene", "notify.layers", "notify.stream"].into_iter().zip(tokens) {
            match token {
                Token::Keeps => {}
                Token::Drops => drop(resume.tokens.remove(topic)),
                Token::Unknown => drop(resume.tokens.insert(topic.to_owned(), "0".repeat(32))),
                Token::Impossible => {
                    impossible = true;
                    drop(resume.tokens.insert(topic.to_owned(), "no token".to_owned()));
                }
            }
        }
        let extensions = if compact { vec![COMPACT_SCENE.to_owned()] } else { vec![] };
        let identity = Identity { name: "whole".to_owned(), version: "1".to_owned(), extensions };
        let client = Client::resume(identity, resume, wall);
        let mut seated = Seated { peer: self.stand.connect(), client, conversation: Conversation::default(), compact };
        seated.client.handle_connected(now);
        seated.say();
        self.clients[slot] = Some(seated);
        self.read(slot, 1);
        let welcomed = self.clients[slot].as_ref().is_some_and(|seated| seated.client.session().is_some());
        assert_eq!(welcomed, !impossible, "let in unless a token is none at all");
        if impossible {
            self.go(slot);
            // What it knew is of no use with such a token; it forgets.
            self.memories[slot] = Resume::default();
        }
    }

    fn go(&mut self, slot: usize) {
        if let Some(seated) = self.clients[slot].take() {
            self.memories[slot] = seated.client.into_resume();
        }
    }

    fn read(&mut self, slot: usize, most: usize) {
        let (now, wall) = (self.clock.now(), self.clock.unix_seconds());
        let Some(seated) = &mut self.clients[slot] else { return };
        for _ in 0..most {
            match seated.peer.hear() {
                None => return,
                Some(Received::Frame(text)) => {
                    seated.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}"));
                    seated.client.handle_text(now, wall, &text).unwrap();
                    while seated.client.poll_event().is_some() {}
                    seated.say();
                }
                Some(Received::Close(_)) => return self.go(slot),
            }
        }
    }

    /// Time passes, and what is due is done.
    fn wait(&mut self, milliseconds: u64) {
        self.clock.advance(milliseconds);
        let now = self.clock.now();
        for seated in self.clients.iter_mut().flatten() {
            while seated.peer.due().is_some_and(|due| due <= now) {
                seated.peer.wait();
            }
        }
    }

    /// What must hold at any time, besides what each client judges.
    fn verify(&self) {
        let (state, view) = (self.engine().state(), self.engine().view());
        state.verify().unwrap();
        assert!(view.op <= state.scene.op_seq && view.epoch == state.epoch);
        let dims = view.order.len();
        assert!(view.ndisplay == 2 || view.ndisplay == 3 && dims >= 3, "{} of {dims}", view.ndisplay);
        if let Some(dataset) = &view.dataset {
            assert!(view.level < dataset.level_count());
            assert!(view.step.iter().zip(&dataset.step_at_level(&view.step, 0)).all(|(step, inside)| step == inside));
        }
        assert!(view.ndisplay == 2 || view.volume.is_some(), "3D without a pose");
    }

    /// Lets everything come to its end.
    fn rest(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS, "no rest");
            self.wait(100);
            let mut done = self.engine().control(usize::MAX) + self.engine().deliver(usize::MAX);
            let turn = self.engine().turn(self.clock.now());
            done += self.engine().control(usize::MAX);
            (0..SLOTS).for_each(|slot| self.read(slot, usize::MAX));
            self.verify();
            if done == 0 && turn.wake_at.is_none() {
                return;
            }
        }
    }

    /// At rest everybody knows what is shown.
    fn agree(&mut self) {
        let (state, shown) = (self.engine().state(), self.engine().view());
        assert_eq!(state.scene.op_seq, state.scene.applied_seq, "an op is open");
        assert_eq!(shown.op, state.scene.op_seq);
        // One that comes now is told everything anew.
        self.go(0);
        self.memories[0] = Resume::default();
        self.come(0, false, &[Token::Keeps; 3]);
        self.read(0, usize::MAX);
        let fresh = self.clients[0].as_ref().unwrap().client.view().clone();
        shows(&fresh, &shown);
        for seated in self.clients.iter().flatten() {
            assert_eq!(seated.client.unanswered(), 0, "every intent is answered");
            let known = seated.client.view();
            assert_eq!((&known.status, &known.canvas, &known.stream), (&fresh.status, &fresh.canvas, &fresh.stream));
            assert_eq!((&known.dims, &known.pose), (&fresh.dims, &fresh.pose));
            assert_eq!(known.layers.len(), fresh.layers.len());
            for (known, fresh) in known.layers.iter().zip(&fresh.layers) {
                assert_eq!((&known.id, &known.name, &known.controls), (&fresh.id, &fresh.name, &fresh.controls));
                assert!(seated.compact || known.thumbnail == fresh.thumbnail);
            }
        }
    }
}

impl Seated {
    /// Says what the client has to say.
    fn say(&mut self) {
        while let Some(text) = self.client.poll_output() {
            self.conversation.heard(&text);
            self.peer.say(&text);
        }
    }
}

/// What a client knows is what is shown.
fn shows(known: &View, shown: &AppliedView) {
    let (dims, dataset) = (known.dims.as_ref().unwrap(), shown.dataset.as_ref().unwrap());
    assert_eq!((dims.ndisplay, dims.current_level), (shown.ndisplay, shown.level));
    assert_eq!(dims.step, dataset.step_at_level(&shown.step, shown.level));
    assert_eq!(dims.displayed.as_deref(), Some(shown.displayed()));
    let shapes: Vec<Vec<u64>> = (0..dataset.level_count()).map(|level| dataset.level_shape(level)).collect();
    assert_eq!(dims.level_shapes, shapes, "who was there when it grew knows its size");
    match shown.volume.filter(|_| shown.ndisplay == 3) {
        None => assert_eq!(known.pose.rect, Some(shown.plane.rect.to_array())),
        Some(pose) => assert_eq!((known.pose.angles, known.pose.distance), (Some(pose.angles), Some(pose.distance))),
    }
    assert_eq!(known.layers.len(), shown.layers.len());
    for (known, shown) in known.layers.iter().zip(&shown.layers) {
        let (known, truth) = (&known.controls, &shown.controls);
        assert_eq!((known.visible, known.opacity, known.gamma), (Some(truth.visible), Some(truth.opacity), Some(truth.gamma)));
        assert_eq!(known.contrast_limits, Some(truth.contrast_limits.into()));
        assert_eq!(known.colormap.as_deref(), Some(&*truth.colormap.name));
    }
}

fn config() -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.max(CASES), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_program_keeps_the_rules_and_ends_in_agreement(
        which in 0usize..3,
        program in prop::collection::vec(op(), 1..48),
    ) {
        let mut world = World::new(which);
        for op in &program {
            world.take(op);
        }
        world.rest();
        world.agree();
    }
}
