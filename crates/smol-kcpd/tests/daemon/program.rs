//! The built program: arguments, files, two processes with a tunnel between them, and what it
//! costs when nothing happens.

use std::fs;
use std::process::Command;

use crate::built::program;
use crate::support::*;

pub use self::process::{Daemon, File};

mod process {
    //! A process of the program, and files for it.

    use std::io::{BufRead, BufReader};
    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{channel, Receiver};
    use std::thread;
    use std::time::Duration;

    use crate::built::program;

    /// A running daemon, with what it says.
    pub struct Daemon {
        child: Child,
        said: Receiver<String>,
        heard: Vec<String>,
    }

    impl Daemon {
        pub fn start(args: &[&str]) -> Daemon {
            Daemon::start_with(args, &[])
        }

        /// With more in its environment.
        pub fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Daemon {
            let mut child = program()
                .args(args)
                .envs(environment.iter().copied())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts");
            let (sender, said) = channel();
            let outputs: [Box<dyn std::io::Read + Send>; 2] =
                [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
            for output in outputs {
                let sender = sender.clone();
                thread::spawn(move || {
                    for line in BufReader::new(output).lines().map_while(Result::ok) {
                        let _ = sender.send(line);
                    }
                });
            }
            Daemon { child, said, heard: Vec::new() }
        }

        pub fn pid(&self) -> u32 {
            self.child.id()
        }

        /// The next line that contains `words`.
        pub fn says(&mut self, words: &str) -> String {
            // Lines that repeat must not keep it waiting.
            let until = crate::common::now() + Duration::from_secs(60);
            loop {
                let left = until.saturating_duration_since(crate::common::now());
                let line = self.said.recv_timeout(left);
                let line = line.unwrap_or_else(|_| panic!("no {words:?} after {:#?}", self.heard));
                self.heard.push(line.clone());
                if line.contains(words) {
                    return line;
                }
            }
        }

        /// Where a tunnel listens, once it says so.
        pub fn address(&mut self, tunnel: &str) -> SocketAddr {
            let line = self.says(&format!("{tunnel}: listening on "));
            let word = line.split(' ').nth(4).expect("an address");
            word.parse().expect("an address")
        }

        /// Everything said so far.
        pub fn heard(&mut self) -> &[String] {
            self.heard.extend(self.said.try_iter());
            &self.heard
        }

        pub fn signal(&self, signal: &str) {
            let pid = self.pid().to_string();
            let sent = Command::new("kill").args(["-s", signal, &pid]).status();
            assert!(sent.expect("kill runs").success());
        }

        pub fn wait(&mut self) -> ExitStatus {
            self.child.wait().expect("it ends")
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// A file that goes when the test ends.
    pub struct File(pub PathBuf);

    impl File {
        pub fn new(text: &str) -> File {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let name = format!(
                "kcpd-{}-{}.conf",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            );
            let file = File(std::env::temp_dir().join(name));
            file.write(text);
            file
        }

        pub fn write(&self, text: &str) {
            std::fs::write(&self.0, text).expect("a file");
        }

        pub fn path(&self) -> &str {
            self.0.to_str().expect("a name of ordinary letters")
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

pub fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

#[test]
fn it_tells_its_version_and_its_options() {
    let version = concat!("smol-kcpd ", env!("CARGO_PKG_VERSION"), "\n").to_string();
    assert_eq!(output(program().arg("--version")), (0, version, String::new()));
    let (code, help, _) = output(program().arg("--help"));
    assert_eq!(code, 0);
    assert_eq!(output(program().arg("help")), (0, help.clone(), String::new()));
    assert!(help.contains("--send-window N"));
}

#[test]
fn check_prints_what_it_reads_the_same() {
    let file = File::new(
        "[a]\nrole = client\nlisten = 127.0.0.1:1\nserver = b:2\ninsecure = yes\nprofile = lan\n",
    );
    let (code, first, errors) = output(program().args(["check", file.path()]));
    assert_eq!((code, errors.as_str()), (0, ""));
    file.write(&first);
    assert_eq!(output(program().args(["check", file.path()])), (0, first, String::new()));
}

#[test]
fn a_wrong_configuration_is_refused_with_the_place_in_it() {
    let file = File::new(
        "[a]\nrole = client\nlisten = 127.0.0.1:1\nserver = b:2\ninsecure = yes\nmtu = 9\n",
    );
    let message = format!("smol-kcpd: {}:6: mtu = 9: must be 50 to 65507\n", file.path());
    for how in ["check", "--config"] {
        assert_eq!(output(program().args([how, file.path()])), (2, String::new(), message.clone()));
    }
    let (code, _, error) =
        output(program().args(["client", "--insecure", "--listen", "127.0.0.1:1"]));
    assert_eq!((code, error.as_str()), (2, "smol-kcpd: --server is missing\n"));
    fs::remove_file(&file.0).expect("there it is");
    let (code, _, error) = output(program().args(["check", file.path()]));
    assert!(code == 2 && error.contains("cannot be read: No such file"), "{error}");
}

#[test]
fn two_processes_carry_an_echo() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let mut server =
            Daemon::start(&["server", "--insecure", "--listen", ANY, "--target", &target]);
        let at = server.address("tunnel").to_string();
        let mut client = Daemon::start(&["client", "--insecure", "--listen", ANY, "--server", &at]);
        let mut tcp = talking(client.address("tunnel")).await;
        chat(&mut tcp, &pattern(100_000)).await.expect("the echo");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn with_the_sockets_bound_it_takes_on_the_rights_of_a_user() {
    let ids = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let ids =
            status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let file =
        File::new("user = nobody\n[a]\nrole = client\nlisten = 127.0.0.1:0\nserver = [::1]:2\ninsecure = yes\n");
    let mut daemon = Daemon::start(&["--config", file.path()]);
    if !ids("self")[0].contains("\t0\t") {
        // Who is not root may not become another, and the program says so and ends.
        daemon.says("smol-kcpd: user nobody: ");
        assert_eq!(daemon.wait().code(), Some(1));
        return;
    }
    daemon.address("a");
    let pid = daemon.pid().to_string();
    while ids(&pid).iter().any(|line| line.contains("\t0\t")) {
        std::thread::yield_now();
    }
    let (code, _, error) = output(program().args([
        "client",
        "--listen",
        ANY,
        "--server",
        "[::1]:2",
        "--insecure",
        "--user",
        "no-such-user",
    ]));
    assert_eq!((code, error.as_str()), (1, "smol-kcpd: user no-such-user: no such user\n"));
}

/// Times that threads of a process have gone to sleep by themselves.
#[cfg(target_os = "linux")]
fn sleeps(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of_thread = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).expect("a number")
    };
    threads.map(|thread| of_thread(thread.expect("it runs"))).sum()
}

/// A relay in the test itself, which counts: datagrams, and bytes with their UDP and IPv4 headers.
#[cfg(target_os = "linux")]
struct Counter {
    front: smol::net::UdpSocket,
    server: std::net::SocketAddr,
    client: Option<std::net::SocketAddr>,
    counted: (usize, usize),
}

#[cfg(target_os = "linux")]
impl Counter {
    async fn pass(&mut self) {
        let mut buf = [0; 2048];
        let (len, from) = self.front.recv_from(&mut buf).await.expect("a datagram");
        let (datagrams, bytes) = self.counted;
        self.counted = (datagrams + 1, bytes + len + 28);
        if from != self.server {
            self.client = Some(from);
        }
        let to = if from == self.server { self.client } else { Some(self.server) };
        let sent = self.front.send_to(&buf[..len], to.expect("the client speaks first")).await;
        sent.expect("sent");
    }
}

/// A keepalive is two things that happen: at the client a timer and the answer, at the server the
/// question and a look at a deadline that has moved meanwhile. Each time the thread that waits for
/// the system sleeps twice, since it is told of a new deadline, and the one that works once.
#[cfg(target_os = "linux")]
#[test]
fn with_an_idle_stream_there_is_one_keepalive_in_each_interval_and_nothing_else() {
    run(|_, _| async move {
        let target = echo_server().await.to_string();
        let keep = ["--keep-alive", "1s"];
        let server = ["server", "--insecure", "--listen", ANY, "--target", &target];
        let mut server = Daemon::start(&[&server[..], &keep].concat());
        let front = smol::net::UdpSocket::bind(ANY).await.expect("a port");
        let via = front.local_addr().expect("its address").to_string();
        let client = ["client", "--insecure", "--listen", ANY, "--server", &via];
        let mut client = Daemon::start(&[&client[..], &keep].concat());
        let server_at = server.address("tunnel");
        let mut relay = Counter { front, server: server_at, client: None, counted: (0, 0) };

        let talk = smol::spawn(talking(client.address("tunnel")));
        // Until what the busy times held has been given back.
        let began = now();
        while !talk.is_finished() || began.elapsed() < ms(12_000) {
            relay.pass().await;
        }
        let _tcp = talk.await;
        let before = (sleeps(client.pid()), sleeps(server.pid()));
        relay.counted = (0, 0);
        let began = now();
        while relay.counted.0 < 20 {
            relay.pass().await;
        }
        let after = (sleeps(client.pid()), sleeps(server.pid()));
        // Ten questions and ten answers, each of 24 bytes and 28 of headers: the four of 120
        // seconds, at 25 seconds each, are 416 bytes.
        assert_eq!(relay.counted, (20, 20 * 52));
        // The first may have waited for this test; a question more than one a second would show.
        assert!(began.elapsed() >= ms(8000), "{:?}", began.elapsed());
        assert!(after.0 - before.0 <= 10 * 2 * 4, "client: {}", after.0 - before.0);
        assert!(after.1 - before.1 <= 10 * 2 * 4, "server: {}", after.1 - before.1);
    });
}
