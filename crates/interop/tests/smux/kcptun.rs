//! Sessions with Debian's kcptun (20210922, smux 1.5.16), both roles, through kcp-go's ciphers and parity.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use futures_lite::{future, AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol_kcp::kcp_go::{
    derive_key, Cipher, DerivedKey, FecConfig, KcpGoConfig, KcpGoStats, PacketCipher,
};
use smol_kcp::{
    KcpConfig, KcpEndpoint, KcpError, KcpNoDelayConfig, KcpStream, LinkConfig, NetemConfig,
    Probability, UdpTransport,
};
use smol_smux::{Config, Session, Stream, Version};

#[path = "../../../../tests/common/tools.rs"]
mod tools;

/// Bytes of each echo: more than the window before the first update.
const LEN: usize = 1 << 20;

/// What both sides were told.
#[derive(Clone, Copy, Debug)]
struct Case {
    cipher: Cipher,
    /// What theirs sends, and what ours does.
    theirs: FecConfig,
    ours: FecConfig,
    version: Version,
    /// At once.
    streams: u32,
    /// Of a hundred datagrams in each direction so many get lost.
    loss: u32,
}

impl Case {
    fn new(cipher: Cipher, fec: &str) -> Case {
        let fec = fec.parse().unwrap();
        Case { cipher, theirs: fec, ours: fec, version: Version::V1, streams: 1, loss: 0 }
    }

    fn kcp(&self, key: &DerivedKey) -> KcpConfig {
        let crypt = PacketCipher::new(self.cipher, key);
        let lossy = LinkConfig { loss: Probability::percent(self.loss), ..LinkConfig::default() };
        KcpConfig {
            stream: true,
            mtu: 1350,
            nodelay: KcpNoDelayConfig::fastest(),
            wnd_size: (512, 512),
            kcp_go: Some(KcpGoConfig::new(crypt).with_fec(self.ours)),
            netem: Some(NetemConfig { seed: 7, send: lossy.clone(), receive: lossy }),
            ..KcpConfig::default()
        }
    }

    fn smux(&self) -> Config {
        Config { version: self.version, ..Config::default() }
    }

    /// Looks at what the layers below KCP have seen.
    fn check(&self, stats: KcpGoStats) {
        let KcpGoStats { sent, received, .. } = stats;
        assert_eq!((received.malformed, received.contradictory), (0, 0), "{self:?}");
        assert_eq!(sent.parity > 0, !self.ours.is_off(), "{self:?}: {sent:?}");
        assert_eq!(received.parity > 0, !self.theirs.is_off(), "{self:?}: {received:?}");
        let lossy = self.loss > 0 && !self.theirs.is_off();
        assert!(!lossy || received.recovered > 0, "{self:?}: {received:?}");
    }
}

/// A process that ends with the test.
struct Kcptun(Child);

impl Kcptun {
    fn start(program: &str, case: &Case, args: [String; 4]) -> Kcptun {
        let common = format!(
            "--crypt {} --nocomp --datashard {} --parityshard {} --mode fast3 --mtu 1350 --smuxver {}",
            case.cipher,
            case.theirs.data,
            case.theirs.parity,
            case.version.number(),
        );
        let child = Command::new(program)
            .args(common.split(' '))
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

fn udp(config: &KcpConfig) -> UdpTransport {
    UdpTransport::bind(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// Writes and reads at once, and compares. kcptun passes no half-close on, so the length says the end.
async fn ask<T>(stream: T, seed: u32)
where
    T: futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin,
{
    assert!(echoes(stream, crate::pattern(seed, LEN)).await.unwrap(), "{seed}");
}

async fn echoes<T>(stream: T, data: Vec<u8>) -> std::io::Result<bool>
where
    T: futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin,
{
    let (mut read, mut write) = futures_lite::io::split(stream);
    let mut back = vec![0; data.len()];
    let (written, read) = future::zip(write.write_all(&data), read.read_exact(&mut back)).await;
    written.and(read)?;
    Ok(back == data)
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

/// kcptun's client brings TCP connections to our server, which echoes.
fn serve(case: &Case, key: &DerivedKey) {
    let config = case.kcp(key);
    let transport = udp(&config);
    let (endpoint, driver) = KcpEndpoint::with_driver(config, transport).unwrap();
    let (listener, addr) = (endpoint.listen(), endpoint.local_addr().unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
    let [local, remote] = ["--localaddr", "--remoteaddr"].map(String::from);
    let _client =
        Kcptun::start("kcptun-client", case, [local, tcp.to_string(), remote, addr.to_string()]);
    let serve = async {
        let (transport, _) = listener.accept().await.unwrap();
        let (session, driver) = Session::server(transport, case.smux()).unwrap();
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
        let first = ask(stream, 0);
        let more = (1..case.streams).map(|seed| async move {
            ask(TcpStream::connect(tcp).await.unwrap(), seed).await;
        });
        let more = crate::all(more.map(|ask| Box::pin(ask) as future::Boxed<()>).collect());
        future::zip(first, more).await;
    };
    beside(asks, future::zip(driver, serve));
    case.check(endpoint.kcp_go_stats().unwrap());
}

/// A kcptun server that can be started again, and the target that it connects to, which echoes.
struct Server {
    addr: SocketAddr,
    target: smol::net::TcpListener,
}

impl Server {
    fn new() -> Server {
        let target = smol::block_on(smol::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
        Server { addr, target }
    }

    fn start(&self, case: &Case) -> Kcptun {
        let [listen, to] = ["--listen", "--target"].map(String::from);
        let target = self.target.local_addr().unwrap().to_string();
        Kcptun::start("kcptun-server", case, [listen, self.addr.to_string(), to, target])
    }

    async fn echo(&self) {
        let executor = smol::LocalExecutor::new();
        let accept = async {
            loop {
                let (stream, _) = self.target.accept().await.unwrap();
                let echo = async move { futures_lite::io::copy(stream.clone(), stream).await };
                executor.spawn(echo).detach();
            }
        };
        executor.run(accept).await
    }

    /// Connects; it takes a moment until it listens.
    async fn connect(&self, endpoint: &KcpEndpoint) -> KcpStream {
        loop {
            if let Ok(stream) = endpoint.connect_to(self.addr, None).await {
                return stream;
            }
        }
    }
}

/// Our client opens streams to kcptun's server, whose target echoes.
fn call(case: &Case, key: &DerivedKey) {
    let server = Server::new();
    let _kcptun = server.start(case);
    let config = case.kcp(key);
    let transport = udp(&config);
    let (endpoint, driver) = KcpEndpoint::with_driver(config, transport).unwrap();
    let asks = async {
        let transport = server.connect(&endpoint).await;
        let (session, driver) = Session::client(transport, case.smux()).unwrap();
        let asks = (0..case.streams).map(|seed| ask(session.open().unwrap(), seed));
        let asks = crate::all(asks.map(|ask| Box::pin(ask) as future::Boxed<()>).collect());
        future::or(asks, async { panic!("{:?}", driver.await) }).await;
    };
    beside(asks, future::zip(driver, server.echo()));
    case.check(endpoint.kcp_go_stats().unwrap());
}

fn both_roles(cases: impl IntoIterator<Item = Case>) {
    if !(tools::is_installed("kcptun-client") && tools::is_installed("kcptun-server")) {
        return;
    }
    let key = derive_key(b"it's a secrect");
    for case in cases {
        serve(&case, &key);
        call(&case, &key);
    }
}

/// Those that this kcptun has.
fn ciphers() -> impl Iterator<Item = Cipher> {
    let newer = [Cipher::Null, Cipher::Aes128Gcm];
    Cipher::ALL.iter().copied().filter(move |cipher| !newer.contains(cipher))
}

#[test]
fn every_cipher_is_understood_with_parity_and_without() {
    both_roles(ciphers().flat_map(|cipher| ["off", "10+3"].map(|fec| Case::new(cipher, fec))));
}

#[test]
fn both_versions_of_smux_carry_twenty_streams_at_once() {
    let twenty = Case { streams: 20, ..Case::new(Cipher::Aes, "3+2") };
    both_roles([Version::V1, Version::V2].map(|version| Case { version, ..twenty }));
}

#[test]
fn each_side_may_send_another_ratio_or_none() {
    let of = |text: &str| text.parse().unwrap();
    let ratios = [("10+3", "off"), ("off", "10+3"), ("20+10", "4+2")];
    both_roles(ratios.map(|(theirs, ours)| Case {
        theirs: of(theirs),
        ours: of(ours),
        ..Case::new(Cipher::Salsa20, "off")
    }));
}

#[test]
fn what_gets_lost_on_the_way_from_kcptun_comes_out_of_its_parity() {
    both_roles(["10+3", "3+2", "off"].map(|fec| Case { loss: 3, ..Case::new(Cipher::Aes, fec) }));
}

#[test]
fn a_restarted_server_is_noticed_by_what_it_says() {
    if !tools::is_installed("kcptun-server") {
        return;
    }
    let key = derive_key(b"it's a secrect");
    // Within the window of the new one, which then acknowledges what comes, and beyond.
    for (cipher, len) in [(Cipher::Aes, 10_000), (Cipher::None, 2 * LEN)] {
        let case = Case::new(cipher, "10+3");
        let server = Server::new();
        let config = case.kcp(&key);
        let transport = udp(&config);
        let (endpoint, driver) = KcpEndpoint::with_driver(config, transport).unwrap();
        let story = async {
            let kcptun = server.start(&case);
            let transport = server.connect(&endpoint).await;
            let (session, driver) = Session::client(transport, case.smux()).unwrap();
            let asks = async {
                assert!(echoes(session.open().unwrap(), crate::pattern(1, len)).await.unwrap());
                drop(kcptun);
                let _again = server.start(&case);
                let _ = echoes(session.open().unwrap(), crate::pattern(2, 1000)).await;
                // It takes the session along, and its cause.
                std::future::pending().await
            };
            let ended = future::or(driver, asks).await.unwrap_err();
            let cause = std::error::Error::source(&ended).map(ToString::to_string);
            assert_eq!(cause, Some(KcpError::Reset.to_string()), "{ended}");
            // A new conversation is understood.
            let _again = server.start(&case);
            let transport = server.connect(&endpoint).await;
            let (session, driver) = Session::client(transport, case.smux()).unwrap();
            let ask = ask(session.open().unwrap(), 3);
            future::or(ask, async { panic!("{:?}", driver.await) }).await;
        };
        beside(story, future::zip(driver, server.echo()));
    }
}
