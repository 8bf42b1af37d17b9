//! The control thread: reducers on the way in, mirrors on the way out. Acks come before anything their intent causes, because both
//! come from here.

use crate::api::{Accepted, Applied, ClientId, Event, LayerChange, RawIntent, Rejection, Sink};
use crate::inbox::{Inbox, Warning, Work};
use crate::load::{Load, labels_left_out};
use crate::watch::{Growth, Watch};
use crate::window::{Found, Rest};
use nc_core::control::{Changes, Context, Echo, Echoes, Intent, Reduced, Rejection as Refused, reduce};
use nc_core::exchange::{SharedLedger, Signal};
use nc_core::ledger::{AppliedCommit, IntentBatch, OpKind, Origin};
use nc_core::scene::AppliedView;
use nc_core::scene::control::{Control as LayerControl, ControlKey};
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
    /// The ledger's version with that view.
    pub(crate) announced_version: u64,
    pub(crate) watch: Watch,
    /// Contrast windows of the dataset that were not there when it was shown.
    pub(crate) late: Option<Rest>,
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
            Work::Grow(growth) => self.grow(growth),
            Work::Windows(found) => self.windows(found),
            Work::Warning(warning) => self.warn(warning),
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
        let Load { seed, source, watched, late, received, prepared, pending } = load;
        let epoch = self.ledger.state().epoch + 1;
        // The tiles come before the view that wants them.
        self.sources.put(epoch, source);
        match self.ledger.replace(seed, None, received, prepared) {
            Ok(commit) => {
                end_closed(&commit.closed, Instant::now(), &self.stats);
                self.inbox.forget_dataset();
                // What moved the camera over the old dataset says nothing of the new one.
                self.echoes.take();
                self.watch.show(epoch, commit.view.dataset.clone(), watched);
                self.late = late.map(|reading| reading.go_on(self.inbox.clone()));
                if let Some(pending) = labels_left_out(&commit.view) {
                    self.inbox.warning(pending);
                }
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

    /// Shows the dataset larger than before.
    fn grow(&mut self, growth: Growth) {
        let Growth { epoch, dataset, prepare } = growth;
        if self.ledger.state().epoch != epoch {
            return;
        }
        prepare();
        match self.ledger.grow(dataset) {
            Ok(commit) => {
                self.mirror(commit);
                self.render.notify();
            }
            Err(error) => tracing::error!(%error, "a dataset that grew was refused"),
        }
    }

    /// Writes contrast windows that came late, where nobody has chosen limits meanwhile.
    fn windows(&mut self, Found { image, windows }: Found) {
        let state = self.ledger.state();
        if state.dataset.as_ref().is_none_or(|dataset| dataset.image.id != image) {
            return;
        }
        for (index, (low, high)) in windows {
            let unchosen = |key| state.layers.get(index).is_some_and(|layer| layer.mark(key).is_seeded());
            if !unchosen(ControlKey::ContrastLimits) {
                continue;
            }
            let kind = OpKind::Layer(index, ControlKey::ContrastLimits);
            let mut batch = IntentBatch::new(kind, None).layer(index, LayerControl::ContrastLimits(low, high));
            if unchosen(ControlKey::IsoThreshold) {
                batch = batch.layer(index, LayerControl::IsoThreshold(low + (high - low) / 2.0));
            }
            let now = Instant::now();
            match self.ledger.commit_intent(batch, None, now, now) {
                Ok(_) => self.render.notify(),
                Err(error) => tracing::error!(%error, "contrast limits that came late were refused"),
            }
        }
    }

    /// Tells a warning, unless it is of data that nobody sees any more: the render thread may have found it while another dataset came.
    fn warn(&self, Warning { domain, code, epoch, message }: Warning) {
        if epoch.is_none_or(|epoch| epoch >= self.announced.epoch) {
            self.sink.event(Event::Warning { domain, code, message });
        }
    }

    fn mirror(&mut self, mut commit: AppliedCommit) {
        // Made before the dataset was replaced, and overtaken by what that told.
        if commit.view.epoch < self.announced.epoch {
            return;
        }
        if commit.version < self.announced_version {
            // Overtaken likewise, by a growth: its view is known by now, and only what failed in it is still to be told.
            commit.view = self.announced.clone();
        } else {
            self.announced_version = commit.version;
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
            shapes: changes.shapes,
            canvas: changes.canvas,
            dims: changes.dims,
            pose: changes.pose,
            echoes,
            layers: layers.collect(),
            thumbnails: changes.thumbnails,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Packet;
    use nc_core::data::{CanvasSize, DType, ImageId};
    use nc_core::ledger::{AppliedBatch, Ledger, Outcome};
    use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo};
    use std::sync::{Mutex, PoisonError};

    /// Keeps what is told.
    #[derive(Default)]
    struct Notes(Mutex<Vec<Event>>);

    impl Sink for Notes {
        fn event(&self, event: Event) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
        fn packet(&self, _packet: Packet) {}
    }

    impl Notes {
        fn take(&self) -> Vec<Event> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    /// t × y × x with so many times.
    fn image(t: u64) -> ImageInfo {
        let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
        let level = LevelInfo {
            shape: vec![t, 8, 8],
            chunk: vec![1, 8, 8],
            scale: vec![1.0; 3],
            translate: vec![0.0; 3],
            ..LevelInfo::default()
        };
        ImageInfo {
            id: ImageId(1),
            dtype: DType::U8,
            axes: vec![axis("t", AxisKind::Time), axis("y", AxisKind::Space), axis("x", AxisKind::Space)],
            levels: vec![level],
            ..ImageInfo::default()
        }
    }

    fn control() -> (Control, Arc<Notes>) {
        let dataset = Arc::new(Dataset::new(Arc::new(image(3))));
        let seed = nc_core::control::bootstrap::seed(dataset, CanvasSize { width: 64, height: 32 }, &[]);
        let ledger = Arc::new(SharedLedger::new(Ledger::new(seed).unwrap()));
        let (notes, inbox) = (Arc::<Notes>::default(), Arc::<Inbox>::default());
        let control = Control {
            announced: ledger.view(),
            announced_version: 0,
            watch: Watch::new(inbox.clone()),
            late: None,
            ledger,
            sources: Arc::default(),
            render: Arc::default(),
            inbox,
            stats: Arc::default(),
            sink: notes.clone(),
            echoes: Echoes::default(),
        };
        (control, notes)
    }

    fn growth(control: &Control, t: u64) -> Growth {
        let state = control.ledger.state();
        let dataset = state.dataset.as_ref().unwrap().grown(&image(t), &[]).unwrap().unwrap();
        Growth { epoch: state.epoch, dataset: Arc::new(dataset), prepare: Box::new(|| {}) }
    }

    /// Sizes along t that were told with their shapes.
    fn sizes(events: &[Event]) -> Vec<u64> {
        let told = events.iter().filter_map(|event| match event {
            Event::Applied(applied) if applied.shapes => applied.view.dataset.as_ref(),
            _ => None,
        });
        told.map(|dataset| dataset.size(0)).collect()
    }

    #[test]
    fn warnings_of_data_that_nobody_sees_any_more_are_not_told() {
        let (mut control, notes) = control();
        let epoch = control.announced.epoch;
        for (of, message) in [(Some(epoch - 1), "old"), (Some(epoch), "present"), (None, "device")] {
            control.handle(Work::Warning(Warning { domain: "data", code: "data.chunk", epoch: of, message: message.into() }));
        }
        let told = notes.take().into_iter().map(|event| match event {
            Event::Warning { message, .. } => message,
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), ["present", "device"]);
    }

    #[test]
    fn a_commit_that_a_growth_overtook_takes_nothing_back_and_loses_no_failure() {
        let (mut control, notes) = control();
        let last_good = control.ledger.state();
        let batch = IntentBatch::new(OpKind::Dims(0), None).step(vec![2, 0, 0]);
        control.ledger.commit_intent(batch, None, Instant::now(), Instant::now()).unwrap();
        let failed = AppliedBatch::new(control.ledger.state()).failed(last_good);
        let late = control.ledger.commit_applied(failed).unwrap();
        assert_eq!(late.closed[0].outcome, Some(Outcome::Failed));
        control.handle(Work::Grow(growth(&control, 5)));
        assert_eq!(sizes(&notes.take()), [5]);
        control.handle(Work::Applied(late));
        let told = notes.take();
        assert!(sizes(&told).is_empty());
        assert!(
            matches!(&told[..], [Event::Applied(Applied { dims: true, view, .. })] if view.dataset == control.announced.dataset)
        );
        assert_eq!(control.announced.dataset.as_ref().unwrap().size(0), 5);
    }

    #[test]
    fn a_growth_of_the_dataset_before_means_nothing() {
        let (mut control, notes) = control();
        let growth = Growth { epoch: 0, prepare: Box::new(|| panic!("not for this image")), ..growth(&control, 5) };
        control.handle(Work::Grow(growth));
        assert!(notes.take().is_empty());
    }
}
