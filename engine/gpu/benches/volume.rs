//! Time of the 3D pass on the cpu device, with its default threads: 1280x720, one u16 volume of 256³ that fills the canvas, trilinear.
//!
//! `cargo bench -p nc-gpu --bench volume`. `rest` draws every pixel with a step of 0.8 samples as napari does, `moving` a quarter of the
//! pixels with a step of 1.6; the camera turns by 15 degrees from draw to draw. `brain` is a head: a bright shell about soft blobs, noise
//! of 1 % around it. `noise` has nothing that could be passed over. `every sample` is the same without passing over anything.

use criterion::{Criterion, criterion_group, criterion_main};
use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use std::hint::black_box;
use std::time::Duration;

const CANVAS: CanvasSize = CanvasSize { width: 1280, height: 720 };
const EDGE: u32 = 256;
const KEY: VolumeKey = VolumeKey { image: ImageId(1), level: 0, axes: [0, 1, 2], index: [0; MAX_AXES] };

fn hash(mut x: u32) -> u32 {
    x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

/// Of sample x, y, z.
fn brain(at: [u32; 3]) -> u16 {
    let noise = (hash((at[2] * EDGE + at[1]) * EDGE + at[0]) & 255) as f32;
    let [x, y, z] = at.map(|c| c as f32);
    let part = |c: f32, share: f32| (c - EDGE as f32 / 2.0) / (share * EDGE as f32);
    let (u, v, w) = (part(x, 0.40), part(y, 0.46), part(z, 0.38));
    let blobs = |s: f32| (x * s).sin() * (y * s * 1.1 + 1.0).sin() * (z * s * 0.9 + 2.0).cos();
    let value = match (u * u + v * v + w * w).sqrt() {
        r if r > 1.0 => 0.0,
        r if r > 0.93 => 2000.0 + 30_000.0 * (1.0 - ((r - 0.965) / 0.035).powi(2)).max(0.0),
        r if r > 0.86 => 3000.0,
        _ => 22_000.0 + 9000.0 * blobs(0.12) + 6000.0 * blobs(0.31) + noise * 8.0,
    };
    (value + noise) as u16
}

fn noise(at: [u32; 3]) -> u16 {
    hash((at[2] * EDGE + at[1]) * EDGE + at[0]) as u16
}

fn bricks(value: fn([u32; 3]) -> u16) -> Vec<(BrickKey, Brick)> {
    let brick = |key: BrickKey| {
        let [z0, y0, x0] = key.origin();
        let at = |i: u32| [x0 + i % BRICK, y0 + i / BRICK % BRICK, z0 + i / BRICK / BRICK];
        let samples = Samples::U16((0..BRICK.pow(3)).map(|i| value(at(i))).collect());
        (key, Brick::new([BRICK; 3], samples).expect("a brick"))
    };
    BrickKey::all(KEY, [EDGE; 3]).map(brick).collect()
}

fn pass(rendering: Rendering, limits: (f32, f32), at_rest: bool, turn: u32) -> VolumePass {
    let ((sa, ca), (se, ce)) = ((f64::from(turn % 24) * 15.0 + 6.0).to_radians().sin_cos(), 20f64.to_radians().sin_cos());
    let (right, forward, up) = ([ca, sa, 0.0], [-ce * sa, ce * ca, -se], [-se * sa, se * ca, ce]);
    let (distance, middle) = (300.0, f64::from(EDGE - 1) / 2.0);
    let eye = forward.map(|f| middle - distance * f);
    let transfer = Transfer { limits, gamma: 1.0, table: colormap::named("gray").expect("a map") };
    let layer = VolumeLayer {
        key: KEY,
        axes: [SampleAxis { len: EDGE, scale: 1.0, translate: 0.0 }; 3],
        interpolation: Interpolation::Linear,
        coloring: Coloring::Scalar(transfer),
        opacity: 1.0,
        blending: Blending::Translucent,
        rendering,
        slab: None,
        attenuation: 0.05,
        iso_threshold: limits.1 * 0.4,
        sample_step: if at_rest { 0.8 } else { 1.6 },
    };
    let view = VolumeView { eye, right, up, forward, distance, fov: 34.4, extent: 0.0 };
    let bounds = [[-0.5, f64::from(EDGE) - 0.5]; 3];
    VolumePass { canvas: CANVAS, divisor: if at_rest { 1 } else { 2 }, outline: false, view, bounds, layers: vec![layer] }
}

fn bench(c: &mut Criterion) {
    let options = CpuOptions::default();
    println!("cpu: {}", CpuDevice::new(CANVAS, options).info().description);
    for (name, value, limits) in [("brain", brain as fn([u32; 3]) -> u16, (1500.0, 45_000.0)), ("noise", noise, (0.0, 65_535.0))]
    {
        let bricks = bricks(value);
        let mut draws = |kind: &str, mut device: CpuDevice, renderings: &[Rendering]| {
            for (key, brick) in &bricks {
                device.upload_brick(*key, [EDGE; 3], brick).expect("room");
            }
            for rendering in renderings {
                for (pace, at_rest) in [("rest", true), ("moving", false)] {
                    let mut turn = 0;
                    c.bench_function(&format!("{name}, {}, {pace}{kind}", rendering.name()), |b| {
                        b.iter(|| {
                            turn += 1;
                            device.draw_volume(black_box(&pass(*rendering, limits, at_rest, turn))).expect("a picture");
                        });
                    });
                }
            }
        };
        draws("", CpuDevice::new(CANVAS, options), &Rendering::ALL);
        draws(", every sample", CpuDevice::exhaustive(CANVAS, options), &[Rendering::Mip]);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = bench
}
criterion_main!(benches);
