//! What processes that carry datagrams say of themselves, in the log and at their control sockets.

use std::io::ErrorKind;
use std::net::SocketAddr;

use smol::net::UdpSocket;

use crate::json::Json;
use crate::program::Daemon;
use crate::status::Socket;
use crate::support::*;
use crate::udp::{ask, echo};

#[test]
fn processes_that_carry_datagrams_alone_say_so() {
    run(|_, _| async move {
        let (target, far, near) = (echo().await.to_string(), Socket::new(), Socket::new());
        let args = ["server", "--insecure", "--listen", ANY, "--udp-target", &target];
        let mut server = Daemon::start(&[&args[..], &["--control", far.path()]].concat());
        let line = server.says("tunnel: listening on UDP ");
        assert!(line.ends_with(&format!(" for udp_target {target}, insecure")), "{line}");
        let at = line.split(' ').nth(4).expect("an address").to_string();
        let args = ["client", "--insecure", "--udp", ANY, "--server", &at];
        let mut client = Daemon::start(&[&args[..], &["--control", near.path()]].concat());
        let udp: SocketAddr = client.address("tunnel");
        let socket = UdpSocket::bind(ANY).await.expect("a port");
        socket.connect(udp).await.expect("an address");
        ask(&socket, b"hello").await;
        assert_eq!((near.tunnel().get("listen"), near.state()), (&Json::Null, "up".to_string()));
        assert_eq!((far.tunnel().get("target"), far.state()), (&Json::Null, "up".to_string()));
        let (_, table, _) = near.command(&["status"]);
        let said = format!("  client: to server {at}, insecure\n  UDP from {udp}: ");
        assert!(table.contains(&said), "{table}");
        let (_, table, _) = far.command(&["status"]);
        let said = format!("  server: UDP {at}, insecure\n  UDP to {target}: ");
        assert!(table.contains(&said), "{table}");

        // One that has connections for it says why they end.
        let args = ["client", "--insecure", "--listen", ANY, "--server", &at];
        let mut other = Daemon::start(&args);
        assert_eq!(refusal(other.address("tunnel")).await, ErrorKind::ConnectionReset);
        let line = other.says(" was reset before the server sent anything: ");
        assert!(line.ends_with("has it a target, and does it reach it?"), "{line}");
        server.says(" is refused: there is no target for it");
    });
}

/// A client with datagrams, and who asks through it.
async fn near(at: &str, socket: &Socket) -> (Daemon, UdpSocket) {
    let args = ["client", "--insecure", "--udp", ANY, "--server", at, "--control", socket.path()];
    let mut client = Daemon::start(&args);
    let asking = UdpSocket::bind(ANY).await.expect("a port");
    asking.connect(client.address("tunnel")).await.expect("an address");
    (client, asking)
}

/// Sends the same again and again until `is_done`.
async fn send_until(socket: &UdpSocket, is_done: impl Fn() -> bool) {
    while !is_done() {
        socket.send(b"is anybody there?").await.expect("sending");
        smol::Timer::after(ms(50)).await;
    }
}

#[test]
fn a_target_of_datagrams_that_is_away_is_a_problem_until_it_answers() {
    run(|_, _| async move {
        let away = std::net::UdpSocket::bind(ANY).expect("a port");
        let target = away.local_addr().expect("its address");
        drop(away);
        let (far, near_) = (Socket::new(), Socket::new());
        let text = target.to_string();
        let args = ["server", "--insecure", "--listen", ANY, "--udp-target", &text];
        let mut server = Daemon::start(&[&args[..], &["--control", far.path()]].concat());
        let (_client, asking) = near(&server.address("tunnel").to_string(), &near_).await;
        send_until(&asking, || far.problem().is_some()).await;
        let (about, why) = far.problem().expect("a problem");
        assert_eq!((about.as_str(), far.state().as_str()), ("target", "degraded"));
        let named = why.starts_with(&format!("udp_target {target}: "));
        assert!(named && why.contains("os error"), "{why}");

        let back = UdpSocket::bind(target).await.expect("the same port");
        let _answering = smol::spawn(async move {
            let mut buf = [0; 64];
            loop {
                let (n, from) = back.recv_from(&mut buf).await.expect("a datagram");
                let _ = back.send_to(&buf[..n], from).await;
            }
        });
        send_until(&asking, || far.problem().is_none()).await;
        assert_eq!(far.state(), "up");
    });
}

#[test]
fn a_name_that_leads_nowhere_and_an_address_in_use_are_problems_too() {
    run(|_, _| async move {
        let (far, near_, third) = (Socket::new(), Socket::new(), Socket::new());
        let args = ["server", "--insecure", "--listen", ANY, "--udp-target", "nowhere.invalid:53"];
        let more = ["--control", far.path(), "--target-timeout", "1s"];
        let mut server = Daemon::start(&[&args[..], &more].concat());
        let at = server.address("tunnel").to_string();
        let (_client, asking) = near(&at, &near_).await;
        asking.send(b"hello").await.expect("sending");
        server.says("udp_target nowhere.invalid:53 of ");
        let (about, why) = far.problem().expect("a problem");
        assert!(about == "target" && why.starts_with("udp_target nowhere.invalid:53: "), "{why}");

        let taken = asking.peer_addr().expect("the client's").to_string();
        let args = ["client", "--insecure", "--server", &at, "--listen", ANY, "--udp", &taken];
        let mut other = Daemon::start(&[&args[..], &["--control", third.path()]].concat());
        other.says("cannot listen");
        let (about, why) = third.problem().expect("a problem");
        assert_eq!((about.as_str(), third.state().as_str()), ("listen", "down"));
        assert!(why.starts_with(&format!("cannot listen at {taken}: ")), "{why}");
    });
}
