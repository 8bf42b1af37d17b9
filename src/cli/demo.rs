//! `napari-cuda demo write`: the demo's tissue as a real OME-Zarr image of any size, for tests and measurements.

use super::{Failure, print};
use clap::builder::PossibleValue;
use clap::{Subcommand, ValueEnum};
use nc_engine::Recipe;
use nc_engine::write::{Codec, Format, Ngff, PlateShape, WriteError, write_image, write_plate};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the demo's tissue as an OME-Zarr image: nuclei, membranes and vesicles of as many embryos as there is room for
    Write(WriteArgs),
}

#[derive(Debug, clap::Args)]
struct WriteArgs {
    /// Directory to write to; it must not exist, or be empty
    out: PathBuf,
    /// Samples along [[[t,]c,]z,]y,x
    #[arg(long, value_name = "SIZES", default_value = "3,64,1024,1024", value_parser = sizes)]
    shape: Sizes,
    /// How chunks are compressed
    #[arg(long, default_value = "blosc-lz4")]
    codec: CodecName,
    /// How hard the codec tries: 0 to 9 for blosc and gzip, 1 to 22 for zstd [default: the codec's own]
    #[arg(long, value_name = "N")]
    effort: Option<u8>,
    /// Version of OME-Zarr: 0.4 (zarr v2) or 0.5 (zarr v3)
    #[arg(long, default_value = "0.5")]
    ngff: NgffName,
    /// Samples of a chunk along z,y,x
    #[arg(long, value_name = "SIZES", default_value = "64,64,64", value_parser = sizes)]
    chunk: Sizes,
    /// Samples of a shard along z,y,x: multiples of the chunk's [default: no shards]
    #[arg(long, value_name = "SIZES", value_parser = sizes)]
    shard: Option<Sizes>,
    /// Levels, each half as long along z, y and x as the one before [default: until y and x are at most 256]
    #[arg(long, value_name = "N")]
    levels: Option<u32>,
    /// Store all of small levels, but of the others only the middle: a vast image in seconds
    #[arg(long)]
    sparse: bool,
    /// Write a plate of this many rows, columns and fields per well, each field of the given shape
    #[arg(long, value_name = "ROWS,COLUMNS,FIELDS", value_parser = sizes)]
    plate: Option<Sizes>,
    /// Threads that make and compress chunks [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Numbers between commas.
#[derive(Debug, Clone)]
struct Sizes(Vec<u64>);

fn sizes(text: &str) -> Result<Sizes, String> {
    let numbers = text.split(',').map(|part| part.trim().parse()).collect::<Result<Vec<u64>, _>>();
    numbers.map(Sizes).map_err(|_| "give whole numbers between commas, such as 64,64,64".to_owned())
}

impl Sizes {
    fn three(&self, flag: &str, names: &str) -> Result<[u64; 3], Failure> {
        <[u64; 3]>::try_from(&self.0[..])
            .map_err(|_| Failure::input(format!("{flag}: {} numbers are not allowed; give three, {names}", self.0.len())))
    }
}

#[derive(Debug, Clone, Copy)]
struct CodecName(Codec);

impl ValueEnum for CodecName {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Codec::None), Self(Codec::BloscLz4), Self(Codec::BloscZstd), Self(Codec::Zstd), Self(Codec::Gzip)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            Codec::None => "none",
            Codec::BloscLz4 => "blosc-lz4",
            Codec::BloscZstd => "blosc-zstd",
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct NgffName(Ngff);

impl ValueEnum for NgffName {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Ngff::V04), Self(Ngff::V05)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            Ngff::V04 => "0.4",
            Ngff::V05 => "0.5",
        }))
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Command::Write(args) = &args.command;
    let started = Instant::now();
    let recipe = Recipe::new(&name_of(&args.out), &args.shape.0, args.chunk.three("--chunk", "z,y,x")?, args.levels)
        .map_err(Failure::input)?;
    let format = Format {
        ngff: args.ngff.0,
        codec: args.codec.0,
        effort: args.effort,
        shard: args.shard.as_ref().map(|shard| shard.three("--shard", "z,y,x")).transpose()?,
        sparse: args.sparse,
    };
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let progress = Progress::default();
    let tell = |done, total| progress.tell(done, total);
    let written = match &args.plate {
        Some(plate) => write_plate(&recipe, plate_shape(plate)?, &args.out, &format, threads, &tell),
        None => write_image(&recipe, &args.out, &format, threads, &tell),
    };
    progress.end();
    let written = written.map_err(failure)?;
    let (objects, mib) = (written.objects, written.bytes as f64 / f64::from(1 << 20));
    print(&format!(
        "{}: {objects} {} of {mib:.1} MiB in {:.1} s",
        args.out.display(),
        if args.shard.is_some() { "shards" } else { "chunks" },
        started.elapsed().as_secs_f64()
    ))
}

/// What the image is called: its directory, without the endings of an image.
fn name_of(out: &Path) -> String {
    let name = out.file_name().map_or_else(|| "demo".into(), |name| name.to_string_lossy().into_owned());
    name.trim_end_matches(".zarr").trim_end_matches(".ome").to_owned()
}

fn plate_shape(sizes: &Sizes) -> Result<PlateShape, Failure> {
    let [rows, columns, fields] = sizes.three("--plate", "rows,columns,fields")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Ok(PlateShape { rows, columns, fields })
}

/// A full disk is the machine's fault, all else that of what was asked for.
fn failure(error: WriteError) -> Failure {
    match error {
        WriteError::Io { .. } => Failure::machine(error),
        _ => Failure::input(error),
    }
}

/// One line on a terminal that says how far it is; nothing elsewhere.
#[derive(Debug, Default)]
struct Progress {
    /// Percent said last.
    said: AtomicU64,
}

impl Progress {
    fn tell(&self, done: u64, total: u64) {
        let percent = done * 100 / total.max(1);
        if self.said.fetch_max(percent, Ordering::Relaxed) < percent && std::io::stderr().is_terminal() {
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{percent:3} %");
        }
    }

    fn end(&self) {
        if self.said.load(Ordering::Relaxed) > 0 && std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr(), "\r     \r");
        }
    }
}
