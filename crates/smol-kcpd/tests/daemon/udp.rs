//! Datagrams through tunnels.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use smol::net::UdpSocket;
use smol_kcp::KcpConfig;
use smol_kcpd::{HostPort, Role, Runtime, Tunnel, UdpSettings};

use crate::common::tools::is_installed;
use crate::support::*;

/// Sends back what it gets.
pub async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind(ANY).await.expect("a port");
    let addr = socket.local_addr().expect("its address");
    smol::spawn(async move {
        let mut buf = vec![0; 65_535];
        loop {
            let Ok((n, from)) = socket.recv_from(&mut buf).await else { continue };
            let _ = socket.send_to(&buf[..n], from).await;
        }
    })
    .detach();
    addr
}

pub fn udp(at: SocketAddr) -> UdpSettings {
    let mut udp = UdpSettings::new(at.into());
    udp.sources = 64;
    udp
}

/// Both ends, with an echo of connections and one of datagrams behind them.
async fn tunnel_with(
    runtime: &Runtime,
    kcp: KcpConfig,
    change: impl Fn(&mut UdpSettings),
) -> (Tunnel, Tunnel) {
    let mut server = server_settings(echo_server().await, kcp.clone());
    let mut own = udp(echo().await);
    change(&mut own);
    server.udp = Some(own);
    let server = Tunnel::start(runtime, server);
    let mut client = client_settings(addr(&server), kcp);
    let mut own = udp(ANY.parse().expect("an address"));
    change(&mut own);
    client.udp = Some(own);
    (server, Tunnel::start(runtime, client))
}

pub fn at(client: &Tunnel) -> SocketAddr {
    client.udp_addr().expect("it is bound")
}

pub async fn source(client: &Tunnel) -> UdpSocket {
    let socket = UdpSocket::bind(ANY).await.expect("a port");
    socket.connect(at(client)).await.expect("an address");
    socket
}

pub async fn ask(socket: &UdpSocket, word: &[u8]) {
    let mut buf = vec![0; 65_535];
    socket.send(word).await.expect("sending");
    let n = socket.recv(&mut buf).await.expect("an answer");
    assert_eq!(&buf[..n], word);
}

#[test]
fn each_source_gets_its_own_answers_whatever_their_length() {
    run(|runtime, _| async move {
        let (server, client) = tunnel_with(&runtime, stream(), |_| {}).await;
        let sources = [source(&client).await, source(&client).await, source(&client).await];
        for len in [1, 500, 1400, 4000, 60_000] {
            for (number, socket) in sources.iter().enumerate() {
                let mut word = pattern(len);
                word[0] = number as u8;
                ask(socket, &word).await;
            }
        }
        assert_eq!((client.stats().open, server.stats().open), (3, 3));
        // What goes in here comes out there, and the other way round.
        let (near, far) = (client.stats().udp, server.stats().udp);
        let bytes = 3 * (1 + 500 + 1400 + 4000 + 60_000);
        assert_eq!((near.sent, near.sent_bytes, near.open, near.opened), (15, bytes, 3, 3));
        assert_eq!((near.received, near.received_bytes), (15, bytes));
        assert_eq!((far.sent, far.received, far.open, far.received_bytes), (15, 15, 3, bytes));
        assert_eq!((near.dropped_total(), far.dropped_total()), (0, 0));
        let mut tcp = talking(addr(&client)).await;
        chat(&mut tcp, b"beside connections").await.expect("an answer");
    });
}

#[test]
fn a_silent_source_is_forgotten_and_may_come_again() {
    run(|runtime, _| async move {
        let soon = |udp: &mut UdpSettings| udp.timeout = ms(300);
        let (server, client) = tunnel_with(&runtime, stream(), soon).await;
        let socket = source(&client).await;
        ask(&socket, b"one").await;
        until(|| client.stats().open + server.stats().open == 0).await;
        ask(&socket, b"two").await;
        assert_eq!((client.stats().opened, client.stats().failed), (2, 0));
    });
}

#[test]
fn of_too_many_sources_the_one_that_was_silent_for_longest_goes() {
    run(|runtime, _| async move {
        let few = |udp: &mut UdpSettings| udp.sources = 2;
        let (_server, client) = tunnel_with(&runtime, stream(), few).await;
        let sources = [source(&client).await, source(&client).await, source(&client).await];
        for socket in &sources {
            ask(socket, b"in turn").await;
        }
        until(|| client.stats().open == 2).await;
        ask(&sources[0], b"again").await;
        assert_eq!(client.stats().opened, 4);
    });
}

#[test]
fn through_losses_every_datagram_arrives_once() {
    run(|runtime, _| async move {
        let (_server, client) = tunnel_with(&runtime, lossy(stream(), 20, 7), |_| {}).await;
        let socket = source(&client).await;
        ask(&socket, &[255; 7]).await;
        let (mut left, mut buf) = ((0..200u8).collect::<HashSet<u8>>(), [0; 2048]);
        for number in 0..200u8 {
            socket.send(&[number; 300]).await.expect("sending");
            if number % 8 == 7 {
                let n = socket.recv(&mut buf).await.expect("an answer");
                assert!(n == 300 && left.remove(&buf[0]), "twice: {}", buf[0]);
            }
        }
        while !left.is_empty() {
            let n = socket.recv(&mut buf).await.expect("an answer");
            assert!(n == 300 && left.remove(&buf[0]), "twice: {}", buf[0]);
        }
    });
}

#[test]
fn a_server_without_a_target_for_datagrams_carries_connections_all_the_same() {
    run(|runtime, _| async move {
        let server = Tunnel::start(&runtime, server_settings(echo_server().await, stream()));
        let mut settings = client_settings(addr(&server), stream());
        settings.udp = Some(udp(ANY.parse().expect("an address")));
        let client = Tunnel::start(&runtime, settings);
        let socket = source(&client).await;
        socket.send(b"for nobody").await.expect("sending");
        until(|| client.stats().opened == 1 && client.stats().open == 0).await;
        let udp = client.stats().udp;
        assert_eq!((udp.opened, udp.failed, udp.open), (1, 1, 0));
        let mut tcp = talking(addr(&client)).await;
        chat(&mut tcp, b"hello").await.expect("an answer");
        assert_eq!(
            (server.stats().opened, server.stats().failed),
            (2, 1),
            "and counts those it refuses"
        );
    });
}

#[test]
fn datagrams_alone_need_no_address_for_connections() {
    run(|runtime, _| async move {
        let mut settings =
            server_settings(ANY.parse::<SocketAddr>().expect("an address"), stream());
        settings.role = Role::Server { target: None };
        settings.udp = Some(udp(echo().await));
        let server = Tunnel::start(&runtime, settings);
        let mut settings = client_settings(addr(&server), stream());
        settings.udp = Some(udp(ANY.parse().expect("an address")));
        settings.listen = None;
        let client = Tunnel::start(&runtime, settings.clone());
        assert_eq!(client.local_addr(), None);
        let socket = source(&client).await;
        ask(&socket, b"alone").await;

        // A client that has connections too is told, and its datagrams go on.
        (settings.listen, settings.name) = (HostPort::parse_listen(ANY), "both".into());
        let both = Tunnel::start(&runtime, settings);
        assert_eq!(refusal(addr(&both)).await, ErrorKind::ConnectionReset);
        until(|| server.stats().failed == 1 && both.stats().failed == 1).await;
        ask(&source(&both).await, b"beside").await;
        ask(&socket, b"still").await;
        assert_eq!((server.stats().opened, server.stats().open), (3, 2));
    });
}

#[test]
fn a_target_that_was_away_is_heard_when_it_is_back() {
    run(|runtime, _| async move {
        let away = UdpSocket::bind(ANY).await.expect("a port");
        let target = away.local_addr().expect("its address");
        drop(away);
        let mut server = server_settings(echo_server().await, stream());
        server.udp = Some(udp(target));
        let server = Tunnel::start(&runtime, server);
        let mut settings = client_settings(addr(&server), stream());
        settings.udp = Some(udp(ANY.parse().expect("an address")));
        let client = Tunnel::start(&runtime, settings);
        let socket = source(&client).await;
        socket.send(b"too early").await.expect("sending");
        until(|| server.stats().open == 1).await;
        let target = UdpSocket::bind(target).await.expect("the same port");
        let mut buf = [0; 2048];
        let heard = async {
            loop {
                let (n, from) = target.recv_from(&mut buf).await.expect("a datagram");
                if &buf[..n] == b"now" {
                    return from;
                }
            }
        };
        let asking = async {
            loop {
                socket.send(b"now").await.expect("sending");
                smol::Timer::after(Duration::from_millis(20)).await;
            }
        };
        let from = futures_lite::future::or(heard, asking).await;
        target.send_to(b"yes", from).await.expect("answering");
        let n = socket.recv(&mut buf).await.expect("an answer");
        assert_eq!((&buf[..n], server.stats().opened), (&b"yes"[..], 1));
    });
}

/// Answers questions for addresses (RFC 1035) with 192.0.2.7, as often as 40 times in an answer.
async fn name_server(answers: u8) -> SocketAddr {
    let socket = UdpSocket::bind(ANY).await.expect("a port");
    let addr = socket.local_addr().expect("its address");
    smol::spawn(async move {
        let mut buf = [0; 512];
        loop {
            let Ok((n, from)) = socket.recv_from(&mut buf).await else { continue };
            // The head, with the bits of an answer and the number of answers; the question alone.
            let name = buf[12..n].iter().position(|&byte| byte == 0).expect("the root");
            let question = &buf[12..12 + name + 5];
            let mut answer = buf[..2].to_vec();
            answer.extend_from_slice(&[0x85, 0, 0, 1, 0, answers, 0, 0, 0, 0]);
            answer.extend_from_slice(question);
            for _ in 0..answers {
                // The name of the question, A, IN, a minute, four bytes.
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            }
            let _ = socket.send_to(&answer, from).await;
        }
    })
    .detach();
    addr
}

#[test]
fn dig_asks_a_name_server_through_a_lossy_tunnel() {
    if !is_installed("dig") {
        return;
    }
    run(|runtime, _| async move {
        let kcp = lossy(stream(), 10, 3);
        let mut server = server_settings(echo_server().await, kcp.clone());
        server.udp = Some(udp(name_server(40).await));
        let server = Tunnel::start(&runtime, server);
        let mut settings = client_settings(addr(&server), kcp);
        settings.udp = Some(udp(ANY.parse().expect("an address")));
        let client = Tunnel::start(&runtime, settings);
        let port = at(&client).port().to_string();
        for _ in 0..5 {
            let mut dig = std::process::Command::new("dig");
            dig.args(["@127.0.0.1", "-p", &port, "router.example", "A", "+noall", "+answer"]);
            dig.args(["+tries=1", "+time=60", "+notcp", "+ignore"]);
            let output = smol::unblock(move || dig.output()).await.expect("dig");
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.matches("192.0.2.7").count(), 40, "{output:?}");
        }
    });
}
