//! What running processes tell at their control sockets, and what they do when they are told.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::built::program;
use crate::json::Json;
use crate::keys::{printed, Keys};
use crate::program::{output, Daemon, File};
use crate::support::*;

/// A place for a socket.
pub struct Socket(PathBuf);

impl Socket {
    pub fn new() -> Socket {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Socket(std::env::temp_dir().join(format!("kcpd-{}-{number}.sock", std::process::id())))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a name of ordinary letters")
    }

    /// Runs a command that asks there.
    pub fn command(&self, words: &[&str]) -> (i32, String, String) {
        output(program().args(words).args(["--control", self.path()]))
    }

    /// The status of the only tunnel.
    pub fn tunnel(&self) -> Json {
        let (code, text, errors) = self.command(&["status", "--json", "--streams", "5"]);
        assert_eq!((code, errors.as_str(), text.lines().count()), (0, "", 1), "{text}");
        let json = Json::parse(&text);
        assert_eq!(json.get("schema"), &Json::Number(1));
        let [process] = json.get("processes").list() else { panic!("{text}") };
        let [tunnel] = process.get("tunnels").list() else { panic!("{text}") };
        tunnel.clone()
    }

    pub fn state(&self) -> String {
        self.tunnel().get("state").text().expect("a word").to_string()
    }

    /// What is wrong first, and why.
    pub fn problem(&self) -> Option<(String, String)> {
        let tunnel = self.tunnel();
        let first = tunnel.get("problems").list().first()?;
        let text = |key| first.get(key).text().expect("words").to_string();
        Some((text("about"), text("why")))
    }
}

fn server(target: &str, listen: &str, socket: &Socket) -> Daemon {
    let args = ["server", "--insecure", "--listen", listen, "--target", target];
    Daemon::start(&[&args[..], &["--control", socket.path()]].concat())
}

fn client(server: &str, more: &[&str], socket: &Socket) -> Daemon {
    let args = ["client", "--insecure", "--listen", ANY, "--server", server];
    Daemon::start(&[&args[..], &["--control", socket.path()], more].concat())
}

#[test]
fn a_process_tells_what_its_tunnels_do() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let (far, near) = (Socket::new(), Socket::new());
        let mut server = server(&target, ANY, &far);
        let at = server.address("tunnel").to_string();
        let mut client = client(&at, &[], &near);
        let listen = client.address("tunnel");
        let mode = fs::metadata(&near.0).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(near.state(), "idle");

        let tcp = talking(listen).await;
        let told = near.tunnel();
        let text = |json: &Json, key: &str| json.get(key).text().map(String::from);
        assert_eq!(text(&told, "state"), Some("up".into()));
        assert_eq!(text(&told, "role"), Some("client".into()));
        assert_eq!(text(&told, "listen"), Some(listen.to_string()));
        assert_eq!(text(&told, "server"), Some(at.clone()));
        assert_eq!(text(&told, "protection"), Some("insecure".into()));
        assert_eq!(told.get("encrypted"), &Json::Bool(false));
        assert_eq!(told.get("connections").get("open"), &Json::Number(1));
        let [peer] = told.get("peers").list() else { panic!("{told:?}") };
        assert_eq!(text(peer, "address"), Some(at.clone()), "not what stands for it inside");
        assert_eq!(peer.get("streams"), &Json::Number(1));
        let [stream] = told.get("streams").list() else { panic!("{told:?}") };
        assert_eq!(stream.get("bytes_sent"), &Json::Number(5));
        assert_eq!(text(stream, "state"), Some("established".into()));
        let told = far.tunnel();
        assert_eq!(text(&told, "target"), Some(target));
        assert_eq!(told.get("peers_total"), &Json::Number(1));

        let (code, table, _) = near.command(&["status"]);
        let head = format!("process {}, up for ", client.pid());
        assert!(code == 0 && table.contains(&head), "{table}");
        assert!(table.contains("tunnel: UP, 1 of 512 connections open"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");

        drop(tcp);
        client.signal("TERM");
        client.wait();
        assert!(!near.0.exists(), "the file goes with the process");
        let (code, _, error) = near.command(&["status"]);
        assert!(code == 1 && error.contains("No such file"), "{error}");
    });
}

#[test]
fn it_says_why_something_is_down_and_when_it_is_back() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        // A port where nobody is, and later somebody.
        let at =
            UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address").to_string();
        let (far, near) = (Socket::new(), Socket::new());
        let mut client = client(&at, &["--connect-timeout", "300ms"], &near);
        let listen = client.address("tunnel");
        assert_eq!(refusal(listen).await, ErrorKind::ConnectionReset);
        client.says("is turned away");
        assert_eq!(near.state(), "down");
        assert_eq!(near.problem().expect("a problem").0, "server");
        let (_, table, _) = near.command(&["status"]);
        assert!(table.contains("tunnel: DOWN") && table.contains("  ! "), "{table}");

        let mut server = server(&target, &at, &far);
        server.address("tunnel");
        let _tcp = talking(listen).await;
        assert_eq!((near.state(), near.problem()), ("up".into(), None));
    });
}

#[test]
fn a_target_and_an_address_that_cannot_be_had_are_named() {
    run(|_, _| async move {
        let closed = TcpListener::bind(ANY).expect("a port").local_addr().expect("its address");
        let (far, near, third) = (Socket::new(), Socket::new(), Socket::new());
        let mut server = server(&closed.to_string(), ANY, &far);
        let at = server.address("tunnel").to_string();
        let mut client = client(&at, &[], &near);
        let listen = client.address("tunnel");
        refusal(listen).await;
        server.says("os error");
        let (about, why) = far.problem().expect("a problem");
        assert_eq!((about.as_str(), far.state().as_str()), ("target", "degraded"));
        // What the system calls it is another word in an emulator.
        assert!(
            why.starts_with(&format!("target {closed}: ")) && why.contains("os error"),
            "{why}"
        );

        let args = ["client", "--insecure", "--server", &at, "--control", third.path(), "--listen"];
        let mut third_one = Daemon::start(&[&args[..], &[&listen.to_string()]].concat());
        third_one.says("cannot listen");
        let (about, why) = third.problem().expect("a problem");
        assert_eq!((about.as_str(), third.state().as_str()), ("listen", "down"));
        assert!(why.contains("in use"), "{why}");
    });
}

#[test]
fn it_reloads_stops_and_changes_the_level_of_the_log() {
    let socket = Socket::new();
    let text = |more: &str| {
        let client = "role = client\nlisten = 127.0.0.1:0\nserver = [::1]:2\ninsecure = yes\n";
        format!("control = {}\n{more}[a]\n{client}[b]\n{client}", socket.path())
    };
    let file = File::new(&text(""));
    let mut daemon = Daemon::start(&["--config", file.path()]);
    let (_, b) = (daemon.address("a"), daemon.address("b"));
    let (code, said, _) = socket.command(&["stop", "b"]);
    assert!(code == 0 && said.starts_with("b accepts nothing more"), "{said}");
    daemon.says("b: stopped");
    assert!(std::net::TcpStream::connect(b).is_err());
    let none = (1, String::new(), "smol-kcpd: ".to_string());
    let (code, said, error) = socket.command(&["stop", "b"]);
    assert_eq!((code, &said), (none.0, &none.1));
    assert!(error.starts_with(&none.2) && error.ends_with("there is no tunnel b\n"), "{error}");

    assert_eq!(socket.command(&["reload"]).0, 0);
    daemon.address("b");
    file.write(&text("mtu = 9\n"));
    let (code, _, error) = socket.command(&["reload"]);
    let mistake = format!("{}:2: mtu = 9: must be 50 to 65507; nothing is changed\n", file.path());
    assert!(code == 1 && error.ends_with(&mistake), "{error}");
    daemon.says("nothing is changed");

    assert_eq!(socket.command(&["log-level", "debug"]).0, 0);
    assert_eq!(socket.command(&["status"]).0, 0);
    daemon.says("control socket: status table 0");
    // What the file says of the socket waits for a restart.
    file.write(&text("").replace(socket.path(), "off"));
    assert_eq!(socket.command(&["reload"]).0, 0);
    daemon.says("control, http or metrics is changed in the file: that needs a restart");
    assert_eq!(socket.command(&["status"]).0, 0);
}

#[test]
fn whoever_asks_nonsense_or_nothing_disturbs_nobody() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let (far, near) = (Socket::new(), Socket::new());
        let mut server = server(&target, ANY, &far);
        let at = server.address("tunnel").to_string();
        let mut client = client(&at, &[], &near);
        let mut tcp = talking(client.address("tunnel")).await;
        let visit = || UnixStream::connect(&near.0).expect("it listens");
        // As many as are heard at once and more say nothing; traffic does not care.
        let silent: Vec<UnixStream> = (0..20).map(|_| visit()).collect();
        chat(&mut tcp, &pattern(50_000)).await.expect("the echo");
        drop(silent);
        for nonsense in [&b"status xml\n"[..], b"\0\xff\n", b"GET / HTTP/1.1\r\n\r\n"] {
            let mut visitor = visit();
            visitor.write_all(nonsense).expect("it listens");
            let mut said = String::new();
            visitor.read_to_string(&mut said).expect("an answer");
            assert_eq!(said, "error\nnot a request");
        }
        let mut visitor = visit();
        let _ = visitor.write_all(&[b'x'; 100_000]); // it may be gone before all is said
        let mut said = Vec::new();
        let _ = visitor.read_to_end(&mut said);
        assert!(said.is_empty());
        assert_eq!(near.state(), "up");
        chat(&mut tcp, b"as before").await.expect("the echo");
    });
}

#[test]
fn sockets_are_found_those_of_the_dead_go_and_those_of_others_stay() {
    let folder = std::env::temp_dir().join(format!("kcpd-{}-run", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let run = [("RUNTIME_DIRECTORY", folder.to_str().expect("a name"))];
    let start = || {
        let args = ["client", "--insecure", "--listen", ANY, "--server", "[::1]:2"];
        let mut daemon = Daemon::start_with(&args, &run);
        daemon.address("tunnel");
        daemon
    };
    let sockets = || {
        let found = fs::read_dir(&folder).expect("the folder").flatten();
        let mut found: Vec<_> = found.map(|it| it.file_name().into_string().unwrap()).collect();
        found.sort();
        found
    };
    let name = |daemon: &Daemon| format!("smol-kcpd.{}.sock", daemon.pid());
    let first = start();
    let first_name = name(&first);
    assert_eq!(sockets(), [first_name.as_str()]);
    drop(first); // killed: nobody tidies up
    assert_eq!(sockets(), [first_name.as_str()]);
    let (second, third) = (start(), start());
    let mut names = [name(&second), name(&third)];
    names.sort();
    assert_eq!(sockets(), names);
    let (code, text, _) = output(program().args(["status"]).envs(run));
    assert_eq!(code, 0);
    for daemon in [&second, &third] {
        assert!(text.contains(&format!("process {}, ", daemon.pid())), "{text}");
    }
    let (code, _, error) = output(program().args(["reload"]).envs(run));
    assert!(code == 1 && error.contains("which is meant? --control "), "{error}");
    // A path that somebody has is left to them.
    let taken = folder.join(name(&second));
    let args = ["client", "--insecure", "--listen", ANY, "--server", "[::1]:2", "--control"];
    let mut fourth = Daemon::start(&[&args[..], &[taken.to_str().unwrap()]].concat());
    fourth.says("there is no control socket: another process has it");
    fourth.address("tunnel");
    drop((second, third, fourth));
    fs::remove_dir_all(&folder).expect("the folder");
}

/// A link that loses every 20th datagram of either side.
pub fn lossy_link(server: SocketAddr) -> SocketAddr {
    let front = UdpSocket::bind(ANY).expect("a port");
    let at = front.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (mut buf, mut client, mut counts) = ([0; 2048], None, [0_u32; 2]);
        // Nothing is heard from a port where nobody is.
        loop {
            let Ok((len, from)) = front.recv_from(&mut buf) else { continue };
            if from != server {
                client = Some(from);
            }
            let count = &mut counts[usize::from(from == server)];
            *count = count.wrapping_add(1);
            let to = if from == server { client } else { Some(server) };
            if let (Some(to), true) = (to, *count % 20 != 0) {
                let _ = front.send_to(&buf[..len], to);
            }
        }
    });
    at
}

#[test]
fn an_encrypted_peer_has_its_name_and_what_got_lost_on_either_way() {
    run(|_, _| async move {
        let (keys, target) = (Keys::new(), echo_server().await.to_string());
        let (far, near) = (Socket::new(), Socket::new());
        let (secret, _) = keys.make("server.key");
        let listen = UdpSocket::bind(ANY).expect("a port").local_addr().expect("its address");
        let link = lossy_link(listen).to_string();
        let invite = ["invite", "--server", &link, "--secret-file", &secret, "--name", "alice"];
        let printed = printed(&invite);
        let (invitation, allow) = printed.split_once('\n').expect("two lines");
        let allow = allow.trim().strip_prefix("allow = ").expect("an option");
        let listen = listen.to_string();
        let server = ["server", "--listen", &listen, "--target", &target, "--secret-file", &secret];
        let server = [&server[..], &["--allow", allow, "--control", far.path()]].concat();
        let mut server = Daemon::start(&server);
        server.address("tunnel");
        let client = ["client", "--listen", ANY, "--invite", invitation.trim()];
        let mut client = Daemon::start(&[&client[..], &["--control", near.path()]].concat());
        let mut tcp = talking(client.address("tunnel")).await;
        chat(&mut tcp, &pattern(300_000)).await.expect("the echo");
        for (socket, name) in [(&far, Some("alice")), (&near, None)] {
            let told = socket.tunnel();
            assert_eq!(told.get("encrypted"), &Json::Bool(true));
            assert!(matches!(told.get("channels").get("handshakes"), Json::Number(1..)));
            let [peer] = told.get("peers").list() else { panic!("{told:?}") };
            assert_eq!(peer.get("name").text(), name);
            let number = |key| match peer.get(key) {
                Json::Number(number) => *number,
                other => panic!("{key}: {other:?}"),
            };
            // One in twenty, and what the link has no room for; some of the last may be late.
            let (arrived, missing) = (number("arrived"), number("missing"));
            assert!((arrived / 40..arrived).contains(&missing), "{missing} and {arrived}");
            assert!(number("lost_bytes") > 0, "{peer:?}");
        }
    });
}
