//! Encrypted tunnels of the built program: what they carry, for whom, and what ends.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;

use smol::net::TcpStream;

use crate::built::program;
use crate::keys::{printed, Keys};
use crate::program::{output, Daemon, File};
use crate::support::*;

fn free() -> SocketAddr {
    std::net::UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address")
}

#[test]
fn one_secret_and_an_invitation_make_a_tunnel() {
    run(|_, _| async move {
        let (keys, target) = (Keys::new(), echo_server().await.to_string());
        let both = keys.shared("both.key");
        let server =
            ["server", "--listen", ANY, "--target", &target, "--shared-secret-file", &both];
        let mut server = Daemon::start(&server);
        let at = server.address("tunnel").to_string();
        assert!(server
            .heard()
            .last()
            .unwrap()
            .ends_with(", encrypted for those who have the shared secret"));

        let args = ["--server", &at, "--shared-secret-file", &both];
        let mut first = Daemon::start(&[&["client", "--listen", ANY], &args[..]].concat());
        let invitation = printed(&[&["invite"], &args[..]].concat());
        let invite = ["client", "--listen", ANY, "--invite", invitation.trim()];
        let mut second = Daemon::start(&invite);
        let invitation = keys.write("invitation", &invitation);
        let mut third = Daemon::start(&["client", "--listen", ANY, "--invite-file", &invitation]);
        for client in [&mut first, &mut second, &mut third] {
            let mut tcp = talking(client.address("tunnel")).await;
            chat(&mut tcp, &pattern(100_000)).await.expect("the echo");
        }
        let told = second.heard().join("\n");
        assert!(told.contains(&format!(" for server {at}, encrypted")), "{told}");
    });
}

#[test]
fn a_ping_needs_the_keys_of_a_client() {
    let keys = Keys::new();
    let (both, other) = (keys.shared("both.key"), keys.shared("other.key"));
    let server =
        ["server", "--listen", ANY, "--target", "127.0.0.1:9", "--shared-secret-file", &both];
    let mut server = Daemon::start(&server);
    let at = server.address("tunnel").to_string();
    let ping = |key: &str, timeout: &str| {
        let timing = ["--count", "2", "--every", "10ms", "--timeout", timeout];
        output(program().args(["ping", &at, "--shared-secret-file", key]).args(timing))
    };
    let (code, out, error) = ping(&both, "20s");
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.contains("number=2 time=") && out.contains("2 sent, 2 received"), "{out}");
    let (code, out, _) = ping(&other, "50ms");
    assert!(code == 1 && out.ends_with("no answer; is the server's key right?\n"), "{out}");
}

/// A server of alice and bob, whose file can be written anew, and a client of each.
struct Two {
    keys: Keys,
    file: File,
    server: Daemon,
    alice: (Daemon, SocketAddr),
    bob: (Daemon, SocketAddr),
    head: String,
    allow: [String; 2],
}

impl Two {
    fn start(target: SocketAddr, more: &str) -> Two {
        let keys = Keys::new();
        let (secret, _) = keys.make("server.key");
        let listen = free();
        let head = format!(
            "[far]\nrole = server\nlisten = {listen}\ntarget = {target}\nsecret_file = {secret}\n{more}"
        );
        let (server, mut lines) = (listen.to_string(), Vec::new());
        for name in ["alice", "bob"] {
            let invite = ["invite", "--server", &server, "--secret-file", &secret, "--name", name];
            let printed = printed(&invite);
            let (invitation, allow) = printed.split_once('\n').expect("two lines");
            keys.write(name, invitation);
            lines.push(allow.to_string());
        }
        let allow = [lines[0].clone(), lines[1].clone()];
        let file = File::new(&format!("{head}{}{}", allow[0], allow[1]));
        let mut server = Daemon::start(&["--config", file.path(), "--log-level", "debug"]);
        server.address("far");
        let [alice, bob] = ["alice", "bob"].map(|name| {
            let invitation = keys.path(name);
            let args = ["client", "--listen", ANY, "--invite-file", &invitation];
            let mut client = Daemon::start(&args);
            let at = client.address("tunnel");
            (client, at)
        });
        Two { keys, file, server, alice, bob, head, allow }
    }

    fn reload(&mut self, allow: &str) {
        self.file.write(&format!("{}{allow}", self.head));
        self.server.signal("HUP");
        self.server.says("the configuration is read");
    }
}

#[test]
fn clients_have_names_in_the_log_and_in_statistics() {
    run(|_, _| async move {
        let mut two = Two::start(echo_server().await, "");
        let line = two.server.heard().iter().find(|line| line.contains("far: listening")).cloned();
        assert!(line.is_some_and(|line| line.ends_with(", encrypted for 2 clients")));
        let _alice = talking(two.alice.1).await;
        two.server.says("far: alice at 127.0.0.1:");
        let mut bob = talking(two.bob.1).await;
        two.server.says("far: bob at 127.0.0.1:");
        chat(&mut bob, &[7; 995]).await.expect("the echo");
        two.server.signal("USR1");
        two.server.says("encrypted for 2 clients");
        let line = two.server.says("far: client alice: ");
        assert!(
            line.ends_with("1 connections, 1 so far, 0 failed; 5 bytes sent, 5 received"),
            "{line}"
        );
        let line = two.server.says("far: client bob: ");
        assert!(
            line.ends_with("1 connections, 1 so far, 0 failed; 1000 bytes sent, 1000 received"),
            "{line}"
        );
    });
}

#[test]
fn a_client_gets_to_its_own_target_and_nowhere_else() {
    run(|_, _| async move {
        let (common, own) = (tcp_server(say(b"all ")).await, tcp_server(say(b"bob's")).await);
        let two = Two::start(common, &format!("client_target = bob={own}\n"));
        for (at, wanted) in [(two.alice.1, "all "), (two.bob.1, "bob's")] {
            let mut tcp = TcpStream::connect(at).await.expect("connecting");
            let mut said = String::new();
            futures_lite::AsyncReadExt::read_to_string(&mut tcp, &mut said).await.expect("a word");
            assert_eq!(said, wanted);
        }
    });
}

/// Says a word to everybody.
fn say(
    word: &'static [u8],
) -> impl Fn(TcpStream) -> futures_lite::future::Boxed<std::io::Result<()>> + Send {
    move |mut stream| {
        Box::pin(async move {
            futures_lite::AsyncWriteExt::write_all(&mut stream, word).await?;
            stream.shutdown(std::net::Shutdown::Write)
        })
    }
}

#[test]
fn who_is_removed_by_sighup_loses_its_streams_and_nobody_else_does() {
    run(|_, _| async move {
        let mut two = Two::start(echo_server().await, "");
        let (mut alice, mut bob) = (talking(two.alice.1).await, talking(two.bob.1).await);
        let [of_alice, of_bob] = two.allow.clone();
        two.reload(&of_alice);
        assert_eq!(ending(&mut bob).await, ErrorKind::ConnectionReset);
        chat(&mut alice, b"undisturbed").await.expect("nobody else");
        talking(two.alice.1).await;
        let heard = two.server.heard().join("\n");
        assert!(heard.contains("far: bob may not connect any more"), "{heard}");
        assert!(!heard.contains("far: stopped"), "{heard}");

        // And back again.
        two.reload(&format!("{of_alice}\n{of_bob}"));
        talking(two.bob.1).await;
        chat(&mut alice, b"still").await.expect("nobody else");
        // The last one too: a server without clients is none that starts anew.
        two.reload("");
        assert_eq!(ending(&mut alice).await, ErrorKind::ConnectionReset);
        assert!(!two.server.heard().join("\n").contains("far: stopped"));
        drop(two.keys);
    });
}

#[test]
fn a_wrong_key_is_met_with_silence_and_the_client_says_what_that_may_be() {
    run(|_, _| async move {
        let (keys, target) = (Keys::new(), echo_server().await.to_string());
        let ((server_key, _), (mine, public)) = (keys.make("server.key"), keys.make("me.key"));
        let allow = format!("alice={public}");
        let server = ["server", "--listen", ANY, "--target", &target, "--secret-file", &server_key];
        let mut server = Daemon::start(&[&server[..], &["--allow", &allow]].concat());
        let server_at = server.address("tunnel");
        // Between them, somebody who counts what the server says.
        let front = smol::net::UdpSocket::bind(ANY).await.expect("a port");
        let via = front.local_addr().expect("its address").to_string();
        let (_, other) = keys.make("another.key");
        let client = ["client", "--listen", ANY, "--server", &via, "--secret-file", &mine];
        let wrong = ["--server-key", &other, "--connect-timeout", "3s"];
        let mut client = Daemon::start(&[&client[..], &wrong].concat());
        let counting = smol::spawn(async move {
            let mut buf = [0; 2048];
            let (mut asked, mut answered) = (0, 0);
            loop {
                let (len, from) = front.recv_from(&mut buf).await.expect("a datagram");
                if from == server_at {
                    answered += 1;
                } else {
                    asked += 1;
                    front.send_to(&buf[..len], server_at).await.expect("sent");
                }
                if asked >= 3 {
                    return answered;
                }
            }
        });
        let at = client.address("tunnel");
        let refused = refusal(at).await;
        assert_eq!(refused, ErrorKind::ConnectionReset);
        client.says(" is turned away: no answer; is the server's key right?");
        let _again = smol::spawn(refusal(at));
        assert_eq!(counting.await, 0, "the server has not said a word");
    });
}

#[test]
fn the_server_counts_those_whom_it_refuses() {
    run(|_, _| async move {
        let (keys, target) = (Keys::new(), echo_server().await.to_string());
        let ((server_key, of_server), (mine, _)) = (keys.make("server.key"), keys.make("me.key"));
        let (_, alice) = keys.make("alice.key");
        let allow = format!("alice={alice}");
        let server = ["server", "--listen", ANY, "--target", &target, "--secret-file", &server_key];
        let mut server = Daemon::start(&[&server[..], &["--allow", &allow]].concat());
        let at = server.address("tunnel").to_string();
        let client = ["client", "--listen", ANY, "--server", &at, "--secret-file", &mine];
        let hasty = ["--server-key", &of_server, "--connect-timeout", "1s"];
        let mut client = Daemon::start(&[&client[..], &hasty].concat());
        assert_eq!(refusal(client.address("tunnel")).await, ErrorKind::ConnectionReset);
        client.says("no answer; is the server's key right?");
        server.signal("USR1");
        let line = server.says(" refused for their key");
        assert!(line.starts_with("tunnel: 0 handshakes, "), "{line}");
        assert!(
            !line.contains(", 0 refused") && line.contains("; 0 datagrams of strangers"),
            "{line}"
        );
    });
}

#[test]
fn a_server_that_starts_anew_takes_new_connections_and_ends_old_ones() {
    run(|_, _| async move {
        let (keys, target) = (Keys::new(), echo_server().await.to_string());
        let (both, listen) = (keys.shared("both.key"), free().to_string());
        let server =
            ["server", "--listen", &listen, "--target", &target, "--shared-secret-file", &both];
        let mut first = Daemon::start(&server);
        first.address("tunnel");
        let client =
            ["client", "--listen", ANY, "--server", &listen, "--shared-secret-file", &both];
        let mut client = Daemon::start(&client);
        let at = client.address("tunnel");
        let mut old = talking(at).await;
        drop(first); // killed: it says nothing to anybody
        let mut second = Daemon::start(&server);
        second.address("tunnel");
        talking(at).await;
        assert_eq!(ending(&mut old).await, ErrorKind::ConnectionReset);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn with_fewer_rights_the_key_of_root_is_read_again() {
    if !fs::read_to_string("/proc/self/status").expect("it").contains("\nUid:\t0\t") {
        eprintln!("skipped: not root");
        return;
    }
    let keys = Keys::new();
    let both = keys.shared("both.key");
    let text = |more: &str| {
        format!(
            "user = nobody\n[a]\nrole = client\nlisten = 127.0.0.1:0\nserver = [::1]:2\n\
             shared_secret_file = {both}\n{more}"
        )
    };
    let file = File::new(&text(""));
    let mut daemon = Daemon::start(&["--config", file.path()]);
    daemon.address("a");
    let status = format!("/proc/{}/status", daemon.pid());
    while fs::read_to_string(&status).expect("it runs").contains("\nUid:\t0\t0") {
        std::thread::yield_now();
    }
    file.write(&text("mtu = 1200\n"));
    daemon.signal("HUP");
    daemon.says("a: stopped");
    daemon.address("a");
    // Another one is out of reach.
    fs::remove_file(&both).expect("it was there");
    keys.shared("both.key");
    daemon.signal("HUP");
    let error = daemon.says("nothing is changed");
    assert!(error.contains("a restart of smol-kcpd is needed"), "{error}");
}

#[test]
fn the_environment_has_a_secret_where_no_file_is_named() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let secret = printed(&["keygen", "--shared"]);
        let environment = [("SMOL_KCPD_SHARED_SECRET", secret.trim())];
        let server = ["server", "--listen", ANY, "--target", &target];
        let mut server = Daemon::start_with(&server, &environment);
        let at = server.address("tunnel").to_string();
        let client = ["client", "--listen", ANY, "--server", &at];
        let mut client = Daemon::start_with(&client, &environment);
        talking(client.address("tunnel")).await;
        assert!(client.heard().join("\n").contains(", encrypted"));
    });
}

#[test]
fn a_measurement_has_keys_too() {
    let keys = Keys::new();
    let (both, other) = (keys.shared("both.key"), keys.shared("other.key"));
    let server = ["server", "--listen", ANY, "--target", "127.0.0.1:9", "--perf"];
    let mut server = Daemon::start(&[&server[..], &["--shared-secret-file", &both]].concat());
    let at = server.address("tunnel").to_string();
    let perf = ["--time", "1s", "--direction", "upload", "--connect-timeout", "3s"];

    // An invitation says where the server is.
    let invite = ["invite", "--server", &at, "--shared-secret-file", &both];
    let invitation = keys.write("invitation", &printed(&invite));
    let told = printed(&[&["perf", "--invite-file", &invitation], &perf[..]].concat());
    assert!(
        told.lines().any(|line| line.starts_with("upload") && line.contains("bit/s")),
        "{told}"
    );

    let wrong = [&["perf", &at, "--shared-secret-file", &other], &perf[..]].concat();
    let (code, out, error) = output(program().args(wrong));
    let wanted = format!("smol-kcpd: upload {at}: no answer; is the server's key right?\n");
    assert_eq!((code, out.as_str(), error), (1, "", wanted));
}
