//! Random images: two to five axes, odd sizes, levels that shrink by different factors, with and without offsets.

use nc_core::data::{DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Dataset, ImageInfo, LevelInfo, SourceKind};
use proptest::prelude::*;
use proptest::test_runner::Config;
use std::sync::Arc;

/// At least `least` cases; more if `PROPTEST_CASES` asks for more.
pub(crate) fn cases(least: u32) -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.max(least), failure_persistence: None, ..usual }
}

/// How a coarser level is made from the one above it.
#[derive(Debug, Clone)]
struct Shrink {
    /// Per axis.
    factor: Vec<u64>,
    /// Whether a remainder gets a sample of its own.
    round_up: bool,
    /// Whether a sample lies in the middle of those it stands for, rather than on the first.
    centered: bool,
}

fn axes(ndim: usize, channels: bool) -> Vec<(&'static str, AxisKind)> {
    let (y, x) = (("y", AxisKind::Space), ("x", AxisKind::Space));
    let (t, c, z) = (("t", AxisKind::Time), ("c", AxisKind::Channel), ("z", AxisKind::Space));
    match (ndim, channels) {
        (2, _) => vec![y, x],
        (3, true) => vec![c, y, x],
        (3, false) => vec![z, y, x],
        (4, true) => vec![c, z, y, x],
        (4, false) => vec![t, z, y, x],
        _ => vec![t, c, z, y, x],
    }
}

/// A dataset of a random image.
pub(crate) fn dataset() -> impl Strategy<Value = Dataset> {
    let size = (2usize..=5, any::<bool>(), proptest::collection::vec(1u64..70, 5), 1u64..4);
    let place = (proptest::collection::vec((0.05f64..20.0, any::<bool>()), 5), proptest::collection::vec(-50.0f64..50.0, 5));
    let shrink = (proptest::collection::vec(1u64..=3, 5), any::<bool>(), any::<bool>());
    let shrink = shrink.prop_map(|(factor, round_up, centered)| Shrink { factor, round_up, centered });
    (size, place, any::<bool>(), proptest::collection::vec(shrink, 0..5)).prop_map(
        |((ndim, channels, shape, channel_count), (scale, offset), translated, shrinks)| {
            let axes = axes(ndim, channels);
            let shape = |a: usize| if axes[a].1 == AxisKind::Channel { channel_count } else { shape[a] };
            let finest = LevelInfo {
                path: "0".into(),
                shape: (0..ndim).map(shape).collect(),
                chunk: vec![16; ndim],
                scale: scale[..ndim].iter().map(|&(s, flipped)| if flipped { -s } else { s }).collect(),
                translate: (0..ndim).map(|a| if translated { offset[a] } else { 0.0 }).collect(),
                ..LevelInfo::default()
            };
            let mut levels = vec![finest];
            for shrink in shrinks {
                levels.push(coarser(&levels[levels.len() - 1], &shrink, &axes, levels.len()));
            }
            Dataset::new(Arc::new(ImageInfo {
                id: ImageId(1),
                name: "random".into(),
                location: "random".into(),
                source: SourceKind::OmeZarr,
                ngff_version: None,
                axes: axes.into_iter().map(|(name, kind)| Axis { name: name.into(), kind, unit: None }).collect(),
                dtype: DType::U16,
                levels,
                channels: Vec::new(),
                default_z: None,
                default_t: None,
                warnings: Vec::new(),
                ..ImageInfo::default()
            }))
        },
    )
}

fn coarser(level: &LevelInfo, shrink: &Shrink, axes: &[(&str, AxisKind)], number: usize) -> LevelInfo {
    let factor = |a: usize| if axes[a].1 == AxisKind::Space { shrink.factor[a] } else { 1 };
    let shrunk =
        |a: usize| if shrink.round_up { level.shape[a].div_ceil(factor(a)) } else { (level.shape[a] / factor(a)).max(1) };
    let middle = |a: usize| if shrink.centered { (factor(a) - 1) as f64 / 2.0 } else { 0.0 };
    let ndim = level.shape.len();
    LevelInfo {
        path: number.to_string(),
        shape: (0..ndim).map(shrunk).collect(),
        chunk: vec![16; ndim],
        scale: (0..ndim).map(|a| level.scale[a] * factor(a) as f64).collect(),
        translate: (0..ndim).map(|a| level.translate[a] + middle(a) * level.scale[a]).collect(),
        ..LevelInfo::default()
    }
}
