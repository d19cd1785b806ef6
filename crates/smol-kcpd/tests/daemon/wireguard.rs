//! What a WireGuard session sends on its UDP socket, replayed through tunnels by size and timing.
//!
//! Sizes and times are those of its paper (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", 5.4 and 6.1):
//! an initiation has 148 bytes, a response 92, a cookie 64; data is padded to 16 bytes, but not beyond the MTU of the
//! interface, and has 32 bytes more. Keys are made anew every 120 s, a keepalive is due after 10 s.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::net::UdpSocket;
use smol_kcp::{KcpConfig, LinkConfig, NetemConfig, Probability};
use smol_kcpd::{Dropped, Runtime, Tunnel, UdpSettings};

use crate::support::*;
use crate::udp::{at, source, udp};

const INITIATION: u8 = 1;
const RESPONSE: u8 = 2;
const COOKIE: u8 = 3;
const DATA: u8 = 4;

/// Of data with nothing in it.
const KEEPALIVE: usize = 32;

/// With the usual MTU of 1420, which 16 does not divide.
const LONGEST: usize = 1420 + 32;

/// Inner packets without payload (40 and 52 bytes), of a name server, of a call, and full ones.
const SIZES: [usize; 8] = [80, 96, 128, 272, 592, LONGEST, LONGEST, LONGEST];
const BURST: u64 = 16;

/// Pauses are shorter than WireGuard's by so much.
const HURRY: u32 = 200;
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// A rekey after 120 s, and keepalives until then.
const REKEYS: u64 = 3;
const KEEPALIVES: u64 = 120 / 10;

/// What is older is of no use to anybody, where that is said.
const LIFETIME: Duration = Duration::from_millis(300);

/// The index of the far end of a session is that of the near end with this bit.
const FAR: u32 = 1 << 31;

/// A packet: its kind, the index of the receiver and a counter, and behind them bytes that only this one has.
type Name = (u8, u32, u64);

fn packet((kind, index, counter): Name, len: usize) -> Vec<u8> {
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend_from_slice(&index.to_le_bytes());
    packet.extend_from_slice(&counter.to_le_bytes());
    let of_this = u64::from(index) * 31 + counter * 7;
    packet.extend((16..len as u64).map(|at| ((of_this + at) % 251) as u8));
    packet
}

/// Everything that came somewhere, each once.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<HashSet<Name>>>);

impl Journal {
    /// Notes a datagram, which must be as it was sent, and new.
    fn note(&self, datagram: &[u8]) -> Name {
        assert!(datagram.len() >= 16, "{datagram:?}");
        let number = |range: std::ops::Range<usize>| &datagram[range];
        let index = u32::from_le_bytes(number(4..8).try_into().expect("four"));
        let counter = u64::from_le_bytes(number(8..16).try_into().expect("eight"));
        let name = (datagram[0], index, counter);
        assert!(datagram == packet(name, datagram.len()), "altered: {name:?}");
        let is_whole = match (name.0, datagram.len()) {
            (INITIATION, len) => len == 148,
            (RESPONSE, len) => len == 92,
            (COOKIE, len) => len == 64,
            (_, len) => len == KEEPALIVE || SIZES.contains(&len),
        };
        assert!(is_whole, "{name:?} has {} bytes", datagram.len());
        assert!(self.0.lock().expect("nobody panicked").insert(name), "twice: {name:?}");
        name
    }

    fn has(&self, names: &HashSet<Name>) -> bool {
        names.is_subset(&self.0.lock().expect("nobody panicked"))
    }

    fn count(&self) -> u64 {
        self.0.lock().expect("nobody panicked").len() as u64
    }

    fn missing(&self, names: &HashSet<Name>) -> u64 {
        let heard = self.0.lock().expect("nobody panicked");
        names.difference(&heard).count() as u64
    }
}

/// One end of a session, and what it has sent.
#[derive(Default)]
struct Peer {
    index: u32,
    counter: u64,
    sent: HashSet<Name>,
}

impl Peer {
    fn new(index: u32) -> Peer {
        Peer { index, ..Peer::default() }
    }

    /// The next packet of that kind and length to the other end.
    fn next(&mut self, kind: u8, len: usize) -> Vec<u8> {
        let name = (kind, self.index, self.counter);
        self.counter += 1;
        self.sent.insert(name);
        packet(name, len)
    }

    fn burst(&mut self) -> Vec<Vec<u8>> {
        let sizes = SIZES.iter().cycle().take(BURST as usize);
        sizes.map(|&len| self.next(DATA, len)).collect()
    }
}

/// The server of WireGuard: under load it wants a cookie first, and it answers a keepalive with a burst.
async fn responder(heard: Journal) -> SocketAddr {
    let socket = UdpSocket::bind(ANY).await.expect("a port");
    let addr = socket.local_addr().expect("its address");
    smol::spawn(async move {
        let (mut buf, mut peers) = ([0; 2048], HashMap::new());
        loop {
            let Ok((n, from)) = socket.recv_from(&mut buf).await else { continue };
            let (kind, index, counter) = heard.note(&buf[..n]);
            let peer = peers.entry(index).or_insert_with(|| Peer::new(index | FAR));
            let answers = match (kind, n) {
                (INITIATION, _) if counter % 2 == 0 => vec![peer.next(COOKIE, 64)],
                (INITIATION, _) => vec![peer.next(RESPONSE, 92)],
                (DATA, KEEPALIVE) => peer.burst(),
                _ => Vec::new(),
            };
            for answer in answers {
                socket.send_to(&answer, from).await.expect("sending");
            }
        }
    })
    .detach();
    addr
}

/// Takes datagrams until there are so many, all for this end.
async fn take(socket: &UdpSocket, heard: &Journal, index: u32, count: u64) -> Vec<u8> {
    let (mut buf, mut kinds) = ([0; 2048], Vec::new());
    while (kinds.len() as u64) < count {
        let n = socket.recv(&mut buf).await.expect("a datagram");
        let (kind, to, _) = heard.note(&buf[..n]);
        assert_eq!(to, index | FAR, "of another source");
        kinds.push(kind);
    }
    kinds
}

/// A client of WireGuard, which makes new keys a few times and talks in between. What it has sent.
async fn initiator(socket: UdpSocket, index: u32) -> HashSet<Name> {
    let heard = Journal::default();
    let mut peer = Peer::new(index);
    for _ in 0..REKEYS {
        peer.counter += peer.counter % 2;
        for kind in [COOKIE, RESPONSE] {
            socket.send(&peer.next(INITIATION, 148)).await.expect("sending");
            assert_eq!(take(&socket, &heard, index, 1).await, [kind]);
        }
        for _ in 0..KEEPALIVES {
            for datagram in peer.burst() {
                socket.send(&datagram).await.expect("sending");
            }
            smol::Timer::after(KEEPALIVE_TIMEOUT / HURRY).await;
            socket.send(&peer.next(DATA, KEEPALIVE)).await.expect("sending");
            let kinds = take(&socket, &heard, index, BURST).await;
            assert!(kinds.iter().all(|&kind| kind == DATA));
        }
    }
    peer.sent
}

/// A link of 20 ms which loses, doubles and shuffles.
fn bad(config: KcpConfig) -> KcpConfig {
    let send = LinkConfig {
        loss: Probability::percent(10),
        duplicate: Probability::percent(2),
        reorder: Probability::percent(2),
        delay: ms(10),
        jitter: ms(3),
        ..LinkConfig::default()
    };
    KcpConfig { netem: Some(NetemConfig { seed: 5, send, ..NetemConfig::default() }), ..config }
}

/// Both ends, of which the client finds the server at `through`.
fn tunnel_to(
    runtime: &Runtime,
    target: SocketAddr,
    kcp: &KcpConfig,
    lifetime: Option<Duration>,
    through: impl FnOnce(SocketAddr) -> SocketAddr,
) -> (Tunnel, Tunnel) {
    let datagrams = |settings: &mut smol_kcpd::Settings, at| {
        settings.udp = Some(udp(at));
        settings.kcp.datagrams = Some(UdpSettings::conversations(lifetime));
    };
    let mut settings = server_settings(target, kcp.clone());
    datagrams(&mut settings, target);
    let server = Tunnel::start(runtime, settings);
    let mut settings = client_settings(through(addr(&server)), kcp.clone());
    datagrams(&mut settings, ANY.parse().expect("an address"));
    (server, Tunnel::start(runtime, settings))
}

#[test]
fn sessions_through_a_bad_link_lose_alter_and_repeat_nothing() {
    run(|runtime, _| async move {
        let far = Journal::default();
        let kcp = bad(stream());
        assert!(kcp.mtu < LONGEST + 24, "the longest is cut");
        let target = responder(far.clone()).await;
        let (server, client) = tunnel_to(&runtime, target, &kcp, None, |at| at);
        let mut sessions = Vec::new();
        for index in 1..=4 {
            sessions.push(smol::spawn(initiator(source(&client).await, index)));
        }
        let mut count = 0;
        for session in sessions {
            let sent = session.await;
            count += sent.len() as u64;
            until(|| far.has(&sent)).await;
        }
        let (near, far) = (client.stats().udp, server.stats().udp);
        assert_eq!((near.sent, far.received, near.open, near.opened), (count, count, 4, 4));
        assert_eq!((near.received, near.dropped_total(), far.dropped_total()), (far.sent, 0, 0));
    });
}

#[test]
fn what_is_late_is_given_up_and_counted_and_what_follows_arrives() {
    run(|runtime, _| async move {
        let far = Journal::default();
        let target = responder(far.clone()).await;
        let mut relay = None;
        let (server, client) = tunnel_to(&runtime, target, &bad(stream()), Some(LIFETIME), |at| {
            relay.insert(Relay::to(at)).addr
        });
        let relay = relay.expect("it was asked for");
        let (socket, near) = (source(&client).await, Journal::default());
        let (taking, taken) = (socket.clone(), near.clone());
        let _taking = smol::spawn(async move { take(&taking, &taken, 1, u64::MAX).await });
        let mut peer = Peer::new(1);
        let dropped = |tunnel: &Tunnel| tunnel.stats().udp.dropped_total();
        // Something goes on all the time: what is given up is noticed when something passes.
        macro_rules! talk_until {
            ($done:expr) => {
                while !$done {
                    socket.send(&peer.next(DATA, SIZES[0])).await.expect("sending");
                    smol::Timer::after(ms(20)).await;
                }
            };
        }
        for _ in 0..KEEPALIVES {
            let burst = peer.burst();
            for datagram in burst.iter().chain([&peer.next(DATA, KEEPALIVE)]) {
                socket.send(datagram).await.expect("sending");
            }
            smol::Timer::after(KEEPALIVE_TIMEOUT / HURRY).await;
        }
        // Whatever does not arrive is counted, and most of it does: one in ten is lost once.
        let all = peer.sent.clone();
        talk_until!(far.missing(&all) <= dropped(&client));
        talk_until!(near.count() + dropped(&server) >= server.stats().udp.sent);
        let missing = far.missing(&all);
        assert!(missing * 4 < all.len() as u64, "{missing} of {} are missing", all.len());
        assert!(near.count() * 4 > server.stats().udp.sent * 3, "{} have come", near.count());

        // Nothing passes for longer than a datagram may be late, waiting included.
        relay.silence();
        let sent_before = peer.sent.clone();
        for datagram in peer.burst() {
            socket.send(&datagram).await.expect("sending");
        }
        let given_up: HashSet<Name> = peer.sent.difference(&sent_before).copied().collect();
        smol::Timer::after(LIFETIME * 3).await;
        relay.resume();
        let sent_before = peer.sent.clone();
        for datagram in peer.burst() {
            socket.send(&datagram).await.expect("sending");
        }
        talk_until!({
            let sent_since: HashSet<Name> = peer.sent.difference(&sent_before).copied().collect();
            far.missing(&sent_since) < sent_since.len() as u64
        });
        let all = peer.sent.clone();
        talk_until!(far.missing(&all) <= dropped(&client));
        assert_eq!(far.missing(&given_up), BURST, "what was given up does not come");
        let late = client.stats().udp.dropped[Dropped::Late as usize];
        assert!(late >= BURST, "{late} are counted");
        assert_eq!(client.stats().udp.opened, 1, "one conversation outlives it");
    });
}

#[test]
fn what_is_longer_than_the_tunnel_carries_is_dropped_and_counted_at_either_end() {
    run(|runtime, _| async move {
        let target = UdpSocket::bind(ANY).await.expect("a port");
        let target_at = target.local_addr().expect("its address");
        // A message has 127 segments at most, of 24 bytes less than a datagram each.
        let kcp = KcpConfig { mtu: 400, max_mtu: None, ..stream() };
        let longest = 127 * (400 - 24);
        let (server, client) = tunnel_to(&runtime, target_at, &kcp, None, |at| at);
        let socket = source(&client).await;
        assert_eq!(socket.peer_addr().expect("the client's"), at(&client));
        let mut buf = vec![0; 65_535];
        for len in [0, longest + 1, longest] {
            socket.send(&pattern(len)).await.expect("sending");
        }
        let (n, from) = target.recv_from(&mut buf).await.expect("the one that fits");
        assert!(buf[..n] == pattern(longest), "{n}");
        for len in [longest + 1, 0, longest] {
            target.send_to(&pattern(len), from).await.expect("sending");
        }
        let n = socket.recv(&mut buf).await.expect("the one that fits");
        assert!(buf[..n] == pattern(longest), "{n}");
        for tunnel in [&client, &server] {
            let udp = tunnel.stats().udp;
            let of_length = udp.dropped[Dropped::Length as usize];
            assert_eq!((udp.sent, udp.received, of_length, udp.dropped_total()), (1, 1, 2, 2));
        }
    });
}
