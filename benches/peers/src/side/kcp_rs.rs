use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use kcp::{KcpConfig, KcpNoDelayConfig, KcpStream, KcpUdpStream};
use peers::peer::{Options, Peer, INTERVAL, MTU, RESEND, WINDOW};
use peers::runtime::Tokio;

pub struct KcpRs;

fn config() -> Arc<KcpConfig> {
    Arc::new(KcpConfig {
        mtu: MTU as u32,
        nodelay: KcpNoDelayConfig { nodelay: true, interval: INTERVAL, resend: RESEND, nc: true },
        snd_wnd: u32::from(WINDOW),
        rcv_wnd: u32::from(WINDOW),
        stream: true,
        ..KcpConfig::default()
    })
}

impl Peer for KcpRs {
    type Runtime = Tokio;
    type Listener = KcpUdpStream;
    type Stream = KcpStream;

    async fn bind(_: Options) -> io::Result<(KcpUdpStream, SocketAddr)> {
        let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
        let addr = udp.local_addr()?;
        Ok((KcpUdpStream::socket_listen(config(), udp, 1024, None)?, addr))
    }

    async fn accept(listener: &mut KcpUdpStream) -> io::Result<KcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<KcpStream> {
        Ok(KcpUdpStream::connect(config(), addr).await?.0)
    }
}
