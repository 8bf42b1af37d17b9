//! What everybody was told last, so that nothing is told twice (PROTOCOL §12.5).

use super::baseline::Baseline;
use super::notice::Notice;
use crate::wire;
use nc_engine::api::scene::AppliedView;
use nc_engine::api::{Applied, ClientId};
use nc_protocol::Kind;
use nc_protocol::notify::{Dims, Layers};
use nc_protocol::scene::Controls;
use std::collections::BTreeMap;

/// What everybody was told last.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    dims: Option<Dims>,
    controls: Vec<Controls>,
}

/// What is to be told of one layer.
#[derive(Default)]
struct Change {
    controls: bool,
    thumbnail: bool,
    intent: Option<(ClientId, String)>,
}

impl Mirror {
    /// Takes a view as told, without telling it.
    pub(super) fn remember(&mut self, view: &AppliedView) {
        self.dims = Some(wire::dims(view));
        self.controls = view.layers.iter().map(|layer| wire::controls(&layer.controls)).collect();
    }

    /// What is to be told of a change, in order. `now` in seconds since the Unix epoch.
    pub(super) fn notices(&mut self, applied: &Applied, fps: f32, now: f64) -> Vec<Notice> {
        if applied.dataset {
            self.remember(&applied.view);
            return Baseline::of(&applied.view, fps).notices;
        }
        let dims = applied.dims.then(|| self.dims(&applied.view)).flatten();
        let pose = applied.pose.then(|| Notice::new(Kind::Camera, &wire::pose(&applied.view)));
        dims.into_iter().chain(pose).chain(self.layers(applied, now)).collect()
    }

    fn dims(&mut self, view: &AppliedView) -> Option<Notice> {
        let dims = wire::dims(view);
        if self.dims.as_ref() == Some(&dims) {
            return None;
        }
        let notice = Notice::new(Kind::Dims, &dims);
        self.dims = Some(dims);
        Some(notice)
    }

    /// One notice per layer that changed.
    fn layers(&mut self, applied: &Applied, now: f64) -> Vec<Notice> {
        let mut changes: BTreeMap<usize, Change> = BTreeMap::new();
        for change in &applied.layers {
            let entry = changes.entry(change.layer).or_default();
            entry.controls = true;
            entry.intent.clone_from(&change.intent);
        }
        for &layer in &applied.thumbnails {
            changes.entry(layer).or_default().thumbnail = true;
        }
        changes.into_iter().filter_map(|(n, change)| self.layer(&applied.view, n, change, now)).collect()
    }

    fn layer(&mut self, view: &AppliedView, n: usize, change: Change, now: f64) -> Option<Notice> {
        let layer = view.layers.get(n)?;
        let controls = if change.controls {
            let new = wire::controls(&layer.controls);
            self.controls.resize_with(self.controls.len().max(n + 1), Controls::default);
            let old = std::mem::replace(self.controls.get_mut(n)?, new.clone());
            Some(difference(&old, new)).filter(|controls| *controls != Controls::default())
        } else {
            None
        };
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
}

/// The controls of `new` that differ from `old`.
fn difference(old: &Controls, new: Controls) -> Controls {
    fn changed<T: PartialEq>(old: &Option<T>, new: Option<T>) -> Option<T> {
        new.filter(|new| old.as_ref() != Some(new))
    }
    Controls {
        visible: changed(&old.visible, new.visible),
        opacity: changed(&old.opacity, new.opacity),
        blending: changed(&old.blending, new.blending),
        interpolation: changed(&old.interpolation, new.interpolation),
        colormap: changed(&old.colormap, new.colormap),
        rendering: changed(&old.rendering, new.rendering),
        gamma: changed(&old.gamma, new.gamma),
        contrast_limits: changed(&old.contrast_limits, new.contrast_limits),
        iso_threshold: changed(&old.iso_threshold, new.iso_threshold),
        attenuation: changed(&old.attenuation, new.attenuation),
    }
}
