//! Both devices against pictures that napari drew (`golden/reference`).

use nc_engine::api::data::CanvasSize;
use nc_engine::scene_file::{Scene, draw};
use nc_gpu::{DeviceChoice, open_device};
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

fn read_png(path: &Path) -> (CanvasSize, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    pixels.truncate(frame.buffer_size());
    (CanvasSize { width: frame.width, height: frame.height }, pixels)
}

/// How far two pictures are apart: PSNR in dB, and the share of pixels of which a component is off by more than 16.
fn distance(a: &[u8], b: &[u8]) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let psnr = if sum == 0.0 { 99.0 } else { (10.0 * (255.0f64.powi(2) * a.len() as f64 / sum).log10()).min(99.0) };
    let off = a.chunks_exact(3).zip(b.chunks_exact(3)).filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 16));
    (psnr, off.count() as f64 * 3.0 / a.len() as f64)
}

#[test]
fn every_scene_is_as_napari_draws_it() {
    let small = CanvasSize { width: 2, height: 2 };
    let mut devices = [("cpu", DeviceChoice::Cpu, 48.0), ("gl", DeviceChoice::Gl, 40.0)]
        .map(|(name, choice, least)| (name, open_device(choice, small).expect("a device"), least));
    let folder = std::fs::read_dir(golden().join("reference/scenes")).expect("scenes");
    let mut scenes: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    scenes.sort();
    assert!(scenes.len() >= 58);
    println!("{:<30}    cpu dB   >16 %     gl dB   >16 %", "scene");
    let mut far = Vec::new();
    for path in &scenes {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let scene = Scene::read(path).expect("a scene");
        let (size, expected) = read_png(&golden().join(format!("reference/pictures/{name}.png")));
        print!("{name:<30}");
        for (device, opened, least) in &mut devices {
            let drawn = draw(&scene, &golden(), &mut **opened).expect("a picture");
            assert_eq!(drawn.size, size);
            let (psnr, off) = distance(&drawn.rgb, &expected);
            print!("  {psnr:8.2}  {:6.3}", off * 100.0);
            if psnr < *least || off >= 0.005 {
                far.push(format!("{name} on {device}"));
            }
        }
        println!();
    }
    assert!(far.is_empty(), "too far from napari's: {far:?}");
}
