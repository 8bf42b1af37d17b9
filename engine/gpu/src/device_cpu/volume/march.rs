//! Sends the rays of a tile through a volume, on the machine's instructions.

use super::compose::{TILE, Tile};
use super::grid::Sampler;
use super::lanes::portable::Portable;
use super::lanes::{LANES, Lanes};
use super::modes::attenuated::Attenuated;
use super::modes::emission::{Additive, Translucent};
use super::modes::extreme::Extreme;
use super::modes::iso::Iso;
use super::modes::labels::Surfaces;
use super::modes::mean::Mean;
use super::modes::{Found, Mode, Pace};
use super::packet::{Course, PACKET, Packet};
use super::store::Complete;
#[cfg(target_arch = "x86_64")]
use crate::isa::Avx2;
use crate::isa::Isa;
use crate::rays::{DEPTH_STEPS, DepthRule};

/// How the rays of a layer are drawn.
pub(super) enum Way<'a> {
    Mip(Extreme<false>),
    Minip(Extreme<true>),
    Attenuated(Attenuated),
    Mean(Mean),
    Additive(Additive<'a>),
    Translucent(Translucent<'a>),
    Iso(Iso),
    Labels(Surfaces<'a>),
}

/// A layer's rays through its volume.
pub(super) struct March<'a> {
    pub(super) volume: Complete<'a>,
    pub(super) course: Course,
    pub(super) way: Way<'a>,
    /// Whether samples are not filtered.
    pub(super) nearest: bool,
    /// Whether regions are looked up.
    pub(super) skips: bool,
    /// How depth is worked out, if anyone asks for it.
    pub(super) depth: Option<DepthRule>,
}

/// Part of a picture: column and row of its pixel at the bottom left, columns and rows, at most a [`TILE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) at: (usize, usize),
    pub(super) size: (usize, usize),
}

impl March<'_> {
    /// Whether it ends in colours rather than values.
    pub(super) fn is_colored(&self) -> bool {
        matches!(self.way, Way::Additive(_) | Way::Translucent(_) | Way::Labels(_))
    }

    /// What the rays of a part find, into `tile`, which has forgotten what others did.
    pub(super) fn draw(&self, isa: Isa, part: Part, tile: &mut Tile) {
        let grid = self.volume.grid;
        if self.nearest {
            if let Some(sampler) = grid.nearest_integers() {
                self.draw_with(isa, sampler, part, tile);
            } else if let Some(sampler) = grid.nearest_floats() {
                self.draw_with(isa, sampler, part, tile);
            }
        } else if let Some(sampler) = grid.linear_integers() {
            self.draw_with(isa, sampler, part, tile);
        } else if let Some(sampler) = grid.linear_floats() {
            self.draw_with(isa, sampler, part, tile);
        }
    }

    fn draw_with<S: Sampler>(&self, isa: Isa, sampler: S, part: Part, tile: &mut Tile) {
        match &self.way {
            Way::Mip(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Minip(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Attenuated(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Mean(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Additive(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Translucent(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Iso(mode) => self.run(isa, sampler, mode, part, tile),
            Way::Labels(mode) => self.run(isa, sampler, mode, part, tile),
        }
    }

    fn run<S: Sampler, M: Mode>(&self, isa: Isa, sampler: S, mode: &M, part: Part, tile: &mut Tile) {
        match isa {
            Isa::Portable => march(Portable, sampler, mode, self, part, tile),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the variant proves AVX2.
            Isa::Avx2(proof) => unsafe { march_avx2(proof, sampler, mode, self, part, tile) },
        }
    }
}

/// [`march`], compiled with AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn march_avx2<S: Sampler, M: Mode>(proof: Avx2, sampler: S, mode: &M, job: &March<'_>, part: Part, tile: &mut Tile) {
    march(proof, sampler, mode, job, part, tile);
}

#[inline(always)]
fn march<L: Lanes, S: Sampler, M: Mode>(l: L, sampler: S, mode: &M, job: &March<'_>, part: Part, tile: &mut Tile) {
    let (at, size) = (part.at, (part.size.0.min(TILE.0), part.size.1.min(TILE.1)));
    let mut pace = Pace::new(job.skips);
    let mut row = 0;
    while row < size.1 {
        let mut column = 0;
        while column < size.0 {
            if let Some(packet) = Packet::new(l, &job.course, at.0 + column, at.1 + row) {
                let found = mode.march(l, sampler, job.volume.regions, &packet, &mut pace);
                keep::<L, M>(l, &found, job, (column, row), tile);
            }
            column += PACKET.0;
        }
        row += PACKET.1;
    }
}

/// Puts what a packet found where its pixels are.
#[inline(always)]
fn keep<L: Lanes, M: Mode>(l: L, found: &Found<L>, job: &March<'_>, (column, row): (usize, usize), tile: &mut Tile) {
    let bits = l.bits(found.shown);
    if bits == 0 {
        return;
    }
    let mut depths = [0; LANES];
    if let Some(rule) = &job.depth {
        depths = depth(l, rule, found.at);
    }
    let values = l.store(found.value);
    let [r, g, b, a] = found.color;
    let colors = if M::COLORED { [l.store(r), l.store(g), l.store(b), l.store(a)] } else { [[0.0; LANES]; 4] };
    let mut lane = 0;
    while lane < LANES {
        let i = (row + lane / PACKET.0) * TILE.0 + column + lane % PACKET.0;
        tile.shown[i] = bits >> lane & 1 == 1;
        tile.depth[i] = depths[lane] as u32;
        if M::COLORED {
            tile.colors[i] = [colors[0][lane], colors[1][lane], colors[2][lane], colors[3][lane]];
        } else {
            tile.values[i] = values[lane];
        }
        lane += 1;
    }
}

/// What a depth buffer holds for positions.
#[inline(always)]
fn depth<L: Lanes>(l: L, rule: &DepthRule, at: [L::F; 3]) -> [i32; LANES] {
    let change = rule.change;
    let ahead = l.splat(rule.first as f32)
        + at[0] * l.splat(change[0] as f32)
        + at[1] * l.splat(change[1] as f32)
        + at[2] * l.splat(change[2] as f32);
    let (a, b) = (l.splat(rule.buffer.0 as f32), l.splat(rule.buffer.1 as f32));
    let held = if rule.perspective { a - b / ahead } else { a + b * ahead };
    let held = l.min(l.max(held, l.splat(0.0)), l.splat(1.0));
    l.store_integers(l.trunc(held * l.splat(DEPTH_STEPS as f32) + l.splat(0.5)))
}
