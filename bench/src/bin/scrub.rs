//! Scrubs through the slices of a stack at a steady rate, from a cold cache and again from a full one, and judges what was shown when.
//!
//! In one process, without sockets and encoder: what is measured is how soon the samples of a step are on the device.

use anyhow::{Result, ensure};
use clap::Parser;
use nc_bench::distribution::rounded;
use nc_bench::machine;
use nc_bench::scrub::stack::{self, Format};
use nc_bench::scrub::{Plan, Scrubbed, cell, longest_ms, scrub};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 95 % of the steps take no longer, milliseconds: neither the tick nor until a picture of them can be drawn.
const P95_MS: f64 = 3.0;
/// No step waits longer for a picture of it, milliseconds.
const LONGEST_MS: f64 = 50.0;
/// So many percent of the steps are shown at the target level before the next.
const AT_TARGET_PERCENT: f64 = 90.0;
/// A step whose chunks are all decoded takes no longer, milliseconds.
const HITS_MS: f64 = 0.5;

/// Scrub through a stack and judge how soon its steps are there; fails if one of the targets is missed
#[derive(Debug, Parser)]
#[command(name = "scrub")]
struct Args {
    /// OME-Zarr stack to scrub through; without it, the formats are written and scrubbed through in turn
    data: Option<PathBuf>,
    /// Formats of the stack that is written
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Format::V2Lz4, Format::V3Zstd, Format::V3ZstdSharded])]
    codec: Vec<Format>,
    /// Where it is written, once
    #[arg(long, default_value = "target/scrub")]
    folder: PathBuf,
    /// How often to measure each; the median is judged
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Steps per second
    #[arg(long, default_value_t = 60.0)]
    rate: f64,
    /// Memory for tiles and decoded chunks, MiB
    #[arg(long, default_value_t = 1024)]
    cache_mb: u64,
    /// Turn back in the middle
    #[arg(long)]
    reverse: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    ensure!(args.runs > 0 && args.rate > 0.0 && args.cache_mb > 0, "--runs, --rate and --cache-mb must be positive");
    let (names, places) = match &args.data {
        Some(place) => (vec![place.display().to_string()], vec![place.clone()]),
        None => {
            std::fs::create_dir_all(&args.folder)?;
            (args.codec.iter().map(|format| format.name()).collect(), stack::prepare(&args.folder, &args.codec)?)
        }
    };
    for place in &places {
        stack::warm(place)?;
    }
    let plan = Plan { rate: args.rate, cache_bytes: args.cache_mb << 20, reverse: args.reverse };
    let load = machine::load();
    let mut runs: Vec<Vec<Scrubbed>> = vec![Vec::new(); places.len()];
    for n in 1..=args.runs {
        for (place, runs) in places.iter().zip(&mut runs) {
            eprintln!("run {n} of {}: {}", args.runs, place.display());
            runs.push(scrub(&place.to_string_lossy(), plan)?);
        }
    }
    let mut all_met = true;
    let mut documents = Vec::new();
    if !args.json {
        println!("{:44} {:>9} {:>9}  runs", "", "median", "limit");
    }
    for (name, runs) in names.iter().zip(&runs) {
        let targets = judge(runs);
        all_met &= targets.iter().all(|target| target.met);
        if args.json {
            documents.push(document(name, runs, &targets));
        } else {
            print(name, runs, &targets);
        }
    }
    if args.json {
        let machine = json!({"machine": machine::describe(), "load_before": load, "load_after": machine::load()});
        println!(
            "{:#}",
            json!({"environment": machine, "rate": args.rate, "cache_mb": args.cache_mb, "reverse": args.reverse, "stacks": documents})
        );
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A figure with what it has to be.
struct Target {
    name: &'static str,
    limit: f64,
    runs: Vec<f64>,
    median: f64,
    met: bool,
}

fn judge(runs: &[Scrubbed]) -> Vec<Target> {
    let target = |name, limit: f64, at_most: bool, figure: &dyn Fn(&Scrubbed) -> f64| {
        let runs: Vec<f64> = runs.iter().map(figure).collect();
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        Target { name, limit, runs, median, met: if at_most { median <= limit } else { median >= limit } }
    };
    let p95 = |distribution: &nc_bench::distribution::Distribution| distribution.percentile_ms(95).unwrap_or(f64::INFINITY);
    vec![
        target("cold: tick that takes a step up, p95 ms", P95_MS, true, &|run| p95(&run.cold.tick)),
        target("cold: step to samples of it, p95 ms", P95_MS, true, &|run| p95(&run.cold.shown)),
        target("cold: longest wait for samples of a step, ms", LONGEST_MS, true, &|run| longest_ms(&run.cold.shown)),
        target("cold: steps at the target level, percent", AT_TARGET_PERCENT, false, &|run| run.cold.at_target()),
        target("all hits: tick that takes a step up, p95 ms", HITS_MS, true, &|run| p95(&run.hits.tick)),
    ]
}

fn print(name: &str, runs: &[Scrubbed], targets: &[Target]) {
    println!("{name}");
    for target in targets {
        let each: Vec<String> = target.runs.iter().map(|figure| format!("{figure:.2}")).collect();
        let missed = if target.met { "" } else { "  MISSED" };
        println!("  {:42} {:9.2} {:9.2}  {}{missed}", target.name, target.median, target.limit, each.join(" "));
    }
    for run in runs {
        let (cold, hits, warm) = (&run.cold, &run.hits, &run.warm);
        println!(
            "    tick p50 {} max {:.2}; complete p50 {} p95 {}; draw p50 {}; hits: tick p50 {}, {:.0} % at target; ahead: {} asked, {} came, {} used, {} late, {} wasted",
            cell(&cold.tick, 50),
            longest_ms(&cold.tick),
            cell(&cold.complete, 50),
            cell(&cold.complete, 95),
            cell(&cold.draw, 50),
            cell(&hits.tick, 50),
            hits.at_target(),
            warm.asked,
            warm.warmed,
            warm.used,
            warm.late,
            warm.wasted,
        );
    }
}

fn document(name: &str, runs: &[Scrubbed], targets: &[Target]) -> Value {
    let judged: Vec<Value> = targets
        .iter()
        .map(|t| {
            let runs: Vec<f64> = t.runs.iter().copied().map(rounded).collect();
            json!({"target": t.name, "limit": t.limit, "runs": runs, "median": rounded(t.median), "met": t.met})
        })
        .collect();
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| {
            let warm = json!({"asked": run.warm.asked, "warmed": run.warm.warmed, "used": run.warm.used, "late": run.warm.late,
                "wasted": run.warm.wasted, "expired": run.warm.expired});
            json!({"cold": run.cold.to_json(), "hits": run.hits.to_json(), "ahead": warm})
        })
        .collect();
    json!({"stack": name, "targets": judged, "runs": runs})
}
