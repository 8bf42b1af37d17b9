//! Puts load on a release build of `napari-cuda serve` from outside, and prints what held as one JSON document.

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use nc_bench::load::crowd::Crowd;
use nc_bench::load::{ack, churn, crowd, trace};
use nc_bench::machine;
use nc_bench::server::{Data, Server};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Cache budget of the server, MiB.
const CACHE_MIB: u32 = 128;

/// So large a share of the traces agree with what a client measures, at least.
const LEAST_AGREEMENT: f64 = 0.99;
/// Runs shorter than this say nothing of memory.
const LONG_S: u64 = 300;
/// Memory that grows by no more in the second half is flat.
const FLAT_MIB_PER_MIN: f64 = 1.0;

/// Put load on a napari-cuda server and print what held, as JSON on standard output
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
    /// The release build of napari-cuda
    binary: PathBuf,
    /// OME-Zarr image to serve; the demo without it
    #[arg(long)]
    data: Option<PathBuf>,
    /// Kept in the document, such as a date
    #[arg(long)]
    note: Option<String>,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Time from an intent to its ack while the renderer and the encoder are busy
    Ack {
        /// For how long
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Many clients on one scene
    Crowd {
        /// Clients that send
        #[arg(long, default_value_t = 20)]
        drivers: usize,
        /// Clients that watch
        #[arg(long, default_value_t = 20)]
        watchers: usize,
        /// Intents of each a second
        #[arg(long, default_value_t = 50.0)]
        rate: f64,
        /// Give pictures to those that watch alone
        #[arg(long)]
        blind_drivers: bool,
        /// For how long
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
    /// Clients that come and go
    Churn {
        /// How many
        #[arg(long, default_value_t = 10_000)]
        cycles: usize,
    },
    /// Whether the server's traces tell what a client measures
    Trace {
        /// How many intents
        #[arg(long, default_value_t = 400)]
        intents: usize,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    // One thread: the clients should take as little as they can of what the server could use.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(measure(&args))?;
    println!("{document:#}");
    let misses = misses(&document["result"]);
    if !misses.is_empty() {
        bail!("{}", misses.join("; "));
    }
    Ok(())
}

/// What did not hold.
fn misses(result: &Value) -> Vec<&'static str> {
    let mut misses = Vec::new();
    let mut check = |missed: bool, what| misses.extend(missed.then_some(what));
    check(result["leaked"] == json!(true), "something leaked");
    check(result["all_know_the_same_in_the_end"] == json!(false), "not all clients know the same in the end");
    check(result["lost_acks"].as_u64().is_some_and(|lost| lost > 0), "acks were lost");
    check(
        result["within_limit"]["share"].as_f64().is_some_and(|share| share < LEAST_AGREEMENT),
        "traces differ from what is measured",
    );
    let slope = result["memory"]["slope_of_second_half_mib_per_min"].as_f64();
    let long = result["seconds"].as_u64().is_some_and(|seconds| seconds >= LONG_S);
    check(long && slope.is_some_and(|slope| slope > FLAT_MIB_PER_MIN), "memory grows");
    misses
}

async fn measure(args: &Args) -> Result<Value> {
    let data = args.data.clone().map_or(Data::Demo, Data::Folder);
    let load = machine::load();
    // Small, so that a crowd that steps through the image fills it early and memory can be seen to be flat.
    let server = Server::start(&args.binary, &data, Some(CACHE_MIB))?;
    let (mode, result) = match args.mode {
        Mode::Ack { seconds } => ("ack", ack::run(&server, Duration::from_secs(seconds)).await?),
        Mode::Crowd { drivers, watchers, rate, blind_drivers, seconds } => {
            let span = Duration::from_secs(seconds);
            ("crowd", crowd::run(&server, Crowd { drivers, watchers, driver_pictures: !blind_drivers, rate, span }).await?)
        }
        Mode::Churn { cycles } => ("churn", churn::run(&server, cycles).await?),
        Mode::Trace { intents } => ("trace", trace::run(&server, intents).await?),
    };
    let command: Vec<String> = std::env::args().collect();
    Ok(json!({"note": args.note, "command": command.join(" "), "machine": machine::describe(), "load_before": load,
        "load_after": machine::load(), "video": [1280, 720],
        "cache_mib": CACHE_MIB, "mode": mode, "result": result}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_told() {
        let memory = |slope: f64| json!({"seconds": 600, "lost_acks": 0, "memory": {"slope_of_second_half_mib_per_min": slope}});
        assert!(misses(&memory(0.2)).is_empty());
        assert_eq!(misses(&memory(3.0)), ["memory grows"]);
        assert_eq!(misses(&json!({"lost_acks": 1, "all_know_the_same_in_the_end": false})).len(), 2);
        assert_eq!(misses(&json!({"within_limit": {"share": 0.5}})), ["traces differ from what is measured"]);
        assert_eq!(misses(&json!({"leaked": true})), ["something leaked"]);
    }
}
