//! Layers: what they show, their controls, defaults and thumbnails.

use crate::data::{Blending, ColorTable, Interpolation, LabelColors, Rendering};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A layer's stable name on the wire: "layer-0", "layer-1", ...
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub Arc<str>);

impl LayerId {
    /// The id of the `n`-th layer of a dataset.
    pub fn nth(n: usize) -> Self {
        Self(format!("layer-{n}").into())
    }
}

impl std::fmt::Display for LayerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a layer is made of; fixed while the dataset is open.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// Wire id.
    pub id: LayerId,
    /// Name shown to people.
    pub name: String,
    /// Which of the dataset's label images it shows; `None`: the image itself.
    pub label_image: Option<usize>,
    /// Index on the channel axis of what it shows, if that axis was split into layers.
    pub channel: Option<u64>,
    /// The colours of its samples, if those are ids.
    pub labels: Option<Arc<LabelColors>>,
}

/// What of a volume is drawn in 3D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depiction {
    /// All of it.
    Volume,
    /// A slab about a plane.
    Plane,
}

impl Depiction {
    /// The wire's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Plane => "plane",
        }
    }
}

/// What a person may change about a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerControls {
    /// Whether it is drawn.
    pub visible: bool,
    /// 0..1.
    pub opacity: f64,
    /// How it joins the layers below.
    pub blending: Blending,
    /// 2D filter.
    pub interpolation: Interpolation,
    /// Positive.
    pub gamma: f64,
    /// The colour table; its `name` goes to clients.
    pub colormap: Arc<ColorTable>,
    /// Lower and upper limit in data units, upper > lower.
    pub contrast_limits: (f64, f64),
    /// How a ray is drawn in 3D.
    pub rendering: Rendering,
    /// What of the volume is drawn in 3D.
    pub depiction: Depiction,
    /// Strength of the weakening in [`Rendering::AttenuatedMip`], not negative.
    pub attenuation: f64,
    /// Surface value of [`Rendering::Iso`], data units.
    pub iso_threshold: f64,
    /// Step along a ray relative to a voxel, 0.1..4 (PROTOCOL §6.3 "volume").
    pub sample_step: f64,
    /// Of labels in 2D: only samples within so many of another id are drawn; 0 draws all. Of anything else 0.
    pub contour: u32,
}

/// A small RGBA picture of a layer. Row 0 is the last data row, which the wire's y-up view has at the top (PROTOCOL §12,
/// "Thumbnail payload").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// [`Self::EDGE`]² pixels, 4 bytes each.
    pub rgba: Vec<u8>,
}

impl Thumbnail {
    /// Pixels along each side, napari's size.
    pub const EDGE: usize = 32;

    /// Black and opaque, for a layer whose picture is not made yet.
    pub fn black() -> Self {
        Self { rgba: [0, 0, 0, 255].repeat(Self::EDGE * Self::EDGE) }
    }
}
