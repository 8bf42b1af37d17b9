//! Eight rays through a volume, four by two pixels: where their samples lie, and which regions hold them.

use super::grid::{SLACK, Sampler};
use super::lanes::{LANES, Lanes};
use super::regions::{Regions, SPACINGS, reach};
use crate::api::{Slab, VolumeLayer};
use crate::rays::Rays;
use nc_core::data::Span;

/// Pixels of a packet along both sides.
pub(super) const PACKET: (usize, usize) = (4, 2);

/// Columns and rows of a packet's pixels.
const COLUMNS: [f32; LANES] = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0];
const ROWS: [f32; LANES] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];

/// Most steps of a ray: integers that `f32` tells apart by far, more than the diagonal of any volume.
const MOST_STEPS: f32 = 1_000_000.0;

/// Rounding of positions that region look-ups allow for, samples.
const ROUNDING: f32 = 0.02;

/// The rays of a layer and how they are sampled.
#[derive(Debug, Clone)]
pub(super) struct Course {
    rays: Rays,
    /// Distance of samples along a ray, as asked for.
    step: f32,
    slab: Option<SlabCourse>,
}

/// A slab: steps of one sample along its normal.
#[derive(Debug, Clone, Copy)]
struct SlabCourse {
    position: [f32; 3],
    /// Of length 1.
    normal: [f32; 3],
    count: f32,
}

impl Course {
    /// `None` if a slab is none: without a normal, or without a step.
    pub(super) fn new(rays: Rays, layer: &VolumeLayer) -> Option<Self> {
        let step = if layer.sample_step > 0.0 { layer.sample_step.max(1e-3) } else { 1.0 };
        let slab = match &layer.slab {
            None => None,
            Some(Slab { position, normal, thickness }) => {
                let length = normal.iter().map(|n| n * n).sum::<f64>().sqrt();
                // As napari counts: in `f32`, where 10 by 0.8 is 12.5.
                let count = (*thickness as f32 / step + 0.5).trunc();
                if !(length > 0.0 && length.is_finite() && count >= 1.0) {
                    return None;
                }
                let xyz = |v: &[f64; 3]| [v[2] as f32, v[1] as f32, v[0] as f32];
                let count = count.min(MOST_STEPS);
                Some(SlabCourse { position: xyz(position), normal: xyz(&normal.map(|n| n / length)), count })
            }
        };
        Some(Self { rays, step, slab })
    }

    /// Distance of samples along a ray, as asked for.
    pub(super) fn step(&self) -> f32 {
        self.step
    }
}

/// Eight rays. Those that meet nothing repeat one that does.
#[derive(Clone, Copy)]
pub(super) struct Packet<L: Lanes> {
    /// Rays that meet something.
    pub(super) met: L::M,
    /// Position of the first sample.
    pub(super) front: [L::F; 3],
    /// From a sample to the next.
    pub(super) step: [L::F; 3],
    /// Index of the last sample.
    pub(super) last: L::F,
    /// Samples of the longest ray.
    pub(super) count: i32,
    /// Direction of the ray, of length 1.
    pub(super) sight: [L::F; 3],
    /// Where the ray enters the volume, or meets the slab's plane.
    pub(super) entry: [L::F; 3],
    /// Whether samples may lie outside of the volume.
    beyond: bool,
    /// Lower and upper end of the volume.
    ends: ([L::F; 3], [L::F; 3]),
}

#[inline(always)]
fn dot<L: Lanes>(a: [L::F; 3], b: [L::F; 3]) -> L::F {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl<L: Lanes> Packet<L> {
    /// Of the pixels from column `i` and row `j` on; `None` if no ray meets anything.
    #[inline(always)]
    pub(super) fn new(l: L, course: &Course, i: usize, j: usize) -> Option<Self> {
        let (columns, rows) = (l.load(&COLUMNS), l.load(&ROWS));
        let rays = &course.rays;
        let (corner_o, corner_d) = (rays.origin.at(i as f64, j as f64), rays.direction.at(i as f64, j as f64));
        let (zero, half) = (l.splat(0.0), l.splat(0.5));
        let (mut o, mut d, mut low, mut high) = ([zero; 3], [zero; 3], [zero; 3], [zero; 3]);
        let (mut enter, mut leave) = (l.splat(rays.near as f32), l.splat(f32::MAX));
        let mut k = 0;
        while k < 3 {
            o[k] = l.splat(corner_o[k] as f32)
                + columns * l.splat(rays.origin.right[k] as f32)
                + rows * l.splat(rays.origin.up[k] as f32);
            d[k] = l.splat(corner_d[k] as f32)
                + columns * l.splat(rays.direction.right[k] as f32)
                + rows * l.splat(rays.direction.up[k] as f32);
            (low[k], high[k]) = (l.splat(-0.5), l.splat(rays.len[k] as f32 - 0.5));
            // A ray along a face is inside of it or not at any distance that counts.
            let tiny = l.splat(1e-20);
            let along = l.select(l.gt(tiny, l.abs(d[k])), tiny, d[k]);
            let (a, b) = ((low[k] - o[k]) / along, (high[k] - o[k]) / along);
            enter = l.max(enter, l.min(a, b));
            leave = l.min(leave, l.max(a, b));
            k += 1;
        }
        let met = l.gt(leave, enter);
        if !l.any(met) {
            return None;
        }
        let length = l.sqrt(dot::<L>(d, d));
        let one = l.splat(1.0);
        let sight = [d[0] / length, d[1] / length, d[2] / length];
        let (mut front, mut step, mut entry, last, met) = match &course.slab {
            None => {
                let count = l.min((leave - enter) * length / l.splat(course.step) + half, l.splat(MOST_STEPS));
                let met = met & l.ge(count, one);
                // What is not met may be no number at all.
                let count = l.float(l.trunc(l.select(met, count, one)));
                let by = (leave - enter) / count;
                let front = [o[0] + d[0] * enter, o[1] + d[1] * enter, o[2] + d[2] * enter];
                // Rounding must not leave the volume: beyond its ends it holds what it holds there.
                let front = clamp(l, front, (low, high));
                (front, [d[0] * by, d[1] * by, d[2] * by], front, count - one, met)
            }
            Some(slab) => {
                let normal = [l.splat(slab.normal[0]), l.splat(slab.normal[1]), l.splat(slab.normal[2])];
                let p = slab.position;
                let to_plane = [l.splat(p[0]) - o[0], l.splat(p[1]) - o[1], l.splat(p[2]) - o[2]];
                let t = dot::<L>(to_plane, normal) / dot::<L>(d, normal);
                let at = [o[0] + d[0] * t, o[1] + d[1] * t, o[2] + d[2] * t];
                let mut met = met;
                let mut k = 0;
                while k < 3 {
                    met = met & l.ge(at[k], low[k]) & l.ge(high[k], at[k]);
                    k += 1;
                }
                let back = l.splat(slab.count / 2.0);
                let front = [at[0] - normal[0] * back, at[1] - normal[1] * back, at[2] - normal[2] * back];
                (front, normal, at, l.splat(slab.count - 1.0), met)
            }
        };
        let bits = l.bits(met);
        if bits == 0 {
            return None;
        }
        let (mut last, mut sight) = (last, sight);
        if bits != u8::MAX {
            let source = bits.trailing_zeros() as usize;
            let mut k = 0;
            while k < 3 {
                front[k] = repeated(l, met, front[k], source);
                step[k] = repeated(l, met, step[k], source);
                entry[k] = repeated(l, met, entry[k], source);
                sight[k] = repeated(l, met, sight[k], source);
                k += 1;
            }
            last = repeated(l, met, last, source);
        }
        let count = l.greatest(last) as i32 + 1;
        let mut packet = Self { met, front, step, last, count, sight, entry, beyond: true, ends: (low, high) };
        packet.beyond = course.slab.is_some() || !packet.stays_within(l);
        Some(packet)
    }

    /// Whether first and last sample lie so near to the volume that they may be sampled: those between do, as products and sums are
    /// rounded to the nearest.
    #[inline(always)]
    fn stays_within(&self, l: L) -> bool {
        let slack = l.splat(SLACK);
        let mut within = !l.mask(0);
        let mut k = 0;
        while k < 3 {
            let (low, high) = (self.ends.0[k] - slack, self.ends.1[k] + slack);
            let (a, b) = (self.front[k], self.front[k] + self.step[k] * self.last);
            within = within & l.ge(a, low) & l.ge(high, a) & l.ge(b, low) & l.ge(high, b);
            k += 1;
        }
        l.bits(within) == u8::MAX
    }

    /// Position of sample `k`, which may be a fraction.
    #[inline(always)]
    pub(super) fn at(&self, k: L::F) -> [L::F; 3] {
        let (f, s) = (self.front, self.step);
        [f[0] + s[0] * k, f[1] + s[1] * k, f[2] + s[2] * k]
    }

    /// The value of sample `k`, or the last sample's if that comes first; `k` is not negative.
    #[inline(always)]
    pub(super) fn value<S: Sampler>(&self, l: L, sampler: S, k: L::F) -> L::F {
        let p = self.at(l.min(k, self.last));
        if self.beyond {
            return self.value_near(l, sampler, p);
        }
        // SAFETY: `stays_within`, and `k` is between the first and the last sample's.
        unsafe { sampler.sample(l, p) }
    }

    /// The value at a position, or where the volume is nearest to it.
    #[inline(always)]
    pub(super) fn value_near<S: Sampler>(&self, l: L, sampler: S, p: [L::F; 3]) -> L::F {
        // SAFETY: clamped to the volume's ends; what is no number becomes one of them.
        unsafe { sampler.sample(l, clamp(l, p, self.ends)) }
    }

    /// Which positions lie in the volume, along axis `k`.
    #[inline(always)]
    pub(super) fn holds(&self, l: L, k: usize, p: L::F) -> L::M {
        l.ge(p, self.ends.0[k]) & l.ge(self.ends.1[k], p)
    }

    /// The rays that have a sample `k`.
    #[inline(always)]
    pub(super) fn reaching(&self, l: L, k: L::F) -> L::M {
        l.ge(self.last, k)
    }

    /// How regions are looked up; `None` if rays are too far from each other.
    #[inline(always)]
    pub(super) fn spans(&self, l: L) -> Option<Spans> {
        if self.beyond {
            return None;
        }
        let end = (self.count - 1).max(1) as f32;
        let mut spans = Spans { first: [0.0; 3], slope: [0.0; 3], longest: [i32::MAX; 3] };
        let mut k = 0;
        while k < 3 {
            let (a, b) = (self.front[k], self.front[k] + self.step[k] * l.splat(end));
            let (least_a, least_b) = (l.least(a), l.least(b));
            // The least of straight lines lies above the line between its ends, the greatest below.
            let spread = (l.greatest(a) - least_a).max(l.greatest(b) - least_b) + 2.0 * ROUNDING;
            (spans.first[k], spans.slope[k]) = (least_a - ROUNDING, (least_b - least_a) / end);
            let mut level = 0;
            while level < 3 {
                let room = (reach(SPACINGS[level]) - 1) as f32 - spread;
                let steps = if room < 0.0 { 0 } else { (room / spans.slope[k].abs().max(1e-6)) as i32 };
                spans.longest[level] = spans.longest[level].min(steps);
                level += 1;
            }
            k += 1;
        }
        (spans.longest[0] > 0).then_some(spans)
    }
}

#[inline(always)]
fn clamp<L: Lanes>(l: L, p: [L::F; 3], (low, high): ([L::F; 3], [L::F; 3])) -> [L::F; 3] {
    [l.min(l.max(p[0], low[0]), high[0]), l.min(l.max(p[1], low[1]), high[1]), l.min(l.max(p[2], low[2]), high[2])]
}

/// `v` where `met`, else what lane `source` has.
#[inline(always)]
fn repeated<L: Lanes>(l: L, met: L::M, v: L::F, source: usize) -> L::F {
    l.select(met, v, l.splat(l.store(v)[source & (LANES - 1)]))
}

/// How the samples of a packet's rays are looked up in regions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    /// Below all first samples along every axis, and the change per step of what stays below.
    first: [f32; 3],
    slope: [f32; 3],
    /// Steps from the first to the last sample of a span at most, by level; 0 where rays are too far from each other.
    longest: [i32; 3],
}

impl Spans {
    /// Samples of a span at a level, at least 1; if it is 1 for want of room, [`Spans::serves`] says so.
    #[inline(always)]
    pub(super) fn samples(&self, level: usize) -> i32 {
        self.longest[level].saturating_add(1)
    }

    /// Whether a level can be asked for spans.
    #[inline(always)]
    pub(super) fn serves(&self, level: usize) -> bool {
        self.longest[level] > 0
    }

    /// The region whose window holds all that samples `a` to `b` depend on, at most [`Spans::samples`] of the level.
    #[inline(always)]
    pub(super) fn region(&self, regions: &Regions, level: usize, a: i32, b: i32) -> usize {
        let (a, b) = (a as f32, b as f32);
        let mut corner = [0.0; 3];
        let mut k = 0;
        while k < 3 {
            corner[k] = self.first[k] + self.slope[k] * if self.slope[k] < 0.0 { b } else { a };
            k += 1;
        }
        regions.region(level, corner)
    }

    /// What samples `a` to `b` can be.
    #[inline(always)]
    pub(super) fn span(&self, regions: &Regions, level: usize, a: i32, b: i32) -> Span {
        regions.span(level, self.region(regions, level, a, b))
    }
}
