//! What a tick does for 2D: tiles are handed over and asked for.

use super::{Laps, Outcome, Viewer};
use crate::ahead::Ahead;
use crate::stats::Stage;
use crate::tile_source::TileSource;
use crate::viewport::{self, Missing, ViewportPlan};
use nc_core::data::{FILTER_MARGIN, Footprint};
use nc_core::ledger::State;
use nc_core::scene::Dataset;
use nc_gpu::api::{DeviceError, RenderDevice};
use std::sync::Arc;
use std::time::Instant;

impl Viewer {
    /// Plans the 2D picture, hands over what of it is decoded already and asks for the rest. Tells also whether anything was handed
    /// over.
    pub(super) fn prepare_tiles(
        &mut self,
        snapshot: &Arc<State>,
        dataset: &Dataset,
        source: &dyn TileSource,
        device: &mut dyn RenderDevice,
        now: Instant,
        outcome: &mut Outcome,
        laps: &mut dyn Laps,
    ) -> Result<(ViewportPlan, bool), DeviceError> {
        let (shown, level) = (self.live.poses.plane.expanded_to(snapshot.canvas), self.live.level);
        let (row, col) = snapshot.plane_dims();
        let in_view = || Footprint::of(shown, dataset.sample_axis(level, col), dataset.sample_axis(level, row), FILTER_MARGIN);
        let region = self.live.region.map_or_else(in_view, |region| region.roi.region);
        let mut plan = viewport::plan(snapshot, dataset, shown, level, region, self.supply.residency());
        laps.lap(Stage::Plan);
        self.supply.drop_stale(&plan.missing);
        let mut uploaded = false;
        // What of the level is decoded makes stand-ins needless.
        for stand_ins in [false, true] {
            let missing = plan.missing.iter().filter(|missing| missing.stands_in == stand_ins);
            if self.supply.upload_decoded(missing, source, device)? {
                plan = viewport::plan(snapshot, dataset, shown, level, region, self.supply.residency());
                uploaded = true;
            }
        }
        if plan.missing.is_empty() {
            self.supply.complete();
            self.ahead_of = Some((snapshot.clone(), now));
        } else {
            self.ask(&plan.missing, snapshot, dataset, source, now).into_iter().for_each(|at| outcome.wake(at));
        }
        laps.lap(Stage::Upload);
        Ok((plan, uploaded))
    }

    /// Asks for what is missing, and for what lies ahead; when to tick again although nothing happens.
    pub(super) fn ask(
        &mut self,
        missing: &[Missing],
        snapshot: &State,
        dataset: &Dataset,
        source: &dyn TileSource,
        now: Instant,
    ) -> Option<Instant> {
        let shown = self.live.poses.plane.expanded_to(snapshot.canvas);
        let velocity = self.supply.observe(now, shown, snapshot.dims.step.get());
        let outlook = source.outlook();
        let ahead = Ahead {
            state: snapshot,
            dataset,
            level: self.live.level,
            shown,
            velocity: &velocity,
            decode_bytes_per_s: outlook.decode_bytes_per_s,
            cache_bytes: outlook.cache_bytes,
            most_tiles: viewport::layer_share(snapshot, self.supply.bytes().1, dataset),
            now,
        };
        let rests_at = self.supply.ask(missing, &ahead, source);
        if self.supply.left_over() { Some(now) } else { rests_at }
    }
}
