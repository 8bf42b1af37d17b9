//! `napari-cuda doctor`: what this machine can do, what would be chosen and why.

use super::limits::LimitArgs;
use super::{Failure, print};
use nc_engine::EngineConfig;
use nc_engine::api::data::budget::default_cache_bytes;
use nc_engine::api::data::{Budgets, DeviceMemory};
use nc_engine::machine::{self, Memory};
use nc_engine::probe::{GlDevice, Probe, probe};
use nc_server::config::{Limits, Origin, Setting};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let limits = Limits::resolve(args.limits.into(), super::environment).map_err(Failure::input)?;
    let found = probe();
    let nasm = nc_engine::nasm_built();
    let room = Room::of(&found, limits);
    print(&match args.json {
        true => serde_json::to_string_pretty(&as_json(&found, nasm, &room)).map_err(Failure::machine)?,
        false => describe(&found, nasm, &room).join("\n"),
    })
}

/// How much this machine can hold, and what of that an image gets.
struct Room {
    memory: Memory,
    /// What `--device auto` would draw from, if that is a GPU.
    gpu: Option<GlDevice>,
    limits: Limits,
    cache_bytes: u64,
    budgets: Budgets,
}

impl Room {
    fn of(found: &Probe, limits: Limits) -> Self {
        let memory = machine::memory();
        let gpu = found.gl.iter().find(|d| !d.software).cloned();
        let cache_bytes = limits.cache_bytes.value.unwrap_or_else(|| default_cache_bytes(memory.at_hand()));
        let overrides = limits.overrides();
        let config = EngineConfig { cache_bytes, memory: memory.limit(), overrides, ..EngineConfig::default() };
        let held = gpu.as_ref().map_or(DeviceMemory::Host, GlDevice::memory);
        let budgets = config.budgets(held, gpu.as_ref().map(|gpu| gpu.limits.texture_3d));
        Self { memory, gpu, limits, cache_bytes, budgets }
    }

    /// Each budget: its name, how much, of what, and from where.
    fn budgets(&self) -> [(&'static str, Option<u64>, &'static str, String); 5] {
        let Self { limits, budgets, cache_bytes, .. } = self;
        // What is made from a size of the device's memory that a person gave is not from the hardware.
        let volumes = |own: &Setting<Option<u64>>, other: &Setting<Option<u64>>| match (own.origin, other.origin) {
            (Origin::Default, Origin::Default) => from(limits.video_bytes.origin),
            (Origin::Default, other) => from(other),
            (own, _) => from(own),
        };
        [
            ("cache", Some(*cache_bytes), "bytes", from(limits.cache_bytes.origin)),
            ("tiles", Some(budgets.tile_bytes), "bytes", from(limits.cache_bytes.origin)),
            ("slice", budgets.slice_bytes, "bytes", from(limits.slice_bytes.origin)),
            ("volume", Some(budgets.volume_bytes), "bytes", volumes(&limits.volume_bytes, &limits.volume_bytes)),
            ("voxels", Some(budgets.volume_voxels), "samples", volumes(&limits.volume_voxels, &limits.volume_bytes)),
        ]
    }

    fn describe(&self) -> Vec<String> {
        let known = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), size);
        let Memory { total, available, group_limit, .. } = self.memory;
        let group = group_limit.map_or(String::new(), |limit| format!("; the control group may use {}", size(limit)));
        let mut lines = vec![format!("memory     {}, {} available{group}", known(total), known(available))];
        lines.push(match self.gpu.as_ref().map(GlDevice::memory) {
            Some(DeviceMemory::Video(bytes)) => format!("VRAM       {}", size(bytes)),
            Some(_) => "VRAM       not told by the driver; 8.0 GiB are assumed, say otherwise with --vram-mb".to_owned(),
            None => "VRAM       none: what is drawn is in memory".to_owned(),
        });
        lines.push(match &self.gpu {
            Some(gpu) => {
                format!("textures   up to {} samples a side in 2D, {} in 3D", gpu.limits.texture_2d, gpu.limits.texture_3d)
            }
            None => "textures   of any size".to_owned(),
        });
        lines.extend(self.budgets().map(|(name, amount, unit, origin)| {
            let amount = amount.map_or("any".to_owned(), |n| if unit == "bytes" { size(n) } else { format!("{n} samples") });
            format!("budget     {name}: {amount}, {origin}")
        }));
        lines
    }

    fn as_json(&self) -> (Value, Value) {
        let Memory { total, available, group_limit, .. } = self.memory;
        let gpu = self.gpu.as_ref().map(|gpu| {
            let l = gpu.limits;
            json!({"texture_2d": l.texture_2d, "texture_3d": l.texture_3d, "array_layers": l.array_layers, "storage_bytes": l.storage_bytes,
                   "work_group": l.work_group, "vram_bytes": gpu.video_memory.and_then(|v| v.total), "vram_free_bytes": gpu.video_memory.map(|v| v.free)})
        });
        let limits = json!({"memory_bytes": total, "available_bytes": available, "group_bytes": group_limit, "gpu": gpu});
        let budgets =
            self.budgets().map(|(name, amount, unit, origin)| (name.to_owned(), json!({unit: amount, "origin": origin})));
        (limits, Value::Object(budgets.into_iter().collect()))
    }
}

/// Where a budget comes from.
fn from(origin: Origin) -> String {
    match origin {
        Origin::Default => "from hardware".to_owned(),
        given => format!("from {given}"),
    }
}

fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}

/// Which device `--device auto` takes, and why.
fn choice(found: &Probe) -> (&'static str, String) {
    match found.gl.iter().find(|d| !d.software) {
        Some(gpu) => ("gl", format!("{} draws", gpu.renderer)),
        None if found.gl.is_empty() => ("cpu", "no OpenGL was found".into()),
        None => ("cpu", "OpenGL is there in software only, which is slower than our own code".into()),
    }
}

fn describe(found: &Probe, nasm: bool, room: &Room) -> Vec<String> {
    let (device, why) = choice(found);
    let mut lines = vec![format!("processor  {} threads, {}", found.cpu.threads, found.cpu.features.join(" "))];
    for gl in &found.gl {
        let kind = if gl.software { "software" } else { "hardware" };
        lines.push(format!("OpenGL     {} ({}), {}, {kind}, through {}", gl.renderer, gl.vendor, gl.version, gl.platform));
    }
    lines.extend(found.gl_problems.iter().map(|p| format!("OpenGL     {p}")));
    lines.push(format!("device     {device}: {why}"));
    lines.extend(room.describe());
    lines.push(match nasm {
        true => "encoder    openh264, with its assembly".into(),
        false => "encoder    openh264 WITHOUT its assembly, 2 to 4 times slower: install nasm and build again".into(),
    });
    lines.push("NVENC      not supported by this version".into());
    lines
}

fn as_json(found: &Probe, nasm: bool, room: &Room) -> Value {
    let (limits, budgets) = room.as_json();
    let (device, why) = choice(found);
    let gl = found.gl.iter().map(|d| {
        json!({"vendor": d.vendor, "renderer": d.renderer, "version": d.version, "software": d.software, "platform": d.platform})
    });
    json!({
        "cpu": {"threads": found.cpu.threads, "features": found.cpu.features},
        "gl": gl.collect::<Vec<_>>(),
        "gl_problems": found.gl_problems,
        "encoders": [{"name": "openh264", "assembly": nasm}],
        "limits": limits,
        "budgets": budgets,
        "chosen": {"device": device, "why": why, "encoder": "openh264"},
    })
}
