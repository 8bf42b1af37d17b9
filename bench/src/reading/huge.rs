//! How an image of two terabytes opens, of which next to nothing is stored.

use crate::client::Viewer;
use crate::distribution::{milliseconds, rounded};
use crate::machine;
use crate::server::{Data, Server};
use anyhow::{Context, Result};
use nc_core::data::ImageId;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples along c, z, y and x: 2 TiB of u16.
const SHAPE: [u64; 4] = [4, 4096, 8192, 8192];
/// Each halves z, y and x; the last is 128 × 256 × 256.
const LEVELS: u32 = 6;
/// Time from opening to having the description, at most.
pub const MOST_TIME: Duration = Duration::from_secs(1);
/// Memory of the server after its first picture, at most.
pub const MOST_MIB: f64 = 150.0;

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huge {
    /// The store's part: reading metadata.
    opened: Duration,
    /// From starting the server to its link.
    link: Duration,
    /// From starting the server to the first picture in a client.
    picture: Duration,
    /// Resident memory of the server then, and the most that ever was.
    resident_mib: f64,
    peak_mib: f64,
}

/// Writes the image and has `binary` serve it.
pub fn run(binary: &Path) -> Result<Huge> {
    let folder = std::env::temp_dir().join(format!("nc-bench-huge-{}.ome.zarr", std::process::id()));
    let huge = write(&folder).and_then(|()| measure(binary, &folder));
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    huge
}

fn measure(binary: &Path, folder: &Path) -> Result<Huge> {
    let before = Instant::now();
    drop(nc_store::open(&folder.to_string_lossy(), ImageId(0))?);
    let opened = before.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(binary, &Data::Folder(folder.to_path_buf()), None)?;
        let link = server.started.elapsed();
        let mut viewer = Viewer::connect(server.http).await?;
        let picture = viewer.first_packet().await? - server.started;
        let memory = machine::memory(server.pid())?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Ok(Huge { opened, link, picture, resident_mib: mib(memory.resident), peak_mib: mib(memory.peak) })
    })
}

/// OME-Zarr 0.5 with sharded zstd arrays and no chunks.
fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let axis = |name| json!({"name": name, "type": "space", "unit": "micrometer"});
    let axes = json!([{"name": "c", "type": "channel"}, axis("z"), axis("y"), axis("x")]);
    let datasets: Vec<Value> = (0..LEVELS)
        .map(|level| {
            let scale = f64::from(1u32 << level);
            json!({"path": level.to_string(), "coordinateTransformations": [{"type": "scale", "scale": [1.0, scale, scale, scale]}]})
        })
        .collect();
    let ome = json!({"version": "0.5", "multiscales": [{"name": "huge", "axes": axes, "datasets": datasets}]});
    let write = |path: &Path, document: Value| {
        fs::write(path, document.to_string()).with_context(|| format!("writing {}", path.display()))
    };
    write(&folder.join("zarr.json"), json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}))?;
    let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let zstd = json!({"name": "zstd", "configuration": {"level": 3, "checksum": false}});
    let sharding = json!({"chunk_shape": [1, 64, 64, 64], "codecs": [bytes, zstd], "index_codecs": [bytes, {"name": "crc32c"}],
        "index_location": "end"});
    for level in 0..LEVELS {
        let [c, z, y, x] = SHAPE;
        let place = folder.join(level.to_string());
        fs::create_dir(&place)?;
        let array = json!({"zarr_format": 3, "node_type": "array", "shape": [c, z >> level, y >> level, x >> level],
            "data_type": "uint16", "fill_value": 0, "dimension_names": ["c", "z", "y", "x"],
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 256, 256, 256]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}]});
        write(&place.join("zarr.json"), array)?;
    }
    Ok(())
}

impl Huge {
    /// What is not reached, a line each.
    pub fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        if self.link > MOST_TIME {
            misses.push(format!("2 TiB open in {:.0} ms, more than {:.0}", milliseconds(self.link), milliseconds(MOST_TIME)));
        }
        if self.peak_mib > MOST_MIB {
            misses.push(format!("2 TiB open in {:.0} MiB, more than {MOST_MIB}", self.peak_mib));
        }
        misses
    }

    /// All of it as a document.
    pub fn to_json(&self) -> Value {
        let ms = |duration| rounded(milliseconds(duration));
        json!({"opened_ms": ms(self.opened), "link_ms": ms(self.link), "first_picture_ms": ms(self.picture),
            "resident_mib": rounded(self.resident_mib), "peak_mib": rounded(self.peak_mib)})
    }
}

impl std::fmt::Display for Huge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "2 TiB: metadata {:.1} ms; server's link after {:.0} ms, first picture after {:.0} ms; {:.0} MiB, at most {:.0} MiB",
            milliseconds(self.opened),
            milliseconds(self.link),
            milliseconds(self.picture),
            self.resident_mib,
            self.peak_mib
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_terabytes_are_written_and_open() {
        let folder = std::env::temp_dir().join(format!("nc-bench-huge-test-{}", std::process::id()));
        let image = write(&folder).and_then(|()| Ok(nc_store::open(&folder.to_string_lossy(), ImageId(0))?));
        fs::remove_dir_all(&folder).unwrap();
        let info = image.unwrap().info.clone();
        assert_eq!(info.warnings, Vec::<String>::new());
        assert_eq!(info.levels.len(), LEVELS as usize);
        assert_eq!(2 * info.finest().shape.iter().product::<u64>(), 1 << 41);
    }
}
