//! From scalar to colour: colour tables, the transfer from value to table position, and blending modes.
//!
//! The order is napari's (`golden/reference/README.md` "Scalar -> colour"): filter on raw values, clamp to the limits,
//! scale to 0..1, gamma, table, alpha times opacity, blend.

use super::LabelColors;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Entries of a colour table.
pub const TABLE_LEN: usize = 1024;

/// A colour table: [`TABLE_LEN`] RGBA entries of 8 bits, entry `i` at position `i / 1023`, fetched with linear filtering at
/// texel coordinate `1024 * t - 0.5`, clamped to the ends.
#[derive(Debug, PartialEq, Eq)]
pub struct ColorTable {
    /// The canonical name, as it goes to clients.
    pub name: String,
    /// Red, green, blue, alpha.
    pub entries: Box<[[u8; 4]; TABLE_LEN]>,
    /// Colour of values at or below the lower limit (`t <= 1e-12`), if it differs from the table's first entry.
    pub low: Option<[u8; 4]>,
    /// Colour of values at or above the upper limit (`1 - t <= 1e-12`), if it differs from the table's last entry.
    pub high: Option<[u8; 4]>,
    /// Colour of values that are not numbers; transparent black if `None`.
    pub nan: Option<[u8; 4]>,
}

impl ColorTable {
    /// The colour at position `t` (0..1), straight RGBA, 0..1: linear filtering at texel coordinate `1024 * t - 0.5`.
    pub fn fetch(&self, t: f64) -> [f32; 4] {
        let at = (TABLE_LEN as f64 * t - 0.5).clamp(0.0, (TABLE_LEN - 1) as f64);
        let lower = (at as usize).min(TABLE_LEN - 2);
        let weight = at - lower as f64;
        let (a, b) = (self.entries[lower], self.entries[lower + 1]);
        std::array::from_fn(|k| ((f64::from(a[k]) * (1.0 - weight) + f64::from(b[k]) * weight) / 255.0) as f32)
    }
}

/// How the samples along a ray become one colour in 3D (`golden/reference/README.md` "Volume").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendering {
    /// Maximum intensity.
    Mip,
    /// Minimum intensity.
    Minip,
    /// Maximum intensity, weakened by what lies in front.
    AttenuatedMip,
    /// Emission and absorption.
    Translucent,
    /// The first surface at the iso threshold, lit.
    Iso,
    /// Sum of colours.
    Additive,
    /// Mean intensity.
    Average,
}

impl Rendering {
    /// Every mode.
    pub const ALL: [Self; 7] =
        [Self::Mip, Self::Minip, Self::AttenuatedMip, Self::Translucent, Self::Iso, Self::Additive, Self::Average];

    /// The wire's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mip => "mip",
            Self::Minip => "minip",
            Self::AttenuatedMip => "attenuated_mip",
            Self::Translucent => "translucent",
            Self::Iso => "iso",
            Self::Additive => "additive",
            Self::Average => "average",
        }
    }
}

/// How a layer's values become colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Lower and upper contrast limit in data units, `hi > lo`.
    pub limits: (f32, f32),
    /// Exponent applied after scaling to 0..1; positive.
    pub gamma: f32,
    /// The colour table.
    pub table: Arc<ColorTable>,
}

impl Transfer {
    /// The colour of one value, straight RGBA, 0..1. For single values; devices have tables.
    pub fn color(&self, value: f32) -> [f32; 4] {
        let flat = |color: [u8; 4]| color.map(|k| f32::from(k) / 255.0);
        if value.is_nan() {
            return self.table.nan.map_or([0.0; 4], flat);
        }
        let (lo, hi) = (f64::from(self.limits.0), f64::from(self.limits.1));
        let t = (f64::from(value).clamp(lo, hi) - lo) / (hi - lo);
        match (self.table.low, self.table.high) {
            (Some(low), _) if t <= 1e-12 => flat(low),
            (_, Some(high)) if 1.0 - t <= 1e-12 => flat(high),
            _ => self.table.fetch(t.powf(f64::from(self.gamma))),
        }
    }
}

/// How the samples of a layer become colours.
#[derive(Debug, Clone, PartialEq)]
pub enum Coloring {
    /// Values on a scale.
    Scalar(Transfer),
    /// Keys of ids, each with a colour of its own. Never filtered.
    Labels(Arc<LabelColors>),
}

impl Coloring {
    /// The colour of one value or key, straight RGBA, 0..1. For single values; devices have tables.
    pub fn color(&self, value: f32) -> [f32; 4] {
        match self {
            Self::Scalar(transfer) => transfer.color(value),
            Self::Labels(_) if value.is_nan() => [0.0; 4],
            Self::Labels(labels) => labels.color(value as u16).map(|k| f32::from(k) / 255.0),
        }
    }
}

/// How a layer joins what is below it (`golden/reference/README.md` "Compositing").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blending {
    /// Replaces; opacity counts only for the first visible layer.
    Opaque,
    /// Source over.
    Translucent,
    /// Source over, without depth test (no difference in 2D).
    TranslucentNoDepth,
    /// Adds.
    Additive,
    /// Per-component minimum; ignores opacity.
    Minimum,
    /// Product; ignores opacity.
    Multiplicative,
}

/// How samples are filtered when drawn in 2D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Sample at `floor(u + 0.5)`.
    Nearest,
    /// Bilinear, clamped to the edge.
    Linear,
    /// Four by four samples, clamped to the edge, with vispy's "cubic" weights (`golden/reference/README.md` "Scalar -> colour"). In 3D
    /// as [`Self::Linear`].
    Cubic,
}

/// Range of the luma and chroma samples of the video, as signalled in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorRange {
    /// 0..255.
    Full,
    /// 16..235 (luma), 16..240 (chroma).
    Limited,
}
