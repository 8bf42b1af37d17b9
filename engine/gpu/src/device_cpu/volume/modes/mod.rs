//! How the samples of a ray become one colour: one module per family, all as `golden/reference/README.md` "Volumes" says. A sample that
//! is no number is passed over in every one.

pub(super) mod attenuated;
pub(super) mod emission;
pub(super) mod extreme;
pub(super) mod iso;
pub(super) mod labels;
pub(super) mod mean;
mod walk;

use super::grid::Sampler;
use super::lanes::Lanes;
use super::packet::Packet;
use super::regions::Regions;

/// What a packet shows.
#[derive(Clone, Copy)]
pub(super) struct Found<L: Lanes> {
    /// The rays that show anything.
    pub(super) shown: L::M,
    /// Of a mode that ends in a value.
    pub(super) value: L::F,
    /// Of a mode that ends in a colour: straight RGBA, 0..1, colour components possibly more.
    pub(super) color: [L::F; 4],
    /// The position whose depth counts.
    pub(super) at: [L::F; 3],
}

/// A way to draw rays.
pub(super) trait Mode: Sync {
    /// Whether it ends in a colour rather than a value.
    const COLORED: bool;

    fn march<L: Lanes, S: Sampler>(&self, l: L, s: S, regions: &Regions, packet: &Packet<L>, pace: &mut Pace) -> Found<L>;
}

/// Whether looking regions up pays: where most samples were taken all the same, the next packets go without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Packets that still go without.
    pause: u32,
    /// Whether regions may be looked up at all.
    allowed: bool,
}

impl Pace {
    pub(super) fn new(allowed: bool) -> Self {
        Self { pause: 0, allowed }
    }

    #[inline(always)]
    fn skips(&mut self) -> bool {
        let skips = self.allowed && self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        skips
    }

    /// Of `count` samples, `sampled` were taken.
    #[inline(always)]
    fn note(&mut self, sampled: i32, count: i32) {
        if sampled > count / 10 * 6 {
            self.pause = 7;
        }
    }
}

/// The position whose depth vispy takes for a sample at `p`: it reads texture coordinates as samples, half a sample further on.
#[inline(always)]
fn beside_texel<L: Lanes>(l: L, p: [L::F; 3]) -> [L::F; 3] {
    let half = l.splat(0.5);
    [p[0] + half, p[1] + half, p[2] + half]
}
