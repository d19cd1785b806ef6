//! SIGHUP, SIGTERM, SIGUSR1.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use crate::program::{Daemon, File};
use crate::support::*;

/// A port that is free now, and soon the program's.
fn free() -> SocketAddr {
    UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address")
}

fn section(name: &str, server: SocketAddr, more: &str) -> String {
    format!("[{name}]\nrole = client\nlisten = 127.0.0.1:0\nserver = {server}\n{more}\n")
}

#[test]
fn sighup_restarts_only_what_has_changed() {
    story(|_, _| async move {
        let target = echo_server().await;
        let listen = free();
        let server = format!("[far]\nrole = server\nlisten = {listen}\ntarget = {target}\n");
        let text = |b: &str| format!("{server}{}{b}", section("a", listen, ""));
        let file = File::new(&text(&section("b", listen, "")));
        let mut daemon = Daemon::start(&["--config", file.path()]);
        let (a, b) = (daemon.address("a"), daemon.address("b"));
        let (mut of_a, mut of_b) = (talking(a).await, talking(b).await);

        file.write(&text(&section("b", listen, "mtu = 1200")));
        daemon.signal("HUP");
        let fresh = daemon.address("b");
        daemon.says("the configuration is read");
        chat(&mut of_a, b"untouched").await.expect("it was not restarted");
        chat(&mut of_b, b"carried on").await.expect("what a client carries may end in peace");
        talking(fresh).await;
        assert!(std::net::TcpStream::connect(b).is_err(), "the old one accepts no more");
        let heard = daemon.heard().join("\n");
        assert!(heard.contains("b: stopped") && !heard.contains("a: stopped"), "{heard}");
        assert!(!heard.contains("far: stopped"), "{heard}");

        // A tunnel that is gone, and one that is new.
        file.write(&format!("{server}{}", section("c", listen, "")));
        daemon.signal("HUP");
        let c = daemon.address("c");
        daemon.says("the configuration is read");
        talking(c).await;
        assert!(std::net::TcpStream::connect(a).is_err());

        // A server that changes where it is, keeps its port and resets what it had.
        let server = server.replace("[far]", "[far]\nmtu = 1200");
        file.write(&format!("{server}{}", section("c", listen, "")));
        daemon.signal("HUP");
        assert_eq!(daemon.address("far"), listen);
        assert_eq!(ending(&mut of_a).await, ErrorKind::ConnectionReset);
        talking(c).await;
    });
}

#[test]
fn sighup_with_a_wrong_file_changes_nothing() {
    story(|_, _| async move {
        let target = echo_server().await;
        let listen = free();
        let server = format!("[far]\nrole = server\nlisten = {listen}\ntarget = {target}\n");
        let text = format!("{server}{}", section("a", listen, ""));
        let file = File::new(&text);
        let mut daemon = Daemon::start(&["--config", file.path()]);
        let mut tcp = talking(daemon.address("a")).await;
        file.write(&text.replace("role = client", "role = clint"));
        daemon.signal("HUP");
        let error = daemon.says("nothing is changed");
        let place = format!("error: {}:6: role = clint: accepted: client or server", file.path());
        assert!(error.starts_with(&place), "{error}");
        chat(&mut tcp, b"as before").await.expect("nothing is changed");
    });
}

#[test]
fn sigterm_lets_connections_end_within_linger_and_cuts_the_others() {
    story(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server = Daemon::start(&["server", "--listen", ANY, "--target", &target]);
        let at = server.address("tunnel").to_string();
        let args = |linger| ["client", "--listen", ANY, "--server", &at, "--linger", linger];
        let mut patient = Daemon::start(&args("60s"));
        let mut hasty = Daemon::start(&args("200ms"));
        let listen = patient.address("tunnel");
        let mut of_patient = talking(listen).await;
        let mut of_hasty = talking(hasty.address("tunnel")).await;

        patient.signal("TERM");
        patient.says("ending");
        until(|| std::net::TcpStream::connect(listen).is_err()).await;
        chat(&mut of_patient, b"one more word").await.expect("it is carried to its end");
        drop(of_patient);
        assert!(patient.wait().success());

        hasty.signal("TERM");
        assert_eq!(ending(&mut of_hasty).await, ErrorKind::ConnectionReset);
        hasty.says("1 connections are cut");
        assert!(hasty.wait().success());

        // The server has heard of both ends: nothing is left to wait for.
        server.signal("TERM");
        assert!(server.wait().success());
    });
}

#[test]
fn a_second_sigterm_does_not_wait() {
    story(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server = Daemon::start(&["server", "--listen", ANY, "--target", &target]);
        let at = server.address("tunnel").to_string();
        let client = ["client", "--listen", ANY, "--server", &at, "--linger", "1h"];
        let mut client = Daemon::start(&client);
        let _tcp = talking(client.address("tunnel")).await;
        client.signal("TERM");
        client.says("ending");
        client.signal("TERM");
        assert!(client.wait().success());
    });
}

#[test]
fn sigusr1_logs_statistics_and_the_interval_does_too() {
    story(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server = Daemon::start(&[
            "server",
            "--listen",
            ANY,
            "--target",
            &target,
            "--stats-interval",
            "1s",
        ]);
        let at = server.address("tunnel").to_string();
        let mut client = Daemon::start(&["client", "--listen", ANY, "--server", &at]);
        let _tcp = talking(client.address("tunnel")).await;
        client.signal("USR1");
        client.says("tunnel: 1 connections, 1 so far, 0 failed");
        client.says("5 bytes sent, 5 received");
        server.says("tunnel: 1 connections, 1 so far, 0 failed");
    });
}
