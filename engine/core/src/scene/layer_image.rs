//! What a layer shows, seen through the dims of its dataset: the image itself, or a label image with axes and levels of its own.

use super::{Dataset, ImageInfo, LabelImage, LayerSpec, LevelInfo};
use crate::data::{MAX_AXES, PlaneKey, SampleAxis, VolumeKey};
use std::sync::Arc;

/// The image of one layer. Levels are its own; steps are the dataset's, in level-0 indices of the dataset's image.
#[derive(Debug, Clone, Copy)]
pub struct LayerImage<'a> {
    dataset: &'a Dataset,
    labels: Option<&'a LabelImage>,
    channel: Option<u64>,
}

impl Dataset {
    /// What `layer` shows.
    pub fn layer_image(&self, layer: &LayerSpec) -> LayerImage<'_> {
        let labels = layer.label_image.and_then(|n| self.labels.get(n));
        LayerImage { dataset: self, labels, channel: layer.channel }
    }

    /// The image itself, as a layer that was not split off shows it.
    pub fn whole_image(&self) -> LayerImage<'_> {
        LayerImage { dataset: self, labels: None, channel: None }
    }
}

impl<'a> LayerImage<'a> {
    /// The image's description.
    pub fn info(&self) -> &'a Arc<ImageInfo> {
        self.labels.map_or(&self.dataset.image, |labels| &labels.info)
    }

    /// Number of its levels.
    pub fn level_count(&self) -> usize {
        self.info().levels.len()
    }

    /// Its axis along `dim`; `None` if it has none, so that it is the same all along that dim.
    pub fn axis(&self, dim: usize) -> Option<usize> {
        self.labels.map_or(Some(self.dataset.dims[dim]), |labels| labels.axes[dim])
    }

    /// Its samples along `dim` at `level`; `None` if it has no such axis.
    pub fn sample_axis(&self, level: usize, dim: usize) -> Option<SampleAxis> {
        let (axis, level) = (self.axis(dim)?, self.info().levels.get(level)?);
        let len = u32::try_from(level.shape[axis]).unwrap_or(u32::MAX);
        Some(SampleAxis { len, scale: level.scale[axis], translate: level.translate[axis] })
    }

    /// Its samples along each dim at `level`; along a dim that it does not have, as many as the dataset's image has at its finest level.
    pub fn shape(&self, level: usize) -> Vec<u64> {
        self.along_dims(level, |level, axis| level.shape[axis])
    }

    /// World units per sample along each dim at `level`.
    pub fn scale(&self, level: usize) -> Vec<f64> {
        self.along_dims(level, |level, axis| level.scale[axis])
    }

    /// World position of sample 0 along each dim at `level`.
    pub fn translate(&self, level: usize) -> Vec<f64> {
        self.along_dims(level, |level, axis| level.translate[axis])
    }

    fn along_dims<T>(&self, level: usize, of: impl Fn(&LevelInfo, usize) -> T) -> Vec<T> {
        let (own, image) = (&self.info().levels[level], self.dataset.image.finest());
        let one = |dim| self.axis(dim).map_or_else(|| of(image, self.dataset.dims[dim]), |axis| of(own, axis));
        (0..self.dataset.ndim()).map(one).collect()
    }

    /// Samples along `dim` of what is read and decoded on its own at `level`.
    pub fn chunk_edge(&self, level: usize, dim: usize) -> u64 {
        let chunk = self.axis(dim).and_then(|axis| self.info().levels.get(level)?.chunk.get(axis).copied());
        chunk.unwrap_or(1).max(1)
    }

    /// Its level for the image's level `level` where `shown` are displayed: the image's own; of label images the one whose samples are
    /// most nearly as large, the finer of two equally near.
    pub fn level_for(&self, level: usize, shown: &[usize]) -> usize {
        let Some(labels) = self.labels else { return level };
        let image = &self.dataset.image.levels[level];
        // The mean logarithm of the ratio along the dims that both have; what is equal up to rounding is equally near.
        let distance = |own: &LevelInfo| {
            let ratios = shown.iter().filter_map(|&dim| Some((labels.axes[dim]?, self.dataset.dims[dim])));
            ratios.map(|(axis, of_image)| (own.scale[axis] / image.scale[of_image]).abs().ln()).sum::<f64>().abs()
        };
        let finest = (0, f64::INFINITY);
        let nearer = |best: (usize, f64), (n, own): (usize, &LevelInfo)| {
            let distance = distance(own);
            if distance < best.1 - 1e-6 { (n, distance) } else { best }
        };
        labels.info.levels.iter().enumerate().fold(finest, nearer).0
    }

    /// The plane of `level` that shows dims `row` (y) and `col` (x) at `step`. `None` where a label image has nothing to show: it lacks
    /// one of the two axes, or ends before the step.
    pub fn plane(&self, level: usize, row: usize, col: usize, step: &[u64]) -> Option<PlaneKey> {
        let (row_axis, col_axis) = (self.axis(row)? as u8, self.axis(col)? as u8);
        let index = self.index(level, &[row, col], step)?;
        Some(PlaneKey { image: self.info().id, level: u8::try_from(level).ok()?, row_axis, col_axis, index })
    }

    /// The volume of `level` that shows three dims, in the order z, y, x. `None` as for [`Self::plane`].
    pub fn volume(&self, level: usize, shown: [usize; 3], step: &[u64]) -> Option<VolumeKey> {
        let [z, y, x] = shown.map(|dim| self.axis(dim));
        let axes = [z? as u8, y? as u8, x? as u8];
        let index = self.index(level, &shown, step)?;
        Some(VolumeKey { image: self.info().id, level: u8::try_from(level).ok()?, axes, index })
    }

    /// Index per array axis, 0 along those that are shown.
    fn index(&self, level: usize, shown: &[usize], step: &[u64]) -> Option<[u32; MAX_AXES]> {
        let mut index = [0u32; MAX_AXES];
        for dim in (0..self.dataset.ndim()).filter(|dim| !shown.contains(dim)) {
            if let Some(axis) = self.axis(dim) {
                index[axis] = self.index_at(dim, axis, step[dim], level)? as u32;
            }
        }
        if let (Some(axis), Some(channel)) = (self.info().channel_axis(), self.channel) {
            index[axis] = channel as u32;
        }
        Some(index)
    }

    fn index_at(&self, dim: usize, axis: usize, step: u64, level: usize) -> Option<u64> {
        let Some(labels) = self.labels else { return Some(self.dataset.index_at_level(dim, step, level)) };
        // A single one stands for all.
        if labels.info.finest().shape[axis] == 1 {
            return Some(0);
        }
        let (image, of_image) = (self.dataset.image.finest(), self.dataset.dims[dim]);
        let world = step as f64 * image.scale[of_image] + image.translate[of_image];
        let at = |level: &LevelInfo| (world - level.translate[axis]) / level.scale[axis];
        // A sample beyond either end at most: levels that halve an odd length, and places that are a little off.
        let finest = labels.info.finest();
        let own = labels.info.levels.get(level)?;
        let within = (-1.0..=finest.shape[axis] as f64).contains(&at(finest));
        within.then(|| ((at(own) + 0.5).floor().max(0.0) as u64).min(own.shape[axis] - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DType, ImageId};
    use crate::scene::{Axis, AxisKind};

    /// An image of these axes, one sample of each level this long along each of them; it begins at 0 everywhere.
    fn image(id: u32, name: &str, axes: &str, levels: &[(&[u64], &[f64])]) -> Arc<ImageInfo> {
        let kind = |name: char| match name {
            't' => AxisKind::Time,
            'c' => AxisKind::Channel,
            _ => AxisKind::Space,
        };
        let level = |(shape, scale): &(&[u64], &[f64])| LevelInfo {
            shape: shape.to_vec(),
            chunk: vec![1; shape.len()],
            scale: scale.to_vec(),
            translate: vec![0.0; shape.len()],
            ..LevelInfo::default()
        };
        Arc::new(ImageInfo {
            id: ImageId(id),
            name: name.to_owned(),
            axes: axes.chars().map(|name| Axis { name: name.to_string(), kind: kind(name), unit: None }).collect(),
            dtype: DType::U32,
            levels: levels.iter().map(level).collect(),
            is_labels: id > 0,
            ..ImageInfo::default()
        })
    }

    /// t × c × z × y × x in two levels, c of two.
    fn tczyx() -> Dataset {
        let levels: [(&[u64], &[f64]); 2] =
            [(&[3, 2, 10, 40, 60], &[1.0, 1.0, 2.0, 0.5, 0.5]), (&[3, 2, 10, 20, 30], &[1.0, 1.0, 2.0, 1.0, 1.0])];
        Dataset::new(image(0, "cells", "tczyx", &levels))
    }

    fn with(labels: Arc<ImageInfo>) -> Dataset {
        let (dataset, left_out) = tczyx().with_labels([labels]);
        assert_eq!(left_out, Vec::<String>::new());
        dataset
    }

    fn top(dataset: &Dataset) -> LayerImage<'_> {
        dataset.layer_image(dataset.layers.last().unwrap())
    }

    #[test]
    fn labels_lie_on_top_and_have_a_layer_each() {
        let dataset = with(image(1, "nuclei", "zyx", &[(&[10, 40, 60], &[2.0, 0.5, 0.5])]));
        let told = dataset.layers.iter();
        let told = told.map(|l| (&*l.id.0, l.name.as_str(), l.label_image, l.channel, l.labels.is_some()));
        let expected = [
            ("layer-0", "cells [0]", None, Some(0), false),
            ("layer-1", "cells [1]", None, Some(1), false),
            ("layer-2", "nuclei", Some(0), None, true),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn axes_are_matched_by_name_and_what_is_lacking_is_the_same_everywhere() {
        // Without t and c, in another order and in capitals.
        let dataset = with(image(1, "nuclei", "XYZ", &[(&[60, 40, 10], &[0.5, 0.5, 2.0])]));
        let labels = top(&dataset);
        let (row, col) = (2, 3);
        let first = labels.plane(0, row, col, &[0, 7, 0, 0]).unwrap();
        assert_eq!((first.image, first.row_axis, first.col_axis, first.index), (ImageId(1), 1, 0, [0, 0, 7, 0, 0]));
        assert_eq!(labels.plane(0, row, col, &[2, 7, 0, 0]), Some(first), "every time shows the same");
        let side = labels.plane(0, 1, 3, &[0, 0, 9, 0]).unwrap();
        assert_eq!((side.row_axis, side.col_axis, side.index), (2, 0, [0, 9, 0, 0, 0]), "z is shown along rows");
        assert_eq!(labels.shape(0), [3, 10, 40, 60]);
        assert_eq!(labels.scale(0), [1.0, 2.0, 0.5, 0.5]);
        assert_eq!(labels.volume(0, [1, 2, 3], &[1, 0, 0, 0]).unwrap().axes, [2, 1, 0]);
    }

    #[test]
    fn a_single_sample_stands_for_all_and_an_axis_that_ends_shows_nothing_beyond() {
        let levels: (&[u64], &[f64]) = (&[2, 1, 1, 40, 60], &[1.0, 1.0, 2.0, 0.5, 0.5]);
        let dataset = with(image(1, "nuclei", "tczyx", &[levels]));
        let (layers, labels) = (dataset.layers.len(), top(&dataset));
        assert_eq!((layers, dataset.layers[2].name.as_str()), (3, "nuclei"), "a channel axis of one is one layer");
        let at = |t, z| labels.plane(0, 2, 3, &[t, z, 0, 0]).map(|plane| plane.index);
        assert_eq!(at(1, 9), Some([1, 0, 0, 0, 0]));
        // One beyond the last may be a matter of rounding; more is not.
        assert_eq!(at(2, 0), Some([1, 0, 0, 0, 0]));
        let longer = tczyx().with_labels([image(1, "n", "tyx", &[(&[2, 40, 60], &[0.4, 0.5, 0.5])])]).0;
        assert_eq!(top(&longer).plane(0, 2, 3, &[2, 0, 0, 0]), None);
    }

    #[test]
    fn without_an_axis_that_is_shown_there_is_nothing_to_show() {
        let dataset = with(image(1, "flat", "yx", &[(&[40, 60], &[0.5, 0.5])]));
        let labels = top(&dataset);
        assert!(labels.plane(0, 2, 3, &[0; 4]).is_some());
        assert_eq!(labels.plane(0, 1, 3, &[0; 4]), None);
        assert_eq!(labels.volume(0, [1, 2, 3], &[0; 4]), None);
    }

    #[test]
    fn channels_of_labels_become_layers() {
        let dataset = with(image(1, "nuclei", "cyx", &[(&[2, 40, 60], &[1.0, 0.5, 0.5])]));
        let names: Vec<&str> = dataset.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["cells [0]", "cells [1]", "nuclei [0]", "nuclei [1]"]);
        assert_eq!(top(&dataset).plane(0, 2, 3, &[0; 4]).unwrap().index, [1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_cannot_be_matched_is_left_out_and_said() {
        let cases = [
            (image(1, "a", "wyx", &[(&[5, 40, 60], &[1.0, 0.5, 0.5])]), "its axis \"w\" is none of the image's"),
            (image(1, "b", "uv", &[(&[1, 1], &[1.0, 1.0])]), "fewer than two axes"),
            (image(1, "c", "cyx", &[(&[99, 40, 60], &[1.0, 0.5, 0.5])]), "99 channels"),
        ];
        for (labels, part) in cases {
            let (dataset, left_out) = tczyx().with_labels([labels]);
            assert_eq!((dataset.layers.len(), dataset.labels.len()), (2, 0));
            assert!(left_out[0].contains(part), "{left_out:?}");
        }
    }

    #[test]
    fn those_that_are_listed_and_not_drawn_are_named() {
        let listed = |name: &str| crate::scene::LabelInfo { name: name.into(), ..Default::default() };
        // The one without a name is what a label image says of itself.
        let image = ImageInfo { labels: ["gone", "nuclei", ""].map(listed).into(), ..ImageInfo::clone(&tczyx().image) };
        let nuclei = self::image(1, "nuclei", "yx", &[(&[40, 60], &[0.5, 0.5])]);
        assert_eq!(Dataset::new(Arc::new(image)).with_labels([nuclei]).0.labels_left_out(), ["gone"]);
    }

    #[test]
    fn the_level_nearest_in_scale_is_taken_and_the_finer_of_two() {
        let level =
            |f: f64| -> (Vec<u64>, Vec<f64>) { (vec![10, (40.0 / f) as u64, (60.0 / f) as u64], vec![2.0, 0.5 * f, 0.5 * f]) };
        let chosen = |factors: &[f64], level_of_image: usize| {
            let levels: Vec<_> = factors.iter().map(|f| level(*f)).collect();
            let levels: Vec<(&[u64], &[f64])> = levels.iter().map(|(shape, scale)| (&shape[..], &scale[..])).collect();
            let dataset = with(image(1, "nuclei", "zyx", &levels));
            top(&dataset).level_for(level_of_image, &[2, 3])
        };
        assert_eq!((chosen(&[1.0, 2.0, 4.0], 0), chosen(&[1.0, 2.0, 4.0], 1)), (0, 1));
        assert_eq!(chosen(&[1.0, 4.0], 1), 0, "a factor of two both ways");
        assert_eq!(chosen(&[1.0, 3.9], 1), 1);
        assert_eq!((chosen(&[2.0, 4.0], 0), chosen(&[1.0], 1)), (0, 0));
        let dataset = tczyx();
        assert_eq!(dataset.whole_image().level_for(1, &[2, 3]), 1, "the image's own is its own");
    }

    #[test]
    fn labels_grow_with_their_image() {
        let of = |id, t: u64| image(id, "x", "tyx", &[(&[t, 40, 60], &[1.0, 0.5, 0.5])]);
        let dataset = Dataset::new(of(0, 3)).with_labels([of(1, 2)]).0;
        assert_eq!(dataset.grown(&of(0, 3), &[of(1, 2)]), Ok(None));
        let grown = dataset.grown(&of(0, 3), &[of(1, 3)]).unwrap().unwrap();
        assert_eq!((grown.image.finest().shape[0], grown.labels[0].info.finest().shape[0]), (3, 3));
        assert!(dataset.layers.iter().zip(&grown.layers).all(|(old, new)| Arc::ptr_eq(old, new)));
        // Those that got smaller, or are gone, stay as they were.
        let grown = dataset.grown(&of(0, 5), &[of(1, 1)]).unwrap().unwrap();
        assert_eq!((grown.image.finest().shape[0], grown.labels[0].info.finest().shape[0]), (5, 2));
    }

    #[test]
    fn ids_are_coloured_by_the_file_and_by_their_keys() {
        let mut info = ImageInfo::clone(&image(1, "n", "yx", &[(&[4, 4], &[1.0, 1.0])]));
        let value = |value| crate::scene::LabelValue { value, color: Some([1, 2, 3, 4]), properties: serde_json::Map::new() };
        let values = vec![value(7), value(65_514 + 8), value(-1)];
        info.labels = vec![crate::scene::LabelInfo { values, ..Default::default() }];
        let wide = info.label_colors().unwrap();
        assert_eq!([wide.color(7), wide.color(9)], [[1, 2, 3, 4]; 2]);
        assert_ne!(wide.color(8), [1, 2, 3, 4]);
        info.dtype = DType::U16;
        let narrow = info.label_colors().unwrap();
        assert_eq!((narrow.color(7), narrow.color(9)), ([1, 2, 3, 4], crate::data::LabelColors::default().color(9)));
        info.is_labels = false;
        assert_eq!(info.label_colors(), None);
    }
}
