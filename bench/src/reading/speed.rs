//! The runs: each box read by us and by the others in turn, and what came of it.

use super::worker::{Library, Read, Worker};
use super::{Dice, FORMATS, Format, Kind, Region};
use anyhow::{Context, Result, ensure};
use nc_store::{RegionReader, place::Stop};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::distribution::{Distribution, rounded};
use std::time::Duration;

/// Our median by tensorstore's, at most, in every cell.
pub const MOST_OF_TENSORSTORE: f64 = 1.1;
/// The same, in the geometric mean of all cells.
pub const MOST_IN_THE_MEAN: f64 = 0.7;
/// zarr-python's median by ours, at least, in every cell.
pub const LEAST_OF_ZARR_PYTHON: f64 = 3.0;
/// Seed of the boxes.
const SEED: u64 = 4;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder that holds the image in every format.
    pub data: PathBuf,
    /// The interpreter that has the others.
    pub python: PathBuf,
    /// `store_worker.py`.
    pub script: PathBuf,
    /// Boxes per cell.
    pub runs: usize,
    /// How many of them zarr-python reads, too.
    pub zarr_python_runs: usize,
    /// Threads that we read with.
    pub threads: usize,
    /// Whether we decode every chunk whole.
    pub whole: bool,
    /// Only cells whose name holds this.
    pub only: Option<String>,
}

/// One format and one kind of box.
#[derive(Debug, Clone)]
pub struct Cell {
    format: Format,
    kind: Kind,
    ours: Distribution,
    tensorstore: Distribution,
    zarr_python: Distribution,
}

impl Cell {
    fn name(&self) -> String {
        format!("{} {}", self.format.name, self.kind.name())
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.ours.percentile_ms(50)? / self.tensorstore.percentile_ms(50)?)
    }

    fn zarr_python_ratio(&self) -> Option<f64> {
        Some(self.zarr_python.percentile_ms(50)? / self.ours.percentile_ms(50)?)
    }

    fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        if let Some(ratio) = self.ratio().filter(|&r| r > MOST_OF_TENSORSTORE) {
            misses.push(format!("{}: {ratio:.2} of tensorstore's time, more than {MOST_OF_TENSORSTORE}", self.name()));
        }
        if let Some(ratio) = self.zarr_python_ratio().filter(|&r| r < LEAST_OF_ZARR_PYTHON) {
            misses.push(format!("{}: {ratio:.1} times as fast as zarr-python, less than {LEAST_OF_ZARR_PYTHON}", self.name()));
        }
        misses
    }
}

/// All cells of a run.
#[derive(Debug, Clone)]
pub struct Outcome(Vec<Cell>);

/// Reads every box by turns. Nobody else reads while one of them does.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let mut tensorstore = Worker::start(&plan.python, &plan.script, Library::Tensorstore)?;
    let mut zarr_python = Worker::start(&plan.python, &plan.script, Library::ZarrPython)?;
    let reader = if plan.whole { RegionReader::of_whole_chunks(plan.threads) } else { RegionReader::new(plan.threads) };
    let none = Distribution::default;
    let cells = FORMATS.into_iter().flat_map(|format| Kind::ALL.map(|kind| (format, kind)));
    let cells = cells.map(|(format, kind)| Cell { format, kind, ours: none(), tensorstore: none(), zarr_python: none() });
    let only = |cell: &Cell| plan.only.as_ref().is_none_or(|only| cell.name().contains(only.as_str()));
    let mut cells: Vec<Cell> = cells.filter(only).collect();
    for format in FORMATS {
        super::warm(&plan.data.join(format.name))?;
    }
    let mut dice = Dice(SEED);
    // One run before those that count: libraries load and pools start.
    for run in 0..=plan.runs {
        for cell in &mut cells {
            let shape = super::shape(&super::open(&plan.data, cell.format)?)?;
            let region = cell.kind.place(shape, &mut dice);
            let (mine, theirs);
            if run % 2 == 0 {
                mine = read(&plan.data, cell.format, &region, &reader)?;
                theirs = tensorstore.read(&plan.data, cell.format, &region)?;
            } else {
                theirs = tensorstore.read(&plan.data, cell.format, &region)?;
                mine = read(&plan.data, cell.format, &region, &reader)?;
            }
            let also =
                if run <= plan.zarr_python_runs { Some(zarr_python.read(&plan.data, cell.format, &region)?) } else { None };
            for other in [Some(theirs), also].into_iter().flatten() {
                ensure!(other.crc32 == mine.crc32, "{}: not the same samples in {region:?}", cell.name());
            }
            if run > 0 {
                cell.ours.push(Duration::from_nanos(mine.ns));
                cell.tensorstore.push(Duration::from_nanos(theirs.ns));
                if let Some(also) = also {
                    cell.zarr_python.push(Duration::from_nanos(also.ns));
                }
            }
        }
        eprint!("\rrun {run} of {}", plan.runs);
    }
    eprintln!();
    Ok(Outcome(cells))
}

/// Reads a box as the others do: the image is opened anew outside the clock, the samples are read into memory that is asked for within.
fn read(data: &Path, format: Format, region: &Region, reader: &RegionReader) -> Result<Read> {
    let image = super::open(data, format)?;
    let before = Instant::now();
    let mut samples = vec![0; region.samples() as usize * image.info.dtype.size()];
    reader.read(&image, 0, &region.start, &region.shape, &mut samples, &Stop::new()).with_context(|| format!("{region:?}"))?;
    let ns = before.elapsed().as_nanos() as u64;
    Ok(Read { ns, crc32: crc32fast::hash(&samples) })
}

impl Outcome {
    /// Geometric mean of our medians by tensorstore's.
    pub fn mean(&self) -> f64 {
        let logs: Vec<f64> = self.0.iter().filter_map(Cell::ratio).map(f64::ln).collect();
        (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp()
    }

    /// What is not reached, a line each.
    pub fn misses(&self) -> Vec<String> {
        let mut misses: Vec<String> = self.0.iter().flat_map(Cell::misses).collect();
        if self.mean() > MOST_IN_THE_MEAN {
            misses.push(format!("geometric mean {:.3}, more than {MOST_IN_THE_MEAN}", self.mean()));
        }
        misses
    }

    /// A line per cell: medians with the least and the most, and what they are of each other.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<24} {:>24} {:>24} {:>6} {:>24} {:>6}\n",
            "ms: median (min-max)", "ours", "tensorstore", "ratio", "zarr-python", "times"
        );
        let spread = |d: &Distribution| {
            let at = |percent| d.percentile_ms(percent).unwrap_or(f64::NAN);
            format!("{:.1} ({:.1}-{:.1})", at(50), at(1), at(100))
        };
        for cell in &self.0 {
            let (ours, tensorstore, zarr_python) = (spread(&cell.ours), spread(&cell.tensorstore), spread(&cell.zarr_python));
            let (ratio, times) = (cell.ratio().unwrap_or(f64::NAN), cell.zarr_python_ratio().unwrap_or(f64::NAN));
            // Writing into a String does not fail.
            let _ =
                writeln!(table, "{:<24} {ours:>24} {tensorstore:>24} {ratio:>6.2} {zarr_python:>24} {times:>6.1}", cell.name());
        }
        table
    }

    /// The same as a document.
    pub fn to_json(&self) -> Value {
        let cells = self.0.iter().map(|cell| {
            json!({"format": cell.format.name, "box": cell.kind.name(), "ours": cell.ours.to_json(),
                "tensorstore": cell.tensorstore.to_json(), "zarr_python": cell.zarr_python.to_json(),
                "ratio": cell.ratio().map(rounded), "zarr_python_ratio": cell.zarr_python_ratio().map(rounded)})
        });
        json!({"cells": cells.collect::<Vec<_>>(), "geometric_mean": (self.mean() * 1e3).round() / 1e3, "misses": self.misses()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(ours: &[u64], tensorstore: &[u64], zarr_python: &[u64]) -> Cell {
        let times = |ms: &[u64]| ms.iter().map(|&ms| Duration::from_millis(ms)).collect();
        Cell {
            format: FORMATS[0],
            kind: Kind::Cube,
            ours: times(ours),
            tensorstore: times(tensorstore),
            zarr_python: times(zarr_python),
        }
    }

    #[test]
    fn medians_are_compared_and_what_is_missed_is_named() {
        let outcome = Outcome(vec![cell(&[1, 2, 90], &[8, 8, 8], &[20]), cell(&[8], &[4], &[8])]);
        assert!((outcome.mean() - (0.25f64 * 2.0).sqrt()).abs() < 1e-12);
        let misses = outcome.misses();
        assert_eq!(misses.len(), 3, "{misses:?}");
        assert!(misses[0].starts_with("v2-lz4 cube: 2.00 of tensorstore"), "{misses:?}");
        assert!(misses[1].contains("1.0 times as fast as zarr-python"), "{misses:?}");
        assert_eq!(outcome.table().lines().count(), 3);
        assert_eq!(outcome.to_json()["cells"][0]["ratio"], 0.25);
        assert_eq!(Outcome(vec![cell(&[1], &[10], &[3])]).misses(), Vec::<String>::new());
    }
}
