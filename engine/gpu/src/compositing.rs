//! How a layer joins the picture: which of the rules of `golden/reference/README.md` "Compositing" holds.
//!
//! The picture is RGBA, 8 bits a component, rounded after every layer. Its alpha starts at 1 and matters to nobody but the next
//! layer: [`Rule::Add`] weighs what is below with it.

use nc_core::data::Blending;

/// A rule: with `s` the layer's colour, `a` its alpha times opacity, `D` and `d` colour and alpha below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// First visible layer, over black: `s * a`, alpha 1.
    First,
    /// First visible layer that ignores its opacity: `s`, alpha 1.
    FirstPlain,
    /// `s`, alpha `a`.
    Replace,
    /// `s * a + D * (1 - a)`, alpha `a + d`.
    Over,
    /// `s * a + D * d`, alpha `a + d`.
    Add,
    /// `min(s, D)`, alpha `min(a, d)`.
    Minimum,
    /// `s * D`, alpha `a + d`.
    Multiply,
}

impl Rule {
    /// The rule of a layer; `first` if no visible layer lies below it.
    pub(crate) fn of(blending: Blending, first: bool) -> Self {
        match (blending, first) {
            (Blending::Minimum, true) => Self::FirstPlain,
            (_, true) => Self::First,
            (Blending::Opaque, false) => Self::Replace,
            (Blending::Translucent | Blending::TranslucentNoDepth, false) => Self::Over,
            (Blending::Additive, false) => Self::Add,
            (Blending::Minimum, false) => Self::Minimum,
            (Blending::Multiplicative, false) => Self::Multiply,
        }
    }

    /// Whether the picture's alpha can be below 1 after a layer with any alpha below 1.
    pub(crate) fn lowers_alpha(self) -> bool {
        matches!(self, Self::Replace | Self::Minimum)
    }
}
