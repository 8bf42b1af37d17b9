//! Frames, their ring, and what is left when a device goes.

mod common;

use common::*;
use nc_core::data::*;
use nc_gpu::api::*;
use nc_gpu::probe::probe;
use nc_gpu::{DeviceChoice, open_device};

const FULL: FrameFormat = FrameFormat::I420 { range: ColorRange::Full };

/// A picture of one gray.
fn draw_gray(device: &mut dyn RenderDevice, size: (u32, u32), level: u16) {
    let plane = Plane::u16(u32::from(level), 1, 1, |_, _| level);
    plane.upload(device);
    let layers = vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)];
    device.draw_slice(&pass(size, (-0.5, -0.5, 1.0, 1.0), layers)).expect("a picture");
}

#[test]
fn three_frames_may_be_out_and_keep_their_pictures() {
    for mut device in both() {
        let frames: Vec<_> = [10, 20, 30]
            .map(|level| {
                draw_gray(&mut *device, (16, 8), level);
                device.capture(FULL).expect("a slot")
            })
            .into();
        assert!(matches!(device.capture(FULL), Err(DeviceError::RingFull(CAPTURE_RING))), "{:?}", device.info().kind);
        for (frame, level) in frames.iter().zip([10, 20, 30]) {
            assert!(frame.data.i420().y.iter().all(|y| *y == level), "{:?} {level}", device.info().kind);
        }
        drop(frames);
        // Another size in the same slots.
        draw_gray(&mut *device, (64, 32), 40);
        for _ in 0..10 {
            let frame = device.capture(FULL).expect("slots came back");
            assert_eq!((frame.size.width, frame.data.i420().y.len()), (64, 64 * 32));
            assert!(frame.data.i420().y.iter().all(|y| *y == 40));
        }
    }
}

#[test]
fn frames_outlive_their_device_and_go_on_another_thread() {
    for mut device in both() {
        draw_gray(&mut *device, (32, 32), 77);
        let frames = [device.capture(FULL).expect("a slot"), device.capture(FULL).expect("a slot")];
        drop(device);
        let reader = std::thread::spawn(move || frames.iter().all(|f| f.data.i420().y.iter().all(|y| *y == 77)));
        assert!(reader.join().expect("no panic"));
    }
}

#[test]
fn devices_on_one_thread_do_not_disturb_each_other() {
    let (mut a, mut b) = (gl(), gl());
    draw_gray(&mut a, (4, 4), 50);
    draw_gray(&mut b, (4, 4), 150);
    assert_eq!(a.read_rgba().expect("pixels")[0], 50);
    drop(b);
    draw_gray(&mut a, (4, 4), 60);
    assert_eq!(a.read_rgba().expect("pixels")[0], 60);
}

/// More tiles than the first sheets hold: arrays grow and keep what they have, evicted slots are used again.
#[test]
fn many_tiles_stay_what_they_are() {
    let mut device = gl();
    let plane = Plane::u16(0, 40 * TILE, TILE, |x, _| (x / TILE * 5) as u16);
    plane.upload(&mut device);
    for tx in 0..20 {
        device.evict(&TileKey { plane: plane.key, ty: 0, tx });
    }
    let other = Plane::u16(1, 20 * TILE, TILE, |_, _| 250);
    other.upload(&mut device);
    let shown = |device: &mut dyn RenderDevice, plane: &Plane, tiles: u32| {
        let layers = vec![gray(vec![plane.at((0.0, 0.0), 1.0)], Interpolation::Nearest, 255.0)];
        let view = (-0.5, 0.0, f64::from(tiles * TILE), 1.0);
        draw(device, &pass((tiles, 1), view, layers)).iter().map(|p| p[0]).collect::<Vec<_>>()
    };
    let expected: Vec<u8> = (0..40).map(|t| if t < 20 { 0 } else { t * 5 }).collect();
    assert_eq!(shown(&mut device, &plane, 40), expected);
    assert!(shown(&mut device, &other, 20).iter().all(|p| *p == 250));
}

/// One test for all that must not leak, since file descriptors are counted per process.
#[cfg(target_os = "linux")]
#[test]
fn devices_leave_no_file_descriptors_behind() {
    let open_files = || std::fs::read_dir("/proc/self/fd").expect("procfs").count();
    let once = || {
        let mut pair = [gl(), gl()];
        draw_gray(&mut pair[0], (64, 64), 9);
        let frame = pair[0].capture(FULL).expect("a slot");
        drop(pair);
        drop(frame);
    };
    // What the driver keeps for the life of the process comes with the first.
    once();
    let before = open_files();
    for _ in 0..20 {
        once();
    }
    // Tests beside this one, in the same process, may hold a device right now.
    assert!(open_files() <= before + 16, "{before} files before, {} after", open_files());
}

#[test]
fn the_machine_is_probed_without_harm() {
    let found = probe();
    assert!(found.cpu.threads >= 1 && !found.cpu.features.is_empty());
    assert!(!found.gl.is_empty() || !found.gl_problems.is_empty(), "a context, or a reason");
    let hardware = found.gl.iter().any(|d| !d.software);
    let canvas = CanvasSize { width: 8, height: 8 };
    let mut auto = open_device(DeviceChoice::Auto, canvas).expect("a device");
    assert_eq!(auto.info().kind, if hardware { DeviceKind::Gl } else { DeviceKind::Cpu }, "{found:?}");
    assert_eq!(open_device(DeviceChoice::Cpu, canvas).expect("a device").info().kind, DeviceKind::Cpu);
    assert_eq!(auto.read_rgba().expect("pixels"), [0, 0, 0, 255].repeat(64), "the first picture is black");
}
