//! `napari-cuda info`: what an image holds, from its metadata.

use super::{Failure, environment, places, print};
use nc_engine::api::data::DType;
use nc_engine::api::scene::ImageInfo;
use nc_engine::{DeviceChoice, Engine, EngineConfig};
use nc_server::config::Places;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// OME-Zarr image or zarr array: a path or a URL, of a folder or of a zip archive
    data: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: places::PlaceArgs,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let places = Places::resolve(args.places.clone().into(), environment).map_err(Failure::input)?;
    let config = EngineConfig { device: DeviceChoice::Cpu, cache_bytes: 0, loader_threads: 1, ..EngineConfig::default() };
    let engine = Engine::with_places(config, places::options(&places));
    let image = engine.open(&args.data).map_err(Failure::input)?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&*image.info).map_err(Failure::machine)?,
        false => describe(&image.info),
    };
    print(&text)
}

fn describe(info: &ImageInfo) -> String {
    let joined = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" × ");
    let axes = info.axes.iter().map(|a| a.unit.as_ref().map_or(a.name.clone(), |u| format!("{} ({u})", a.name)));
    let mut lines = vec![
        format!("{}", info.name),
        format!("  place     {}", info.location),
        format!("  format    {}", info.ngff_version.as_ref().map_or("zarr array".to_owned(), |v| format!("OME-Zarr {v}"))),
        format!("  axes      {}", axes.collect::<Vec<_>>().join(", ")),
        format!("  type      {}", info.dtype.numpy_name()),
    ];
    for (index, level) in info.levels.iter().enumerate() {
        let shape = joined(&mut level.shape.iter().map(u64::to_string));
        let chunk = joined(&mut level.chunk.iter().map(u64::to_string));
        let scale =
            joined(&mut level.scale.iter().map(|s| format!("{s:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()));
        let bytes = decoded_bytes(&level.shape, info.dtype);
        lines.push(format!("  level {index:<3} {shape}   chunks {chunk}   scale {scale}   {}   {}", size(bytes), level.path));
    }
    for (index, channel) in info.channels.iter().enumerate() {
        let label = channel.label.as_deref().unwrap_or("-");
        let color = channel.color.map_or("-".to_owned(), |[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"));
        let window = channel.window.map_or("-".to_owned(), |(lo, hi)| format!("{lo}..{hi}"));
        let shown = if channel.active { "" } else { "   hidden at first" };
        lines.push(format!("  channel {index:<1} {label}   colour {color}   window {window}{shown}"));
    }
    lines.extend(info.warnings.iter().map(|w| format!("  warning   {w}")));
    lines.join("\n")
}

/// What a level would take in memory. Sparse arrays may declare more than 64 bits count: those have as many as fit.
fn decoded_bytes(shape: &[u64], dtype: DType) -> u64 {
    shape.iter().fold(dtype.size() as u64, |bytes, &len| bytes.saturating_mul(len))
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let step = (0..units.len() - 1).find(|&i| bytes >> (10 * (i + 1)) == 0).unwrap_or(units.len() - 1);
    format!("{:.1} {}", bytes as f64 / (1u64 << (10 * step)) as f64, units[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_level_saturates() {
        assert_eq!(size(decoded_bytes(&[3, 1024, 512], DType::U16)), "3.0 MiB");
        assert_eq!(size(decoded_bytes(&[u64::from(u32::MAX); 5], DType::F64)), "16384.0 PiB");
    }
}
