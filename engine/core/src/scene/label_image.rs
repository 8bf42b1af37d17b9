//! Label images beside the image that they belong to: which of their axes are which of its dims.

use super::ImageInfo;
use crate::data::LabelColors;
use crate::scene::dataset::MAX_SPLIT_CHANNELS;
use std::sync::Arc;

/// A label image of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelImage {
    /// The image.
    pub info: Arc<ImageInfo>,
    /// Its axis along each dim of the dataset; `None` where it has none, so that it is the same all along that dim.
    pub axes: Vec<Option<usize>>,
    /// Its colours.
    pub colors: Arc<LabelColors>,
}

impl LabelImage {
    /// Matches the axes of `info` to the dims `dims` of `image` by name. A channel axis that is no dim becomes layers of its own; any
    /// other axis that is no dim must be one sample long.
    ///
    /// # Errors
    /// Why it cannot be drawn over the image, for people.
    pub(super) fn matched(info: Arc<ImageInfo>, image: &ImageInfo, dims: &[usize]) -> Result<Self, String> {
        let axis_of = |dim: &usize| {
            let name = &image.axes[*dim].name;
            info.axes.iter().position(|axis| axis.name.eq_ignore_ascii_case(name))
        };
        let axes: Vec<Option<usize>> = dims.iter().map(axis_of).collect();
        let split = info.channel_axis().filter(|axis| !axes.contains(&Some(*axis)));
        for (n, axis) in info.axes.iter().enumerate().filter(|(n, _)| !axes.contains(&Some(*n))) {
            let length = info.finest().shape[n];
            if split == Some(n) && length > MAX_SPLIT_CHANNELS {
                return Err(format!("its axis {:?} has {length} channels, more than {MAX_SPLIT_CHANNELS}", axis.name));
            }
            if split != Some(n) && length > 1 {
                return Err(format!("its axis {:?} is none of the image's", axis.name));
            }
        }
        if axes.iter().flatten().count() < 2 {
            return Err("it shares fewer than two axes with the image".to_owned());
        }
        let colors = Arc::new(info.label_colors().unwrap_or_default());
        Ok(Self { info, axes, colors })
    }

    /// The indices on its channel axis that become layers; `None` alone if that axis is a dim, or there is none.
    pub(super) fn channels(&self) -> Vec<Option<u64>> {
        match self.info.channel_axis().filter(|axis| !self.axes.contains(&Some(*axis))) {
            Some(axis) => (0..self.info.finest().shape[axis]).map(Some).collect(),
            None => vec![None],
        }
    }
}
