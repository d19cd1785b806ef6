use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;

use peers::peer::{Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::runtime::{Runtime, Smol};
use smol_kcp::secure::{SecureConfig, SharedSecret};
use smol_kcp::{KcpConfig, KcpEndpoint, KcpListener, KcpNoDelayConfig, KcpStream, UdpTransport};

pub struct SmolKcp;

thread_local! {
    static ENDPOINT: OnceCell<KcpEndpoint> = const { OnceCell::new() };
}

fn config(secure: Option<SecureConfig>) -> KcpConfig {
    KcpConfig {
        secure,
        mtu: MTU,
        nodelay: KcpNoDelayConfig { nodelay: true, interval: INTERVAL, resend: RESEND, nc: true },
        wnd_size: (WINDOW, WINDOW),
        stream: true,
        // A window in flight, and half of one that waits.
        send_budget: 2 << 20,
        recv_budget: 2 << 20,
        // As the others: none of them asks whether a silent peer still lives.
        keep_alive: None,
        session_expire: None,
        backlog: 1024,
        max_unconfirmed: 1024,
        ..KcpConfig::default()
    }
}

/// One secret for both sides, which no one else has.
fn secret() -> SharedSecret {
    SharedSecret::from_bytes([7; 32])
}

fn of_client(options: Options) -> KcpConfig {
    config(options.secure.then(|| SecureConfig::shared_client(&secret())))
}

impl Peer for SmolKcp {
    type Runtime = Smol;
    type Listener = KcpListener;
    type Stream = KcpStream;

    async fn bind(options: Options) -> io::Result<(KcpListener, SocketAddr)> {
        let config = config(options.secure.then(|| SecureConfig::shared_server(&secret())));
        let transport = UdpTransport::bind(&config, ([127, 0, 0, 1], 0).into())?;
        let (listener, driver) = KcpListener::with_driver(config, transport)?;
        Smol::spawn(async move { drop(driver.await) });
        let addr = listener.local_addr().unwrap();
        Ok((listener, addr))
    }

    async fn accept(listener: &mut KcpListener) -> io::Result<KcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn connect(options: Options, addr: SocketAddr) -> io::Result<KcpStream> {
        let config = of_client(options);
        if options.one_socket {
            let endpoint = ENDPOINT.with(|cell| match cell.get() {
                Some(endpoint) => Ok(endpoint.clone()),
                None => {
                    let transport = UdpTransport::bind(&config, ([127, 0, 0, 1], 0).into())?;
                    let (endpoint, driver) = KcpEndpoint::with_driver(config, transport)?;
                    Smol::spawn(async move { drop(driver.await) });
                    Ok::<_, io::Error>(cell.get_or_init(|| endpoint).clone())
                }
            })?;
            return Ok(endpoint.connect_to(addr, None).await?);
        }
        let transport = UdpTransport::connect(&config, addr)?;
        let (connect, driver) = KcpStream::connect_with_driver(&config, transport, addr)?;
        Smol::spawn(async move { drop(driver.await) });
        Ok(connect.await?)
    }

    fn report(stream: &KcpStream) {
        let stats = stream.stats();
        println!("segments {}", stats.segments_sent);
        println!("again {}", stats.timeout_retransmits + stats.fast_retransmits);
    }
}
