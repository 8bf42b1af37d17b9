//! Another library, in a Python process that waits for boxes to read.

use super::{Format, Region};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A library that is compared with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// Google's.
    Tensorstore,
    /// The reference.
    ZarrPython,
}

impl Library {
    /// As the worker and the table call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensorstore => "tensorstore",
            Self::ZarrPython => "zarr-python",
        }
    }
}

/// What it took to read a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Read {
    /// Nanoseconds.
    pub ns: u64,
    /// Of the samples.
    pub crc32: u32,
}

/// `bench/peers/store_worker.py` at work. Ends when dropped.
#[derive(Debug)]
pub struct Worker {
    library: Library,
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts it with the interpreter `python`.
    pub fn start(python: &Path, script: &Path, library: Library) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg("-B").arg(script).arg(library.name()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", python.display()))?;
        let (Some(ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else { bail!("the worker has no pipes") };
        Ok(Self { library, child, ask, answers: BufReader::new(answers) })
    }

    /// Opens the image in `data` anew and reads a box.
    pub fn read(&mut self, data: &Path, format: Format, region: &Region) -> Result<Read> {
        let asked =
            json!({"path": data.join(format.name), "version": format.version, "start": region.start, "shape": region.shape});
        writeln!(self.ask, "{asked}")
            .and_then(|()| self.ask.flush())
            .with_context(|| format!("{} has ended", self.library.name()))?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{} failed on {asked}: {line:?}", self.library.name()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A child that has ended already needs no more.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
