//! Maximum intensity, weakened by what lies in front.

use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::Packet;
use super::super::regions::Regions;
use super::walk::{Steps, walk};
use super::{Found, Mode, Pace, beside_texel};
use nc_core::data::Span;

/// See the module.
pub(in super::super) struct Attenuated {
    /// What a value must exceed.
    pub(in super::super) start: f32,
    pub(in super::super) limits: (f32, f32),
    /// Per sum of scaled values.
    pub(in super::super) attenuation: f32,
    /// Distance of samples.
    pub(in super::super) step: f32,
}

struct State<'a, L: Lanes, S> {
    mode: &'a Attenuated,
    sampler: S,
    active: L::M,
    sum: L::F,
    /// What a value is multiplied by, after the last sample.
    scale: L::F,
    greatest: L::F,
    /// The sample that it was found at.
    k: L::F,
}

impl<L: Lanes, S: Sampler> Steps<L> for State<'_, L, S> {
    const LEAD: i32 = 0;

    /// What is not above the lower limit adds nothing to the sum, and is nothing where it is not greater.
    #[inline(always)]
    fn passes(&mut self, l: L, _packet: &Packet<L>, span: Span, _a: i32, _b: i32) -> bool {
        span.hi <= self.mode.limits.0 && !l.any(self.active & l.gt(l.splat(span.hi) * self.scale, self.greatest))
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let k = l.splat(k as f32);
        let v = packet.value(l, self.sampler, k);
        let live = self.active & packet.reaching(l, k) & l.eq(v, v);
        let (lo, hi) = self.mode.limits;
        let t = l.min(l.max((v - l.splat(lo)) / l.splat(hi - lo), l.splat(0.0)), l.splat(1.0));
        self.sum = l.select(live, self.sum + t * l.splat(self.mode.step), self.sum);
        self.scale = l.exp((l.splat(1.0) - self.sum) * l.splat(self.mode.attenuation));
        let stop = live & l.gt(self.greatest, self.scale * l.splat(hi));
        self.active = self.active & !stop;
        let weakened = v * self.scale;
        let better = live & !stop & l.gt(weakened, self.greatest);
        self.greatest = l.select(better, weakened, self.greatest);
        self.k = l.select(better, k, self.k);
    }

    #[inline(always)]
    fn done(&self, l: L) -> bool {
        !l.any(self.active)
    }
}

impl Mode for Attenuated {
    const COLORED: bool = false;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let mut state = State {
            mode: self,
            sampler: s,
            active: packet.met,
            sum: l.splat(0.0),
            scale: l.exp(l.splat(self.attenuation)),
            greatest: l.splat(self.start),
            k: l.splat(-1.0),
        };
        walk(l, packet, regions, pace, &mut state);
        let found = packet.met & l.ge(state.k, l.splat(0.0));
        Found { shown: found, value: state.greatest, color: [state.greatest; 4], at: beside_texel(l, packet.at(state.k)) }
    }
}
