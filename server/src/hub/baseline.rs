//! What a newcomer is told first (PROTOCOL §4).

use super::notice::Notice;
use crate::wire;
use nc_engine::api::scene::AppliedView;
use nc_protocol::Kind;
use nc_protocol::notify::Layers;

/// Scene, dims and layers of one view, in this order. The stream follows, if it is known.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) notices: Vec<Notice>,
}

impl Baseline {
    /// The baseline of a view; `fps` as in [`wire::scene`].
    pub(super) fn of(view: &AppliedView, fps: f32) -> Self {
        let layers = view.layers.iter().map(|layer| {
            let controls = Some(wire::controls(&layer.controls));
            let payload = Layers { layer_id: layer.spec.id.to_string(), controls, ..Layers::default() };
            Notice::new(Kind::Layers, &payload)
        });
        let first = [Notice::new(Kind::Scene, &wire::scene(view, fps)), Notice::new(Kind::Dims, &wire::dims(view))];
        Self { notices: first.into_iter().chain(layers).collect() }
    }
}
