//! The context that a tunnel shares with its connections: settings, endpoint, counters, ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use async_channel::{Receiver, Sender};
use futures_lite::future;

use super::clients::Clients;
#[cfg(feature = "kcptun")]
use super::endpoints::Endpoints;
use super::figures::{ChannelsLine, PathLine, REASONS};
use super::health::{Concern, Health};
use super::limits::Limit;
use super::peers::{peers, PeerStatus};
use super::relay::RelayError;
use super::runtime::Runtime;
use super::udp_stats::{UdpCounters, UdpStats};
use super::{HostPort, Role, Settings};
use smol_kcp::{Driver, EndpointStats, KcpEndpoint, KcpError, KcpStream, SessionInfo};

/// Holds what a tunnel shares with its connections.
pub(super) struct TunnelContext {
    /// What it is called in the log, for ever.
    pub(super) name: String,
    /// Those who may connect change while it runs.
    settings: RefCell<Rc<Settings>>,
    pub(super) runtime: Runtime,
    pub(super) local_addr: Cell<Option<SocketAddr>>,
    /// Client: where it takes datagrams.
    pub(super) udp_addr: Cell<Option<SocketAddr>>,
    pub(super) endpoint: RefCell<Option<KcpEndpoint>>,
    /// Closed when the driver has ended.
    pub(super) driver: RefCell<Option<Receiver<()>>>,
    pub(super) open: Cell<usize>,
    opened: Cell<u64>,
    failed: Cell<u64>,
    /// The datagrams of others.
    pub(super) udp: UdpCounters,
    too_many_connections: Limit,
    pub(super) no_room: Limit,
    /// Closed when connections are to end.
    cut: Receiver<()>,
    pub(super) alive: RefCell<Option<Sender<()>>>,
    /// Server: those who have connected, by name.
    pub(super) clients: Clients,
    pub(super) health: Rc<Health>,
    /// In kcptun's place: the endpoints, which are several.
    #[cfg(feature = "kcptun")]
    endpoints: Endpoints,
}

/// Counts the connections of a tunnel.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TunnelStats {
    /// Connections that are open.
    pub open: usize,
    /// Connections that were ever accepted.
    pub opened: u64,
    /// Those of them that failed, on either side.
    pub failed: u64,
    /// The datagrams that it carries for others.
    pub udp: UdpStats,
    /// The counters of its endpoint; all zero while it is not bound.
    pub endpoint: EndpointStats,
}

impl TunnelContext {
    pub(super) fn new(
        settings: Settings,
        runtime: Runtime,
        cut: Receiver<()>,
        alive: Sender<()>,
    ) -> TunnelContext {
        TunnelContext {
            name: settings.name.clone(),
            settings: RefCell::new(Rc::new(settings)),
            runtime,
            local_addr: Cell::default(),
            udp_addr: Cell::default(),
            endpoint: RefCell::default(),
            driver: RefCell::default(),
            open: Cell::default(),
            opened: Cell::default(),
            failed: Cell::default(),
            udp: UdpCounters::default(),
            too_many_connections: Limit::default(),
            no_room: Limit::default(),
            cut,
            alive: RefCell::new(Some(alive)),
            clients: Clients::default(),
            health: Rc::default(),
            #[cfg(feature = "kcptun")]
            endpoints: Endpoints::default(),
        }
    }

    /// Returns the settings as they are now.
    pub(super) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Takes over settings that [differ in clients only](super::clients::differ_in_clients_only). The streams
    /// of who is no longer among them end.
    pub(super) fn set_clients(&self, settings: Settings) -> Result<(), KcpError> {
        if let (Some(endpoint), Some(secure)) = (&*self.endpoint.borrow(), &settings.kcp.secure) {
            endpoint.set_clients(secure.clients.clone())?;
        }
        self.clients.retain(&settings);
        self.settings.replace(Rc::new(settings));
        Ok(())
    }

    pub(super) fn close(&self) {
        self.local_addr.set(None);
        self.udp_addr.set(None);
        self.endpoint.replace(None);
        self.driver.replace(None);
        #[cfg(feature = "kcptun")]
        self.endpoints.clear();
    }

    /// Lets go of the endpoint, which ends when its streams have; [`driver`](TunnelContext::driver) tells when.
    pub(super) fn release_endpoint(&self) {
        self.endpoint.replace(None);
        #[cfg(feature = "kcptun")]
        self.endpoints.clear();
    }

    /// Runs the driver of one endpoint of several, which is among those of the tunnel for as long as the guard lives.
    #[cfg(feature = "kcptun")]
    pub(super) fn run_endpoint(
        self: &Rc<TunnelContext>,
        endpoint: KcpEndpoint,
        driver: Driver,
    ) -> OpenEndpoint {
        let (id, running, ended) = self.endpoints.add(endpoint);
        self.driver.replace(Some(ended));
        let name = self.name.clone();
        let run = async move {
            if let Err(error) = driver.await {
                log::debug!("{name}: a driver ended: {error}");
            }
            drop(running);
        };
        self.runtime.spawn(run).detach();
        OpenEndpoint { context: Rc::clone(self), id }
    }

    /// Returns whether only what is open already goes on.
    #[cfg(feature = "kcptun")]
    pub(super) fn is_ending(&self) -> bool {
        self.alive.borrow().is_none()
    }

    /// Waits until connections are to end.
    #[cfg(feature = "kcptun")]
    pub(super) async fn was_cut(&self) {
        let _ = self.cut.recv().await; // closed when it is time
    }

    /// Notes the bound address, if it is for connections, and the endpoint, and runs the driver.
    pub(super) fn bound(&self, addr: Option<SocketAddr>, endpoint: KcpEndpoint, driver: Driver) {
        let (running, ended) = async_channel::bounded(1);
        let name = self.name.clone();
        let run = async move {
            if let Err(error) = driver.await {
                log::debug!("{name}: the driver ended: {error}");
            }
            drop(running);
        };
        self.runtime.spawn(run).detach();
        self.local_addr.set(addr);
        self.endpoint.replace(Some(endpoint));
        self.driver.replace(Some(ended));
    }

    /// Waits until the driver has ended.
    pub(super) async fn driver_ended(&self) {
        let driver = self.driver.borrow().clone();
        if let Some(driver) = driver {
            let _ = driver.recv().await;
        }
    }

    /// Returns the address to listen at, with the present number of its interface.
    pub(super) fn listen_addr(&self) -> io::Result<SocketAddr> {
        let settings = self.settings();
        let addr = settings.listen.as_ref().map(HostPort::bind_addr);
        addr.unwrap_or_else(|| Err(io::ErrorKind::AddrNotAvailable.into()))
    }

    /// Logs that a connection was refused for want of room.
    pub(super) fn incoming_rejected(&self, from: &dyn fmt::Display) {
        let (name, limit) = (&self.name, self.settings().max_connections);
        let what =
            format_args!("{name}: {from} is turned away: max_connections = {limit} are open");
        self.health.failed(Concern::Room, format_args!("max_connections = {limit} are open"));
        self.too_many_connections.reached(what);
    }

    /// Refuses a stream that can lead nowhere: it counts as one that failed.
    pub(super) fn refuse(&self, stream: KcpStream, from: &dyn fmt::Display, target: &str) {
        stream.abort();
        self.opened.set(self.opened.get() + 1);
        self.failed.set(self.failed.get() + 1);
        log::info!("{}: {from} is refused: there is no {target} for it", self.name);
    }

    /// Returns whether there is room for one more connection.
    pub(super) fn has_room(&self) -> bool {
        self.open.get() < self.settings().max_connections
    }

    /// Runs a connection in the background until it ends or is cut.
    pub(super) fn serve(
        self: &Rc<TunnelContext>,
        connection: impl Future<Output = Result<(), RelayError>> + 'static,
    ) {
        let open = OpenConnection::new(Rc::clone(self));
        // What a future holds and hands on is in it twice (rust-lang/rust#62958); a pointer is small. And all kinds of
        // connections are one kind of task: each is as much code as a table.
        let connection: Pin<Box<dyn Future<Output = Result<(), RelayError>>>> =
            Box::pin(connection);
        let run = async move {
            let cut = async {
                let _ = open.context.cut.recv().await; // closed when it is time
                Ok(())
            };
            if let Err(failed) = future::or(connection, cut).await {
                open.context.failed.set(open.context.failed.get() + 1);
                log::debug!("{}: {failed}", open.context.name);
            }
        };
        self.runtime.spawn(run).detach();
    }

    pub(super) fn stats(&self) -> TunnelStats {
        TunnelStats {
            open: self.open.get(),
            opened: self.opened.get(),
            failed: self.failed.get(),
            udp: self.udp.get(),
            endpoint: self.endpoint_stats(),
        }
    }

    fn endpoint_stats(&self) -> EndpointStats {
        let own = self.endpoint.borrow().as_ref().map(KcpEndpoint::stats);
        #[cfg(feature = "kcptun")]
        let own = own.or_else(|| Some(self.endpoints.stats()));
        own.unwrap_or_default()
    }

    pub(super) fn sessions(&self) -> Vec<SessionInfo> {
        let own = self.endpoint.borrow().as_ref().map(KcpEndpoint::sessions);
        #[cfg(feature = "kcptun")]
        let own = own.or_else(|| Some(self.endpoints.sessions()));
        own.unwrap_or_default()
    }

    pub(super) fn log_stats(&self) {
        let TunnelStats { open, opened, failed, udp, endpoint } = self.stats();
        log::info!(
            target: super::logging::UNLIMITED,
            "{}: {open} connections, {opened} so far, {failed} failed; \
             {} bytes in {} datagrams sent, {} in {} received, {} dropped; \
             {} streams, {} refused, {} evicted, {} stalled; {} transport errors; \
             {} of {} KiB of memory used by all tunnels; {}",
            self.name,
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
            self.settings().protection(),
        );
        if self.settings().udp.is_some() {
            log::info!(
                target: super::logging::UNLIMITED,
                "{}: datagrams of {} sources: {} sent, {} received, {} dropped",
                self.name,
                udp.open,
                udp.sent,
                udp.received,
                udp.dropped_total(),
            );
        }
        if let Some(stats) = self.endpoint.borrow().as_ref().and_then(KcpEndpoint::secure_stats) {
            log::info!(target: super::logging::UNLIMITED, "{}: {}", self.name, ChannelsLine(&stats));
        }
        self.clients.log(&self.name);
        self.log_paths();
    }

    /// Logs what the path to each peer does, and for what its streams wait.
    fn log_paths(&self) {
        if !log::log_enabled!(log::Level::Debug) {
            return;
        }
        let settings = self.settings();
        for (peer, PeerStatus { stats, waiting, .. }) in &peers(&self.sessions()) {
            let mut streams = String::new();
            for (reason, count) in REASONS.iter().zip(waiting).filter(|(_, &count)| count > 0) {
                let separator = if streams.is_empty() { "" } else { ", " };
                streams.push_str(&format!("{separator}{count} for {reason}"));
            }
            let (name, path) = (&self.name, PathLine(stats));
            match &settings.role {
                // Wherever that is: the endpoint knows it by an address that never changes.
                Role::Client { server } => {
                    log::debug!("{name}: path to {server}: {path}; streams wait: {streams}");
                }
                Role::Server { .. } => {
                    log::debug!("{name}: path to {peer}: {path}; streams wait: {streams}");
                }
            }
        }
    }
}

/// Keeps one of several endpoints among those of its tunnel for as long as it lives.
#[cfg(feature = "kcptun")]
pub(super) struct OpenEndpoint {
    context: Rc<TunnelContext>,
    id: u64,
}

#[cfg(feature = "kcptun")]
impl Drop for OpenEndpoint {
    fn drop(&mut self) {
        self.context.endpoints.remove(self.id);
    }
}

/// Counts a connection as open for as long as it lives.
struct OpenConnection {
    context: Rc<TunnelContext>,
    _alive: Option<Sender<()>>,
}

impl OpenConnection {
    fn new(context: Rc<TunnelContext>) -> OpenConnection {
        context.open.set(context.open.get() + 1);
        context.opened.set(context.opened.get() + 1);
        let alive = context.alive.borrow().clone();
        OpenConnection { context, _alive: alive }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.context.open.set(self.context.open.get().saturating_sub(1));
        self.context.health.works(Concern::Room);
    }
}
