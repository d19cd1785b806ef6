//! What sessions take of the heap is what the endpoint's budget is charged.

#[path = "../../../tests/common/heap.rs"]
mod heap;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smol_kcp_proto::layer::crypto::secure::SharedSecret;
use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::{KcpConfig, SecureConfig};

fn server_addr() -> SocketAddr {
    ([10, 0, 0, 1], 4000).into()
}

/// A router in whichever mode its configuration says.
fn router(config: &Arc<KcpConfig>, seed: u64) -> Router {
    let secret = std::array::from_fn(|n| seed.to_le_bytes()[n % 8] ^ n as u8);
    Router::new(Arc::clone(config), 0, [seed, 7]).with_secure(secret)
}

/// Opens a session from a client at `addr` that is forgotten afterwards.
fn open(server: &mut Router, config: &Arc<KcpConfig>, addr: SocketAddr, seed: u64) -> Key {
    // As many handshakes a second as a server takes without asking for cookies.
    let now = Time::from_millis(50 * seed);
    let mut client = router(config, seed);
    client.connect(now, server_addr(), None).unwrap();
    for _ in 0..10 {
        let to_server = &mut |_, datagram: &[u8]| server.receive(now, addr, &mut datagram.to_vec());
        client.transmit(now, to_server);
        if let Some(key) = server.pop_incoming() {
            return key;
        }
        server.transmit(now, &mut |_, datagram| {
            client.receive(now, server_addr(), &mut datagram.to_vec());
        });
    }
    panic!("no session: {:?}", server.stats());
}

/// The heap that each of so many sessions takes, and what it is charged; `addr` tells where a client is.
fn weigh(
    sessions: usize,
    [at_server, at_client]: [Option<SecureConfig>; 2],
    addr: impl Fn(u16) -> SocketAddr,
) -> (usize, usize) {
    let config = |secure| {
        Arc::new(KcpConfig {
            secure,
            max_sessions: 2 * sessions,
            max_sessions_per_prefix: Some(sessions),
            ..KcpConfig::default()
        })
    };
    let (config, at_client) = (config(at_server), config(at_client));
    let before = heap::held();
    let mut server = router(&config, 0);
    server.set_accepting(true);
    for n in 0..sessions as u16 {
        open(&mut server, &at_client, addr(n), 1 + u64::from(n));
    }
    while server.transmit(Time::from_millis(60_000), &mut |_, _| {}) {}
    while server.pop_ready().is_some() {}
    assert_eq!(server.stats().sessions, sessions);
    let weight = (heap::held() - before) / sessions;
    (weight, server.stats().memory_used / sessions)
}

/// One test, as the heap is that of the whole program.
#[test]
fn an_idle_session_takes_what_is_said() {
    an_idle_session_is_charged_what_it_takes();
    a_peer_with_keys_takes_a_kibibyte_more();
}

fn an_idle_session_is_charged_what_it_takes() {
    // Tables that have just grown, and tables that are full.
    for sessions in [300, 600, 1000, 1100] {
        let anywhere = |n| (Ipv4Addr::from(0x0a01_0000 + u32::from(n)), 5000).into();
        let one_each = weigh(sessions, [None, None], anywhere);
        let all_of_one = weigh(sessions, [None, None], |_| ([10, 1, 0, 1], 5000).into());
        let all = [("a peer each", one_each), ("all of one peer", all_of_one)];
        for (what, (weight, charge)) in all {
            println!("{sessions} sessions, {what}: {weight} bytes each, {charge} charged");
            assert!(weight <= charge, "{what}: {weight} bytes, {charge} charged");
            assert!(charge <= weight + weight / 2, "{what}: {weight} bytes, {charge} charged");
        }
    }
}

fn a_peer_with_keys_takes_a_kibibyte_more() {
    let secret = SharedSecret::from_bytes([7; 32]);
    let keys = [SecureConfig::shared_server(&secret), SecureConfig::shared_client(&secret)];
    let anywhere = |n| (Ipv4Addr::from(0x0a01_0000 + u32::from(n)), 5000).into();
    let (plain, _) = weigh(1000, [None, None], anywhere);
    let (secure, _) = weigh(1000, keys.map(Some), anywhere);
    println!("a session in the clear {plain} bytes, with its channel {secure}");
    assert!(secure <= plain + 1024, "{plain} in the clear, {secure}");
}
