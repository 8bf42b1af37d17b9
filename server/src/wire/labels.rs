//! Layers of labels (`x.labels`).

use nc_engine::api::scene::AppliedView;
use nc_protocol::extension::Labels;

/// Which layers are of labels, bottom first.
pub(crate) fn labels(view: &AppliedView) -> impl Iterator<Item = Labels> {
    let layers = view.layers.iter().filter(|layer| layer.spec.labels.is_some());
    layers.map(|layer| Labels { layer_id: layer.spec.id.to_string(), contour: layer.controls.contour })
}
