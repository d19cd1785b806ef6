//! In kcptun's place: sessions of smux over [compressed] KCP streams under kcp-go's cipher and parity.
//!
//! A client has a few sessions, each with a UDP socket and a conversation of its own, and deals connections to them in
//! turn. A server has a session for each conversation. Neither side of the protocol has a word for the end of a session or for
//! "I do not know you": what [`watch`] makes of that is the reason why a restarted server is noticed at once here.

mod carriage;
mod client;
mod layers;
mod opening;
mod server;
mod session;
mod slots;
mod watch;

pub(in crate::carrier) use client::KcptunClient;
pub(in crate::carrier) use server::KcptunServer;

use std::io;
use std::rc::Rc;

use smol_kcp::KcpError;

use crate::context::TunnelContext;
use crate::Role;

/// Listens, before the key is known: deriving it takes its time.
#[derive(Debug)]
pub(crate) enum KcptunListener {
    Client(KcptunClient),
    Server(KcptunServer),
}

/// Binds the sockets of one end.
pub(crate) fn open(context: &TunnelContext) -> io::Result<KcptunListener> {
    match &context.settings().role {
        Role::Client { .. } => KcptunClient::open(context).map(KcptunListener::Client),
        Role::Server { .. } => KcptunServer::open(context).map(KcptunListener::Server),
    }
}

/// Accepts until the sockets fail.
pub(crate) async fn accept(context: &Rc<TunnelContext>, listener: KcptunListener) -> KcpError {
    match listener {
        KcptunListener::Client(client) => client.accept(context).await,
        KcptunListener::Server(server) => server.accept(context).await,
    }
}
