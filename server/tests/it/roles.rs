//! Who may change the scene.

use crate::support::{FakeEngine, TestAmbient, dataset, hello, view};
use nc_protocol::extension::{ROLE, RoleName};
use nc_protocol::validate::Conversation;
use nc_protocol::{Body, ServerFrame};
use nc_server::Engine;
use nc_server::session::Drive;
use nc_server::testing::{Peer, Received, Stand};
use serde_json::{Value, json};
use std::sync::Arc;

/// A hub whose engine hands every intent to the test.
struct Server {
    stand: Stand,
    engine: Arc<FakeEngine>,
    _attached: Arc<dyn Engine>,
}

impl Server {
    fn new(drive: Drive) -> Self {
        let engine = Arc::new(FakeEngine::showing(view(Some(dataset(1)))));
        let attached: Arc<dyn Engine> = engine.clone();
        let stand = Stand::new(Arc::new(TestAmbient::default()), 60.0, drive);
        stand.attach(&attached);
        Self { stand, engine, _attached: attached }
    }

    fn comes(&self, token: Option<&str>) -> Someone {
        let mut hello = hello();
        hello["payload"]["features"][ROLE] = true.into();
        if let Some(token) = token {
            hello["payload"]["auth"] = json!({"type": "token", "token": token});
        }
        let (peer, conversation) = (self.stand.connect(), Conversation::default());
        let mut someone = Someone { peer, conversation, session: String::new(), said: 0 };
        someone.says(&hello);
        let welcome = someone.hears().unwrap();
        someone.session = welcome.session.clone().unwrap();
        assert!(matches!(&welcome.body, Body::Welcome(welcome) if welcome.features[ROLE].enabled));
        someone
    }

    /// Whether an intent came to the engine.
    fn took(&self) -> bool {
        self.engine.try_intent().is_some()
    }
}

struct Someone {
    peer: Peer,
    conversation: Conversation,
    session: String,
    said: u32,
}

impl Someone {
    fn says(&mut self, frame: &Value) {
        self.conversation.heard(&frame.to_string());
        self.peer.say(&frame.to_string());
    }

    fn hears(&mut self) -> Option<ServerFrame> {
        match self.peer.hear()? {
            Received::Frame(text) => {
                Some(self.conversation.next(&text).unwrap_or_else(|violation| panic!("{violation}: {text}")))
            }
            Received::Close(close) => panic!("{close:?}"),
        }
    }

    /// What it was told last of its role, since it was last asked.
    fn role(&mut self) -> Option<RoleName> {
        let told = std::iter::from_fn(|| self.hears()).filter_map(|frame| match frame.body {
            Body::XRole(role) => Some(role.role),
            _ => None,
        });
        told.last()
    }

    fn steps(&mut self) {
        self.said += 1;
        let (frame, intent) = (format!("f{}", self.said), format!("i{}", self.said));
        let step = json!({"scope": "dims", "target": "z", "key": "step", "value": 1});
        let session = self.session.clone();
        self.says(&json!({"type": "state.update", "version": 2, "session": session, "frame_id": frame, "intent_id": intent,
            "timestamp": 1, "payload": step}));
    }

    /// Code, message and details of the refusal that waits.
    fn refusal(&mut self) -> Option<(String, String, Value)> {
        match self.hears()?.body {
            Body::UpdateAck(ack) => ack.error.map(|error| (error.code, error.message, error.details.unwrap_or(Value::Null))),
            other => panic!("{other:?}"),
        }
    }
}

fn forbidden() -> Option<(String, String, Value)> {
    let details = json!({"scope": "dims", "key": "step"});
    Some(("state.forbidden".to_owned(), "this session only watches".to_owned(), details))
}

const DRIVER: Option<RoleName> = Some(RoleName::Driver);
const OBSERVER: Option<RoleName> = Some(RoleName::Observer);

#[test]
fn with_first_the_oldest_drives_and_the_next_is_told_when_it_takes_over() {
    let server = Server::new(Drive::First);
    let (mut first, mut second, mut third) = (server.comes(None), server.comes(None), server.comes(None));
    assert_eq!([first.role(), second.role(), third.role()], [DRIVER, OBSERVER, OBSERVER]);
    first.steps();
    assert!(server.took());
    assert_eq!(first.refusal(), None, "the engine answers");
    second.steps();
    assert!(!server.took());
    assert_eq!(second.refusal(), forbidden());
    drop(first);
    assert_eq!([second.role(), third.role()], [DRIVER, None]);
    third.steps();
    assert!(!server.took());
    assert_eq!(third.refusal(), forbidden());
    second.steps();
    assert!(server.took());
}

#[test]
fn with_a_token_only_those_who_show_it_drive() {
    let server = Server::new(Drive::Token("sesame".to_owned()));
    let mut all = [None, Some("sesame"), Some("wrong")].map(|token| server.comes(token));
    assert_eq!(all.each_mut().map(Someone::role), [OBSERVER, DRIVER, OBSERVER]);
    all.iter_mut().for_each(Someone::steps);
    assert!(server.took());
    assert!(!server.took());
    assert_eq!(all.each_mut().map(Someone::refusal), [forbidden(), None, forbidden()]);
}

#[test]
fn everyone_drives_by_default() {
    let server = Server::new(Drive::default());
    let mut all = [server.comes(None), server.comes(None)];
    assert_eq!(all.each_mut().map(Someone::role), [DRIVER, DRIVER]);
    all.iter_mut().for_each(Someone::steps);
    assert!(server.took() && server.took());
}

#[test]
fn who_watches_may_still_ask_for_a_keyframe() {
    let server = Server::new(Drive::First);
    let (_driver, mut watcher) = (server.comes(None), server.comes(None));
    assert_eq!(watcher.role(), OBSERVER);
    let session = watcher.session.clone();
    watcher.says(&json!({"type": "call.command", "version": 2, "session": session, "frame_id": "c", "timestamp": 1,
        "payload": {"command": "napari.pixel.request_keyframe"}}));
    assert!(matches!(watcher.hears().unwrap().body, Body::Reply(_)));
}
