//! What is told of a change of the applied view, to whom, and in which order: the scene where the data have grown, and with it the dims;
//! outlines of labels; the echoes of the frame, dims, pose, layers.
//!
//! What is news was found by the engine's mirrors. Nothing is held back here because it was told before: a key that is named although
//! its value is the old one takes back what a failed op promised.

use super::notice::{Meaning, Notice};
use crate::ambient::Ambient;
use crate::wire;
use nc_engine::api::scene::{AppliedView, LayerView};
use nc_engine::api::{Applied, ClientId, LayerChange, merged_for};
use nc_protocol::Kind;
use nc_protocol::notify::LayerData;
use nc_protocol::scene::Controls;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who is told.
#[derive(Debug)]
pub(super) enum Audience {
    Everyone,
    Only(ClientId),
    AllBut(Arc<BTreeSet<ClientId>>),
}

/// A notice and who is told it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notice: Arc<Notice>,
    pub(super) audience: Audience,
}

impl Told {
    pub(super) fn everyone(notice: Notice) -> Self {
        Self { notice: Arc::new(notice), audience: Audience::Everyone }
    }
}

/// What is to be told of a change within one dataset, in order. `before` is the view that was told of last, `fps` as in
/// [`wire::scene`].
pub(super) fn tell(applied: &Applied, before: Option<&AppliedView>, fps: f32, ambient: &dyn Ambient) -> Vec<Told> {
    let view = &applied.view;
    let told_dims = || Told::everyone(Notice::ready(Kind::Dims, &wire::dims(view), ambient.random()));
    // Sizes are the scene's to tell. It is the whole scene, and the dims have to be the next that clients hear after it.
    let canvas = before.is_some_and(|before| before.canvas != view.canvas);
    let scene = (applied.shapes || canvas).then(|| {
        let meaning = Meaning::Scene { view: Arc::clone(view), fps };
        [Told::everyone(Notice::new(meaning, ambient.random())), told_dims()]
    });
    let outlined = |id: &str| {
        let contour = |change: &&LayerChange| change.keys.contains(&"contour");
        let mut layers = applied.layers.iter().filter(contour).filter_map(|change| view.layers.get(change.layer));
        scene.is_some() || layers.any(|layer| &*layer.spec.id.0 == id)
    };
    let labels = wire::labels(view).filter(|labels| outlined(&labels.layer_id));
    let labels: Vec<Told> =
        labels.map(|labels| Told::everyone(Notice::ready(Kind::XLabels, &labels, ambient.random()))).collect();
    let dims = (applied.dims && scene.is_none()).then(told_dims);
    let pose = applied.pose.then(|| Told::everyone(Notice::ready(Kind::Camera, &wire::pose(view), ambient.random())));
    let layers = applied.layers.iter().flat_map(|change| layer(view, change, ambient));
    let scale = before.and_then(|before| multiscale(before, view, ambient));
    let at = ambient.unix_seconds();
    let thumbnails = applied.thumbnails.iter().filter_map(|&n| {
        let (layer, picture) = view.layers.get(n).map(|layer| (layer.spec.id.to_string(), Arc::clone(&layer.thumbnail)))?;
        Some(Notice::new(Meaning::Thumbnail { layer, picture, at }, ambient.random()))
    });
    let layers = layers.chain(scale).chain(thumbnails).map(Told::everyone);
    scene.into_iter().flatten().chain(labels).chain(echoes(applied, ambient)).chain(dims).chain(pose).chain(layers).collect()
}

/// The camera commands of others since the last frame. Whoever sent one was told so at once, and is told only of the others.
fn echoes(applied: &Applied, ambient: &dyn Ambient) -> Vec<Told> {
    let authors: Arc<BTreeSet<ClientId>> = Arc::new(applied.echoes.iter().map(|echo| ClientId(echo.client)).collect());
    // No client has the number 0.
    let others = (ClientId(0), Audience::AllBut(Arc::clone(&authors)));
    let each = authors.iter().map(|&author| (author, Audience::Only(author)));
    let mut told = Vec::new();
    for (client, audience) in each.chain([others]) {
        let echoes = merged_for(client.0, &applied.echoes).into_iter().filter_map(|(mode, delta)| wire::echo(mode, delta));
        told.extend(echoes.map(|camera| {
            let notice = Arc::new(Notice::ready(Kind::Camera, &camera, ambient.random()));
            let audience = match &audience {
                Audience::Only(author) => Audience::Only(*author),
                _ => Audience::AllBut(Arc::clone(&authors)),
            };
            Told { notice, audience }
        }));
    }
    told
}

/// One change of one layer by one author: its controls and, where a volume is shown, what clients call the volume's.
fn layer(view: &AppliedView, change: &LayerChange, ambient: &dyn Ambient) -> Vec<Notice> {
    let Some(layer) = view.layers.get(change.layer) else { return Vec::new() };
    let id = layer.spec.id.to_string();
    let named = |key: &str| change.keys.contains(&key);
    let controls = only(wire::controls(&layer.controls), named);
    let controls =
        (controls != Controls::default()).then(|| Meaning::Controls { layer: id.clone(), controls: Box::new(controls) });
    let volume =
        (view.ndisplay == 3 && change.layer == 0).then(|| volume(layer, named)).filter(|data| *data != LayerData::default());
    let volume = volume.map(|data| Meaning::Data { layer: id, data: Box::new(data) });
    let notice = |meaning| Notice::new(meaning, ambient.random()).by(change.intent.clone());
    controls.into_iter().chain(volume).map(notice).collect()
}

/// The controls that are named.
fn only(all: Controls, named: impl Fn(&str) -> bool) -> Controls {
    Controls {
        visible: all.visible.filter(|_| named("visible")),
        opacity: all.opacity.filter(|_| named("opacity")),
        blending: all.blending.filter(|_| named("blending")),
        interpolation: all.interpolation.filter(|_| named("interpolation")),
        colormap: all.colormap.filter(|_| named("colormap")),
        rendering: all.rendering.filter(|_| named("rendering")),
        gamma: all.gamma.filter(|_| named("gamma")),
        contrast_limits: all.contrast_limits.filter(|_| named("contrast_limits")),
        iso_threshold: all.iso_threshold.filter(|_| named("iso_threshold")),
        attenuation: all.attenuation.filter(|_| named("attenuation")),
    }
}

/// What the volume's keys say of the controls that are named (PROTOCOL §5.4).
fn volume(layer: &LayerView, named: impl Fn(&str) -> bool) -> LayerData {
    let controls = &layer.controls;
    let all = wire::controls(controls);
    LayerData {
        render_mode: all.rendering.filter(|_| named("rendering")),
        colormap: all.colormap.filter(|_| named("colormap")),
        contrast_limits: all.contrast_limits.filter(|_| named("contrast_limits")),
        opacity: all.opacity.filter(|_| named("opacity")),
        sample_step: named("sample_step").then_some(controls.sample_step),
        ..LayerData::default()
    }
}

/// The level of a volume, when it changes while one is shown. Entering and leaving 3D is told by the dims.
fn multiscale(before: &AppliedView, view: &AppliedView, ambient: &dyn Ambient) -> Option<Notice> {
    let shown = before.ndisplay == 3 && view.ndisplay == 3;
    let level = (before.level != view.level).then_some(view.level);
    let downgraded = (before.downgraded != view.downgraded).then_some(view.downgraded);
    let layer = view.layers.first().filter(|_| shown && (level.is_some() || downgraded.is_some()))?.spec.id.to_string();
    let data = Box::new(LayerData { level, downgraded, ..LayerData::default() });
    Some(Notice::new(Meaning::Data { layer, data }, ambient.random()))
}
