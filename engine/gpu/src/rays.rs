//! The rays of a volume pass, in samples of a layer: what both devices draw volumes along. Pure, worked out once per layer in `f64`.
//!
//! Formulas: `golden/reference/README.md` "World and pixels" and "Volumes". Positions are `x, y, z` in samples: sample `i` has its
//! centre at `i`, the volume covers `-0.5..len - 0.5`. Pixels are those that are drawn, counted from the bottom left.

use crate::api::{SampleAxis, VolumeView};
use nc_core::data::CanvasSize;

/// The near plane, as part of the eye's distance to what it looks at; the far plane lies as many times beyond.
pub(crate) const NEAR: f64 = 1.0 / 3_162.277_660_168_379_5;

/// World units that the depth buffer of a parallel projection holds before and behind what the eye looks at.
const PARALLEL_DEPTH: f64 = 1e6;

/// Steps of the depth buffer, whose 24 bits decide which of two layers is nearer where they almost meet.
pub(crate) const DEPTH_STEPS: f64 = 16_777_215.0;

/// Pixels that are drawn of a canvas, of which each then fills `divisor` along both sides: those at the upper and right end may reach
/// beyond the canvas.
pub(crate) fn drawn_size(canvas: CanvasSize, divisor: u32) -> CanvasSize {
    let divisor = divisor.max(1);
    CanvasSize { width: canvas.width.div_ceil(divisor), height: canvas.height.div_ceil(divisor) }
}

/// A vector that is linear in the pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerPixel {
    /// Of the pixel at the bottom left.
    pub(crate) first: [f64; 3],
    /// Change from a pixel to the one on its right.
    pub(crate) right: [f64; 3],
    /// Change from a pixel to the one above.
    pub(crate) up: [f64; 3],
}

impl PerPixel {
    /// Of pixel `i` from the left, `j` from the bottom.
    pub(crate) fn at(&self, i: f64, j: f64) -> [f64; 3] {
        std::array::from_fn(|k| self.first[k] + i * self.right[k] + j * self.up[k])
    }
}

/// The rays of one layer. A ray is `origin + t * direction` with `t >= near`; `t` grows by 1 for each world unit of depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rays {
    /// Where the ray is at the depth of the volume's middle (or at the near plane, if that is behind it): not the eye, which may be so
    /// far from the volume that `f32` could not tell its samples from there.
    pub(crate) origin: PerPixel,
    /// Not normalised.
    pub(crate) direction: PerPixel,
    /// `t` of the near plane; `-inf` in a parallel projection, which has none.
    pub(crate) near: f64,
    /// Samples along x, y, z.
    pub(crate) len: [u32; 3],
    /// See [`Rays::depth`].
    pub(crate) depth: DepthRule,
}

/// From a position to the depth that layers are compared by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DepthRule {
    /// View depth of the position 0, 0, 0: world units ahead of the eye, less `offset`.
    pub(crate) first: f64,
    /// Its change per sample along x, y, z.
    pub(crate) change: [f64; 3],
    /// `a` and `b`: the buffer holds `a - b / depth` in perspective, `a + b * depth` in a parallel projection, times
    /// [`DEPTH_STEPS`], within 0 to that.
    pub(crate) buffer: (f64, f64),
    /// Which of the two.
    pub(crate) perspective: bool,
}

impl DepthRule {
    /// What the depth buffer holds for a position.
    #[cfg(test)]
    pub(crate) fn at(&self, p: [f64; 3]) -> f64 {
        let depth = self.first + (0..3).map(|k| self.change[k] * p[k]).sum::<f64>();
        let (a, b) = self.buffer;
        let held = if self.perspective { a - b / depth } else { a + b * depth };
        (held.clamp(0.0, 1.0) * DEPTH_STEPS).round()
    }
}

impl Rays {
    /// Of a layer whose samples lie on `axes` (world z, y, x), seen in a picture of `canvas` drawn with `divisor`. `None` if the view or
    /// the axes are none that could be drawn.
    pub(crate) fn new(view: &VolumeView, canvas: CanvasSize, divisor: u32, axes: &[SampleAxis; 3]) -> Option<Self> {
        let axes = [&axes[2], &axes[1], &axes[0]];
        let (width, height) = (f64::from(canvas.width), f64::from(canvas.height));
        let divisor = f64::from(divisor.max(1));
        let perspective = view.fov > 0.0;
        let to_samples =
            |world: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| (world[k] - axes[k].translate) / axes[k].scale) };
        let scaled = |v: [f64; 3], by: f64| -> [f64; 3] { std::array::from_fn(|k| v[k] * by / axes[k].scale) };

        // Half the world height and half the width of a pixel's row and column: at depth 1 in perspective, anywhere in parallel.
        let half = if perspective { (view.fov.to_radians() / 2.0).tan() / height } else { view.extent / 2.0 / width.min(height) };
        // A drawn pixel's middle is `(2 i + 1) * divisor - width` halves from the picture's middle.
        let step = 2.0 * half * divisor;
        let corner = (half * (divisor - width), half * (divisor - height));
        let (right, up) = (scaled(view.right, step), scaled(view.up, step));
        let aside: [f64; 3] = std::array::from_fn(|k| view.right[k] * corner.0 + view.up[k] * corner.1);

        let depth_of = |world: [f64; 3]| (0..3).map(|k| view.forward[k] * (world[k] - view.eye[k])).sum::<f64>();
        let middle: [f64; 3] = std::array::from_fn(|k| axes[k].translate + axes[k].scale * (f64::from(axes[k].len) - 1.0) / 2.0);
        let near = if perspective { view.distance * NEAR } else { f64::NEG_INFINITY };
        let start = depth_of(middle).max(near);
        let start_at: [f64; 3] = std::array::from_fn(|k| view.eye[k] + view.forward[k] * start);
        let (origin, direction) = if perspective {
            let ahead: [f64; 3] = std::array::from_fn(|k| view.forward[k] + aside[k]);
            let direction = PerPixel { first: scaled(ahead, 1.0), right, up };
            let from_middle = |v: [f64; 3]| v.map(|c| c * start);
            let first = std::array::from_fn(|k| start_at[k] + aside[k] * start);
            (PerPixel { first: to_samples(first), right: from_middle(right), up: from_middle(up) }, direction)
        } else {
            let first = std::array::from_fn(|k| start_at[k] + aside[k]);
            let direction = PerPixel { first: scaled(view.forward, 1.0), right: [0.0; 3], up: [0.0; 3] };
            (PerPixel { first: to_samples(first), right, up }, direction)
        };

        let far = view.distance / NEAR;
        let depth = DepthRule {
            first: depth_of(std::array::from_fn(|k| axes[k].translate)),
            change: std::array::from_fn(|k| view.forward[k] * axes[k].scale),
            buffer: if perspective {
                (far / (far - near), far * near / (far - near))
            } else {
                (0.5 - view.distance / (2.0 * PARALLEL_DEPTH), 0.5 / PARALLEL_DEPTH)
            },
            perspective,
        };
        let rays = Self { origin, direction, near: near - start, len: axes.map(|axis| axis.len), depth };
        let numbers = [origin.first, origin.right, origin.up, direction.first, direction.right, direction.up, depth.change];
        let sound = numbers.iter().flatten().chain([&depth.first, &depth.buffer.0, &depth.buffer.1]).all(|v| v.is_finite())
            && !rays.near.is_nan()
            && canvas.width > 0
            && canvas.height > 0
            && rays.len.iter().all(|n| *n > 0);
        sound.then_some(rays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CANVAS: CanvasSize = CanvasSize { width: 320, height: 240 };

    fn axis(len: u32, scale: f64, translate: f64) -> SampleAxis {
        SampleAxis { len, scale, translate }
    }

    /// The README's frame without roll: azimuth and elevation, degrees.
    fn view(center: [f64; 3], [azimuth, elevation]: [f64; 2], distance: f64, fov: f64, extent: f64) -> VolumeView {
        let ((sa, ca), (se, ce)) = (azimuth.to_radians().sin_cos(), elevation.to_radians().sin_cos());
        let (right, forward) = ([ca, sa, 0.0], [-ce * sa, ce * ca, -se]);
        let up = [-se * sa, se * ca, ce];
        VolumeView { eye: std::array::from_fn(|k| center[k] - distance * forward[k]), right, up, forward, distance, fov, extent }
    }

    fn world(axes: &[SampleAxis; 3], p: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|k| p[k] * axes[2 - k].scale + axes[2 - k].translate)
    }

    fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
        (0..3).map(|k| a[k] * b[k]).sum()
    }

    proptest! {
        /// Any point of a ray projects onto the middle of its pixel, by the README's projection the other way round.
        #[test]
        fn what_lies_on_a_ray_is_seen_in_its_pixel(
            angles in [-180.0..180.0, -90.0..90.0], fov in prop_oneof![Just(0.0), 5.0..120.0], distance in 1.0..1e4,
            scale in prop::array::uniform3(prop_oneof![-3.0..-0.1, 0.1..3.0]), translate in prop::array::uniform3(-1e3..1e3),
            (w, h, divisor) in (1u32..400, 1u32..400, 1u32..5), (i, j, t) in (0.0..1.0, 0.0..1.0, 0.0..1.0)
        ) {
            let axes: [SampleAxis; 3] = std::array::from_fn(|k| axis(20 + k as u32, scale[k], translate[k]));
            let view = view([3.0, -2.0, 7.0], angles, distance, fov, 55.0);
            let (canvas, (fw, fh)) = (CanvasSize { width: w, height: h }, (f64::from(w), f64::from(h)));
            let rays = Rays::new(&view, canvas, divisor, &axes).expect("rays");
            let drawn = drawn_size(canvas, divisor);
            let (i, j): (f64, f64) = (i * f64::from(drawn.width), j * f64::from(drawn.height));
            let (i, j) = (i.floor(), j.floor());
            let t = rays.near.max(-1e4) + t * 1e4 + 1e-3;
            let (o, d) = (rays.origin.at(i, j), rays.direction.at(i, j));
            let point = world(&axes, std::array::from_fn(|k| o[k] + t * d[k]));
            let from_eye: [f64; 3] = std::array::from_fn(|k| point[k] - view.eye[k]);
            let (x, y, depth) = (dot(from_eye, view.right), dot(from_eye, view.up), dot(from_eye, view.forward));
            let (x, y) = if fov > 0.0 {
                let tangent = (fov.to_radians() / 2.0).tan() * depth;
                (x / (tangent * fw / fh), y / tangent)
            } else {
                let unit = 55.0 / 2.0 / fw.min(fh);
                (x / (unit * fw), y / (unit * fh))
            };
            let (x, y) = ((x + 1.0) / 2.0 * fw / f64::from(divisor) - 0.5, (y + 1.0) / 2.0 * fh / f64::from(divisor) - 0.5);
            prop_assert!((x - i).abs() < 1e-5 && (y - j).abs() < 1e-5, "{x} {y} for {i} {j}");
            // `t` counts depth.
            let further = world(&axes, std::array::from_fn(|k| o[k] + (t + 1.0) * d[k]));
            let gained = (0..3).map(|k| view.forward[k] * (further[k] - point[k])).sum::<f64>();
            prop_assert!((gained - 1.0).abs() < 1e-6);
        }
    }

    /// A scene's worth of numbers, by hand: the eye looks along +y.
    #[test]
    fn the_middle_ray_goes_ahead() {
        let view = view([10.0, 20.0, 30.0], [0.0, 0.0], 50.0, 60.0, 1.0);
        let axes = [axis(7, 2.0, 30.0), axis(11, -1.0, 20.0), axis(5, 0.5, 10.0)];
        let rays = Rays::new(&view, CANVAS, 1, &axes).expect("rays");
        assert_eq!(rays.len, [5, 11, 7]);
        let (o, d) = (rays.origin.at(159.5, 119.5), rays.direction.at(159.5, 119.5));
        // World (10, y, 30) is sample (0, 20 - y, 0); the volume's middle is at y = 15.
        let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(o, [0.0, 5.0, 0.0]) && near(d, [0.0, -1.0, 0.0]), "{o:?} {d:?}");
        assert!((rays.near - (50.0 / 1e7f64.sqrt() - 45.0)).abs() < 1e-9);
        // A pixel to the right at depth 45 is 45 * tan(30) * 2 / 240 world units away, twice as many samples.
        let right = rays.origin.right;
        assert!(near(right, [2.0 * 45.0 * 2.0 * 30f64.to_radians().tan() / 240.0, 0.0, 0.0]), "{right:?}");
    }

    #[test]
    fn depth_is_what_a_depth_buffer_of_24_bits_holds() {
        let axes = [axis(7, 2.0, 30.0), axis(11, -1.0, 20.0), axis(5, 0.5, 10.0)];
        let rays = Rays::new(&view([10.0, 20.0, 30.0], [0.0, 0.0], 50.0, 60.0, 1.0), CANVAS, 1, &axes).expect("rays");
        let near = 50.0 / 1e7f64.sqrt();
        // Sample y = 0 is at world y = 20, 50 ahead of the eye at y = -30; the near plane holds 0, what is before it as well.
        assert_eq!(rays.depth.at([0.0, 50.0 - near, 0.0]), 0.0);
        assert_eq!(rays.depth.at([0.0, 50.0 - near / 2.0, 0.0]), 0.0);
        let held = (1.0 - near / 50.0) / (1.0 - 1e-7) * DEPTH_STEPS;
        assert_eq!(rays.depth.at([3.0, 0.0, 2.0]), held.round());
        let rays = Rays::new(&view([10.0, 20.0, 30.0], [0.0, 0.0], 50.0, 0.0, 9.0), CANVAS, 1, &axes).expect("rays");
        assert_eq!(rays.near, f64::NEG_INFINITY);
        assert_eq!(rays.depth.at([0.0; 3]), (0.5 * DEPTH_STEPS).round());
        assert_eq!(rays.depth.at([0.0, -1000.0, 0.0]), ((0.5 + 1000.0 / 2e6) * DEPTH_STEPS).round());
    }

    #[test]
    fn what_cannot_be_seen_has_no_rays() {
        let sound = view([0.0; 3], [0.0, 0.0], 50.0, 60.0, 1.0);
        let axes = [axis(7, 1.0, 0.0); 3];
        assert!(Rays::new(&sound, CANVAS, 1, &axes).is_some());
        let bad_axes = [[axis(7, 0.0, 0.0); 3], [axis(0, 1.0, 0.0); 3], [axis(7, f64::NAN, 0.0); 3]];
        assert!(bad_axes.iter().all(|axes| Rays::new(&sound, CANVAS, 1, axes).is_none()));
        let bad_views = [VolumeView { eye: [f64::INFINITY; 3], ..sound }, VolumeView { distance: 0.0, ..sound }];
        assert!(bad_views.iter().all(|view| Rays::new(view, CANVAS, 1, &axes).is_none()));
        assert!(Rays::new(&sound, CanvasSize { width: 0, height: 9 }, 1, &axes).is_none());
    }

    #[test]
    fn a_divisor_covers_the_canvas() {
        let of = |width, height, divisor| drawn_size(CanvasSize { width, height }, divisor);
        assert_eq!(of(1280, 721, 2), CanvasSize { width: 640, height: 361 });
        assert_eq!(of(5, 5, 0), CanvasSize { width: 5, height: 5 });
    }
}
