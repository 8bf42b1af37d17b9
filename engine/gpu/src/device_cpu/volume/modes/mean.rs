//! Mean intensity.

use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::Packet;
use super::super::regions::Regions;
use super::walk::{Steps, walk};
use super::{Found, Mode, Pace};
use nc_core::data::Span;

/// See the module.
pub(in super::super) struct Mean {
    /// Samples whose values differ by no more than this count as their middle: twice what the mean may be off by.
    pub(in super::super) tolerance: f32,
}

struct State<'a, L: Lanes, S> {
    mode: &'a Mean,
    sampler: S,
    sum: L::F,
    count: L::F,
}

impl<L: Lanes, S: Sampler> Steps<L> for State<'_, L, S> {
    const LEAD: i32 = 0;

    #[inline(always)]
    fn passes(&mut self, l: L, packet: &Packet<L>, span: Span, a: i32, b: i32) -> bool {
        let even = span.hi - span.lo <= self.mode.tolerance;
        if even {
            let (a, b) = (l.splat(a as f32), l.splat(b as f32));
            let held = l.max(l.min(b, packet.last) - a + l.splat(1.0), l.splat(0.0));
            self.sum = self.sum + held * l.splat((span.lo + span.hi) * 0.5);
            self.count = self.count + held;
        }
        even
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let k = l.splat(k as f32);
        let v = packet.value(l, self.sampler, k);
        let live = packet.reaching(l, k) & l.eq(v, v);
        self.sum = l.select(live, self.sum + v, self.sum);
        self.count = l.select(live, self.count + l.splat(1.0), self.count);
    }

    #[inline(always)]
    fn done(&self, _l: L) -> bool {
        false
    }
}

impl Mode for Mean {
    const COLORED: bool = false;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let mut state = State { mode: self, sampler: s, sum: l.splat(0.0), count: l.splat(0.0) };
        walk(l, packet, regions, pace, &mut state);
        let mean = state.sum / state.count;
        let shown = packet.met & l.gt(state.count, l.splat(0.0));
        Found { shown, value: mean, color: [mean; 4], at: packet.entry }
    }
}
