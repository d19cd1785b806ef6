mod gso;

use std::future::poll_fn;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use futures_lite::future::{self, block_on};

use super::*;
use crate::transport::Datagram;

const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

fn config() -> KcpConfig {
    KcpConfig::default()
}

fn bound(ip: impl Into<std::net::IpAddr>) -> UdpTransport {
    UdpTransport::bind(&config(), (ip.into(), 0).into()).unwrap()
}

fn plain() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((V4, 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Says so and is false where the machine has no IPv6.
fn has_v6() -> bool {
    let found = UdpSocket::bind((V6, 0));
    if let Err(error) = &found {
        println!("skipped: no IPv6 on this machine: {error}");
    }
    found.is_ok()
}

async fn send(by: &mut UdpTransport, to: SocketAddr, datagrams: &[&[u8]]) -> io::Result<()> {
    let mut batch = Datagrams::new(datagrams.len());
    assert!(datagrams.iter().all(|datagram| batch.push(Datagram::new(to, datagram))));
    let sent = poll_fn(|cx| by.poll_send(cx, &mut batch)).await;
    assert!(sent.is_err() || batch.is_empty());
    sent
}

async fn batch(by: &mut UdpTransport, max: usize) -> io::Result<Vec<(SocketAddr, Vec<u8>)>> {
    let mut batch = Datagrams::new(max);
    poll_fn(|cx| by.poll_recv(cx, &mut batch)).await?;
    assert!((1..=max).contains(&batch.len()));
    Ok(batch.iter().map(|datagram| (datagram.peer, datagram.payload.to_vec())).collect())
}

/// The next `count` datagrams, however they come.
async fn recv(by: &mut UdpTransport, count: usize) -> io::Result<Vec<(SocketAddr, Vec<u8>)>> {
    let all = async {
        let mut got = Vec::new();
        while got.len() < count {
            got.extend(batch(by, count - got.len()).await?);
        }
        Ok(got)
    };
    // A waker that was lost shall fail the test instead of stopping it.
    let never = async {
        async_io::Timer::after(Duration::from_secs(20)).await;
        panic!("{count} datagrams never came");
    };
    // In this order: the guard's own wake must not make up for a lost one.
    future::or(never, all).await
}

/// Both ways between a bound and a connected transport, where the receiver waits first.
fn there_and_back(mut server: UdpTransport) {
    let mut client = UdpTransport::connect(&config(), server.local_addr().unwrap()).unwrap();
    let (at, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
    assert_eq!(client.peer_addr(), Some(at));
    block_on(async {
        let (got, sent) =
            future::zip(recv(&mut server, 2), send(&mut client, at, &[b"one", b""])).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(from, b"one".to_vec()), (from, Vec::new())]);
        let (got, sent) =
            future::zip(recv(&mut client, 1), send(&mut server, from, &[b"back"])).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(at, b"back".to_vec())]);
    });
}

#[test]
fn datagrams_travel_both_ways_over_ipv4() {
    there_and_back(bound(V4));
}

#[test]
fn datagrams_travel_both_ways_over_ipv6() {
    if has_v6() {
        there_and_back(bound(V6));
    }
}

#[test]
fn a_socket_for_both_families_knows_ipv4_peers_by_their_ipv4_addresses() {
    if !has_v6() {
        return;
    }
    let mut server = bound(Ipv6Addr::UNSPECIFIED);
    let only_v6 = SockRef::from(&server.socket).only_v6().unwrap();
    assert!(!only_v6 || !cfg!(target_os = "linux"), "Linux carries both");
    if only_v6 {
        println!("skipped: this system keeps the families apart");
        return;
    }
    let port = server.local_addr().unwrap().port();
    let (socket, from) = plain();
    socket.send_to(b"four", (V4, port)).unwrap();
    assert_eq!(block_on(recv(&mut server, 1)).unwrap(), [(from, b"four".to_vec())]);
    block_on(send(&mut server, from, &[b"answer"])).unwrap();
    let mut buf = [0; 9];
    let (len, answerer) = socket.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..len], answerer), (&b"answer"[..], (V4, port).into()));
}

#[test]
fn a_batch_takes_what_it_has_room_for_and_the_rest_waits() {
    let mut server = bound(V4);
    let (socket, _) = plain();
    for i in 0..10 {
        socket.send_to(&[i], server.local_addr().unwrap()).unwrap();
    }
    block_on(async {
        let mut got = Vec::new();
        while got.len() < 10 {
            let some = batch(&mut server, 4).await.unwrap();
            got.extend(some.iter().map(|(_, datagram)| datagram[0]));
        }
        assert_eq!(got, (0..10).collect::<Vec<u8>>());
        let mut full = Datagrams::new(0);
        poll_fn(|cx| server.poll_recv(cx, &mut full)).await.unwrap();
    });
}

#[test]
fn readiness_that_was_used_up_is_asked_for_anew() {
    let mut server = bound(V4);
    let (socket, from) = plain();
    let at = server.local_addr().unwrap();
    block_on(async {
        // The reactor answers the question of a first, idle poll.
        let mut nothing = Datagrams::new(8);
        let idle = future::poll_once(poll_fn(|cx| server.poll_recv(cx, &mut nothing))).await;
        assert!(idle.is_none());
        socket.send_to(b"one", at).unwrap();
        server.socket.readable().await.unwrap();
        assert_eq!(batch(&mut server, 8).await.unwrap(), [(from, b"one".to_vec())]);
        // The socket is known to be dry, and that answer is still there to mislead.
        let later = async { socket.send_to(b"two", at) };
        let (got, sent) = future::zip(recv(&mut server, 1), later).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(from, b"two".to_vec())]);
    });
}

#[test]
fn a_datagram_that_was_cut_is_counted_and_not_delivered() {
    for (mtu, longest) in [(1400, 2047), (9000, 9000)] {
        let config = KcpConfig { mtu, ..config() };
        let mut server = UdpTransport::bind(&config, (V4, 0).into()).unwrap();
        let (socket, from) = plain();
        for len in [longest + 1, longest, longest + 1000, 1] {
            socket.send_to(&vec![7; len], server.local_addr().unwrap()).unwrap();
        }
        let got = block_on(recv(&mut server, 2)).unwrap();
        assert_eq!(got, [(from, vec![7; longest]), (from, vec![7; 1])]);
        assert_eq!(server.dropped(), 2);
    }
}

#[test]
fn a_flood_of_cut_datagrams_does_not_hold_the_caller() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let mut server = bound(V4);
    let (socket, from) = plain();
    let long = [7; 3000];
    for datagram in [&long[..], &long, &long, b"end"] {
        socket.send_to(datagram, server.local_addr().unwrap()).unwrap();
    }
    block_on(server.socket.readable()).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut two = Datagrams::new(2);
    assert!(server.poll_recv(&mut Context::from_waker(&waker), &mut two).is_pending());
    assert_eq!((server.dropped(), count.0.load(Ordering::Relaxed)), (2, 1));
    assert_eq!(block_on(recv(&mut server, 1)).unwrap(), [(from, b"end".to_vec())]);
    assert_eq!(server.dropped(), 3);
}

/// A socket that is connected to somebody else refuses everybody: its system answers by ICMP, and
/// nobody else can get the port meanwhile.
fn refuses() -> (UdpSocket, UdpSocket, SocketAddr) {
    let ((holder, addr), (other, others)) = (plain(), plain());
    holder.connect(others).unwrap();
    (holder, other, addr)
}

#[test]
fn a_refusal_is_told_once_per_datagram_and_the_transport_goes_on() {
    let (holder, _other, addr) = refuses();
    let mut client = UdpTransport::connect(&config(), addr).unwrap();
    block_on(async {
        for _ in 0..2 {
            send(&mut client, addr, &[b"anybody?"]).await.unwrap();
            let error = recv(&mut client, 1).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        // Now somebody is there, and the same transport reaches it.
        holder.connect(client.local_addr().unwrap()).unwrap();
        send(&mut client, addr, &[b"now?"]).await.unwrap();
        let mut buf = [0; 9];
        assert_eq!(holder.recv(&mut buf).unwrap(), 4);
        holder.send(b"yes").unwrap();
        assert_eq!(recv(&mut client, 1).await.unwrap(), [(addr, b"yes".to_vec())]);
    });
}

#[test]
fn a_refusal_that_a_send_reports_costs_no_other_datagram() {
    let (holder, _other, addr) = refuses();
    let mut client = UdpTransport::connect(&config(), addr).unwrap();
    block_on(async {
        send(&mut client, addr, &[b"refused"]).await.unwrap();
        client.socket.readable().await.unwrap();
        holder.connect(client.local_addr().unwrap()).unwrap();
        let mut out = Datagrams::new(2);
        assert!(
            out.push(Datagram::new(addr, b"first")) && out.push(Datagram::new(addr, b"second"))
        );
        let error = poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(out.len(), 1, "the first has been sent");
        poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
    });
    let mut buf = [0; 9];
    for datagram in [&b"first"[..], b"second"] {
        let len = holder.recv(&mut buf).unwrap();
        assert_eq!(&buf[..len], datagram);
    }
}

#[test]
fn an_error_that_was_held_back_comes_with_the_next_call_and_then_datagrams_go_on() {
    let (holder, addr) = plain();
    let mut client = UdpTransport::connect(&config(), addr).unwrap();
    block_on(async {
        holder.send_to(b"data", client.local_addr().unwrap()).unwrap();
        client.deferred_error = Some(io::ErrorKind::NetworkUnreachable.into());
        let error = recv(&mut client, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
        assert_eq!(recv(&mut client, 1).await.unwrap(), [(addr, b"data".to_vec())]);
    });
}

#[test]
fn an_unsendable_datagram_is_removed_and_the_next_one_goes() {
    let mut server = bound(V4);
    let (socket, to) = plain();
    let mut out = Datagrams::new(2);
    assert!(out.push(Datagram::new(to, &vec![0; 65535])) && out.push(Datagram::new(to, b"fits")));
    block_on(async {
        poll_fn(|cx| server.poll_send(cx, &mut out)).await.unwrap_err();
        assert_eq!(out.len(), 1);
        poll_fn(|cx| server.poll_send(cx, &mut out)).await.unwrap();
    });
    let mut buf = [0; 9];
    assert_eq!(socket.recv(&mut buf).unwrap(), 4);
}

#[test]
fn buffers_are_asked_for_and_what_was_granted_is_told() {
    let with = |send, recv| {
        let config = KcpConfig { send_buffer: Some(send), recv_buffer: Some(recv), ..config() };
        UdpTransport::bind(&config, (V4, 0).into()).unwrap().granted_buffers()
    };
    let (send, recv) = with(16 * 1024, 64 * 1024);
    assert!(send >= 16 * 1024 && recv >= 64 * 1024, "({send}, {recv})");
    let (more, less) = with(64 * 1024, 16 * 1024);
    assert!(more > send && less < recv, "({more}, {less})");
}

#[test]
fn a_socket_holds_a_whole_receive_window_that_comes_while_nobody_reads() {
    let config = KcpConfig { recv_buffer: None, ..KcpConfig::low_memory() };
    let count = usize::from(config.wnd_size.1);
    let mut server = UdpTransport::bind(&config, (V4, 0).into()).unwrap();
    let to = server.local_addr().unwrap();
    let (from, _) = plain();
    for _ in 0..count {
        assert_eq!(from.send_to(&vec![7; config.mtu], to).unwrap(), config.mtu);
    }
    assert_eq!(block_on(recv(&mut server, count)).unwrap().len(), count);
}

#[test]
fn dscp_is_the_upper_six_bits_of_the_traffic_class() {
    let config = KcpConfig { dscp: Some(46), ..config() };
    let server = UdpTransport::bind(&config, (V4, 0).into()).unwrap();
    assert_eq!(SockRef::from(&server.socket).tos_v4().unwrap(), 0xb8);
    let mut client = UdpTransport::connect(&config, server.local_addr().unwrap()).unwrap();
    assert!(client.rebind().unwrap());
    assert_eq!(SockRef::from(&client.socket).tos_v4().unwrap(), 0xb8, "after a rebind too");
    #[cfg(target_os = "linux")]
    if has_v6() {
        let both = UdpTransport::bind(&config, (Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        assert_eq!(SockRef::from(&both.socket).tclass_v6().unwrap(), 0xb8);
        assert_eq!(SockRef::from(&both.socket).tos_v4().unwrap(), 0xb8, "for IPv4 through it");
    }
}

#[test]
fn an_existing_socket_is_taken_as_it_is() {
    let ((socket, at), (peer, peers)) = (plain(), plain());
    let mut open = UdpTransport::from_socket(&config(), socket).unwrap();
    assert_eq!((open.peer_addr(), open.local_addr().unwrap()), (None, at));
    peer.send_to(b"hi", at).unwrap();
    assert_eq!(block_on(recv(&mut open, 1)).unwrap(), [(peers, b"hi".to_vec())]);

    let (socket, at) = plain();
    socket.connect(peers).unwrap();
    let mut tied = UdpTransport::from_socket(&config(), socket).unwrap();
    assert_eq!(tied.peer_addr(), Some(peers));
    block_on(send(&mut tied, peers, &[b"ho"])).unwrap();
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap(), (2, at));

    for mut transport in [open, tied, bound(V4)] {
        let before = transport.local_addr().unwrap();
        assert!(!transport.rebind().unwrap());
        assert_eq!(transport.local_addr().unwrap(), before);
    }
}

#[test]
fn a_rebind_changes_the_port_and_traffic_goes_on() {
    let mut server = bound(V4);
    let at = server.local_addr().unwrap();
    let mut client = UdpTransport::connect(&config(), at).unwrap();
    let old = client.local_addr().unwrap();
    block_on(async {
        send(&mut client, at, &[b"before"]).await.unwrap();
        assert_eq!(recv(&mut server, 1).await.unwrap(), [(old, b"before".to_vec())]);
        let mut nothing = Datagrams::new(1);
        assert!(future::poll_once(poll_fn(|cx| client.poll_recv(cx, &mut nothing)))
            .await
            .is_none());

        assert!(client.rebind().unwrap());
        let new = client.local_addr().unwrap();
        assert_ne!(new, old);
        assert_eq!(client.peer_addr(), Some(at));
        send(&mut client, at, &[b"after"]).await.unwrap();
        assert_eq!(recv(&mut server, 1).await.unwrap(), [(new, b"after".to_vec())]);
        let (got, sent) =
            future::zip(recv(&mut client, 1), send(&mut server, new, &[b"answer"])).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(at, b"answer".to_vec())]);
    });
}

#[test]
fn after_a_rebind_the_old_port_is_heard_until_one_of_the_two_is_proven() {
    let mut server = bound(V4);
    let at = server.local_addr().unwrap();
    let mut client = UdpTransport::connect(&config(), at).unwrap();
    let old = client.local_addr().unwrap();
    block_on(async {
        // An answer that was long on its way comes to the old port, and the port stays.
        assert!(client.rebind().unwrap());
        assert_ne!(client.local_addr().unwrap(), old);
        let (got, sent) =
            future::zip(recv(&mut client, 1), send(&mut server, old, &[b"late"])).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(at, b"late".to_vec())]);
        assert_eq!(client.local_addr().unwrap(), old);
        send(&mut client, at, &[b"I see"]).await.unwrap();
        assert_eq!(recv(&mut server, 1).await.unwrap(), [(old, b"I see".to_vec())]);

        // An answer to the new port proves that one, and the old one is given back.
        assert!(client.rebind().unwrap());
        let new = client.local_addr().unwrap();
        assert!(UdpSocket::bind(old).is_err(), "still listening");
        let (got, sent) =
            future::zip(recv(&mut client, 1), send(&mut server, new, &[b"soon"])).await;
        sent.unwrap();
        assert_eq!(got.unwrap(), [(at, b"soon".to_vec())]);
        UdpSocket::bind(old).unwrap();
    });
}

#[test]
fn one_by_one_or_all_at_once_every_datagram_arrives() {
    let mut server = bound(V4);
    let addr = server.local_addr().unwrap();
    let (client, _) = plain();
    block_on(async {
        for round in 0..200_u8 {
            let burst = if round % 50 < 45 { 1 } else { 5 };
            for _ in 0..burst {
                client.send_to(&[round], addr).unwrap();
            }
            for (_, datagram) in recv(&mut server, burst).await.unwrap() {
                assert_eq!(datagram, [round]);
            }
        }
    });
}
