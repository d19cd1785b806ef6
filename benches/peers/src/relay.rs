//! A line between client and server: it delays and loses, and counts what both put on it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use socket2::SockRef;

/// Room for bursts: the relay is to lose only what it is told to.
const BUFFERS: usize = 4 << 20;

#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Each way.
    pub delay: Duration,
    /// Of a hundred datagrams, each way.
    pub loss: f64,
    pub seed: u64,
}

pub struct Relay {
    pub addr: SocketAddr,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counters {
    /// Bytes that the client put on the line, and the server, whether lost or not.
    there: AtomicU64,
    back: AtomicU64,
    stop: AtomicBool,
}

impl Relay {
    pub fn start(server: SocketAddr, line: Line) -> io::Result<Relay> {
        let front = open()?;
        let addr = front.local_addr()?;
        let counters = Arc::new(Counters::default());
        let mut run = Run {
            server,
            line,
            random: line.seed | 1,
            counters: Arc::clone(&counters),
            sockets: vec![front],
            clients: Vec::new(),
            by_addr: HashMap::new(),
            queue: VecDeque::new(),
        };
        let thread = std::thread::spawn(move || {
            if let Err(error) = run.run() {
                eprintln!("relay: {error}");
            }
        });
        Ok(Relay { addr, counters, thread: Some(thread) })
    }

    /// Bytes of the client's and of the server's datagrams so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.counters.there.load(Relaxed), self.counters.back.load(Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.counters.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let options = SockRef::from(&socket);
    options.set_send_buffer_size(BUFFERS)?;
    options.set_recv_buffer_size(BUFFERS)?;
    Ok(socket)
}

struct Run {
    server: SocketAddr,
    line: Line,
    random: u64,
    counters: Arc<Counters>,
    /// The one that clients see, then one to the server for each of them.
    sockets: Vec<UdpSocket>,
    clients: Vec<SocketAddr>,
    by_addr: HashMap<SocketAddr, usize>,
    /// When, by which socket, to whom.
    queue: VecDeque<(Instant, usize, SocketAddr, Vec<u8>)>,
}

impl Run {
    fn run(&mut self) -> io::Result<()> {
        let mut buf = vec![0; 65536];
        while !self.counters.stop.load(Relaxed) {
            self.wait()?;
            for from in 0..self.sockets.len() {
                self.receive(from, &mut buf)?;
            }
            while self.queue.front().is_some_and(|(due, ..)| *due <= Instant::now()) {
                if let Some((_, by, to, datagram)) = self.queue.pop_front() {
                    // Who has gone away refuses: that is no matter of the line.
                    let _ = self.sockets[by].send_to(&datagram, to);
                }
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let longest = Duration::from_millis(50);
        let until = self.queue.front().map_or(longest, |(due, ..)| {
            due.saturating_duration_since(Instant::now()).min(longest)
        });
        let mut fds: Vec<PollFd> =
            self.sockets.iter().map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN)).collect();
        match ppoll(&mut fds, Some(TimeSpec::from_duration(until)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self, from: usize, buf: &mut [u8]) -> io::Result<()> {
        loop {
            let (len, addr) = match self.sockets[from].recv_from(buf) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let (by, to) = match from {
                0 => (self.socket_of(addr)?, self.server),
                client => (0, self.clients[client - 1]),
            };
            let counter = if from == 0 { &self.counters.there } else { &self.counters.back };
            counter.fetch_add(len as u64, Relaxed);
            if self.random() >= self.line.loss / 100.0 {
                let due = Instant::now() + self.line.delay;
                self.queue.push_back((due, by, to, buf[..len].to_vec()));
            }
        }
    }

    fn socket_of(&mut self, client: SocketAddr) -> io::Result<usize> {
        if let Some(&at) = self.by_addr.get(&client) {
            return Ok(at);
        }
        self.sockets.push(open()?);
        self.clients.push(client);
        self.by_addr.insert(client, self.clients.len());
        Ok(self.clients.len())
    }

    /// 0 to 1, by xorshift64*.
    fn random(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}
