//! The machine's memory, and the budget and the profile that follow from it.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use smol_kcp::KcpConfig;

const MIB: u64 = 1024 * 1024;

/// The part of the memory that tunnels take: a router of 64 MB has an eighth free beside its services.
const PART: u64 = 8;

/// The least and the most budget: a few windows, and no more than a 32-bit process can spare.
const LEAST: u64 = 4 * MIB;
const MOST: u64 = 1024 * MIB;

/// Memory below which the profile is `low_memory`, unless a tunnel names one.
const SMALL: u64 = 128 * MIB;

/// Measures the memory that a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Bytes; `None` if the system does not say.
    memory: Option<u64>,
}

impl Machine {
    /// Returns this machine, which is looked at once.
    pub(crate) fn here() -> Machine {
        static HERE: OnceLock<Machine> = OnceLock::new();
        *HERE.get_or_init(|| {
            let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
            Machine::of(&meminfo, &cgroup_limits())
        })
    }

    /// Reads the text of `/proc/meminfo`, and the limits of the cgroups that the process is in.
    fn of(meminfo: &str, limits: &[String]) -> Machine {
        let total = meminfo.lines().find_map(|line| {
            let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
            kilobytes.trim().parse::<u64>().ok()?.checked_mul(1024)
        });
        // "max", or in old kernels a number beyond all memory, is no limit.
        let limits = limits.iter().filter_map(|limit| limit.trim().parse().ok());
        Machine { memory: total.into_iter().chain(limits).filter(|&bytes| bytes > 0).min() }
    }

    /// Returns the memory budget of the process.
    pub(crate) fn memory_budget(self) -> usize {
        let Some(memory) = self.memory else { return KcpConfig::default().memory_budget };
        let part = (memory / PART).clamp(LEAST, MOST);
        usize::try_from(part / MIB * MIB).unwrap_or(usize::MAX)
    }

    /// Returns the profile of tunnels that name none, and its name.
    pub(crate) fn profile(self) -> (&'static str, KcpConfig) {
        match self.memory {
            Some(memory) if memory < SMALL => ("low_memory", KcpConfig::low_memory()),
            _ => ("wan", KcpConfig::wan()),
        }
    }

    /// Describes the memory in words.
    pub(crate) fn describe(self) -> String {
        match self.memory {
            Some(memory) => format!("{} MiB of memory", memory / MIB),
            None => "memory of unknown size".into(),
        }
    }
}

/// Reads the limits of the cgroup of this process, and of those around it, as far as possible.
fn cgroup_limits() -> Vec<String> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let files = groups.lines().filter_map(limit_file);
    let mut limits = Vec::new();
    for (root, group, file) in files {
        let root = Path::new(root);
        let inner = root.join(group.trim_start_matches('/'));
        // In a container the path may be that of the outside, and only the root be there.
        let around = inner.ancestors().take_while(|path| path.starts_with(root));
        limits.extend(around.filter_map(|path| fs::read_to_string(path.join(file)).ok()));
    }
    limits
}

/// Returns where the memory limit of a line of `/proc/self/cgroup` is: the root of the hierarchy, the
/// group, and the name of the file.
fn limit_file(line: &str) -> Option<(&'static str, &str, &'static str)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    if controllers.is_empty() {
        return Some(("/sys/fs/cgroup", group, "memory.max"));
    }
    let memory = controllers.split(',').any(|name| name == "memory");
    memory.then_some(("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(meminfo: &str, limits: &[&str]) -> Machine {
        Machine::of(meminfo, &limits.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Checks what is logged at the start of a router with 64 MB, one with 128 MB and a server.
    #[test]
    fn an_eighth_of_the_memory_and_the_profile_that_fits() {
        let cases = [
            ("MemTotal:          27648 kB\nMemFree: 12 kB\n", 4, "low_memory"),
            ("MemTotal:          59000 kB\nMemFree: 12 kB\n", 7, "low_memory"),
            ("MemTotal:         122000 kB\n", 14, "low_memory"),
            ("MemTotal:         250000 kB\n", 30, "wan"),
            ("MemTotal:       24683920 kB\n", 1024, "wan"),
        ];
        for (meminfo, mebibytes, profile) in cases {
            let machine = machine(meminfo, &[]);
            assert_eq!(machine.memory_budget(), mebibytes << 20, "{meminfo}");
            assert_eq!(machine.profile().0, profile, "{meminfo}");
        }
    }

    #[test]
    fn the_least_limit_counts() {
        let meminfo = "MemTotal:       24683920 kB\n";
        let limits = ["max\n", "268435456\n", "9223372036854771712\n", "67108864\n", "0\n", "?"];
        let machine = machine(meminfo, &limits);
        assert_eq!(machine.describe(), "64 MiB of memory");
        assert_eq!((machine.memory_budget(), machine.profile().0), (8 << 20, "low_memory"));
    }

    #[test]
    fn a_system_that_does_not_tell_gets_the_defaults() {
        for meminfo in
            ["", "MemTotal:\n", "MemTotal: many kB\n", "MemTotal: 99999999999999999999 kB"]
        {
            let machine = machine(meminfo, &["max\n"]);
            assert_eq!(machine.memory, None);
            assert_eq!(machine.memory_budget(), KcpConfig::default().memory_budget);
            assert_eq!(machine.profile(), ("wan", KcpConfig::wan()));
        }
    }

    #[test]
    fn the_limit_is_where_the_kernel_says() {
        assert_eq!(limit_file("0::/a/b"), Some(("/sys/fs/cgroup", "/a/b", "memory.max")));
        let old = Some(("/sys/fs/cgroup/memory", "/a:b", "memory.limit_in_bytes"));
        assert_eq!(limit_file("5:hugetlb,memory:/a:b"), old);
        assert_eq!((limit_file("4:cpu,cpuacct:/a"), limit_file("nonsense")), (None, None));
    }
}
