//! Measures how fast the store reads, side by side with tensorstore and zarr-python. `bench/peers/store` runs it.
//!
//! With the system's allocator, as the others: a box is read into new memory, and what that costs is for all the same.

use anyhow::{Context, Result};
use clap::Parser;
use nc_bench::machine;
use nc_bench::reading::speed::{self, Plan};
use nc_bench::reading::{huge, stall};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure how fast the store reads, side by side with tensorstore and zarr-python
#[derive(Debug, Parser)]
#[command(name = "store")]
struct Args {
    /// The folder that store_data.py has written
    data: PathBuf,
    /// A Python interpreter that has tensorstore and zarr
    #[arg(long)]
    python: PathBuf,
    /// store_worker.py
    #[arg(long)]
    worker: PathBuf,
    /// The data is the small one
    #[arg(long)]
    quick: bool,
    /// Boxes per cell
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// How many of them zarr-python reads, too
    #[arg(long, default_value_t = 20)]
    zarr_python_runs: usize,
    /// Threads that we read with; as many as there are cores without it
    #[arg(long)]
    threads: Option<usize>,
    /// Decode every chunk whole, where a part would do
    #[arg(long)]
    whole: bool,
    /// Only cells whose name holds this, such as "v3-zstd z"
    #[arg(long)]
    only: Option<String>,
    /// Measure also the first slice of a sharded image against later ones
    #[arg(long)]
    stall: bool,
    /// Measure also how an image of 2 TB opens, with this release build of napari-cuda
    #[arg(long, value_name = "BINARY")]
    huge: Option<PathBuf>,
    /// Write the results to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Kept in that file, such as a date
    #[arg(long)]
    note: Option<String>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let load = machine::load();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan {
        data: args.data.clone(),
        python: args.python,
        script: args.worker,
        runs: args.runs,
        zarr_python_runs: args.zarr_python_runs,
        threads: args.threads.unwrap_or(cores),
        whole: args.whole,
        only: args.only,
    };
    let outcome = speed::run(&plan)?;
    let mut misses = outcome.misses();
    let mut parts = Map::from_iter([("speed".to_owned(), outcome.to_json())]);
    print!("{}", outcome.table());
    if args.stall {
        let stall = stall::run(&args.data, plan.threads)?;
        println!("{stall}");
        misses.extend(stall.miss());
        parts.insert("stall".to_owned(), stall.to_json());
    }
    if let Some(binary) = &args.huge {
        let huge = huge::run(binary)?;
        println!("{huge}");
        misses.extend(huge.misses());
        parts.insert("huge".to_owned(), huge.to_json());
    }
    if let Some(file) = &args.json {
        let document: Value = json!({"note": args.note, "machine": machine::describe(), "load_before": load,
            "load_after": machine::load(), "quick": args.quick, "whole": args.whole, "threads": plan.threads, "results": parts});
        std::fs::write(file, format!("{document:#}\n")).with_context(|| format!("writing {}", file.display()))?;
    }
    misses.iter().for_each(|miss| println!("missed: {miss}"));
    println!("geometric mean {:.3}", outcome.mean());
    Ok(if misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
