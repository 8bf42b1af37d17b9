//! An image behind a network: how soon its first picture comes, and whether scrubbing through it ever holds up a frame.
//!
//! The network is emulated (`far`): by default 40 ms there and back and 200 Mbit/s.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use nc_bench::client::{PATIENCE, Seen, Viewer};
use nc_bench::distribution::{milliseconds, rounded};
use nc_bench::far::{FarServer, Link};
use nc_bench::machine;
use nc_bench::scrub::stack::{self, Format};
use nc_bench::scrub::{Plan, Scrubbed, cell, longest_ms, scrub};
use nc_bench::server::{Data, Server};
use nc_gpu::testing::Decoder;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From the start of the server to the first picture that shows something of the image, milliseconds, at most.
const FIRST_PICTURE_MS: f64 = 400.0;
/// A tick of the render loop that holds up a frame takes longer than a frame, milliseconds.
const FRAME_MS: f64 = 1000.0 / 60.0;
/// A picture that shows something has luma that differs from its mean by so much, in the mean.
const SHOWS_SOMETHING: f64 = 2.0;

/// Measure an image behind a network: its first picture, and a scrub through it
#[derive(Debug, Parser)]
#[command(name = "remote")]
struct Args {
    /// The release build of napari-cuda
    binary: PathBuf,
    /// Milliseconds there and back
    #[arg(long, default_value_t = 40)]
    round_trip_ms: u64,
    /// Speed towards the server, Mbit/s
    #[arg(long, default_value_t = 200.0)]
    mbit: f64,
    /// Formats of the stack
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Format::V2Lz4, Format::V3Zstd, Format::V3ZstdSharded])]
    codec: Vec<Format>,
    /// Where it is written, once
    #[arg(long, default_value = "target/scrub")]
    folder: PathBuf,
    /// How often to measure each; the median is judged
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Steps per second of the scrub
    #[arg(long, default_value_t = 60.0)]
    rate: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one run came to.
struct Run {
    link: Duration,
    /// The first packet, whatever it shows.
    packet: Duration,
    picture: Duration,
    scrub: Scrubbed,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    ensure!(args.runs > 0 && args.rate > 0.0 && args.mbit > 0.0, "--runs, --rate and --mbit must be positive");
    std::fs::create_dir_all(&args.folder)?;
    let places = stack::prepare(&args.folder, &args.codec)?;
    for place in &places {
        stack::warm(place)?;
    }
    let link = Link { round_trip: Duration::from_millis(args.round_trip_ms), bits_per_s: args.mbit * 1e6 };
    let far = FarServer::start(args.folder.clone(), link)?;
    let load = machine::load();
    let mut runs: Vec<Vec<Run>> = places.iter().map(|_| Vec::new()).collect();
    for n in 1..=args.runs {
        for (place, runs) in places.iter().zip(&mut runs) {
            let name = place.file_name().context("a stack without a name")?.to_string_lossy();
            eprintln!("run {n} of {}: {name}", args.runs);
            runs.push(run(&args, &far.url(&name))?);
        }
    }
    let mut all_met = true;
    let mut documents = Vec::new();
    for (format, runs) in args.codec.iter().zip(&runs) {
        let median = |figure: &dyn Fn(&Run) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let (picture, tick) = (median(&|run| milliseconds(run.picture)), median(&|run| longest_ms(&run.scrub.cold.tick)));
        let met = picture <= FIRST_PICTURE_MS && tick <= FRAME_MS;
        all_met &= met;
        if args.json {
            let runs: Vec<Value> = runs.iter().map(Run::to_json).collect();
            documents
                .push(json!({"stack": format.name(), "first_picture_ms": rounded(picture), "longest_tick_ms": rounded(tick),
                "met": met, "runs": runs}));
        } else {
            let missed = |met: bool| if met { "" } else { "  MISSED" };
            println!("{}", format.name());
            println!("  first picture {picture:.0} ms, at most {FIRST_PICTURE_MS}{}", missed(picture <= FIRST_PICTURE_MS));
            println!("  longest tick of the scrub {tick:.2} ms, at most {FRAME_MS:.1}{}", missed(tick <= FRAME_MS));
            runs.iter().for_each(|run| println!("    {run}"));
        }
    }
    if args.json {
        let limits = json!({"first_picture_ms": FIRST_PICTURE_MS, "longest_tick_ms": rounded(FRAME_MS)});
        println!(
            "{:#}",
            json!({"machine": machine::describe(), "load_before": load, "load_after": machine::load(), "round_trip_ms": args.round_trip_ms,
                "mbit_per_s": args.mbit, "rate": args.rate, "limits": limits, "stacks": documents})
        );
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(args: &Args, url: &str) -> Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (link, packet, picture) = runtime.block_on(first_picture(args, url))?;
    let scrub = scrub(url, Plan { rate: args.rate, cache_bytes: 1 << 30, reverse: false })?;
    Ok(Run { link, packet, picture, scrub })
}

/// Since the server was started: its link, the first packet, and the first one with a picture that shows something.
async fn first_picture(args: &Args, url: &str) -> Result<(Duration, Duration, Duration)> {
    let server = Server::start(&args.binary, &Data::Url(url.to_owned()), None)?;
    let link = server.started.elapsed();
    let mut viewer = Viewer::connect(server.http).await?;
    let (mut decoder, mut first) = (Decoder::open(), None);
    let deadline = Instant::now() + PATIENCE;
    while let Some((at, seen)) = viewer.next(deadline).await? {
        if let Seen::Packet { unit, .. } = seen {
            let first = *first.get_or_insert(at - server.started);
            if contrast(&decoder.decode(&unit).y) >= SHOWS_SOMETHING {
                return Ok((link, first, at - server.started));
            }
        }
    }
    bail!("no picture of {url} within {} s", PATIENCE.as_secs())
}

/// Mean difference to the mean.
fn contrast(luma: &[u8]) -> f64 {
    let mean_of = |sum: f64| sum / luma.len().max(1) as f64;
    let mean = mean_of(luma.iter().map(|&y| f64::from(y)).sum());
    mean_of(luma.iter().map(|&y| (f64::from(y) - mean).abs()).sum())
}

impl Run {
    fn to_json(&self) -> Value {
        let ms = |duration| rounded(milliseconds(duration));
        let warm = &self.scrub.warm;
        json!({"link_ms": ms(self.link), "first_packet_ms": ms(self.packet), "first_picture_ms": ms(self.picture),
            "scrub": self.scrub.cold.to_json(), "longest_tick_ms": rounded(longest_ms(&self.scrub.cold.tick)),
            "ahead": {"asked": warm.asked, "warmed": warm.warmed, "used": warm.used, "late": warm.late, "wasted": warm.wasted}})
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cold = &self.scrub.cold;
        write!(
            f,
            "link {:.0} ms, packet {:.0}, picture {:.0}; scrub: tick p50 {} p95 {} longest {:.2}; samples of a step after p50 {} p95 {} \
             longest {:.0}; {:.0} % at the target level",
            milliseconds(self.link),
            milliseconds(self.packet),
            milliseconds(self.picture),
            cell(&cold.tick, 50),
            cell(&cold.tick, 95),
            longest_ms(&cold.tick),
            cell(&cold.shown, 50),
            cell(&cold.shown, 95),
            longest_ms(&cold.shown),
            cold.at_target()
        )
    }
}
