//! The control thread: reducers on the way in, mirrors on the way out. Acks come before anything their intent causes, because both
//! come from here.

use crate::api::{Accepted, Applied, ClientId, Event, LayerChange, RawIntent, Rejection, Sink};
use crate::inbox::{Inbox, Work};
use crate::load::Load;
use nc_core::control::{Changes, Context, Echo, Echoes, Intent, Reduced, Rejection as Refused, reduce};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{AppliedCommit, Origin};
use nc_core::scene::AppliedView;
use nc_runtime::{SourceSlot, Stats, end_closed};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Most ops that may be open. They close within a frame, or within a tenth of a second when a step has to be loaded; only while no
/// device can be made do they pile up.
const OPEN_OPS: usize = 8192;

/// For camera intents: the echo's mode, and whether it is of 2D or 3D.
type EchoMode = (&'static str, u8);

pub(crate) struct Control {
    pub(crate) ledger: Arc<SharedLedger>,
    pub(crate) sources: Arc<SourceSlot>,
    pub(crate) render: Arc<Signal>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) sink: Arc<dyn Sink>,
    /// The view that the outside was last told of.
    pub(crate) announced: Arc<AppliedView>,
    /// Camera commands that the outside was not told of yet.
    pub(crate) echoes: Echoes,
}

impl Control {
    /// Runs until the inbox is stopped.
    pub(crate) fn run(&mut self) {
        while self.handle(self.inbox.next()) {}
    }

    /// Does one thing; false once the inbox is stopped.
    pub(crate) fn handle(&mut self, work: Work) -> bool {
        match work {
            Work::Intent(intent) => self.intent(intent),
            Work::Load(load) => self.load(load),
            Work::Level(switch) => self.sink.event(Event::Level(switch)),
            Work::Applied(commit) => self.mirror(commit),
            Work::Warning(w) => self.sink.event(Event::Warning { domain: w.domain, code: w.code, message: w.message }),
            Work::Stop => return false,
        }
        true
    }

    fn intent(&mut self, raw: RawIntent) {
        let RawIntent { client, intent_id, .. } = &raw;
        let (outcome, echo) = match self.accept(&raw) {
            Ok((accepted, echo)) => (Ok(accepted), echo),
            Err(refused) => {
                tracing::debug!(client = client.0, intent_id, code = refused.code, message = refused.message, "intent refused");
                (Err(Rejection { code: refused.code, message: refused.message, details: refused.details }), None)
            }
        };
        let delta = outcome.as_ref().ok().map(|a| a.applied_value.clone());
        self.sink.event(Event::Ack { client: *client, intent_id: intent_id.clone(), outcome });
        if let (Some((mode, ndisplay)), Some(delta)) = (echo, delta) {
            if let Value::Object(delta) = delta.clone() {
                self.echoes.accept(Echo { client: client.0, ndisplay, mode, delta });
            }
            self.sink.event(Event::CameraEcho { client: *client, intent_id: intent_id.clone(), mode, delta });
        }
    }

    /// Parses, reduces and commits; the op is open and the render thread awake when this returns.
    fn accept(&self, raw: &RawIntent) -> Result<(Accepted, Option<EchoMode>), Refused> {
        if self.ledger.pending_ops() >= OPEN_OPS {
            return Err(Refused { code: "state.error", message: "server busy".into(), details: serde_json::Value::Null });
        }
        let intent = Intent::parse(&raw.scope, &raw.target, &raw.key, &raw.value)?;
        let origin = Arc::new(Origin { client: raw.client.0, intent_id: raw.intent_id.clone() });
        let cx = Context { state: &self.ledger.state(), announced: &self.announced };
        let Reduced { batch, motion, applied_value, echo } = reduce(cx, intent, Some(origin))?;
        let commit = self.ledger.commit_intent(batch, motion, raw.received, Instant::now()).map_err(|error| {
            tracing::error!(%error, scope = raw.scope, key = raw.key, "a reducer's batch was refused");
            let details = serde_json::json!({"scope": raw.scope, "key": raw.key, "target": raw.target});
            Refused { code: "state.error", message: format!("{} update failed", raw.scope.trim().to_lowercase()), details }
        })?;
        self.render.notify();
        Ok((Accepted { applied_value, version: commit.version }, echo))
    }

    /// Shows another dataset. Everyone is told of it from here, before anything that comes of it.
    fn load(&mut self, load: Load) {
        let Load { seed, source, received, prepared, pending } = load;
        let epoch = self.ledger.state().epoch + 1;
        // The tiles come before the view that wants them.
        self.sources.put(epoch, source);
        match self.ledger.replace(seed, None, received, prepared) {
            Ok(commit) => {
                end_closed(&commit.closed, Instant::now(), &self.stats);
                self.inbox.forget_dataset();
                // What moved the camera over the old dataset says nothing of the new one.
                self.echoes.take();
                self.mirror(commit);
                self.render.notify();
            }
            Err(error) => {
                tracing::error!(%error, "a dataset that was prepared was refused");
                drop(self.sources.take(epoch));
            }
        }
        drop(pending);
    }

    fn mirror(&mut self, commit: AppliedCommit) {
        // Made before the dataset was replaced, and overtaken by what that told.
        if commit.view.epoch < self.announced.epoch {
            return;
        }
        let changes = Changes::between(&self.announced, &commit);
        self.announced = commit.view.clone();
        let echoes = self.echoes.take();
        if changes.is_empty() && echoes.is_empty() {
            return;
        }
        let layers = changes.layers.into_iter().map(|change| LayerChange {
            layer: change.layer,
            keys: change.keys.into_iter().map(|key| key.name()).collect(),
            intent: change.origin.map(|origin| (ClientId(origin.client), origin.intent_id.clone())),
        });
        self.sink.event(Event::Applied(Applied {
            view: commit.view,
            dataset: changes.dataset,
            dims: changes.dims,
            pose: changes.pose,
            echoes,
            layers: layers.collect(),
            thumbnails: changes.thumbnails,
        }));
    }
}
