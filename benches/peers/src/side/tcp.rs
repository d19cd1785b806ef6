use std::io;
use std::net::SocketAddr;

use peers::peer::{Options, Peer};
use peers::runtime::Tokio;
use tokio::net::{TcpListener, TcpStream};

pub struct Tcp;

impl Peer for Tcp {
    type Runtime = Tokio;
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind(_: Options) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(_: Options, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
