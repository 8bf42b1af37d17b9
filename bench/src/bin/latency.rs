//! Measures a release build of `napari-cuda serve` from outside, as a client does, and prints one JSON document.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use nc_bench::client::Viewer;
use nc_bench::distribution::{Distribution, rounded};
use nc_bench::machine;
use nc_bench::report;
use nc_bench::scenario::{Scenario, Stack};
use nc_bench::server::{Data, Server};
use nc_core::data::ImageId;
use nc_core::scene::ImageInfo;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Cache budget of the memory measurement, MiB.
const BUDGET_MIB: u32 = 256;
/// How long the idle server is watched.
const IDLE: Duration = Duration::from_secs(20);

/// Measure latencies, start-up, idle load and memory of a napari-cuda server, as JSON on standard output
#[derive(Debug, Parser)]
#[command(name = "latency")]
struct Args {
    /// The release build of napari-cuda
    binary: PathBuf,
    /// OME-Zarr image to serve; the demo without it
    data: Option<PathBuf>,
    /// How often to measure everything
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Processes started for each figure of the start-up
    #[arg(long, default_value_t = 10)]
    starts: usize,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Start, Part::Samples, Part::Whole, Part::Memory])]
    parts: Vec<Part>,
    /// Kept in the document, such as a date
    #[arg(long)]
    note: Option<String>,
}

/// What is measured with server processes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Start-up
    Start,
    /// Motion and rest with a sample to a pixel
    Samples,
    /// Motion with the whole image in view
    Whole,
    /// Resident memory
    Memory,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // One thread: the client should take as little as it can of what the server could use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(measure(&args))?;
    println!("{document:#}");
    Ok(())
}

async fn measure(args: &Args) -> Result<Value> {
    let (data, info) = match &args.data {
        None => (Data::Demo, nc_store::demo(ImageId(0)).info),
        Some(path) => (Data::Folder(path.clone()), nc_store::open(&path.to_string_lossy(), ImageId(0))?.info),
    };
    let finest = info.finest();
    let z = info.axes.iter().position(|axis| axis.name == "z").context("the image has no z axis to step through")?;
    let stack = Stack { planes: finest.shape[z], depth: finest.chunk[z] };
    let load = machine::load();
    let mut runs = Vec::new();
    for n in 1..=args.runs {
        eprintln!("run {n} of {}", args.runs);
        runs.push(run(args, &data, stack).await?);
    }
    Ok(json!({"note": args.note, "machine": machine::describe(), "load_before": load, "load_after": machine::load(),
        "image": describe(&info), "video": [1280, 720], "targets": report::judge(&runs), "runs": runs}))
}

async fn run(args: &Args, data: &Data, stack: Stack) -> Result<Value> {
    let mut results = Map::new();
    for part in &args.parts {
        let (name, result) = match part {
            Part::Start => ("start", start(args, data).await?),
            Part::Samples => ("samples", samples(args, data, stack).await?),
            Part::Whole => ("whole", whole(args, data, stack).await?),
            Part::Memory => ("memory", memory(args, data, stack).await?),
        };
        results.insert(name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

/// The middle of the image, a sample of the finest level to a pixel.
async fn samples(args: &Args, data: &Data, stack: Stack) -> Result<Value> {
    let server = Server::start(&args.binary, data, None)?;
    let mut scenario = Scenario::open(&server, stack).await?;
    scenario.zoom_to_samples().await?;
    let level = scenario.level();
    let (pan, z_cached) = (scenario.pan().await?, scenario.step_cached().await?);
    let (z_cold, idle) = (scenario.step_cold().await?, scenario.idle(IDLE).await?);
    Ok(json!({"level": level, "pan": pan, "z_cached": z_cached, "z_cold": z_cold, "idle": idle}))
}

/// The whole image, as it is shown at first.
async fn whole(args: &Args, data: &Data, stack: Stack) -> Result<Value> {
    let server = Server::start(&args.binary, data, None)?;
    let mut scenario = Scenario::open(&server, stack).await?;
    let level = scenario.level();
    Ok(json!({"level": level, "z_cached": scenario.step_cached().await?, "z_cold": scenario.step_cold().await?}))
}

/// Starts the server again and again, connecting as soon as it prints its link.
async fn start(args: &Args, data: &Data) -> Result<Value> {
    let (mut link, mut idr) = (Distribution::default(), Distribution::default());
    for _ in 0..args.starts {
        let server = Server::start(&args.binary, data, None)?;
        link.push(server.started.elapsed());
        let mut viewer = Viewer::connect(server.http).await?;
        idr.push(viewer.first_packet().await? - server.started);
    }
    Ok(json!({"link_printed": link.to_json(), "first_idr_received": idr.to_json()}))
}

/// Resident memory after all motions within a small cache budget.
async fn memory(args: &Args, data: &Data, stack: Stack) -> Result<Value> {
    let server = Server::start(&args.binary, data, Some(BUDGET_MIB))?;
    let mut scenario = Scenario::open(&server, stack).await?;
    let mib = |bytes: u64| rounded(bytes as f64 / f64::from(1 << 20));
    let started = machine::memory(server.pid())?;
    scenario.zoom_to_samples().await?;
    scenario.pan().await?;
    scenario.step_cached().await?;
    scenario.step_cold().await?;
    let memory = machine::memory(server.pid())?;
    Ok(json!({"cache_budget_mib": BUDGET_MIB, "resident_at_first_view_mib": mib(started.resident),
        "resident_mib": mib(memory.resident), "peak_mib": mib(memory.peak),
        "peak_above_budget_mib": rounded(mib(memory.peak) - f64::from(BUDGET_MIB))}))
}

fn describe(info: &ImageInfo) -> Value {
    let finest = info.finest();
    let axes: Vec<&str> = info.axes.iter().map(|axis| axis.name.as_str()).collect();
    json!({"name": info.name, "axes": axes, "shape": finest.shape, "chunk": finest.chunk, "levels": info.levels.len(),
        "dtype": info.dtype.numpy_name()})
}
