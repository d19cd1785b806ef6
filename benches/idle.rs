//! What an idle session costs: heap and wake-ups. `cargo bench --bench idle`
//!
//! A counting allocator weighs the heap of 1,000 sessions of one listener, when they are fresh and
//! when each has echoed 100,000 bytes and fallen silent, and the listener's driver counts how often it is
//! polled in 5 seconds of silence. The limits are those of docs/limits.md; above them the bench fails.

#[path = "../tests/common/heap.rs"]
mod heap;

use std::time::Duration;

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol_kcp::{EngineKind, KcpConfig, KcpEndpoint, KcpListener, KcpStream};

const SESSIONS: usize = 1000;

/// Heap of an idle session with each engine; the `kcp` crate alone keeps 4.2 KB.
const ENGINES: &[(EngineKind, usize)] = &[
    (EngineKind::Ring, 3 * 1024),
    #[cfg(feature = "kcp")]
    (EngineKind::Kcp, 8 * 1024),
];

fn main() {
    for &(engine, limit) in ENGINES {
        smol::block_on(measure(engine, limit));
    }
}

async fn measure(engine: EngineKind, limit: usize) {
    let config = KcpConfig {
        engine,
        stream: true,
        keep_alive: None,
        max_unconfirmed: SESSIONS,
        backlog: SESSIONS,
        send_buffer: Some(4 << 20),
        recv_buffer: Some(4 << 20),
        session_expire: None,
        ..KcpConfig::lan()
    };
    let client = KcpEndpoint::bind(config.clone(), "127.0.0.1:0").await.unwrap();
    let listener = KcpListener::bind(config, "127.0.0.1:0").await.unwrap();
    // The server alone is weighed: its part is the difference of two weighings that differ by
    // the server's sessions only, as both sides keep the same kind of session.
    let before = heap::held();
    let mut pairs = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        pairs.push(connect(&client, &listener).await);
    }
    let fresh = weigh(before);
    for (ours, theirs) in &mut pairs {
        echo(ours, theirs).await;
    }
    // Sessions give their memory back after 10 s of silence; the last early deadlines pass too.
    smol::Timer::after(Duration::from_secs(15)).await;
    let used = weigh(before);
    let polls = listener.stats().driver_polls;
    smol::Timer::after(Duration::from_secs(5)).await;
    let polls = listener.stats().driver_polls - polls;
    println!("engine                                {engine:?}");
    println!("sessions on one socket                {SESSIONS}");
    println!("heap of an idle session, fresh        {fresh} bytes (limit {limit})");
    println!("heap of an idle session, after use    {used} bytes (limit {limit})");
    println!("driver polls in 5 s of silence        {polls} (limit 0)");
    assert!(fresh <= limit && used <= limit && polls == 0, "above the limit");

    // All of it goes before the next engine is weighed.
    pairs.into_iter().for_each(|(ours, theirs)| {
        ours.abort();
        theirs.abort();
    });
    while client.stats().sessions + listener.stats().sessions > 0 {
        smol::Timer::after(Duration::from_millis(10)).await;
    }
    drop((client, listener));
    smol::Timer::after(Duration::from_millis(500)).await;
}

/// Half of what was added: client and server keep the same.
fn weigh(before: usize) -> usize {
    heap::held().saturating_sub(before) / SESSIONS / 2
}

async fn connect(client: &KcpEndpoint, listener: &KcpListener) -> (KcpStream, KcpStream) {
    let accept = async { listener.accept().await.unwrap().0 };
    let connect = async { client.connect(listener.local_addr().unwrap()).await.unwrap() };
    future::zip(connect, accept).await
}

async fn echo(ours: &mut KcpStream, theirs: &mut KcpStream) {
    let there = async {
        ours.write_all(&[7; 100_000]).await.unwrap();
        let mut back = vec![0; 100_000];
        ours.read_exact(&mut back).await.unwrap();
    };
    let back = async {
        let mut bytes = vec![0; 100_000];
        theirs.read_exact(&mut bytes).await.unwrap();
        theirs.write_all(&bytes).await.unwrap();
    };
    future::zip(there, back).await;
}
