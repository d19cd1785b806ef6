//! The machine's memory, and the budget of endpoints that name none.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::MemoryBudget;

const MIB: u64 = 1024 * 1024;

/// The part of the memory that streams take: a router of 64 MB has an eighth free beside its services.
const PART: u64 = 8;

/// The least and the most budget: a few windows, and no more than a 32-bit process can spare.
const LEAST: u64 = 4 * MIB;
const MOST: u64 = 1024 * MIB;

/// The budget where the system does not tell: an eighth of half a gigabyte.
const UNKNOWN: u64 = 64 * MIB;

/// Returns the bytes of memory that this process may use: the machine's, or the limit of its control
/// group where that is less; `None` if the system does not tell, as only Linux does. It is looked at
/// once.
///
/// # Examples
///
/// ```
/// let small = smol_kcp::machine_memory().is_some_and(|bytes| bytes < 128 << 20);
/// let config = if small { smol_kcp::KcpConfig::low_memory() } else { smol_kcp::KcpConfig::wan() };
/// ```
pub fn machine_memory() -> Option<u64> {
    static MEMORY: OnceLock<Option<u64>> = OnceLock::new();
    *MEMORY.get_or_init(|| {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        least(&meminfo, &cgroup_limits())
    })
}

/// Returns the bytes of the budget that endpoints without a
/// [`memory_budget`](crate::KcpConfig::memory_budget) share: an eighth of
/// [`machine_memory`], in whole MiB, 4 MiB to 1 GiB; 64 MiB where that is not known.
///
/// # Examples
///
/// ```
/// assert!((4 << 20..=1 << 30).contains(&smol_kcp::default_memory_budget()));
/// ```
pub fn default_memory_budget() -> usize {
    part_of(machine_memory())
}

/// Returns the budget of so many bytes, or the one that all endpoints without a number share.
pub(crate) fn budget(bytes: Option<usize>) -> MemoryBudget {
    // One number for the process: a thousand clients with a socket each are not to take an eighth each.
    static SHARED: OnceLock<MemoryBudget> = OnceLock::new();
    match bytes {
        Some(bytes) => MemoryBudget::new(bytes),
        None => SHARED.get_or_init(|| MemoryBudget::new(default_memory_budget())).clone(),
    }
}

fn part_of(memory: Option<u64>) -> usize {
    let part = memory.map_or(UNKNOWN, |memory| (memory / PART).clamp(LEAST, MOST));
    usize::try_from(part / MIB * MIB).unwrap_or(usize::MAX)
}

/// Reads the text of `/proc/meminfo`, and the limits of the control groups that the process is in.
fn least(meminfo: &str, limits: &[String]) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| {
        let kilobytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        kilobytes.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    // "max", or in old kernels a number beyond all memory, is no limit.
    let limits = limits.iter().filter_map(|limit| limit.trim().parse().ok());
    total.into_iter().chain(limits).filter(|&bytes| bytes > 0).min()
}

/// Reads the limits of the control group of this process, and of those around it, as far as possible.
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

    fn of(meminfo: &str, limits: &[&str]) -> Option<u64> {
        least(meminfo, &limits.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn an_eighth_of_the_memory_within_bounds() {
        let cases = [
            ("MemTotal:          27648 kB\nMemFree: 12 kB\n", 4),
            ("MemTotal:          59000 kB\nMemFree: 12 kB\n", 7),
            ("MemTotal:         122000 kB\n", 14),
            ("MemTotal:         250000 kB\n", 30),
            ("MemTotal:       24683920 kB\n", 1024),
        ];
        for (meminfo, mebibytes) in cases {
            assert_eq!(part_of(of(meminfo, &[])), mebibytes << 20, "{meminfo}");
        }
    }

    #[test]
    fn the_least_limit_counts() {
        let limits = ["max\n", "268435456\n", "9223372036854771712\n", "67108864\n", "0\n", "?"];
        let memory = of("MemTotal:       24683920 kB\n", &limits);
        assert_eq!((memory, part_of(memory)), (Some(64 << 20), 8 << 20));
    }

    #[test]
    fn a_system_that_does_not_tell_gets_64_mib() {
        for meminfo in
            ["", "MemTotal:\n", "MemTotal: many kB\n", "MemTotal: 99999999999999999999 kB"]
        {
            assert_eq!(of(meminfo, &["max\n"]), None);
        }
        assert_eq!(part_of(None), 64 << 20);
    }

    #[test]
    fn the_limit_is_where_the_kernel_says() {
        assert_eq!(limit_file("0::/a/b"), Some(("/sys/fs/cgroup", "/a/b", "memory.max")));
        let old = Some(("/sys/fs/cgroup/memory", "/a:b", "memory.limit_in_bytes"));
        assert_eq!(limit_file("5:hugetlb,memory:/a:b"), old);
        assert_eq!((limit_file("4:cpu,cpuacct:/a"), limit_file("nonsense")), (None, None));
    }

    #[test]
    fn endpoints_without_a_number_share_one_budget() {
        let held = budget(None).hold(1000);
        assert!(budget(None).used() >= 1000);
        assert_eq!((budget(Some(5000)).used(), budget(Some(5000)).limit()), (0, 5000));
        drop(held);
    }
}
