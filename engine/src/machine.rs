//! How much memory this machine and the control group of this process have. Files only: the parsers are pure, and what is missing or
//! odd is unknown.

use std::fs;
use std::path::Path;

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// What the machine has.
    pub total: Option<u64>,
    /// What of it can be had now without swapping.
    pub available: Option<u64>,
    /// What the control group of this process may use, if it is limited.
    pub group_limit: Option<u64>,
    /// What it uses, of that limit.
    pub group_used: Option<u64>,
}

impl Memory {
    /// What this process may use at most; `None` if nobody knows.
    pub fn limit(&self) -> Option<u64> {
        self.total.into_iter().chain(self.group_limit).min()
    }

    /// What this process can have now; `None` if nobody knows.
    pub fn at_hand(&self) -> Option<u64> {
        // What the group holds in the page cache counts as used and could be had; half is a fair floor for a guess that is too low.
        let left = self.group_limit.map(|limit| limit.saturating_sub(self.group_used.unwrap_or(0)).max(limit / 2));
        self.available.or(self.total).into_iter().chain(left).min()
    }
}

/// Looks.
pub fn memory() -> Memory {
    let read = |path: &str| fs::read_to_string(path).ok();
    let (total, available) = read("/proc/meminfo").map_or((None, None), |text| meminfo(&text));
    let (group_limit, group_used) =
        read("/proc/self/cgroup").map_or((None, None), |text| group(&text, Path::new("/sys/fs/cgroup")));
    Memory { total, available, group_limit, group_used }
}

/// Total and available bytes of `/proc/meminfo`.
fn meminfo(text: &str) -> (Option<u64>, Option<u64>) {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut words = line.split_whitespace();
        let (number, unit) = (words.next()?.parse::<u64>().ok()?, words.next());
        (unit == Some("kB")).then(|| number.checked_mul(1024)).flatten()
    };
    (value("MemTotal"), value("MemAvailable"))
}

/// The tightest limit of the groups that `/proc/self/cgroup` names, below `mounts`, and what is used of it.
fn group(text: &str, mounts: &Path) -> (Option<u64>, Option<u64>) {
    let tightest = text.lines().filter_map(membership).flat_map(|(version, path)| {
        let (root, limit, used) = match version {
            Version::Two => (mounts.to_owned(), "memory.max", "memory.current"),
            Version::One => (mounts.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
        };
        // Every group above it limits it too. Inside a container the path may be one of outside, and only the root is there.
        let within = path.trim_start_matches('/');
        let folders = Path::new(within).ancestors().map(|at| root.join(at)).collect::<Vec<_>>();
        folders.into_iter().filter_map(move |folder| {
            let limit = limit_of(&fs::read_to_string(folder.join(limit)).ok()?)?;
            Some((limit, fs::read_to_string(folder.join(used)).ok().and_then(|text| text.trim().parse().ok())))
        })
    });
    tightest.min_by_key(|&(limit, _)| limit).map_or((None, None), |(limit, used)| (Some(limit), used))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A line of `/proc/self/cgroup`, if it is about memory: `0::/path`, or `7:memory:/path` of version 1.
fn membership(line: &str) -> Option<(Version, &str)> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    // A path that leads upwards is none of ours.
    let sound = path.starts_with('/') && !path.split('/').any(|part| part == "..");
    match (id, controllers) {
        _ if !sound => None,
        ("0", "") => Some((Version::Two, path)),
        (_, controllers) if controllers.split(',').any(|c| c == "memory") => Some((Version::One, path)),
        _ => None,
    }
}

/// A limit in bytes; none where it says `max` or, as version 1 does, a number beyond any memory.
fn limit_of(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|&bytes| bytes > 0 && bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MEMINFO: &str =
        "MemTotal:       16311144 kB\nMemFree:          245876 kB\nMemAvailable:    9876543 kB\nBuffers: 1 kB\n";

    #[test]
    fn meminfo_is_read() {
        assert_eq!(meminfo(MEMINFO), (Some(16_311_144 << 10), Some(9_876_543 << 10)));
        assert_eq!(meminfo(""), (None, None));
        assert_eq!(meminfo("MemTotal: many kB\nMemAvailable: 5 MB\n"), (None, None), "another unit is not guessed");
        assert_eq!(meminfo("MemTotal: 18446744073709551615 kB"), (None, None));
        assert_eq!(meminfo("MemTotalOfOthers: 5 kB\nMemTotal: 7 kB"), (Some(7 << 10), None));
    }

    #[test]
    fn groups_are_found_in_both_versions() {
        assert_eq!(membership("0::/user.slice/app.scope"), Some((Version::Two, "/user.slice/app.scope")));
        assert_eq!(membership("7:cpu,memory:/docker/abc"), Some((Version::One, "/docker/abc")));
        for other in ["5:cpu:/x", "0::", "0::relative", "0::/../../etc", "nonsense", ""] {
            assert_eq!(membership(other), None, "{other}");
        }
        assert_eq!(
            (limit_of("max\n"), limit_of("536870912\n"), limit_of("9223372036854771712"), limit_of("0")),
            (None, Some(1 << 29), None, None)
        );
    }

    #[test]
    fn the_tightest_group_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |at: &str, text: &str| {
            let path = folder.path().join(at);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("memory.max", "max\n");
        write("slice/memory.max", "2000\n");
        write("slice/memory.current", "500\n");
        write("slice/job/memory.max", "4000\n");
        let of = |text: &str| group(text, folder.path());
        assert_eq!(of("0::/slice/job\n"), (Some(2000), Some(500)));
        assert_eq!(of("0::/elsewhere\n"), (None, None));
        write("memory/docker/memory.limit_in_bytes", "1000");
        assert_eq!(of("3:cpu:/\n2:memory:/docker\n0::/\n"), (Some(1000), None));
    }

    #[test]
    fn cgroup_beats_ram() {
        let memory =
            Memory { total: Some(64 << 30), available: Some(32 << 30), group_limit: Some(8 << 30), group_used: Some(1 << 30) };
        assert_eq!((memory.limit(), memory.at_hand()), (Some(8 << 30), Some(7 << 30)));
        let full = Memory { group_used: Some(8 << 30), ..memory };
        assert_eq!(full.at_hand(), Some(4 << 30), "some of it is page cache");
        let free = Memory { group_limit: None, ..memory };
        assert_eq!((free.limit(), free.at_hand()), (Some(64 << 30), Some(32 << 30)));
        assert_eq!((Memory::default().limit(), Memory::default().at_hand()), (None, None));
    }

    proptest! {
        #[test]
        fn broken_files_are_unknown_and_nothing_panics(text in "(MemTotal|MemAvailable|[0-9]{1,22}|kB|[: \\n]|\\PC){0,24}") {
            let _ = (meminfo(&text), limit_of(&text), text.lines().filter_map(membership).count());
            prop_assert!(limit_of(&text).is_none_or(|bytes| bytes > 0));
        }
    }
}
