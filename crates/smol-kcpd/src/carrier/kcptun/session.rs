//! One session of a client: its streams, and whether the server still knows it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::{future, AsyncWriteExt};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpError, StreamStats, UdpTransport};
use smol_smux::frame::{Command, Header, HEADER_LEN};
use smol_smux::Version;

use super::carriage::Carriage;
use super::layers::Layers;
use super::watch::{Watch, WatchedTransport};
use crate::context::TunnelContext;
use crate::health::{Concern, Health};
use crate::runtime::{now, within};

/// Time for which a server that was found to know the session is not asked again.
const FRESH: Duration = Duration::from_secs(1);

/// Least and greatest time for an answer. A question is repeated after it.
const ANSWER: Duration = Duration::from_millis(500);
const ANSWER_LONGEST: Duration = Duration::from_secs(1);

/// Silence after a question, after which new connections get another session; or three timeouts, where that is longer.
const SILENT: Duration = Duration::from_secs(1);

/// Time for a server to answer the first datagrams of a session, before another one is tried.
const DIAL: Duration = Duration::from_secs(2);

/// A session with the server.
#[derive(Debug)]
pub(super) struct ClientSession {
    pub(super) smux: smol_smux::Session,
    name: String,
    health: Rc<Health>,
    opened_at: Instant,
    endpoint: KcpEndpoint,
    watch: Watch,
    /// When the server was last found to know the session.
    known_at: Cell<Instant>,
    /// The server has not answered a question in time.
    silent: Cell<bool>,
    /// Has the session's task ask the server.
    asking: Sender<()>,
    /// Closed when that has been answered.
    answer: RefCell<Option<(Sender<()>, Receiver<()>)>>,
}

/// Opens a session with the server at `peer`, from a socket of its own; it is there when the server has answered.
pub(super) async fn dial(
    context: &Rc<TunnelContext>,
    layers: &Layers,
    peer: SocketAddr,
) -> Result<Rc<ClientSession>, KcpError> {
    // It begins with data: kcp-go's listener drops what comes from an address that it knows, under a number that it does
    // not know, unless it is segment 0. A NAT may have given the new socket the port of an old one.
    let config = KcpConfig { connect_timeout: None, ..layers.kcp.clone() };
    let socket = UdpTransport::connect(&config, peer)?;
    let (transport, watch) = WatchedTransport::new(socket, layers.crypt.clone());
    let budget = context.runtime.memory_budget();
    let (endpoint, driver) = KcpEndpoint::with_budget(config, transport, budget)?;
    let running = context.run_endpoint(endpoint.clone(), driver);
    let stream = endpoint.connect_to(peer, None).await?;
    let name = format!("{}: session {:08x} with {peer}", context.name, stream.conv());
    let mut carriage = Carriage::new(stream, layers.compression);
    watch.look();
    let greeting = async {
        carriage.write_all(&sign_of_life(layers.smux.version)).await?;
        carriage.flush().await?;
        std::io::Result::Ok(watch.unas.recv().await.is_ok())
    };
    match within(DIAL, greeting).await {
        Some(Ok(true)) => {}
        Some(Err(error)) => return Err(error.into()),
        _ => {
            carriage.abort();
            return Err(KcpError::TimedOut);
        }
    }
    let (smux, driver) = smol_smux::Session::client(carriage, layers.smux.clone())
        .map_err(|error| KcpError::from(std::io::Error::from(error)))?;
    log::debug!("{name} is open");
    let (asking, asked) = async_channel::bounded(1);
    let session = Rc::new(ClientSession {
        smux,
        name: name.clone(),
        health: Rc::clone(&context.health),
        opened_at: now(),
        endpoint,
        watch: watch.clone(),
        known_at: Cell::new(now()),
        silent: Cell::default(),
        asking,
        answer: RefCell::default(),
    });
    // The task has no handle: the session ends when those who use it have let go of it.
    let weak = Rc::downgrade(&session);
    let asks = async move {
        loop {
            watch.reason_to_ask(&asked).await;
            match weak.upgrade() {
                Some(session) => session.ask().await,
                None => future::pending().await,
            }
        }
    };
    context
        .runtime
        .spawn(async move {
            match future::or(driver, asks).await {
                Ok(()) => log::debug!("{name} has ended"),
                Err(error) => log::info!("{name} has ended: {error}"),
            }
            drop(running);
        })
        .detach();
    Ok(session)
}

/// A frame of smux that says nothing, which every version answers with nothing.
fn sign_of_life(version: Version) -> [u8; HEADER_LEN] {
    Header::bare(Command::Nop, 0).encode(version)
}

impl ClientSession {
    /// Returns whether new connections may use it.
    pub(super) fn is_fit(&self, auto_expire: Option<Duration>) -> bool {
        let is_old = auto_expire.is_some_and(|age| self.opened_at.elapsed() >= age);
        !(is_old || self.silent.get() || self.smux.is_closed())
    }

    /// Returns whether the session has ended because the server knows nothing of it any more, so that nothing has
    /// arrived of what was sent after that.
    pub(super) async fn is_forgotten(&self) -> bool {
        let Some(smol_smux::Error::Io(cause)) = future::poll_once(self.smux.closed()).await else {
            return false;
        };
        let cause = cause.get_ref().and_then(|cause| cause.downcast_ref());
        matches!(cause, Some(KcpError::Reset))
    }

    /// Asks the server whether it knows the session; the channel closes when it has said so, or the session has ended.
    /// `None`: it just did.
    pub(super) fn question(&self) -> Option<Receiver<()>> {
        if self.known_at.get().elapsed() < FRESH {
            return None;
        }
        let _ = self.asking.try_send(()); // full: it is about to
        let mut answer = self.answer.borrow_mut();
        Some(answer.get_or_insert_with(|| async_channel::bounded(1)).1.clone())
    }

    /// Waits for the answer to a question.
    pub(super) async fn answered(&self, answer: &Receiver<()>) {
        let ended = async {
            self.smux.closed().await;
        };
        let answered = async {
            let _ = answer.recv().await; // nothing comes: it will be closed
        };
        future::or(answered, ended).await;
    }

    /// Asks until the server has shown that it knows the session. If it does not, the library notices, and the session
    /// ends.
    async fn ask(&self) {
        let (began, mut limit) = (now(), ANSWER);
        while self.watch.unas.try_recv().is_ok() {}
        loop {
            self.watch.look();
            self.endpoint.network_changed();
            limit = limit.max(self.stats().rto * 4).min(ANSWER_LONGEST);
            match within(limit, self.known()).await {
                Some(()) => {
                    if self.silent.replace(false) {
                        log::info!("{}: the server answers again", self.name);
                        self.health.works(Concern::Server);
                    }
                    break;
                }
                None => {
                    let silent = SILENT.max(self.stats().rto * 3);
                    if began.elapsed() >= silent && !self.silent.replace(true) {
                        log::info!("{}: the server does not answer", self.name);
                        self.health.failed(Concern::Server, "the server does not answer");
                    }
                    limit *= 2;
                }
            }
        }
        self.known_at.set(now());
        self.answer.replace(None);
    }

    /// Waits for a datagram of a peer that has something of the session.
    async fn known(&self) {
        while let Ok(una) = self.watch.unas.recv().await {
            if una != 0 || self.stats().bytes_acked == 0 {
                return;
            }
            self.watch.look();
        }
        future::pending().await // the session is about to end
    }

    fn stats(&self) -> StreamStats {
        self.endpoint.sessions().first().map(|session| session.stats).unwrap_or_default()
    }

    /// Lets the streams of a session go on that gets no new ones, for `limit` at most.
    pub(super) async fn scavenge(self: Rc<Self>, limit: Duration) {
        let began = now();
        while self.smux.stats().streams > 0 && !self.smux.is_closed() {
            if began.elapsed() >= limit {
                log::info!("{}: its last connections are cut", self.name);
                self.smux.abort();
            }
            Timer::after(FRESH).await;
        }
    }
}
