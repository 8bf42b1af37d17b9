//! The plan of a render transaction: which mode, poses, level and region a snapshot and its camera commands lead to. Pure.
//!
//! ```text
//!   camera commands ──▶ pose of 2D, pose of 3D        each command moves the pose of its own mode
//!          │
//!   mode of the snapshot
//!     │ 3D                                   │ 2D
//!   level asked for, or the coarsest       back from 3D, and not moved since?
//!                                            │ yes              │ no
//!                                     level of before      level asked for, or the policy's,
//!                                     (within the budget)  which is asked when there is a reason to
//! ```
//!
//! In 3D the level that the voxels on the screen call for is decided with every plan, and told; what is drawn is the finest from there on
//! that is there, and the coarsest where nothing is.
//!
//! Reasons to ask the policy in 2D (PROTOCOL §16.1): the 2D camera moved, a switch waits for its cooldown, a level was released, a budget or
//! the canvas changed, and the first time. After a return from 3D none of them stands until something happens in 2D again, so the
//! level is exactly the one that 3D was entered from.

use crate::camera::{self, Home, Poses};
use crate::{viewport, volume};
use nc_core::data::lod::{LevelDecision, LevelInputs, LevelPolicy, LevelReason};
use nc_core::data::turntable::{self, VolumePose};
use nc_core::data::volume_lod::VolumeInputs;
use nc_core::data::{Budgets, CanvasSize, FILTER_MARGIN, Footprint, LevelDecided, Rect, Roi, RoiInputs, RoiPolicy};
use nc_core::exchange::CameraCommand;
use nc_core::ledger::State;
use nc_core::scene::Dataset;
use std::time::{Duration, Instant};

/// A zoom older than this no longer hints at a direction.
const ZOOM_HINT_AGE: Duration = Duration::from_millis(500);
/// A camera that turns by itself moves again after this, or as soon as the frame rate allows.
const TURN_EVERY: Duration = Duration::from_millis(8);
/// It turns at most as far at once as in this time: a picture that took longer makes it slower, not jump.
const LONGEST_TURN: Duration = Duration::from_millis(250);
/// A 3D camera that was not moved for so long is at rest.
const VOLUME_REST: Duration = Duration::from_millis(250);

/// What the picture shows: derived from `view.ndisplay`, never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Two dims.
    Plane,
    /// Three dims.
    Volume,
}

impl Mode {
    /// The mode of a snapshot.
    pub fn of(state: &State) -> Self {
        if *state.view.ndisplay.get() == 3 { Self::Volume } else { Self::Plane }
    }
}

/// What a plan starts from and leads to: the part of the viewer's state that a failed tick takes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Which of the poses is shown.
    pub mode: Mode,
    /// Both poses.
    pub poses: Poses,
    /// The level drawn.
    pub level: usize,
    /// The level that is to be drawn once it is there; in 2D the one drawn.
    pub target: usize,
    /// Whether a budget made it coarser than wanted.
    pub downgraded: bool,
    /// Toggles between the modes that were seen, as the ledger counts them.
    toggles: u64,
    canvas: CanvasSize,
    asked: Option<Asked>,
    /// Which levels fitted the budget when 2D was last planned.
    fits: Vec<bool>,
    /// The 2D view was moved, and no level was decided on since.
    moved: bool,
    /// It went somewhere else altogether.
    jumped: bool,
    /// There is another reason to decide on a level anew.
    due: bool,
    /// Nothing was planned yet: a level may be far from the one that the policy would settle on.
    first: bool,
    switched_at: Option<Instant>,
    zoom_hint: Option<(f64, Instant)>,
    /// What of the plane's level is loaded.
    pub region: Option<Region>,
    volume: VolumeChoice,
    /// When the camera turned by itself last, if it does.
    turned_at: Option<Instant>,
    /// The decision that was told last, and its target.
    told: Option<(LevelDecision, usize)>,
    /// Since when the old picture stands in for a new step of which nothing is there.
    pub holding_since: Option<Instant>,
}

impl Live {
    /// As if `state` had been applied.
    pub fn of(state: &State) -> Self {
        Self {
            mode: Mode::of(state),
            poses: Poses { plane: state.camera.plane.get().rect, volume: *state.camera.volume.get() },
            level: *state.multiscale.level.get(),
            target: *state.multiscale.level.get(),
            downgraded: false,
            toggles: toggles(state),
            canvas: state.canvas,
            asked: asked(state, None, 0),
            fits: Vec::new(),
            moved: false,
            jumped: false,
            due: true,
            first: true,
            switched_at: None,
            zoom_hint: None,
            region: None,
            volume: VolumeChoice::default(),
            turned_at: None,
            told: None,
            holding_since: None,
        }
    }
}

/// The region of a plane's level that is loaded (PROTOCOL §16.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The level.
    pub level: usize,
    /// The dims along rows and columns.
    pub dims: (usize, usize),
    /// The region, in samples of the level.
    pub roi: Roi,
    /// First and last chunk that it touches, rows, then columns; `None` if it is empty.
    pub signature: Option<[u32; 4]>,
}

/// Which level of the volume was chosen, whether or not it can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct VolumeChoice {
    level: Option<usize>,
    /// When another level was chosen.
    switched_at: Option<Instant>,
    /// When the camera moved last.
    moved_at: Option<Instant>,
}

/// How often the mode was entered or left: also tells of a way there and back between two ticks.
fn toggles(state: &State) -> u64 {
    state.view.entered_from.mark().version
}

/// A level that a person asked for. The ledger's leaf holds the level that was applied, which a budget may have made coarser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    level: usize,
    /// Version of the leaf that this is known from.
    version: u64,
    /// Another level is applied, so that the leaf's next version is expected to be that one.
    overruled: bool,
}

/// The level that is asked for now, when `before` was and `applied` was drawn for it.
fn asked(state: &State, before: Option<Asked>, applied: usize) -> Option<Asked> {
    let leaf = &state.multiscale.level;
    let (level, version) = (*leaf.get(), leaf.mark().version);
    let same = |asked: &Asked| version == asked.version || (asked.overruled && version == asked.version + 1 && level == applied);
    let known = before.filter(same).map(|asked| Asked { version, ..asked });
    state.multiscale.lock.get().then(|| known.unwrap_or(Asked { level, version, overruled: false }))
}

/// What a plan is made from, besides [`Live`].
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The snapshot.
    pub state: &'a State,
    /// Its dataset.
    pub dataset: &'a Dataset,
    /// Camera commands of its ops, in order.
    pub commands: &'a [CameraCommand],
    /// The time.
    pub now: Instant,
    /// How a level is chosen.
    pub policy: &'a LevelPolicy,
    /// How the region that is loaded follows the view.
    pub roi: &'a RoiPolicy,
    /// What may be held at once.
    pub budgets: &'a Budgets,
    /// In 3D: the level of which every layer can draw that one or a finer one now, if there is one.
    pub there: Option<usize>,
}

/// What to show, and what follows from it for the next tick.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewPlan {
    /// The viewer's state, if the plan is carried out.
    pub live: Live,
    /// The decision on the level, if one was made.
    pub decided: Option<LevelDecided>,
    /// When a switch that waits for its cooldown, or for the camera to rest, is due.
    pub wake_at: Option<Instant>,
    /// Whether the camera was reset.
    pub reset: bool,
}

/// A decision with what it was made from.
struct Decided {
    decision: LevelDecision,
    target: usize,
    oversampling: Vec<f64>,
    sampling: Vec<f64>,
    fits: Vec<bool>,
    zoom_hint: Option<f64>,
    lock: Option<usize>,
    since_switch: Option<Duration>,
    moving: bool,
    /// Whether it was made now, and not kept from before.
    made: bool,
    /// When it is to be made anew although nothing happens.
    again_at: Option<Instant>,
}

/// Plans; see the module.
pub fn plan(live: &Live, given: &Given<'_>) -> ViewPlan {
    let Given { state, dataset, now, .. } = *given;
    let (row, col) = state.plane_dims();
    let home = Home { plane: dataset.world_rect(col, row), volume: dataset.world_box(volume::dims(state)) };
    let camera = camera::apply(live.poses, state.canvas, &home, given.commands);
    let mut next =
        Live { poses: camera.poses, moved: live.moved || camera.moved, jumped: live.jumped || camera.jumped, ..live.clone() };
    if let Some(factor) = camera.zoom {
        next.zoom_hint = Some((factor, now));
    }
    next.mode = Mode::of(state);
    let toggled = toggles(state) != live.toggles;
    if toggled {
        // A switch of mode is none of the policy's.
        (next.toggles, next.switched_at) = (toggles(state), None);
    }
    next.asked = asked(state, live.asked, live.level);
    let shown = next.poses.plane.expanded_to(state.canvas);
    let decided = match next.mode {
        Mode::Volume => {
            let pose = home.volume_pose(next.poses.volume);
            let pose = turned(&mut next, pose, *state.view.turning.get(), now);
            next.poses.volume = Some(pose);
            if toggled || camera.reset || live.poses.volume.is_none() {
                // Somewhere else altogether: its level is found at once.
                next.volume = VolumeChoice::default();
            } else if live.poses.volume != next.poses.volume {
                next.volume.moved_at = Some(now);
            }
            volume_level(&mut next, &pose, home.volume, given)
        }
        Mode::Plane => {
            next.turned_at = None;
            next.due |= live.asked.is_some() && next.asked.is_none();
            plane_level(&mut next, given, shown, toggled)
        }
    };
    next.first = false;
    let decision = decided.decision;
    let switched = decision.level != live.level;
    let due = switched && next.due && next.mode == Mode::Plane;
    if switched && !toggled {
        next.switched_at = Some(now);
    }
    let cooldown_ends = next.switched_at.unwrap_or(now) + given.policy.cooldown;
    let turns_at = next.turned_at.map(|at| at + TURN_EVERY);
    let wake_at = decided.again_at.into_iter().chain(due.then_some(cooldown_ends)).chain(turns_at).min();
    (next.level, next.target, next.downgraded) = (decision.level, decided.target, decision.downgraded);
    next.canvas = state.canvas;
    if let Some(asked) = &mut next.asked {
        asked.overruled = decision.level != *state.multiscale.level.get();
    }
    if next.mode == Mode::Plane {
        next.region = Some(region(next.region, given, shown, next.level));
    }
    let news = switched || next.told != Some((decision, decided.target));
    let decided = (decided.made || switched).then(|| {
        next.told = Some((decision, decided.target));
        told(&decided, live.level, news, &next, given, shown)
    });
    ViewPlan { live: next, decided, wake_at, reset: camera.reset }
}

/// The pose of a camera that turns by itself at `speed` degrees a second, now. After a pause it goes on from where it was.
fn turned(next: &mut Live, pose: VolumePose, speed: f64, now: Instant) -> VolumePose {
    let before = std::mem::replace(&mut next.turned_at, (speed != 0.0).then_some(now));
    match before.filter(|_| speed != 0.0) {
        Some(before) => {
            let seconds = now.saturating_duration_since(before).min(LONGEST_TURN).as_secs_f64();
            turntable::orbit(pose, speed * seconds, 0.0)
        }
        None => pose,
    }
}

/// A decision as it is told.
fn told(decided: &Decided, from: usize, news: bool, next: &Live, given: &Given<'_>, shown: Rect) -> LevelDecided {
    let region = next.region.filter(|region| next.mode == Mode::Plane && !region.roi.region.is_empty());
    LevelDecided {
        from,
        decision: decided.decision,
        news,
        ndisplay: if next.mode == Mode::Volume { 3 } else { 2 },
        target: decided.target,
        oversampling: decided.oversampling.clone(),
        sampling: decided.sampling.clone(),
        fits: decided.fits.clone(),
        budgets: *given.budgets,
        policy: *given.policy,
        canvas: given.state.canvas,
        shown,
        roi: region.map(|region| region.roi.region),
        signature: region.and_then(|region| region.signature),
        zoom_hint: decided.zoom_hint,
        lock: decided.lock,
        since_switch: decided.since_switch,
        moving: decided.moving,
    }
}

/// What of the level is loaded for `shown`: what was, if that still serves.
fn region(before: Option<Region>, given: &Given<'_>, shown: Rect, level: usize) -> Region {
    let Given { state, dataset, .. } = *given;
    let dims @ (row, col) = state.plane_dims();
    let (x, y) = (dataset.sample_axis(level, col), dataset.sample_axis(level, row));
    let chunk = (dataset.chunk_edge(level, col), dataset.chunk_edge(level, row));
    let inputs = RoiInputs {
        viewport: Footprint::of(shown, x, y, FILTER_MARGIN),
        size: (x.len, y.len),
        chunk,
        previous: before.filter(|before| (before.level, before.dims) == (level, dims)).map(|before| before.roi),
    };
    let roi = given.roi.roi(&inputs);
    Region { level, dims, roi, signature: roi.region.signature(chunk) }
}

/// The level asked for, else what the sampling calls for as far as it is there (PROTOCOL §16.4); within the budget.
fn volume_level(next: &mut Live, pose: &VolumePose, bounds: [[f64; 2]; 3], given: &Given<'_>) -> Decided {
    let Given { state, dataset, now, policy, .. } = *given;
    let fits = volume::levels_that_fit(state, dataset, given.budgets);
    let voxel = volume::voxels(state, dataset);
    let lock = next.asked.map(|asked| asked.level);
    let choice = &mut next.volume;
    let moving = choice.moved_at.is_some_and(|at| now.duration_since(at) < VOLUME_REST);
    let since_switch = choice.switched_at.map(|at| now.duration_since(at));
    let inputs = VolumeInputs {
        pose,
        bounds,
        canvas: state.canvas,
        voxel: &voxel,
        fits: &fits,
        resident: given.there.unwrap_or(fits.len() - 1),
        current: choice.level,
        lock,
        since_switch,
        moving,
    };
    let decision = policy.decide_volume(&inputs);
    if choice.level.is_some_and(|level| level != decision.chosen) {
        choice.switched_at = Some(now);
    }
    let stepped = choice.switched_at == Some(now);
    choice.level = lock.is_none().then_some(decision.chosen);
    let rests_at = choice.moved_at.map(|at| at + VOLUME_REST).filter(|_| moving && decision.desired < decision.chosen);
    let cools_at = choice.switched_at.map(|at| at + policy.cooldown).filter(|_| stepped || decision.desired != decision.chosen);
    let reached = LevelDecision {
        desired: decision.desired,
        level: decision.drawn,
        downgraded: decision.downgraded,
        reason: decision.reason,
    };
    Decided {
        decision: reached,
        target: decision.target,
        oversampling: Vec::new(),
        sampling: decision.sampling,
        fits,
        zoom_hint: None,
        lock,
        since_switch,
        moving,
        made: true,
        again_at: rests_at.into_iter().chain(cools_at).filter(|&at| at > now).min(),
    }
}

fn plane_level(next: &mut Live, given: &Given<'_>, shown: Rect, toggled: bool) -> Decided {
    let Given { state, dataset, now, policy, .. } = *given;
    let fits = planes_that_fit(state, dataset, shown, given.budgets);
    if toggled {
        next.level = *state.multiscale.level.get();
        (next.due, next.first) = (false, false);
    } else {
        next.due |= next.canvas != state.canvas || (next.downgraded && next.fits != fits);
    }
    let (row, col) = state.plane_dims();
    let oversampling = dataset.oversampling(shown, state.canvas, row, col);
    let current = next.level.min(fits.len() - 1);
    let since_switch = next.switched_at.map(|at| now.duration_since(at));
    let lock = next.asked.map(|asked| asked.level).or(policy.lock);
    let (mut zoom_hint, mut made) = (None, true);
    let decision = if let Some(lock) = lock {
        fixed(policy, lock, &fits)
    } else if next.first || (next.moved && next.jumped) {
        policy.settle(&oversampling, &fits, current)
    } else if next.moved || next.due || !(toggled || fits[current]) {
        let hint = next.zoom_hint.take().filter(|(_, at)| now.duration_since(*at) <= ZOOM_HINT_AGE);
        zoom_hint = hint.map(|(factor, _)| factor);
        policy.decide(LevelInputs { oversampling: &oversampling, fits: &fits, current, zoom_hint, lock: None, since_switch })
    } else if toggled {
        because(LevelReason::Restored, fixed(policy, current, &fits))
    } else {
        made = false;
        LevelDecision { desired: current, level: current, downgraded: next.downgraded, reason: LevelReason::Keep }
    };
    if lock.is_some() || next.jumped {
        next.zoom_hint = None;
    }
    (next.moved, next.jumped) = (false, false);
    // A decision to move is followed by another, until nothing is left to change.
    next.due = matches!(decision.reason, LevelReason::Finer | LevelReason::Coarser | LevelReason::Cooldown);
    next.fits.clone_from(&fits);
    let waits = decision.reason == LevelReason::Cooldown;
    Decided {
        decision,
        target: decision.level,
        oversampling,
        sampling: Vec::new(),
        fits,
        zoom_hint,
        lock,
        since_switch,
        moving: false,
        made,
        again_at: waits.then(|| next.switched_at.unwrap_or(now) + policy.cooldown),
    }
}

/// Whether a plane of each level fits the budget of a slice (PROTOCOL §16.3) and what of it `shown` needs that of tiles.
fn planes_that_fit(state: &State, dataset: &Dataset, shown: Rect, budgets: &Budgets) -> Vec<bool> {
    let sample = dataset.sample_bytes();
    let (row, col) = state.plane_dims();
    let mut fits = viewport::levels_that_fit(state, dataset, shown, budgets.tile_bytes);
    for (level, fits) in fits.iter_mut().enumerate() {
        let shape = dataset.level_shape(level);
        *fits &= budgets.slice_fits(shape[col], shape[row], sample);
    }
    fits
}

/// `level`, or the next coarser that fits.
fn fixed(policy: &LevelPolicy, level: usize, fits: &[bool]) -> LevelDecision {
    // Where the level is given, the oversampling decides nothing.
    let oversampling = vec![0.0; fits.len()];
    let lock = Some(level);
    policy.decide(LevelInputs { oversampling: &oversampling, fits, current: level, zoom_hint: None, lock, since_switch: None })
}

/// A decision for a level that was asked for, with another reason for asking.
fn because(reason: LevelReason, decision: LevelDecision) -> LevelDecision {
    LevelDecision { reason: if decision.reason == LevelReason::Locked { reason } else { decision.reason }, ..decision }
}
