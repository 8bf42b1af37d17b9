//! How long the gl device takes to draw volumes and slices: milliseconds a frame until the device is done with it, medians of rounds.
//!
//! `cargo run --release -p nc-gpu --example gl_volume -- volumes=256,1024 canvases=1920x1080,3840x2160 frames=30`; what is left out is
//! as written here, and `software` takes a driver on the processor too. A volume is a cube of u16 that looks like a head in a scanner:
//! a noisy background below the lower contrast limit, a skull, folded matter in it. The camera turns by a degree from frame to frame:
//! close by, where the volume fills the canvas, and from where all of it is seen. `skip` passes over what does not matter, `all` takes
//! every sample. `lit` is the part of the canvas that is not black.

use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_gl::{GlDevice, GlOptions};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const MODES: [Rendering; 6] =
    [Rendering::Mip, Rendering::Average, Rendering::Iso, Rendering::Translucent, Rendering::AttenuatedMip, Rendering::Additive];

struct Arguments {
    volumes: Vec<u32>,
    canvases: Vec<CanvasSize>,
    frames: u32,
    software: bool,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let full_hd = CanvasSize { width: 1920, height: 1080 };
        let canvases = vec![full_hd, CanvasSize { width: 3840, height: 2160 }];
        let mut arguments = Self { volumes: vec![256, 1024], canvases, frames: 30, software: false };
        for word in words {
            match word.split_once('=') {
                Some(("volumes", list)) => arguments.volumes = list.split(',').map(str::parse).collect::<Result<_, _>>()?,
                Some(("canvases", list)) => arguments.canvases = list.split(',').map(canvas).collect::<Result<_, _>>()?,
                Some(("frames", count)) => arguments.frames = count.parse::<u32>()?.max(1),
                None if word == "software" => arguments.software = true,
                _ => return Err(format!("what is {word}?").into()),
            }
        }
        Ok(arguments)
    }
}

fn canvas(text: &str) -> Result<CanvasSize, Box<dyn Error>> {
    let (width, height) = text.split_once('x').ok_or("a canvas is WIDTHxHEIGHT")?;
    Ok(CanvasSize { width: width.parse()?, height: height.parse()? })
}

/// A head of `edge` samples along each side.
struct Head {
    edge: u32,
    /// Of every position along an axis: a fold's phase, coarse and fine.
    waves: Vec<[f32; 2]>,
}

impl Head {
    fn new(edge: u32) -> Self {
        let at = |i: u32| i as f32 / edge as f32;
        Self { edge, waves: (0..edge).map(|i| [(at(i) * 60.0).sin(), (at(i) * 150.0).cos()]).collect() }
    }

    fn key(&self) -> VolumeKey {
        VolumeKey { image: ImageId(self.edge), level: 0, axes: [0, 1, 2], index: [0; MAX_AXES] }
    }

    fn brick(&self, key: BrickKey) -> Option<Brick> {
        let ([oz, oy, ox], size) = (key.origin(), key.size([self.edge; 3])?);
        let mut noise = 0x9e37_79b9 ^ (oz << 20) ^ (oy << 10) ^ ox;
        let mut samples = Vec::with_capacity(size.iter().product::<u32>() as usize);
        let centred = |i: u32| 2.0 * (i as f32 + 0.5) / self.edge as f32 - 1.0;
        for z in oz..oz + size[0] {
            for y in oy..oy + size[1] {
                let (yz, [wy, fy], [wz, fz]) =
                    ((centred(y) / 0.9).powi(2) + (centred(z) / 0.8).powi(2), self.waves[y as usize], self.waves[z as usize]);
                for x in ox..ox + size[2] {
                    noise ^= noise << 13;
                    noise ^= noise >> 17;
                    noise ^= noise << 5;
                    let (d, [wx, fx]) = ((centred(x) / 0.75).powi(2) + yz, self.waves[x as usize]);
                    let value = if d > 1.0 {
                        0.0
                    } else if d > 0.88 {
                        30_000.0 + 4000.0 * wx * wz
                    } else if d > 0.8 {
                        3000.0
                    } else {
                        24_000.0 + 9000.0 * (wx * wy + wy * wz + wz * wx) + 2500.0 * fx * fy * fz
                    };
                    samples.push((value.max(0.0) + (noise & 511) as f32) as u16);
                }
            }
        }
        Brick::new(size, Samples::U16(samples.into()))
    }

    /// Makes it on all processors and uploads it. Returns how long uploading took.
    fn upload(&self, device: &mut GlDevice) -> Result<Duration, Box<dyn Error>> {
        let shape = [self.edge; 3];
        let keys: Vec<BrickKey> = BrickKey::all(self.key(), shape).collect();
        let (next, mut spent) = (AtomicUsize::new(0), Duration::ZERO);
        let (bricks_in, bricks) = std::sync::mpsc::sync_channel(32);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
                let (bricks_in, keys, next) = (bricks_in.clone(), &keys, &next);
                scope.spawn(move || {
                    while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // A closed channel: the upload failed.
                        let Some(brick) = self.brick(*key) else { return };
                        if bricks_in.send((*key, brick)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(bricks_in);
            for (key, brick) in bricks {
                let start = Instant::now();
                device.upload_brick(key, shape, &brick)?;
                spent += start.elapsed();
            }
            let start = Instant::now();
            device.finish()?;
            Ok(spent + start.elapsed())
        })
    }

    fn pass(&self, canvas: CanvasSize, rendering: Rendering, azimuth: f64, distance: f64) -> Result<VolumePass, Box<dyn Error>> {
        let edge = f64::from(self.edge);
        let ((sa, ca), (se, ce)) = (azimuth.to_radians().sin_cos(), 25f64.to_radians().sin_cos());
        let (right, forward, up) = ([ca, sa, 0.0], [-ce * sa, ce * ca, -se], [-se * sa, se * ca, ce]);
        let (middle, distance) = ((edge - 1.0) / 2.0, distance * edge);
        let eye = forward.map(|f| middle - distance * f);
        let axis = SampleAxis { len: self.edge, scale: 1.0, translate: 0.0 };
        let table = colormap::named("viridis").ok_or("no such map")?;
        let layer = VolumeLayer {
            key: self.key(),
            axes: [axis; 3],
            interpolation: Interpolation::Linear,
            coloring: Coloring::Scalar(Transfer { limits: (1000.0, 50_000.0), gamma: 1.0, table }),
            opacity: 1.0,
            blending: Blending::Translucent,
            rendering,
            slab: None,
            attenuation: 0.05,
            iso_threshold: 15_000.0,
            sample_step: 0.8,
        };
        let view = VolumeView { eye, right, up, forward, distance, fov: 45.0, extent: edge };
        Ok(VolumePass { canvas, divisor: 1, outline: false, view, bounds: [[0.0, edge]; 3], layers: vec![layer] })
    }
}

/// Milliseconds a frame: the median of rounds of `frames` frames each, after one that makes programs and buffers.
fn timed(
    device: &mut GlDevice,
    frames: u32,
    mut draw: impl FnMut(&mut GlDevice, u32) -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    draw(device, 0)?;
    device.finish()?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for frame in 0..frames {
            draw(device, frame)?;
        }
        device.finish()?;
        rounds.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(frames));
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

fn lit(device: &mut GlDevice) -> Result<f64, Box<dyn Error>> {
    let picture = device.read_rgba()?;
    let lit = picture.chunks_exact(4).filter(|p| p[..3] != [0, 0, 0]).count();
    Ok(100.0 * lit as f64 / (picture.len() / 4).max(1) as f64)
}

fn volumes(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    for edge in &arguments.volumes {
        let head = Head::new(*edge);
        for skip in [true, false] {
            let options = GlOptions { software: arguments.software, skip, texture_edge_3d: None };
            let mut device = GlDevice::with(arguments.canvases[0], options)?;
            let upload = head.upload(&mut device)?;
            let gib = f64::from(*edge).powi(3) * 2.0 / f64::from(1 << 30);
            println!("\n{}: {edge}^3 u16, uploaded at {:.1} GiB/s", device.info().description, gib / upload.as_secs_f64());
            for size in &arguments.canvases {
                for (view, distance) in [("close", 0.7), ("whole", 1.5)] {
                    for rendering in MODES {
                        let ms = timed(&mut device, arguments.frames, |device, frame| {
                            let pass = head.pass(*size, rendering, 30.0 + f64::from(frame), distance)?;
                            Ok(device.draw_volume(&pass)?)
                        })?;
                        let (how, lit) = (if skip { "skip" } else { "all" }, lit(&mut device)?);
                        let (name, CanvasSize { width, height }) = (rendering.name(), size);
                        println!("{name:<15} {edge:>5}^3 {width}x{height} {view} {how:<4} {ms:9.3} ms  lit {lit:3.0} %");
                    }
                }
            }
        }
    }
    Ok(())
}

fn slices(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    const EDGE: u32 = 8 * TILE;
    let mut device = GlDevice::open(arguments.canvases[0], arguments.software)?;
    let key = |channel| PlaneKey { image: ImageId(1), level: 0, row_axis: 1, col_axis: 2, index: [channel, 0, 0, 0, 0] };
    for i in 0..3 * (EDGE / TILE).pow(2) {
        let (channel, ty, tx) = (i / 64, i / 8 % 8, i % 8);
        let samples: Vec<u16> = (0..TILE * TILE).map(|j| (j.wrapping_mul(2_654_435_761) >> 16 ^ i) as u16).collect();
        let tile = Tile { width: TILE, height: TILE, samples: Samples::U16(samples.into()) };
        device.upload(TileKey { plane: key(channel), ty, tx }, &tile)?;
    }
    println!();
    for size in &arguments.canvases {
        for count in [1, 3] {
            let ms = timed(&mut device, arguments.frames, |device, frame| {
                let axis = SampleAxis { len: EDGE, scale: 1.0, translate: 0.0 };
                let layers = ["red", "green", "blue"].into_iter().take(count).zip(0..).map(|(name, channel)| {
                    let table = colormap::named(name).ok_or("no such map")?;
                    Ok::<_, Box<dyn Error>>(SliceLayer {
                        planes: vec![SlicePlane { key: key(channel), x: axis, y: axis }],
                        interpolation: Interpolation::Linear,
                        coloring: Coloring::Scalar(Transfer { limits: (3000.0, 45_000.0), gamma: 1.0, table }),
                        contour: 0,
                        opacity: 1.0,
                        blending: Blending::Additive,
                    })
                });
                let left = 20.3 + 0.7 * f64::from(frame);
                let view = Rect { left, bottom: 41.7, width: 1900.0, height: 1900.0 * 9.0 / 16.0 };
                Ok(device.draw_slice(&SlicePass { canvas: *size, view, layers: layers.collect::<Result<_, _>>()? })?)
            })?;
            println!("slice, {count} u16 layers {}x{} {ms:9.3} ms", size.width, size.height);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if arguments.canvases.is_empty() {
        return Err("no canvas".into());
    }
    volumes(&arguments)?;
    slices(&arguments)
}
