//! The camera controller: camera commands, in order, onto the live 2D pose.

use nc_core::data::{CanvasSize, Rect, plane_camera};
use nc_core::exchange::{CameraCommand, CameraMotion};

/// What a run of commands came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraOutcome {
    /// The rectangle now shown.
    pub rect: Rect,
    /// Product of the zoom factors; `None` if there was no zoom.
    pub zoom: Option<f64>,
    /// Whether the view went somewhere else altogether, rather than moved.
    pub jumped: bool,
    /// Whether there was a reset, which clients expect to come with a keyframe (PROTOCOL §10.5).
    pub reset: bool,
}

/// Applies `commands` to `rect`. `home` is what a reset shows. Commands meant for 3D are dropped.
pub fn apply(rect: Rect, canvas: CanvasSize, home: Rect, commands: &[CameraCommand]) -> CameraOutcome {
    let start = CameraOutcome { rect, zoom: None, jumped: false, reset: false };
    commands.iter().filter(|c| c.ndisplay == 2).fold(start, |state, command| {
        let CameraOutcome { rect, zoom, .. } = state;
        let zoomed = |factor: f64| Some(zoom.unwrap_or(1.0) * factor);
        // Points were measured on the command's canvas; the pose is the same on any.
        let at = command.canvas;
        let next = |rect: Rect, zoom: Option<f64>| CameraOutcome { rect: sane(rect, state.rect), zoom, ..state };
        match command.motion {
            CameraMotion::Zoom { factor, anchor } => next(plane_camera::zoom(rect, at, factor, anchor, home), zoomed(factor)),
            CameraMotion::Pan { dx, dy } => next(plane_camera::pan(rect, at, dx, dy), zoom),
            CameraMotion::Similarity { scale, offset } => {
                next(plane_camera::similarity(rect, at, scale, offset, home), if scale == 1.0 { zoom } else { zoomed(scale) })
            }
            CameraMotion::Orbit { .. } => state,
            CameraMotion::Reset => CameraOutcome { rect: home, zoom: None, jumped: true, reset: true },
            CameraMotion::Set { center, zoom: scale, rect: asked } => {
                let mut rect = asked.map_or(rect, |[left, bottom, width, height]| Rect { left, bottom, width, height });
                if let Some(scale) = scale {
                    let factor = plane_camera::pixels_per_unit(rect, canvas) / scale;
                    let middle = (f64::from(canvas.width) / 2.0, f64::from(canvas.height) / 2.0);
                    rect = plane_camera::zoom(rect, canvas, factor, middle, home);
                }
                let there = next(center.map_or(rect, |c| plane_camera::centered_on(rect, c)), zoom);
                CameraOutcome { jumped: true, ..there }
            }
        }
    })
}

/// `rect` if it is finite and has an extent, else `fallback`: absurd input must not break the pose.
fn sane(rect: Rect, fallback: Rect) -> Rect {
    let finite = rect.to_array().iter().all(|v| v.is_finite() && v.abs() < 1e15);
    if finite && rect.width > 0.0 && rect.height > 0.0 { rect } else { fallback }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::scene::OpSeq;

    const CANVAS: CanvasSize = CanvasSize { width: 200, height: 100 };
    const HOME: Rect = Rect { left: -0.5, bottom: -0.5, width: 100.0, height: 50.0 };

    fn command(motion: CameraMotion) -> CameraCommand {
        CameraCommand { op: OpSeq(1), ndisplay: 2, canvas: CANVAS, motion }
    }

    #[test]
    fn commands_apply_in_order_and_reset_goes_home() {
        let zoom = command(CameraMotion::Zoom { factor: 0.5, anchor: (0.0, 0.0) });
        let out = apply(HOME, CANVAS, HOME, &[zoom.clone(), zoom.clone()]);
        assert_eq!(out.rect.to_array(), [-0.5, -0.5, 25.0, 12.5]);
        assert_eq!(out.zoom, Some(0.25));
        let out = apply(out.rect, CANVAS, HOME, &[command(CameraMotion::Reset)]);
        assert_eq!((out.rect, out.zoom), (HOME, None));
    }

    #[test]
    fn absurd_input_leaves_the_pose() {
        let set = |rect| command(CameraMotion::Set { center: None, zoom: None, rect: Some(rect) });
        for rect in [[0.0, 0.0, f64::MAX, 1.0], [f64::INFINITY, 0.0, 1.0, 1.0]] {
            assert_eq!(apply(HOME, CANVAS, HOME, &[set(rect)]).rect, HOME);
        }
        let far = command(CameraMotion::Pan { dx: 1e300, dy: 0.0 });
        assert_eq!(apply(HOME, CANVAS, HOME, &[far]).rect, HOME);
    }

    #[test]
    fn the_reported_zoom_set_again_changes_nothing() {
        let zoom = plane_camera::pixels_per_unit(HOME, CANVAS);
        let set = command(CameraMotion::Set { center: None, zoom: Some(zoom), rect: None });
        let out = apply(HOME, CANVAS, HOME, &[set]).rect;
        assert!(out.to_array().iter().zip(HOME.to_array()).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn commands_for_3d_are_dropped() {
        let pan = CameraCommand { ndisplay: 3, ..command(CameraMotion::Pan { dx: 10.0, dy: 0.0 }) };
        assert_eq!(apply(HOME, CANVAS, HOME, &[pan]).rect, HOME);
    }
}
