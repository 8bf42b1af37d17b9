//! Clients that come, go and come back with whatever tokens, while the scene changes: what each was told adds up to the scene.

use crate::support::{FakeEngine, WALL, dataset, hello, view};
use nc_client::{Client, Identity};
use nc_engine::api::data::turntable;
use nc_engine::api::scene::{AppliedView, Thumbnail};
use nc_engine::api::{Applied, ClientId, Event, LayerChange, Sink, StreamConfig};
use nc_protocol::extension::COMPACT_SCENE;
use nc_protocol::notify::Stream;
use nc_protocol::validate::Conversation;
use nc_protocol::{Body, ServerFrame};
use nc_server::Engine;
use nc_server::ambient::Ambient;
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TOPICS: [&str; 3] = ["notify.scene", "notify.layers", "notify.stream"];

/// Virtual time, and random numbers that count.
struct Clock {
    start: Instant,
    seconds: AtomicU64,
    drawn: AtomicU64,
}

impl Ambient for Clock {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn unix_seconds(&self) -> f64 {
        WALL + self.seconds.load(Ordering::Relaxed) as f64
    }

    fn random(&self) -> u128 {
        let n = u128::from(self.drawn.fetch_add(1, Ordering::Relaxed));
        n | n << 64 | 0xabcd << 112
    }
}

/// The tokens that a client holds.
type Tokens = BTreeMap<&'static str, String>;

/// A client that is there: what it heard, judged and folded.
struct Seated {
    peer: Peer,
    conversation: Conversation,
    client: Client,
    /// The last stream configuration, also one that it knew when it came.
    stream: Option<Stream>,
    /// The newest place per topic.
    places: BTreeMap<&'static str, (u64, String)>,
    compact: bool,
}

impl Seated {
    fn comes(stand: &Stand, tokens: &Tokens, stream: Option<Stream>, compact: bool) -> Self {
        let mut hello = hello();
        hello["payload"]["features"][COMPACT_SCENE] = compact.into();
        for (topic, token) in tokens {
            hello["payload"]["resume_tokens"][topic] = token.clone().into();
        }
        let identity = Identity { name: "test".to_owned(), version: "1".to_owned(), extensions: vec![] };
        let (client, conversation) = (Client::new(identity, WALL), Conversation::default());
        let mut seated = Self { peer: stand.connect(), conversation, client, stream, places: BTreeMap::new(), compact };
        seated.conversation.heard(&hello.to_string());
        seated.peer.say(&hello.to_string());
        let opening = seated.hear();
        let Body::Welcome(welcome) = &opening[0].body else { panic!("{:?}", opening[0]) };
        for topic in TOPICS {
            let said = welcome.features[topic].resume_state.as_ref().unwrap();
            match seated.places.get(topic) {
                Some(place) => assert_eq!(*place, (said.seq, said.delta_token.clone()), "{topic}: where the frames leave it"),
                None => assert_eq!(said.seq, 0, "{topic}"),
            }
            seated.places.insert(topic, (said.seq, said.delta_token.clone()));
        }
        seated
    }

    /// Takes in all that waits.
    fn hear(&mut self) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        while let Some(received) = self.peer.hear() {
            let Received::Frame(text) = received else { panic!("{received:?}") };
            let frame = self.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}"));
            self.client.handle_text(Instant::now(), WALL, &text).unwrap();
            if let Body::Stream(stream) = &frame.body {
                self.stream = Some(stream.clone());
            }
            let topic = match &frame.body {
                Body::Scene(_) => TOPICS[0],
                Body::Layers(_) => TOPICS[1],
                _ => TOPICS[2],
            };
            self.places.extend(frame.sequence.clone().map(|place| (topic, place)));
            frames.push(frame);
        }
        frames
    }

    fn tokens(&self) -> Tokens {
        self.places.iter().map(|(topic, (_, token))| (*topic, token.clone())).collect()
    }

    /// What the client knows is what is shown.
    fn agrees(&self, shown: &AppliedView, fps: f32) {
        let known = self.client.view();
        let (dims, dataset) = (known.dims.as_ref().unwrap(), shown.dataset.as_ref().unwrap());
        assert_eq!((&dims.step, dims.current_level), (&dataset.step_at_level(&shown.step, shown.level), shown.level));
        let (rect, angles) = (shown.plane.rect.to_array(), shown.volume.map(|pose| pose.angles));
        assert_eq!((known.pose.rect, known.pose.angles), if shown.ndisplay == 3 { (None, angles) } else { (Some(rect), None) });
        assert_eq!(known.layers.len(), shown.layers.len());
        for (known, shown) in known.layers.iter().zip(&shown.layers) {
            let (controls, truth) = (&known.controls, &shown.controls);
            assert_eq!((controls.opacity, controls.gamma), (Some(truth.opacity), Some(truth.gamma)));
            assert_eq!((controls.visible, controls.contrast_limits), (Some(truth.visible), Some(truth.contrast_limits.into())));
            if !self.compact {
                let red = f64::from(shown.thumbnail.rgba[0]) / 255.0;
                assert!((f64::from(known.thumbnail[0][0][0]) - red).abs() < 1e-3);
            }
        }
        assert_eq!(self.stream.as_ref().map(|stream| stream.fps), Some(f64::from(fps)));
    }
}

/// What a client brings of one topic when it comes.
#[derive(Debug, Clone)]
enum Token {
    None,
    Empty,
    Unknown,
    /// The last that the client in this slot was given.
    Last,
    /// Any that anybody was ever given, of any topic.
    Any(Index),
}

#[derive(Debug, Clone)]
enum Op {
    Come { slot: usize, tokens: [Token; 3], compact: bool },
    Go { slot: usize },
    Control { layer: usize, key: usize, value: u8, author: bool },
    Thumbnail { layer: usize, red: u8 },
    Step { z: u64, x: f64 },
    Level { level: usize },
    Mode { ndisplay: u8 },
    Stream { fps: u8 },
    Dataset { channels: u64 },
    Wait { seconds: u64 },
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        2 => Just(Token::None),
        1 => Just(Token::Empty),
        1 => Just(Token::Unknown),
        6 => Just(Token::Last),
        3 => any::<Index>().prop_map(Token::Any),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let come = (0..4usize, [token(), token(), token()], prop::bool::weighted(0.3));
    let control = (0..3usize, 0..4usize, any::<u8>(), any::<bool>());
    prop_oneof![
        6 => come.prop_map(|(slot, tokens, compact)| Op::Come { slot, tokens, compact }),
        4 => (0..4usize).prop_map(|slot| Op::Go { slot }),
        8 => control.prop_map(|(layer, key, value, author)| Op::Control { layer, key, value, author }),
        3 => (0..3usize, any::<u8>()).prop_map(|(layer, red)| Op::Thumbnail { layer, red }),
        2 => (0..24u64, -50.0..50.0f64).prop_map(|(z, x)| Op::Step { z, x }),
        1 => (0..3usize).prop_map(|level| Op::Level { level }),
        2 => (2..=3u8).prop_map(|ndisplay| Op::Mode { ndisplay }),
        1 => (1..100u8).prop_map(|fps| Op::Stream { fps }),
        1 => (1..4u64).prop_map(|channels| Op::Dataset { channels }),
        1 => (0..400u64).prop_map(|seconds| Op::Wait { seconds }),
    ]
}

struct World {
    stand: Stand,
    sink: Arc<dyn Sink>,
    clock: Arc<Clock>,
    _engine: Arc<dyn Engine>,
    shown: AppliedView,
    config: StreamConfig,
    slots: [Option<Seated>; 4],
    /// What the last client of each slot knew.
    left: [(Tokens, Option<Stream>); 4],
    /// Every token that was ever given.
    given: Vec<String>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(Clock { start: Instant::now(), seconds: AtomicU64::new(0), drawn: AtomicU64::new(1) });
        let stand = Stand::new(clock.clone(), 60.0, Drive::Everyone);
        let shown = view(Some(dataset(2)));
        let engine: Arc<dyn Engine> = Arc::new(FakeEngine::showing(shown.clone()));
        stand.attach(&engine);
        let (config, sink) = (engine.stream().unwrap(), stand.sink());
        let (slots, left, given) = Default::default();
        Self { stand, sink, clock, _engine: engine, shown, config, slots, left, given }
    }

    fn tell(&self, change: impl FnOnce(&mut Applied)) {
        let view = Arc::new(self.shown.clone());
        let mut applied = Applied::unchanged(view);
        change(&mut applied);
        self.sink.event(Event::Applied(applied));
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Come { slot, tokens, compact } => self.comes(*slot, tokens, *compact),
            Op::Go { slot } => self.goes(*slot),
            Op::Control { layer, key, value, author } => self.controls(*layer, *key, *value, *author),
            Op::Thumbnail { layer, red } => {
                let layer = layer % self.shown.layers.len();
                let mut thumbnail = Thumbnail::black();
                thumbnail.rgba[0] = *red;
                Arc::make_mut(&mut self.shown.layers[layer]).thumbnail = Arc::new(thumbnail);
                self.tell(|applied| applied.thumbnails = vec![layer]);
            }
            Op::Step { z, x } => {
                self.shown.step[0] = *z;
                self.shown.plane.rect.left = *x;
                self.tell(|applied| (applied.dims, applied.pose) = (true, true));
            }
            Op::Level { level } => {
                self.shown.level = *level;
                self.tell(|applied| applied.dims = true);
            }
            Op::Mode { ndisplay } => {
                self.shown.ndisplay = *ndisplay;
                let world = self.shown.dataset.as_ref().unwrap().world_box(&self.shown.order);
                self.shown.volume.get_or_insert(turntable::canonical(world));
                self.tell(|applied| (applied.dims, applied.pose) = (true, true));
            }
            Op::Stream { fps } => {
                self.config.fps = f32::from(*fps);
                self.sink.event(Event::Stream(self.config.clone()));
            }
            Op::Dataset { channels } => {
                self.shown = AppliedView { epoch: self.shown.epoch + 1, ..view(Some(dataset(*channels))) };
                self.tell(|applied| (applied.dataset, applied.dims, applied.pose) = (true, true, true));
            }
            Op::Wait { seconds } => drop(self.clock.seconds.fetch_add(*seconds, Ordering::Relaxed)),
        }
        for seated in self.slots.iter_mut().flatten() {
            seated.hear();
            seated.agrees(&self.shown, self.config.fps);
            self.given.extend(seated.tokens().into_values());
        }
        self.given.sort();
        self.given.dedup();
    }

    fn comes(&mut self, slot: usize, tokens: &[Token; 3], compact: bool) {
        self.goes(slot);
        let (held, stream) = self.left[slot].clone();
        let brought = TOPICS.into_iter().zip(tokens).filter_map(|(topic, token)| {
            let token = match token {
                Token::None => None,
                Token::Empty => Some(String::new()),
                Token::Unknown => Some("no-token_of-ours".to_owned()),
                Token::Last => held.get(topic).cloned(),
                Token::Any(_) if self.given.is_empty() => None,
                Token::Any(index) => Some(index.get(&self.given).clone()),
            };
            // A token of the stream says which configuration is known: who shows another's lies to itself.
            let honest = topic != TOPICS[2] || token == held.get(topic).cloned() || !self.given.contains(token.as_ref()?);
            Some((topic, token.filter(|_| honest)?))
        });
        let brought: Tokens = brought.collect();
        self.slots[slot] = Some(Seated::comes(&self.stand, &brought, stream, compact));
    }

    fn goes(&mut self, slot: usize) {
        if let Some(seated) = self.slots[slot].take() {
            self.left[slot] = (seated.tokens(), seated.stream);
        }
    }

    fn controls(&mut self, layer: usize, key: usize, value: u8, author: bool) {
        let layer = layer % self.shown.layers.len();
        let controls = &mut Arc::make_mut(&mut self.shown.layers[layer]).controls;
        let value = f64::from(value);
        let key = match key {
            0 => {
                controls.opacity = value / 255.0;
                "opacity"
            }
            1 => {
                controls.gamma = 0.5 + value / 255.0;
                "gamma"
            }
            2 => {
                controls.visible = value > 127.0;
                "visible"
            }
            _ => {
                controls.contrast_limits = (value, 300.0);
                "contrast_limits"
            }
        };
        let intent = author.then(|| (ClientId(9999), "of someone else".to_owned()));
        self.tell(|applied| applied.layers = vec![LayerChange { layer, keys: vec![key], intent }]);
    }
}

proptest! {
    #[test]
    fn what_each_client_was_told_adds_up_to_the_scene(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.run(op));
    }
}

fn come(slot: usize) -> Op {
    Op::Come { slot, tokens: [Token::Last, Token::Last, Token::Last], compact: false }
}

#[test]
fn who_comes_back_is_told_what_it_missed_and_no_more() {
    let mut world = World::new();
    world.run(&come(0));
    world.run(&Op::Go { slot: 0 });
    world.run(&Op::Control { layer: 1, key: 0, value: 51, author: true });
    world.run(&Op::Thumbnail { layer: 0, red: 7 });
    world.run(&Op::Thumbnail { layer: 0, red: 8 });
    let known = world.left[0].0.clone();
    let mut hello = hello();
    for (topic, token) in &known {
        hello["payload"]["resume_tokens"][topic] = token.clone().into();
    }
    let mut peer = world.stand.connect();
    peer.say(&hello.to_string());
    let frames: Vec<ServerFrame> = std::iter::from_fn(|| match peer.hear()? {
        Received::Frame(text) => Some(ServerFrame::parse(&text).unwrap()),
        Received::Close(close) => panic!("{close:?}"),
    })
    .collect();
    let seqs: Vec<_> = frames.iter().map(|frame| frame.sequence.as_ref().map(|(seq, _)| *seq)).collect();
    assert_eq!(seqs, [None, Some(0), None, Some(0), Some(1)], "welcome, scene, dims, one control, one picture; no stream");
    assert_eq!(frames[1].sequence.as_ref().unwrap().1, known["notify.scene"], "the epoch is the same");
    assert_eq!(frames[3].intent_id, None, "intent ids of another session mean nothing in this one");
    match (&frames[3].body, &frames[4].body) {
        (Body::Layers(control), Body::Layers(picture)) => {
            assert_eq!((&*control.layer_id, control.controls.as_ref().unwrap().opacity), ("layer-1", Some(0.2)));
            assert!(picture.thumbnail.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_said_of_a_volume_is_not_said_again() {
    let mut world = World::new();
    world.run(&Op::Mode { ndisplay: 3 });
    world.run(&come(0));
    world.run(&Op::Go { slot: 0 });
    world.run(&Op::Control { layer: 0, key: 0, value: 51, author: false });
    world.run(&Op::Level { level: 2 });
    world.run(&come(0));
    let layers = world.slots[0].as_ref().unwrap().places["notify.layers"].0;
    assert_eq!(layers, 0, "the control alone: its volume's key and the level are in the scene");
}

#[test]
fn what_is_too_long_ago_is_not_replayed() {
    let mut world = World::new();
    let missed = |world: &mut World, seconds: u64, changes: u32| {
        world.run(&come(0));
        world.run(&Op::Go { slot: 0 });
        world.run(&Op::Wait { seconds });
        for n in 0..changes {
            world.run(&Op::Control { layer: 0, key: 0, value: n as u8, author: false });
        }
        world.run(&come(0));
        let last = world.slots[0].as_ref().unwrap().places["notify.layers"].0;
        world.run(&Op::Go { slot: 0 });
        last + 1
    };
    assert_eq!(missed(&mut world, 0, 600), 600, "young enough");
    // Whatever came before is old by now and goes; what comes is young and stays.
    assert_eq!(missed(&mut world, 301, 600), 600);
    world.run(&come(1));
    world.run(&Op::Go { slot: 1 });
    assert_eq!(missed(&mut world, 0, 2048), 2048, "all that is kept");
    assert_eq!(missed(&mut world, 0, 2049), 2, "one too many: a default per layer");
    world.run(&come(1));
    assert_eq!(world.slots[1].as_ref().unwrap().places["notify.layers"].0, 1, "long gone");
}
