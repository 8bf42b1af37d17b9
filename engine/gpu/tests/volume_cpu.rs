//! Volumes on the cpu device: against a slow and plain renderer, and what must not change the picture.

use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use std::sync::Arc;

#[path = "volume_cpu/plain.rs"]
mod plain;

const CANVAS: CanvasSize = CanvasSize { width: 72, height: 50 };

fn key(number: u32) -> VolumeKey {
    VolumeKey { image: ImageId(number), level: 0, axes: [0, 1, 2], index: [0; MAX_AXES] }
}

/// Samples z, y, x with x fastest, as numbers, of a format.
struct Volume {
    key: VolumeKey,
    shape: [u32; 3],
    format: SampleFormat,
    values: Vec<f32>,
}

impl Volume {
    /// Blobs and noise within `range`; some not a number or infinite, if asked for.
    fn new(number: u32, shape: [u32; 3], format: SampleFormat, (lo, hi): (f32, f32), odd: bool) -> Self {
        let mut noise = 0x9e37_79b9u32 ^ number;
        let values = (0..shape.iter().product()).map(|i: u32| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let [x, y, z] = [i % shape[2], i / shape[2] % shape[1], i / shape[2] / shape[1]].map(|v| v as f32);
            let blob = (x * 0.31).sin() * (y * 0.23 + 1.0).sin() * (z * 0.27).cos() * 0.5 + 0.5;
            let v = lo + (hi - lo) * (blob * blob * 0.9 + (noise & 255) as f32 / 2550.0);
            match (odd, noise >> 24) {
                (true, 0) => f32::NAN,
                (true, 1) => f32::INFINITY,
                _ if format == SampleFormat::F32 => v,
                _ => v.round(),
            }
        });
        Self { key: key(number), shape, format, values: values.collect() }
    }

    fn bricks(&self) -> Vec<(BrickKey, Brick)> {
        let [_, height, width] = self.shape;
        BrickKey::all(self.key, self.shape)
            .map(|key| {
                let (origin, size) = (key.origin(), key.size(self.shape).expect("a brick"));
                let at = |i: u32| {
                    let (z, y, x) = (i / size[2] / size[1], i / size[2] % size[1], i % size[2]);
                    self.values[(((origin[0] + z) * height + origin[1] + y) * width + origin[2] + x) as usize]
                };
                let values = (0..size.iter().product()).map(at);
                let samples = match self.format {
                    SampleFormat::U8 => Samples::U8(values.map(|v| v as u8).collect()),
                    SampleFormat::U16 => Samples::U16(values.map(|v| v as u16).collect()),
                    SampleFormat::F32 => Samples::F32(values.collect()),
                };
                (key, Brick::new(size, samples).expect("a brick"))
            })
            .collect()
    }

    fn upload(&self, device: &mut CpuDevice) {
        for (key, brick) in self.bricks() {
            device.upload_brick(key, self.shape, &brick).expect("room");
        }
    }

    fn layer(&self, rendering: Rendering, limits: (f32, f32)) -> VolumeLayer {
        let transfer = Transfer { limits, gamma: 1.0, table: colormap::named("gray").expect("a map") };
        VolumeLayer {
            key: self.key,
            axes: [(0, 1.5, -3.0), (1, 1.0, 4.0), (2, -1.0, 20.0)].map(|(axis, scale, translate)| SampleAxis {
                len: self.shape[axis],
                scale,
                translate,
            }),
            interpolation: Interpolation::Linear,
            coloring: Coloring::Scalar(transfer),
            opacity: 1.0,
            blending: Blending::Translucent,
            rendering,
            slab: None,
            attenuation: 0.05,
            iso_threshold: limits.0 + 0.6 * (limits.1 - limits.0),
            sample_step: 0.8,
        }
    }
}

/// Looks at a point from an azimuth and an elevation, degrees.
fn view(center: [f64; 3], azimuth: f64, elevation: f64, distance: f64, fov: f64) -> VolumeView {
    let ((sa, ca), (se, ce)) = (azimuth.to_radians().sin_cos(), elevation.to_radians().sin_cos());
    let (right, forward, up) = ([ca, sa, 0.0], [-ce * sa, ce * ca, -se], [-se * sa, se * ca, ce]);
    let eye = std::array::from_fn(|k| center[k] - distance * forward[k]);
    VolumeView { eye, right, up, forward, distance, fov, extent: 60.0 }
}

/// The middle of the layers above: x goes down from 20, z up from -3 in steps of 1.5.
const MIDDLE: [f64; 3] = [2.0, 20.0, 20.0];

fn views() -> [VolumeView; 4] {
    [
        view(MIDDLE, 30.0, 25.0, 70.0, 50.0),
        view(MIDDLE, -140.0, -60.0, 90.0, 0.0),
        // Inside of the box, and along an axis.
        view(MIDDLE, 75.0, 10.0, 6.0, 80.0),
        view(MIDDLE, 0.0, 0.0, 80.0, 40.0),
    ]
}

fn pass(view: VolumeView, layers: Vec<VolumeLayer>) -> VolumePass {
    VolumePass { canvas: CANVAS, divisor: 1, outline: false, view, bounds: [[0.0, 1.0]; 3], layers }
}

fn device(simd: bool) -> CpuDevice {
    CpuDevice::new(CANVAS, CpuOptions { simd, threads: 2 })
}

fn draw(device: &mut CpuDevice, pass: &VolumePass) -> Vec<u8> {
    device.draw_volume(pass).expect("a picture");
    device.read_rgba().expect("pixels")
}

const SHAPE: [u32; 3] = [30, 33, 37];

fn volumes() -> [(Volume, (f32, f32)); 4] {
    [
        (Volume::new(1, SHAPE, SampleFormat::U8, (0.0, 250.0), false), (20.0, 240.0)),
        (Volume::new(2, SHAPE, SampleFormat::U16, (3000.0, 60_000.0), false), (5000.0, 58_000.0)),
        (Volume::new(3, SHAPE, SampleFormat::F32, (-0.2, 1.0), false), (0.0, 0.9)),
        (Volume::new(4, SHAPE, SampleFormat::F32, (-0.2, 1.0), true), (0.0, 0.9)),
    ]
}

/// Of all components, how many differ by more than 4, and the mean difference of the others.
fn difference(a: &[u8], b: &[u8]) -> (f64, f64) {
    let off: Vec<u8> = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect();
    let near = off.iter().filter(|d| **d <= 4);
    let share = 1.0 - near.clone().count() as f64 / off.len() as f64;
    (share, near.map(|d| f64::from(*d)).sum::<f64>() / off.len() as f64)
}

/// Rounding decides how many samples a ray has and whether one is above a threshold: few pixels may differ, the others hardly do.
#[test]
fn every_mode_is_as_a_plain_renderer_draws_it() {
    let mut device = device(true);
    for (volume, limits) in &volumes() {
        volume.upload(&mut device);
        for rendering in Rendering::ALL {
            for (i, view) in views().into_iter().enumerate() {
                for blending in [Blending::Translucent, Blending::Additive] {
                    let mut layer = VolumeLayer { blending, ..volume.layer(rendering, *limits) };
                    if i == 1 {
                        layer.interpolation = Interpolation::Nearest;
                    }
                    let expected = plain::draw(volume, &layer, &view, CANVAS);
                    let drawn = draw(&mut device, &pass(view, vec![layer]));
                    let (far, mean) = difference(&drawn, &expected);
                    let number = volume.key.image.0;
                    assert!(far < 0.01 && mean < 0.25, "volume {number} {rendering:?} {blending:?} view {i}: {far} {mean}");
                }
            }
        }
    }
}

#[test]
fn a_slab_is_as_a_plain_renderer_draws_it() {
    let mut device = device(true);
    let (volume, limits) = &volumes()[1];
    volume.upload(&mut device);
    for rendering in [Rendering::Mip, Rendering::Average, Rendering::Iso] {
        let slab = Slab { position: [14.0, 17.0, 18.0], normal: [1.0, 0.5, -0.7], thickness: 6.0 };
        let layer = VolumeLayer { slab: Some(slab), iso_threshold: 20_000.0, ..volume.layer(rendering, *limits) };
        let expected = plain::draw(volume, &layer, &views()[0], CANVAS);
        let drawn = draw(&mut device, &pass(views()[0], vec![layer]));
        let lit = drawn.chunks(4).filter(|p| p[0] > 0).count();
        assert!(lit > 50, "{rendering:?}: {lit}");
        let (far, mean) = difference(&drawn, &expected);
        assert!(far < 0.01 && mean < 0.25, "{rendering:?}: {far} {mean}");
    }
}

/// The same bits with and without vector instructions. Passing over what does not matter changes nothing but means, by an eighth of a
/// level at most, which rounding makes one.
#[test]
fn no_option_changes_the_picture() {
    let options = CpuOptions { simd: true, threads: 2 };
    let (mut simd, mut portable, mut exhaustive) = (device(true), device(false), CpuDevice::exhaustive(CANVAS, options));
    for (volume, limits) in &volumes() {
        [&mut simd, &mut portable, &mut exhaustive].into_iter().for_each(|device| volume.upload(device));
        for rendering in Rendering::ALL {
            for view in views() {
                let pass =
                    VolumePass { divisor: 1 + volume.key.image.0 % 2, ..pass(view, vec![volume.layer(rendering, *limits)]) };
                let [a, b, c] = [&mut simd, &mut portable, &mut exhaustive].map(|device| draw(device, &pass));
                assert!(a == b, "{:?} {rendering:?}: vector instructions", volume.format);
                let most = a.iter().zip(&c).map(|(a, c)| a.abs_diff(*c)).max().unwrap_or(0);
                // What would be a quarter of a level more is not sought, or a level where less is drawn.
                let moving = u8::from(pass.divisor > 1);
                let bound = match rendering {
                    Rendering::Average | Rendering::Additive => 1,
                    Rendering::Mip | Rendering::Minip => 1 + moving,
                    _ => 0,
                };
                assert!(most <= bound, "{:?} {rendering:?}: passing over, {most}", volume.format);
            }
        }
    }
}

#[test]
fn a_maximum_is_no_less_than_any_sample_and_a_minimum_no_more() {
    let mut device = device(true);
    let (volume, limits) = &volumes()[1];
    volume.upload(&mut device);
    let of = |rendering, blending| VolumeLayer { blending, ..volume.layer(rendering, *limits) };
    for view in views() {
        let [most, mean, least] = [Rendering::Mip, Rendering::Average, Rendering::Minip]
            .map(|rendering| draw(&mut device, &pass(view, vec![of(rendering, Blending::Additive)])));
        // What a ray enters at is one of its samples.
        let first = draw(&mut device, &pass(view, vec![of(Rendering::Translucent, Blending::Additive)]));
        for (i, most) in most.iter().enumerate() {
            assert!(*most >= mean[i] && mean[i] >= least[i] && *most >= first[i] && first[i] >= least[i]);
        }
    }
}

#[test]
fn what_lacks_bricks_is_left_alone_and_what_is_evicted_is_gone() {
    let mut device = device(true);
    let volume = Volume::new(9, [70, 20, 20], SampleFormat::U16, (0.0, 60_000.0), false);
    let pass = pass(view([10.0, 14.0, 50.0], 30.0, 20.0, 120.0, 60.0), vec![volume.layer(Rendering::Mip, (0.0, 50_000.0))]);
    let lit = |picture: &[u8]| picture.chunks(4).any(|p| p[..3] != [0, 0, 0]);
    let bricks = volume.bricks();
    assert_eq!(bricks.len(), 2);
    for (i, (key, brick)) in bricks.iter().enumerate() {
        assert!(!lit(&draw(&mut device, &pass)), "{i} of 2 bricks");
        device.upload_brick(*key, volume.shape, brick).expect("room");
    }
    let whole = draw(&mut device, &pass);
    assert!(lit(&whole));
    // A brick again replaces itself.
    device.upload_brick(bricks[0].0, volume.shape, &bricks[0].1).expect("room");
    assert!(draw(&mut device, &pass) == whole);
    device.evict_volume(&volume.key);
    assert!(!lit(&draw(&mut device, &pass)));
    device.evict_volume(&volume.key);
}

#[test]
fn bricks_that_do_not_fit_are_refused_and_change_nothing() {
    let mut device = device(true);
    let volume = Volume::new(9, [20, 20, 20], SampleFormat::U16, (0.0, 60_000.0), false);
    volume.upload(&mut device);
    let pass = pass(views()[0], vec![volume.layer(Rendering::Mip, (0.0, 50_000.0))]);
    let before = draw(&mut device, &pass);
    let brick = |size: [u32; 3]| {
        Brick::new(size, Samples::U16(vec![65_535; size.iter().product::<u32>() as usize].into())).expect("a brick")
    };
    let bytes = Brick::new([20; 3], Samples::U8(vec![255; 8000].into())).expect("a brick");
    let at = |at| BrickKey { volume: volume.key, at };
    for (key, shape, brick) in [
        (at([0; 3]), [20; 3], brick([20, 20, 19])),
        (at([0, 0, 1]), [20; 3], brick([20; 3])),
        (at([0; 3]), [20, 20, 21], brick([20, 20, 21])),
        (at([0; 3]), [20; 3], bytes),
    ] {
        assert!(matches!(device.upload_brick(key, shape, &brick), Err(DeviceError::Refused(_))), "{key:?} {shape:?}");
    }
    assert!(draw(&mut device, &pass) == before);
}

#[test]
fn what_is_nearer_hides_where_depth_counts() {
    let mut device = device(true);
    let full = |number| Volume { key: key(number), shape: [10; 3], format: SampleFormat::U8, values: vec![200.0; 1000] };
    let (far, near) = (full(1), full(2));
    far.upload(&mut device);
    near.upload(&mut device);
    let at = |volume: &Volume, y: f64, map: &str, blending| {
        let axes = [0.0, y, 0.0].map(|translate| SampleAxis { len: 10, scale: 1.0, translate });
        let coloring =
            Coloring::Scalar(Transfer { limits: (0.0, 100.0), gamma: 1.0, table: colormap::named(map).expect("a map") });
        VolumeLayer { axes, coloring, blending, ..volume.layer(Rendering::Mip, (0.0, 100.0)) }
    };
    let view = view([4.5, 10.0, 4.5], 0.0, 0.0, 60.0, 30.0);
    let middle = |device: &mut CpuDevice, layers| {
        let picture = draw(device, &pass(view, layers));
        let at = ((CANVAS.height / 2 * CANVAS.width + CANVAS.width / 2) * 4) as usize;
        [picture[at], picture[at + 1], picture[at + 2]]
    };
    let (red, green) = ([255, 0, 0], [0, 255, 0]);
    // The nearer one hides the other in either order, unless depth does not count.
    for blending in [Blending::Translucent, Blending::Opaque] {
        let layers = [at(&near, 0.0, "red", blending), at(&far, 20.0, "green", blending)];
        assert_eq!(middle(&mut device, layers.to_vec()), red);
        assert_eq!(middle(&mut device, layers.iter().rev().cloned().collect()), red);
    }
    let layers = vec![at(&near, 0.0, "red", Blending::Translucent), at(&far, 20.0, "green", Blending::TranslucentNoDepth)];
    assert_eq!(middle(&mut device, layers), green);
    // Of two in one place the later one is seen.
    let layers = vec![at(&near, 0.0, "red", Blending::Translucent), at(&far, 0.0, "green", Blending::Translucent)];
    assert_eq!(middle(&mut device, layers), green);
}

#[test]
fn labels_have_their_colours_and_background_has_none() {
    let mut device = device(true);
    let mut volume = Volume::new(5, [20; 3], SampleFormat::U16, (0.0, 0.0), false);
    for (i, v) in volume.values.iter_mut().enumerate() {
        let [x, y, z] = [i % 20, i / 20 % 20, i / 400];
        *v = if (5..15).contains(&x) && (5..15).contains(&y) && (5..15).contains(&z) { 7.0 } else { 0.0 };
    }
    volume.upload(&mut device);
    let colors = Arc::new(LabelColors::new([(7, [200, 100, 50, 255])]));
    let axes = [SampleAxis { len: 20, scale: 1.0, translate: 0.0 }; 3];
    let of = |rendering| VolumeLayer { axes, coloring: Coloring::Labels(colors.clone()), ..volume.layer(rendering, (0.0, 1.0)) };
    let view = view([9.5; 3], 0.0, 0.0, 60.0, 30.0);
    for (rendering, light) in [(Rendering::Translucent, 1.0f32), (Rendering::Iso, 1.2)] {
        let picture = draw(&mut device, &pass(view, vec![of(rendering)]));
        let at = |x: u32, y: u32| &picture[((y * CANVAS.width + x) * 4) as usize..][..3];
        let lit = [200.0, 100.0, 50.0].map(|c: f32| (c * light).min(255.0).round() as u8);
        // A face that looks at the eye; its slope turns a little with perspective.
        assert!(at(36, 25).iter().zip(lit).all(|(a, b)| a.abs_diff(b) <= 1), "{rendering:?} {:?}", at(36, 25));
        assert_eq!(at(1, 1), [0, 0, 0]);
    }
}

#[test]
fn no_view_breaks_anything() {
    let mut device = device(true);
    let (volume, limits) = &volumes()[0];
    volume.upload(&mut device);
    let huge = [1e-300, 1e-30, 1e-3, 1.0, 1e9, 1e15, 1e300, f64::NAN, f64::INFINITY];
    for (i, a) in huge.into_iter().enumerate() {
        for b in huge {
            let mut layer = volume.layer(Rendering::ALL[i % 7], *limits);
            layer.axes[i % 3].scale = b;
            layer.sample_step = b as f32;
            layer.slab = (i % 2 == 0).then_some(Slab { position: [a, b, 1.0], normal: [b, a, 0.0], thickness: b });
            draw(&mut device, &VolumePass { divisor: 1 + i as u32 % 4, ..pass(view([a, 0.0, b], a, 1.0, b, 40.0), vec![layer]) });
        }
    }
}
