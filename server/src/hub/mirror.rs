//! What everybody is told of a change of the applied view.
//!
//! What is news was found by the engine's mirrors. Nothing is held back here because it was told before: a key that is named although
//! its value is the old one takes back what a failed op promised.

use super::baseline::Baseline;
use super::notice::Notice;
use crate::wire;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{Applied, ClientId};
use nc_protocol::Kind;
use nc_protocol::notify::Layers;
use nc_protocol::scene::Controls;
use std::collections::BTreeMap;

/// What is to be told of one layer.
#[derive(Default)]
struct Change<'a> {
    keys: Vec<&'a str>,
    thumbnail: bool,
    intent: Option<(ClientId, String)>,
}

/// What is to be told of a change, in order. `fps` as in [`wire::scene`], `now` in seconds since the Unix epoch.
pub(super) fn notices(applied: &Applied, fps: f32, now: f64) -> Vec<Notice> {
    if applied.dataset {
        return Baseline::of(&applied.view, fps).notices;
    }
    let dims = applied.dims.then(|| Notice::new(Kind::Dims, &wire::dims(&applied.view)));
    let pose = applied.pose.then(|| Notice::new(Kind::Camera, &wire::pose(&applied.view)));
    dims.into_iter().chain(pose).chain(layers(applied, now)).collect()
}

/// One notice per layer that changed.
fn layers(applied: &Applied, now: f64) -> impl Iterator<Item = Notice> {
    let mut changes: BTreeMap<usize, Change<'_>> = BTreeMap::new();
    for change in &applied.layers {
        let entry = changes.entry(change.layer).or_default();
        entry.keys.extend(&change.keys);
        entry.intent.clone_from(&change.intent);
    }
    for &layer in &applied.thumbnails {
        changes.entry(layer).or_default().thumbnail = true;
    }
    changes.into_iter().filter_map(move |(n, change)| layer(&applied.view, n, change, now))
}

fn layer(view: &AppliedView, n: usize, change: Change<'_>, now: f64) -> Option<Notice> {
    let layer = view.layers.get(n)?;
    let controls = only(wire::controls(&layer.controls), &change.keys);
    let controls = Some(controls).filter(|controls| *controls != Controls::default());
    let thumbnail = change.thumbnail.then(|| wire::thumbnail(&layer.thumbnail, now));
    if controls.is_none() && thumbnail.is_none() {
        return None;
    }
    let payload = Layers { layer_id: layer.spec.id.to_string(), controls, thumbnail, ..Layers::default() };
    let notice = Notice::new(Kind::Layers, &payload);
    Some(match change.intent {
        Some(author) => notice.by(author),
        None => notice,
    })
}

/// The controls that are named.
fn only(all: Controls, keys: &[&str]) -> Controls {
    let named = |key: &str| keys.contains(&key);
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
