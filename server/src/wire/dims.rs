//! Dims as clients see them: in the index space of the level shown (PROTOCOL §5.2).

use nc_engine::api::scene::{AppliedView, LayerImage, LevelInfo};
use nc_protocol::notify::{Dims, DimsMode};
use nc_protocol::scene::Level;

/// The dims of a view. Without data, those of an image of one sample (PROTOCOL §4).
pub(crate) fn dims(view: &AppliedView) -> Dims {
    let Axes { axis_labels, order, displayed, level_shapes, level, step, ndisplay } = Axes::of(view);
    let levels = view.dataset.as_ref().map_or_else(|| vec![idle_level()], |dataset| levels(&dataset.whole_image(), true));
    Dims {
        step: step.clone(),
        current_step: Some(step),
        levels,
        current_level: level,
        level_shapes,
        mode: if ndisplay == 3 { DimsMode::Volume } else { DimsMode::Plane },
        ndisplay,
        downgraded: Some(view.downgraded),
        axis_labels: Some(axis_labels),
        order: Some(order),
        displayed: Some(displayed),
        labels: None,
    }
}

/// What `notify.scene` and `notify.dims` say alike.
pub(super) struct Axes {
    pub(super) axis_labels: Vec<String>,
    pub(super) order: Vec<usize>,
    pub(super) displayed: Vec<usize>,
    pub(super) level_shapes: Vec<Vec<u64>>,
    pub(super) level: usize,
    pub(super) step: Vec<u64>,
    pub(super) ndisplay: u8,
}

impl Axes {
    pub(super) fn of(view: &AppliedView) -> Self {
        match &view.dataset {
            Some(dataset) => Self {
                axis_labels: dataset.axis_labels(),
                order: view.order.clone(),
                displayed: view.displayed().to_vec(),
                level_shapes: (0..dataset.level_count()).map(|level| dataset.level_shape(level)).collect(),
                level: view.level,
                step: dataset.step_at_level(&view.step, view.level),
                ndisplay: view.ndisplay,
            },
            None => Self {
                axis_labels: vec!["y".to_owned(), "x".to_owned()],
                order: vec![0, 1],
                displayed: vec![0, 1],
                level_shapes: vec![vec![1, 1]],
                level: 0,
                step: vec![0, 0],
                ndisplay: 2,
            },
        }
    }
}

/// The pyramid of a layer in the dims of its dataset, finest first.
pub(super) fn levels(image: &LayerImage<'_>, indexed: bool) -> Vec<Level> {
    let finest = image.scale(0);
    let level = |(n, info): (usize, &LevelInfo)| Level {
        index: indexed.then_some(n),
        shape: image.shape(n),
        downsample: image.scale(n).into_iter().zip(&finest).map(|(own, finest)| own / finest).collect(),
        path: info.path.clone(),
    };
    image.info().levels.iter().enumerate().map(level).collect()
}

fn idle_level() -> Level {
    Level { index: Some(0), shape: vec![1, 1], downsample: vec![1.0, 1.0], path: String::new() }
}
