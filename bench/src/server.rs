//! `napari-cuda serve` as a child process.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The procedural image.
    Demo,
    /// An image in a folder.
    Folder(PathBuf),
    /// An image that a web server has.
    Url(String),
}

/// A running server. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Held open: a server that cannot write its links ends.
    _stdout: BufReader<ChildStdout>,
    /// Where viewer, metrics and both channels are.
    pub http: SocketAddr,
    /// When the process was started.
    pub started: Instant,
}

impl Server {
    /// Starts `binary` on free ports of the loopback, with the software device and an environment that configures nothing, and waits
    /// until it prints its link.
    pub fn start(binary: &Path, data: &Data, cache_mib: Option<u32>) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--device", "cpu", "--width", "1280", "--height", "720", "--log-level", "error"]);
        command.args(["--state-port", "0", "--pixel-port", "0", "--http-port", "0"]);
        match data {
            Data::Demo => command.arg("--demo"),
            Data::Folder(path) => command.arg(path),
            Data::Url(url) => command.arg(url),
        };
        if let Some(mib) = cache_mib {
            command.args(["--cache-mb", &mib.to_string()]);
        }
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        let link = child.stdout.take().map(read_link);
        match link {
            Some(Ok((http, stdout))) => Ok(Self { child, _stdout: stdout, http, started }),
            failed => {
                // It may have ended by itself; either way it is gone after this.
                drop(child.kill());
                let status = child.wait()?;
                let why = failed.and_then(Result::err).map(|error| format!("{error:#}")).unwrap_or_default();
                bail!("{} did not start ({status}): {why}", binary.display())
            }
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The document at `/metrics.json`.
    pub async fn metrics(&self) -> Result<Value> {
        let body = get(self.http, "/metrics.json").await.context("asking for /metrics.json")?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that has ended already needs no more.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads up to the line with the link.
fn read_link(stdout: ChildStdout) -> Result<(SocketAddr, BufReader<ChildStdout>)> {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    while stdout.read_line(&mut line)? > 0 {
        if let Some((_, address)) = line.trim_end().split_once("http://") {
            let address = address.trim_end_matches('/').parse().with_context(|| format!("no address in {line:?}"))?;
            return Ok((address, stdout));
        }
        line.clear();
    }
    bail!("it ended without printing its link")
}

/// The body of a page. One connection per call, which the server closes.
async fn get(at: SocketAddr, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no end of the header")?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        bail!("{path}: {}", String::from_utf8_lossy(answer.split(|&b| b == b'\r').next().unwrap_or_default()));
    }
    Ok(answer.split_off(end + 4))
}
