//! One look at a tunnel.

use smol_kcp::KcpEndpoint;

use super::{State, TunnelStatus, LONGEST_LIST};
use crate::context::TunnelContext;
use crate::health::Concern;
use crate::peers::peers;
use crate::{HostPort, Role};

/// Looks at a tunnel once, and lists so many of its streams.
pub(crate) fn of_tunnel(context: &TunnelContext, streams: usize) -> TunnelStatus {
    let settings = context.settings();
    let sessions = context.sessions();
    let is_client = matches!(settings.role, Role::Client { .. });
    let endpoint = context.endpoint.borrow();
    let silent = endpoint.as_ref().and_then(KcpEndpoint::silent_for).filter(|_| is_client);
    let heard = sessions.iter().any(|session| session.stats.datagrams_received > 0);
    if heard && silent.is_none() && is_client && endpoint.is_some() {
        context.health.works(Concern::Server);
    }
    let mut problems = context.health.problems();
    if let (Some(silent), Role::Client { server }) = (silent, &settings.role) {
        problems.retain(|(concern, ..)| *concern != Concern::Server);
        let at = problems.iter().take_while(|(concern, ..)| *concern < Concern::Server).count();
        let why = format!("server {server} does not answer");
        problems.insert(at, (Concern::Server, silent, why));
    }

    let state = match problems.first() {
        Some((Concern::Listen | Concern::Lookup | Concern::Server, ..)) => State::Down,
        Some(_) => State::Degraded,
        None if heard => State::Up,
        None => State::Idle,
    };
    let peers = peers(&sessions);
    let peers_total = peers.len();
    let peers = peers.into_iter().take(LONGEST_LIST).map(|(_, mut peer)| {
        // The endpoint knows the server by an address that never changes.
        if is_client {
            peer.addr = context.health.server.get();
        }
        peer
    });
    let streams_total = sessions.len();
    let streams = sessions.iter().take(streams.min(LONGEST_LIST));
    #[cfg(feature = "kcptun")]
    let carrier = if settings.kcptun.is_some() { "kcptun" } else { "kcp" };
    #[cfg(not(feature = "kcptun"))]
    let carrier = "kcp";
    TunnelStatus {
        name: context.name.clone(),
        is_client,
        state,
        problems,
        listen: match context.local_addr.get() {
            Some(addr) => Some(addr.to_string()),
            None => settings.listen.as_ref().map(HostPort::to_string),
        },
        remote: match &settings.role {
            Role::Client { server } => Some(server.to_string()),
            Role::Server { target } => target.as_ref().map(HostPort::to_string),
        },
        udp: settings.udp.as_ref().map(|udp| {
            let at = context.udp_addr.get().map_or_else(|| udp.at.to_string(), |at| at.to_string());
            // A server's are bounded as its connections are.
            (at, if is_client { udp.sources } else { settings.max_connections })
        }),
        carrier,
        is_encrypted: settings.kcp.secure.is_some(),
        protection: settings.protection(),
        max_connections: settings.max_connections,
        stats: context.stats(),
        channels: endpoint.as_ref().and_then(KcpEndpoint::secure_stats),
        peers: peers.collect(),
        peers_total,
        streams: streams.map(|session| (session.conv, session.stats)).collect(),
        streams_total,
    }
}
