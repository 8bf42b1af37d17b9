//! Maximum and minimum intensity. The minimum is the maximum of values with their sign turned.

use super::super::grid::Sampler;
use super::super::lanes::Lanes;
use super::super::packet::{Packet, Spans};
use super::super::regions::Regions;
use super::{Found, Mode, Pace, beside_texel};

/// Spans that are put in order at a time.
const LIST: usize = 256;

/// See the module. `LEAST`: the minimum; `start` and `stop` then have their sign turned, too.
pub(in super::super) struct Extreme<const LEAST: bool> {
    /// What a value must exceed.
    pub(in super::super) start: f32,
    /// What no value needs to exceed: the colour stays the same.
    pub(in super::super) stop: f32,
    /// By how much a value must be better than what was found for it to be sought.
    pub(in super::super) tolerance: f32,
    /// Whether the value is sought between samples in the end.
    pub(in super::super) refine: bool,
}

/// What was found so far: the greatest value up to `stop`, and the first sample that has it.
#[derive(Clone, Copy)]
struct Best<L: Lanes> {
    value: L::F,
    k: L::F,
}

impl<const LEAST: bool> Extreme<LEAST> {
    #[inline(always)]
    fn oriented<L: Lanes>(l: L, v: L::F) -> L::F {
        if LEAST { l.splat(0.0) - v } else { v }
    }

    /// What a span must promise to be looked at: more than every ray has.
    #[inline(always)]
    fn needed<L: Lanes>(&self, l: L, best: &Best<L>) -> f32 {
        let least = l.least(best.value);
        // A ray that found nothing yet takes anything.
        if least > self.start { least + self.tolerance } else { least }
    }

    /// Samples `a` to `b`, in any order of calls.
    #[inline(always)]
    fn sample<L: Lanes, S: Sampler>(&self, l: L, s: S, packet: &Packet<L>, best: &mut Best<L>, a: i32, b: i32) {
        let stop = l.splat(self.stop);
        let mut k = a;
        while k <= b {
            let at = l.min(l.splat(k as f32), packet.last);
            let v = l.min(stop, Self::oriented(l, packet.value(l, s, at)));
            let better = l.gt(v, best.value) | (l.eq(v, best.value) & l.gt(best.k, at));
            best.value = l.select(better, v, best.value);
            best.k = l.select(better, at, best.k);
            k += 1;
        }
    }

    /// Samples of `a` to `b` that could be better than what every ray has; how many were looked at.
    #[inline(always)]
    fn descend<L: Lanes, S: Sampler>(
        &self,
        l: L,
        s: S,
        packet: &Packet<L>,
        (regions, spans): (&Regions, &Spans),
        best: &mut Best<L>,
        least: &mut f32,
        (a, b): (i32, i32),
    ) -> i32 {
        let mut sampled = 0;
        let mut a8 = a;
        while a8 <= b {
            let e8 = (a8 + spans.samples(1) - 1).min(b);
            if !spans.serves(1) || regions.bound::<LEAST>(1, spans.region(regions, 1, a8, e8)) > *least {
                let mut a4 = a8;
                while a4 <= e8 {
                    let fine = spans.serves(2);
                    let e4 = if fine { (a4 + spans.samples(2) - 1).min(e8) } else { e8 };
                    if !fine || regions.bound::<LEAST>(2, spans.region(regions, 2, a4, e4)) > *least {
                        self.sample(l, s, packet, best, a4, e4);
                        sampled += e4 - a4 + 1;
                        *least = self.needed(l, best);
                    }
                    a4 = e4 + 1;
                }
            }
            a8 = e8 + 1;
        }
        sampled
    }

    /// The whole ray, the most promising spans first.
    #[inline(always)]
    fn seek<L: Lanes, S: Sampler>(
        &self,
        l: L,
        s: S,
        packet: &Packet<L>,
        (regions, spans): (&Regions, &Spans),
        best: &mut Best<L>,
    ) -> i32 {
        let (mut least, mut sampled) = (self.start, 0);
        let long = spans.samples(0);
        let mut from = 0;
        while from < packet.count && least < self.stop {
            let mut list = [f32::NEG_INFINITY; LIST];
            let count = ((packet.count - from).div_euclid(long) + 1).min(LIST as i32) as usize;
            let mut i = 0;
            while i < count {
                let a = from + i as i32 * long;
                if a < packet.count {
                    let b = (a + long - 1).min(packet.count - 1);
                    list[i] = regions.bound::<LEAST>(0, spans.region(regions, 0, a, b));
                }
                i += 1;
            }
            loop {
                let (mut i, mut promising, mut bound) = (0, 0, f32::NEG_INFINITY);
                while i < count {
                    if list[i] > bound {
                        (promising, bound) = (i, list[i]);
                    }
                    i += 1;
                }
                // Nothing better is left.
                if !(bound > least && least < self.stop) {
                    break;
                }
                list[promising] = f32::NEG_INFINITY;
                let a = from + promising as i32 * long;
                let b = (a + long - 1).min(packet.count - 1);
                sampled += self.descend(l, s, packet, (regions, spans), best, &mut least, (a, b));
            }
            from += count as i32 * long;
        }
        sampled
    }

    /// Ten samples about the best one, half a step to both sides.
    #[inline(always)]
    fn refined<L: Lanes, S: Sampler>(&self, l: L, s: S, packet: &Packet<L>, best: Best<L>) -> (L::F, L::F) {
        let k = l.max(best.k, l.splat(0.0));
        let first = k - l.splat(0.5);
        let mut value = Self::oriented(l, packet.value(l, s, k));
        let mut at = first;
        let mut i = 0;
        while i < 10 {
            let here = first + l.splat(i as f32 * 0.1);
            let v = Self::oriented(l, packet.value_near(l, s, packet.at(here)));
            let better = l.gt(v, value);
            value = l.select(better, v, value);
            at = l.select(better, here, at);
            i += 1;
        }
        (value, at)
    }
}

impl<const LEAST: bool> Mode for Extreme<LEAST> {
    const COLORED: bool = false;

    #[inline(always)]
    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L> {
        let mut best = Best { value: l.splat(self.start), k: l.splat(-1.0) };
        let spans = if pace.skips() { packet.spans(l) } else { None };
        match spans {
            Some(spans) => {
                let sampled = self.seek(l, s, packet, (regions, &spans), &mut best);
                pace.note(sampled, packet.count);
            }
            None => self.sample(l, s, packet, &mut best, 0, packet.count - 1),
        }
        let found = l.ge(best.k, l.splat(0.0));
        let (value, at) = if self.refine { self.refined(l, s, packet, best) } else { (best.value, best.k - l.splat(0.5)) };
        let value = Self::oriented(l, value);
        Found { shown: packet.met & found, value, color: [value; 4], at: beside_texel(l, packet.at(at)) }
    }
}
