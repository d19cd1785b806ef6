//! The tunnels of a process, for the daemon that changes them and for those who look at them.

use std::cell::RefCell;
use std::time::Instant;

use super::runtime::{now, Runtime};
use super::status::ProcessStatus;
use super::Tunnel;

/// Has the tunnels of a process.
#[derive(Debug)]
pub(super) struct Running {
    runtime: Runtime,
    began: Instant,
    pub(super) tunnels: RefCell<Vec<Tunnel>>,
}

impl Running {
    pub(super) fn new(runtime: &Runtime) -> Running {
        Running { runtime: runtime.clone(), began: now(), tunnels: RefCell::default() }
    }

    /// Looks at all of them once, and lists so many streams of each.
    pub(super) fn status(&self, streams: usize) -> ProcessStatus {
        let budget = self.runtime.memory_budget();
        ProcessStatus {
            pid: std::process::id(),
            uptime: self.began.elapsed(),
            log_level: log::max_level(),
            memory_used: budget.used(),
            memory_budget: budget.limit(),
            tunnels: self.tunnels.borrow().iter().map(|tunnel| tunnel.status(streams)).collect(),
        }
    }
}
