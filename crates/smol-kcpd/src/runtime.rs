//! The runtime: executor, resolver, buffer and memory budget of all tunnels.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_lite::{future, FutureExt};
use smol::{LocalExecutor, Task};

pub(super) use super::clock::{now, within};
use super::lookups::Lookups;
use super::resolver::{Resolve, System};
use super::HostPort;
use smol_kcp::MemoryBudget;

/// Bytes that a relay reads at a time; larger reads save hardly any system calls.
const SCRATCH: usize = 32 * 1024;

/// The longest datagram that UDP carries.
pub(super) const DATAGRAM: usize = 65_535;

/// Bytes that a relay reads at a time when memory is used up.
const SCRATCH_LEAST: usize = 2 * 1024;

/// Has the executor of one thread, the resolver, the buffer and the memory budget that all tunnels
/// share. Clones are handles to the same.
#[derive(Clone)]
pub struct Runtime {
    executor: Rc<LocalExecutor<'static>>,
    lookups: Rc<Lookups>,
    scratch: Rc<RefCell<Vec<u8>>>,
    budget: MemoryBudget,
}

impl Runtime {
    /// Makes a runtime with the system's resolver.
    pub fn new() -> Runtime {
        Runtime::with_resolver(System::new())
    }

    /// Makes a runtime with another resolver.
    pub fn with_resolver(resolver: impl Resolve + 'static) -> Runtime {
        Runtime {
            executor: Rc::new(LocalExecutor::new()),
            lookups: Rc::new(Lookups::new(resolver)),
            scratch: Rc::new(RefCell::new(vec![0; SCRATCH])),
            budget: MemoryBudget::new(smol_kcp::default_memory_budget()),
        }
    }

    /// Returns the memory budget of all its tunnels: an eighth of the machine's memory, unless changed.
    pub fn memory_budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Returns the bytes that a relay may read at a time: it may have to hold them.
    pub(super) fn read_size(&self) -> usize {
        self.budget.share().clamp(SCRATCH_LEAST, SCRATCH)
    }

    /// Runs the tunnels of this runtime until `future` is done.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        future::block_on(self.executor.run(future))
    }

    /// Runs the tunnels of this runtime until `future` is done, on the caller's executor.
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.executor.run(future).await
    }

    /// Boxed, so that all tasks are of one type: each type of its own weighs 2 kB.
    pub(super) fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.executor.spawn(future.boxed_local())
    }

    /// Returns the addresses of `host`, at least one: those found a few seconds ago, or the last known
    /// ones while its name cannot be resolved.
    pub(super) async fn resolve(&self, host: &HostPort) -> io::Result<Vec<SocketAddr>> {
        match host.addr()? {
            Some(addr) => Ok(vec![addr]),
            None => self.lookups.resolve(&self.executor, host).await,
        }
    }

    /// Looks `host` up. Returns at least one address.
    pub(super) async fn look_up(&self, host: &HostPort) -> io::Result<Vec<SocketAddr>> {
        match host.addr()? {
            Some(addr) => Ok(vec![addr]),
            None => self.lookups.look_up(&self.executor, host).await,
        }
    }

    /// Returns the same buffer, with room for any datagram from now on.
    pub(super) fn datagram_scratch(&self) -> Rc<RefCell<Vec<u8>>> {
        self.scratch.borrow_mut().resize(DATAGRAM, 0);
        self.scratch()
    }

    pub(super) fn scratch(&self) -> Rc<RefCell<Vec<u8>>> {
        Rc::clone(&self.scratch)
    }
}

impl Default for Runtime {
    fn default() -> Runtime {
        Runtime::new()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}
