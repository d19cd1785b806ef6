//! One end of a tunnel: binding, accepting, draining.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use smol::Task;

use super::backoff::Backoff;
use super::client::{self, ClientListener};
use super::context::{TunnelContext, TunnelStats};
use super::figures::reason;
use super::health::Concern;
use super::limits::is_exhaustion;
use super::runtime::{within, Runtime};
use super::status::{of_tunnel, TunnelStatus};
use super::udp::{self, UdpListener};
use super::{server, Role, Settings};
use smol_kcp::{KcpError, SessionInfo};

/// Waiting times between attempts to bind: a socket about to be closed is free at the second.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// The longest of them while the system has no descriptors left, which come back at any moment.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Time for the resets of cut connections to leave.
const RST_FLUSH: Duration = Duration::from_millis(500);

/// Runs one end of a tunnel on its runtime.
///
/// It never gives up: what cannot be bound is tried again with growing waiting times. Dropped, it
/// stops at once, and what it carries is reset.
pub struct Tunnel {
    context: Rc<TunnelContext>,
    accepting: Option<Task<()>>,
    _reporting: Option<Task<()>>,
    /// Cuts all connections when dropped.
    cut: Option<Sender<()>>,
    /// Closed when the last connection has ended.
    ended: Receiver<()>,
}

/// Accepts the connections of a client or of a server.
pub(super) enum Listener {
    Client(ClientListener),
    Server(smol_kcp::KcpListener),
    #[cfg(feature = "kcptun")]
    Kcptun(super::carrier::kcptun::KcptunListener),
}

impl Tunnel {
    /// Binds and begins. A failure to bind is logged, and binding is tried again for ever.
    pub fn start(runtime: &Runtime, settings: Settings) -> Tunnel {
        let (cut, cut_receiver) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let context = Rc::new(TunnelContext::new(settings, runtime.clone(), cut_receiver, alive));
        let listener = open_or_log(&context, true);
        let accepting = runtime.spawn(accept(Rc::clone(&context), listener));
        let reporting = context
            .settings()
            .stats_interval
            .map(|every| runtime.spawn(report(Rc::clone(&context), every)));
        Tunnel { context, accepting: Some(accepting), _reporting: reporting, cut: Some(cut), ended }
    }

    /// Returns its settings.
    pub fn settings(&self) -> Rc<Settings> {
        self.context.settings()
    }

    /// Returns the address at which it listens; `None` while that cannot be bound, and for a client that takes
    /// datagrams only.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.context.local_addr.get()
    }

    /// Returns the address at which a client takes datagrams; `None` if it takes none, or it cannot be bound.
    pub fn udp_addr(&self) -> Option<SocketAddr> {
        self.context.udp_addr.get()
    }

    /// Returns its counters.
    pub fn stats(&self) -> TunnelStats {
        self.context.stats()
    }

    /// Lists its KCP streams.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.context.sessions()
    }

    /// Looks at it once, and lists so many of its streams.
    pub(super) fn status(&self, streams: usize) -> TunnelStatus {
        of_tunnel(&self.context, streams)
    }

    /// Logs its counters, and those of each stream.
    pub fn log_stats(&self) {
        self.context.log_stats();
        for session in self.sessions() {
            let stats = session.stats;
            log::info!(
                target: super::logging::UNLIMITED,
                "{}: stream {:08x}: {} bytes sent, {} received, rtt {} ms, \
                 {} of {} segments again, {} in flight, waits for {}",
                self.context.name,
                session.conv,
                stats.bytes_sent,
                stats.bytes_received,
                stats.srtt.as_millis(),
                stats.timeout_retransmits + stats.fast_retransmits,
                stats.segments_sent,
                stats.in_flight,
                reason(stats.waits_for),
            );
        }
    }

    /// Takes over settings that [differ in clients only](super::clients::differ_in_clients_only).
    pub(super) fn set_clients(&self, settings: Settings) -> Result<(), KcpError> {
        self.context.set_clients(settings)
    }

    /// Accepts no more connections; open ones go on.
    pub fn stop_accepting(&mut self) {
        self.accepting = None;
        self.context.local_addr.set(None);
        self.context.udp_addr.set(None);
    }

    /// Does as [`stop_accepting`](Self::stop_accepting), and waits until a TCP socket is closed. The UDP
    /// socket of a server stays: its streams use it.
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
        self.context.alive.replace(None);
        let began = super::runtime::now();
        if !limit.is_zero() {
            let _ = within(limit, self.ended.recv()).await;
        }
        let open = self.context.open.get();
        if open > 0 {
            log::info!("{}: {open} connections are cut", self.context.name);
        }
        self.cut = None;
        let _ = self.ended.recv().await; // each ends at once
        self.context.release_endpoint();
        let driver = self.context.driver.replace(None);
        if let Some(driver) = driver {
            let left = limit.saturating_sub(began.elapsed()).max(RST_FLUSH);
            let _ = within(left, driver.recv()).await;
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tunnel");
        debug.field("name", &self.context.name).field("local_addr", &self.local_addr());
        debug.finish_non_exhaustive()
    }
}

/// Accepts for ever, and binds again after failures.
async fn accept(context: Rc<TunnelContext>, mut listener: io::Result<Listener>) {
    let mut retries = RETRIES;
    loop {
        let error = match listener {
            Ok(open) => {
                retries.reset();
                let error = match open {
                    Listener::Client(listener) => client::accept(&context, listener).await,
                    Listener::Server(listener) => server::accept(&context, listener).await,
                    #[cfg(feature = "kcptun")]
                    Listener::Kcptun(listener) => {
                        super::carrier::kcptun::accept(&context, listener).await
                    }
                };
                log::error!("{}: {error}; it begins anew", context.name);
                context.health.failed(Concern::Listen, format_args!("{error}; it begins anew"));
                context.close();
                None
            }
            Err(error) => Some(error),
        };
        let wait = retries.next(fastrand::u8(..));
        let exhausted = error.is_some_and(|error| is_exhaustion(&error));
        Timer::after(if exhausted { wait.min(EXHAUSTED) } else { wait }).await;
        listener = open_or_log(&context, false);
    }
}

async fn report(context: Rc<TunnelContext>, every: Duration) {
    loop {
        Timer::after(every).await;
        context.log_stats();
    }
}

fn open(context: &TunnelContext, udp: Option<UdpListener>) -> io::Result<Listener> {
    #[cfg(feature = "kcptun")]
    if context.settings().kcptun.is_some() {
        return super::carrier::kcptun::open(context).map(Listener::Kcptun);
    }
    match &context.settings().role {
        Role::Client { server } => client::open(context, server, udp).map(Listener::Client),
        Role::Server { .. } => server::open(context).map(Listener::Server),
    }
}

/// Opens the listener, and logs the result. `first`: a process that is ending may still have the
/// address, which is no error yet.
fn open_or_log(context: &TunnelContext, first: bool) -> io::Result<Listener> {
    let settings = context.settings();
    let name = &context.name;
    // Of a client: a server's leads elsewhere.
    let is_client = matches!(settings.role, Role::Client { .. });
    let udp = settings.udp.as_ref().filter(|_| is_client);
    let (at, opened) = match udp::open(udp) {
        Ok(listener) => {
            (settings.listen.as_ref().or(udp.map(|udp| &udp.at)), open(context, listener))
        }
        Err(error) => (udp.map(|udp| &udp.at), Err(error)),
    };
    let error = match opened {
        Ok(listener) => {
            context.health.works(Concern::Listen);
            let (tcp, udp) = (context.local_addr.get(), context.udp_addr.get());
            let (at, ends) = match &settings.role {
                Role::Client { server } => (
                    joined(tcp.map(|at| format!("TCP {at}")), udp.map(|at| format!("UDP {at}"))),
                    format!("server {server}"),
                ),
                Role::Server { target } => {
                    let target = target.as_ref().map(|at| format!("target {at}"));
                    let udp = settings.udp.as_ref().map(|udp| format!("udp_target {}", udp.at));
                    (joined(tcp.map(|at| format!("UDP {at}")), None), joined(target, udp))
                }
            };
            log::info!("{name}: listening on {at} for {ends}, {}", settings.protection());
            return Ok(listener);
        }
        Err(error) => error,
    };
    let (listen, port) = at.map_or_else(Default::default, |at| (at.to_string(), at.port()));
    context.health.failed(Concern::Listen, format_args!("cannot listen at {listen}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse if first => {
            log::debug!("{name}: {listen} is in use; will try again");
        }
        io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => log::error!(
            "{name}: cannot listen at {listen}: {error}: a port below 1024 needs the rights of \
             root, which `user` gives up after the start: restart smol-kcpd; will try again",
        ),
        _ => log::error!("{name}: cannot listen at {listen}: {error}; will try again"),
    }
    Err(error)
}

fn joined(one: Option<String>, other: Option<String>) -> String {
    match (one, other) {
        (Some(one), Some(other)) => one + " and " + &other,
        (one, other) => one.or(other).unwrap_or_default(),
    }
}
