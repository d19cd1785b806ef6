//! Sessions with Debian's kcptun (20210922, smux 1.5.16) through KCP, both roles, both versions.
//!
//! Its cipher `none` still puts sixteen random bytes and a checksum in front of each datagram; here that
//! is done by a transport of the test's own.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::task::{ready, Context, Poll};

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::Async;
use smol_kcp::{
    Datagram, Datagrams, KcpConfig, KcpEndpoint, KcpListener, KcpNoDelayConfig, Transport,
};
use smol_smux::{Config, Session, Stream, Version};

#[path = "../../../../tests/common/tools.rs"]
mod tools;

/// Nonce and checksum.
const FRONT: usize = 20;

/// Bytes of each echo: more than the window before the first update.
const LEN: usize = 600_000;

const STREAMS: u32 = 3;

struct None20(Async<UdpSocket>);

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

impl Transport for None20 {
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut buf = [0; 2048];
        let before = batch.len();
        while !batch.is_full() {
            match self.0.get_ref().recv_from(&mut buf) {
                Ok((n, from)) if n >= FRONT => {
                    assert_eq!(crc32(&buf[FRONT..n]).to_le_bytes(), buf[FRONT - 4..FRONT]);
                    batch.push(Datagram::new(from, &buf[FRONT..n]));
                }
                Ok((n, _)) => panic!("a datagram of {n} bytes"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if batch.len() > before {
                        return Poll::Ready(Ok(()));
                    }
                    ready!(self.0.poll_readable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Datagrams) -> Poll<io::Result<()>> {
        while let Some(datagram) = batch.front() {
            let mut packet = vec![7; FRONT - 4]; // instead of the nonce
            packet.extend(crc32(datagram.payload).to_le_bytes());
            packet.extend(datagram.payload);
            match self.0.get_ref().send_to(&packet, datagram.peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.0.poll_writable(cx))?;
                    continue;
                }
                sent => {
                    batch.pop_front();
                    sent?;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

/// A process that ends with the test.
struct Kcptun(Child);

impl Kcptun {
    fn start(program: &str, version: Version, args: [String; 4]) -> Kcptun {
        let common =
            "--crypt none --nocomp --datashard 0 --parityshard 0 --mode fast3 --mtu 1350 --smuxver";
        let child = Command::new(program)
            .args(common.split(' '))
            .arg(version.number().to_string())
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Kcptun(child.unwrap())
    }
}

impl Drop for Kcptun {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn none20() -> (None20, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    (None20(Async::new(socket).unwrap()), addr)
}

fn kcp() -> KcpConfig {
    KcpConfig {
        stream: true,
        mtu: 1330,
        nodelay: KcpNoDelayConfig::fastest(),
        wnd_size: (512, 512),
        ..KcpConfig::default()
    }
}

fn smux(version: Version) -> Config {
    Config { version, ..Config::default() }
}

/// Writes and reads at once, and compares. kcptun passes no half-close on, so the length says the end.
async fn ask<T>(stream: T, seed: u32)
where
    T: futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin,
{
    let data = crate::pattern(seed, LEN);
    let (mut read, mut write) = futures_lite::io::split(stream);
    let mut back = vec![0; LEN];
    let ((), ()) = future::zip(async { write.write_all(&data).await.unwrap() }, async {
        read.read_exact(&mut back).await.unwrap()
    })
    .await;
    assert!(back == data, "{seed}");
}

async fn answer(stream: Stream) {
    let _ = futures_lite::io::copy(&stream, &mut &stream).await;
}

/// Runs futures until `test` is done.
fn beside<T>(test: impl std::future::Future<Output = T>, driver: impl std::future::Future) -> T {
    smol::block_on(future::or(test, async {
        driver.await;
        std::future::pending().await
    }))
}

/// kcptun's client brings three TCP connections to our server, which echoes.
fn serve(version: Version) {
    let (transport, addr) = none20();
    let (listener, driver) = KcpListener::with_driver(kcp(), transport).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
    let [local, remote] = ["--localaddr", "--remoteaddr"].map(String::from);
    let _client =
        Kcptun::start("kcptun-client", version, [local, tcp.to_string(), remote, addr.to_string()]);
    let serve = async {
        let (transport, _) = listener.accept().await.unwrap();
        let (session, driver) = Session::server(transport, smux(version)).unwrap();
        let accept = async {
            let executor = smol::LocalExecutor::new();
            executor
                .run(async {
                    while let Ok(stream) = session.accept().await {
                        executor.spawn(answer(stream)).detach();
                    }
                })
                .await;
        };
        let _ends = future::zip(accept, driver).await;
    };
    let asks = async {
        // It takes a moment until it listens.
        let stream = loop {
            match TcpStream::connect(tcp).await {
                Ok(stream) => break stream,
                Err(_) => future::yield_now().await,
            }
        };
        ask(stream, 0).await;
        let more = (1..STREAMS).map(|seed| async move {
            ask(TcpStream::connect(tcp).await.unwrap(), seed).await;
        });
        crate::all(more.map(|ask| Box::pin(ask) as future::Boxed<()>).collect()).await;
    };
    beside(asks, future::zip(driver, serve));
}

/// Our client opens three streams to kcptun's server, whose target echoes.
fn call(version: Version) {
    let target = smol::block_on(smol::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
    let [listen, to] = ["--listen", "--target"].map(String::from);
    let target_addr = target.local_addr().unwrap().to_string();
    let _server =
        Kcptun::start("kcptun-server", version, [listen, udp.to_string(), to, target_addr]);
    let (transport, _) = none20();
    let (endpoint, driver) = KcpEndpoint::with_driver(kcp(), transport).unwrap();
    let executor = smol::LocalExecutor::new();
    let echo = executor.run(async {
        loop {
            let (stream, _) = target.accept().await.unwrap();
            let echo = async move { futures_lite::io::copy(stream.clone(), stream).await };
            executor.spawn(echo).detach();
        }
    });
    let asks = async {
        // It takes a moment until it listens.
        let transport = loop {
            if let Ok(stream) = endpoint.connect_to(udp, None).await {
                break stream;
            }
        };
        let (session, driver) = Session::client(transport, smux(version)).unwrap();
        let asks = (0..STREAMS).map(|seed| ask(session.open().unwrap(), seed));
        let asks = crate::all(asks.map(|ask| Box::pin(ask) as future::Boxed<()>).collect());
        future::or(asks, async { panic!("{:?}", driver.await) }).await;
    };
    beside(asks, future::zip(driver, async { echo.await as () }));
}

#[test]
fn kcptuns_client_is_served_and_its_server_understands_ours() {
    if !(tools::is_installed("kcptun-client") && tools::is_installed("kcptun-server")) {
        return;
    }
    for version in [Version::V1, Version::V2] {
        serve(version);
        call(version);
    }
}
