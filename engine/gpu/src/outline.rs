//! The outline of the data's box in 3D: what both devices draw for a volume pass until they draw volumes. Pure.
//!
//! It shows where the data lie and how the camera sees them, and claims nothing of their values: twelve edges over black, in the
//! perspective of the pass. The edges at the corner of the lowest x, y and z are cyan, yellow and magenta for x, y and z, the others
//! gray; edges behind the box are dim. Worked out once, on the host, so that the devices' pictures are equal bit by bit.

use crate::api::{VolumePass, VolumeView};
use crate::rays::NEAR;

/// Opaque black.
const BLACK: u32 = 0xff00_0000;

/// Colours of the edges along x, y and z at the lowest corner, and of all others; red, green, blue in 0..255.
const AXES: [[f64; 3]; 3] = [[0.0, 255.0, 255.0], [255.0, 255.0, 0.0], [255.0, 0.0, 255.0]];
const GRAY: [f64; 3] = [200.0; 3];

/// Part of its colour that is left of an edge behind the box.
const DIM: f64 = 0.35;

/// Draws the box of `pass` into `picture`, bottom row first, red in the lowest byte, as many pixels as the canvas has.
pub(crate) fn draw(pass: &VolumePass, picture: &mut [u32]) {
    picture.fill(BLACK);
    let (width, height) = (pass.canvas.width as usize, pass.canvas.height as usize);
    if width == 0 || height == 0 || picture.len() < width * height {
        return;
    }
    let mut canvas = Canvas { picture, width, height, half_line: (height as f64 / 720.0).max(1.0) };
    let camera = Camera::new(&pass.view, width, height);
    let (hidden, shown): (Vec<Edge>, Vec<Edge>) = edges(pass).into_iter().partition(|edge| edge.hidden);
    for edge in hidden.into_iter().chain(shown) {
        let strength = if edge.hidden { DIM } else { 1.0 };
        if let Some((a, b)) = camera.project(edge.ends) {
            canvas.line(a, b, edge.color.map(|c| c * strength));
        }
    }
}

/// An edge of the box.
struct Edge {
    ends: [[f64; 3]; 2],
    color: [f64; 3],
    /// Whether the box hides it: both faces that meet in it are turned away.
    hidden: bool,
}

/// All twelve, in a fixed order.
fn edges(pass: &VolumePass) -> Vec<Edge> {
    let bounds = &pass.bounds;
    let turned_away = turned_away(&pass.view, bounds);
    // From inside, every face is turned away and nothing hides anything.
    let inside = turned_away.iter().flatten().all(|away| *away);
    let mut edges = Vec::with_capacity(12);
    for (axis, color) in AXES.into_iter().enumerate() {
        let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
        for (at_u, at_v) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let end = |at: usize| {
                let mut point = [0.0; 3];
                (point[axis], point[u], point[v]) = (bounds[axis][at], bounds[u][at_u], bounds[v][at_v]);
                point
            };
            let color = if (at_u, at_v) == (0, 0) { color } else { GRAY };
            let hidden = !inside && turned_away[u][at_u] && turned_away[v][at_v];
            edges.push(Edge { ends: [end(0), end(1)], color, hidden });
        }
    }
    edges
}

/// Whether the lower and the upper face along x, y and z show their inner side.
fn turned_away(view: &VolumeView, bounds: &[[f64; 2]; 3]) -> [[bool; 2]; 3] {
    std::array::from_fn(|axis| {
        let [low, high] = bounds[axis];
        if view.fov > 0.0 {
            [view.eye[axis] >= low, view.eye[axis] <= high]
        } else {
            [view.forward[axis] <= 0.0, view.forward[axis] >= 0.0]
        }
    })
}

/// From the world to pixels, counted from the bottom left corner of the picture.
struct Camera<'a> {
    view: &'a VolumeView,
    middle: (f64, f64),
    /// Pixels per world unit; in perspective, at a depth of 1.
    scale: f64,
    /// Least depth; `None` in a parallel projection, which has none.
    near: Option<f64>,
}

impl<'a> Camera<'a> {
    fn new(view: &'a VolumeView, width: usize, height: usize) -> Self {
        let (w, h) = (width as f64, height as f64);
        let tangent = |degrees: f64| (degrees.to_radians() / 2.0).tan();
        let (scale, near) = if view.fov > 0.0 {
            (h / 2.0 / tangent(view.fov), Some(view.distance * NEAR))
        } else {
            (w.min(h) / view.extent, None)
        };
        Self { view, middle: (w / 2.0, h / 2.0), scale, near }
    }

    /// The ends of a segment in pixels, without what lies before the near plane; `None` if nothing is left.
    fn project(&self, ends: [[f64; 3]; 2]) -> Option<((f64, f64), (f64, f64))> {
        let [mut a, mut b] = ends.map(|point| self.seen(point));
        if let Some(near) = self.near {
            if a[2] < near && b[2] < near {
                return None;
            }
            if a[2] < near {
                a = at_depth(b, a, near);
            } else if b[2] < near {
                b = at_depth(a, b, near);
            }
        }
        let pixel = |p: [f64; 3]| {
            let scale = if self.near.is_some() { self.scale / p[2] } else { self.scale };
            (self.middle.0 + p[0] * scale, self.middle.1 + p[1] * scale)
        };
        let (a, b) = (pixel(a), pixel(b));
        [a.0, a.1, b.0, b.1].iter().all(|v| v.is_finite()).then_some((a, b))
    }

    /// A point to the right, up and ahead of the eye.
    fn seen(&self, point: [f64; 3]) -> [f64; 3] {
        let from_eye: [f64; 3] = std::array::from_fn(|i| point[i] - self.view.eye[i]);
        let along = |axis: [f64; 3]| from_eye[0] * axis[0] + from_eye[1] * axis[1] + from_eye[2] * axis[2];
        [along(self.view.right), along(self.view.up), along(self.view.forward)]
    }
}

/// The point at depth `near` between `behind` it and `before` it.
fn at_depth(behind: [f64; 3], before: [f64; 3], near: f64) -> [f64; 3] {
    let t = (near - before[2]) / (behind[2] - before[2]);
    let [x, y] = [0, 1].map(|i| before[i] + (behind[i] - before[i]) * t);
    [x, y, near]
}

/// The picture that lines are drawn into.
struct Canvas<'a> {
    picture: &'a mut [u32],
    width: usize,
    height: usize,
    /// Half the width of a line, pixels.
    half_line: f64,
}

impl Canvas<'_> {
    /// An anti-aliased line with round ends. A pixel counts by how far its centre is from the segment.
    fn line(&mut self, a: (f64, f64), b: (f64, f64), color: [f64; 3]) {
        let reach = self.half_line + 0.5;
        let Some((a, b)) = clip(a, b, [-reach, self.width as f64 + reach], [-reach, self.height as f64 + reach]) else { return };
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy);
        // Walks along the longer side; across it the line reaches as far as its slope makes it.
        let steep = dy.abs() > dx.abs();
        let major = dx.abs().max(dy.abs());
        let across = if major > 0.0 { reach * length / major } else { reach };
        let (from, to) = if steep { (a.1, b.1) } else { (a.0, b.0) };
        let (along_len, across_len) = if steep { (self.height, self.width) } else { (self.width, self.height) };
        for i in pixels(from.min(to) - reach, from.max(to) + reach, along_len) {
            let center = i as f64 + 0.5;
            let t = if major > 0.0 { ((center - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
            let middle = if steep { a.0 + dx * t } else { a.1 + dy * t };
            for j in pixels(middle - across, middle + across, across_len) {
                let (col, row) = if steep { (j, i) } else { (i, j) };
                let away = distance((col as f64 + 0.5, row as f64 + 0.5), a, (dx, dy), length);
                let coverage = (reach - away).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    let pixel = &mut self.picture[row * self.width + col];
                    *pixel = blend(*pixel, color, coverage);
                }
            }
        }
    }
}

/// The pixels, of `count`, whose centres may lie in `from..=to`.
fn pixels(from: f64, to: f64, count: usize) -> std::ops::Range<usize> {
    // Conversions saturate, and truncate towards zero, which is the floor of what is not negative.
    let first = from.max(0.0) as usize;
    let end = (to.max(-1.0) + 1.0) as usize;
    first.min(count)..end.min(count).max(first.min(count))
}

/// How far `point` is from the segment that starts at `start` and goes `along`, which is `length` long.
fn distance(point: (f64, f64), start: (f64, f64), along: (f64, f64), length: f64) -> f64 {
    let (x, y) = (point.0 - start.0, point.1 - start.1);
    let t = if length > 0.0 { ((x * along.0 + y * along.1) / (length * length)).clamp(0.0, 1.0) } else { 0.0 };
    (x - along.0 * t).hypot(y - along.1 * t)
}

/// `color` over a pixel.
fn blend(pixel: u32, color: [f64; 3], coverage: f64) -> u32 {
    let below = pixel.to_le_bytes();
    let mix = |i: usize| {
        let under = f64::from(below[i]);
        (under + (color[i] - under) * coverage + 0.5) as u8
    };
    u32::from_le_bytes([mix(0), mix(1), mix(2), 255])
}

/// The part of a segment inside of a rectangle (Liang and Barsky).
fn clip(a: (f64, f64), b: (f64, f64), x: [f64; 2], y: [f64; 2]) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for (towards, room) in [(-dx, a.0 - x[0]), (dx, x[1] - a.0), (-dy, a.1 - y[0]), (dy, y[1] - a.1)] {
        if towards == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if towards < 0.0 {
            enter = enter.max(room / towards);
        } else {
            leave = leave.min(room / towards);
        }
    }
    let at = |t: f64| (a.0 + dx * t, a.1 + dy * t);
    (enter <= leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_core::data::CanvasSize;
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 200, height: 100 };
    const BOX: [[f64; 2]; 3] = [[0.0, 10.0], [0.0, 8.0], [0.0, 6.0]];

    /// Looks along +y at the middle of the box, z up.
    fn front(distance: f64, fov: f64) -> VolumePass {
        let view = VolumeView {
            eye: [5.0, 4.0 - distance, 3.0],
            right: [1.0, 0.0, 0.0],
            up: [0.0, 0.0, 1.0],
            forward: [0.0, 1.0, 0.0],
            distance,
            fov,
            extent: 2.0 * distance * 30f64.to_radians().tan(),
        };
        VolumePass { canvas: CANVAS, divisor: 1, outline: true, view, bounds: BOX, layers: Vec::new() }
    }

    fn picture(pass: &VolumePass) -> Vec<[u8; 4]> {
        let mut picture = vec![7; (pass.canvas.width * pass.canvas.height) as usize];
        draw(pass, &mut picture);
        picture.into_iter().map(u32::to_le_bytes).collect()
    }

    /// The brightest pixel in a neighbourhood of a point.
    fn near(picture: &[[u8; 4]], x: f64, y: f64) -> [u8; 4] {
        let at = |d: i64, v: f64, most: u32| (v as i64 + d).clamp(0, i64::from(most) - 1) as usize;
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        let found = around.map(|(dx, dy)| picture[at(dy, y, CANVAS.height) * CANVAS.width as usize + at(dx, x, CANVAS.width)]);
        found.max_by_key(|p| p[..3].iter().map(|c| u32::from(*c)).sum::<u32>()).unwrap()
    }

    #[test]
    fn edges_lie_where_the_projection_puts_them() {
        let pass = front(20.0, 60.0);
        let drawn = picture(&pass);
        // The face at y = 0 is 16 away from the eye: 50 pixels span 16 tan 30.
        let scale = 50.0 / (16.0 * 30f64.to_radians().tan());
        let (left, right, bottom, top) = (100.0 - 5.0 * scale, 100.0 + 5.0 * scale, 50.0 - 3.0 * scale, 50.0 + 3.0 * scale);
        assert_eq!(near(&drawn, 100.0, bottom), [0, 255, 255, 255], "x at the lowest corner is cyan, at the bottom");
        assert_eq!(near(&drawn, left, 50.0), [255, 0, 255, 255], "z is magenta, at the left");
        assert_eq!(near(&drawn, 100.0, top), [200, 200, 200, 255]);
        assert_eq!(near(&drawn, right, 50.0), [200, 200, 200, 255]);
        // The face at y = 8 is 24 away, and hidden.
        let scale = 50.0 / (24.0 * 30f64.to_radians().tan());
        let far = near(&drawn, 100.0, 50.0 + 3.0 * scale);
        assert!(far[0] > 40 && far[0] < 80, "{far:?}");
        assert_eq!(near(&drawn, 3.0, 3.0), [0, 0, 0, 255]);
    }

    #[test]
    fn a_parallel_projection_has_no_depth() {
        let drawn = picture(&front(20.0, 0.0));
        let scale = 50.0 / (20.0 * 30f64.to_radians().tan());
        assert_eq!(near(&drawn, 100.0, 50.0 + 3.0 * scale), [200, 200, 200, 255], "the near face hides the far one's edge");
        let lines = |pass: &VolumePass| picture(pass).iter().filter(|p| p[..3] != [0, 0, 0]).count();
        // From close by it is the same box, larger: what is behind the eye is seen as well.
        assert!(lines(&front(5.0, 0.0)) > 0);
    }

    #[test]
    fn from_inside_only_what_is_ahead_is_seen_and_nothing_is_dim() {
        let drawn = picture(&front(2.0, 60.0));
        // The eye is at y = 2; the face at y = 8 is 6 ahead.
        let scale = 50.0 / (6.0 * 30f64.to_radians().tan());
        assert_eq!(near(&drawn, 100.0, 50.0 + 3.0 * scale), [200, 200, 200, 255]);
        // The edges along y come from behind the eye and leave at the corners of the far face.
        assert_eq!(near(&drawn, 100.0 + 5.5 * scale, 50.0 + 3.3 * scale), [200, 200, 200, 255]);
    }

    #[test]
    fn a_box_behind_the_eye_is_not_drawn() {
        let mut pass = front(20.0, 60.0);
        pass.view.forward = [0.0, -1.0, 0.0];
        pass.view.right = [-1.0, 0.0, 0.0];
        assert!(picture(&pass).iter().all(|p| *p == [0, 0, 0, 255]));
    }

    #[test]
    fn lines_are_smooth() {
        let mut pass = front(20.0, 60.0);
        let (sin, cos) = 20f64.to_radians().sin_cos();
        (pass.view.right, pass.view.up) = ([cos, 0.0, sin], [-sin, 0.0, cos]);
        let drawn = picture(&pass);
        let partly = drawn.iter().filter(|p| p[1] > 90 && p[1] < 190).count();
        assert!(partly > 50, "{partly}");
    }

    proptest! {
        #[test]
        fn any_view_draws_within_the_canvas(eye in proptest::array::uniform3(-1e9f64..1e9), turn in -7.0f64..7.0, fov in 0.0f64..179.9, distance in 1e-9f64..1e12, w in 0u32..40, h in 0u32..40) {
            let (sin, cos) = turn.sin_cos();
            let view = VolumeView { eye, right: [cos, sin, 0.0], up: [0.0, 0.0, 1.0], forward: [-sin, cos, 0.0], distance, fov, extent: distance };
            let pass = VolumePass { canvas: CanvasSize { width: w, height: h }, divisor: 1, outline: true, view, bounds: BOX, layers: Vec::new() };
            prop_assert!(picture(&pass).iter().all(|p| p[3] == 255));
        }

        #[test]
        fn a_clipped_segment_lies_inside_and_on_the_segment(a in (-50f64..50.0, -50f64..50.0), b in (-50f64..50.0, -50f64..50.0)) {
            let (x, y) = ([0.0, 10.0], [0.0, 10.0]);
            let inside = |p: (f64, f64)| (-1e-9..=10.0 + 1e-9).contains(&p.0) && (-1e-9..=10.0 + 1e-9).contains(&p.1);
            match clip(a, b, x, y) {
                Some((c, d)) => {
                    prop_assert!(inside(c) && inside(d));
                    let along = (b.0 - a.0, b.1 - a.1);
                    for p in [c, d] { prop_assert!(distance(p, a, along, along.0.hypot(along.1)) < 1e-9); }
                }
                None => {
                    // On the very edge rounding decides.
                    let well_inside = |v: f64| (1e-6..=10.0 - 1e-6).contains(&v);
                    let at = |i: u32| { let t = f64::from(i) / 200.0; (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t) };
                    prop_assert!((0..=200).map(at).all(|p| !(well_inside(p.0) && well_inside(p.1))));
                }
            }
        }
    }
}
