//! A responder on a real socket that sends back what it gets.

// Datagrams are arguments everywhere else in this crate; here another program is to send them.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use smol_kcp_proto::layer::crypto::secure::{
    ChannelKey, Opened, SecureEvent, SecureStats, SecureTable, HEADROOM, TAILROOM,
};
use smol_kcp_proto::time::Time;

/// What a responder has seen.
#[derive(Debug, Default)]
pub struct Report {
    pub contents: Vec<Vec<u8>>,
    pub channels: Vec<ChannelKey>,
    pub events: Vec<SecureEvent>,
    pub stats: SecureStats,
}

pub struct Responder {
    pub addr: SocketAddr,
    done: Arc<AtomicBool>,
    thread: JoinHandle<Report>,
}

impl Responder {
    /// Begins to answer on the loopback interface. Its clock stands still, so that what it allows in a second
    /// does not depend on how fast the machine is.
    pub fn start(mut table: SecureTable) -> Responder {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let is_done = done.clone();
        let thread = std::thread::spawn(move || {
            let mut report = Report::default();
            let mut buf = [0; 2048];
            while !is_done.load(Ordering::Relaxed) {
                let (len, from) = socket.recv_from(&mut buf).unwrap();
                answer(&socket, &mut table, from, &mut buf[..len], &mut report);
            }
            report.stats = table.stats();
            report
        });
        Responder { addr, done, thread }
    }

    /// Ends it.
    pub fn stop(self) -> Report {
        self.done.store(true, Ordering::Relaxed);
        // Something to wake up for.
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"!", self.addr).unwrap();
        self.thread.join().unwrap()
    }
}

fn answer(
    socket: &UdpSocket,
    table: &mut SecureTable,
    from: SocketAddr,
    datagram: &mut [u8],
    report: &mut Report,
) {
    let now = Time::from_millis(1000);
    let opened = table.open(now, from.into(), datagram);
    while let Some(event) = table.poll_event() {
        report.events.push(event);
    }
    if let Opened::Data { channel, content, .. } = opened {
        let content = datagram[content].to_vec();
        let mut buf = vec![0; HEADROOM + content.len() + TAILROOM];
        buf[HEADROOM..][..content.len()].copy_from_slice(&content);
        let sealed = table.seal(now, channel, &mut buf, content.len(), false).unwrap();
        socket.send_to(&buf[..sealed.len], sealed.path.peer).unwrap();
        report.contents.push(content);
        report.channels.push(channel);
    }
    table.transmit(&mut |path, bytes| drop(socket.send_to(bytes, path.peer)));
}
