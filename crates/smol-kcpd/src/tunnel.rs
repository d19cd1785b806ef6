//! One end of a tunnel: what it listens on, what it carries, and how it stops.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::future;
use smol::Task;

use super::backoff::Backoff;
use super::client::{self, ClientListener};
use super::limits::{is_exhaustion, Limit};
use super::relay::RelayError;
use super::runtime::{within, Runtime};
use super::{server, Role, Settings};
use smol_kcp::{Driver, EndpointStats, KcpEndpoint, SessionInfo};

/// Waiting times between attempts to bind: a socket that is about to be closed is free at the second.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// The longest of them where the system had no descriptors left, which come back at any moment.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// For the resets of what was cut to leave.
const RST_FLUSH: Duration = Duration::from_millis(500);

/// One end of a tunnel, at work on its runtime.
///
/// It never gives up: what cannot be bound is tried again with growing waiting times. Dropped, it
/// stops at once, and what it carries is reset.
pub struct Tunnel {
    shared: Rc<Shared>,
    accepting: Option<Task<()>>,
    _reporting: Option<Task<()>>,
    /// Dropped, it cuts all connections.
    cut: Option<Sender<()>>,
    /// Closed when the last connection has ended.
    ended: Receiver<()>,
}

/// What a tunnel and its connections share.
pub(super) struct Shared {
    pub settings: Settings,
    pub runtime: Runtime,
    local_addr: Cell<Option<SocketAddr>>,
    endpoint: RefCell<Option<KcpEndpoint>>,
    /// Closed when the driver has ended.
    driver: RefCell<Option<Receiver<()>>>,
    open: Cell<usize>,
    opened: Cell<u64>,
    failed: Cell<u64>,
    too_many_connections: Limit,
    pub no_room: Limit,
    /// Closed when connections are to end.
    cut: Receiver<()>,
    alive: RefCell<Option<Sender<()>>>,
}

/// What a tunnel has done.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TunnelStats {
    /// Connections that are carried now.
    pub open: usize,
    /// Connections that were ever accepted.
    pub opened: u64,
    /// Of these, the ones that failed, on either side.
    pub failed: u64,
    /// What its endpoint has done; all zero while it is not bound.
    pub endpoint: EndpointStats,
}

/// Where connections come from.
pub(super) enum Listener {
    Client(ClientListener),
    Server(smol_kcp::KcpListener),
}

impl Tunnel {
    /// Binds and begins. Should binding fail, that is logged, and tried again for ever.
    pub fn start(runtime: &Runtime, settings: Settings) -> Tunnel {
        let (cut, cut_receiver) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let shared = Rc::new(Shared {
            settings,
            runtime: runtime.clone(),
            local_addr: Cell::default(),
            endpoint: RefCell::default(),
            driver: RefCell::default(),
            open: Cell::default(),
            opened: Cell::default(),
            failed: Cell::default(),
            too_many_connections: Limit::default(),
            no_room: Limit::default(),
            cut: cut_receiver,
            alive: RefCell::new(Some(alive)),
        });
        let listener = shared.open_or_log(true);
        let accepting = runtime.spawn(accept(Rc::clone(&shared), listener));
        let reporting = shared
            .settings
            .stats_interval
            .map(|every| runtime.spawn(report(Rc::clone(&shared), every)));
        Tunnel { shared, accepting: Some(accepting), _reporting: reporting, cut: Some(cut), ended }
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Where it listens; `None` while that cannot be bound.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.local_addr.get()
    }

    /// What it has done.
    pub fn stats(&self) -> TunnelStats {
        self.shared.stats()
    }

    /// Its KCP streams.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.shared.endpoint.borrow().as_ref().map(KcpEndpoint::sessions).unwrap_or_default()
    }

    /// Logs what it has done, and the state of each stream.
    pub fn log_stats(&self) {
        self.shared.log_stats();
        for session in self.sessions() {
            let stats = session.stats;
            log::info!(
                target: super::logging::UNLIMITED,
                "{}: stream {:08x}: {} bytes sent, {} received, rtt {} ms, \
                 {} of {} segments again, {} in flight",
                self.shared.settings.name,
                session.conv,
                stats.bytes_sent,
                stats.bytes_received,
                stats.srtt.as_millis(),
                stats.timeout_retransmits + stats.fast_retransmits,
                stats.segments_sent,
                stats.in_flight,
            );
        }
    }

    /// Accepts no more connections; those it carries go on.
    pub fn stop_accepting(&mut self) {
        self.accepting = None;
        self.shared.local_addr.set(None);
    }

    /// As [`stop_accepting`](Self::stop_accepting); when it returns, a TCP socket is closed. That of a
    /// server is that of its streams too.
    pub(super) async fn close_listener(&mut self) {
        let accepting = self.accepting.take();
        self.stop_accepting();
        if let Some(task) = accepting {
            task.cancel().await;
        }
    }

    /// Accepts no more, waits until all connections have ended but no longer than `limit`, resets
    /// those that are left, and lets the last datagrams leave.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the tunnel is dropped.
    pub async fn drain(mut self, limit: Duration) {
        self.close_listener().await;
        self.shared.alive.replace(None);
        let began = super::runtime::now();
        if !limit.is_zero() {
            let _ = within(limit, self.ended.recv()).await;
        }
        let open = self.shared.open.get();
        if open > 0 {
            log::info!("{}: {open} connections are cut", self.shared.settings.name);
        }
        self.cut = None;
        let _ = self.ended.recv().await; // each ends at once
        self.shared.endpoint.replace(None);
        let driver = self.shared.driver.replace(None);
        if let Some(driver) = driver {
            let left = limit.saturating_sub(began.elapsed()).max(RST_FLUSH);
            let _ = within(left, driver.recv()).await;
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tunnel");
        debug.field("name", &self.shared.settings.name).field("local_addr", &self.local_addr());
        debug.finish_non_exhaustive()
    }
}

/// Accepts for ever.
async fn accept(shared: Rc<Shared>, mut listener: io::Result<Listener>) {
    let mut retries = RETRIES;
    loop {
        let error = match listener {
            Ok(open) => {
                retries.reset();
                let error = match open {
                    Listener::Client(listener) => client::accept(&shared, listener).await,
                    Listener::Server(listener) => server::accept(&shared, listener).await,
                };
                log::error!("{}: {error}; it begins anew", shared.settings.name);
                shared.close();
                None
            }
            Err(error) => Some(error),
        };
        let wait = retries.next(fastrand::u8(..));
        let exhausted = error.is_some_and(|error| is_exhaustion(&error));
        Timer::after(if exhausted { wait.min(EXHAUSTED) } else { wait }).await;
        listener = shared.open_or_log(false);
    }
}

async fn report(shared: Rc<Shared>, every: Duration) {
    loop {
        Timer::after(every).await;
        shared.log_stats();
    }
}

impl Shared {
    fn open(self: &Rc<Shared>) -> io::Result<Listener> {
        match &self.settings.role {
            Role::Client { server } => client::open(self, server).map(Listener::Client),
            Role::Server { .. } => server::open(self).map(Listener::Server),
        }
    }

    /// `first`: somebody who ends may still have the address, which is nothing to speak of yet.
    fn open_or_log(self: &Rc<Shared>, first: bool) -> io::Result<Listener> {
        let (name, listen) = (&self.settings.name, &self.settings.listen);
        let error = match self.open() {
            Ok(listener) => {
                let addr =
                    self.local_addr.get().map_or_else(|| listen.to_string(), |at| at.to_string());
                match &self.settings.role {
                    Role::Client { server } => {
                        log::info!("{name}: listening on TCP {addr} for server {server}");
                    }
                    Role::Server { target } => {
                        log::info!("{name}: listening on UDP {addr} for target {target}");
                    }
                }
                return Ok(listener);
            }
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::AddrInUse if first => {
                log::debug!("{name}: {listen} is in use; will try again");
            }
            io::ErrorKind::PermissionDenied if (1..1024).contains(&listen.port()) => log::error!(
                "{name}: cannot listen at {listen}: {error}: a port below 1024 needs the rights of \
                 root, which `user` gives up after the start: restart smol-kcpd; will try again",
            ),
            _ => log::error!("{name}: cannot listen at {listen}: {error}; will try again"),
        }
        Err(error)
    }

    fn close(&self) {
        self.local_addr.set(None);
        self.endpoint.replace(None);
        self.driver.replace(None);
    }

    /// A socket is bound, an endpoint made: notes them and lets the driver run.
    pub(super) fn bound(&self, addr: SocketAddr, endpoint: KcpEndpoint, driver: Driver) {
        let (running, ended) = async_channel::bounded(1);
        let name = self.settings.name.clone();
        let run = async move {
            if let Err(error) = driver.await {
                log::debug!("{name}: the driver ended: {error}");
            }
            drop(running);
        };
        self.runtime.spawn(run).detach();
        self.local_addr.set(Some(addr));
        self.endpoint.replace(Some(endpoint));
        self.driver.replace(Some(ended));
    }

    /// Ends with the driver.
    pub(super) async fn driver_ended(&self) {
        let driver = self.driver.borrow().clone();
        if let Some(driver) = driver {
            let _ = driver.recv().await;
        }
    }

    /// Where to listen: the address, with the number that its interface has now.
    pub(super) fn listen_addr(&self) -> io::Result<SocketAddr> {
        let none =
            || io::Error::new(io::ErrorKind::InvalidInput, "an address is needed, not a name");
        self.settings.listen.addr()?.ok_or_else(none)
    }

    /// A connection from there finds no room: says so.
    pub(super) fn turned_away(&self, from: SocketAddr) {
        let (name, limit) = (&self.settings.name, self.settings.max_connections);
        let what =
            format_args!("{name}: {from} is turned away: max_connections = {limit} are open");
        self.too_many_connections.reached(what);
    }

    /// Is there room for one more connection?
    pub(super) fn has_room(&self) -> bool {
        self.open.get() < self.settings.max_connections
    }

    /// Carries a connection in the background, until it ends or is cut.
    pub(super) fn serve(
        self: &Rc<Shared>,
        connection: impl Future<Output = Result<(), RelayError>> + 'static,
    ) {
        let open = Open::new(Rc::clone(self));
        let run = async move {
            let cut = async {
                let _ = open.shared.cut.recv().await; // closed when it is time
                Ok(())
            };
            if let Err(failed) = future::or(connection, cut).await {
                open.shared.failed.set(open.shared.failed.get() + 1);
                log::debug!("{}: {failed}", open.shared.settings.name);
            }
        };
        self.runtime.spawn(run).detach();
    }

    fn stats(&self) -> TunnelStats {
        TunnelStats {
            open: self.open.get(),
            opened: self.opened.get(),
            failed: self.failed.get(),
            endpoint: self.endpoint.borrow().as_ref().map(KcpEndpoint::stats).unwrap_or_default(),
        }
    }

    fn log_stats(&self) {
        let TunnelStats { open, opened, failed, endpoint } = self.stats();
        log::info!(
            target: super::logging::UNLIMITED,
            "{}: {open} connections, {opened} so far, {failed} failed; \
             {} bytes in {} datagrams sent, {} in {} received, {} dropped; \
             {} streams, {} refused, {} evicted, {} stalled; {} transport errors; \
             {} of {} KiB of memory used by all tunnels",
            self.settings.name,
            endpoint.bytes_sent,
            endpoint.datagrams_sent,
            endpoint.bytes_received,
            endpoint.datagrams_received,
            endpoint.transmit_dropped.saturating_add(endpoint.receive_dropped),
            endpoint.sessions,
            endpoint.refused,
            endpoint.evicted,
            endpoint.stalled,
            endpoint.transport_errors,
            self.runtime.memory_budget().used() / 1024,
            self.runtime.memory_budget().limit() / 1024,
        );
    }
}

/// A connection that counts as open.
struct Open {
    shared: Rc<Shared>,
    _alive: Option<Sender<()>>,
}

impl Open {
    fn new(shared: Rc<Shared>) -> Open {
        shared.open.set(shared.open.get() + 1);
        shared.opened.set(shared.opened.get() + 1);
        let alive = shared.alive.borrow().clone();
        Open { shared, _alive: alive }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
    }
}
