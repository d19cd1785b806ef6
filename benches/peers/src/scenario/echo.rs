//! Messages of 64 bytes, each sent when the one before has come back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::{say, Args};
use crate::peer::Peer;
use crate::runtime::{Bytes, Runtime};
use crate::usage::Mark;

const MESSAGE: usize = 64;

pub(super) async fn server<P: Peer>(mut listener: P::Listener) {
    static BEGUN: OnceLock<Mark> = OnceLock::new();
    super::on_end(|| {
        if let Some(mark) = BEGUN.get() {
            say("cpu", mark.span().cpu_seconds);
        }
    });
    loop {
        let stream = P::accept(&mut listener).await.expect("accept");
        BEGUN.get_or_init(Mark::now);
        P::Runtime::spawn(crate::echo::<P>(stream));
    }
}

/// What the tasks of the client share.
struct Board {
    nanos: Mutex<Vec<u64>>,
    running: Mutex<usize>,
}

/// `connections` of them, each for `rounds` or until `seconds` have passed, after `warm` rounds.
pub(super) async fn client<P: Peer>(addr: SocketAddr, args: &Args) {
    let connections: usize = args.need("connections");
    let rounds = args.get("rounds").unwrap_or(usize::MAX);
    let warm = args.get("warm").unwrap_or(0);
    let time = Duration::from_secs_f64(args.get("seconds").unwrap_or(3600.0));
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = P::connect(args.options(), addr).await.expect("connect");
        // Who has no handshake is known to the other side after a message.
        for _ in 0..=warm {
            round::<P>(&mut stream).await;
        }
        streams.push(stream);
    }
    let mark = Mark::now();
    let began = Instant::now();
    if let [stream] = &mut streams[..] {
        let mut nanos = Vec::with_capacity(1 << 20);
        while nanos.len() < rounds && began.elapsed() < time {
            nanos.push(round::<P>(stream).await);
        }
        return report(nanos, &mark);
    }
    let board = Arc::new(Board { nanos: Mutex::default(), running: Mutex::new(connections) });
    for mut stream in streams {
        let board = Arc::clone(&board);
        P::Runtime::spawn(async move {
            let mut nanos = Vec::new();
            while nanos.len() < rounds && began.elapsed() < time {
                nanos.push(round::<P>(&mut stream).await);
            }
            board.nanos.lock().expect("lock").append(&mut nanos);
            *board.running.lock().expect("lock") -= 1;
            // Who was first must still answer the others' probes.
            std::future::pending::<()>().await;
        });
    }
    while *board.running.lock().expect("lock") > 0 {
        P::Runtime::sleep(Duration::from_millis(10)).await;
    }
    let nanos = std::mem::take(&mut *board.nanos.lock().expect("lock"));
    report(nanos, &mark);
}

/// Nanoseconds of one message there and back.
async fn round<P: Peer>(stream: &mut P::Stream) -> u64 {
    let mut buf = [0; MESSAGE];
    let began = Instant::now();
    stream.write(&[7; MESSAGE]).await.expect("write");
    stream.read_exact(&mut buf).await.expect("read");
    began.elapsed().as_nanos() as u64
}

fn report(mut nanos: Vec<u64>, mark: &Mark) {
    let span = mark.span();
    nanos.sort_unstable();
    let micros = |i: usize| nanos[i.min(nanos.len() - 1)] as f64 / 1000.0;
    say("rounds", nanos.len());
    say("seconds", span.seconds);
    say("cpu", span.cpu_seconds);
    say("p50", micros(nanos.len() / 2));
    say("p99", micros(nanos.len() * 99 / 100));
    say("max", micros(nanos.len() - 1));
    say("mean", nanos.iter().sum::<u64>() as f64 / 1000.0 / nanos.len() as f64);
}
