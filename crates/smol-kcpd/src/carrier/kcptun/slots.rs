//! The sessions of a client: connections are dealt to them in turn, and one that is no longer fit is replaced when the
//! next connection comes.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future;
use smol::lock::Mutex;
use smol_kcp::{happy_eyeballs, KcpError};

use super::layers::Layers;
use super::session::{dial, ClientSession};
use crate::backoff::Backoff;
use crate::context::TunnelContext;
use crate::health::Concern;
use crate::{HostPort, KcptunSettings};

/// Waiting times between attempts to reach the server.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// A place for a session each.
pub(super) struct Slots {
    context: Rc<TunnelContext>,
    layers: Layers,
    server: HostPort,
    settings: KcptunSettings,
    slots: Vec<Mutex<Option<Rc<ClientSession>>>>,
    next: Cell<usize>,
}

impl Slots {
    pub(super) fn new(
        context: Rc<TunnelContext>,
        layers: Layers,
        server: HostPort,
        settings: KcptunSettings,
    ) -> Slots {
        let slots = (0..settings.sessions.max(1)).map(|_| Mutex::default()).collect();
        Slots { context, layers, server, settings, slots, next: Cell::default() }
    }

    /// Opens a stream in the session whose turn it is.
    ///
    /// # Errors
    /// The system has no sockets. A server that cannot be reached is tried for ever.
    ///
    /// # Cancel safety
    /// A dropped future opens nothing; a session that it was about to open is given up.
    pub(super) async fn open(&self) -> Result<(Rc<ClientSession>, smol_smux::Stream), KcpError> {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let Some(slot) = self.slots.get(turn % self.slots.len()) else {
            return Err(KcpError::Closed);
        };
        // Those who come meanwhile wait for the same session.
        let mut slot = slot.lock().await;
        loop {
            if let Some(session) = slot.take() {
                if session.is_fit(self.settings.auto_expire) {
                    match session.smux.open() {
                        Ok(stream) => {
                            *slot = Some(Rc::clone(&session));
                            return Ok((session, stream));
                        }
                        Err(error) => log::debug!("{}: {error}", self.context.name),
                    }
                }
                self.leave(session);
            }
            *slot = Some(self.dial().await);
        }
    }

    /// Lets the streams of a session go on.
    fn leave(&self, session: Rc<ClientSession>) {
        let (context, limit) = (Rc::clone(&self.context), self.settings.scavenge_ttl);
        let scavenge = async move { future::or(session.scavenge(limit), context.was_cut()).await };
        self.context.runtime.spawn(scavenge).detach();
    }

    /// Opens a session, in as many attempts as it takes.
    async fn dial(&self) -> Rc<ClientSession> {
        let mut attempts = ATTEMPTS;
        loop {
            match self.try_dial().await {
                Ok(session) => {
                    self.context.health.works(Concern::Server);
                    return session;
                }
                Err(error) => {
                    log::debug!("{}: {}: {error}", self.context.name, self.server);
                    let why = format_args!("server {}: {error}", self.server);
                    self.context.health.failed(Concern::Server, why);
                }
            }
            Timer::after(attempts.next(fastrand::u8(..))).await;
        }
    }

    /// Resolves the server's name, and opens a session with the address that answers first.
    async fn try_dial(&self) -> Result<Rc<ClientSession>, KcpError> {
        let mut addrs: Vec<SocketAddr> = self.context.runtime.look_up(&self.server).await?;
        if let Some(ports) = self.settings.ports {
            let port = ports.draw(fastrand::u32(..));
            addrs.iter_mut().for_each(|addr| addr.set_port(port));
        }
        let open = |addr| dial(&self.context, &self.layers, addr);
        let (addr, session) = happy_eyeballs(&addrs, open).await?;
        self.context.health.server.set(Some(addr));
        Ok(session)
    }
}
