//! Values and maths that every layer shares: sample types, tiles, colours, plane geometry, level and ROI policy.
//!
//! Architecture invariant: nothing here knows of scenes, layers, ledgers or devices.

mod brick;
pub mod budget;
pub mod color;
pub mod colormap;
mod colormap_points;
pub mod contrast;
pub mod dtype;
pub mod labels;
mod level_decided;
pub mod lod;
pub mod motion;
pub mod plane_camera;
pub mod rect;
pub mod roi;
pub mod samples;
pub mod spare;
pub mod tile;
pub mod turntable;
pub mod volume_lod;

pub use brick::{BRICK, Brick, BrickKey, CELL, Span, VolumeKey};
pub use budget::{Budgets, DeviceMemory, Hardware, Overrides};
pub use color::{Blending, ColorRange, ColorTable, Coloring, Interpolation, Rendering, TABLE_LEN, Transfer};
pub use dtype::DType;
pub use labels::LabelColors;
pub use level_decided::LevelDecided;
pub use rect::{CanvasSize, Rect};
pub use roi::{FILTER_MARGIN, Footprint, Roi, RoiInputs, RoiPolicy, SampleAxis};
pub use samples::{SampleFormat, Samples};
pub use spare::SpareSamples;
pub use tile::{ImageId, MAX_AXES, PlaneKey, TILE, Tile, TileKey};
pub use turntable::VolumePose;
