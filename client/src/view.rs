//! The fold of notifications: what a client knows of the server.

use nc_protocol::extension::Labels;
use nc_protocol::notify::{Camera, Dims, LayerData, Layers, Pose, Stream};
use nc_protocol::scene::{Controls, LayerBlock, Pixels, Scene, SceneStatus, VolumeState};

/// What a client knows of the server. Everything in it was applied there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Whether there is data; `None` before the first scene.
    pub status: Option<SceneStatus>,
    /// Width and height of the video in pixels.
    pub canvas: Option<[u32; 2]>,
    /// Dims state.
    pub dims: Option<Dims>,
    /// The pose that is drawn.
    pub pose: Pose,
    /// Layers, bottom first.
    pub layers: Vec<LayerState>,
    /// How layer 0 is drawn as a volume. Changes are told only while three axes are shown; a scene tells it anew.
    pub volume: Option<VolumeState>,
    /// How to decode the pixel channel.
    pub stream: Option<Stream>,
}

/// What a client knows of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerState {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How it is shown.
    pub controls: Controls,
    /// Of a layer of labels how wide their outlines are; `None` of others, and for a client that did not ask
    /// ([`nc_protocol::extension::LABELS`]).
    pub contour: Option<u32>,
    /// Its picture in the layer list; empty for a client that asked for no thumbnails.
    pub thumbnail: Pixels,
}

impl View {
    /// The layer of that id.
    pub fn layer(&self, id: &str) -> Option<&LayerState> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    pub(crate) fn scene(&mut self, scene: Scene) {
        let camera = scene.viewer.camera;
        self.status = scene.metadata.as_ref().map(|metadata| metadata.status);
        self.volume = scene.metadata.and_then(|metadata| metadata.volume_state);
        self.canvas = Some(scene.viewer.settings.canvas_size);
        self.pose = Pose {
            center: camera.center,
            zoom: camera.zoom,
            rect: camera.rect,
            angles: camera.angles,
            distance: camera.distance,
            fov: camera.fov,
        };
        self.layers = scene.layers.into_iter().map(LayerState::from).collect();
    }

    pub(crate) fn labels(&mut self, labels: &Labels) {
        if let Some(layer) = self.layers.iter_mut().find(|layer| layer.id == labels.layer_id) {
            layer.contour = Some(labels.contour);
        }
    }

    pub(crate) fn dims(&mut self, dims: Dims) {
        self.dims = Some(dims);
    }

    /// Echoes say what others asked for; only the pose says where the camera is.
    pub(crate) fn camera(&mut self, camera: Camera) {
        if let Some(state) = camera.state {
            self.pose = state;
        }
    }

    /// A change of an unknown layer is ignored.
    pub(crate) fn layers(&mut self, change: Layers) {
        let Layers { layer_id, controls, metadata, data, thumbnail, removed } = change;
        if removed == Some(true) {
            self.layers.retain(|layer| layer.id != layer_id);
            return;
        }
        let Some(at) = self.layers.iter().position(|layer| layer.id == layer_id) else { return };
        if let (0, Some(volume), Some(data)) = (at, &mut self.volume, data) {
            draw(volume, data);
        }
        let layer = &mut self.layers[at];
        if let Some(controls) = controls {
            merge(&mut layer.controls, controls);
        }
        if let Some(pixels) = thumbnail.map(|thumbnail| thumbnail.array).or(metadata.and_then(|metadata| metadata.thumbnail)) {
            layer.thumbnail = pixels;
        }
    }

    pub(crate) fn stream(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }
}

impl From<LayerBlock> for LayerState {
    fn from(block: LayerBlock) -> Self {
        Self {
            id: block.layer_id,
            name: block.name,
            controls: block.controls,
            contour: None,
            thumbnail: block.metadata.thumbnail.unwrap_or_default(),
        }
    }
}

/// Takes over what the data say of a volume; levels are told by dims.
fn draw(volume: &mut VolumeState, data: LayerData) {
    fn take<T>(old: &mut T, new: Option<T>) {
        if let Some(new) = new {
            *old = new;
        }
    }
    take(&mut volume.mode, data.render_mode);
    take(&mut volume.colormap, data.colormap);
    take(&mut volume.clim, data.contrast_limits);
    take(&mut volume.opacity, data.opacity);
    take(&mut volume.sample_step, data.sample_step);
}

/// Takes over every control that `new` holds.
fn merge(controls: &mut Controls, new: Controls) {
    fn take<T>(old: &mut Option<T>, new: Option<T>) {
        if new.is_some() {
            *old = new;
        }
    }
    let Controls {
        visible,
        opacity,
        blending,
        interpolation,
        colormap,
        rendering,
        gamma,
        contrast_limits,
        iso_threshold,
        attenuation,
    } = new;
    take(&mut controls.visible, visible);
    take(&mut controls.opacity, opacity);
    take(&mut controls.blending, blending);
    take(&mut controls.interpolation, interpolation);
    take(&mut controls.colormap, colormap);
    take(&mut controls.rendering, rendering);
    take(&mut controls.gamma, gamma);
    take(&mut controls.contrast_limits, contrast_limits);
    take(&mut controls.iso_threshold, iso_threshold);
    take(&mut controls.attenuation, attenuation);
}
