use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use peers::peer::{Credit, Options, Peer, MTU};
use peers::tokio_runtime;
use tokio::net::UdpSocket;

/// Bare datagrams, one call each, for a single connection: the floor under who sends that way.
pub struct Udp;

impl Peer for Udp {
    // Little enough that the default buffers lose nothing.
    const CREDIT: Option<Credit> = Some(Credit { every: 16 * MTU, ahead: 64 * MTU });

    type Listener = Option<UdpSocket>;
    type Stream = UdpSocket;

    fn run(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::run(future);
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio_runtime::spawn(future);
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn bind(_: Options) -> io::Result<(Option<UdpSocket>, SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let addr = socket.local_addr()?;
        Ok((Some(socket), addr))
    }

    async fn accept(listener: &mut Option<UdpSocket>) -> io::Result<UdpSocket> {
        let Some(socket) = listener.take() else { return std::future::pending().await };
        let (_, from) = socket.peek_from(&mut [0]).await?;
        socket.connect(from).await?;
        Ok(socket)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(addr).await?;
        Ok(socket)
    }

    async fn read(socket: &mut UdpSocket, buf: &mut [u8]) -> io::Result<usize> {
        socket.recv(buf).await
    }

    async fn write(socket: &mut UdpSocket, bytes: &[u8]) -> io::Result<()> {
        for datagram in bytes.chunks(MTU) {
            socket.send(datagram).await?;
        }
        Ok(())
    }
}
