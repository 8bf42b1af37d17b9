//! Sums of colours: additive, and translucent from front to back.

use super::super::colors::{Components, Entries};
use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::Packet;
use super::super::regions::Regions;
use super::walk::{Steps, walk};
use super::{Found, Mode, Pace};
use nc_core::data::Span;

/// What may be missing of a component when a ray ends: an eighth of 1/255.
const FAINT: f32 = 1.0 / 2048.0;

/// Alpha from which on nothing further is seen (vispy's).
const OPAQUE: f32 = 0.99;

/// `c = 1 - (1 - c) * (1 - color)`.
pub(in super::super) struct Additive<'a> {
    pub(in super::super) entries: &'a Entries,
}

struct Glow<'a, L: Lanes, S> {
    entries: &'a Entries,
    sampler: S,
    /// Products of `1 - color`.
    left: [L::F; 4],
    sampled: L::M,
}

impl<L: Lanes, S: Sampler> Steps<L> for Glow<'_, L, S> {
    const LEAD: i32 = 0;

    /// What is black adds nothing but its alpha.
    #[inline(always)]
    fn passes(&mut self, l: L, packet: &Packet<L>, span: Span, a: i32, _b: i32) -> bool {
        let black = self.entries.black_below(span.hi);
        // Of a span without a number no sample is one.
        if black && span.lo <= span.hi {
            let reached = packet.reaching(l, l.splat(a as f32));
            self.left[3] = l.select(reached, l.splat(0.0), self.left[3]);
            self.sampled = self.sampled | reached;
        }
        black
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let k = l.splat(k as f32);
        let v = packet.value(l, self.sampler, k);
        let live = packet.reaching(l, k) & l.eq(v, v);
        let one = l.splat(1.0);
        let entry = self.entries.find(l, v);
        self.sampled = self.sampled | live;
        match self.entries.components() {
            Components::Gray => {
                let left = l.select(live, self.left[0] * (one - self.entries.component(l, entry, 0)), self.left[0]);
                self.left = [left, left, left, l.select(live, l.splat(0.0), self.left[3])];
            }
            Components::Opaque => {
                let mut c = 0;
                while c < 3 {
                    self.left[c] = l.select(live, self.left[c] * (one - self.entries.component(l, entry, c)), self.left[c]);
                    c += 1;
                }
                self.left[3] = l.select(live, l.splat(0.0), self.left[3]);
            }
            Components::All => {
                let mut c = 0;
                while c < 4 {
                    self.left[c] = l.select(live, self.left[c] * (one - self.entries.component(l, entry, c)), self.left[c]);
                    c += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn done(&self, l: L) -> bool {
        let mut seen = l.mask(0);
        let mut c = 0;
        while c < 4 {
            if self.entries.shows(c) {
                seen = seen | l.gt(self.left[c], l.splat(FAINT));
            }
            c += 1;
        }
        !l.any(seen)
    }
}

impl Mode for Additive<'_> {
    const COLORED: bool = true;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let one = l.splat(1.0);
        let mut state = Glow { entries: self.entries, sampler: s, left: [one; 4], sampled: l.mask(0) };
        walk(l, packet, regions, pace, &mut state);
        let [r, g, b, a] = state.left;
        Found { shown: packet.met & state.sampled, value: one, color: [one - r, one - g, one - b, one - a], at: packet.entry }
    }
}

/// Front to back, until what is in front hides the rest.
pub(in super::super) struct Translucent<'a> {
    pub(in super::super) entries: &'a Entries,
}

struct Layers<'a, L: Lanes, S> {
    entries: &'a Entries,
    sampler: S,
    color: [L::F; 4],
    active: L::M,
    sampled: L::M,
}

impl<L: Lanes, S: Sampler> Steps<L> for Layers<'_, L, S> {
    const LEAD: i32 = 0;

    #[inline(always)]
    fn passes(&mut self, _l: L, _packet: &Packet<L>, _span: Span, _a: i32, _b: i32) -> bool {
        false
    }

    #[inline(always)]
    fn sample(&mut self, l: L, packet: &Packet<L>, k: i32) {
        let k = l.splat(k as f32);
        let v = packet.value(l, self.sampler, k);
        let live = self.active & packet.reaching(l, k) & l.eq(v, v);
        let entry = self.entries.find(l, v);
        let before = self.color[3];
        let adds = self.entries.component(l, entry, 3) * (l.splat(1.0) - before);
        let alpha = l.max(before + adds, l.splat(0.001));
        let mut c = 0;
        while c < 3 {
            let mixed = self.color[c] * (before / alpha) + self.entries.component(l, entry, c) * (adds / alpha);
            self.color[c] = l.select(live, mixed, self.color[c]);
            c += 1;
        }
        self.color[3] = l.select(live, alpha, before);
        self.sampled = self.sampled | live;
        self.active = self.active & packet.reaching(l, k) & !(live & l.gt(alpha, l.splat(OPAQUE)));
    }

    #[inline(always)]
    fn done(&self, l: L) -> bool {
        !l.any(self.active)
    }
}

impl Mode for Translucent<'_> {
    const COLORED: bool = true;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, _pace: &mut Pace) -> Found<L> {
        let zero = l.splat(0.0);
        let mut state = Layers { entries: self.entries, sampler: s, color: [zero; 4], active: packet.met, sampled: l.mask(0) };
        // Most rays end at their first sample: nothing is looked up.
        walk(l, packet, regions, &mut Pace::new(false), &mut state);
        Found { shown: packet.met & state.sampled, value: zero, color: state.color, at: packet.entry }
    }
}
