//! One turn of the render loop: from a snapshot, commands and arrivals to a picture and an applied batch.
//!
//! ```text
//!             snapshot, commands, arrivals
//!                         │
//!            plan: mode, poses, level (`txn`)
//!              │ 2D (`plane`)               │ 3D (`volume`)
//!   tiles: upload what is cached,        bricks: likewise; of each layer the finest
//!   ask for the rest (`viewport`)        volume that is whole (`volume_supply`)
//!              └────────────┬───────────────┘
//!   new step or mode with nothing to show, for less than 100 ms?
//!     │ yes              │ no
//!   Holding           differs from the last picture?
//!   (old picture,        │ yes            │ no
//!   ops open)           draw              │      in 3D at the quality that the `governor` says
//!     │ arrival or       └──── commit ────┘
//!     │ 100 ms        (poses, caches, level, ops closed)
//!     └──────────▶ next tick
//! ```
//!
//! What is on the device of the other mode stays.

mod plane;
mod volume;

use crate::canvas::Resizing;
use crate::governor::{Governor, Quality};
use crate::stats::Stage;
use crate::supply::Supply;
use crate::thumbnails::{ThumbnailWork, Thumbnails};
use crate::tile_source::TileSource;
use crate::txn::{self, Given, Live, Mode};
use crate::volume_supply::VolumeSupply;
use nc_core::data::lod::{LevelPolicy, LevelReason};
use nc_core::data::{Budgets, CanvasSize, ImageId, LevelDecided, Rect, RoiPolicy, TileKey, plane_camera};
use nc_core::exchange::CameraCommand;
use nc_core::ledger::{AppliedBatch, State};
use nc_core::scene::{Dataset, OpSeq, PlanePose, Thumbnail, VolumePose};
use nc_gpu::api::{DeviceError, RenderDevice, SlicePass, VolumePass};
use nc_store::{Arrival, Piece};
use std::sync::Arc;
use std::time::{Duration, Instant};
use volume::Volumes;

/// How long the old picture may stand when nothing of a new step is resident.
const HOLD: Duration = Duration::from_millis(100);
/// Time of a 3D picture of a view that moves, if nobody says otherwise.
const FRAME_BUDGET: Duration = Duration::from_millis(33);
/// Told once a dataset.
const CROPPED: &str =
    "this view needs more memory than the cache has: only its middle is drawn; zoom in, or give more --cache-mb";

/// What a tick is given.
#[derive(Debug)]
pub struct Tick {
    /// The time.
    pub now: Instant,
    /// The newest snapshot.
    pub snapshot: Arc<State>,
    /// Camera commands of the snapshot's ops, in order.
    pub commands: Vec<CameraCommand>,
    /// Tiles, bricks, overviews and faults from the loader.
    pub arrivals: Vec<Arrival>,
}

/// What a tick gives.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether the device holds a new picture.
    pub drawn: bool,
    /// Whether that picture shows a volume, so that its last row belongs at the top of a screen.
    pub flip: bool,
    /// Whether it is the first of this dataset that shows the outline of a volume of which nothing is there yet.
    pub volume_pending: bool,
    /// What to commit, if anything.
    pub batch: Option<AppliedBatch>,
    /// When to tick again although nothing happens.
    pub wake_at: Option<Instant>,
    /// Damaged chunks, one line each.
    pub faults: Vec<String>,
    /// Whether the picture has to be a keyframe: the camera was reset, or another dataset is shown.
    pub keyframe: bool,
    /// The decision on the level, where one was made.
    pub decided: Option<LevelDecided>,
    /// Whether it is the first of this dataset for which no level fits the budgets.
    pub over_budget: bool,
}

impl Outcome {
    fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |w| w.min(at)));
    }
}

/// Told when a stage ends, by the loop that has a clock.
pub trait Laps {
    /// `stage` ended now.
    fn lap(&mut self, stage: Stage);
}

/// What was committed last.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Committed {
    op: OpSeq,
    rect: Rect,
    volume: Option<VolumePose>,
    level: usize,
    downgraded: bool,
    canvas: CanvasSize,
}

/// What the device's picture was drawn from.
#[derive(Debug, Clone, PartialEq)]
enum Drawn {
    Slice(SlicePass),
    Volume(VolumePass),
}

impl Drawn {
    /// Whether the picture was made with the tile's plane.
    fn shows(&self, key: &TileKey) -> bool {
        let Self::Slice(pass) = self else { return false };
        pass.layers.iter().flat_map(|layer| &layer.planes).any(|plane| plane.key == key.plane)
    }
}

/// What a picture shows, apart from level, place and colours.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    ndisplay: u8,
    step: Vec<u64>,
    order: Vec<usize>,
    visible: Vec<bool>,
}

impl Subject {
    fn of(state: &State) -> Self {
        Self {
            ndisplay: *state.view.ndisplay.get(),
            step: state.dims.step.get().clone(),
            order: state.dims.order.get().clone(),
            visible: state.layers.iter().map(|l| l.controls.visible).collect(),
        }
    }
}

/// The viewer: everything the render loop remembers between ticks.
#[derive(Debug)]
pub struct Viewer {
    policy: LevelPolicy,
    roi: RoiPolicy,
    budgets: Budgets,
    epoch: Option<u64>,
    /// As of the last tick.
    dataset: Option<Arc<Dataset>>,
    live: Live,
    resizing: Resizing,
    /// `live` as last committed.
    safe: Live,
    /// A reset was applied to `live`, or another dataset adopted, and no picture since.
    keyframe: bool,
    told_cropped: bool,
    told_absent: bool,
    told_over_budget: bool,
    told_volume: bool,
    supply: Supply,
    volumes: VolumeSupply,
    governor: Governor,
    quality: Quality,
    drawn: Option<Drawn>,
    subject: Option<Subject>,
    stale: bool,
    changed_at: Option<Instant>,
    committed: Option<Committed>,
    thumbnails: Thumbnails,
    /// The view of the last tick and its time, while nothing was asked for ahead of it.
    ahead_of: Option<(Arc<State>, Instant)>,
}

impl Viewer {
    /// A viewer that keeps within `budgets`. Starts from `state`, which it takes as applied.
    pub fn new(state: &State, policy: LevelPolicy, roi: RoiPolicy, budgets: Budgets) -> Self {
        Self {
            policy,
            roi,
            budgets,
            epoch: None,
            dataset: None,
            live: Live::of(state),
            resizing: Resizing::default(),
            safe: Live::of(state),
            keyframe: false,
            told_cropped: false,
            told_absent: false,
            told_over_budget: false,
            told_volume: false,
            supply: Supply::new(budgets.tile_bytes),
            volumes: VolumeSupply::new(budgets.volume_bytes),
            governor: Governor::new(FRAME_BUDGET),
            quality: Quality::FULL,
            drawn: None,
            subject: None,
            stale: true,
            changed_at: None,
            committed: None,
            thumbnails: Thumbnails::default(),
            ahead_of: None,
        }
    }

    /// The device was made anew, with `budgets`: every tile and brick is gone and the next tick draws.
    pub fn device_replaced(&mut self, budgets: Budgets) {
        self.budgets = budgets;
        self.supply.device_replaced(budgets.tile_bytes);
        self.volumes.device_replaced(budgets.volume_bytes);
        self.redraw();
    }

    /// Draws in the next tick even if nothing changes.
    pub fn redraw(&mut self) {
        self.drawn = None;
        self.stale = true;
    }

    /// Bytes of tiles on the device.
    pub fn tile_bytes(&self) -> u64 {
        self.supply.bytes().0
    }

    /// How many tiles or bricks the present view lacks at its level.
    pub fn missing(&self) -> usize {
        match self.live.mode {
            Mode::Plane => self.supply.lacking(),
            Mode::Volume => self.volumes.lacking(),
        }
    }

    /// Plans, applies and says what to commit. On an error nothing was applied: the viewer is as before, the picture may be lost.
    pub fn tick(
        &mut self,
        tick: Tick,
        device: &mut dyn RenderDevice,
        source: Option<&dyn TileSource>,
        laps: &mut dyn Laps,
    ) -> Result<Outcome, DeviceError> {
        let result = self.advance(tick, device, source, laps);
        if result.is_err() {
            // Also takes back what held ticks before this one moved: their ops fail with it.
            self.live = self.safe.clone();
            self.thumbnails.forget_request();
            self.stale = true;
            // One that was due may be lost with the picture.
            self.keyframe = true;
            self.supply.fail();
            self.volumes.fail();
            self.ahead_of = None;
        }
        result
    }

    /// To be called after every tick, when its picture is on its way: asks for what lies ahead of the view, if the tick did not.
    /// Says when to tick again although nothing happens.
    pub fn look_ahead(&mut self, source: Option<&dyn TileSource>) -> Option<Instant> {
        let (snapshot, now) = self.ahead_of.take()?;
        let (dataset, source) = (snapshot.dataset.as_ref()?, source?);
        match self.live.mode {
            Mode::Plane => self.ask(&[], &snapshot, dataset, source, now),
            Mode::Volume => self.ask_for_volumes_ahead(&snapshot, dataset, source, now),
        }
    }

    fn advance(
        &mut self,
        tick: Tick,
        device: &mut dyn RenderDevice,
        source: Option<&dyn TileSource>,
        laps: &mut dyn Laps,
    ) -> Result<Outcome, DeviceError> {
        let Tick { now, snapshot, commands, arrivals } = tick;
        let mut outcome = Outcome::default();
        self.supply.begin();
        self.volumes.begin();
        self.ahead_of = None;
        if self.epoch != Some(snapshot.epoch) {
            self.adopt(&snapshot, device);
        }
        self.grow(&snapshot, device);
        let fresh = self.receive(arrivals, &snapshot, device, &mut outcome)?;
        let snapshot = self.resized(snapshot, now, &mut outcome);
        let (Some(dataset), Some(source)) = (snapshot.dataset.clone(), source) else {
            outcome.batch = self.commit(&snapshot, now);
            return Ok(outcome);
        };

        if !self.told_absent
            && let Some(absent) = source.absent()
        {
            self.told_absent = true;
            outcome.faults.push(absent);
        }
        let given = Given {
            state: &snapshot,
            dataset: &dataset,
            commands: &commands,
            now,
            policy: &self.policy,
            roi: &self.roi,
            budgets: &self.budgets,
            there: None,
        };
        // The level to aim at does not depend on what is there; which one is drawn does.
        let target = (Mode::of(&snapshot) == Mode::Volume).then(|| txn::plan(&self.live, &given).live.target);
        let volumes = match target {
            Some(target) => {
                laps.lap(Stage::Plan);
                let demand = self.supply.demand();
                let volumes = Volumes::prepare(&mut self.volumes, &snapshot, &dataset, target, demand, source, device)?;
                laps.lap(Stage::Upload);
                Some(volumes)
            }
            None => None,
        };
        let plan = txn::plan(&self.live, &Given { there: volumes.as_ref().and_then(Volumes::there), ..given });
        let moved = self.live.poses.volume.is_some_and(|pose| plan.live.poses.volume != Some(pose));
        self.live = plan.live;
        self.keyframe |= plan.reset;
        let exceeds = plan.decided.as_ref().is_some_and(|d| d.decision.reason == LevelReason::OverBudget);
        outcome.over_budget = exceeds && !std::mem::replace(&mut self.told_over_budget, true);
        outcome.decided = plan.decided;
        plan.wake_at.into_iter().for_each(|at| outcome.wake(at));

        let subject = Subject::of(&snapshot);
        let (picture, news) = if let Some(volumes) = volumes {
            self.ask_for_volumes(&volumes, &snapshot, source, now, &mut outcome);
            if self.must_hold(volumes.presentable() || self.volumes.lacking() == 0, &subject, now) {
                self.hold(now, &mut outcome);
                return Ok(outcome);
            }
            (self.volume_picture(&volumes, moved, &subject, &snapshot, &dataset, now, &mut outcome), fresh)
        } else {
            let (plan, uploaded) = self.prepare_tiles(&snapshot, &dataset, source, device, now, &mut outcome, laps)?;
            if self.must_hold(plan.presentable || plan.missing.is_empty(), &subject, now) {
                self.hold(now, &mut outcome);
                return Ok(outcome);
            }
            if plan.cropped && !self.told_cropped {
                self.told_cropped = true;
                outcome.faults.push(CROPPED.to_owned());
            }
            self.quality = Quality::FULL;
            (Some(Drawn::Slice(plan.pass)), fresh || uploaded)
        };
        self.live.holding_since = None;
        outcome.keyframe = std::mem::take(&mut self.keyframe);
        if self.stale || news || self.drawn != picture {
            match &picture {
                Some(Drawn::Slice(pass)) => device.draw_slice(pass)?,
                Some(Drawn::Volume(pass)) => {
                    device.draw_volume(pass)?;
                    outcome.flip = true;
                    outcome.volume_pending = pass.outline && !std::mem::replace(&mut self.told_volume, true);
                }
                None => {}
            }
            self.show_volumes(&picture);
            laps.lap(Stage::Render);
            outcome.drawn = picture.is_some();
            self.drawn = picture;
            self.subject = Some(subject);
            self.stale = false;
            self.changed_at = Some(now);
        }
        outcome.batch = self.commit(&snapshot, now);
        self.work_on_thumbnails(&snapshot, source, now, &mut outcome);
        Ok(outcome)
    }

    /// The snapshot with the canvas that it is time for.
    fn resized(&mut self, snapshot: Arc<State>, now: Instant, outcome: &mut Outcome) -> Arc<State> {
        let (canvas, again_at) = self.resizing.settle(*snapshot.view.canvas_size.get(), snapshot.canvas, now);
        again_at.into_iter().for_each(|at| outcome.wake(at));
        if canvas == snapshot.canvas { snapshot } else { Arc::new(State { canvas, ..State::clone(&snapshot) }) }
    }

    /// Starts over with another dataset.
    fn adopt(&mut self, snapshot: &State, device: &mut dyn RenderDevice) {
        // What is shown first of another dataset has nothing in common with the picture before.
        self.keyframe = self.epoch.replace(snapshot.epoch).is_some();
        self.subject = None;
        self.live = Live::of(snapshot);
        self.safe = self.live.clone();
        self.told_cropped = false;
        self.told_absent = false;
        self.told_over_budget = false;
        self.told_volume = false;
        self.committed = None;
        self.thumbnails = Thumbnails::default();
        let images: Vec<ImageId> = snapshot.dataset.iter().flat_map(|d| d.images()).map(|image| image.id).collect();
        self.supply.adopt(device, &images);
        self.volumes.adopt(device, snapshot.dataset.as_deref());
        self.redraw();
    }

    /// The dataset may have grown: what its old end cut is to be loaded whole.
    fn grow(&mut self, snapshot: &State, device: &mut dyn RenderDevice) {
        let before = std::mem::replace(&mut self.dataset, snapshot.dataset.clone());
        if let (Some(before), Some(now)) = (before, &self.dataset)
            && !Arc::ptr_eq(&before, now)
            && before.image.id == now.image.id
        {
            // What is asked for again is asked of the image as it is now.
            self.supply.fail();
            for (before, now) in before.images().zip(now.images()) {
                self.supply.residency().retain_whole(device, before, now);
            }
            self.volumes.fail();
            self.volumes.retain(device, Some(now));
            self.redraw();
        }
    }

    /// Takes what the loader brought; tells whether the picture may differ for it.
    fn receive(
        &mut self,
        arrivals: Vec<Arrival>,
        snapshot: &State,
        device: &mut dyn RenderDevice,
        outcome: &mut Outcome,
    ) -> Result<bool, DeviceError> {
        let shown = |id: ImageId| snapshot.dataset.iter().flat_map(|d| d.images()).any(|image| image.id == id);
        for arrival in arrivals {
            match arrival {
                Arrival::Tile { key, tile, mended } if shown(key.plane.image) => self.supply.arrive(key, tile, mended),
                Arrival::Tile { .. } => {}
                Arrival::Brick { key, brick, mended } => {
                    self.supply.demand().made(&Piece::Brick(key));
                    self.volumes.arrive(key, brick, mended);
                }
                Arrival::Fault { fault, .. } => outcome.faults.push(fault.message),
                Arrival::Overview { plane, overview } => self.thumbnails.overview(plane, overview.ok()),
            }
        }
        let drawn = &self.drawn;
        let tiles = self.supply.upload_arrived(device, |key| drawn.as_ref().is_some_and(|drawn| drawn.shows(key)))?;
        let Some(dataset) = &snapshot.dataset else { return Ok(tiles) };
        let bricks = self.volumes.upload_arrived(device, dataset)?;
        Ok(tiles || bricks)
    }

    /// The old picture stays for now.
    fn hold(&mut self, now: Instant, outcome: &mut Outcome) {
        let since = *self.live.holding_since.get_or_insert(now);
        outcome.wake(since + HOLD);
    }

    /// Whether the old picture has to stand a little longer: the mode, the step or the set of layers is new, and something of it is still
    /// on its way without which a layer would be blank. A view that merely moved is never held.
    fn must_hold(&self, presentable: bool, subject: &Subject, now: Instant) -> bool {
        let within = self.live.holding_since.is_none_or(|since| now < since + HOLD);
        !presentable && within && self.subject.as_ref() != Some(subject)
    }

    fn commit(&mut self, snapshot: &Arc<State>, now: Instant) -> Option<AppliedBatch> {
        let Live { poses, level, downgraded, .. } = self.live;
        let canvas = snapshot.canvas;
        let committed =
            Committed { op: snapshot.scene.op_seq, rect: poses.plane, volume: poses.volume, level, downgraded, canvas };
        if self.committed == Some(committed) {
            return None;
        }
        if self.committed.replace(committed).is_some_and(|before| before.canvas != canvas) {
            self.resizing.changed(now);
        }
        self.safe = self.live.clone();
        let zoom = plane_camera::pixels_per_unit(poses.plane, snapshot.canvas);
        let pose = PlanePose { rect: poses.plane, zoom };
        let mut batch = AppliedBatch::new(snapshot.clone()).camera(pose).level(level, downgraded).canvas(canvas);
        if let Some(pose) = poses.volume {
            batch = batch.volume(pose);
        }
        if let Some(view) = snapshot.view.entered_from.get() {
            batch = batch.plane_cache(view.clone());
        }
        Some(batch.applied())
    }

    fn work_on_thumbnails(&mut self, snapshot: &Arc<State>, source: &dyn TileSource, now: Instant, outcome: &mut Outcome) {
        match self.thumbnails.due(snapshot, now, self.changed_at.unwrap_or(now)) {
            ThumbnailWork::Request(plane) => source.request_overview(plane, Thumbnail::EDGE as u32),
            ThumbnailWork::Ready(index, thumbnail) => {
                let batch = outcome.batch.take().unwrap_or_else(|| AppliedBatch::new(snapshot.clone()));
                outcome.batch = Some(batch.thumbnail(index, thumbnail));
                outcome.wake(now);
            }
            ThumbnailWork::Wait(Some(at)) => outcome.wake(at),
            ThumbnailWork::Wait(None) => {}
        }
    }
}
