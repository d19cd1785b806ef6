use std::io;
use std::net::SocketAddr;

use kcp_tokio::config::{KcpConfig, NodeDelayConfig};
use kcp_tokio::{KcpListener, KcpStream};
use peers::peer::{other, Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::runtime::Tokio;

pub struct KcpTokio;

fn config() -> KcpConfig {
    KcpConfig {
        mtu: MTU as u32,
        snd_wnd: u32::from(WINDOW),
        rcv_wnd: u32::from(WINDOW),
        nodelay: NodeDelayConfig {
            nodelay: true,
            interval: INTERVAL,
            resend: RESEND,
            no_congestion_control: true,
        },
        stream_mode: true,
        max_pending_connections: 1024,
        ..KcpConfig::default()
    }
}

impl Peer for KcpTokio {
    type Runtime = Tokio;
    type Listener = KcpListener;
    type Stream = KcpStream;

    async fn bind(_: Options) -> io::Result<(KcpListener, SocketAddr)> {
        let listener =
            KcpListener::bind(([127, 0, 0, 1], 0).into(), config()).await.map_err(other)?;
        let addr = *listener.local_addr();
        Ok((listener, addr))
    }

    async fn accept(listener: &mut KcpListener) -> io::Result<KcpStream> {
        Ok(listener.accept().await.map_err(other)?.0)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<KcpStream> {
        KcpStream::connect(addr, config()).await.map_err(other)
    }
}
