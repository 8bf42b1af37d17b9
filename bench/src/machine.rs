//! What Linux says of this machine and of a process.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Length of the ticks that `/proc/PID/stat` counts in. User space sees 100 a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Most that was ever resident.
    pub peak: u64,
}

/// Processor time that a process has used, user and system.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    ticks(&stat).map(|ticks| TICK * ticks).with_context(|| format!("{path} is not understood"))
}

/// User and system ticks. The name in brackets may hold anything, so fields count from the last bracket.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

/// Resident memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let field = |name| kibibytes(&status, name).map(|kib| kib << 10).with_context(|| format!("{path} has no {name}"));
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Open file descriptors of a process.
pub fn descriptors(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
}

/// Threads of a process.
pub fn threads(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/task");
    Ok(fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
}

/// The value of a line such as `VmRSS:   1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Cores, processor, page size.
pub fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let page = kibibytes(&read("/proc/self/smaps"), "KernelPageSize:");
    let huge = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let huge = huge.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(chosen, _)| chosen.to_owned());
    let memory = kibibytes(&read("/proc/meminfo"), "MemTotal:").map(|kib| kib >> 20);
    json!({"cores": std::thread::available_parallelism().map_or(0, usize::from), "processor": model, "memory_gib": memory,
        "page_kib": page, "transparent_huge_pages": huge})
}

/// Mean number of runnable threads over the last minute: how busy the machine is with other things.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_do_not_shift_the_fields() {
        assert_eq!(ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0"), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        let _held = fs::File::open("/proc/self/status").unwrap();
        assert!(descriptors(std::process::id()).unwrap() >= 1 && threads(std::process::id()).unwrap() >= 1);
    }
}
