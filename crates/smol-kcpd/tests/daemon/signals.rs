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
    format!("[{name}]\ninsecure = yes\nrole = client\nlisten = 127.0.0.1:0\nserver = {server}\n{more}\n")
}

#[test]
fn sighup_restarts_only_what_has_changed() {
    run(|_, _| async move {
        let target = echo_server().await;
        let listen = free();
        let server =
            format!("[far]\ninsecure = yes\nrole = server\nlisten = {listen}\ntarget = {target}\n");
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
    run(|_, _| async move {
        let target = echo_server().await;
        let listen = free();
        let server =
            format!("[far]\ninsecure = yes\nrole = server\nlisten = {listen}\ntarget = {target}\n");
        let text = format!("{server}{}", section("a", listen, ""));
        let file = File::new(&text);
        let mut daemon = Daemon::start(&["--config", file.path()]);
        let mut tcp = talking(daemon.address("a")).await;
        file.write(&text.replace("role = client", "role = clint"));
        daemon.signal("HUP");
        let error = daemon.says("nothing is changed");
        let place = format!("error: {}:8: role = clint: must be client or server", file.path());
        assert!(error.starts_with(&place), "{error}");
        chat(&mut tcp, b"as before").await.expect("nothing is changed");
    });
}

#[test]
fn sigterm_lets_connections_end_within_linger_and_cuts_the_others() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server =
            Daemon::start(&["server", "--insecure", "--listen", ANY, "--target", &target]);
        let at = server.address("tunnel").to_string();
        let args =
            |linger| ["client", "--insecure", "--listen", ANY, "--server", &at, "--linger", linger];
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
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server =
            Daemon::start(&["server", "--insecure", "--listen", ANY, "--target", &target]);
        let at = server.address("tunnel").to_string();
        let client = ["client", "--insecure", "--listen", ANY, "--server", &at, "--linger", "1h"];
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
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server = Daemon::start(&[
            "server",
            "--insecure",
            "--listen",
            ANY,
            "--target",
            &target,
            "--stats-interval",
            "1s",
        ]);
        let at = server.address("tunnel").to_string();
        let mut client = Daemon::start(&[
            "client",
            "--insecure",
            "--listen",
            ANY,
            "--server",
            &at,
            "--log-level",
            "debug",
        ]);
        let tcp = talking(client.address("tunnel")).await;
        client.signal("USR1");
        let line = client.says("tunnel: 1 connections, 1 so far, 0 failed");
        assert!(
            line.contains("; 1 streams, 0 refused, 0 evicted, 0 stalled; 0 transport errors"),
            "{line}"
        );
        let path = client.says(&format!("debug: tunnel: path to {at}: rate "));
        assert!(path.ends_with("; streams wait: 1 for application"), "{path}");
        client.says("5 bytes sent, 5 received");
        server.says("tunnel: 1 connections, 1 so far, 0 failed");
        drop(tcp);
        let end = client.says(" has ended: 5 bytes sent, 5 received, ");
        assert!(end.contains("; path: rate "), "{end}");
    });
}

/// A pipe, as far as a daemon can tell, that takes no byte more; and its other end.
#[cfg(target_os = "linux")]
fn full() -> (std::process::Stdio, std::os::unix::net::UnixStream) {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    let (mut to, from) = std::os::unix::net::UnixStream::pair().expect("two ends");
    to.set_nonblocking(true).expect("a mode");
    while to.write(&[b'.'; 4096]).is_ok() {}
    while to.write(b".").is_ok() {}
    to.set_nonblocking(false).expect("a mode");
    (OwnedFd::from(to).into(), from)
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    use std::io::Read;

    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server =
            Daemon::start(&["server", "--insecure", "--listen", ANY, "--target", &target]);
        let (at, listen) = (server.address("tunnel").to_string(), free_tcp());
        let args = ["client", "--insecure", "--listen", &listen.to_string(), "--server", &at];
        let ((stdout, mut lines), (stderr, _unread)) = (full(), full());
        let mut command = crate::built::program();
        command.args(args).args(["--log-level", "debug"]).stdout(stdout).stderr(stderr);
        let mut client = command.spawn().expect("the program starts");
        drop(command); // which holds these outputs too
        until(|| std::net::TcpStream::connect(listen).is_ok()).await;
        let mut tcp = talking(listen).await;
        chat(&mut tcp, &pattern(100_000)).await.expect("traffic goes on");
        // Somebody reads: the next line says what is missing.
        let mut text = vec![0; 1 << 20];
        lines.set_nonblocking(true).expect("a mode");
        while lines.read(&mut text).is_ok_and(|n| n > 0) {}
        lines.set_nonblocking(false).expect("a mode");
        let pid = client.id().to_string();
        let kill = |signal: &str| {
            let sent = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
            assert!(sent.expect("kill runs").success());
        };
        kill("USR1");
        drop(tcp);
        kill("TERM");
        assert!(client.wait().expect("it ends").success());
        let mut text = String::new();
        lines.read_to_string(&mut text).expect("lines");
        let told = text.lines().next().unwrap_or_default();
        assert!(told.starts_with("warn: ") && told.ends_with(": nobody read it"), "{text}");
        assert!(text.contains(" connections, "), "{text}");
        assert!(text.contains("\nending\n"), "{text}");
    });
}

/// A TCP port that is free now, and soon the program's.
fn free_tcp() -> SocketAddr {
    let listener = std::net::TcpListener::bind(ANY).expect("a port");
    listener.local_addr().expect("its address")
}

#[test]
fn a_client_that_changes_listens_at_once_where_it_was_and_its_streams_go_on() {
    run(|_, _| async move {
        let target = echo_server().await;
        let (far, listen) = (free(), free_tcp());
        let server =
            format!("[far]\ninsecure = yes\nrole = server\nlisten = {far}\ntarget = {target}\n");
        let client =
            format!("[a]\ninsecure = yes\nrole = client\nlisten = {listen}\nserver = {far}\n");
        let file = File::new(&format!("{server}{client}"));
        let mut daemon = Daemon::start(&["--config", file.path()]);
        let mut tcp = talking(daemon.address("a")).await;
        for mtu in [1200, 1300, 1250] {
            file.write(&format!("{server}{client}mtu = {mtu}\n"));
            daemon.signal("HUP");
            assert_eq!(daemon.address("a"), listen);
            chat(&mut tcp, b"carried on").await.expect("to its end");
            talking(listen).await;
        }
        let heard = daemon.heard().join("\n");
        assert!(!heard.contains("in use") && !heard.contains("cannot listen"), "{heard}");
    });
}

/// Only root can give up rights.
#[cfg(target_os = "linux")]
#[test]
fn with_fewer_rights_a_file_of_root_is_read_again_as_long_as_it_is_the_same() {
    use std::os::unix::fs::PermissionsExt;

    if !std::fs::read_to_string("/proc/self/status").expect("it").contains("\nUid:\t0\t") {
        eprintln!("skipped: not root");
        return;
    }
    let section = |name: &str| section(name, "[::1]:2".parse().expect("an address"), "");
    let file = File::new(&format!("user = nobody\n{}", section("a")));
    let only_root = |path: &str| {
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, mode).expect("a mode");
    };
    only_root(file.path());
    let mut daemon = Daemon::start(&["--config", file.path()]);
    daemon.address("a");
    let status = format!("/proc/{}/status", daemon.pid());
    while std::fs::read_to_string(&status).expect("it runs").contains("\nUid:\t0\t0") {
        std::thread::yield_now();
    }

    // Written anew in its place, with a tunnel more; and with a port that only root may have.
    file.write(&format!("user = nobody\n{}{}", section("a"), section("b")));
    daemon.signal("HUP");
    daemon.address("b");
    let low = section("c").replace(":0\n", ":443\n");
    file.write(&format!("user = root\n{}{low}", section("a")));
    daemon.signal("HUP");
    daemon.says("user is changed in the file: that needs a restart");
    // Errors come by another pipe than the rest, so that the order of the two says nothing.
    daemon.says("c: cannot listen at 127.0.0.1:443: Permission denied");
    let said = daemon.heard().join("\n");
    assert!(said.contains("which `user` gives up after the start: restart smol-kcpd"), "{said}");

    // Replaced by another one, it is out of reach.
    let other = File::new(&section("d"));
    only_root(other.path());
    std::fs::rename(other.path(), file.path()).expect("a new file");
    daemon.signal("HUP");
    let error = daemon.says("nothing is changed");
    assert!(error.contains("a restart of smol-kcpd is needed"), "{error}");
}
