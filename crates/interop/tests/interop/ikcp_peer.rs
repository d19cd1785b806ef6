//! The reference implementation, ikcp.c, with a socket and a thread of its own.

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use kcp_io::core::Kcp;

use crate::support::{segments, WASK};

/// How an ikcp.c talks.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub stream: bool,
    /// Says back all that it hears.
    pub echoes: bool,
    /// Leaves what arrives unread until it is told to read.
    pub paused: bool,
    /// What it says as soon as it has a peer.
    pub says: Vec<Vec<u8>>,
}

/// What a test learns of while it happens.
#[derive(Debug)]
pub enum Event {
    /// A message, or some bytes of a stream.
    Heard(Vec<u8>),
    /// Its own receive window is closed, and it said so.
    OwnWindowClosed,
    /// The peer said that its window is closed.
    PeerWindowClosed,
    /// A window probe came.
    Asked,
}

/// What it did, told at its end.
#[derive(Debug)]
pub struct Report {
    /// Window probes it had to send.
    pub probes: u32,
}

enum Order {
    Read,
    Stop,
}

/// A running ikcp.c.
pub struct Ikcp {
    pub addr: SocketAddr,
    orders: mpsc::Sender<Order>,
    pub events: Receiver<Event>,
    thread: JoinHandle<Report>,
}

impl Ikcp {
    /// Waits for the first datagram and takes its conversation and sender for its own.
    pub fn listen(manner: Manner) -> Ikcp {
        Ikcp::start(None, manner)
    }

    /// Opens conversation `conv` with `peer`.
    pub fn connect(conv: u32, peer: SocketAddr, manner: Manner) -> Ikcp {
        Ikcp::start(Some((conv, peer)), manner)
    }

    fn start(dial: Option<(u32, SocketAddr)>, manner: Manner) -> Ikcp {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let (order, orders) = mpsc::channel();
        let (events, happened) = async_channel::unbounded();
        let thread = thread::spawn(move || run(socket, dial, manner, &orders, &events));
        Ikcp { addr, orders: order, events: happened, thread }
    }

    /// What was left unread is read from now on.
    pub fn read(&self) {
        self.orders.send(Order::Read).unwrap();
    }

    /// Waits for what it hears until it is `len` bytes.
    pub async fn hears(&self, len: usize) -> Vec<Vec<u8>> {
        let (mut got, mut missing) = (Vec::new(), len);
        while missing > 0 {
            if let Event::Heard(part) = self.events.recv().await.unwrap() {
                missing = missing.checked_sub(part.len()).expect("not more than was sent");
                got.push(part);
            }
        }
        got
    }

    /// Waits until something else than hearing happens as `wanted` describes.
    pub async fn sees(&self, wanted: impl Fn(&Event) -> bool) {
        while !wanted(&self.events.recv().await.unwrap()) {}
    }

    pub fn stop(self) -> Report {
        // It may have died of a failed assertion: the join tells.
        let _ = self.orders.send(Order::Stop);
        self.thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    }
}

/// Its life. `Kcp` is created, used and dropped in this one thread: its callback is not `Send`.
fn run(
    socket: UdpSocket,
    dial: Option<(u32, SocketAddr)>,
    manner: Manner,
    orders: &mpsc::Receiver<Order>,
    events: &Sender<Event>,
) -> Report {
    let began = began();
    let clock = || began.elapsed().as_millis() as u32;
    let socket = Rc::new(socket);
    let probes = Rc::new(Cell::new(0));
    let create = |conv: u32, peer: SocketAddr| {
        let (socket, probes, events) = (Rc::clone(&socket), Rc::clone(&probes), events.clone());
        let mut closed = false;
        let mut kcp = Kcp::new(conv, move |datagram: &[u8]| {
            for segment in segments(datagram) {
                probes.set(probes.get() + u32::from(segment.cmd == WASK));
                if segment.wnd == 0 && !closed {
                    let _ = events.try_send(Event::OwnWindowClosed);
                }
                closed = segment.wnd == 0;
            }
            // A socket that cannot send now is a network that loses.
            let _ = socket.send_to(datagram, peer);
            Ok(datagram.len())
        })
        .unwrap();
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_mtu(1400).unwrap();
        kcp.set_wndsize(256, 256);
        kcp.set_stream_mode(manner.stream);
        kcp.update(clock());
        for part in &manner.says {
            assert_eq!(kcp.send(part).unwrap(), part.len());
        }
        kcp
    };
    let mut paused = manner.paused;
    let mut peer_closed = false;
    let mut kcp = dial.map(|(conv, peer)| create(conv, peer));
    let mut buf = vec![0; 256 * 1024];
    loop {
        match orders.try_recv() {
            Ok(Order::Read) => paused = false,
            Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => break,
            Err(mpsc::TryRecvError::Empty) => {}
        }
        let wait = match &mut kcp {
            Some(kcp) => {
                kcp.update(clock());
                // `check` may say "now" although `update` has nothing to do yet.
                kcp.check(clock()).wrapping_sub(clock()).clamp(1, 10)
            }
            None => 10,
        };
        socket.set_read_timeout(Some(Duration::from_millis(u64::from(wait)))).unwrap();
        if let Ok((n, from)) = socket.recv_from(&mut buf) {
            let row = segments(&buf[..n]);
            let kcp = kcp.get_or_insert_with(|| create(row[0].conv, from));
            for segment in row {
                if segment.wnd == 0 && !peer_closed {
                    let _ = events.try_send(Event::PeerWindowClosed);
                }
                peer_closed = segment.wnd == 0;
                if segment.cmd == WASK {
                    let _ = events.try_send(Event::Asked);
                }
            }
            kcp.update(clock());
            kcp.input(&buf[..n]).unwrap();
        }
        let Some(kcp) = &mut kcp else { continue };
        while !paused && kcp.peeksize().is_ok() {
            let n = kcp.recv(&mut buf).unwrap();
            if manner.echoes {
                kcp.send(&buf[..n]).unwrap();
            }
            let _ = events.try_send(Event::Heard(buf[..n].to_vec()));
        }
    }
    Report { probes: probes.get() }
}

#[allow(clippy::disallowed_methods)] // ikcp.c wants a real clock
pub fn began() -> Instant {
    Instant::now()
}
