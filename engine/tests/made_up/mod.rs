//! Images whose 8-bit samples are computed, or refused.

use nc_core::data::{DType, ImageId};
use nc_core::scene::{Axis, AxisKind, Channel, ImageInfo, LevelInfo, SourceKind};
use nc_engine::Image;
use nc_store::place::Stop;
use nc_store::{Chunk, ChunkSource, ReadError, Scratch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Axes and a level of them, `scale` world units a sample in space, whose samples fill the same box at every scale.
pub(crate) fn level(axes: &[&str], shape: &[u64], chunk: &[u64], scale: f64) -> (Vec<String>, LevelInfo) {
    let space = |axis: &str| axis != "c";
    let info = LevelInfo {
        path: format!("{scale}"),
        shape: shape.to_vec(),
        chunk: chunk.to_vec(),
        scale: axes.iter().map(|axis| if space(axis) { scale } else { 1.0 }).collect(),
        translate: axes.iter().map(|axis| if space(axis) { (scale - 1.0) / 2.0 } else { 0.0 }).collect(),
        ..LevelInfo::default()
    };
    (axes.iter().map(|&axis| axis.to_owned()).collect(), info)
}

struct Computed<F> {
    levels: Vec<LevelInfo>,
    sample: F,
}

impl<F: Fn(usize, &[u64]) -> Result<u8, ReadError> + Send + Sync> ChunkSource for Computed<F> {
    fn make(&self, level: usize, chunk: &[u64], _: &mut Scratch, _: &Stop) -> Result<Chunk, ReadError> {
        let info = &self.levels[level];
        let count = info.chunk.iter().product::<u64>();
        let place = |index: u64| {
            let mut rest = index;
            let mut at: Vec<u64> = chunk.iter().zip(&info.chunk).map(|(c, n)| c * n).collect();
            for axis in (0..at.len()).rev() {
                at[axis] += rest % info.chunk[axis];
                rest /= info.chunk[axis];
            }
            at
        };
        let bytes = (0..count).map(|index| (self.sample)(level, &place(index))).collect::<Result<Vec<u8>, _>>()?;
        Chunk::new(&info.chunk, bytes)
    }
}

/// An image of levels, finest first, shown from 0 to 255; `colors` are those of its channels, none for a gray image. `sample` gets
/// the level and the place; a chunk with a sample that it refuses is damaged.
pub(crate) fn image(
    levels: Vec<(Vec<String>, LevelInfo)>,
    colors: &[[u8; 3]],
    sample: impl Fn(usize, &[u64]) -> Result<u8, ReadError> + Send + Sync + 'static,
) -> Image {
    static NEXT: AtomicU32 = AtomicU32::new(1_000_000);
    let axes = levels[0].0.iter().map(|name| Axis {
        kind: if name == "c" { AxisKind::Channel } else { AxisKind::Space },
        name: name.clone(),
        unit: None,
    });
    let channel = |color| Channel { label: None, color, window: Some((0.0, 255.0)), active: true };
    let channels = if colors.is_empty() { vec![channel(None)] } else { colors.iter().map(|&c| channel(Some(c))).collect() };
    let axes = axes.collect();
    let levels: Vec<LevelInfo> = levels.into_iter().map(|(_, level)| level).collect();
    let info = ImageInfo {
        id: ImageId(NEXT.fetch_add(1, Ordering::Relaxed)),
        name: "made up".into(),
        location: "made up".into(),
        source: SourceKind::Demo,
        ngff_version: None,
        axes,
        dtype: DType::U8,
        levels: levels.clone(),
        channels,
        default_z: None,
        default_t: None,
        warnings: Vec::new(),
        ..ImageInfo::default()
    };
    Image::from_source(Arc::new(info), Arc::new(Computed { levels, sample }))
}
