//! Connections that have said a word and fall silent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::{say, Args};
use crate::peer::Peer;
use crate::runtime::{Bytes, Runtime};
use crate::usage::{self, Mark};

/// Bytes that each connection echoes before.
const WORD: usize = 64;

/// What was there before the first connection.
struct Before {
    heap: usize,
    rss: usize,
}

impl Before {
    fn new() -> Before {
        usage::count_heap();
        Before { heap: usage::heap(), rss: usage::rss() }
    }

    /// Lets all settle, then measures silence.
    async fn report<P: Peer>(&self, connections: usize, args: &Args) {
        P::Runtime::sleep(Duration::from_secs_f64(args.need("settle"))).await;
        let each =
            |now: usize, before: usize| now.saturating_sub(before) as f64 / connections as f64;
        say("heap", each(usage::heap(), self.heap));
        say("rss", each(usage::rss(), self.rss));
        let mark = Mark::now();
        P::Runtime::sleep(Duration::from_secs_f64(args.need("seconds"))).await;
        let span = mark.span();
        say("cpu", 100.0 * span.cpu_seconds / span.seconds);
        say("wakeups", span.sleeps as f64 / span.seconds);
    }
}

pub(super) async fn server<P: Peer>(mut listener: P::Listener, args: &Args) {
    static ECHOED: AtomicUsize = AtomicUsize::new(0);
    let connections: usize = args.need("connections");
    let before = Before::new();
    for _ in 0..connections {
        let mut stream = P::accept(&mut listener).await.expect("accept");
        P::Runtime::spawn(async move {
            let mut buf = [0; WORD];
            stream.read_exact(&mut buf).await.expect("read");
            stream.write(&buf).await.expect("write");
            ECHOED.fetch_add(1, Relaxed);
            // As a server does that waits for the next word.
            let _ = stream.read(&mut buf[..]).await;
            panic!("a connection ended");
        });
    }
    while ECHOED.load(Relaxed) < connections {
        P::Runtime::sleep(Duration::from_millis(10)).await;
    }
    before.report::<P>(connections, args).await;
    super::on_end(|| ());
    std::future::pending().await
}

pub(super) async fn client<P: Peer>(addr: SocketAddr, args: &Args) {
    let connections: usize = args.need("connections");
    let before = Before::new();
    for _ in 0..connections {
        let mut stream = P::connect(args.options(), addr).await.expect("connect");
        let mut buf = [0; WORD];
        stream.write(&buf).await.expect("write");
        stream.read_exact(&mut buf).await.expect("read");
        P::Runtime::spawn(async move {
            let _ = stream.read(&mut buf[..]).await;
            panic!("a connection ended");
        });
    }
    before.report::<P>(connections, args).await;
}
