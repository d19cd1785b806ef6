//! What stock peers make of our control codes: they see a window probe, or nothing at all.

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use kcp_io::core::Kcp;

use crate::ikcp_peer::{began, Ikcp, Manner};
use crate::support::{
    config, pattern, run_with_each_engine, segments, Segment, ACK, PUSH, WASK, WINS,
};
use crate::tokio_kcp_talks::their_listener;

const HELLO: u8 = 1;
const FIN: u8 = 2;
const RST: u8 = 3;
const KNOWN: u8 = 4;

const CONV: u32 = 0x0102_0304;

/// A client whose every word is under control: an ikcp.c for the data, headers by hand beside it.
struct Client {
    kcp: Kcp,
    socket: Rc<UdpSocket>,
    began: Instant,
    /// What the next datagram with data begins with.
    prefix: Rc<Cell<Option<[u8; 24]>>>,
    /// The peer's next sequence number.
    una: u32,
    heard: Vec<u8>,
    /// Probes and their answers that came from the peer.
    told: Vec<Segment>,
}

impl Client {
    fn new(peer: SocketAddr) -> Client {
        let socket = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        socket.connect(peer).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let prefix: Rc<Cell<Option<[u8; 24]>>> = Rc::default();
        let (out, first) = (Rc::clone(&socket), Rc::clone(&prefix));
        let mut kcp = Kcp::new(CONV, move |datagram: &[u8]| {
            let mut whole = Vec::new();
            if segments(datagram).iter().any(|segment| segment.cmd == PUSH) {
                whole.extend(first.take().into_iter().flatten());
            }
            whole.extend_from_slice(datagram);
            out.send(&whole)
        })
        .unwrap();
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_stream_mode(true);
        kcp.update(0);
        let (heard, told) = (Vec::new(), Vec::new());
        Client { kcp, socket, began: began(), prefix, una: 0, heard, told }
    }

    fn now(&self) -> u32 {
        self.began.elapsed().as_millis() as u32
    }

    fn turn(&mut self) {
        self.kcp.update(self.now());
        let mut buf = [0; 2048];
        let Ok(n) = self.socket.recv(&mut buf) else { return };
        for segment in segments(&buf[..n]) {
            assert_eq!(segment.conv, CONV);
            match segment.cmd {
                PUSH => self.una = self.una.max(segment.sn + 1),
                ACK => {}
                _ => self.told.push(segment),
            }
        }
        self.kcp.input(&buf[..n]).unwrap();
        while self.kcp.peeksize().is_ok() {
            let n = self.kcp.recv(&mut buf).unwrap();
            self.heard.extend_from_slice(&buf[..n]);
        }
    }

    fn header(&self, cmd: u8, frg: u8, sn: u32) -> [u8; 24] {
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&CONV.to_le_bytes());
        header[4..8].copy_from_slice(&[cmd, frg, 128, 0]);
        header[8..12].copy_from_slice(&self.now().to_le_bytes());
        header[12..16].copy_from_slice(&sn.to_le_bytes());
        header[16..20].copy_from_slice(&self.una.to_le_bytes());
        header
    }

    /// Says one control segment and waits for its answer, which must be an ordinary one.
    fn ask(&mut self, code: u8, sn: u32) {
        let before = self.told.len();
        self.socket.send(&self.header(WASK, code, sn)).unwrap();
        while self.told.len() == before {
            self.turn();
        }
        self.assert_plain(before + 1);
    }

    /// Says something and waits for its echo and for the peer's acknowledgement.
    fn converse(&mut self, seed: u32) {
        let question = pattern(seed, 3000);
        self.heard.clear();
        self.kcp.send(&question).unwrap();
        while self.heard.len() < question.len() || self.kcp.waitsnd() > 0 {
            self.turn();
        }
        assert!(self.heard == question, "disturbed");
    }

    /// So many answers came in all, each of them an ordinary window announcement.
    #[track_caller]
    fn assert_plain(&self, count: usize) {
        let seen: Vec<_> = self.told.iter().map(|s| (s.cmd, s.frg, s.payload.len())).collect();
        assert_eq!(seen, vec![(WINS, 0, 0); count]);
    }
}

/// Talks to an echo at `peer` with every code that there is, and with some that there are not.
fn talk_in_codes(peer: SocketAddr) {
    let mut client = Client::new(peer);
    // The very first words, as our own clients have it, and said again.
    client.ask(HELLO, 0xdead_beef);
    client.ask(HELLO, 0xdead_beef);
    client.converse(0);
    let mut answers = 2;
    for (seed, code) in (1..).zip([HELLO, FIN, RST, KNOWN, 5, 255]) {
        client.ask(code, seed * 0x2000_0000);
        answers += 1;
        client.converse(seed);
    }
    // Answers are not answered.
    for (seed, code) in (11..).zip([HELLO, FIN, RST, KNOWN, 255]) {
        client.socket.send(&client.header(WINS, code, seed)).unwrap();
        client.converse(seed);
        client.assert_plain(answers);
    }
    // In front of data.
    for (seed, code) in (21..).zip([HELLO, FIN, KNOWN]) {
        client.prefix.set(Some(client.header(WASK, code, seed)));
        client.converse(seed);
        answers += 1;
        while client.told.len() < answers {
            client.turn();
        }
        client.assert_plain(answers);
    }
    client.converse(31);
    client.assert_plain(answers);
}

#[test]
fn ikcp_takes_our_codes_for_window_probes() {
    run_with_each_engine(|| async {
        let manner = Manner { stream: true, echoes: true, ..Manner::default() };
        let ikcp = Ikcp::listen(manner);
        let peer = ikcp.addr;
        tokio::task::spawn_blocking(move || talk_in_codes(peer)).await.unwrap();
        ikcp.stop();
    });
}

#[test]
fn tokio_kcp_takes_our_codes_for_window_probes() {
    run_with_each_engine(|| async {
        let (mut listener, peer) = their_listener(&config(true)).await;
        let echo = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buf = [0; 4096];
            let echo = async {
                loop {
                    let n = stream.recv(&mut buf).await.unwrap();
                    let mut rest = &buf[..n];
                    while !rest.is_empty() {
                        rest = &rest[stream.send(rest).await.unwrap()..];
                    }
                }
            };
            let second = async { panic!("a second stream: {:?}", listener.accept().await) };
            futures_lite::future::or(echo, second).await
        });
        let talk = tokio::task::spawn_blocking(move || talk_in_codes(peer));
        futures_lite::future::or(async { talk.await.unwrap() }, async { echo.await.unwrap() })
            .await;
    });
}
