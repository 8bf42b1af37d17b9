//! Time of the 2D slice pass and of capture, 1280x720: on the cpu device with one thread, and, until the host has the frame, on the
//! gl device where there is GL at all (its name is printed).
//!
//! `cargo bench -p nc-gpu --bench slice`. The view shows 1152x648 samples of a 2048x2048 u16 image, a little off the pixel grid
//! and moving from draw to draw, so that every row crosses tile borders. Three layers are added as fluorescence channels are.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_cpu::{CpuDevice, CpuOptions};
use nc_gpu::device_gl::GlDevice;
use std::hint::black_box;

const CANVAS: CanvasSize = CanvasSize { width: 1280, height: 720 };
const EDGE: u32 = 2048;

fn plane(channel: u32) -> PlaneKey {
    PlaneKey { image: ImageId(1), level: 0, row_axis: 1, col_axis: 2, index: [channel, 0, 0, 0, 0] }
}

/// Blobs with noise, as light microscopy has.
fn tile(channel: u32, ty: u32, tx: u32) -> Tile {
    let mut noise = 0x9e37_79b9_u32 ^ (channel << 20) ^ (ty << 10) ^ tx;
    let samples: Vec<u16> = (0..TILE * TILE)
        .map(|i| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let (x, y) = ((tx * TILE + i % TILE) as f32, (ty * TILE + i / TILE) as f32);
            let blob = (x * 0.03 + channel as f32).sin() * (y * 0.02).cos();
            (25_000.0 + 20_000.0 * blob) as u16 + (noise & 2047) as u16
        })
        .collect();
    Tile { width: TILE, height: TILE, samples: Samples::U16(samples.into()) }
}

fn filled<D: RenderDevice>(mut device: D) -> D {
    for channel in 0..3 {
        for i in 0..(EDGE / TILE).pow(2) {
            let (ty, tx) = (i / (EDGE / TILE), i % (EDGE / TILE));
            device.upload(TileKey { plane: plane(channel), ty, tx }, &tile(channel, ty, tx)).expect("room");
        }
    }
    device
}

fn pass(layers: &[(&str, Blending, f32)], interpolation: Interpolation, gamma: f32, step: u32) -> SlicePass {
    let (width, height) = (1152.0, 648.0);
    let left = 300.3 + f64::from(step % 64) * 3.7;
    let axis = SampleAxis { len: EDGE, scale: 1.0, translate: 0.0 };
    let layer = |(channel, (name, blending, opacity)): (usize, &(&str, Blending, f32))| SliceLayer {
        planes: vec![SlicePlane { key: plane(channel as u32), x: axis, y: axis }],
        interpolation,
        coloring: Coloring::Scalar(Transfer { limits: (3000.0, 45_000.0), gamma, table: colormap::named(name).expect("a map") }),
        contour: 0,
        opacity: *opacity,
        blending: *blending,
    };
    let view = Rect { left, bottom: 411.7, width, height };
    SlicePass { canvas: CANVAS, view, layers: layers.iter().enumerate().map(layer).collect() }
}

fn bench(c: &mut Criterion) {
    use Blending::{Additive, Translucent};
    let mut device = filled(CpuDevice::new(CANVAS, CpuOptions { simd: true, threads: 1 }));
    let one = [("gray", Translucent, 1.0)];
    let three = [("green", Additive, 1.0), ("magenta", Additive, 1.0), ("blue", Additive, 1.0)];
    let blend = [("gray", Translucent, 1.0), ("viridis", Translucent, 0.5)];
    let cases = [
        ("nearest, 1 layer", &one[..], Interpolation::Nearest, 1.0),
        ("linear, 1 layer", &one[..], Interpolation::Linear, 1.0),
        ("nearest, 3 additive layers", &three[..], Interpolation::Nearest, 1.0),
        ("linear, 3 additive layers", &three[..], Interpolation::Linear, 1.0),
        ("linear, 1 layer, gamma 0.7", &one[..], Interpolation::Linear, 0.7),
        ("linear, translucent over opaque", &blend[..], Interpolation::Linear, 1.0),
    ];
    for (name, layers, interpolation, gamma) in cases {
        let passes: Vec<_> = (0..64).map(|step| pass(layers, interpolation, gamma, step)).collect();
        let mut step = 0;
        c.bench_function(name, |b| {
            b.iter(|| {
                step += 1;
                device.draw_slice(black_box(&passes[step % 64])).expect("a picture");
            });
        });
    }
    for range in [ColorRange::Full, ColorRange::Limited] {
        c.bench_function(&format!("capture I420, {range:?}"), |b| {
            b.iter(|| device.capture(FrameFormat::I420 { range }).expect("a free slot"));
        });
    }
    let (key, uploaded) = (TileKey { plane: plane(9), ty: 0, tx: 0 }, tile(0, 0, 0));
    c.bench_function("upload and evict one tile", |b| {
        b.iter_batched(
            || uploaded.clone(),
            |tile| {
                device.upload(key, &tile).expect("room");
                device.evict(&key);
            },
            BatchSize::SmallInput,
        );
    });
    let Ok(gl) = GlDevice::open(CANVAS, true) else { return };
    println!("gl: {}", gl.info().description);
    let mut gl = filled(gl);
    for (name, layers, interpolation, gamma) in cases {
        let passes: Vec<_> = (0..64).map(|step| pass(layers, interpolation, gamma, step)).collect();
        let mut step = 0;
        c.bench_function(&format!("gl, with capture: {name}"), |b| {
            b.iter(|| {
                step += 1;
                gl.draw_slice(black_box(&passes[step % 64])).expect("a picture");
                gl.capture(FrameFormat::I420 { range: ColorRange::Full }).expect("a free slot")
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
