//! `napari-cuda doctor`: what this machine can do, what would be chosen and why.

use super::{Failure, print};
use nc_engine::probe::{Probe, probe};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let found = probe();
    let nasm = nc_engine::nasm_built();
    print(&match args.json {
        true => serde_json::to_string_pretty(&as_json(&found, nasm)).map_err(Failure::machine)?,
        false => describe(&found, nasm).join("\n"),
    })
}

/// Which device `--device auto` takes, and why.
fn choice(found: &Probe) -> (&'static str, String) {
    match found.gl.iter().find(|d| !d.software) {
        Some(gpu) => ("gl", format!("{} draws", gpu.renderer)),
        None if found.gl.is_empty() => ("cpu", "no OpenGL was found".into()),
        None => ("cpu", "OpenGL is there in software only, which is slower than our own code".into()),
    }
}

fn describe(found: &Probe, nasm: bool) -> Vec<String> {
    let (device, why) = choice(found);
    let mut lines = vec![format!("processor  {} threads, {}", found.cpu.threads, found.cpu.features.join(" "))];
    for gl in &found.gl {
        let kind = if gl.software { "software" } else { "hardware" };
        lines.push(format!("OpenGL     {} ({}), {}, {kind}, through {}", gl.renderer, gl.vendor, gl.version, gl.platform));
    }
    lines.extend(found.gl_problems.iter().map(|p| format!("OpenGL     {p}")));
    lines.push(format!("device     {device}: {why}"));
    lines.push(match nasm {
        true => "encoder    openh264, with its assembly".into(),
        false => "encoder    openh264 WITHOUT its assembly, 2 to 4 times slower: install nasm and build again".into(),
    });
    lines.push("NVENC      not supported by this version".into());
    lines
}

fn as_json(found: &Probe, nasm: bool) -> serde_json::Value {
    let (device, why) = choice(found);
    let gl = found.gl.iter().map(|d| {
        json!({"vendor": d.vendor, "renderer": d.renderer, "version": d.version, "software": d.software, "platform": d.platform})
    });
    json!({
        "cpu": {"threads": found.cpu.threads, "features": found.cpu.features},
        "gl": gl.collect::<Vec<_>>(),
        "gl_problems": found.gl_problems,
        "encoders": [{"name": "openh264", "assembly": nasm}],
        "chosen": {"device": device, "why": why, "encoder": "openh264"},
    })
}
