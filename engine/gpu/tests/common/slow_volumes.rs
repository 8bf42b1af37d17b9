//! A volume layer over black, in `f64`, sample by sample: `golden/reference/README.md` "Volumes" as plainly as it can be said. What the
//! devices' pictures are compared with.

use crate::volumes::Volume;
use nc_core::data::*;
use nc_gpu::api::*;

type V3 = [f64; 3];

fn add(a: V3, b: V3, t: f64) -> V3 {
    std::array::from_fn(|k| a[k] + t * b[k])
}

fn dot(a: V3, b: V3) -> f64 {
    (0..3).map(|k| a[k] * b[k]).sum()
}

/// A ray's samples: `front + k * stride`, in samples along x, y, z.
struct Ray {
    front: V3,
    stride: V3,
    ahead: V3,
    count: usize,
}

struct Slow<'a> {
    layer: &'a VolumeLayer,
    values: Vec<f64>,
    /// x, y, z.
    len: [usize; 3],
    /// The largest integer of the format, 1 of floats.
    scale: f64,
}

/// The picture of `layer` alone, RGB of 0..255, top row first.
pub(crate) fn draw_slowly(volume: &Volume, layer: &VolumeLayer, view: &VolumeView, size: (u32, u32)) -> Vec<[f64; 3]> {
    let (values, scale): (Vec<f64>, f64) = match &volume.samples {
        Samples::U8(s) => (s.iter().map(|v| f64::from(*v)).collect(), 255.0),
        Samples::U16(s) => (s.iter().map(|v| f64::from(*v)).collect(), 65_535.0),
        Samples::F32(s) => (s.iter().map(|v| f64::from(*v).clamp(-1e38, 1e38)).collect(), 1.0),
    };
    let [nz, ny, nx] = volume.shape.map(|n| n as usize);
    let slow = Slow { layer, values, len: [nx, ny, nz], scale };
    let pixels = (0..size.1).flat_map(|row| (0..size.0).map(move |column| (column, row)));
    pixels
        .map(|(column, row)| {
            let color = slow.ray(view, size, column, row).and_then(|ray| slow.color(&ray)).unwrap_or([0.0; 4]);
            let alpha = color[3].clamp(0.0, 1.0) * f64::from(layer.opacity);
            [0, 1, 2].map(|k| color[k].clamp(0.0, 1.0) * alpha * 255.0)
        })
        .collect()
}

impl Slow<'_> {
    fn ray(&self, view: &VolumeView, (width, height): (u32, u32), column: u32, row: u32) -> Option<Ray> {
        let (w, h) = (f64::from(width), f64::from(height));
        let (x, y) = ((f64::from(column) + 0.5) / w * 2.0 - 1.0, 1.0 - (f64::from(row) + 0.5) / h * 2.0);
        let (start, ahead) = if view.fov > 0.0 {
            let tangent = (view.fov.to_radians() / 2.0).tan();
            let ahead = add(add(view.forward, view.right, x * tangent * w / h), view.up, y * tangent);
            (add(view.eye, ahead, view.distance / 1e7f64.sqrt()), ahead)
        } else {
            let half = view.extent / 2.0 / w.min(h);
            let aside = add(add(view.eye, view.right, x * half * w), view.up, y * half * h);
            (add(aside, view.forward, -1e5), view.forward)
        };
        let axes = [2, 1, 0].map(|k: usize| self.layer.axes[k]);
        let start: V3 = std::array::from_fn(|k| (start[k] - axes[k].translate) / axes[k].scale);
        let ahead: V3 = std::array::from_fn(|k| ahead[k] / axes[k].scale);
        let ahead = ahead.map(|c| c / dot(ahead, ahead).sqrt());
        let sides = |k: usize| [(-0.5 - start[k]) / ahead[k], (self.len[k] as f64 - 0.5 - start[k]) / ahead[k]];
        let enter = (0..3).map(|k| sides(k)[0].min(sides(k)[1])).fold(0.0, f64::max);
        let leave = (0..3).map(|k| sides(k)[0].max(sides(k)[1])).fold(f64::INFINITY, f64::min);
        if leave <= enter {
            return None;
        }
        let step = f64::from(self.layer.sample_step);
        let (count, front, stride) = if let Some(slab) = self.layer.slab {
            let reversed = |[z, y, x]: V3| [x, y, z];
            let (position, normal) = (reversed(slab.position), reversed(slab.normal));
            let normal = normal.map(|c| c / dot(normal, normal).sqrt());
            let crossing = add(start, ahead, dot(add(position, start, -1.0), normal) / dot(ahead, normal));
            if !(0..3).all(|k| (-0.5..=self.len[k] as f64 - 0.5).contains(&crossing[k])) {
                return None;
            }
            // In `f32`, as napari counts.
            let count = (slab.thickness as f32 / step as f32 + 0.5) as usize;
            (count, add(crossing, normal, -(count as f64) / 2.0), normal)
        } else {
            let count = ((leave - enter) / step + 0.5) as usize;
            (count, add(start, ahead, enter), ahead.map(|c| c * (leave - enter) / count as f64))
        };
        (count > 0).then_some(Ray { front, stride, ahead, count })
    }

    fn at(&self, [x, y, z]: [i64; 3]) -> f64 {
        let [x, y, z] = [(x, 0), (y, 1), (z, 2)].map(|(i, k)| i.clamp(0, self.len[k] as i64 - 1) as usize);
        self.values[x + self.len[0] * (y + self.len[1] * z)]
    }

    fn value(&self, p: V3) -> f64 {
        if self.layer.interpolation == Interpolation::Nearest || matches!(self.layer.coloring, Coloring::Labels(_)) {
            return self.at(p.map(|c| (c + 0.5).floor() as i64));
        }
        let (floor, weight) = (p.map(|c| c.floor() as i64), p.map(|c| c - c.floor()));
        let corner = |i: usize| {
            let (at, part): ([i64; 3], V3) = (
                std::array::from_fn(|k| floor[k] + (i >> k & 1) as i64),
                std::array::from_fn(|k| if i >> k & 1 == 1 { weight[k] } else { 1.0 - weight[k] }),
            );
            self.at(at) * part[0] * part[1] * part[2]
        };
        (0..8).map(corner).sum()
    }

    fn color(&self, ray: &Ray) -> Option<[f64; 4]> {
        match &self.layer.coloring {
            Coloring::Labels(labels) => self.label(ray, labels),
            Coloring::Scalar(transfer) => self.scalar(ray, transfer),
        }
    }

    fn scalar(&self, ray: &Ray, transfer: &Transfer) -> Option<[f64; 4]> {
        let layer = self.layer;
        let colored = |v: f64| transfer.color(v as f32).map(f64::from);
        let position = |k: f64| add(ray.front, ray.stride, k);
        let numbers = || (0..ray.count).map(|k| (k, self.value(position(k as f64)))).filter(|(_, v)| !v.is_nan());
        let (lo, hi) = (f64::from(transfer.limits.0), f64::from(transfer.limits.1));
        let discards = matches!(layer.blending, Blending::Translucent | Blending::TranslucentNoDepth);
        match layer.rendering {
            Rendering::Mip | Rendering::Minip => {
                let sign = if layer.rendering == Rendering::Mip { 1.0 } else { -1.0 };
                let (start, end) = if sign > 0.0 { (lo, hi) } else { (-hi, -lo) };
                let mut best = if discards { start } else { f64::NEG_INFINITY };
                let mut found = None;
                for (k, v) in numbers() {
                    if sign * v > best {
                        (best, found) = (sign * v, Some(k as f64));
                        if best >= end {
                            break;
                        }
                    }
                }
                let found = found?;
                let refined = (0..10).map(|i| sign * self.value(position(found - 0.5 + 0.1 * f64::from(i))));
                Some(colored(sign * refined.fold(best, f64::max)))
            }
            Rendering::AttenuatedMip => {
                let (mut best, mut found, mut sum) = (if discards { lo } else { f64::NEG_INFINITY }, false, 0.0);
                for (_, v) in numbers() {
                    sum += f64::from(layer.sample_step) * ((v - lo) / (hi - lo)).clamp(0.0, 1.0);
                    let weak = (-f64::from(layer.attenuation) * (sum - 1.0)).exp();
                    if best > weak * hi {
                        break;
                    }
                    if v * weak > best {
                        (best, found) = (v * weak, true);
                    }
                }
                found.then(|| colored(best))
            }
            Rendering::Average => {
                let values: Vec<f64> = numbers().map(|(_, v)| v).collect();
                Some(colored(values.iter().sum::<f64>() / values.len() as f64))
            }
            Rendering::Additive => {
                let rest = numbers().fold([1.0; 4], |rest: [f64; 4], (_, v)| {
                    let color = colored(v);
                    std::array::from_fn(|k| rest[k] * (1.0 - color[k]))
                });
                Some(rest.map(|r| 1.0 - r))
            }
            Rendering::Translucent => {
                let mut sum = [0.0; 4];
                for (_, v) in numbers() {
                    let color = colored(v);
                    let behind = color[3] * (1.0 - sum[3]);
                    let alpha = (sum[3] + behind).max(0.001);
                    sum = [0, 1, 2, 3].map(|k| if k == 3 { alpha } else { (sum[k] * sum[3] + color[k] * behind) / alpha });
                    if alpha > 0.99 {
                        break;
                    }
                }
                Some(sum)
            }
            Rendering::Iso => {
                let value = |p: V3| self.value(p) / self.scale;
                let threshold = f64::from(layer.iso_threshold) / self.scale;
                let searched = numbers().filter(|(_, v)| v / self.scale > threshold - 0.2);
                let tenths = searched.flat_map(|(k, _)| (0..10).map(move |i| k as f64 - 1.0 + 0.1 * f64::from(i)));
                let hit = tenths.map(position).find(|p| value(*p) > threshold)?;
                let pairs: [(f64, f64); 3] = std::array::from_fn(|k| (value(moved(hit, k, -1.5)), value(moved(hit, k, 1.5))));
                let most = pairs.iter().fold(value(hit), |most, (a, b)| most.max(*a).max(*b));
                let lambert = lit(pairs.map(|(a, b)| a - b), ray.ahead);
                Some(colored((most * (0.2 + lambert) + lambert.powi(40)) * self.scale))
            }
        }
    }

    fn label(&self, ray: &Ray, labels: &LabelColors) -> Option<[f64; 4]> {
        let position = |k: f64| add(ray.front, ray.stride, k);
        let color = |p: V3| labels.color(self.value(p) as u16).map(|k| f64::from(k) / 255.0);
        let searched = (0..ray.count).filter(|k| self.value(position(*k as f64)) != 0.0);
        let tenths = searched.flat_map(|k| (0..10).map(move |i| k as f64 - 1.0 + 0.1 * f64::from(i)));
        let hit = tenths.map(position).find(|p| color(*p)[3] > 0.0)?;
        let (flat, here) = (color(hit), self.value(hit));
        if self.layer.rendering == Rendering::Translucent {
            return Some(flat);
        }
        let slope = std::array::from_fn(|k| {
            let [a, b] = [-1.5, 1.5].map(|by| {
                let p = moved(hit, k, by);
                if (-0.5..=self.len[k] as f64 - 0.5).contains(&p[k]) { self.value(p) } else { 0.0 }
            });
            if a == 0.0 && b == 0.0 { -2.0 * here } else { b - a }
        });
        let lambert = lit(slope, ray.ahead);
        Some([0, 1, 2, 3].map(|k| if k == 3 { flat[3] } else { flat[k] * (0.2 + lambert) }))
    }
}

fn moved(mut p: V3, axis: usize, by: f64) -> V3 {
    p[axis] += by;
    p
}

/// The cosine between a slope and the ray; 0 without a slope.
fn lit(slope: V3, ahead: V3) -> f64 {
    let steepness = dot(slope, slope).sqrt();
    if steepness > 0.0 { dot(slope, ahead).abs() / steepness } else { 0.0 }
}
