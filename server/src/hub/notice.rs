//! A change that everybody is told: kept as what it means, made JSON when the first client's socket is due to send it, and wrapped for
//! each client. Nothing here runs under the hub's lock but moves and clones.

use crate::session::history::Topic;
use crate::wire;
use nc_engine::api::ClientId;
use nc_engine::api::scene::{AppliedView, Thumbnail};
use nc_protocol::notify::{LayerData, Layers};
use nc_protocol::resume::DeltaToken;
use nc_protocol::scene::Controls;
use nc_protocol::validate::Dialect;
use nc_protocol::{Head, Kind};
use serde::Serialize;
use std::sync::{Arc, OnceLock};

/// What a notification says.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The whole scene; `fps` as in [`wire::scene`].
    Scene { view: Arc<AppliedView>, fps: f32 },
    /// Controls of a layer.
    Controls { layer: String, controls: Box<Controls> },
    /// More of a layer, which not every client reads.
    Data { layer: String, data: Box<LayerData> },
    /// A layer's picture; `at` in seconds since the Unix epoch.
    Thumbnail { layer: String, picture: Arc<Thumbnail>, at: f64 },
    /// A payload that is JSON already.
    Ready { kind: Kind, payload: Arc<str> },
}

/// One notification, without what differs between clients.
#[derive(Debug)]
pub(super) struct Notice {
    meaning: Meaning,
    /// The client and intent behind it.
    author: Option<(ClientId, String)>,
    /// Its name. The same for every client, as a name is unique only within a session.
    name: u128,
    full: OnceLock<Arc<str>>,
    compact: OnceLock<Arc<str>>,
}

impl Notice {
    /// `name` should be random.
    pub(super) fn new(meaning: Meaning, name: u128) -> Self {
        Self { meaning, author: None, name, full: OnceLock::new(), compact: OnceLock::new() }
    }

    /// One whose payload is small, or needed at once.
    pub(super) fn ready(kind: Kind, payload: &impl Serialize, name: u128) -> Self {
        Self::new(Meaning::Ready { kind, payload: json(payload).into() }, name)
    }

    pub(super) fn by(self, author: Option<(ClientId, String)>) -> Self {
        Self { author, ..self }
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.meaning {
            Meaning::Scene { .. } => Kind::Scene,
            Meaning::Controls { .. } | Meaning::Data { .. } | Meaning::Thumbnail { .. } => Kind::Layers,
            Meaning::Ready { kind, .. } => *kind,
        }
    }

    /// The topic whose sequence the frame belongs to.
    pub(super) fn topic(&self) -> Option<Topic> {
        match self.kind() {
            Kind::Scene => Some(Topic::Scene),
            Kind::Layers => Some(Topic::Layers),
            Kind::Stream => Some(Topic::Stream),
            _ => None,
        }
    }

    /// Whether clients of a dialect are told it.
    pub(super) fn concerns(&self, dialect: Dialect) -> bool {
        !(dialect.compact && matches!(self.meaning, Meaning::Thumbnail { .. }))
    }

    /// Whether it is told again to who missed it. What is said of a volume may be wrong by then, as it is said only while one is shown;
    /// the scene says it anew.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self.meaning, Meaning::Data { .. })
    }

    /// The layer whose picture it is.
    pub(super) fn thumbnail_of(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Thumbnail { layer, .. } => Some(layer),
            _ => None,
        }
    }

    /// The intent behind it, if it is the client's. Intent ids are unique only within a session, so nobody else is told them.
    pub(super) fn intent_of(&self, client: ClientId) -> Option<&str> {
        self.author.as_ref().filter(|(author, _)| *author == client).map(|(_, intent)| intent.as_str())
    }

    /// The payload as JSON.
    pub(super) fn payload(&self, dialect: Dialect) -> Arc<str> {
        let layer = |layer: &String| Layers { layer_id: layer.clone(), ..Layers::default() };
        let made = || match &self.meaning {
            Meaning::Scene { view, fps } => {
                let mut scene = wire::scene(view, *fps);
                if dialect.compact {
                    scene.layers.iter_mut().for_each(|layer| layer.metadata.thumbnail = None);
                }
                json(&scene).into()
            }
            Meaning::Controls { layer: id, controls } => {
                json(&Layers { controls: Some((**controls).clone()), ..layer(id) }).into()
            }
            Meaning::Data { layer: id, data } => json(&Layers { data: Some((**data).clone()), ..layer(id) }).into(),
            Meaning::Thumbnail { layer: id, picture, at } => {
                json(&Layers { thumbnail: Some(wire::thumbnail(picture, *at)), ..layer(id) }).into()
            }
            Meaning::Ready { payload, .. } => Arc::clone(payload),
        };
        Arc::clone(self.cache(dialect).get_or_init(made))
    }

    /// About how many bytes the payload has; exact once it is made.
    pub(super) fn weight(&self, dialect: Dialect) -> usize {
        // Four digits and a point per component, in brackets.
        const PICTURE: usize = 8 * 4 * Thumbnail::EDGE * Thumbnail::EDGE;
        const REST: usize = 2 << 10;
        match (&self.meaning, self.cache(dialect).get()) {
            (_, Some(payload)) => payload.len(),
            (Meaning::Ready { payload, .. }, None) => payload.len(),
            (Meaning::Controls { .. } | Meaning::Data { .. }, None) => REST,
            (Meaning::Thumbnail { .. }, None) => PICTURE + REST,
            (Meaning::Scene { view, .. }, None) => {
                let picture = if dialect.compact { 0 } else { PICTURE };
                (1 + view.layers.len()) * (picture + REST)
            }
        }
    }

    /// Only scenes say different things to different clients.
    fn cache(&self, dialect: Dialect) -> &OnceLock<Arc<str>> {
        if dialect.compact && matches!(self.meaning, Meaning::Scene { .. }) { &self.compact } else { &self.full }
    }

    /// `<kind>-<32 hex>` for topics with a history, 8 hex for the others, none where an intent names the frame.
    fn frame_id(&self, named_by_intent: bool) -> Option<String> {
        match (self.topic(), named_by_intent) {
            (Some(_), _) => Some(format!("{}-{:032x}", self.kind().name().replace('.', "-"), self.name)),
            (None, false) => Some(format!("{:08x}", self.name as u32)),
            (None, true) => None,
        }
    }
}

/// A notice on its way to one client.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(super) notice: Arc<Notice>,
    pub(super) dialect: Dialect,
    pub(super) session: Arc<str>,
    /// When it was told, seconds since the Unix epoch.
    pub(super) timestamp: f64,
    /// The client's `seq` and the shared token, for topics with a history.
    pub(super) sequence: Option<(u64, DeltaToken)>,
    /// The client's intent behind it.
    pub(super) intent: Option<String>,
}

impl Addressed {
    /// About how many bytes the frame has.
    pub(super) fn weight(&self) -> usize {
        const HEAD: usize = 384;
        HEAD + self.notice.weight(self.dialect)
    }

    /// The frame.
    pub(super) fn into_text(self) -> String {
        let Self { notice, dialect, session, timestamp, sequence, intent } = self;
        let frame_id = notice.frame_id(intent.is_some());
        let token = sequence.map(|(seq, token)| (seq, token.to_string()));
        let mut head = Head::new(notice.kind(), timestamp).session(&session);
        if let Some(frame_id) = &frame_id {
            head = head.frame_id(frame_id);
        }
        if let Some(intent) = &intent {
            head = head.intent_id(intent);
        }
        if let Some((seq, token)) = &token {
            head = head.sequence(*seq, token);
        }
        checked(head.around(&notice.payload(dialect)), dialect)
    }
}

/// In debug builds every frame is judged before it leaves.
pub(super) fn checked(frame: String, dialect: Dialect) -> String {
    debug_assert_eq!(nc_protocol::validate::outgoing_in(dialect, &frame), Ok(()), "{frame}");
    frame
}

/// A payload as JSON.
pub(super) fn json(payload: &impl Serialize) -> String {
    match serde_json::to_string(payload) {
        Ok(json) => json,
        // Only maps with keys that are not strings fail, and no payload has one.
        Err(error) => unreachable!("a payload that is no JSON: {error}"),
    }
}
