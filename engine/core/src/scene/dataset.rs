//! A dataset as the viewer sees it: an image, the axes that are sliders, and the layers it was split into.

use super::{AxisKind, Channel, ImageInfo, LabelImage, LayerSpec};
use crate::data::{CanvasSize, Footprint, Rect, SampleAxis};
use crate::scene::LayerId;
use std::sync::Arc;

/// More channels than this stay a slider axis.
pub const MAX_SPLIT_CHANNELS: u64 = 32;

/// An image prepared for viewing, with the label images that are drawn over it. "Dims" are the image's axes without the one that was
/// split into layers, in array order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The image.
    pub image: Arc<ImageInfo>,
    /// Array axis of each dim.
    pub dims: Vec<usize>,
    /// Label images, in the order of the file.
    pub labels: Vec<LabelImage>,
    /// The layers, bottom first: those of the image, then those of its label images.
    pub layers: Vec<Arc<LayerSpec>>,
}

impl Dataset {
    /// Splits the channel axis (up to [`MAX_SPLIT_CHANNELS`]) into layers.
    pub fn new(image: Arc<ImageInfo>) -> Self {
        let split = image.channel_axis().filter(|&c| image.axes.len() > 2 && image.finest().shape[c] <= MAX_SPLIT_CHANNELS);
        let dims = (0..image.axes.len()).filter(|&a| Some(a) != split).collect();
        let labels = image.label_colors().map(Arc::new);
        let layer = |n: usize, channel: Option<u64>, label: Option<&String>| {
            let name = label.cloned().unwrap_or_else(|| numbered(&image.name, channel));
            Arc::new(LayerSpec { id: LayerId::nth(n), name, label_image: None, channel, labels: labels.clone() })
        };
        let layers = match split {
            Some(axis) => (0..image.finest().shape[axis])
                .map(|c| layer(c as usize, Some(c), image.channels.get(c as usize).and_then(|ch| ch.label.as_ref())))
                .collect(),
            None => vec![layer(
                0,
                None,
                image.channels.first().and_then(|ch| ch.label.as_ref()).filter(|_| image.channel_axis().is_none()),
            )],
        };
        Self { image, dims, labels: Vec::new(), layers }
    }

    /// The same with `labels` drawn over it, as far as their axes fit; and why each of the others is left out, one line each.
    #[must_use]
    pub fn with_labels(mut self, labels: impl IntoIterator<Item = Arc<ImageInfo>>) -> (Self, Vec<String>) {
        let mut left_out = Vec::new();
        for info in labels {
            let matched = match LabelImage::matched(info.clone(), &self.image, &self.dims) {
                Ok(matched) => matched,
                Err(why) => {
                    left_out.push(format!("label image {:?} is not drawn over the image: {why}", info.name));
                    continue;
                }
            };
            let channels = matched.channels();
            for channel in &channels {
                let name = numbered(&info.name, channel.filter(|_| channels.len() > 1));
                let (id, label_image) = (LayerId::nth(self.layers.len()), Some(self.labels.len()));
                let labels = Some(matched.colors.clone());
                self.layers.push(Arc::new(LayerSpec { id, name, label_image, channel: *channel, labels }));
            }
            self.labels.push(matched);
        }
        (self, left_out)
    }

    /// The image and its label images.
    pub fn images(&self) -> impl Iterator<Item = &Arc<ImageInfo>> {
        std::iter::once(&self.image).chain(self.labels.iter().map(|labels| &labels.info))
    }

    /// Names of label images that belong to the image and are not drawn over it.
    pub fn labels_left_out(&self) -> Vec<&str> {
        let drawn = |name: &str| self.labels.iter().any(|labels| labels.info.name == name);
        // One without a name is what a label image says of itself.
        let names = self.image.labels.iter().map(|label| label.name.as_str());
        names.filter(|name| !name.is_empty() && !drawn(name)).collect()
    }

    /// Bytes of the largest sample that a device draws of it.
    pub fn sample_bytes(&self) -> usize {
        self.images().map(|image| image.sample_format().size()).max().unwrap_or(1)
    }

    /// Number of dims.
    pub fn ndim(&self) -> usize {
        self.dims.len()
    }

    /// Number of levels.
    pub fn level_count(&self) -> usize {
        self.image.levels.len()
    }

    /// Names of the dims.
    pub fn axis_labels(&self) -> Vec<String> {
        self.dims.iter().map(|&a| self.image.axes[a].name.clone()).collect()
    }

    /// Samples along each dim at `level`.
    pub fn level_shape(&self, level: usize) -> Vec<u64> {
        self.dims.iter().map(|&a| self.image.levels[level].shape[a]).collect()
    }

    /// Samples along one dim at level 0.
    pub fn size(&self, dim: usize) -> u64 {
        self.image.finest().shape[self.dims[dim]]
    }

    /// World units per sample along each dim at `level`.
    pub fn level_scale(&self, level: usize) -> Vec<f64> {
        self.dims.iter().map(|&a| self.image.levels[level].scale[a]).collect()
    }

    /// How many level-0 samples one sample of `level` spans, per dim.
    pub fn downsample(&self, level: usize) -> Vec<f64> {
        let finest = self.image.finest();
        self.dims.iter().map(|&a| self.image.levels[level].scale[a] / finest.scale[a]).collect()
    }

    /// Level-0 index `step` of dim `dim` as an index of `level`: the sample whose centre is nearest in the world, clamped.
    /// (`golden/reference/README.md` "Scene json", undisplayed axes.)
    pub fn index_at_level(&self, dim: usize, step: u64, level: usize) -> u64 {
        self.remap(self.dims[dim], step, 0, level)
    }

    /// Index of dim `dim` at `level` as a level-0 index; the inverse of [`Self::index_at_level`] up to rounding.
    pub fn index_at_finest(&self, dim: usize, index: u64, level: usize) -> u64 {
        self.remap(self.dims[dim], index, level, 0)
    }

    fn remap(&self, axis: usize, index: u64, from: usize, to: usize) -> u64 {
        let (a, b) = (&self.image.levels[from], &self.image.levels[to]);
        let world = index as f64 * a.scale[axis] + a.translate[axis];
        let there = (world - b.translate[axis]) / b.scale[axis];
        ((there + 0.5).floor().max(0.0) as u64).min(b.shape[axis] - 1)
    }

    /// A whole step vector (level-0 indices) in the index space of `level`.
    pub fn step_at_level(&self, step: &[u64], level: usize) -> Vec<u64> {
        (0..self.ndim()).map(|d| self.index_at_level(d, step[d], level)).collect()
    }

    /// The step shown at first: the middle of the z axis (or of the first dim that is neither time nor shown), 0 elsewhere,
    /// unless the file says otherwise. PROTOCOL §15.
    pub fn initial_step(&self) -> Vec<u64> {
        let shape = self.level_shape(0);
        let mut step = vec![0; self.ndim()];
        if self.ndim() <= 2 {
            return step;
        }
        let hidden = 0..self.ndim() - 2;
        let kind = |d: usize| self.image.axes[self.dims[d]].kind;
        if let Some(z) = hidden.clone().rev().find(|&d| kind(d) == AxisKind::Space) {
            step[z] = self.image.default_z.unwrap_or(shape[z] / 2).min(shape[z] - 1);
        } else if hidden.clone().all(|d| kind(d) != AxisKind::Time) {
            step[0] = shape[0] / 2;
        }
        if let (Some(t), Some(at)) = (hidden.clone().find(|&d| kind(d) == AxisKind::Time), self.image.default_t) {
            step[t] = at.min(shape[t] - 1);
        }
        step
    }

    /// The samples of one dim at `level`.
    pub fn sample_axis(&self, level: usize, dim: usize) -> SampleAxis {
        let (axis, l) = (self.dims[dim], &self.image.levels[level]);
        let len = u32::try_from(l.shape[axis]).unwrap_or(u32::MAX);
        SampleAxis { len, scale: l.scale[axis], translate: l.translate[axis] }
    }

    /// Samples along one dim of what is read and decoded on its own at `level`.
    pub fn chunk_edge(&self, level: usize, dim: usize) -> u32 {
        u32::try_from(self.image.levels[level].chunk[self.dims[dim]]).unwrap_or(u32::MAX).max(1)
    }

    /// Level samples per canvas pixel for every level when `shown` fills the canvas and dims `row` and `col` are displayed
    /// (PROTOCOL §16.1). A level that the view misses altogether counts as a whole.
    pub fn oversampling(&self, shown: Rect, canvas: CanvasSize, row: usize, col: usize) -> Vec<f64> {
        (0..self.level_count())
            .map(|level| {
                let (x, y) = (self.sample_axis(level, col), self.sample_axis(level, row));
                let footprint = Footprint::of(shown, x, y, 0);
                let (w, h) = if footprint.is_empty() { (x.len, y.len) } else { footprint.size() };
                (f64::from(h) / f64::from(canvas.height)).max(f64::from(w) / f64::from(canvas.width))
            })
            .collect()
    }

    /// The outer box of level 0 along two dims, half a sample beyond the first and last centre.
    pub fn world_rect(&self, x_dim: usize, y_dim: usize) -> Rect {
        let (left, width) = self.extent(x_dim);
        let (bottom, height) = self.extent(y_dim);
        Rect { left, bottom, width, height }
    }

    /// The outer box of level 0 along the displayed dims, as smallest and largest x, y and z: the last of `dims` is x, the one before
    /// it y. Half a sample beyond the first and last centre. An axis without a dim is one unit thick about 0.
    pub fn world_box(&self, dims: &[usize]) -> [[f64; 2]; 3] {
        let mut world = [[-0.5, 0.5]; 3];
        for (side, &dim) in world.iter_mut().zip(dims.iter().rev()) {
            let (start, length) = self.extent(dim);
            *side = [start, start + length];
        }
        world
    }

    fn extent(&self, dim: usize) -> (f64, f64) {
        let (axis, l) = (self.dims[dim], self.image.finest());
        let a = l.translate[axis] - 0.5 * l.scale[axis];
        let b = l.translate[axis] + (l.shape[axis] as f64 - 0.5) * l.scale[axis];
        (a.min(b), (b - a).abs())
    }

    /// The file's description of the channel that `layer` shows.
    pub fn channel(&self, layer: &LayerSpec) -> Option<&Channel> {
        self.image.channels.get(layer.channel.unwrap_or(0) as usize).filter(|_| layer.label_image.is_none())
    }
}

/// What a layer is called that has no name of its own.
fn numbered(name: &str, channel: Option<u64>) -> String {
    channel.map_or_else(|| name.to_owned(), |c| format!("{name} [{c}]"))
}
