//! Typed descriptions of what is shown: images, layers, view, and their defaults. Values only; nothing here changes by itself.
//!
//! May import `data`. Must never know of versions, commits or clients.

pub mod control;
pub mod dataset;
mod grown;
pub mod image;
pub mod label_image;
pub mod layer;
mod layer_image;
pub mod view;

pub use dataset::Dataset;
pub use grown::Unfit;
pub use image::{
    Axis, AxisKind, Channel, FormatInfo, ImageInfo, LabelInfo, LabelValue, LevelInfo, PlateRef, SourceKind, Storage,
};
pub use label_image::LabelImage;
pub use layer::{Depiction, LayerControls, LayerId, LayerSpec, Thumbnail};
pub use layer_image::LayerImage;
pub use view::{AppliedView, LayerView, OpSeq, PlanePose, PlaneView, VolumePose, plane_dims};
