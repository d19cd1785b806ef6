use std::io;
use std::net::SocketAddr;

use peers::peer::{other, Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::runtime::Tokio;
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

pub struct TokioKcp;

fn config() -> KcpConfig {
    KcpConfig {
        mtu: MTU,
        nodelay: KcpNoDelayConfig {
            nodelay: true,
            interval: INTERVAL as i32,
            resend: RESEND as i32,
            nc: true,
        },
        wnd_size: (WINDOW, WINDOW),
        stream: true,
        // Both are off by default; with them it is faster.
        flush_write: true,
        flush_acks_input: true,
        ..KcpConfig::default()
    }
}

impl Peer for TokioKcp {
    type Runtime = Tokio;
    type Listener = KcpListener;
    type Stream = KcpStream;

    async fn bind(_: Options) -> io::Result<(KcpListener, SocketAddr)> {
        let listener = KcpListener::bind(config(), "127.0.0.1:0").await.map_err(other)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut KcpListener) -> io::Result<KcpStream> {
        Ok(listener.accept().await.map_err(other)?.0)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<KcpStream> {
        KcpStream::connect(&config(), addr).await.map_err(other)
    }
}
