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
    let lost = [("leaked", json!(true)), ("all_know_the_same_in_the_end", json!(false))];
    let lost = lost.iter().any(|(key, bad)| document["result"].get(key) == Some(bad));
    if lost || document["result"]["lost_acks"].as_u64().unwrap_or(0) > 0 {
        bail!("the server lost something: see above");
    }
    Ok(())
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
