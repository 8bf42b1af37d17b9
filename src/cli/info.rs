//! `napari-cuda info`: what a place holds, from its metadata, in one screen.

use super::select::SelectArgs;
use super::{Failure, environment, places, print};
use nc_engine::api::data::DType;
use nc_engine::api::scene::{Channel, LabelInfo, LevelInfo};
use nc_engine::places::Location;
use nc_engine::survey::{Kind, Plate, Survey, Well};
use nc_engine::{DeviceChoice, Engine, EngineConfig};
use nc_server::config::Places;

/// Lines of one kind at most; the rest is counted.
const MOST_LINES: usize = 8;
/// Names in one line at most; the rest is counted.
const MOST_NAMES: usize = 12;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// OME-Zarr image, plate or collection, or zarr array: a path or a URL, of a folder or of a zip archive
    data: String,
    #[command(flatten)]
    select: SelectArgs,
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
    let location = Location::parse(&args.data).map_err(Failure::input)?;
    let found = engine.survey_selected(&location, &args.select.selection()).map_err(Failure::input)?;
    print(&match args.json {
        true => serde_json::to_string_pretty(&found).map_err(Failure::machine)?,
        false => describe(&found).join("\n"),
    })
}

fn describe(found: &Survey) -> Vec<String> {
    let mut lines =
        vec![format!("{}: {}", found.name, kind(found)), row("place", &found.location), row("format", &format(found))];
    if let Some(place) = &found.plate_ref {
        lines.push(row("plate", &format!("{}, well {}, field {}", place.plate, place.well, place.field)));
    }
    if !found.axes.is_empty() {
        let axes = found.axes.iter().map(|a| a.unit.as_ref().map_or(a.name.clone(), |unit| format!("{} ({unit})", a.name)));
        lines.push(row("axes", &axes.collect::<Vec<_>>().join(", ")));
    }
    if let Some(finest) = found.levels.first() {
        lines.push(row("type", &found.dtype.map_or(finest.storage.dtype.clone(), |dtype| dtype.numpy_name().to_owned())));
        lines.push(row("stored", &stored(finest)));
    }
    let levels = found.levels.iter().enumerate();
    folded(&mut lines, "levels", levels.map(|(n, level)| row(&format!("level {n}"), &self::level(n, level, found.dtype))));
    if found.levels.len() > 1 {
        let total = found.levels.iter().fold(0, |sum: u64, level| sum.saturating_add(decoded_bytes(&level.shape, found.dtype)));
        lines.push(row("all", &format!("{} decoded", size(total))));
    }
    let channels = found.channels.iter().enumerate();
    folded(&mut lines, "channels", channels.map(|(n, channel)| row(&format!("channel {n}"), &self::channel(channel))));
    if let Some(first) = first_shown(found) {
        lines.push(row("at first", &first));
    }
    if !found.images.is_empty() {
        lines.push(row("images", &format!("{}   choose one with --image", names(found.images.iter()))));
    }
    folded(&mut lines, "labels", found.labels.iter().map(|label| row("labels", &self::label(label))));
    if let Some(label) = &found.label {
        lines.push(row("labels", &self::label(label)));
    }
    if let Some(plate) = &found.plate {
        lines.extend(self::plate(plate));
    }
    if let Some(well) = &found.well {
        lines.push(row("fields", &fields(well)));
    }
    if !found.series.is_empty() {
        let list = names(found.series.iter());
        lines.push(row("series", &format!("{} images: {list}   choose one with --series", found.series.len())));
    }
    if !found.inside.is_empty() {
        lines.push(row("inside", &names(found.inside.iter())));
    }
    folded(&mut lines, "obstacles", found.obstacles.iter().map(|text| row("obstacle", text)));
    folded(&mut lines, "warnings", found.warnings.iter().map(|text| row("warning", text)));
    lines
}

fn row(what: &str, text: &str) -> String {
    format!("  {what:<10} {text}")
}

/// The first of many lines, and how many there are more.
fn folded(lines: &mut Vec<String>, what: &str, rows: impl ExactSizeIterator<Item = String>) {
    let more = rows.len().saturating_sub(MOST_LINES);
    lines.extend(rows.take(MOST_LINES));
    if more > 0 {
        lines.push(row("", &format!("… and {more} more {what}")));
    }
}

/// The first of many names, and how many there are more.
fn names<'a>(all: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = all.len().saturating_sub(MOST_NAMES);
    let shown = all.take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown}, … and {more} more") } else { shown }
}

fn kind(found: &Survey) -> String {
    match found.kind {
        Kind::Image if found.images.len() > 1 => format!("one of {} images", found.images.len()),
        Kind::Image => "an image".to_owned(),
        Kind::LabelImage => "a label image".to_owned(),
        Kind::Array => "an array without metadata of an image".to_owned(),
        Kind::GuessedPyramid => "arrays that look like the levels of an image".to_owned(),
        Kind::Plate => "a plate".to_owned(),
        Kind::Well => "a well of a plate".to_owned(),
        Kind::Series => "a bioformats2raw collection".to_owned(),
        Kind::Labels => "label images".to_owned(),
        Kind::Folder => "a folder".to_owned(),
    }
}

fn format(found: &Survey) -> String {
    let mut parts = Vec::new();
    if let Some(version) = &found.ngff_version {
        parts.push(format!("OME-Zarr {version}"));
    }
    match found.format.zarr {
        0 => {}
        version => parts.push(format!("zarr v{version}")),
    }
    if found.format.consolidated {
        parts.push("consolidated metadata".to_owned());
    }
    if parts.is_empty() { "none that is known".to_owned() } else { parts.join(", ") }
}

/// How the finest level is kept; the others are alike in all but broken images.
fn stored(level: &LevelInfo) -> String {
    let storage = &level.storage;
    let codecs = if storage.codecs.is_empty() { "no codecs" } else { &storage.codecs };
    let order = [(&storage.order, "order"), (&storage.byte_order, "endian")];
    let order = order.into_iter().filter(|(text, _)| !text.is_empty()).map(|(text, what)| format!(", {text} {what}"));
    format!("{codecs}{}", order.collect::<String>())
}

fn level(number: usize, level: &LevelInfo, dtype: Option<DType>) -> String {
    let shards = level.storage.shard.as_ref().map_or(String::new(), |shard| format!("   shards {}", times(shard)));
    let bytes = size(decoded_bytes(&level.shape, dtype));
    let path =
        if level.path.is_empty() || level.path == number.to_string() { String::new() } else { format!("   at {}", level.path) };
    let numbers = |values: &[f64]| values.iter().map(|v| self::number(*v)).collect::<Vec<_>>().join(" × ");
    let scale = if level.scale.is_empty() { String::new() } else { format!("   scale {}", numbers(&level.scale)) };
    let moved = level.translate.iter().any(|&t| t != 0.0);
    let translate = if moved { format!("   from {}", numbers(&level.translate).replace(" × ", ", ")) } else { String::new() };
    format!("{}   {bytes}   chunks {}{shards}{scale}{translate}{path}", times(&level.shape), times(&level.chunk))
}

fn channel(channel: &Channel) -> String {
    let label = channel.label.as_deref().unwrap_or("-");
    let color = channel.color.map_or("-".to_owned(), |[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"));
    let window = channel.window.map_or("-".to_owned(), |(low, high)| format!("{}..{}", number(low), number(high)));
    let shown = if channel.active { "" } else { "   hidden at first" };
    format!("{label}   colour {color}   window {window}{shown}")
}

fn first_shown(found: &Survey) -> Option<String> {
    // The file may name an index of an axis that the image lacks.
    let has = |name: &str| found.axes.iter().any(|axis| axis.name == name);
    let axis = |name: &str, at: Option<u64>| at.filter(|_| has(name)).map(|at| format!("{name} {at}"));
    let shown: Vec<String> = [axis("t", found.default_t), axis("z", found.default_z)].into_iter().flatten().collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn label(label: &LabelInfo) -> String {
    let colors = label.values.iter().filter(|value| value.color.is_some()).count();
    let properties = label.values.iter().filter(|value| !value.properties.is_empty()).count();
    let source = label.source.as_ref().map_or(String::new(), |source| format!("   of {source}"));
    let name = if label.name.is_empty() { "this image" } else { &label.name };
    let count = |n: usize, what: &str| if n > 0 { format!("   {what} of {n} values") } else { String::new() };
    format!("{name}{}{}{source}", count(colors, "colours"), count(properties, "properties"))
}

fn plate(plate: &Plate) -> Vec<String> {
    let fields = plate.field_count.map_or(String::new(), |n| format!(", up to {n} fields each"));
    let shape = format!("{} rows × {} columns, {} wells{fields}", plate.rows.len(), plate.columns.len(), plate.wells.len());
    let paths: Vec<String> = plate.wells.iter().map(|well| well.path.clone()).collect();
    let mut lines = vec![row("plate", &shape), row("wells", &names(paths.iter()))];
    if !plate.acquisitions.is_empty() {
        let runs: Vec<String> = plate.acquisitions.iter().map(|a| a.name.clone().unwrap_or_else(|| a.id.to_string())).collect();
        lines.push(row("runs", &names(runs.iter())));
    }
    if let Some(first) = paths.first() {
        lines.push(row("open", &format!("--well {first} --field 0")));
    }
    lines
}

fn fields(well: &Well) -> String {
    let paths: Vec<String> = well.images.iter().map(|image| image.path.clone()).collect();
    format!("{}: {}   choose one with --field", paths.len(), names(paths.iter()))
}

fn times(sizes: &[u64]) -> String {
    sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

/// With at most four decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // What would round to nothing is told as it is.
    if value != 0.0 && matches!(text, "0" | "-0") { format!("{value:e}") } else { text.to_owned() }
}

/// What a level would take in memory. Sparse arrays may declare more than 64 bits count: those have as many as fit.
fn decoded_bytes(shape: &[u64], dtype: Option<DType>) -> u64 {
    shape.iter().fold(dtype.map_or(1, |dtype| dtype.size() as u64), |bytes, &len| bytes.saturating_mul(len))
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
        assert_eq!(size(decoded_bytes(&[3, 1024, 512], Some(DType::U16))), "3.0 MiB");
        assert_eq!(size(decoded_bytes(&[u64::from(u32::MAX); 5], Some(DType::F64))), "16384.0 PiB");
    }

    #[test]
    fn small_numbers_stay_numbers() {
        assert_eq!([0.0, 1.0, 0.25, 1.0 / 3.0, -2.5, 3e-9].map(number), ["0", "1", "0.25", "0.3333", "-2.5", "3e-9"]);
    }

    #[test]
    fn long_lists_are_folded() {
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert!(names(many.iter()).ends_with("11, … and 88 more"));
        let mut lines = Vec::new();
        folded(&mut lines, "levels", many.iter().cloned());
        assert_eq!((lines.len(), lines[8].trim()), (9, "… and 92 more levels"));
    }
}
