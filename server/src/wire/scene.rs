//! The whole scene (PROTOCOL §5.1), and the idle scene of §4.

use super::camera;
use super::dims::{Axes, levels};
use super::layers::{controls, pixels};
use nc_engine::api::scene::{AppliedView, Dataset, LayerView, SourceKind};
use nc_protocol::notify::Pose;
use nc_protocol::scene::{
    LayerBlock, LayerMetadata, LayerType, Multiscale, MultiscalePolicy, Policies, Scene, SceneMetadata, SceneStatus, Settings,
    Source, Viewer, ViewerCamera, ViewerDims, VolumeState,
};
use serde_json::{Map, Value, json};

/// The scene of a view. `fps` is the most frames per second that the stream carries.
pub(crate) fn scene(view: &AppliedView, fps: f32) -> Scene {
    let dataset = view.dataset.as_deref();
    Scene {
        viewer: viewer(view, fps),
        layers: dataset.map_or_else(Vec::new, |dataset| view.layers.iter().map(|one| layer(view, dataset, one)).collect()),
        metadata: Some(SceneMetadata {
            status: if dataset.is_some() { SceneStatus::Ready } else { SceneStatus::Idle },
            source_path: dataset.map(|dataset| dataset.image.location.clone()),
            source_kind: dataset.map(|dataset| source_kind(dataset).to_owned()),
            volume_state: view.layers.first().map(|layer| volume_state(layer)),
            extra: dataset.map_or_else(Map::new, belongings),
        }),
        policies: dataset.map(|dataset| Policies {
            multiscale: MultiscalePolicy {
                policy: None,
                active_level: view.level,
                downgraded: view.downgraded,
                index_space: None,
                levels: levels(&dataset.whole_image(), true),
            },
        }),
    }
}

/// What the image belongs to and what belongs to it, beyond what the protocol says of a scene: where in a plate it lies, and the names of
/// label images, and of those that are drawn over it.
fn belongings(dataset: &Dataset) -> Map<String, Value> {
    let image = &dataset.image;
    let mut extra = Map::new();
    if let Some(place) = &image.plate {
        extra.insert("plate".to_owned(), json!({"name": place.plate, "well": place.well, "field": place.field}));
    }
    if !image.labels.is_empty() {
        let names: Vec<&str> = image.labels.iter().map(|label| label.name.as_str()).collect();
        let drawn: Vec<&str> = dataset.labels.iter().map(|labels| labels.info.name.as_str()).collect();
        extra.insert("labels".to_owned(), json!({"names": names, "drawn": drawn}));
    }
    extra
}

fn viewer(view: &AppliedView, fps: f32) -> Viewer {
    let Axes { axis_labels, order, displayed, level_shapes, level, step, ndisplay } = Axes::of(view);
    let Pose { center, zoom, rect, angles, distance, fov } = camera::state(view);
    Viewer {
        settings: Settings {
            fps_target: f64::from(fps),
            canvas_size: [view.canvas.width, view.canvas.height],
            volume_enabled: ndisplay == 3,
        },
        dims: ViewerDims {
            ndim: axis_labels.len(),
            axis_labels,
            order,
            level_shapes,
            current_level: level,
            current_step: step,
            displayed,
            ndisplay,
        },
        camera: ViewerCamera { ndisplay, center, zoom, rect, angles, distance, fov },
    }
}

/// How the first layer is drawn as a volume, in 2D too: so it will be.
fn volume_state(layer: &LayerView) -> VolumeState {
    let c = &layer.controls;
    VolumeState {
        mode: c.rendering.name().to_owned(),
        colormap: c.colormap.name.clone(),
        clim: c.contrast_limits.into(),
        opacity: c.opacity,
        sample_step: c.sample_step,
    }
}

fn layer(view: &AppliedView, dataset: &Dataset, layer: &LayerView) -> LayerBlock {
    let image = dataset.layer_image(&layer.spec);
    let level = image.level_for(view.level, view.displayed());
    let level_shapes = (0..image.level_count()).map(|level| image.shape(level)).collect();
    let multiscale =
        (image.level_count() > 1).then(|| Multiscale { levels: levels(&image, false), current_level: level, metadata: None });
    LayerBlock {
        layer_id: layer.spec.id.to_string(),
        // In both modes: nobody is told again when the mode changes, and a client that joined in 2D shows its images in 3D as well.
        layer_type: LayerType::Image,
        name: layer.spec.name.clone(),
        ndim: dataset.ndim(),
        shape: image.shape(level),
        axis_labels: dataset.axis_labels(),
        volume: view.ndisplay == 3,
        controls: controls(&layer.controls),
        level_shapes: Some(level_shapes),
        metadata: LayerMetadata { thumbnail: Some(pixels(&layer.thumbnail)), extra: Map::new() },
        multiscale,
        contrast_limits: layer.controls.contrast_limits.into(),
        scale: Some(image.scale(level)),
        translate: Some(image.translate(level)),
        dtype: Some(image.info().dtype.numpy_name().to_owned()),
        source: Some(Source { kind: source_kind(dataset).to_owned() }),
        extra: Map::new(),
    }
}

fn source_kind(dataset: &Dataset) -> &'static str {
    match dataset.image.source {
        SourceKind::OmeZarr => "ome-zarr",
        SourceKind::Demo => "demo",
    }
}
