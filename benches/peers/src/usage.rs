//! What a process has used.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::resource::{getrusage, UsageWho};
use nix::unistd::Pid;
use rustix::process::{pidfd_getfd, pidfd_open, PidfdFlags, PidfdGetfdFlags};
use socket2::{SockRef, Type};

static COUNTING: AtomicBool = AtomicBool::new(false);
static HEAP: AtomicUsize = AtomicUsize::new(0);

/// Counts the heap, once it is told to.
pub struct Counting;

// SAFETY: everything is handed on to the system's allocator; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            HEAP.fetch_add(layout.size(), Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if COUNTING.load(Relaxed) {
            HEAP.fetch_sub(layout.size(), Relaxed);
        }
        unsafe { System.dealloc(ptr, layout) }
    }
}

pub fn count_heap() {
    COUNTING.store(true, Relaxed);
}

/// Bytes allocated since counting began, less those freed.
pub fn heap() -> usize {
    HEAP.load(Relaxed)
}

/// Resident memory, bytes.
pub fn rss() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// A moment, and what was used until then.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: Instant,
    cpu: Duration,
    sleeps: i64,
}

/// What was used since a mark.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Voluntary context switches: each is a wake-up that was waited for.
    pub sleeps: i64,
}

impl Mark {
    pub fn now() -> Mark {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
        let time = |t: nix::sys::time::TimeVal| {
            Duration::new(t.tv_sec() as u64, 1000 * t.tv_usec() as u32)
        };
        Mark {
            at: Instant::now(),
            cpu: time(usage.user_time()) + time(usage.system_time()),
            sleeps: usage.voluntary_context_switches(),
        }
    }

    pub fn span(&self) -> Span {
        let now = Mark::now();
        Span {
            seconds: (now.at - self.at).as_secs_f64(),
            cpu_seconds: (now.cpu - self.cpu).as_secs_f64(),
            sleeps: now.sleeps - self.sleeps,
        }
    }
}

/// Keeps this process to one core.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("a core");
    sched_setaffinity(Pid::from_raw(0), &set).expect("sched_setaffinity");
}

/// Gives every UDP socket of this process buffers of `size` bytes: not every crate gives its sockets
/// away, so they are found among the open files.
pub fn set_buffers(size: usize) {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("pidfd_open");
    for entry in fs::read_dir("/proc/self/fd").expect("/proc").flatten() {
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let is_socket = fs::read_link(entry.path())
            .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        if !is_socket {
            continue;
        }
        let fd: OwnedFd = pidfd_getfd(&own, fd, PidfdGetfdFlags::empty()).expect("pidfd_getfd");
        let socket = SockRef::from(&fd);
        if socket.r#type().is_ok_and(|kind| kind == Type::DGRAM) {
            socket.set_send_buffer_size(size).expect("SO_SNDBUF");
            socket.set_recv_buffer_size(size).expect("SO_RCVBUF");
        }
    }
}
