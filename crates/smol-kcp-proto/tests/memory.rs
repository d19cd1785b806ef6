//! What sessions take of the heap is what the endpoint's budget is charged.

#[path = "../../../tests/common/heap.rs"]
mod heap;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smol_kcp_proto::router::{Key, Router};
use smol_kcp_proto::time::Time;
use smol_kcp_proto::KcpConfig;

fn server_addr() -> SocketAddr {
    ([10, 0, 0, 1], 4000).into()
}

/// Opens a session from a client at `addr` that is forgotten afterwards.
fn open(server: &mut Router, config: &Arc<KcpConfig>, addr: SocketAddr, seed: u64) -> Key {
    let now = Time::from_millis(seed);
    let mut client = Router::new(Arc::clone(config), 0, [seed, 7]);
    client.connect(now, server_addr(), None).unwrap();
    loop {
        client.transmit(now, &mut |_, datagram| server.handle_datagram(now, addr, datagram));
        if let Some(key) = server.pop_incoming() {
            return key;
        }
        server.transmit(now, &mut |_, datagram| {
            client.handle_datagram(now, server_addr(), datagram);
        });
    }
}

/// The heap that each of so many sessions takes, and what it is charged; `addr` tells where a client is.
fn weigh(sessions: usize, addr: impl Fn(u16) -> SocketAddr) -> (usize, usize) {
    let config = Arc::new(KcpConfig {
        max_sessions: 2 * sessions,
        max_sessions_per_prefix: Some(sessions),
        ..KcpConfig::default()
    });
    let before = heap::held();
    let mut server = Router::new(Arc::clone(&config), 0, [1, 2]);
    server.set_accepting(true);
    for n in 0..sessions as u16 {
        open(&mut server, &config, addr(n), 1 + u64::from(n));
    }
    while server.transmit(Time::from_millis(2000), &mut |_, _| {}) {}
    while server.pop_ready().is_some() {}
    assert_eq!(server.stats().sessions, sessions);
    let weight = (heap::held() - before) / sessions;
    (weight, server.stats().memory_used / sessions)
}

#[test]
fn an_idle_session_is_charged_what_it_takes() {
    // Tables that have just grown, and tables that are full.
    for sessions in [300, 600, 1000, 1100] {
        let anywhere = |n| (Ipv4Addr::from(0x0a01_0000 + u32::from(n)), 5000).into();
        let one_each = weigh(sessions, anywhere);
        let all_of_one = weigh(sessions, |_| ([10, 1, 0, 1], 5000).into());
        let all = [("a peer each", one_each), ("all of one peer", all_of_one)];
        for (what, (weight, charge)) in all {
            println!("{sessions} sessions, {what}: {weight} bytes each, {charge} charged");
            assert!(weight <= charge, "{what}: {weight} bytes, {charge} charged");
            assert!(charge <= weight + weight / 2, "{what}: {weight} bytes, {charge} charged");
        }
    }
}
