//! What a change is made into: which frames, in which order, for whom.

use crate::support::{FakeEngine, TestAmbient, WALL, dataset, hello, view};
use nc_engine::api::data::lod::{LevelDecision, LevelPolicy, LevelReason};
use nc_engine::api::data::{Budgets, CanvasSize, Footprint, Rect};
use nc_engine::api::scene::{AppliedView, Thumbnail};
use nc_engine::api::{Accepted, Applied, ClientId, Echo, Event, LayerChange, LevelDecided, Sink};
use nc_protocol::extension::{COMPACT_SCENE, LEVEL};
use nc_protocol::notify::{CameraMode, Layers, Severity};
use nc_protocol::validate::Conversation;
use nc_protocol::{Body, ServerFrame};
use nc_server::Engine;
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Server {
    stand: Stand,
    sink: Arc<dyn Sink>,
    engine: Arc<FakeEngine>,
    _attached: Arc<dyn Engine>,
    shown: AppliedView,
}

impl Server {
    fn new(channels: u64) -> Self {
        let shown = view(Some(dataset(channels)));
        let engine = Arc::new(FakeEngine::showing(shown.clone()));
        let attached: Arc<dyn Engine> = engine.clone();
        let stand = Stand::new(Arc::new(TestAmbient::default()), 60.0, Drive::Everyone);
        stand.attach(&attached);
        Self { sink: stand.sink(), stand, engine, _attached: attached, shown }
    }

    fn comes(&self, extensions: &[&str]) -> Someone {
        let mut hello = hello();
        for extension in extensions {
            hello["payload"]["features"][extension] = true.into();
        }
        let mut someone = Someone { peer: self.stand.connect(), conversation: Conversation::default(), session: None };
        someone.says(&hello);
        someone.session = someone.hears()[0].session.clone();
        someone
    }

    fn tell(&self, change: impl FnOnce(&mut Applied)) {
        let view = Arc::new(self.shown.clone());
        let mut applied = Applied::unchanged(view);
        change(&mut applied);
        self.sink.event(Event::Applied(applied));
    }
}

struct Someone {
    peer: Peer,
    conversation: Conversation,
    session: Option<String>,
}

impl Someone {
    fn says(&mut self, frame: &Value) {
        self.conversation.heard(&frame.to_string());
        self.peer.say(&frame.to_string());
    }

    /// All that waits, judged.
    fn hears(&mut self) -> Vec<ServerFrame> {
        std::iter::from_fn(|| match self.peer.hear()? {
            Received::Frame(text) => {
                Some(self.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}")))
            }
            Received::Close(close) => panic!("{close:?}"),
        })
        .collect()
    }

    /// Sends an intent that the engine accepts, and hears the answer. Who it was to the engine, and the intent's name.
    fn intends(&mut self, server: &Server, intent: &str) -> (ClientId, String) {
        self.says(&json!({"type": "state.update", "version": 2, "session": self.session, "frame_id": format!("of {intent}"),
            "intent_id": intent, "timestamp": WALL, "payload": {"scope": "any", "target": "any", "key": "any", "value": 1}}));
        let raw = server.engine.try_intent().unwrap();
        let outcome = Ok(Accepted { applied_value: json!(1), version: 1 });
        server.sink.event(Event::Ack { client: raw.client, intent_id: raw.intent_id.clone(), outcome });
        assert!(matches!(&*self.hears(), [ServerFrame { body: Body::UpdateAck(_), .. }]));
        (raw.client, raw.intent_id)
    }
}

fn layers(frame: &ServerFrame) -> &Layers {
    match &frame.body {
        Body::Layers(layers) => layers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_authors_of_one_frame_each_find_their_own_key_under_their_own_intent() {
    let server = Server::new(1);
    let (mut one, mut two, mut watcher) = (server.comes(&[]), server.comes(&[]), server.comes(&[]));
    let (first, second) = (one.intends(&server, "i"), two.intends(&server, "i"));
    assert_ne!(first.0, second.0);
    server.tell(|applied| {
        let change = |keys, intent| LayerChange { layer: 0, keys, intent: Some(intent) };
        applied.layers = vec![change(vec!["opacity", "gamma"], first), change(vec!["colormap"], second)];
    });
    for (who, intents) in [(&mut one, [Some("i"), None]), (&mut two, [None, Some("i")]), (&mut watcher, [None, None])] {
        let frames = who.hears();
        assert_eq!(frames.iter().map(|frame| frame.intent_id.as_deref()).collect::<Vec<_>>(), intents);
        let told = [&frames[0], &frames[1]].map(|frame| layers(frame).controls.as_ref().unwrap());
        assert_eq!((told[0].opacity, told[0].gamma, &told[0].colormap), (Some(0.8), Some(1.0), &None));
        assert_eq!((told[1].opacity, told[1].colormap.as_deref()), (None, Some("gray")));
    }
}

#[test]
fn a_volume_says_the_first_layers_controls_twice_and_its_level_as_data() {
    let mut server = Server::new(2);
    let mut someone = server.comes(&[]);
    let change = |layer, keys: &[&'static str]| LayerChange { layer, keys: keys.to_vec(), intent: None };
    let both = || vec![change(0, &["colormap", "visible"]), change(1, &["colormap"]), change(0, &["sample_step"])];
    server.tell(|applied| applied.layers = both());
    assert_eq!(someone.hears().iter().filter(|frame| layers(frame).data.is_some()).count(), 0, "a plane has no volume");

    server.shown.ndisplay = 3;
    server.shown.level = 2;
    server.tell(|applied| applied.dims = true);
    assert_eq!(someone.hears().len(), 1, "dims say that a volume is shown, and at which level");
    server.tell(|applied| applied.layers = both());
    let frames = someone.hears();
    let told: Vec<_> = frames.iter().map(|frame| (&*layers(frame).layer_id, layers(frame).controls.is_some())).collect();
    assert_eq!(told, [("layer-0", true), ("layer-0", false), ("layer-1", true), ("layer-0", false)]);
    let data = |frame: &ServerFrame| serde_json::to_value(layers(frame).data.as_ref().unwrap()).unwrap();
    assert_eq!(data(&frames[1]), json!({"volume.colormap": "gray"}), "visible is no key of a volume");
    assert_eq!(data(&frames[3]), json!({"volume.sample_step": 1.0}), "the step of a ray is no control");

    server.shown.level = 1;
    server.shown.downgraded = true;
    server.tell(|applied| applied.dims = true);
    let frames = someone.hears();
    assert_eq!(frames.len(), 2);
    assert_eq!(data(&frames[1]), json!({"multiscale.level": 1, "multiscale.downgraded": true}));
}

#[test]
fn echoes_of_others_come_once_per_frame_before_everything_else() {
    let server = Server::new(1);
    let (mut one, mut two, mut watcher) = (server.comes(&[]), server.comes(&[]), server.comes(&[]));
    let (first, second) = (one.intends(&server, "i").0.0, two.intends(&server, "i").0.0);
    let pan = |client, x: f64| {
        let delta = Map::from_iter([("dx_px".to_owned(), json!(x)), ("dy_px".to_owned(), json!(0.5))]);
        Echo { client, ndisplay: 2, mode: "pan", delta }
    };
    server.tell(|applied| {
        applied.echoes = vec![pan(first, 1.0), pan(second, 2.0), pan(first, 4.0)];
        (applied.dims, applied.pose) = (true, true);
        applied.layers = vec![LayerChange { layer: 0, keys: vec!["opacity"], intent: None }];
    });
    for (who, moved) in [(&mut one, 2.0), (&mut two, 5.0), (&mut watcher, 7.0)] {
        let frames = who.hears();
        match &*frames.iter().map(|frame| &frame.body).collect::<Vec<_>>() {
            [Body::Camera(echo), Body::Dims(_), Body::Camera(pose), Body::Layers(_)] => {
                assert_eq!((echo.mode, echo.delta.as_ref().unwrap()["dx_px"].as_f64()), (CameraMode::Pan, Some(moved)));
                assert_eq!(pose.mode, CameraMode::Pose);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(frames[0].intent_id, None);
    }
}

#[test]
fn the_compact_dialect_has_no_pictures() {
    let mut server = Server::new(2);
    let (mut full, mut compact) = (server.comes(&[]), server.comes(&[COMPACT_SCENE]));
    let mut thumbnail = Thumbnail::black();
    thumbnail.rgba[0] = 9;
    Arc::make_mut(&mut server.shown.layers[1]).thumbnail = Arc::new(thumbnail);
    server.tell(|applied| applied.thumbnails = vec![1]);
    server.tell(|applied| applied.layers = vec![LayerChange { layer: 1, keys: vec!["gamma"], intent: None }]);
    let seqs = |frames: Vec<ServerFrame>| frames.iter().map(|frame| frame.sequence.clone().unwrap()).collect::<Vec<_>>();
    let (full, compact) = (seqs(full.hears()), seqs(compact.hears()));
    assert_eq!(full.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(compact.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2], "no gap where the picture was");
    assert_eq!(full[1].1, compact[0].1, "the token is everybody's");
    let mut late = server.stand.connect();
    let mut hello = hello();
    hello["payload"]["features"][COMPACT_SCENE] = true.into();
    late.say(&hello.to_string());
    let said: usize = std::iter::from_fn(|| late.hear())
        .map(|received| match received {
            Received::Frame(text) => text.len(),
            Received::Close(close) => panic!("{close:?}"),
        })
        .sum();
    assert!(said < 10_000, "{said} bytes");
}

#[test]
fn a_fault_is_as_bad_as_what_it_takes_away() {
    let server = Server::new(1);
    let mut someone = server.comes(&[]);
    for (domain, code) in
        [("data", "data.chunk"), ("render", "render.device"), ("encode", "encode.failed"), ("render", "render.volume_pending")]
    {
        server.sink.event(Event::Warning { domain, code, message: code.to_owned() });
    }
    let severities: Vec<_> = someone
        .hears()
        .into_iter()
        .map(|frame| match frame.body {
            Body::Error(error) => error.severity,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(severities, [Severity::Warning, Severity::Critical, Severity::Critical, Severity::Info]);
}

#[test]
fn nothing_follows_a_goodbye() {
    let server = Server::new(1);
    let mut someone = server.comes(&[]);
    server.stand.shut_down();
    server.tell(|applied| applied.dims = true);
    assert!(matches!(someone.peer.hear(), Some(Received::Frame(text)) if text.contains("session.goodbye")));
    assert!(matches!(someone.peer.hear(), Some(Received::Close(close)) if close.code == 1012));
}

#[test]
fn decisions_about_the_level_are_told_to_who_asked() {
    let server = Server::new(1);
    let (mut asker, mut other) = (server.comes(&[LEVEL]), server.comes(&[]));
    let decision = LevelDecision { desired: 0, level: 1, downgraded: true, reason: LevelReason::Finer };
    let switch = LevelDecided {
        from: 2,
        decision,
        news: true,
        ndisplay: 2,
        target: 1,
        oversampling: vec![4.0, 2.0, 1.0],
        sampling: vec![],
        fits: vec![false, true, true],
        budgets: Budgets::within(1 << 20),
        policy: LevelPolicy::default(),
        canvas: CanvasSize { width: 640, height: 480 },
        shown: Rect { left: 0.0, bottom: 0.0, width: 32.0, height: 24.0 },
        roi: Some(Footprint { x0: 0, x1: 36, y0: 0, y1: 28 }),
        signature: Some([0, 1, 0, 2]),
        zoom_hint: Some(0.8),
        lock: None,
        since_switch: Some(Duration::from_millis(200)),
        moving: false,
    };
    server.sink.event(Event::Level(Box::new(switch.clone())));
    match &*asker.hears() {
        [ServerFrame { body: Body::XLevel(report), .. }] => {
            assert_eq!((report.from, report.to, report.desired, report.downgraded), (2, 1, 0, true));
            assert_eq!((report.at, report.since_switch_ms, report.restored), (WALL, Some(200.0), false));
            assert_eq!((report.roi, report.signature, report.target), (Some([0, 36, 0, 28]), Some([0, 1, 0, 2]), Some(1)));
            assert_eq!((report.thresholds.unwrap().outwards, report.budgets.unwrap().tile_bytes), (1.35, 1 << 20));
        }
        other => panic!("{other:?}"),
    }
    assert!(other.hears().is_empty());
    let decision = LevelDecision { reason: LevelReason::Volume, ..decision };
    let (sampling, oversampling) = (vec![2.0, 1.0, 0.5], vec![]);
    let volume = LevelDecided { decision, ndisplay: 3, target: 0, oversampling, sampling, roi: None, signature: None, ..switch };
    server.sink.event(Event::Level(Box::new(volume)));
    assert!(matches!(&*asker.hears(), [ServerFrame { body: Body::XLevel(_), .. }]), "a volume's level has no oversampling");
}
