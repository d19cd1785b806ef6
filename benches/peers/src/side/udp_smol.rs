use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use peers::peer::{Credit, Options, Peer, MTU};
use smol::net::UdpSocket;
use smol::LocalExecutor;

/// Bare datagrams on smol: the floor under what lives there.
pub struct UdpSmol;

thread_local! {
    static EXECUTOR: &'static LocalExecutor<'static> = Box::leak(Box::default());
}

impl Peer for UdpSmol {
    // Little enough that the default buffers lose nothing.
    const CREDIT: Option<Credit> = Some(Credit { every: 16 * MTU, ahead: 64 * MTU });

    type Listener = Option<UdpSocket>;
    type Stream = UdpSocket;

    fn run(future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.with(|executor| smol::block_on(executor.run(executor.spawn(future))));
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.with(|executor| executor.spawn(future).detach());
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    async fn bind(_: Options) -> io::Result<(Option<UdpSocket>, SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let addr = socket.local_addr()?;
        Ok((Some(socket), addr))
    }

    async fn accept(listener: &mut Option<UdpSocket>) -> io::Result<UdpSocket> {
        let Some(socket) = listener.take() else { return std::future::pending().await };
        // Its `peek_from` does not wait.
        let from = loop {
            match socket.peek_from(&mut [0]).await {
                Ok((_, from)) => break from,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Self::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return Err(error),
            }
        };
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
