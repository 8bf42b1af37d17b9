//! A slow renderer in `f64`, one ray and one sample at a time, from the words of `golden/reference/README.md` "Volumes".

use super::Volume;
use nc_core::data::*;
use nc_gpu::api::*;

type Point = [f64; 3];

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn along(p: Point, d: Point, t: f64) -> Point {
    std::array::from_fn(|k| p[k] + d[k] * t)
}

struct Sampler<'a> {
    volume: &'a Volume,
    nearest: bool,
}

impl Sampler<'_> {
    fn voxel(&self, at: [i64; 3]) -> f64 {
        let [z, y, x] = [2, 1, 0].map(|k: usize| at[k].clamp(0, i64::from(self.volume.shape[2 - k]) - 1) as u32);
        let [_, height, width] = self.volume.shape;
        f64::from(self.volume.values[((z * height + y) * width + x) as usize]).clamp(-1e38, 1e38)
    }

    fn at(&self, p: Point) -> f64 {
        if self.nearest {
            return self.voxel(p.map(|c| (c + 0.5).floor() as i64));
        }
        let base = p.map(|c| c.floor() as i64);
        let mut sum = 0.0;
        for corner in 0..8 {
            let offset = [0, 1, 2].map(|k| i64::from(corner >> k & 1));
            let weight: f64 = (0..3).map(|k| 1.0 - (p[k] - (base[k] + offset[k]) as f64).abs()).product();
            if weight > 0.0 {
                sum += weight * self.voxel(std::array::from_fn(|k| base[k] + offset[k]));
            }
        }
        sum
    }
}

/// Samples of one ray, and where it goes.
struct Ray {
    front: Point,
    step: Point,
    count: usize,
    sight: Point,
}

fn ray(volume: &Volume, layer: &VolumeLayer, view: &VolumeView, ndc: (f64, f64), canvas: CanvasSize) -> Option<Ray> {
    let (w, h) = (f64::from(canvas.width), f64::from(canvas.height));
    let (eye, direction, near) = if view.fov > 0.0 {
        let tangent = (view.fov.to_radians() / 2.0).tan();
        let d = along(along(view.forward, view.right, ndc.0 * tangent * w / h), view.up, ndc.1 * tangent);
        (view.eye, d, view.distance / 1e7f64.sqrt())
    } else {
        let unit = view.extent / 2.0 / w.min(h);
        (along(along(view.eye, view.right, ndc.0 * unit * w), view.up, ndc.1 * unit * h), view.forward, -1e6)
    };
    let axes = [2, 1, 0].map(|k| layer.axes[k]);
    let o: Point = std::array::from_fn(|k| (eye[k] - axes[k].translate) / axes[k].scale);
    let d: Point = std::array::from_fn(|k| direction[k] / axes[k].scale);
    let len = [2, 1, 0].map(|k| f64::from(volume.shape[k]));
    let (mut enter, mut leave) = (near, f64::MAX);
    for k in 0..3 {
        let (a, b) = ((-0.5 - o[k]) / d[k], (len[k] - 0.5 - o[k]) / d[k]);
        (enter, leave) = (enter.max(a.min(b)), leave.min(a.max(b)));
    }
    if leave <= enter {
        return None;
    }
    let length = dot(d, d).sqrt();
    let sight = d.map(|c| c / length);
    let step = f64::from(layer.sample_step);
    if let Some(slab) = &layer.slab {
        let xyz = |v: [f64; 3]| [v[2], v[1], v[0]];
        let (position, normal) = (xyz(slab.position), xyz(slab.normal));
        let t = dot(along(position, o, -1.0), normal) / dot(d, normal);
        let meets = along(o, d, t);
        // In `f32`, as napari counts.
        let count = (slab.thickness as f32 / step as f32 + 0.5) as usize;
        let normal = normal.map(|c| c / dot(normal, normal).sqrt());
        let inside = (0..3).all(|k| (-0.5..=len[k] - 0.5).contains(&meets[k]));
        return inside.then(|| Ray { front: along(meets, normal, -(count as f64) / 2.0), step: normal, count, sight });
    }
    let count = ((leave - enter) * length / step + 0.5) as usize;
    (count > 0).then(|| {
        let by = (leave - enter) / count as f64;
        Ray { front: along(o, d, enter), step: d.map(|c| c * by), count, sight }
    })
}

/// The colour of a ray, straight RGBA; `None` if it shows nothing.
fn color(volume: &Volume, layer: &VolumeLayer, ray: &Ray) -> Option<[f64; 4]> {
    let sampler = Sampler { volume, nearest: layer.interpolation == Interpolation::Nearest };
    let Coloring::Scalar(transfer) = &layer.coloring else { return None };
    let (lo, hi) = (f64::from(transfer.limits.0), f64::from(transfer.limits.1));
    let shade = |v: f64| transfer.color(v as f32).map(f64::from);
    let at = |k: f64| sampler.at(along(ray.front, ray.step, k));
    let samples = || (0..ray.count).map(|k| (k as f64, at(k as f64))).filter(|(_, v)| !v.is_nan());
    let over = matches!(layer.blending, Blending::Translucent | Blending::TranslucentNoDepth);
    let extreme = |sign: f64, start: f64, stop: f64| {
        let (mut best, mut found) = (start, None);
        for (k, v) in samples() {
            if v * sign > best {
                (best, found) = (v * sign, Some(k));
                if best >= stop {
                    break;
                }
            }
        }
        let k = found?;
        let finer = (0..10).map(|i| at(k - 0.5 + f64::from(i) * 0.1) * sign).filter(|v| !v.is_nan());
        Some(shade(finer.fold(best, f64::max) * sign))
    };
    let lowest = |limit: f64| if over { limit } else { f64::NEG_INFINITY };
    match layer.rendering {
        Rendering::Mip => extreme(1.0, lowest(lo), hi),
        Rendering::Minip => extreme(-1.0, lowest(-hi), -lo),
        Rendering::AttenuatedMip => {
            let (mut sum, mut best, mut found) = (0.0, lowest(lo), false);
            for (_, v) in samples() {
                sum += f64::from(layer.sample_step) * ((v - lo) / (hi - lo)).clamp(0.0, 1.0);
                let scale = (-f64::from(layer.attenuation) * (sum - 1.0)).exp();
                if best > scale * hi {
                    break;
                }
                if v * scale > best {
                    (best, found) = (v * scale, true);
                }
            }
            found.then(|| shade(best))
        }
        Rendering::Average => {
            let (sum, count) = samples().fold((0.0, 0.0), |(sum, count), (_, v)| (sum + v, count + 1.0));
            (count > 0.0).then(|| shade(sum / count))
        }
        Rendering::Additive => {
            samples().map(|(_, v)| shade(v)).reduce(|a, b| std::array::from_fn(|k| 1.0 - (1.0 - a[k]) * (1.0 - b[k])))
        }
        // The table has no alpha but 1: the first sample is all that is seen.
        Rendering::Translucent => samples().next().map(|(_, v)| shade(v)),
        Rendering::Iso => {
            let unit = match volume.format {
                SampleFormat::U8 => 255.0,
                SampleFormat::U16 => 65_535.0,
                SampleFormat::F32 => 1.0,
            };
            let threshold = f64::from(layer.iso_threshold);
            let candidates = samples().filter(|(_, v)| *v > threshold - 0.2 * unit);
            let mut finer = candidates.flat_map(|(k, _)| (0..10).map(move |i| k - 1.0 + f64::from(i) * 0.1));
            let p = along(ray.front, ray.step, finer.find(|k| at(*k) > threshold)?);
            let (mut value, mut slope) = (sampler.at(p), [0.0; 3]);
            for k in 0..3 {
                let [below, above] = [-1.5, 1.5].map(|by| {
                    let mut q = p;
                    q[k] += by;
                    sampler.at(q)
                });
                slope[k] = below - above;
                value = value.max(below).max(above);
            }
            let facing = (dot(slope, ray.sight).abs() / dot(slope, slope).sqrt()).clamp(0.0, 1.0);
            let facing = if facing.is_nan() { 0.0 } else { facing };
            Some(shade(value * (0.2 + facing) + unit * facing.powi(40)))
        }
    }
}

/// The picture of one layer over black, RGBA, top row first.
pub(crate) fn draw(volume: &Volume, layer: &VolumeLayer, view: &VolumeView, canvas: CanvasSize) -> Vec<u8> {
    let (w, h) = (f64::from(canvas.width), f64::from(canvas.height));
    let mut out = Vec::new();
    for row in 0..canvas.height {
        for column in 0..canvas.width {
            let ndc = ((f64::from(column) + 0.5) / w * 2.0 - 1.0, 1.0 - (f64::from(row) + 0.5) / h * 2.0);
            let ray = ray(volume, layer, view, ndc, canvas);
            let [r, g, b, a] = ray.and_then(|ray| color(volume, layer, &ray)).unwrap_or([0.0; 4]);
            out.extend([r, g, b].map(|c| (c * a * 255.0).round() as u8));
            out.push(255);
        }
    }
    out
}
