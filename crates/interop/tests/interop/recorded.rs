//! kcptun's own words, recorded, said again to our side.

use std::net::SocketAddr;

use futures_lite::future::zip;
use smol::net::UdpSocket;
use smol_kcp::{KcpConfig, KcpListener, KcpStream};

use crate::support::{config, run_with_each_engine, segments, Segment, ACK, PUSH, WASK, WINS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// One recorded session.
#[derive(Debug, Default)]
struct Session {
    name: String,
    datagrams: Vec<(Side, Vec<u8>)>,
    /// What the client wrote.
    up: Vec<u8>,
    /// What the server wrote.
    down: Vec<u8>,
}

impl Session {
    fn conv(&self) -> u32 {
        segments(&self.datagrams[0].1)[0].conv
    }

    fn written_by(&self, side: Side) -> &[u8] {
        match side {
            Side::Client => &self.up,
            Side::Server => &self.down,
        }
    }
}

fn recorded() -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for line in include_str!("data/kcptun.hex").lines() {
        let Some((key, value)) = line.split_once(' ').filter(|(key, _)| *key != "#") else {
            continue;
        };
        if key == "session" {
            sessions.push(Session { name: value.into(), ..Session::default() });
            continue;
        }
        let session = sessions.last_mut().expect("a session");
        match key {
            ">" => session.datagrams.push((Side::Client, bytes(value))),
            "<" => session.datagrams.push((Side::Server, bytes(value))),
            "up" => session.up = bytes(value),
            "down" => session.down = bytes(value),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(sessions.len(), 4);
    sessions
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn pushes(datagram: &[u8]) -> impl Iterator<Item = Segment> {
    segments(datagram).into_iter().filter(|segment| segment.cmd == PUSH)
}

/// The recorded side of a conversation with ours.
struct Recording {
    socket: UdpSocket,
    ours: SocketAddr,
    /// What ours sent, by its sequence number.
    heard: Vec<Option<Vec<u8>>>,
    /// The most that ours acknowledged without a gap.
    una: u32,
    asked: u32,
}

impl Recording {
    fn new(socket: UdpSocket, ours: SocketAddr) -> Recording {
        Recording { socket, ours, heard: vec![None; 16], una: 0, asked: 0 }
    }

    async fn say(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.ours).await.unwrap();
    }

    async fn hear(&mut self) {
        let mut buf = [0; 2048];
        let (n, from) = self.socket.recv_from(&mut buf).await.unwrap();
        assert_eq!(from, self.ours);
        for segment in segments(&buf[..n]) {
            self.una = self.una.max(segment.una);
            match segment.cmd {
                // A segment from before the beginning asks for a proof of the address. ikcp_input
                // acknowledges it as it does any repeated one.
                PUSH if segment.sn == u32::MAX => {
                    let mut ack = buf[..24].to_vec();
                    ack[4] = ACK;
                    self.say(&ack).await;
                }
                PUSH => {
                    let place = &mut self.heard[segment.sn as usize];
                    assert!(place.as_ref().is_none_or(|earlier| *earlier == segment.payload));
                    *place = Some(segment.payload);
                }
                WASK => self.asked += 1,
                _ => {}
            }
        }
    }
}

/// Replays `side` of `session`; the other side is played by `stream`, which writes what the
/// recorded one wrote. `first` datagrams have been replayed already.
async fn replay(
    session: &Session,
    side: Side,
    mut recording: Recording,
    mut stream: KcpStream,
    first: usize,
) {
    let mut last = Vec::new();
    let mut own = 0;
    for (index, (from, datagram)) in session.datagrams.iter().enumerate() {
        if *from == side {
            if index >= first {
                recording.say(datagram).await;
            }
            own += pushes(datagram).count() as u32;
            last.clone_from(datagram);
            continue;
        }
        // What is acknowledged next must have been sent before, with the same numbers.
        for push in pushes(datagram) {
            assert_eq!(stream.send(&push.payload).await.unwrap(), push.payload.len());
            while recording.heard[push.sn as usize].is_none() {
                recording.hear().await;
            }
            assert!(recording.heard[push.sn as usize].as_ref() == Some(&push.payload));
        }
    }
    let expected = session.written_by(side);
    let (mut got, mut buf) = (Vec::new(), [0; 2048]);
    while got.len() < expected.len() {
        let n = stream.recv(&mut buf).await.unwrap();
        got.extend_from_slice(&buf[..n]);
    }
    assert!(got == expected, "{}", session.name);
    while recording.una < own {
        recording.hear().await;
    }
    // kcptun answers our FIN as any window probe. What we wrote was acknowledged by the recorded
    // datagrams, or this close would not end.
    let mut answer = last[..24].to_vec();
    answer[4..6].copy_from_slice(&[WINS, 0]);
    answer[20..24].fill(0);
    let before = recording.asked;
    let answering = async {
        while recording.asked == before {
            recording.hear().await;
        }
        recording.say(&answer).await;
    };
    let (closed, ()) = zip(stream.close(), answering).await;
    closed.unwrap();
    let stats = stream.stats();
    assert_eq!((stats.in_flight, stats.rejected.una, stats.rejected.malformed), (0, 0, 0));
}

#[test]
fn a_recorded_kcptun_client_is_understood_by_our_listener() {
    run_with_each_engine(|| async {
        for session in recorded() {
            let listener = KcpListener::bind(config(false), "127.0.0.1:0").await.unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut recording = Recording::new(socket, listener.local_addr().unwrap());
            recording.say(&session.datagrams[0].1).await;
            let (accepted, ()) = zip(listener.accept(), recording.hear()).await;
            let (stream, _) = accepted.unwrap();
            assert_eq!(stream.conv(), session.conv());
            replay(&session, Side::Client, recording, stream, 1).await;
            assert_eq!((listener.stats().accepted, listener.stats().malformed), (1, 0));
        }
    });
}

#[test]
fn a_recorded_kcptun_server_is_understood_by_our_client() {
    run_with_each_engine(|| async {
        for session in recorded() {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let server = socket.local_addr().unwrap();
            // It cannot answer a HELLO that it never heard: data goes at once.
            let ours = KcpConfig { connect_timeout: None, ..config(false) };
            let stream = KcpStream::connect_with_conv(&ours, session.conv(), server).await.unwrap();
            let recording = Recording::new(socket, stream.local_addr().unwrap());
            replay(&session, Side::Server, recording, stream, 0).await;
        }
    });
}
