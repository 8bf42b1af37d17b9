//! A dataset that has become larger since it was opened: what of the larger one can be shown already.

use super::{Dataset, ImageInfo, LevelInfo};
use std::sync::Arc;

/// Why an image that was read again cannot take the place of the one that is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not the image that is shown, or not made like it.
    #[error("{0} changed")]
    Other(&'static str),
    /// Samples are gone.
    #[error("level {level} has only {now} samples along {axis} where it had {before}")]
    Smaller {
        /// Which level, 0 is the finest.
        level: usize,
        /// Name of the axis.
        axis: String,
        /// Samples as shown.
        before: u64,
        /// Samples as read.
        now: u64,
    },
}

impl Dataset {
    /// This dataset with the sizes of `image`, which is the same image read again, as far as all levels have them: a writer enlarges one
    /// level after the other, and an index that a coarser level does not have yet would show an older plane in it. Its label images
    /// likewise, by id, if they are among `labels` and still fit. Layers, names and everything else stay what they are. `None` if nothing
    /// is larger than before.
    ///
    /// # Errors
    /// When `image` is smaller somewhere, or differs in more than its sizes.
    pub fn grown(&self, image: &ImageInfo, labels: &[Arc<ImageInfo>]) -> Result<Option<Self>, Unfit> {
        let mut grown = self.clone();
        let split = self.image.channel_axis().filter(|axis| !self.dims.contains(axis));
        let larger = enlarged(&self.image, image, split)?;
        let mut any = larger.is_some();
        grown.image = larger.map_or(grown.image, Arc::new);
        for label in &mut grown.labels {
            let split = label.info.channel_axis().filter(|axis| !label.axes.contains(&Some(*axis)));
            let read = labels.iter().find(|read| read.id == label.info.id);
            // One that does not fit any more stays as it was: the image is what is looked at.
            if let Some(larger) = read.and_then(|read| enlarged(&label.info, read, split).ok().flatten()) {
                label.info = Arc::new(larger);
                any = true;
            }
        }
        Ok(any.then_some(grown))
    }
}

/// `known` with the sizes of `read`, as far as all levels have them; `None` if nothing is larger. The axis `split` must not grow: it was
/// split into layers.
fn enlarged(known: &ImageInfo, read: &ImageInfo, split: Option<usize>) -> Result<Option<ImageInfo>, Unfit> {
    same_but_for_sizes(known, read)?;
    let mut levels = known.levels.clone();
    for axis in 0..known.axes.len() {
        let size = size_in_all_levels(&known.levels, &read.levels, axis);
        for (level, (known, level_read)) in levels.iter_mut().zip(&read.levels).enumerate() {
            let needed = if level == 0 { size } else { needed(&read.levels, axis, size, level) };
            known.shape[axis] = known.shape[axis].max(needed.min(level_read.shape[axis]));
        }
    }
    if levels == known.levels {
        return Ok(None);
    }
    if split.is_some_and(|axis| levels[0].shape[axis] != known.finest().shape[axis]) {
        return Err(Unfit::Other("the number of channels"));
    }
    Ok(Some(ImageInfo { levels, ..known.clone() }))
}

fn same_but_for_sizes(known: &ImageInfo, read: &ImageInfo) -> Result<(), Unfit> {
    let same = [
        (known.id == read.id, "the image"),
        (known.axes == read.axes, "the axes"),
        (known.dtype == read.dtype, "the type of its samples"),
        (known.levels.len() == read.levels.len(), "the number of levels"),
    ];
    if let Some((_, what)) = same.into_iter().find(|(same, _)| !same) {
        return Err(Unfit::Other(what));
    }
    for (level, (before, now)) in known.levels.iter().zip(&read.levels).enumerate() {
        if before.path != now.path
            || before.chunk != now.chunk
            || before.storage != now.storage
            || before.shape.len() != now.shape.len()
        {
            return Err(Unfit::Other("how its levels are stored"));
        }
        if before.scale != now.scale || before.translate != now.translate {
            return Err(Unfit::Other("where its levels lie"));
        }
        if let Some(axis) = (0..before.shape.len()).find(|&axis| now.shape[axis] < before.shape[axis]) {
            let name = known.axes.get(axis).map_or_else(String::new, |a| a.name.clone());
            return Err(Unfit::Smaller { level, axis: name, before: before.shape[axis], now: now.shape[axis] });
        }
    }
    Ok(())
}

/// How many samples of level 0 along `axis` every level of `read` stands for; never fewer than `known` has.
fn size_in_all_levels(known: &[LevelInfo], read: &[LevelInfo], axis: usize) -> u64 {
    let before = known[0].shape[axis];
    let complete = read[1..].iter().map(|level| stands_for(level.shape[axis], read[0].scale[axis] / level.scale[axis]));
    complete.fold(read[0].shape[axis], u64::min).max(before)
}

/// Most samples of level 0 that `samples` of a coarser level can be meant to stand for, where one of level 0 is `ratio` of one of them.
/// What is left over at the end may have no sample of its own.
fn stands_for(samples: u64, ratio: f64) -> u64 {
    // Exact for powers of two; a scale in decimals may be off by a rounding.
    const ROUNDING: f64 = 1e-9;
    let beyond = (samples as f64 + 1.0) / ratio.abs();
    ((beyond * (1.0 - ROUNDING)).ceil() as u64).saturating_sub(1)
}

/// How many samples `level` needs for the nearest one of each of `size` samples of level 0.
fn needed(levels: &[LevelInfo], axis: usize, size: u64, level: usize) -> u64 {
    let (finest, coarse) = (&levels[0], &levels[level]);
    let world = size.saturating_sub(1) as f64 * finest.scale[axis] + finest.translate[axis];
    let last = ((world - coarse.translate[axis]) / coarse.scale[axis] + 0.5).floor().max(0.0);
    (last as u64).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DType, ImageId};
    use crate::scene::{Axis, AxisKind};

    /// t × y × x, whose levels have these numbers of t and halve y and x; or halve t too.
    fn image(times: &[u64], halved: bool) -> ImageInfo {
        let level = |(n, &t): (usize, &u64)| {
            let f = 1u64 << n;
            let (scale, first) = (f as f64, (f as f64 - 1.0) / 2.0);
            LevelInfo {
                path: n.to_string(),
                shape: vec![t, 64 / f, 64 / f],
                chunk: vec![1, 32, 32],
                scale: vec![if halved { scale } else { 0.7 }, scale, scale],
                translate: vec![if halved { first } else { 0.0 }, first, first],
                ..LevelInfo::default()
            }
        };
        let axis = |name: &str, kind| Axis { name: name.into(), kind, unit: None };
        ImageInfo {
            id: ImageId(7),
            name: "growing".into(),
            location: "growing".into(),
            axes: vec![axis("t", AxisKind::Time), axis("y", AxisKind::Space), axis("x", AxisKind::Space)],
            dtype: DType::U16,
            levels: times.iter().enumerate().map(level).collect(),
            ..ImageInfo::default()
        }
    }

    fn dataset(times: &[u64], halved: bool) -> Dataset {
        Dataset::new(Arc::new(image(times, halved)))
    }

    /// Sizes along t after growing from `before` to `after`.
    fn sizes(before: &[u64], after: &[u64], halved: bool) -> Option<Vec<u64>> {
        let grown = dataset(before, halved).grown(&image(after, halved), &[]).unwrap()?;
        Some(grown.image.levels.iter().map(|level| level.shape[0]).collect())
    }

    #[test]
    fn grown_waits_for_the_slowest_level() {
        assert_eq!(sizes(&[3, 3, 3], &[3, 3, 3], false), None);
        assert_eq!(sizes(&[3, 3, 3], &[5, 3, 3], false), None, "finest first: nothing to show yet");
        assert_eq!(sizes(&[3, 3, 3], &[5, 5, 4], false), Some(vec![4, 4, 4]));
        assert_eq!(sizes(&[3, 3, 3], &[5, 5, 5], false), Some(vec![5, 5, 5]));
        assert_eq!(sizes(&[3, 3, 3], &[3, 4, 9], false), None, "coarsest first: the finest has none yet");
        // One that was behind when the image was opened is waited for like any other, and may catch up.
        assert_eq!(sizes(&[3, 2, 3], &[4, 2, 4], false), None);
        assert_eq!(sizes(&[3, 2, 3], &[3, 3, 3], false), Some(vec![3, 3, 3]));
    }

    #[test]
    fn levels_that_halve_the_axis_may_leave_the_last_sample_out() {
        // 10 → 5, 11 → 5 or 6, 12 → 6.
        assert_eq!(sizes(&[10, 5], &[12, 5], true), Some(vec![11, 5]));
        assert_eq!(sizes(&[10, 5], &[12, 6], true), Some(vec![12, 6]));
        assert_eq!(sizes(&[10, 5], &[11, 6], true), Some(vec![11, 6]));
        assert_eq!(sizes(&[11, 5], &[13, 5], true), None);
    }

    #[test]
    fn what_is_smaller_or_made_differently_is_unfit() {
        let shown = dataset(&[3, 3], false);
        let smaller = Unfit::Smaller { level: 1, axis: "t".into(), before: 3, now: 2 };
        assert_eq!(shown.grown(&image(&[4, 2], false), &[]), Err(smaller.clone()));
        assert_eq!(smaller.to_string(), "level 1 has only 2 samples along t where it had 3");
        let unfit = |change: fn(&mut ImageInfo)| {
            let mut read = image(&[4, 4], false);
            change(&mut read);
            shown.grown(&read, &[]).unwrap_err().to_string()
        };
        assert_eq!(unfit(|read| read.dtype = DType::U8), "the type of its samples changed");
        assert_eq!(unfit(|read| read.axes[0].name = "time".into()), "the axes changed");
        assert_eq!(unfit(|read| drop(read.levels.pop())), "the number of levels changed");
        assert_eq!(unfit(|read| read.levels[1].chunk[1] = 64), "how its levels are stored changed");
        assert_eq!(unfit(|read| read.levels[1].scale[1] = 3.0), "where its levels lie changed");
        assert_eq!(unfit(|read| read.id = ImageId(8)), "the image changed");
        assert_eq!(unfit(|read| read.axes.truncate(2)), "the axes changed");
    }

    #[test]
    fn layers_stay_the_very_same() {
        let shown = dataset(&[3], false);
        let grown = shown.grown(&image(&[9], false), &[]).unwrap().unwrap();
        assert!(shown.layers.iter().zip(&grown.layers).all(|(old, new)| Arc::ptr_eq(old, new)));
        assert_eq!(grown.size(0), 9);
    }
}
