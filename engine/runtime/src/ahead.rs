//! What to have decoded before it is looked at: chunks along the way of a view that moves, those beside one that rests, and the
//! coarsest level. Pure; may import `nc_core` and the words of the loader's requests. Must never know: devices, tiles on them, arrivals.
//!
//! The unit is the **slab**: the planes of a level that lie in the same chunks. Steps within a slab are cached together, so nothing is
//! asked for them; requests name the first index of each chunk, so that lists stay equal while a step stays within its slabs.
//!
//! ```text
//!   pinned       coarsest level of this t and the next                      Visible, Ahead     an eighth of the cache
//!   moving       slabs that the speed reaches within the horizon,           Ahead, due when    half the cache, less where
//!                both next ones after a turn; tiles that a pan or zoom      they are reached   pins and screen are large
//!                will show; at first two levels coarser
//!   at rest      the slabs, times and tiles beside, once                    Neighbour          the idle budget
//!   whenever     the whole coarsest stack of this t, if it is small         Background         a sixteenth
//! ```

use crate::viewport::{STAND_IN, chunks_under};
use nc_core::data::motion::Velocity;
use nc_core::data::{Footprint, PlaneKey, Rect, TILE, TileKey};
use nc_core::ledger::State;
use nc_core::scene::{AxisKind, Dataset};
use nc_store::{Class, Goal, Piece, Want};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How far ahead a moving view is followed: at least and at most. Between them it is twice the time that a slab takes.
const HORIZON: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// Slabs ahead along one dim. Thin ones pass quickly.
const MOST_SLABS: u64 = 32;
/// Decoding speed before one was measured: modest, of one thread and a slow codec.
const UNMEASURED_BYTES_PER_S: f64 = 200e6;
/// How late a request may come and still be worth it.
const LATENESS: Duration = Duration::from_secs(1);
/// A pan or a zoom is followed so far, in steps of an eighth of a second.
const GLANCES: u32 = 4;
const GLANCE_S: f64 = 0.125;
/// Slower zooms (change of the logarithm per second) change no level soon.
const ZOOMING: f64 = 0.2;
/// Samples around what is shown: the region that is loaded is larger than the view, by its edge threshold and hysteresis.
const MARGIN: u32 = 9;
/// Requests of one kind at most; beyond it the last ones are cut.
const MOST_WANTS: usize = 2048;
/// A view at rest has at most so many bytes decoded that it may never show.
const MOST_IDLE_BYTES: u64 = 128 << 20;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    /// The snapshot.
    pub state: &'a State,
    /// Its dataset.
    pub dataset: &'a Dataset,
    /// The level that is shown.
    pub level: usize,
    /// What the canvas shows.
    pub shown: Rect,
    /// How that moves.
    pub velocity: &'a Velocity,
    /// Decoded bytes per second, if they were measured.
    pub decode_bytes_per_s: Option<f64>,
    /// Bytes of decoded chunks that are kept.
    pub cache_bytes: u64,
    /// Tiles that one plane of a layer may take.
    pub most_tiles: usize,
    /// The time.
    pub now: Instant,
}

/// Everything that is wanted beside what the screen lacks, while the view moves as it does: pins first, the coarsest stack last.
pub fn plan(a: &Ahead<'_>) -> Vec<Want> {
    let mut wants = pins(a);
    let pinned = wants.len();
    moving(a, &mut wants);
    wants.truncate(pinned + MOST_WANTS);
    coarsest_stack(a, &mut wants);
    wants
}

/// What may be looked at next after a rest: of the dim that moved last (without one: the one above the rows) the slab on either side,
/// then the next times, then the tiles around. At most the idle budget.
pub fn beside(a: &Ahead<'_>, last_dim: Option<usize>) -> Vec<Want> {
    let mut list = List::new(a, (a.cache_bytes / 8).min(MOST_IDLE_BYTES));
    let sliders = sliders(a);
    let first = last_dim.filter(|dim| sliders.contains(dim)).or_else(|| sliders.last().copied());
    let time = time_dim(a).filter(|&t| Some(t) != first);
    for dim in first.into_iter().chain(time) {
        for forward in [true, false] {
            for level in levels(a, a.level) {
                if let Some(slab) = next_slab(a, dim, level, forward, 1) {
                    list.slab(level, Some((dim, slab.index)), &tiles(a, level, a.shown), Class::Neighbour, None);
                }
            }
        }
    }
    let around = footprint(a, a.level, a.shown);
    let ring = Footprint {
        x0: around.x0.saturating_sub(TILE),
        x1: around.x1.saturating_add(TILE).min(sample_len(a, a.level, a.state.plane_dims().1)),
        y0: around.y0.saturating_sub(TILE),
        y1: around.y1.saturating_add(TILE).min(sample_len(a, a.level, a.state.plane_dims().0)),
    };
    if !around.is_empty() {
        let inside: HashSet<(u32, u32)> = around.tiles(a.most_tiles).into_iter().collect();
        let ring: Vec<(u32, u32)> = ring.tiles(2 * a.most_tiles).into_iter().filter(|at| !inside.contains(at)).collect();
        list.slab(a.level, None, &ring, Class::Neighbour, None);
    }
    list.wants.truncate(MOST_WANTS);
    list.wants
}

/// The coarsest level of the time shown and of the next one in the direction of play: something to show at once, whatever comes.
fn pins(a: &Ahead<'_>) -> Vec<Want> {
    let mut list = List::new(a, a.cache_bytes / 8);
    let coarsest = a.dataset.level_count() - 1;
    // All of the plane if there is room for two, else what is in view.
    let whole = whole_plane(a, coarsest);
    let place = if 2 * list.cost(coarsest, &whole) <= list.left { whole } else { tiles(a, coarsest, a.shown) };
    list.slab(coarsest, None, &place, Class::Visible, None);
    if let Some(t) = time_dim(a) {
        let speed = a.velocity.steps.get(t).copied().unwrap_or_default();
        let forward = speed.per_s >= 0.0;
        for forward in [Some(forward), speed.turned.then_some(!forward)].into_iter().flatten() {
            if let Some(slab) = next_slab(a, t, coarsest, forward, 1) {
                list.slab(coarsest, Some((t, slab.index)), &place, Class::Ahead, None);
            }
        }
    }
    list.wants.iter_mut().for_each(|want| want.pin = true);
    list.wants
}

/// What the view is moving towards, soonest first, but before all the coarse slabs that stand in for what comes too late.
fn moving(a: &Ahead<'_>, wants: &mut Vec<Want>) {
    if a.velocity.is_zero() || a.cache_bytes == 0 {
        return;
    }
    let mut list = List::new(a, 0);
    let here = tiles(a, a.level, a.shown);
    let taken = list.cost(a.level, &here) + a.cache_bytes / 8;
    list.left = (a.cache_bytes / 2).min((a.cache_bytes - a.cache_bytes / 8).saturating_sub(taken));
    let mut visits: Vec<Visit> = Vec::new();
    for dim in sliders(a) {
        visits.extend(visits_along(a, dim, &list));
    }
    visits.extend(visits_across(a));
    visits.sort_by_key(|visit| (!visit.coarse, visit.due));
    // The coarse ones are all due with the first: were they in turn with the fine ones, none would come in time once those are late.
    let soonest = visits.iter().filter(|v| v.coarse).map(|v| v.due).min();
    for visit in &visits {
        let due = if visit.coarse { soonest.unwrap_or(visit.due) } else { visit.due };
        list.slab(visit.level, visit.at, &visit.tiles, Class::Ahead, Some(a.now + due + LATENESS));
    }
    wants.append(&mut list.wants);
}

/// Somewhere the view will come by.
struct Visit {
    due: Duration,
    /// Whether it is there to stand in for something finer.
    coarse: bool,
    level: usize,
    /// Dim and index at the level, if that differs from where the view is.
    at: Option<(usize, u64)>,
    tiles: Vec<(u32, u32)>,
}

/// The slabs that a moving slider reaches.
fn visits_along(a: &Ahead<'_>, dim: usize, list: &List<'_>) -> Vec<Visit> {
    let speed = a.velocity.steps.get(dim).copied().unwrap_or_default();
    if speed.per_s == 0.0 {
        return Vec::new();
    }
    let rate = a.decode_bytes_per_s.filter(|rate| *rate > 0.0).unwrap_or(UNMEASURED_BYTES_PER_S);
    let mut visits = Vec::new();
    let mut walk = |level: usize, coarse: bool, horizon: Duration| {
        let place = tiles(a, level, a.shown);
        for (forward, most) in [(speed.per_s > 0.0, MOST_SLABS), (speed.per_s < 0.0, u64::from(speed.turned))] {
            for n in 1..=most {
                let Some(slab) = next_slab(a, dim, level, forward, n) else { break };
                let due = Duration::try_from_secs_f64(slab.steps as f64 / speed.per_s.abs()).unwrap_or(Duration::MAX);
                if n > 1 && due > horizon {
                    break;
                }
                let due = due.min(Duration::from_secs(3600));
                visits.push(Visit { due, coarse, level, at: Some((dim, slab.index)), tiles: place.clone() });
            }
        }
    };
    let coarse = (a.level + STAND_IN).min(a.dataset.level_count() - 1);
    if coarse > a.level {
        walk(coarse, true, HORIZON.1);
    }
    // What cannot be decoded as fast as it passes is not asked for: it would hold up what can.
    let arrives = |level: usize| {
        let slab_bytes = list.cost(level, &tiles(a, level, a.shown)) as f64;
        let slabs_per_s = speed.per_s.abs() / steps_per_slab(a, dim, level);
        (slab_bytes * slabs_per_s <= rate).then_some((level, slab_bytes))
    };
    if let Some((level, slab_bytes)) = (a.level..coarse.max(a.level + 1)).find_map(arrives) {
        let twice = Duration::try_from_secs_f64(2.0 * slab_bytes / rate).unwrap_or(HORIZON.1);
        walk(level, false, twice.clamp(HORIZON.0, HORIZON.1));
    }
    visits
}

/// The tiles that a pan or zoom is about to show.
fn visits_across(a: &Ahead<'_>) -> Vec<Visit> {
    let zoom = if a.velocity.zoom.abs() > ZOOMING { a.velocity.zoom } else { 0.0 };
    let (dx, dy) = a.velocity.pan;
    if zoom == 0.0 && (dx, dy) == (0.0, 0.0) {
        return Vec::new();
    }
    let next_level = match zoom {
        z if z > 0.0 => a.level.checked_sub(1),
        z if z < 0.0 => Some(a.level + 1).filter(|&l| l < a.dataset.level_count()),
        _ => None,
    };
    // Also where the view needs more tiles than it may take, those within it are not prefetched.
    let here = footprint(a, a.level, a.shown);
    let in_view = |(ty, tx): (u32, u32)| {
        let within = |tile: u32, from: u32, to: u32| from < to && (from / TILE..=(to - 1) / TILE).contains(&tile);
        within(ty, here.y0, here.y1) && within(tx, here.x0, here.x1)
    };
    let mut seen: HashSet<(usize, (u32, u32))> = HashSet::new();
    let mut visits = Vec::new();
    for glance in 1..=GLANCES {
        let seconds = f64::from(glance) * GLANCE_S;
        // A zoom that goes on for half a second is not followed beyond a factor of four.
        let factor = (-zoom * seconds).exp().clamp(0.25, 4.0);
        let (width, height) = (a.shown.width * factor, a.shown.height * factor);
        let middle = (a.shown.left + a.shown.width / 2.0 + dx * seconds, a.shown.bottom + a.shown.height / 2.0 + dy * seconds);
        let shown = Rect { left: middle.0 - width / 2.0, bottom: middle.1 - height / 2.0, width, height };
        for level in [Some(a.level), next_level].into_iter().flatten() {
            let mut fresh = tiles(a, level, shown);
            fresh.retain(|at| (level != a.level || !in_view(*at)) && seen.insert((level, *at)));
            if !fresh.is_empty() {
                visits.push(Visit { due: Duration::from_secs_f64(seconds), coarse: false, level, at: None, tiles: fresh });
            }
        }
    }
    visits
}

/// Every slab of the coarsest level at the time shown, if that takes little of the cache: then each step shows something at once.
fn coarsest_stack(a: &Ahead<'_>, wants: &mut Vec<Want>) {
    let mut list = List::new(a, a.cache_bytes / 16);
    let coarsest = a.dataset.level_count() - 1;
    let place = whole_plane(a, coarsest);
    let time = time_dim(a);
    let dims: Vec<usize> = sliders(a).into_iter().filter(|&dim| Some(dim) != time).collect();
    let counts: Vec<u64> = dims.iter().map(|&dim| slab_count(a, dim, coarsest)).collect();
    let slabs = counts.iter().try_fold(1u64, |n, &count| n.checked_mul(count)).unwrap_or(u64::MAX);
    let requests = slabs.saturating_mul(place.len() as u64);
    if slabs < 2 || requests > MOST_WANTS as u64 || list.cost(coarsest, &place).saturating_mul(slabs) > list.left {
        return;
    }
    for n in 0..slabs {
        let mut left = n;
        let mut at = Vec::with_capacity(dims.len());
        for (&dim, &count) in dims.iter().zip(&counts) {
            at.push((dim, (left % count) * chunk_len(a, dim, coarsest)));
            left /= count;
        }
        list.slab_at(coarsest, &at, &place, Class::Background, None);
    }
    wants.append(&mut list.wants);
}

/// The chunks of a plane under a tile: the first and the last along rows, and along columns.
type Chunks = (PlaneKey, (u32, u32), (u32, u32));

/// Requests in the making, and what they may cost yet.
struct List<'a> {
    a: &'a Ahead<'a>,
    left: u64,
    seen: HashSet<TileKey>,
    /// Chunks that are paid for.
    paid: HashSet<Chunks>,
    wants: Vec<Want>,
}

impl<'a> List<'a> {
    fn new(a: &'a Ahead<'a>, budget: u64) -> Self {
        Self { a, left: budget, seen: HashSet::new(), paid: HashSet::new(), wants: Vec::new() }
    }

    /// Decoded bytes of the chunks under `tiles` of a plane, for all visible layers.
    fn cost(&self, level: usize, tiles: &[(u32, u32)]) -> u64 {
        let chunks = chunks_under(&self.a.dataset.whole_image(), level, self.a.state.plane_dims(), tiles);
        chunks.saturating_mul(self.chunk_bytes(level)).saturating_mul(self.groups(level))
    }

    /// Visible layers that do not share their chunks with another.
    fn groups(&self, level: usize) -> u64 {
        let (row, col) = self.a.state.plane_dims();
        let planes = visible(self.a).filter_map(|layer| base_plane(self.a, layer, level, row, col));
        planes.collect::<HashSet<PlaneKey>>().len() as u64
    }

    fn slab(&mut self, level: usize, at: Option<(usize, u64)>, tiles: &[(u32, u32)], class: Class, deadline: Option<Instant>) {
        self.slab_at(level, at.as_slice(), tiles, class, deadline);
    }

    /// Asks for the chunks under `tiles`, of all visible layers in turn, at the indices `at` (dim, index at the level) and else where the
    /// view is; as far as the budget goes.
    fn slab_at(&mut self, level: usize, at: &[(usize, u64)], tiles: &[(u32, u32)], class: Class, deadline: Option<Instant>) {
        let (row, col) = self.a.state.plane_dims();
        let mut planes: Vec<PlaneKey> = Vec::new();
        for layer in visible(self.a) {
            let Some(mut plane) = base_plane(self.a, layer, level, row, col) else { continue };
            let image = self.a.dataset.layer_image(&self.a.dataset.layers[layer]);
            for &(dim, index) in at {
                let Some(axis) = image.axis(dim) else { continue };
                let chunk = image.chunk_edge(usize::from(plane.level), dim);
                plane.index[axis] = u32::try_from(index - index % chunk).unwrap_or(u32::MAX);
            }
            if !planes.contains(&plane) {
                planes.push(plane);
            }
        }
        let chunk_bytes = self.chunk_bytes(level);
        for &(ty, tx) in tiles {
            let (rows, cols) = (self.chunks(level, row, ty), self.chunks(level, col, tx));
            let count = u64::from(rows.1 - rows.0 + 1) * u64::from(cols.1 - cols.0 + 1);
            for &plane in &planes {
                if !self.seen.insert(TileKey { plane, ty, tx }) {
                    continue;
                }
                // Tiles that lie in the same chunks cost once.
                let price = if self.paid.insert((plane, rows, cols)) { count.saturating_mul(chunk_bytes) } else { 0 };
                if price > self.left {
                    self.left = 0;
                    return;
                }
                self.left -= price;
                self.wants.push(Want { goal: Goal::Warm(Piece::Tile(TileKey { plane, ty, tx })), class, deadline, pin: false });
            }
        }
    }

    /// First and last chunk of a tile along one dim.
    fn chunks(&self, level: usize, dim: usize, tile: u32) -> (u32, u32) {
        let chunk = chunk_len(self.a, dim, level);
        let (first, end) = (u64::from(tile) * u64::from(TILE), (u64::from(tile) + 1) * u64::from(TILE));
        let end = end.min(u64::from(sample_len(self.a, level, dim))).max(first + 1);
        ((first / chunk) as u32, ((end - 1) / chunk) as u32)
    }

    fn chunk_bytes(&self, level: usize) -> u64 {
        let info = &self.a.dataset.image;
        let elements = info.levels[level].chunk.iter().try_fold(1u64, |n, &c| n.checked_mul(c)).unwrap_or(u64::MAX);
        elements.saturating_mul(info.dtype.size() as u64)
    }
}

/// The plane of a layer at the present step, as the first of those that lie in the same chunks. `None` for a label image whose samples
/// do not lie where those of the image's level do: nothing is asked for ahead of those.
fn base_plane(a: &Ahead<'_>, layer: usize, level: usize, row: usize, col: usize) -> Option<PlaneKey> {
    let image = a.dataset.layer_image(&a.dataset.layers[layer]);
    let own = image.level_for(level, &[row, col]);
    let alike = |dim: usize| image.sample_axis(own, dim).is_none_or(|axis| axis == a.dataset.sample_axis(level, dim));
    if !(0..a.dataset.ndim()).all(alike) {
        return None;
    }
    let mut plane = image.plane(own, row, col, a.state.dims.step.get())?;
    for (index, &chunk) in plane.index.iter_mut().zip(&image.info().levels[own].chunk) {
        *index -= *index % u32::try_from(chunk.max(1)).unwrap_or(u32::MAX);
    }
    Some(plane)
}

fn visible<'a>(a: &'a Ahead<'_>) -> impl Iterator<Item = usize> + 'a {
    a.state.layers.iter().enumerate().filter(|(_, layer)| layer.controls.visible).map(|(n, _)| n)
}

/// The dims that are not displayed and can move.
fn sliders(a: &Ahead<'_>) -> Vec<usize> {
    let (row, col) = a.state.plane_dims();
    (0..a.dataset.ndim()).filter(|&dim| dim != row && dim != col && a.dataset.size(dim) > 1).collect()
}

fn time_dim(a: &Ahead<'_>) -> Option<usize> {
    let kind = |dim: usize| a.dataset.image.axes[a.dataset.dims[dim]].kind;
    sliders(a).into_iter().find(|&dim| kind(dim) == AxisKind::Time)
}

/// The level with its stand-in before it.
fn levels(a: &Ahead<'_>, level: usize) -> impl Iterator<Item = usize> + use<> {
    let coarse = (level + STAND_IN).min(a.dataset.level_count() - 1);
    [(coarse > level).then_some(coarse), Some(level)].into_iter().flatten()
}

fn chunk_len(a: &Ahead<'_>, dim: usize, level: usize) -> u64 {
    a.dataset.image.levels[level].chunk[a.dataset.dims[dim]].max(1)
}

fn level_len(a: &Ahead<'_>, dim: usize, level: usize) -> u64 {
    a.dataset.image.levels[level].shape[a.dataset.dims[dim]]
}

fn slab_count(a: &Ahead<'_>, dim: usize, level: usize) -> u64 {
    level_len(a, dim, level).div_ceil(chunk_len(a, dim, level))
}

/// Steps of level 0 that a slab of the level spans.
fn steps_per_slab(a: &Ahead<'_>, dim: usize, level: usize) -> f64 {
    (chunk_len(a, dim, level) as f64 * a.dataset.downsample(level)[dim].abs()).max(1.0)
}

/// A slab beside the present one.
struct NextSlab {
    /// Index at the level that the view meets first.
    index: u64,
    /// Steps of level 0 until then.
    steps: u64,
}

/// The `n`-th slab of the level after or before that of the present step, if there is one.
fn next_slab(a: &Ahead<'_>, dim: usize, level: usize, forward: bool, n: u64) -> Option<NextSlab> {
    let (chunk, step) = (chunk_len(a, dim, level), a.state.dims.step.get()[dim]);
    let here = a.dataset.index_at_level(dim, step, level) / chunk;
    let index = if forward { (here + n) * chunk } else { (here + 1).checked_sub(n)?.checked_mul(chunk)?.checked_sub(1)? };
    (index < level_len(a, dim, level)).then(|| {
        let steps = a.dataset.index_at_finest(dim, index, level).abs_diff(step);
        NextSlab { index, steps }
    })
}

fn sample_len(a: &Ahead<'_>, level: usize, dim: usize) -> u32 {
    a.dataset.sample_axis(level, dim).len
}

fn footprint(a: &Ahead<'_>, level: usize, shown: Rect) -> Footprint {
    let (row, col) = a.state.plane_dims();
    Footprint::of(shown, a.dataset.sample_axis(level, col), a.dataset.sample_axis(level, row), MARGIN)
}

fn tiles(a: &Ahead<'_>, level: usize, shown: Rect) -> Vec<(u32, u32)> {
    footprint(a, level, shown).tiles(a.most_tiles)
}

fn whole_plane(a: &Ahead<'_>, level: usize) -> Vec<(u32, u32)> {
    let (row, col) = a.state.plane_dims();
    let whole = Footprint { x0: 0, x1: sample_len(a, level, col), y0: 0, y1: sample_len(a, level, row) };
    whole.tiles(MOST_WANTS)
}
