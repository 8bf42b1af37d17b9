//! Both modes with a render thread in miniature: it does what it is asked and has no opinion of its own on levels. What the laws say of
//! the ledger holds then to the bit.
#![allow(clippy::unwrap_used)] // a test that stops is a test that tells

mod asked;
mod pyramids;

use asked::{Asked, asked};
use nc_core::control::{Context, Intent, bootstrap, reduce};
use nc_core::data::{CanvasSize, Rect, plane_camera, turntable};
use nc_core::exchange::{CameraCommand, CameraMotion, SharedLedger};
use nc_core::ledger::{AppliedBatch, Ledger, State};
use nc_core::scene::{AppliedView, Dataset, PlanePose, VolumePose};
use proptest::prelude::*;
use pyramids::{cases, dataset};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

const CANVAS: CanvasSize = CanvasSize { width: 320, height: 200 };

/// A ledger and its render thread.
struct Stage {
    ledger: SharedLedger,
    dataset: Arc<Dataset>,
    announced: Arc<AppliedView>,
    plane: Rect,
    volume: Option<VolumePose>,
    last_good: Arc<State>,
    now: Instant,
}

impl Stage {
    fn new(dataset: Dataset) -> Self {
        let dataset = Arc::new(dataset);
        let ledger = SharedLedger::new(Ledger::new(bootstrap::seed(dataset.clone(), CANVAS, &[])).unwrap());
        let (state, announced) = (ledger.state(), ledger.view());
        let plane = state.camera.plane.get().rect;
        Self { ledger, dataset, announced, plane, volume: None, last_good: state, now: Instant::now() }
    }

    fn ask(&self, asked: &Asked) {
        let Asked { scope, target, key, value } = asked;
        let cx = Context { state: &self.ledger.state(), announced: &self.announced };
        if let Ok(reduced) = Intent::parse(scope, target, key, value).and_then(|intent| reduce(cx, intent, None)) {
            self.ledger.commit_intent(reduced.batch, reduced.motion, self.now, self.now).unwrap();
        }
    }

    fn toggle(&self, ndisplay: u8) {
        let (scope, target, key) = ("view".into(), "main".into(), "ndisplay".into());
        self.ask(&Asked { scope, target, key, value: json!(ndisplay) });
    }

    fn canonical(&self, state: &State) -> VolumePose {
        let order = state.dims.order.get();
        turntable::canonical(self.dataset.world_box(&order[order.len().saturating_sub(3)..]))
    }

    fn moved_plane(&self, command: &CameraCommand) -> Rect {
        let (row, col) = self.ledger.state().plane_dims();
        let home = self.dataset.world_rect(col, row);
        let moved = match command.motion {
            CameraMotion::Zoom { factor, anchor } => plane_camera::zoom(self.plane, CANVAS, factor, anchor, home),
            CameraMotion::Pan { dx, dy } => plane_camera::pan(self.plane, CANVAS, dx, dy),
            CameraMotion::Reset => home,
            CameraMotion::Set { center: Some(center), .. } => plane_camera::centered_on(self.plane, center),
            CameraMotion::Set { rect: Some([left, bottom, width, height]), .. } => Rect { left, bottom, width, height },
            _ => self.plane,
        };
        let sound = moved.to_array().iter().all(|v| v.is_finite() && v.abs() < 1e15) && moved.width > 0.0 && moved.height > 0.0;
        if sound { moved } else { self.plane }
    }

    fn moved_volume(&self, state: &State, command: &CameraCommand) -> VolumePose {
        let order = state.dims.order.get();
        let world = self.dataset.world_box(&order[order.len() - 3..]);
        let pose = self.volume.unwrap_or_else(|| turntable::canonical(world));
        match command.motion {
            CameraMotion::Zoom { factor, .. } => turntable::zoom(pose, factor, &turntable::canonical(world)),
            CameraMotion::Pan { dx, dy } => turntable::pan(pose, CANVAS, dx, dy),
            CameraMotion::Orbit { azimuth, elevation } => turntable::orbit(pose, azimuth, elevation),
            CameraMotion::Reset => turntable::reset(pose, world),
            CameraMotion::Place { center, angles } => turntable::placed(pose, center, angles),
            _ => pose,
        }
    }

    /// Applies all that was asked, or fails at it.
    fn tick(&mut self, fails: bool) {
        let state = self.ledger.state();
        let before = (self.plane, self.volume);
        for command in self.ledger.take_commands(state.scene.op_seq) {
            match command.ndisplay {
                2 => self.plane = self.moved_plane(&command),
                _ => self.volume = Some(self.moved_volume(&state, &command)),
            }
        }
        if fails {
            (self.plane, self.volume) = before;
            self.ledger.commit_applied(AppliedBatch::new(state).failed(self.last_good.clone())).unwrap();
            return;
        }
        let mut level = *state.multiscale.level.get();
        let mut batch = AppliedBatch::new(state.clone());
        if let Some(from) = state.view.entered_from.get() {
            self.volume.get_or_insert(self.canonical(&state));
            batch = batch.plane_cache(from.clone());
            if !*state.multiscale.lock.get() {
                level = self.dataset.level_count() - 1;
            }
        }
        if let Some(pose) = self.volume {
            batch = batch.volume(pose);
        }
        let zoom = plane_camera::pixels_per_unit(self.plane, CANVAS);
        let batch = batch.camera(PlanePose { rect: self.plane, zoom }).level(level, false).applied();
        self.ledger.commit_applied(batch).unwrap();
        self.last_good = state;
    }

    /// All that an intent can lead to. A 3D pose that nobody moved is as good as none.
    fn outcome(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let state = self.ledger.state();
        let controls: Vec<_> = state.layers.iter().map(|layer| layer.controls.clone()).collect();
        let pose = state.camera.volume.get().unwrap_or(self.canonical(&state));
        let mode = (*state.view.ndisplay.get(), state.view.entered_from.get().clone());
        let level = (*state.multiscale.level.get(), *state.multiscale.lock.get());
        ((mode, level, state.dims.step.get().clone()), (*state.camera.plane.get(), pose), state.scene, controls)
    }
}

/// Anything but another mode.
fn asked_in_one_mode() -> impl Strategy<Value = Asked> {
    asked().prop_map(|asked| match &*asked.scope {
        "view" => Asked { scope: "camera".into(), key: "pan".into(), value: json!({"dx_px": 3.0, "dy_px": 1.0}), ..asked },
        _ => asked,
    })
}

proptest! {
    #![proptest_config(cases(10_000))]

    /// One scene, one order of intents: where the frames fall between them does not matter, not even for intents of both modes.
    #[test]
    fn what_intents_lead_to_does_not_depend_on_when_ticks_fall(dataset in dataset(),
            program in proptest::collection::vec((asked(), any::<bool>(), any::<bool>()), 1..24)) {
        let run = |ticks: &dyn Fn(bool, bool) -> bool| {
            let mut stage = Stage::new(dataset.clone());
            for (asked, now, then) in &program {
                stage.ask(asked);
                if ticks(*now, *then) { stage.tick(false); }
            }
            stage.tick(false);
            stage.outcome()
        };
        let never = run(&|_, _| false);
        prop_assert!(never == run(&|now, _| now), "{never:?}");
        prop_assert!(never == run(&|_, then| then), "{never:?}");
    }

    /// DESIGN: 2D to 3D and back restores level, step and rect exactly, whatever was done in 3D, with ticks and failures anywhere. A dim
    /// that had its slider in 3D too keeps where it was put; and 3D again is seen from where it was left.
    #[test]
    fn from_2d_through_3d_and_back_all_is_as_it_was(dataset in dataset(),
            before in proptest::collection::vec((asked(), any::<bool>()), 0..8),
            within in proptest::collection::vec((asked_in_one_mode(), 0u8..4), 0..12),
            drawn in any::<bool>(), fails in any::<bool>()) {
        let begun = || {
            let mut stage = Stage::new(dataset.clone());
            for (asked, tick) in &before {
                stage.ask(asked);
                if *tick { stage.tick(false); }
            }
            stage.toggle(2);
            stage
        };
        let mut stayed = begun();
        stayed.tick(false);
        let home = stayed.ledger.view();

        let mut stage = begun();
        if drawn { stage.tick(false); } // else 2D is left with all that was asked of it still open
        stage.toggle(3);
        let solid = stage.dataset.ndim() >= 3;
        prop_assert_eq!(*stage.ledger.state().view.ndisplay.get(), if solid { 3 } else { 2 });
        if !solid { return Ok(()); }
        if fails { stage.tick(false); } // a failure that takes 3D back sends what follows to 2D
        for (asked, tick) in &within {
            stage.ask(asked);
            match tick {
                0 => stage.tick(false),
                1 if fails => stage.tick(true),
                _ => {}
            }
        }
        let left = stage.ledger.state();
        let hidden = left.displayed()[0];
        stage.toggle(2);
        if fails {
            stage.tick(true);
            prop_assert_eq!(*stage.ledger.state().view.ndisplay.get(), 3, "a way back that failed leads nowhere");
            stage.toggle(2);
        }
        stage.tick(false);
        let view = stage.ledger.view();
        prop_assert_eq!((view.ndisplay, view.level, view.plane), (2, home.level, home.plane));
        prop_assert!(!*stage.ledger.state().multiscale.lock.get());
        for dim in 0..stage.dataset.ndim() {
            let expected = if dim == hidden { home.step[dim] } else { left.dims.step.get()[dim] };
            prop_assert!(fails || view.step[dim] == expected, "dim {dim} is at {} and not {expected}", view.step[dim]);
        }
        prop_assert_eq!(view.step[hidden], home.step[hidden]);
        if !within.iter().any(|(asked, _)| asked.scope == "dims") {
            prop_assert_eq!(&view.step, &home.step);
        }
        let pose = stage.volume;
        stage.toggle(3);
        stage.tick(false);
        let again = stage.ledger.view();
        prop_assert_eq!(again.volume, Some(pose.unwrap_or(stage.canonical(&left))));
        prop_assert_eq!(again.level, stage.dataset.level_count() - 1, "3D begins at the coarsest level");
    }
}
