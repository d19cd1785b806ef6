//! What the tests share: a guard, the clock, configurations, an echo, and a NAT.

#![allow(dead_code)] // every test file uses a part of it

pub mod relay;
pub mod tools;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::Timer;
use smol_kcp::{
    EngineKind, KcpConfig, KcpEndpoint, KcpError, KcpListener, KcpStream, LinkConfig, NetemConfig,
    Probability,
};

/// No test takes so long, on the slowest of machines.
const LIMIT: Duration = Duration::from_secs(120);

/// Any free port of this machine.
pub const ANY: &str = "127.0.0.1:0";

/// Runs a test to its end, or fails in its name after [`LIMIT`].
pub fn run<T>(test: impl Future<Output = T>) -> T {
    smol::block_on(within(LIMIT, test))
}

/// Runs a test with our own engine and with the `kcp` crate's.
pub fn run_with_each_engine<F: Future>(config: KcpConfig, test: impl Fn(KcpConfig) -> F) {
    for &engine in EngineKind::ALL {
        run(test(KcpConfig { engine, ..config.clone() }));
    }
}

/// Waits for `future`, which must be done within `limit`.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    future::or(future, async {
        Timer::after(limit).await;
        panic!("{name}: not done within {limit:?}")
    })
    .await
}

/// Lets others run until `done`; the limit of the test bounds the wait.
pub async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        Timer::after(ms(5)).await;
    }
}

#[allow(clippy::disallowed_methods)] // these tests take place in real time
pub fn now() -> Instant {
    Instant::now()
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A fast stream of bytes.
pub fn stream() -> KcpConfig {
    KcpConfig { stream: true, ..KcpConfig::lan() }
}

/// Fast messages.
pub fn messages() -> KcpConfig {
    KcpConfig::lan()
}

/// Loses `percent` of what is sent.
pub fn lossy(config: KcpConfig, percent: u32, seed: u64) -> KcpConfig {
    let send = LinkConfig { loss: Probability::percent(percent), ..LinkConfig::default() };
    KcpConfig { netem: Some(NetemConfig { seed, send, ..NetemConfig::default() }), ..config }
}

/// `len` bytes, each of which tells its place; 251 is a prime, so no period of KCP fits it.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Reads to the end and checks that it is the [`pattern`]; the length of it.
pub async fn read_pattern(stream: &mut (impl AsyncReadExt + Unpin)) -> u64 {
    let expected = pattern(251 + 64 * 1024);
    let mut buf = vec![0; 64 * 1024];
    let mut at = 0u64;
    loop {
        let n = stream.read(&mut buf).await.expect("reading to the end");
        if n == 0 {
            return at;
        }
        let from = (at % 251) as usize;
        assert!(buf[..n] == expected[from..from + n], "other bytes around {at}");
        at += n as u64;
    }
}

/// A stream between two sockets: the accepting side first.
pub async fn connected(config: &KcpConfig) -> (KcpStream, KcpStream) {
    let listener = KcpListener::bind(config.clone(), ANY).await.expect("binding");
    let addr = listener.local_addr().unwrap();
    let (accepted, connected) =
        future::zip(listener.accept(), KcpStream::connect(config, addr)).await;
    (accepted.expect("accepting").0, connected.expect("connecting"))
}

/// A stream from an endpoint to a listener: the connecting side first.
pub async fn met(endpoint: &KcpEndpoint, listener: &KcpListener) -> (KcpStream, KcpStream) {
    let connecting = endpoint.connect(listener.local_addr().unwrap());
    let (connected, accepted) = future::zip(connecting, listener.accept()).await;
    (connected.expect("connecting"), accepted.expect("accepting").0)
}

/// A server that sends back what it gets, until the listener is gone.
pub fn echo(listener: KcpListener) -> SocketAddr {
    let addr = listener.local_addr().unwrap();
    smol::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            smol::spawn(echo_stream(stream)).detach();
        }
    })
    .detach();
    addr
}

async fn echo_stream(mut stream: KcpStream) {
    let mut buf = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
    let _ = stream.close().await;
}

/// Sends `word` and waits until it comes back.
pub async fn chat(stream: &mut KcpStream, word: &[u8]) {
    let mut back = vec![0; word.len()];
    stream.write_all(word).await.expect("sending a word");
    stream.read_exact(&mut back).await.expect("hearing it again");
    assert_eq!(back, word);
}

/// The cause inside of an [`std::io::Error`] of ours.
pub fn cause(error: &std::io::Error) -> &KcpError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.unwrap_or_else(|| panic!("not a cause of ours: {error:?}"))
}

/// A waker that counts how often it is fired.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
