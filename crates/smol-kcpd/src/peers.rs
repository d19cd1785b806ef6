//! The peers of a tunnel, each with what its streams do.

use std::net::SocketAddr;
use std::sync::Arc;

use smol_kcp::{SessionInfo, StreamStats};

use super::figures::{why, REASONS};

/// What is known of one peer.
#[derive(Debug)]
pub(super) struct PeerStatus {
    pub(super) name: Option<Arc<str>>,
    /// `None`: a server whose address is not known.
    pub(super) addr: Option<SocketAddr>,
    pub(super) streams: usize,
    /// How many of them wait for each of [`REASONS`].
    pub(super) waiting: [usize; REASONS.len()],
    /// Those of the stream that has sent most: it knows the path best.
    pub(super) stats: StreamStats,
}

impl PeerStatus {
    /// Returns the shares that got lost so far, on the way there and on the way back, in parts of a million; `None`:
    /// nobody knows.
    pub(super) fn lost(&self) -> [Option<u32>; 2] {
        let path = &self.stats.path;
        let share = |lost: u64, arrived: u64| {
            let share = lost.saturating_mul(1_000_000).checked_div(arrived.saturating_add(lost))?;
            u32::try_from(share).ok()
        };
        [share(path.lost_bytes, path.acked_bytes), share(path.missing, path.arrived)]
    }
}

/// Looks once at all streams, of which a server may have thousands, and returns their peers in the order of addresses.
pub(super) fn peers(sessions: &[SessionInfo]) -> Vec<(SocketAddr, PeerStatus)> {
    let mut sessions: Vec<&SessionInfo> = sessions.iter().collect();
    sessions.sort_unstable_by_key(|session| session.peer);
    let mut peers: Vec<(SocketAddr, PeerStatus)> = Vec::new();
    for session in sessions {
        let stats = session.stats;
        if peers.last().is_none_or(|(addr, _)| *addr != session.peer) {
            let peer = PeerStatus {
                name: session.peer_name.clone(),
                addr: Some(session.peer),
                streams: 0,
                waiting: [0; REASONS.len()],
                stats,
            };
            peers.push((session.peer, peer));
        }
        let Some((_, peer)) = peers.last_mut() else { continue };
        peer.streams += 1;
        if let Some(waiting) = peer.waiting.get_mut(why(stats.waits_for)) {
            *waiting += 1;
        }
        if stats.segments_sent > peer.stats.segments_sent {
            peer.stats = stats;
        }
    }
    peers
}
