//! kcptun's processes, our ends in their words, and what goes through.

use std::ffi::OsString;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol_kcpd::{HostPort, Runtime, Settings, Tunnel};

pub use crate::common::relay::Relay;
pub use crate::common::{ms, now, tools, until, ANY};

/// Returns whether kcptun is installed; where everything must be tested it has to be.
pub fn has_kcptun() -> bool {
    tools::is_installed("kcptun-client") && tools::is_installed("kcptun-server")
}

/// What both sides must have, in kcptun's words.
#[derive(Clone, Debug)]
pub struct Words(pub Vec<String>);

impl Words {
    pub fn new(words: &str) -> Words {
        Words(words.split(' ').filter(|word| !word.is_empty()).map(String::from).collect())
    }

    pub fn with(&self, words: &[&str]) -> Words {
        Words(self.0.iter().cloned().chain(words.iter().map(|word| word.to_string())).collect())
    }
}

/// A process of kcptun's, which ends with the test.
pub struct Kcptun(Child);

impl Kcptun {
    fn start(program: &str, words: &Words) -> Kcptun {
        let mut command = Command::new(program);
        command.args(&words.0).stdout(Stdio::null()).stderr(Stdio::null());
        Kcptun(command.spawn().expect("it is installed"))
    }

    /// Its server at `addr`.
    pub fn server(words: &Words, addr: SocketAddr, target: SocketAddr) -> Kcptun {
        let (addr, target) = (addr.to_string(), target.to_string());
        Kcptun::start("kcptun-server", &words.with(&["--listen", &addr, "--target", &target]))
    }

    /// Its client, and where that listens.
    pub fn client(words: &Words, server: SocketAddr) -> (Kcptun, SocketAddr) {
        let addr = free_port();
        let (local, remote) = (addr.to_string(), server.to_string());
        let words = words.with(&["--localaddr", &local, "--remoteaddr", &remote]);
        (Kcptun::start("kcptun-client", &words), addr)
    }
}

impl Drop for Kcptun {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has, for a program that cannot choose one itself. Systems give sockets that ask for any port one
/// above 32,767: below, nobody takes it meanwhile.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let at =
            std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let addr = SocketAddr::from(([127, 0, 0, 1], 2000 + (at % 30_000) as u16));
        if UdpSocket::bind(addr).is_ok() && std::net::TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

/// Waits until a program has bound a UDP port. What it is asked with is too short for everybody.
pub async fn until_bound(addr: SocketAddr) {
    let socket = UdpSocket::bind(ANY).expect("a port");
    socket.connect(addr).expect("an address of this machine");
    let refused = || socket.send(&[0]).and_then(|_| socket.send(&[0])).is_err();
    while refused() {
        smol::Timer::after(ms(5)).await;
    }
}

/// Our client's settings, by kcptun's words.
pub fn client(words: &Words, server: SocketAddr) -> Settings {
    settings("kcptun-client", &words.with(&["--remoteaddr", &server.to_string()]))
}

/// Our server's.
pub fn server(words: &Words, target: SocketAddr) -> Settings {
    settings("kcptun-server", &words.with(&["--target", &target.to_string()]))
}

/// Our client's, with the server in the words.
pub fn from_words(words: &Words) -> Settings {
    settings("kcptun-client", words)
}

fn settings(program: &str, words: &Words) -> Settings {
    let args = words.0.iter().map(OsString::from);
    let parsed = smol_kcpd::Command::parse_as(Some(program.into()), args).expect("accepted");
    let smol_kcpd::Command::Kcptun { mut configuration, .. } = parsed else { panic!() };
    let settings = configuration.tunnels.pop().expect("one");
    // kcptun has no word for any port.
    Settings { listen: HostPort::parse_listen(ANY), ..settings }
}

pub fn start(runtime: &Runtime, settings: Settings) -> (Tunnel, SocketAddr) {
    let tunnel = Tunnel::start(runtime, settings);
    let addr = tunnel.local_addr().expect("it is bound");
    (tunnel, addr)
}

/// Runs a test on a runtime.
pub fn run<T, F: future::Future<Output = T>>(test: impl FnOnce(Runtime) -> F) -> T {
    let runtime = Runtime::new();
    crate::common::run(runtime.run(test(runtime.clone())))
}

/// Sends back what it gets, and ends when its peer has ended.
pub async fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.expect("a port");
    let addr = listener.local_addr().expect("its address");
    smol::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            smol::spawn(async move {
                let copied = futures_lite::io::copy(stream.clone(), stream.clone()).await;
                if copied.is_ok() {
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                }
            })
            .detach();
        }
    })
    .detach();
    addr
}

/// `len` bytes, half of which compress well and half of which do not.
pub fn content(seed: u32, len: usize) -> Vec<u8> {
    let noise =
        |at: u32| at.wrapping_mul(2_654_435_761).rotate_left(at % 31).wrapping_add(seed) as u8;
    let byte = |at: u32| if at / 5000 % 2 == 0 { (seed + at / 700) as u8 } else { noise(at) };
    (0..len as u32).map(byte).collect()
}

/// Connects, as soon as somebody listens there.
pub async fn connect(at: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(at).await {
            Ok(stream) => return stream,
            Err(_) => drop(smol::Timer::after(ms(20)).await),
        }
    }
}

/// Sends content and gets it back, whose length says the end: kcptun passes no half-close on.
pub async fn ask(at: SocketAddr, seed: u32, len: usize) -> std::io::Result<()> {
    let mut stream = connect(at).await;
    chat(&mut stream, seed, len).await
}

/// The same in an open connection.
pub async fn chat(stream: &mut TcpStream, seed: u32, len: usize) -> std::io::Result<()> {
    let data = content(seed, len);
    let (mut read, mut write) = (stream.clone(), stream.clone());
    let mut back = vec![0; len];
    let both = future::zip(write.write_all(&data), read.read_exact(&mut back)).await;
    both.0.and(both.1)?;
    assert!(back == data, "{seed}: other bytes came back");
    Ok(())
}

/// Asks until it is answered: a program that is about to start loses the first words.
pub async fn ask_until_answered(at: SocketAddr, len: usize) {
    loop {
        let asked = future::or(async { Some(ask(at, 0, len).await) }, async {
            smol::Timer::after(Duration::from_secs(5)).await;
            None
        });
        match asked.await {
            Some(Ok(())) => return,
            _ => drop(smol::Timer::after(ms(50)).await),
        }
    }
}

/// One megabyte, then twenty streams at once.
pub async fn ask_much(at: SocketAddr) {
    ask_until_answered(at, 1000).await;
    ask(at, 1, 1 << 20).await.expect("one megabyte");
    let asks: Vec<_> = (0..20).map(|seed| smol::spawn(ask(at, seed, 30_000))).collect();
    for (seed, ask) in asks.into_iter().enumerate() {
        ask.await.unwrap_or_else(|error| panic!("stream {seed}: {error}"));
    }
}
