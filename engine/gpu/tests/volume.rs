//! What a volume pass promises, on both devices.

mod common;

use common::*;
use nc_core::data::*;
use nc_gpu::api::*;

/// A view of a box of 12 x 10 x 8 about the origin, from `eye` straight ahead, with `turn` degrees about the z axis.
fn view(turn: f64, distance: f64, fov: f64, canvas: (u32, u32)) -> VolumePass {
    let (sin, cos) = turn.to_radians().sin_cos();
    let forward = [-sin, cos, 0.0];
    let view = VolumeView {
        eye: forward.map(|f| -distance * f),
        right: [cos, sin, 0.0],
        up: [0.0, 0.0, 1.0],
        forward,
        distance,
        fov,
        extent: distance,
    };
    let canvas = CanvasSize { width: canvas.0, height: canvas.1 };
    VolumePass { canvas, divisor: 1, outline: true, view, bounds: [[-6.0, 6.0], [-5.0, 5.0], [-4.0, 4.0]], layers: Vec::new() }
}

#[test]
fn both_devices_draw_and_capture_the_same_bits() {
    let [mut cpu, mut gl] = both();
    let format = FrameFormat::I420 { range: ColorRange::Full };
    // From afar, close by, inside, in parallel; also a canvas of odd rows of pixels.
    for (turn, distance, fov, canvas) in [
        (30.0, 30.0, 60.0, (320, 180)),
        (-100.0, 9.0, 45.0, (320, 180)),
        (200.0, 2.0, 90.0, (318, 178)),
        (75.0, 20.0, 0.0, (64, 200)),
    ] {
        let pass = view(turn, distance, fov, canvas);
        let pictures = [&mut cpu, &mut gl].map(|device| {
            device.draw_volume(&pass).expect("a picture");
            let frame = device.capture(format).expect("a slot");
            let planes = frame.data.i420();
            (device.read_rgba().expect("pixels"), planes.y.to_vec(), planes.u.to_vec(), planes.v.to_vec())
        });
        assert!(pictures[0].0.chunks(4).filter(|p| p[..3] != [0, 0, 0]).count() > 100, "{turn} there is a box");
        assert!(pictures[0].0 == pictures[1].0, "{turn}: pictures");
        assert!(
            pictures[0].1 == pictures[1].1 && pictures[0].2 == pictures[1].2 && pictures[0].3 == pictures[1].3,
            "{turn}: planes"
        );
    }
}

#[test]
fn up_is_at_the_top() {
    for mut device in both() {
        let mut pass = view(0.0, 30.0, 60.0, (64, 64));
        pass.bounds[2] = [0.0, 4.0];
        device.draw_volume(&pass).expect("a picture");
        let picture = device.read_rgba().expect("pixels");
        let lit = |row: usize| picture[row * 256..][..256].chunks(4).any(|p| p[..3] != [0, 0, 0]);
        assert!((0..30).any(lit) && !(34..64).any(lit), "{:?}: what has a larger z is higher", device.info().kind);
    }
}

#[test]
fn slices_and_volumes_follow_each_other() {
    for mut device in both() {
        let plane = Plane::u16(0, 1, 1, |_, _| 90);
        plane.upload(&mut *device);
        let slice =
            pass((16, 8), (-0.5, -0.5, 1.0, 1.0), vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)]);
        let before = draw(&mut *device, &slice);
        device.draw_volume(&view(10.0, 20.0, 60.0, (32, 32))).expect("a picture");
        assert_eq!(device.read_rgba().expect("pixels").len(), 32 * 32 * 4);
        assert!(draw(&mut *device, &slice) == before, "nothing of the box is left, and the tiles are still there");
    }
}
