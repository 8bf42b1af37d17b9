//! Writes the made-up image that the benches run on, as an OME-Zarr 0.5 pyramid.

use anyhow::{Context, Result};
use clap::Parser;
use nc_bench::pyramid::{self, Shape};
use std::path::PathBuf;
use std::time::Instant;

/// Write a made-up u16 stack as an OME-Zarr 0.5 pyramid; the same every time
#[derive(Debug, Parser)]
#[command(name = "make-pyramid")]
struct Args {
    /// Folder to write, such as /data/stack.ome.zarr; must not exist
    out: PathBuf,
    /// Rows and columns of the finest level
    #[arg(long, default_value_t = 2048)]
    size: u64,
    /// Planes
    #[arg(long, default_value_t = 64)]
    z: u64,
    /// Channels, 1 to 4
    #[arg(long, default_value_t = 4)]
    channels: u64,
    /// Samples of a chunk along z, y and x
    #[arg(long, value_delimiter = ',', num_args = 3, default_values_t = [1, 512, 512], value_name = "Z,Y,X")]
    chunk: Vec<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let chunk = args.chunk.as_slice().try_into().context("--chunk takes three numbers: Z,Y,X")?;
    let shape = Shape { channels: args.channels, z: args.z, size: args.size, chunk };
    let start = Instant::now();
    let stored = pyramid::write(&args.out, shape)?;
    println!("{}: {} levels, {} MiB, {:.1} s", args.out.display(), shape.levels(), stored >> 20, start.elapsed().as_secs_f64());
    Ok(())
}
