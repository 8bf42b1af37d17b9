//! What a newcomer is told first (PROTOCOL §4), and what of it who comes back may do without (§9).

use super::notice::{Meaning, Notice};
use crate::ambient::Ambient;
use crate::session::Resume;
use crate::session::history::{History, Plan, Topic};
use crate::wire;
use nc_engine::api::scene::AppliedView;
use nc_protocol::Kind;
use nc_protocol::handshake::{Hello, ResumeState};
use nc_protocol::resume::DeltaToken;
use nc_protocol::validate::Dialect;
use std::sync::Arc;

/// Scene, dims and layers of one view. The stream follows, if it is known.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) scene: Arc<Notice>,
    pub(super) dims: Arc<Notice>,
    /// Which layers are of labels, for who asked.
    pub(super) labels: Vec<Arc<Notice>>,
    /// All controls of each layer.
    pub(super) layers: Vec<Arc<Notice>>,
}

impl Baseline {
    /// The baseline of a view; `fps` as in [`wire::scene`].
    pub(super) fn of(view: &Arc<AppliedView>, fps: f32, ambient: &dyn Ambient) -> Self {
        let notice = |meaning| Arc::new(Notice::new(meaning, ambient.random()));
        let layers = view.layers.iter().map(|layer| {
            let controls = Box::new(wire::controls(&layer.controls));
            notice(Meaning::Controls { layer: layer.spec.id.to_string(), controls })
        });
        Self {
            scene: notice(Meaning::Scene { view: Arc::clone(view), fps }),
            dims: Arc::new(Notice::ready(Kind::Dims, &wire::dims(view), ambient.random())),
            labels: wire::labels(view).map(|labels| Arc::new(Notice::ready(Kind::XLabels, &labels, ambient.random()))).collect(),
            layers: layers.collect(),
        }
    }

    /// In order, as everybody is told when the dataset changes.
    pub(super) fn notices(&self) -> impl Iterator<Item = &Arc<Notice>> {
        [&self.scene, &self.dims].into_iter().chain(&self.labels).chain(&self.layers)
    }
}

/// What one client is told before it is told what changes: notices in order, each with the token that follows it.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) notices: Vec<(Arc<Notice>, Option<DeltaToken>)>,
    pub(super) resume: Resume,
}

impl Opening {
    /// The opening of a client that says `hello`.
    ///
    /// It always gets the scene and the dims as they are. Changes of layers and stream that it missed are told again, oldest first, on
    /// top of that: the last word on each control is the one that the scene holds already, so nothing is taken back.
    pub(super) fn new(
        hello: &Hello,
        baseline: Option<&Baseline>,
        stream: Option<&Arc<Notice>>,
        history: &History<Arc<Notice>>,
    ) -> Self {
        let token = |topic: &str| hello.resume_tokens.get(topic).and_then(Option::as_deref);
        let newest = |topic, notice: &Arc<Notice>| (Arc::clone(notice), history.token(topic));
        let missed = |plan: Plan<'_, Arc<Notice>>| match plan {
            Plan::Reset => None,
            Plan::Replay(missed) => {
                let told = |notice: &Notice| notice.concerns(Dialect::of(hello)) && notice.lasts();
                let missed = missed.into_iter().filter(|(_, notice)| told(notice));
                Some(missed.map(|(token, notice)| (Arc::clone(notice), token)).collect::<Vec<_>>())
            }
        };
        let layers = match (baseline, missed(history.layers.plan(token("notify.layers")))) {
            (None, _) => Vec::new(),
            (_, Some(missed)) if !missed.is_empty() => missed,
            (Some(baseline), _) => baseline.layers.iter().map(|notice| newest(Topic::Layers, notice)).collect(),
        };
        let stream = match missed(history.stream.plan(token("notify.stream"))) {
            _ if baseline.is_none() => Vec::new(),
            Some(missed) => missed,
            None => stream.map(|notice| newest(Topic::Stream, notice)).into_iter().collect(),
        };
        let scene = ResumeState { seq: 0, delta_token: history.scene.to_string() };
        let resume = Resume { scene, layers: end(&layers, history.layers.token()), stream: end(&stream, history.stream.token()) };
        let first = baseline.into_iter().flat_map(|baseline| {
            let labels = baseline.labels.iter().map(|notice| (Arc::clone(notice), None));
            let rest = std::iter::once((Arc::clone(&baseline.dims), None)).chain(labels);
            std::iter::once((Arc::clone(&baseline.scene), Some(history.scene))).chain(rest)
        });
        let rest = layers.into_iter().chain(stream).map(|(notice, token)| (notice, Some(token)));
        Self { notices: first.chain(rest).collect(), resume }
    }
}

/// Where a client stands in a topic after these frames; at the newest place if there are none.
fn end(frames: &[(Arc<Notice>, DeltaToken)], newest: DeltaToken) -> ResumeState {
    let token = frames.last().map_or(newest, |(_, token)| *token);
    ResumeState { seq: frames.len().saturating_sub(1) as u64, delta_token: token.to_string() }
}
