//! The 2D pan/zoom camera: pure functions from a rectangle to a rectangle (PROTOCOL §17.1).
//!
//! World y points up. Canvas points are in video pixels from the **bottom left**, as on the wire.

use super::{CanvasSize, Rect};

/// Smallest and largest extent a rectangle may be zoomed to, relative to the extent of the data.
const ZOOM_RANGE: (f64, f64) = (1e-6, 1e4);

/// World position of canvas point `(x, y)`, measured from the canvas's bottom left corner, when `rect` is shown.
pub fn world_at(rect: Rect, canvas: CanvasSize, x: f64, y: f64) -> (f64, f64) {
    let shown = rect.expanded_to(canvas);
    (shown.left + x * shown.width / f64::from(canvas.width), shown.bottom + y * shown.height / f64::from(canvas.height))
}

/// Scales every edge about the world point under `anchor` by `factor`; above 1 zooms out. The result's extent stays within
/// 1e-6 to 1e4 times that of `home`, so repeated zooming can neither degenerate nor overflow.
pub fn zoom(rect: Rect, canvas: CanvasSize, factor: f64, anchor: (f64, f64), home: Rect) -> Rect {
    let (ax, ay) = world_at(rect, canvas, anchor.0, anchor.1);
    let span = rect.width.max(rect.height);
    let home_span = home.width.max(home.height);
    let factor = factor.clamp(home_span * ZOOM_RANGE.0 / span, home_span * ZOOM_RANGE.1 / span);
    Rect {
        left: ax + (rect.left - ax) * factor,
        bottom: ay + (rect.bottom - ay) * factor,
        width: rect.width * factor,
        height: rect.height * factor,
    }
}

/// Zooms and pans at once: the new view's bottom left lies at canvas point `offset` of the old one and a new pixel spans `scale`
/// old ones. Limits as in [`zoom`], about the canvas's middle.
pub fn similarity(rect: Rect, canvas: CanvasSize, scale: f64, offset: (f64, f64), home: Rect) -> Rect {
    let (w, h) = (f64::from(canvas.width), f64::from(canvas.height));
    let (left, bottom) = world_at(rect, canvas, offset.0, offset.1);
    let shown = rect.expanded_to(canvas);
    let middle = (left + scale * shown.width / 2.0, bottom + scale * shown.height / 2.0);
    zoom(centered_on(rect, middle), canvas, scale, (w / 2.0, h / 2.0), home)
}

/// Moves the view so that the content follows a pointer that moved `dx` pixels right and `dy` pixels **down** the wire's picture.
pub fn pan(rect: Rect, canvas: CanvasSize, dx: f64, dy: f64) -> Rect {
    let shown = rect.expanded_to(canvas);
    Rect {
        left: rect.left - dx * shown.width / f64::from(canvas.width),
        bottom: rect.bottom + dy * shown.height / f64::from(canvas.height),
        ..rect
    }
}

/// Moves the rectangle's midpoint.
pub fn centered_on(rect: Rect, center: (f64, f64)) -> Rect {
    Rect { left: center.0 - rect.width / 2.0, bottom: center.1 - rect.height / 2.0, ..rect }
}

/// Canvas pixels per world unit when `rect` is shown.
pub fn pixels_per_unit(rect: Rect, canvas: CanvasSize) -> f64 {
    f64::from(canvas.width) / rect.expanded_to(canvas).width
}

/// Smallest and largest [`pixels_per_unit`] that [`zoom`] leads to from `rect`, or from any other of its aspect.
pub fn zoom_range(rect: Rect, canvas: CanvasSize, home: Rect) -> (f64, f64) {
    let pixels = pixels_per_unit(rect, canvas) * rect.width.max(rect.height);
    let home_span = home.width.max(home.height);
    (pixels / (home_span * ZOOM_RANGE.1), pixels / (home_span * ZOOM_RANGE.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.abs().max(1.0)
    }

    fn scene() -> impl Strategy<Value = (Rect, CanvasSize)> {
        (-1e4..1e4, -1e4..1e4, 1e-2..1e4, 1e-2..1e4, 16u32..4000, 16u32..4000).prop_map(|(left, bottom, width, height, w, h)| {
            (Rect { left, bottom, width, height }, CanvasSize { width: w, height: h })
        })
    }

    proptest! {
        #[test]
        fn the_point_under_the_anchor_stays((rect, canvas) in scene(), f in 0.2..5.0, ax in 0.0..1.0, ay in 0.0..1.0) {
            let anchor = (ax * f64::from(canvas.width), ay * f64::from(canvas.height));
            let before = world_at(rect, canvas, anchor.0, anchor.1);
            let zoomed = zoom(rect, canvas, f, anchor, rect);
            let after = world_at(zoomed, canvas, anchor.0, anchor.1);
            let scale = 1e4 + rect.width + rect.height;
            prop_assert!(near(before.0, after.0, scale) && near(before.1, after.1, scale));
        }

        #[test]
        fn content_follows_the_pointer((rect, canvas) in scene(), dx in -500.0..500.0, dy in -500.0..500.0) {
            let grabbed = world_at(rect, canvas, 0.0, 0.0);
            let now = world_at(pan(rect, canvas, dx, dy), canvas, dx, -dy);
            let scale = 1e6 * (1.0 + rect.width.max(rect.height));
            prop_assert!(near(grabbed.0, now.0, scale) && near(grabbed.1, now.1, scale));
        }

        /// What an absolute zoom is acked with is what zooming to it shows.
        #[test]
        fn the_zoom_range_is_what_zooming_reaches((rect, canvas) in scene(), (home, _) in scene(), asked in prop::num::f64::POSITIVE) {
            let (least, most) = zoom_range(rect, canvas, home);
            let zoom_to = asked.clamp(least, most);
            let zoomed = zoom(rect, canvas, pixels_per_unit(rect, canvas) / zoom_to, (0.0, 0.0), home);
            let reached = pixels_per_unit(zoomed, canvas);
            prop_assert!((reached / zoom_to - 1.0).abs() < 1e-9, "{reached} {zoom_to}");
        }

        #[test]
        fn zooming_never_degenerates((rect, canvas) in scene(), factors in proptest::collection::vec(1e-3..1e3, 1..60)) {
            let mut r = rect;
            for f in factors { r = zoom(r, canvas, f, (0.0, 0.0), rect); }
            prop_assert!(r.width > 0.0 && r.height > 0.0 && r.width.is_finite() && r.left.is_finite());
        }
    }

    #[test]
    fn the_canvas_aspect_widens_the_short_side() {
        let square = Rect { left: 0.0, bottom: 0.0, width: 10.0, height: 10.0 };
        let shown = square.expanded_to(CanvasSize { width: 200, height: 100 });
        assert_eq!(shown.to_array(), [-5.0, 0.0, 20.0, 10.0]);
    }
}
