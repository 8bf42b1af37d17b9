//! Labels: the first surface of one that has a colour, lit from the eye or flat.

use super::super::colors::KeyColors;
use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::Packet;
use super::super::regions::Regions;
use super::iso::{AMBIENT, SLOPE, facing};
use super::walk::{Steps, walk};
use super::{Found, Mode, Pace, beside_texel};
use nc_core::data::Span;

/// See the module.
pub(in super::super) struct Surfaces<'a> {
    pub(in super::super) colors: &'a KeyColors,
    pub(in super::super) lit: bool,
}

struct State<'a, L: Lanes, S> {
    colors: &'a KeyColors,
    sampler: S,
    active: L::M,
    hit: L::M,
    k: L::F,
    key: L::F,
}

impl<L: Lanes, S: Sampler> Steps<L> for State<'_, L, S> {
    const LEAD: i32 = 0;

    #[inline(always)]
    fn passes(&mut self, _l: L, _packet: &Packet<L>, span: Span, _a: i32, _b: i32) -> bool {
        span.hi <= 0.0 && span.lo >= 0.0 || span.hi < span.lo
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let (k, zero) = (l.splat(k as f32), l.splat(0.0));
        let v = packet.value(l, self.sampler, k);
        self.active = self.active & packet.reaching(l, k);
        let mut open = self.active & l.gt(l.abs(v), zero);
        if !l.any(open) {
            return;
        }
        let before = k - l.splat(1.0);
        let mut i = 0;
        while i < 10 {
            let at = before + l.splat(i as f32 * 0.1);
            let key = packet.value_near(l, self.sampler, packet.at(at));
            let hit = open & l.gt(self.colors.component(l, key, 3), zero);
            self.k = l.select(hit, at, self.k);
            self.key = l.select(hit, key, self.key);
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

impl Mode for Surfaces<'_> {
    const COLORED: bool = true;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let zero = l.splat(0.0);
        let mut state = State { colors: self.colors, sampler: s, active: packet.met, hit: l.mask(0), k: zero, key: zero };
        walk(l, packet, regions, pace, &mut state);
        let at = packet.at(state.k);
        let mut color = [zero; 4];
        if l.any(state.hit) {
            let mut light = l.splat(1.0);
            if self.lit {
                let mut slope = [zero; 3];
                let reach = l.splat(SLOPE);
                let mut axis = 0;
                while axis < 3 {
                    let (mut below, mut above) = (at, at);
                    below[axis] = at[axis] - reach;
                    above[axis] = at[axis] + reach;
                    // Outside of the volume there is background.
                    let held = packet.holds(l, axis, below[axis]);
                    let below = l.select(held, packet.value_near(l, s, below), zero);
                    let held = packet.holds(l, axis, above[axis]);
                    let above = l.select(held, packet.value_near(l, s, above), zero);
                    // A label one sample thin has background on both sides, which would be no slope.
                    let thin = l.eq(below, zero) & l.eq(above, zero);
                    let steep = (above - state.key) * l.splat(2.0);
                    slope[axis] = above - below + l.select(thin, steep, zero);
                    axis += 1;
                }
                light = l.splat(AMBIENT) + facing(l, slope, packet.sight);
            }
            let mut c = 0;
            while c < 3 {
                color[c] = self.colors.component(l, state.key, c) * light;
                c += 1;
            }
            color[3] = self.colors.component(l, state.key, 3);
        }
        Found { shown: packet.met & state.hit, value: zero, color, at: beside_texel(l, at) }
    }
}
