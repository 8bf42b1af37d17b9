//! Volumes on the gl device, by any driver: every mode against a slow drawing in `f64`, and what may not change a picture.

mod common;
#[path = "common/slow_volumes.rs"]
mod slow_volumes;
#[path = "common/volumes.rs"]
mod volumes;

use common::*;
use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::device_gl::{GlDevice, GlOptions};
use slow_volumes::draw_slowly;
use volumes::*;

const SIZE: (u32, u32) = (64, 48);

fn gl_with(options: GlOptions) -> GlDevice {
    GlDevice::with(SMALL, GlOptions { software: true, ..options }).expect("libegl1 and libgl1-mesa-dri are installed")
}

/// Two blobs in a dim haze that ends in a corner of nothing, as microscopes see cells: values 0..60,000.
fn blobs(number: u32, shape: [u32; 3]) -> Volume {
    let [nz, ny, nx] = shape.map(|n| n as f32);
    Volume::u16(number, shape, |x, y, z| {
        let p = [x as f32 / nx, y as f32 / ny, z as f32 / nz];
        let blob = |c: [f32; 3], r: f32| {
            let d: f32 = (0..3).map(|k| (p[k] - c[k]).powi(2)).sum();
            (-d / (r * r)).exp()
        };
        let haze = if p.iter().sum::<f32>() > 2.0 { 0.0 } else { 0.02 };
        let grain = ((x * 7919 + y * 104_729 + z * 1_299_709) % 97) as f32 / 97.0;
        ((blob([0.3, 0.4, 0.5], 0.18) + 0.7 * blob([0.7, 0.6, 0.4], 0.12) + haze * grain) * 55_000.0) as u16
    })
}

fn view() -> VolumeView {
    turntable([18.0, 14.0, 12.0], 33.0, 21.0, 55.0, 45.0)
}

/// A layer of blobs whose top is `top`, in which every mode shows something: some see little but the haze.
fn layer_of(volume: &Volume, rendering: Rendering, top: f32) -> VolumeLayer {
    let haze = matches!(rendering, Rendering::Minip | Rendering::Translucent);
    volume.layer(rendering, if haze { top / 40.0 } else { top })
}

const SHAPE: [u32; 3] = [25, 31, 39];

/// Of all pixels: mean difference over components, and part of those that are off by more than `limit`.
fn compared(a: &[[u8; 4]], b: &[[f64; 3]], limit: f64) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let off = |(a, b): (&[u8; 4], &[f64; 3])| [0, 1, 2].map(|k| (f64::from(a[k]) - b[k]).abs());
    let off: Vec<[f64; 3]> = a.iter().zip(b).map(off).collect();
    let mean = off.iter().flatten().sum::<f64>() / (3 * off.len()) as f64;
    (mean, off.iter().filter(|off| off.iter().any(|d| *d > limit)).count() as f64 / off.len() as f64)
}

fn assert_as_slowly(device: &mut GlDevice, volume: &Volume, layer: VolumeLayer, view: VolumeView) {
    let what = format!("{:?} {:?} {:?} {:?}", layer.rendering, volume.samples.format(), layer.interpolation, layer.blending);
    let expected = draw_slowly(volume, &layer, &view, SIZE);
    let drawn = draw_volumes(device, &volume_pass(SIZE, view, vec![layer]));
    assert!(expected.iter().filter(|p| p.iter().any(|c| *c > 20.0)).count() > 40, "{what}: there is something to see");
    // Half a level is rounding.
    let (mean, off) = compared(&drawn, &expected, 4.5);
    assert!(mean < 0.5 && off <= 0.001, "{what}: mean {mean}, off {off}");
}

#[test]
fn every_mode_is_as_the_formulas_say() {
    let mut device = gl_with(GlOptions::default());
    let whole = blobs(1, SHAPE);
    for (number, format) in [SampleFormat::U8, SampleFormat::U16, SampleFormat::F32].into_iter().enumerate() {
        let mut volume = whole.clone();
        // Of 8 bits; floats of 0..1, since their lighting is in data units.
        let Samples::U16(values) = &whole.samples else { panic!("as it was made") };
        let (samples, top) = match format {
            SampleFormat::U8 => (Samples::U8(values.iter().map(|v| (v >> 8) as u8).collect()), 200.0),
            SampleFormat::U16 => (whole.samples.clone(), 51_200.0),
            SampleFormat::F32 => (Samples::F32(values.iter().map(|v| f32::from(*v) / 65_535.0).collect()), 0.8),
        };
        (volume.samples, volume.key) = (samples, volume_key(number as u32));
        volume.upload(&mut device);
        for rendering in Rendering::ALL {
            let layer = layer_of(&volume, rendering, top);
            assert_as_slowly(&mut device, &volume, layer.clone(), view());
            let nearest = VolumeLayer { interpolation: Interpolation::Nearest, blending: Blending::Additive, ..layer };
            assert_as_slowly(&mut device, &volume, nearest, VolumeView { fov: 0.0, ..view() });
        }
    }
}

#[test]
fn axes_may_have_any_scale_and_direction() {
    let (mut device, volume) = (gl_with(GlOptions::default()), blobs(1, SHAPE));
    volume.upload(&mut device);
    for rendering in [Rendering::Mip, Rendering::Iso, Rendering::Average] {
        let mut layer = volume.layer(rendering, 51_200.0);
        layer.axes[0] = SampleAxis { len: SHAPE[0], scale: -1.5, translate: 30.0 };
        layer.axes[2] = SampleAxis { len: SHAPE[2], scale: 0.7, translate: 4.0 };
        layer.sample_step = 1.7;
        assert_as_slowly(&mut device, &volume, layer.clone(), view());
        // From within, past what is behind the eye.
        assert_as_slowly(&mut device, &volume, layer, VolumeView { eye: [18.0, 14.0, 12.0], ..view() });
    }
}

#[test]
fn a_slab_shows_what_lies_about_its_plane() {
    let (mut device, volume) = (gl_with(GlOptions::default()), blobs(1, SHAPE));
    volume.upload(&mut device);
    for (rendering, thickness) in [(Rendering::Mip, 6.0), (Rendering::Average, 1.0), (Rendering::Iso, 20.0)] {
        let slab = Some(Slab { position: [12.0, 14.0, 18.0], normal: [0.4, 2.0, -0.6], thickness });
        assert_as_slowly(&mut device, &volume, VolumeLayer { slab, ..volume.layer(rendering, 51_200.0) }, view());
    }
}

#[test]
fn labels_are_surfaces() {
    let mut device = gl_with(GlOptions::default());
    let volume = Volume::u16(1, SHAPE, |x, y, z| {
        let cell = (x / 9 + 5 * (y / 8) + 25 * (z / 7)) as u16;
        if (x % 9).min(y % 8).min(z % 7) < 2 || cell.is_multiple_of(3) { 0 } else { 3 * cell }
    });
    volume.upload(&mut device);
    for rendering in [Rendering::Iso, Rendering::Translucent] {
        // One of them has no colour, so that what lies behind shows.
        let coloring = Coloring::Labels(LabelColors::new([(3, [200, 10, 20, 0]), (12, [9, 200, 100, 128])]).into());
        let layer = VolumeLayer { coloring, opacity: 0.9, ..volume.layer(rendering, 1.0) };
        assert_as_slowly(&mut device, &volume, layer, view());
    }
}

#[test]
fn what_is_not_a_number_is_passed_over() {
    let mut device = gl_with(GlOptions::default());
    let mut volume = blobs(1, SHAPE);
    let Samples::U16(values) = &volume.samples else { panic!("as it was made") };
    let holes = values.iter().enumerate().map(|(i, v)| if i % 1013 == 5 { f32::NAN } else { f32::from(*v) / 65_535.0 });
    volume.samples = Samples::F32(holes.collect());
    volume.upload(&mut device);
    for rendering in Rendering::ALL {
        let layer = VolumeLayer { interpolation: Interpolation::Nearest, ..layer_of(&volume, rendering, 0.8) };
        assert_as_slowly(&mut device, &volume, layer, view());
    }
    // Filtered, a hole is as large as the taps' reach.
    assert_as_slowly(&mut device, &volume, volume.layer(Rendering::Average, 0.8), view());
}

#[test]
fn nothing_changes_by_passing_over_what_does_not_matter() {
    let volume = blobs(1, SHAPE);
    let [mut skipping, mut plodding] = [true, false].map(|skip| gl_with(GlOptions { skip, ..GlOptions::default() }));
    // By the driver's filter and by our own.
    for (format, modes) in [(SampleFormat::U16, &Rendering::ALL[..]), (SampleFormat::U8, &[Rendering::Mip, Rendering::Iso])] {
        let mut volume = volume.in_format(format);
        volume.key = volume_key(format as u32);
        volume.upload(&mut skipping);
        volume.upload(&mut plodding);
        let top = if format == SampleFormat::U8 { 255.0 } else { 51_200.0 };
        for rendering in modes {
            for blending in [Blending::Translucent, Blending::Additive] {
                let pass = volume_pass(SIZE, view(), vec![VolumeLayer { blending, ..layer_of(&volume, *rendering, top) }]);
                let off = largest_difference(&draw_volumes(&mut skipping, &pass), &draw_volumes(&mut plodding, &pass));
                assert!(off <= 1, "{rendering:?} {format:?} {blending:?}: off by {off}");
            }
        }
    }
}

#[test]
fn a_folded_volume_looks_as_a_whole_one() {
    let [mut whole, mut folded] =
        [None, Some(36)].map(|texture_edge_3d| gl_with(GlOptions { texture_edge_3d, ..GlOptions::default() }));
    // Longer than that along x and y: two halves of two halves.
    let volume = blobs(1, [9, 37, 70]);
    // Where the driver filters, it does so at coordinates of another texture.
    for (format, interpolation, most) in [
        (SampleFormat::U8, Interpolation::Linear, 0),
        (SampleFormat::U16, Interpolation::Linear, 1),
        (SampleFormat::F32, Interpolation::Linear, 1),
        (SampleFormat::U16, Interpolation::Nearest, 0),
    ] {
        let mut volume = volume.in_format(format);
        volume.key = volume_key(format as u32);
        volume.upload(&mut whole);
        volume.upload(&mut folded);
        for rendering in [Rendering::Mip, Rendering::Average, Rendering::Iso] {
            let mut layer = volume.layer(rendering, if format == SampleFormat::U8 { 255.0 } else { 51_200.0 });
            layer.interpolation = interpolation;
            let view = turntable([35.0, 18.0, 4.0], 33.0, 41.0, 80.0, 45.0);
            let pass = volume_pass(SIZE, view, vec![layer]);
            let off = largest_difference(&draw_volumes(&mut whole, &pass), &draw_volumes(&mut folded, &pass));
            assert!(off <= most, "{rendering:?} {format:?} {interpolation:?}: off by {off}");
        }
    }
}

#[test]
fn a_volume_is_drawn_once_all_of_it_is_there_and_until_it_is_evicted() {
    let mut device = gl_with(GlOptions::default());
    let volume = blobs(1, [8, 70, 80]);
    let view = turntable([40.0, 35.0, 4.0], 0.0, 60.0, 130.0, 45.0);
    let pass = volume_pass(SIZE, view, vec![volume.layer(Rendering::Mip, 51_200.0)]);
    let lit = |device: &mut GlDevice| draw_volumes(device, &pass).iter().any(|p| p[..3] != [0, 0, 0]);
    let bricks = volume.bricks();
    assert_eq!(bricks.len(), 4);
    for (key, brick) in &bricks {
        assert!(!lit(&mut device), "before all are there");
        device.upload_brick(*key, volume.shape, brick).expect("room");
    }
    assert!(lit(&mut device));
    device.evict_volume(&volume_key(7));
    assert!(lit(&mut device), "unknown keys are ignored");
    device.evict_volume(&volume.key);
    assert!(!lit(&mut device), "after it was evicted");
    // And again, in another shape.
    let again = blobs(1, [8, 60, 60]);
    again.upload(&mut device);
    assert!(!lit(&mut device), "a layer of another shape is left alone");
    let layer = again.layer(Rendering::Mip, 51_200.0);
    assert!(draw_volumes(&mut device, &volume_pass(SIZE, view, vec![layer])).iter().any(|p| p[..3] != [0, 0, 0]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut device = gl_with(GlOptions { texture_edge_3d: Some(64), ..GlOptions::default() });
    let volume = blobs(1, [8, 20, 30]);
    let (key, brick) = volume.bricks().remove(0);
    let mut upload = |key, shape, brick: &Brick| device.upload_brick(key, shape, brick);
    let refused = |result| matches!(result, Err(DeviceError::Refused(_)));
    assert!(refused(upload(key, [8, 20, 31], &brick)), "not as large as the shape says");
    assert!(refused(upload(BrickKey { at: [0, 0, 1], ..key }, volume.shape, &brick)), "there is no such brick");
    assert!(refused(upload(BrickKey { at: [u32::MAX; 3], ..key }, volume.shape, &brick)));
    upload(key, volume.shape, &brick).expect("room");
    let wider = volume.in_format(SampleFormat::F32).bricks().remove(0).1;
    assert!(refused(upload(key, volume.shape, &wider)), "there in another format");
    let larger = blobs(1, [8, 20, 64]);
    assert!(refused(upload(key, [8, 20, 70], &larger.bricks()[0].1)), "there in another shape");
    let huge = BrickKey { volume: volume_key(2), at: [0; 3] };
    let cube = Brick::new([64; 3], Samples::U8(vec![0; 64 * 64 * 64].into())).expect("a brick");
    let result = upload(huge, [4096; 3], &cube);
    assert!(matches!(result, Err(DeviceError::OutOfMemory(_))), "{result:?}");
    upload(key, volume.shape, &brick).expect("nothing was changed");
}

#[test]
fn the_nearer_layer_hides_the_other_where_depth_is_tested() {
    let mut device = gl_with(GlOptions::default());
    let boxes = [1u32, 2].map(|number| Volume::u16(number, [20, 20, 20], |_, _, _| 1000));
    boxes.iter().for_each(|volume| volume.upload(&mut device));
    let layer = |volume: &Volume, color: &str, y: f64, blending| {
        let table = colormap::named(color).expect("a map");
        let mut layer = volume.layer(Rendering::Average, 1000.0);
        (layer.coloring, layer.blending) = (Coloring::Scalar(Transfer { limits: (0.0, 1000.0), gamma: 1.0, table }), blending);
        layer.axes[1].translate = y;
        layer
    };
    // The eye looks along +y, so that what has a smaller y is nearer.
    let view = turntable([10.0, 20.0, 10.0], 0.0, 0.0, 100.0, 30.0);
    let mut middle = |layers| {
        let picture = draw_volumes(&mut device, &volume_pass(SIZE, view, layers));
        picture[(SIZE.1 / 2 * SIZE.0 + SIZE.0 / 2) as usize]
    };
    let (red, green) = ([255, 0, 0, 255], [0, 255, 0, 255]);
    let mut both = |blending, y| middle(vec![layer(&boxes[0], "red", 0.0, blending), layer(&boxes[1], "green", y, blending)]);
    assert_eq!(both(Blending::Translucent, 30.0), red, "behind what is there");
    assert_eq!(both(Blending::Translucent, -30.0), green);
    assert_eq!(both(Blending::Translucent, 0.0), green, "as near as what is there");
    assert_eq!(both(Blending::Opaque, 30.0), red);
    assert_eq!(both(Blending::TranslucentNoDepth, 30.0), green);
    assert_eq!(both(Blending::Additive, 30.0), [255, 255, 0, 255]);
}

#[test]
fn less_is_drawn_and_scaled_up_while_the_view_moves() {
    let (mut device, volume) = (gl_with(GlOptions::default()), blobs(1, SHAPE));
    volume.upload(&mut device);
    let mut pass = volume_pass((66, 50), view(), vec![volume.layer(Rendering::Mip, 51_200.0)]);
    let full = draw_volumes(&mut device, &pass);
    for divisor in 2..=4 {
        pass.divisor = divisor;
        let coarse = draw_volumes(&mut device, &pass);
        let off: f64 = full.iter().flatten().zip(coarse.iter().flatten()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let mean = off / (4 * full.len()) as f64;
        assert!(mean > 0.0 && mean < 2.0 * f64::from(divisor), "{divisor}: {mean}");
    }
    pass.divisor = 1;
    assert!(draw_volumes(&mut device, &pass) == full, "nothing of it is left");
}
