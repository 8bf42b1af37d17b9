//! What a tick does for 3D: bricks are handed over and asked for, and the picture is made of the volumes that are whole, at the quality
//! that the governor says.

use super::{Drawn, Outcome, Subject, Viewer};
use crate::demand::Demand;
use crate::governor::{Governor, Quality};
use crate::tile_source::TileSource;
use crate::volume::{self, LayerVolumes};
use crate::volume_residency::bytes_on_device;
use crate::volume_supply::VolumeSupply;
use nc_core::data::{BrickKey, SampleFormat};
use nc_core::ledger::State;
use nc_core::scene::Dataset;
use nc_gpu::api::{DeviceError, RenderDevice};
use nc_store::{Class, Goal, Piece, Want};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is warmed of the next step takes at most one in so many bytes of the cache.
const WARM_SHARE: u64 = 8;

/// The volumes of the layers at the present step, and what of them can be drawn.
pub(super) struct Volumes {
    layers: Vec<LayerVolumes>,
    target: usize,
    /// The level of each layer.
    drawn: Vec<Option<usize>>,
}

impl Volumes {
    /// Hands over what is decoded.
    pub(super) fn prepare(
        supply: &mut VolumeSupply,
        snapshot: &State,
        dataset: &Dataset,
        target: usize,
        demand: &Demand,
        source: &dyn TileSource,
        device: &mut dyn RenderDevice,
    ) -> Result<Self, DeviceError> {
        let layers = volume::volumes(snapshot, dataset, snapshot.dims.step.get());
        let drawn = supply.prepare(&layers, target, dataset, demand, source, device)?;
        Ok(Self { layers, target, drawn })
    }

    /// The level of which every layer can draw that one or a finer one, if there is one.
    pub(super) fn there(&self) -> Option<usize> {
        self.drawn.iter().try_fold(0, |coarsest, level| Some(coarsest.max((*level)?)))
    }

    /// Whether every layer has something of its present step to show.
    pub(super) fn presentable(&self) -> bool {
        self.drawn.iter().all(Option::is_some)
    }
}

impl Viewer {
    /// A 3D picture of a view that moves is to take at most `budget` from now on. What pictures took before is forgotten.
    pub fn set_frame_budget(&mut self, budget: Duration) {
        self.governor = Governor::new(budget);
    }

    /// Bytes of volumes on the device.
    pub fn volume_bytes(&self) -> u64 {
        self.volumes.bytes()
    }

    /// What the last picture leaves out; nothing in 2D.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// To be told after a tick that drew: how long that took, with its capture.
    pub fn drawn_in(&mut self, took: Duration) {
        if matches!(self.drawn, Some(Drawn::Volume(_))) {
            self.governor.drawn(took);
        }
    }

    /// Asks for what is missing; what lies ahead follows when the picture is on its way.
    pub(super) fn ask_for_volumes(
        &mut self,
        volumes: &Volumes,
        snapshot: &Arc<State>,
        source: &dyn TileSource,
        now: Instant,
        outcome: &mut Outcome,
    ) {
        let whole = volumes.drawn.iter().all(|level| *level == Some(volumes.target));
        if whole {
            self.volumes.complete();
            self.ahead_of = Some((snapshot.clone(), now));
        } else {
            self.volumes.ask(&volumes.layers, volumes.target, self.supply.demand(), source);
        }
        if self.volumes.left_over() {
            outcome.wake(now);
        }
    }

    /// The picture of what is there; when the whole one is due, if this is not.
    pub(super) fn volume_picture(
        &mut self,
        volumes: &Volumes,
        moved: bool,
        subject: &Subject,
        snapshot: &State,
        dataset: &Dataset,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Option<Drawn> {
        let Volumes { layers, drawn, .. } = volumes;
        let played = self.subject.as_ref().is_some_and(|shown| shown.ndisplay == subject.ndisplay && shown.step != subject.step);
        self.quality = self.governor.quality(now, moved || played, volume::scene(snapshot, layers, drawn));
        self.governor.rests_at().into_iter().for_each(|at| outcome.wake(at));
        let pose = self.live.poses.volume.as_ref()?;
        volume::pass(snapshot, dataset, pose, layers, drawn, self.quality).map(Drawn::Volume)
    }

    /// What the picture shows of volumes is not evicted.
    pub(super) fn show_volumes(&mut self, picture: &Option<Drawn>) {
        let shown = match picture {
            Some(Drawn::Volume(pass)) => pass.layers.iter().map(|layer| layer.key).collect(),
            _ => Vec::new(),
        };
        self.volumes.residency().show(shown);
    }

    /// Has the coarsest level of the next step decoded, where it is not on the device and is small beside the cache.
    pub(super) fn ask_for_volumes_ahead(
        &mut self,
        snapshot: &State,
        dataset: &Dataset,
        source: &dyn TileSource,
        now: Instant,
    ) -> Option<Instant> {
        let (shown, step) = (self.live.poses.plane.expanded_to(snapshot.canvas), snapshot.dims.step.get());
        let velocity = self.supply.observe(now, shown, step);
        let mut wants = Vec::new();
        let mut left = source.outlook().cache_bytes / WARM_SHARE;
        if let Some(dim) = volume::next_dim(snapshot, dataset) {
            let speed = velocity.steps.get(dim).copied().unwrap_or_default();
            let ways = if speed.per_s < 0.0 { [-1, 1] } else { [1, -1] };
            for way in ways {
                let Some(next) = step[dim].checked_add_signed(way).filter(|&next| next < dataset.size(dim)) else { continue };
                let mut there = step.clone();
                there[dim] = next;
                for layer in volume::volumes(snapshot, dataset, &there) {
                    let bytes = bytes_on_device(SampleFormat::of(dataset.image.dtype), layer.samples(layer.coarsest()));
                    let volume = layer.levels[layer.coarsest()];
                    if self.volumes.residency().is_whole(&volume.key) || bytes > left {
                        continue;
                    }
                    left -= bytes;
                    let bricks = BrickKey::all(volume.key, volume.shape).map(|key| Goal::Warm(Piece::Brick(key)));
                    wants.extend(bricks.map(|goal| Want { goal, class: Class::Ahead, deadline: None, pin: false }));
                }
            }
        }
        self.supply.demand().send(wants, source);
        None
    }
}
