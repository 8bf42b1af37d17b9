//! A layer's colours as the row kernels want them: opacity multiplied in, in integers, for the one operation that joins them.
//!
//! Operations come in two widths. The narrow ones work on whole 8-bit pixels and are exact, because they round a colour once.
//! The wide ones multiply, so they carry 7 more bits: components are 0..=[`WIDE_ONE`], error below 1/64 of a level.

use crate::compositing::Rule;
use crate::transfer::{self, Binning};
use nc_core::data::{Coloring, Transfer};

/// 1.0 in a wide entry: 255 levels of 128.
pub(super) const WIDE_ONE: u16 = 255 * 128;

/// Colours of a layer, indexed by its [`Binning`].
#[derive(Debug)]
pub(super) enum Palette {
    /// RGBA, red in the lowest byte.
    Narrow(NarrowOp, Vec<u32>),
    /// RGBA.
    Wide(WideOp, Vec<[u16; 4]>),
}

/// What happens to a pixel `D` for a colour `P`, byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NarrowOp {
    /// `P`.
    Replace,
    /// `P` where its alpha is 255 (it is 255 or 0), else `D`.
    Cover,
    /// `P + D`, at most 255.
    Add,
    /// `min(P, D)`.
    Minimum,
}

/// What happens to a pixel `D` of alpha `d` for a colour `P` of alpha `a`: `P * x + D * y`, the alphas added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WideOp {
    /// `P + D * (1 - a)`.
    Over,
    /// `P + D * d`.
    AddOverAlpha,
    /// `P * D`.
    Multiply,
}

impl Palette {
    /// `opaque_below`: the picture's alpha is 1 everywhere before this layer.
    pub(super) fn new(coloring: &Coloring, opacity: f32, rule: Rule, opaque_below: bool) -> Self {
        let opacity = opacity.clamp(0.0, 1.0);
        let colors = transfer::colors(coloring);
        let alphas_are_0_or_1 = colors.iter().all(|c| matches!(c[3] * opacity, 0.0 | 1.0));
        let narrow = |op, color: &dyn Fn([f32; 4]) -> [f32; 4]| {
            Self::Narrow(op, colors.iter().map(|c| u32::from_le_bytes(color(*c).map(level))).collect())
        };
        let wide =
            |op, color: &dyn Fn([f32; 4]) -> [f32; 4]| Self::Wide(op, colors.iter().map(|c| color(*c).map(wide_level)).collect());
        let plain = |[r, g, b, a]: [f32; 4]| [r, g, b, a * opacity];
        let weighted = |[r, g, b, a]: [f32; 4]| {
            let a = a * opacity;
            [r * a, g * a, b * a, a]
        };
        let solid = |[r, g, b, _]: [f32; 4]| [r, g, b, 1.0];
        match rule {
            Rule::First => narrow(NarrowOp::Replace, &|c| solid(weighted(c))),
            Rule::FirstPlain => narrow(NarrowOp::Replace, &solid),
            Rule::Replace => narrow(NarrowOp::Replace, &plain),
            Rule::Over if alphas_are_0_or_1 => narrow(NarrowOp::Cover, &plain),
            Rule::Over => wide(WideOp::Over, &weighted),
            Rule::Add if opaque_below => narrow(NarrowOp::Add, &weighted),
            Rule::Add => wide(WideOp::AddOverAlpha, &weighted),
            Rule::Minimum => narrow(NarrowOp::Minimum, &plain),
            Rule::Multiply => wide(WideOp::Multiply, &plain),
        }
    }
}

/// Whether any colour of a layer, drawn with `opacity`, has an alpha below 1.
pub(super) fn any_alpha_below_one(coloring: &Coloring, opacity: f32) -> bool {
    let Coloring::Scalar(Transfer { table, .. }) = coloring else { return true };
    let beside = [table.low, table.high, Some(table.nan.unwrap_or([0; 4]))];
    opacity < 1.0 || table.entries.iter().chain(beside.iter().flatten()).any(|c| c[3] < 255)
}

fn level(x: f32) -> u8 {
    (x * 255.0 + 0.5) as u8
}

fn wide_level(x: f32) -> u16 {
    (x * f32::from(WIDE_ONE) + 0.5) as u16
}

/// Palette and binning of the layer at one position of the pass, kept from draw to draw: a pan or a new contrast limit makes none.
#[derive(Debug)]
pub(super) struct CachedPalette {
    coloring: Coloring,
    opacity: f32,
    rule: Rule,
    opaque_below: bool,
    palette: Palette,
}

impl CachedPalette {
    pub(super) fn new(coloring: &Coloring, opacity: f32, rule: Rule, opaque_below: bool) -> Self {
        let palette = Palette::new(coloring, opacity, rule, opaque_below);
        Self { coloring: coloring.clone(), opacity, rule, opaque_below, palette }
    }

    /// Whether it can serve a layer. Limits are no part of it.
    pub(super) fn serves(&self, coloring: &Coloring, opacity: f32, rule: Rule, opaque_below: bool) -> bool {
        (self.opacity, self.rule, self.opaque_below) == (opacity, rule, opaque_below)
            && transfer::same_colors(&self.coloring, coloring)
    }

    pub(super) fn palette(&self) -> &Palette {
        &self.palette
    }
}

/// Where a layer's values land in its palette. The palette's length is the binning's, which is what makes unchecked look-ups
/// sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shading<'a> {
    binning: Binning,
    palette: &'a Palette,
}

impl<'a> Shading<'a> {
    /// `palette` must have been made for a layer of the same [`transfer::same_colors`].
    pub(super) fn new(binning: Binning, palette: &'a Palette) -> Self {
        let len = match palette {
            Palette::Narrow(_, entries) => entries.len(),
            Palette::Wide(_, entries) => entries.len(),
        };
        assert_eq!(len, binning.entries(), "palette and binning belong together");
        Self { binning, palette }
    }

    pub(super) fn binning(&self) -> &Binning {
        &self.binning
    }

    pub(super) fn palette(&self) -> &'a Palette {
        self.palette
    }
}
