//! TCP peers, tunnels between them, and names that can be told where to lead.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol_kcp::KcpConfig;
use smol_kcpd::{
    HostPort, KeyOptions, Resolve, Resolving, Role, Runtime, Settings, Tunnel, UdpSettings,
};

pub use crate::common::relay::Relay;
pub use crate::common::{lossy, ms, now, pattern, read_pattern, stream, until, ANY};

/// Names that lead where the test says, and nowhere before it does.
#[derive(Clone, Default)]
pub struct Names(Rc<RefCell<HashMap<String, Vec<SocketAddr>>>>, Rc<Cell<u32>>);

impl Names {
    pub fn lead(&self, name: &str, addr: SocketAddr) {
        self.lead_to(name, vec![addr]);
    }

    pub fn lead_to(&self, name: &str, addrs: Vec<SocketAddr>) {
        self.0.borrow_mut().insert(name.to_string(), addrs);
    }

    /// How often any name was looked up.
    pub fn asked(&self) -> u32 {
        self.1.get()
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a HostPort) -> Resolving<'a> {
        Box::pin(async move {
            self.1.set(self.1.get() + 1);
            let found = self.0.borrow().get(host.host()).cloned();
            found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
        })
    }
}

/// Runs a test on a runtime with names of its own.
pub fn run<T, F: Future<Output = T>>(test: impl FnOnce(Runtime, Names) -> F) -> T {
    let names = Names::default();
    let runtime = Runtime::with_resolver(names.clone());
    crate::common::run(runtime.run(test(runtime.clone(), names)))
}

fn settings(name: &str, role: Role, kcp: KcpConfig) -> Settings {
    Settings {
        name: name.to_string(),
        role,
        listen: HostPort::parse_listen(ANY),
        kcp: KcpConfig { stream: true, datagrams: Some(UdpSettings::conversations(None)), ..kcp },
        keys: KeyOptions::default(),
        max_connections: 2048,
        target_timeout: ms(2000),
        udp: None,
        perf: false,
        stats_interval: None,
        #[cfg(feature = "kcptun")]
        kcptun: None,
    }
}

pub fn server_settings(target: impl Into<HostPort>, kcp: KcpConfig) -> Settings {
    settings("server", Role::Server { target: Some(target.into()) }, kcp)
}

pub fn client_settings(server: impl Into<HostPort>, kcp: KcpConfig) -> Settings {
    settings("client", Role::Client { server: server.into() }, kcp)
}

pub fn addr(tunnel: &Tunnel) -> SocketAddr {
    tunnel.local_addr().expect("it is bound")
}

/// A name with a port, for [`Names`]; the port is not looked at.
pub fn name(name: &str) -> HostPort {
    HostPort::parse(&format!("{name}:1")).expect("a name")
}

/// Both ends towards `target`, and where the client listens.
pub fn tunnel(
    runtime: &Runtime,
    target: SocketAddr,
    kcp: KcpConfig,
) -> (Tunnel, Tunnel, SocketAddr) {
    let server = Tunnel::start(runtime, server_settings(target, kcp.clone()));
    let client = Tunnel::start(runtime, client_settings(addr(&server), kcp));
    let at = addr(&client);
    (server, client, at)
}

/// A TCP server that does `serve` with every connection.
pub async fn tcp_server<F: Future<Output = io::Result<()>> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.expect("a port");
    let addr = listener.local_addr().expect("its address");
    smol::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            smol::spawn(serve(stream)).detach();
        }
    })
    .detach();
    addr
}

/// Sends back what it gets.
pub async fn echo_server() -> SocketAddr {
    tcp_server(|stream| async move {
        futures_lite::io::copy(stream.clone(), stream.clone()).await?;
        stream.shutdown(std::net::Shutdown::Write)
    })
    .await
}

/// Connects, and says something that comes back.
pub async fn talking(at: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.expect("connecting");
    chat(&mut stream, b"hello").await.expect("a first word");
    stream
}

/// Sends `word` and waits until it comes back.
pub async fn chat(stream: &mut TcpStream, word: &[u8]) -> io::Result<()> {
    let mut back = vec![0; word.len()];
    stream.write_all(word).await?;
    stream.read_exact(&mut back).await?;
    assert_eq!(back, word);
    Ok(())
}

/// How reading ends.
pub async fn ending(stream: &mut TcpStream) -> io::ErrorKind {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).await {
            Ok(0) => panic!("an end like any other"),
            Ok(_) => {}
            Err(error) => return error.kind(),
        }
    }
}

/// How a connection ends that is not wanted; that may be as early as when it is made.
pub async fn refusal(at: SocketAddr) -> io::ErrorKind {
    // One that waits is told by the system itself. Otherwise SO_ERROR tells, whose numbers qemu-user
    // leaves as they are on the machine below, where a MIPS has others.
    let opened = smol::unblock(move || std::net::TcpStream::connect(at)).await;
    match opened.and_then(TcpStream::try_from) {
        Ok(mut stream) => ending(&mut stream).await,
        Err(error) => error.kind(),
    }
}

/// One address behind which servers can be exchanged.
pub struct Switch {
    pub addr: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
    _task: smol::Task<io::Result<()>>,
}

impl Switch {
    pub fn to(server: SocketAddr) -> Switch {
        let front = smol::net::UdpSocket::from(
            smol::Async::<std::net::UdpSocket>::bind(([127, 0, 0, 1], 0)).expect("a port"),
        );
        let addr = front.local_addr().expect("its address");
        let to = Arc::new(Mutex::new(server));
        let target = Arc::clone(&to);
        let run = async move {
            let (mut buf, mut client) = ([0; 2048], None);
            loop {
                let (len, from) = front.recv_from(&mut buf).await?;
                let server = *target.lock().expect("whole");
                if client.is_none() || client == Some(from) {
                    client = Some(from);
                    front.send_to(&buf[..len], server).await?;
                } else if let Some(client) = client.filter(|_| from == server) {
                    front.send_to(&buf[..len], client).await?;
                }
            }
        };
        Switch { addr, to, _task: smol::spawn(run) }
    }

    pub fn turn(&self, server: SocketAddr) {
        *self.to.lock().expect("whole") = server;
    }
}
