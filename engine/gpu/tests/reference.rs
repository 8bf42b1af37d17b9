//! Both devices against pictures that napari drew (`golden/reference`).

mod common;

use common::*;
use nc_core::data::*;
use nc_core::scene::ImageInfo;
use nc_gpu::api::*;
use nc_store::{Loader, LoaderConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden")
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().expect("an array").iter().map(|n| n.as_f64().expect("a number")).collect()
}

fn text(v: &Value) -> &str {
    v.as_str().expect("a string")
}

/// Turns a scene into a pass, reading the planes that it shows.
struct SceneReader {
    loader: Loader,
    planes: Vec<Plane>,
    first_image: u32,
}

impl SceneReader {
    fn pass(&mut self, scene: &Value) -> SlicePass {
        let canvas = numbers(&scene["canvas"]);
        let canvas = CanvasSize { width: canvas[0] as u32, height: canvas[1] as u32 };
        let rect = numbers(&scene["camera"]["rect"]);
        let rect = Rect { left: rect[0], bottom: rect[1], width: rect[2], height: rect[3] };
        let layers = scene["layers"].as_array().expect("layers");
        let visible = layers.iter().filter(|l| l["visible"] == true);
        let layers = visible.map(|layer| self.layer(scene, &layers[0], layer)).collect();
        SlicePass { canvas, view: rect.expanded_to(canvas), layers }
    }

    fn layer(&mut self, scene: &Value, first: &Value, layer: &Value) -> SliceLayer {
        let displayed = numbers(&scene["displayed"]);
        let (row, col) = (displayed[0] as usize, displayed[1] as usize);
        let (scale, translate) = (numbers(&layer["scale"]), numbers(&layer["translate"]));
        let plane = self.plane(scene, first, layer, (row, col));
        let axis = |len, dim: usize| SampleAxis { len, scale: scale[dim], translate: translate[dim] };
        let limits = numbers(&layer["contrast_limits"]);
        SliceLayer {
            planes: vec![SlicePlane { key: plane.key, x: axis(plane.width, col), y: axis(plane.height, row) }],
            interpolation: serde_json::from_value(layer["interpolation2d"].clone()).expect("a filter"),
            coloring: Coloring::Scalar(Transfer {
                limits: (limits[0] as f32, limits[1] as f32),
                gamma: layer["gamma"].as_f64().expect("gamma") as f32,
                table: colormap::named(text(&layer["colormap"])).expect("a known map"),
            }),
            contour: 0,
            opacity: layer["opacity"].as_f64().expect("opacity") as f32,
            blending: serde_json::from_value(layer["blending"].clone()).expect("a blending"),
        }
    }

    fn plane(&mut self, scene: &Value, first: &Value, layer: &Value, (row, col): (usize, usize)) -> Plane {
        let id = ImageId(self.first_image + self.planes.len() as u32);
        let image = nc_store::open(&golden().join(text(&layer["file"])).to_string_lossy(), id).expect("an image");
        let (scale, translate) = (numbers(&layer["scale"]), numbers(&layer["translate"]));
        let (scale0, translate0, step) =
            (numbers(&first["scale"]), numbers(&first["translate"]), numbers(&scene["current_step"]));
        let axes: Vec<&str> = scene["axes"].as_array().expect("axes").iter().map(text).collect();
        let array_axis = |dim: usize| image.info.axes.iter().position(|a| a.name == axes[dim]).expect("the axis") as u8;
        let level = image.info.levels.iter().position(|l| l.path == text(&layer["path"])).expect("the level");
        let mut index = [0; MAX_AXES];
        for dim in (0..axes.len()).filter(|dim| *dim != row && *dim != col) {
            let world = step[dim] * scale0[dim] + translate0[dim];
            index[usize::from(array_axis(dim))] = ((world - translate[dim]) / scale[dim]).round() as u32;
        }
        if let (Some(channel), Some(axis)) = (layer["channel"].as_u64(), image.info.channel_axis()) {
            index[axis] = channel as u32;
        }
        let key = PlaneKey { image: id, level: level as u8, row_axis: array_axis(row), col_axis: array_axis(col), index };
        let overview = self.loader.overview(&image, key, u32::MAX).expect("the plane");
        let plane =
            Plane { key, width: overview.width, height: overview.height, samples: in_format(&image.info, &overview.samples) };
        self.planes.push(plane.clone());
        plane
    }
}

/// Numbers as a device keeps them for that image.
fn in_format(info: &ImageInfo, values: &[f32]) -> Samples {
    match SampleFormat::of(info.dtype) {
        SampleFormat::U8 => Samples::U8(values.iter().map(|v| *v as u8).collect()),
        SampleFormat::U16 => Samples::U16(values.iter().map(|v| *v as u16).collect()),
        SampleFormat::F32 => Samples::F32(values.into()),
    }
}

fn read_png(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    pixels.truncate(frame.buffer_size());
    (frame.width, frame.height, pixels)
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    if sum == 0.0 { 99.0 } else { 10.0 * (255.0f64.powi(2) * a.len() as f64 / sum).log10() }
}

fn scenes() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(golden().join("reference/scenes")).expect("scenes");
    let mut scenes: Vec<_> = folder
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let scene = serde_json::from_slice(&std::fs::read(&path).expect("a scene")).expect("JSON");
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), scene)
        })
        .collect();
    scenes.sort_by(|a, b| a.0.cmp(&b.0));
    scenes
}

#[test]
fn every_scene_is_as_napari_draws_it() {
    let [mut cpu, mut gl] = both();
    let mut low = Vec::new();
    let scenes = scenes();
    assert!(scenes.len() >= 30);
    println!("{:<30} cpu dB   gl dB", "scene");
    for (number, (name, scene)) in scenes.iter().enumerate() {
        let (width, height, expected) = read_png(&golden().join(format!("reference/pictures/{name}.png")));
        let loader = Loader::new(LoaderConfig { threads: 1, cache_bytes: 256 << 20 });
        // Images of different scenes must not be taken for each other.
        let mut reader = SceneReader { loader, planes: Vec::new(), first_image: 100 * number as u32 };
        let pass = reader.pass(scene);
        assert_eq!((pass.canvas.width, pass.canvas.height), (width, height));
        let [on_cpu, on_gl] = [&mut cpu, &mut gl].map(|device| {
            reader.planes.iter().for_each(|plane| plane.upload(&mut **device));
            let rgb: Vec<u8> = draw(&mut **device, &pass).iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
            psnr(&rgb, &expected)
        });
        println!("{name:<30} {on_cpu:6.2}  {on_gl:6.2}");
        if on_cpu < 48.0 || on_gl < 40.0 {
            low.push(name);
        }
    }
    assert!(low.is_empty(), "too far from napari's: {low:?}");
}
