//! Bare datagrams, one call each, for a single connection: the floor under who sends that way. On
//! the runtime, and through the socket, of the program above: tokio's and smol's have the same calls.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use peers::peer::{Credit, Options, Peer, MTU};
use peers::runtime::{Bytes, Runtime as _};

use super::{Runtime, UdpSocket};

pub struct Udp;

pub struct Connection(UdpSocket);

impl Peer for Udp {
    // Little enough that the default buffers lose nothing.
    const CREDIT: Option<Credit> = Some(Credit { every: 16 * MTU, ahead: 64 * MTU });

    type Runtime = Runtime;
    type Listener = Option<UdpSocket>;
    type Stream = Connection;

    async fn bind(_: Options) -> io::Result<(Option<UdpSocket>, SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let addr = socket.local_addr()?;
        Ok((Some(socket), addr))
    }

    async fn accept(listener: &mut Option<UdpSocket>) -> io::Result<Connection> {
        let Some(socket) = listener.take() else { return std::future::pending().await };
        // Smol's `peek_from` does not wait.
        let from = loop {
            match socket.peek_from(&mut [0]).await {
                Ok((_, from)) => break from,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Runtime::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return Err(error),
            }
        };
        socket.connect(from).await?;
        Ok(Connection(socket))
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<Connection> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(addr).await?;
        Ok(Connection(socket))
    }
}

impl Bytes<Runtime> for Connection {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for datagram in bytes.chunks(MTU) {
            self.0.send(datagram).await?;
        }
        Ok(())
    }
}
