//! From what a tile's rays found to the picture: depth, colours, opacity, blending.

use crate::compositing::Rule;
use crate::device_cpu::kernels;
use crate::device_cpu::palette::Shading;
use crate::isa::Isa;
use nc_core::data::Blending;

/// Pixels of a tile along both sides.
pub(super) const TILE: (usize, usize) = (32, 16);
const PIXELS: usize = TILE.0 * TILE.1;

/// What the rays of a tile found for one layer, row by row from the bottom, and the depths of the layers below.
pub(super) struct Tile {
    /// Of modes that end in a value.
    pub(super) values: [f32; PIXELS],
    /// Of modes that end in a colour.
    pub(super) colors: [[f32; 4]; PIXELS],
    pub(super) shown: [bool; PIXELS],
    /// In steps of a depth buffer.
    pub(super) depth: [u32; PIXELS],
    nearest: [u32; PIXELS],
}

/// How a layer is compared with those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DepthTest {
    /// Not at all.
    Off,
    /// Shown where it is no further away, and remembered then.
    LessOrEqual,
}

impl DepthTest {
    pub(super) fn of(blending: Blending) -> Self {
        match blending {
            Blending::Opaque | Blending::Translucent => Self::LessOrEqual,
            _ => Self::Off,
        }
    }
}

/// How found values or colours become pixels.
#[derive(Clone, Copy)]
pub(super) enum Paint<'a> {
    /// Values, by a palette that has opacity and blending in it.
    Values(Shading<'a>),
    /// Colours.
    Colors { rule: Rule, opacity: f32 },
}

impl Tile {
    pub(super) fn new() -> Self {
        Self {
            values: [0.0; PIXELS],
            colors: [[0.0; 4]; PIXELS],
            shown: [false; PIXELS],
            depth: [0; PIXELS],
            nearest: [u32::MAX; PIXELS],
        }
    }

    /// Forgets all layers.
    pub(super) fn clear(&mut self) {
        self.nearest = [u32::MAX; PIXELS];
    }

    /// Forgets what was found.
    pub(super) fn clear_found(&mut self) {
        self.shown = [false; PIXELS];
    }

    /// Hides what lies behind the layers below, and remembers what does not.
    pub(super) fn test_depth(&mut self, test: DepthTest) {
        if test == DepthTest::Off {
            return;
        }
        for i in 0..PIXELS {
            self.shown[i] &= self.depth[i] <= self.nearest[i];
            if self.shown[i] {
                self.nearest[i] = self.depth[i];
            }
        }
    }

    /// Joins a row of what was found with pixels of the picture.
    pub(super) fn paint(&self, isa: Isa, row: usize, paint: Paint<'_>, pixels: &mut [u32]) {
        let (from, count) = (row * TILE.0, pixels.len().min(TILE.0));
        let shown = &self.shown[from..from + count];
        let mut i = 0;
        while i < count {
            let run = shown[i..].iter().take_while(|s| **s).count();
            if run == 0 {
                i += 1;
                continue;
            }
            match paint {
                Paint::Values(shading) => {
                    kernels::shade_row(isa, &self.values[from + i..][..run], &shading, &mut pixels[i..i + run]);
                }
                Paint::Colors { rule, opacity } => {
                    for (pixel, color) in pixels[i..i + run].iter_mut().zip(&self.colors[from + i..]) {
                        *pixel = join(rule, *color, opacity, *pixel);
                    }
                }
            }
            i += run;
        }
    }
}

/// `color`, straight RGBA, joined with a pixel, red in the lowest byte.
fn join(rule: Rule, color: [f32; 4], opacity: f32, below: u32) -> u32 {
    let [r, g, b, a] = color.map(|c| c.clamp(0.0, 1.0));
    let (s, a) = ([r, g, b], a * opacity);
    let [dr, dg, db, d] = below.to_le_bytes().map(|c| f32::from(c) / 255.0);
    let under = [dr, dg, db];
    let of = |f: fn(f32, f32, f32, f32) -> f32| -> [f32; 3] { std::array::from_fn(|k| f(s[k], a, under[k], d)) };
    let (mixed, alpha) = match rule {
        Rule::First => (of(|s, a, _, _| s * a), 1.0),
        Rule::FirstPlain => (s, 1.0),
        Rule::Replace => (s, a),
        Rule::Over => (of(|s, a, under, _| s * a + under * (1.0 - a)), a + d),
        Rule::Add => (of(|s, a, under, d| s * a + under * d), a + d),
        Rule::Minimum => (of(|s, _, under, _| s.min(under)), a.min(d)),
        Rule::Multiply => (of(|s, _, under, _| s * under), a + d),
    };
    let level = |c: f32| (c.min(1.0) * 255.0 + 0.5) as u8;
    u32::from_le_bytes([level(mixed[0]), level(mixed[1]), level(mixed[2]), level(alpha)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_join_by_the_rule() {
        let below = u32::from_le_bytes([100, 200, 0, 255]);
        let of = |rule, color, opacity| join(rule, color, opacity, below).to_le_bytes();
        assert_eq!(of(Rule::First, [1.0, 0.5, 0.2, 1.0], 0.5), [128, 64, 26, 255]);
        assert_eq!(of(Rule::Over, [1.0, 0.0, 2.0, 1.0], 0.5), [178, 100, 128, 255]);
        assert_eq!(of(Rule::Add, [1.0, 0.5, 0.0, 0.5], 1.0), [228, 255, 0, 255]);
        assert_eq!(of(Rule::Minimum, [0.5, 1.0, 1.0, 1.0], 0.1), [100, 200, 0, 26]);
        assert_eq!(of(Rule::Multiply, [0.5, 0.5, 0.5, 1.0], 0.1), [50, 100, 0, 255]);
        assert_eq!(of(Rule::Replace, [0.5, 0.5, 0.5, 1.0], 0.0), [128, 128, 128, 0]);
    }

    #[test]
    fn what_is_behind_is_hidden_and_what_is_equal_is_not() {
        let mut tile = Tile::new();
        let mut shown = |depth, test| {
            tile.clear_found();
            (tile.shown[0], tile.depth[0]) = (true, depth);
            tile.test_depth(test);
            tile.shown[0]
        };
        assert!(shown(5, DepthTest::LessOrEqual) && shown(5, DepthTest::LessOrEqual));
        assert!(!shown(6, DepthTest::LessOrEqual) && shown(6, DepthTest::Off) && shown(1, DepthTest::Off));
        assert!(shown(4, DepthTest::LessOrEqual) && !shown(5, DepthTest::LessOrEqual));
    }
}
