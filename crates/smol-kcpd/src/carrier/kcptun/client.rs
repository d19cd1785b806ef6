//! The client: accepts TCP connections and opens a stream of smux for each.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future;
use smol_kcp::KcpError;

use super::layers::Layers;
use super::opening;
use super::slots::Slots;
use crate::backoff::Backoff;
use crate::context::TunnelContext;
use crate::listen::listen;
use crate::relay::{relay, Kcp, RelayError, Tcp};
use crate::Role;

/// Time that a connection waits for a server that cannot be reached, without `connect_timeout`.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// A server hears nobody who has another key or cipher.
const NO_ANSWER: &str = "; is the server there, with the same key and crypt?";

/// Waiting times before accepting again after it failed, mostly for want of descriptors.
const ACCEPTING: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// Listens for connections.
#[derive(Debug)]
pub(crate) struct KcptunClient {
    listener: Async<TcpListener>,
}

impl KcptunClient {
    pub(super) fn open(context: &TunnelContext) -> io::Result<KcptunClient> {
        let listener = listen(context.listen_addr()?)?;
        context.local_addr.set(Some(listener.get_ref().local_addr()?));
        Ok(KcptunClient { listener })
    }

    /// Accepts for ever.
    pub(super) async fn accept(self, context: &Rc<TunnelContext>) -> KcpError {
        let settings = context.settings();
        let (Role::Client { server }, Some(kcptun)) = (&settings.role, &settings.kcptun) else {
            return KcpError::Closed;
        };
        let Some(layers) = Layers::new(context).await else { return KcpError::Closed };
        let slots = Slots::new(Rc::clone(context), layers, server.clone(), kcptun.clone());
        let slots = Rc::new(slots);
        let mut retries = ACCEPTING;
        loop {
            match self.listener.accept().await {
                Ok((tcp, from)) if !context.has_room() => {
                    context.incoming_rejected(&from);
                    drop(Tcp::new(tcp)); // which resets it
                    future::yield_now().await;
                }
                Ok((tcp, from)) => {
                    retries.reset();
                    let (context_, slots) = (Rc::clone(context), Rc::clone(&slots));
                    context.serve(serve(context_, slots, tcp, from));
                }
                Err(error) => {
                    log::warn!("{}: accepting: {error}", context.name);
                    Timer::after(retries.next(fastrand::u8(..))).await;
                }
            }
        }
    }
}

async fn serve(
    context: Rc<TunnelContext>,
    slots: Rc<Slots>,
    tcp: Async<TcpStream>,
    from: SocketAddr,
) -> Result<(), RelayError> {
    let tcp = Tcp::new(tcp);
    let settings = context.settings();
    let limit = settings.kcp.connect_timeout.unwrap_or(CONNECT_WAIT);
    let opened = opening::open(&slots, &tcp, limit).await;
    if let Err(RelayError::Kcp(error)) = &opened {
        let why = match error.kind() {
            io::ErrorKind::TimedOut => NO_ANSWER,
            _ => "",
        };
        log::warn!("{}: {from} is turned away: {error}{why}", context.name);
    }
    drop(slots);
    let stream = opened?;
    log::debug!("{}: {from} is stream {}", context.name, stream.id());
    let close_wait = settings.kcptun.as_ref().map(|kcptun| kcptun.close_wait).unwrap_or_default();
    relay(&context.runtime, tcp, Kcp::smux(stream, close_wait)).await
}
