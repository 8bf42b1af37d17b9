//! Volumes in memory, cut into bricks, and passes over them, for the tests of the devices.
#![allow(dead_code, reason = "every test file uses its part")]

use nc_core::data::*;
use nc_gpu::api::*;
use std::sync::Arc;

/// A volume's samples, x fastest.
#[derive(Clone)]
pub(crate) struct Volume {
    pub(crate) key: VolumeKey,
    /// z, y, x.
    pub(crate) shape: [u32; 3],
    pub(crate) samples: Samples,
}

pub(crate) fn volume_key(number: u32) -> VolumeKey {
    VolumeKey { image: ImageId(9), level: 0, axes: [1, 2, 3], index: [number, 0, 0, 0, 0] }
}

impl Volume {
    pub(crate) fn new(number: u32, shape: [u32; 3], samples: Samples) -> Self {
        assert_eq!(samples.len(), shape.iter().product::<u32>() as usize);
        Self { key: volume_key(number), shape, samples }
    }

    /// Samples from a function of x, y, z.
    pub(crate) fn u16(number: u32, shape: [u32; 3], f: impl Fn(u32, u32, u32) -> u16) -> Self {
        let [nz, ny, nx] = shape;
        let samples: Vec<u16> = (0..nz * ny * nx).map(|i| f(i % nx, i / nx % ny, i / (nx * ny))).collect();
        Self::new(number, shape, Samples::U16(samples.into()))
    }

    /// The same values in another format: integers cut off at its ends.
    pub(crate) fn in_format(&self, format: SampleFormat) -> Self {
        let values: Vec<f32> = match &self.samples {
            Samples::U8(s) => s.iter().map(|v| f32::from(*v)).collect(),
            Samples::U16(s) => s.iter().map(|v| f32::from(*v)).collect(),
            Samples::F32(s) => s.to_vec(),
        };
        let samples = match format {
            SampleFormat::U8 => Samples::U8(values.iter().map(|v| *v as u8).collect()),
            SampleFormat::U16 => Samples::U16(values.iter().map(|v| *v as u16).collect()),
            SampleFormat::F32 => Samples::F32(values.into()),
        };
        Self { samples, ..self.clone() }
    }

    /// Every brick of the volume.
    pub(crate) fn bricks(&self) -> Vec<(BrickKey, Brick)> {
        BrickKey::all(self.key, self.shape).map(|key| (key, self.brick(key))).collect()
    }

    fn brick(&self, key: BrickKey) -> Brick {
        fn cut<T: Copy>(all: &[T], [_, ny, nx]: [u32; 3], [oz, oy, ox]: [u32; 3], [sz, sy, sx]: [u32; 3]) -> Arc<[T]> {
            let rows = (oz..oz + sz).flat_map(|z| (oy..oy + sy).map(move |y| ((z * ny + y) * nx + ox) as usize));
            rows.flat_map(|row| &all[row..row + sx as usize]).copied().collect()
        }
        let (origin, size) = (key.origin(), key.size(self.shape).expect("a brick of the volume"));
        let samples = match &self.samples {
            Samples::U8(s) => Samples::U8(cut(s, self.shape, origin, size)),
            Samples::U16(s) => Samples::U16(cut(s, self.shape, origin, size)),
            Samples::F32(s) => Samples::F32(cut(s, self.shape, origin, size)),
        };
        Brick::new(size, samples).expect("a brick")
    }

    pub(crate) fn upload(&self, device: &mut dyn RenderDevice) {
        for (key, brick) in self.bricks() {
            device.upload_brick(key, self.shape, &brick).expect("room for a brick");
        }
    }

    /// A gray layer of it, sample 0 at the world's origin, values 0..=`top` black to white.
    pub(crate) fn layer(&self, rendering: Rendering, top: f32) -> VolumeLayer {
        let table = colormap::named("gray").expect("a map");
        VolumeLayer {
            key: self.key,
            axes: self.shape.map(|len| SampleAxis { len, scale: 1.0, translate: 0.0 }),
            interpolation: Interpolation::Linear,
            coloring: Coloring::Scalar(Transfer { limits: (0.0, top), gamma: 1.0, table }),
            opacity: 1.0,
            blending: Blending::Translucent,
            rendering,
            slab: None,
            attenuation: 0.05,
            iso_threshold: top * 0.6,
            sample_step: 0.8,
        }
    }
}

/// The turntable's frame without roll about `center` (x, y, z), angles in degrees.
pub(crate) fn turntable(center: [f64; 3], azimuth: f64, elevation: f64, distance: f64, fov: f64) -> VolumeView {
    let ((sa, ca), (se, ce)) = (azimuth.to_radians().sin_cos(), elevation.to_radians().sin_cos());
    let (right, forward, up) = ([ca, sa, 0.0], [-ce * sa, ce * ca, -se], [-se * sa, se * ca, ce]);
    let eye = std::array::from_fn(|k| center[k] - distance * forward[k]);
    VolumeView { eye, right, up, forward, distance, fov, extent: distance }
}

pub(crate) fn volume_pass(size: (u32, u32), view: VolumeView, layers: Vec<VolumeLayer>) -> VolumePass {
    let canvas = CanvasSize { width: size.0, height: size.1 };
    VolumePass { canvas, divisor: 1, outline: false, view, bounds: [[0.0, 1.0]; 3], layers }
}

/// The picture of a pass, RGBA, top row first.
pub(crate) fn draw_volumes(device: &mut dyn RenderDevice, pass: &VolumePass) -> Vec<[u8; 4]> {
    device.draw_volume(pass).expect("a picture");
    let bytes = device.read_rgba().expect("its pixels");
    bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect()
}
