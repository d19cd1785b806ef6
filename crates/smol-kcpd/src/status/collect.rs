//! One look at a tunnel.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use smol_kcp::{KcpEndpoint, SessionInfo};

use super::{PeerStatus, State, TunnelStatus, LONGEST_LIST};
use crate::context::TunnelContext;
use crate::figures::{why, REASONS};
use crate::health::Concern;
use crate::Role;

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
        problems.push((Concern::Server, silent, format!("server {server} does not answer")));
        problems.sort_by_key(|&(concern, ..)| concern);
    }

    let state = match problems.first() {
        Some((Concern::Listen | Concern::Lookup | Concern::Server, ..)) => State::Down,
        Some(_) => State::Degraded,
        None if heard => State::Up,
        None => State::Idle,
    };
    let (peers, peers_total) = peers(context, &sessions);
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
            Some(addr) => addr.to_string(),
            None => settings.listen.to_string(),
        },
        remote: match &settings.role {
            Role::Client { server } => server.to_string(),
            Role::Server { target } => target.to_string(),
        },
        carrier,
        is_encrypted: settings.kcp.secure.is_some(),
        protection: settings.protection(),
        max_connections: settings.max_connections,
        stats: context.stats(),
        channels: endpoint.as_ref().and_then(KcpEndpoint::secure_stats),
        peers,
        peers_total,
        streams: streams.map(|session| (session.conv, session.stats)).collect(),
        streams_total,
    }
}

/// Sums the streams of each peer, and lists those with most; a client has its server in any case.
fn peers(context: &TunnelContext, sessions: &[SessionInfo]) -> (Vec<PeerStatus>, usize) {
    // The endpoint knows the server by an address that never changes.
    let server = context.health.server.get();
    let is_client = matches!(context.settings().role, Role::Client { .. });
    let mut peers: BTreeMap<Option<SocketAddr>, PeerStatus> = BTreeMap::new();
    for session in sessions {
        let stats = session.stats;
        let addr = if is_client { server } else { Some(session.peer) };
        let peer = peers.entry(addr).or_insert_with(|| PeerStatus {
            name: session.peer_name.clone(),
            addr,
            streams: 0,
            waiting: [0; REASONS.len()],
            stats,
        });
        peer.streams += 1;
        if let Some(waiting) = peer.waiting.get_mut(why(stats.waits_for)) {
            *waiting += 1;
        }
        if stats.segments_sent > peer.stats.segments_sent {
            peer.stats = stats;
        }
    }
    let total = peers.len();
    let mut peers: Vec<PeerStatus> = peers.into_values().collect();
    peers.sort_by_key(|peer| std::cmp::Reverse(peer.streams));
    peers.truncate(LONGEST_LIST);
    (peers, total)
}
