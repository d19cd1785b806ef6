//! The commands, as somebody types them.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Output, Stdio};

use crate::built::program;
use crate::common::ANY;

/// A server of a tunnel, and its target.
struct Server {
    child: Child,
    addr: SocketAddr,
    target: TcpListener,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let target = TcpListener::bind(ANY).unwrap();
        target.set_nonblocking(true).unwrap();
        let at = target.local_addr().unwrap().to_string();
        let mut child = program()
            .args(["server", "--insecure", "--listen", ANY, "--target", &at])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("listening on"));
        let line = line.expect("it listens");
        let addr = line.split_whitespace().find_map(|word| word.parse().ok());
        Server { child, addr: addr.unwrap_or_else(|| panic!("no address in {line}")), target }
    }

    /// Nobody has connected to the target.
    fn assert_untouched(&self) {
        assert_eq!(self.target.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

#[track_caller]
fn text(output: &Output, code: i32) -> (String, String) {
    let of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (of(&output.stdout), of(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out, err)
}

#[test]
fn ping_prints_a_line_for_each_answer_and_a_summary() {
    let server = Server::start(&[]);
    let addr = server.addr.to_string();
    let output =
        run(&["ping", &addr, "--insecure", "--count", "3", "--every", "10ms", "--timeout", "20s"]);
    let (out, err) = text(&output, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines.len(), err.as_str()), (7, ""), "{out}");
    assert_eq!(lines[0], format!("KCP ping {addr}"));
    for (line, number) in lines[1..4].iter().zip(1..) {
        let before = format!("answer from {addr}: number={number} time=");
        let time = line.strip_prefix(&before).and_then(|rest| rest.strip_suffix(" ms"));
        let time = time.unwrap_or_else(|| panic!("{line}"));
        assert!(time.parse::<f64>().unwrap() > 0.0 && time.split('.').nth(1).unwrap().len() == 3);
    }
    assert_eq!(lines[4], format!("--- {addr} ---"));
    assert_eq!(lines[5], "3 sent, 3 received, 0.0 % loss");
    assert!(lines[6].starts_with("rtt min/avg/max/jitter = ") && lines[6].ends_with(" ms"));
    server.assert_untouched();
}

#[test]
fn ping_to_where_nobody_listens_says_so_and_fails() {
    let free = UdpSocket::bind(ANY).unwrap().local_addr().unwrap();
    let output = run(&["ping", &free.to_string(), "--insecure", "--count", "2", "--every", "10ms"]);
    let (out, _) = text(&output, 1);
    assert!(out.contains("refused: number=1") && out.contains("2 sent, 0 received, 100.0 % loss"));
    assert!(!out.contains("rtt"), "{out}");

    let silent = UdpSocket::bind(ANY).unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let output = run(&["ping", &addr, "--insecure", "--count", "1", "--timeout", "50ms"]);
    assert!(text(&output, 1).0.contains("no answer: number=1 within 50ms"));

    let output = run(&["ping", "nowhere.invalid:1", "--insecure", "--count", "1"]);
    let (out, err) = text(&output, 1);
    let said = "smol-kcpd: nowhere.invalid:1: the name nowhere.invalid has no address: ";
    assert!(out.is_empty() && err.starts_with(said), "{out}{err}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_measurement_prints_what_there_is() {
    for direction in ["upload", "download"] {
        let server = Server::start(&["--perf", "--profile", "lan"]);
        let addr = server.addr.to_string();
        let mut perf = program()
            .args([
                "perf",
                &addr,
                "--insecure",
                "--time",
                "60s",
                "--profile",
                "lan",
                "--direction",
                direction,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(perf.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("bit/s") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0);
        }
        let kill = Command::new("kill").args(["-INT", &perf.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let row = |line: &&str| line.starts_with(direction) && line.contains("bit/s");
        assert!(rest.contains("goodput") && rest.lines().any(|line| row(&line)), "{rest}");
        assert!(rest.ends_with(": interrupted, so far as it came\n"), "{rest}");
        assert_eq!(perf.wait().unwrap().code(), Some(1), "not to its end");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_ping_ends_with_its_summary() {
    let server = Server::start(&[]);
    let mut ping = program()
        .args(["ping", &server.addr.to_string(), "--insecure", "--count", "0", "--every", "10ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(ping.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("answer from") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    let kill = Command::new("kill").args(["-INT", &ping.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" sent, ") && rest.contains("rtt min/avg/max/jitter = "), "{rest}");
    assert_eq!(ping.wait().unwrap().code(), Some(0));
}

#[test]
fn perf_prints_progress_and_a_table_with_both_directions() {
    let server = Server::start(&["--perf", "--profile", "lan"]);
    let addr = server.addr.to_string();
    let (out, err) =
        text(&run(&["perf", &addr, "--insecure", "--time", "2s", "--profile", "lan"]), 0);
    assert_eq!(err, "");
    assert!(!out.contains('\r'), "that is for terminals");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.iter().all(|line| line.len() <= 80), "{out}");
    let title = "goodput received time rtt min/mean/max again wire/payload";
    let at = lines.iter().position(|line| line.trim_start().starts_with("goodput"));
    let at = at.unwrap_or_else(|| panic!("{out}"));
    let [head, upload, download] = lines[at..at + 3] else { panic!("{out}") };
    assert_eq!(head.split_whitespace().collect::<Vec<_>>().join(" "), title);
    // A download's time begins with its first byte, whenever that comes.
    for (line, direction, time) in [(upload, "upload", " 2.0 s"), (download, "download", " s")] {
        let whole = line.starts_with(direction) && line.contains("bit/s") && line.contains(time);
        assert!(whole, "{line}");
        let ratio: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!(ratio >= 1.0, "{line}");
    }
    let progress = &lines[..at];
    assert!(
        progress.iter().any(|line| line.starts_with("upload ") && line.contains(" s ")),
        "{out}"
    );
    server.assert_untouched();
}

#[test]
fn perf_against_a_server_that_does_not_want_it_says_why() {
    let server = Server::start(&[]);
    let (out, err) =
        text(&run(&["perf", &server.addr.to_string(), "--insecure", "--time", "1s"]), 1);
    let said = format!("smol-kcpd: upload {}: the server refuses measurements", server.addr);
    assert!(out.is_empty() && err.starts_with(&said), "{out}{err}");
    server.assert_untouched();
    let free = UdpSocket::bind(ANY).unwrap().local_addr().unwrap();
    let (_, err) = text(&run(&["perf", &free.to_string(), "--insecure"]), 1);
    assert!(err.contains("nobody listens at the peer's address and port"), "{err}");
}

#[test]
fn wrong_use_is_told_from_failure() {
    for args in [
        &["ping"][..],
        &["ping", "nowhere"],
        &["ping", "127.0.0.1:1", "--every", "soon"],
        &["perf", "127.0.0.1:1", "--time", "61s"],
        &["perf", "127.0.0.1:1", "--target", "127.0.0.1:22"],
    ] {
        let (out, err) = text(&run(args), 2);
        assert!(out.is_empty() && err.starts_with("smol-kcpd: "), "{args:?}: {out}{err}");
    }
}
