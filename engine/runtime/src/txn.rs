//! The plan of a render transaction: which mode, poses and level a snapshot and its camera commands lead to. Pure.
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
//! Reasons to ask the policy (PROTOCOL §16.1): the 2D camera moved, a switch waits for its cooldown, a level was released, a budget or
//! the canvas changed, and the first time. After a return from 3D none of them stands until something happens in 2D again, so the
//! level is exactly the one that 3D was entered from.

use crate::camera::{self, Home, Poses};
use crate::{viewport, volume};
use nc_core::data::CanvasSize;
use nc_core::data::lod::{LevelDecision, LevelInputs, LevelPolicy, LevelReason};
use nc_core::exchange::CameraCommand;
use nc_core::ledger::State;
use nc_core::scene::Dataset;
use std::time::{Duration, Instant};

/// A zoom older than this no longer hints at a direction.
const ZOOM_HINT_AGE: Duration = Duration::from_millis(500);

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
    switched_at: Option<Instant>,
    zoom_hint: Option<(f64, Instant)>,
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
            downgraded: false,
            toggles: toggles(state),
            canvas: state.canvas,
            asked: asked(state, None, 0),
            fits: Vec::new(),
            moved: false,
            jumped: false,
            due: true,
            switched_at: None,
            zoom_hint: None,
            holding_since: None,
        }
    }
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
    /// How 2D chooses its level.
    pub policy: &'a LevelPolicy,
    /// Bytes of samples that the device may keep.
    pub budget: u64,
}

/// A change of level and what it was decided from.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSwitch {
    /// The level before.
    pub from: usize,
    /// The level from now on, and why.
    pub decision: LevelDecision,
    /// Samples per canvas pixel, per level; empty in 3D.
    pub oversampling: Vec<f64>,
    /// Whether each level fits its budget.
    pub fits: Vec<bool>,
    /// The factor of a recent 2D zoom, above 1 outwards.
    pub zoom_hint: Option<f64>,
    /// The level that a person asked for.
    pub lock: Option<usize>,
    /// Time since the switch before.
    pub since_switch: Option<Duration>,
}

/// What to show, and what follows from it for the next tick.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewPlan {
    /// The viewer's state, if the plan is carried out.
    pub live: Live,
    /// The change of level, if it changes.
    pub switch: Option<LevelSwitch>,
    /// When a switch that waits for its cooldown is due.
    pub wake_at: Option<Instant>,
    /// Whether the camera was reset.
    pub reset: bool,
}

/// A decision with what it was made from.
struct Decided {
    decision: LevelDecision,
    oversampling: Vec<f64>,
    fits: Vec<bool>,
    zoom_hint: Option<f64>,
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
    let since_switch = next.switched_at.map(|at| now.duration_since(at));
    next.asked = asked(state, live.asked, live.level);
    let lock = next.asked.map(|asked| asked.level);
    let decided = match next.mode {
        Mode::Volume => {
            next.poses.volume = Some(home.volume_pose(next.poses.volume));
            volume_level(lock, given)
        }
        Mode::Plane => {
            next.due |= live.asked.is_some() && lock.is_none();
            plane_level(&mut next, given, toggled, since_switch)
        }
    };
    let Decided { decision, oversampling, fits, zoom_hint } = decided;
    let switched = decision.level != live.level;
    let waits = decision.reason == LevelReason::Cooldown || (switched && next.due && next.mode == Mode::Plane);
    if switched && !toggled {
        next.switched_at = Some(now);
    }
    let wake_at = waits.then(|| next.switched_at.unwrap_or(now) + given.policy.cooldown);
    (next.level, next.downgraded) = (decision.level, decision.downgraded);
    next.canvas = state.canvas;
    if let Some(asked) = &mut next.asked {
        asked.overruled = decision.level != *state.multiscale.level.get();
    }
    let switch =
        switched.then_some(LevelSwitch { from: live.level, decision, oversampling, fits, zoom_hint, lock, since_switch });
    ViewPlan { live: next, switch, wake_at, reset: camera.reset }
}

/// The level asked for, else the coarsest (PROTOCOL §16.4); within the budget.
fn volume_level(lock: Option<usize>, given: &Given<'_>) -> Decided {
    let fits = volume::levels_that_fit(given.state, given.dataset, given.budget);
    let asked = fixed(given.policy, lock.unwrap_or(fits.len() - 1), &fits);
    let decision = if lock.is_none() { because(LevelReason::Volume, asked) } else { asked };
    Decided { decision, oversampling: Vec::new(), fits, zoom_hint: None }
}

fn plane_level(next: &mut Live, given: &Given<'_>, toggled: bool, since_switch: Option<Duration>) -> Decided {
    let Given { state, dataset, now, policy, .. } = *given;
    let shown = next.poses.plane.expanded_to(state.canvas);
    let fits = viewport::levels_that_fit(state, dataset, shown, given.budget);
    if toggled {
        next.level = *state.multiscale.level.get();
        next.due = false;
    } else {
        next.due |= next.canvas != state.canvas || (next.downgraded && next.fits != fits);
    }
    let (row, col) = state.plane_dims();
    let oversampling = dataset.oversampling(shown, state.canvas, row, col);
    let current = next.level.min(fits.len() - 1);
    let mut zoom_hint = None;
    let decision = if let Some(asked) = next.asked {
        fixed(policy, asked.level, &fits)
    } else if next.moved && next.jumped {
        policy.settle(&oversampling, &fits, current)
    } else if next.moved || next.due || !(toggled || fits[current]) {
        let hint = next.zoom_hint.take().filter(|(_, at)| now.duration_since(*at) <= ZOOM_HINT_AGE);
        zoom_hint = hint.map(|(factor, _)| factor);
        policy.decide(LevelInputs { oversampling: &oversampling, fits: &fits, current, zoom_hint, lock: None, since_switch })
    } else if toggled {
        because(LevelReason::Restored, fixed(policy, current, &fits))
    } else {
        LevelDecision { desired: current, level: current, downgraded: next.downgraded, reason: LevelReason::Keep }
    };
    if next.asked.is_some() || next.jumped {
        next.zoom_hint = None;
    }
    (next.moved, next.jumped) = (false, false);
    // A decision to move is followed by another, until nothing is left to change.
    next.due = matches!(decision.reason, LevelReason::Finer | LevelReason::Coarser | LevelReason::Cooldown);
    next.fits.clone_from(&fits);
    Decided { decision, oversampling, fits, zoom_hint }
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
