//! `napari-cuda render`: the picture of a scene description, as a PNG file.

use super::Failure;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use nc_engine::DeviceChoice;
use nc_engine::scene_file::{Scene, SceneError, Still, render};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scene description: JSON, as golden/reference/README.md says
    scene: PathBuf,
    /// PNG file to write, RGB; one that is there is replaced
    out: PathBuf,
    /// What draws: auto is gl on a GPU, else cpu
    #[arg(long, default_value = "auto")]
    device: DeviceName,
    /// Folder that the scene's files are looked for in [default: the scene's own]
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct DeviceName(DeviceChoice);

impl ValueEnum for DeviceName {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(DeviceChoice::Auto), Self(DeviceChoice::Cpu), Self(DeviceChoice::Gl)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Gl => "gl",
        }))
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let fault = |error: SceneError| match error {
        SceneError::Device(_) => Failure::machine(error),
        SceneError::Data { .. } if args.data_root.is_none() => {
            Failure::input(format!("{error} (its files are looked for beside the scene; --data-root names another folder)"))
        }
        _ => Failure::input(error),
    };
    let scene = Scene::read(&args.scene).map_err(fault)?;
    let own = args.scene.parent().unwrap_or(Path::new(""));
    let root = args.data_root.as_deref().unwrap_or(own);
    let still = render(&scene, root, args.device.0).map_err(fault)?;
    write_png(&args.out, &still).map_err(|error| Failure::input(format!("{}: cannot be written: {error}", args.out.display())))
}

fn write_png(path: &Path, still: &Still) -> Result<(), png::EncodingError> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(&mut out, still.size.width, still.size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&still.rgb)?;
    writer.finish()?;
    Ok(out.flush()?)
}
