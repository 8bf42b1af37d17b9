//! The first surface at a threshold, lit from the eye.

use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::Packet;
use super::super::regions::Regions;
use super::walk::{Steps, walk};
use super::{Found, Mode, Pace, beside_texel};
use nc_core::data::Span;

/// Below the threshold, in units of the texture, a sample is worth a closer look at the step before it.
const NEAR: f32 = 0.2;
/// Light without direction.
pub(super) const AMBIENT: f32 = 0.2;
/// Samples to both sides that a surface's slope is taken from.
pub(super) const SLOPE: f32 = 1.5;

/// See the module.
pub(in super::super) struct Iso {
    pub(in super::super) threshold: f32,
    /// What 1 in the texture is in data units.
    pub(in super::super) unit: f32,
}

struct State<'a, L: Lanes, S> {
    mode: &'a Iso,
    sampler: S,
    active: L::M,
    hit: L::M,
    /// Where, in samples of the ray, and the value there.
    k: L::F,
    value: L::F,
}

impl<L: Lanes, S: Sampler> Steps<L> for State<'_, L, S> {
    const LEAD: i32 = 1;

    #[inline(always)]
    fn passes(&mut self, _l: L, _packet: &Packet<L>, span: Span, _a: i32, _b: i32) -> bool {
        span.hi <= self.mode.threshold
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let k = l.splat(k as f32);
        let v = packet.value(l, self.sampler, k);
        let threshold = l.splat(self.mode.threshold);
        let near = l.splat(self.mode.threshold - NEAR * self.mode.unit);
        self.active = self.active & packet.reaching(l, k);
        let mut open = self.active & l.gt(v, near);
        if !l.any(open) {
            return;
        }
        let before = k - l.splat(1.0);
        let mut i = 0;
        while i < 10 {
            let at = before + l.splat(i as f32 * 0.1);
            let v = packet.value_near(l, self.sampler, packet.at(at));
            let hit = open & l.gt(v, threshold);
            self.k = l.select(hit, at, self.k);
            self.value = l.select(hit, v, self.value);
            self.hit = self.hit | hit;
            open = open & !hit;
            if !l.any(open) {
                break;
            }
            i += 1;
        }
        self.active = self.active & !self.hit;
    }

    #[inline(always)]
    fn done(&self, l: L) -> bool {
        !l.any(self.active)
    }
}

/// How much a surface of that slope faces the eye: the cosine, 0 where there is no slope.
#[inline(always)]
pub(super) fn facing<L: Lanes>(l: L, slope: [L::F; 3], sight: [L::F; 3]) -> L::F {
    let length = l.sqrt(slope[0] * slope[0] + slope[1] * slope[1] + slope[2] * slope[2]);
    let along = slope[0] * sight[0] + slope[1] * sight[1] + slope[2] * sight[2];
    // No number where the length is 0.
    l.min(l.max(l.abs(along) / length, l.splat(0.0)), l.splat(1.0))
}

impl Mode for Iso {
    const COLORED: bool = false;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let zero = l.splat(0.0);
        let mut state = State { mode: self, sampler: s, active: packet.met, hit: l.mask(0), k: zero, value: zero };
        walk(l, packet, regions, pace, &mut state);
        let at = packet.at(state.k);
        let mut value = state.value;
        if l.any(state.hit) {
            let mut slope = [zero; 3];
            let reach = l.splat(SLOPE);
            let mut axis = 0;
            while axis < 3 {
                let (mut below, mut above) = (at, at);
                below[axis] = at[axis] - reach;
                above[axis] = at[axis] + reach;
                let (below, above) = (packet.value_near(l, s, below), packet.value_near(l, s, above));
                slope[axis] = below - above;
                value = l.max(above, l.max(below, value));
                axis += 1;
            }
            let facing = facing(l, slope, packet.sight);
            let eighth = {
                let square = facing * facing;
                let fourth = square * square;
                fourth * fourth
            };
            let sixteenth = eighth * eighth;
            let shine = sixteenth * sixteenth * eighth;
            value = value * (l.splat(AMBIENT) + facing) + shine * l.splat(self.unit);
        }
        Found { shown: packet.met & state.hit, value, color: [value; 4], at: beside_texel(l, at) }
    }
}
